"""Whether items still cost what was remembered, by what chunks report."""

from __future__ import annotations

from amorsize.policy.evidence.cost_change_detector import EFFECT, Detector, Shift
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from amorsize.policy.events import Report
    from amorsize.policy.profile import CostLevel, Profile

#: The same where others want the cores as well. Caches and locks make what items cost vary for as
#: long as a lump of their work lasts: on two cores beside two programs by up to 1.6 from call to
#: call.
BUSY_EFFECT = 2.0

#: Chunks that must show a change on a busy host.
BUSY_CHUNKS = 8

#: Chunks of each worker that must show it where items wait: one lump of others' work meets all.
BUSY_ROUNDS = 3

#: A change on a busy host must last this long: a program has a core for some 5 ms, and several of
#: them take turns.
BUSY_S = 0.1

#: A host is busy when chunks stand back for others for more than this share of their time. On a
#: quiet one it is below 0.01.
BUSY_SHARE = 0.02

#: Two turns of others at a core, which a busy host costs any wait.
TURNS_S = 10e-3

#: A chunk with at least this share of the usual number of items is judged by itself.
TOGETHER = 0.75

#: Calls differ from one another by this many standard deviations of their chunks anyway.
USUAL = 2.0

#: Below this many chunks, the spread of a profile tells nothing.
LEAST_KNOWN = 8

#: CPU / wall below which items wait, and above which they compute.
WAITING_SHARE, COMPUTING_SHARE = 0.3, 0.6

#: Chunks in a row that must wait where the profile has items that compute, or the other way round.
RUN = 8

#: The answer to a change that concerns all plans alike.
NOTHING = "nothing: the plan follows what items cost anyway"


class Drift(Value):
    """A change that was noticed in a call, and what was done about it."""

    now_s: float  # since the call began
    what: str  # "cost", "cores", "waiting", "profile", "throughput", "plan" or "failures"
    factor: float  # what items cost now / what they were remembered to cost; of throughput alike
    n_chunks: int  # that showed it
    answer: str = NOTHING
    at_s: float | None = None  # when, in seconds since 1970; None in here, where there is no clock

    @property
    def is_retuned(self) -> bool:
        """Whether something was decided anew because of it."""
        return self.what in ("waiting", "profile", "throughput", "plan")

    @classmethod
    def from_dict(cls, fields: Any) -> Drift | None:
        """A drift from stored fields; None if anything about them cannot be right."""
        from amorsize.policy.stored_field_checks import count, fits, number, one_of, optional, text

        figure = number(MOST_FIGURE)
        schema = {
            "now_s": figure,
            "what": one_of(*_WORDS),
            "factor": figure,
            "n_chunks": count(MOST_CHUNKS, least=0),
            "answer": text(MOST_CHARS),
            "at_s": optional(figure),
        }
        return cls(**fields) if fits(fields, schema) else None

    def __str__(self) -> str:
        words = _WORDS[self.what].format(self.factor)
        if self.what == "profile" and f"{self.factor:.2g}" == "1":
            words = "items cost what was remembered, but are of another kind"
        return f"{words}: {self.answer}"


#: Beyond these, a stored figure or text is a mistake.
MOST_FIGURE, MOST_CHUNKS, MOST_CHARS = 1e15, 10**15, 200
_WORDS = {
    "cost": "an item costs {:.2g} x what it did",
    "cores": "an item takes {:.2g} x as long for the same CPU time",
    "waiting": "items that computed now seem to wait ({:.2g} x the wall time)",
    "profile": "an item costs {:.2g} x what was remembered, or is of another kind",
    "plan": "a neighbour of the plan has {:.2g} x its throughput, in two calls",
    "failures": "items fail {:.2g} x as often as they did",
    "throughput": "the call achieved {:.2g} x what the same plan did before, twice in a row",
}


def altogether(drifts: Iterable[Drift]) -> float:
    """What items cost now, divided by what was remembered, after several changes in a call."""
    factor = 1.0
    for one in drifts:
        factor *= one.factor if one.what in ("cost", "cores") else 1.0
    return factor


class Watch:
    """One call's reports against the profile that it began with.

    Small chunks are put together until they hold as many items as those of the profile did on the
    average: the spread of a mean depends on how many it is of.
    """

    def __init__(self, known: Profile) -> None:
        self._detector: Detector | None = None
        traits, level = known.traits, known.level
        if level.typical_s is not None and level.n_chunks >= LEAST_KNOWN:
            self._detector = Detector(level.typical_s, level.spread_log or 0.0, level.n_chunks)
        self._spread_log, self._n_known = level.spread_log or 0.0, level.n_chunks
        self._n_working: int | None = None
        self._since_s = 0.0  # when that was changed
        self._logs: list[float] = []  # of costs since then, until they are a level to hold against
        self._n_together = TOGETHER * level.chunk_items
        self._share = min(1.0, traits.item_cpu_s / traits.item_s)
        self._n_items = 0
        self._wall_s = self._cpu_s = self._undelayed_s = 0.0
        self._typical_s = level.typical_s or traits.item_s
        self._n_waiting = 0
        self._waits = self._has_asked = traits.waits  # of those that wait nothing more is asked
        self._all_s = self._run_delay_s = 0.0  # of all chunks so far,
        self._most_delay_s = 0.0  # and of the one that was kept from its core for longest

    def see(
        self, report: Report, n_working: int | None = None, *, is_shrinking: bool = False
    ) -> Drift | None:
        """Take in one report; the change, once there is one.

        Args:
            report: Of a worker.
            n_working: How many of them get chunks; None: all. Where fewer or more do, items may
                cost something else for that reason, which is no change of theirs.
            is_shrinking: Those that get no more are still at their last chunks.
        """
        self._all_s += report.wall_s
        self._run_delay_s += report.run_delay_s
        self._most_delay_s = max(self._most_delay_s, report.run_delay_s)
        if n_working != self._n_working or is_shrinking:
            self._n_working, self._since_s, self._logs = n_working, report.now_s, []
            self._n_items, self._wall_s, self._cpu_s, self._undelayed_s = 0, 0.0, 0.0, 0.0
        if report.begun_s < self._since_s:
            return None
        self._n_items += report.n_items
        self._wall_s += report.wall_s
        self._cpu_s += report.cpu_s
        self._undelayed_s += report.undelayed_s
        if not self._n_items or self._n_items < self._n_together:
            return None
        share, computing = self._cpu_s / max(self._wall_s, 1e-9), self._cpu_s / self._undelayed_s
        # What an item costs is without the time for which others had its core. Where the number of
        # workers follows from how they get on, it matters whether these have got it back.
        is_limited = n_working is not None and not self._has_asked
        item_s = (self._wall_s if is_limited else self._undelayed_s) / self._n_items
        self._n_items = 0
        self._wall_s = self._cpu_s = self._undelayed_s = 0.0
        shift = self._shift(item_s, report.now_s, n_working)
        if self._now_waits(computing):
            return self._found(report, "waiting", item_s / self._typical_s, RUN)
        if shift is None or self._is_noise(shift, item_s):
            return None
        share = share if is_limited else computing
        slower_alone = shift.factor * share / max(self._share, 1e-9)  # of CPU time, the same factor
        lacks_cores = shift.factor > EFFECT * slower_alone and shift.factor > 1
        what = "cores" if lacks_cores and not self._has_asked else "cost"
        return self._found(report, what, shift.factor, shift.n_chunks)

    def costs_more(self, drifts: Iterable[Drift]) -> bool:
        """Whether items cost more by now than nearly all items of the remembered call did."""
        from math import exp

        return altogether(drifts) > EFFECT * exp(USUAL * self._spread_log)

    def _is_noise(self, shift: Shift, item_s: float) -> bool:
        """Whether items that wait have waited no longer than some thread was kept from its core.

        Where that one had the GIL, or what they wait for, all the others waited with it.
        """
        more_s = abs(item_s - item_s / shift.factor)
        return self._waits and more_s <= max(self._most_delay_s, self.is_busy * TURNS_S)

    @property
    def is_busy(self) -> bool:
        """Whether others have wanted the cores as well."""
        return self._run_delay_s > BUSY_SHARE * self._all_s

    def _shift(self, item_s: float, now_s: float, n_working: int | None) -> Shift | None:
        """The change against the profile, or against the costs since the workers have changed."""
        if self._detector is None:
            return None
        if self._since_s and len(self._logs) < LEAST_KNOWN:
            from math import exp, log

            self._logs.append(log(max(item_s, 1e-9)))
            if len(self._logs) == LEAST_KNOWN:
                level_s = exp(sum(self._logs) / LEAST_KNOWN)
                self._detector = Detector(level_s, self._spread_log, self._n_known)
            return None
        # One that is stopped while it holds the GIL keeps all others waiting, whoever stopped it.
        n_rounds = BUSY_ROUNDS * (n_working or 1) if self._waits else 1
        if not self.is_busy:
            return self._detector.see(item_s, now_s, n_least=n_rounds)
        n_least = max(BUSY_CHUNKS, n_rounds)
        return self._detector.see(
            item_s, now_s, effect=BUSY_EFFECT, n_least=n_least, least_s=BUSY_S
        )

    def _now_waits(self, share: float) -> bool:
        """Whether chunk after chunk takes little CPU time although remembered items compute."""
        if self._has_asked or self._share < COMPUTING_SHARE:
            return False
        self._n_waiting = self._n_waiting + 1 if share < WAITING_SHARE else 0
        self._has_asked = self._n_waiting >= RUN
        return self._has_asked

    @staticmethod
    def _found(report: Report, what: str, factor: float, n_chunks: int) -> Drift:
        return Drift(now_s=report.now_s, what=what, factor=factor, n_chunks=n_chunks)


def kept_level(known: CostLevel, learned: CostLevel) -> CostLevel:
    """The level that was learned, or the earlier one if it was learned from few chunks."""
    return learned if learned.n_chunks >= LEAST_KNOWN else known

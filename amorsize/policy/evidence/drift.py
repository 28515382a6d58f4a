"""Whether items still cost what was remembered: a two-sided CUSUM over what chunks report.

Each chunk's log cost is compared with the profile, in standard deviations of the profile's own
chunks. What exceeds one of them is summed up, either way; a sum of eight is an alarm. So single
slow chunks tell nothing, three clearly slower ones in a row do, and a small change that lasts is
found as well - which is why an alarm counts only if the change is worth knowing.

Source:
    Page (1954), Continuous inspection schemes, Biometrika 41. The constants are not those of the
    textbook, whose false alarms assume a baseline that is known: docs/drift.md has what they give.
"""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from amorsize.policy.events import Report
    from amorsize.policy.profile import Profile

CLIP = 4.0  # standard deviations a chunk counts for at most: one stopped worker is no drift
SLACK = 1.0  # of them that are noise: at 0.5, 25 to 70 % of calls without drift gave an alarm
THRESHOLD = 8.0
LEAST_SD = 0.05  # even chunks: the host alone varies by that much
EFFECT = 1.35  # an alarm counts from this factor on; a change by 1.5 is seen as 1.4 to 1.6
# Where others want the cores as well, caches and locks make what items cost vary for as long as a
# lump of their work lasts: on two cores beside two programs by up to 1.6 from call to call.
BUSY_EFFECT = 2.0
BUSY_CHUNKS = 8  # that must show it,
BUSY_ROUNDS = 3  # or so many of each that runs at once: one lump meets all of them,
BUSY_S = 0.1  # and for so long: a program has a core for some 5 ms, and several of them in turn
BUSY_SHARE = 0.02  # of their time that chunks stand back for others: on a quiet host below 0.01
TURNS_S = 10e-3  # two turns of others at a core, which a busy host costs any wait
TOGETHER = 0.75  # of a chunk's mean items: judged with it, not put together with the next
USUAL = 2.0  # standard deviations of its chunks, by which those of a call differ anyway
WELL_KNOWN = 40  # chunks after which the spread of a profile is believed as it is
LEAST_KNOWN = 8  # and below which it tells nothing
REST = 20  # chunks without another alarm after one: the new level is only being known
WAITING_SHARE, COMPUTING_SHARE = 0.3, 0.6  # CPU / wall of items that wait, that compute
RUN = 8  # chunks in a row that must agree on the one where the profile says the other


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
        from amorsize.policy.schema import count, fits, number, one_of, optional, text

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
        return f"{_WORDS[self.what].format(self.factor)}: {self.answer}"


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
    """What items cost now by what was remembered, after several changes in a call."""
    factor = 1.0
    for one in drifts:
        factor *= one.factor if one.what in ("cost", "cores") else 1.0
    return factor


class Shift(Value):
    """A lasting change of cost."""

    factor: float  # new cost / old cost
    n_chunks: int  # since it began, as far as that can be told


class Detector:
    """CUSUM over costs of chunks, each the mean of its items.

    Args:
        typical_s: Geometric mean of what items cost, chunk by chunk, when the profile was learned.
        spread_log: Standard deviation of the logs of these.
        n_chunks: How many there were.
    """

    def __init__(self, typical_s: float, spread_log: float, n_chunks: int) -> None:
        from math import exp, log

        self._log, self._exp = log, exp
        self._typical = log(typical_s)
        self._sd = max(LEAST_SD, spread_log) * max(1.0, (WELL_KNOWN / n_chunks) ** 0.5)
        self._up, self._down = _Sum(1), _Sum(-1)
        self._n_rest = 0

    def see(
        self,
        item_s: float,
        now_s: float = 0.0,
        *,
        effect: float | None = None,
        n_least: int = 1,
        least_s: float = 0.0,
    ) -> Shift | None:
        """Take in one chunk; the shift, once there is one worth knowing.

        Args:
            item_s: What an item of it cost.
            now_s: When it was told.
            effect: The factor from which a change counts; None: as on a quiet host.
            n_least: Chunks that must agree,
            least_s: and for how long.
        """
        off = self._log(max(item_s, 1e-9)) - self._typical
        z = min(CLIP, max(-CLIP, off / self._sd))
        for side in (self._up, self._down):
            is_over = side.add(z, off, now_s) and self._n_rest <= 0
            if is_over and side.n >= n_least and now_s - side.began_s >= least_s:
                shift, n_chunks = side.mean, side.n
                self._up.clear()
                self._down.clear()
                if abs(shift) < self._log(effect or EFFECT):
                    return None
                self._typical += shift
                self._n_rest = REST
                return Shift(factor=self._exp(shift), n_chunks=n_chunks)
        self._n_rest -= 1
        return None


class _Sum:
    """What exceeds the slack in one direction, summed up since it last vanished."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self.clear()

    def clear(self) -> None:
        self._sum = self._off = self.began_s = 0.0
        self.n = 0

    @property
    def mean(self) -> float:
        """Mean distance from the profile, in logs, since the sum left zero."""
        return self._off / self.n

    def add(self, z: float, off: float, now_s: float) -> bool:
        """Whether the sum is over the threshold now."""
        self._sum += self._sign * z - SLACK
        if self._sum <= 0:
            self.clear()
            return False
        self.began_s = self.began_s if self.n else now_s
        self.n += 1
        self._off += off
        return self._sum > THRESHOLD


class Watch:
    """One call's reports against the profile that it began with.

    Small chunks are put together until they hold as many items as those of the profile did on the
    average: the spread of a mean depends on how many it is of.
    """

    def __init__(self, known: Profile) -> None:
        self._detector: Detector | None = None
        if known.typical_s is not None and known.n_chunks >= LEAST_KNOWN:
            self._detector = Detector(known.typical_s, known.spread_log or 0.0, known.n_chunks)
        self._spread_log, self._n_known = known.spread_log or 0.0, known.n_chunks
        self._n_working: int | None = None
        self._since_s = 0.0  # when that was changed
        self._logs: list[float] = []  # of costs since then, until they are a level to hold against
        self._n_together = TOGETHER * known.chunk_items
        self._share = min(1.0, known.item_cpu_s / known.item_s)
        self._n_items = 0
        self._wall_s = self._cpu_s = self._undelayed_s = 0.0
        self._typical_s = known.typical_s or known.item_s
        self._n_waiting = 0
        self._waits = self._has_asked = known.waits  # of those that wait nothing more is asked
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
            return self._told(report, "waiting", item_s / self._typical_s, RUN)
        if shift is None or self._is_noise(shift, item_s):
            return None
        share = share if is_limited else computing
        slower_alone = shift.factor * share / max(self._share, 1e-9)  # of CPU time, the same factor
        lacks_cores = shift.factor > EFFECT * slower_alone and shift.factor > 1
        what = "cores" if lacks_cores and not self._has_asked else "cost"
        return self._told(report, what, shift.factor, shift.n_chunks)

    def costs_more(self, drifts: Iterable[Drift]) -> bool:
        """Whether items cost more by now than those of the remembered call did at most, mostly."""
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
        """Against the profile, or what items cost since others work on them."""
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
        """Chunk after chunk with little CPU time, where the profile has items that compute."""
        if self._has_asked or self._share < COMPUTING_SHARE:
            return False
        self._n_waiting = self._n_waiting + 1 if share < WAITING_SHARE else 0
        self._has_asked = self._n_waiting >= RUN
        return self._has_asked

    @staticmethod
    def _told(report: Report, what: str, factor: float, n_chunks: int) -> Drift:
        return Drift(now_s=report.now_s, what=what, factor=factor, n_chunks=n_chunks)


def kept_level(known: Profile, learned: Profile) -> dict[str, Any]:
    """The level of a profile, for one that was learned from too few chunks to have its own."""
    if learned.n_chunks >= LEAST_KNOWN:
        return {}
    return {
        "typical_s": known.typical_s,
        "spread_log": known.spread_log,
        "n_chunks": known.n_chunks,
        "chunk_items": known.chunk_items,
    }

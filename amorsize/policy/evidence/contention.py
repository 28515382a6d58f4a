"""Suspects that fewer workers would deliver as much; `contention_trial` tries it.

Items that share memory bandwidth, a lock or too little memory take longer the more of them run.
That shows in reports, but a trend in the data looks the same. So it is only a suspicion; what
decides is a test with the same stream of items: all workers, some of them parked, all again.
"""

from __future__ import annotations

from amorsize.policy.evidence.plan_window import chunks_each, median, standard_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report
    from amorsize.policy.evidence.contention_trial import ContentionTest
    from amorsize.policy.profile import Profile

#: The first reports, while few workers run, show what an item costs undisturbed.
REFERENCE_REPORTS = 8

#: First reports confirm the cost of an item alone within this factor.
ALIKE = 1.5

#: Reports that a suspicion rests on.
RECENT = 16

#: Reports between two checks for a suspicion.
CHECK_EVERY = 4

#: A pool is suspected from this many times the number of workers that was found healthy.
GROWN = 1.4

#: Rounds of chunks before a pool is found healthy: the first to come back are short ones.
ROUNDS = 2

#: Items cost this many times the reference before fewer workers are tried. At less, half of the
#: workers cannot deliver as much.
SUSPICIOUS = 2.0

#: From this many times the number of workers on, the data is to blame: nothing shared is that slow.
MOST_PER_WORKER = 2.0

#: That bound is taken for at least this many workers: one item run alone may say too little.
SMALL_POOL = 8

#: A pool is healthy if it stays below `SUSPICIOUS` by this many standard errors. A rise counts if
#: it exceeds its bound by as many.
STANDARD_ERRORS = 2.0

#: A suspicion is most likely to be true from this many standard errors above `SUSPICIOUS` on.
CERTAIN_ERRORS = 3.0

#: The share of such suspicions that are true. A test may cost this share of what it could save.
TRUE_SHARE = 0.5

#: With each standard error less, a suspicion is this many times less likely to be true: among many
#: checks, some are high by chance.
DOUBT = 5.0

#: A test that costs at most this share of what is left needs no certainty.
CHEAP_SHARE = 0.005

#: A parked worker's last chunk ends earlier than those of the others by this share of a chunk.
LAST_CHUNK = 0.5

#: If items cost this many times as much as when fewer workers were found to be enough, the costs of
#: the data were rising.
RISEN = 1.5


class Reference:
    """What an item costs while no other slows it down."""

    def __init__(self) -> None:
        #: Log of its CPU seconds. None: not known.
        self.log: float | None = None
        #: Items or reports that this rests on.
        self.n = 1
        self._first: list[float] = []

    def set(self, logs: list[float]) -> None:
        """What items cost now is what they cost undisturbed."""
        self.log, self.n = median(logs), len(logs)

    def add(
        self, report: Report, cost_log: float, n_working: int, n_alone: int, alone_log: float | None
    ) -> None:
        """Take it from the first reports, with the caller's own items.

        Of many items begun together the shortest come back first. So of a large pool those count
        that began first; when most of them are back, the others took longer.
        """
        from math import log

        is_small = n_working <= REFERENCE_REPORTS
        if is_small or report.worker < REFERENCE_REPORTS:
            self._first.append(cost_log)
        n_enough = REFERENCE_REPORTS if is_small else REFERENCE_REPORTS // 2 + 1
        if len(self._first) < n_enough:
            return
        first = sorted(self._first)[:n_enough]
        first_log = median(first + [float("inf")] * (REFERENCE_REPORTS - n_enough))
        if alone_log is None:
            alone_log, n_alone = first_log, 0
        self.log = min(first_log, alone_log)
        is_lower = first_log - alone_log > log(ALIKE)
        self.n = max(1, n_alone + (0 if is_lower else REFERENCE_REPORTS))


class RecentChunks:
    """The latest chunks that were begun with the present workers."""

    def __init__(self) -> None:
        #: Logs of what an item of each cost.
        self.logs: list[float] = []
        #: Their wall times.
        self.walls_s: list[float] = []
        #: How many workers there were when each was begun.
        self.n_began: list[int] = []

    def add(self, cost_log: float, wall_s: float, n_began: int) -> None:
        """Take in one more."""
        self.logs.append(cost_log)
        self.walls_s.append(wall_s)
        self.n_began.append(n_began)

    def drop_oldest(self, n: int) -> None:
        """Make room for later ones."""
        del self.logs[:n], self.walls_s[:n], self.n_began[:n]

    def idle_s(self, n_full: int, n_part: int) -> float:
        """The core seconds that parked workers lose while the others fill a window."""
        chunk_s = sum(self.walls_s) / len(self.walls_s)
        return (n_full - n_part) * (chunks_each(n_part) + LAST_CHUNK) * chunk_s


class Contention:
    """The suspicion, the test, and what came of it: how many workers are to get chunks."""

    def __init__(self) -> None:
        #: Workers that deliver as much as more would. None: not found.
        self.n_enough: int | None = None
        #: Workers that get chunks now. None: all.
        self.n_limit: int | None = None
        #: The largest number of workers that is known not to slow items down.
        self.n_healthy = 1
        #: Tests so far.
        self.n_tests = 0
        self._test: ContentionTest | None = None
        self._reference = Reference()
        self._recent = RecentChunks()
        self._sizes: list[tuple[float, int]] = []  # since when there were how many workers
        self._n_since = 0  # reports since there are as many
        self._since_s = 0.0  # chunks begun earlier tell of another number of workers
        self._enough_log: float | None = None  # what items cost when fewer were found enough
        self._n_reopened = 0  # times that they were counted anew
        self._are_leaving = False  # workers were parked for good, some are at their last chunk

    @property
    def reference_s(self) -> float | None:
        """CPU seconds of an item that nobody was in the way of, if that is known."""
        from math import exp

        return None if self._reference.log is None else exp(self._reference.log)

    def start_with(self, known: Profile, *, is_alike: bool) -> None:
        """What an earlier call has found out need not be tested again.

        Args:
            known: What was remembered.
            is_alike: Items cost what they did then: as many workers are enough.
        """
        self.n_healthy = max(self.n_healthy, known.sharing.n_healthy)
        if known.sharing.is_enough and is_alike:
            self.n_enough = self.n_limit = known.plan.n_jobs

    def doubt(self) -> None:
        """Test again: items cost more than when the pool was found healthy."""
        self.n_healthy = 1

    @property
    def is_testing(self) -> bool:
        """Whether a test is under way, during which the number of workers must not change."""
        return self._test is not None

    @property
    def is_parking(self) -> bool:
        """Whether workers were parked, some of which may still have a chunk."""
        return self.is_testing or self._are_leaving

    def see(
        self,
        report: Report,
        *,
        rank: int,
        n_working: int,
        n_still: int,
        left_s: float,
        serial_item_s: float | None,
        n_alone: int,
    ) -> tuple[str, str] | None:
        """Take in a report. If a test ends with it, return what it has shown, and why.

        Args:
            report: Of a worker, with at least one item.
            rank: Of that worker in its pool.
            n_working: Workers that get chunks.
            n_still: Parked workers that still have a chunk.
            left_s: Work left, in seconds of one core at the present cost.
            serial_item_s: CPU seconds of an item in the caller before there were workers, if known.
            n_alone: Items that tells of.
        """
        from math import log

        # CPU time: where cores are short as well, wall time would tell of that alone.
        cost_log = log(max(report.cpu_s / report.n_items, 1e-9))
        if self._test is not None:
            return self._go_on_testing(self._test, report, cost_log, rank, n_still)
        if self._reference.log is None:
            alone_log = log(serial_item_s) if serial_item_s else None
            self._reference.add(report, cost_log, n_working, n_alone, alone_log)
            return None
        self._count(report, n_working)
        if self._are_leaving:  # those that are parked are still in the way
            self._since_s, self._are_leaving = report.now_s, n_still > 0
        if report.begun_s < self._since_s:
            return None  # begun with other workers, before a test had ended
        self._recent.add(cost_log, report.wall_s, self._n_at(report.begun_s))
        if len(self._recent.logs) < RECENT:
            return None
        if (verdict := self._reopen()) is not None:
            return verdict
        if self._is_suspicious(n_working, left_s):
            self._begin_test(n_working, report.now_s)
            return None
        self._recent.drop_oldest(CHECK_EVERY)
        return None

    def _count(self, report: Report, n_working: int) -> None:
        """Note how many workers there are, and for how many reports there have been as many."""
        if not self._sizes or n_working != self._sizes[-1][1]:
            self._sizes.append((report.now_s, n_working))
            self._n_since = 0
        self._n_since += 1

    def _n_at(self, at_s: float) -> int:
        """How many workers there were at a time."""
        for since_s, n in reversed(self._sizes):
            if since_s <= at_s:
                return n
        return 1

    def _reopen(self) -> tuple[str, str] | None:
        """Count the workers anew if items cost more with fewer of them as well: it is the data."""
        from math import log

        if self._enough_log is None:
            return None
        logs = self._recent.logs
        level_log = median(logs)
        least_log = (1 + self._n_reopened) * log(RISEN)
        if level_log - self._enough_log < least_log + STANDARD_ERRORS * standard_error(logs):
            return None
        self._n_reopened += 1
        n_enough, self.n_enough, self.n_limit = self.n_enough, None, None
        self._enough_log = None
        self._reference.set(logs)
        self._recent = RecentChunks()
        return "n_jobs counted anew", f"items cost more with no more than {n_enough} workers, too"

    def _is_suspicious(self, n_working: int, left_s: float) -> bool:
        from math import exp, log

        assert self._reference.log is not None
        if n_working < 2 or n_working <= GROWN * self.n_healthy:
            return False
        recent = self._recent
        rise_log = median(recent.logs) - self._reference.log
        spread = standard_error(recent.logs)
        # The reference may be one item alone: of uneven ones it says little.
        error = spread * (1 + len(recent.logs) / self._reference.n) ** 0.5
        is_below = rise_log < log(SUSPICIOUS) - STANDARD_ERRORS * error
        if is_below and self._n_since >= ROUNDS * n_working:
            self.n_healthy = max(self.n_healthy, min(recent.n_began))
        excess_log, inflation = rise_log - log(SUSPICIOUS), exp(min(20.0, rise_log))
        if excess_log <= 0 or inflation > MOST_PER_WORKER * max(SMALL_POOL, n_working):
            return False
        cost_s = recent.idle_s(n_working, n_working // 2)
        if cost_s < CHEAP_SHARE * left_s and excess_log > spread:
            return True
        errors_short = max(0.0, CERTAIN_ERRORS - excess_log / max(error, 1e-9))
        true_share = TRUE_SHARE / float(DOUBT**errors_short)
        return cost_s <= true_share * (1 - SUSPICIOUS / inflation) * left_s

    def _begin_test(self, n_working: int, now_s: float) -> None:
        """Begin a test. It takes new windows: what raised the suspicion may have been chance."""
        from amorsize.policy.evidence.contention_trial import ContentionTest
        from amorsize.policy.evidence.plan_window import CostWindow

        self._test = ContentionTest(n_working, CostWindow(n_working, now_s))
        self.n_tests += 1
        self._recent = RecentChunks()

    def _go_on_testing(
        self, test: ContentionTest, report: Report, cost_log: float, rank: int, n_still: int
    ) -> tuple[str, str] | None:
        is_enough = test.add(report, cost_log, rank, n_still=n_still)
        if is_enough is None:
            self.n_limit = test.n_part if test.is_part else self.n_enough
            return None
        self._test, self._since_s = None, report.now_s
        if is_enough:
            self._keep_part(test)
            from amorsize.policy.counted import counted

            return counted(test.n_part, "worker"), f"{test.n_full} at once delivered no more"
        # The data is to blame: what items cost with all workers is what they cost.
        self.n_healthy, self.n_limit = max(self.n_healthy, test.n_full), self.n_enough
        self._reference.set(test.full)
        return f"{test.n_full} workers again", f"{test.n_part} delivered less"

    def _keep_part(self, test: ContentionTest) -> None:
        """Keep half of the workers. If items still cost too much, test half of these."""
        from math import log

        part, n_part = test.part, test.n_part
        self.n_enough = self.n_limit = n_part
        self._enough_log, self._are_leaving = median(part.logs), True
        rise_log = median(part.logs) - (self._reference.log or 0.0)
        if rise_log < log(SUSPICIOUS) + STANDARD_ERRORS * standard_error(part.logs):
            self.n_healthy = n_part
        elif test.is_part and n_part > 1:
            self._test = type(test).after(part, n_part)
            self.n_limit = self._test.n_part
            self.n_tests += 1

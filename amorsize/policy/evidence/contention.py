"""Find out whether fewer workers would deliver as much.

Items that share memory bandwidth, a lock or too little memory take longer the more of them run.
That shows in reports, but a trend in the data looks the same. So it is only a suspicion; what
decides is a test with the same stream of items: all workers, some of them parked, all again.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.policy.events import Report
    from amorsize.policy.profile import Profile

REFERENCE_REPORTS = 8  # the first ones, while few workers run: what an item costs undisturbed
RECENT, LOOK = 16, 4  # reports that a suspicion rests on, and after how many it is looked again
GROWN = 1.4  # times the crew that was found healthy, before a larger one is suspected
ROUNDS = 2  # of chunks of a crew before it is found healthy: the first to come back are short ones
ALIKE = 1.5  # times the cost of an item alone, which first reports confirm
SUSPICIOUS = 2.0  # times the reference: at less, half of the workers cannot deliver as much
MOST_PER_WORKER = 2.0  # times the workers: no shared thing is that slow, so the data is
SMALL_CREW = 8  # with fewer, one item run alone may say too little for that bound
STANDARD_ERRORS = 2.0  # by which a healthy crew stays below that, or a rise exceeds its bound
CERTAIN_ERRORS = 3.0  # by which a suspicion must exceed it, to be as true as any:
TRUE_SHARE = 0.5  # of those; a test may cost that much of what half the crew could save
DOUBT = 5.0  # times as rarely true, for each error less: of so many looks some are high by chance
MOST_WINDOWS = 7  # of a test whose windows leave it open; the first and last are the full crew's
WINDOW_LEAST, WINDOW_MOST = 6, 16  # reports of each part of a test
ENOUGH_SHARE = 0.97  # of the full crew's throughput: half of it is kept if it delivers that
SURE_SHARE, SURE_ERRORS = 0.8, 1.5  # and at least this much with some certainty
CLEAR_SHARE = 1.25  # half the crew delivers so much more: no second look at the full one either
HOPELESS_SHARE = 0.9  # half the crew delivers clearly less: no second look at the full one
RISEN = 1.5  # times what they cost when fewer were found enough: it was the data that was rising
CHEAP_SHARE = 0.005  # of what is left: for so little, a suspicion need not be sure of itself
LAST_CHUNK = 0.5  # of a chunk's time, that a parked worker's last one ends before the others' begin


class Saturation:
    """The suspicion, the test, and what came of it: how many workers are to get chunks."""

    def __init__(self) -> None:
        self.n_enough: int | None = None  # workers that deliver as much as more would
        self.n_limit: int | None = None  # workers that get chunks now; None: all
        self._reference_log: float | None = None
        self._n_reference = 1
        self._first: list[float] = []
        self._recent: list[float] = []
        self._walls_s: list[float] = []  # of the recent chunks
        self.n_healthy = 1  # crew whose items cost what they do for other reasons
        self._crews: list[tuple[float, int]] = []  # since when they were how many
        self._n_began: list[int] = []  # how many they were when the recent chunks began
        self._n_heard = 0  # reports since they are so many
        self.n_tests = 0
        self._windows: list[list[float]] = []  # log costs: full crew, part of it, full again
        self._ranks: list[int] = []  # of workers in the last window, once for each chunk
        self._n_full = self._n_part = 0
        self._since_s: float | None = 0.0  # chunks begun earlier tell of another crew
        self._enough_log: float | None = None  # what items cost when fewer were found enough
        self._n_reopened = 0  # times that they were counted anew
        self._are_leaving = False  # workers were parked for good, some are at their last chunk

    @property
    def reference_s(self) -> float | None:
        """CPU seconds of an item that nobody was in the way of, if that is known."""
        from math import exp

        return None if self._reference_log is None else exp(self._reference_log)

    def start_with(self, known: Profile, *, is_alike: bool) -> None:
        """What an earlier call has found out about a crew need not be tested again.

        Args:
            known: What was remembered.
            is_alike: Items cost what they did then: as many workers are enough.
        """
        self.n_healthy = max(self.n_healthy, known.n_healthy)
        if known.is_enough and is_alike:
            self.n_enough = self.n_limit = known.n_jobs

    def doubt(self) -> None:
        """Items cost more than when a crew was found healthy: it may be the crew after all."""
        self.n_healthy = 1

    @property
    def is_testing(self) -> bool:
        """A test is under way, in which the crew is to stay as it is."""
        return bool(self._windows)

    @property
    def is_parking(self) -> bool:
        """Workers were parked, of which some may still have a chunk."""
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
        """Take in a report; what a test has shown and why, when one ends with it.

        Args:
            report: Of a worker, with at least one item.
            rank: Of that worker in its crew.
            n_working: Workers that get chunks.
            n_still: Parked workers that still have a chunk.
            left_s: Work left, in seconds of one core at the present cost.
            serial_item_s: CPU seconds of an item in the caller before there were workers, if known.
            n_alone: Items that tells of.
        """
        from math import log

        # CPU time: where cores are short as well, wall time would tell of that alone.
        cost_log = log(max(report.cpu_s / report.n_items, 1e-9))
        if self._windows:
            return self._test(report, cost_log, rank, n_still=n_still)
        if self._reference_log is None:
            self._refer(
                report, cost_log, n_working, n_alone, log(serial_item_s) if serial_item_s else None
            )
            return None
        if not self._crews or n_working != self._crews[-1][1]:
            self._crews.append((report.now_s, n_working))
            self._n_heard = 0
        self._n_heard += 1
        if self._are_leaving:  # those that are parked are still in the way
            self._since_s, self._are_leaving = report.now_s, n_still > 0
        if self._since_s is None or report.now_s - report.wall_s < self._since_s:
            return None  # begun in another crew, before a test had ended
        self._recent.append(cost_log)
        self._walls_s.append(report.wall_s)
        self._n_began.append(self._n_at(report.now_s - report.wall_s))
        if len(self._recent) < RECENT:
            return None
        if (verdict := self._reopen()) is not None:
            return verdict
        if self._is_suspicious(n_working, left_s):
            # Windows of its own: the highest of many readings is no fair one.
            self._windows, self._ranks = [[]], []
            self.n_tests += 1
            self._n_full, self._since_s = n_working, report.now_s
            self._forget_recent()
            return None
        del self._recent[:LOOK], self._walls_s[:LOOK], self._n_began[:LOOK]
        return None

    def _forget_recent(self) -> None:
        self._recent, self._walls_s, self._n_began = [], [], []

    def _reopen(self) -> tuple[str, str] | None:
        """Where items get dearer though no more of them run, it was not the crew before either."""
        from math import log

        if self._enough_log is None:
            return None
        level_log = _median(self._recent)
        least_log = (1 + self._n_reopened) * log(RISEN)
        if level_log - self._enough_log < least_log + STANDARD_ERRORS * _error(self._recent):
            return None
        self._n_reopened += 1
        n_enough, self.n_enough, self.n_limit = self.n_enough, None, None
        self._enough_log, self._reference_log = None, level_log
        self._n_reference = len(self._recent)
        self._forget_recent()
        return "n_jobs counted anew", f"items get dearer with no more than {n_enough} workers, too"

    def _n_at(self, at_s: float) -> int:
        """How many they were then."""
        for since_s, n in reversed(self._crews):
            if since_s <= at_s:
                return n
        return 1

    def _refer(
        self, report: Report, cost_log: float, n_working: int, n_alone: int, alone_log: float | None
    ) -> None:
        """Take what items cost undisturbed from the first reports, and from the caller's own items.

        Of many items begun together the shortest come back first. So of a large crew those count
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
        first_log = _median(first + [float("inf")] * (REFERENCE_REPORTS - n_enough))
        if alone_log is None:
            alone_log, n_alone = first_log, 0
        self._reference_log = min(first_log, alone_log)
        is_lower = first_log - alone_log > log(ALIKE)
        self._n_reference = max(1, n_alone + (0 if is_lower else REFERENCE_REPORTS))

    def _is_suspicious(self, n_working: int, left_s: float) -> bool:
        from math import exp, log

        assert self._reference_log is not None
        if n_working < 2 or n_working <= GROWN * self.n_healthy:
            return False
        rise_log = _median(self._recent) - self._reference_log
        spread = _error(self._recent)
        # The reference may be one item alone: of uneven ones it says little.
        error = spread * (1 + len(self._recent) / self._n_reference) ** 0.5
        is_below = rise_log < log(SUSPICIOUS) - STANDARD_ERRORS * error
        if is_below and self._n_heard >= ROUNDS * n_working:
            self.n_healthy = max(self.n_healthy, min(self._n_began))
        excess_log, inflation = rise_log - log(SUSPICIOUS), exp(min(20.0, rise_log))
        if excess_log <= 0 or inflation > MOST_PER_WORKER * max(SMALL_CREW, n_working):
            return False
        self._n_part = n_working // 2
        cost_s = self._idle_s(n_working, self._n_part)
        if cost_s < CHEAP_SHARE * left_s and excess_log > spread:
            return True
        errors_short = max(0.0, CERTAIN_ERRORS - excess_log / max(error, 1e-9))
        true_share = TRUE_SHARE / float(DOUBT**errors_short)
        return cost_s <= true_share * (1 - SUSPICIOUS / inflation) * left_s

    def _idle_s(self, n_full: int, n_part: int) -> float:
        """What parked workers leave undone while the others fill a window, in seconds of a core."""
        chunk_s = sum(self._walls_s) / len(self._walls_s)
        return (n_full - n_part) * (_chunks_each(n_part) + LAST_CHUNK) * chunk_s

    def _test(
        self, report: Report, cost_log: float, rank: int, *, n_still: int
    ) -> tuple[str, str] | None:
        """Fill one window after the other: the full crew, half of it, the full one again.

        A window has the first chunks that the same few workers begin in it. The first that come
        back would be the short ones.
        """
        is_part = len(self._windows) % 2 == 0
        if self._since_s is None:  # those that are parked are at their last chunk
            self._since_s = None if n_still else report.now_s
            return None
        n_places = self._n_part if is_part else self._n_full
        n_sampled, n_chunks = min(WINDOW_MOST, n_places), _chunks_each(n_places)
        is_sampled = rank < n_sampled and self._ranks.count(rank) < n_chunks
        if report.now_s - report.wall_s < self._since_s or not is_sampled:
            return None
        self._windows[-1].append(cost_log)
        self._ranks.append(rank)
        if len(self._windows[-1]) < n_sampled * n_chunks:
            return None
        if len(self._windows) > 1:
            gain_log, error = self._gain_log()
            is_clear = gain_log - SURE_ERRORS * error > self._even_log(CLEAR_SHARE)
            if is_clear or (not is_part and self._is_enough(gain_log, error)):
                return self._end(report.now_s, is_enough=True)
            is_hopeless = gain_log + SURE_ERRORS * error < self._even_log(HOPELESS_SHARE)
            if is_hopeless or len(self._windows) == MOST_WINDOWS:
                return self._end(report.now_s, is_enough=False)
        self._windows.append([])
        self._ranks.clear()
        if is_part:
            self.n_limit, self._since_s = self.n_enough, report.now_s
        else:
            self.n_limit, self._since_s = self._n_part, None
        return None

    def _gain_log(self) -> tuple[float, float]:
        """Log of how much cheaper items are in half of the crew, and its standard error."""
        full = [cost for window in self._windows[::2] for cost in window]
        part = [cost for window in self._windows[1::2] for cost in window]
        return _median(full) - _median(part), (_error(full) ** 2 + _error(part) ** 2) ** 0.5

    def _even_log(self, share: float) -> float:
        """Gain at which part of the crew delivers that share of what all of it does."""
        from math import log

        return log(share * self._n_full / self._n_part)

    def _is_enough(self, gain_log: float, error: float) -> bool:
        is_sure = gain_log - SURE_ERRORS * error > self._even_log(SURE_SHARE)
        return is_sure and gain_log > self._even_log(ENOUGH_SHARE)

    def _end(self, now_s: float, *, is_enough: bool) -> tuple[str, str]:
        n_full, n_part = self._n_full, self._n_part
        full, part, is_part = self._windows[0], self._windows[1], len(self._windows) % 2 == 0
        self._windows, self._since_s = [], now_s
        if is_enough:
            self.n_enough = self.n_limit = n_part
            self._enough_log, self._are_leaving = _median(part), True
            self._go_on(part, is_now=is_part)
            return f"{n_part} workers", f"{n_full} at once delivered no more"
        # The data is to blame: what items cost in this crew is what they cost.
        self.n_healthy, self.n_limit = max(self.n_healthy, n_full), self.n_enough
        self._reference_log, self._n_reference = _median(full), len(full)
        return f"{n_full} workers again", f"{n_part} delivered less"

    def _go_on(self, part: list[float], *, is_now: bool) -> None:
        """Half of the crew is enough: perhaps half of that is, if items still cost too much."""
        from math import log

        rise_log = _median(part) - (self._reference_log or 0.0)
        if rise_log < log(SUSPICIOUS) + STANDARD_ERRORS * _error(part):
            self.n_healthy = self._n_part
        elif is_now and self._n_part > 1:
            self._windows, self._ranks = [part, []], []
            self._n_full, self._n_part = self._n_part, self._n_part // 2
            self.n_limit, self._since_s = self._n_part, None
            self.n_tests += 1


def _chunks_each(n_workers: int) -> int:
    """Of how many chunks of each worker a window of theirs is made."""
    return -(-WINDOW_LEAST // min(WINDOW_MOST, n_workers))


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _error(values: Sequence[float]) -> float:
    """Standard error of the median of roughly normal values."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    return 1.25 * float((variance / len(values)) ** 0.5)

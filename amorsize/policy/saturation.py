"""Whether fewer workers would deliver as much: suspected for free, then tested once.

Items that share memory bandwidth, a lock or too little memory take longer the more of them run.
That shows in reports, but a trend in the data looks the same. So it is only a suspicion; what
decides is a test with the same stream of items: all workers, some of them parked, all again.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.policy.facts import Report

REFERENCE_REPORTS = 8  # the first ones, while few workers run: what an item costs undisturbed
LEAST_RECENT = 16  # reports that a suspicion rests on; one of each worker where there are more
SUSPICIOUS = 2.0  # times the reference: at less, half of the workers cannot deliver as much
MOST_PER_WORKER = 2.0  # times the workers: no shared thing is that slow, so the data is
SMALL_CREW = 8  # with fewer, one item run alone may say too little for that bound
REFERENCE_ERRORS = 0.5  # of the reference itself, which one item alone may be
STANDARD_ERRORS = 2.0  # by which a suspicion must exceed that
MOST_WINDOWS = 7  # of a test whose windows leave it open; the first and last are the full crew's
WINDOW_LEAST, WINDOW_MOST = 6, 24  # reports of each part of a test: POLICY 3
ENOUGH_SHARE = 0.97  # of the full crew's throughput: half of it is kept if it delivers that
MOST_DIVISOR = 8  # of the crew that is tried: 8 x the cost for twice the workers was never seen
SURE_SHARE, SURE_ERRORS = 0.8, 1.5  # and at least this much with some certainty
HOPELESS_SHARE = 0.9  # half the crew delivers clearly less: no second look at the full one
WORTH_SHARE, MOST_SHARE = 0.01, 0.10  # of the time left a test may cost, by how much is to be won


class Saturation:
    """The suspicion, the test, and what came of it: how many workers are to get chunks."""

    def __init__(self) -> None:
        self.n_enough: int | None = None  # workers that deliver as much as more would
        self.n_limit: int | None = None  # workers that get chunks now; None: all
        self._reference_log: float | None = None
        self._n_reference = 1
        self._first: list[float] = []
        self._recent: list[float] = []
        self._smallest: int | None = None  # crew that was examined already
        self._windows: list[list[float]] = []  # log costs: full crew, half of it, full again
        self._n_full = self._n_part = 0
        self._since_s: float | None = None  # chunks begun earlier tell of another crew

    def see(
        self,
        report: Report,
        *,
        n_working: int,
        n_still: int,
        left_s: float,
        alone_s: float | None,
        n_alone: int,
    ) -> tuple[str, str] | None:
        """Take in a report; what a test has shown and why, when one ends with it.

                Args:
                    report: Of a worker, with at least one item.
                    n_working: Workers that get chunks.
                    n_still: Parked workers that still have a chunk.
                    left_s: Work left, in seconds of one core at the present cost.
        alone_s: CPU seconds of an item in the caller before there were workers; None: unknown.
                    n_alone: Items that tells of.
        """
        from math import log

        # CPU time: where cores are short as well, wall time would tell of that alone.
        cost_log = log(max(report.cpu_s / report.n_items, 1e-9))
        if self._windows:
            return self._test(report, cost_log, n_still=n_still)
        if self._reference_log is None:
            self._first.append(cost_log)
            if len(self._first) >= REFERENCE_REPORTS:
                first_log = _median(self._first)
                alone_log = log(alone_s) if alone_s else first_log
                self._reference_log = min(first_log, alone_log)
                n_reference = n_alone if alone_log < first_log else REFERENCE_REPORTS
                self._n_reference = max(1, n_reference)
            return None
        n_recent = max(LEAST_RECENT, n_working)
        self._recent.append(cost_log)
        del self._recent[:-n_recent]
        if len(self._recent) == n_recent and self._is_suspicious(report, n_working, left_s):
            # A window of its own: the highest of many readings is no fair one, and some of these
            # chunks were begun when fewer workers were there.
            self._windows, self._recent = [[]], []
            self._n_full, self._since_s = n_working, report.now_s
        return None

    def _is_suspicious(self, report: Report, n_working: int, left_s: float) -> bool:
        from math import exp, log

        assert self._reference_log is not None
        if n_working < 2 or (self._smallest is not None and n_working >= self._smallest):
            return False
        rise_log = _median(self._recent) - self._reference_log
        error = _error(self._recent)
        error_of_reference = (
            REFERENCE_ERRORS * error * (len(self._recent) / self._n_reference) ** 0.5
        )
        if rise_log < log(SUSPICIOUS) + STANDARD_ERRORS * error + error_of_reference:
            return False
        inflation = exp(min(20.0, rise_log))
        if inflation > MOST_PER_WORKER * max(SMALL_CREW, n_working):
            return False
        self._n_part = n_working // _divisor(inflation)
        if not self._n_part:
            return False
        # Half of the crew idles while its last chunks end and for about one chunk of the others.
        cost_s = 2 * report.wall_s * n_working / 2
        share = min(MOST_SHARE, WORTH_SHARE * (inflation / SUSPICIOUS) ** 2)
        return cost_s <= share * left_s

    def _test(self, report: Report, cost_log: float, *, n_still: int) -> tuple[str, str] | None:
        """Fill one window after the other: the full crew, part of it, the full one again."""
        is_part = len(self._windows) % 2 == 0
        if self._since_s is None:  # those that are parked are at their last chunk
            self._since_s = None if n_still else report.now_s
            return None
        if report.now_s - report.wall_s < self._since_s:
            return None
        self._windows[-1].append(cost_log)
        n_active = self._n_part if is_part else self._n_full
        if len(self._windows[-1]) < max(WINDOW_LEAST, min(WINDOW_MOST, n_active)):
            return None
        if len(self._windows) > 1:
            gain_log, error = self._gain_log()
            if gain_log + SURE_ERRORS * error < self._even_log(HOPELESS_SHARE):
                return self._end(is_enough=False)
            if not is_part and self._is_enough(gain_log, error):
                return self._end(is_enough=True)
            if len(self._windows) == MOST_WINDOWS:
                return self._end(is_enough=False)
        self._windows.append([])
        if is_part:
            self.n_limit, self._since_s = self.n_enough, report.now_s
        else:
            self.n_limit, self._since_s = self._n_part, None
        return None

    def _gain_log(self) -> tuple[float, float]:
        """Log of how much cheaper items are in part of the crew, and its standard error."""
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

    def _end(self, *, is_enough: bool) -> tuple[str, str]:
        self._windows, self._smallest = [], self._n_full
        if is_enough:
            self.n_enough = self._n_part
        self.n_limit = self.n_enough
        if is_enough:
            return f"{self._n_part} workers", f"{self._n_full} at once delivered no more"
        return f"{self._n_full} workers again", f"{self._n_part} delivered less"


def _divisor(inflation: float) -> int:
    """Half of the crew is tried; less where items cost so much that this must be far too many."""
    divisor = 2
    while divisor < MOST_DIVISOR and inflation >= 4 * divisor:
        divisor *= 2
    return divisor


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _error(values: Sequence[float]) -> float:
    """Standard error of the median of roughly normal values."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    return 1.25 * float((variance / len(values)) ** 0.5)

"""Windows of reports whose chunks were all begun under the same plan.

A chunk that was begun earlier tells of the plan before, whenever it is reported.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.policy.events import Report

#: Reports that a window of costs needs at least.
LEAST_REPORTS = 6

#: Workers whose chunks a window of costs samples at most.
MOST_WORKERS = 16


class CostWindow:
    """What items cost with one number of workers, as logarithms of CPU seconds.

    It has the first chunks that the same few workers begin in it. The first that come back would
    be the short ones.

    Args:
        n_workers: Workers that get chunks.
        since_s: When they became so many; None: others are still at their last chunk.
    """

    def __init__(self, n_workers: int, since_s: float | None) -> None:
        self.since_s = since_s
        #: The logarithms so far.
        self.logs: list[float] = []
        self._n_sampled = min(MOST_WORKERS, n_workers)
        self._n_chunks = chunks_each(n_workers)
        self._ranks: list[int] = []  # of workers, once for each chunk

    def add(self, report: Report, cost_log: float, rank: int) -> bool:
        """Take in a chunk; whether it belongs to the window."""
        is_sampled = rank < self._n_sampled and self._ranks.count(rank) < self._n_chunks
        if self.since_s is None or report.begun_s < self.since_s or not is_sampled:
            return False
        self.logs.append(cost_log)
        self._ranks.append(rank)
        return True

    @property
    def is_full(self) -> bool:
        """Whether it has all its chunks."""
        return len(self.logs) >= self._n_sampled * self._n_chunks


class RateWindow:
    """How many items a second get done, over a number of chunks in a row.

    Args:
        n_chunks: Chunks that fill the window.
        since_s: When the plan began.
    """

    def __init__(self, n_chunks: int, since_s: float) -> None:
        self.n_chunks, self.since_s = n_chunks, since_s
        self._began_s: float | None = None
        self._ended_s = since_s
        self._n_items = 0
        #: Chunks so far.
        self.n_seen = 0

    def add(self, event: Report) -> None:
        """Take in a chunk; the first one only starts the clock."""
        if event.begun_s < self.since_s or not event.n_items:
            return
        if self._began_s is None:
            self._began_s = event.now_s
            return
        self._ended_s = event.now_s
        self._n_items += event.n_items
        self.n_seen += 1

    @property
    def is_full(self) -> bool:
        """Whether it has all its chunks."""
        return self.n_seen >= self.n_chunks

    @property
    def rate(self) -> float:
        """Items a second."""
        if self._began_s is None or not self.n_seen:
            return 0.0
        return self._n_items / max(1e-9, self._ended_s - self._began_s)


def chunks_each(n_workers: int) -> int:
    """How many chunks of each sampled worker a window of costs has."""
    return -(-LEAST_REPORTS // min(MOST_WORKERS, n_workers))


def median(values: Sequence[float]) -> float:
    """Of at least one."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the median of roughly normal values."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    return 1.25 * float((variance / len(values)) ** 0.5)

"""Compares the workers of an executor, which may be machines of different speed."""

from __future__ import annotations

from math import exp, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report

#: So many chunks of a worker say half of what they seem to say of its speed.
DOUBT = 4
#: A worker is taken for at most so many times as fast as the mean of all, or as slow.
MOST = 8.0

_LEAST_S = 1e-9


class WorkerSpeeds:
    """How fast each worker is beside all of them.

    Chunks are compared by their logarithms, so that one with an item that takes very long counts as
    one chunk more, not as many.
    """

    def __init__(self) -> None:
        self._all = _Paces()
        self._of: dict[int, _Paces] = {}

    def add(self, event: Report) -> None:
        """Take in a chunk that a worker has run."""
        pace = log(max(event.wall_s / event.n_items, _LEAST_S))
        self._all.add(pace)
        self._of.setdefault(event.worker, _Paces()).add(pace)

    def of(self, worker: int) -> float:
        """How fast this one is; 1 for one like the others, or of which little is known."""
        own = self._of.get(worker)
        if own is None:
            return 1.0
        ahead = (self._all.mean - own.mean) * own.n / (own.n + DOUBT)
        return min(max(exp(ahead), 1 / MOST), MOST)


class _Paces:
    """The mean of logarithms."""

    __slots__ = ("_sum", "n")

    def __init__(self) -> None:
        self.n, self._sum = 0, 0.0

    def add(self, pace: float) -> None:
        self.n += 1
        self._sum += pace

    @property
    def mean(self) -> float:
        return self._sum / self.n

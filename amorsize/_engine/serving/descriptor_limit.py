"""Limits the number of threads by the files that their items have open."""

from __future__ import annotations

from amorsize._host import shortage
from amorsize._host.unpatched import perf_counter

#: How many files an item is assumed to open until `ENOUGH_SAMPLES` samples have shown it.
EACH = 8
#: How many samples are enough.
ENOUGH_SAMPLES = 8
#: Seconds between two samples.
EVERY_S = 2e-3


class Files:
    """The open files that were counted in one call."""

    def __init__(self) -> None:
        self._n_before = shortage.n_files_open()
        self._each, self._n_samples = 0.0, 0
        self._next_s = 0.0

    def sample(self, n_running: int) -> None:
        """Count open files while this many threads run items. Takes 1 % of the time at most."""
        began_s = perf_counter()
        if self._n_before is None or not n_running or began_s < self._next_s:
            return
        if (n_open := shortage.n_files_open()) is not None:
            self._each = max(self._each, (n_open - self._n_before) / n_running)
            self._n_samples += 1
        now_s = perf_counter()
        self._next_s = now_s + max(EVERY_S, 100 * (now_s - began_s))

    def n_threads_most(self) -> int:
        """The number of threads that leaves half of the free descriptors to other code."""
        if self._n_before is None:
            return shortage.PLENTY
        n_left = shortage.limit() - self._n_before
        if self._n_samples < ENOUGH_SAMPLES:
            return max(1, int(n_left / EACH))
        return max(1, int(n_left / 2 / max(1.0, self._each)))

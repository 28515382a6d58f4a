"""Watches from a second thread how long the caller's items hold the GIL."""

from __future__ import annotations

import _thread
import time

NAP_S = 0.5e-3  # what the thread asks to sleep: short against the 5 ms of a GIL switch


class GilWatcher:
    """A thread that naps and sums up how much later than asked it wakes.

    To wake, it needs the GIL: beside items that hold it the lateness approaches the whole time,
    beside items that wait or release it there is next to none.
    """

    def __init__(self) -> None:
        self._stopping = False
        self._schedule = ""  # where the kernel tells how long the thread waited for a core
        self._ended = _thread.allocate_lock()
        self._ended.acquire()
        self._late_s = 0.0
        self._n_wakes = 0
        self._began = time.perf_counter()
        self._wakes_at = self._began  # when it is to run next: first of all, at once
        # Not a threading.Thread: importing threading costs 4 ms, and no user code runs in it.
        _thread.start_new_thread(self._watch, ())

    def _watch(self) -> None:
        self._schedule = f"/proc/self/task/{_thread.get_native_id()}/schedstat"
        try:
            self._late_s += time.perf_counter() - self._wakes_at
            while not self._stopping:
                self._wakes_at = time.perf_counter() + NAP_S
                time.sleep(NAP_S)
                self._late_s += max(0.0, time.perf_counter() - self._wakes_at)
                self._n_wakes += 1
        finally:
            self._ended.release()

    @property
    def watched_s(self) -> float:
        """How long it has been watching, less the time in which it had no core."""
        return max(0.0, time.perf_counter() - self._began - self._without_core_s)

    @property
    def n_wakes(self) -> int:
        """How often it woke."""
        return self._n_wakes

    @property
    def lag_share(self) -> float:
        """Lateness as a share of the time watched, that of a nap still under way included."""
        late_s = self._late_s + max(0.0, time.perf_counter() - self._wakes_at)
        return max(0.0, late_s - self._without_core_s) / max(1e-9, self.watched_s)

    @property
    def _without_core_s(self) -> float:
        """How long the thread could have run and had no core: a busy host, and not the GIL."""
        try:
            with open(self._schedule, encoding="ascii") as told:
                return int(told.read().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0  # not Linux, or the thread has not begun: all its lateness counts

    def stop(self) -> None:
        """End the thread; waits until it has ended (a nap and a switch of the GIL at most)."""
        self._stopping = True
        self._ended.acquire(timeout=1.0)

"""Watches from a second thread how long the caller's items hold the GIL."""

from __future__ import annotations

import _thread
import time

from amorsize.crews.ending import Ending
from amorsize.crews.starving import RunQueue
from amorsize.policy.facts import Watched

NAP_S = 0.5e-3  # what the thread asks to sleep: short against the 5 ms of a GIL switch


class GilWatcher:
    """A thread that naps and sums up how much later than asked it wakes.

    To wake, it needs the GIL: beside items that hold it the lateness approaches the whole time,
    beside items that wait or release it there is next to none.
    """

    def __init__(self) -> None:
        self._stopping = False
        self._queue = RunQueue()  # where it waits for a core: a busy host, and not the GIL
        self._ending = Ending()
        self._late_s = 0.0
        self._n_wakes = 0
        self._began = time.perf_counter()
        self._wakes_at = self._began  # when it is to run next: first of all, at once
        # Not a threading.Thread: importing threading costs 4 ms, and no user code runs in it.
        _thread.start_new_thread(self._watch, ())

    def _watch(self) -> None:
        try:
            self._ending.begun()
            self._queue.open()
            self._late_s += time.perf_counter() - self._wakes_at
            while not self._stopping:
                self._wakes_at = time.perf_counter() + NAP_S
                time.sleep(NAP_S)
                self._late_s += max(0.0, time.perf_counter() - self._wakes_at)
                self._n_wakes += 1
        finally:
            self._ending.tell()

    def look(self) -> Watched:
        """What was seen so far: the lateness of a nap still under way included.

        Lateness and the time it is a share of end at one moment. Whoever looks may have to wait for
        the GIL itself, once for each system call: done in between, that would count as time in
        which the thread was not late.
        """
        without_core_s = self._queue.waited_s()
        now = time.perf_counter()
        late_s = self._late_s + max(0.0, now - self._wakes_at)
        watched_s = max(0.0, now - self._began - without_core_s)
        return Watched(
            lag_share=max(0.0, late_s - without_core_s) / max(1e-9, watched_s),
            watched_s=watched_s,
            n_wakes=self._n_wakes,
        )

    def stop(self) -> None:
        """End the thread; waits until it has ended (a nap and a switch of the GIL at most)."""
        self._stopping = True
        self._ending.wait(1.0)
        self._queue.close()

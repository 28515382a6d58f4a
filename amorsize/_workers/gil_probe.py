"""Watches from a second thread how long the caller's items hold the GIL."""

from __future__ import annotations

import _thread
import time

from amorsize._host.clocks import perf_counter
from amorsize._workers.run_delay import RunQueue
from amorsize._workers.thread_exit import ThreadExit
from amorsize.policy.events import GilProbed

# What the thread asks to sleep: short against the 5 ms of a GIL switch, and not always as long.
# A nap begins when an item lets go of the GIL; equal ones would end at equal points of items.
NAPS_S = (0.5e-3, 0.2e-3, 1.0e-3, 0.3e-3)
LATE_S = 0.15e-3  # from this lateness on it was the GIL that it waited for
WAKE_S = 0.06e-3  # the lateness of a nap in any case: what a timer and a core take


class GilProbe:
    """A thread that naps and sums up how much later than asked it wakes.

    To wake, it needs the GIL: beside items that hold it most of the time is lateness, beside items
    that wait or release it there is next to none. Items that hold it, but let go of it for a moment
    now and then, as for a system call, keep no nap waiting for long. So of a nap that ends late the
    whole is counted, as time that found the GIL held.
    """

    def __init__(self) -> None:
        self._stopping = False
        self._queue = RunQueue()  # where it waits for a core: a busy host, and not the GIL
        self._ending = ThreadExit()
        self._late_s = 0.0
        self._nap_s = 0.0  # the one that is under way
        self._found_held_s = 0.0  # naps at whose end the GIL was held
        self._n_wakes = 0
        self._began = perf_counter()
        self._wakes_at = self._began  # when it is to run next: first of all, at once
        # Not a threading.Thread: importing threading costs 4 ms, and no user code runs in it.
        _thread.start_new_thread(self._watch, ())

    def _watch(self) -> None:
        try:
            self._ending.begun()
            self._queue.open()
            self._late_s += perf_counter() - self._wakes_at
            while not self._stopping:
                self._nap_s = NAPS_S[self._n_wakes % len(NAPS_S)]
                self._wakes_at = perf_counter() + self._nap_s
                time.sleep(self._nap_s)
                late_s = max(0.0, perf_counter() - self._wakes_at)
                self._late_s += late_s
                if late_s > LATE_S:
                    self._found_held_s += self._nap_s
                self._n_wakes += 1
        finally:
            self._ending.tell()

    def look(self) -> GilProbed:
        """What was seen so far: the lateness of a nap still under way included.

        Lateness and the time it is a share of end at one moment. Whoever looks may have to wait for
        the GIL itself, once for each system call: done in between, that would count as time in
        which the thread was not late.
        """
        without_core_s = self._queue.waited_s()
        now = perf_counter()
        still_s = max(0.0, now - self._wakes_at)
        late_s = max(0.0, self._late_s + still_s - without_core_s)
        watched_s = max(0.0, now - self._began - without_core_s)
        found_held_s = self._found_held_s + (self._nap_s if still_s > LATE_S else 0.0)
        # No more of them than this lateness explains: others waited for a core.
        most_s = NAPS_S[0] * max(0.0, late_s - WAKE_S * self._n_wakes) / LATE_S
        return GilProbed(
            lag_share=min(1.0, (late_s + min(found_held_s, most_s)) / max(1e-9, watched_s)),
            watched_s=watched_s,
            n_wakes=self._n_wakes,
        )

    def stop(self) -> None:
        """End the thread; waits until it has ended (a nap and a switch of the GIL at most)."""
        self._stopping = True
        self._ending.wait(1.0)
        self._queue.close()

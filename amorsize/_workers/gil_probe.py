"""Measures from a second thread how long the caller's items hold the GIL."""

from __future__ import annotations

import _thread
import time

from amorsize._host.unpatched import perf_counter
from amorsize._workers.run_delay import RunQueue
from amorsize._workers.thread_exit import ThreadExit
from amorsize.policy.events import GilProbed

#: Seconds of sleep, in turn: short against the 5 ms of a GIL switch. A nap begins when an item
#: releases the GIL, so naps of one length would end at the same point of similar items.
NAPS_S = (0.5e-3, 0.2e-3, 1.0e-3, 0.3e-3)
#: A nap that ends later than this has waited for the GIL.
LATE_S = 0.15e-3
#: The lateness that a timer and a core cause in any case.
WAKE_S = 0.06e-3


class GilProbe:
    """A thread that naps, and adds up how late it wakes.

    To wake, the thread needs the GIL. Items that hold the GIL make it late; items that are blocked
    or release the GIL do not. Items that release it for a moment now and then, as in a system call,
    delay no nap for long. So a late nap counts as a whole, as time in which the GIL was held.
    """

    def __init__(self) -> None:
        self._stopping = False
        self._queue = RunQueue()  # waiting for a core is not waiting for the GIL
        self._ending = ThreadExit()
        self._late_s = 0.0
        self._nap_s = 0.0  # the current nap
        self._found_held_s = 0.0  # total of late naps
        self._n_wakes = 0
        self._began = perf_counter()
        self._wakes_at = self._began  # when it should run next
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
            self._ending.announce()

    def read(self) -> GilProbed:
        """What was measured so far, including the lateness of the current nap.

        Lateness and watched time end at one moment. The calling thread may itself wait for the GIL
        at each system call; a system call in between would count as time without lateness.
        """
        without_core_s = self._queue.waited_s()
        now = perf_counter()
        still_s = max(0.0, now - self._wakes_at)
        late_s = max(0.0, self._late_s + still_s - without_core_s)
        watched_s = max(0.0, now - self._began - without_core_s)
        found_held_s = self._found_held_s + (self._nap_s if still_s > LATE_S else 0.0)
        # Count no more late naps than the lateness explains: the others waited for a core.
        most_s = NAPS_S[0] * max(0.0, late_s - WAKE_S * self._n_wakes) / LATE_S
        return GilProbed(
            lag_share=min(1.0, (late_s + min(found_held_s, most_s)) / max(1e-9, watched_s)),
            watched_s=watched_s,
            n_wakes=self._n_wakes,
        )

    def stop(self) -> None:
        """End the thread; waits for it, a nap plus a GIL switch at most."""
        self._stopping = True
        self._ending.wait(1.0)
        self._queue.close()

"""The end of a thread: until it is gone, and not only through, who forks does so beside one."""

from __future__ import annotations

import _thread
import os
from time import sleep

from amorsize._host.clocks import perf_counter

GONE_S, NAP_S = 5e-3, 20e-6  # most threads are gone at once, one in a hundred takes 50 us more


class ThreadExit:
    """What one thread waits for and another tells: that it is through, and then gone.

    Python has no way to join a thread begun without `threading` (before 3.13), and from 3.12 on
    warns of a fork beside another thread, whatever that one is about.
    """

    __slots__ = ("_native_id", "_through")

    def __init__(self) -> None:
        self._native_id = 0
        self._through = _thread.allocate_lock()
        self._through.acquire()

    def begun(self) -> None:
        """Tell which thread it is: the calling one."""
        self._native_id = _thread.get_native_id()

    def tell(self) -> None:
        """The thread has nothing left to do."""
        self._through.release()

    def wait(self, longest_s: float) -> None:
        """Wait until it is through, and then for some milliseconds at most until it is gone."""
        if not self._through.acquire(timeout=longest_s) or not self._native_id:
            return
        path, until_s = f"/proc/self/task/{self._native_id}", perf_counter() + GONE_S
        while os.path.exists(path) and perf_counter() < until_s:
            sleep(NAP_S)

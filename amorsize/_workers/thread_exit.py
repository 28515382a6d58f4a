"""Wait until a helper thread has fully exited, so that a later fork sees one thread."""

from __future__ import annotations

import _thread
import os

from amorsize._host.unpatched import perf_counter, sleep

#: Longest wait for the kernel to remove a finished thread: one in a hundred takes 50 us.
GONE_S = 5e-3
#: Seconds between two looks for it.
NAP_S = 20e-6


class ThreadExit:
    """Lets one thread wait for the exit of another.

    Before 3.13 Python cannot join a thread that was started without `threading`. Since 3.12 it
    warns of a fork beside any other thread.
    """

    __slots__ = ("_native_id", "_through")

    def __init__(self) -> None:
        self._native_id = 0
        self._through = _thread.allocate_lock()
        self._through.acquire()

    def begun(self) -> None:
        """Note that the calling thread is the one to wait for."""
        self._native_id = _thread.get_native_id()

    def announce(self) -> None:
        """Announce that the thread has nothing left to do."""
        self._through.release()

    def wait(self, longest_s: float) -> None:
        """Wait until it has nothing left to do, then up to `GONE_S` for its exit."""
        if not self._through.acquire(timeout=longest_s) or not self._native_id:
            return
        path, until_s = f"/proc/self/task/{self._native_id}", perf_counter() + GONE_S
        while os.path.exists(path) and perf_counter() < until_s:
            sleep(NAP_S)

"""Waits for a thread that is through: until it is gone, who forks does so beside one."""

from __future__ import annotations

import os
from time import perf_counter, sleep

GONE_S, NAP_S = 5e-3, 20e-6  # most threads are gone at once, one in a hundred takes 50 us more


def wait_until_gone(native_id: int) -> None:
    """Wait until the system knows nothing of a thread any more, for a few milliseconds at most.

    Python has no way to join a thread begun without `threading` (before 3.13), and from 3.12 on
    warns of a fork beside another thread, whatever that one is about.
    """
    path, until_s = f"/proc/self/task/{native_id}", perf_counter() + GONE_S
    while native_id and os.path.exists(path) and perf_counter() < until_s:
        sleep(NAP_S)

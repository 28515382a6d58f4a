"""Lists the threads of the program, with its child processes."""

from __future__ import annotations

import os
import sys

from amorsize._host.signals import reraise_from_handler
from amorsize._watching.descriptors import _read

#: The prefix of the names of our worker threads.
OURS = "amorsize-"
#: The most threads whose children are listed.
MAX_TASKS = 64


class Tasks:
    """The threads of this process, by their number in the kernel, with its children."""

    def __init__(self) -> None:
        self.threads = frozenset(map(int, os.listdir("/proc/self/task")))
        asked = sorted(self.threads)[:MAX_TASKS]
        self.children = frozenset(pid for thread in asked for pid in _children(thread))

    def started_threads(self, before: Tasks) -> list[str]:
        """The names of threads that have started since, without ours."""
        names = _names()
        new = sorted(self.threads - before.threads)
        found = [names.get(thread, f"thread {thread}") for thread in new]
        return [name for name in found if not name.startswith(OURS)]


def _children(thread: int) -> list[int]:
    try:
        return list(map(int, _read(f"/proc/self/task/{thread}/children").split()))
    except (OSError, ValueError) as error:  # it has just ended, or the kernel does not tell
        reraise_from_handler(error)
        return []


def _names() -> dict[int, str]:
    threading = sys.modules.get("threading")
    if threading is None:
        return {}
    threads = tuple(threading._active.values())  # `threading.enumerate` would wait for a lock
    return {one.native_id: one.name for one in threads if one.native_id is not None}

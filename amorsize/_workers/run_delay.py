"""How long this thread could have run while others had its core, as far as the system tells.

CPU time below wall time says that a thread did not run; whether it had nothing to do or got no core
is another question. Voluntary context switches do not settle it: on a busy host an item that
computes has a few of them, at pages and locks. Linux counts the time a thread spends in a run
queue, which is neither running nor waiting.
"""

from __future__ import annotations

import os
from _thread import get_ident

PATH = "/proc/thread-self/schedstat"  # ns on a core, ns in a run queue, turns; "0 0 0": not counted
_LONGEST = 96


class RunQueue:
    """How long the thread that opens this has spent in a run queue; any thread may ask."""

    __slots__ = ("_file", "_is")

    def __init__(self) -> None:
        self._file = -1
        self._is: object = None  # what the file is, by which one is known that took its number

    def open(self) -> None:
        """From now on it is the calling thread's."""
        self._is = None
        try:
            self._file = os.open(PATH, os.O_RDONLY | os.O_CLOEXEC)
            self._is = os.fstat(self._file)[:3]
        except (OSError, AttributeError):  # not on Linux
            self._file = -1

    def waited_s(self) -> float:
        """Seconds so far, in 1.5 us; 0.0 where nobody counts."""
        if self._file < 0:
            return 0.0
        try:
            return int(os.pread(self._file, _LONGEST, 0).split()[1]) * 1e-9
        except (OSError, IndexError, ValueError):  # an item has closed it
            self._file = -1
            return 0.0

    def close(self) -> None:
        """Let go of the file, if it is there still."""
        try:  # again, where Ctrl-C came in between; `None`: where it came as it was opened
            if self._file >= 0 and self._is in (None, os.fstat(self._file)[:3]):
                os.close(self._file)
        except OSError:
            pass  # an item has closed it
        self._file = -1


class StarvedClock:
    """Seconds that the thread which reads it has spent in a run queue; 0.0 where nobody counts."""

    __slots__ = ("_queue", "_thread")

    def __init__(self) -> None:
        self._thread = -1
        self._queue = RunQueue()

    def __call__(self) -> float:
        """Seconds so far; a thread's first reading takes 4 us more."""
        if self._thread != (thread := get_ident()):
            self.close()
            self._thread = thread
            self._queue.open()
        return self._queue.waited_s()

    def close(self) -> None:
        """Let go of the file, if it is there still."""
        self._queue.close()
        self._thread = -1

"""The run delay of a thread: how long it has waited for a core.

CPU time below wall time tells that a thread did not run, but not whether it was blocked or had no
core. Voluntary context switches do not tell either: on a busy host, an item that computes has a
few, at page faults and locks. Linux counts the time that a thread spends in a run queue.
"""

from __future__ import annotations

from _thread import get_ident

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel

#: Nanoseconds on a core, nanoseconds in a run queue, turns; "0 0 0": not counted.
PATH = "/proc/thread-self/schedstat"
_LONGEST = 96
#: The lowest number that is no standard stream's, which the program may have closed.
_FIRST_OWN = 3


class RunQueue:
    """The run delay of the thread that opens this; any thread may read it."""

    __slots__ = ("_file", "_is")

    def __init__(self) -> None:
        self._file = -1
        self._is: object = None  # identifies the file, as another may get its number

    def open(self) -> None:
        """Read the run delay of the calling thread from now on."""
        self._is = None
        try:
            # In one line, so that Ctrl-C finds either no file or one that `close` knows.
            self._file = kernel.open(PATH, kernel.O_RDONLY | kernel.O_CLOEXEC)
            if self._file < _FIRST_OWN:
                self._leave_standard_number()
            self._is = kernel.fstat(self._file)[:3]
        except (OSError, AttributeError) as error:  # not on Linux
            reraise_from_handler(error)
            self._file = -1

    def _leave_standard_number(self) -> None:
        """Open the file anew: a closed standard stream would come back as this one."""
        kernel.close(self._file)
        self._file = -1
        from amorsize._workers.messages.pipe_ends import StandardNumbersTaken  # seldom needed

        with StandardNumbersTaken():
            self._file = kernel.open(PATH, kernel.O_RDONLY | kernel.O_CLOEXEC)

    def waited_s(self) -> float:
        """Seconds so far; 0.0 where the system does not count. A reading takes 1.5 us."""
        if self._file < 0:
            return 0.0
        try:
            return int(kernel.pread(self._file, _LONGEST, 0).split()[1]) * 1e-9
        except (OSError, IndexError, ValueError) as error:  # an item has closed it
            reraise_from_handler(error)
            self._file = -1
            return 0.0

    def close(self) -> None:
        """Close the file, unless an item has closed it."""
        try:  # `None`: Ctrl-C came between opening the file and identifying it
            if self._file >= 0 and self._is in (None, kernel.fstat(self._file)[:3]):
                kernel.close(self._file)
        except OSError as error:
            reraise_from_handler(error)  # else an item has closed it
        self._file = -1


class RunDelayClock:
    """Gives the run delay of the calling thread; 0.0 where the system does not count."""

    __slots__ = ("_queue", "_thread")

    def __init__(self) -> None:
        self._thread = -1
        self._queue = RunQueue()

    def __call__(self) -> float:
        """Seconds so far. The first reading of a thread takes 4 us more."""
        if self._thread != (thread := get_ident()):
            self.close()
            self._thread = thread
            self._queue.open()
        return self._queue.waited_s()

    def close(self) -> None:
        """Close the file, unless an item has closed it."""
        self._queue.close()
        self._thread = -1

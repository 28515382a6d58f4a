"""A thread that reads a stream's data ahead, where that was asked for.

Otherwise data is read in the caller's own thread, as some iterators belong to it. The thread starts
once workers run, so that they can be forked before.
"""

from __future__ import annotations

import _thread
from _collections import deque  # type: ignore[import-not-found]
from _contextvars import copy_context

from amorsize._host.unpatched import kernel
from amorsize._workers.thread_exit import ThreadExit
from amorsize.errors import WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: The longest wait in one piece, in seconds.
NAP_S = 0.25
#: Seconds to wait for its end before a fork, as it may be inside the data's code.
END_S = 10e-3


class ReadAhead:
    """An iterator that tells whether its next item is there.

    Args:
        iterator: Of the items.
        n_items: The most items that are read before they are needed.
    """

    def __init__(self, iterator: Iterator[Any], n_items: int) -> None:
        self._iterator, self._n_items = iterator, n_items
        self._there: Any = deque()
        self._ended: BaseException | None = None  # raised by the iterator instead of an item
        self._wanted, self._came = _thread.allocate_lock(), _thread.allocate_lock()
        self._stopping = False
        self._pid = 0  # of the process that has the thread
        self._lives = False  # there is a thread, which reads or is about to end
        self._exit: ThreadExit | None = None  # of the last thread, until it was waited for

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while True:
            # Asked before what is there: the thread may put its last item there, and then end.
            lives, ended = self._lives, self._ended
            if self._there:
                item = self._there.popleft()
                _release(self._wanted)
                return item
            if ended is not None:
                raise ended
            if not lives:
                return self._next()
            self._refuse_in_fork()
            self._came.acquire(timeout=NAP_S)

    def _next(self) -> Any:
        try:
            return next(self._iterator)
        except Exception as error:
            self._ended = error
            raise

    def _refuse_in_fork(self) -> None:
        """A fork of the program has no such thread, which may have been inside the data's code."""
        if kernel.getpid() != self._pid:
            raise WorkersUnavailable(
                f"a thread of process {self._pid} reads this stream's data: a fork of it cannot go "
                "on with it. Begin another stream in the fork, or leave out read_ahead=."
            )

    def would_wait(self) -> bool:
        """Whether the next item may not be there yet."""
        return not self._there and self._ended is None

    def start(self) -> None:
        """Start the thread that reads."""
        self._stopping = False  # an earlier thread that is inside the data's code goes on
        if not self._lives and self._ended is None:
            self._pid = kernel.getpid()
            self._lives, self._exit = True, ThreadExit()
            _thread.start_new_thread(copy_context().run, (self._live, self._exit))

    def stop(self) -> bool:
        """End the thread; False: it is inside the data's code, and ends after that."""
        if self._exit is None:
            return True
        self._stopping = True
        _release(self._wanted)
        self._exit.wait(END_S)
        if not self._lives:
            self._exit = None
        return not self._lives

    def _live(self, ending: ThreadExit) -> None:
        try:
            ending.begun()
            while not self._stopping and self._ended is None:
                if len(self._there) >= self._n_items:
                    self._wanted.acquire(timeout=NAP_S)
                    continue
                try:
                    self._there.append(next(self._iterator))
                except BaseException as error:
                    self._ended = error
                _release(self._came)
        finally:
            self._lives = False
            _release(self._came)
            ending.announce()


def _release(lock: Any) -> None:
    if lock.locked():
        try:
            lock.release()
        except RuntimeError:  # another thread has just done it
            return

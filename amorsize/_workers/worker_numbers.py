"""The worker number of an item, by which it can choose a port or a GPU of its own.

When a worker ends, its replacement gets the same number.
"""

from __future__ import annotations

from _thread import get_ident

_of_threads: dict[int, int] = {}  # numbers of worker threads, by ident
_of_process = 0
_next: dict[int, int] = {}  # of the worker to start, by the ident of the starting thread


def worker_number() -> int:
    """The number of the worker that runs the calling item; items that run at once differ in it.

    Numbers start at 0. With `backend="process"` or "thread" they reach `n_jobs` - 1. Under "auto"
    the process that made the call is 0 and its workers follow. The number is known in `setup=` as
    well. Outside of a call it is 0. Two calls that run side by side each count from 0. With
    `executor=` the number belongs to the chunk, since the workers are the executor's.

    Example:
        >>> worker_number()
        0
    """
    return _of_threads.get(get_ident(), _of_process)


def prepare(number: int) -> None:
    """Set the number of the worker that this thread starts next, in time for its setup=."""
    _next[get_ident()] = number


def next_number() -> int:
    """The number of the worker that this thread is starting, or was forked as."""
    return _next.get(get_ident(), 0)


def set_for_process(number: int) -> None:
    """Set the number of this process."""
    global _of_process
    _of_process = number


class Numbered:
    """A block in which this thread has a number; a worker's thread gets its own back after it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._before: int | None = None

    def __enter__(self) -> None:
        self._before = _of_threads.get(get_ident())
        _of_threads[get_ident()] = self._number

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del _of_threads[get_ident()]
        else:
            _of_threads[get_ident()] = self._before


class WorkerNumbers:
    """Assigns numbers to the workers of one call.

    Args:
        first: The lowest number of a worker: 1 where the caller runs items itself.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._of: dict[int, int] = {}  # by worker
        self._free: list[int] = []  # below the highest that was assigned

    def of(self, worker: int) -> int:
        """The number of a worker: the lowest that was free at the first request."""
        number = self._of.get(worker)
        if number is None:
            number = min(self._free, default=self._first + len(self._of))
            if self._free:
                self._free.remove(number)
            self._of[worker] = number
        return number

    def leave(self, worker: int) -> None:
        """Free the number of a worker that has ended."""
        if (number := self._of.pop(worker, None)) is not None:
            self._free.append(number)

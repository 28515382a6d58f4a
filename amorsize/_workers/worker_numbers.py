"""Which of the places where items run at once this one is: for a port or a GPU of its own.

A place is not a worker: when a worker ends, the next one gets its place.
"""

from __future__ import annotations

from _thread import get_ident

_of_threads: dict[int, int] = {}  # worker threads that have a place, by their ident
_of_process = 0
_next: dict[int, int] = {}  # by the thread that starts a worker


def worker_number() -> int:
    """The number of the place that runs the item which asks: no two that run at once have the same.

    Places are counted from 0: with `backend="process"` or "thread" up to `n_jobs` - 1; under "auto"
    the process that made the call is 0, and its workers follow. It is known in `setup=` as well.
    Outside of a call it is 0. Two calls that run side by side count each for itself. The workers of
    an `executor=` are not ours to count: there it is that of the chunk.
    """
    return _of_threads.get(get_ident(), _of_process)


def prepare(place: int) -> None:
    """The worker that this thread starts next is to have this place, already while it is set up."""
    _next[get_ident()] = place


def prepared() -> int:
    """The place of the worker that this thread is starting, or was forked by."""
    return _next.get(get_ident(), 0)


def take_in_process(place: int) -> None:
    """From now on this process's items run in this place."""
    global _of_process
    _of_process = place


def take_in_thread(place: int) -> None:
    """From now on this thread's items do."""
    _of_threads[get_ident()] = place


def leave_thread() -> None:
    """This thread runs no more items."""
    _of_threads.pop(get_ident(), None)


class Places:
    """Who has which place in one call.

    Args:
        first: The lowest that workers may have: 1 where the caller runs items itself.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._of: dict[int, int] = {}  # by worker

    def of(self, worker: int) -> int:
        """A worker's place: the lowest that was free when it was first asked for."""
        if worker not in self._of:
            taken = set(self._of.values())
            place = self._first
            while place in taken:
                place += 1
            self._of[worker] = place
        return self._of[worker]

    def leave(self, worker: int) -> None:
        """A worker has ended."""
        self._of.pop(worker, None)

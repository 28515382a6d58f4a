"""Knows whether the code that asks runs inside a worker: then a tuned function is a plain loop."""

from __future__ import annotations

from _thread import get_ident

_inside: set[int] = set()  # threads that are running items of some call
_process_is_worker = False


def is_inside() -> bool:
    """Whether this thread is running an item of a call."""
    return _process_is_worker or get_ident() in _inside


def enter_process() -> None:
    """From now on this whole process is a worker."""
    global _process_is_worker
    _process_is_worker = True


def leave_process() -> None:
    """This worker is where a call is made after all, and none of its workers."""
    global _process_is_worker
    _process_is_worker = False


def enter() -> None:
    """This thread begins to run items."""
    _inside.add(get_ident())


def leave() -> None:
    """This thread has stopped running items."""
    _inside.discard(get_ident())

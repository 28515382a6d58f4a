"""Knows whether the code that asks runs inside a worker: then a tuned function is a plain loop."""

from __future__ import annotations

from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Mark = Callable[[], bool] | None  # what a thread was at before

# Threads that are running items of some call, and what tells whether they are in one just now: not
# while they read the next, which whoever made the data does.
inside: dict[int, Callable[[], bool] | None] = {}
_process_is_worker = False


def is_inside() -> bool:
    """Whether this thread is running an item of a call."""
    if _process_is_worker:
        return True
    is_in_item = inside.get(get_ident(), _outside)
    return is_in_item is None or is_in_item()


def _outside() -> bool:
    return False


def enter_process() -> None:
    """From now on this whole process is a worker."""
    global _process_is_worker
    _process_is_worker = True


def leave_process() -> None:
    """This worker is where a call is made after all, and none of its workers."""
    global _process_is_worker
    _process_is_worker = False


def mark() -> Mark:
    """What this thread is at now, for `leave`; asked before `enter`, as Ctrl-C may come between."""
    return inside.get(get_ident(), _outside)


def enter(is_in_item: Callable[[], bool] | None = None) -> None:
    """This thread begins to run items.

    Args:
        is_in_item: Tells whether it is in one; None: it is, until it leaves.
    """
    inside[get_ident()] = is_in_item


def leave(before: Mark = _outside) -> None:
    """This thread has stopped running items; what it was at before counts again."""
    if before is _outside:
        inside.pop(get_ident(), None)
    else:
        inside[get_ident()] = before

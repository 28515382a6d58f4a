"""Whether the calling code runs inside an item, where a tuned function is a plain loop."""

from __future__ import annotations

from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Mark = Callable[[], bool] | None  # the entry of a thread in `inside`

#: The threads that run items, each with a function that tells whether it is in an item now. None:
#: it always is. While a thread reads the next item, it runs code of whoever made the data.
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
    """Make this whole process a worker."""
    global _process_is_worker
    _process_is_worker = True


def leave_process() -> None:
    """Make this process an ordinary one again, where calls may start workers."""
    global _process_is_worker
    _process_is_worker = False


def mark() -> Mark:
    """The state of this thread, for `leave`.

    It is read before `enter`, since Ctrl-C may come between the two.
    """
    return inside.get(get_ident(), _outside)


def enter(is_in_item: Callable[[], bool] | None = None) -> None:
    """Note that this thread begins to run items.

    Args:
        is_in_item: Tells whether the thread is in an item; None: it is until it leaves.
    """
    inside[get_ident()] = is_in_item


def leave(before: Mark = _outside) -> None:
    """Note that this thread has stopped running items, and restore its earlier state."""
    if before is _outside:
        inside.pop(get_ident(), None)
    else:
        inside[get_ident()] = before

"""Finds data whose next item may depend on what the consumer does with results.

A loop hands each result over before it asks for the next item. So a producer may wait for a result:
for an answer in a queue, or for one of its requests to end. Reading ahead is right as long as the
next item is there. Beyond that, the caller would wait for itself.
"""

from __future__ import annotations

from amorsize._engine.reading.behind_data import codes_of, within_reach_of
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

#: Types with methods that wait for other code: the names of the methods, and what tells whether
#: they would wait.
_WAITING = {
    "threading.Event": ("wait",),
    "threading.Condition": ("wait", "wait_for"),
    "threading.Semaphore": (),  # entered by a `with` as well
    "threading.BoundedSemaphore": (),
    "threading.Barrier": ("wait",),
    "concurrent.futures._base.Future": ("result", "exception", "wait", "as_completed"),
    "multiprocessing.synchronize.Event": ("wait",),
    "multiprocessing.synchronize.Condition": ("wait", "wait_for"),
    "multiprocessing.synchronize.Semaphore": (),
    "multiprocessing.synchronize.BoundedSemaphore": (),
}
_EMPTY: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("queue.Queue", "queue.LifoQueue", "queue.PriorityQueue", "_queue.SimpleQueue"),
        lambda one: bool(one.empty()),
    ),
    **dict.fromkeys(
        ("multiprocessing.queues.Queue", "multiprocessing.queues.JoinableQueue"),
        lambda one: bool(one.empty()),
    ),
    "multiprocessing.connection.Connection": lambda one: not one.poll(0),
    "socket.socket": lambda one: not _is_readable(one.fileno()),
}
_CALLS = frozenset(
    {"recv", "recv_bytes", "recvfrom", "select", "accept"}
)  # of the system, or libraries


class Waiters:
    """The objects that the code behind some iterators may wait for.

    Args:
        parts: The iterators that items come from.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        seen = list(within_reach_of(parts, _may_wait_at))
        names = frozenset(name for code in codes_of((*parts, *seen)) for name in code.co_names)
        kinds = [_name(one) for one in seen]
        self.why = next((kind for kind in kinds if _waits(kind, names)), None)
        self._empty = [
            (_EMPTY[kind], one) for one, kind in zip(seen, kinds, strict=True) if kind in _EMPTY
        ]
        if not self._empty and self.why is None and (called := _CALLS & names):
            self.why = f"{min(called)}()"

    def __bool__(self) -> bool:
        return bool(self._empty)

    def would_wait(self) -> bool:
        """Whether the next item would have to be waited for."""
        try:
            return all(is_empty(one) for is_empty, one in self._empty)
        except (OSError, ValueError) as error:  # closed: reading on raises the error
            reraise_from_handler(error)
            return False


def is_for_waiting(one: Any) -> bool:
    """Whether somebody may wait for an object: a queue, an event, a connection."""
    return _may_wait_at(one) or hasattr(one, "get_nowait")


def _may_wait_at(one: Any) -> bool:
    return _name(one) in _EMPTY or _name(one) in _WAITING


def _waits(kind: str, names: frozenset[str]) -> bool:
    methods = _WAITING.get(kind)
    return methods is not None and (not methods or not names.isdisjoint(methods))


def _name(one: Any) -> str:
    return f"{type(one).__module__}.{type(one).__name__}"


def _is_readable(descriptor: int) -> bool:
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))

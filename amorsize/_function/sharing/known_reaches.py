"""Remembers what functions reach, as long as their names stand for the same values."""

from __future__ import annotations

from amorsize._function.callable_walk import end_of, reads
from amorsize._function.callables import FUNCTION
from amorsize._function.ownership import is_own_module
from amorsize._function.sharing.calls import hooks
from amorsize._host.unpatched import perf_counter
from amorsize.policy.frozen_record import Value, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize._function.sharing.findings import Reach

#: The most functions whose findings are kept.
MAX_KNOWN = 1024
#: For how many times the time that it took, findings are believed that came from objects, which may
#: have changed since: so reading takes 2 % of the time at most.
BELIEVED_FOR = 50


class Read(Value):
    """What an examination has read: findings hold as long as none of it has changed."""

    functions: tuple[Any, ...]
    classes: tuple[Any, ...]  # of the project

    def seen(self) -> list[tuple[Any, tuple[int, ...]]]:
        """Each, without keeping it alive, with what its names stand for now."""
        from _weakref import ref

        return [(ref(one), _seen_in(one)) for one in (*self.functions, *self.classes)]


class _Known:
    """The findings of an examination, without any object of the user's."""

    def __init__(self, func: Any, reach: Reach, read: Read, until: float) -> None:
        from _weakref import ref

        self.reach, self.until = reach, until
        self._func, self._seen = ref(func), read.seen()

    def is_of(self, func: Any) -> bool:
        """Whether they are of this function, and everything that was read is still the same."""
        return self._func() is func and all(
            (one := reference()) is not None and _seen_in(one) == seen
            for reference, seen in self._seen
        )


#: What functions reach that lead to no object, and what others reach.
_whole: dict[object, _Known] = {}
_passing: dict[object, _Known] = {}


def known_reach(func: Any) -> Reach | None:
    """The findings of the last examination that led to no object, if they still hold."""
    known = _valid(_whole, id(func), func)
    return None if known is None else known.reach


def last_reach(func: Any, items: Sequence[object]) -> Reach | None:
    """The findings of the last examination with items of these kinds, if it was a short while ago.

    Objects that it led to may have changed since. So they may only be a reason to do without
    workers: where that is no longer right, it costs time and changes no result.
    """
    known = _valid(_passing, (id(func), *map(_kind, items)), func)
    return None if known is None or perf_counter() > known.until else known.reach


def remember_whole(func: Any, reach: Reach, read: Read) -> None:
    """Keep the findings of an examination that led to no object."""
    if type(func) is FUNCTION:
        _keep(_whole, id(func), _Known(func, reach, read, inf))


def remember_last(
    func: Any, reach: Reach, read: Read, items: Sequence[object], began: float
) -> None:
    """Keep the findings of an examination that began then, for a while."""
    if type(func) is FUNCTION:
        until = perf_counter() + BELIEVED_FOR * (perf_counter() - began)
        _keep(_passing, (id(func), *map(_kind, items)), _Known(func, reach, read, until))


def _valid(memory: dict[object, _Known], key: object, func: Any) -> _Known | None:
    known = memory.get(key)
    if known is None or known.is_of(func):
        return known
    memory.pop(key, None)
    return None


def _keep(memory: dict[object, _Known], key: object, known: _Known) -> None:
    if len(memory) >= MAX_KNOWN:
        memory.clear()
    memory[key] = known


def _kind(item: object) -> int:
    return id(type(item))


def _seen_in(one: Any) -> tuple[int, ...]:
    """The ids of the values that the names in a function's code, or in a class, stand for now."""
    if type(one) is not FUNCTION:
        return tuple(map(id, vars(one).values()))
    found = [id(one.__defaults__), id(one.__kwdefaults__), id(one.__code__)]
    found += hooks()
    for _, _, value, attributes in reads(one):
        found.append(id(end_of(value, attributes, is_own_module)[0]))
    return tuple(found)

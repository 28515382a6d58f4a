"""Finds objects that a function has in common with its items, by their identity.

A sentinel that the function asks for with `is` is another object once it was sent. So is a node
that is the key of a table: its copy is not found there.
"""

from __future__ import annotations

from gc import get_referents

from amorsize._function import callables
from amorsize._function.bytecode import compares_values, nested
from amorsize._function.callable_walk import CONTAINERS, reads
from amorsize._function.callables import FUNCTION, METHOD, MODULE
from amorsize._function.dependencies import needs_of
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.ownership import is_own_class
from amorsize._function.plain_values import PLAIN
from amorsize._function.pure_reach import compares_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType
    from typing import Any

#: The most objects of a function, and of an item, that are looked at.
MOST_REACHED, MOST_PARTS = 20_000, 1000
#: How far inside an item others are looked for.
DEEPEST = 6
#: Types of values without anything inside that could be shared.
_PLAIN = PLAIN | {bytearray}
_CODE = (FUNCTION, METHOD, MODULE, type(len), type)
#: Methods and functions that compare what they are handed with what is there.
_COMPARING = frozenset({"index", "count", "remove", "id"})


class KeptIdentities:
    """What a function shares with its items and would not know again as a copy.

    The function is not searched before an item holds an object that may be shared.

    Args:
        functions: What runs in a worker; None where there is nothing.
    """

    def __init__(self, functions: Iterable[Callable[..., Any] | None]) -> None:
        self._functions = tuple(functions)
        self._kept: dict[int, Any] | None = None

    def first_in(self, items: list[Any]) -> Any:
        """The first such object in some items; None: they hold none."""
        if _PLAIN.issuperset(map(type, items)):
            return None
        for item in items:
            for part in _parts_of(item):
                if self._kept is None:
                    self._kept = _kept_by(self._functions)
                if id(part) in self._kept:
                    return part
        return None


def _parts_of(item: Any) -> Iterator[Any]:
    """The item and what it holds, as far as it is equal to itself alone."""
    level, n_left = [item], MOST_PARTS
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level[:n_left]:
            if type(one) not in _PLAIN:
                if _is_itself_alone(one):
                    yield one
                below += _inside(one)
        n_left -= len(level)
        if n_left <= 0:
            return
        level = below


def _inside(one: Any) -> Iterable[Any]:
    """What a container or an object of the project holds, unless all of it is plain."""
    if isinstance(one, dict):
        found = (*one, *one.values())
    elif isinstance(one, CONTAINERS):
        found = tuple(one)
    elif is_own_class(type(one)):
        found = tuple(get_referents(one))
    else:
        return ()
    return () if _PLAIN.issuperset(map(type, found)) else found


def _is_itself_alone(one: Any) -> bool:
    """Whether no other object is equal to it, so that a copy is another one."""
    kind = type(one)
    if kind is object:
        return True
    has_own_equality = callables.member(kind, "__eq__") is not callables.member(object, "__eq__")
    return not has_own_equality and not isinstance(one, _CODE) and is_own_class(kind)


def _kept_by(functions: tuple[Any, ...]) -> dict[int, Any]:
    """The keys of the functions' tables by their ids; all their objects if code compares some."""
    met = needs_of(functions).walk.met
    code = [one for one in met if type(one) is FUNCTION]
    has_compared = any(_compares(one.__code__) for one in code)
    ahead = [one for one in met if not isinstance(one, _CODE)]
    ahead += [value for one in code for _, _, value, _ in reads(one)]
    seen: dict[int, Any] = {}
    kept: dict[int, Any] = {}
    while ahead and len(seen) < MOST_REACHED:
        one = ahead.pop()
        if type(one) in _PLAIN or id(one) in seen or isinstance(one, _CODE):
            continue
        seen[id(one)] = one
        if has_compared and _is_itself_alone(one):
            kept[id(one)] = one
        if isinstance(one, dict | set | frozenset):
            kept |= _looked_up(one)
        ahead += _inside(one)
    return kept


def _looked_up(table: Any) -> dict[int, Any]:
    """The keys that are found by their identity, also as parts of a key."""
    parts = [part for key in table for part in (key if type(key) is tuple else (key,))]
    return {id(part): part for part in parts if _is_itself_alone(part)}


@kept_by_code
def _compares(code: CodeType) -> bool:
    """Whether the code may ask if two objects are equal, or the same."""
    if compares_identity(code) or not _COMPARING.isdisjoint(code.co_names):
        return True
    return compares_values(code) or any(map(_compares, nested(code)))

"""Finds the objects that a function knows by their identity, so that it would not know a copy.

They are the keys of its tables as far as these are equal to themselves alone, what it compares by
`is`, and NaN. A table may also have the numbers of objects: what `id` gives, and `hash`.
"""

from __future__ import annotations

import builtins
from _weakref import ReferenceType
from gc import get_referents
from itertools import islice

from amorsize._function import callables
from amorsize._function.bytecode import compares_values, nested
from amorsize._function.callable_walk import CONTAINERS, end_of, reads
from amorsize._function.callables import FUNCTION, METHOD, MISSING, MODULE, is_enum_member
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.needs.dependencies import needs_of
from amorsize._function.ownership import Owns
from amorsize._function.plain_values import PLAIN
from amorsize._function.purity.pure_reach import compares_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType, FunctionType
    from typing import Any

#: The most objects of a function that are looked at.
MOST_REACHED = 20_000
#: Types of values without anything inside that could be shared.
ALONE = PLAIN | {bytearray}
_CODE = (FUNCTION, METHOD, MODULE, type(len), type)
#: Each process has exactly one of these, which a copy turns out to be.
_SINGLE = frozenset({type(None), bool, type(...), type(NotImplemented)})
#: Numbers that the interpreter has made once.
_SMALL = range(-5, 257)
#: Methods and functions that compare what they are handed with what is there.
_COMPARING = frozenset({"index", "count", "remove", "id"})
#: Functions that number objects by their place in memory.
_NUMBERING = (id, hash)
#: Where classes of the standard library come from that hold other objects.
_HOLDERS = frozenset({"collections", "functools", "types", "weakref"})


class Known:
    """What some functions know by its identity.

    Args:
        functions: What runs in a worker; None where there is nothing.

    Attributes:
        objects: By their ids.
        owns: What is the project's own, wherever its packages are installed.
        numbers: Those that may be ids or hashes of other objects; None: the code does not ask.
        kinds: The types of the objects.
    """

    def __init__(self, functions: tuple[Any, ...]) -> None:
        self.objects: dict[int, Any] = {}
        self.owns = Owns([one for one in functions if one is not None])
        met = needs_of(functions).walk.met
        code = [one for one in met if type(one) is FUNCTION]
        own = own_functions(met, self.owns)
        self.numbers: set[int] | None = set() if any(map(asks_for_numbers, own)) else None
        self._has_compared = any(_compares(one.__code__) for one in code)
        self._has_identity = asks_which_one(own)
        ahead = [one for one in met if not isinstance(one, _CODE)]
        for one in code:
            values = named(one, self.owns)
            ahead += values
            if self.owns.function(one) and _compares_identity(one.__code__):
                self._note(values)
        self._search(ahead)
        self.kinds = frozenset(map(type, self.objects.values()))

    def is_known(self, one: Any) -> bool:
        """Whether the functions would know this object again."""
        if id(one) in self.objects:
            return True
        if self.numbers is None or type(one) in ALONE:
            return False
        return id(one) in self.numbers or object.__hash__(one) in self.numbers

    def _search(self, ahead: list[Any]) -> None:
        """Look at some objects and at what they hold."""
        seen: dict[int, Any] = {}
        while ahead and len(seen) < MOST_REACHED:
            one = ahead.pop()
            if type(one) in ALONE:
                self._see_plain(one)
                continue
            if id(one) in seen or isinstance(one, _CODE):
                continue
            seen[id(one)] = one
            if self._has_identity or (self._has_compared and self._is_itself_alone(one)):
                self._note((one,))
            if isinstance(one, dict | set | frozenset):
                self._note(filter(self._is_itself_alone, _keys(one)))
            ahead += islice(inside(one, self.owns.class_), MOST_REACHED)

    def _see_plain(self, one: Any) -> None:
        if type(one) is int:
            if self.numbers is not None:
                self.numbers.add(one)
        elif self._has_compared and self._is_itself_alone(one):
            self._note((one,))

    def _is_itself_alone(self, one: Any) -> bool:
        return is_itself_alone(one, self.owns.class_)

    def _note(self, found: Iterable[Any]) -> None:
        for one in found:
            if not (_is_single(one) or isinstance(one, _CODE)):
                self.objects[id(one)] = one


def is_itself_alone(one: Any, is_own: Callable[[type], bool]) -> bool:
    """Whether no other object is equal to it, so that a copy is another one.

    Args:
        one: The object.
        is_own: Whether a class is the project's.
    """
    kind = type(one)
    if kind is object:
        return True
    if kind is float or kind is complex:
        return bool(one != one)
    has_own_equality = callables.member(kind, "__eq__") is not callables.member(object, "__eq__")
    is_alone = not has_own_equality and not isinstance(one, _CODE) and is_own(kind)
    return is_alone and not is_enum_member(one)


def own_functions(met: Iterable[Any], owns: Owns) -> list[FunctionType]:
    """Those of the project's own functions that are among some objects."""
    return [one for one in met if type(one) is FUNCTION and owns.function(one)]


def asks_which_one(functions: Iterable[FunctionType]) -> bool:
    """Whether the code of functions compares objects by their identity."""
    return any(_compares_identity(one.__code__) for one in functions)


def inside(one: Any, is_own: Callable[[type], bool]) -> Iterable[Any]:
    """What a container, an object of the project or a weak reference holds."""
    if isinstance(one, ReferenceType):
        return (one(),)
    if isinstance(one, dict):
        return _both(one)
    if isinstance(one, CONTAINERS):
        return tuple(one)
    kind = type(one)
    is_followed = kind.__module__ in _HOLDERS or (is_own(kind) and not is_enum_member(one))
    return get_referents(one) if is_followed else ()


def _both(table: dict[Any, Any]) -> Iterator[Any]:
    for key, value in tuple(table.items()):
        yield key
        yield value


def _keys(table: Any) -> Iterator[Any]:
    """The keys of a table; the parts of one that is a tuple; what one refers to weakly."""
    for key in tuple(table):
        for part in key if type(key) is tuple else (key,):
            yield part() if isinstance(part, ReferenceType) else part


def _is_single(one: Any) -> bool:
    """Whether each process has exactly one that is equal, as the interpreter makes no other."""
    kind = type(one)
    if kind is int or kind is tuple:
        return one in _SMALL or one == ()
    return kind in _SINGLE or (kind in (str, bytes) and len(one) < 2) or is_enum_member(one)


def named(func: FunctionType, owns: Owns) -> list[Any]:
    """The values that a function's code names, and its defaults."""
    found = [*(func.__defaults__ or ()), *(func.__kwdefaults__ or {}).values()]
    for _, _, value, attributes in reads(func):
        end = end_of(value, attributes, owns.module)[0]
        found += (one for one in (value, end) if one is not MISSING)
    return found


def asks_for_numbers(func: FunctionType) -> bool:
    """Whether a function's code asks for the id or the hash of objects."""
    found = vars(builtins)
    return any(
        value is one and found.get(name) is one
        for _, name, value, _ in reads(func)
        for one in _NUMBERING
    )


@kept_by_code
def _compares_identity(code: CodeType) -> bool:
    return compares_identity(code) or any(map(_compares_identity, nested(code)))


@kept_by_code
def _compares(code: CodeType) -> bool:
    """Whether the code may ask if two objects are equal, or the same."""
    if compares_identity(code) or not _COMPARING.isdisjoint(code.co_names):
        return True
    return compares_values(code) or any(map(_compares, nested(code)))

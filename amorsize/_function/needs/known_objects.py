"""Finds the objects that a function knows by their identity, so that it would not know a copy.

They are the keys of its tables as far as these are equal to themselves alone, what it compares by
`is`, and NaN. A table may also have the numbers of objects: what `id` gives, and `hash`.
"""

from __future__ import annotations

import builtins
from _weakref import ReferenceType

from amorsize._function import callables
from amorsize._function.bytecode import compares_values, names, nested
from amorsize._function.callable_walk import end_of, reads
from amorsize._function.callables import FUNCTION, MISSING, is_a, is_enum_member
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.needs.dependencies import needs_of
from amorsize._function.needs.held_objects import ALONE, CODE, Search
from amorsize._function.needs.spelled_numbers import makes_texts, spelled_in
from amorsize._function.ownership import Owns
from amorsize._function.purity.pure_reach import compares_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType, FunctionType
    from typing import Any

#: Each process has exactly one of these, which a copy turns out to be.
_SINGLE = frozenset({type(None), bool, type(...), type(NotImplemented)})
#: Numbers that the interpreter has made once.
_SMALL = range(-5, 257)
#: Methods and functions that compare what they are handed with what is there, or make a table.
_COMPARING = frozenset(
    {"index", "count", "remove", "id", "contains", "indexOf", "countOf", "eq", "ne", "__eq__"}
    | {"__ne__", "__contains__", "dict", "set", "frozenset", "fromkeys", "Counter", "defaultdict"}
    | {"OrderedDict", "groupby", "setdefault"}
)
#: Functions that tell whether two values are the same object.
_IDENTIFYING = frozenset({"is_", "is_not"})
#: Functions and methods that number objects by their place in memory.
_NUMBERING, _NUMBERING_METHOD = (id, hash), "__hash__"


class Known:
    """What some functions know by its identity.

    Args:
        functions: What runs in a worker; None where there is nothing.

    Attributes:
        objects: By their ids.
        owns: What is the project's own, wherever its packages are installed.
        numbers: Those that may be ids or hashes of other objects, where the code asks for such.
        kinds: The types of the objects.
        is_cut: Whether there are more objects than were looked at.
    """

    def __init__(self, functions: tuple[Any, ...]) -> None:
        self.objects: dict[int, Any] = {}
        self.owns = Owns([one for one in functions if one is not None])
        met = needs_of(functions).walk.met
        code = [one for one in met if type(one) is FUNCTION]
        own = own_functions(met, self.owns)
        self.numbers: set[int] = set()
        self._asks_for_numbers = any(map(asks_for_numbers, own))
        self._makes_texts = makes_texts(own)
        self._has_compared = any(_compares(one.__code__) for one in code)
        self._has_identity = asks_which_one(own)
        ahead = [one for one in met if not is_a(one, CODE)]
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
            return not _is_single(one)
        if type(one) in ALONE:
            return False
        if self.is_cut or id(one) in self.numbers or object.__hash__(one) in self.numbers:
            return True
        return type(one) is tuple and self._is_numbered_together(one)

    def _is_numbered_together(self, one: tuple[Any, ...]) -> bool:
        """Whether a table has the hash of such a tuple: no code of the program runs to tell."""
        if not self.numbers or not all(type(o) in ALONE or self._is_itself_alone(o) for o in one):
            return False
        return hash(one) in self.numbers

    def _search(self, ahead: list[Any]) -> None:
        """Look at some objects and at what they hold."""
        search = Search(
            self.owns.class_,
            ALONE - {float, complex} if self._has_compared else ALONE,
            rows=self.objects if self._has_identity else None,
            numbers=self.numbers if self._asks_for_numbers else None,
        )
        for one in search.through(ahead):
            is_one = self._has_identity and type(one) not in ALONE
            if is_one or (self._has_compared and self._is_itself_alone(one)):
                self._note((one,))
            if is_a(one, dict | set | frozenset):
                self._note(filter(self._is_itself_alone, _keys(one)))
                if self._makes_texts:
                    self.numbers |= spelled_in(one)
        self.is_cut = search.is_cut

    def _is_itself_alone(self, one: Any) -> bool:
        return is_itself_alone(one, self.owns.class_)

    def _note(self, found: Iterable[Any]) -> None:
        for one in found:
            if not (_is_single(one) or is_a(one, CODE)):
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
    is_alone = not has_own_equality and not is_a(one, CODE) and is_own(kind)
    return is_alone and not is_enum_member(one)


def own_functions(met: Iterable[Any], owns: Owns) -> list[FunctionType]:
    """Those of the project's own functions that are among some objects."""
    return [one for one in met if type(one) is FUNCTION and owns.function(one)]


def asks_which_one(functions: Iterable[FunctionType]) -> bool:
    """Whether the code of functions compares objects by their identity."""
    return any(_compares_identity(one.__code__) for one in functions)


def _keys(table: Any) -> Iterator[Any]:
    """The keys of a table; the parts of one that is a tuple; what one refers to weakly."""
    for key in tuple(table):
        for part in key if type(key) is tuple else (key,):
            yield part() if is_a(part, ReferenceType) else part


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
    if _NUMBERING_METHOD in names(func.__code__):
        return True
    found = vars(builtins)
    return any(
        value is one and found.get(name) is one
        for _, name, value, _ in reads(func)
        for one in _NUMBERING
    )


@kept_by_code
def _compares_identity(code: CodeType) -> bool:
    if compares_identity(code) or not _IDENTIFYING.isdisjoint(code.co_names):
        return True
    return any(map(_compares_identity, nested(code)))


@kept_by_code
def _compares(code: CodeType) -> bool:
    """Whether the code may ask if two objects are equal, or the same."""
    if compares_identity(code) or not _COMPARING.isdisjoint(code.co_names):
        return True
    return compares_values(code) or any(map(_compares, nested(code)))

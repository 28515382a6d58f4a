"""Goes through what objects hold, each object once."""

from __future__ import annotations

from _weakref import ReferenceType
from gc import get_referents

from amorsize._function.callable_walk import CONTAINERS
from amorsize._function.callables import (
    BUILTIN,
    FUNCTION,
    METHOD,
    MODULE,
    READ_ONLY_DICT,
    is_a,
    is_enum_member,
    type_name,
)
from amorsize._function.plain_values import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

#: The most objects that are looked at, beside rows of plain values: in about 0.2 s.
MOST_REACHED = 200_000
#: Types of values without anything inside that could be shared.
ALONE = PLAIN | {bytearray}
#: Types of code, which each process has.
CODE = (FUNCTION, METHOD, MODULE, BUILTIN, type)
#: Where classes come from whose objects hold others for somebody: modules, and packages.
_HOLDERS = frozenset(
    {"collections", "functools", "types", "weakref", "_weakrefset", "networkx", "sortedcontainers"}
    | {"cachetools", "bidict", "boltons", "pyrsistent"}
)
_BOUND = (METHOD, BUILTIN)
#: Types of what tables have for rows.
ROWS = {list, tuple, dict}
_NUMBERS = {float, complex}
_hash: Any = object.__hash__


class Search:
    """Goes through some objects and all that they hold.

    Rows of plain values are looked through as one: a table may have a million.

    Args:
        is_own: Whether a class is the project's.
        skipped: The types of values that do not matter; of others, numbers do if they are NaN.
        most: The most objects that are looked at.
        rows_matter: Whether each row of a table is looked at all the same.
        rows: Gets the rows of tables, by their ids.
        numbers: Gets all integers.
        ids: Gets the ids, and hashes, of all that was met.

    Attributes:
        seen: The objects that were met, by their ids, so that these stay theirs.
        is_cut: Whether there were more of them.
    """

    def __init__(
        self,
        is_own: Callable[[type], bool],
        skipped: frozenset[type] = ALONE,
        most: int = MOST_REACHED,
        *,
        rows_matter: bool = False,
        rows: dict[int, Any] | None = None,
        numbers: set[int] | None = None,
        ids: set[int] | None = None,
    ) -> None:
        self.seen: dict[int, Any] = {}
        self.is_cut = False
        self._is_own, self._skipped, self._most = is_own, skipped, most
        self._rows_matter, self._rows, self._numbers, self._ids = rows_matter, rows, numbers, ids

    def through(self, ahead: list[Any], *, into_code: bool = False) -> Iterator[Any]:
        """These objects and what they hold; plain values as often as they are met.

        Args:
            ahead: The objects.
            into_code: Whether functions and methods are looked into, too.
        """
        ahead = self._mattering(ahead)
        while ahead and not self.is_cut:
            one = ahead.pop()
            if type(one) in ALONE:
                yield one
            elif id(one) not in self.seen and (into_code or not is_a(one, CODE)):
                yield one
                rows: list[Any] = []
                ahead += self.parts_of(one, rows)
                yield from rows

    def parts_of(self, one: Any, table: list[Any] | None = None) -> list[Any]:
        """What an object holds that matters; from now on it was seen.

        Args:
            one: The object.
            table: Gets its rows, if they matter and hold plain values alone; None: each of them is
                given as any other part is.
        """
        self.is_cut = self.is_cut or len(self.seen) >= self._most
        self.seen[id(one)] = one
        if self.is_cut:
            return []
        kind = type(one)
        held = one if kind is list or kind is tuple else tuple(inside(one, self._is_own))
        tables = set(map(type, held)) - ALONE
        if not tables or not tables <= ROWS or (self._rows_matter and table is None):
            return self._mattering(held)
        rows = [part for part in held if type(part) in ROWS]
        cells = [cell for row in rows for cell in _cells(row)]
        if not ALONE.issuperset(map(type, cells)):
            return self._mattering(held)
        if self._rows is not None:
            self._rows.update(zip(map(id, rows), rows, strict=True))
        if table is not None and self._rows_matter:
            table += rows
        self._count(rows)
        plain = [part for part in held if type(part) in ALONE]
        return [*self._mattering(plain), *self._mattering(cells)]

    def _mattering(self, held: Iterable[Any]) -> list[Any]:
        """Those of some values that matter."""
        held = list(held)
        self._count(held)
        if self._skipped.issuperset(map(type, held)):
            return []
        others = (one for one in held if type(one) not in self._skipped)
        return [one for one in others if type(one) not in _NUMBERS or one != one]

    def _count(self, held: list[Any]) -> None:
        if self._numbers is not None:
            self._numbers.update(one for one in held if type(one) is int)
        if self._ids is not None:
            self._ids.update(map(id, held))
            self._ids.update(map(_hash, held))


def _cells(row: Any) -> Iterable[Any]:
    return (*row, *row.values()) if type(row) is dict else row


def inside(one: Any, is_own: Callable[[type], bool]) -> Iterable[Any]:
    """What a container, an object of the project, a method or a weak reference holds."""
    kind = type(one)
    if issubclass(kind, ReferenceType):
        return (ReferenceType.__call__(one),)
    if issubclass(kind, dict):
        return (*dict.keys(one), *dict.values(one))
    if issubclass(kind, CONTAINERS):
        return tuple(one)
    if kind in _BOUND:
        return (one.__self__,)
    if kind is FUNCTION:
        cells = (part for cell in one.__closure__ or () for part in get_referents(cell))
        return (*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values(), *cells)
    if issubclass(kind, BaseException):
        return (one.args, vars(one))
    if type_name(one) == "numpy.ndarray":
        return one.ravel().tolist() if one.dtype.hasobject else ()
    is_holder = kind is READ_ONLY_DICT or kind.__module__ in _HOLDERS
    is_holder = is_holder or kind.__module__.partition(".")[0] in _HOLDERS
    is_followed = is_holder or (is_own(kind) and not is_enum_member(one))
    return get_referents(one) if is_followed else ()

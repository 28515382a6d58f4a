"""Finds objects that several items hold, such as two sessions that take turns.

Threads that run two of these items at once would share them. What the first two items both hold is
seen by a look at these; here more are looked at, and all if items change what they hold.
"""

from __future__ import annotations

import sys
from itertools import islice

from amorsize._function.callables import FUNCTION, METHOD, SLOT, is_class, is_module
from amorsize._function.object_contents import brought, parts
from amorsize._function.ownership import runs_code_when_read
from amorsize._function.plain_values import PLAIN, PLAIN_IDS
from amorsize._function.shareable_values import is_shareable
from amorsize._function.unlike_items import MOST_PARTS, are_plain, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

#: The most items that are looked at in each call, in 1 ms, and the most of which it is looked what
#: they hold if they are instances: asked for its attributes, one gets a dict.
MOST_AT_ONCE, MOST_INSTANCES = 1000, 300
#: The most items that are looked at where items change, in some seconds.
MOST_ITEMS = 1_000_000
#: The first items, of which everything is looked at that they hold, however deep.
N_DEEP = 16
_HOLDING = (list, tuple, dict)
#: The flag of classes that a `class` statement has made.
_MADE_BY_CLASS = 1 << 9
#: Sequences whose elements are plain values, or views that do not overlap.
_APART = frozenset((range, str, bytes, bytearray, memoryview))


def held_by_several(
    sequences: Iterable[Sequence[Any]], *, is_whole: bool = False
) -> list[Any] | None:
    """One object of each type among those that could change and that several items hold.

    Args:
        sequences: The data, one sequence for each argument.
        is_whole: Whether to look at all items; else at so many as 1 ms allows.

    Returns:
        The objects; None: there are too many items, or a look might run code of the program.
    """
    met = _Met()
    for sequence in sequences:
        if type(sequence) in (list, tuple):
            if is_whole and len(sequence) > MOST_ITEMS:
                return None
            _look_at(sequence, met, is_whole=is_whole)
        elif not _is_apart(sequence):
            return None
    return met.of_several()


def _is_apart(sequence: Any) -> bool:
    """Whether its elements are plain values, or rows of their own."""
    if type(sequence) in _APART or type(sequence).__module__ == "array":
        return True
    numpy = sys.modules.get("numpy")
    if numpy is None or type(sequence) is not getattr(numpy, "ndarray", None):
        return False
    return not sequence.dtype.hasobject and _has_rows_apart(sequence)


def _has_rows_apart(array: Any) -> bool:
    if array.ndim < 2 or len(array) < 2:
        return True
    begin, end = _bounds(array[0])
    return end - begin <= abs(array.strides[0])  # type: ignore[no-any-return]


def _look_at(items: Sequence[Any], met: _Met, *, is_whole: bool) -> None:
    if are_plain(items):
        return
    holds_more, has_more = False, dict[int, bool]()
    for at, item in enumerate(islice(items, None if is_whole else MOST_AT_ONCE)):
        kind = type(item)
        if not issubclass(kind, tuple):
            met.add(item, at)
        if at >= MOST_INSTANCES and kind not in _HOLDING and not is_whole:
            continue
        held = _held(item, has_more)
        if held and not PLAIN_IDS.issuperset(map(id, map(type, held))):
            holds_more = True
            for part in held:
                met.add(part, at)
    if holds_more:
        for at, item in enumerate(islice(items, N_DEEP)):
            for part in brought(item).values():
                met.add(part, at)


def _held(item: Any, has_more: dict[int, bool]) -> list[Any]:
    """What an item holds: elements, keys and values, attributes, also those in slots."""
    kind = type(item)
    if kind is dict:
        keys = (one for one in islice(item, MOST_PARTS) if type(one) not in PLAIN)
        return [*parts_of(item), *keys]
    if kind not in _HOLDING and id(kind) not in PLAIN_IDS:
        if id(kind) not in has_more:
            has_more[id(kind)] = not runs_code_when_read(item) and _has_more(item)
        if has_more[id(kind)]:
            return [part for _, part in parts(item)]
    return parts_of(item)


def _has_more(item: Any) -> bool:
    """Whether it may hold more than its `__dict__`: it has slots, or a built-in base."""
    if type(item) is FUNCTION or is_class(item) or is_module(item):
        return False
    classes = type(item).__mro__[:-1]
    has_slots = any(type(one) is SLOT for cls in classes for one in vars(cls).values())
    return has_slots or not all(cls.__flags__ & _MADE_BY_CLASS for cls in classes)


class _Met:
    """The objects that items hold, and which of them a second item holds as well."""

    def __init__(self) -> None:
        self._found: dict[int, Any] = {}  # by the id of their type
        self._holders: dict[int, int] = {}  # by the id of an object: the first item that holds it
        self._views: list[tuple[int, int, int, Any]] = []  # begin, end, item, array
        self._array = getattr(sys.modules.get("numpy"), "ndarray", None)

    def add(self, value: Any, at: int) -> None:
        """Take in an object that the item at this place holds."""
        value = _of_which(value)
        kind = type(value)
        if id(kind) in PLAIN_IDS:
            return
        if kind is self._array:
            if value.flags.writeable and value.size:
                self._views.append((*_bounds(value), at, value))
            return
        is_new = self._holders.setdefault(id(value), at) == at or id(kind) in self._found
        if not is_new and _could_change(value):
            self._found[id(kind)] = value

    def of_several(self) -> list[Any]:
        """One object of each type; an array if two items hold some of the same memory."""
        self._views.sort(key=lambda one: one[:3])
        for one, following in zip(self._views, self._views[1:], strict=False):
            if following[0] < one[1] and following[2] != one[2]:
                self._found[id(self._array)] = one[3]
                break
        return list(self._found.values())


def _of_which(value: Any) -> Any:
    """The object of which a value is a method or a view; else the value."""
    kind = type(value)
    if kind is METHOD:
        return value.__self__
    if kind is memoryview:
        try:
            return value.obj
        except ValueError:  # it was released
            return None
    return value


def _bounds(array: Any) -> tuple[int, int]:
    """Where the memory of an array begins and ends."""
    begin = end = array.__array_interface__["data"][0]
    for n, stride in zip(array.shape, array.strides, strict=True):
        begin += min(0, (n - 1) * stride)
        end += max(0, (n - 1) * stride)
    return begin, end + array.itemsize


def _could_change(value: Any) -> bool:
    is_code = is_module(value) or type(value) is FUNCTION or is_class(value)
    return not (is_code or issubclass(type(value), tuple) or is_shareable(value))

"""The kind of an item: its type, with its rough size.

A line costs a function less than a page does, so profiles are kept by kind. The size is log2 of the
bytes that the pickled item would have. It is estimated in 1 us from what a value says of itself,
without pickling the item. Hardly any code of the user's runs for that.
"""

from __future__ import annotations

from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Kind = tuple[str, int]  # the type's name, and the size class

#: All smaller items are of one class: below 64 bytes, most of what is sent is overhead.
LEAST_CLASS = 6
MANY = (list, tuple, set, frozenset, dict)
TEXTS = (str, bytes, bytearray)


def kind_of(item: Any) -> Kind:
    """The kind of an item, under which profiles of a function are kept."""
    return type(item).__name__, size_class(item)


def size_class(item: Any) -> int:
    """log2 of roughly the bytes of an item when it is sent; 6 for all small ones."""
    try:
        return max(LEAST_CLASS, _n_bytes(item, 2).bit_length())
    except Exception as error:  # comparing its class, or asking for its `__dict__`, is user code
        reraise_from_handler(error)
        return LEAST_CLASS


def neighbours(kind: Kind) -> tuple[Kind, Kind]:
    """The kinds with the next smaller and larger size, to begin from where this kind is new."""
    name, size = kind
    return (name, size - 1), (name, size + 1)


def _n_bytes(value: Any, depth: int) -> int:
    """Estimates bytes: by length for texts and arrays, by some values for containers."""
    made_of = type(value)
    if made_of in TEXTS:
        return len(value)
    if made_of is int:
        return value.bit_length() // 8  # type: ignore[no-any-return]
    if made_of in MANY:
        return _n_bytes_of_many(value, depth)
    if (made_of.__module__, made_of.__name__) == ("numpy", "ndarray"):
        return int(value.nbytes)
    try:
        fields = object.__getattribute__(value, "__dict__") if depth else None
    except AttributeError:  # __slots__, or a type written in C
        return 8
    if type(fields) is dict:
        return sum(_n_bytes(one, depth - 1) for one in tuple(fields.values())[:FEW]) + len(fields)
    return 8


def _n_bytes_of_many(value: Any, depth: int) -> int:
    """Estimates the bytes of all elements from the first few, which are mostly alike."""
    n_all = len(value)
    if not depth or not n_all:
        return 8 * n_all
    values = value.values() if type(value) is dict else value
    first = [one for one, _ in zip(values, range(FEW), strict=False)]
    return n_all * (4 + sum(_n_bytes(one, depth - 1) for one in first) // len(first))


FEW = 4

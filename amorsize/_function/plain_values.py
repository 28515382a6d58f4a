"""Recognises values with nothing inside that could change or lead to anything else."""

from __future__ import annotations

from amorsize._host.signals import reraise_from_handler
from amorsize.policy.frozen_record import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Exact types of numbers and texts, and of None.
SCALARS: frozenset[type] = frozenset({type(None), bool, int, float, complex, str, bytes})
#: Exact types of such values; a tuple is one if its elements are, and a slice if its bounds are.
PLAIN: frozenset[type] = SCALARS | {range, slice, type(...)}
#: By their ids, types are told apart without the hash that a metaclass may have.
PLAIN_IDS = frozenset(map(id, PLAIN))
#: The most values inside tuples and slices that are examined.
MOST_INSIDE = 1000

_ITEMS_OF = {list, tuple}
_HOLDING = {slice, tuple}


def is_plain(value: object) -> bool:
    """Whether a value is plain, with all inside it; False for tuples with very many values."""
    return kinds_inside(value) <= PLAIN


def kinds_of(items: Sequence[object], most_items: float = inf) -> set[type]:
    """The types of all items, and of the values in tuples and slices.

    Items are only examined in lists, tuples and ranges that are not too long. Otherwise the type of
    the sequence stands for them, which is not plain.
    """
    if type(items) is range:
        return {int}
    if type(items) not in _ITEMS_OF or len(items) > most_items:
        return {list}
    try:
        kinds = set(map(type, items))
    except Exception as error:  # a class whose metaclass has no hash
        reraise_from_handler(error)
        return {list}
    if kinds.isdisjoint(_HOLDING) or not kinds <= {*PLAIN, tuple}:
        return kinds
    return kinds_inside(tuple(items))


def kinds_inside(value: object) -> set[type]:
    """The types of a value and of values inside; `tuple` is among them if these are too many."""
    try:
        return _kinds_inside(value)
    except Exception as error:  # a class whose metaclass has no hash
        reraise_from_handler(error)
        return {list}


def _kinds_inside(value: object) -> set[type]:
    waiting, kinds, n_opened = [value], set(), 0
    while waiting:
        one = waiting.pop()
        if type(one) not in _HOLDING:
            kinds.add(type(one))
            continue
        if type(one) is slice:
            kinds.add(slice)
            one = one.start, one.stop, one.step
        assert type(one) is tuple
        if (n_opened := n_opened + len(one)) > MOST_INSIDE:
            kinds.add(tuple)
            break
        waiting.extend(one)
    return kinds

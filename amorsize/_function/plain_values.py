"""Which values have nothing in them that could change, or that leads to anything else."""

from __future__ import annotations

from amorsize.policy.value import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Exact types of such values; of a tuple, it is what is in it that counts.
PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, range, slice, type(...)})
#: Values that are looked at one by one inside tuples.
MOST_INSIDE = 1000

_ITEMS_OF = {list, tuple}


def is_plain(value: object) -> bool:
    """Whether a value is plain, and all inside it; where that is many values, it is not asked."""
    return kinds_inside(value) <= PLAIN


def kinds_of(items: Sequence[object], most_items: float = inf) -> set[type]:
    """The types of all items, and of what is in tuples.

    Those of other sequences than lists, tuples and ranges are not asked for, nor those of more than
    so many items: then the type of the sequence stands for them, which is not plain.
    """
    if type(items) is range:
        return {int}
    if type(items) not in _ITEMS_OF or len(items) > most_items:
        return {list}
    kinds = set(map(type, items))
    if kinds <= PLAIN or not kinds <= {*PLAIN, tuple}:
        return kinds
    return kinds_inside(tuple(items))


def kinds_inside(value: object) -> set[type]:
    """The types of a value and all in it that is in tuples; `tuple` among them for too many."""
    waiting, kinds, n_opened = [value], set(), 0
    while waiting:
        one = waiting.pop()
        if type(one) is tuple and n_opened + len(one) <= MOST_INSIDE:
            n_opened += len(one)
            waiting.extend(one)
        else:
            kinds.add(type(one))
    return kinds

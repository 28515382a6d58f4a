"""Finds objects that a function has in common with its items, by their identity.

A sentinel that the function asks for with `is` is another object once it was sent. So is a node
that is the key of a table: its copy is not found there.
"""

from __future__ import annotations

from itertools import islice

from amorsize._function.needs.known_objects import ALONE, Known, inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

#: The most objects of an item that are looked at, and how far inside it.
MOST_PARTS, DEEPEST = 1000, 6
#: Types of values that code compares by their identity only where it is wrong anyway.
_NEVER = frozenset({int, bool, type(None), range, slice, type(...)})


class KeptIdentities:
    """What a function shares with its items and would not know again as a copy.

    The function is not searched before an item holds an object that may be shared.

    Args:
        functions: What runs in a worker; None where there is nothing.
    """

    def __init__(self, functions: Iterable[Callable[..., Any] | None]) -> None:
        self._functions = tuple(functions)
        self._known: Known | None = None

    def first_in(self, items: list[Any]) -> Any:
        """The first such object in some items; None: they hold none."""
        kinds = frozenset(map(type, items))
        if kinds <= _NEVER:
            return None
        if self._known is None:
            self._known = Known(self._functions)
        known = self._known
        if not (known.objects or known.numbers) or (kinds <= ALONE and not kinds & known.kinds):
            return None
        skipped = ALONE - known.kinds
        for item in items:
            for part in _parts_of(item, skipped, known.owns.class_):
                if known.is_known(part):
                    return part
        return None


def _parts_of(item: Any, skipped: frozenset[type], is_own: Callable[[type], bool]) -> Iterator[Any]:
    """The item and what it holds, without values of some types."""
    level, n_left = [item], MOST_PARTS
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level[:n_left]:
            if type(one) not in skipped:
                yield one
                found = tuple(islice(inside(one, is_own), n_left))
                below += () if skipped.issuperset(map(type, found)) else found
        n_left -= len(level)
        if n_left <= 0:
            return
        level = below

"""Finds objects that a function has in common with its items, by their identity.

A sentinel that the function asks for with `is` is another object once it was sent. So is a node
that is the key of a table: its copy is not found there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from amorsize._function.needs.known_objects import Known

#: The most objects of an item that are looked at: in less time than they are pickled.
MOST_PARTS = 20_000
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

    def first_in(self, items: Sequence[Any]) -> Any:
        """The first such object in some items; None: they hold none."""
        kinds = frozenset(map(type, items))
        if kinds <= _NEVER:
            return None
        from amorsize._function.needs.held_objects import ALONE, ROWS, Search

        if self._known is None:  # what it loads takes 5 ms, for nothing where items are numbers
            from amorsize._function.needs.known_objects import Known

            self._known = Known(self._functions)
        known = self._known
        is_any = known.objects or known.numbers or known.is_cut
        if not is_any or (kinds <= ALONE and not kinds & known.kinds):
            return None
        skipped = ALONE - known.kinds
        rows_matter = bool(known.numbers or known.kinds & ROWS)
        for item in items:
            parts = Search(known.owns.class_, skipped, MOST_PARTS, rows_matter=rows_matter)
            for part in parts.through([item], into_code=True):
                if known.is_known(part):
                    return part
            if parts.is_cut:  # nobody knows
                return item
        return None

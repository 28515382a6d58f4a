"""Looks at elements of containers as the builtin types keep them: no code of subclasses runs."""

from __future__ import annotations

from _collections import deque  # type: ignore[import-not-found]  # all of `collections` is large
from gc import get_referents

from amorsize._function.callables import READ_ONLY_DICT, is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: The types that have elements, other than dicts.
_KINDS: Any = (list, tuple, set, frozenset, bytearray, deque)


def elements(value: Any) -> Iterable[Any]:
    """The elements of a container: the values of a dict. None of anything else."""
    if (table := table_of(value)) is not None:
        return dict.values(table)
    for kind in _KINDS:
        if is_a(value, kind):
            found: Iterable[Any] = kind.__iter__(value)
            return found
    return ()


def table_of(value: Any) -> dict[Any, Any] | None:
    """A dict, or the one that a read-only view is of; None for anything else."""
    if type(value) is READ_ONLY_DICT:
        value = next(iter(get_referents(value)), None)
    return value if is_a(value, dict) else None

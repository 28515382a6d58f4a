"""Finds parts of an item that the code changes, so that what lies there is not what a name is of.

`row["name"] = row["name"].lower()` may come before `open(row["name"], "w")`: two items of which the
names differ share a file.
"""

from __future__ import annotations

from amorsize._function.files.item_paths import (
    ASKED,
    ATTRIBUTE,
    EITHER,
    ELEMENT,
    MADE,
    METHODS_OF_TEXTS,
)
from amorsize._function.files.unseen_changes import leads_through
from amorsize._function.library.changes import CHANGING, changes_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from amorsize._function.files.item_paths import Path
    from amorsize._function.files.name_parts import Part

#: Steps to one of the parts of a container or an object, which leave the others as they are.
_APART = {ELEMENT: ELEMENT, ASKED: ELEMENT, ATTRIBUTE: ATTRIBUTE}
_METHODS = frozenset(f".{name}" for name in CHANGING - METHODS_OF_TEXTS)


def changed_by_call(called: Part, name: str, passed: list[Part]) -> list[Path]:
    """The ways to what a call changes: an element, if the code says which, or all of it.

    What a list of the code's own holds is not known any more.
    """
    owner = called.owner
    if owner is not None and called.label in _METHODS:
        owner.lose_parts()
    if owner is not None and owner.way is not None and called.label in _METHODS:
        is_of_key = called.label in (".pop", ".setdefault") and passed != []
        return [changed_at(owner.way, ELEMENT, passed[0].known if is_of_key else None)]
    first = passed[0].way if passed else None
    if first is None or not changes_first(called.known, name.rpartition(".")[2]):
        return []
    is_attribute = name in ("setattr", "delattr") and len(passed) > 1
    return [changed_at(first, ATTRIBUTE, passed[1].known if is_attribute else None)]


def changed_at(holder: Path, step: str, key: object, *, is_set: bool = False) -> Path:
    """The way to an element, or attribute, that is set or taken away; to all if others move."""
    is_told = type(key) is str or (type(key) is int and is_set)
    return (*holder, (step, key)) if is_told else holder


def is_changed(way: Path, changed: Collection[Path], unseen: set[str] | None) -> bool:
    """Whether what lies at the end of a way is, or is made of, what the code changes anywhere.

    Args:
        way: The way from the item.
        changed: The ways to what the code changes.
        unseen: The names of other fields that it changes; None: any.
    """
    kind, *rest = way[0]
    inner = rest[kind == MADE :] if kind in (MADE, EITHER) else ()
    if any(is_changed(one, changed, unseen) for one in inner):
        return True
    return leads_through(way, unseen) or any(_meets(way, one) for one in changed)


def _meets(way: Path, changed: Path) -> bool:
    """Whether one of two ways leads through the end of the other, or what it makes."""
    for step, other in zip(way, changed, strict=False):
        if step != other:
            is_apart = step[0] in _APART and _APART[step[0]] == _APART.get(other[0])
            return not is_apart or step[1] == other[1] or _may_be_same(step[1], other[1])
    return True


def _may_be_same(index: object, other: object) -> bool:
    """Whether two indices may be of the same element: -1 may be that of 0."""
    are_numbers = type(index) is int and type(other) is int
    return are_numbers and (index < 0) != (other < 0)  # type: ignore[operator]

"""Finds which fields of an item are changed by code that names of files are not followed through.

As by `map(clean, [row])`, or by a method of the item's own.
"""

from __future__ import annotations

from amorsize._function.bound_arguments import OWNER, PASSED
from amorsize._function.files.item_paths import ASKED, ATTRIBUTE, ELEMENT
from amorsize._function.flow.value_flow import IN_PLACE, By, Key
from amorsize._function.library.changes import PERHAPS_CHANGING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.files.item_paths import Path

    # Gives the changes of a function, of which the first is a label, then the steps to each.
    Changes = Callable[[FunctionType], Iterable[Any]]

#: Steps to a field of a record.
FIELDS = {ELEMENT, ATTRIBUTE, ASKED}


def unseen_changes(
    followed: Collection[FunctionType], read: Iterable[FunctionType], changes: Changes
) -> set[str] | None:
    """The names of the fields; None: the code does not say which.

    Args:
        followed: The functions whose own changes are seen.
        read: All that may run.
        changes: Finds the changes of a function.
    """
    unseen: dict[str, list[FunctionType]] = {}
    for one in read:
        if one not in followed:
            unseen.setdefault(one.__name__, []).append(one)
    met = {one.__name__ for one in followed}.union(PERHAPS_CHANGING) - unseen.keys()
    steps = (step for one in followed for step in _first_steps(one, changes))
    ahead = [step for step in steps if isinstance(step, By)]
    found = set()
    while ahead:
        name = ahead.pop().called
        if name in met:
            continue
        if name not in unseen:
            return None
        met.add(name)
        for step in (step for one in unseen[name] for step in _first_steps(one, changes)):
            if isinstance(step, By):
                ahead.append(step)
            elif (field := _field(step)) is None:
                return None
            else:
                found.add(field)
    return found


def leads_through(way: Path, fields: set[str] | None) -> bool:
    """Whether a way leads through one of some fields; None: any."""
    kept = [step[1] for step in way if step[0] in FIELDS]
    return bool(kept) if fields is None else not fields.isdisjoint(kept)


def _first_steps(func: FunctionType, changes: Changes) -> Iterator[str]:
    """The first steps to what a function changes of its arguments; not of numbers it counts up."""
    for change in changes(func):
        if change.label in (PASSED, OWNER) and change.steps[:1] != (IN_PLACE,):
            yield change.steps[0] if change.steps else ""


def _field(step: str) -> str | None:
    """The field that a step leads to; None: any."""
    if isinstance(step, Key):
        return step.key if isinstance(step.key, str) else None
    return step[1:] if step[1:].isidentifier() and step[0] == "." else None

"""Finds tables that have the numbers of objects (`id`), by which a worker finds no copy."""

from __future__ import annotations

from itertools import islice

from amorsize._function.bytecode import nested
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.needs.known_objects import (
    ALONE,
    MOST_REACHED,
    asks_for_numbers,
    inside,
    named,
    own_functions,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from amorsize._function.needs.worker_needs import Needs

_ASKING = frozenset({"id", "hash"})
#: Objects lie above the first page of memory, so that a smaller number is none of theirs.
_LOWEST = 4096


def doubt(needs: Needs) -> str | None:
    """Why code that asks for the numbers of objects would not find them; None: it would."""
    own = own_functions(needs.walk.met, needs.owns)
    if not any(_may_ask(one.__code__) and asks_for_numbers(one) for one in own):
        return None
    reached = [*needs.walk.met, *(value for one in own for value in named(one, needs.owns))]
    numbers = _numbers_in(reached, needs)
    if not numbers:
        return None
    return "its code asks for the id or hash of objects, and a table has those of the caller's"


def _numbers_in(reached: list[Any], needs: Needs) -> set[int]:
    """The numbers of objects that lie in some things, and are such things themselves."""
    numbers: set[int] = set()
    seen: dict[int, Any] = {}
    while reached and len(seen) < MOST_REACHED:
        one = reached.pop()
        if type(one) is int and one >= _LOWEST:
            numbers.add(one)
        if type(one) not in ALONE and id(one) not in seen:
            seen[id(one)] = one
            reached += islice(inside(one, needs.owns.class_), MOST_REACHED)
    hashes = {object.__hash__(one) for one in seen.values()}
    return numbers & (seen.keys() | hashes)


@kept_by_code
def _may_ask(code: CodeType) -> bool:
    return not _ASKING.isdisjoint(code.co_names) or any(map(_may_ask, nested(code)))

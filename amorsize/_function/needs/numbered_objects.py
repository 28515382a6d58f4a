"""Finds tables that have the numbers of objects (`id`), by which a worker finds no copy."""

from __future__ import annotations

import builtins

from amorsize._function.bytecode import nested
from amorsize._function.callables import is_a
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.needs.held_objects import Search
from amorsize._function.needs.known_objects import asks_for_numbers, named, own_functions
from amorsize._function.needs.spelled_numbers import makes_texts, spelled_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from amorsize._function.needs.worker_needs import Needs

_ASKING = frozenset({"id", "hash", "__hash__"})
#: Objects lie above the first page of memory, so that a smaller number is none of theirs.
_LOWEST = 4096


def doubt(needs: Needs) -> str | None:
    """Why code that asks for the numbers of objects would not find them; None: it would."""
    own = own_functions(needs.walk.met, needs.owns)
    asks = any(_may_ask(one.__code__) and asks_for_numbers(one) for one in own)
    if not asks and not makes_texts(own):
        return None
    reached = [*needs.walk.met, *(value for one in own for value in named(one, needs.owns))]
    if not _has_numbers_of_own(reached, needs, asks=asks):
        return None
    return "its code asks for the id or hash of objects, and a table has those of the caller's"


def _has_numbers_of_own(reached: list[Any], needs: Needs, *, asks: bool) -> bool:
    """Whether numbers that lie in some things are those of such things, or of builtin ones."""
    numbers: set[int] = set()
    ids = set(map(id, vars(builtins).values()))
    counted = numbers if asks else None
    search = Search(needs.owns.class_, numbers=counted, ids=ids)
    for one in search.through(reached, into_code=True):
        ids.add(id(type(one)))
        if is_a(one, dict | set | frozenset):
            numbers |= spelled_in(one)
    numbers = {one for one in numbers if one >= _LOWEST}
    return bool(numbers) and (search.is_cut or not numbers.isdisjoint(ids))


@kept_by_code
def _may_ask(code: CodeType) -> bool:
    return not _ASKING.isdisjoint(code.co_names) or any(map(_may_ask, nested(code)))

"""Finds objects that lie in several places of what a worker is sent.

A worker that imports the code is sent what lies at each place. Where an object is known by being
that very one, its copies in several places would be different ones. So would be a class that is
not found under its own name: the module has one, and what is sent brings another.
"""

from __future__ import annotations

from amorsize._function.callable_walk import CONTAINERS
from amorsize._function.callables import is_a
from amorsize._function.needs.held_objects import ALONE, CODE, Search
from amorsize._function.needs.known_objects import is_itself_alone
from amorsize._function.references import is_under_its_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_TABLES = (list, dict, set)


def is_any_shared(
    roots: Iterable[Any], is_own: Callable[[type], bool], *, by_identity: bool = False
) -> bool:
    """Whether some object that equals itself alone is held twice, or is a bare mark in a table.

    Or is an instance of a class that others find under another name.

    A mark (`object()`) that stands alone at a place is not sent: each worker has its own.

    Args:
        roots: What is sent.
        is_own: Whether a class is the project's.
        by_identity: Whether lists and tables count, too, as the code asks which one it has.
    """
    classes: dict[type, bool] = {}
    search = Search(is_own, rows_matter=by_identity)
    ahead = list(roots)
    while ahead:
        one = ahead.pop()
        kind = type(one)
        if kind in ALONE or is_a(one, CODE):
            continue
        if kind is object:
            return True
        if id(one) in search.seen:
            is_table = by_identity and kind in _TABLES
            if is_table or (kind not in CONTAINERS and is_itself_alone(one, is_own)):
                return True
            continue
        if kind not in classes:
            classes[kind] = is_own(kind) and not is_under_its_name(kind)
        if classes[kind]:
            return True
        ahead += search.parts_of(one)
        if search.is_cut:
            return True  # nobody knows
    return False

"""Finds where every process has its own mark: an object without state, known by its identity.

`from options import UNSET` in a script is a copy in a worker, and none that `options` knows.
"""

from __future__ import annotations

import sys

from amorsize._function import callables
from amorsize._function.callables import is_made_at_run_time
from amorsize._function.needs import import_effects
from amorsize._function.ownership import MAIN
from amorsize._workers.tasks.becoming_alike import own_bytes
from amorsize._workers.tasks.task_unpickling import found_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_OWN_WAYS = ("__eq__", "__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__")
#: Marks that are globals of modules, by id, with their places: that of the last module is first.
_marks: dict[int, tuple[Any, list[tuple[str, str]]]] = {}
#: For how many modules they were looked up.
_n_modules = 0


def place_of(obj: Any, by_value: Iterable[str]) -> str | None:
    """Where a worker finds a mark, as "module:name"; None: it is none, or nowhere.

    Args:
        obj: Any object.
        by_value: Modules whose code is sent: a worker does not import them.
    """
    if not is_mark(obj):
        return None
    _look_through_modules()
    mark, places = _marks.get(id(obj), (None, []))
    for module, name in places if mark is obj else ():
        is_there = getattr(sys.modules.get(module), name, None) is obj
        if is_there and module not in by_value and import_effects.what_it_does(module) is None:
            return f"{module}:{name}"
    return None


def mark_at(place: str, kind: Any) -> Any:
    """The mark at a place; where another kind of object is there, a new one."""
    found = found_at(place)
    return found if type(found) is kind else kind.__new__(kind)


def is_mark(obj: Any) -> bool:
    """Whether an object has nothing but its identity."""
    kind = type(obj)
    if kind is object or not is_made_at_run_time(kind):
        return kind is object
    return not getattr(obj, "__dict__", None) and _makes_marks(kind)


def _makes_marks(kind: type) -> bool:
    if own_bytes(kind) != own_bytes(object):
        return False
    members = ((callables.member(kind, one), callables.member(object, one)) for one in _OWN_WAYS)
    return all(own is inherited for own, inherited in members)


def _look_through_modules() -> None:
    """Note the marks of all modules, once for each number of modules. Takes up to 10 ms."""
    global _n_modules
    if _n_modules == len(sys.modules):
        return
    _n_modules = len(sys.modules)
    _marks.clear()
    kinds: dict[type, bool] = {object: True}
    for name, module in reversed(tuple(sys.modules.items())):
        if name in MAIN or getattr(module, "__spec__", None) is None:
            continue
        for attribute, value in tuple(vars(module).items()):
            kind = type(value)
            makes_marks = kinds.get(kind)
            if makes_marks is None:
                makes_marks = kinds[kind] = is_made_at_run_time(kind) and _makes_marks(kind)
            # What the program has put into a module of others has no place there in a worker.
            is_at_home = kind is object or kind.__module__ == name
            if makes_marks and is_at_home and is_mark(value):
                _marks.setdefault(id(value), (value, []))[1].append((name, attribute))

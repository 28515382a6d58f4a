"""Puts the state of the caller's libraries in place in a worker, for one call."""

from __future__ import annotations

import sys

from amorsize._function import callables
from amorsize._function.callables import MISSING
from amorsize._function.library.state import (
    AMONG,
    BOUND,
    DEPTH,
    DIGEST,
    ENTRIES,
    OURS,
    PATTERN,
    SEQUENCES,
    SETS,
    THEIRS,
    found_at,
    is_plain,
    kind_of,
)
from amorsize._function.library.table_digest import bound_to, digest
from amorsize._function.plain_values import SCALARS
from amorsize._host import import_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class OtherKind(Exception):  # noqa: N818 - says what was found
    """Something in a library is of another type than in the caller."""


#: Undoes the settings of the last call.
_put_back: list[Callable[[], None]] = []
_awaited: list[str] = []


def take(settings: dict[str, tuple[str, Any]], kinds: dict[str, str]) -> None:
    """Set libraries as they are in the caller, now or when they are loaded; until `give_back`.

    Raises:
        OtherKind: An object of a library is of another type here.
    """
    for place, kind in kinds.items():
        module, _, path = place.partition(":")
        found = found_at(module, path) if import_hooks.is_loaded(module) else MISSING
        if found is not MISSING and callables.type_name(found) != kind:
            raise OtherKind(f"{place.replace(':', '.')} is a {kind} in the caller, set there")
    for place, (how, value) in settings.items():
        module, _, path = place.partition(":")
        if how in (AMONG, DIGEST, BOUND):  # which have to be compared before items run
            __import__(module)
        if import_hooks.is_loaded(module):
            _put(module, path, how, value)
        else:
            key = f"state of {place}"
            _awaited.append(key)
            import_hooks.when_imported(module, key, _putting(module, path, how, value))


def give_back() -> None:
    """Set libraries as they were before, unless somebody else has set them since."""
    while _awaited:
        import_hooks.forget(_awaited.pop())
    while _put_back:
        _put_back.pop()()


def _putting(module: str, path: str, how: str, value: Any) -> Callable[[], None]:
    return lambda: _put(module, path, how, value)


def _put(module: str, path: str, how: str, value: Any) -> None:
    *steps, name = path.split(".")
    owner: Any = found_at(module, ".".join(steps)) if steps else sys.modules[module]
    if owner is MISSING:
        return
    old = vars(owner).get(name, MISSING)
    if how == DIGEST:
        if digest(old) != value:
            raise OtherKind(f"{module}.{path} has other entries in the caller")
        return
    if how == BOUND:
        if bound_to(old) != value:
            raise OtherKind(f"{module}.{path} is another function in the caller, set there")
        return
    if how == PATTERN:
        if (getattr(old, "pattern", None), getattr(old, "flags", None)) == value:
            return
        import re  # it is loaded wherever there is such a pattern

        value = re.compile(*value)
    if how == ENTRIES and isinstance(old, dict):
        _put_entries(old, value)
        return
    if how == ENTRIES and isinstance(old, set):
        new = value - old
        old |= new
        _put_back.append(lambda: old.difference_update(new))
        return
    if how == ENTRIES:
        value = _filled_up(f"{module}.{path}", getattr(owner, name, None), value)
    elif how == AMONG:
        value = _among(f"{module}.{path}", old, value)
    _put_whole(owner, name, old, value)


def _filled_up(place: str, here: Any, entries: Any) -> Any:
    """A table that a class has of its own in the caller, and by its base here; or a frozen set."""
    if isinstance(here, dict) and isinstance(entries, dict):
        made = here.copy()
        _put_entries(made, entries)
        return made
    if isinstance(here, frozenset) and isinstance(entries, SETS):
        return here | entries
    raise OtherKind(f"{place} is another table in the caller, set there")


def _put_entries(table: dict[Any, Any], entries: dict[Any, Any]) -> None:
    for key, value in entries.items():
        old = dict.get(table, key, MISSING)
        if old is value or (type(value) in SCALARS and type(old) is type(value) and old == value):
            continue
        dict.__setitem__(table, key, value)
        _put_back.append(_undoing_entry(table, key, value, old))


def _undoing_entry(table: dict[Any, Any], key: Any, new: Any, old: Any) -> Callable[[], None]:
    def undo() -> None:
        if dict.get(table, key, MISSING) is not new:
            return
        if old is MISSING:
            dict.__delitem__(table, key)
        else:
            dict.__setitem__(table, key, old)

    return undo


def _among(place: str, old: Any, told: list[tuple[str, Any]]) -> Any:
    """The list here with what is the project's in its places."""
    ours = {id(one) for whose, one in told if whose == OURS}
    here = old if isinstance(old, SEQUENCES) else ()
    theirs = iter([one for one in here if id(one) not in ours])
    made = []
    for whose, value in told:
        one = value if whose == OURS else next(theirs, MISSING)
        if whose == THEIRS and kind_of(one) != value:
            raise OtherKind(f"{place} has other elements in the caller, set there")
        made.append(one)
    return tuple(made) if isinstance(old, tuple) else made


def _put_whole(owner: Any, name: str, old: Any, value: Any) -> None:
    if old is value or (is_plain(value, DEPTH) and type(old) is type(value) and old == value):
        return
    if type(old) is type(value) and isinstance(value, list | dict | set):
        before = type(old)(old)
        _fill(old, value)
        _put_back.append(lambda: _fill(old, before))  # others refer to it
        return
    _set(owner, name, value)
    _put_back.append(_undoing(owner, name, value, old))


def _undoing(owner: Any, name: str, new: Any, old: Any) -> Callable[[], None]:
    def undo() -> None:
        if vars(owner).get(name, MISSING) is not new:
            return
        if old is MISSING:
            delattr(owner, name)
        else:
            _set(owner, name, old)

    return undo


def _set(owner: Any, name: str, value: Any) -> None:
    """Past what a class may do when an attribute is set: it was read so as well."""
    if isinstance(owner, type | callables.MODULE):
        setattr(owner, name, value)
    else:
        vars(owner)[name] = value


def _fill(old: Any, value: Any) -> None:
    if isinstance(old, list):
        old[:] = value
    else:
        old.clear()
        old.update(value)

"""Carries the state of libraries' modules from the caller to a worker, for one call.

A worker makes most of this state by its imports, or while its items run. It is sent only what the
program may have set: numbers and texts, tables of these, and values of the project's.
"""

from __future__ import annotations

import sys

from amorsize._function import callables
from amorsize._function.callables import FUNCTION, METHOD, MISSING
from amorsize._function.library_reads import is_followed
from amorsize._function.shareable_values import is_shareable
from amorsize._host import import_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Place = tuple[str, str]  # a module, and a name or "Class.name" in it

#: Larger tables are caches, or data that nobody sets.
MOST_ENTRIES = 1000
#: How deep tables inside one another are examined.
DEPTH = 3

# How it is to be put there in a worker: in place of what is there; a table's entries beside those
# that it has; a list in which stands what is the project's, and of the rest what it is.
WHOLE, ENTRIES, AMONG = "whole", "entries", "among"
OURS, THEIRS = "ours", "theirs"

_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})
_PLAIN_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
_SEQUENCES: Any = (list, tuple)
_SETS: Any = (set, frozenset)
_CONTAINERS: Any = (dict, *_SEQUENCES, *_SETS)
# Values that each process has of its own, so that none is sent.
_OWN_TO_EACH = ("random.", "logging.", "numpy.random.")


class State:
    """What stands at places now: the values that are sent, and the types of the rest."""

    def __init__(self, owns: Callable[[Any], bool]) -> None:
        self.settings: dict[str, tuple[str, Any]] = {}
        self.kinds: dict[str, str] = {}
        self.own: list[Any] = []  # of the project, found in libraries
        self._owns = owns
        self._home = ""  # the library that is looked at
        self._met: set[Place] = set()

    def note(self, places: Iterable[Place], groups: Iterable[Iterable[Place]] = ()) -> None:
        """Read places, each once; `groups` are places that the code which reads them may set."""
        made = _made_by_items(groups)
        for place in places:
            if place not in self._met:
                self._met.add(place)
                value, self._home = _found(*place), place[0].partition(".")[0]
                if value is not MISSING:
                    self._note(":".join(place), value, DEPTH, is_made=place in made)

    def _note(self, place: str, value: Any, depth: int, *, is_made: bool) -> None:
        if type(value) in _SCALARS:
            if not is_made:
                self.settings[place] = WHOLE, value
        elif self._is_of_project(value, 0):
            self._carry(place, WHOLE, value)
        elif isinstance(value, _CONTAINERS):
            self._note_table(place, value, is_made=is_made)
        elif not (callable(value) or is_made or _is_of_each(value)):
            self.kinds[place] = callables.type_name(value)
            self._note_attributes(place, value, depth)

    def _note_table(self, place: str, value: Any, *, is_made: bool) -> None:
        if len(value) > MOST_ENTRIES:
            return
        if is_plain(value, DEPTH):
            if not is_made:
                self.settings[place] = WHOLE, value
        elif isinstance(value, dict):
            entries = {key: one for key, one in dict.items(value) if self._is_set(key, one)}
            if entries:
                self._carry(place, ENTRIES, entries)
        elif isinstance(value, _SETS):
            if own := {one for one in value if self._is_of_project(one, 1)}:
                self._carry(place, ENTRIES, own)
        else:
            ours = [self._is_of_project(one, 1) for one in value]
            if any(ours):
                pairs = zip(ours, value, strict=True)
                among = [(OURS, one) if is_ours else (THEIRS, _kind(one)) for is_ours, one in pairs]
                self._carry(place, AMONG, among)

    def _is_set(self, key: Any, value: Any) -> bool:
        """Whether an entry can be sent: it is plain, or something of the project is in it."""
        if is_plain(key, 1) and is_plain(value, DEPTH):
            return True
        return self._is_of_project(key, 1) or self._is_of_project(value, 2)

    def _carry(self, place: str, how: str, value: Any) -> None:
        self.own.append(value)
        self.settings[place] = how, value

    def _note_attributes(self, place: str, value: Any, depth: int) -> None:
        """Of an object: options, a registry. Half of what it has would be worse than nothing."""
        attributes = callables.own(value, "__dict__")
        if type(attributes) is not dict or depth == 0 or len(attributes) > MOST_ENTRIES:
            return
        is_whole = all(map(self._may_be_told, attributes.values()))
        for name, one in tuple(attributes.items()):
            if is_whole or self._is_of_project(one, 2):
                self._note(f"{place}.{name}", one, depth - 1, is_made=False)

    def _may_be_told(self, value: Any) -> bool:
        return (
            type(value) in _SCALARS
            or isinstance(value, _CONTAINERS)
            or is_shareable(value)
            or self._is_of_project(value, 0)
            or (not callable(value) and type(callables.own(value, "__dict__")) is dict)
        )

    def _is_of_project(self, value: Any, depth: int) -> bool:
        """Whether a value is code or an object of the project's, or has one inside.

        Or code of another library, which the program has made known to this one.
        """
        kind = type(value)
        if kind in _SCALARS:
            return False
        if kind is FUNCTION or isinstance(value, type):
            return self._owns(value) or self._is_of_another(value.__module__)
        if kind is METHOD:
            return self._owns(value.__func__) or self._is_of_project(value.__self__, 0)
        if callables.is_partial(value):
            return self._is_of_project(value.func, depth)
        if callables.is_made_at_run_time(kind) and self._owns(kind):
            return True
        if not depth or not isinstance(value, _CONTAINERS) or len(value) > MOST_ENTRIES:
            return False
        inside = dict.values(value) if isinstance(value, dict) else value
        return any(self._is_of_project(one, depth - 1) for one in tuple(inside))

    def _is_of_another(self, module: object) -> bool:
        top = module.partition(".")[0] if isinstance(module, str) else self._home
        is_third = top != self._home and top not in sys.stdlib_module_names
        return is_third and is_followed(top)


def _made_by_items(groups: Iterable[Iterable[Place]]) -> set[Place]:
    """Places that are set together but cannot be sent together: a flag, and its connection.

    A worker makes both as the caller did, when the code that reads them runs there.
    """
    made: set[Place] = set()
    for group in map(tuple, groups):
        if not all(is_plain(_found(*place), DEPTH) for place in group):
            made.update(group)
    return made


def _found(module: str, path: str) -> Any:
    """The value at a place; MISSING: there is none, or it is made on demand."""
    found = sys.modules.get(module, MISSING)
    for step in path.split("."):
        found = vars(found).get(step, MISSING) if hasattr(found, "__dict__") else MISSING
    return found


def is_plain(value: Any, depth: int) -> bool:
    """Whether it is a number or text, or a container of these."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if not depth or kind not in _PLAIN_CONTAINERS or len(value) > MOST_ENTRIES:
        return False
    inside = (*value, *value.values()) if kind is dict else tuple(value)
    return all(is_plain(one, depth - 1) for one in inside)


def _is_of_each(value: Any) -> bool:
    """Whether each worker has its own: a lock, a logger, a generator; or whether it is constant."""
    return is_shareable(value) or callables.type_name(value).startswith(_OWN_TO_EACH)


def _kind(value: Any) -> str:
    name = callables.own(value, "__qualname__")
    return (
        f"{name} of {callables.type_name(value)}"
        if isinstance(name, str)
        else (repr(value) if type(value) in _SCALARS else callables.type_name(value))
    )


# -- in a worker ----------------------------------------------------------------------------


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
        found = _found(module, path) if import_hooks.is_loaded(module) else MISSING
        if found is not MISSING and callables.type_name(found) != kind:
            raise OtherKind(f"{place.replace(':', '.')} is a {kind} in the caller, set there")
    for place, (how, value) in settings.items():
        module, _, path = place.partition(":")
        if how == AMONG:  # which has to be compared before items run
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
    owner: Any = _found(module, ".".join(steps)) if steps else sys.modules[module]
    if owner is MISSING:
        return
    old = vars(owner).get(name, MISSING)
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
    if isinstance(here, frozenset) and isinstance(entries, _SETS):
        return here | entries
    raise OtherKind(f"{place} is another table in the caller, set there")


def _put_entries(table: dict[Any, Any], entries: dict[Any, Any]) -> None:
    for key, value in entries.items():
        old = dict.get(table, key, MISSING)
        if old is value or (type(value) in _SCALARS and type(old) is type(value) and old == value):
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
    here = old if isinstance(old, _SEQUENCES) else ()
    theirs = iter([one for one in here if id(one) not in ours])
    made = []
    for whose, value in told:
        one = value if whose == OURS else next(theirs, MISSING)
        if whose == THEIRS and _kind(one) != value:
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

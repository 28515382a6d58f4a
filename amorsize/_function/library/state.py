"""Carries the state of libraries' modules from the caller to a worker, for one call.

A worker makes most of this state by its imports, or while its items run. It is sent only what the
program may have set: numbers and texts, tables of these, and values of the project's.
"""

from __future__ import annotations

import sys

from amorsize._function import callables
from amorsize._function.callables import FUNCTION, METHOD, MISSING
from amorsize._function.library.reads import is_followed
from amorsize._function.library.table_digest import bound_to, digest
from amorsize._function.plain_values import SCALARS
from amorsize._function.shareable_values import is_shareable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Place = tuple[str, str]  # a module, and a name or "Class.name" in it

#: Larger tables are not sent, but compared.
MOST_ENTRIES = 1000
#: How deep tables inside one another are examined.
DEPTH = 3

# How it is to be put there in a worker: in place of what is there; a table's entries beside those
# that it has; a list in which stands what is the project's, and of the rest what it is; a regular
# expression. A table of which only the digest is sent is compared, and so is a constant's method.
WHOLE, ENTRIES, AMONG, PATTERN, DIGEST = "whole", "entries", "among", "pattern", "digest"
BOUND = "bound"
OURS, THEIRS = "ours", "theirs"

_PLAIN_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
SEQUENCES: Any = (list, tuple)
SETS: Any = (set, frozenset)
_CONTAINERS: Any = (dict, *SEQUENCES, *SETS)
# Types of constants that are sent like numbers and texts.
_CONSTANTS = frozenset(
    {"decimal.Decimal", "fractions.Fraction", "uuid.UUID", "builtins.range", "zoneinfo.ZoneInfo"}
    | {f"datetime.{name}" for name in ("date", "time", "datetime", "timedelta", "timezone")}
    | {f"pathlib.{name}" for name in ("PosixPath", "PurePosixPath", "PureWindowsPath")}
    | {f"pathlib._local.{name}" for name in ("PosixPath", "PurePosixPath", "PureWindowsPath")}
)
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
                value, self._home = found_at(*place), place[0].partition(".")[0]
                if value is not MISSING:
                    self._note(":".join(place), value, DEPTH, is_made=place in made)

    def add_entries(self, place: str, entries: dict[str, Any]) -> None:
        """Note entries of a table, beside those that were noted."""
        if entries:
            _, known = self.settings.get(place, (ENTRIES, {}))
            self.settings[place] = ENTRIES, known | entries

    def _note(self, place: str, value: Any, depth: int, *, is_made: bool) -> None:
        if type(value) in SCALARS:
            if not is_made:
                self.settings[place] = WHOLE, value
        elif self._is_of_project(value, 0):
            self._carry(place, WHOLE, value)
        elif _is_constant(value) or callables.is_enum_member(value):
            if not is_made:
                self.settings[place] = WHOLE, value
        elif callables.type_name(value) == "re.Pattern":
            self.settings[place] = PATTERN, (value.pattern, value.flags)
        elif isinstance(value, _CONTAINERS):
            self._note_table(place, value, is_made=is_made)
        elif isinstance(value, type(len)):
            if not is_made and (bound := bound_to(value)) is not None:
                self.settings[place] = BOUND, bound
        elif not (callable(value) or is_made or _is_of_each(value)):
            self.kinds[place] = callables.type_name(value)
            self._note_attributes(place, value, depth)

    def _note_table(self, place: str, value: Any, *, is_made: bool) -> None:
        if len(value) > MOST_ENTRIES:
            if not is_made and (found := digest(value)) is not None:
                self.settings[place] = DIGEST, found
            return
        if is_plain(value, DEPTH):
            if not is_made:
                self.settings[place] = WHOLE, value
        elif isinstance(value, dict):
            entries = {key: one for key, one in dict.items(value) if self._is_set(key, one)}
            if entries:
                self._carry(place, ENTRIES, entries)
        elif isinstance(value, SETS):
            if own := {one for one in value if self._is_of_project(one, 1)}:
                self._carry(place, ENTRIES, own)
        else:
            ours = [self._is_of_project(one, 1) for one in value]
            if any(ours):
                pairs = zip(ours, value, strict=True)
                among = [
                    (OURS, one) if is_ours else (THEIRS, kind_of(one)) for is_ours, one in pairs
                ]
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
            type(value) in SCALARS
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
        if kind in SCALARS:
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
        if not all(is_plain(found_at(*place), DEPTH) for place in group):
            made.update(group)
    return made


def found_at(module: str, path: str) -> Any:
    """The value at a place; MISSING: there is none, or it is made on demand."""
    found = sys.modules.get(module, MISSING)
    for step in path.split("."):
        found = vars(found).get(step, MISSING) if hasattr(found, "__dict__") else MISSING
    return found


def is_plain(value: Any, depth: int) -> bool:
    """Whether it is a number, a text or another constant, or a container of these."""
    kind = type(value)
    if kind in SCALARS:
        return True
    if kind not in _PLAIN_CONTAINERS:
        return _is_constant(value)
    if not depth or len(value) > MOST_ENTRIES:
        return False
    inside = (*value, *value.values()) if kind is dict else tuple(value)
    return all(is_plain(one, depth - 1) for one in inside)


def _is_constant(value: Any) -> bool:
    return callables.type_name(value) in _CONSTANTS


def _is_of_each(value: Any) -> bool:
    """Whether each worker has its own: a lock, a logger, a generator; or whether it is constant."""
    return is_shareable(value) or callables.type_name(value).startswith(_OWN_TO_EACH)


def kind_of(value: Any) -> str:
    name = callables.own(value, "__qualname__")
    return (
        f"{name} of {callables.type_name(value)}"
        if isinstance(name, str)
        else (repr(value) if type(value) in SCALARS else callables.type_name(value))
    )

"""Finds whether a method of the standard library changes the object that it is called of.

Read from its code, with the methods of the same object that it calls. Libraries of others are told
by the names of their methods alone: they are large, and keep what they have found out.
"""

from __future__ import annotations

import sys

from amorsize._function.bound_arguments import first_argument
from amorsize._function.callables import FUNCTION, MISSING, is_made_at_run_time, member
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.value_flow import ARGUMENT, CALLED, IN_PLACE
from amorsize._function.library.changes import WRITING, is_changing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType

#: How deep calls of an object's own methods are followed.
_MOST_DEEP = 6
_MISSING_ATTRIBUTE = "__getattr__"

_known: dict[tuple[type, str], bool] = {}  # of classes that never change


def changes_itself(cls: type, name: str) -> bool:
    """Whether an object changes by a method of this name, that of a class of the library's."""
    names = {name, _MISSING_ATTRIBUTE} if name[:2] != "__" else {name}
    home = next((one for one in cls.__mro__ if not names.isdisjoint(vars(one))), object)
    if home.__module__.partition(".")[0] not in sys.stdlib_module_names:
        return False
    key = home, name
    if key not in _known:
        _known[key] = _is_unknown(home) and _changes(home, name, _MOST_DEEP)
    return _known[key]


def _is_unknown(cls: type) -> bool:
    """Whether the table leaves open what items may do with an object of a class."""
    from amorsize._function.library.effects import holding_of

    holding = holding_of(cls) if is_made_at_run_time(cls) else None
    return is_made_at_run_time(cls) and (holding is None or holding.what == "mutable")


def _changes(cls: type, name: str, depth: int) -> bool:
    found = member(cls, name)
    if found is MISSING and name[:2] != "__":
        found = member(cls, _MISSING_ATTRIBUTE)  # makes up what it is asked for
    if type(found) is not FUNCTION or not found.__code__.co_argcount:
        return False
    return _sets(found) or any(_changes(cls, one, depth - 1) for one in _called(found) if depth)


def _sets(method: FunctionType) -> bool:
    """Whether the code sets an attribute of its object, or changes what such a one holds."""
    flow, owner = flow_of(method), first_argument(method)
    changed = [one for one in flow.stores if one[2][-1:] != (IN_PLACE,)]
    for callee, _, _ in flow.calls:
        steps = callee[2]
        if len(steps) > 1 and (is_changing(steps) or steps[-1][1:] in WRITING):
            changed.append(callee)
    return any(one[:2] == (ARGUMENT, owner) and CALLED not in one[2] for one in changed)


def _called(method: FunctionType) -> Iterator[str]:
    """The methods that the code calls of its own object."""
    for (space, name, steps), _, _ in flow_of(method).calls:
        if (space, name) == (ARGUMENT, first_argument(method)) and len(steps) == 1:
            yield steps[0][1:]

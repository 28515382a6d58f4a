"""What functions change that outlives the call."""

from __future__ import annotations

from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    has,
    is_a,
    is_class,
    is_module,
    member,
    type_name,
)
from amorsize._function.flow import value_flow
from amorsize._function.flow.made_instances import Copied, Made
from amorsize._function.flow.name_lookup import ends_of
from amorsize._function.flow.value_flow import By
from amorsize._function.object_contents import CONTEXT_VARIABLE, is_container
from amorsize._function.ownership import is_own_class
from amorsize._function.plain_values import PLAIN
from amorsize._function.shareable_values import is_shareable
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._function.flow.name_lookup import End
    from amorsize._function.flow.value_flow import Store

    Target = tuple[Store, str]  # where the way to a changed thing begins, and its last step

#: Types of placeholders for values that do not exist yet.
_STANDS_FOR = {"dataclasses._HAS_DEFAULT_FACTORY_CLASS"}
#: Types of objects that threads may share, and in which a change lasts.
_SETTINGS = {CONTEXT_VARIABLE, "logging.Logger", "logging.RootLogger"}
#: The type of what each thread has of its own.
_LOCAL = "_thread._local"
#: Types of callables that have nothing that could change.
_CODE: Any = (FUNCTION, METHOD, type(len), type, type(str.upper))
_SLOT: Any = type(FUNCTION.__closure__)
#: The most elements of a tuple that are examined: constants and defaults have fewer.
_MOST_ELEMENTS = 1000
#: How steps are told that are none of the code's own words.
_TOLD = dict.fromkeys(
    (value_flow.GIVEN, value_flow.STAR, value_flow.DOUBLE_STAR, value_flow.INSIDE), "[...]"
)
_TOLD |= {value_flow.OBJECTS: "[...]", value_flow.RAISED: ""}
_TOLD |= {value_flow.COPY: "[:]", value_flow.MEMORY: "", value_flow.ENTERED: ""}
_IN_PLACE_METHODS = ("__iadd__", "__ior__", "__isub__", "__imul__", "__iand__", "__ixor__")

#: How many steps are taken from helper to helper for one function, at about 10 us each. Of
#: 640 everyday functions none takes more than 540. Code that calls itself in circles may lead to
#: the same things by ever more ways.
MOST_STEPS = 5000
#: What it takes, in these steps, to find out what a call may have given.
OF_A_WAY_BACK = 6
#: A class gets one more subclass, which it, or what it runs then, tells everybody.
SUBCLASS = By.told("making a subclass", is_set=True)


def sets_attribute(step: str) -> bool:
    """Whether the change is that an attribute is set, no matter by which code."""
    if isinstance(step, By):
        return step.is_set
    return step[:1] == "." and not step.endswith("()")


def is_kept_by_thread(root: Any, steps: tuple[str, ...]) -> bool:
    """Whether it lies in what each thread has of its own: that may be made once, not changed."""
    return bool(steps) and any(type_name(end) == _LOCAL for end, _ in ends_of(root, steps[:-1]))


class Change(Value):
    """Something that is changed, and how."""

    label: str  # in words for messages: "global", "closure", "self", "item"
    name: str
    steps: tuple[str, ...]  # from there: ".total", "[...]", ".append()"
    #: What may lie at the end of the way, and is changed; the last thing on it that is known.
    ends: list[End]
    is_of_thread: bool = False  # what a call gives to all who ask for it in this thread, or process

    @property
    def is_lost(self) -> bool:
        """Whether the change is lost with the process that makes it; the objects are known."""
        return any(self._is_lost(holder) for holder, _ in self.ends)

    def _is_lost(self, holder: Any) -> bool:
        if self._is_by_call:
            return is_container(holder) or _owns_its_memory(holder)
        return _is_lost(holder, self.steps[-1])

    @property
    def _is_by_call(self) -> bool:
        last = self.steps[-1]
        return last.endswith(("()", value_flow.IN_PLACE)) and not sets_attribute(last)

    @property
    def is_open(self) -> bool:
        """Whether the change may be lost: nothing that is known of the objects excludes it."""
        return any(self._is_open(nearest) for _, nearest in self.ends)

    def _is_open(self, changed: Any) -> bool:
        kind = type(changed)
        if (
            changed is MISSING
            or kind in PLAIN
            or kind in (Made, Copied)
            or is_module(changed)
            or _is_plain(changed)
        ):
            return False
        if is_shareable(changed) and type_name(changed) not in _SETTINGS:
            return False
        if type_name(changed) in _STANDS_FOR or self.steps[-1] == SUBCLASS:
            return False
        if self.steps[-1] == value_flow.IN_PLACE:
            return any(has(kind, name) for name in _IN_PLACE_METHODS)
        if self.steps[-1] == value_flow.ELEMENT and kind is type and changed in PLAIN:
            return False  # what it makes has no elements that can be set
        return not (self._is_by_call and is_a(changed, _CODE))

    @property
    def text(self) -> str:
        """For messages: "global CACHE[...]"."""
        return f"{self.label} {self.name}".strip() + self.way

    @property
    def way(self) -> str:
        """The way from the name to what is changed: "[...].total"."""
        return "".join(_TOLD.get(step, step) for step in self.steps)


def _is_plain(value: Any) -> bool:
    """Whether it is a tuple or frozen set with nothing inside that can change."""
    if type(value) not in (tuple, frozenset) or len(value) > _MOST_ELEMENTS:
        return False
    return all(type(one) in PLAIN for one in value)


def _is_lost(value: Any, step: str) -> bool:
    """Whether what this step stores in a value is lost with the process that does it.

    False where that is not sure: an array may lie in shared memory, an object may write to a disk.
    """
    if step == "[...]":
        return is_container(value) or _owns_its_memory(value)
    if step == SUBCLASS and is_class(value):
        return is_own_class(value)
    if type(value) is FUNCTION or is_module(value) or is_class(value):
        return True
    setter = member(type(value), step[1:])
    plainly_set = type(setter) is _SLOT or not has(type(setter), "__set__")
    plainly_set &= member(type(value), "__setattr__") is member(object, "__setattr__")
    return value is not MISSING and is_own_class(type(value)) and plainly_set


def _owns_its_memory(value: Any) -> bool:
    return type_name(value) == "numpy.ndarray" and value.flags.owndata and value.flags.writeable


class TooMuchToReadError(Exception):
    """What a function leads to was not all read, so nobody knows what it changes."""


class Work:
    """Counts what was followed, so that reading ends in time on any host alike."""

    def __init__(self) -> None:
        self.n_left = MOST_STEPS

    def spend(self, n_steps: int) -> None:
        """Count some steps; raises TooMuchToReadError if they are too many."""
        self.n_left -= n_steps
        if self.n_left < 0:
            raise TooMuchToReadError

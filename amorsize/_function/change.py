"""Something that a function changes."""

from __future__ import annotations

from amorsize._function import value_flow
from amorsize._function.callables import MISSING, MODULE, is_own_class, type_name
from amorsize._function.object_contents import is_container, is_lost, owns_its_memory
from amorsize._function.shareable_values import PLAIN, is_shareable
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The type of variables that most code sets for a while, then resets.
CONTEXT_VARIABLE = "_contextvars.ContextVar"
#: Types of objects that threads may share, in which what is set stays set.
_SETTINGS = {CONTEXT_VARIABLE, "logging.Logger"}
_IN_PLACE_METHODS = ("__iadd__", "__ior__", "__isub__", "__imul__", "__iand__", "__ixor__")


class Change(Value):
    """Something that is changed, and by what."""

    label: str  # in words for messages: "global", "closure", "self", "item"
    name: str
    steps: tuple[str, ...]  # from there: ".total", "[...]", ".append()"
    holder: Any  # the object at the end of the way, which is changed; MISSING: not known
    nearest: Any  # the last object on the way there that is known; MISSING: none
    is_of_thread: bool = False  # what a call gives to all who ask for it in this thread, or process

    @property
    def _is_by_call(self) -> bool:
        return self.steps[-1].endswith(("()", value_flow.IN_PLACE))

    @property
    def is_lost(self) -> bool:
        """Whether it is lost with the process that it happens in, for sure."""
        if self._is_by_call:
            return is_container(self.holder) or owns_its_memory(self.holder)
        return is_lost(self.holder, self.steps[-1:])

    @property
    def is_open(self) -> bool:
        """Whether it may be: what is known of the object does not exclude it."""
        kind, changed = type(self.nearest), self.nearest
        if changed is MISSING or kind in PLAIN or kind is MODULE:
            return False
        if is_shareable(changed) and type_name(changed) not in _SETTINGS:
            return False
        if self.steps[-1] == value_flow.IN_PLACE:
            return any(hasattr(kind, name) for name in _IN_PLACE_METHODS)
        return not (self._is_by_call and callable(changed) and not is_own_class(kind))

    @property
    def told(self) -> str:
        """For messages: "global CACHE[...]"."""
        return f"{self.label} {self.name}".strip() + self.way

    @property
    def way(self) -> str:
        """From there to what is changed: "[...].total"."""
        return "".join(self.steps).replace(value_flow.GIVEN, value_flow.ELEMENT)

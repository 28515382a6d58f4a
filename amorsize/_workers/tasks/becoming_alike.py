"""Makes what a worker has alike to what the caller has."""

from __future__ import annotations

from amorsize._function.needs import shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The names that classes had when they were first looked at, before any item ran.
_first_names: dict[type, frozenset[str]] = {}


def has_shape(
    cls: Any, told: str, names: frozenset[str], remove: Callable[[Any, str], None]
) -> bool:
    """Whether a class is as the caller has it, once the names are gone that it has deleted.

    What items have set on a class since stays.

    Args:
        cls: What is at the class's place.
        told: The caller's `shape.of_class`.
        names: All names of the caller's class.
        remove: Takes away a name of a class.
    """
    if not isinstance(cls, type):
        return False
    first = _first_names.setdefault(cls, frozenset(vars(cls)))
    for name in first - names:
        if not name.startswith("__") or callable(vars(cls).get(name)):
            remove(cls, name)
    return shape.of_class(cls) == told


def filled(old: Any, new: Any) -> bool:
    """Change an object in place, for all that refer to it; False: that is impossible."""
    kind = type(new)
    if type(old) is not kind:
        return False
    base = next((one for one in (dict, set, list, bytearray) if issubclass(kind, one)), object)
    if own_bytes(kind) != own_bytes(base):
        return False  # it has more than elements and attributes, such as `__slots__`
    if isinstance(old, dict | set):
        old.clear()
        old.update(new)
    elif isinstance(old, list | bytearray):
        old[:] = new
    if hasattr(new, "__dict__"):
        vars(old).clear()
        vars(old).update(vars(new))
    return True  # an object without state keeps its identity


def own_bytes(kind: type) -> tuple[int, int]:
    """The size of an instance without attributes and weak references."""
    pointer = tuple.__itemsize__
    n_pointers = (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)  # else stored outside
    return kind.__basicsize__ - n_pointers * pointer, kind.__itemsize__

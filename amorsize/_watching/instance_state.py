"""Reads the state of instances that an item could change."""

from __future__ import annotations

import _thread

from amorsize._function.callables import C_METHODS, MISSING, SLOT, member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_ATTRIBUTES = (type(type.__dict__["__dict__"]), SLOT)
_LOCAL: Any = _thread._local


def attributes_of(one: Any) -> dict[str, Any] | None:
    """The attributes in an instance, whatever its class tells of them; None: it has none.

    Values of a `cached_property` are left out: to read one changes nothing that others notice.
    """
    kind = type(one)
    if issubclass(kind, _LOCAL):  # the `__dict__` of their class tells nothing
        return _uncached(kind, _LOCAL.__getattribute__(one, "__dict__"))
    for base in kind.__mro__:
        found = vars(base).get("__dict__")
        if found is not None:
            is_plain = type(found) in _ATTRIBUTES
            return _uncached(kind, found.__get__(one)) if is_plain else None
    return None


def _uncached(kind: type, kept: dict[str, Any]) -> dict[str, Any]:
    return {name: held for name, held in kept.items() if not _is_cached(kind, name)}


def _is_cached(kind: type, name: str) -> bool:
    return type(member(kind, name)).__name__ == "cached_property"


def slots_of(one: Any) -> Iterator[Any]:
    """The values in the slots of an instance."""
    for base in type(one).__mro__:
        if "__slots__" in vars(base):
            for held in vars(base).values():
                if type(held) is SLOT:
                    try:
                        yield held.__get__(one)
                    except AttributeError:
                        yield MISSING


def pickled_state(one: Any) -> Any:
    """The state that an object of a type in C gives for pickling; MISSING: none."""
    getstate = member(type(one), "__getstate__")
    if type(getstate) in C_METHODS and getstate is not member(object, "__getstate__"):
        return getstate(one)
    return MISSING

"""Tells which values have no content that an item could change."""

from __future__ import annotations

import _thread
import sys

from amorsize._function.callables import MODULE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NUMBERS = frozenset({int, float, complex, bool, type(None)})
#: Bases of types without changeable content; numpy's numbers derive from some of them.
_BASES = (str, bytes, int, float, complex, type)
ATOMS = NUMBERS | {
    *(str, bytes, range, slice, type, object, type(...), type(NotImplemented), property),
    *(MODULE, type(lambda: None), type(len), type(str.upper), type(str.__add__)),
}
#: Modules whose types are all immutable or have a lock, then single types of other modules.
_MODULES = frozenset(
    {
        *("datetime", "fractions", "uuid", "ipaddress", "zoneinfo", "re", "_sre", "_weakref"),
        *("_thread", "_struct", "_contextvars", "types", "operator", "_operator"),
    }
)
_TYPES = frozenset({"decimal.Decimal", "weakref.ReferenceType", "functools._lru_cache_wrapper"})
#: Bases by module and name. Paths, for example, keep computed values in slots.
_FAMILIES = (("pathlib", "PurePath"), ("enum", "Enum"), ("numpy", "generic"), ("numpy", "dtype"))

_LOCAL: Any = _thread._local
#: Types of these modules whose instances may have any attributes.
_HOLDING_ATTRIBUTES = (_LOCAL, type(sys.implementation))


def is_atom(kind: type) -> bool:
    """Whether values of this type have no content that an item could change."""
    if issubclass(kind, _HOLDING_ATTRIBUTES):
        return False
    if kind in ATOMS or issubclass(kind, _BASES) or kind.__module__ in _MODULES:
        return True
    if f"{kind.__module__}.{kind.__qualname__}" in _TYPES:
        return True
    return _is_of_family(kind) and kind.__name__ != "void"


def _is_of_family(kind: type) -> bool:
    for module, name in _FAMILIES:
        family = getattr(sys.modules.get(module), name, None)
        if isinstance(family, type) and issubclass(kind, family):
            return True
    return False

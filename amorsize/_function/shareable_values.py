"""Recognises values that threads may share: they cannot change, or are made to be shared.

Types are listed by name, so that judging a value imports nothing. A type on no list is refused.
"""

from __future__ import annotations

import sys

from amorsize._function.callables import is_enum, own
from amorsize._function.ownership import is_own_class
from amorsize._function.plain_values import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Types of the methods of built-in classes: `str.upper`, `str.__add__`, ...
_DESCRIPTORS = frozenset({type(str.upper), type(str.__add__), type(dict.__dict__["fromkeys"])})

_PATHS = "PurePath PurePosixPath PureWindowsPath Path PosixPath WindowsPath"

# Types that are immutable, or safe by their documentation; by the `__module__` of the type.
SAFE_TYPES = frozenset(
    f"{module}.{name}"
    for module, names in {
        "_thread": "lock RLock LockType _local",
        "threading": "Condition Event Semaphore BoundedSemaphore Barrier _RLock",
        "_threading_local": "local",
        "queue": "Queue LifoQueue PriorityQueue _PySimpleQueue",
        "_queue": "SimpleQueue",
        "_contextvars": "ContextVar Token",  # each thread has a context of its own
        "logging": "Logger RootLogger LoggerAdapter",  # "handlers serialise access with locks"
        "loguru._logger": "Logger",
        "random": "SystemRandom",  # keeps no state
        "re": "Pattern Match",
        "regex": "Pattern Match",
        "_regex": "Pattern Match",
        "_struct": "Struct",
        "builtins": "code NotImplementedType object",
        "datetime": "datetime date time timedelta timezone",
        "zoneinfo": "ZoneInfo",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "uuid": "UUID",
        "pathlib": _PATHS,
        "pathlib._local": _PATHS,  # 3.13
        "ipaddress": "IPv4Address IPv6Address IPv4Network IPv6Network",
        "operator": "itemgetter attrgetter methodcaller",
        "types": "GenericAlias UnionType",
        "typing": "_GenericAlias _UnionGenericAlias _SpecialGenericAlias TypeVar",
        "numpy": "ufunc _ArrayFunctionDispatcher",
        "numba.core.registry": "CPUDispatcher",
    }.items()
    for name in names.split()
)


def is_shareable(value: Any) -> bool:
    """Whether threads may share this value, by its type alone; elements are not examined."""
    kind = type(value)
    if kind in PLAIN or kind in _DESCRIPTORS or _is_listed(kind) or is_enum(kind):
        return True
    if issubclass(kind, int | float | complex | str | bytes):
        return not own(value, "__dict__")
    return _is_fixed_in_numpy(value, kind)


def _is_listed(kind: type) -> bool:
    """Whether the type is listed. A library's subclass counts; the project's may add state."""
    bases = kind.__mro__[:1] if is_own_class(kind) else kind.__mro__[:-1] or (kind,)
    return any(f"{base.__module__}.{base.__qualname__}" in SAFE_TYPES for base in bases)


def _is_fixed_in_numpy(value: Any, kind: type) -> bool:
    """Whether it is a NumPy scalar, a dtype, or an array whose memory is read-only."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return False
    if issubclass(kind, numpy.dtype):
        return True
    if issubclass(kind, numpy.generic):
        return not issubclass(kind, numpy.void)
    while issubclass(type(value), numpy.ndarray) and not value.flags.writeable:
        if value.dtype.hasobject:
            return False
        value = value.base
        if value is None or type(value) is bytes:
            return True
    return False

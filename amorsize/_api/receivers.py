"""Distinguishes the `self` or `cls` of a method from data."""

from __future__ import annotations

from amorsize._function.callables import own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_receiver(func: Any, first: Any) -> bool:
    """Whether `first` is the `self` or `cls` of a method rather than data.

    It is a receiver in `Class.method(instance, data)`, below another decorator, and below
    `@classmethod` from Python 3.13 on, where that no longer binds what it decorates.
    """
    if own(func, "__self__") is not None:  # it has its receiver already
        return False
    home, _, name = func.__qualname__.rpartition(".")
    is_class = isinstance(first, type)
    for kind in first.__mro__ if is_class else type(first).__mro__:
        if kind.__qualname__ == home and kind.__module__ == func.__module__:
            member = vars(kind).get(name)
            if is_class:
                return isinstance(member, classmethod)
            return not isinstance(member, (staticmethod, classmethod)) and not isinstance(
                getattr(member, "__wrapped__", None), (staticmethod, classmethod)
            )
    return False


def is_unbound(bound: Any) -> bool:
    """Whether this is a method reached through its class, still without an instance."""
    binding = bound._self_binding
    return bound._self_instance is None and binding not in ("staticmethod", "classmethod")

"""Gives the items of a task the context of their caller, in threads that serve others as well.

An executor's thread may have been left with anything, and Dask runs each submission in a new
context. So each chunk runs in a copy, in which is set what the caller has and what setup= has set.
"""

from __future__ import annotations

from _contextvars import copy_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _contextvars import ContextVar
    from collections.abc import Callable
    from typing import Any

    #: Context variables with their values.
    Variables = tuple[tuple[ContextVar[Any], Any], ...]

_MISSING = object()


def set_by(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Variables]:
    """What a function gives, with the context variables that it has set, which are set from now on.

    Args:
        function: Called in the current context.
        arguments: With which.
    """
    before = copy_context()
    given = function(*arguments)
    now = copy_context().items()
    return given, tuple(
        (variable, _own(value))
        for variable, value in now
        if before.get(variable, _MISSING) is not value
    )


def enter(variables: Variables) -> None:
    """Set context variables in the current context."""
    for variable, value in variables:
        variable.set(_own(value))


def _own(value: Any) -> Any:
    """The value itself, or a copy of a decimal context, which threads would share."""
    return value.copy() if type(value).__name__ == "Context" and hasattr(value, "prec") else value

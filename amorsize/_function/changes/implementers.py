"""Which functions run where a helper is called, with what is bound to them."""

from __future__ import annotations

from amorsize._function.bound_arguments import NOTHING, Bound, implementations, with_arguments
from amorsize._function.callable_walk import opened
from amorsize._function.callables import FUNCTION, member, own, raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType
    from typing import Any


def run_by(called: list[Any]) -> list[Any]:
    """The functions that run where one of these is called."""
    return [one for helper in called for one in implementations(helper)]


def opened_helper(helper: Any, owns: Callable[[object], bool]) -> tuple[FunctionType | None, Bound]:
    """The project's function behind a callable, and what is bound to it."""
    if isinstance(helper, type):
        helper = opened(member(helper, "__init__"))
        is_read = type(helper) is FUNCTION and owns(helper)
        return (helper, Bound({}, n_first=1)) if is_read else (None, NOTHING)
    function, bound = with_arguments(helper)
    if type(function) is FUNCTION and not owns(function):
        function = raw(own(function, "__wrapped__"))  # as that of a `contextmanager`
    is_read = type(function) is FUNCTION and owns(function)
    return (function, bound) if is_read else (None, NOTHING)

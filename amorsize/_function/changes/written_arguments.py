"""Arguments that a function of a library writes to because of their place, or in C code."""

from __future__ import annotations

from amorsize._function.callable_walk import function_behind, wrapped_by
from amorsize._function.callables import MISSING
from amorsize._function.flow.name_lookup import ends_of, root_of
from amorsize._function.flow.value_flow import CALLED
from amorsize._function.library.changes import TO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.flow.value_flow import Store, Symbol

#: Functions written in C that say nothing of their arguments, and the place of the one written to.
_PLACES = {"numpy.dot": 2}
#: Types of functions and of libraries that are called by `ctypes`, by the names of their bases.
_FOREIGN_FUNCTION, _FOREIGN_LIBRARY = "_ctypes.CFuncPtr", "ctypes.CDLL"
_LOADING = {".CDLL", ".PyDLL", ".WinDLL", ".LoadLibrary"}
#: Stands for a function of such a library that was not asked for yet.
_FOREIGN: Any = ["a foreign function"]


def written_by_place(called: Any, passed: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    """What a function is passed for its argument `out` without saying so."""
    function = function_behind(called)
    if function is None:
        is_wrapper = wrapped_by(called) is not None
        place = _PLACES.get(f"{called.__module__}.{called.__name__}") if is_wrapper else None
        return passed[place:][:1] if place is not None else ()
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    return tuple(one for name, one in zip(names, passed, strict=False) if name in TO)


def is_foreign(called: Any) -> bool:
    """Whether it is a function of C code, called by `ctypes`."""
    return called is _FOREIGN or _has_base(called, _FOREIGN_FUNCTION)


def foreign(func: FunctionType, bound: Bound, callee: Store) -> Any:
    """Stands for what is called if that is a function of a library of C; else MISSING."""
    space, name, steps = callee
    if not steps:
        return MISSING
    if steps[-2:-1] == (CALLED,):
        return _FOREIGN if (f".{name}", *steps)[-3] in _LOADING else MISSING
    ends = ends_of(root_of(func, bound, space, name)[1], steps[:-1])
    return _FOREIGN if any(_has_base(end, _FOREIGN_LIBRARY) for end, _ in ends) else MISSING


def _has_base(value: Any, name: str) -> bool:
    return any(f"{one.__module__}.{one.__qualname__}" == name for one in type(value).__mro__)

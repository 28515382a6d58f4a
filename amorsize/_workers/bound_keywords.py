"""Gives a function the keywords of a call as its defaults.

A `partial` with keywords costs three times what it takes to call a trivial function with them. The
same code with other defaults is called like any function, and does the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

_FUNCTION: Any = type(lambda: None)


def with_defaults(func: Any, keywords: dict[str, Any]) -> FunctionType | None:
    """The function as it is called with an item and these keywords.

    None: the keywords are not all parameters behind the first one, or one behind them lacks a
    default. Then what the call does, or the error that it raises, needs the keywords themselves.
    """
    if type(func) is not _FUNCTION:  # a kind of function of its own may do more
        return None
    code, names = func.__code__, func.__code__.co_varnames
    n_in_order, n_all = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    by_place = names[max(1, code.co_posonlyargcount) : n_in_order]
    by_name = names[n_in_order:n_all]
    if not all(name in by_place or name in by_name for name in keywords):
        return None
    defaults = func.__defaults__ or ()
    values = dict(zip(names[n_in_order - len(defaults) : n_in_order], defaults, strict=True))
    values |= {name: value for name, value in keywords.items() if name in by_place}
    with_value = names[n_in_order - len(values) : n_in_order]
    if not all(name in values for name in with_value):  # one behind them has no default
        return None
    given = tuple(values[name] for name in with_value)
    bound: FunctionType = _FUNCTION(code, func.__globals__, func.__name__, given, func.__closure__)
    bound.__qualname__ = func.__qualname__  # error messages have it
    by_name_only = {name: value for name, value in keywords.items() if name in by_name}
    bound.__kwdefaults__ = {**(func.__kwdefaults__ or {}), **by_name_only}
    return bound

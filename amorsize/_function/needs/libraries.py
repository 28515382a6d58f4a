"""Names the libraries that a worker has to import for a function, by what its code names.

It is a guess, for costs alone, made before anything else of the function is read: in 20 to 100 us.
"""

from __future__ import annotations

import sys

from amorsize._function import bytecode, callables, ownership
from amorsize._function.callables import FUNCTION, is_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FunctionType
    from typing import Any

#: What takes little time to import, or is there already.
_QUICK = sys.stdlib_module_names | {"amorsize"}
#: The most functions and modules of the project that are looked at.
MOST = 50


def libraries_of(func: Any) -> frozenset[str]:
    """The modules of libraries that code of the project names, from a function on."""
    while callables.is_partial(func):
        func = func.func
    first, found, seen = callables.raw(func), set[str](), set[int]()
    ahead, owns = [first], ownership.Owns([func])
    while ahead and len(seen) < MOST:
        one = ahead.pop()
        home = one if is_module(one) else sys.modules.get(_home_of(one))
        name = vars(home).get("__name__") if is_module(home) else None
        if not isinstance(name, str) or name.partition(".")[0] in _QUICK:
            continue
        key = id(one if name in ownership.MAIN else home)
        if key in seen:
            continue
        seen.add(key)
        if name not in ownership.MAIN and not owns.module(name):
            found.add(name)
        elif type(one) is FUNCTION and name in ownership.MAIN:
            ahead += _leading_on(_named_by(one))
        elif name not in ownership.MAIN:  # all of it is imported
            ahead += _leading_on(tuple(vars(home).values()))
    return frozenset(found)


def _home_of(value: Any) -> str:
    home = callables.own(value, "__module__")
    return home if isinstance(home, str) else ""


def _leading_on(values: Iterable[Any]) -> list[Any]:
    """Those that have a module of their own. Proxies would run code to tell a class."""
    kinds = (FUNCTION, type)
    return [one for one in values if is_module(one) or issubclass(type(one), kinds)]


def _named_by(func: FunctionType) -> list[Any]:
    names = _names(func.__code__)
    return [func.__globals__[name] for name in names if name in func.__globals__]


def _names(code: CodeType) -> set[str]:
    return set(code.co_names).union(*map(_names, bytecode.nested(code)))

"""The name of a function: a message shows it, another process imports it."""

from __future__ import annotations

import sys

from amorsize._function import callable_walk, callables
from amorsize._function.callables import (
    BUILTINS,
    FUNCTION,
    METHOD,
    is_a,
    is_class,
    is_module,
    own,
    raw,
    type_name,
)
from amorsize._function.ownership import MAIN, is_published
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NAMING = (type, callables.MODULE)


def name_of(func: Callable[..., object]) -> str:
    """A name for messages: "module.qualname", "partial(module.qualname)", "module.Class(...)"."""
    try:
        func = raw(func)
        if callables.is_partial(func):
            return f"partial({name_of(func.func)})"  # type: ignore[attr-defined]
        module, qualname = _place(func)
        if isinstance(qualname, str):
            return f"{module}.{qualname}" if isinstance(module, str) else qualname
        return f"{type_name(func)}(...)"
    except Exception as error:  # whatever attributes of an odd callable may raise
        reraise_from_handler(error)
        return f"{type_name(func)}(...)"


def reference(func: Callable[..., object]) -> tuple[str, str] | None:
    """The name by which a worker can import this very function; None: it must be pickled by value.

    None is returned for functions of `__main__`, lambdas, nested functions, methods of instances,
    partials, callable objects, and functions whose name now stands for something else.

    Returns:
        A module and a path of attributes for `resolve`. What a decorator wraps has `.__wrapped__`
        at the end of its path, as often as it takes.
    """
    try:
        func = raw(func)
        module, qualname = _place(func)
        if not isinstance(module, str) or not isinstance(qualname, str) or "<" in qualname:
            return None
        if module in MAIN or not _can_be_imported(module):
            return None
        if is_published(func, module):
            # each worker has its own instance behind it; a copy of ours would repeat our numbers
            return module, func.__name__
        return _found(func, module, qualname)
    except Exception as error:  # what stands under that name may raise anything
        reraise_from_handler(error)
        return None


def resolve(module: str, qualname: str) -> Callable[..., Any]:
    """The function that `reference` named, imported here and without the tuning around it.

    Raises:
        ImportError: The module cannot be imported here.
        AttributeError: It has no such function here.
    """
    __import__(module)
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part)
    return raw(found)  # type: ignore[no-any-return]


def _place(func: Any) -> tuple[object, object]:
    """Module and qualified name; None where there are none."""
    if type(func) is not FUNCTION and not is_class(func):
        owner = own(func, "__self__")
        # a class method is bound to its class, wherever it was defined, a builtin to an instance
        if is_class(owner) or issubclass(type(func), BUILTINS):
            cls = owner if is_class(owner) else type(owner)
            if owner is not None and not is_module(owner):
                return cls.__module__, f"{cls.__qualname__}.{func.__name__}"
        name = own(func, "__qualname__") or own(func, "__name__")
        defined_in = own(func, "__objclass__", func)
        return own(defined_in, "__module__"), name
    return func.__module__, func.__qualname__


def _can_be_imported(module: str) -> bool:
    return getattr(sys.modules.get(module), "__spec__", None) is not None


def _found(func: Any, module: str, qualname: str) -> tuple[str, str] | None:
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part)
    for n_wrappings in range(callable_walk.MAX_WRAPPINGS):
        if _is_same(found, func):
            return module, qualname + ".__wrapped__" * n_wrappings
        found = found.__wrapped__
    return None


def _is_same(found: Any, func: Any) -> bool:
    if found is func:
        return True
    if type(found) is not type(func) or not issubclass(type(func), (METHOD, type(len))):
        return False
    # bound anew at each look; two methods are equal if function and owner are the same
    return is_class(func.__self__) and bool(found == func)


def is_under_its_name(cls: type) -> bool:
    """Whether a class is found under its name; no code of the program runs to tell."""
    found: Any = sys.modules.get(cls.__module__)
    for step in cls.__qualname__.split("."):
        found = callables.member(found, step) if is_a(found, _NAMING) else None
    return found is cls

"""Identifies functions in memory between calls.

A program may make a function anew for every call: a closure, a partial, a method of an instance.
It is recognised all the same. Functions that only look alike are different ones: those of two
modules with the same text, or those inside the same decorator. The values that a function was set
up with decide which of its profiles it begins from.
"""

from __future__ import annotations

from _weakref import ref

from amorsize._function import callables
from amorsize._function.callables import BUILTIN, FUNCTION, METHOD, is_class, is_module
from amorsize._function.item_kind import kind_of
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: The most layers of functions to open: a decorator of a partial of a closure has three.
DEEPEST = 3
#: The most settings that are compared to tell variants of one function apart.
MOST_SETTINGS = 16
#: The most characters of a text that are compared; of a longer one, its length counts too.
LONG = 256

_NUMBERS = frozenset({type(None), bool, int, float, complex})
_SCALARS = _NUMBERS | {str, bytes}


def identity_of(func: Any, depth: int = DEEPEST) -> Any:  # hashable
    """The identity of a function, the same however often the function is made anew.

    No code of the user's runs: an attribute that an object makes up when it is asked is none.
    """
    kind = type(func)
    if kind is FUNCTION:
        code = func.__code__
        cells = func.__closure__
        if cells is None or not depth:
            return code, func.__module__, code.co_filename
        inside = _inner((one for one in _contents(cells) if one is not func), depth)
        return code, func.__module__, code.co_filename, *inside
    if (inside := callables.raw(func)) is not func:
        return identity_of(inside, depth)
    if kind is METHOD:
        return identity_of(func.__func__, depth)
    if callables.is_partial(func):
        values = *func.args, *func.keywords.values()
        return identity_of(func.func, depth), *_inner(values, depth)
    if is_class(func):
        return ref(func)
    call = callables.member(kind, "__call__")
    if type(call) is FUNCTION:
        wrapped = callables.own(func, "__wrapped__")
        return identity_of(call, depth), *_inner((wrapped,), depth)
    if kind is BUILTIN and not is_module(func.__self__):
        return type(func.__self__), func.__name__  # of an object that may be large
    is_plain = callables.member(kind, "__hash__") is object.__hash__
    return _told_apart(func) if is_plain or kind.__module__ == "builtins" else kind


def _told_apart(func: Any) -> Any:
    """The identity of this very object, which does not keep it alive."""
    try:
        return ref(func)
    except TypeError:  # what C has made may have no room for that
        return type(func), callables.own(func, "__name__")


def variant_of(func: Any, item_kwargs: dict[str, Any] | None = None) -> Any:
    """The values that a function is set up with: numbers and short texts, types of all others."""
    is_bare = type(func) is FUNCTION and func.__closure__ is None and not item_kwargs
    if is_bare and func.__defaults__ is None and func.__kwdefaults__ is None:
        return ()
    try:
        values = _settings(callables.raw(func), [])
        if item_kwargs:
            values += item_kwargs.values()
        return tuple([(type(one), one) if type(one) in _NUMBERS else _told(one) for one in values])
    except Exception as error:  # a class whose metaclass has no hash
        reraise_from_handler(error)
        return (type(error),)


def _settings(func: Any, found: list[Any], depth: int = DEEPEST) -> list[Any]:
    """What a function was given by whoever made it; of objects, the numbers and texts they keep."""
    inside: Iterable[Any]
    if type(func) is FUNCTION:
        found += func.__defaults__ or ()
        found += (func.__kwdefaults__ or {}).values()
        inside = _contents(func.__closure__ or ())
    elif type(func) is METHOD:
        inside = func.__self__, func.__func__
    elif callables.is_partial(func):
        inside = *func.args, *func.keywords.values(), func.func
    else:
        inside = (func,)
    for one in inside:
        if type(one) in _SCALARS:
            found.append(one)
        elif depth and _is_function(one):
            _settings(one, found, depth - 1)
        elif isinstance(fields := callables.own(one, "__dict__"), dict):
            found += [value for value in tuple(fields.values()) if type(value) in _SCALARS]
        else:
            found.append(one)
    del found[MOST_SETTINGS:]
    return found


def _told(value: Any) -> Any:
    kind = type(value)
    if kind not in _SCALARS:
        return kind_of(value)
    return (kind, value) if len(value) <= LONG else (len(value), value[:LONG])


def _contents(cells: Iterable[Any]) -> Iterable[Any]:
    for cell in cells:
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _is_function(value: Any) -> bool:
    return type(value) is FUNCTION or type(value) is METHOD or callables.is_partial(value)


def _inner(values: Iterable[Any], depth: int) -> Iterable[Any]:
    """The identities of the functions and classes among some values."""
    for one in values:
        try:
            if type(one) in _SCALARS:
                continue
        except Exception as error:  # a class whose metaclass has no hash
            reraise_from_handler(error)
            continue
        if _is_function(one):
            yield identity_of(one, depth - 1)
        elif is_class(one):
            yield one.__module__, one.__qualname__

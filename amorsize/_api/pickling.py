"""Pickles functions by their names, where a tuned function hides them."""

from __future__ import annotations

import sys

from amorsize._api.wrapt_proxy import ObjectProxy
from amorsize._function.callables import own, raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def reduced(
    tuned: Any, rebuilt: Callable[..., Any], rebuilt_from: Callable[..., Any]
) -> tuple[Any, ...]:
    """A tuned function for pickle: its name where that leads to it, else what it is made of.

    Args:
        tuned: The tuned function, which may be bound.
        rebuilt: Makes one of a function and options.
        rebuilt_from: Makes one of the name of a module, a name in it and options.
    """
    func, options = tuned.__wrapped__, tuned.options
    receiver = own(func, "__self__")
    if tuned._self_parent is not None and receiver is not None:
        if _is_same(getattr(receiver, func.__name__, None), tuned):
            return getattr, (receiver, func.__name__)
        return rebuilt, (func, options.as_sent())
    place = own(func, "__module__"), own(func, "__qualname__")
    there = found(*place)
    if place[0] != "__main__" and _is_same(there, tuned):
        return found, place
    options = options.as_sent()
    if _is_tuned(there) and there.__wrapped__ is func:
        if place[0] == "__main__":
            return rebuilt, (by_name(tuned._self_parent or tuned), options)
        return rebuilt_from, (*place, options)
    return rebuilt, (func, options)


class ByName(ObjectProxy):  # type: ignore[type-arg]
    """A function of `__main__`, hidden there by the tuned one that has its name.

    pickle looks at the type and asks `__reduce_ex__`: the name will do, for a forked child or one
    that runs the script again. cloudpickle asks `isinstance`, sees the function, sends its code.
    """

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        return self.__reduce__()

    def __reduce__(self) -> Any:
        func = self.__wrapped__
        return one_found, (func.__module__, func.__qualname__)


def by_name(tuned: Any) -> Any:
    """The function of a tuned one for a pickle made in `__main__`; one object: recursion ends."""
    if tuned._self_by_name is None:
        tuned._self_by_name = ByName(tuned.__wrapped__)
    return tuned._self_by_name


def found(module: Any, qualname: Any) -> Any:
    """What has this name in a module, imported where necessary; None where nothing has."""
    if not isinstance(module, str) or not isinstance(qualname, str):
        return None
    try:
        __import__(module)
        place: Any = sys.modules[module]
        for name in qualname.split("."):
            place = getattr(place, name)
    except (ImportError, AttributeError, KeyError):
        return None
    return place


def one_found(module: str, qualname: str) -> Any:
    there = found(module, qualname)
    if there is None:
        raise AttributeError(
            f"The function {qualname!r} was pickled by its name in {module!r}, and there is none "
            "here. Define it at the top level of an importable module, or send it by cloudpickle."
        )
    return raw(there)


def _is_same(found: Any, tuned: Any) -> bool:
    """Whether both are one decorated function: a bound one is made anew each time it is reached."""
    if found is tuned:
        return True
    if not _is_tuned(found) or found._self_parent is None:
        return False
    return bool(found._self_parent is (tuned._self_parent or tuned))


def _is_tuned(found: Any) -> bool:
    return raw(found) is not found

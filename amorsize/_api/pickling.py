"""Pickles functions by their names, where a tuned function hides them."""

from __future__ import annotations

import sys

from amorsize._api.wrapt_proxy import ObjectProxy
from amorsize._function.callables import raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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

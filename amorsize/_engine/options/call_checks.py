"""Refuses functions, or data, that cannot be mapped."""

from __future__ import annotations

import os
import sys
from _collections_abc import Mapping  # collections.abc takes 2 ms to import

from amorsize._function.callables import own
from amorsize._host.signals import reraise_from_handler
from amorsize.errors import WrongTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Types that are surely data, and know their number of items. Other types are checked first: a str,
#: for example, was likely meant as one item.
SURELY_DATA = (list, tuple, range)


def check_function(func: Any) -> None:
    """Refuse a function that cannot be called once per item for one result.

    Raises:
        WrongTypeError: `func` is not callable, or is an `async def` or generator function.
    """
    if not callable(func):
        raise WrongTypeError(
            f"A function is needed here, and {shown(func)} ({kind_of(func)}) cannot be called. "
            "Pass a function, a method, a class or an object with __call__."
        )
    flags = _code_flags(func)
    if not flags & _NOT_PLAIN:
        return
    name = own(func, "__qualname__") or shown(func)
    if flags & _ASYNC_GENERATOR:
        raise WrongTypeError(
            f"{name} is an async generator function, which is not supported: amorsize calls a "
            "function once per item and keeps its result. Write a plain function that returns "
            "its values as a list."
        )
    if flags & _COROUTINE:
        raise WrongTypeError(
            f"{name} is an async function, which is not supported: calling it gives a coroutine "
            "that nobody awaits. Write it as a plain function (waiting items run in many threads "
            "at once), or run its items with asyncio.gather."
        )
    raise WrongTypeError(
        f"{name} is a generator function, which is not supported: its result is a generator that "
        "has done no work yet and cannot leave a worker. Return a list instead of yielding."
    )


def check_data(iterables: tuple[Any, ...], name: str, *, decorated: bool = True) -> None:
    """Refuse data that is surely meant as one item, or that cannot be iterated over.

    Args:
        iterables: What the caller passed, one iterable per parameter of the function.
        name: The function's name, for the message.
        decorated: Whether the call was `name(data)`; else it was `tuned_map(name, data)`.

    Raises:
        WrongTypeError: A str, bytes, mapping or path, or something that is not iterable.
    """
    if not iterables:
        call = f"{name}(data)" if decorated else f"tuned_map({name}, data)"
        raise WrongTypeError(
            f"{name} was given no data: it maps over one or more iterables, as map() does. "
            f"Call {call}."
        )
    for place, data in enumerate(iterables):
        if type(data) not in _PLAIN_DATA:
            _check_one(data, name, decorated, is_first=place == 0)


def checked_keywords(item_kwargs: Any) -> dict[str, Any]:
    """The keywords for every item.

    Raises:
        WrongTypeError: They are no mapping of names.
    """
    if item_kwargs is None:
        return {}
    is_mapping = isinstance(item_kwargs, Mapping)
    if not is_mapping or not all(isinstance(name, str) for name in item_kwargs):
        raise WrongTypeError(
            f"item_kwargs={shown(item_kwargs)} is of the wrong type ({kind_of(item_kwargs)}): "
            'item_kwargs is a dict of values by the names of keywords, such as {"ndigits": 1}.'
        )
    return dict(item_kwargs)


def name_of(func: Any) -> str:
    """A function's name for messages; for other callables, the name of their class."""
    return str(own(func, "__name__") or type(func).__name__)


def shown(value: object) -> str:
    """`repr(value)` for a message: short, and never an error of its own."""
    try:
        text = repr(value)
    except Exception as error:
        reraise_from_handler(error)
        return f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."


_SHOWN_CHARS = 60
_PLAIN_DATA = frozenset((list, tuple, range))
_SINGLE = (str, bytes, bytearray, os.PathLike)


def _check_one(data: Any, name: str, decorated: bool, *, is_first: bool) -> None:
    is_iterable = hasattr(type(data), "__iter__") or hasattr(type(data), "__getitem__")
    beside = "" if is_first else _beside(name, decorated)
    if (frame := _frame_of(data)) is not None:
        raise WrongTypeError(_of_frame(frame, name, decorated))
    one = f"{name}.one" if decorated else name
    many = f"{name}(" if decorated else f"tuned_map({name}, "
    if isinstance(data, _SINGLE):
        parts = "x.iterdir()" if isinstance(data, os.PathLike) else "list(x)"
        raise WrongTypeError(
            f"The data for {name} is a single {kind_of(data)}, {shown(data)}, not a collection of "
            f"items. For this one item call {one}(x), for a list of one {many}[x]); to go "
            f"through its parts, {many}{parts}).{beside}"
        )
    if isinstance(data, Mapping):
        raise WrongTypeError(
            f"The data for {name} is a mapping ({kind_of(data)}), and going through it would give "
            f"its keys alone. Say which you mean: {many}d.items()) (each item a (key, value) "
            f"tuple), {many}d.values()) or {many}list(d)); as one item, {one}(d).{beside}"
        )
    if is_iterable:
        return
    if hasattr(type(data), "__aiter__"):
        raise WrongTypeError(
            f"The data for {name} is an async iterable ({kind_of(data)}), which only a coroutine "
            f"can go through. Collect it first: {many}[x async for x in data])."
        )
    raise WrongTypeError(
        f"The data for {name} cannot be iterated over: it is {shown(data)} ({kind_of(data)}). "
        f"For this one item call {one}(x), for a list of one {many}[x]).{beside}"
    )


def _beside(name: str, decorated: bool) -> str:
    """The advice for a value that was passed in place of a further iterable."""
    call = f"{name}(data, option=x)"
    call = call if decorated else f'tuned_map({name}, data, item_kwargs={{"option": x}})'
    return (
        " Iterables are taken side by side, as map() does: a value that is the same for every item "
        f"goes by the name of its parameter, {call}."
    )


def _frame_of(data: Any) -> str | None:
    """The library of a table that yields its columns when it is iterated; None for other data."""
    for kind in type(data).__mro__:
        if kind.__name__ == "DataFrame":
            library = kind.__module__.partition(".")[0]
            return library if library in _TABLES else None
    return None


_TABLES = {
    "pandas": (
        "df.itertuples()) (each item a row with its fields as attributes), ",
        "df.groupby(...)) (each item a pair of key and rows), ",
        "df[col]) (each item a value of one column)",
    ),
    "polars": (
        "df.iter_rows(named=True)) (each item a row as a dict), ",
        "df.group_by(...)) (each item a pair of key and rows), ",
        "df[col]) (each item a value of one column)",
    ),
}


def _of_frame(library: str, name: str, decorated: bool) -> str:
    many = f"{name}(" if decorated else f"tuned_map({name}, "
    ways = "".join(f"{many}{way}" for way in _TABLES[library])
    return (
        f"The data for {name} is a DataFrame of {library}, and going through it would give its "
        f"columns, not its rows. Say which you mean: {ways}. Items that are pairs go to a function "
        f"of two parameters by {many}*zip(*pairs)). As one item: {many}[df])."
    )


#: The values of `inspect.CO_*`.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80 | 0x100, 0x200
_NOT_PLAIN = _GENERATOR | _COROUTINE | _ASYNC_GENERATOR


def _code_flags(func: Any) -> int:
    """`co_flags` of the Python code that calling `func` runs; 0 if none can be found."""
    functools = sys.modules.get("functools")  # without it, no partial was ever made
    for _ in range(32):  # a partial of a method of a partial ...: a bound for such chains
        if functools is not None and isinstance(func, functools.partial):
            func = func.func
        elif isinstance(func, _METHOD):
            func = func.__func__
        elif isinstance(func, _FUNCTION):
            flags: int = func.__code__.co_flags
            return flags
        else:
            func = getattr(type(func), "__call__", None)  # noqa: B004 - the method itself is wanted
            if not isinstance(func, _FUNCTION):
                return 0
    return 0


class _Sample:
    def method(self) -> None: ...


# types.FunctionType and types.MethodType, without importing types
_FUNCTION: Any = type(shown)
_METHOD: Any = type(_Sample().method)


def kind_of(value: object) -> str:
    """The name of a value's type, for a message."""
    return type(value).__name__

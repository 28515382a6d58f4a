"""Pickles values with all that the exceptions in them tell.

Pickle drops their tracebacks and causes. And it calls the class of each with its `args`, which a
constructor of its own may refuse.
"""

from __future__ import annotations

from amorsize._workers.messages import exception_pickling, tracebacks
from amorsize._workers.messages.serialization import PROTOCOL, pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Methods by which a class tells how its objects are pickled.
_TELLING = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
#: The length of what they give at most: a callable, its arguments, and a state.
_WITH_STATE = 3

_class: Any = None


def dumps(value: Any, aside: Callable[[Any], bool]) -> bytes:
    """Pickle a value; `aside` takes large buffers."""
    from io import BytesIO

    buffer = BytesIO()
    _pickler()(buffer, PROTOCOL, buffer_callback=aside).dump(value)
    return buffer.getvalue()


def _pickler() -> Any:
    """The class that does it, made once."""
    global _class
    if _class is None:

        class WithExceptions(pickle().Pickler):  # type: ignore[misc]
            def reducer_override(self, one: Any) -> Any:
                return reduced(one) if issubclass(type(one), BaseException) else NotImplemented

        _class = WithExceptions
    return _class


def reduced(error: BaseException) -> Any:
    """How to rebuild an exception with its traceback, its causes and all of its fields."""
    kind = type(error)
    links = _links_of(error)
    if kind.__module__ == "builtins" or _tells_how(kind):
        told: Any = error.__reduce_ex__(PROTOCOL)
        if type(told) is not tuple or len(told) > _WITH_STATE:
            return NotImplemented
        making: Any = (_made_as_told, told)
        if kind.__module__ != "builtins":
            notes = {name: one for name, one in error.__dict__.items() if name == "__notes__"}
            return *making, (notes, {}, links), None, None, _fill
    else:
        group = None
        if isinstance(error, BaseExceptionGroup):
            group = error.message, list(tracebacks.members_of(error))
        making = exception_pickling.bare, (kind, error.args, {}, {}, group)
    return *making, (error.__dict__, exception_pickling.fields_of(error), links), None, None, _fill


def _tells_how(kind: type[BaseException]) -> bool:
    """Whether a class of the program, or of a library, has a method of its own for pickling."""
    own = (one for one in kind.__mro__[:-1] if one.__module__ != "builtins")
    return any(name in vars(one) for one in own for name in _TELLING)


def _links_of(error: BaseException) -> tuple[Any, ...] | None:
    """Its traceback and what led to it; None: it was never raised."""
    cause, context = error.__cause__, error.__context__
    if error.__traceback__ is None and cause is None and context is None:
        return None
    told = [None if one is None else exception_pickling.as_plain(one) for one in (cause, context)]
    if cause is context:
        told[1] = None
    places = tracebacks.places_of(error.__traceback__)
    return places, error.__suppress_context__, *told, cause is context


def _made_as_told(make: Any, arguments: tuple[Any, ...], state: Any = None) -> Any:
    """The object that pickle would make of what a class tells."""
    made = make(*arguments)
    if state:
        made.__setstate__(state)
    return made


def _fill(error: Any, filling: tuple[Any, ...]) -> None:
    """Give an exception its attributes, its other fields and its links."""
    attributes, fields, links = filling
    if not isinstance(error, BaseException):  # its class sends something else in its place
        return
    exception_pickling.set_fields(error, attributes, fields)
    if links is not None:
        places, suppresses, *told, are_one = links
        cause, context = (
            None if one is None else exception_pickling.from_plain(one) for one in told
        )
        tracebacks.give(
            error,
            __traceback__=tracebacks.made_of(places),
            __cause__=cause,
            __context__=cause if are_one else context,
            __suppress_context__=suppresses,
        )

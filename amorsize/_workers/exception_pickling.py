"""Pickles exceptions completely: pickle drops their causes."""

from __future__ import annotations

from amorsize._host.signals import let_through
from amorsize._workers import tracebacks
from amorsize._workers.serialization import dumps, loads, short_repr, short_text
from amorsize.errors import RemoteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.framing import Piece

#: Characters of a traceback or message that is sent with the exception.
TEXT_LENGTH = 20_000
#: Causes and contexts that are sent with an exception: each costs some microseconds.
MOST_LINKS = 16


def pack_error(error: BaseException) -> bytes:
    """An exception as bytes, with its causes and its traceback; they can always be unpickled."""
    return dumps((_as_plain(error), shortened(_traceback_text(error))))


def unpack_error(data: Piece) -> tuple[BaseException, str]:
    """The exception, with the text of its traceback in the worker."""
    plain, text = loads(data)
    return _from_plain(plain), text


def _as_plain(error: BaseException, n_left: list[int] | None = None) -> tuple[Any, ...]:
    """An exception with its cause, context and traceback as plain values: pickle drops them."""
    n_left = [MOST_LINKS] if n_left is None else n_left
    n_left[0] -= 1
    kind = type(error)
    told = shortened(f"{kind.__module__}.{kind.__qualname__}: {short_text(error)}")
    data, why = _packed_alike(error)
    if why is not None:
        data = dumps(_stand_in(told, why))
    cause, context = error.__cause__, error.__context__
    links = [
        _as_plain(one, n_left) if one is not None and n_left[0] > 0 else None
        for one in (cause, None if context is cause else context)
    ]
    places = tracebacks.places_of(error.__traceback__)
    return data, told, places, error.__suppress_context__, context is cause, *links


def _from_plain(plain: tuple[Any, ...]) -> BaseException:
    """The exception that `_as_plain` was given."""
    packed, told, places, suppresses, same, cause, context = plain
    try:
        error: BaseException = loads(packed)
    except Exception as failure:  # only the worker has its class, for example
        let_through(failure)
        error = _stand_in(told, f"{type(failure).__name__}: {failure}")
    source = None if cause is None else _from_plain(cause)
    before = source if same else None if context is None else _from_plain(context)
    tracebacks.give(
        error,
        __traceback__=tracebacks.made_of(places),
        __cause__=source,
        __context__=before,
        __suppress_context__=suppresses,
    )
    return error


def _packed_alike(error: BaseException) -> tuple[bytes, str | None]:
    """Bytes that unpickle to an equal exception, or the reason why there are none.

    Pickle calls the class with `args`. A constructor with other parameters may refuse them or
    misunderstand them; then the exception is made without its constructor.
    """
    why = None
    for value in (error, Bare(error)):
        try:
            data = dumps(value)
            rebuilt = loads(data)
            if type(rebuilt) is type(error) and dumps(rebuilt.args) == dumps(error.args):
                return data, None
            why = why or f"it was rebuilt as {short_repr(rebuilt)}"
        except Exception as failure:
            why = why or f"{type(failure).__name__}: {failure}"
    return b"", why


class Bare:
    """Pickles an exception as its class, its arguments and its attributes."""

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error, args = self._error, self._error.args
        if isinstance(error, BaseExceptionGroup):
            args = (error.message, [Bare(one) for one in error.exceptions])
        return _bare, (type(error), args, error.__dict__)


def _bare(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    BaseException.args.__set__(error, args)  # type: ignore[attr-defined]  # whatever its class does
    error.__dict__.update(state)
    return error


class kept_error:  # noqa: N801 - is called like a function, for what arrives in its place
    """An exception that is a result: arrives with its traceback, or as a stand-in."""

    __slots__ = ("_plain",)

    def __init__(self, error: BaseException) -> None:
        self._plain = _as_plain(error)

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_plain, (self._plain,)


def shortened(text: str) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= TEXT_LENGTH:
        return text
    half = TEXT_LENGTH // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"


def _stand_in(told: str, why: str) -> RemoteError:
    return RemoteError(
        f"{told} (raised in a worker process; the exception itself cannot travel: {why})"
    )


def _traceback_text(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))

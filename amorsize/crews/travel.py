"""Makes results and exceptions fit to travel between processes, and says what cannot."""

from __future__ import annotations

import sys

from amorsize.errors import CannotTravelError, RemoteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOL = 5
REPR_LENGTH = 80


def dumps(value: Any) -> bytes:
    """Pickle a value in the protocol that workers share."""
    data: bytes = pickle().dumps(value, PROTOCOL)
    return data


def loads(data: bytes | memoryview) -> Any:
    """What `dumps` has pickled."""
    return pickle().loads(data)


_pickle_module: Any = None


def pickle() -> Any:
    """The C half of pickle: all that is needed, 3 ms to load when the first result travels."""
    global _pickle_module
    if _pickle_module is None:
        try:
            import _pickle as module
        except ImportError:  # another implementation of Python
            import pickle as module  # type: ignore[no-redef]
        _pickle_module = module
    return _pickle_module


def short_repr(value: Any) -> str:
    """A repr for messages: at most `REPR_LENGTH` characters, whatever the value does."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= REPR_LENGTH else text[: REPR_LENGTH - 3] + "..."


def pack_error(error: BaseException) -> bytes:
    """An exception and its traceback as bytes that can surely be read back."""
    kind = type(error)
    told = f"{kind.__module__}.{kind.__qualname__}: {_safe_str(error)}"
    try:
        data = dumps(error)
        rebuilt = loads(data)
        why = None if type(rebuilt) is kind else f"it was rebuilt as {type(rebuilt).__name__}"
    except Exception as failure:
        why = f"{type(failure).__name__}: {failure}"
    if why is not None:
        data = dumps(_stand_in(told, why))
    return dumps((data, told, _traceback_text(error)))


def unpack_error(data: bytes) -> tuple[BaseException, str]:
    """The exception and the text of its traceback in the worker."""
    packed, told, text = loads(data)
    try:
        error: BaseException = loads(packed)
    except Exception as failure:  # its class, say, is known in the worker alone
        error = _stand_in(told, f"{type(failure).__name__}: {failure}")
    return error, text


def _stand_in(told: str, why: str) -> RemoteError:
    return RemoteError(
        f"{told} (raised in a worker process; the exception itself cannot travel: {why})"
    )


def _traceback_text(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _safe_str(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:
        return f"<str() raised {type(failure).__name__}>"


def why_not(value: Any) -> str | None:
    """Why a value cannot be pickled and read back; None when it can."""
    try:
        loads(dumps(value))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def first_that_cannot(values: list[Any]) -> tuple[int, str] | None:
    """Index of the first value that cannot travel, and why."""
    for index, value in enumerate(values):
        if (reason := why_not(value)) is not None:
            return index, reason
    return None


class Stayed:
    """Stands for a result that could not be sent, and says why."""

    __slots__ = ("error",)

    def __init__(self, error: CannotTravelError) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return Stayed, (self.error,)


def fit_to_travel(start: int, results: list[Any], failure: Exception) -> list[Any]:
    """Results that could not be sent together, with stand-ins for those that cannot be at all."""
    fit = []
    for index, result in enumerate(results, start):
        reason = why_not(result)
        fit.append(
            result if reason is None else Stayed(cannot_send("result", index, result, reason))
        )
    if any(type(one) is Stayed for one in fit):
        return fit
    reason = f"{type(failure).__name__}: {failure}"  # each alone can travel, only all together not
    return [Stayed(cannot_send("result", i, one, reason)) for i, one in enumerate(results, start)]


def kept_error(error: BaseException) -> BaseException:
    """An exception that is a result: itself, or where it cannot travel its stand-in."""
    return error if why_not(error) is None else unpack_error(pack_error(error))[0]


def cannot_send(what: str, index: int, value: Any, reason: str) -> CannotTravelError:
    """The error for an item or result that cannot be pickled."""
    return CannotTravelError(
        f"the {what} of item {index} ({short_repr(value)}) cannot be sent between processes: "
        f"{reason}. Return or pass something that can be pickled, or use backend='thread'."
    )


def cannot_read_back(start: int, n_items: int, error: Exception) -> CannotTravelError:
    """The error for results that were pickled but cannot be rebuilt here."""
    return CannotTravelError(
        f"the results of items {start} to {start + n_items - 1} were pickled in a worker process "
        f"but cannot be rebuilt here: {type(error).__name__}: {error}. Make them survive "
        "pickle.loads(pickle.dumps(result)), or use backend='thread'."
    )


def loaded(module: str) -> Any:
    """A module if the process has imported it already, else None."""
    return sys.modules.get(module)

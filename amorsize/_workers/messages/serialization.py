"""Pickles items or results; tells which of them cannot be pickled."""

from __future__ import annotations

import sys

from amorsize._host.signals import (
    in_words,
    is_of_outside,
    raised_by_handler,
    reraise_from_handler,
)
from amorsize._workers.messages import framing
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from amorsize._workers.messages.framing import Piece

    Result = TypeVar("Result")

PROTOCOL = 5
#: Buffers from this size on stay apart from the pickle.
PART_BYTES = framing.BIG_BYTES
#: Levels of recursion in pickle, which take 5 MB of a stack of 8.
MOST_NESTED = 10_000
#: Characters of a repr in messages.
REPR_LENGTH = 80


def dumps(value: Any) -> bytes:
    """Pickle a value in the protocol of the workers."""
    data: bytes = bounded(lambda: pickle().dumps(value, PROTOCOL))
    return data


def loads(data: Piece, parts: list[Any] | None = None) -> Any:
    """Unpickle what `dumps` has pickled, with the buffers that were sent apart."""
    return tamed(lambda: pickle().loads(data, buffers=parts))


#: Unpickles copies; None before the first.
_copying: Any = None


def loads_copies(data: Piece, parts: list[Any] | None = None) -> Any:
    """Unpickle copies of what stays here, to be thrown away.

    Raises:
        TypeError: A copy would do what its class does as it is freed, such as remove a file.
    """
    from _io import BytesIO

    return tamed(_copying_unpickler()(BytesIO(data), buffers=parts).load)


def _copying_unpickler() -> Any:
    """The class that does it, made once: that takes longer than to unpickle most results."""
    global _copying
    if _copying is None:

        class Copying(pickle().Unpickler):  # type: ignore[misc]
            def find_class(self, module: str, name: str) -> Any:
                found = _without_end(super().find_class(module, name))
                if isinstance(found, type) or not module.startswith(("cloudpickle.", "amorsize.")):
                    return found
                return lambda *arguments: _without_end(found(*arguments))  # it may make a class

        _copying = Copying
    return _copying


def _without_end(one: Any) -> Any:
    if isinstance(one, type) and hasattr(one, "__del__"):
        raise TypeError(f"{one.__qualname__}.__del__ would run for each copy")
    return one


def bounded(act: Callable[[], Result]) -> Result:
    """Raise RecursionError for values that are nested too deeply, whatever the recursion limit is.

    In Python 3.11 the C code of pickle and repr takes up to 500 bytes of stack per level. A program
    that has raised the recursion limit for its own functions would crash.
    """
    limit = sys.getrecursionlimit()
    if limit <= MOST_NESTED or sys.version_info >= (3, 12):
        return tamed(act)
    sys.setrecursionlimit(depth() + MOST_NESTED)
    try:
        return tamed(act)
    finally:
        sys.setrecursionlimit(limit)


def tamed(act: Callable[[], Result]) -> Result:
    """Have code of values run, such as `__reduce__`: whatever it raises comes as an `Exception`.

    It may end a program, as SystemExit does. A value that cannot be sent is no reason for that.
    """
    try:
        return act()
    except Exception:
        raise
    except BaseException as error:
        if is_of_outside(error):
            raise
        raise RuntimeError(f"its own code raised {in_words(error)}") from error


def depth() -> int:
    """Frames of Python below this one."""
    frame, n_frames = sys._getframe(), 0
    while frame.f_back is not None:
        frame, n_frames = frame.f_back, n_frames + 1
    return n_frames


def setting_apart(parts: list[memoryview]) -> Callable[[Any], bool]:
    """The buffer callback of pickle that moves large buffers into `parts`."""

    def belongs_inside(buffer: Any) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # it is not contiguous
            return True
        if raw.nbytes < PART_BYTES:
            return True
        parts.append(raw)
        return False

    return belongs_inside


_pickle_module: Any = None


def pickle() -> Any:
    """The C module of pickle, loaded with the first result: it takes 3 ms."""
    global _pickle_module
    if _pickle_module is None:
        try:
            import _pickle as module
        except ImportError:  # another implementation of Python
            import pickle as module  # type: ignore[no-redef]
        _pickle_module = module
    return _pickle_module


#: Types whose repr may take several times their own memory.
_LONG = (str, bytes, bytearray)


def short_repr(value: Any) -> str:
    """A repr for messages of at most `REPR_LENGTH` characters; no error of the value's own."""
    try:
        text = bounded(lambda: repr(value[:REPR_LENGTH] if type(value) in _LONG else value))
    except Exception as error:
        reraise_from_handler(error)
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= REPR_LENGTH else text[: REPR_LENGTH - 3] + "..."


def add_note(error: BaseException, text: str) -> None:
    """`BaseException.add_note`, also for exceptions that refuse attributes."""
    notes = error.__dict__.get("__notes__")
    error.__dict__["__notes__"] = [*notes, text] if isinstance(notes, list) else [text]


def why_not(value: Any, packed: Callable[[Any], bytes] = dumps) -> str | None:
    """Why a value cannot be pickled and unpickled; None: it can."""
    try:
        loads(packed(value))
    except Exception as error:
        if raised_by_handler(error):
            raise
        return in_words(error)
    return None


def first_unpicklable(values: list[Any], packed: Callable[[Any], bytes]) -> tuple[int, str] | None:
    """Index of the first value that cannot be pickled, with the reason."""
    for index, value in enumerate(values):
        if (reason := why_not(value, packed)) is not None:
            return index, reason
    return None


class Unpicklable:
    """Stands for a result that cannot be pickled."""

    __slots__ = ("error", "n_together")

    def __init__(self, error: SerializationError, n_together: int = 1) -> None:
        self.error = error
        self.n_together = n_together  # results that are lost with it

    def __reduce__(self) -> tuple[Any, ...]:
        return Unpicklable, (self.error,)


def replace_unpicklable(
    start: int, results: list[Any], failure: Exception, packed: Callable[[Any], bytes] = dumps
) -> list[Any]:
    """Results with stand-ins for those that cannot be pickled."""
    fit = []
    for index, result in enumerate(results, start):
        reason = why_not(result, packed)
        fit.append(
            result if reason is None else Unpicklable(cannot_send("result", index, result, reason))
        )
    if any(type(one) is Unpicklable for one in fit):
        return fit
    reason = in_words(failure)  # each alone can be pickled, only not together
    return [
        Unpicklable(cannot_send("result", i, one, reason)) for i, one in enumerate(results, start)
    ]


def _mended_by(reason: str, otherwise: str) -> str:
    """What helps where a value cannot be sent: none is at fault where memory is short."""
    if reason.startswith(MemoryError.__name__):
        return "There was too little memory for a copy: use fewer workers (n_jobs=)"
    return otherwise


def cannot_send(what: str, index: int, value: Any, reason: str) -> SerializationError:
    """The error for an item or a result that cannot be pickled."""
    mended_by = _mended_by(reason, "Return or pass something that can be pickled")
    return SerializationError(
        f"the {what} of item {index} ({short_repr(value)}) cannot be sent between processes: "
        f"{reason}. {mended_by}, or use backend='thread'."
    )


def cannot_read_back(start: int, n_items: int, failure: Exception) -> list[Unpicklable]:
    """Stand-ins for results that were pickled together but cannot be unpickled here."""
    which = f"the result of item {start} was"
    if n_items > 1:
        which = f"the results of items {start} to {start + n_items - 1} were"
    reason = in_words(failure)
    mended_by = _mended_by(reason, "Make every result survive pickle.loads(pickle.dumps(result))")
    error = SerializationError(
        f"{which} pickled in a worker process but cannot be rebuilt here: {reason}. {mended_by}, "
        "or use backend='thread'."
    )
    return [Unpicklable(error, n_items)] * n_items


def loaded(module: str) -> Any:
    """A module if it is imported, else None."""
    return sys.modules.get(module)

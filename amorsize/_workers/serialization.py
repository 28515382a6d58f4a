"""Makes results and exceptions fit to travel between processes, and says what cannot."""

from __future__ import annotations

import sys

from amorsize._host.signals import raised_by_handler
from amorsize._workers import framing
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from amorsize._workers.framing import Piece

    Result = TypeVar("Result")

PROTOCOL = 5
PART_BYTES = framing.BIG_BYTES  # buffers from here on are not copied into a pickle
MOST_NESTED = 10_000  # levels of recursion in pickle: 5 MB of a stack, which has 8
REPR_LENGTH = 80


def dumps(value: Any) -> bytes:
    """Pickle a value in the protocol that workers share."""
    data: bytes = _bounded(lambda: pickle().dumps(value, PROTOCOL))
    return data


def loads(data: Piece, parts: list[Any] | None = None) -> Any:
    """What `dumps` has pickled; `parts` is what travelled beside it."""
    return pickle().loads(data, buffers=parts)


def dumps_apart(value: Any) -> tuple[bytes, list[memoryview]]:
    """Pickle a value; the large buffers in it (of arrays, say) come beside that, not copied."""
    parts: list[memoryview] = []
    aside = setting_apart(parts)
    return _bounded(lambda: pickle().dumps(value, PROTOCOL, buffer_callback=aside)), parts


class Packing:
    """Pickles items, or results; once one of them has needed it, with the code they refer to.

    Args:
        func: The mapped function, whose own variables its results may not take along.
        is_forked: Modules here are those of the caller.
    """

    def __init__(self, func: Callable[..., Any] | None = None, *, is_forked: bool = True) -> None:
        self._func, self._is_forked = func, is_forked
        self._codes: Any = None  # once something was sent with its code

    @property
    def with_code(self) -> bool:
        """Whether pickle alone was found not to do."""
        return self._codes is not None

    def dumps_apart(self, value: Any) -> tuple[bytes, list[memoryview]]:
        """Pickle a value; the large buffers in it come beside that."""
        if self._codes is None:
            try:
                return dumps_apart(value)
            except Exception as failure:
                if raised_by_handler(failure) or not self._finds_code_to_do(value):
                    raise
        parts: list[memoryview] = []
        aside = setting_apart(parts)
        return _bounded(lambda: self._codes.dumps(value, aside)), parts

    def dumps(self, value: Any) -> bytes:
        """Pickle a value in one piece."""
        data, parts = self.dumps_apart(value)
        if not parts:
            return data
        in_one: bytes = dumps(value) if self._codes is None else self._codes.dumps(value)
        return in_one

    def _finds_code_to_do(self, value: Any) -> bool:
        from amorsize._workers import code_pickle

        with_code = code_pickle.Codes(self._func, is_forked=self._is_forked)
        try:
            _bounded(lambda: with_code.dumps(value))
        except Exception as failure:
            if raised_by_handler(failure):
                raise
            return False  # what pickle itself says is easier to understand
        self._codes = with_code
        return True


def _bounded(act: Callable[[], Result]) -> Result:
    """Have values that are nested too deeply raise RecursionError, whatever limit is set.

    Under Python 3.11 pickle and repr, in C, take up to 500 bytes of the stack for each level. A
    program that has raised the limit for its own functions would crash there.
    """
    limit = sys.getrecursionlimit()
    if limit <= MOST_NESTED or sys.version_info >= (3, 12):
        return act()
    sys.setrecursionlimit(_depth() + MOST_NESTED)
    try:
        return act()
    finally:
        sys.setrecursionlimit(limit)


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def setting_apart(parts: list[memoryview]) -> Callable[[Any], bool]:
    """What pickle asks about each buffer: whether it belongs into the pickle itself."""

    def belongs_inside(buffer: Any) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # it is not in one piece
            return True
        if raw.nbytes < PART_BYTES:
            return True
        parts.append(raw)
        return False

    return belongs_inside


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


_LONG = (str, bytes, bytearray)  # whose repr may take several times their own memory


def short_repr(value: Any) -> str:
    """A repr for messages: at most `REPR_LENGTH` characters, whatever the value does."""
    try:
        text = _bounded(lambda: repr(value[:REPR_LENGTH] if type(value) in _LONG else value))
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= REPR_LENGTH else text[: REPR_LENGTH - 3] + "..."


def add_note(error: BaseException, text: str) -> None:
    """`BaseException.add_note`, for exceptions that take no attributes as well."""
    notes = error.__dict__.get("__notes__")
    error.__dict__["__notes__"] = [*notes, text] if isinstance(notes, list) else [text]


def short_text(error: BaseException) -> str:
    """What an exception says, if it does."""
    try:
        return str(error)
    except Exception as failure:
        return f"<str() raised {type(failure).__name__}>"


def why_not(value: Any, packed: Callable[[Any], bytes] = dumps) -> str | None:
    """Why a value cannot be pickled and read back; None when it can."""
    try:
        loads(packed(value))
    except Exception as error:
        if raised_by_handler(error):
            raise
        return f"{type(error).__name__}: {error}"
    return None


def first_that_cannot(values: list[Any], packed: Callable[[Any], bytes]) -> tuple[int, str] | None:
    """Index of the first value that cannot travel, and why."""
    for index, value in enumerate(values):
        if (reason := why_not(value, packed)) is not None:
            return index, reason
    return None


class Unpicklable:
    """Stands for a result that could not be sent, and says why."""

    __slots__ = ("error", "n_together")

    def __init__(self, error: SerializationError, n_together: int = 1) -> None:
        self.error = error
        self.n_together = n_together  # results that are lost because of one of them

    def __reduce__(self) -> tuple[Any, ...]:
        return Unpicklable, (self.error,)


def fit_to_travel(
    start: int, results: list[Any], failure: Exception, packed: Callable[[Any], bytes] = dumps
) -> list[Any]:
    """Results that could not be sent together, with stand-ins for those that cannot be at all."""
    fit = []
    for index, result in enumerate(results, start):
        reason = why_not(result, packed)
        fit.append(
            result if reason is None else Unpicklable(cannot_send("result", index, result, reason))
        )
    if any(type(one) is Unpicklable for one in fit):
        return fit
    reason = f"{type(failure).__name__}: {failure}"  # each alone can travel, only all together not
    return [
        Unpicklable(cannot_send("result", i, one, reason)) for i, one in enumerate(results, start)
    ]


def cannot_send(what: str, index: int, value: Any, reason: str) -> SerializationError:
    """The error for an item or result that cannot be pickled."""
    return SerializationError(
        f"the {what} of item {index} ({short_repr(value)}) cannot be sent between processes: "
        f"{reason}. Return or pass something that can be pickled, or use backend='thread'."
    )


def cannot_read_back(start: int, n_items: int, failure: Exception) -> list[Unpicklable]:
    """What stands for results that were pickled together but cannot be rebuilt here."""
    which = f"the result of item {start} was"
    if n_items > 1:
        which = f"the results of items {start} to {start + n_items - 1} were"
    error = SerializationError(
        f"{which} pickled in a worker process but cannot be rebuilt here: "
        f"{type(failure).__name__}: {failure}. Make every result survive "
        "pickle.loads(pickle.dumps(result)), or use backend='thread'."
    )
    return [Unpicklable(error, n_items)] * n_items


def loaded(module: str) -> Any:
    """A module if the process has imported it already, else None."""
    return sys.modules.get(module)

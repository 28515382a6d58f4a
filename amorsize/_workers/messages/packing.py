"""Pickles items or results, with large buffers apart."""

from __future__ import annotations

from amorsize._host.signals import raised_by_handler
from amorsize._workers.messages import exception_results
from amorsize._workers.messages.serialization import (
    PROTOCOL,
    bounded,
    dumps,
    pickle,
    setting_apart,
    tamed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Types of values that hold no others.
_PLAIN = frozenset((int, float, complex, bool, str, bytes, bytearray, type(None)))
#: How the names of numpy's numbers begin.
_NUMBERS = ("float", "int", "uint", "bool", "complex")


def dumps_apart(value: Any) -> tuple[bytes, list[memoryview]]:
    """Pickle a value, with large buffers (of arrays, say) apart and uncopied."""
    parts: list[memoryview] = []
    aside = setting_apart(parts)
    if type(value) is list and all(map(_holds_nothing, set(map(type, value)))):
        return bounded(lambda: pickle().dumps(value, PROTOCOL, buffer_callback=aside)), parts
    return bounded(lambda: exception_results.dumps(value, aside)), parts


def _holds_nothing(kind: type) -> bool:
    """Whether values of this type cannot hold an exception, as most results of their own kind."""
    return kind in _PLAIN or (kind.__module__ == "numpy" and kind.__name__.startswith(_NUMBERS))


class Packing:
    """Pickles items or results, and also their code from the first value that needs it.

    Args:
        func: The mapped function; results must not copy its closure variables.
        is_forked: Whether this process shares the caller's modules.
    """

    def __init__(self, func: Callable[..., Any] | None = None, *, is_forked: bool = True) -> None:
        self._func, self._is_forked = func, is_forked
        self._codes: Any = None  # set once a value needs its code

    @property
    def with_code(self) -> bool:
        """Whether a value has needed its code."""
        return self._codes is not None

    def dumps_apart(self, value: Any) -> tuple[bytes, list[memoryview]]:
        """Pickle a value, with large buffers apart."""
        if self._codes is None:
            try:
                return _with_live_parts(*dumps_apart(value))
            except Exception as failure:
                if raised_by_handler(failure) or not self._finds_code_to_do(value):
                    raise
        parts: list[memoryview] = []
        aside = setting_apart(parts)
        return _with_live_parts(bounded(lambda: self._codes.dumps(value, aside)), parts)

    def dumps(self, value: Any) -> bytes:
        """Pickle a value in one piece."""
        data, parts = self.dumps_apart(value)
        if not parts:
            return data
        in_one: bytes = dumps(value) if self._codes is None else self._codes.dumps(value)
        return in_one

    def _finds_code_to_do(self, value: Any) -> bool:
        from amorsize._workers.messages import code_pickle

        with_code = code_pickle.Codes(self._func, is_forked=self._is_forked)
        try:
            _with_live_parts(bounded(lambda: with_code.dumps(value)), [])
        except Exception as failure:
            if raised_by_handler(failure):
                raise
            return False  # the message of pickle itself is clearer
        self._codes = with_code
        return True


def _with_live_parts(data: bytes, parts: list[memoryview]) -> tuple[bytes, list[memoryview]]:
    """What was pickled, unless it has finalizers: pickle takes them, and they arrive dead.

    Worse, a `TemporaryDirectory` has then removed its folder where it was pickled.

    Raises:
        TypeError: It has one.
    """
    if b"weakref" in data and b"finalize" in data:  # both may be there for another reason
        import io

        class Reading(pickle().Unpickler):  # type: ignore[misc]
            def find_class(self, module: str, name: str) -> Any:
                is_finalizer = (module, name) == ("weakref", "finalize")
                return _NotSent if is_finalizer else super().find_class(module, name)

        tamed(Reading(io.BytesIO(data), buffers=parts).load)
    return data, parts


class _NotSent:
    """Stands for `weakref.finalize` where it is found out whether there are instances."""

    def __new__(cls) -> _NotSent:
        raise TypeError("cannot pickle 'finalize' object")

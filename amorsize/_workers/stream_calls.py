"""Calls of the program's standard streams, held to be made later."""

from __future__ import annotations

import sys
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    #: The name of a stream in `sys`, that of a method ("write", "buffer.flush"), and its argument.
    Call = tuple[str, str, Any]

SLOTS = ("stdout", "stderr", "__stdout__", "__stderr__")
#: The most calls that are handed on together.
MOST_CALLS = 100


class Pieces:
    """Calls of streams, handed on by the line or as soon as a stream is flushed."""

    def __init__(self, hand_on: Callable[[list[Call]], None]) -> None:
        self._calls: list[Call] = []
        self._hand_on, self._lock = hand_on, RLock()

    def call(self, slot: str, method: str, value: Any) -> None:
        """Take one call."""
        with self._lock:
            self._calls.append((slot, method, value))
            is_part = method == "write" and "\n" not in value
            if not is_part or len(self._calls) >= MOST_CALLS:
                self.hand_on()

    def hand_on(self) -> None:
        """Hand on what is held."""
        if not self._calls:  # as after most chunks: to take the lock takes longer
            return
        with self._lock:
            if self._calls:
                calls, self._calls = self._calls, []
                self._hand_on(calls)


def repeat(calls: Iterable[Call]) -> None:
    """Make the calls that were diverted."""
    for slot, method, value in calls:
        stream = getattr(sys, slot)
        if stream is None:
            continue
        part, _, name = method.rpartition(".")
        if part:
            stream = getattr(stream, part, None) or _AsText(stream)
        if name == "flush":
            stream.flush()
            continue
        try:
            getattr(stream, name)(value)
        except UnicodeEncodeError:  # the item has changed how its stream handles errors
            stream.write(value.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


class _AsText:
    """The bytes below a stream that has none."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.write(data.decode("utf-8", "replace"))

    def flush(self) -> None:
        self._stream.flush()

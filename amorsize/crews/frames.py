"""Length-prefixed frames over a pipe: kind, length, payload."""

from __future__ import annotations

import os
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# From the caller to a worker.
SPAN = b"S"  # run data[start:stop], which the worker inherited
ITEMS = b"I"  # run these pickled items
TASK = b"F"  # what to run, and in which surroundings: for workers that were not forked
END = b"E"  # the call is over: for workers that wait for the next one
QUIT = b"Q"
# From a worker to the caller.
READY = b"R"
DONE = b"D"  # results of a chunk, or of its first part
FAILED = b"X"  # the worker could not be set up
UNFIT = b"U"  # the task cannot be rebuilt here as it was sent
FREE = b"E"  # the call is over here, too
TEXT = b"T"  # what items printed
RECORD = b"L"  # what items logged

_HEADER = Struct("<cQ")
READ_BYTES = 1 << 18
BIG_BYTES = 1 << 16  # from here on joining header and payload costs more than a second write


def pieces(kind: bytes, *payload: bytes) -> list[bytes]:
    """A frame as the pieces to write one after the other; small ones are joined."""
    size = sum(len(part) for part in payload)
    header = _HEADER.pack(kind, size)
    if size < BIG_BYTES:
        return [b"".join((header, *payload))]
    return [header, *payload]


def write(descriptor: int, kind: bytes, *payload: bytes) -> None:
    """Write a whole frame to a blocking descriptor."""
    for part in pieces(kind, *payload):
        left = memoryview(part)
        while left:
            left = left[os.write(descriptor, left) :]


class Reader:
    """Takes bytes as they come and gives whole frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, descriptor: int) -> bool:
        """Read once; False at the end of the stream. May raise BlockingIOError."""
        data = os.read(descriptor, READ_BYTES)
        self._buffer += data
        return bool(data)

    @property
    def in_frame(self) -> bool:
        """A frame has begun to arrive and is not complete."""
        return bool(self._buffer)

    def frames(self) -> Iterator[tuple[bytes, bytes]]:
        """Whole frames that have arrived: kind and payload."""
        buffer = self._buffer
        at = 0
        while len(buffer) - at >= _HEADER.size:
            kind, size = _HEADER.unpack_from(buffer, at)
            end = at + _HEADER.size + size
            if len(buffer) < end:
                break
            payload = bytes(memoryview(buffer)[at + _HEADER.size : end])
            at = end
            yield kind, payload
        if at:
            del buffer[:at]


class Writer:
    """Holds what a non-blocking descriptor would not take yet."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: list[memoryview] = []

    def put(self, kind: bytes, *payload: bytes) -> None:
        """Queue a frame."""
        self._pending.extend(memoryview(part) for part in pieces(kind, *payload))

    def flush(self, descriptor: int) -> bool:
        """Write what the pipe takes; True when nothing is left. May raise BrokenPipeError."""
        while self._pending:
            try:
                n_written = os.write(descriptor, self._pending[0])
            except BlockingIOError:
                return False
            self._pending[0] = self._pending[0][n_written:]
            if not self._pending[0]:
                del self._pending[0]
        return True

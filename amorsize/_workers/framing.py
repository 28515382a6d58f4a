"""Length-prefixed frames over a pipe: kind, length, payload."""

from __future__ import annotations

import os
from _thread import allocate_lock
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Piece = bytes | bytearray | memoryview

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
NOTICED = b"W"  # what an item was seen to do
# Both ways, ahead of the items or results that they are parts of.
PART = b"P"
LAID = b"M"  # where in shared memory such a part lies

_HEADER = Struct("<cQ")
READ_BYTES = 1 << 18
BIG_BYTES = 1 << 16  # from here on joining header and payload costs more than a second write


_writing = allocate_lock()  # threads that items have left may print while results are sent


def pieces(kind: bytes, *payload: Piece) -> list[Piece]:
    """A frame as the pieces to write one after the other; small ones are joined."""
    size = sum(len(part) for part in payload)
    header = _HEADER.pack(kind, size)
    if size < BIG_BYTES:
        return [b"".join((header, *payload))]
    return [header, *payload]


def write(descriptor: int, kind: bytes, *payload: Piece) -> None:
    """Write a whole frame to a blocking descriptor."""
    with _writing:
        for part in pieces(kind, *payload):
            left = memoryview(part)
            while left:
                left = left[os.write(descriptor, left) :]


class Reader:
    """Takes bytes as they come and gives whole frames."""

    __slots__ = ("_buffer", "_large")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._large: _Large | None = None  # a payload that is read to where it stays

    def feed(self, descriptor: int) -> bool:
        """Read once; False at the end of the stream. May raise BlockingIOError."""
        if self._large is not None and self._large.n_left:
            return self._large.feed(descriptor)
        data = os.read(descriptor, READ_BYTES)
        self._buffer += data
        return bool(data)

    @property
    def in_frame(self) -> bool:
        """A frame has begun to arrive and is not complete."""
        return bool(self._buffer) or self._large is not None

    def frames(self) -> Iterator[tuple[bytes, bytes | bytearray | None]]:
        """Whole frames that have arrived: kind and payload; None where memory has no room for it.

        Small payloads are bytes, large ones belong to whoever takes them.
        """
        if self._large is not None:
            if self._large.n_left:
                return
            large, self._large = self._large, None
            yield large.kind, large.payload
        buffer = self._buffer
        at = 0
        while len(buffer) - at >= _HEADER.size:
            kind, size = _HEADER.unpack_from(buffer, at)
            end = at + _HEADER.size + size
            if len(buffer) < end:
                if size >= BIG_BYTES:
                    self._large = _Large(kind, size, memoryview(buffer)[at + _HEADER.size :])
                    at = len(buffer)
                break
            kept = bytes if size < BIG_BYTES else bytearray
            payload = kept(memoryview(buffer)[at + _HEADER.size : end])
            at = end
            yield kind, payload
        if at:
            del buffer[:at]


class _Large:
    """A payload of which a part has come."""

    __slots__ = ("_place", "kind", "n_left", "payload")

    def __init__(self, kind: bytes, size: int, begun: memoryview) -> None:
        self.kind, self.n_left = kind, size - len(begun)
        self.payload: bytearray | None = None
        try:
            self.payload = bytearray(size)
        except MemoryError:
            return  # what comes is read all the same: behind it are other frames
        self._place = memoryview(self.payload)
        self._place[: len(begun)] = begun
        self._place = self._place[len(begun) :]

    def feed(self, descriptor: int) -> bool:
        """Read once, no further than the payload goes; False at the end of the stream."""
        if self.payload is None:
            n_read = len(os.read(descriptor, min(self.n_left, READ_BYTES)))
        else:
            n_read = os.readv(descriptor, [self._place])
            self._place = self._place[n_read:]
        self.n_left -= n_read
        return n_read > 0


class Writer:
    """Holds what a non-blocking descriptor would not take yet."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: list[memoryview] = []

    def put(self, kind: bytes, *payload: Piece) -> None:
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

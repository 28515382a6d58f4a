"""Length-prefixed frames over a pipe: kind, length, payload."""

from __future__ import annotations

from _thread import allocate_lock
from struct import Struct

from amorsize._host.unpatched import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Piece = bytes | bytearray | memoryview

# From the caller to a worker.
#: Run inherited items: data[start:stop].
SPAN = b"S"
#: Run these pickled items.
ITEMS = b"I"
#: The task of the next call with the caller's state, for a new interpreter: a fork has both.
TASK = b"F"
#: Import what a call to come will need, in a worker that has nothing to do.
AHEAD = b"A"
#: The call is over, for workers that stay warm; with `STAY`, until they are told to quit.
END = b"E"
STAY = b"S"
QUIT = b"Q"
# From a worker to the caller.
READY = b"R"
#: Results of a chunk, or of its first part.
DONE = b"D"
#: setup= has raised.
FAILED = b"X"
#: The task cannot be rebuilt from what was sent.
UNFIT = b"U"
#: The worker has finished the call.
FREE = b"E"
#: Output of items.
TEXT = b"T"
#: A log record or a warning of an item.
RECORD = b"L"
#: The field of a log record which tells that the caller is to ask its logger's filters.
UNFILTERED = "_amorsize_unfiltered"
#: A change that an item was seen to make.
NOTICED = b"W"
# Both ways, before the items or results that they belong to.
#: A large part.
PART = b"P"
#: The location of a large part in shared memory.
SHARED = b"M"

_HEADER = Struct("<cQ")
HEADER_BYTES = _HEADER.size
#: Bytes that are read at once. From 128 KiB on each buffer is a mapping of its own: with 256 KiB a
#: read takes 15 us instead of 1.
READ_BYTES = 1 << 16
#: From this size on, joining header and payload costs more than a second write.
BIG_BYTES = 1 << 16


#: Threads left by items may print while results are sent.
_writing = allocate_lock()


def pieces(kind: bytes, *payload: Piece) -> list[Piece]:
    """A frame as pieces to write in turn; small ones are joined."""
    size = sum(map(len, payload))
    header = _HEADER.pack(kind, size)
    if size < BIG_BYTES:
        return [b"".join((header, *payload))]
    return [header, *payload]


def write(descriptor: int, kind: bytes, *payload: Piece) -> None:
    """Write a whole frame to a blocking descriptor."""
    with _writing:
        for part in pieces(kind, *payload):
            n_written = kernel.write(descriptor, part)
            while n_written < len(part):  # only large ones are cut
                n_written += kernel.write(descriptor, memoryview(part)[n_written:])


class Reader:
    """Assembles frames from bytes."""

    __slots__ = ("_buffer", "_large")

    def __init__(self) -> None:
        self._buffer = b""  # what was read and is no frame yet
        self._large: _Large | None = None  # a payload that is read in place

    def feed(self, descriptor: int) -> bool:
        """Read once; False at the end of the stream. May raise BlockingIOError."""
        if self._large is not None and self._large.n_left:
            return self._large.feed(descriptor)
        data = kernel.read(descriptor, READ_BYTES)
        self._buffer = self._buffer + data if self._buffer else data
        return bool(data)

    def frames(self) -> Iterator[tuple[bytes, bytes | bytearray | None]]:
        """The complete frames: kind and payload; None: there was no memory for the payload.

        Small payloads are bytes; large ones are bytearrays that belong to the receiver.
        """
        if self._large is not None:
            if self._large.n_left:
                return
            large, self._large = self._large, None
            yield large.kind, large.payload
        buffer = self._buffer
        at, n_bytes = 0, len(buffer)
        while n_bytes - at >= HEADER_BYTES:
            kind, size = _HEADER.unpack_from(buffer, at)
            begin, end = at + HEADER_BYTES, at + HEADER_BYTES + size
            if n_bytes < end:
                if size >= BIG_BYTES:
                    self._large = _Large(kind, size, memoryview(buffer)[begin:])
                    at = n_bytes
                break
            at = end
            is_large = size >= BIG_BYTES
            yield kind, bytearray(memoryview(buffer)[begin:end]) if is_large else buffer[begin:end]
        if at:
            self._buffer = self._buffer[at:]


class _Large:
    """A large payload that has arrived in part."""

    __slots__ = ("_place", "kind", "n_left", "payload")

    def __init__(self, kind: bytes, size: int, begun: memoryview) -> None:
        self.kind, self.n_left = kind, size - len(begun)
        self.payload: bytearray | None = None
        try:
            self.payload = bytearray(size)
        except MemoryError:
            return  # it is read and dropped, to get to the frames behind it
        self._place = memoryview(self.payload)
        self._place[: len(begun)] = begun
        self._place = self._place[len(begun) :]

    def feed(self, descriptor: int) -> bool:
        """Read once, at most to the end of the payload; False at the end of the stream."""
        if self.payload is None:
            n_read = len(kernel.read(descriptor, min(self.n_left, READ_BYTES)))
        else:
            n_read = kernel.readv(descriptor, [self._place])
            self._place = self._place[n_read:]
        self.n_left -= n_read
        return n_read > 0


class Writer:
    """Buffers frames for a non-blocking descriptor."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: list[Piece] = []

    def put(self, kind: bytes, *payload: Piece) -> None:
        """Queue a frame."""
        self._pending += pieces(kind, *payload)

    def flush(self, descriptor: int) -> bool:
        """Write as much as the pipe takes; True: nothing is left. May raise BrokenPipeError."""
        pending = self._pending
        while pending:
            piece = pending[0]
            try:
                n_written = kernel.write(descriptor, piece)
            except BlockingIOError:
                return False
            if n_written == len(piece):
                del pending[0]
            else:
                pending[0] = memoryview(piece)[n_written:]
        return True

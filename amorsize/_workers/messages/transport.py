"""Sends large payloads through shared memory or the pipe, whichever is faster.

A pickle is small beside its out-of-band buffers. These parts are copied once into a ring buffer and
once out of it; or they are written to the pipe and read from it without further copies.
"""

from __future__ import annotations

from amorsize._workers.messages import framing, serialization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.messages.framing import Piece
    from amorsize._workers.messages.shared_memory import SharedBlock

#: Smaller payloads go through the pipe. At 1 MB both take as long; at 8 MB the pipe takes 1.3 to
#: 1.4 times as long (docs/dev/reliability.md, benchmarks/transport.py).
SHARED_BYTES = 1 << 20


class Transport:
    """One end of the connection between a caller and a worker, apart from the pipes."""

    __slots__ = ("_incoming", "_outgoing", "_parts")

    def __init__(self, shared: SharedBlock | None, slot: int, outgoing: int, incoming: int) -> None:
        self._outgoing = None if shared is None else shared.ring(slot, outgoing, takes=False)
        self._incoming = None if shared is None else shared.ring(slot, incoming, takes=True)
        self._parts: list[bytearray | None] = []  # received before the pickle they belong to

    def packed(
        self, data: bytes, parts: list[memoryview]
    ) -> tuple[list[tuple[bytes, Piece]], bytes, bool]:
        """Frames to send before, what to send as the pickle, whether the pickle is elsewhere."""
        is_large = len(data) >= serialization.PART_BYTES
        if not is_large and not parts:
            return [], data, False
        ring = self._outgoing
        if len(data) + sum(map(len, parts)) < SHARED_BYTES:
            ring = None
        ahead: list[tuple[bytes, Piece]] = []
        for part in parts:
            location = None if ring is None else ring.put(part)
            ahead.append((framing.PART, part) if location is None else (framing.SHARED, location))
        if not is_large:
            return ahead, data, False
        location = None if ring is None else ring.put(data)
        if location is None:
            ahead.append((framing.PART, data))
        return ahead, location or b"", True

    def receive(self, kind: bytes, payload: Piece | None) -> bool:
        """Keep a part for a later pickle; False: the frame is no part."""
        if kind == framing.PART:
            assert payload is None or isinstance(payload, bytearray)
            self._parts.append(payload)
        elif kind == framing.SHARED:
            assert payload is not None
            self._parts.append(self._copied(payload))
        else:
            return False
        return True

    def _copied(self, location: Piece) -> bytearray | None:
        assert self._incoming is not None
        with self._incoming.part_at(location) as part:
            try:
                return bytearray(part)
            except MemoryError:
                return None
            finally:
                self._incoming.taken(location)

    def unpacked(self, data: Piece, *, is_elsewhere: bool) -> Any:
        """Unpickle what `packed` was given.

        Args:
            data: The pickle, or what was sent in its place.
            is_elsewhere: Whether the pickle is at the location in `data`, or without one the last
                part.

        Raises:
            MemoryError: There was no memory for a part.
        """
        if not self._parts and not is_elsewhere:  # as nearly always
            return serialization.loads(data)
        parts, self._parts = self._parts, []
        if None in parts:
            raise MemoryError("what was sent does not fit into the memory that is left")
        if not is_elsewhere:
            return serialization.loads(data, parts)
        if not data:
            pickle = parts.pop()
            assert pickle is not None
            return serialization.loads(pickle, parts)
        assert self._incoming is not None
        with self._incoming.part_at(data) as pickled:
            try:
                return serialization.loads(pickled, parts)
            finally:
                self._incoming.taken(data)

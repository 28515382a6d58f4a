"""How large payloads get from a process to another: through a lane of shared memory, or the pipe.

What is pickled is a small text beside large parts, as pickle calls them out-of-band buffers. Parts
are copied once into the lane and once out of it, or else written to the pipe from where they are
and read from it to where they stay.
"""

from __future__ import annotations

from amorsize._workers import framing, serialization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.framing import Piece
    from amorsize._workers.shared_memory import SharedBlock

# Payloads below this go through the pipe alone: of 1 MB either way takes as long, of 8 MB the pipe
# takes 1.3 to 1.4 times as long (docs/reliability.md, benchmarks/transport.py).
SHARED_BYTES = 1 << 20


class Transport:
    """One end of what a caller and a worker have between them, besides the pipes themselves."""

    __slots__ = ("_incoming", "_outgoing", "_parts")

    def __init__(self, shared: SharedBlock | None, slot: int, outgoing: int, incoming: int) -> None:
        self._outgoing = None if shared is None else shared.lane(slot, outgoing, takes=False)
        self._incoming = None if shared is None else shared.lane(slot, incoming, takes=True)
        self._parts: list[bytearray | None] = []  # received, ahead of what they belong to

    def packed(
        self, data: bytes, parts: list[memoryview]
    ) -> tuple[list[tuple[bytes, Piece]], bytes, bool]:
        """Frames to send ahead, what to send in the pickle's place, and whether it is elsewhere."""
        is_large = len(data) >= serialization.PART_BYTES
        if not is_large and not parts:
            return [], data, False
        lane = self._outgoing
        if len(data) + sum(map(len, parts)) < SHARED_BYTES:
            lane = None
        ahead: list[tuple[bytes, Piece]] = []
        for part in parts:
            ticket = None if lane is None else lane.put(part)
            ahead.append((framing.PART, part) if ticket is None else (framing.LAID, ticket))
        if not is_large:
            return ahead, data, False
        ticket = None if lane is None else lane.put(data)
        if ticket is None:
            ahead.append((framing.PART, data))
        return ahead, ticket or b"", True

    def receive(self, kind: bytes, payload: Piece | None) -> bool:
        """Keep a part for what will follow; False if the frame is something else."""
        if kind == framing.PART:
            assert payload is None or isinstance(payload, bytearray)
            self._parts.append(payload)
        elif kind == framing.LAID:
            assert payload is not None
            self._parts.append(self._copied(payload))
        else:
            return False
        return True

    def _copied(self, ticket: Piece) -> bytearray | None:
        assert self._incoming is not None
        with self._incoming.look(ticket) as part:
            try:
                return bytearray(part)
            except MemoryError:
                return None
            finally:
                self._incoming.taken(ticket)

    def unpacked(self, data: Piece, *, is_elsewhere: bool) -> Any:
        """What was packed, made of its pickle and the parts that came ahead of it.

        Args:
            data: The pickle, or what was sent in its place.
            is_elsewhere: It is a part itself: the last one, unless `data` says where it lies.

        Raises:
            MemoryError: There was no room for a part.
        """
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
        with self._incoming.look(data) as pickled:
            try:
                return serialization.loads(pickled, parts)
            finally:
                self._incoming.taken(data)

"""Memory that a caller shares with its workers: where each of them is, and lanes between them."""

from __future__ import annotations

import os
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap

    from amorsize._workers.framing import Piece

# For each worker and direction. What does not fit goes through the pipe: from 24 MB on that is no
# slower for results (docs/reliability.md).
ROOM_BYTES = 32 << 20
PAGE_BYTES = 1 << 16  # of the largest pages that Linux runs with
ABSENT = -1.0  # in place of a count: nobody takes parts from this lane

_TICKET = Struct("<QQQ")  # the how manieth part of its lane, where it lies, its bytes


class SharedBlock:
    """Numbers that caller and workers share, and behind them two lanes for each worker.

    The memory has no name: it is gone with the last process that has it, however that ends.
    """

    __slots__ = ("_lanes_at", "_map", "_whole", "view")

    # Doubles per worker: index of its item, when that began, items before the next look (0: it is
    # still being rebuilt, with all others of its chunk), parts taken of those it sent, parts it has
    # taken.
    SIZE = 5
    SENT, RECEIVED = 3, 4

    def __init__(
        self, n_workers: int, descriptor: int | None = None, *, is_made: bool = False
    ) -> None:
        """Make it, or map what another process has made.

        Args:
            n_workers: So many have a part of it.
            descriptor: Of memory for it; None: only forks are to have it.
            is_made: Another process has made it of the descriptor.

        Raises:
            OSError: There is no memory to share.
        """
        head_bytes = _in_pages(8 * (1 + self.SIZE * n_workers))
        self._map, has_lanes = _mapped(head_bytes, n_workers, descriptor, is_made=is_made)
        self._lanes_at = head_bytes if has_lanes else None
        self._whole = memoryview(self._map)
        self.view: memoryview[float] = self._whole[:head_bytes].cast("d")
        if not is_made:
            self.view[0] = float("inf")
            for place in range(n_workers):
                self.vacate(self.slot(place))

    def slot(self, place: int) -> int:
        """Where in `view` the numbers of a worker begin."""
        return 1 + self.SIZE * place

    def vacate(self, slot: int) -> None:
        """A worker is gone, or not there yet: it is in no item, and nobody takes its parts."""
        self.view[slot + 1] = 0.0
        self.view[slot + self.SENT] = self.view[slot + self.RECEIVED] = ABSENT

    def lane(self, slot: int, direction: int, *, takes: bool) -> RingBuffer | None:
        """A worker's lane, `SENT` by it or `RECEIVED`, for the side that takes or that puts."""
        if self._lanes_at is None:
            return None
        place = 2 * ((slot - 1) // self.SIZE) + (direction == self.RECEIVED)
        if takes:
            self.view[slot + direction] = 0.0
        start = self._lanes_at + place * ROOM_BYTES
        return RingBuffer(self._whole, start, self.view, slot + direction)

    def empty(self) -> None:
        """Give back what lies in the lanes; they can be used as before."""
        import mmap

        if self._lanes_at is not None and hasattr(mmap, "MADV_REMOVE"):
            self._map.madvise(mmap.MADV_REMOVE, self._lanes_at)

    def close(self) -> None:
        """Give the memory back."""
        try:
            self.view.release()
            self._whole.release()
            self._map.close()
        except BufferError:
            return  # Ctrl-C has come while a part was read: it goes with that


class RingBuffer:
    """Room for parts on their way to another process; used again once all of them were taken."""

    __slots__ = ("_counts", "_end", "_memory", "_n_put", "_place", "_start")

    def __init__(
        self, memory: memoryview, start: int, counts: memoryview[float], place: int
    ) -> None:
        self._memory, self._start = memory, start
        self._counts, self._place = counts, place
        self._end = self._n_put = 0

    def put(self, part: Piece) -> bytes | None:
        """Lay a part down; what tells the other side where it lies, or None: there is no room."""
        n_taken = self._counts[self._place]
        if n_taken == self._n_put:
            self._end = 0
        size = len(part)
        if n_taken == ABSENT or self._end + size > ROOM_BYTES:
            return None
        start = self._start + self._end
        self._memory[start : start + size] = part
        self._end += size
        self._n_put += 1
        return _TICKET.pack(self._n_put, start, size)

    def look(self, ticket: Piece) -> memoryview:
        """The part itself, which stays until it is `taken`."""
        _, start, size = _TICKET.unpack(ticket)
        return self._memory[start : start + size]

    def taken(self, ticket: Piece) -> None:
        """A part is not needed any more, nor are those before it."""
        self._counts[self._place] = _TICKET.unpack(ticket)[0]


def memory_file() -> int:
    """A descriptor of memory without a name, for a new interpreter to map.

    Raises:
        OSError: There is none to be had.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create("amorsize")
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _mapped(
    head_bytes: int, n_workers: int, descriptor: int | None, *, is_made: bool
) -> tuple[mmap, bool]:
    """The memory, and whether there was room for lanes."""
    import mmap

    all_bytes = head_bytes + 2 * ROOM_BYTES * n_workers
    if descriptor is None:  # forks have it without
        try:
            return mmap.mmap(-1, all_bytes), True
        except (OSError, ValueError):  # a limit on memory
            return mmap.mmap(-1, head_bytes), False
    if hasattr(os, "memfd_create"):  # else it is a file, and what is put there is written to disk
        try:
            if not is_made:
                os.ftruncate(descriptor, all_bytes)
            return mmap.mmap(descriptor, all_bytes), True
        except (OSError, ValueError):
            pass  # a limit on memory or files, here or, of which the second tells, at the other end
    if not is_made:
        os.ftruncate(descriptor, head_bytes)
    return mmap.mmap(descriptor, head_bytes), False


def _in_pages(n_bytes: int) -> int:
    return -(-n_bytes // PAGE_BYTES) * PAGE_BYTES

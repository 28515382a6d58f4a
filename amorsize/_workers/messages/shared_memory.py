"""Anonymous memory that a caller shares with its workers."""

from __future__ import annotations

from struct import Struct

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel
from amorsize._workers.messages.pipe_ends import StandardNumbersTaken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap
    from typing import Any

    from amorsize._workers.messages.framing import Piece

#: Size of the ring buffer of a worker in one direction. Larger parts go through the pipe, which is
#: no slower for results from 24 MB on (docs/dev/reliability.md).
ROOM_BYTES = 32 << 20
#: The largest page size of Linux.
PAGE_BYTES = 1 << 16
#: In place of a count if no process reads from this ring buffer.
ABSENT = -1.0

#: Sequence number, offset, size.
_LOCATION = Struct("<QQQ")


class SharedBlock:
    """Counters that caller and workers share, followed by two ring buffers for each worker.

    The memory has no name: it is freed with the last process that maps it, however that ends.
    """

    __slots__ = ("_is_for_forks", "_map", "_rings_at", "_rooms", "_whole", "counters")

    #: Counters of all workers, as doubles: the index of the first item that is not begun any more,
    #: and since when forks wait for the next call (infinite: not, or for as long as it takes).
    STOP, WAITING_SINCE, HEAD = 0, 1, 2
    #: Counters per worker, as doubles: index of its item, start time of the item, items until the
    #: next update (0: it is unpickling its chunk), parts read of those it sent, parts that it has
    #: read.
    SIZE = 5
    SENT, RECEIVED = 3, 4

    def __init__(
        self, n_workers: int, descriptor: int | None = None, *, is_made: bool = False
    ) -> None:
        """Make a block, or map one that another process has made.

        Args:
            n_workers: How many workers use it.
            descriptor: A memory file; None: only forks share the block.
            is_made: Whether another process has made it in that file.

        Raises:
            OSError: There is no memory to share.
        """
        head_bytes = in_pages(8 * (self.HEAD + self.SIZE * n_workers))
        self._map, has_rings = _mapped(head_bytes, n_workers, descriptor, is_made=is_made)
        self._rings_at = head_bytes if has_rings else None
        self._is_for_forks = descriptor is None
        self._rooms: dict[int, tuple[mmap, memoryview] | None] = {}  # of forks, by their places
        self._whole = memoryview(self._map)
        self.counters: memoryview[float] = self._whole[:head_bytes].cast("d")
        if not is_made:
            self.counters[self.STOP] = self.counters[self.WAITING_SINCE] = float("inf")
            for place in range(n_workers):
                self.vacate(self.slot(place))

    def slot(self, place: int) -> int:
        """The index in `counters` of the first one of a worker."""
        return self.HEAD + self.SIZE * place

    def vacate(self, slot: int) -> None:
        """Reset the counters of a worker that has ended or not begun."""
        self.counters[slot + 1] = 0.0
        self.counters[slot + self.SENT] = self.counters[slot + self.RECEIVED] = ABSENT

    def ring(self, slot: int, direction: int, *, takes: bool) -> RingBuffer | None:
        """A ring buffer of a worker, for parts `SENT` by it or `RECEIVED`; None: there is none.

        Args:
            slot: Of the worker.
            direction: `SENT` or `RECEIVED`.
            takes: Whether the calling side reads from it.
        """
        place, memory, start = (slot - self.HEAD) // self.SIZE, self._whole, self._rings_at or 0
        if self._is_for_forks:
            self.make_room(slot)
            if (room := self._rooms[place]) is None:
                return None
            memory, place = room[1], 0
        elif self._rings_at is None:
            return None
        if takes:
            self.counters[slot + direction] = 0.0
        start += ROOM_BYTES * (2 * place + (direction == self.RECEIVED))
        return RingBuffer(memory, start, self.counters, slot + direction)

    def make_room(self, slot: int) -> None:
        """Map the ring buffers of a worker that is about to be forked.

        Each has a mapping of its own, so that a pool that waits takes no more addresses than its
        workers use: a program may limit itself (RLIMIT_AS) at any time.
        """
        place = (slot - self.HEAD) // self.SIZE
        if place not in self._rooms:
            self._rooms[place] = _room()

    def empty(self) -> None:
        """Free the memory of the ring buffers, which stay usable."""
        import mmap

        if not hasattr(mmap, "MADV_REMOVE"):
            return
        if self._rings_at is not None:
            self._map.madvise(mmap.MADV_REMOVE, self._rings_at)
        for place, room in self._rooms.items():
            if room is not None and self._was_used(self.slot(place)):
                room[0].madvise(mmap.MADV_REMOVE)

    def _was_used(self, slot: int) -> bool:
        """Whether a part has gone through a ring buffer of a worker: to free it takes 20 us."""
        return self.counters[slot + self.SENT] > 0 or self.counters[slot + self.RECEIVED] > 0

    def close(self) -> None:
        """Unmap the memory."""
        self._close(self._map, self.counters, self._whole)
        for one, view in filter(None, self._rooms.values()):
            self._close(one, view)

    def _close(self, mapped: mmap, *views: memoryview[Any]) -> None:
        try:
            for view in views:
                view.release()
            mapped.close()
        except BufferError:
            return  # Ctrl-C has interrupted a read, whose view keeps it mapped


class RingBuffer:
    """Room for parts sent to another process, reused once all of them were read."""

    __slots__ = ("_counts", "_end", "_memory", "_n_put", "_place", "_start")

    def __init__(
        self, memory: memoryview, start: int, counts: memoryview[float], place: int
    ) -> None:
        self._memory, self._start = memory, start
        self._counts, self._place = counts, place
        self._end = self._n_put = 0

    def put(self, part: Piece) -> bytes | None:
        """Write a part; gives its location for the other side, or None: there is no room."""
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
        return _LOCATION.pack(self._n_put, start, size)

    def part_at(self, location: Piece) -> memoryview:
        """The part at a location, valid until `taken`."""
        _, start, size = _LOCATION.unpack(location)
        return self._memory[start : start + size]

    def taken(self, location: Piece) -> None:
        """Release a part together with those before it."""
        self._counts[self._place] = _LOCATION.unpack(location)[0]


def memory_file() -> int:
    """A descriptor of anonymous memory, for a new interpreter to map.

    Raises:
        OSError: The system gives none.
    """
    if hasattr(kernel, "memfd_create"):
        with StandardNumbersTaken():
            return kernel.memfd_create("amorsize")
    import tempfile

    with tempfile.TemporaryFile() as file:
        return kernel.dup(file.fileno())


def _room() -> tuple[mmap, memoryview] | None:
    """Memory for the ring buffers of one fork; None: a limit on memory leaves none."""
    import mmap

    try:
        found = mmap.mmap(-1, 2 * ROOM_BYTES)
    except (OSError, ValueError) as error:
        reraise_from_handler(error)
        return None
    return found, memoryview(found)


def _mapped(
    head_bytes: int, n_workers: int, descriptor: int | None, *, is_made: bool
) -> tuple[mmap, bool]:
    """The mapped memory, and whether ring buffers fit."""
    import mmap

    if descriptor is None:  # forks inherit the mapping, and have rooms for rings of their own
        return mmap.mmap(-1, head_bytes), False
    all_bytes = head_bytes + 2 * ROOM_BYTES * n_workers
    if hasattr(kernel, "memfd_create"):  # else it is a file on disk, too slow for large parts
        try:
            if not is_made:
                kernel.ftruncate(descriptor, all_bytes)
            with StandardNumbersTaken():  # it keeps a descriptor of its own
                return mmap.mmap(descriptor, all_bytes), True
        except (OSError, ValueError) as error:
            reraise_from_handler(error)
            # A limit on memory or files, here or where it was made.
    if not is_made:
        kernel.ftruncate(descriptor, head_bytes)
    return mmap.mmap(descriptor, head_bytes), False


def in_pages(n_bytes: int) -> int:
    """A number of bytes, rounded up to whole pages."""
    return -(-n_bytes // PAGE_BYTES) * PAGE_BYTES

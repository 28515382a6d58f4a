"""Large parts of a task, laid once into memory that every worker maps: one copy for all of them.

The memory has no name: a worker finds it as a descriptor of its caller, and it is gone when the
last process has let go of it. What a worker writes into its part is its own (copy on write), as if
it had been sent. The loop would have changed the caller's: so the worker asks the kernel, which
page of it is a copy by now.
"""

from __future__ import annotations

import os

from amorsize._workers.shared_memory import PAGE_BYTES, memory_file
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

LENT_BYTES = 1 << 20  # of a task in all: what is smaller goes through the pipe in a millisecond
WRITTEN_BYTES = 64 << 20  # at once; a signal is handled in between
COMPARED_BYTES = 256 << 10  # at once: as much as a core's own cache holds
PAGES_AT_ONCE = 1 << 17
# The last of the 8 bytes that the kernel tells of a page: it is there, or swapped out, and it is
# no page of a file, so it is a copy of this process's own.
_THERE, _OF_FILE = 0xC0, 0x20
_NO_COPY = bytes(one for one in range(256) if not one & _THERE or one & _OF_FILE)


IS_WRITTEN = "an item has written into a large array or table that it shares with the program"


class WrittenInto(SerializationError):  # noqa: N818 - says what happened
    """An item in a worker has written into what the caller has lent."""

    def __init__(self) -> None:
        super().__init__(
            f"{IS_WRITTEN}, in a worker process, whose copy is lost. Return what is to be changed, "
            "or use backend='serial', where all items change the same one."
        )

    def __reduce__(self) -> Any:
        return WrittenInto, ()


class Lent:
    """The caller's side: holds the memory as long as workers may come for it.

    Raises:
        OSError: There is no such memory here, or not enough of it.
    """

    def __init__(self, parts: Sequence[memoryview]) -> None:
        if not os.path.exists("/proc/self/fd"):
            raise OSError("descriptors of other processes cannot be opened here")
        self._descriptor = memory_file()
        self._spans: list[tuple[int, int]] = []
        self._parts = parts
        try:
            self._lay(parts)
        except BaseException:
            self.close()
            raise

    def _lay(self, parts: Sequence[memoryview]) -> None:
        at = 0
        for part in parts:
            flat = part.cast("B")
            self._spans.append((at, len(flat)))
            n_written = 0
            while n_written < len(flat):
                piece = flat[n_written : n_written + WRITTEN_BYTES]
                n_written += os.pwrite(self._descriptor, piece, at + n_written)
            at += -(-len(flat) // PAGE_BYTES) * PAGE_BYTES
        os.ftruncate(self._descriptor, max(at, PAGE_BYTES))

    @property
    def ticket(self) -> tuple[str, list[tuple[int, int]]]:
        """What a worker needs to find the parts."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}", self._spans

    @property
    def n_bytes(self) -> int:
        """Of all parts."""
        return sum(size for _, size in self._spans)

    def has_changed(self) -> bool:
        """Whether the caller's own is another by now than what was lent: 0.4 s for 1 GB."""
        piece = bytearray(COMPARED_BYTES)
        for part, (start, size) in zip(self._parts, self._spans, strict=True):
            flat = part.cast("B")
            for at in range(0, size, COMPARED_BYTES):
                mine = flat[at : at + COMPARED_BYTES]
                with memoryview(piece)[: len(mine)] as read:
                    os.preadv(self._descriptor, [read], start + at)
                    if bytes(read) != bytes(mine):
                        return True
        return False

    def close(self) -> None:
        """Let go of it; workers that have mapped it still have it."""
        descriptor, self._descriptor = self._descriptor, -1
        self._parts = ()
        if descriptor >= 0:
            os.close(descriptor)


class Borrowed:
    """A worker's side: the parts, until it gives them back.

    Raises:
        OSError: It may not open what the caller has, or has no room to map it.
    """

    def __init__(self, ticket: tuple[str, list[tuple[int, int]]]) -> None:
        import mmap

        path, spans = ticket
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._map: Any = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
        finally:
            os.close(descriptor)
        whole = memoryview(self._map)
        self.parts: list[Any] = [whole[at : at + size] for at, size in spans]
        self._address: int | None = None
        self._n_faults = -1  # of this process, when it was last looked

    def is_written(self) -> bool:
        """Whether this process has written into it.

        1 us where it has touched no new page of its memory since the last look; else 4 ms for each
        GB of it that was read. False where the system does not tell.
        """
        from resource import RUSAGE_SELF, getrusage

        n_faults = getrusage(RUSAGE_SELF).ru_minflt
        if n_faults == self._n_faults or self._map is None:
            return False
        try:
            found = self._has_copies()
        except OSError:  # no /proc, or none that tells of pages
            return False
        self._n_faults = getrusage(RUSAGE_SELF).ru_minflt
        return found

    def _has_copies(self) -> bool:
        if self._address is None:
            import ctypes

            self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        from mmap import PAGESIZE

        first, n_pages = self._address // PAGESIZE, -(-len(self._map) // PAGESIZE)
        pages = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        try:
            for at in range(0, n_pages, PAGES_AT_ONCE):
                n_now = min(PAGES_AT_ONCE, n_pages - at)
                told = os.pread(pages, 8 * n_now, 8 * (first + at))
                if told[7::8].translate(None, _NO_COPY):
                    return True
            return False
        finally:
            os.close(pages)

    def give_back(self) -> bool:
        """Unmap it; False where something of the call is still there that refers to it."""
        self.parts = []
        if self._map is not None and not _is_closed(self._map):
            import gc

            gc.collect()  # a function and its globals refer to each other
            if not _is_closed(self._map):
                return False
        self._map = None
        return True


def _is_closed(mapped: Any) -> bool:
    try:
        mapped.close()
    except BufferError:
        return False
    return True

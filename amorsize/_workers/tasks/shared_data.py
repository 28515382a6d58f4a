"""Large data of a task in memory that all workers map, instead of a copy in each.

The memory has no name: a worker opens it through a descriptor of its caller, and it is freed when
the last process has unmapped it. What a worker writes stays in that worker (copy on write), as if
the data had been sent. The loop would have changed the caller's data, so the worker asks the kernel
whether any page was copied.
"""

from __future__ import annotations

import os

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel
from amorsize._workers.messages.shared_memory import PAGE_BYTES, in_pages, memory_file
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: Smaller tasks go through the pipe, in a millisecond.
LENT_BYTES = 1 << 20
#: Bytes per write, so that signals are handled in between.
WRITTEN_BYTES = 64 << 20
#: Bytes per comparison: as much as the cache of a core holds.
COMPARED_BYTES = 256 << 10
#: Pages per read of the page map.
PAGES_AT_ONCE = 1 << 17
# Bits in the last of 8 bytes per page: the page is present or swapped, and belongs to a file. A
# present page of no file is a private copy of this process.
_THERE, _OF_FILE = 0xC0, 0x20
_NO_COPY = bytes(one for one in range(256) if not one & _THERE or one & _OF_FILE)


IS_WRITTEN = "an item has written into a large array or table that it shares with the program"


class WrittenInto(SerializationError):  # noqa: N818 - says what happened
    """An item in a worker has written into data that the caller has lent."""

    def __init__(self) -> None:
        super().__init__(
            f"{IS_WRITTEN}, in a worker process, whose copy is lost. Return what is to be changed, "
            "or use backend='serial', where all items change the same one."
        )

    def __reduce__(self) -> Any:
        return WrittenInto, ()


class Lent:
    """The caller's side: keeps the memory while workers may map it.

    Raises:
        OSError: The system has no such memory, or not enough.
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
                n_written += kernel.pwrite(self._descriptor, piece, at + n_written)
            at += in_pages(len(flat))
        kernel.ftruncate(self._descriptor, max(at, PAGE_BYTES))

    @property
    def location(self) -> tuple[str, list[tuple[int, int]]]:
        """Where a worker finds the parts: a path, with offset and size of each part."""
        return f"/proc/{kernel.getpid()}/fd/{self._descriptor}", self._spans

    @property
    def n_bytes(self) -> int:
        """Size of all parts."""
        return sum(size for _, size in self._spans)

    def has_changed(self) -> bool:
        """Whether the caller has changed its data since. Takes 0.25 s per GB."""
        whole = bytearray(COMPARED_BYTES)
        for part, (start, size) in zip(self._parts, self._spans, strict=True):
            flat = part.cast("B")
            for at in range(0, size, COMPARED_BYTES):
                mine = flat[at : at + COMPARED_BYTES]
                read = whole if len(mine) == len(whole) else bytearray(len(mine))
                kernel.preadv(self._descriptor, [read], start + at)
                if read != mine:  # of a bytearray: compared in C, without a copy of either
                    return True
        return False

    def close(self) -> None:
        """Close it; workers that have mapped it keep it."""
        descriptor, self._descriptor = self._descriptor, -1
        self._parts = ()
        if descriptor >= 0:
            kernel.close(descriptor)


class Borrowed:
    """A worker's side: maps the parts until the end of the call.

    Raises:
        OSError: The worker may not open the memory, or cannot map it.
    """

    def __init__(self, location: tuple[str, list[tuple[int, int]]]) -> None:
        import mmap

        path, spans = location
        descriptor = kernel.open(path, kernel.O_RDONLY | kernel.O_CLOEXEC)
        try:
            self._map: Any = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
        finally:
            kernel.close(descriptor)
        whole = memoryview(self._map)
        self.parts: list[Any] = [whole[at : at + size] for at, size in spans]
        self._address: int | None = None
        self._n_faults = -1  # of this process, at the last check

    def is_written(self) -> bool:
        """Whether this process has written into the parts; False where the system does not tell.

        Takes 1 us without a page fault since the last check, else 4 ms per GB that was read.
        """
        from resource import RUSAGE_SELF, getrusage

        n_faults = getrusage(RUSAGE_SELF).ru_minflt
        if n_faults == self._n_faults or self._map is None:
            return False
        try:
            found = self._has_copies()
        except OSError as error:  # no /proc, or no page map
            reraise_from_handler(error)
            return False
        self._n_faults = getrusage(RUSAGE_SELF).ru_minflt
        return found

    def _has_copies(self) -> bool:
        if self._address is None:
            import ctypes

            self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        from mmap import PAGESIZE

        first, n_pages = self._address // PAGESIZE, -(-len(self._map) // PAGESIZE)
        pages = kernel.open("/proc/self/pagemap", kernel.O_RDONLY | kernel.O_CLOEXEC)
        try:
            for at in range(0, n_pages, PAGES_AT_ONCE):
                n_now = min(PAGES_AT_ONCE, n_pages - at)
                told = kernel.pread(pages, 8 * n_now, 8 * (first + at))
                if told[7::8].translate(None, _NO_COPY):
                    return True
            return False
        finally:
            kernel.close(pages)

    def give_back(self) -> bool:
        """Unmap the parts; False: an object of the call still refers to them."""
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

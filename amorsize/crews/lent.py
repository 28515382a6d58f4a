"""Large parts of a task, laid once into memory that every worker maps: one copy for all of them.

The memory has no name: a worker finds it as a descriptor of its caller, and it is gone when the
last process has let go of it. What a worker writes into its part is its own (copy on write), as if
it had been sent.
"""

from __future__ import annotations

import os

from amorsize.crews.cells import PAGE_BYTES, memory_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

LENT_BYTES = 1 << 20  # of a task in all: what is smaller goes through the pipe in a millisecond
WRITTEN_BYTES = 64 << 20  # at once; a signal is handled in between


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

    def close(self) -> None:
        """Let go of it; workers that have mapped it still have it."""
        descriptor, self._descriptor = self._descriptor, -1
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

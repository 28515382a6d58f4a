"""Items that add up their own CPU time, wherever they run.

Every thread that runs items writes the CPU seconds it spent inside them (`time.thread_time`, so
time in which another process had the core does not count) into a small shared file of its own;
their sum is the CPU time of the items, without that of dispatching, pickling or waiting for them.
Two readings of the thread's clock cost about 0.5 us per item, which is not counted as theirs.
"""

import os
import struct
from _thread import _local, get_native_id
from mmap import mmap
from time import thread_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_own = _local()  # the cell of this thread, once it has run an item


def _forget_cell() -> None:
    global _own
    _own = _local()


os.register_at_fork(after_in_child=_forget_cell)


class Accounted:
    """A job that counts its CPU time: `module.name`, found again by name where it is unpickled."""

    def __init__(self, module: str, name: str, folder: str) -> None:
        self.module, self.name, self.folder = module, name, folder
        __import__(module)
        import sys

        self.job: Callable[[Any], Any] = getattr(sys.modules[module], name)

    def __reduce__(self) -> "tuple[type[Accounted], tuple[str, str, str]]":
        return Accounted, (self.module, self.name, self.folder)

    def __call__(self, item: "Any") -> "Any":
        try:
            cell = _own.cell
        except AttributeError:
            cell = _own.cell = _cell(self.folder)
        before_s = thread_time()
        result = self.job(item)
        cell[0] += thread_time() - before_s
        return result


def items_cpu_s(folder: str) -> float:
    """CPU seconds of all the items that were run so far."""
    total_s = 0.0
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            total_s += struct.unpack("d", file.read(8))[0]
    return total_s


def _cell(folder: str) -> "memoryview[float]":
    """One shared float of this thread, zero at first; it outlives the process."""
    path = os.path.join(folder, f"{os.getpid()}-{get_native_id()}")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.ftruncate(file, 8)
    shared = mmap(file, 8)
    os.close(file)
    return memoryview(shared).cast("d")

"""Items that testify: which of them ran, how often, where and when, told by themselves."""

import os
import time
from _thread import get_ident
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from amorsize._host import resources

CALLER = os.getpid()
MANY_CORES = resources.usable_cpus().n_cores > 1


class Entry(NamedTuple):
    """One start of one item."""

    index: int
    pid: int
    thread: int
    at_s: float  # time.monotonic, which all processes share


class Ledger:
    """A file that items append to; one write each, so that no line is lost or mixed with others.

    Who reads meanwhile may find only the first part of a line that lies on two pages of memory.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        path.touch()

    @classmethod
    def of(cls, path: str) -> "Ledger":
        """The ledger that lies there."""
        return cls(Path(path))

    def entries(self) -> list[Entry]:
        """What the items wrote, in the order in which they began."""
        *lines, _incomplete = Path(self.path).read_text().split("\n")
        fields = (line.split() for line in lines)
        return [Entry(int(i), int(pid), int(ident), float(at)) for i, pid, ident, at in fields]

    def indices(self) -> list[int]:
        """The items that ran, sorted; one that ran twice is there twice."""
        return sorted(entry.index for entry in self.entries())

    def pids(self) -> set[int]:
        """The processes that ran items."""
        return {entry.pid for entry in self.entries()}

    def threads(self) -> set[int]:
        """The threads of the caller's process that ran items."""
        return {entry.thread for entry in self.entries() if entry.pid == os.getpid()}


def note(path: str, index: int) -> None:
    """Append one entry to a ledger."""
    line = b"%d %d %d %.6f\n" % (index, os.getpid(), get_ident(), time.monotonic())
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, line)
    os.close(descriptor)


def noted(index: int, ledger: str) -> int:
    """An item that writes itself down and gives back twice its number."""
    note(ledger, index)
    return 2 * index


def noted_work(index: int, ledger: str, work_s: float = 1e-3) -> int:
    """An item that writes itself down and computes for a while."""
    note(ledger, index)
    compute(work_s)
    return 2 * index


def noted_wait(index: int, ledger: str, wait_s: float = 5e-3) -> int:
    """An item that writes itself down and waits for a while."""
    note(ledger, index)
    time.sleep(wait_s)
    return 2 * index


def compute(work_s: float) -> None:
    """Keep a core busy, holding the GIL, for so much CPU time."""
    until_s = time.thread_time() + work_s
    while time.thread_time() < until_s:
        pass


def compute_if_here() -> None:
    """Compute for 20 ms in the caller and 1 ms elsewhere.

    Sharing a few hundred of these out pays on a busy host as well, where workers come late.
    """
    compute(20e-3 if os.getpid() == CALLER else 1e-3)


def noted_beside(index: int, ledger: str, n_workers: int) -> int:
    """An item that writes itself down and, in a worker, waits until so many have come.

    Those of an earlier call are gone by then. A worker that never comes is waited for 20 s.
    """
    note(ledger, index)
    until_s = time.monotonic() + 20.0
    while os.getpid() != CALLER and time.monotonic() < until_s:
        if sum(map(is_there, Ledger.of(ledger).pids() - {CALLER})) >= n_workers:
            break
        time.sleep(1e-3)
    return 2 * index


def is_there(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def as_list(n_items: int) -> list[int]:
    """The numbers of n items, as a list."""
    return list(range(n_items))


def as_generator(n_items: int) -> Any:
    """The numbers of n items, from an iterator that knows no length."""
    return (index for index in range(n_items))


KINDS: dict[str, Callable[[int], Any]] = {
    "list": as_list,
    "range": range,
    "generator": as_generator,
}

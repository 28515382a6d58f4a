"""One end of a worker's pipe, which is reopened after an item has closed it.

Items may close descriptors that they did not open (`os.closerange`, as daemons do), then open files
that get the same numbers. A report would land in such a file. So an end is identified by more than
its number, and reopened through /proc from the caller's end of the pipe.
"""

from __future__ import annotations

import os

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The numbers of stdin, stdout and stderr.
_STANDARD = range(3)
#: Reading and writing fail as where nothing is open, for other threads as well. Linux has it.
_NEITHER = getattr(kernel, "O_PATH", kernel.O_RDWR)


class End:
    """An end of a pipe in this process.

    Args:
        descriptor: Its number.
        flags: How it is opened: `os.O_RDONLY` or `os.O_WRONLY`.
        parent_pid: The process at the other end.
        others: The descriptor of the other end in that process; negative: unknown.
    """

    __slots__ = ("_descriptor", "_flags", "_is", "_path")

    def __init__(self, descriptor: int, flags: int, parent_pid: int, others: int = -1) -> None:
        self._descriptor, self._flags = descriptor, flags
        self._is: Any = kernel.fstat(descriptor)[:3]
        self._path = f"/proc/{parent_pid}/fd/{others}" if others >= 0 else None

    def number(self) -> int:
        """The descriptor, or another one after an item has closed it. Takes a microsecond.

        Raises:
            BrokenPipeError: It was closed and cannot be reopened: the caller is gone, or the system
                has no /proc.
        """
        if what_is(self._descriptor) == self._is:
            return self._descriptor
        return self._opened_again()

    def _opened_again(self) -> int:
        if self._path is None:
            raise BrokenPipeError("an item has closed the pipe to the caller")
        try:
            # Opening must not block if the other end is gone; reading and writing block as before.
            with StandardNumbersTaken():
                found = kernel.open(self._path, self._flags | kernel.O_NONBLOCK | kernel.O_CLOEXEC)
        except OSError as error:
            reraise_from_handler(error)
            raise BrokenPipeError("the pipe to the caller is gone") from error
        if what_is(found) != self._is:
            kernel.close(found)
            raise BrokenPipeError("the pipe to the caller is gone")
        kernel.set_blocking(found, True)
        self._descriptor = found
        return found


def pipe() -> tuple[int, int]:
    """The two ends of a new pipe."""
    with StandardNumbersTaken():
        return kernel.pipe()


class StandardNumbersTaken:
    """In a block, nothing that is opened gets the number of a standard stream that was closed.

    Else whatever the program prints would be written into it.
    """

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: list[tuple[int, tuple[int, ...] | None]] = []

    def __enter__(self) -> None:
        n_closed = sum(what_is(number) is None for number in _STANDARD)
        try:
            for _ in range(n_closed):
                # The lowest that is free.
                taken = kernel.open(os.devnull, _NEITHER | kernel.O_CLOEXEC)
                self._taken.append((taken, what_is(taken)))
        except OSError:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        for descriptor, was in self._taken:
            close_if(descriptor, was)


def what_is(descriptor: int) -> tuple[int, ...] | None:
    """What tells an open file from another that was given its number; None: it is closed."""
    try:
        return kernel.fstat(descriptor)[:3]
    except OSError as error:
        reraise_from_handler(error)
        return None


def close_if(descriptor: int, was: tuple[int, ...] | None) -> None:
    """Close a descriptor if it still is what it was."""
    if was is not None and what_is(descriptor) == was:
        kernel.close(descriptor)

"""Workers die with their caller, however that ends.

A busy worker cannot look for its caller. So the kernel is asked to kill it (`F_SETSIG`) when the
last writer of a pipe, the caller, is gone. On systems without such signals, workers look for their
caller between chunks.
"""

from __future__ import annotations

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel
from amorsize._workers.messages.pipe_ends import StandardNumbersTaken, close_if, pipe, what_is

SIGKILL = 9
#: The descriptor whose signal kills this process; negative: none.
_held = -1


class ParentDeathPipe:
    """A pipe of the caller that nobody writes to, and that ends with the caller."""

    __slots__ = ("_is", "_writing", "reading")

    def __init__(self) -> None:
        self.reading, self._writing = pipe()
        self._is = what_is(self.reading), what_is(self._writing)

    @property
    def ends(self) -> tuple[int, int]:
        """Both descriptors, which every fork has to close."""
        return self.reading, self._writing

    @property
    def is_open(self) -> bool:
        """Whether the program has not closed it, and opened others under these numbers."""
        return tuple(map(what_is, self.ends)) == self._is

    def close(self) -> None:
        """Close the pipe, unless the program has; workers that still watch it are killed."""
        for descriptor, was in zip(self.ends, self._is, strict=True):
            close_if(descriptor, was)


def die_with_parent(reading: int) -> None:
    """Have the kernel kill this process when the pipe ends."""
    global _held
    try:
        import fcntl

        # The process to signal belongs to the open file, which forks share: open it once more.
        with StandardNumbersTaken():
            flags = kernel.O_RDONLY | kernel.O_NONBLOCK | kernel.O_CLOEXEC
            own = kernel.open(f"/proc/self/fd/{reading}", flags)
        fcntl.fcntl(own, fcntl.F_SETOWN, kernel.getpid())
        fcntl.fcntl(own, fcntl.F_SETSIG, SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | kernel.O_ASYNC)
        _held = own
    except (ImportError, AttributeError, OSError) as error:
        reraise_from_handler(error)
        return  # not Linux: workers look for the caller between chunks


def held() -> int:
    """The descriptor whose signal kills this process; negative: none."""
    return _held


def outlive_parent() -> None:
    """Let this process outlive the caller: something else bounds what it still does."""
    global _held
    held, _held = _held, -1
    try:
        if held >= 0:
            kernel.close(held)
    except OSError as error:
        reraise_from_handler(error)
        return  # an item has closed it

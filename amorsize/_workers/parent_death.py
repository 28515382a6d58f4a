"""A pipe that ends with the caller, and the workers that hold its other end with it.

A worker that computes does not look up. So the kernel is asked to kill it (`F_SETSIG`) when the
last writer of a pipe is gone, which is the caller, however it ended. Between chunks workers look
for their caller by themselves as well, for systems without such signals.
"""

from __future__ import annotations

import os

SIGKILL = 9
_held = -1  # the descriptor by which this process holds on


class Lifeline:
    """The caller's end: it stays open as long as the caller is there."""

    __slots__ = ("_writing", "reading")

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()

    @property
    def ends(self) -> tuple[int, int]:
        """Both descriptors: a fork that is not to hold the line closes them."""
        return self.reading, self._writing

    def close(self) -> None:
        """Let go of it: who still holds on is killed."""
        os.close(self.reading)
        os.close(self._writing)


def hold_on(reading: int) -> None:
    """Have this process killed when the line ends."""
    global _held
    try:
        import fcntl

        # Whom to signal belongs to an open file, which a fork shares: so it is opened once more.
        own = os.open(f"/proc/self/fd/{reading}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(own, fcntl.F_SETSIG, SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | os.O_ASYNC)
        _held = own
    except (ImportError, AttributeError, OSError):
        return  # not Linux: the caller is looked for between chunks


def let_go() -> None:
    """Outlive the line: what is left to do here is bounded by something else."""
    global _held
    held, _held = _held, -1
    try:
        if held >= 0:
            os.close(held)
    except OSError:
        return  # an item has closed it

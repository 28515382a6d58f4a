"""How far each open descriptor was read or written, as the kernel tells.

A descriptor that was open before an item and has moved after it is one that items share, whatever
library hides it. One that has not moved proves nothing: buffers, `pread`, maps of memory, pipes
and sockets other than TCP leave no trace here.
"""

from __future__ import annotations

import os
import stat
import sys
from struct import unpack_from

from amorsize._host.signals import let_through
from amorsize._watching.collector import ClosedByCollector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Marks = dict[int, tuple[Any, Any]]  # by descriptor: which file it is, and where that stands

#: Descriptors that are looked at before and after, at 9 us a file or 12 us a connection.
MAX_LOOKED_AT = 32
#: Descriptors that are asked of which kind they are, at 1.5 us each.
MAX_ASKED = 256
#: Numbers of Linux. Importing `socket` for their names takes 5 ms.
TCP_INFO, IPPROTO_TCP = 11, 6
#: Where in TCP_INFO two counters of 64 bits begin: what the other side has confirmed, what came in.
TCP_COUNTERS = 120


#: Files that our command line reads and writes while items run: no item has moved them.
used_meanwhile: list[Any] = []


class Descriptors:
    """The marks of what is open now: compared with those of later."""

    def __init__(self, first: Iterable[int] = (), among: Marks | None = None) -> None:
        """Look at what is open.

        Args:
            first: Descriptors that are looked at before others.
            among: Only these, as long as they are still the same files.
        """
        self.n_left_out = 0
        self.marks: Marks = {}
        self.untold: list[str] = []  # of which nobody tells later whether they have moved
        is_said = _said_by_program()
        for descriptor in _in_turn(first) if among is None else among:
            if (known := _identity(descriptor)) is None or known[1:3] in is_said:
                continue
            if among is not None and known != among[descriptor][0]:
                continue
            if len(self.marks) >= MAX_LOOKED_AT:
                self.n_left_out += 1
                continue
            mark = place_of(descriptor, known)
            if mark is not None:
                self.marks[descriptor] = known, mark
        files = {descriptor: known for descriptor, (known, _) in self.marks.items()}
        self._collector = ClosedByCollector(files, _identity) if files else None

    def moved(self) -> list[tuple[str, str]]:
        """What has moved since then: its name, and in words what has become of it."""
        found = []
        collector = self._collector
        if collector is not None:
            collector.end()
        for descriptor, (known, mark) in self.marks.items():
            if collector is not None and descriptor in collector.closed:
                continue
            now = _identity(descriptor)
            if now is None:
                name = f"descriptor {descriptor}"
                found.append((name, f"closed {name}, which was open before"))
            elif now != known:
                name = name_of(descriptor)
                found.append((name, f"put {name} in the place of a file that was open before"))
            elif (place := place_of(descriptor, known)) is None:
                self.untold.append(name_of(descriptor))
            elif place != mark:
                name = name_of(descriptor)
                what = "used" if stat.S_ISSOCK(known[0]) else "moved the offset of"
                found.append((name, f"{what} {name}, which was open before"))
        return found


def _in_turn(first: Iterable[int]) -> list[int]:
    """All open descriptors, those that were named first; the latest opened before older ones."""
    try:
        listed = sorted(map(int, os.listdir("/proc/self/fd")), reverse=True)
    except OSError as error:  # not on Linux, or none is left to read it with
        let_through(error)
        listed = []
    named = [one for one in dict.fromkeys(first) if one >= 0]
    return [*named, *(one for one in listed if one not in named)][:MAX_ASKED]


def _identity(descriptor: int) -> tuple[int, int, int] | None:
    """Which file it is: its kind, its device, its number there; None if it is closed."""
    try:
        found = os.fstat(descriptor)
    except OSError as error:
        let_through(error)
        return None
    return stat.S_IFMT(found.st_mode), found.st_dev, found.st_ino


def place_of(descriptor: int, known: tuple[int, int, int]) -> Any:
    """Where a file stands, or what has gone through a connection; None if nobody tells."""
    if stat.S_ISREG(known[0]) or stat.S_ISDIR(known[0]) or stat.S_ISBLK(known[0]):
        return _offset(descriptor)
    return _counters(descriptor) if stat.S_ISSOCK(known[0]) else None


def _offset(descriptor: int) -> int | None:
    """Read from /proc: `lseek` would wait for whoever is reading this file."""
    try:
        return int(_read(f"/proc/self/fdinfo/{descriptor}").split(None, 2)[1])
    except (OSError, IndexError, ValueError) as error:
        let_through(error)
        return None


def _read(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)


def _counters(descriptor: int) -> tuple[int, int] | None:
    """Bytes that the program has written to a TCP connection and read from it; None if it is none.

    Of the kernel's counts, those that wait for the other side, or for the program, are no news:
    they come and go without anybody's doing.
    """
    try:
        import _socket

        copy = os.dup(descriptor)
    except (ImportError, OSError) as error:
        let_through(error)
        return None
    try:  # that it shall not block is said so that the default timeout is not set on it
        kind = _socket.SOCK_STREAM | getattr(_socket, "SOCK_NONBLOCK", 0)
        connection = _socket.socket(_socket.AF_INET, kind, IPPROTO_TCP, copy)
    except OSError as error:
        os.close(copy)
        let_through(error)
        return None
    try:
        return _through(connection)
    except OSError as error:  # a connection of another kind
        let_through(error)
        return None
    finally:
        connection.close()


def _through(connection: Any) -> tuple[int, int] | None:
    for _ in range(4):  # what comes in meanwhile would count twice, or not at all
        waiting = _waiting(connection.fileno())
        info = connection.getsockopt(IPPROTO_TCP, TCP_INFO, 256)
        if waiting == _waiting(connection.fileno()):
            confirmed, received = unpack_from("QQ", info, TCP_COUNTERS)
            return confirmed + waiting[1], received - waiting[0]
    return None


def _waiting(descriptor: int) -> tuple[int, int]:
    """Bytes that came in and were not read, and that went out and were not confirmed."""
    import fcntl
    import termios

    n_in = fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4)
    n_out = fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4)
    return unpack_from("i", n_in)[0], unpack_from("i", n_out)[0]


def name_of(descriptor: int) -> str:
    """What users know it by."""
    try:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError as error:
        let_through(error)
        name = ""
    if name.startswith("/"):
        return name.removesuffix(" (deleted)")
    return f"a connection (descriptor {descriptor})" if name else f"descriptor {descriptor}"


def descriptor_of(handle: Any) -> int:
    """The number a file or connection has; -1 if it has none."""
    try:
        number = handle if type(handle) is int else handle.fileno()
    except Exception as error:  # closed, in memory, or anybody's idea of `fileno`
        let_through(error)
        return -1
    return number if type(number) is int else -1


def position(handle: Any) -> Any:
    """Where a file object stands, its buffer included; None if it does not say."""
    try:
        return handle.tell()
    except Exception as error:  # closed, a pipe, or in the midst of `for line in file`
        let_through(error)
        buffer = getattr(handle, "buffer", None)
        return None if buffer is None else position(buffer)


def _said_by_program() -> set[tuple[int, int]]:
    """Files that printing and logging go to: where what items say belongs, in order and whole."""
    files: list[Any] = [1, 2, sys.stdout, sys.stderr, *used_meanwhile]
    if (logging := sys.modules.get("logging")) is not None:
        handlers = [reference() for reference in tuple(getattr(logging, "_handlerList", ()))]
        files.extend(getattr(handler, "stream", None) for handler in handlers)
    numbers = {descriptor_of(file) for file in files if file is not None}
    known = [_identity(number) for number in numbers if number >= 0]
    return {one[1:3] for one in known if one is not None}

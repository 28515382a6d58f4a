"""Tells how far each open descriptor was read or written, from what the kernel knows.

If a descriptor was open before an item and its position has changed after it, items share it,
whichever library hides it. An unchanged position proves nothing: buffers, `pread`, maps of memory,
pipes and sockets other than TCP leave no trace here.
"""

from __future__ import annotations

import os
import stat
import sys
from itertools import chain, islice
from struct import unpack_from

from amorsize._host.signals import reraise_from_handler
from amorsize._watching.collector import ClosedByCollector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Marks = dict[int, tuple[Any, Any]]  # by descriptor: the identity of its file, and the position

#: The most descriptors that are compared. Each takes 9 us for a file, 12 us for a connection.
MAX_LOOKED_AT = 32
#: The most descriptors whose kind is read. Each takes 1.5 us.
MAX_ASKED = 256
#: Numbers of Linux, for which importing `socket` would take 5 ms.
TCP_INFO, IPPROTO_TCP = 11, 6
#: The offset in TCP_INFO of two counters of 64 bits: bytes confirmed by the peer, bytes received.
TCP_COUNTERS = 120


#: Files that our command line reads and writes while items run. Items do not move them.
used_meanwhile: list[Any] = []


class Descriptors:
    """The positions of open descriptors, to be compared with later ones."""

    def __init__(self, first: Iterable[int] = (), among: Marks | None = None) -> None:
        """Read the positions now.

        Args:
            first: Descriptors to read before all others.
            among: Read only these, if they are still the same files; None: all.
        """
        self.n_left_out = 0
        self.marks: Marks = {}
        self.untold: list[str] = []  # their position could not be read again
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
        """What has moved since: its name, and what has happened to it in words."""
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
    """All open descriptors: the named ones first, then those with the highest numbers."""
    try:
        listed = sorted(map(int, os.listdir("/proc/self/fd")), reverse=True)
    except OSError as error:  # not on Linux, or no descriptor is left to read it
        reraise_from_handler(error)
        listed = []
    named = dict.fromkeys(one for one in first if one >= 0)
    others = (one for one in listed if one not in named)
    return [*islice(chain(named, others), MAX_ASKED)]


def _identity(descriptor: int) -> tuple[int, int, int] | None:
    """The identity of an open file: kind, device and inode; None: it is closed."""
    try:
        found = os.fstat(descriptor)
    except OSError as error:
        reraise_from_handler(error)
        return None
    return stat.S_IFMT(found.st_mode), found.st_dev, found.st_ino


def place_of(descriptor: int, known: tuple[int, int, int]) -> Any:
    """The position in a file, or the bytes through a connection; None: unknown."""
    if stat.S_ISREG(known[0]) or stat.S_ISDIR(known[0]) or stat.S_ISBLK(known[0]):
        return _offset(descriptor)
    return _counters(descriptor) if stat.S_ISSOCK(known[0]) else None


def _offset(descriptor: int) -> int | None:
    """The position from /proc: `lseek` would wait for a thread that is reading the file."""
    try:
        return int(_read(f"/proc/self/fdinfo/{descriptor}").split(None, 2)[1])
    except (OSError, IndexError, ValueError) as error:
        reraise_from_handler(error)
        return None


def _read(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)


def _counters(descriptor: int) -> tuple[int, int] | None:
    """Bytes that the program has written to a TCP connection and read from it; None: it is not TCP.

    The kernel counts confirmed and received bytes, which change without the program. So bytes that
    are not confirmed yet are added, and bytes that the program has not read yet are left out.
    """
    try:
        import _socket

        copy = os.dup(descriptor)
    except (ImportError, OSError) as error:
        reraise_from_handler(error)
        return None
    try:  # given as non-blocking, or the default timeout would be set on it
        kind = _socket.SOCK_STREAM | getattr(_socket, "SOCK_NONBLOCK", 0)
        connection = _socket.socket(_socket.AF_INET, kind, IPPROTO_TCP, copy)
    except OSError as error:
        os.close(copy)
        reraise_from_handler(error)
        return None
    try:
        return _through(connection)
    except OSError as error:  # another kind of connection
        reraise_from_handler(error)
        return None
    finally:
        connection.close()


def _through(connection: Any) -> tuple[int, int] | None:
    for _ in range(4):  # again if data arrive meanwhile: they would count twice, or not at all
        waiting = _waiting(connection.fileno())
        info = connection.getsockopt(IPPROTO_TCP, TCP_INFO, 256)
        if waiting == _waiting(connection.fileno()):
            confirmed, received = unpack_from("QQ", info, TCP_COUNTERS)
            return confirmed + waiting[1], received - waiting[0]
    return None


def _waiting(descriptor: int) -> tuple[int, int]:
    """Received bytes that were not read, and sent bytes that were not confirmed."""
    import fcntl
    import termios

    n_in = fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4)
    n_out = fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4)
    return unpack_from("i", n_in)[0], unpack_from("i", n_out)[0]


def name_of(descriptor: int) -> str:
    """The name by which users know a descriptor."""
    try:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError as error:
        reraise_from_handler(error)
        name = ""
    if name.startswith("/"):
        return name.removesuffix(" (deleted)")
    return f"a connection (descriptor {descriptor})" if name else f"descriptor {descriptor}"


def descriptor_of(handle: Any) -> int:
    """The descriptor of a file or connection; -1: it has none."""
    try:
        number = handle if type(handle) is int else handle.fileno()
    except Exception as error:  # closed, in memory, or with a `fileno` of its own
        reraise_from_handler(error)
        return -1
    return number if type(number) is int else -1


def position(handle: Any) -> Any:
    """The position of a file object, which knows its buffer; None: it does not tell."""
    try:
        return handle.tell()
    except Exception as error:  # closed, a pipe, or inside `for line in file`
        reraise_from_handler(error)
        buffer = getattr(handle, "buffer", None)
        return None if buffer is None else position(buffer)


def _said_by_program() -> set[tuple[int, int]]:
    """The files of printing and logging, to which output of items may go."""
    files: list[Any] = [1, 2, sys.stdout, sys.stderr, *used_meanwhile]
    if (logging := sys.modules.get("logging")) is not None:
        handlers = [reference() for reference in tuple(getattr(logging, "_handlerList", ()))]
        files.extend(getattr(handler, "stream", None) for handler in handlers)
    numbers = {descriptor_of(file) for file in files if file is not None}
    known = [_identity(number) for number in numbers if number >= 0]
    return {one[1:3] for one in known if one is not None}

"""Pages of a database, looked at before SQLite is: whether it can be searched in bounded time.

SQLite believes how long a page says that an entry is, and copies all of an entry to compare a key
with it, in one step that nothing interrupts. One that claims 60 MB, of pages that lead in a circle,
takes a minute. Our keys are short: whatever claims more was forged. Rows need no look, as SQLite
is told to refuse those that are too long before it reads them.

The format is that of https://sqlite.org/fileformat2.html; an entry begins with its length.
"""

from __future__ import annotations

import os
import struct
import time

from amorsize.cache import location
from amorsize.cache.empty_database import PAGE_BYTES
from amorsize.cache.sqlite_errors import DamagedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: The largest entry of an index that SQLite keeps within its page.
MAX_KEY_BYTES = 1001

#: Kinds of pages of an index: those that lead to others, and those at the end.
_INNER, _LEAF = 2, 10
_KINDS = (_INNER, _LEAF)
_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_PAGES_AT_ONCE = 256
_N_LOOKS, _BETWEEN_LOOKS_S = 5, 0.02
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def check(folder: str) -> None:
    """Look at each page in the database and in its log, be it in use or not.

    Not to be called while this process has the database open: closing a file lets its locks go.

    Raises:
        DamagedError: One is not as SQLite writes it for us.
    """
    _check_all(os.path.join(folder, location.DATABASE), 0, 0)
    _check_all(os.path.join(folder, location.WAL), _WAL_HEADER_BYTES, _FRAME_HEADER_BYTES)


def _check_all(path: str, start: int, before: int) -> None:
    """Look at a file of pages, each with so many bytes before it."""
    try:
        file = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return
    try:
        header = os.read(file, _WAL_HEADER_BYTES)
        if header[:4] in _WAL_MAGIC and header[8:12] != struct.pack(">I", PAGE_BYTES):
            raise DamagedError("the log of its database was not laid out by amorsize")
        os.lseek(file, start, os.SEEK_SET)
        size, place = before + PAGE_BYTES, start + before
        for part in _parts(file, size * _PAGES_AT_ONCE):
            for at in range(before, len(part), size):
                if part[at] in _KINDS and not _is_sound(part[at : at + PAGE_BYTES]):
                    _look_again(file, place + at - before)
            place += len(part)
    finally:
        os.close(file)


def _look_again(file: int, place: int) -> None:
    """Look at a page until it is sound: another process may be in the middle of writing it."""
    for _ in range(_N_LOOKS):
        time.sleep(_BETWEEN_LOOKS_S)
        if _is_sound(os.pread(file, PAGE_BYTES, place)):
            return
    raise DamagedError("its database held a key that was longer than amorsize writes")


def _parts(file: int, n_bytes: int) -> Iterator[bytes]:
    """What is in an open file, so many bytes at once; what is added meanwhile is not waited for."""
    left = 0
    while not left:
        parts: list[bytes] = []
        left = n_bytes
        while left > 0 and (part := os.read(file, left)):
            parts.append(part)
            left -= len(part)
        yield b"".join(parts)


def _is_sound(page: bytes) -> bool:
    """Whether no entry is too long; a page that is cut short is none to SQLite either."""
    if len(page) < PAGE_BYTES or page[0] not in _KINDS:
        return True
    kind, _, n_entries = struct.unpack_from(">BHH", page)
    first = 12 if kind == _INNER else 8
    if first + 2 * n_entries > PAGE_BYTES:
        return False
    for place in struct.unpack_from(f">{n_entries}H", page, first):
        at = place + 4 if kind == _INNER else place  # after the page that it leads to
        if page[at : at + 1] >= b"\x80" and _number(page, at) > MAX_KEY_BYTES:
            return False
    return True


def _number(page: bytes, at: int) -> int:
    """SQLite's way to write one: seven bits a byte, the last without a mark."""
    number = 0
    for byte in page[at : at + 9]:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return number

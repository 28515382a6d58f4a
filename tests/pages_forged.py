"""Databases whose pages lead in circles: written by hand, as no SQLite would.

https://sqlite.org/fileformat2.html
"""

import contextlib
import sqlite3
import struct
import tempfile
from pathlib import Path

import forged

PAGE = 4096
INNER, LEAF = 2, 10  # kinds of pages of an index


def varint(number):
    """A number as SQLite writes it, seven bits a byte."""
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def page(kind, entry, *, n_entries, last_child=0):
    """A page in which the same entry is found over and over again."""
    header = struct.pack(">BHHHB", kind, 0, n_entries, PAGE - len(entry), 0)
    header += struct.pack(">I", last_child) if kind == INNER else b""
    header += struct.pack(">H", PAGE - len(entry)) * n_entries
    return header.ljust(PAGE - len(entry), b"\0") + entry


def root_of(data, index):
    """The number of the page that an index begins with."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        path.write_bytes(data)
        select = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return connection.execute(select, (index,)).fetchone()[0]


def with_index(index, entry, *, depth, n_entries, more_pages=()):
    """Our database, and an index of so many levels that has the same entry everywhere."""
    data = bytearray(forged.database())
    n_before, root = len(data) // PAGE, root_of(bytes(data), index)
    made = []
    for level in range(depth):
        child = n_before + level + 1
        inner = struct.pack(">I", child) + entry
        made.append(page(INNER, inner, n_entries=n_entries, last_child=child))
    made.append(page(LEAF, entry, n_entries=n_entries))
    data[(root - 1) * PAGE : root * PAGE] = made[0]
    data += b"".join(made[1:]) + b"".join(more_pages)
    data[28:32] = struct.pack(">I", len(data) // PAGE)
    return bytes(data)


def endless_rows(*, depth=3, n_entries=300):
    """An index by which the same row is found 300 ** 4 times."""
    record = bytes([3, 0, 9])  # NULL, and the number 1
    return with_index(
        "Cache_expire_time", varint(len(record)) + record, depth=depth, n_entries=n_entries
    )


def long_keys(claimed_bytes, *, depth=12, n_entries=600):
    """An index whose keys claim to be so long, of one page that leads to itself."""
    n_before = len(forged.database()) // PAGE
    circle = n_before + depth + 1
    within = ((PAGE - 12) * 32 // 255) - 23
    surplus = within + (claimed_bytes - within) % (PAGE - 4)
    n_here = surplus if surplus <= ((PAGE - 12) * 64 // 255) - 23 else within
    kinds = varint(13 + 2 * (claimed_bytes - 40)) + bytes([9])
    record = bytes([len(kinds) + 1]) + kinds + b"profile:a" * 500
    entry = varint(claimed_bytes) + record[:n_here] + struct.pack(">I", circle)
    page_of_circle = (struct.pack(">I", circle) + b"profile:a" * 500)[:PAGE]
    return with_index(
        "Cache_key_raw", entry, depth=depth, n_entries=n_entries, more_pages=[page_of_circle]
    )


def as_log(data):
    """These pages as those of a log that holds all of a database: its WAL."""
    head = forged.wal_header()
    salts, sums = head[16:24], struct.unpack(">2I", head[24:])
    frames = []
    for number in range(1, len(data) // PAGE + 1):
        content = data[(number - 1) * PAGE : number * PAGE]
        is_last = number == len(data) // PAGE
        start = struct.pack(">2I", number, len(data) // PAGE if is_last else 0)
        sums = summed(start + content, sums)
        frames.append(start + salts + struct.pack(">2I", *sums) + content)
    return head + b"".join(frames)


def summed(content, sums):
    """SQLite's sum of a frame, after those before it."""
    a, b = sums
    words = struct.unpack(f"<{len(content) // 4}I", content)
    for x, y in zip(words[::2], words[1::2], strict=True):
        a = (a + x + b) & 0xFFFFFFFF
        b = (b + y + a) & 0xFFFFFFFF
    return a, b

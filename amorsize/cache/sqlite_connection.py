"""Connections that a forged database file can neither run code in nor keep busy for long."""

from __future__ import annotations

import os
import time

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import monotonic
from amorsize.cache import empty_database
from amorsize.cache.sqlite_errors import BUSY, LOCKED, DamagedError, code

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

#: What each connection is set to before it reads anything.
_PRAGMAS = (
    "trusted_schema = OFF",  # a planted table can call no function with side effects
    "cell_size_check = ON",
    "temp_store = MEMORY",  # no file elsewhere either
    "mmap_size = 0",  # a file cut short while it is mapped would kill the process (SIGBUS)
    "synchronous = OFF",  # after a power cut records may be lost, which is allowed: no fsync
    "journal_size_limit = 1048576",
)


def uri(path: str, mode: str) -> str:
    """The path as SQLite takes it with a mode: `rw` makes no file."""
    for sign in "%?#":
        path = path.replace(sign, f"%{ord(sign):02x}")
    return f"file:{path}?mode={mode}"


def identity(path: str) -> tuple[int, int]:
    """Device and inode of the file at this path: which file it is, whatever it is called."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def limit(connection: sqlite3.Connection, most_row_bytes: int) -> None:
    """Hold SQLite to what our statements need, whatever the file says."""
    import sqlite3

    limits = [
        (sqlite3.SQLITE_LIMIT_LENGTH, most_row_bytes),
        (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 0),  # matching one may take for ever
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0),
        (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
    ]
    for name, most in limits:
        connection.setlimit(name, most)


def configure(connection: sqlite3.Connection, most_pages: int) -> None:
    """Set what a connection may do and how large the database may grow."""
    for pragma in (*_PRAGMAS, f"max_page_count = {most_pages}"):
        connection.execute(f"PRAGMA {pragma}")


def is_empty(connection: sqlite3.Connection, most_pages: int) -> bool:
    """Whether nothing was ever written; DamagedError for what is not as `share` makes it."""
    (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    if n_pages == 0:
        return True
    found = [connection.execute(f"PRAGMA {of}").fetchone() for of in ("journal_mode", "page_size")]
    if found != [("wal",), (empty_database.PAGE_BYTES,)]:
        raise DamagedError("its database was not laid out by amorsize")
    if n_pages > most_pages:  # it would count as a full disk
        raise DamagedError("its database was larger than any that amorsize leaves")
    return False


def share(connection: sqlite3.Connection, wait_s: float) -> None:
    """Let processes read while another writes; this is set once and kept in the file.

    It is written without a rollback journal, so that there is never one of ours.
    """
    until_s = monotonic() + wait_s
    while True:
        try:
            connection.execute(f"PRAGMA page_size = {empty_database.PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA auto_vacuum = FULL")  # of use before there are tables only
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:  # SQLite does not wait by itself here
            reraise_from_handler(error)
            if code(error) not in {BUSY, LOCKED} or monotonic() > until_s:
                raise
            time.sleep(0.002)

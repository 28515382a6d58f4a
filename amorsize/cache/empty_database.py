"""A database with nothing in it, put into the folder whole.

SQLite makes a file first and lays it out then, and heeds any journal that it finds meanwhile: one
that somebody plants just then would have it remove whatever file it names. So the first bytes are
made in memory, written to a file without a name, and given the name at once.
"""

from __future__ import annotations

import errno
import os

from amorsize.cache import location

PAGE_BYTES = 4096

#: The tables, letter by letter as diskcache 5.6 lays them out, which finds them there. A column
#: that computes, a check or an index with a condition could run in SQLite for ever, where nothing
#: interrupts it.
LAYOUT = {
    "Settings": "CREATE TABLE Settings ( key TEXT NOT NULL UNIQUE, value)",
    "Cache": (
        "CREATE TABLE Cache ( rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, store_time REAL, "
        "expire_time REAL, access_time REAL, access_count INTEGER DEFAULT 0, tag BLOB, "
        "size INTEGER DEFAULT 0, mode INTEGER DEFAULT 0, filename TEXT, value BLOB)"
    ),
    "Cache_key_raw": "CREATE UNIQUE INDEX Cache_key_raw ON Cache(key, raw)",
    "Cache_expire_time": "CREATE INDEX Cache_expire_time ON Cache (expire_time)",
    "Cache_store_time": "CREATE INDEX Cache_store_time ON Cache (store_time)",
}
_OPEN_FILES = "/proc/self/fd"
#: The errors of file systems that do not know O_TMPFILE.
_UNKNOWN = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
#: Where the header of a database has a 2 for each if there is a WAL.
_WRITE_VERSION, _READ_VERSION = 18, 19


def put(folder: str) -> bool:
    """Put a database where there is none, or one without a byte; whether there is one by now.

    Where the system knows no files without names, or no way to name them, SQLite is to make it.

    Raises:
        OSError: It cannot be written.
    """
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir(_OPEN_FILES):
        return False
    content = _content()
    if content is None:
        return False
    try:
        file = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _UNKNOWN:
            return False
        raise
    try:
        if os.write(file, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
        _name(file, os.path.join(folder, location.DATABASE))
    finally:
        os.close(file)
    return True


def _name(file: int, path: str) -> None:
    try:
        if os.lstat(path).st_size == 0:
            os.unlink(path)
    except FileNotFoundError:
        pass
    try:
        # src_dir_fd is of no account with such a path, but has Python follow its last link
        os.link(f"{_OPEN_FILES}/{file}", path, src_dir_fd=file, follow_symlinks=True)
    except FileExistsError:  # another process was quicker
        return


def _content() -> bytes | None:
    """The bytes of it; None where SQLite was built without what tells them."""
    import sqlite3

    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        if not hasattr(connection, "serialize"):
            return None
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = FULL")  # of use before there are tables only
        for statement in LAYOUT.values():
            connection.execute(statement)
        content = bytearray(connection.serialize())
    finally:
        connection.close()
    content[_WRITE_VERSION] = content[_READ_VERSION] = 2
    return bytes(content)

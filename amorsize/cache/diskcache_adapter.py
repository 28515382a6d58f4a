"""diskcache, held to writing short texts into our database.

Out of the box diskcache unpickles what it finds, and opens or deletes the files that a row names
(CVE-2025-69872, which `diskcache.JSONDisk` does not prevent). So nothing is read through it:
`amorsize.cache` reads by one SQL statement of its own. What is written is plain text in a row.
"""

from __future__ import annotations

import time

import diskcache

from amorsize.cache.empty_database import LAYOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from typing import Any, NoReturn


# All of diskcache's settings, so that none is taken from the file or from its next version.
_SETTINGS = {
    "statistics": 0,
    "tag_index": 0,
    "eviction_policy": "least-recently-stored",  # reading then writes nothing
    "cull_limit": 10,
    "sqlite_auto_vacuum": 1,  # the `sqlite_` ones are only noted: `cache` set up the connection
    "sqlite_cache_size": 2**9,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,
    "sqlite_synchronous": 0,
    "disk_min_file_size": 0,
    "disk_pickle_protocol": 0,
}


# What claims to be newer than all that will be learned would stay, and have ours go in its stead.
_OF_THE_FUTURE = (
    "DELETE FROM Cache WHERE rowid IN (SELECT rowid FROM Cache WHERE store_time > ? LIMIT 1000)"
)
#: A record may be newer than now by this many seconds, because clocks are set.
_AHEAD_S = 86_400.0


class TextDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache ships no types
    """What diskcache may store: a text under a text. It reads nothing and touches no file."""

    def put(self, key: object) -> tuple[str, bool]:
        """The key's columns: the text itself, marked as not pickled."""
        if type(key) is not str:
            raise TypeError(f"a key of the cache is a str, not {type(key).__name__}")
        return key, True

    def store(
        self,
        value: object,
        read: bool,
        key: object = None,  # noqa: ARG002 - diskcache passes it by name
    ) -> tuple[int, int, None, str]:
        """The value's columns: no size beyond the row, mode raw, no file, the text."""
        if read or type(value) is not str:
            raise TypeError(f"a value of the cache is a str, not {type(value).__name__}")
        return 0, 1, None, value

    def get(self, key: object, raw: object) -> NoReturn:
        """Refused: a key could be a pickle."""
        raise NotImplementedError("keys are read by amorsize.cache alone")

    def fetch(self, mode: object, filename: object, value: object, read: object) -> NoReturn:
        """Refused: a value could be a pickle, or name any file."""
        raise NotImplementedError("values are read by amorsize.cache alone")

    def filename(self, key: object = None, value: object = None) -> NoReturn:
        """Refused: no value is ever kept in a file."""
        raise NotImplementedError("values are kept in the database alone")

    def remove(self, file_path: object) -> None:
        """Do nothing: no row of ours has a file, so one that names a file was planted."""


class Shelf(diskcache.Cache):  # type: ignore[misc]
    """diskcache on a connection that it is given, whose waits the giver has bounded.

    By itself it waits up to 60 s for a lock while opening, opens one connection per thread and
    takes attributes and pragmas from the file's table of settings.
    """

    def __init__(
        self, folder: str, connection: sqlite3.Connection, *, timeout_s: float, limit_bytes: int
    ) -> None:
        """Lay the tables out if they are missing, in one transaction: nobody sees half of them."""
        self._connection = connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                connection.execute("DELETE FROM Settings")
                connection.execute(_OF_THE_FUTURE, (time.time() + _AHEAD_S,))
            else:
                for statement in LAYOUT.values():
                    connection.execute(statement)
            super().__init__(folder, timeout_s, TextDisk, size_limit=limit_bytes, **_SETTINGS)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @property
    def _con(self) -> sqlite3.Connection:
        return self._connection

    @property
    def _sql_retry(self) -> Callable[..., sqlite3.Cursor]:
        return self._execute_unless_trigger

    def _execute_unless_trigger(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Lay out no triggers: they would keep counts that nobody reads, and planted ones hide."""
        if statement.startswith("CREATE TRIGGER"):
            return self._connection.cursor()
        return self._connection.execute(statement, *values)

    def reset(self, key: str, value: Any = diskcache.ENOVAL, update: bool = True) -> Any:
        """Read or change a setting, without diskcache's pragmas and their 60 s of waiting."""
        if value is diskcache.ENOVAL:
            select = "SELECT value FROM Settings WHERE key = ?"
            ((value,),) = self._connection.execute(select, (key,)).fetchall()
        elif update:
            change = "UPDATE Settings SET value = ? WHERE key = ?"
            self._connection.execute(change, (value, key))
        setattr(self, key, value)
        return value

    def close(self) -> None:
        """Do nothing: who gave the connection closes it."""

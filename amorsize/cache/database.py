"""The database of the cache: one file in a guarded folder, one bounded connection to it.

What it holds is taken for forged until shown otherwise. The folder must be the user's own and
closed to others, the file a plain one with our tables, a row a short JSON text in its place; and
no statement may run for long, whatever the file makes of it.
"""

from __future__ import annotations

import os

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import monotonic, wall_clock
from amorsize.cache import (
    empty_database,
    families,
    folder_guard,
    location,
    sqlite_connection,
    sqlite_files,
    sqlite_pages,
)
from amorsize.cache.folder_guard import TroubleError
from amorsize.cache.journal import WAIT_S
from amorsize.cache.json_text import MAX_RECORD_BYTES, RefusedError, decoded, encoded
from amorsize.cache.sqlite_errors import BUSY, LOCKED, TOOBIG, DamagedError, code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.cache.diskcache_adapter import Shelf

#: Beyond this size the oldest records go. It holds some thousand profiles.
SIZE_LIMIT_BYTES = 32 * 1024**2
#: A function that was not called for half a year is learned again.
KEPT_S = 180 * 86_400.0

#: A row holds a key, a value and other columns; the texts of the tables are rows as well.
_MAX_ROW_BYTES = MAX_RECORD_BYTES + 8 * 1024
#: No record of ours is so short that a database held more rows than this.
_MOST_ROWS = 100_000
#: Records of a function that are read to find the one that fits best.
_MOST_OF_A_FUNCTION = 64
#: Attempts to open a file that others replace meanwhile.
_N_TRIES = 5
#: Steps of SQLite's machine, 5 us if all is well, between two looks at the clock.
_STEPS_BETWEEN_LOOKS = 500

_FOUND: set[tuple[bytes, bytes | None]] = {(b"sqlite_autoindex_Settings_1", None)}
_FOUND |= {(name.encode(), sql.encode()) for name, sql in empty_database.LAYOUT.items()}


def opened(folder: str, *, creating: bool) -> Store | None:
    """The database of this folder; None if there is none and `creating` does not ask for one.

    Raises:
        TroubleError: The folder cannot be trusted.
        DamagedError: The file is not a database of ours.
        OSError, sqlite3.Error: As they come; `in_words` and `means_damage` know them.
    """
    guarded = folder_guard.guarded(folder, creating=creating)
    if guarded is None:
        return None
    for _ in range(_N_TRIES):
        try:
            return _opened(guarded, creating=creating)
        except sqlite_files.GoneError:
            continue
    raise TroubleError("its database was replaced again and again while it was opened")


def _opened(guarded: str, *, creating: bool) -> Store | None:
    """The same in a folder that can be trusted; GoneError if its files changed meanwhile."""
    is_there = sqlite_files.check(guarded)
    if not is_there:
        if not creating:
            return None
        is_there = empty_database.put(guarded)
    sqlite_pages.check(guarded)
    store = Store(guarded, creating=creating, is_there=is_there)
    try:
        if store.has_tables() or creating:
            if creating:
                store.shelf()
            return store
    except BaseException:
        store.close()
        raise
    store.close()
    return None


def move_aside(folder: str, *, is_kept: bool) -> str | None:
    """Rename a damaged database and return its new place; None if somebody else was quicker.

    `is_kept=False` removes it from there, before a new one needs the room.
    """
    guarded = folder_guard.guarded(folder, creating=False)
    if guarded is None:
        return None
    aside = sqlite_files.move_aside(guarded)
    if not is_kept:
        sqlite_files.remove_aside(guarded)
    return aside


class Store:
    """An open database; one thread at a time may use it."""

    def __init__(self, folder: str, *, creating: bool, is_there: bool) -> None:
        import sqlite3

        self._folder = folder
        self._shelf: Shelf | None = None
        self.allow(WAIT_S)
        path = os.path.join(folder, location.DATABASE)
        # Where there is no file yet there is nothing to hold, nor a journal to heed.
        self._hold = sqlite_files.Hold(folder)
        try:
            self._connection = connection = sqlite3.connect(
                sqlite_connection.uri(path, "rw" if is_there else "rwc"),
                timeout=WAIT_S,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )
        except BaseException as error:
            has_gone = is_there and self._hold.has_gone()
            self._hold.close()
            if has_gone:
                raise sqlite_files.GoneError from error
            raise
        try:
            if is_there and self._hold.has_gone():  # nothing was read yet, nor a journal looked for
                raise sqlite_files.GoneError
            sqlite_connection.limit(connection, _MAX_ROW_BYTES)
            connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)
            most_pages = 2 * SIZE_LIMIT_BYTES // empty_database.PAGE_BYTES  # oldest not gone yet
            is_empty = sqlite_connection.is_empty(connection, most_pages)
            if is_empty and self._hold.is_held:
                raise DamagedError("its database was cut short")
            sqlite_connection.configure(connection, most_pages)
            if creating and is_empty:
                sqlite_connection.share(connection, WAIT_S)
            self._identity = sqlite_connection.identity(path)
        except BaseException:
            self.close()
            raise

    def is_in(self, folder: str) -> bool:
        """Whether this is still the database of that folder, neither removed nor replaced."""
        try:
            return self._identity == sqlite_connection.identity(
                os.path.join(folder, location.DATABASE)
            )
        except OSError as error:
            reraise_from_handler(error)
            return False

    def allow(self, patience_s: float) -> None:
        """Interrupt statements from so many seconds on."""
        self._patience_s = patience_s
        self._until_s = monotonic() + patience_s

    def has_tables(self) -> bool:
        """Whether our tables are there; DamagedError if there are others."""
        select = "SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master LIMIT ?"
        found = self._connection.execute(select, (len(_FOUND) + 1,)).fetchall()
        if not found:  # just made, by another process or a killed one
            return False
        if set(found) != _FOUND or len(found) != len(_FOUND):
            raise DamagedError("its database was not laid out by amorsize")
        return True

    def read(self, key: str) -> dict[str, Any] | None:
        """The record under a key; RefusedError if what is there was not written by `write`."""
        select = (
            "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1 "
            "AND (expire_time IS NULL OR expire_time > ?)"
        )
        with _RowErrors():
            row = self._connection.execute(select, (key, wall_clock())).fetchone()
        return None if row is None else decoded(_text(*row))

    def write(self, key: str, text: str) -> bool:
        """Put a text, made by `encoded`, under a key; the oldest records make room for it."""
        return bool(self.shelf().set(key, text, expire=KEPT_S))

    def read_family(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Readable records whose keys begin so, by key, the one stored last at the end."""
        select = (
            "SELECT rowid FROM Cache WHERE raw = 1 AND key >= ? AND key < ? "
            "AND typeof(key) = 'text' AND (expire_time IS NULL OR expire_time > ?) "
            "ORDER BY store_time DESC LIMIT ?"
        )
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        rows = self._connection.execute(select, (prefix, end, wall_clock(), _MOST_OF_A_FUNCTION))
        found = []
        for (rowid,) in rows.fetchall():
            try:
                key, text = self._row(rowid)
                if key.startswith(prefix):
                    found.append((key, decoded(text)))
            except RefusedError:
                continue
        return dict(reversed(found))

    def take_in(self, records: dict[str, dict[str, Any]]) -> int:
        """Write records that were noted elsewhere; of each family the oldest go.

        One that could not have been noted is left out: it would be in the way for ever.
        """
        texts = {key: text for key in records if (text := _text_of(key, records[key])) is not None}
        for key, text in texts.items():
            self.write(key, text)
        for family in set(map(families.family_of, texts)):
            found = self.read_family(f"{family}:")
            kept = [key for key in found if families.family_of(key) == family]
            self.delete(tuple(kept[: -families.SIZE]))
        return len(texts)

    def delete(self, keys: tuple[str, ...]) -> int:
        """Remove the records under these keys; how many there were."""
        shelf = self.shelf()
        return sum(bool(shelf.delete(key)) for key in keys)

    def count(self, noted: tuple[str, ...]) -> int:
        """How many records there are, with those under the keys that were noted elsewhere."""
        (n_stored,) = self._connection.execute("SELECT COUNT(*) FROM Cache").fetchone()
        select = "SELECT 1 FROM Cache WHERE key = ? AND raw = 1"
        found = (self._connection.execute(select, (key,)).fetchone() for key in noted)
        return int(n_stored) + sum(row is None for row in found)

    def clear(self) -> bool:
        """Remove all records and all databases that were moved aside; True."""
        try:
            self._connection.execute("DELETE FROM Cache")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception as error:
            reraise_from_handler(error)
            if code(error) in {BUSY, LOCKED}:
                raise
            raise DamagedError("its records could not be removed") from error
        sqlite_files.remove_aside(self._folder)
        return True

    def listed(self, prefix: str) -> list[dict[str, Any] | None]:
        """Each record whose key begins so, with its key as `stored_as`; None for a damaged row.

        Raises:
            DamagedError: There is more than `write` leaves.
            TroubleError: It takes too long.
        """
        select = "SELECT rowid FROM Cache WHERE expire_time IS NULL OR expire_time > ? LIMIT ?"
        rowids = self._connection.execute(select, (wall_clock(), _MOST_ROWS + 1)).fetchall()
        found: list[dict[str, Any] | None] = []
        left_bytes = 2 * SIZE_LIMIT_BYTES if len(rowids) <= _MOST_ROWS else -1
        for (rowid,) in rowids:
            if left_bytes < 0:
                raise DamagedError("its database held more than amorsize leaves")
            if self._is_late():
                raise TroubleError(f"its database is too large to list in {self._patience_s:g} s")
            try:
                key, text = self._row(rowid)
                left_bytes -= len(text)
                if key.startswith(prefix):
                    found.append({**decoded(text), "stored_as": key})
            except RefusedError:
                found.append(None)
        return found

    def _row(self, rowid: int) -> tuple[str, str]:
        """Key and text of a row; RefusedError where they cannot be ours."""
        select = "SELECT key, raw, mode, filename, value FROM Cache WHERE rowid = ?"
        with _RowErrors():
            row = self._connection.execute(select, (rowid,)).fetchone()
        if row is None:  # removed by another process in between
            return "", ""
        key, raw, *value = row
        if type(key) is not str or raw != 1:
            raise RefusedError("its key is not a plain text")
        return key, _text(*value)

    def shelf(self) -> Shelf:
        """What writes, 20 ms to import; lays the tables out where there are none."""
        if self._shelf is None:
            from amorsize.cache.diskcache_adapter import Shelf

            self._shelf = Shelf(
                self._folder, self._connection, timeout_s=WAIT_S, limit_bytes=SIZE_LIMIT_BYTES
            )
        return self._shelf

    def close(self) -> None:
        """Close the connection, which is the last that can be done with it."""
        self._connection.set_progress_handler(None, 0)
        self._connection.close()
        self._hold.close()

    def _is_late(self) -> bool:
        return monotonic() > self._until_s


def _text(mode: object, filename: object, value: object) -> str:
    """The text in a row's columns, taken for forged until shown otherwise."""
    if mode != 1 or filename is not None or type(value) is not str:
        raise RefusedError("its value is not a plain text in its row")
    return value


def _text_of(key: str, record: dict[str, Any]) -> str | None:
    """The text to store, None for what cannot be stored."""
    try:
        return encoded(key, record)
    except (TypeError, ValueError):
        return None


class _RowErrors:
    """Turns what SQLite says of one row into a RefusedError: too large, or not UTF-8."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and code(error) == TOOBIG:
            raise RefusedError("it is too large") from error
        if error is not None and "decode" in str(error):  # raised by Python, without a code
            raise RefusedError("it is not a text") from error

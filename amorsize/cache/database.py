"""The database of the cache: one file in a guarded folder, one bounded connection to it.

What it holds is taken for forged until shown otherwise. The folder must be the user's own and
closed to others, the file a plain one with our tables, a row a short JSON text in its place; and
no statement may run for long, whatever the file makes of it.
"""

from __future__ import annotations

import os
import sys
import time

from amorsize._host.clocks import monotonic
from amorsize.cache import (
    empty_database,
    folder_guard,
    journal,
    network_filesystem,
    sqlite_files,
    sqlite_pages,
)
from amorsize.cache.folder_guard import TroubleError
from amorsize.cache.json_text import MAX_RECORD_BYTES, RefusedError, decoded, encoded
from amorsize.cache.sqlite_files import DamagedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any

    from amorsize.cache.diskcache_adapter import Shelf

HOME_VARIABLE = "AMORSIZE_HOME"

FAMILY_SIZE = 8  # records whose keys differ after their last colon alone: variants of one function
SIZE_LIMIT_BYTES = 32 * 1024**2  # some thousand profiles; beyond, the oldest go
KEPT_S = 180 * 86_400.0  # a function that was not called for half a year is learned anew
WAIT_S = 1.0  # for another process, and for one statement; a get takes 20 us, a put 0.1 ms

_MAX_ROW_BYTES = MAX_RECORD_BYTES + 8 * 1024  # key, value, columns and the texts of the tables
_MOST_ROWS = 100_000  # no record of ours is so short that there were more
_MOST_OF_A_FUNCTION = 64  # records that are looked at to find the one that fits best
_N_TRIES = 5  # to open a file that others replace meanwhile
_STEPS_BETWEEN_LOOKS = 500  # of SQLite's machine, 5 us if all is well, until it looks at the clock

_FOUND: set[tuple[bytes, bytes | None]] = {(b"sqlite_autoindex_Settings_1", None)}
_FOUND |= {(name.encode(), sql.encode()) for name, sql in empty_database.LAYOUT.items()}
_PRAGMAS = (
    "trusted_schema = OFF",  # a planted table can call no function with side effects
    "cell_size_check = ON",
    "temp_store = MEMORY",  # no file elsewhere either
    "mmap_size = 0",  # a file cut short while it is mapped would kill the process (SIGBUS)
    "synchronous = OFF",  # after a power cut records may be lost, which is allowed: no fsync
    "journal_size_limit = 1048576",
)

# SQLite's result codes (their lowest byte): https://sqlite.org/rescode.html
_ERROR, _INTERNAL, _BUSY, _LOCKED, _READONLY, _INTERRUPT, _CORRUPT = 1, 2, 5, 6, 8, 9, 11
_FULL, _CANTOPEN, _SCHEMA, _TOOBIG, _CONSTRAINT, _MISMATCH = 13, 14, 17, 18, 19, 20
_FORMAT, _NOTADB = 24, 26
_MOVED = _READONLY | 4 << 8  # in full: its file was renamed while it was open
# Nothing in our statements, nor in what we write, is wrong or forbidden by our tables.
_DAMAGE = {_ERROR, _INTERNAL, _CORRUPT, _SCHEMA, _TOOBIG, _CONSTRAINT, _MISMATCH, _FORMAT, _NOTADB}
_WORDS = {
    _BUSY: f"another process has kept its database locked for {WAIT_S:g} s",
    _LOCKED: f"another process has kept its database locked for {WAIT_S:g} s",
    _INTERRUPT: "a statement took its database too long, and was interrupted",
    _FULL: "the disk is full",
    _CANTOPEN: "its database cannot be opened or created",
}
_CONSTANT = {
    "database disk image is malformed",
    "file is not a database",
    "attempt to write a readonly database",
    "disk I/O error",
}


# ---- The folder ----


def folder() -> str:
    """Where the database is, or would be; nothing is touched."""
    home = lasting_folder()
    is_given = os.environ.get(HOME_VARIABLE)
    return home if is_given or sys.platform != "linux" else _on_this_host(home)


def lasting_folder() -> str:
    """The same, though it were on another machine: for files that need no locks."""
    if given := os.environ.get(HOME_VARIABLE):
        return os.path.abspath(os.path.expanduser(given))
    if sys.platform == "linux":  # what platformdirs answers, without 20 ms of importing it
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
        return os.path.join(base, "amorsize")
    import platformdirs

    return platformdirs.user_cache_dir("amorsize", appauthor=False)


def _on_this_host(home: str) -> str:
    """The folder, or one of this user's on this host where the home is on another machine."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(runtime) or network_filesystem.remote_type(home) is None:
        return home
    return os.path.join(runtime, "amorsize")


def has_folder() -> bool:
    """Whether there is anything where the folder should be."""
    try:
        return os.path.lexists(folder())
    except OSError:  # a relative AMORSIZE_HOME, and the current folder is gone
        return False


def exists() -> bool:
    """Whether there is a database with something in it."""
    try:
        return os.lstat(os.path.join(folder(), sqlite_files.DATABASE)).st_size > 0
    except (OSError, ValueError):  # ValueError: a NUL in the folder's name
        return False


def has_news() -> bool:
    """Whether something was noted that is not in the database yet."""
    try:
        return journal.exists(folder())
    except OSError:
        return False


def size_bytes() -> int:
    """What the database, its logs and what was noted take."""
    names = (sqlite_files.DATABASE, *sqlite_files.BESIDE, journal.NAME, journal.LEAVING)
    total = 0
    for name in names:
        try:
            total += os.lstat(os.path.join(folder(), name)).st_size
        except (OSError, ValueError):  # not there
            continue
    return total


# ---- The connection ----


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


def move_aside(folder: str) -> str | None:
    """Rename a damaged database and return its new place; None if somebody else was quicker."""
    guarded = folder_guard.guarded(folder, creating=False)
    return None if guarded is None else sqlite_files.move_aside(guarded)


class Store:
    """An open database; one thread at a time may use it."""

    def __init__(self, folder: str, *, creating: bool, is_there: bool) -> None:
        import sqlite3

        self._folder = folder
        self._shelf: Shelf | None = None
        self.allow(WAIT_S)
        path = os.path.join(folder, sqlite_files.DATABASE)
        self._hold = sqlite_files.Hold(
            folder
        )  # of none where there is no file yet, nor a journal to heed
        try:
            self._connection = connection = sqlite3.connect(
                _uri(path, "rw" if is_there else "rwc"),
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
            for limit, most in _limits():
                connection.setlimit(limit, most)
            connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)
            is_empty = _is_empty(connection)
            if is_empty and self._hold.is_held:
                raise DamagedError("its database was cut short")
            for pragma in (*_PRAGMAS, f"max_page_count = {_most_pages()}"):
                connection.execute(f"PRAGMA {pragma}")
            if creating and is_empty:
                _share(connection)
            self._identity = _identity(path)
        except BaseException:
            self.close()
            raise

    def is_in(self, folder: str) -> bool:
        """Whether this is still the database of that folder, neither removed nor replaced."""
        try:
            return self._identity == _identity(os.path.join(folder, sqlite_files.DATABASE))
        except OSError:
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
            row = self._connection.execute(select, (key, time.time())).fetchone()
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
        rows = self._connection.execute(select, (prefix, end, time.time(), _MOST_OF_A_FUNCTION))
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
        for family in {key.rpartition(":")[0] for key in texts}:
            kept = [
                key for key in self.read_family(f"{family}:") if key.rpartition(":")[0] == family
            ]
            self.delete(tuple(kept[:-FAMILY_SIZE]))
        return len(texts)

    def delete(self, keys: tuple[str, ...]) -> int:
        """Remove the records under these keys; how many there were."""
        shelf = self.shelf()
        return sum(bool(shelf.delete(key)) for key in keys)

    def clear(self) -> int:
        """Remove all records and all databases that were moved aside; how many records."""
        try:
            n_cleared = int(self._connection.execute("DELETE FROM Cache").rowcount)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception as error:
            if _code(error) in {_BUSY, _LOCKED}:
                raise
            raise DamagedError("its records could not be removed") from error
        sqlite_files.remove_aside(self._folder)
        return n_cleared

    def survey(self, prefix: str) -> list[dict[str, Any] | None]:
        """Each record whose key begins so, with its key as `stored_as`; None for a damaged row.

        Raises:
            DamagedError: There is more than `write` leaves.
            TroubleError: It takes too long.
        """
        select = "SELECT rowid FROM Cache WHERE expire_time IS NULL OR expire_time > ? LIMIT ?"
        rowids = self._connection.execute(select, (time.time(), _MOST_ROWS + 1)).fetchall()
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


def _uri(path: str, mode: str) -> str:
    """The path as SQLite takes it with a mode: `rw` makes no file."""
    for sign in "%?#":
        path = path.replace(sign, f"%{ord(sign):02x}")
    return f"file:{path}?mode={mode}"


def _identity(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _limits() -> list[tuple[int, int]]:
    """What SQLite is held to, whatever the file says."""
    import sqlite3

    return [
        (sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ROW_BYTES),
        (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 0),  # matching one may take for ever
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0),
        (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
    ]


def _most_pages() -> int:
    """Of a database in which the oldest records have not gone yet."""
    return 2 * SIZE_LIMIT_BYTES // empty_database.PAGE_BYTES


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever written; DamagedError for what is not as `_share` makes it."""
    (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
    if n_pages == 0:
        return True
    found = [connection.execute(f"PRAGMA {of}").fetchone() for of in ("journal_mode", "page_size")]
    if found != [("wal",), (empty_database.PAGE_BYTES,)]:
        raise DamagedError("its database was not laid out by amorsize")
    if n_pages > _most_pages():  # it would count as a full disk
        raise DamagedError("its database was larger than any that amorsize leaves")
    return False


def _share(connection: sqlite3.Connection) -> None:
    """Let readers go on while somebody writes: set once, and kept in the file.

    It is written without a rollback journal, so that there is never one of ours.
    """
    until_s = monotonic() + WAIT_S
    while True:
        try:
            connection.execute(f"PRAGMA page_size = {empty_database.PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA auto_vacuum = FULL")  # of use before there are tables only
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:  # SQLite does not wait by itself here
            if _code(error) not in {_BUSY, _LOCKED} or monotonic() > until_s:
                raise
            time.sleep(0.002)


# ---- What a row holds ----


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
        if error is not None and _code(error) == _TOOBIG:
            raise RefusedError("it is too large") from error
        if error is not None and "decode" in str(error):  # raised by Python, without a code
            raise RefusedError("it is not a text") from error


# ---- What went wrong ----


def means_damage(error: BaseException, ambient: BaseException | None, folder: str) -> bool:
    """Whether this error, raised here, says that this folder's database can be used no more.

    `ambient` is the exception that was being handled before, which is no cause of this one.
    """
    if isinstance(error, RefusedError):  # one record alone
        return False
    # SQLite's own words for a damage may hold bytes of the file that are no text.
    if isinstance(error, DamagedError | UnicodeDecodeError):
        return True
    origin = _origin(error, ambient)
    if _code(origin) == _READONLY and getattr(origin, "sqlite_errorcode", 0) != _MOVED:
        # It says so itself, of a version to come: if not, somebody has closed it on purpose.
        return all(
            os.access(path, os.W_OK) for path in (folder, f"{folder}/{sqlite_files.DATABASE}")
        )
    return _code(origin) in _DAMAGE


def in_words(error: BaseException, ambient: BaseException | None) -> str:
    """What happened, as the part of a sentence."""
    if isinstance(error, RefusedError):
        return f"a record in its database was refused, as {error}"
    if isinstance(error, TroubleError | DamagedError | journal.UnusableError | journal.BusyError):
        return str(error)
    origin = _origin(error, ambient)
    if _code(origin) in _DAMAGE:
        return f"its database was damaged ({_own_words(origin)})"
    if isinstance(origin, OSError):
        where = "" if origin.filename is None else f": {origin.filename!r}"
        return f"{origin.strerror or origin}{where}"
    return _WORDS.get(_code(origin) or 0) or _own_words(origin)


def _own_words(error: BaseException) -> str:
    """What went wrong without a word of the file: a name in it may be advice to the user."""
    text = str(error)
    if type(error).__module__ != "sqlite3" or text in _CONSTANT:
        return text or type(error).__name__
    return str(getattr(error, "sqlite_errorname", "") or type(error).__name__)


def _origin(error: BaseException, ambient: BaseException | None) -> BaseException:
    """The first error of the chain: diskcache covers SQLite's by its own, or by a failed ROLLBACK.

    A disk found full ends the transaction, so that rolling it back fails as well.
    """
    while error.__context__ is not None and error.__context__ is not ambient:
        error = error.__context__
    return error


def _code(error: BaseException) -> int | None:
    """SQLite's result code, without the details in its upper bytes."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF

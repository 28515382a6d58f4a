"""The database of the cache: one file in a guarded folder, one bounded connection to it.

What it holds is taken for forged until shown otherwise. The folder must be the user's own and
closed to others, the file a plain one with our tables, a row a short JSON text in its place; and
no statement may run for long, whatever the file makes of it.
"""

from __future__ import annotations

import os
import stat
import sys
import time

from amorsize.cache import filesystem, inbox
from amorsize.cache.text import MAX_RECORD_BYTES, RefusedError, decoded, encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from typing import Any

    from amorsize.cache.shelf import Shelf

HOME_VARIABLE = "AMORSIZE_HOME"

FAMILY_SIZE = 8  # records whose keys differ after their last colon alone: variants of one function
SIZE_LIMIT_BYTES = 32 * 1024**2  # some thousand profiles; beyond, the oldest go
KEPT_S = 180 * 86_400.0  # a function that was not called for half a year is learned anew
WAIT_S = 1.0  # for another process, and for one statement; a get takes 20 us, a put 0.1 ms

_NAME = "cache.db"
_LOGS = ("-wal", "-shm")  # what SQLite keeps beside it
_N_ASIDE = 3  # damaged ones kept for a look; then the latest replaces the one before
_MAX_ROW_BYTES = MAX_RECORD_BYTES + 8 * 1024  # key, value, columns and the texts of the tables
_PAGE_BYTES = 4096
_MOST_OF_A_FUNCTION = 64  # records that are looked at to find the one that fits best
_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine, some 0.2 ms, until it looks at the clock

_TABLES = frozenset(
    [
        ("table", "Settings"),
        ("index", "sqlite_autoindex_Settings_1"),
        ("table", "Cache"),
        ("index", "Cache_key_raw"),
        ("index", "Cache_expire_time"),
        ("index", "Cache_store_time"),
    ]
)
_COLUMNS = (
    "rowid, key, raw, store_time, expire_time, access_time, access_count, tag, size, mode, "
    "filename, value"
)
_PRAGMAS = (
    "trusted_schema = OFF",  # a planted table can call no function with side effects
    "cell_size_check = ON",
    "mmap_size = 0",  # a file cut short while it is mapped would kill the process (SIGBUS)
    "synchronous = OFF",  # after a power cut records may be lost, which is allowed: no fsync
    "journal_size_limit = 1048576",
)

# SQLite's result codes (their lowest byte): https://sqlite.org/rescode.html
_ERROR, _BUSY, _LOCKED, _INTERRUPT, _CORRUPT, _FULL, _CANTOPEN = 1, 5, 6, 9, 11, 13, 14
_TOOBIG, _CONSTRAINT, _FORMAT, _NOTADB = 18, 19, 24, 26
_DAMAGE = {_CORRUPT, _CONSTRAINT, _FORMAT, _NOTADB}  # our tables constrain nothing that we write
_WORDS = {
    _BUSY: f"another process has kept its database locked for {WAIT_S:g} s",
    _LOCKED: f"another process has kept its database locked for {WAIT_S:g} s",
    _INTERRUPT: f"a statement took its database over {WAIT_S:g} s",
    _FULL: "the disk is full",
    _CANTOPEN: "its database cannot be opened or created",
}


class TroubleError(Exception):
    """The cache cannot be used; the text says why."""


class DamagedError(Exception):
    """The database is not as it was written; the text says what gave it away."""


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
    if not os.path.isabs(runtime) or filesystem.remote_type(home) is None:
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
        return os.stat(os.path.join(folder(), _NAME)).st_size > 0
    except (OSError, ValueError):  # ValueError: a NUL in the folder's name
        return False


def has_news() -> bool:
    """Whether something was noted that is not in the database yet."""
    try:
        return inbox.exists(folder())
    except OSError:
        return False


def size_bytes() -> int:
    """What the database, its logs and what was noted take."""
    names = (_NAME, *(_NAME + log for log in _LOGS), inbox.NAME, inbox.LEAVING)
    total = 0
    for name in names:
        try:
            total += os.lstat(os.path.join(folder(), name)).st_size
        except (OSError, ValueError):  # not there
            continue
    return total


def move_aside(folder: str) -> str | None:
    """Rename a damaged database and return its new place; None if somebody else was quicker."""
    path = os.path.join(folder, _NAME)
    taken = [os.path.lexists(_aside(folder, number)) for number in range(1, _N_ASIDE + 1)]
    aside = _aside(folder, 1 + (taken.index(False) if False in taken else _N_ASIDE - 1))
    try:
        for log in _LOGS:  # first: a log that finds itself beside a new database is replayed there
            _unlink_if_there(path + log)
        os.replace(path, aside)
    except FileNotFoundError:
        return None
    return aside


def _aside(folder: str, number: int) -> str:
    return os.path.join(folder, f"damaged-{number}")


def _unlink_if_there(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def is_guarded(folder: str, *, creating: bool) -> bool:
    """Whether the folder is there; made if `creating`. TroubleError if it cannot be trusted."""
    if "$" in folder:  # diskcache would replace it by the value of a variable
        raise TroubleError(f"there is a `$` in the name of its folder, {folder!r}")
    if os.path.isabs(folder) and (kind := filesystem.remote_type(folder)):
        raise TroubleError(
            f"its folder {folder!r} is on a network file system ({kind}), where processes cannot "
            "rely on each other's locks"
        )
    return is_own(folder, creating=creating)


def is_own(folder: str, *, creating: bool) -> bool:
    """The same for files that need no locks: the folder is the user's and closed to others."""
    if not os.path.isabs(folder):
        raise TroubleError("this user has no home folder")
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        if not creating:
            return False
        os.makedirs(folder, 0o700, exist_ok=True)  # its parents, if missing, as the umask says
        found = os.lstat(folder)
    if problem := _distrust(found):
        raise TroubleError(f"its folder {folder!r} {problem}")
    return True


def _distrust(found: os.stat_result) -> str | None:
    """Why a folder cannot be trusted, as the end of a sentence that begins with its name."""
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link, and could lead anywhere"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if os.name == "posix":  # elsewhere these bits say nothing
        if found.st_uid != os.geteuid():
            return f"belongs to another user (id {found.st_uid})"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "can be written by other users; `chmod go-w` it if what is in it is yours"
    return None


# ---- The connection ----


def opened(folder: str, *, creating: bool) -> Store | None:
    """The database of this folder; None if there is none and `creating` does not ask for one.

    Raises:
        TroubleError: The folder cannot be trusted.
        DamagedError: The file is not a database of ours.
        OSError, sqlite3.Error: As they come; `in_words` and `means_damage` know them.
    """
    if not is_guarded(folder, creating=creating):
        return None
    path = os.path.join(folder, _NAME)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        if not creating:
            return None
    else:
        if not stat.S_ISREG(found.st_mode):
            raise DamagedError("its database was not a plain file")
    store = Store(folder, creating=creating)
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


class Store:
    """An open database; one thread at a time may use it."""

    def __init__(self, folder: str, *, creating: bool) -> None:
        import sqlite3

        self._folder = folder
        self._shelf: Shelf | None = None
        self.allow(WAIT_S)
        path = os.path.join(folder, _NAME)
        self._connection = connection = sqlite3.connect(
            path, timeout=WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ROW_BYTES)
            connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)
            for pragma in (*_PRAGMAS, f"max_page_count = {2 * SIZE_LIMIT_BYTES // _PAGE_BYTES}"):
                connection.execute(f"PRAGMA {pragma}")
            if creating:
                _share(connection)
            self._identity = _identity(path)
        except BaseException:
            self.close()
            raise

    def is_in(self, folder: str) -> bool:
        """Whether this is still the database of that folder, neither removed nor replaced."""
        try:
            return self._identity == _identity(os.path.join(folder, _NAME))
        except OSError:
            return False

    def allow(self, patience_s: float) -> None:
        """Interrupt statements from so many seconds on."""
        self._until_s = time.monotonic() + patience_s

    def has_tables(self) -> bool:
        """Whether our tables are there; DamagedError if there are others."""
        found = set(self._connection.execute("SELECT type, name FROM sqlite_master").fetchall())
        if not found:  # just made, by another process or a killed one
            return False
        if found != _TABLES:
            raise DamagedError("its database was not laid out by amorsize")
        try:
            self._connection.execute(f"SELECT {_COLUMNS} FROM Cache LIMIT 0")
            self._connection.execute("SELECT key, value FROM Settings LIMIT 0")
        except Exception as error:
            if _code(error) == _ERROR:
                raise DamagedError("its database was not laid out by amorsize") from error
            raise
        return True

    def read(self, key: str) -> dict[str, Any] | None:
        """The record under a key; RefusedError if what is there was not written by `write`."""
        select = (
            "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1 "
            "AND (expire_time IS NULL OR expire_time > ?)"
        )
        with _RowErrors():
            row = self._connection.execute(select, (key, time.time())).fetchone()
        return None if row is None else _decoded(*row)

    def write(self, key: str, text: str) -> bool:
        """Put a text, made by `encoded`, under a key; the oldest records make room for it."""
        return bool(self.shelf().set(key, text, expire=KEPT_S))

    def read_family(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Readable records whose keys begin so, by key, the one stored last at the end."""
        select = (
            "SELECT key, mode, filename, value FROM Cache WHERE raw = 1 AND key >= ? AND key < ? "
            "AND typeof(key) = 'text' AND (expire_time IS NULL OR expire_time > ?) "
            "ORDER BY store_time DESC LIMIT ?"
        )
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        found = []
        rows = self._connection.execute(select, (prefix, end, time.time(), _MOST_OF_A_FUNCTION))
        while True:
            try:
                with _RowErrors():
                    row = rows.fetchone()
                if row is None:
                    break
                found.append((row[0], _decoded(*row[1:])))
            except RefusedError:
                continue
        return dict(reversed(found))

    def take_in(self, records: dict[str, dict[str, Any]]) -> int:
        """Write records that were noted elsewhere; of each family the oldest go."""
        for key, record in records.items():
            self.write(key, encoded(key, record))
        for family in {key.rpartition(":")[0] for key in records}:
            kept = [
                key for key in self.read_family(f"{family}:") if key.rpartition(":")[0] == family
            ]
            self.delete(tuple(kept[:-FAMILY_SIZE]))
        return len(records)

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
        for number in range(1, _N_ASIDE + 1):
            aside = _aside(self._folder, number)
            if os.path.islink(aside) or not os.path.isdir(
                aside
            ):  # no work of ours, and empty or not a person may want it
                _unlink_if_there(aside)
        return n_cleared

    def survey(self, prefix: str) -> list[dict[str, Any] | None]:
        """Each record whose key begins so, with its key as `stored_as`; None for a damaged row."""
        select = "SELECT rowid FROM Cache WHERE expire_time IS NULL OR expire_time > ?"
        rowids = self._connection.execute(select, (time.time(),)).fetchall()
        found: list[dict[str, Any] | None] = []
        for (rowid,) in rowids:
            try:
                key, record = self._row(rowid, prefix)
            except RefusedError:
                found.append(None)
            else:
                if record is not None:
                    found.append({**record, "stored_as": key})
        return found

    def _row(self, rowid: int, prefix: str) -> tuple[str, dict[str, Any] | None]:
        """Key and record of a row; no record where the key begins otherwise."""
        select = "SELECT key, raw, mode, filename, value FROM Cache WHERE rowid = ?"
        with _RowErrors():
            row = self._connection.execute(select, (rowid,)).fetchone()
        if row is None:  # removed by another process in between
            return "", None
        key, raw, *value = row
        if type(key) is not str or raw != 1:
            raise RefusedError("its key is not a plain text")
        return key, _decoded(*value) if key.startswith(prefix) else None

    def shelf(self) -> Shelf:
        """What writes, 20 ms to import; lays the tables out where there are none."""
        if self._shelf is None:
            from amorsize.cache.shelf import Shelf

            self._shelf = Shelf(
                self._folder, self._connection, timeout_s=WAIT_S, limit_bytes=SIZE_LIMIT_BYTES
            )
        return self._shelf

    def close(self) -> None:
        """Close the connection, which is the last that can be done with it."""
        self._connection.set_progress_handler(None, 0)
        self._connection.close()

    def _is_late(self) -> bool:
        return time.monotonic() > self._until_s


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _share(connection: sqlite3.Connection) -> None:
    """Let readers go on while somebody writes: set once, and kept in the file."""
    connection.execute("PRAGMA auto_vacuum = FULL")  # of use before there are tables only
    until_s = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:  # SQLite does not wait by itself here
            if _code(error) not in {_BUSY, _LOCKED} or time.monotonic() > until_s:
                raise
            time.sleep(0.002)


# ---- What a row holds ----


def _decoded(mode: object, filename: object, value: object) -> dict[str, Any]:
    """The record of a row's columns, taken for forged until shown otherwise."""
    if mode != 1 or filename is not None or type(value) is not str:
        raise RefusedError("its value is not a plain text in its row")
    return decoded(value)


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


def means_damage(error: BaseException, ambient: BaseException | None) -> bool:
    """Whether this error, raised here, says that the database can be used no more.

    `ambient` is the exception that was being handled before, which is no cause of this one.
    """
    return isinstance(error, DamagedError) or _code(_origin(error, ambient)) in _DAMAGE


def in_words(error: BaseException, ambient: BaseException | None) -> str:
    """What happened, as the part of a sentence."""
    if isinstance(error, RefusedError):
        return f"a record in its database was refused, as {error}"
    if isinstance(error, TroubleError | DamagedError | inbox.UnusableError | inbox.BusyError):
        return str(error)
    origin = _origin(error, ambient)
    if _code(origin) in _DAMAGE:
        return f"its database was damaged ({origin})"
    if isinstance(origin, OSError):
        return f"{origin.strerror or origin}: {origin.filename!r}"
    return _WORDS.get(_code(origin) or 0) or str(origin) or type(origin).__name__


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

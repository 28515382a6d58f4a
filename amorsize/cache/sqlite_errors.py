"""What an error of the database means: damage, or trouble that passes.

SQLite tells by a result code, diskcache covers it by errors of its own.
"""

from __future__ import annotations

import errno
import os

from amorsize.cache import journal, location
from amorsize.cache.folder_guard import TroubleError
from amorsize.cache.journal import WAIT_S
from amorsize.cache.json_text import RefusedError

# SQLite's result codes (their lowest byte): https://sqlite.org/rescode.html
_ERROR, _INTERNAL, BUSY, LOCKED, _READONLY, _INTERRUPT, _IOERR, _CORRUPT = 1, 2, 5, 6, 8, 9, 10, 11
_FULL, _CANTOPEN, _SCHEMA, TOOBIG, _CONSTRAINT, _MISMATCH = 13, 14, 17, 18, 19, 20
_FORMAT, _NOTADB = 24, 26
#: The whole code that says that the database's file was renamed while it was open.
_MOVED = _READONLY | 4 << 8
# Nothing in our statements, nor in what we write, is wrong or forbidden by our tables.
_DAMAGE = {_ERROR, _INTERNAL, _CORRUPT, _SCHEMA, TOOBIG, _CONSTRAINT, _MISMATCH, _FORMAT, _NOTADB}
_WORDS = {
    BUSY: f"another process has kept its database locked for {WAIT_S:g} s",
    LOCKED: f"another process has kept its database locked for {WAIT_S:g} s",
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


class DamagedError(Exception):
    """The database is not as it was written; the text says what gave it away."""


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
    if code(origin) == _READONLY and getattr(origin, "sqlite_errorcode", 0) != _MOVED:
        # It says so itself, of a version to come: if not, somebody has closed it on purpose.
        return all(os.access(path, os.W_OK) for path in (folder, f"{folder}/{location.DATABASE}"))
    return code(origin) in _DAMAGE


def lacks_room(error: BaseException, ambient: BaseException | None) -> bool:
    """Whether the disk may be full: SQLite then cannot even read a database that has a log."""
    origin = _origin(error, ambient)
    return code(origin) in {_FULL, _IOERR} or getattr(origin, "errno", None) == errno.ENOSPC


def in_words(error: BaseException, ambient: BaseException | None) -> str:
    """What happened, as part of a sentence."""
    if isinstance(error, RefusedError):
        return f"a record in its database was refused, as {error}"
    if isinstance(error, TroubleError | DamagedError | journal.UnusableError | journal.BusyError):
        return str(error)
    origin = _origin(error, ambient)
    if code(origin) in _DAMAGE:
        return f"its database was damaged ({_own_words(origin)})"
    if isinstance(origin, OSError):
        where = "" if origin.filename is None else f": {origin.filename!r}"
        return f"{origin.strerror or origin}{where}"
    return _WORDS.get(code(origin) or 0) or _own_words(origin)


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


def code(error: BaseException) -> int | None:
    """SQLite's result code, without the details in its upper bytes."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF

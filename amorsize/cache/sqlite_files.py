"""The files that SQLite would open or make beside the database, looked at before it does.

SQLite believes what lies there by its name: it waits for a pipe, writes through a hard link, takes
a file for the journal of a broken transaction, and removes whatever file that journal names. Our
databases are in WAL mode, so a rollback journal is never ours; the others are plain files of this
user, with no other name.
"""

from __future__ import annotations

import os
import stat

from amorsize._host.signals import reraise_from_handler
from amorsize.cache import file_guard
from amorsize.cache.location import BESIDE, DATABASE, JOURNAL, SHM, WAL
from amorsize.cache.sqlite_errors import DamagedError

#: Damaged databases that are kept for a look; then the latest replaces the one before.
N_ASIDE = 3
ASIDE = tuple(f"damaged-{number}" for number in range(1, N_ASIDE + 1))
#: Bytes of one file, twice what is ever written: recovery reads all of a WAL.
MOST_BYTES = 128 * 1024**2

#: The byte that a writer locks in rollback mode (os.h of SQLite).
_RESERVED_BYTE = 0x40000000 + 1


class GoneError(Exception):
    """The database was taken away, or replaced, while it was opened."""


def check(folder: str) -> bool:
    """Whether there is a database with something in it, once all files are known to be plain.

    A rollback journal is removed. Nothing is opened.

    Raises:
        DamagedError: One is not as SQLite leaves it for us.
    """
    for name in (WAL, SHM):  # before the database: made after it, and removed before it
        _look(folder, name)
    _remove_journal(folder)
    found = _look(folder, DATABASE)
    return found is not None and found.st_size > 0


def _remove_journal(folder: str) -> None:
    path = os.path.join(folder, JOURNAL)
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            raise DamagedError("beside its database lay a folder named as a journal")
        os.unlink(path)
    except FileNotFoundError:
        return


def _look(folder: str, name: str) -> os.stat_result | None:
    """What is known of a file, None where there is none; DamagedError for what is not ours."""
    try:
        found = os.lstat(os.path.join(folder, name))
    except FileNotFoundError:
        return None
    what = "its database" if name == DATABASE else "a file beside its database"
    if problem := file_guard.problem(found, at_most_bytes=MOST_BYTES):
        raise DamagedError(f"{what} {problem}")
    return found


def move_aside(folder: str) -> str | None:
    """Rename a damaged database and return its new place; None if somebody else was quicker."""
    for name in BESIDE:  # first: a log that finds itself beside a new database is replayed there
        path = os.path.join(folder, name)
        if not _unlink_unless_folder(path):
            _rename_aside(folder, path)
    return _rename_aside(folder, os.path.join(folder, DATABASE))


def _rename_aside(folder: str, path: str) -> str | None:
    aside = _free_place(folder)
    try:
        _unlink_unless_folder(aside)  # a folder cannot take the place of a file
        os.replace(path, aside)
    except FileNotFoundError:
        return None
    return aside


def remove_aside(folder: str) -> None:
    """Remove what was moved aside; a folder is no work of ours and may be wanted."""
    for name in ASIDE:
        _unlink_unless_folder(os.path.join(folder, name))


def _unlink_unless_folder(path: str) -> bool:
    """Remove what has this name, be it a link or a pipe; whether it is no more."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            return False
        os.unlink(path)
    except FileNotFoundError:
        pass
    return True


def _free_place(folder: str) -> str:
    """Where to move what was damaged: a name that is free, or that of the last file."""
    paths = [os.path.join(folder, name) for name in ASIDE]
    free = [path for path in paths if not os.path.lexists(path)]
    files = [path for path in paths if os.path.islink(path) or not os.path.isdir(path)]
    return (free or files[-1:] or paths)[0]


class Hold:
    """A lock; while it is held, SQLite takes no file for the journal of a broken transaction.

    It lets a journal be where a writer seems to be at it: where somebody holds the lock of writers
    in rollback mode, which nobody needs for a database of ours. So even a journal that is planted
    between a look and the connection is never opened.
    """

    def __init__(self, folder: str) -> None:
        self._file: int | None = None
        self._path = os.path.join(folder, DATABASE)
        try:
            import fcntl
            import struct

            # start, length, process: an own lock of this file, which no other close() lets go
            order = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, _RESERVED_BYTE, 1, 0)
            self._file = os.open(self._path, os.O_RDONLY | file_guard.SAFELY)
            if os.fstat(self._file).st_size == 0:  # who lays it out needs that lock for a moment
                self.close()
            else:
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, order)
        except FileNotFoundError:
            return
        except (ImportError, AttributeError, OSError) as error:  # there are no such locks here
            reraise_from_handler(error)
            self.is_possible = False

    is_possible = True

    def has_gone(self) -> bool:
        """Whether the file was taken away, or replaced, since it was looked at."""
        if self._file is None:
            return self.is_possible
        try:
            return not os.path.samestat(os.fstat(self._file), os.lstat(self._path))
        except FileNotFoundError:
            return True

    @property
    def is_held(self) -> bool:
        """Whether there was a file with something in it."""
        return self._file is not None

    def close(self) -> None:
        """Let go, once the connection is closed: it would lose its own locks by this."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

"""A journal of what processes learned lately: a line for each record, read without SQLite.

Importing SQLite, opening a database and having diskcache write to it takes 20 to 50 ms, a good part
of a call that is worth remembering; a line takes 0.1 ms. The file is emptied into the database when
it has grown. It lies in the same guarded folder, and what it holds is believed as little.
"""

from __future__ import annotations

import errno
import os
import time

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import monotonic
from amorsize.cache import file_guard
from amorsize.cache.json_text import MAX_RECORD_BYTES, RefusedError, decoded, quoted

try:
    import fcntl
except ImportError:  # Windows: appending is all there is
    fcntl = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NAME = "journal.jsonl"
#: Lines that are being put into the database. They can be read until that is done.
LEAVING = "journal-leaving.jsonl"
#: A journal larger than this is compacted. It holds some hundred profiles, read in a millisecond.
FULL_BYTES = 64 * 1024
#: A journal larger than this was not written by amorsize.
MAX_BYTES = 1024 * 1024
#: Seconds to wait for another process, and for one statement of SQL. A lock is held for a few
#: system calls, a get takes 20 us, a put 0.1 ms.
WAIT_S = 1.0
#: A line holds a record, its key and what JSON puts around them.
_MAX_LINE_BYTES = MAX_RECORD_BYTES + 2048
#: A record takes a hundred bytes at least. Compacting one takes 0.2 ms.
_MAX_LINES = 4096


class UnusableError(Exception):
    """The file is no journal of ours; the text says why."""


class BusyError(Exception):
    """Another process has kept the file locked."""


def exists(folder: str) -> bool:
    """Whether there is a line in it, or in what leaves it."""
    return any(_has_lines(os.path.join(folder, name)) for name in (NAME, LEAVING))


def _has_lines(path: str) -> bool:
    try:
        return os.lstat(path).st_size > 0
    except (OSError, ValueError) as error:
        reraise_from_handler(error)
        return False


def append(folder: str, texts: dict[str, str]) -> int:
    """Add records, made by `json_text.encoded`, under their keys; the file's size then.

    The first line begins with a line's end, so that one that was cut short spoils itself alone.
    """
    lines = [f'{{"key":{quoted(key)},"record":{text}}}\n' for key, text in texts.items()]
    content = ("\n" + "".join(lines)).encode("ascii")
    path = os.path.join(folder, NAME)
    file = _opened_locked(folder, os.O_WRONLY | os.O_APPEND | os.O_CREAT, shared=True)
    try:
        if os.write(file, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.fstat(file).st_size
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(file)


def records(folder: str, *prefixes: str) -> dict[str, dict[str, Any]]:
    """The records whose keys begin with any of these, by key, the one stored last at the end."""
    # The newer first: what leaves it between the two looks is then seen twice, and not never.
    content = [_read(folder, NAME), _read(folder, LEAVING)]
    return _newest(content[1] + b"\n" + content[0], prefixes)


def _read(folder: str, name: str) -> bytes:
    try:
        file = _opened(folder, os.O_RDONLY, name)
    except FileNotFoundError:
        return b""
    try:
        return _content(file)
    finally:
        os.close(file)


def _newest(content: bytes, prefixes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key, record in _lines(content, prefixes):
        found.pop(key, None)
        found[key] = record
    return found


def _lines(content: bytes, prefixes: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What can be read of the lines; a damaged one is none."""
    wanted = [prefix.encode() for prefix in prefixes]
    for line in content.split(b"\n"):
        if not line or not any(one in line for one in wanted):
            continue
        try:
            entry = decoded(line.decode("ascii"), at_most_bytes=_MAX_LINE_BYTES)
        except (RefusedError, UnicodeDecodeError):
            continue
        key, record = entry.get("key"), entry.get("record")
        if type(key) is str and key.startswith(prefixes) and type(record) is dict:
            yield key, record


class Emptying:
    """A compaction: the lines are put aside at once, and removed when the database has them.

    Appending never waits for it. If another process is compacting, there is nothing to do here.
    Lines that a killed process has put aside are compacted again.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, LEAVING)
        left_behind = os.path.lexists(self._path)
        if not left_behind:
            _put_aside(folder)
        try:
            self._file = _opened(folder, os.O_RDWR, LEAVING)
        except FileNotFoundError:  # nothing was there, or another was quicker
            self._file = -1
            self.records: dict[str, dict[str, Any]] = {}
            return
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.records = _newest(_content(self._file), ("",))
        except BlockingIOError:
            os.close(self._file)
            raise BusyError("another process is putting what was noted into its database") from None
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Emptying:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._file < 0:
            return
        try:
            if kind is None and _is_still(self._file, self._path):
                os.unlink(self._path)
        finally:
            os.close(self._file)


def _put_aside(folder: str) -> None:
    """Give the journal another name, when nobody is in the middle of a line."""
    try:
        file = _opened_locked(folder, os.O_RDWR, shared=False)
    except FileNotFoundError:
        return
    try:
        aside = os.path.join(folder, LEAVING)
        if not os.path.lexists(aside):  # else another process was quicker
            os.rename(os.path.join(folder, NAME), aside)
    finally:
        os.close(file)


def remove(folder: str) -> str | None:
    """Remove the files, which are no journal of ours; a folder in their place, which stays."""
    left = None
    for name in (NAME, LEAVING):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            left = path
        elif os.path.lexists(path):
            os.unlink(path)
    return left


def _opened_locked(folder: str, flags: int, *, shared: bool) -> int:
    """The open journal, locked, and still the journal then."""
    until_s = monotonic() + WAIT_S
    while True:
        file = _opened(folder, flags)
        try:
            _lock(file, until_s, shared=shared)
            if _is_still(file, os.path.join(folder, NAME)):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # put aside in between: there is a new one, or will be


def _is_still(file: int, path: str) -> bool:
    """Whether an open file has this name."""
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except FileNotFoundError:
        return False


def _opened(folder: str, flags: int, name: str = NAME) -> int:
    """The open file; UnusableError if it is not a plain one of this user's, or too large."""
    path = os.path.join(folder, name)
    if not file_guard.is_plain(path):
        raise UnusableError("its journal was not a plain file")
    file = os.open(path, flags | file_guard.SAFELY, 0o600)
    problem = file_guard.problem(os.fstat(file), at_most_bytes=MAX_BYTES)
    if problem:
        os.close(file)
        raise UnusableError(f"its journal {problem}")
    return file


def _content(file: int) -> bytes:
    """What is in it; the size was checked, and bounds what is read if it grows meanwhile."""
    parts, left = [], MAX_BYTES
    while left > 0 and (part := os.read(file, min(left, 1 << 16))):
        parts.append(part)
        left -= len(part)
    content = b"".join(parts)
    if sum(map(bool, content.split(b"\n"))) > _MAX_LINES:
        raise UnusableError("its journal held more lines than amorsize leaves")
    return content


def _lock(file: int, until_s: float, *, shared: bool) -> None:
    if fcntl is None:
        return
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if monotonic() > until_s:
                raise BusyError(
                    f"another process has kept its journal locked for {WAIT_S:g} s"
                ) from None
            time.sleep(0.001)

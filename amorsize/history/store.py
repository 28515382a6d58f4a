"""Keeps results as files in a guarded folder, each named by the digest of its result's name.

A file is written under another name and then put in its place, so that there is a whole one at any
time. It is taken for forged until shown otherwise: a plain file of the user's own, closed to
others, not too large, with one JSON object in it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from amorsize._host.signals import reraise_from_handler
from amorsize.cache import file_guard, folder_guard, location
from amorsize.cache.json_text import RefusedError, decoded
from amorsize.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "history"
#: Bytes of one result, at most. A grid of a thousand plans takes some 200 kB.
MAX_BYTES = 1024 * 1024
#: The most files that are looked at, whatever somebody has put there.
MAX_FILES = 10_000
#: Bytes that are read to list results: some thousand results, in a few seconds.
MAX_TOTAL_BYTES = 64 * 1024 * 1024
_DIGEST_BYTES = 16
_ENDING = ".json"
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def stem(name: str) -> str:
    """What the file of this name is called, without its ending."""
    return blake2b(name.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def write(name: str, document: dict[str, Any], *, replace: bool) -> None:
    """Store a document under a name; HistoryError if that cannot be done."""
    import json

    text = json.dumps(document, allow_nan=False, indent=1)
    if len(text) > MAX_BYTES:
        raise HistoryError(f"the result takes {len(text)} bytes, more than the {MAX_BYTES} allowed")
    with _named_trouble("saved"):
        folder = _folder(creating=True)
        assert folder is not None
        whole, part = _path(folder, name), os.path.join(folder, f"{os.urandom(8).hex()}.part")
        try:
            file = os.open(part, _WRITE | file_guard.SAFELY, 0o600)
            with open(file, "w", encoding="ascii") as stream:
                stream.write(text + "\n")
                stream.flush()
                os.fsync(file)  # a result may have taken minutes to measure
            _put_in_place(part, whole, replace=replace)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(part)


def _put_in_place(part: str, whole: str, *, replace: bool) -> None:
    """Give the written file its name at once; never over another one unless asked to."""
    if not replace:
        try:
            os.link(part, whole)  # fails where there is one, also if it came a moment ago
            return
        except FileExistsError:
            raise HistoryError("another process has just saved a result of that name") from None
        except OSError as error:  # no hard links here
            reraise_from_handler(error)
    os.replace(part, whole)


def read(name: str) -> dict[str, Any] | None:
    """The document stored under a name; None if there is none.

    Raises:
        HistoryError: What is there is no file of ours, or no document.
    """
    with _named_trouble("read"):
        folder = _folder(creating=False)
        try:
            return None if folder is None else _read(_path(folder, name))
        except FileNotFoundError:
            return None
        except RefusedError as error:
            raise HistoryError(f"the result {name!r:.120} was refused, as {error}") from None


def all_documents() -> Iterator[tuple[str, dict[str, Any] | None]]:
    """The stem of each file, and what is in it; None where that was refused, or is too much."""
    with _named_trouble("read"):
        folder = _folder(creating=False)
        left_bytes = MAX_TOTAL_BYTES  # one file may have ten thousand names
        for file in [] if folder is None else _ours(folder):
            path = os.path.join(str(folder), file)
            try:
                left_bytes -= min(os.lstat(path).st_size, MAX_BYTES)
                yield file.removesuffix(_ENDING), _read(path) if left_bytes >= 0 else None
            except FileNotFoundError:
                continue
            except (RefusedError, OSError) as error:
                reraise_from_handler(error)
                yield file.removesuffix(_ENDING), None


def exists(name: str) -> bool:
    """Whether there is anything in the place of this name's file."""
    with _named_trouble("read"):
        folder = _folder(creating=False)
        return folder is not None and os.path.lexists(_path(folder, name))


def remove(name: str) -> bool:
    """Remove the file of this name; whether there was one."""
    with _named_trouble("removed"):
        folder = _folder(creating=False)
        return folder is not None and _unlink(_path(folder, name))


def clear() -> int:
    """Remove all files of results, and what killed writers left behind; how many results."""
    with _named_trouble("removed"):
        folder = _folder(creating=False)
        if folder is None:
            return 0
        n_removed = sum(_unlink(os.path.join(folder, file)) for file in _ours(folder))
        for file in os.listdir(folder):
            if file.endswith(".part"):
                _unlink(os.path.join(folder, file))
        return n_removed


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _folder(*, creating: bool) -> str | None:
    """The folder of the results, which can be trusted; None where there is none."""
    home = folder_guard.own(location.lasting_folder(), creating=creating)
    return None if home is None else folder_guard.own(os.path.join(home, FOLDER), creating=creating)


def _path(folder: str, name: str) -> str:
    return os.path.join(folder, stem(name) + _ENDING)


def _ours(folder: str) -> list[str]:
    """The files that are called like those of results."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            own, ending = os.path.splitext(entry.name)
            digits = set(own) <= set("0123456789abcdef") and len(own) == 2 * _DIGEST_BYTES
            if ending == _ENDING and digits:
                found.append(entry.name)
            if len(found) == MAX_FILES:
                break
    return found


def _read(path: str) -> dict[str, Any]:
    """The JSON object in a file; RefusedError if it is no file of ours or holds something else."""
    try:
        if not file_guard.is_plain(path):
            raise RefusedError("it was not a plain file")
        file = os.open(path, os.O_RDONLY | file_guard.SAFELY)
    except FileNotFoundError:
        raise
    except OSError as error:
        reraise_from_handler(error)
        raise RefusedError("it cannot be opened as a plain file") from error
    with open(file, "rb") as stream:
        found = os.fstat(file)
        if why := file_guard.problem(found, at_most_bytes=MAX_BYTES + 1, may_have_names=True):
            raise RefusedError(f"it {why}")
        content = stream.read(MAX_BYTES + 2) or b""
    try:
        return decoded(content.decode("ascii"), at_most_bytes=MAX_BYTES + 1)
    except UnicodeDecodeError:
        raise RefusedError("it is not a text in ASCII") from None


@contextmanager
def _named_trouble(done: str) -> Iterator[None]:
    """Turn what goes wrong with the folder into one error that says what to do."""
    try:
        yield
    except folder_guard.TroubleError as error:
        why = str(error)
    except OSError as error:
        reraise_from_handler(error)
        if isinstance(error, HistoryError):
            raise
        where = "" if error.filename is None else f": {error.filename!r}"  # a full disk names none
        why = f"{error.strerror or error}{where}"
    else:
        return
    raise HistoryError(
        f"results cannot be {done}: {why}. To keep them elsewhere set "
        f"{location.HOME_VARIABLE} to a folder of your own."
    ) from None

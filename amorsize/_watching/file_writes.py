"""Notes which files one item changes, as Python reports to audit hooks.

The hooks also learn what C code does. A hook cannot be removed. So ours is installed when the first
item is watched, and returns at once (0.3 us per event) while no item is watched.

A database file counts as changed if it differs after the item: SQLite lets one connection write at
a time, and refuses others after a while.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident

from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The most paths that are noted of one item.
MOST_PATHS = 1000
#: Audit events with the places of their arguments that are paths which change. Beside each is the
#: place of the open folder that the path starts from; None: there is no such argument.
_CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "shutil.copyfile": ((1, None),),
    "shutil.move": ((0, None), (1, None)),
    "shutil.rmtree": ((0, 1),),
}
_CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_HEEDED = {"open", "sqlite3.connect", *_CHANGES, *_CONNECTING}
_WRITES = os.O_WRONLY | os.O_RDWR
#: The flag that opens a file without a name in its folder.
_NAMELESS = getattr(os, "O_TMPFILE", -1)
_installed = False
#: Who watches a thread, by its ident. An item may contain another call, whose watcher comes last.
_noting: dict[int, list[FilesChanged]] = {}


class FilesChanged:
    """Collects in `paths` the files that this thread changes inside a `with` block.

    `connects` tells whether it has opened a connection, or sent to an address.

    Files that are only appended to are left out: items may add lines to a shared file in any order.
    Folders are left out: `os.makedirs(..., exist_ok=True)` in each item does no harm.
    """

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.connects = False
        self._databases: dict[str, Any] = {}  # opened ones, with the earlier state of their files

    def __enter__(self) -> FilesChanged:
        global _installed
        if not _installed:
            _installed = True
            sys.addaudithook(_hook)
        _noting.setdefault(get_ident(), []).append(self)
        return self

    def __exit__(self, *_: object) -> None:
        noting = _noting[get_ident()]
        noting.remove(self)
        if not noting:
            del _noting[get_ident()]
        self.paths.update(path for path, was in self._databases.items() if _likeness(path) != was)

    def opens_database(self, path: Any) -> None:
        """Note the state of a database before it is used, unless it is in memory."""
        path = os.fsdecode(path) if isinstance(path, bytes | os.PathLike) else path
        if type(path) is not str or path in ("", ":memory:") or len(self._databases) >= MOST_PATHS:
            return
        path = path.removeprefix("file:").partition("?")[0]
        path = os.path.join(os.getcwd(), path)
        self._databases.setdefault(path, _likeness(path))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _noting or event not in _HEEDED:
        return  # first, as the code below may cause events itself
    for files in tuple(_noting.get(get_ident(), ())):
        _note_event(files, event, arguments)


def _note_event(files: FilesChanged, event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTING:
        files.connects = True
        return
    if event == "sqlite3.connect":
        files.opens_database(arguments[0])
        return
    if len(files.paths) >= MOST_PATHS:
        return
    if event == "open":
        path, mode, flags = arguments
        if _is_overwriting(mode, flags) and not _is_folder(path):
            _note(files.paths, path)
        return
    for place, folder in _CHANGES[event]:
        _note(files.paths, arguments[place], None if folder is None else arguments[folder])


def _likeness(path: str) -> list[tuple[int, int] | None]:
    """The times of the last change of a database's files, and their sizes."""
    found: list[tuple[int, int] | None] = []
    for name in (path, f"{path}-wal", f"{path}-journal"):
        try:
            status = os.stat(name)
            found.append((status.st_mtime_ns, status.st_size))
        except (OSError, ValueError) as error:  # it does not exist, or its name is invalid
            reraise_from_handler(error)
            found.append(None)
    return found


def _is_overwriting(mode: str | None, flags: int) -> bool:
    if mode is not None and "a" in mode:
        return False
    if flags & _NAMELESS == _NAMELESS:
        return False
    return bool(flags & _WRITES) and not flags & os.O_APPEND


def _is_folder(path: Any) -> bool:
    """Whether an opener is given a folder: the file that it opens there is announced as well.

    `tempfile.NamedTemporaryFile` opens its file in this way.
    """
    return isinstance(path, str | bytes) and os.path.isdir(path)


def _note(noted: set[str], path: Any, folder: int | None = None) -> None:
    """Note a path as the item named it, made absolute; descriptors are left out."""
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if type(path) is not str or path.startswith(("/dev/", "/proc/")):
        return
    noted.add(path if path.startswith(os.sep) else os.path.join(_start_of(folder), path))


def _start_of(folder: int | None) -> str:
    """The folder that a relative path starts from: the current one, unless another is open for it.

    `shutil.rmtree` removes files in this way, among others for `tempfile.TemporaryDirectory`.
    """
    if folder is None or folder < 0:
        return os.getcwd()
    try:
        return os.readlink(f"/proc/self/fd/{folder}")
    except OSError as error:  # no such descriptor, or no /proc: any folder may be meant
        reraise_from_handler(error)
        return os.getcwd()

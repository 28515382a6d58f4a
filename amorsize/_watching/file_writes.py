"""Notes which files one item changes, as Python announces it.

A database in a file counts as written if it is another than before when the item is over: SQLite
lets one write at a time, and refuses others after a while.

Python announces these to its audit hooks, also where C code calls C code. A hook cannot be taken
away again, so ours is installed when the first item is watched, and answers at once (0.3 us an
event) while none is.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident

from amorsize._host.signals import let_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Paths that are noted of one item.
MOST_PATHS = 1000
#: Audit events, with the places of the arguments that are paths which change.
_CHANGES = {
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "shutil.copyfile": (1,),
    "shutil.move": (0, 1),
    "shutil.rmtree": (0,),
}
_CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_HEEDED = {"open", "sqlite3.connect", *_CHANGES, *_CONNECTING}
_WRITES = os.O_WRONLY | os.O_RDWR
#: The flag of a file that has no name in its folder.
_NAMELESS = getattr(os, "O_TMPFILE", -1)
_installed = False
#: Who notes what a thread does, by its number: a call within an item of another call is inside it.
_noting: dict[int, list[FilesChanged]] = {}


class FilesChanged:
    """Collects in `paths` what this thread changes inside a `with` block.

    `connects` tells whether it has opened a connection, or sent to an address.

    What is only appended to is left out: lines that items add to a shared file come in any order.
    So are folders: `os.makedirs(..., exist_ok=True)` in each item does no harm.
    """

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.connects = False
        self._databases: dict[str, Any] = {}  # those opened, and what their files were like before

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
        """Note what it is like, unless it lies in memory."""
        path = os.fsdecode(path) if isinstance(path, bytes | os.PathLike) else path
        if type(path) is not str or path in ("", ":memory:") or len(self._databases) >= MOST_PATHS:
            return
        path = path.removeprefix("file:").partition("?")[0]
        path = os.path.join(os.getcwd(), path)
        self._databases.setdefault(path, _likeness(path))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _noting or event not in _HEEDED:
        return  # first of all: what else is asked here may be an event itself
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
        if _is_overwriting(mode, flags):
            _note(files.paths, path)
        return
    for place in _CHANGES[event]:
        _note(files.paths, arguments[place])


def _likeness(path: str) -> list[tuple[int, int] | None]:
    """When the files of a database were last changed, and their sizes."""
    found: list[tuple[int, int] | None] = []
    for name in (path, f"{path}-wal", f"{path}-journal"):
        try:
            status = os.stat(name)
            found.append((status.st_mtime_ns, status.st_size))
        except (OSError, ValueError) as error:  # there is none, or no file could have that name
            let_through(error)
            found.append(None)
    return found


def _is_overwriting(mode: str | None, flags: int) -> bool:
    if mode is not None and "a" in mode:
        return False
    if flags & _NAMELESS == _NAMELESS:
        return False
    return bool(flags & _WRITES) and not flags & os.O_APPEND


def _note(noted: set[str], path: Any) -> None:
    """Keep a path as the item named it, made absolute; numbers of descriptors are no paths."""
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if type(path) is str and not path.startswith(("/dev/", "/proc/")):
        noted.add(path if path.startswith(os.sep) else os.path.join(os.getcwd(), path))

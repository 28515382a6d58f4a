"""Where the cache lies on disk.

Nothing here touches what it names; whether a folder can be trusted is for `folder_guard`.
"""

from __future__ import annotations

import os
import sys

from amorsize._host.signals import reraise_from_handler
from amorsize.cache import journal, network_filesystem

#: The variable that names the folder; without it the cache is in the user's cache folder.
HOME_VARIABLE = "AMORSIZE_HOME"
DATABASE = "cache.db"
#: What SQLite puts beside it.
JOURNAL, WAL, SHM = f"{DATABASE}-journal", f"{DATABASE}-wal", f"{DATABASE}-shm"
BESIDE = (JOURNAL, WAL, SHM)


def folder() -> str:
    """Where the database is, or would be; nothing is touched."""
    home = lasting_folder()
    is_given = os.environ.get(HOME_VARIABLE)
    return home if is_given or sys.platform != "linux" else _on_this_host(home)


def lasting_folder() -> str:
    """The same for files that need no locks, so it may be on another machine."""
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
    except OSError as error:  # a relative AMORSIZE_HOME, and the current folder is gone
        reraise_from_handler(error)
        return False


def exists() -> bool:
    """Whether there is a database with something in it."""
    try:
        return os.lstat(os.path.join(folder(), DATABASE)).st_size > 0
    except (OSError, ValueError) as error:  # ValueError: a NUL in the folder's name
        reraise_from_handler(error)
        return False


def has_news() -> bool:
    """Whether something was noted that is not in the database yet."""
    try:
        return journal.exists(folder())
    except OSError as error:
        reraise_from_handler(error)
        return False


def size_bytes() -> int:
    """What the database, its logs and what was noted take."""
    names = (DATABASE, *BESIDE, journal.NAME, journal.LEAVING)
    total = 0
    for name in names:
        try:
            total += os.lstat(os.path.join(folder(), name)).st_size
        except (OSError, ValueError) as error:  # not there
            reraise_from_handler(error)
            continue
    return total

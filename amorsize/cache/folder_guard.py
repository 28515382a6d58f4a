"""Whether a folder can be trusted: the user's own, closed to others, where nobody can swap it.

Whoever may write to a folder above it can put another one in its place between a look at it and
its use. So links on the way are followed once, and no folder on the way may be open to others.
"""

from __future__ import annotations

import os
import stat

from amorsize._host import procfs
from amorsize._host.signals import reraise_from_handler
from amorsize.cache import network_filesystem

_UID_MAP = "/proc/self/uid_map"
_ALL_IDS = 2**32 - 1
#: Parts of paths that lead elsewhere than they seem to, or twice to one place.
_NOT_PLAIN = ("//", "/./", "/../")
#: Linux's id for users that this user namespace does not know.
_NOBODY = 65534


class TroubleError(Exception):
    """The cache cannot be used; the text says why."""


def guarded(folder: str, *, creating: bool) -> str | None:
    """The folder without links on its way; None if it is not there. Made if `creating`.

    Raises:
        TroubleError: It cannot be trusted, or not with a database in it.
    """
    if "$" in folder:  # diskcache would replace it by the value of a variable
        raise TroubleError(f"there is a `$` in the name of its folder, {folder!r}")
    if os.path.isabs(folder) and (kind := network_filesystem.remote_type(folder)):
        raise TroubleError(
            f"its folder {folder!r} is on a network file system ({kind}), where processes cannot "
            "rely on each other's locks"
        )
    return own(folder, creating=creating)


def own(folder: str, *, creating: bool) -> str | None:
    """The same for files that need no locks, which may be on another machine."""
    if _is_plainly_trusted(folder):
        return folder
    if not os.path.isabs(folder):
        raise TroubleError("this user has no home folder")
    above, name = os.path.split(folder)
    path = resolved = os.path.join(os.path.realpath(above), name)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        if not creating:
            return None
        os.makedirs(path, 0o700, exist_ok=True)  # its parents, if missing, as the umask says
        found = os.lstat(path)
    if problem := _distrust(found):
        raise TroubleError(f"its folder {folder!r} {problem}")
    while (outer := os.path.dirname(path)) != path:
        path = outer
        if problem := _distrust_above(os.lstat(path)):
            raise TroubleError(
                f"its folder {folder!r} lies in {path!r}, which {problem}: another folder could be "
                "put in its place"
            )
    return resolved


def _is_plainly_trusted(folder: str) -> bool:
    """Whether one look at each folder on the way finds neither a link nor anything to tell: 10 us.

    From the top to the bottom: nobody can swap what lies in folders that were found closed.
    """
    if os.name != "posix" or folder[:1] != "/" or any(map(folder.count, _NOT_PLAIN)):
        return False
    if folder.endswith(("/", "/.", "/..")):
        return False
    try:
        if _distrust_above(os.lstat("/")):
            return False
        end = folder.find("/", 1)
        while end > 0:
            if _distrust_above(os.lstat(folder[:end])):
                return False
            end = folder.find("/", end + 1)
        return _distrust(os.lstat(folder)) is None
    except (OSError, ValueError) as error:
        reraise_from_handler(error)
        return False


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


def _distrust_above(found: os.stat_result) -> str | None:
    """The same of a folder that it lies in; root's are trusted, as all else on the machine is."""
    if stat.S_ISLNK(found.st_mode):
        return "has just become a link"
    if os.name != "posix":
        return None
    if found.st_uid not in (0, os.geteuid()) and not _is_nobody_here(found.st_uid):
        return f"belongs to another user (id {found.st_uid})"
    if found.st_mode & stat.S_ISVTX:  # like /tmp: what is in it can be renamed by its owner alone
        return None
    group_may = found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid)
    return "can be written by other users" if group_may or found.st_mode & stat.S_IWOTH else None


def _is_private(group: int) -> bool:
    """Whether a group is root's, or this user's own, which by convention has the user's number."""
    return group == 0 or group == os.getegid() == os.geteuid()


def _is_nobody_here(user: int) -> bool:
    """Whether this stands for users outside of a sandbox, such as the root that set it up."""
    if user != _NOBODY:
        return False
    try:
        with procfs.open_file(_UID_MAP, "rb") as file:
            n_known = sum(int(line.split()[2]) for line in file.read(1 << 16).splitlines())
    except (OSError, ValueError, IndexError) as error:  # not Linux
        reraise_from_handler(error)
        return False
    return n_known < _ALL_IDS

"""Whether a file can be trusted to be ours: a plain one of this user, closed to others."""

from __future__ import annotations

import os
import stat

#: A link in the last part of a path is refused, a pipe in its place does not block.
SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def problem(
    found: os.stat_result, *, at_most_bytes: int, may_have_names: bool = False
) -> str | None:
    """Why a file cannot be ours, as the end of a sentence that begins with its name.

    Args:
        found: What `lstat` or `fstat` says of it.
        at_most_bytes: Of its size.
        may_have_names: Whether it may be called something else as well (a hard link).
    """
    if not stat.S_ISREG(found.st_mode):
        return "was not a plain file"
    if os.name == "posix":  # elsewhere these say nothing
        if found.st_uid != os.geteuid():
            return "belonged to another user"
        # none: another process has removed it since it was opened
        if found.st_nlink > 1 and not may_have_names:
            return "had another name elsewhere (a hard link)"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "could be written by other users"
    if found.st_size > at_most_bytes:
        return "was larger than any that amorsize leaves"
    return None


def is_plain(path: str) -> bool:
    """Whether a plain file is there, or nothing.

    To be asked before a file is opened: opening a pipe or a device would tell whoever is at its
    other end.
    """
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True

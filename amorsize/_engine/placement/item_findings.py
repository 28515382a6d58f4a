"""Puts into words what the watch of an item found beside what it has changed."""

from __future__ import annotations

import os

from amorsize._host.unpatched import kernel
from amorsize._watching import Finding


def same_file(path: str) -> Finding:
    """Several items write to one file."""
    return Finding(what="file", where="process", why=f"items write to the same file, {path}")


def named_elsewhere(path: str) -> Finding:
    """The code does not show how an item names a file."""
    why = f"items write files whose names cannot be followed, such as {path}"
    return Finding(what="file", where="process", why=why)


def too_many_open(n_left_out: int) -> Finding:
    """Not all open files and connections were watched."""
    why = f"{n_left_out} more files and connections are open than can be watched"
    return Finding(what="open files", where="descriptor", why=why)


def cut_off(what: str) -> Finding:
    """There was no time to compare all of something."""
    return Finding(
        what=what, where="state", why=f"it could not be seen whether items change {what}"
    )


def named_by_process(path: str) -> Finding:
    """The name of a file has the number of the process in it."""
    why = f"an item names a file by the number of the process, {path}"
    return Finding(what="file", where="thread", why=why)


def names_process(path: str) -> bool:
    """Whether the name of a file has the number of the process in it."""
    digits = "".join(one if one.isdigit() else " " for one in os.path.basename(path))
    return str(kernel.getpid()) in digits.split()

"""Reads the files in which the kernel tells about itself."""

from __future__ import annotations

import _io
import os

from amorsize._host.signals import reraise_from_handler

#: A program may put a mock in the place of the builtin, and count its calls.
open_file = _io.open


def read(path: str, *, at_most_bytes: int = -1) -> str:
    """The file as text; "": it does not exist or cannot be read.

    `at_most_bytes` saves time if only the beginning of a long file matters.
    """
    try:
        with open_file(path, "rb", buffering=0) as file:
            return os.fsdecode(file.read(at_most_bytes) or b"")
    except OSError as error:
        reraise_from_handler(error)
        return ""


def bytes_in(status: str, name: str) -> int:
    """The bytes in a line such as `VmHWM:     13020 kB`; ValueError: there is none."""
    begin = status.index(f"\n{name}:") + len(name) + 2
    return int(status[begin : status.index("kB", begin)]) << 10

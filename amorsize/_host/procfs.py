"""Reads the files in which the kernel tells about itself."""

from __future__ import annotations

import os

from amorsize._host.signals import let_through


def read(path: str, *, at_most_bytes: int = -1) -> str:
    """The file as text; "" when it is not there, may not be read or has just gone.

    `at_most_bytes` spares the kernel from making up a long text of which the start will do.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return os.fsdecode(file.read(at_most_bytes) or b"")
    except OSError as error:
        let_through(error)
        return ""

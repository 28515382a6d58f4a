"""Tells which modules the calling thread is importing now."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def being_imported() -> Iterator[str]:
    """Their names, the innermost first. Takes 2 us for a stack of 20 calls."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_filename == "<frozen importlib._bootstrap>" and code.co_name == "_load_unlocked":
            yield frame.f_locals["spec"].name
        frame = frame.f_back


def is_half_loaded() -> bool:
    """Whether this thread is loading this package: a signal handler may make a call meanwhile."""
    return any(name.startswith("amorsize.") for name in being_imported())

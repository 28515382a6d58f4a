"""Keeps what was read from code objects, which never change."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, TypeVar

    Found = TypeVar("Found")

#: Codes of which something is kept.
MOST = 4096


def kept_by_code(read: Callable[[CodeType], Found]) -> Callable[[CodeType], Found]:
    """Read each code object once; whoever asks gets the same answer, and must not change it."""
    kept: dict[int, tuple[CodeType, Any]] = {}  # the code too, so that no id comes twice

    def found(code: CodeType) -> Found:
        known = kept.get(id(code))
        if known is None:
            if len(kept) >= MOST:
                kept.clear()
            known = kept[id(code)] = code, read(code)
        answer: Found = known[1]
        return answer

    found.__doc__ = read.__doc__
    return found

"""Blocks of calls in which warm workers wait for as long as it takes."""

from __future__ import annotations

#: Those that a thread of this process is in.
_entered: list[object] = []


def enter(block: object) -> None:
    """A block begins."""
    _entered.append(block)


def leave(block: object) -> None:
    """A block ends."""
    _entered.remove(block)


def are_entered() -> bool:
    """Whether this process is in one."""
    return bool(_entered)

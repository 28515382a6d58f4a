"""Notes the blocks of calls in which warm workers wait without a time limit."""

from __future__ import annotations

#: The blocks that threads of this process have entered.
_entered: list[object] = []


def enter(block: object) -> None:
    """Note that a block begins."""
    _entered.append(block)


def leave(block: object) -> None:
    """Note that a block ends."""
    _entered.remove(block)


def are_entered() -> bool:
    """Whether this process is in such a block."""
    return bool(_entered)

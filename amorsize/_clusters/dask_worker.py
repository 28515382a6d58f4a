"""What a Dask worker runs: only what was meant for its process, once."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Given by a process that has run nothing.
MOVED = "moved"
#: Given by a process that has run it before: what came of that was lost.
BEGUN = "begun"
#: Keys that are kept of what was begun here.
MOST_KEPT = 100_000
_begun: dict[str, None] = {}


def run_here(identity: str, key: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in the process that it was sent to, once.

    Args:
        identity: Of that process.
        key: Of the submission.
        function: What is called.
        arguments: With which.
    """
    from distributed import get_worker

    if key in _begun:
        return BEGUN
    if get_worker().id != identity:
        return MOVED
    if len(_begun) >= MOST_KEPT:
        del _begun[next(iter(_begun))]
    _begun[key] = None
    return function(*arguments)

"""Starts interpreters for later calls, once the latest ones have lost as much as that takes."""

from __future__ import annotations

from amorsize._engine.costs import missed_savings, spawn_costs
from amorsize._workers.processes import start_method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def start_if_worth(
    left_s: float, n_workers: int, n_ahead: tuple[int, int], names: Callable[[], frozenset[str]]
) -> int:
    """Start some if earlier calls would have saved their start; then count this call.

    This call goes on without: to load the pool and to read the function would delay it.

    Args:
        left_s: Seconds that the loop would take for the items that are left.
        n_workers: How many workers this call would have.
        n_ahead: How many are to wait for calls to come, and how many may begin now.
        names: Tells the libraries that the function needs.

    Returns:
        How many it has started.
    """
    lost = missed_savings.missed_savings
    is_worth = spawn_costs.starting_s(n_workers) <= lost.recent_s
    lost.add(spawn_costs.saved_s(left_s, n_workers))
    if not is_worth or start_method.uses_loky():
        return 0
    from amorsize._workers.processes.start_ahead import start_ahead

    return start_ahead(*n_ahead, names())

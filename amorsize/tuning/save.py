"""Keeps the winner of a tuning, so that the next call of the function starts from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize._host.cache_switch import switched_off
from amorsize._profiles import memory_store
from amorsize.policy.profile import MOST_JOBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.policy.actions import Plan
    from amorsize.policy.profile import Profile
    from amorsize.tuning.search import Search


def keep(func: Callable[..., Any], first: Any, search: Search, winner: Plan) -> bool:
    """Store the winner with what was measured of its items; whether that could be done.

    What items cost alone is read from the loop, what they cost beside each other from the winner.

    Args:
        func: What was tuned, without keywords bound.
        first: One of its items, for their kind.
        search: What was run.
        winner: The best of it.
    """
    profile = _profile(search, winner)
    trace = _trace_of(search, winner)
    if profile is None or trace is None or winner.n_jobs > MOST_JOBS:
        return False
    memory, key = memory_store.memory(), memory_store.key_of(func, first)
    memory.keep(key, func, profile, trace.makespan_s, on_disk=not switched_off())
    memory_store.keep_trace(func, trace.replace(plan=winner, profile=profile))
    memory.write()
    return True


def _trace_of(search: Search, plan: Plan) -> Any:
    """The trace of its largest run."""
    runs = [run for run in search.runs if run.plan == plan and run.trace is not None]
    return max(runs, key=lambda run: run.n_items).trace if runs else None


def _profile(search: Search, winner: Plan) -> Profile | None:
    traces = [_trace_of(search, plan) for plan in (search.loop, winner)]
    alone, beside = (None if trace is None else trace.profile for trace in traces)
    known = beside or alone
    if known is None:
        return None
    if alone is not None:
        costs = alone.traits
        known = known.replace(item_s=costs.item_s, item_cpu_s=costs.item_cpu_s, waits=costs.waits)
    return known.replace(  # type: ignore[no-any-return]
        backend=winner.backend,
        n_jobs=winner.n_jobs,
        chunksize=winner.chunksize,
        n_items=search.bench.n_items,
        source="tuned",
        n_calls=1,
    )

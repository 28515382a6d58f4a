"""Remembers calls that were over before there was an engine."""

from __future__ import annotations

from amorsize._engine import call_options, call_outcome
from amorsize._engine.engine import Engine
from amorsize._host.clocks import perf_counter
from amorsize._profiles import memory_store
from amorsize.policy.events import Inlined
from amorsize.policy.tuner import Tuner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def remember(
    func: Callable[..., Any],
    name: str | None,
    item: Any,
    *,
    n_items: int,
    wall_s: float,
    cpu_s: float,
    ended_at_s: float,
) -> None:
    """Tell the memory of a call that the caller ran as the plain loop.

    Args:
        func: Its function.
        name: What its user calls it.
        item: The first item, which tells of what kind they are.
        n_items: How many there were.
        wall_s: Wall seconds that they took.
        cpu_s: CPU seconds of the calling thread meanwhile.
        ended_at_s: When that was, as `time.time` counts.
    """
    engine = Engine(func, (range(n_items),), {}, call_options.DEFAULTS, name)
    call = engine.call
    call.key = memory_store.key_of(func, item)
    call.tuner = Tuner(None, engine.opening.request())
    call.began = perf_counter() - wall_s
    engine.recorder.tell(
        Inlined(
            n_items=n_items,
            wall_s=wall_s,
            cpu_s=cpu_s,
            process_cpu_s=cpu_s,
            now_s=wall_s,
            n_pauses=0,
        )
    )
    call.work.results.passed_by(n_items)
    trace = call_outcome.remember(call, engine.recorder, engine.confinement, is_kept=True)
    if trace is not None:
        costs = tuple(one.replace(ended_at_s=ended_at_s) for one in trace.costs)
        memory_store.keep_trace(func, trace.replace(ended_at_s=ended_at_s, costs=costs))

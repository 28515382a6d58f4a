"""What must be known before workers are worth a thought: the host, the function, its payloads."""

from __future__ import annotations

import sys

from amorsize import _machine
from amorsize._clock import perf_counter
from amorsize._interrupts import raised_by_handler
from amorsize.policy.facts import Host, Weighed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._options import Options
    from amorsize.crews.travel import Packing

CLEAN_START_S = 0.8e-3  # of the caller, to start an interpreter or to hand a task to a warm one
WARM_READY_S = 1e-3  # until a worker that is there already can take work of another call
LOAD_S = 6e-3  # importing the process crew and pickle's C half, once in a process
SHORT_WEIGHING_S = 5e-3  # a cost below this is measured three times: others may come between
CHEAP_RESULT_S = 20e-6  # below, one result says less than several together


def host(fork_reason: str | None) -> Host:
    """What there is to work with, and what it costs to start and to send."""
    costs = _machine.costs()
    forks = fork_reason is None
    # It may be there and still empty: another thread's call is just importing it.
    pool = getattr(sys.modules.get("amorsize.crews.clean"), "pool", None)
    is_warm = pool is not None and pool.n_warm > 0
    return Host(
        n_cores=_machine.usable_cpus().n_cores,
        fork_reason=fork_reason,
        process_start_s=costs.start_s if forks else CLEAN_START_S,
        process_ready_s=(
            costs.ready_s if forks else WARM_READY_S if is_warm else costs.clean_start_s
        ),
        thread_start_s=costs.thread_start_s,
        dispatch_s=costs.dispatch_s,
        thread_dispatch_s=costs.thread_dispatch_s,
        latency_s=costs.latency_s,
        load_s=0.0 if "amorsize.crews.processes" in sys.modules else LOAD_S,
        has_gil=getattr(sys, "_is_gil_enabled", _yes)(),
    )


def _yes() -> bool:
    return True


def why_not_threads(function: Callable[..., Any], options: Options) -> str | None:
    """Why the items may not run in threads beside one another; None when they may."""
    if options.seed is not None:
        return "seed= needs random generators that threads would share"
    if options.thread_safe is not None:
        return None if options.thread_safe else "thread_safe=False"
    from amorsize._reach import reach

    reached = reach(function)
    if reached.thread_safe:
        return None
    what = ", ".join((*reached.shared, *reached.stores)[:3])
    return f"threads would share {what} (thread_safe=True allows it)"


def weigh(results: list[Any], items: list[Any], func: Callable[..., Any] | None = None) -> Weighed:
    """Pickle a few results, and an item where these have to travel too, and read them back.

    Args:
        results: Some that were computed; the first alone, unless that is over in no time.
        items: At most one; empty where workers have the data by fork.
        func: The mapped function.
    """
    from amorsize.crews import travel

    travel.dumps(None)  # loads what pickling needs
    packing, values = travel.Packing(func), results[:1]
    cost_s, reason = _travel_cost(values, packing)
    if reason is None and cost_s < CHEAP_RESULT_S and len(results) > 1:
        cost_s, reason = _travel_cost(results, packing)
        values = results
    if reason is not None:
        return Weighed(pickle_s=None, reason=f"results cannot be pickled: {reason}")
    if items:
        item_s, reason = _travel_cost(items, travel.Packing())
        if reason is not None:
            return Weighed(pickle_s=None, reason=f"items cannot be pickled: {reason}")
        cost_s += item_s * len(values)
    return Weighed(pickle_s=cost_s / len(values))


def _travel_cost(values: list[Any], packing: Packing) -> tuple[float, str | None]:
    """Seconds to pickle and read back, and why that cannot be done, if so."""
    from amorsize.crews import travel

    took_s = float("inf")
    for _ in range(4):
        began, was_with_code = perf_counter(), packing.with_code
        try:
            data, parts = packing.dumps_apart(values)
            travel.loads(data, [bytearray(part) for part in parts])
        except Exception as error:
            if raised_by_handler(error):
                raise
            return 0.0, f"{type(error).__name__}: {error}"
        if packing.with_code != was_with_code:
            continue  # what that takes is loaded once
        took_s = min(took_s, perf_counter() - began)
        if took_s > SHORT_WEIGHING_S:
            break
    return took_s, None

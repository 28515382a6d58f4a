"""Remembers calls that ran as the plain loop before an engine was loaded."""

from __future__ import annotations

from amorsize._engine.engine import Engine
from amorsize._engine.reporting import call_outcome
from amorsize._engine.state.call import Invocation
from amorsize._function.code_identity import variant_of
from amorsize._host.unpatched import perf_counter
from amorsize._profiles import memory_store
from amorsize.policy.events import DataDependsOnItems, Inlined
from amorsize.policy.tuner import Tuner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._function.item_kind import Kind
    from amorsize.policy.trivial_items import LoopRun


def remember(
    func: Callable[..., Any],
    name: str | None,
    kind: Kind,
    item_kwargs: dict[str, Any],
    run: LoopRun,
    why_alone: str | None,
) -> None:
    """Remember a call that ran as the plain loop.

    Args:
        func: Its function.
        name: What its user calls it.
        kind: The kind of the first item, which shows the kind of all.
        item_kwargs: The keywords of the call.
        run: The number of items, and their time.
        why_alone: Why no worker was asked for; None: the items were trivial.
    """
    engine = Engine(Invocation(func=func, iterables=(range(run.n_items),), name=name))
    call = engine.call
    call.key = memory_store.identity_of(func), kind, variant_of(func, item_kwargs)
    call.tuner = Tuner(None, engine.opening.request())
    call.began = perf_counter() - run.wall_s
    if why_alone is not None:
        engine.recorder.tell(DataDependsOnItems(why=why_alone))
    engine.recorder.tell(
        Inlined(
            n_items=run.n_items,
            wall_s=run.wall_s,
            cpu_s=run.cpu_s,
            process_cpu_s=run.cpu_s,
            now_s=run.wall_s,
            n_pauses=0,
        )
    )
    call.work.results.passed_by(run.n_items)
    trace = call_outcome.remember(call, engine.recorder, engine.caller_only, is_kept=True)
    if trace is not None:
        at = {"ended_at_s": run.ended_at_s}
        costs = tuple(one.replace(**at) for one in trace.costs)
        memory_store.keep_trace(func, trace.replace(**at, costs=costs))

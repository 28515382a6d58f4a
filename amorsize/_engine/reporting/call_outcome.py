"""Records what a call has done for `explain()`, with what later calls learn from it."""

from __future__ import annotations

import sys

from amorsize._engine.data.source import Sliced
from amorsize._host.cache_switch import switched_off
from amorsize._host.unpatched import wall_clock
from amorsize._profiles import memory_store
from amorsize._workers import nesting
from amorsize.policy.evidence import speedup_over_earlier_calls
from amorsize.policy.state import is_remote
from amorsize.policy.trace import MANY_CALLS, CallCost, Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amorsize._engine.state.call import Call, Recorder
    from amorsize._engine.state.caller_only import CallerOnly
    from amorsize.policy.evidence.drift import Drift
    from amorsize.policy.profile import CostLevel, Profile
    from amorsize.policy.trace import ChunkLog


def remember(
    call: Call, recorder: Recorder, caller_only: CallerOnly, *, is_kept: bool
) -> Trace | None:
    """Record what happened for explain(), and what was learned for the next call.

    Args:
        call: A call that is over.
        recorder: Holds what was written down.
        caller_only: Tells why items had to run in the caller.
        is_kept: Whether the next call learns of it.
    """
    if sys.is_finalizing():  # an unfinished stream: nothing can be imported any more
        return None
    makespan_s = call.now_s
    _warn_of_copies(call, recorder, is_kept=is_kept)
    _warn_of_caller_only(call, recorder, caller_only, is_kept=is_kept)
    profile, drifts = _learned(call, recorder.chunks, caller_only.reason, makespan_s)
    trace = _trace(call, recorder, profile, drifts, makespan_s)
    if is_kept:
        _keep(call, trace, recorder.warn)
    return trace


def _learned(
    call: Call, chunks: ChunkLog, caller_reason: str | None, makespan_s: float
) -> tuple[Profile | None, list[Drift]]:
    """The profile now, and how it differs from the one before."""
    tuner = call.tuner
    n_calls = 1 if call.known is None else call.known.n_calls + 1
    profile, drifts = tuner.learned(n_calls), tuner.drifts
    if profile is None:
        return None, drifts
    fits = call.known if not tuner.profile.is_contradicted else None
    if is_remote(tuner):  # others use it as well, so what is achieved varies
        fits = None
    profile, short = _compared(fits, profile, chunks, call.work.results.n_done, makespan_s)
    drifts += [] if short is None else [short]
    if fits is not None:
        from amorsize.policy.evidence import tuned_plan_fit  # a first call does not load it

        profile = tuned_plan_fit.kept(fits, profile, drifts)
    profile = speedup_over_earlier_calls.booked(profile, makespan_s, wall_clock())
    return profile.replace(bound=caller_reason), drifts


def _trace(
    call: Call,
    recorder: Recorder,
    profile: Profile | None,
    drifts: list[Drift],
    makespan_s: float,
) -> Trace:
    tuner, ended_at_s = call.tuner, wall_clock()
    return Trace(
        name=call.name,
        n_items=call.work.results.n_done,
        makespan_s=makespan_s,
        n_cores=tuner.n_cores,
        plan=tuner.plan(),
        profile=profile,
        known=call.known,
        known_from=call.known_from,
        known_fits=tuner.profile.fits if tuner.profile.is_checked else None,
        notes=tuple(tuner.notes),
        chunks=recorder.chunks.all,
        n_started=dict(recorder.n_started),
        n_repeated=call.work.n_repeated,
        rejected=tuple(_rejected(call)),
        warnings=tuple(recorder.warnings),
        drifts=tuple(drifts),
        worker_events=recorder.workers.all,
        ended_at_s=ended_at_s,
        costs=_costs(call, profile, drifts, ended_at_s),
    )


def _costs(
    call: Call, profile: Profile | None, drifts: list[Drift], ended_at_s: float
) -> tuple[CallCost, ...]:
    """The costs of items in the latest calls, with this one last."""
    earlier = memory_store.last_trace(call.func)
    costs = () if earlier is None else earlier.costs
    if profile is None:
        return costs
    own = CallCost(
        n_items=call.work.results.n_done,
        item_s=profile.traits.item_s,
        spread_log=profile.level.spread_log,
        backend=call.tuner.plan().backend,
        ended_at_s=ended_at_s,
        drifts=tuple(drifts),
    )
    return (*costs[1 - MANY_CALLS :], own)


def _keep(call: Call, trace: Trace, warn: Callable[[str], None]) -> None:
    """Keep the trace for explain(), and what was learned for the next call."""
    memory_store.keep_trace(call.func, trace)
    if trace.profile is None or call.key is None or call.tuner.request.backend == "serial":
        return
    is_open = call.tuner.request.backend == "auto" or is_remote(call.tuner)
    if nesting.is_inside() or not is_open or call.tuner.workers.has_lost_one:
        return  # a plan under which workers die is no winner
    has_drifted = _notify_of(call, list(trace.drifts), warn)
    memory_store.memory().keep(
        call.key,
        call.func,
        trace.profile,
        trace.makespan_s,
        on_disk=call.options.cache and not switched_off(),
        has_drifted=has_drifted,
    )


def _warn_of_copies(call: Call, recorder: Recorder, *, is_kept: bool) -> None:
    """Warn once per function if items have changed copies in worker processes."""
    if not recorder.n_started.get("process") or _is_proven(call):
        return
    from amorsize._function.sharing.thread_safety import reach

    reached = reach(call.func)
    if reached.stores:
        text = (
            f"{call.name} changes {', '.join(reached.stores[:3])}: what items store there in a "
            "worker process is lost. Return it instead, or pass backend='serial'."
        )
    elif reached.copies:
        text = (
            f"{call.name} uses {', '.join(reached.copies[:3])}: each worker process had a copy, so "
            "what items did there may be lost, or mixed with what others did. Open it inside the "
            "function or in setup=, or pass backend='serial'."
        )
    else:
        return
    known = memory_store.last_trace(call.func)
    was_warned = known is not None and text in known.warnings
    recorder.warn(text, quietly=was_warned or not is_kept)


def _is_proven(call: Call) -> bool:
    """Whether items are proven to do nothing but compute or sleep, and so to change nothing.

    The proof takes 0.2 ms, and to load what examines any function 5 ms, where that is not done yet.
    """
    from amorsize._engine.placement.verdict import HOLDS_GIL  # loaded if there were workers

    if call.tuner.request.thread_reason == HOLDS_GIL:
        return True
    is_loaded = "amorsize._function.sharing.thread_safety" in sys.modules
    if is_loaded or not isinstance(call.source, Sliced):
        return False
    from amorsize._function.purity.pure_code import most_to_ask
    from amorsize._function.purity.pure_reach import reach_of

    data = (*call.source.sequences, [*call.item_kwargs.values()])
    return reach_of(call.func, data, most_to_ask(call.now_s)) is not None


def _warn_of_caller_only(
    call: Call, recorder: Recorder, caller_only: CallerOnly, *, is_kept: bool
) -> None:
    """Warn of a change that an item has made in a worker, only in the call that has seen it."""
    if not caller_only.has_noticed:
        return
    if is_kept:
        identity = memory_store.identity_of(call.func)
        memory_store.memory().keep_caller_reason(identity, caller_only.reason)
    if caller_only.is_notice_given:
        return
    n_items = sum(chunk.n_items for chunk in recorder.chunks.all if chunk.backend != "caller")
    used = call.tuner.backend_used()
    recorder.warn(
        f"{call.name}: in a worker {used}, {caller_only.reason}. In a loop that is the program's "
        f"own; what {n_items} items did there may be lost, or mixed with what others did. The "
        "caller ran the rest, and will run all items of later calls. "
        f"If it does no harm, pass backend={used!r}; retune=True asks again."
    )


def _notify_of(call: Call, drifts: list[Drift], warn: Callable[[str], None]) -> bool:
    """Keep the changes and call the user's hook for them; gives whether there was any."""
    if not drifts:
        return False
    from amorsize._engine.reporting import notify

    told = notify.notify(call.name, drifts, call.options.on_retune, warn)
    memory_store.memory().keep_drifts(memory_store.identity_of(call.func), told)
    return True


def _rejected(call: Call) -> Iterator[str]:
    request, tuner = call.tuner.request, call.tuner
    used = tuner.backend_used()
    if request.caller_reason is not None:
        yield f"threads and processes: {request.caller_reason}"
        return
    if request.thread_reason is not None and used != "thread":
        yield f"threads: {request.thread_reason}"
    elif tuner.gil.is_held and used != "thread":
        yield "threads: the items hold the GIL"
    if request.process_reason is not None:
        yield f"processes: {request.process_reason}"
    if tuner.sending.reason is not None:
        yield f"processes: {tuner.sending.reason}"
    if call.fork_reason is not None and used == "process" and not is_remote(tuner):
        yield f"forking: {call.fork_reason}"


def _compared(
    known: Profile | None, new: Profile, chunks: ChunkLog, n_items: int, makespan_s: float
) -> tuple[Profile, Drift | None]:
    """The new profile, and whether the call was as fast as its plan was before."""
    new, is_busy = new.replace(n_items=max(1, n_items)), False
    work_s = sum(chunk.wall_s for chunk in chunks.all)
    if known is not None:
        from amorsize.policy.evidence import drift  # a first call has nothing to compare

        new = _merged(known, new, drift.kept_level(known.level, new.level))
        is_busy = sum(chunk.run_delay_s for chunk in chunks.all) > drift.BUSY_SHARE * work_s
    speedup = work_s / max(makespan_s, 1e-9)
    return speedup_over_earlier_calls.compared(known, new, speedup, makespan_s, is_busy=is_busy)


def _merged(known: Profile, new: Profile, level: CostLevel) -> Profile:
    """The new profile: new figures if there are any, else the old ones."""
    learned, before = new.traits, known.traits
    return new.replace(
        pickle_s=learned.pickle_s if learned.pickle_s is not None else before.pickle_s,
        holds_gil=learned.holds_gil if learned.holds_gil is not None else before.holds_gil,
        warmup_s=max(learned.warmup_s, before.warmup_s),
        failed_share=new.failed_share if new.failed_share is not None else known.failed_share,
        **level.as_dict(),
    )

"""Change what the call knows by each event that happens."""

from __future__ import annotations

from amorsize.policy import best_backend
from amorsize.policy.events import (
    DataDependsOnItems,
    Died,
    GilProbed,
    HostInspected,
    Inlined,
    MemoryGrown,
    PicklingMeasured,
    ProfileLookedUp,
    Ready,
    Report,
    Started,
    Waited,
    WorkerRetired,
    WorkersLimited,
)
from amorsize.policy.evidence.io_bound import is_idle
from amorsize.policy.rules import choose_backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.policy.events import Event
    from amorsize.policy.state import State


#: What takes in reports, from the first one on: a call without workers needs none of it.
_reported: Callable[[State, Report], None] | None = None


def handle(state: State, event: Event) -> None:
    """Take in what happened."""
    state.changed()
    match event:
        case Report():
            (_reported or _load_reported())(state, event)
        case Inlined():
            _inlined(state, event)
        case Ready():
            state.workers.ready(event.worker)
        case Started():
            if not state.workers.n_started:
                state.costs.end_alone()
            is_warm = state.inherits_warmth and state.costs.n_inline > 0
            state.workers.add(event, is_cold=not is_warm)
        case Died():
            state.workers.lose(event.worker)
            state.workers.has_lost_one = True
        case WorkerRetired():
            _left(state, event)
        case MemoryGrown():
            _grown(state, event)
        case GilProbed():
            state.gil.add(event, computing_share=state.costs.computing_share)
        case PicklingMeasured():
            state.sending.pickling = event
            if event.reason is not None and state.request.backend == "auto":
                # What workers have, they finish.
                may_share = best_backend.may_take_turns(state.request, state.costs)
                state.choice = None if may_share else best_backend.serial(event.reason)
        case HostInspected():
            _inspected(state, event)
        case Waited():
            state.waiting.first_wait.add(event)
        case ProfileLookedUp():
            state.request = state.request.replace(may_look_up=False)
            if event.profile is not None:
                from amorsize.policy.rules import check_profile

                check_profile.remember(state, event.profile)
        case WorkersLimited():
            _limited(state, event)
        case DataDependsOnItems():
            state.request = state.request.replace(caller_reason=event.why)
            state.note("items run in the caller, one by one", event.why)


def _load_reported() -> Callable[[State, Report], None]:
    """Load it once, as an import takes 1 us each time."""
    global _reported
    from amorsize.policy.update_from_chunks import reported

    _reported = reported
    return reported


def _inspected(state: State, event: HostInspected) -> None:
    if state.request.may_pay_later and event.request.process_reason is None:
        state.note(
            "where they run is decided anew", "enough is left by now to start worker processes"
        )
        state.choice = None
    state.begin_on(event.host, event.request)


def _left(state: State, event: WorkerRetired) -> None:
    state.workers.lose(event.worker)
    if event.why is not None and not state.workers.is_replacing:
        state.workers.is_replacing = True
        state.note("workers are replaced", event.why)


def _grown(state: State, event: MemoryGrown) -> None:
    alive = {worker.number for worker in state.workers}
    n_most = max(state.n_most_jobs, len(alive))
    if (found := state.limits.memory.see(event, alive=alive, n_most=n_most)) is not None:
        state.note(*found)


def _limited(state: State, event: WorkersLimited) -> None:
    if event.n_workers:
        state.limits.n_system = min(event.n_workers, state.limits.n_system or event.n_workers)
        from amorsize.policy.counted import counted

        state.note(f"{counted(event.n_workers, 'worker')} and no more", event.why)
    else:
        state.choice = best_backend.serial(event.why)
        state.request = state.request.replace(process_reason=event.why)


def _inlined(state: State, event: Inlined) -> None:
    state.gain.add(event.cpu_s)
    state.limits.failures.alone(event)
    beside_threads = state.workers.of("thread").n_alive > 0
    computed = not state.costs.waits
    alone = _has_core_to_itself(state) or _waited_before_threads(state, event)
    state.costs.inlined(event, alone=alone, beside_threads=beside_threads)
    if computed and state.costs.waits:
        choose_backend.reroute(state)
    if state.waiting.pending is not None and state.workers.n_started:
        from amorsize.policy import update_from_chunks

        update_from_chunks.settle_waiting(state, state.waiting.pending, event)
    if state.is_backend_fixed and not state.has_delivered and not state.costs.waits:
        state.cores.see_caller(event)


def _has_core_to_itself(state: State) -> bool:
    """Whether none of our workers keeps the caller from its core, so that idling means waiting."""
    if not state.workers.n_started:
        return True
    n_alive = state.workers.n_alive
    return state.workers.of("process").n_alive == n_alive < state.host.n_cores


def _waited_before_threads(state: State, event: Inlined) -> bool:
    """Threads were started while an item was running: for most of its time it was alone."""
    if state.workers.threads_since_s is None or not is_idle(event):
        return False
    return event.now_s - state.workers.threads_since_s < event.wall_s / 2

"""Change what the call knows by what workers report."""

from __future__ import annotations

from amorsize.policy.evidence.core_availability import CoreEvidence
from amorsize.policy.evidence.io_bound import is_idle
from amorsize.policy.rules import choose_backend, explore
from amorsize.policy.state import is_remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Inlined, Report
    from amorsize.policy.evidence import drift
    from amorsize.policy.state import State


def reported(state: State, event: Report) -> None:
    """Take in what a chunk in a worker has cost."""
    costs = state.costs
    is_cold = state.workers.report(event)
    in_process = state.workers.backend_of(event.worker) == "process"
    if not costs.n_inline and event.n_items and not state.waiting.first_reports.is_settled:
        costs.waits = state.waiting.first_reports.see(event, is_fresh_fork=is_cold and in_process)
    if explore.is_apart(state, event):
        costs.counted(event)
        explore.see(state, event)
        return
    computed = not costs.waits
    costs.reported(event, n_workers=state.workers.n_alive, is_cold=is_cold, in_process=in_process)
    if computed and costs.waits:
        choose_backend.reroute(state)
    state.sending.add(
        event,
        inherits_items=state.request.inherits_items,
        is_remembered=state.profile.fits,
        is_fresh_fork=is_cold and in_process,
    )
    if not event.n_items:
        return
    if state.profile.watch is not None and not (is_cold and costs.warmup_s):
        n_working = state.waiters.n_wanted if costs.waits else state.limits.n_most
        n_busy = state.workers.of(state.workers.backend_of(event.worker)).n_busy
        is_shrinking = n_working is not None and n_busy > n_working
        found = state.profile.watch.see(event, n_working, is_shrinking=is_shrinking)
        if found is not None:
            _see_drift(state, state.profile.watch, found)
    if state.request.keeps_failures:
        from amorsize.policy.rules import run_fewer_on_failures  # which most calls do without

        run_fewer_on_failures.see(state, event)
    if is_remote(state):
        from amorsize.policy.rules import dispatch_to_executor  # which most programs never need

        dispatch_to_executor.see(state, event)
        return  # how many of its workers are used is not ours to try
    explore.see(state, event)
    if state.exploration.trial is not None:
        return
    if costs.waits:
        _see_waiter(state, event)
    elif state.waiting.pending is None and state.profile.followed is None:
        # Otherwise it is not clear who waits, or the number of workers is not open.
        _see_cores(state, event)


def settle_waiting(state: State, asked: drift.Drift, event: Inlined) -> None:
    """An item of the caller's has shown whether items wait now, or workers for cores.

    On a busy host one that waits is followed by more, until they are enough.
    """
    state.waiting.streak.count(event)
    waits = is_idle(event) and event.n_pauses > 0
    if waits and not state.waiting.streak.is_enough:
        return
    state.waiting.pending = None
    if not waits:
        from amorsize.policy.evidence import drift  # a first call remembers nothing to drift from

        _note_drift(state, asked.replace(what="cores", answer=drift.NOTHING))
        return
    _note_drift(state, asked.replace(answer="where they run is decided anew"))
    state.costs.waits = True
    choose_backend.begin_waiters(state)
    if state.request.backend == "auto":
        state.choice, state.is_backend_fixed = None, False
        choose_backend.reopen_jobs(state)


def _see_waiter(state: State, event: Report) -> None:
    was_settled = state.waiters.settled
    state.waiters.count(event, n_alive=state.workers.n_alive)
    if state.waiters.settled and not was_settled:
        n = state.waiters.n_wanted
        state.note(f"{n} at once and no more", "with more of them each took longer")


def _see_cores(state: State, event: Report) -> None:
    n_alive = state.workers.n_alive
    n_working = max(1, state.limits.within(n_alive))
    state.cores.see_worker(event, n_working=n_working)
    if state.request.backend != "auto" or state.choice is None:
        return
    if state.choice.backend == "thread":
        if state.gil.is_held:  # they are to take turns: one waits while another computes
            return
        match state.cores.turns(event, n_alive=n_alive):
            case "taken" if not state.costs.own.seem_idle:
                _leave_threads(state)
            # On a busy host, threads that stand back for others look like those that take turns.
            case "taken" | "not needed":
                state.costs.waits = True
                choose_backend.reroute(state)
        return
    busy = (worker.number for worker in state.workers if worker.n_queued)
    if state.gain.is_lost(event, state.costs.alone.cpu_share, busy):
        state.note("the caller alone for a while", "all together did less than it does")
        return
    if state.costs.n_at_once == 1 and state.cores.are_crowded(n_working=n_working):
        share = state.cores.worker_share
        state.note(
            f"{n_working} workers go on", f"though they wait for cores: CPU share {share:.0%}"
        )
    _see_saturation(state, event, n_working)


def _see_saturation(state: State, event: Report, n_working: int) -> None:
    """Look for items that cost ever more with more workers: fewer workers may do as well."""
    assert state.choice is not None
    pool, n_most = state.workers.of(state.choice.backend), state.limits.n_most
    is_parked = state.limits.contention.is_parking and n_most is not None
    parked = pool.ready[n_most:] if is_parked else []
    verdict = state.limits.contention.see(
        event,
        rank=state.workers.rank_of(event.worker),
        n_working=n_working,
        n_still=sum(1 for worker in parked if worker.n_queued),
        left_s=state.moment.left_s,
        serial_item_s=state.costs.alone.cpu_s,
        n_alone=state.costs.alone.n_items,
    )
    if verdict is not None:
        state.note(*verdict)


def _leave_threads(state: State) -> None:
    state.note("threads given up", "they took turns: the items hold the GIL after all")
    state.gil.is_held, state.choice, state.is_backend_fixed = True, None, False
    state.cores = CoreEvidence()  # those that take turns seemed to have no cores
    if state.profile.is_checked:
        state.profile.judge(fits=False)


def _see_drift(state: State, watch: drift.Watch, found: drift.Drift) -> None:
    """Answer a change of what items cost; one that concerns all plans alike needs no answer."""
    if found.what == "waiting" and state.request.backend == "auto" and state.request.may_inline:
        state.waiting.suspect(found)  # or the host is busy: the caller's items tell
        return
    if found.factor < 1 and state.limits.n_most is not None and not state.costs.waits:
        found = found.replace(answer="n_jobs is counted anew")
        choose_backend.reopen_jobs(state)
    elif watch.costs_more((*state.drifts, found)) and not state.costs.waits:
        state.limits.contention.doubt()  # one A-B-A around n_jobs, if they still seem to be crowded
    _note_drift(state, found)


def _note_drift(state: State, found: drift.Drift) -> None:
    if state.profile.followed is not None:
        found = _left_for(state, found)
    state.note_drift(found)
    state.costs.begin_means()


def _left_for(state: State, found: drift.Drift) -> drift.Drift:
    """Leave a plan that was tuned if the drift ends it; the drift, with that as its answer."""
    from amorsize.policy.evidence import tuned_plan_fit
    from amorsize.policy.rules import follow_tuned_plan  # few calls follow one

    if not tuned_plan_fit.ends(found):
        return found
    follow_tuned_plan.leave(state, "it was measured for other items")
    return found.replace(answer="the plan that was tuned is left")

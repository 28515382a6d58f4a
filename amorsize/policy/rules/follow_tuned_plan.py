"""Carries out a plan that was measured on purpose, as it stands, while it holds."""

from __future__ import annotations

from amorsize.policy import best_backend, chunk_sizing
from amorsize.policy.actions import Action, InspectHost, Plan, StartWorker, StopGilProbe, Wait
from amorsize.policy.evidence import tuned_plan_fit
from amorsize.policy.rules import dispatch, inline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.evidence.worker_table import Pool
    from amorsize.policy.state import State

#: A chunk of the plan comes back after this many times its planned time. Where costs have risen
#: that much, the plan's chunks would otherwise be the end of the call.
OVERRUN_FACTOR = 4.0


def follow(state: State, status: Status, plan: Plan) -> Action | None:
    """The next action of the plan; None: it cannot be followed any more."""
    if plan.backend == "serial":
        return inline.run_slice(state, status, inline.SERIAL_SLICE_S)
    if not state.is_host_inspected:
        return Wait(reason="the caller's item is running") if status.caller_busy else InspectHost()
    if state.gil.is_probing and not status.caller_busy:
        return StopGilProbe()
    reason = _why_not(state, plan.backend)
    if reason is not None:
        leave(state, reason)
        return None
    state.choice = best_backend.BackendChoice(backend=plan.backend, why=tuned_plan_fit.SOURCE)
    state.is_backend_fixed = True
    pool = state.workers.of(plan.backend)
    action = _feed(state, status, pool, plan) if pool.has_idle else None
    action = action or _grow(state, status, pool, plan)
    return action or _feed(state, status, pool, plan) or Wait(reason="workers are busy")


def leave(state: State, reason: str) -> None:
    """Leave the plan, which no longer holds; the items left are decided on again."""
    state.note("the tuned plan is left", reason)
    state.profile.followed, state.choice = None, None


def _why_not(state: State, backend: str) -> str | None:
    """Why items may not run where the plan wants them, in words; None: they may."""
    if backend == "thread":
        return state.request.thread_reason
    if state.sending.reason is not None:
        return state.sending.reason
    return state.request.process_reason


def _feed(state: State, status: Status, pool: Pool, plan: Plan) -> Action | None:
    worker = pool.least_loaded(plan.n_jobs)
    if worker is None:
        return None
    n_items = min(plan.chunksize, status.n_left)
    n_ready = min(plan.n_jobs, len(pool.ready))
    if worker.n_queued and not dispatch.may_queue_more(
        state, pool, n_items, n_ready, status.n_left
    ):
        return None
    planned_s = max(n_items * (state.costs.item_s or 0.0), chunk_sizing.WATCHED_CHUNK_S)
    return dispatch.send(state, worker, n_items, OVERRUN_FACTOR * planned_s)


def _grow(state: State, status: Status, pool: Pool, plan: Plan) -> Action | None:
    # Forking from the dispatcher thread beside the caller's item would not be safe.
    is_unsafe = plan.backend == "process" and state.host.fork_reason is None
    n_wanted = min(plan.n_jobs, status.n_left + pool.n_busy, state.limits.n_system or plan.n_jobs)
    if pool.n_alive >= n_wanted or pool.has_idle or (status.caller_busy and is_unsafe):
        return None
    return StartWorker(backend=plan.backend)

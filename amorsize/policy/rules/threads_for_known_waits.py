"""Starts threads for long waits that an earlier call has seen.

Running one item first, as if nothing were known, would take as long as all of them at once. So one
thread begins an item, and the caller watches for 2 ms. If the item has not ended by then, and has
not computed, it waits as it did before.
"""

from __future__ import annotations

from amorsize.policy.actions import Action, InspectHost, StartWorker, Wait
from amorsize.policy.evidence import io_concurrency, tuned_plan_fit
from amorsize.policy.evidence.io_bound import FIRST_WAIT_S
from amorsize.policy.frozen_record import inf
from amorsize.policy.rules import dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.profile import Profile
    from amorsize.policy.state import State

#: Only waits this long: running a shorter one first takes less time than watching.
LONG_WAIT_S = 5e-3


def begin(state: State, status: Status, remembered: Profile) -> Action | None:
    """Start as many threads as an earlier call had; None: one item runs first."""
    if not _are_long_waits(state, remembered, status):
        return None
    if not state.is_host_inspected:
        return InspectHost()
    if state.request.thread_reason is not None:
        return None
    pool = state.workers.of("thread")
    worker = pool.least_loaded(None, n_most_queued=1)
    if worker is not None and status.n_left:
        return dispatch.send(state, worker, dispatch.n_first(state, status), inf)
    if not pool.n_alive:
        return StartWorker(backend="thread")
    first_wait = state.waiting.first_wait
    if not first_wait.is_idle and not first_wait.is_vain:
        return Wait(reason="a first item is running", timeout_s=FIRST_WAIT_S, is_watched=True)
    if first_wait.is_idle and pool.n_alive < _n_wanted(state, status, remembered):
        if pool.n_alive == 1:
            state.note("threads at once", "an earlier call had long waits, and one is under way")
            state.waiters.start_with(remembered)
        return StartWorker(backend="thread")
    return Wait(reason="first items are running")


def _are_long_waits(state: State, remembered: Profile, status: Status) -> bool:
    is_open = state.choice is None and not tuned_plan_fit.applies(remembered, state.request)
    # Where there were two of them, the caller ran both.
    in_threads = remembered.traits.waits and remembered.plan.backend in ("thread", "serial")
    is_long = remembered.traits.item_s >= LONG_WAIT_S
    return is_open and in_threads and is_long and status.n_left + state.workers.n_in_flight > 1


def _n_wanted(state: State, status: Status, remembered: Profile) -> int:
    n_known = state.waiters.n_known(remembered)
    n = min(
        n_known, io_concurrency.n_beside(remembered.traits.item_s, remembered.traits.item_cpu_s)
    )
    n = state.limits.within(min(n, status.n_left + state.workers.n_in_flight))
    return min(n, state.request.n_jobs or n)

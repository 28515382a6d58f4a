"""Starts the workers that the work left pays for, on free cores; ends those that lack memory."""

from __future__ import annotations

from amorsize.policy import best_backend, worker_costs
from amorsize.policy.actions import Action, RetireWorker, StartWorker, Wait
from amorsize.policy.rules import dispatch, inline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.evidence.worker_table import Pool
    from amorsize.policy.state import State

#: The last core is worth a worker while this much work is left. Until a new worker has settled on
#: a core of its own (a few ms, measured on Linux 6) it shares one with the others.
LAST_S = 0.1

#: Workers that start before one has told whether each has to warm up. All at once may contend.
COLD_WORKERS = 2


def grow(state: State, status: Status, pool: Pool) -> Action | None:
    """Start one more worker if the work left pays for it and the cores are there."""
    assert state.choice is not None
    assert state.choice.backend is not None
    backend = state.choice.backend
    if status.caller_busy and backend == "process" and state.host.fork_reason is None:
        return None  # forking from the dispatcher thread beside the caller's item would not be safe
    # A worker of the backend before may still be at its last chunk.
    n_there = pool.n_alive + state.workers.n_busy_beside(pool)
    if n_there >= state.n_most_jobs or pool.has_idle:
        return None
    n_wanted = _n_wanted(state, status)
    if not state.is_backend_fixed and n_wanted:
        state.is_backend_fixed = True
        from amorsize.policy.counted import counted

        left = f"{state.left_s(status):.3g} s of work left in the loop"
        state.note(f"up to {counted(n_wanted, 'worker')}", left)
    is_testing = state.limits.contention.is_testing and not state.costs.waits
    if is_testing or n_there >= _n_allowed(state, status, n_wanted):
        return None
    return StartWorker(backend=backend)


def n_to_start(state: State, status: Status) -> int:
    """How many processes would start in a row by what is known now, as far as that is told."""
    if (
        state.choice is None
        or state.choice.backend != "process"
        or state.profile.followed is not None
    ):
        return 0
    pool = state.workers.of("process")
    if is_asked_of_workers(state):
        return max(0, _n_of_workers_only(state, status, pool) - pool.n_alive)
    n_there = pool.n_alive + state.workers.n_busy_beside(pool)
    return max(0, _n_allowed(state, status, _n_wanted(state, status)) - n_there)


def is_asked_of_workers(state: State) -> bool:
    """Whether workers run all items, because the caller may not or because one has died."""
    is_open = state.request.backend == "auto" and state.request.may_inline
    return not is_open or state.workers.has_lost_one


def _n_allowed(state: State, status: Status, n_wanted: int) -> int:
    """How many of the workers that the work left pays for may be there by what is known now."""
    n = min(n_wanted, state.n_most_jobs)
    if not state.costs.waits:
        n = min(n, _n_trusted(state, status))
    if n > 1 and inline.helps(state) and state.left_s(status) < LAST_S:
        # A worker on the last core would only do what the caller can do itself.
        n = min(n, max(1, state.host.n_cores - 1))
    return n


def _n_wanted(state: State, status: Status) -> int:
    """How many workers to have, those at work included, by what the work left pays for."""
    if state.max_dispatchable() < worker_costs.WORTH:
        return 0
    return (_n_for_more if state.workers.n_started else _n_for_first_start)(state, status)


def _n_for_first_start(state: State, status: Status) -> int:
    """How many to start where there is none; 0: with them the call would take as long."""
    left_s = left_at_latest_s(state, status)
    n = _n_affordable(state, status, left_s)
    is_worth = n >= 1 and state.worker_cost().pays(left_s, n, sure_warmup_s(state))
    return n if is_worth else 0


def _n_for_more(state: State, status: Status) -> int:
    """How many to have once some were started: no more than are there if the end is near."""
    n = _n_affordable(state, status, state.left_s(status))
    up_s = state.worker_cost().first_s + sure_warmup_s(state)
    is_late = left_at_latest_s(state, status) < up_s
    return min(n, state.workers.n_alive) if is_late else n


def _n_affordable(state: State, status: Status, left_s: float) -> int:
    """How many workers the items and the costs allow with this much work left."""
    n_fed = int(min(1e6, worker_costs.SPARE * state.max_dispatchable())) + 2
    n = min(state.n_most_jobs, n_fed)
    n = min(n, state.worker_cost().n_affordable(left_s, sure_warmup_s(state)))
    if status.all_read:
        n = min(n, status.n_left + state.workers.n_in_flight)
    if state.limits.n_most is not None:
        n = min(n, state.limits.n_most)
    return n


def left_at_latest_s(state: State, status: Status) -> float:
    """The work left if items cost the mean of all and the latest: costs may be rising."""
    latest_s, item_s = state.costs.latest_s or 0.0, state.costs.item_s or 0.0
    return state.left_s(status) + state.n_left(status) * max(0.0, latest_s - item_s) / 2


def sure_warmup_s(state: State) -> float:
    """The warm-up of each new worker, where it is certain: a long first item alone is no proof."""
    is_sure = state.costs.is_warmup_sure and not state.inherits_warmth
    return state.costs.warmup_s if is_sure else 0.0


def doubtful_warmup_s(state: State) -> float:
    """The warm-up that each new worker may have, if the first item was not simply a long one."""
    is_open = not state.costs.is_warmup_sure and not state.inherits_warmth
    return state.costs.warmup_s if is_open else 0.0


def _n_trusted(state: State, status: Status) -> int:
    """How many cores to count on: few until a worker or the caller has shown that they are free."""
    n = state.n_most_jobs
    if doubtful_warmup_s(state) > state.worker_cost().first_s:
        n = min(n, COLD_WORKERS)
    if not state.cores.verified:
        bet_s = worker_costs.bet_s(status.now_s, state.left_s(status))
        n = min(n, max(1, int(bet_s / state.worker_cost().first_s)))
    if state.costs.first_unconfirmed_s is not None and not state.inherits_warmth:
        spent_s = status.now_s  # all that is known: what is left is not, if that was a warm-up
        n = min(n, max(1, int(worker_costs.bet_s(spent_s, 0.0) / state.worker_cost().start_s)))
    if not state.costs.n_reports and state.host.n_cores > 1 and not state.has_proven_pool:
        n = min(n, state.n_most_jobs - 1)  # the caller still computes on one
    return n


def shrink(state: State, pool: Pool) -> Action | None:
    """End an idle worker for which there is too little memory."""
    n_most = state.limits.memory.n_limit
    if n_most is None or pool.n_alive <= n_most or (worker := pool.last_idle) is None:
        return None
    state.workers.lose(worker.number)
    return RetireWorker(worker=worker.number)


def workers_only(state: State, status: Status) -> Action:
    """Send every item to a worker, because the user or a promise demands it."""
    if state.choice is None or state.choice.backend in (None, "serial"):
        backend = "process" if state.request.process_reason is None else "thread"
        state.choice = best_backend.BackendChoice(
            backend=backend, why="only a worker can keep what was asked"
        )
        state.cores.verified = True
    assert state.choice.backend is not None
    pool = state.workers.of(state.choice.backend)
    if (action := shrink(state, pool)) is not None:
        return action
    if pool.has_idle and (action := dispatch.feed(state, status, pool)) is not None:
        return action
    # Before anybody has a second chunk in advance: where there are few, others are to run them.
    if pool.n_alive < _n_of_workers_only(state, status, pool) and not pool.has_idle:
        return StartWorker(backend=state.choice.backend)
    return dispatch.feed(state, status, pool) or Wait(reason="workers are busy")


def _n_of_workers_only(state: State, status: Status, pool: Pool) -> int:
    """How many workers to start if the caller runs no items: at least one, at any cost."""
    assert state.choice is not None
    n = state.limits.within(min(state.n_most_jobs, status.n_left + pool.n_busy))
    if state.request.n_jobs is not None:
        return n
    if state.costs.item_s is not None and not state.costs.waits:
        n = min(n, max(pool.n_alive, state.worker_cost().n_affordable(state.left_s(status))))
    knows = state.costs.n_reports > 0 and state.waiting.first_reports.are_enough
    if state.choice.backend == "thread" and not knows:
        n = min(n, 1)  # a second one would hide whether items wait, or wait for the first
    return max(1, n)

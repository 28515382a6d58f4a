"""Sends chunks to the workers of an executor, which a chunk takes long to reach.

These workers cost nothing to start. Two things count: the caller's time per chunk, and the time for
which a worker is idle between two chunks. So a worker gets its next chunk while it runs this one.
"""

from __future__ import annotations

from amorsize.policy import best_backend, chunk_sizing
from amorsize.policy.actions import Action, StartWorker, Wait
from amorsize.policy.evidence.executor_speeds import WorkerSpeeds
from amorsize.policy.frozen_record import inf
from amorsize.policy.profile import FITS
from amorsize.policy.rules import dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report, Status
    from amorsize.policy.state import State

#: A bulk chunk lasts this many times as long as the round trip, divided by the number of chunks
#: that a worker has under way. With 20, simulated calls took 1.5 % longer where a chunk takes
#: 2.5 ms of its worker, as on Dask. With 40, a worker ten times as slow as others kept them
#: waiting.
LAGS = 35.0
#: Nor is it longer than this for the sake of its way: workers that come later find nothing else to
#: do. With one chunk sent ahead, a chunk only has to outlast the way.
MOST_LAGS_S = 1.0
#: Chunks of a worker that are under way at once: one that runs, one that waits behind it.
N_UNDER_WAY = 2
#: All workers together need at least so many times as long for a chunk each as the caller for
#: sending these.
SENDING = 2.0
#: A chunk is at most this many times the largest one that came back. One that takes longer than was
#: planned returns its rest.
GROWTH = 16
#: A chunk longer than this many times its way is sent when the one before it is back.
SHORT = 40.0
#: A chunk is at most 2/3 of a worker's share of what is left: more than at home, since a scheduler
#: and its workers spend some milliseconds of processor time on each. One that takes longer than was
#: planned returns its rest.
GUIDE = 1.5
#: The last chunks last so many times as long as they are on their way.
TAIL_LAGS = 3.0
#: Results that one chunk may bring back, as far as that leaves it an item: on Dask, 4 MB are on
#: their way for about as long as a chunk without any.
MOST_BYTES = 4e6
#: The most bytes of results that all chunks under way may bring back.
ALL_BYTES = 64e6


def feed(state: State, status: Status) -> Action:
    """Send a chunk to a worker that has too little to do, or take one more worker."""
    if state.choice is None or state.choice.backend is None:
        why = "the workers that were asked for run all items"
        state.choice = best_backend.BackendChoice(backend="process", why=why)
        state.cores.verified = True
    pool = state.workers.of("process")
    worker = pool.least_loaded(_n_active(state))
    speeds = state.workers.speeds
    speed = 1.0 if worker is None or speeds is None else speeds.of(worker.number)
    n_items, time_budget_s = chunk_for(state, status, speed)
    if worker is not None and not worker.n_queued:
        return dispatch.send(state, worker, n_items, time_budget_s)
    if pool.n_alive < min(_n_active(state), pool.n_busy + status.n_left):
        return StartWorker(backend="process")
    if worker is not None and worker.n_queued < N_UNDER_WAY and _is_short(state, n_items, status):
        return dispatch.send(state, worker, n_items, time_budget_s)
    return Wait(reason="workers are busy")


def _n_active(state: State) -> int:
    """How many workers may have items now."""
    n_asked = state.host.n_cores if state.request.n_jobs is None else state.request.n_jobs
    limits = state.limits.n_most, state.limits.failures.n_limit
    return min([n_asked, *(one for one in limits if one is not None)])


def chunk_for(state: State, status: Status, speed: float = 1.0) -> tuple[int, float]:
    """Items of the next chunk, with the seconds after which its rest is to come back.

    Args:
        speed: How fast the worker is that gets it, beside all others. A chunk is to last as long
            on a slow machine as on a fast one.
    """
    if state.request.chunksize is not None:
        return min(state.request.chunksize, status.n_left), inf
    item_s = _item_s(state)
    if item_s is None:
        return 1, inf
    n_workers, n_left = _n_active(state), state.n_left(status)
    # At the end it is fewer workers that are served in time.
    n_served = min(n_workers, max(1.0, (n_left * item_s / state.host.dispatch_s) ** 0.5))
    tail_s = max(TAIL_LAGS * _lag_s(state), n_workers * state.host.dispatch_s)
    guided = max(tail_s / item_s, n_left / (GUIDE * n_workers), 1.0)
    most = min(full_chunk(state), -(-n_left // n_served), _n_most(state))
    n_items = max(1, round(min(guided * speed, most * speed, _n_by_size(state, n_workers))))
    planned_s = max(n_items * item_s / speed, tail_s)
    return min(n_items, status.n_left), chunk_sizing.OVERRUN_FACTOR * planned_s


def full_chunk(state: State) -> int:
    """Items of a chunk while many are left."""
    item_s, n_workers = _item_s(state), _n_active(state)
    if item_s is None:
        return 1
    n_lags = LAGS / N_UNDER_WAY if state.host.executor_overlaps else LAGS
    lags_s = min(n_lags * _lag_s(state), MOST_LAGS_S)
    bulk_s = max(lags_s, SENDING * n_workers * state.host.dispatch_s)
    return max(1, round(min(bulk_s / item_s, _n_by_size(state, n_workers))))


def _item_s(state: State) -> float | None:
    """The cost of an item, from this call or an earlier one."""
    item_s, remembered = state.costs.item_s, state.profile.unchecked
    if item_s is None and remembered is not None:
        item_s = remembered.traits.item_s
    return None if item_s is None else max(item_s, chunk_sizing.LEAST_S)


def _n_most(state: State) -> int:
    """How many items a chunk may have, by the chunks before it."""
    remembered = state.profile.unchecked
    return (
        GROWTH * max(1, state.costs.n_largest) if remembered is None else remembered.plan.chunksize
    )


def see(state: State, event: Report) -> None:
    """Handle the report of a chunk."""
    if state.workers.speeds is None:
        state.workers.speeds = WorkerSpeeds()
    state.workers.speeds.add(event)
    _check_profile(state)


def _check_profile(state: State) -> None:
    """Check the remembered profile on the first chunk that comes back."""
    remembered, item_s = state.profile.unchecked, state.costs.item_s
    if remembered is None or item_s is None:
        return
    state.profile.unchecked = None
    state.profile.judge(fits=1 / FITS < item_s / remembered.traits.item_s < FITS)
    if state.profile.fits:
        state.costs.n_largest = max(state.costs.n_largest, remembered.plan.chunksize)


def _n_by_size(state: State, n_workers: int) -> float:
    """How many items a chunk may have so that the results under way stay within their limit."""
    each_bytes = state.sending.result_bytes
    if not each_bytes:
        return inf
    return min(MOST_BYTES, ALL_BYTES / (N_UNDER_WAY * n_workers)) / each_bytes


def _lag_s(state: State) -> float:
    assert state.host.executor_lag_s is not None
    return state.host.executor_lag_s


def _is_short(state: State, n_items: int, status: Status) -> bool:
    """Whether a chunk is over before another one could come, and enough is left for all."""
    item_s = _item_s(state)
    if state.workers.has_lost_one or item_s is None:
        return False
    if status.n_left < n_items * _n_active(state) and status.all_read:
        return False  # another worker may be free sooner
    return n_items * item_s < SHORT * _lag_s(state)

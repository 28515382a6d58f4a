"""Sends chunks to the workers."""

from __future__ import annotations

from amorsize.policy import chunk_sizing
from amorsize.policy.actions import Action, Send, Wait
from amorsize.policy.frozen_record import inf
from amorsize.policy.rules import inline
from amorsize.policy.rules.inline import SLICE_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.evidence.worker_table import Pool, WorkerState
    from amorsize.policy.state import State

#: After this many reports in all, the first chunks of workers are as long as others.
FEW_REPORTS = 8

#: Start another cold worker only while at least 2 warm-ups of work remain per warm worker. Factors
#: of 2 to 3 perform alike.
WARM_IN_TIME = 2.0

#: While this many items are left for each place, a worker may have one more in advance.
PLENTY = 4

#: Chunks shorter than this are sent ahead, since waiting some milliseconds for the caller counts.
AHEAD_S = 40e-3

#: Chunks are sent ahead while this many are left for each place: none waits behind a long one at
#: the end.
AHEAD_LEFT = 8

#: A caller inside an item this long cannot serve workers. The GIL probe needs such an item.
LONG_ITEM_S = 2e-3

#: What a chunk takes of the cores, as a multiple of what it takes of the caller, where there are
#: more processes than cores. Each of them is awake for about twice as long as the caller.
CROWDED = 3.0

#: What a chunk of waiting items takes of the GIL, as a multiple of what it takes of the caller: its
#: thread needs the GIL for as long. Measured on 2 cores: 97 us in the caller, 100 us in the thread.
ONE_GIL = 2.0

#: If sending takes a larger share of the caller's time, workers get a second chunk in advance.
DEEP_CALLER_SHARE = 0.3


def feed(state: State, status: Status, pool: Pool) -> Action | None:
    """Send a chunk to the ready worker with the least to do, if it has too little."""
    n_active = state.limits.n_most
    if state.costs.waits:
        n_most = state.limits.failures.n_limit or state.waiters.n_wanted
        n_active = min(state.waiters.n_wanted, n_most, state.limits.memory.n_limit or n_most)
    worker = pool.least_loaded(n_active)
    if worker is None:
        return None
    if worker.is_cold and not worker.n_reports and not _is_worth_warming(state, status, pool):
        return None  # the caller goes on, or those that are warm
    n_ready = len(pool.ready) if n_active is None else min(n_active, len(pool.ready))
    n_items, time_budget_s = chunk_for(state, status, worker, n_ready)
    if worker.n_queued and not may_queue_more(state, pool, n_items, n_ready, status.n_left):
        return None
    return send(state, worker, n_items, time_budget_s)


def n_first(state: State, status: Status) -> int:
    """How many items to hand out while nothing is known of them: one, or the chunksize asked."""
    return min(state.request.chunksize or 1, status.n_left)


def may_queue_more(state: State, pool: Pool, n_items: int, n_ready: int, n_left: int) -> bool:
    """Whether a worker may have a chunk in advance, which no other worker could begin sooner."""
    n_others = pool.n_alive - len(pool.ready) + (0 if state.costs.waits else n_ready)
    if state.costs.waits:  # those that are still to be started could begin it at once
        n_others = max(n_others, state.n_most_jobs - n_ready)
    return n_left > n_others * n_items and _is_deep(state, n_items, n_ready, n_left)


def _is_worth_warming(state: State, status: Status, pool: Pool) -> bool:
    """Whether so much work is left that a warm-up of another worker pays."""
    warmup_s = state.costs.warmup_s
    if not warmup_s or (not pool.n_reporting and not _may_help(state)):
        return True
    return state.left_s(status) > WARM_IN_TIME * warmup_s * max(1, pool.n_reporting)


def _may_help(state: State) -> bool:
    """Whether the caller runs items itself as long as no worker has delivered."""
    is_auto = state.request.backend == "auto" and state.request.may_inline
    is_open = is_auto and not state.workers.has_lost_one
    return is_open and not state.has_proven_pool and not state.costs.waits


def chunk_for(state: State, status: Status, worker: WorkerState, n_ready: int) -> tuple[int, float]:
    """The number of items of a worker's next chunk, and its time budget."""
    if state.request.chunksize is not None:
        return min(state.request.chunksize, status.n_left), inf
    costs = state.costs
    if costs.item_s is None:
        return _unmeasured_chunk(state, status, worker, n_ready)
    is_looking = costs.waits and state.waiters.is_looking(n_ready)
    if is_looking and _can_be_served_singly(state, worker, n_ready):
        return 1, inf  # reports of one item each tell soonest
    return _chunk_of(
        state,
        status,
        worker,
        n_ready,
        item_s=costs.item_s,
        n_largest=max(costs.n_largest, 0 if costs.n_reports else costs.n_inline),
        is_watched=state.limits.contention.is_testing
        or (not worker.n_reports and costs.n_reports < FEW_REPORTS and not state.profile.fits),
    )


def _can_be_served_singly(state: State, worker: WorkerState, n_ready: int) -> bool:
    """Whether items are so long that chunks of one leave the caller half idle."""
    served_s = n_ready * _dispatch_s(state, worker.backend, n_ready) / chunk_sizing.CALLER_SHARE
    return (state.costs.item_s or 0.0) >= max(SLICE_S, served_s)


def _unmeasured_chunk(
    state: State, status: Status, worker: WorkerState, n_ready: int
) -> tuple[int, float]:
    """A chunk while no item of this call has ended: as long as others, if the last call is known.

    Should items cost more by now, its rest comes back after the first of them. In a thread the
    first item is alone, as it tells whether items wait.
    """
    item_s = state.request.item_s_before
    if item_s is None or worker.backend != "process":
        return 1, chunk_sizing.WATCHED_CHUNK_S
    n_most = status.n_left
    return _chunk_of(
        state, status, worker, n_ready, item_s=item_s, n_largest=n_most, is_watched=False
    )


def _chunk_of(
    state: State,
    status: Status,
    worker: WorkerState,
    n_ready: int,
    *,
    item_s: float,
    n_largest: int,
    is_watched: bool,
) -> tuple[int, float]:
    """The next chunk of items that cost so much: `chunk_sizing.chunk_of`, by what is known."""
    n_workers = max(n_ready, state.limits.within(state.n_most_jobs))
    n_items, time_budget_s = chunk_sizing.chunk_of(
        n_left=state.n_left(status),
        item_s=item_s,
        n_workers=n_workers,
        dispatch_s=_dispatch_s(state, worker.backend, n_workers),
        overhead_s=state.worker_cost().overhead_s,
        n_largest=n_largest,
        is_watched=is_watched,
    )
    return min(n_items, status.n_left), time_budget_s


def _dispatch_s(state: State, backend: str, n_workers: int) -> float:
    """What a chunk takes of that which the caller and the workers share: the cores, or the GIL."""
    dispatch_s = state.worker_cost().dispatch_s
    if backend == "thread":
        return dispatch_s * ONE_GIL if state.costs.waits and state.host.has_gil else dispatch_s
    is_settled = state.waiters.n_asked is not None  # else shorter chunks tell sooner how many
    return dispatch_s * CROWDED if is_settled and n_workers > state.host.n_cores else dispatch_s


def _is_deep(state: State, n_items: int, n_ready: int, n_left: int) -> bool:
    """Whether a worker should have its next chunk before it has finished this one."""
    if state.workers.has_lost_one:
        return False
    if state.costs.waits:  # a thread must not wait for a caller who waits for the GIL
        return n_left > 2 * n_ready * n_items
    if not state.costs.n_reports and (state.costs.item_s or 0.0) >= LONG_ITEM_S:
        return n_left > PLENTY * (1 + n_ready)  # the caller is soon in a long item of its own
    worker_cost = state.worker_cost()
    chunk_s = n_items * (state.costs.item_s or 0.0)
    if chunk_s < 2 * SLICE_S and n_ready < state.host.n_cores and inline.helps(state):
        return True  # it is over before the caller looks up from its own items
    if _is_late(state, chunk_s, n_ready) and n_left > AHEAD_LEFT * (1 + n_ready) * n_items:
        return True
    sent_s = worker_cost.dispatch_s + n_items * state.pickle_s
    busy_share = n_ready * sent_s / max(chunk_s, 1e-9)
    return (
        busy_share > DEEP_CALLER_SHARE
        or chunk_s < chunk_sizing.DEEP_OVERHEADS * worker_cost.overhead_s
    )


def _is_late(state: State, chunk_s: float, n_ready: int) -> bool:
    """Whether the caller serves workers late, because all cores are busy and it waits for one.

    Up to the 3 to 5 ms that a scheduler lets a process go on. In a small pool each such gap counts;
    in a large one, more chunks on their way show later whether workers are in each other's way.
    """
    is_crowded = state.host.n_cores <= n_ready and n_ready <= inline.HELP_CORES
    is_known = state.costs.n_reports >= FEW_REPORTS and not state.limits.contention.is_testing
    return is_crowded and is_known and chunk_s < AHEAD_S


def send(state: State, worker: WorkerState, n_items: int, time_budget_s: float) -> Send:
    """Note that a chunk was sent to a worker."""
    state.workers.send(worker)
    return Send(worker=worker.number, n_items=n_items, time_budget_s=time_budget_s)


def meanwhile(state: State, status: Status) -> Action | None:
    """Keep the present workers busy while it is not known how items are best run."""
    for worker in state.workers:
        is_shut_out = worker.backend == "process" and state.sending.reason is not None
        if worker.is_ready and not is_shut_out and _may_queue(state, worker, status):
            n_items, time_budget_s = n_first(state, status), inf
            if worker.n_reports:
                n_items, time_budget_s = chunk_for(state, status, worker, state.workers.n_alive)
            if n_items * (state.costs.item_s or inf) < state.worker_cost().dispatch_s:
                return None  # to send it takes longer than to run it
            return send(state, worker, n_items, time_budget_s)
    return None


def meanwhile_or_wait(state: State, status: Status) -> Action:
    """Serve the workers, or wait, while the caller is in a long item and little is known."""
    return meanwhile(state, status) or Wait(reason="the caller's item is running")


def _may_queue(state: State, worker: WorkerState, status: Status) -> bool:
    """Whether a worker may get a chunk: its first one, or a second while plenty is left."""
    n_first, n_left = state.request.chunksize or 1, status.n_left
    is_plenty = n_left > PLENTY * n_first * (1 + state.workers.n_started)
    for_caller = 0 if status.caller_busy else n_first  # it takes the last ones itself, if it can
    return n_left > for_caller and (not worker.n_queued or (worker.n_queued < 2 and is_plenty))

"""Runs items in the caller, in slices that grow with what is known."""

from __future__ import annotations

from amorsize.policy import chunk_sizing
from amorsize.policy.actions import Action, RunInline, Wait
from amorsize.policy.frozen_record import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.evidence.worker_table import Pool
    from amorsize.policy.state import State

#: The longest slice, in seconds, once workers may need the caller.
SLICE_S = 2e-3

#: The longest slice, in seconds, while workers are out of the question.
PATIENT_SLICE_S = 10e-3

#: The length of a slice, in seconds, when no worker needs the caller.
SERIAL_SLICE_S = 50e-3

#: A slice lasts at most this many times all slices before it: costs may yet change.
SLICE_SHARE = 3.0

#: Minimum slice: recording one costs 15 us.
FIRST_SLICE_S = 100e-6

#: A slice ends after this many times its planned time.
SLICE_BOX = 1.5

#: A slice has at most this many times the items seen so far.
GROWTH_INLINE = 4

#: The cost of items is believed once they ran for this long. Shorter slices measure mostly the
#: clock.
SURE_S = 0.3e-3

#: Up to this many cores, the caller's own items are worth more than serving workers at once.
HELP_CORES = 4

#: The caller helps only with items shorter than this: it has to be back soon.
HELP_ITEM_S = 2e-3


def run_slice(state: State, status: Status, longest_s: float) -> Action:
    """Run some items in the caller, for a time that grows with what it has seen."""
    if status.caller_busy:
        return Wait(reason="the caller is inside an item")
    costs = state.costs
    if state.request.chunksize is not None and state.request.backend != "serial":
        return RunInline(n_items=min(state.request.chunksize, status.n_left), time_budget_s=inf)
    item_s = max(costs.item_s or 0.0, chunk_sizing.LEAST_S)
    if not costs.item_s or costs.first_unconfirmed_s is not None:
        return RunInline(n_items=1, time_budget_s=inf)
    n_items = int(longest_s / item_s) + 1
    slice_s = longest_s
    if not state.profile.fits:  # what an earlier call has seen need not be felt for
        slice_s = min(longest_s, max(SLICE_SHARE * costs.elapsed_inline_s, FIRST_SLICE_S))
        n_items = min(int(slice_s / item_s) + 1, GROWTH_INLINE * max(1, costs.n_seen))
    n_items = min(n_items, status.n_left)
    return RunInline(n_items=n_items, time_budget_s=SLICE_BOX * slice_s)


def works(state: State, status: Status, pool: Pool) -> bool:
    """Whether the caller runs items itself rather than waiting for reports."""
    if status.caller_busy:
        return False
    if not pool.n_alive or _is_beginning(state, pool):
        return True
    if state.costs.waits:
        return False
    if not pool.n_reporting:
        return not state.has_proven_pool  # else never wait for one that has not delivered yet
    n_most = state.limits.within(min(state.host.n_cores, state.n_most_jobs))
    return helps(state) and pool.n_alive < n_most and status.n_left > 0


def _is_beginning(state: State, pool: Pool) -> bool:
    """Whether new interpreters are all there is, and none can take an item yet.

    They import what the function needs, which takes as long as many items that wait.
    """
    assert state.choice is not None
    is_new = state.choice.backend == "process" and state.host.fork_reason is not None
    return is_new and not (pool.ready or state.has_proven_pool or state.workers.has_lost_one)


def helps(state: State) -> bool:
    """Whether the caller does as much as a worker, although it has to serve the others."""
    is_short = (state.costs.item_s or inf) < HELP_ITEM_S
    return is_short and state.host.n_cores <= HELP_CORES and not state.costs.waits


def helping_slice_s(state: State, status: Status, pool: Pool) -> float:
    """The length of a slice beside workers: at most each worker's share of the work left."""
    share_s = state.left_s(status) / (1 + pool.n_alive)
    return min(SLICE_S, max(share_s - (state.costs.item_s or 0.0), 0.0))


def patient_slice_s(state: State, status: Status) -> float:
    """The length of a slice without workers: it ends before it would be time to start some."""
    if state.profile.fits and status.all_read:
        return SERIAL_SLICE_S
    is_known = state.costs.elapsed_inline_s > SURE_S
    return PATIENT_SLICE_S if is_known and status.all_read else SLICE_S

"""Decides where items run, once what `best_backend` asks for was measured."""

from __future__ import annotations

from amorsize.policy import best_backend, chunk_sizing, worker_costs
from amorsize.policy.actions import (
    Action,
    InspectHost,
    MeasurePickling,
    StartGilProbe,
    StartWorker,
    StopGilProbe,
)
from amorsize.policy.evidence.contention import Contention
from amorsize.policy.evidence.core_availability import CoreEvidence
from amorsize.policy.evidence.io_concurrency import Waiters
from amorsize.policy.rules import dispatch, inline, scale
from amorsize.policy.rules.dispatch import LONG_ITEM_S
from amorsize.policy.rules.inline import SLICE_S, SURE_S
from amorsize.policy.trivial_items import LEAST_ITEM_S, LEAST_LEFT_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.state import State

#: Inspecting host and function takes this long, once in a process.
INSPECTION_S = 4e-3

#: One waiting item this long is enough to start threads on.
LONG_WAIT_ITEM_S = 1e-3

#: Until a first thread has an item, in a process whose calls had none: what they learned is looked
#: up, and what runs threads is loaded.
FIRST_THREAD_S = 9e-3

#: Share of an item's time that may go into starting processes before they are known to be best.
OPEN_SHARE = 0.5

#: Seconds after which it is asked again whether processes pay, if so much work is left.
ASK_AGAIN_S = 0.1

#: The work left must be this many times a doubtful warm-up, or one cold worker delays the end.
DOUBTS = 2.0


def decide(state: State, status: Status) -> Action | None:
    """Find out where the items are to run, while the caller goes on with them."""
    undecided = state.choice is None or state.choice.backend is None
    if status.caller_busy and state.gil.is_probing and _has_watched(state, status):
        return StopGilProbe()
    is_known = state.gil.is_held is False and not state.gil.is_probing and not state.costs.waits
    if status.caller_busy and (undecided or state.gil.is_probing) and not is_known:
        return dispatch.meanwhile_or_wait(state, status)
    if state.gil.is_probing:
        if state.costs.waits:  # threads serve such items, whoever holds the GIL
            return StopGilProbe()
        return _go_on_watching(state, status)
    if not undecided:
        return _ask_again(state, status)
    if not _could_pay(state, status):
        early = _worker_beside_second_item(state, status)
        return early or inline.run_slice(state, status, inline.patient_slice_s(state, status))
    if not state.is_host_inspected:
        return InspectHost()
    if _may_still_wait(state):
        return inline.run_slice(state, status, SLICE_S)
    choice = best_backend.choose(
        state.host,
        state.request,
        state.costs,
        pickling=state.sending.pickling,
        holds_gil=state.gil.is_held,
        left_s=state.left_s(status),
    )
    if choice.backend != "serial" and (action := look_up(state, status)) is not None:
        return action
    state.choice = choice
    state.changed()
    if state.choice.need == "pickling":
        return MeasurePickling()
    if state.choice.need == "gil":
        n_most = _n_beside_watching(state, status)
        return _start_worker_early(state, n_most) or start_gil_probe(state)
    assert state.choice.backend is not None
    backend = state.choice.backend
    state.note(best_backend.THE_LOOP if backend == "serial" else backend, state.choice.why)
    if backend == "thread" and state.costs.waits and state.costs.item_s is not None:
        state.waiters.expect(state.costs.item_s, state.costs.work_s)
    return None


def _ask_again(state: State, status: Status) -> Action | None:
    """Look again at what the loop was chosen for: too little seemed left to start processes.

    Items may have become costlier, cores may be back, and what was begun ahead may be ready.
    """
    is_in_doubt = state.request.may_pay_later and _is_loop(state) and not status.caller_busy
    if not is_in_doubt or status.now_s - state.moment.inspected_s < ASK_AGAIN_S:
        return None
    return InspectHost() if state.left_s(status) >= ASK_AGAIN_S else None


def _is_loop(state: State) -> bool:
    return state.choice is not None and state.choice.backend == "serial"


def _may_still_wait(state: State) -> bool:
    """Whether items seem to hold the GIL that have only waited so far, though too few to tell.

    On a busy host the watcher is late for want of a core as well.
    """
    is_open = state.request.backend == "auto" and state.request.thread_reason is None
    seems_held = bool(state.gil.is_held) and state.gil.seen is not None
    return is_open and seems_held and not state.costs.waits and state.costs.fits(waits=True)


def reroute(state: State) -> None:
    """Choose the backend again: it was chosen before it was clear that items wait."""
    is_open = state.choice is None or state.choice.backend is None
    if is_open or state.request.backend != "auto" or state.waiting.has_rerouted:
        return
    state.note(
        "where they run is decided anew", "the items seem to wait: they leave their core idle"
    )
    state.waiting.has_rerouted = True
    state.choice, state.is_backend_fixed = None, False
    begin_waiters(state)
    reopen_jobs(state)


def begin_waiters(state: State) -> None:
    """Items wait after all, or other ones do: how many at once is found out anew."""
    state.waiters = Waiters(state.waiters.n_most, state.waiters.n_asked)


def reopen_jobs(state: State) -> None:
    """Find the number of jobs again: what was found before is in doubt."""
    state.limits.contention, state.cores = Contention(), CoreEvidence(verified=True)


def are_trivial(state: State) -> bool:
    """Whether the caller is better off without a look at workers, by all that it has seen."""
    costs, remembered = state.costs, state.profile.unchecked
    is_in_doubt = remembered is not None and remembered.traits.item_s >= LEAST_ITEM_S
    is_open = state.is_host_inspected or costs.waits or is_in_doubt
    if is_open or costs.undelayed_inline_s < SURE_S:
        return False
    return max(costs.work_s, costs.latest_own_s or 0.0) < LEAST_ITEM_S


def _n_beside_watching(state: State, status: Status) -> int:
    """Workers while the caller watches an item: where there are many cores, it is a small loss."""
    if state.host.fork_reason is not None:
        return 0
    if state.host.n_cores <= inline.HELP_CORES:
        return 1
    n = n_bet(state, status.now_s, state.costs.item_s or 0.0, state.left_s(status))
    n_items = status.n_left + state.workers.n_in_flight - 1
    return max(1, state.limits.within(min(n, n_items, state.n_most_jobs - 1)))


def n_bet(state: State, now_s: float, item_s: float, left_s: float) -> int:
    """Processes that a bet pays for, by what an item takes and what is left.

    While threads may turn out better, what is lost without processes is at most the item that the
    caller watches, so no more than that may go into starting them.
    """
    host, remembered = state.host, state.profile.unchecked
    n = int(worker_costs.bet_s(now_s, left_s) / (host.process_start_s + host.process_ready_s))
    holds_gil = state.gil.is_held or (remembered is not None and remembered.traits.holds_gil)
    if state.request.thread_reason is not None or holds_gil:
        return n
    return min(n, int(OPEN_SHARE * item_s / host.process_start_s))


def _start_worker_early(state: State, n_most: int = 1) -> Action | None:
    """Watching takes a few items: with long ones, a worker is worth having meanwhile."""
    is_long = (state.costs.item_s or 0.0) >= LONG_ITEM_S
    if not is_long or state.request.process_reason is not None or state.workers.n_started >= n_most:
        return None
    if state.sending.pickling is None:
        return MeasurePickling()
    return StartWorker(backend="process") if state.sending.reason is None else None


def _worker_beside_second_item(state: State, status: Status) -> Action | None:
    """The first item was long: a worker beside the second, which tells if that was a warm-up.

    It has imported nothing (else its cost would not be known at all), so it may well have been
    as long as all others will be.
    """
    costs = state.costs
    first_s = min(costs.first_unconfirmed_s or 0.0, costs.undisturbed_s)
    is_long = first_s >= LONG_ITEM_S
    are_for_threads = costs.waits or state.gil.is_held is False
    if not is_long or are_for_threads or dispatch.n_first(state, status) > 1:
        return None
    bet_s = worker_costs.bet_s(status.now_s, state.left_s(status))
    if not state.is_host_inspected:
        return InspectHost() if bet_s >= INSPECTION_S else None
    worker_cost = worker_costs.of_processes(state.host)
    pays = state.n_most_jobs > 1 and worker_cost.pays(state.left_s(status), 1, 0.0)
    if not pays or bet_s < worker_cost.first_s:
        return None
    return look_up(state, status) or _start_worker_early(state)


def look_up(state: State, status: Status) -> Action | None:
    """Look up what earlier processes have learned, before anything else is done."""
    if not state.request.may_look_up:
        return None
    from amorsize.policy.rules import look_up_profile

    return look_up_profile.look_up(state, status)


def start_gil_probe(state: State) -> Action:
    """Start the GIL probe; if its first look was unclear, the second one lasts longer."""
    state.gil.begin()
    return StartGilProbe()


def _go_on_watching(state: State, status: Status) -> Action:
    if state.gil.began_s is None:  # the watcher is there from now on
        state.gil.began_s = status.now_s
    if (action := dispatch.meanwhile(state, status)) is not None:
        return action
    if _has_watched(state, status):
        return StopGilProbe()
    return inline.run_slice(state, status, SLICE_S)


def _has_watched(state: State, status: Status) -> bool:
    """Whether it was watched for long enough."""
    if status.caller_busy and state.gil.seen is None:
        return True  # the dispatcher thread asks when an item has taken longer than that
    began_s = state.gil.began_s
    return began_s is not None and status.now_s - began_s >= state.gil.enough_s


def _could_pay(state: State, status: Status) -> bool:
    """Whether, on the best assumptions, more than the caller is worth having."""
    costs, left_s = state.costs, state.left_s(status)
    if state.workers.n_started and not state.profile.is_contradicted:
        return left_s > 2 * state.overhead_s / chunk_sizing.TAIL_LOSS_SHARE
    # CPU time: on a busy host, even trivial items look long.
    if (costs.item_s or 0.0 if costs.waits else costs.work_s) < LEAST_ITEM_S:
        return False
    # Others' turns at the core last for longer than a short call, and say nothing of it.
    if costs.undelayed_inline_s < SURE_S and not state.profile.fits:
        return False
    if costs.first_unconfirmed_s is not None:
        return _pays_after_one_item(state, status, costs.first_unconfirmed_s)
    if not state.is_host_inspected:
        undisturbed_left_s = state.n_left(status) * costs.undisturbed_s
        return undisturbed_left_s > LEAST_LEFT_S + state.request.to_load_s
    return _pays_by_costs(state, status)


def _pays_after_one_item(state: State, status: Status, first_s: float) -> bool:
    """Whether threads may pay when only one item has run, which took `first_s` seconds.

    A second item tells whether the first was a warm-up. Where items wait, that costs too much.
    """
    left_s = state.left_s(status)
    if not state.costs.waits or first_s <= LONG_WAIT_ITEM_S:
        return False
    if not state.is_host_inspected and left_s <= state.request.to_load_s:
        return False
    # A few items take as long as one where they run at once.
    return left_s > 4 * first_s or (
        status.n_left > 1 and worker_costs.bet_s(status.now_s, left_s) >= FIRST_THREAD_S
    )


def _pays_by_costs(state: State, status: Status) -> bool:
    """Whether starting workers pays by what items cost and what a start costs on this host."""
    left_s, worker_cost = state.left_s(status), state.worker_cost()
    likely_s = scale.left_at_latest_s(state, status)
    n_most = min(state.n_most_jobs, worker_cost.n_affordable(likely_s), status.n_left)
    if not worker_cost.pays(likely_s, max(1, n_most), scale.sure_warmup_s(state)):
        return False
    if left_s < DOUBTS * scale.doubtful_warmup_s(state):
        return False
    return worker_costs.bet_s(status.now_s, left_s) >= worker_cost.start_s

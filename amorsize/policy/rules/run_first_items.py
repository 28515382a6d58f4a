"""Runs the first items, before anything is known of them."""

from __future__ import annotations

from amorsize.policy import worker_costs
from amorsize.policy.actions import Action, InspectHost, RunInline, StartWorker, Wait
from amorsize.policy.evidence.gil import WATCH_S
from amorsize.policy.frozen_record import inf
from amorsize.policy.rules import choose_backend, dispatch
from amorsize.policy.rules.inline import HELP_CORES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.profile import Profile
    from amorsize.policy.state import State

#: Up to this many items per core, a single long item matters.
FEW_PER_CORE = 16

#: From this many cores on, more items a core are still few: all other cores wait for the first one.
#: Half the workers start: a long first item may be a warm-up, and warm-ups contend.
MANY_CORES, FEW_PER_CORE_OF_MANY = 32, 32

#: How long the caller waits for workers that it started before the first item.
FIRST_READY_S = 2e-3

#: How long the caller waits for their items where there are cores for more, and how often it
#: looks.
FIRST_LONG_S, FIRST_POLL_S = 40e-3, 2e-3

#: The same where threads may do better, which an item of the caller's own would tell. After 12 ms,
#: as many items as there are cores, up to 32, are worth a worker each.
FIRST_OPEN_S = 12e-3

#: An item that is not over is expected to take this many times what it took already.
LINDY = 2

#: Items this long take long to check: workers get theirs meanwhile.
LONG_CHECK_S = 5e-3


def first(state: State, status: Status) -> Action:
    """Run one item. If there are few items, which are likely long, start workers before it."""
    if status.caller_busy:
        return dispatch.meanwhile_or_wait(state, status)
    if (action := _begin_known(state, status) or start_few_workers(state, status)) is not None:
        return action
    is_helped, knows = state.workers.n_started > 0, state.profile.unchecked is not None
    if is_helped and state.request.thread_reason is None and state.gil.seen is None and not knows:  # noqa: SIM102
        if not state.gil.is_probing:
            return choose_backend.start_gil_probe(state)
    if _is_watchable(state, state.profile.unchecked) and not state.gil.is_probing:
        action = choose_backend.start_gil_probe(state)
        state.gil.began_s = status.now_s
        return action
    return RunInline(n_items=dispatch.n_first(state, status), time_budget_s=inf)


def _begin_known(state: State, status: Status) -> Action | None:
    if state.profile.unchecked is None:
        return None
    from amorsize.policy.rules import threads_for_known_waits  # a first call knows of none

    return threads_for_known_waits.begin(state, status, state.profile.unchecked)


def start_few_workers(state: State, status: Status) -> Action | None:
    """Give each of a few items, which are likely long, a worker while the caller runs one."""
    if not state.is_host_inspected and _are_few(state, status, state.request.n_cores_most):
        return InspectHost()
    n_first = _n_before_first(state, status) if state.is_host_inspected else 0
    n_started = state.workers.of("process").n_alive
    if n_started < n_first:
        state.workers.early_start_s = status.now_s
        if not n_started:
            why = f"only {status.n_left} items, which are likely long"
            if state.profile.unchecked is not None:
                why = "an earlier call had long items"
            state.note(f"{n_first} started before the first item", why)
        return StartWorker(backend="process")
    return _feed_first(state, status) or _wait_for_first(state, status, n_first)


def _are_few(state: State, status: Status, n_cores: int) -> bool:
    """Whether so few items are likely long: nobody maps over six quick ones."""
    n_items = status.n_left + state.workers.n_started
    if (remembered := state.profile.unchecked) is not None:
        is_long = remembered.traits.item_s >= LONG_CHECK_S and remembered.plan.backend == "process"
        return is_long and n_items >= 2
    per_core = FEW_PER_CORE if n_cores < MANY_CORES else FEW_PER_CORE_OF_MANY
    are_few = status.all_read and 2 <= n_items <= per_core * n_cores
    return are_few and n_cores > 1 and not state.request.is_trivial


def _n_before_first(state: State, status: Status) -> int:
    """How many workers to start before anything is known."""
    if (
        not _are_few(state, status, state.host.n_cores)
        or state.request.process_reason is not None
        or state.host.fork_reason is not None
    ):
        return 0
    n_most = state.n_most_jobs - 1
    if status.n_left > FEW_PER_CORE * state.host.n_cores:
        n_most //= 2
    n = min(n_most, _n_bet(state, status), status.n_left - 1 + state.workers.n_in_flight)
    return max(0, state.limits.within(n))


def _n_bet(state: State, status: Status) -> int:
    """How many workers to start on a guess, by what is known of the items."""
    n_at_once = int(worker_costs.BET_S / (state.host.process_start_s + state.host.process_ready_s))
    if state.costs.item_s is not None:  # one was run, and was long
        item_s, left_s = state.costs.item_s, state.left_s(status)
    elif state.workers.early_sent_s is not None and _may_wait_for_first(state):
        item_s = _likely_s(state, status.now_s - state.workers.early_sent_s)
        left_s = item_s * (status.n_left + state.workers.n_in_flight)
    else:
        return n_at_once
    return max(n_at_once, choose_backend.n_bet(state, status.now_s, item_s, left_s))


def _likely_s(state: State, taken_s: float) -> float:
    """The expected seconds of an item, if the first ones are still running after so long."""
    remembered = state.profile.unchecked
    if remembered is not None and taken_s >= dispatch.LONG_ITEM_S:  # not trivial: as remembered
        return max(LINDY * taken_s, remembered.traits.item_s)
    return LINDY * taken_s


def _may_wait_for_first(state: State) -> bool:
    """Whether the caller waits for the first reports instead of running an item itself.

    Inside an item it cannot fork, and the dispatcher thread serves workers late. With many cores,
    that costs more than the caller's help is worth. With few cores, threads may turn out better,
    which need no fork, and only an item in the caller shows that.
    """
    return state.request.thread_reason is not None or state.host.n_cores > HELP_CORES


def _feed_first(state: State, status: Status) -> Action | None:
    """Send one item to each worker that was started before the first item."""
    unfed = [worker for worker in state.workers if not worker.n_queued]
    for worker in unfed:
        if worker.is_ready and status.n_left > dispatch.n_first(state, status):
            if state.workers.early_sent_s is None:
                state.workers.early_sent_s = status.now_s
            return dispatch.send(state, worker, dispatch.n_first(state, status), inf)
    if unfed and not all(worker.is_ready for worker in unfed):
        left_s = state.workers.early_start_s + FIRST_READY_S - status.now_s
        if left_s > 0:
            return Wait(reason="workers are starting", timeout_s=left_s)
    return None


def _wait_for_first(state: State, status: Status, n_first: int) -> Action | None:
    """Start more workers, if they are worth it, before a long item keeps the caller from forking.

    With many more cores than the bet allowed workers, the caller's own help is small.
    """
    workers = state.workers
    n_possible = min(state.n_most_jobs, status.n_left + workers.n_in_flight) - 1 if n_first else 0
    if n_first >= n_possible or state.costs.item_s is not None or workers.early_sent_s is None:
        return None
    if not _may_wait_for_first(state):
        return None
    longest_s = FIRST_OPEN_S if state.request.thread_reason is None else FIRST_LONG_S
    left_s = workers.early_sent_s + longest_s - status.now_s
    if left_s <= 0 or not workers.n_in_flight:
        return None
    return Wait(reason="first items are running", timeout_s=min(left_s, FIRST_POLL_S))


def _is_watchable(state: State, remembered: Profile | None) -> bool:
    """Whether the first item will be long enough for the GIL probe."""
    if remembered is None or remembered.traits.waits or remembered.traits.holds_gil is not False:
        return False
    return remembered.traits.item_s >= WATCH_S and state.gil.seen is None

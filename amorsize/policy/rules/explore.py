"""Tries a neighbour of the plan from time to time, on a window of real items.

A neighbour has twice or half as many threads, or threads in place of processes.

A plan that works well would never be compared with others. So after many calls, or a month, one
neighbour gets a window of items between two windows of the plan: A-B-A, because the host may change
meanwhile. Trials take at most half a percent of all the time that the function has used, and end
early if they go badly. A neighbour that is better twice becomes the plan.
"""

from __future__ import annotations

from amorsize.policy.best_backend import BackendChoice
from amorsize.policy.evidence.exploration_cost import Explored
from amorsize.policy.evidence.exploration_trial import Trial
from amorsize.policy.evidence.io_concurrency import LEAST as LEAST_WAITERS
from amorsize.policy.evidence.plan_window import RateWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report
    from amorsize.policy.evidence.exploration_trial import Way
    from amorsize.policy.evidence.worker_table import Pool
    from amorsize.policy.profile import Profile
    from amorsize.policy.state import State

#: The largest share of all the time a function has used that trials may take.
MOST_SHARE = 0.005

#: Share of the time a call has left that trying may take: a forged record must not cost more.
MOST_OF_CALL = 0.15

#: Calls, or seconds, after which it is time to try something.
AFTER_CALLS, AFTER_S = 1000, 30 * 86_400.0

#: The fewest chunks of a window, and the chunks per worker.
LEAST_CHUNKS, CHUNKS_PER_JOB = 12, 4

#: A neighbour is better at this many times the throughput of both windows of the plan. Less may be
#: the host.
BETTER = 1.15

#: Below this share of the first window's throughput, a trial ends half-way.
HOPELESS = 0.8

#: Chunks of each worker after which there are as many workers as there will be.
SETTLED = 4

#: Trials in a row that confirm the plan, after which it is left alone until it drifts.
HELD = 3

#: A window may take this many times as long as it would in the plan.
SLACK = 1.5


def is_due(known: Profile, at_s: float | None) -> bool:
    """Whether it is time to try a neighbour of a profile's plan, and there is a budget."""
    explored = Explored.of(known)
    if explored.n_held >= HELD or _budget_s(explored) <= 0:
        return False
    if explored.rival is not None:
        return True
    age_s = 0.0 if at_s is None or explored.at_s is None else at_s - explored.at_s
    return known.n_calls - explored.at_call >= AFTER_CALLS or age_s > AFTER_S


def _budget_s(explored: Explored) -> float:
    return MOST_SHARE * explored.used_s - explored.spent_s


def see(state: State, event: Report) -> None:
    """Handle a report: begin a trial when it is due, fill its windows, judge it at its end."""
    if state.exploration.trial is None:
        if state.exploration.is_due and _is_steady(state):
            _begin(state, event)
        return
    trial = state.exploration.trial
    if state.workers.backend_of(event.worker) == trial.way[0]:
        trial.window.add(event)
    if trial.is_rival and _goes_badly(trial):
        _end(state, trial)
    elif trial.window.is_full:
        _next_window(state, trial)


def end_overdue(state: State) -> None:
    """End a trial whose time is over, whatever has been reported of it."""
    trial = state.exploration.trial
    if trial is not None and trial.is_rival and state.moment.now_s > trial.until_s:
        _end(state, trial)


def is_apart(state: State, event: Report) -> bool:
    """Whether a report belongs to the neighbour on trial, and says nothing about the plan."""
    trial = state.exploration.trial
    if trial is None or not trial.has_switched:
        return False
    is_other = state.workers.backend_of(event.worker) != trial.plan[0]
    return trial.is_rival or is_other or event.begun_s < trial.window.since_s


def _is_steady(state: State) -> bool:
    """Whether workers are there and busy, and nothing else is being measured."""
    return (
        state.request.backend == "auto"
        and state.choice is not None
        and state.choice.backend in ("thread", "process")
        and state.profile.fits
        # A plan that was tuned deliberately is used as it stands.
        and state.profile.followed is None
        and (state.waiters.settled or not state.costs.waits)
        and state.waiting.pending is None
        and not state.drifts
        and not state.limits.contention.is_testing
        and _is_complete(state, state.workers.of(state.choice.backend))
    )


def _is_complete(state: State, pool: Pool) -> bool:
    """Whether all workers of the plan are there and have reported several times."""
    n = state.waiters.n_wanted if state.costs.waits else 2
    is_there = pool.n_alive >= n and pool.n_reporting == pool.n_alive
    return is_there and state.costs.n_reports >= SETTLED * pool.n_alive


def _begin(state: State, event: Report) -> None:
    """Begin with a window of the plan, if there is a neighbour and the budget allows it."""
    assert state.choice is not None
    assert state.choice.backend is not None
    pool = state.workers.of(state.choice.backend)
    n_most = state.waiters.n_wanted if state.costs.waits else state.limits.n_most or pool.n_alive
    plan = (state.choice.backend, min(pool.n_alive, n_most))
    rival = _neighbour(state, plan)
    if rival is None:
        state.exploration.is_due = False
        return
    n_chunks = max(LEAST_CHUNKS, CHUNKS_PER_JOB * max(plan[1], rival[1]))
    chunk_s = event.wall_s / max(1, min(plan[1], rival[1]))
    left_s = state.moment.left_s / max(1, plan[1])
    allowed_s = min(_budget_s(state.exploration.account), MOST_OF_CALL * left_s)
    if SLACK * n_chunks * chunk_s > allowed_s:
        return  # later, or in a longer call
    state.exploration.is_due = False
    state.exploration.trial = Trial(plan, rival, n_chunks, allowed_s, event.now_s)


def _neighbour(state: State, plan: Way) -> Way | None:
    """The neighbour that was better the last time, else the next one in turn."""
    backend, n_jobs = plan
    ways: list[Way] = []
    if state.costs.waits and backend == "thread":
        ways += [(backend, 2 * n_jobs)] if 2 * n_jobs <= state.waiters.n_most else []
        ways += [(backend, n_jobs // 2)] if n_jobs // 2 >= LEAST_WAITERS else []
    elif backend == "process" and state.request.thread_reason is None:
        ways.append(("thread", n_jobs))  # not the other way: no fork beside threads in an item
    for way in ways:
        if _key(way, plan) == state.exploration.account.rival:
            return way
    return ways[state.exploration.account.n_tried % len(ways)] if ways else None


def _in_words(way: Way) -> str:
    return f"{way[0]} x {way[1]}"


def _key(way: Way, plan: Way) -> str:
    """What two trials have to agree on: the backend, or the number of workers."""
    return way[0] if way[0] != plan[0] else _in_words(way)


def _goes_badly(trial: Trial) -> bool:
    is_half = trial.window.n_seen >= trial.n_chunks / 2
    return is_half and trial.window.rate < HOPELESS * trial.rates[0]


def _next_window(state: State, trial: Trial) -> None:
    trial.rates.append(trial.window.rate)
    if len(trial.rates) == 3:
        _judge(state, trial)
        return
    if not trial.is_rival:
        _book(state, trial)
    trial.window = RateWindow(trial.n_chunks, state.moment.now_s)
    trial.until_s = state.moment.now_s + trial.allowed_s
    _switch(state, trial.way)


def _switch(state: State, way: Way) -> None:
    """Switch to the other plan; chunks that workers have end where they are."""
    backend, n_jobs = way
    assert state.choice is not None
    if state.choice.backend != backend:
        state.choice = BackendChoice(backend=backend, why="a neighbour of the plan is tried")
        state.changed()
    if state.costs.waits:
        state.waiters.n_wanted = n_jobs


def _book(state: State, trial: Trial) -> None:
    """Charge the time of the neighbour's window to the account."""
    spent_s = max(0.0, state.moment.now_s - trial.window.since_s)
    state.exploration.put_down(spent_s=state.exploration.account.spent_s + spent_s)


def _end(state: State, trial: Trial) -> None:
    """End the trial and go back to the plan: the neighbour is no better."""
    _book(state, trial)
    gain = trial.window.rate / max(1e-9, trial.rates[0])
    _switch(state, trial.plan)
    _settle(state, trial, gain, is_better=False)


def _judge(state: State, trial: Trial) -> None:
    """Judge the trial: all three windows are full."""
    before, rival, after = trial.rates
    gain = rival / max(1e-9, before, after)
    _settle(state, trial, gain, is_better=gain >= BETTER)


def _settle(state: State, trial: Trial, gain: float, *, is_better: bool) -> None:
    rival, explored = _in_words(trial.rival), state.exploration.account
    key = _key(trial.rival, trial.plan)
    is_agreed = is_better and explored.rival == key
    state.exploration.trial = None
    state.exploration.put_down(
        at_call=state.profile.n_calls + 1,
        at_s=state.request.at_s,
        n_tried=explored.n_tried + 1,
        n_held=0 if is_better else explored.n_held + 1,
        rival=key if is_better and not is_agreed else None,
    )
    if is_agreed:
        _adopt(state, trial, gain)
        return
    what_now = "to be tried once more" if is_better else f"{_in_words(trial.plan)} is kept"
    why = f"{gain:.2g} x the throughput of {_in_words(trial.plan)}: {what_now}"
    state.note(f"tried {rival}", why)


def _adopt(state: State, trial: Trial, gain: float) -> None:
    """Make the neighbour the plan, as it was better in two calls."""
    backend, n_jobs = trial.rival
    if backend != trial.plan[0]:
        state.gil.is_held = False  # as threads have shown, whatever the watcher saw
    else:
        state.exploration.put_down(n_waiters=n_jobs)
    _switch(state, trial.rival)
    state.profile.watch = None  # it watches what items cost in the old plan
    state.costs.begin_means()
    from amorsize.policy.evidence.drift import Drift  # few calls change their plan

    found = Drift(
        now_s=state.moment.now_s,
        what="plan",
        factor=gain,
        n_chunks=trial.n_chunks,
        answer=f"{_in_words(trial.rival)} instead of {_in_words(trial.plan)} from now on",
    )
    state.note_drift(found)

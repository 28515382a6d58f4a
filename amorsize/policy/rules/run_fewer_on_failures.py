"""Runs fewer items at once if that makes fewer of them fail."""

from __future__ import annotations

from amorsize.policy.evidence import drift, failures_by_concurrency

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report
    from amorsize.policy.state import State

#: A trial begins while this many times its items are left.
WORTH_TRYING = 4


def see(state: State, event: Report) -> None:
    """Take in a report of items whose failures are kept."""
    failures, trial = state.limits.failures, state.limits.failures.trial
    if trial is not None:
        n_busy = state.workers.of(state.workers.backend_of(event.worker)).n_busy
        helps = failures.judge(event, is_shrinking=n_busy > trial.n_limit)
        if helps is None:
            return
        if helps and state.costs.waits:
            state.exploration.put_down(n_waiters=trial.n_limit)
        _note(state, trial.share or 0.0, f"{trial.n_limit} at once" if helps else _WITH_ITEMS)
        return
    share = failures.together(event)
    if share is None:
        return
    n_now = (
        state.waiters.n_wanted if state.costs.waits else state.limits.n_most or state.n_most_jobs
    )
    n_now = min(n_now, failures.n_limit or n_now, state.workers.n_alive)
    is_free = state.exploration.trial is None and state.profile.followed is None
    is_open = state.request.backend == "auto" and is_free
    is_worth = state.moment.n_left > WORTH_TRYING * failures_by_concurrency.TRIAL_ITEMS
    if n_now < 2 or not is_open or not is_worth:
        failures.is_settled = True
        _note(state, share, "nothing: there are no fewer, or it is too late")
        return
    failures.begin(n_now // 2, event.now_s)
    why = f"{share:.0%} of the items fail, which was {failures.usual_share:.0%}"
    state.note(f"{n_now // 2} at once to be tried", why)


_WITH_ITEMS = "nothing: as many fail with half as many at once"


def _note(state: State, share: float, answer: str) -> None:
    found = drift.Drift(
        now_s=state.moment.now_s,
        what="failures",
        factor=share / state.limits.failures.usual_share,
        n_chunks=state.costs.n_reports,
        answer=answer,
    )
    state.note_drift(found)

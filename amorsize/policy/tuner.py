"""Decides, chunk by chunk, what a call does next.

There is no tuning phase: every decision is taken while real items run, from what they have cost so
far. The caller works itself until a worker has delivered; workers get chunks sized by what is left;
a chunk that takes too long comes back.
"""

from __future__ import annotations

from amorsize.policy import chunk_sizing, update_from_events
from amorsize.policy.actions import Action, InspectHost, Plan, RunInline, Wait
from amorsize.policy.frozen_record import inf
from amorsize.policy.profile import CostLevel, ItemTraits, Profile, Sharing
from amorsize.policy.rules import (
    choose_backend,
    dispatch,
    inline,
    run_first_items,
    scale,
)
from amorsize.policy.rules.inline import SERIAL_SLICE_S, SLICE_S
from amorsize.policy.state import State, is_remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.policy.events import Event, Status
    from amorsize.policy.evidence.exploration_cost import Explored


def _loop_asked(state: State, status: Status) -> Action | None:
    if state.request.is_loop and not state.workers.has_lost_one:
        return inline.run_slice(state, status, SERIAL_SLICE_S)
    return None


def _look_up_profile(state: State, status: Status) -> Action | None:
    return choose_backend.look_up(state, status) if state.workers.n_started else None


def _workers_only(state: State, status: Status) -> Action | None:
    if not scale.is_asked_of_workers(state):
        return None
    if not state.is_host_inspected:
        return InspectHost()
    if is_remote(state):
        from amorsize.policy.rules import dispatch_to_executor  # which most programs never need

        return dispatch_to_executor.feed(state, status)
    return scale.workers_only(state, status)


def _first_items(state: State, status: Status) -> Action | None:
    return run_first_items.first(state, status) if state.costs.item_s is None else None


def _check_profile(state: State, status: Status) -> Action | None:
    if state.profile.unchecked is None or state.profile.is_checked:
        return None
    from amorsize.policy.rules import check_profile  # a first call has nothing to check

    return check_profile.check(state, status, state.profile.unchecked)


def _confirm_waiting(state: State, status: Status) -> Action | None:
    if state.waiting.pending is None or status.caller_busy:
        return None
    return RunInline(n_items=1, time_budget_s=inf)


def _tuned_plan(state: State, status: Status) -> Action | None:
    if state.profile.followed is None:
        return None
    from amorsize.policy.rules import follow_tuned_plan

    return follow_tuned_plan.follow(state, status, state.profile.followed)


def _few_workers(state: State, status: Status) -> Action | None:
    if (
        not state.profile.is_contradicted
        or status.caller_busy
        or state.workers.of("process").n_reporting
    ):
        return None
    costs = state.costs
    first_s = costs.first_unconfirmed_s if costs.n_inline else costs.item_s
    is_long = (first_s or 0.0) >= dispatch.LONG_ITEM_S
    return run_first_items.start_few_workers(state, status) if is_long else None


def _choose_backend(state: State, status: Status) -> Action | None:
    if state.exploration.trial is not None:
        from amorsize.policy.rules import explore

        explore.end_overdue(state)
    return choose_backend.decide(state, status)


def _serial(state: State, status: Status) -> Action | None:
    assert state.choice is not None
    if state.choice.backend == "serial":
        return inline.run_slice(state, status, SERIAL_SLICE_S)
    return None


def _pause_workers(state: State, status: Status) -> Action | None:
    is_alone = state.gain.is_paused(status.now_s) or not state.is_worth_sending()
    if is_alone and not status.caller_busy and state.pool.n_alive:
        return inline.run_slice(state, status, SLICE_S)
    return None


def _scale_down(state: State, _status: Status) -> Action | None:
    return scale.shrink(state, state.pool)


def _dispatch(state: State, status: Status) -> Action | None:
    return dispatch.feed(state, status, state.pool)


def _scale_up(state: State, status: Status) -> Action | None:
    return scale.grow(state, status, state.pool)


def _caller_helps(state: State, status: Status) -> Action | None:
    pool = state.pool
    if not inline.works(state, status, pool):
        return None
    is_starting = len(pool.ready) < pool.n_alive
    ready_s = state.host.process_ready_s if is_starting else SLICE_S
    slice_s = inline.helping_slice_s(state, status, pool) if pool.n_reporting else SLICE_S
    return inline.run_slice(state, status, min(slice_s, ready_s))


def _wait(_state: State, _status: Status) -> Action:
    return Wait(reason="workers are busy")


#: The rules by name, each with what it says. A name begins with that of the file in `rules/` that
#: decides. They are asked from the top: the first one that gives an action wins.
RULES: tuple[tuple[str, Callable[[State, Status], Action | None], str], ...] = (
    ("inline: asked for", _loop_asked, "The caller runs all items where the user asked for that."),
    ("look up profile", _look_up_profile, "Workers came first: now the disk is asked."),
    ("scale: workers only", _workers_only, "Workers run all items where the caller must run none."),
    ("run first items", _first_items, "While nothing is known, a first item is run."),
    ("check profile", _check_profile, "A remembered cost is confirmed before it is believed."),
    ("confirm waiting", _confirm_waiting, "A change to waiting items is checked on one more item."),
    ("follow tuned plan", _tuned_plan, "A plan that was measured is carried out as it stands."),
    (
        "run first items: few workers",
        _few_workers,
        "A long first item may keep many cores idle: a few start.",
    ),
    ("choose backend", _choose_backend, "Loop, threads or processes: what measurements show."),
    ("inline: loop chosen", _serial, "The loop was chosen."),
    ("inline: workers paused", _pause_workers, "The caller goes on alone while workers cost more."),
    ("scale: down", _scale_down, "A worker that memory has no room for is retired."),
    ("dispatch", _dispatch, "The least loaded worker gets the next chunk."),
    ("scale: up", _scale_up, "One more worker starts where the work left pays for it."),
    ("inline: caller helps", _caller_helps, "The caller runs items while no worker needs it."),
    ("wait", _wait, "All workers are busy."),
)


class Tuner(State):
    """Decide what the caller and its workers do next; be told what happened.

    Args:
        host: What there is to work with; None to have it inspected once it matters.
        request: What is asked for.
        known: What was learned earlier; it is checked on this call's own items.
    """

    def tell(self, event: Event) -> None:
        """Take in what happened."""
        update_from_events.handle(self, event)

    def next(self, status: Status) -> Action:
        """What to do now: the answer of the first rule that has one."""
        self.moment.now_s = status.now_s
        if not status.n_left:
            return Wait(reason="all items are out")
        self.moment.left_s = self.left_s(status)
        self.moment.n_left = status.n_left if status.all_read else inf
        for _, decide, _ in RULES:
            action = decide(self, status)
            if action is not None:
                return action
        raise AssertionError("the last rule always answers")

    def n_to_start(self, status: Status) -> int:
        """How many worker processes would start in a row now."""
        return scale.n_to_start(self, status)

    @property
    def are_trivial(self) -> bool:
        """Items are so short that workers would not be asked for them."""
        return choose_backend.are_trivial(self)

    # -- what is learned --------------------------------------------------------------------

    def backend_used(self) -> str:
        """The backend that was chosen; serial as long as no worker has reported."""
        if not self.costs.n_reports:
            return "serial"
        if self.choice is not None and self.choice.backend is not None:
            return self.choice.backend
        # Who helped before that was decided.
        return "thread" if self.workers.of("thread").n_reporting else "process"

    def plan(self) -> Plan:
        """The plan this call arrived at."""
        if (measured := self.profile.followed) is not None:
            return measured
        costs, backend = self.costs, self.backend_used()
        n_jobs = 1 if backend == "serial" else max(1, self.workers.of(backend).n_alive)
        n_jobs = min(n_jobs, self.limits.contention.n_enough or n_jobs)
        chunksize = self.request.chunksize
        if chunksize is None and is_remote(self):
            from amorsize.policy.rules import dispatch_to_executor

            chunksize = dispatch_to_executor.full_chunk(self)
        return Plan(
            backend=backend,
            n_jobs=n_jobs,
            chunksize=chunksize
            or chunk_sizing.bulk_chunksize(costs.item_s or SLICE_S, self.overhead_s),
            source="learned" if self.request.backend == "auto" else "asked",
        )

    def learned(self, n_calls: int = 1) -> Profile | None:
        """What the next call should know; None when nothing was measured."""
        costs = self.costs
        if costs.item_s is None:
            return None
        plan, is_enough = self.plan(), self.limits.contention.n_enough is not None
        # With too many workers, items were in each other's way.
        serial_item_s = self.limits.contention.reference_s if is_enough else None
        spread = costs.spread
        return Profile(
            plan=plan.replace(source="learned") if self.profile.followed is None else plan,
            traits=ItemTraits(
                item_s=serial_item_s or costs.mean_s or costs.item_s,
                item_cpu_s=costs.item_cpu_s or 0.0,
                pickle_s=self.sending.pickle_s,
                warmup_s=costs.warmup_s,
                holds_gil=self.gil.is_held,
                waits=costs.waits,
            ),
            level=CostLevel(
                typical_s=spread.typical_s,
                spread_log=spread.log,
                n_chunks=spread.n_chunks,
                chunk_items=spread.chunk_items,
            ),
            sharing=Sharing(
                is_enough=is_enough,
                n_healthy=self.limits.contention.n_healthy,
                explored=self._explored().as_dict(),
            ),
            n_items=costs.n_seen,
            n_calls=n_calls,
            failed_share=self.limits.failures.learned_share
            if self.request.keeps_failures
            else None,
        )

    def _explored(self) -> Explored:
        """The account of the plan, with how many waiting items the next call may begin with."""
        account, costs = self.exploration.account, self.costs
        is_shown = costs.waits and self.backend_used() == "thread"
        if not is_shown or self.exploration.trial is not None:
            return account
        return account.replace(
            n_begin=self.waiters.n_next(costs.mean_alone_s, self.request.n_items)
        )

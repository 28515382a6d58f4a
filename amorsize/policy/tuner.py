"""Decides, chunk by chunk, what the caller and its workers do next.

There is no tuning phase: every decision is taken while real items run, from what they have cost so
far. The caller works itself until a worker has delivered; workers get chunks sized by what is left;
a chunk that takes too long comes back.
"""

from __future__ import annotations

from amorsize.policy import chunk_sizing, update
from amorsize.policy.actions import Action, InspectHost, Plan, RunInline, Wait
from amorsize.policy.profile import Profile
from amorsize.policy.rules import (
    check_profile,
    choose_backend,
    dispatch,
    explore,
    first_items,
    follow_plan,
    inline,
    scale,
)
from amorsize.policy.rules.inline import SERIAL_SLICE_S, SLICE_S
from amorsize.policy.state import State
from amorsize.policy.value import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Event, View
    from amorsize.policy.host_job import Host, Job


class Tuner(State):
    """Decide what the caller and its workers do next; be told what happened.

    Args:
        host: What there is to work with; None to have it surveyed once it matters.
        job: What is asked for.
        known: What was learned earlier: a hint, checked on this call's own items.
    """

    def __init__(self, host: Host | None, job: Job, known: Profile | None = None) -> None:
        super().__init__(host, job, known)

    def tell(self, event: Event) -> None:
        """Take in what happened."""
        update.hear(self, event)

    def remember(self, profile: Profile) -> None:
        """Take a profile that was found while items were already running: judged at once."""
        check_profile.remember(self, profile)

    def next(self, view: View) -> Action:
        """What to do now."""
        self.now_s = view.now_s
        if not view.n_left:
            return Wait(reason="all items are out")
        self.work_left_s = self.left_s(view)
        self.n_items_left = view.n_left if view.all_read else inf
        job = self.job
        if job.is_loop and not self.has_lost_one:
            return inline.run_slice(self, view, SERIAL_SLICE_S)
        if job.backend != "auto" or not job.may_inline or self.has_lost_one:
            return scale.crew_only(self, view) if self.is_surveyed else InspectHost()
        if self.costs.item_s is None:
            return first_items.first(self, view)
        if self.hint is not None and self.profile_matches is None:
            action = check_profile.check(self, view, self.hint)
            if action is not None:
                return action
        return self._decide(view)

    def _decide(self, view: View) -> Action:
        """The general case: some items are known, some are left."""
        if self.pending_wait_check is not None and not view.caller_busy:
            return RunInline(n_items=1, time_budget_s=inf)
        if self.followed is not None:
            action = follow_plan.follow(self, view, self.followed)
            if action is not None:
                return action
        if self.profile_matches is False and not view.caller_busy and not self.costs.n_reports:
            is_long = (self.costs.first_unconfirmed_s or 0.0) >= dispatch.LONG_ITEM_S
            if is_long and (action := first_items.help_with_few(self, view)) is not None:
                return action  # as at the start of a call of which nothing was known
        explore.look(self)
        if (action := choose_backend.settle(self, view)) is not None:
            return action
        assert self.route is not None
        if self.route.backend == "serial":
            return inline.run_slice(self, view, SERIAL_SLICE_S)
        pool = self.workers.of(self.route.backend)
        is_alone = self.gain.is_paused(view.now_s) or not self.is_worth_sending()
        if pool.n_alive and not view.caller_busy and is_alone:
            return inline.run_slice(self, view, SLICE_S)
        if (action := scale.shrink(self, pool) or dispatch.feed(self, view, pool)) is not None:
            return action
        action = scale.grow(self, view, pool)
        self.is_growing = action is not None
        if action is not None:
            return action
        if inline.works(self, view, pool):
            is_starting = len(pool.ready) < pool.n_alive
            ready_s = self.host.process_ready_s if is_starting else SLICE_S
            slice_s = inline.helping_slice_s(self, view, pool) if pool.n_reporting else SLICE_S
            return inline.run_slice(self, view, min(slice_s, ready_s))
        return Wait(reason="workers are busy")

    # -- what is learned --------------------------------------------------------------------

    def backend_used(self) -> str:
        """Where most items ran."""
        if not self.costs.n_reports:
            return "serial"
        decided = None if self.route is None else self.route.backend
        return decided or "process"  # who helped before that was decided

    def plan(self) -> Plan:
        """The plan this call arrived at."""
        if (measured := self.followed) is not None:
            return Plan(
                backend=measured.backend,
                n_jobs=measured.n_jobs,
                chunksize=measured.chunksize,
                source=measured.source,
            )
        costs, backend = self.costs, self.backend_used()
        n_jobs = 1 if backend == "serial" else max(1, self.workers.of(backend).n_alive)
        n_jobs = min(n_jobs, self.saturation.n_enough or n_jobs)
        chunksize = self.job.chunksize
        if chunksize is None and costs.waits and backend != "serial":
            chunksize = 1
        return Plan(
            backend=backend,
            n_jobs=n_jobs,
            chunksize=chunksize
            or chunk_sizing.bulk_chunksize(costs.item_s or SLICE_S, self.overhead_s),
            source="learned" if self.job.backend == "auto" else "asked",
        )

    def learned(self, n_calls: int = 1) -> Profile | None:
        """What the next call should know; None when nothing was measured."""
        costs = self.costs
        if costs.item_s is None:
            return None
        plan, is_enough = self.plan(), self.saturation.n_enough is not None
        # In the crew that was too large, items were in each other's way.
        serial_item_s = self.saturation.reference_s if is_enough else None
        return Profile(
            backend=plan.backend,
            n_jobs=plan.n_jobs,
            chunksize=plan.chunksize,
            item_s=serial_item_s or costs.mean_s or costs.item_s,
            item_cpu_s=costs.item_cpu_s or 0.0,
            spread_log=costs.spread_log,
            pickle_s=None if self.pickling is None else self.pickling.pickle_s,
            warmup_s=costs.warmup_s,
            holds_gil=self.holds_gil,
            waits=costs.waits,
            n_items=costs.n_seen,
            n_calls=n_calls,
            typical_s=costs.typical_s,
            n_chunks=costs.n_chunks,
            chunk_items=costs.chunk_items,
            source="learned" if self.followed is None else self.followed.source,
            is_enough=is_enough,
            n_healthy=self.saturation.n_healthy,
            explored=self.explored.as_dict(),
            failed_share=self.failures.learned_share if self.job.keeps_failures else None,
        )

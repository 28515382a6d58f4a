"""A search among plans, from what was run so far to what may still be run."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from amorsize.policy.frozen_record import Value, inf
from amorsize.tuning.bench import WHOLE, Part, Run
from amorsize.tuning.noise import Fit, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.policy.actions import Plan
    from amorsize.tuning.bench import Bench

#: A run that takes this many times the best so far is ended. How far it came tells its time.
HOPELESS = 2.0
#: Shorter runs are not ended, which takes some milliseconds itself.
LEAST_CUT_S = 0.1
#: A search may end when the noise leaves the winner at most this many times slower than another.
ENOUGH = 1.03
#: If the winner may be this many times slower, the noise has decided rather than the plans.
TOO_NOISY = 1.10
#: A run may take this many times as long as the one before.
MARGIN = 1.1


class Limits(Value):
    """What a search may cost."""

    timeout_s: float | None = None  # of one run
    budget_s: float | None = None  # of the whole search: no run outlasts it
    spend_share: float | None = None  # times the loop: nothing is begun that would likely exceed it
    spend_s: float = inf  # and in seconds
    spend_least_s: float = 0.0  # but so much may be, however short the loop
    ends_hopeless: bool = True  # runs far slower than the best are ended, and not repeated


class BudgetOver(Exception):  # noqa: N818 - says what happened
    """The time for the whole search is up."""


class Search:
    """What was run so far, and what may still be.

    Args:
        bench: Runs plans.
        loop: The plan that all others are compared with.
        limits: What it may cost.
        seed: Of the order within blocks.
        tell: Called with each run.
        began_s: When what is spent began to be counted; None: now.
        likely_s: What a plan that has not been run will take for all items; None: nobody knows.
    """

    def __init__(
        self,
        bench: Bench,
        loop: Plan,
        limits: Limits,
        *,
        seed: int = 0,
        tell: Callable[[Run], None] | None = None,
        began_s: float | None = None,
        likely_s: Callable[[Plan], float] | None = None,
    ) -> None:
        self.bench, self.loop, self.limits = bench, loop, limits
        self.as_loop: frozenset[Plan] = frozenset()  # plans that are the loop under another name
        self.is_uneven = False  # parts of the data differ by more than the noise
        self.random = Random(seed)
        self.runs: list[Run] = []
        self.dropped: dict[Plan, Run] = {}  # timed out, failed or hopeless: not run again
        self._tell, self._predicted_s = tell, likely_s
        self._blocks: list[int] = []
        self._n_blocks = 0
        self._slower = 1.0  # times what was predicted, at worst so far
        self._began_s = bench.now_s() if began_s is None else began_s

    # -- running ----------------------------------------------------------------------------

    def new_block(self) -> None:
        """What is run from here on is compared with each other, most of all."""
        self._n_blocks += 1

    def run(self, plan: Plan, part: Part = WHOLE) -> Run:
        """Run a plan once.

        Raises:
            BudgetOver: The time of the whole search is up.
        """
        limits = [(inf, "")]
        if self.limits.timeout_s is not None:
            limits.append((self.limits.timeout_s, "timeout"))
        if self.limits.budget_s is not None:
            left_s = self.limits.budget_s - self.spent_s
            if left_s <= 0:
                raise BudgetOver
            limits.append((left_s, "budget"))
        best_s = self._best_s(part) if self.limits.ends_hopeless and plan != self.loop else None
        if best_s is not None:
            limits.append((max(LEAST_CUT_S, HOPELESS * best_s), "hopeless"))
        longest_s, why = min(limits)
        run = self.bench.run(plan, part, longest_s)
        if run.is_over_time and why == "budget":
            raise BudgetOver
        if run.is_over_time and why == "timeout":
            limit = self.limits.timeout_s
            run = run.replace(whole_s=inf, failure=f"not done after timeout_per_config={limit:g} s")
        if plan != self.loop and self._predicted_s is not None and run.whole_s < inf:
            self._slower = max(self._slower, run.whole_s / max(self._predicted_s(plan), 1e-9))
        self.runs.append(run)
        self._blocks.append(self._n_blocks)
        if run.is_over_time or run.failure is not None:
            self.dropped[plan] = run
        if self._tell is not None:
            self._tell(run)
        return run

    def run_block(
        self,
        plans: Sequence[Plan],
        part: Part,
        *,
        loop_part: Part | None = None,
        is_first: bool = False,
        has_to: bool = False,
    ) -> bool:
        """Run plans one after the other on the same part; whether all could be paid for.

        The loop may have a part of its own, where it would cost more than all others together.
        The first block begins with the loop, by which what is spent is measured, and goes on with
        what promises most: that ends what is hopeless sooner. One that has to be run is, whatever
        it costs.
        """
        self.new_block()
        order = [plan for plan in plans if plan not in self.dropped]
        self.random.shuffle(order)
        if is_first:
            order.sort(key=lambda plan: 0.0 if plan == self.loop else 1.0 + self.likely_s(plan))
        for plan in order:
            own = loop_part or part if plan == self.loop else part
            likely_s = self.likely_s(plan) * own.n_items(self.bench.n_items) / self.bench.n_items
            if not has_to and self.spent_s + MARGIN * likely_s > self.most_s:
                return False
            self.run(plan, own)
        return True

    def likely_s(self, plan: Plan) -> float:
        """What a plan will take for all items: what it took, or what is predicted.

        A host that was slower than predicted with one plan is taken to be so with the next.
        """
        known_s = [run.whole_s for run in self.runs if run.plan == plan and run.whole_s < inf]
        if known_s:
            return known_s[-1]
        return 0.0 if self._predicted_s is None else self._slower * self._predicted_s(plan)

    def _best_s(self, part: Part) -> float | None:
        """What the quickest so far took for this part, or would by what it took for others."""
        runs = [run for run in self.runs if run.plan not in self.dropped]
        if same_s := [run.wall_s for run in runs if run.part == part and run.whole_s < inf]:
            return min(same_s)
        times_s = [run.whole_s for run in runs if run.plan != self.loop]
        if self.loop_s is not None:
            times_s.append(self.loop_s)  # over all that it ran: one part may be cheap
        share = part.n_items(self.bench.n_items) / self.bench.n_items
        return min(times_s) * share if times_s else None

    # -- what that says ---------------------------------------------------------------------

    @property
    def spent_s(self) -> float:
        """What the search has taken so far."""
        return self.bench.now_s() - self._began_s

    @property
    def loop_s(self) -> float | None:
        """What the loop takes for all items, as far as that is known: the mean over what it ran."""
        runs = [run for run in self.runs if run.plan == self.loop and run.whole_s < inf]
        n_items = sum(run.n_items for run in runs)
        return sum(run.whole_s * run.n_items for run in runs) / n_items if n_items else None

    @property
    def most_s(self) -> float:
        """What the search may spend in all."""
        share, work_s = self.limits.spend_share, self._work_s
        if share is None or work_s is None:
            return self.limits.spend_s
        return max(self.limits.spend_least_s, min(self.limits.spend_s, share * work_s))

    @property
    def _work_s(self) -> float | None:
        """The work that all of the data is, told from the loop or from every item that was run.

        The loop alone sees few of them at first, and one that is twenty times the others among few
        makes all the data look so. Many at once may each take longer, so the smaller figure counts.
        """
        told = [(run.work_s, run.n_items) for run in self.runs if run.work_s and run.n_items]
        if not told:
            return self.loop_s
        n_items = sum(n for _, n in told)
        pooled_s = sum(work_s for work_s, _ in told) / n_items * self.bench.n_items
        return pooled_s if self.loop_s is None else min(pooled_s, self.loop_s)

    def fit(self) -> Fit | None:
        """Levels of all plans that came through; None before the first."""
        rows = [
            Observation(block=block, what=run.plan, time_s=run.whole_s, wall_s=run.wall_s)
            for run, block in zip(self.runs, self._blocks, strict=True)
            if run.plan not in self.dropped
        ]
        return Fit(rows, run_delay_share=self.run_delay_share) if rows else None

    @property
    def run_delay_share(self) -> float:
        """What others took of the cores that items computed on, in the mean over runs."""
        shares = [run.run_delay_share for run in self.runs if run.run_delay_share is not None]
        return sum(shares) / len(shares) if shares else 0.0

    def ranked(self, among: Sequence[Plan]) -> list[Plan]:
        """Plans that came through, the quickest first."""
        fit = self.fit()
        ranked = [] if fit is None else fit.ranked()
        return [plan for plan in ranked if plan in among]  # type: ignore[misc]

    def contenders(self, among: Sequence[Plan]) -> list[Plan]:
        """Those that are not clearly slower than the quickest."""
        fit, ranked = self.fit(), self.ranked(among)
        if fit is None or not ranked:
            return []
        return [plan for plan in ranked if not fit.is_clearly_slower(plan, ranked[0])]

    def is_settled(self) -> bool:
        """Whether the quickest is at most a few percent slower than any, as far as noise tells."""
        fit = self.fit()
        return fit is not None and fit.may_be_slower_by(fit.ranked()[0]) <= ENOUGH

"""One tuning from end to end: pilot run, search, conclusion, saving."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from amorsize._engine.data.source import Sliced, source_of
from amorsize._engine.options import call_checks
from amorsize._function import callables
from amorsize._host import resources
from amorsize._host.unpatched import perf_counter
from amorsize.errors import InvalidOptionError
from amorsize.policy import plan_prediction
from amorsize.policy.actions import Plan
from amorsize.policy.counted import counted
from amorsize.policy.frozen_record import inf
from amorsize.report import seconds
from amorsize.tuning import announce, parts, strategies
from amorsize.tuning import space as spaces
from amorsize.tuning.bench import WHOLE, Workers
from amorsize.tuning.pilot import FEW_ITEMS, Pilot, run_pilot
from amorsize.tuning.result import TuningResult
from amorsize.tuning.save import keep
from amorsize.tuning.search import BudgetOver, Limits, Search
from amorsize.tuning.summary import beats_the_loop, concluded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.tuning.options import TuneOptions

#: A default grid may cost this many times the loop.
GRID_SHARE = 3.5
#: A default grid is planned to run in this many blocks.
GRID_BLOCKS = 2
#: A quick tuning is planned to cost this many times the loop. It promises 1.5: what uneven data
#: takes is predicted 10 % off.
QUICK_SHARE = 1.25
#: Of a long job a quick tuning costs this many seconds, which tell as much.
QUICK_S = 6.0
#: Of a long job a quick tuning costs this share of the loop on top.
QUICK_MORE_SHARE = 0.1
#: A quick tuning of a shorter loop would cost more than it could ever bring back.
SHORT_S = 0.8
#: Two parts that differ by less than this factor tell how long the loop is.
AGREEING = 1.25
#: The share of a budget that is planned for, because runs take longer than they are likely to.
BUDGET_SHARE = 0.8
#: Seconds that a default grid may cost, however short the job.
SMALL_GRID_S = 0.2
#: A loop this short is timed on all items.
SHORT_LOOP_S = 0.02
OVER_BUDGET = "the budget was over before the search was"
INTERRUPTED = "interrupted before the search was over"


class Session:
    """One tuning, from the data to its result.

    Args:
        func: What to tune.
        data: All of its items.
        item_kwargs: Keywords for every item.
        asked: The options.
    """

    def __init__(
        self, func: Callable[..., Any], data: Any, item_kwargs: dict[str, Any], asked: TuneOptions
    ) -> None:
        self.began_s = perf_counter()
        func = callables.raw(func)
        call_checks.check_function(func)
        call_checks.check_data((data,), call_checks.name_of(func), decorated=False)
        self.original, self.name, self.asked = func, name_of(func), asked
        self.func = partial(func, **item_kwargs) if item_kwargs else func
        source = source_of((data,), strict=False)
        self.items: Sequence[Any] = source.sequences[0] if isinstance(source, Sliced) else [*data]
        self.n_items = len(self.items)
        if not self.n_items:
            raise InvalidOptionError(
                "empty dataset: there is no item to measure with. Pass some of the data that the "
                "function is to run on."
            )
        self.warnings: list[str] = []
        self.pilot: Pilot | None = None
        self.plans: list[Plan] = []
        self.search: Search
        self.is_over_budget = False

    def run(self) -> TuningResult:
        """Pilot, search, conclude and keep."""
        asked = self.asked
        if asked.use_hint:
            self.pilot = run_pilot(self.func, self.items, asked, self.warnings)
        self.plans = self._plans()
        self.search = self._new_search()
        if asked.verbose:
            hint = None if self.pilot is None else self.pilot.prediction
            announce.what_is_tried(self.name, self.n_items, asked.strategy, self.plans, hint)
        try:
            result = self._searched()
        except KeyboardInterrupt as stopped:
            announce.keep_in(stopped, self._named(self._concluded(INTERRUPTED)), INTERRUPTED)
            raise
        self._named(result)
        if asked.verbose:
            print(f"\n{result}")
        return result

    def _searched(self) -> TuningResult:
        try:
            too_short = self._why_not_worth_it() if self.asked.is_quick else None
            if too_short is None:
                self._search()
        except BudgetOver:
            too_short, self.is_over_budget = None, True
        if too_short is not None:
            return self._predicted(too_short)
        result = self._concluded(OVER_BUDGET if self.is_over_budget else "")
        is_better = result.is_decided or beats_the_loop(self.search)
        if self.asked.save and is_better and not self.is_over_budget:
            winner = self.search.loop if result.backend == "serial" else result.plan
            result.is_saved = keep(self.original, next(iter(self.items)), self.search, winner)
        return result

    # -- before ---------------------------------------------------------------------------------

    def _plans(self) -> list[Plan]:
        asked = self.asked
        if asked.plans is not None:
            return list(asked.plans)
        backends = asked.backends or self._backends()
        space = spaces.Space(backends=backends, n_jobs=asked.n_jobs, chunksizes=asked.chunksizes)
        return spaces.plans(
            space,
            None if self.pilot is None else self.pilot.basis,
            n_items=self.n_items,
            n_cores=resources.usable_cpus().n_cores,
            is_quick=asked.is_quick,
            predicted=None if self.pilot is None else self.pilot.prediction.plan,
        )

    def _backends(self) -> tuple[str, ...]:
        """Where items may come to run: of a grid that the user named, on one backend."""
        asked = self.asked
        if asked.prefers_threads:
            return ("thread",)
        is_named = asked.n_jobs is not None or asked.chunksizes is not None
        if is_named or self.pilot is None or self.pilot.backend == "process":
            return ("process",)
        return ("thread", "process") if self.pilot.backend == "thread" else ("process",)

    def _new_search(self) -> Search:
        asked = self.asked
        bench = Workers(self.func, self.items, is_isolated=asked.is_isolated)
        loop = Plan(backend="serial", n_jobs=1, chunksize=self.n_items, source="tuned")
        limits = Limits(
            timeout_s=asked.timeout_s,
            budget_s=asked.budget_s,
            # Who sets a limit of his own, or a number of runs, wants it kept.
            ends_hopeless=asked.timeout_s is None and asked.repeats is None,
        )
        if asked.strategy == "halving":
            limits = limits.replace(spend_share=QUICK_SHARE)
        elif self._is_default_space and asked.repeats is None:
            limits = limits.replace(spend_share=GRID_SHARE, spend_least_s=SMALL_GRID_S)
        else:
            limits = limits.replace(spend_share=1.0 + len(self.plans))
        if asked.budget_s is not None:  # parts of the data are chosen so that they fit into it
            limits = limits.replace(spend_s=BUDGET_SHARE * asked.budget_s)
        found = Search(
            bench,
            loop,
            limits,
            seed=asked.seed,
            tell=(lambda run: announce.run_of(self.search, run)) if asked.verbose else None,
            began_s=self.began_s,
            likely_s=self._likely_s,
        )
        if not asked.is_isolated and asked.backends is None:
            found.as_loop = frozenset(plan for plan in self.plans if plan.n_jobs == 1)
        return found

    @property
    def _is_default_space(self) -> bool:
        asked = self.asked
        return asked.plans is None and (asked.n_jobs is None or asked.chunksizes is None)

    # -- searching --------------------------------------------------------------------------------

    def _search(self) -> None:
        search, asked = self.search, self.asked
        plans = [plan for plan in self.plans if plan not in search.as_loop]
        budget_stride, plans = self._within_budget(plans)
        if asked.strategy == "halving":
            strategies.halving(search, plans, has_to=not self._is_default_space)
        elif asked.strategy == "bayes":
            from amorsize.tuning import bayes

            space = spaces.Space(
                backends=asked.backends or self._backends(),
                n_jobs=asked.n_jobs,
                chunksizes=asked.chunksizes,
            )
            stride = self._stride(bayes.N_TRIALS * plans[-1:]) if self._is_default_space else 1
            stride = max(stride, budget_stride)
            self.plans = bayes.search(search, space, plans, stride=stride, seed=asked.seed)
        else:
            stride = self._stride(plans) if self._is_default_space else 1
            stride = max(stride, budget_stride)
            has_to = asked.repeats is not None or not self._is_default_space
            strategies.grid(search, plans, stride=stride, repeats=asked.repeats, has_to=has_to)

    def _stride(self, plans: Sequence[Plan]) -> int:
        """Which part of the data a block of a default grid takes: so that two can be paid for."""
        if self.pilot is not None and self.pilot.basis.serial_s * GRID_SHARE < SMALL_GRID_S:
            return 1
        n_blocks = self.asked.repeats or GRID_BLOCKS
        stride = -(-n_blocks * (1.0 + sum(map(self._share_of_loop, plans))) // GRID_SHARE)
        return parts.with_enough_chunks(self.n_items, plans, int(max(1.0, stride)))

    def _within_budget(self, plans: list[Plan]) -> tuple[int, list[Plan]]:
        """Which part of the data lets the loop and the plans run once within the budget.

        Where nothing is known of the items, the loop is timed on some of them. Where not even the
        loop and one plan fit in otherwise, plans are left out that have no chunk for each worker in
        so small a part: that would tell nothing of them.
        """
        asked, search = self.asked, self.search
        if asked.budget_s is None or not plans:
            return 1, plans
        if self.pilot is None and search.loop_s is None:
            search.new_block()
            search.run(search.loop, parts.first_part(self.n_items))
        n_blocks = asked.repeats or 1
        costs_s = [n_blocks * self._likely_s(plan) for plan in (search.loop, *plans)]
        left_s = max(search.limits.spend_s - search.spent_s, 1e-9)
        wanted = int(max(1.0, min(self.n_items, -(-sum(costs_s) // left_s))))
        stride = parts.with_enough_chunks(self.n_items, plans, wanted)
        if (costs_s[0] + min(costs_s[1:])) / stride <= left_s:
            return stride, plans
        n_items = self.n_items // wanted
        told = [plan for plan in plans if plan.n_jobs * plan.chunksize <= n_items]
        return wanted, told or [min(plans, key=lambda plan: plan.n_jobs * plan.chunksize)]

    def _likely_s(self, plan: Plan) -> float:
        """What a plan would take, as far as a few items or the loop tell."""
        if self.pilot is not None:
            return plan_prediction.makespan_s(plan, self.pilot.basis)
        return (self.search.loop_s or 0.0) * self._share_of_loop(plan)

    def _share_of_loop(self, plan: Plan) -> float:
        if self.pilot is not None:
            return self._likely_s(plan) / max(self.pilot.basis.serial_s, 1e-9)
        return 1.0 / min(plan.n_jobs, resources.usable_cpus().n_cores)

    # -- quick ------------------------------------------------------------------------------------

    def _why_not_worth_it(self) -> str | None:
        """Time the loop on a small part; why a tuning would cost more than it brings, if so."""
        search = self.search
        expected_s = inf if self.pilot is None else self._likely_s(search.loop)
        if self.n_items < FEW_ITEMS:
            if expected_s < SHORT_S:
                return (
                    f"too short to tune ({self.n_items} items, {seconds(expected_s)} in the loop)"
                )
            about = "" if expected_s == inf else f", about {seconds(expected_s)} in the loop"
            return f"too few items to tune ({self.n_items}{about})"
        first_parts = parts.first_parts(self.n_items) if expected_s > SHORT_LOOP_S else [WHOLE]
        told_s: list[float] = []
        for part in first_parts:
            search.new_block()
            told_s.append(search.run(search.loop, part).whole_s)
            whole_s = search.loop_s or inf
            agree = len(told_s) > 1 and max(told_s) < AGREEING * min(told_s)
            if whole_s >= SHORT_S or agree:
                break  # few of uneven items may make a long job look short
        search.is_uneven = len(told_s) > 1 and not agree
        if whole_s < SHORT_S:
            return f"too short to tune ({seconds(whole_s)} in the loop)"
        spend_s = min(QUICK_SHARE * whole_s, QUICK_S + QUICK_MORE_SHARE * whole_s)
        search.limits = search.limits.replace(spend_s=min(spend_s, search.limits.spend_s))
        return None

    def _predicted(self, why: str) -> TuningResult:
        """The prediction of the optimizer, marked as one, if nothing was tuned."""
        loop_s = self.search.loop_s
        hint = None if self.pilot is None else self.pilot.prediction
        if loop_s is None:
            loop_s = inf if hint is None else hint.estimated_serial_s or 0.0
        found = TuningResult(
            best_n_jobs=1,
            best_chunksize=self.n_items,
            best_time=loop_s,
            best_speedup=1.0,
            serial_time=loop_s,
            configurations_tested=1,
            all_results={(1, self.n_items): loop_s},
            optimization_hint=hint,
            search_strategy=self.asked.strategy,
            executor_type=self.plans[0].backend if self.plans else "process",
            best_backend="serial",
            is_decided=False,
            verdict=f"{why}: tuned_map decides well enough while it works",
            n_items=self.n_items,
            warnings=self.warnings,
        )
        if hint is not None and hint.backend != "serial":
            found.best_n_jobs, found.best_chunksize = hint.n_jobs, hint.chunksize
            found.best_speedup = hint.estimated_speedup
            found.best_time = loop_s / hint.estimated_speedup
            found.executor_type, found.best_backend = hint.backend, None
            items = counted(hint.n_sampled, "item")
            found.verdict += f". The result names what a sample of {items} predicts"
        return found

    # -- after ------------------------------------------------------------------------------------

    def _concluded(self, ended_by: str) -> TuningResult:
        asked = self.asked
        backends = [plan.backend for plan in self.plans]
        result = concluded(
            self.search,
            self.plans,
            strategy=asked.strategy,
            executor_type=backends[0] if backends else "process",
            hint=None if self.pilot is None else self.pilot.prediction,
            ended_by=ended_by,
        )
        result.warnings = [*self.warnings, *result.warnings]
        is_named = asked.chunksizes is not None or asked.plans is not None
        if result.backend == "serial" and is_named and result.configurations:
            # To the loop any chunksize is the same: one that was asked about, of the best of them.
            result.best_chunksize = min(result.configurations, key=lambda c: c.time_s).chunksize
        return result

    def _named(self, result: TuningResult) -> TuningResult:
        """The result with the name of what was tuned, and what the tuning took."""
        result.tuning_s = perf_counter() - self.began_s
        result.function = self.name
        return result


def name_of(func: Any) -> str:
    """A function's name; of a partial, that of what it calls."""
    while callables.is_partial(func):
        func = func.func
    return call_checks.name_of(func)

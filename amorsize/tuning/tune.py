"""`tune_parameters` and `quick_tune`: measure plans on real workers, and keep the best."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from amorsize import _callables, _machine, _options
from amorsize._call import OutOfTime
from amorsize._work import Sliced, source_of
from amorsize.crews import nesting
from amorsize.errors import AmorsizeError, InvalidOptionError, WrongTypeError
from amorsize.optimizer import SAMPLE_SIZE, OptimizationResult, Sample, basis_of, result_of
from amorsize.policy import prediction
from amorsize.policy.plan import Plan
from amorsize.policy.value import Value
from amorsize.report import seconds
from amorsize.tuning import search as searching
from amorsize.tuning import space as spaces
from amorsize.tuning.bench import WHOLE, Measured, Run, Workers
from amorsize.tuning.conclusion import concluded
from amorsize.tuning.keeping import keep
from amorsize.tuning.result import TuningResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from amorsize.policy.prediction import Basis
    from amorsize.tuning.search import Search

STRATEGIES = ("grid", "halving", "bayes")
BACKENDS = ("thread", "process")
GRID_SHARE, GRID_BLOCKS = 3.7, 2  # times the loop a default grid may cost, and its usual blocks
QUICK_SHARE = 1.35  # times the loop: 1.5 is promised, and reading and writing have to be paid, too
QUICK_S, QUICK_MORE_SHARE = 6.0, 0.1  # of a long job less: so many seconds tell as much
SHORT_S, FEW_ITEMS = 0.8, 50  # below, a tuning would cost more than it could ever bring back
FEW_LOOKED_AT = 16  # of few items every 16th is looked at, at least one
SMALL_GRID_S = 0.2  # so much may be spent on a default grid, however short the job


class Asked(Value):
    """What a tuning was asked for, checked."""

    use_hint: bool
    verbose: bool
    timeout_s: float | None
    prefers_threads: bool
    strategy: str
    repeats: int | None
    budget_s: float | None
    seed: int
    save: bool
    n_jobs: tuple[int, ...] | None
    chunksizes: tuple[int, ...] | None
    backends: tuple[str, ...] | None
    thread_safe: bool | None
    is_quick: bool = False
    plans: tuple[Plan, ...] | None = None  # exactly these

    @property
    def is_isolated(self) -> bool:
        """A limit has to hold inside items: they run where they can be ended."""
        return self.timeout_s is not None or self.budget_s is not None


class Look(Value):
    """What a few items have told before anything was measured."""

    hint: OptimizationResult
    basis: Basis
    backend: str  # where the policy would send them


class Session:
    """One tuning, from the data to its result.

    Args:
        func: What to tune.
        data: All of its items.
        item_kwargs: Keywords for every item.
        asked: The options.
    """

    def __init__(
        self, func: Callable[..., Any], data: Any, item_kwargs: dict[str, Any], asked: Asked
    ) -> None:
        self.began_s = perf_counter()
        func = _callables.raw(func)
        _options.check_function(func)
        _options.check_data((data,), _options.name_of(func), decorated=False)
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
        self.look: Look | None = None
        self.plans: list[Plan] = []
        self.search: Search
        self.is_over_budget = False

    def run(self) -> TuningResult:
        """Look, search, conclude and keep."""
        asked = self.asked
        if asked.use_hint:
            self.look = self._look()
        self.plans = self._plans()
        self.search = self._new_search()
        self._say_what_is_tried()
        try:
            result = self._searched()
        except KeyboardInterrupt as stopped:
            stopped.__dict__["_amorsize_tuning"] = self._concluded()
            raise
        result.tuning_s = perf_counter() - self.began_s
        result.function = self.name
        if asked.verbose:
            print(f"\n{result}")
        return result

    def _searched(self) -> TuningResult:
        try:
            too_short = self._why_not_worth_it() if self.asked.is_quick else None
            if too_short is None:
                self._search()
        except searching.BudgetOver:
            too_short, self.is_over_budget = None, True
        if too_short is not None:
            return self._predicted(too_short)
        result = self._concluded()
        if self.asked.save and result.is_decided and not self.is_over_budget:
            winner = self.search.loop if result.backend == "serial" else result.plan
            result.is_saved = keep(self.original, self.items[0], self.search, winner)
        return result

    # -- before ---------------------------------------------------------------------------------

    def _look(self) -> Look | None:
        """Run a few items, as `optimize` does; apart where they might never end."""
        asked, n_sampled = self.asked, SAMPLE_SIZE
        if asked.is_quick and self.n_items < FEW_ITEMS:
            n_sampled = max(1, self.n_items // FEW_LOOKED_AT)
        looked = partial(_looked, self.func, self.items, n_sampled, asked.thread_safe)
        if not asked.is_isolated:
            return looked()
        longest_s = min(t for t in (asked.timeout_s, asked.budget_s) if t is not None)
        inside = partial(_apart, looked)
        call = Measured(
            inside, ([None],), {}, _options.validated(backend="process", n_jobs=1), None
        )
        try:
            (look,) = call.run(longest_s=longest_s)
        except (OutOfTime, AmorsizeError) as error:
            why = str(error) or f"it was not done in {longest_s:g} s"
            self.warnings.append(f"No prediction could be made from a few items: {why}.")
            return None
        return look  # type: ignore[no-any-return]

    def _plans(self) -> list[Plan]:
        asked = self.asked
        if asked.plans is not None:
            return list(asked.plans)
        backends = asked.backends or self._backends()
        space = spaces.Space(backends=backends, n_jobs=asked.n_jobs, chunksizes=asked.chunksizes)
        return spaces.plans(
            space,
            None if self.look is None else self.look.basis,
            n_items=self.n_items,
            n_cores=_machine.usable_cpus().n_cores,
            is_quick=asked.is_quick,
        )

    def _backends(self) -> tuple[str, ...]:
        """Where items may come to run: of a grid that the user named, on one backend."""
        asked = self.asked
        if asked.prefers_threads:
            return ("thread",)
        is_named = asked.n_jobs is not None or asked.chunksizes is not None
        if is_named or self.look is None or self.look.backend == "process":
            return ("process",)
        return ("thread", "process") if self.look.backend == "thread" else ("process",)

    def _new_search(self) -> Search:
        asked = self.asked
        bench = Workers(self.func, self.items, is_isolated=asked.is_isolated)
        loop = Plan(backend="serial", n_jobs=1, chunksize=self.n_items, source="tuned")
        limits = searching.Limits(timeout_s=asked.timeout_s, budget_s=asked.budget_s)
        if asked.strategy == "halving":
            limits = limits.but(spend_share=QUICK_SHARE)
        elif self._is_default_space and asked.repeats is None:
            limits = limits.but(spend_share=GRID_SHARE, spend_least_s=SMALL_GRID_S)
        else:
            limits = limits.but(spend_share=1.0 + len(self.plans))
        found = searching.Search(
            bench,
            loop,
            limits,
            seed=asked.seed,
            tell=self._say_run if asked.verbose else None,
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
        if asked.strategy == "halving":
            searching.halving(search, plans)
        elif asked.strategy == "bayes":
            from amorsize.tuning import bayes

            space = spaces.Space(
                backends=asked.backends or self._backends(),
                n_jobs=asked.n_jobs,
                chunksizes=asked.chunksizes,
            )
            stride = self._stride(bayes.N_TRIALS * plans[-1:]) if self._is_default_space else 1
            self.plans = bayes.search(search, space, plans, stride=stride, seed=asked.seed)
        else:
            stride = self._stride(plans) if self._is_default_space else 1
            has_to = asked.repeats is not None or not self._is_default_space
            searching.grid(search, plans, stride=stride, repeats=asked.repeats, has_to=has_to)

    def _stride(self, plans: Sequence[Plan]) -> int:
        """Which part of the data a block of a default grid takes: so that two can be paid for."""
        if self.look is not None and self.look.basis.serial_s * GRID_SHARE < SMALL_GRID_S:
            return 1
        n_blocks = self.asked.repeats or GRID_BLOCKS
        stride = -(-n_blocks * (1.0 + sum(map(self._share_of_loop, plans))) // GRID_SHARE)
        return searching.with_enough_chunks(self.n_items, plans, int(max(1.0, stride)))

    def _likely_s(self, plan: Plan) -> float:
        """What a plan would take, as far as a few items or the loop tell."""
        if self.look is not None:
            return prediction.makespan_s(plan, self.look.basis)
        return (self.search.loop_s or 0.0) * self._share_of_loop(plan)

    def _share_of_loop(self, plan: Plan) -> float:
        if self.look is not None:
            return self._likely_s(plan) / max(self.look.basis.serial_s, 1e-9)
        return 1.0 / min(plan.n_jobs, _machine.usable_cpus().n_cores)

    # -- quick ------------------------------------------------------------------------------------

    def _why_not_worth_it(self) -> str | None:
        """Time the loop on a small part; why a tuning would cost more than it brings, if so."""
        if self.n_items < FEW_ITEMS:
            return f"too short to tune ({self.n_items} items)"
        search = self.search
        expected_s = INF if self.look is None else self._likely_s(search.loop)
        part = searching.look_part(self.n_items) if expected_s > SHORT_LOOP_S else WHOLE
        search.new_block()
        whole_s = search.run(search.loop, part).whole_s
        if whole_s < SHORT_S:
            return f"too short to tune ({seconds(whole_s)} in the loop)"
        spend_s = min(QUICK_SHARE * whole_s, QUICK_S + QUICK_MORE_SHARE * whole_s)
        search.limits = search.limits.but(spend_s=spend_s)
        return None

    def _predicted(self, why: str) -> TuningResult:
        """Where nothing was tuned: what the optimizer says, as what it is."""
        loop_s = self.search.loop_s
        hint = None if self.look is None else self.look.hint
        if loop_s is None:
            loop_s = INF if hint is None else hint.estimated_serial_s or 0.0
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
            found.verdict += f"; named is what {hint.n_sampled} items predict"
        return found

    # -- after ------------------------------------------------------------------------------------

    def _concluded(self) -> TuningResult:
        asked = self.asked
        backends = [plan.backend for plan in self.plans]
        result = concluded(
            self.search,
            self.plans,
            strategy=asked.strategy,
            executor_type=backends[0] if backends else "process",
            hint=None if self.look is None else self.look.hint,
            is_over_budget=self.is_over_budget,
        )
        result.warnings = [*self.warnings, *result.warnings]
        return result

    # -- saying -----------------------------------------------------------------------------------

    def _say_what_is_tried(self) -> None:
        if not self.asked.verbose:
            return
        print("Auto-Tuning Configuration")
        print(f"  {self.name}: {self.n_items} items, strategy {self.asked.strategy!r}")
        if self.look is not None:
            print(f"  Optimizer suggests: {self.look.hint.explain().splitlines()[0][4:].strip()}")
        print(f"Testing n_jobs: {sorted({plan.n_jobs for plan in self.plans})}")
        print(f"Testing chunksizes: {sorted({plan.chunksize for plan in self.plans})}")
        print("Benchmarking serial execution")

    def _say_run(self, run: Run) -> None:
        plan, loop_s = run.plan, self.search.loop_s
        what = f"{plan.backend} n_jobs={plan.n_jobs} chunksize={plan.chunksize}"
        if plan == self.search.loop:
            what = "the loop"
            for name in sorted(self.search.as_loop, key=lambda one: one.chunksize):
                if len(self.search.runs) == 1:
                    print(f"  {name.backend} n_jobs=1 chunksize={name.chunksize}: the loop")
        if run.failure is not None:
            print(f"  {what}: {run.failure}")
            return
        of = "" if run.part.stride == 1 else f", from {run.n_items} items"
        speedup = f" ({loop_s / run.whole_s:.2f}x{of})" if loop_s and run.whole_s > 0 else ""
        print(f"  {what}: {seconds(run.whole_s)}{speedup}")


INF = float("inf")
SHORT_LOOP_S = 0.02  # so short a loop is timed whole


def _looked(func: Any, items: Any, n_sampled: int, thread_safe: bool | None) -> Look:
    sample = Sample(func, items, n_sampled, {}, _options.validated(thread_safe=thread_safe))
    sample.run()
    chosen, weighed = sample.where()
    hint = result_of(sample)
    hint.data = None  # the caller has it
    return Look(hint=hint, basis=basis_of(sample, weighed), backend=chosen.backend or "serial")


def _apart(looked: Callable[[], Look], _: Any) -> Look:
    nesting.leave_process()  # as in the caller, not as in a worker
    return looked()


# -- the ways in -----------------------------------------------------------------------------------


def tune_parameters(
    func: Callable[..., Any],
    data: Iterable[Any],
    n_jobs_range: Iterable[int] | None = None,
    chunksize_range: Iterable[int] | None = None,
    use_optimizer_hint: bool = True,
    verbose: bool = False,
    timeout_per_config: float | None = None,
    prefer_threads_for_io: bool = False,
    *,
    strategy: str = "grid",
    backends: Iterable[str] | None = None,
    repeats: int | None = None,
    budget_s: float | None = None,
    seed: int = 0,
    save: bool = True,
    item_kwargs: dict[str, Any] | None = None,
    thread_safe: bool | None = None,
) -> TuningResult:
    """Measure ways of running a function over data, and tell the best.

    Every item may run many times; `tuning_s` and `cost_ratio` of the result say what that took.
    Left to itself, it looks at a few items, tries some plans on parts of the data, and takes up to
    four times as long as the loop; a grid that was named is measured cell by cell on all of it.

    Args:
        func: What to tune; what it returns is dropped.
        data: Its items, all of which are read first.
        n_jobs_range: Numbers of jobs to try; None: those worth a look here. 1 is the caller's
            loop, or one worker process where `backends` or a time limit asks for workers.
        chunksize_range: Chunksizes to try; None: those worth a look.
        use_optimizer_hint: Look at a few items first: the result shows what they predict, and
            where ranges are left open they are chosen around that.
        verbose: Print what is tried and found.
        timeout_per_config: Seconds after which one run is ended, even inside an item; everything
            is then run in worker processes.
        prefer_threads_for_io: Try threads instead of processes.
        strategy: "grid" (all cells), "halving" (all on a small part of the data, the better half
            on a larger one, and so on) or "bayes" (needs Optuna: the extra `amorsize[bayes]`).
        backends: "thread", "process" or both; None: processes, and in an open space threads as
            well where items wait or release the GIL.
        repeats: Runs of each cell; None: as many as the noise demands.
        budget_s: Seconds after which the search ends, even inside an item.
        seed: Of the order of runs, and of Bayesian search.
        save: Have the next call of the function start from the winner.
        item_kwargs: Keywords for every item.
        thread_safe: Whether items may run in threads; None to have it judged.

    Raises:
        InvalidOptionError, WrongTypeError: What was asked for cannot be; there is no item.
        MissingExtraError: Optuna is not installed.
        Exception: What `func` raised in the loop.
    """
    asked = _asked(
        use_hint=use_optimizer_hint,
        verbose=verbose,
        timeout_s=timeout_per_config,
        prefers_threads=prefer_threads_for_io,
        strategy=strategy,
        repeats=repeats,
        budget_s=budget_s,
        seed=seed,
        save=save,
        n_jobs=n_jobs_range,
        chunksizes=chunksize_range,
        backends=backends,
        thread_safe=thread_safe,
    )
    return Session(func, data, item_kwargs or {}, asked).run()


def quick_tune(
    func: Callable[..., Any],
    data: Iterable[Any],
    verbose: bool = False,
    prefer_threads_for_io: bool = False,
    *,
    timeout_per_config: float | None = None,
    backends: Iterable[str] | None = None,
    budget_s: float | None = None,
    seed: int = 0,
    save: bool = True,
    item_kwargs: dict[str, Any] | None = None,
    thread_safe: bool | None = None,
) -> TuningResult:
    """Find a good plan in at most one and a half times what the loop takes.

    A few plans run on small parts of the data, the better ones on larger ones. A job of under a
    second, or of few items, is told to be too short: what a few items predict is named then, and
    nothing is kept.

    The arguments are those of `tune_parameters`, and so are the errors.
    """
    asked = _asked(
        use_hint=True,
        verbose=verbose,
        timeout_s=timeout_per_config,
        prefers_threads=prefer_threads_for_io,
        strategy="halving",
        repeats=None,
        budget_s=budget_s,
        seed=seed,
        save=save,
        n_jobs=None,
        chunksizes=None,
        backends=backends,
        thread_safe=thread_safe,
    )
    return Session(func, data, item_kwargs or {}, asked.but(is_quick=True)).run()


def name_of(func: Any) -> str:
    """A function's name; of a partial, that of what it calls."""
    while _callables.is_partial(func):
        func = func.func
    return _options.name_of(func)


def compare_plans(
    func: Callable[..., Any],
    data: Iterable[Any],
    plans: Iterable[Plan | tuple[int, int] | tuple[int, int, str]],
    verbose: bool = False,
    *,
    repeats: int | None = None,
    timeout_per_config: float | None = None,
    budget_s: float | None = None,
    seed: int = 0,
    item_kwargs: dict[str, Any] | None = None,
) -> TuningResult:
    """Measure some plans side by side on all of the data, and the loop with them.

    Args:
        func: What to run.
        data: Its items.
        plans: `(n_jobs, chunksize)`, `(n_jobs, chunksize, "thread")` or what `.plan` gives; workers
            are processes unless it is said. One job is one worker; the loop is measured anyway.
        verbose: Print each run.
        repeats: Runs of each plan; None: as many as the noise demands.
        timeout_per_config, budget_s, seed, item_kwargs: As in `tune_parameters`.

    Returns:
        A result whose `configurations` are the plans, in their order. Nothing is kept.
    """
    asked = _asked(
        use_hint=False,
        verbose=verbose,
        timeout_s=timeout_per_config,
        prefers_threads=False,
        strategy="grid",
        repeats=repeats,
        budget_s=budget_s,
        seed=seed,
        save=False,
        n_jobs=None,
        chunksizes=None,
        backends=BACKENDS,
        thread_safe=None,
    )
    named = tuple(dict.fromkeys(map(_plan, plans)))
    if not named:
        raise InvalidOptionError("There is no plan to compare: pass at least one.")
    return Session(func, data, item_kwargs or {}, asked.but(plans=named)).run()


def _plan(named: Any) -> Plan:
    if isinstance(named, Plan):
        named = (named.n_jobs, named.chunksize, named.backend)
    if not isinstance(named, tuple) or len(named) not in (2, 3):
        raise WrongTypeError(_wrong("plans", named, "made of (n_jobs, chunksize[, backend])"))
    backend = named[2] if len(named) == 3 else "process"
    if backend not in BACKENDS:
        raise InvalidOptionError(
            f"plans: {_options.shown(backend)} is not allowed, only 'thread' and 'process': the "
            "loop is always measured."
        )
    n_jobs, chunksize = _whole("plans", named[0]), _whole("plans", named[1])
    return Plan(backend=backend, n_jobs=n_jobs, chunksize=chunksize, source="tuned")


def so_far(error: BaseException) -> TuningResult | None:
    """What a tuning that Ctrl-C ended had found; None for an exception of another origin."""
    return getattr(error, "_amorsize_tuning", None)


# -- checking --------------------------------------------------------------------------------------


def _asked(**given: Any) -> Asked:
    for name, meaning in FLAGS.items():
        if type(given[name]) is not bool:
            raise WrongTypeError(_wrong(meaning, given[name], "True or False"))
    for name, meaning in (("timeout_s", "timeout_per_config"), ("budget_s", "budget_s")):
        given[name] = _seconds(meaning, given[name])
    if given["strategy"] not in STRATEGIES:
        raise InvalidOptionError(
            f"strategy={_options.shown(given['strategy'])} is not allowed: it is one of "
            f"{', '.join(map(repr, STRATEGIES))}."
        )
    if given["strategy"] == "bayes":
        from amorsize.tuning import bayes

        bayes.load()
    if (repeats := given["repeats"]) is not None:
        _whole("repeats", repeats)
    if type(given["seed"]) is not int:
        raise WrongTypeError(_wrong("seed", given["seed"], "a whole number"))
    given["n_jobs"] = _numbers("n_jobs_range", given["n_jobs"])
    given["chunksizes"] = _numbers("chunksize_range", given["chunksizes"])
    given["backends"] = _backends(given["backends"], prefers_threads=given["prefers_threads"])
    _options.validated(thread_safe=given["thread_safe"])
    return Asked(**given)


FLAGS = {
    "use_hint": "use_optimizer_hint",
    "verbose": "verbose",
    "prefers_threads": "prefer_threads_for_io",
    "save": "save",
}


def _numbers(name: str, values: Any) -> tuple[int, ...] | None:
    """Each number once, in the order given; -1 among numbers of jobs is every usable core."""
    if values is None:
        return None
    if isinstance(values, str | bytes) or not hasattr(type(values), "__iter__"):
        raise WrongTypeError(_wrong(name, values, "a list of whole numbers, or None"))
    numbers = []
    for value in values:
        if value == -1 and name == "n_jobs_range":
            value = _machine.usable_cpus().n_cores
        numbers.append(_whole(name, value))
    if not numbers:
        raise InvalidOptionError(f"{name} is empty: name at least one number, or pass None.")
    return tuple(dict.fromkeys(numbers))


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise WrongTypeError(_wrong(name, value, "made of whole numbers"))
    number = int(value.__index__())
    if number < 1:
        raise InvalidOptionError(f"{name}: {value!r} is not allowed, only numbers from 1 on.")
    return number


def _seconds(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongTypeError(_wrong(name, value, "a number of seconds, or None"))
    if not 0 < value < INF:
        raise InvalidOptionError(f"{name}={value!r} is not allowed: it is above 0, or None.")
    return float(value)


def _backends(values: Any, *, prefers_threads: bool) -> tuple[str, ...] | None:
    if values is None:
        return None
    values = (values,) if isinstance(values, str) else tuple(values)
    if prefers_threads:
        raise InvalidOptionError(
            "prefer_threads_for_io=True and backends= exclude each other: name the backends."
        )
    if not values or any(value not in BACKENDS for value in values):
        raise InvalidOptionError(
            f"backends={_options.shown(values)} is not allowed: it is made of 'thread' and "
            "'process'. The loop is always measured."
        )
    return tuple(dict.fromkeys(values))


def _wrong(name: str, value: Any, allowed: str) -> str:
    return (
        f"{name}={_options.shown(value)} is of the wrong type ({type(value).__name__}): "
        f"it is {allowed}."
    )

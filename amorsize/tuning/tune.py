"""`tune_parameters`, `quick_tune`, `compare_plans`: measure plans on real workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize._engine.options.call_checks import checked_keywords
from amorsize.policy.actions import WORKER_BACKENDS
from amorsize.tuning import options
from amorsize.tuning.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amorsize.policy.actions import Plan
    from amorsize.tuning.result import TuningResult


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
    """Measure ways of running a function over data, and name the best.

    Every item may run many times; `tuning_s` and `cost_ratio` of the result say what that took.
    Without ranges, it runs a few items, tries some plans on parts of the data, and takes up to four
    times as long as the loop. A grid that you name is measured cell by cell on all of the data.

    Args:
        func: The function to tune; its results are dropped.
        data: Its items; all of them are read first.
        n_jobs_range: Numbers of jobs to try; None: those worth trying here. 1 is the caller's
            loop, or one worker process where `backends` or a time limit asks for workers.
        chunksize_range: Chunksizes to try; None: those worth trying.
        use_optimizer_hint: Run a few items first. The result shows what they predict, and ranges
            that are None are chosen around the prediction.
        verbose: Print what is tried, and what is found.
        timeout_per_config: Seconds after which one run is ended, even inside an item. Everything
            then runs in worker processes.
        prefer_threads_for_io: Try threads instead of processes.
        strategy: "grid" (all cells), "halving" (all on a small part of the data, the better half
            on a larger one, and so on) or "bayes" (needs Optuna: the extra `amorsize[bayes]`).
        backends: "thread", "process" or both; None: processes, and without ranges also threads if
            items wait or release the GIL.
        repeats: Runs of each cell of a grid; None: as many as the noise demands.
        budget_s: Seconds after which the search ends, even inside an item.
        seed: For the order of runs, and for Bayesian search.
        save: Start the next call of the function from the winner.
        item_kwargs: Keywords for every item.
        thread_safe: Whether items may run in threads; None: found out from what they share.

    Raises:
        InvalidOptionError, WrongTypeError: An option is not allowed, or there is no item.
        MissingExtraError: Optuna is not installed.
        Exception: What `func` raised in the loop.

    Example:
        >>> result = tune_parameters(abs, range(100), n_jobs_range=[1], chunksize_range=[50])
        >>> list(result.all_results), result.best_n_jobs
        ([(1, 50)], 1)
    """
    asked = options.asked(
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
    return Session(func, data, checked_keywords(item_kwargs), asked).run()


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

    A few plans run on small parts of the data, and the better ones on larger parts. For a loop of
    less than a second, or for few items, the answer is that there is too little to measure. It then
    names the plan that a few items predict, and nothing is saved.

    The arguments are those of `tune_parameters`, and so are the errors.

    Example:
        >>> print(quick_tune(abs, range(100)).verdict)
        too ...
    """
    asked = options.asked(
        verbose=verbose,
        timeout_s=timeout_per_config,
        prefers_threads=prefer_threads_for_io,
        strategy="halving",
        budget_s=budget_s,
        seed=seed,
        save=save,
        backends=backends,
        thread_safe=thread_safe,
        is_quick=True,
    )
    return Session(func, data, checked_keywords(item_kwargs), asked).run()


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
    """Measure some plans and the loop side by side on all of the data.

    Args:
        func: The function to run.
        data: Its items.
        plans: `(n_jobs, chunksize)`, `(n_jobs, chunksize, "thread")` or a `.plan`. Workers are
            processes by default. `n_jobs=1` is one worker; the loop is measured in any case.
        verbose: Print each run.
        repeats: Runs of each plan; None: as many as the noise demands.
        timeout_per_config, budget_s, seed, item_kwargs: As in `tune_parameters`.

    Returns:
        A result whose `configurations` are the plans, in their order. Nothing is saved.

    Example:
        >>> result = compare_plans(abs, range(100), [(1, 50), (1, 100)], repeats=1)
        >>> [one.chunksize for one in result.configurations]
        [50, 100]
    """
    asked = options.asked(
        use_hint=False,
        verbose=verbose,
        timeout_s=timeout_per_config,
        repeats=repeats,
        budget_s=budget_s,
        seed=seed,
        save=False,
        backends=WORKER_BACKENDS,
        plans=options.named_plans(plans),
    )
    return Session(func, data, checked_keywords(item_kwargs), asked).run()


def so_far(error: BaseException) -> TuningResult | None:
    """The result so far of a tuning that Ctrl-C ended; None for any other exception.

    Example:
        >>> so_far(KeyboardInterrupt()) is None
        True
    """
    return getattr(error, "_amorsize_tuning", None)

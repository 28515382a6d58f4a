"""`optimize`: predict from a few items how all of them are best run.

The figures are those that the tuner of a call measures as well, and the rules are the policy's:
where the items run (`policy.best_backend`), what that costs (`policy.worker_costs`), how large
chunks are (`policy.chunk_sizing`). Nothing but the few items is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize._engine.options import call_checks, call_options
from amorsize._function import callables
from amorsize.optimizer import arguments
from amorsize.optimizer.prediction import of_nothing, result_of
from amorsize.optimizer.result import OptimizationResult
from amorsize.optimizer.sample import Sample, nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ("OptimizationResult", "optimize")

#: Items that are run where the caller does not say how many.
SAMPLE_SIZE = 5


def optimize(
    func: Callable[..., Any],
    data: Iterable[Any],
    sample_size: int = SAMPLE_SIZE,
    target_chunk_duration: float | None = None,
    verbose: bool = False,
    *,
    item_kwargs: dict[str, Any] | None = None,
    backend: str = "auto",
    n_jobs: int | None = None,
    thread_safe: bool | None = None,
    prefer_threads_for_io: bool = False,
    auto_adjust_for_nested_parallelism: bool = True,
    progress_callback: Callable[[str, float], object] | None = None,
    **unknown: Any,
) -> OptimizationResult:
    """Predict from a few items how all of them are best run.

    Args:
        func: Called with each item of the sample, once, in this process; its results are dropped.
            Where threads come into question and it has to be seen whether computing items hold
            the GIL, some are run again; `n_runs` tells.
        data: The items. Of an iterator some are read ahead; the result's `data` gives all of them.
        sample_size: How many items to run; they lie evenly in data that has a length, in front of
            an iterator.
        target_chunk_duration: Seconds that a chunk is to last; None to have it follow from what
            sending a chunk costs here.
        verbose: Print what is found.
        item_kwargs: Keywords for every item.
        backend: Where the items are to run; "auto" judges.
        n_jobs: How many are to run at once; None or -1 to have it judged.
        thread_safe: Whether items may run in threads; None to judge it by what they reach.
        prefer_threads_for_io: Items that wait may run in threads whatever they reach; of items that
            compute, `thread_safe` or what they reach decides as before.
        auto_adjust_for_nested_parallelism: Fewer jobs for items that use several cores themselves.
        progress_callback: Called with what is being done ("sampling", "predicting", "done") and the
            share that is done, from 0 to 1, after each item of the sample.
        unknown: Options that there were elsewhere are refused with what does the same here.

    Raises:
        InvalidOptionError, WrongTypeError: What was asked for cannot be.
        Exception: What `func` raised for an item of the sample, with a note naming it.

    Example:
        >>> found = optimize(len, ["a", "bb", "ccc"])
        >>> found.backend, found.n_jobs
        ('serial', 1)
    """
    arguments.check_flags(
        prefer_threads_for_io=prefer_threads_for_io,
        auto_adjust_for_nested_parallelism=auto_adjust_for_nested_parallelism,
        progress_callback=progress_callback,
        **unknown,
    )
    options = call_options.validated(backend=backend, n_jobs=n_jobs, thread_safe=thread_safe)
    func = callables.raw(func)
    call_checks.check_function(func)
    call_checks.check_data((data,), call_checks.name_of(func), decorated=False)
    arguments.check_numbers(sample_size, target_chunk_duration)
    sample = Sample(func, data, sample_size, call_checks.checked_keywords(item_kwargs), options)
    sample.lets_waiting_thread = prefer_threads_for_io
    tell = progress_callback or nobody
    if not sample.items:
        found = of_nothing(sample)
    else:
        sample.run(tell)
        tell("predicting", 1.0)
        adjusts = auto_adjust_for_nested_parallelism
        found = result_of(sample, target_chunk_duration, adjusts=adjusts)
    tell("done", 1.0)
    if verbose:
        print(found.explain())
    return found

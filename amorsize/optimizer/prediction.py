"""From a sample that was run to the plan that all items are best run by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.optimizer.result import OptimizationResult
from amorsize.optimizer.sample import ENDLESS_S
from amorsize.policy import best_backend, plan_prediction
from amorsize.policy.trivial_items import LEAST_LEFT_S
from amorsize.report import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.optimizer.sample import Sample
    from amorsize.policy.events import PicklingMeasured
    from amorsize.policy.plan_prediction import Prediction

#: An item of the sample that takes this many times the mean makes the mean a guess.
UNEVEN = 3.0
#: Computing items that have less of a core than this share it with others.
BUSY_SHARE = 0.8
#: A sample shorter than this says more of the clock than of the items.
SHORT_SAMPLE_S = 20e-6


def predicted(
    sample: Sample, backend: str | None, chunk_s: float | None = None, *, adjusts: bool = True
) -> Prediction:
    """The best plan for a sample that was run; on one backend, where that is given.

    `adjusts`: items that use several cores themselves get fewer jobs.
    """
    chosen, pickling = sample.where()
    if backend is not None and chosen.backend != backend:
        chosen = best_backend.BackendChoice(backend=backend, why="asked for")
        pickling = pickling or (sample.weigh() if backend == "process" else None)
    return plan_prediction.predict(
        basis_of(sample, pickling),
        sample.request,
        chosen,
        cores_per_item=sample.costs.cores_per_item if adjusts else 1.0,
        chunk_s=chunk_s,
    )


def basis_of(sample: Sample, pickling: PicklingMeasured | None) -> plan_prediction.Basis:
    """What a sample that was run says of all items."""
    return plan_prediction.basis_of(
        sample.host,
        sample.costs,
        pickling,
        n_items=sample.n_planned,
        longest_s=max(sample.costs_s[1:], default=sample.costs_s[0]),
    )


def result_of(
    sample: Sample, chunk_s: float | None = None, *, adjusts: bool = True
) -> OptimizationResult:
    found = predicted(sample, None, chunk_s, adjusts=adjusts)
    plan = found.plan
    return OptimizationResult(
        n_jobs=plan.n_jobs,
        chunksize=plan.chunksize,
        reason=found.why,
        estimated_speedup=found.speedup,
        warnings=list(_warnings(sample)),
        data=sample.drawn.data,
        n_items=sample.n_items,
        n_sampled=len(sample.items),
        n_runs=sample.n_runs,
        sampled_s=sample.took_s,
        item_s=sample.costs.mean_s,
        estimated_serial_s=found.serial_s,
        executor_type=plan.backend,
    )


def of_nothing(sample: Sample) -> OptimizationResult:
    return OptimizationResult(
        n_jobs=1,
        chunksize=1,
        reason="there is nothing to run",
        warnings=["The data is empty: there is no item to run, and nothing to predict from."],
        data=sample.drawn.data,
        n_items=sample.n_items,
        executor_type="serial",
    )


def _warnings(sample: Sample) -> Iterator[str]:
    """What makes the prediction less sure, or the plan less good than it could be."""
    costs, host = sample.costs, sample.host
    mean_s = costs.mean_s or 0.0
    if sample.n_items is None:
        yield (
            "The data does not tell how many items there are: the plan is for "
            f"{seconds(ENDLESS_S)} of work. Pass a list to have the number counted in."
        )
    if costs.warmup_s > LEAST_LEFT_S:
        yield (
            f"The first item took {seconds(costs.warmup_s)} more than the next: it was taken for "
            "a warm-up (imports, caches) and left out."
        )
    if len(sample.costs_s) > 1 and max(sample.costs_s[1:]) > UNEVEN * mean_s > 0:
        yield (
            f"The items of the sample differ ({seconds(min(sample.costs_s))} to "
            f"{seconds(max(sample.costs_s))}): a larger sample_size would tell more."
        )
    if len(sample.costs_s) == 1:
        yield "One item was run: whether it was a warm-up cannot be told. Try a larger sample_size."
    if sum(sample.costs_s) < SHORT_SAMPLE_S:
        yield (
            f"The sample took {seconds(sum(sample.costs_s))}: too little to time well. "
            "A larger sample_size would tell more."
        )
    if not costs.waits and sample.busy_share < BUSY_SHARE:
        yield (
            f"The items had {sample.busy_share:.0%} of a core: others are at work on this host, "
            "and what is predicted here holds for it as it is now."
        )
    if sample.fork_reason is not None:
        yield (
            f"Workers cannot be forked here ({sample.fork_reason}): they start from a clean "
            f"interpreter, {seconds(host.process_ready_s)} until they take work."
        )
    if sample.request.thread_reason is not None and costs.waits:
        yield f"The items wait, and threads are ruled out: {sample.request.thread_reason}."

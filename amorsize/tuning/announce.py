"""Tells how a tuning goes, for `verbose=True` or on what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize._engine.state.failures import name_of_caught
from amorsize.report import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.optimizer import OptimizationResult
    from amorsize.policy.actions import Plan
    from amorsize.tuning.bench import Run
    from amorsize.tuning.result import TuningResult
    from amorsize.tuning.search import Search


def what_is_tried(
    name: str, n_items: int, strategy: str, plans: Sequence[Plan], hint: OptimizationResult | None
) -> None:
    """Say what is to be tried."""
    print("Auto-Tuning Configuration")
    print(f"  {name}: {n_items} items, strategy {strategy!r}")
    if hint is not None:
        print(f"  Optimizer suggests: {hint.explain().splitlines()[0][4:].strip()}")
    print(f"Testing n_jobs: {sorted({plan.n_jobs for plan in plans})}")
    print(f"Testing chunksizes: {sorted({plan.chunksize for plan in plans})}")
    print("Benchmarking serial execution")


def run_of(search: Search, run: Run) -> None:
    """Say what a run of a search took."""
    plan, loop_s = run.plan, search.loop_s
    what = f"{plan.backend} n_jobs={plan.n_jobs} chunksize={plan.chunksize}"
    if plan == search.loop:
        what = "the loop"
        for name in sorted(search.as_loop, key=lambda one: one.chunksize):
            if len(search.runs) == 1:
                print(f"  {name.backend} n_jobs=1 chunksize={name.chunksize}: the loop")
    if run.failure is not None:
        print(f"  {what}: {run.failure}")
        return
    of = "" if run.part.stride == 1 else f", from {run.n_items} items"
    speedup = f" ({loop_s / run.whole_s:.2f}x{of})" if loop_s and run.whole_s > 0 else ""
    print(f"  {what}: {seconds(run.whole_s)}{speedup}")


def keep_in(stopped: KeyboardInterrupt, found: TuningResult, why: str) -> None:
    """Keep the result so far in what ended a tuning, and note on it how to get at it."""
    stopped.__dict__["_amorsize_tuning"] = found
    so_far = f"amorsize.tuning.so_far({name_of_caught()})"
    stopped.add_note(f"{found.function}: {why}. {so_far} has what was measured by then.")

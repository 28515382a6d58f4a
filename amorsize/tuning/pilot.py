"""Runs a few items before a tuning measures anything: its pilot run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from amorsize._engine.engine import OutOfTime
from amorsize._engine.options import call_options
from amorsize._engine.state.call import Invocation
from amorsize._workers import nesting
from amorsize.errors import AmorsizeError
from amorsize.optimizer import SAMPLE_SIZE, OptimizationResult
from amorsize.optimizer.prediction import basis_of, result_of
from amorsize.optimizer.sample import Sample
from amorsize.policy.frozen_record import Value
from amorsize.tuning.bench import Apart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.policy.plan_prediction import Basis
    from amorsize.tuning.options import TuneOptions

#: A quick tuning of fewer items would cost more than it could ever bring back.
FEW_ITEMS = 50
#: If there are few items, one in this many runs, but at least one.
FEW_SAMPLED = 16


class Pilot(Value):
    """What the first few items have shown, before any plan was measured."""

    prediction: OptimizationResult
    basis: Basis
    backend: str  # where the policy would send them


def run_pilot(
    func: Callable[..., Any], items: Sequence[Any], asked: TuneOptions, warnings: list[str]
) -> Pilot | None:
    """Run a few items, as `optimize` does; in a worker process where they might never end.

    None where that took too long or failed; `warnings` then says why.
    """
    n_sampled = SAMPLE_SIZE
    if asked.is_quick and len(items) < FEW_ITEMS:
        n_sampled = max(1, len(items) // FEW_SAMPLED)
    run = partial(_run_here, func, items, n_sampled, asked.thread_safe)
    if not asked.is_isolated:
        return run()
    longest_s = min(t for t in (asked.timeout_s, asked.budget_s) if t is not None)
    inside = partial(_apart, run)
    options = call_options.validated(backend="process", n_jobs=1)
    call = Apart(Invocation(func=inside, iterables=([None],), options=options))
    try:
        (pilot,) = call.run(longest_s=longest_s)
    except (OutOfTime, AmorsizeError) as error:
        why = str(error) or f"it was not done in {longest_s:g} s"
        warnings.append(f"No prediction could be made from a few items: {why}.")
        return None
    return pilot  # type: ignore[no-any-return]


def _run_here(func: Any, items: Any, n_sampled: int, thread_safe: bool | None) -> Pilot:
    sample = Sample(func, items, n_sampled, {}, call_options.validated(thread_safe=thread_safe))
    sample.run()
    chosen, pickling = sample.where()
    predicted = result_of(sample)
    predicted.data = None  # the caller has it
    return Pilot(
        prediction=predicted, basis=basis_of(sample, pickling), backend=chosen.backend or "serial"
    )


def _apart(run: Callable[[], Pilot], _: Any) -> Pilot:
    nesting.leave_process()  # as in the caller, not as in a worker
    return run()

"""What a search comes to: every plan with its interval, the winner among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.policy.frozen_record import inf
from amorsize.report import plan_in_short, seconds
from amorsize.tuning import configuration as told
from amorsize.tuning.configuration import Configuration
from amorsize.tuning.result import TuningResult
from amorsize.tuning.search import TOO_NOISY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.optimizer import OptimizationResult
    from amorsize.policy.actions import Plan
    from amorsize.tuning.noise import Fit
    from amorsize.tuning.search import Search


def concluded(
    search: Search,
    plans: Sequence[Plan],
    *,
    strategy: str,
    executor_type: str,
    hint: OptimizationResult | None,
    ended_by: str = "",
) -> TuningResult:
    """The result of a search.

    Args:
        search: What was run.
        plans: All that were to be, without the loop; those of one job in the caller are the loop.
        strategy: Its name.
        executor_type: The workers that the loop was compared with.
        hint: What was predicted, if it was.
        ended_by: What ended the search before it was through, if anything did.
    """
    fit, loops = search.fit(), {search.loop, *search.as_loop}
    serial = _configuration(search, search.loop, fit)
    configurations = tuple(_configuration(search, plan, fit, serial) for plan in plans)
    others = [one for plan, one in zip(plans, configurations, strict=True) if plan not in loops]
    best, is_decided, verdict = _winner(search, fit, hint, others)
    n_left = sum(one.status == told.NOT_MEASURED for one in configurations)
    were = "was" if n_left == 1 else "were"
    left = f"{n_left} of {len(configurations)} plans {were} not measured" if n_left else ""
    verdict = "; ".join(filter(None, [ended_by, verdict, left]))
    winner = serial if best is None else _configuration(search, best, fit)
    best_s = winner.time_s
    return TuningResult(
        best_n_jobs=winner.n_jobs,
        best_chunksize=winner.chunksize,
        best_time=best_s,
        best_speedup=_speedup(search, serial, best_s),
        serial_time=serial.time_s,
        configurations_tested=sum(
            one.status != told.NOT_MEASURED for one in (serial, *configurations)
        ),
        all_results=_quickest(configurations),
        optimization_hint=hint,
        search_strategy=strategy,
        executor_type=executor_type if winner.backend == "serial" else winner.backend,
        configurations=configurations,
        serial=serial,
        best_backend="serial" if winner.backend == "serial" else None,
        is_decided=is_decided,
        verdict=verdict,
        n_items=search.bench.n_items,
    )


def _winner(
    search: Search,
    fit: Fit | None,
    hint: OptimizationResult | None,
    others: Sequence[Configuration],
) -> tuple[Plan | None, bool, str]:
    """The best plan, whether the noise lets that be said, and what there is to say."""
    if fit is None:
        if search.limits.budget_s is None:
            return None, False, "nothing could be measured"
        known_s = search.likely_s(search.loop)
        about = f"; the loop is likely to take {seconds(known_s)}" if 0 < known_s < inf else ""
        return (
            None,
            False,
            (
                f"nothing could be measured within {seconds(search.limits.budget_s)}, not even an "
                f"item or two in the loop{about}. Allow for more, or pass fewer items"
            ),
        )
    ranked = search.ranked([search.loop, *_plans_run(search)])
    best = ranked[0]
    factor = fit.may_be_slower_by(best)
    as_good = search.contenders(ranked)
    best_s = fit.level(best).time_s
    near = [plan for plan in as_good if fit.level(plan).time_s <= TOO_NOISY * best_s]
    if factor > TOO_NOISY:
        is_open = [p for p in as_good if p in near or fit.may_be_slower_than(best, p) > 1]
        best = _safest(search, is_open, hint)
        return best, False, (
            f"too noisy to decide: {_named(search, is_open)} cannot be told apart "
            f"(runs of one plan differ by {fit.sd_log:.0%}). The result names "
            f"{_named(search, [best])}, without better evidence. "
            "Try again on a quiet machine, or with more repeats"
        )  # fmt: skip
    far = [plan for plan in as_good if plan not in near]
    if len(near) == 1:
        is_decided, verdict = _alone(search, best, others, far, fit)
        return best, is_decided, verdict
    level = [plan for plan in near if fit.level(plan).time_s <= LEVEL * best_s]
    verdict = f"as good, as far as the noise tells: {_named(search, near)}"
    best = min(level, key=lambda plan: plan.n_jobs)  # the first, the quickest, of the fewest
    return best, True, f"{verdict}{_unsure(search, far, fit, best_s)}"


def _unsure(search: Search, far: Sequence[Plan], fit: Fit, best_s: float) -> str:
    """What to add of plans that look slower, where single runs do not prove it."""
    if not far:
        return ""
    least = fit.level(far[0]).time_s / best_s
    return (
        f"; likely slower, by {least:.2f} x or more, but measured too little to be sure: "
        f"{_named(search, far)}"
    )


def _alone(
    search: Search, best: Plan, others: Sequence[Configuration], far: Sequence[Plan], fit: Fit
) -> tuple[bool, str]:
    """What to say if no other plan is as good as the best: whether there were others."""
    if far:
        unsure = _unsure(search, far, fit, fit.level(best).time_s)
        return True, f"decided: {_named(search, [best])} is the quickest{unsure}"
    n_timed = sum(one.time_s < inf for one in others)
    n_slower = n_timed if best == search.loop else n_timed - 1 + (search.loop not in search.dropped)
    if n_slower:
        return True, "decided: everything else is slower beyond the noise"
    if any(one.status == told.NOT_MEASURED for one in others):
        return False, f"nothing but {_named(search, [best])} was measured"
    return True, "decided: nothing else came through"


def beats_the_loop(search: Search) -> bool:
    """Whether the best plan is quicker than the loop by more than the noise."""
    ranked = search.ranked([search.loop, *_plans_run(search)])
    return search.fit() is not None and search.loop not in search.contenders(ranked)


#: A plan within this factor of the best, which noise hides, wins if it takes fewer jobs.
LEVEL = 1.02


def _plans_run(search: Search) -> list[Plan]:
    return list(dict.fromkeys(run.plan for run in search.runs))


def _safest(search: Search, as_good: Sequence[Plan], hint: OptimizationResult | None) -> Plan:
    """Of plans that cannot be told apart, the best first: what was predicted, if it was no slower
    than the loop; else the loop; else the one with the fewest jobs.
    """
    no_slower = as_good[: as_good.index(search.loop)] if search.loop in as_good else as_good
    if hint is not None and hint.plan.replace(source="tuned") in no_slower:
        return hint.plan.replace(source="tuned")
    return search.loop if search.loop in as_good else min(as_good, key=lambda plan: plan.n_jobs)


def _named(search: Search, plans: Sequence[Plan]) -> str:
    names = [
        plan_in_short(
            "serial" if plan == search.loop else plan.backend, plan.n_jobs, plan.chunksize
        )
        for plan in plans[:MOST_NAMED]
    ]
    more = [f"{len(plans) - MOST_NAMED} more"] if len(plans) > MOST_NAMED else []
    return ", ".join(names + more)


#: Plans that a verdict names.
MOST_NAMED = 4


def _configuration(
    search: Search, plan: Plan, fit: Fit | None, serial: Configuration | None = None
) -> Configuration:
    """One plan, with all its runs."""
    if serial is not None and is_loop(plan, search):  # measured once, as what it is
        return serial.replace(backend=plan.backend, n_jobs=1, chunksize=plan.chunksize)
    runs = [run for run in search.runs if run.plan == plan]
    found = Configuration(
        backend=plan.backend,
        n_jobs=plan.n_jobs,
        chunksize=plan.chunksize,
        time_s=inf,
        n_runs=len(runs),
        n_items=max((run.n_items for run in runs), default=0),
    )
    if not runs:
        why = "the search ended before its turn"
        return found.replace(status=told.NOT_MEASURED, reason=why)
    dropped = search.dropped.get(plan)
    if dropped is not None and dropped.failure is not None:
        status = told.TIMED_OUT if dropped.is_over_time else told.FAILED
        return found.replace(status=status, reason=dropped.failure)
    if dropped is not None:
        reason = f"twice as slow as the best so far; ended after {seconds(dropped.wall_s)}"
        return found.replace(time_s=dropped.whole_s, status=told.STOPPED, reason=reason)
    assert fit is not None
    level = fit.level(plan)
    return found.replace(time_s=level.time_s, low_s=level.low_s, high_s=level.high_s)


def is_loop(plan: Plan, search: Search) -> bool:
    """One job without isolation is the caller's loop, whatever the chunksize."""
    return plan.n_jobs == 1 and plan in search.as_loop


def _quickest(configurations: Sequence[Configuration]) -> dict[tuple[int, int], float]:
    """Seconds by (n_jobs, chunksize): of several backends, the quickest one's."""
    found: dict[tuple[int, int], float] = {}
    for one in configurations:
        if one.status != told.NOT_MEASURED:
            cell = (one.n_jobs, one.chunksize)
            found[cell] = min(one.time_s, found.get(cell, inf))
    return found


def _speedup(search: Search, serial: Configuration, best_s: float) -> float:
    """Loop / best; of a loop that was ended, at least so much."""
    serial_s = serial.time_s
    if serial_s == inf and search.limits.timeout_s is not None:
        serial_s = search.limits.timeout_s
    if best_s == inf or serial_s == inf or best_s <= 0:
        return 1.0
    return serial_s / best_s

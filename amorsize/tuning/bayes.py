"""Bayesian search: Optuna proposes which plan to run next, from all that were run before."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

from amorsize._host import extras, resources
from amorsize.policy.actions import Plan
from amorsize.policy.evidence import io_concurrency
from amorsize.tuning.bench import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.tuning.search import Search
    from amorsize.tuning.space import Space

#: Runs of plans that are proposed.
N_TRIALS = 25
#: How many of these are drawn at random, beside those that the policy thinks worth trying.
N_STARTUP = 6
#: The most plans that the policy may name.
N_FIRST = 8
#: The best plans, of which each is run once more, one after the other.
N_AGAIN = 3
#: Proposals that are asked for before a run: many of them were run already.
ASKED_MOST = 4
#: The log of the time that a plan counts for which has failed: worse than any.
NEVER_LOG = 25.0


def load() -> Any:
    """Optuna.

    Raises:
        MissingExtraError: It is not installed.
    """
    return extras.load(
        "optuna",
        extra="bayes",
        need="strategy='bayes' needs",
        otherwise="Or use strategy='halving'.",
    )


def search(
    search: Search, space: Space, first: Sequence[Plan], *, stride: int, seed: int, n_most: int = 0
) -> list[Plan]:
    """Run the loop, then plans as Optuna proposes them; all that were run.

    Args:
        search: Where to run them.
        space: What may be proposed; open ranges are searched from end to end, on a log scale.
        first: Plans to begin with.
        stride: Which part of the data a run takes.
        seed: Of the proposals.
        n_most: The largest number of jobs of an open range; 0: what this host has cores for.
    """
    optuna = load()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=N_STARTUP + N_FIRST, multivariate=True
        )
    )
    axes = _Axes(space, search.bench.n_items, n_most or _n_most(space))
    for plan in [*first[:1], *_spread(first[1:], N_FIRST - 1)]:  # what is predicted comes first
        study.enqueue_trial(axes.place(plan))
    part = Part(stride=stride)
    search.new_block()
    search.run(search.loop, part)
    done: dict[Plan, float] = {}
    for _ in range(ASKED_MOST * N_TRIALS):
        trial = study.ask()
        plan = axes.suggested(trial)
        if plan not in done:
            if len(done) == N_TRIALS:
                break
            run = search.run(plan, part)
            done[plan] = log(run.whole_s) if 0 < run.whole_s < float("inf") else NEVER_LOG
        study.tell(trial, done[plan])
    for number in range(1, 1 + N_AGAIN):
        best = search.ranked([search.loop, *done])[:N_AGAIN]
        if search.is_settled() or not search.run_block(
            best, Part(stride=stride, offset=number % stride)
        ):
            break
    return list(done)


def _n_most(space: Space) -> int:
    n_cores = resources.usable_cpus().n_cores
    return io_concurrency.MOST if "thread" in space.backends else max(2, n_cores)


def _spread(plans: Sequence[Plan], n_most: int) -> list[Plan]:
    """Some of them, evenly over all."""
    n = min(n_most, len(plans))
    return [plans[(2 * i + 1) * len(plans) // (2 * n)] for i in range(n)]


class _Axes:
    """Plans as points of a space that Optuna knows."""

    def __init__(self, space: Space, n_items: int, n_most: int) -> None:
        self.space, self.n_items, self.n_most = space, n_items, min(n_most, max(2, n_items))
        self.n_jobs = None if space.n_jobs is None else sorted(space.n_jobs)
        self.chunksizes = None if space.chunksizes is None else sorted(space.chunksizes)

    def suggested(self, trial: Any) -> Plan:
        """The plan of a trial; a chunksize that leaves workers without a chunk is made smaller."""
        backend = self.space.backends[0]
        if len(self.space.backends) > 1:
            backend = trial.suggest_categorical("backend", list(self.space.backends))
        n_jobs = self._on(trial, "n_jobs", self.n_jobs, 2, self.n_most)
        chunksize = self._on(trial, "chunksize", self.chunksizes, 1, max(1, self.n_items // 2))
        if self.chunksizes is None:
            chunksize = min(chunksize, max(1, -(-self.n_items // n_jobs)))
        return Plan(backend=backend, n_jobs=n_jobs, chunksize=chunksize, source="tuned")

    def _on(self, trial: Any, name: str, named: list[int] | None, low: int, high: int) -> int:
        if named is not None:
            return named[int(trial.suggest_int(name, 0, len(named) - 1))]
        return int(trial.suggest_int(name, low, high, log=True))

    def place(self, plan: Plan) -> dict[str, Any]:
        """Where a plan lies, as Optuna's parameters."""
        found: dict[str, Any] = {
            "n_jobs": self._at(plan.n_jobs, self.n_jobs, 2, self.n_most),
            "chunksize": self._at(plan.chunksize, self.chunksizes, 1, max(1, self.n_items // 2)),
        }
        if len(self.space.backends) > 1:
            found["backend"] = plan.backend
        return found

    def _at(self, value: int, named: list[int] | None, low: int, high: int) -> int:
        return named.index(value) if named is not None else min(high, max(low, value))

"""How ratios of times are summed up: medians of per-round ratios, with bootstrap intervals.

Times on a shared machine drift by tens of percent within minutes; the ratio of two times taken
within one round does not. So every figure is the median over rounds of such ratios.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

LEVEL = 0.9
N_RESAMPLES = 2000  # the ends of a 90 % interval then move by about 1 % of its width between seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A median with its spread and how sure it is."""

    median: float
    quartile_1: float
    quartile_3: float
    low: float  # ends of the bootstrap interval of the median
    high: float
    n_rounds: int


def figure(values: Sequence[float], *, seed: int = 0) -> Figure:
    """Sum up one value per round.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no rounds to sum up; a contender must have run at least once")
    quartile_1, _, quartile_3 = (
        quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    )
    low, high = bootstrap_interval([values], lambda groups: median(groups[0]), seed=seed)
    return Figure(
        median=median(values),
        quartile_1=quartile_1,
        quartile_3=quartile_3,
        low=low,
        high=high,
        n_rounds=len(values),
    )


def geometric_mean(values: Sequence[float]) -> float:
    """The mean for ratios: 2 and 1/2 give 1."""
    return math.exp(sum(math.log(value) for value in values) / len(values))


def geometric_mean_figure(groups: Sequence[Sequence[float]], *, seed: int = 0) -> Figure:
    """The geometric mean over workloads of their median ratios; `groups` has a row of rounds each.

    Its quartiles are those of the workloads' medians, its interval resamples the rounds of each.
    """
    medians = [median(group) for group in groups]
    spread = figure(medians, seed=seed)
    low, high = bootstrap_interval(
        groups, lambda rows: geometric_mean([median(row) for row in rows]), seed=seed
    )
    return Figure(
        median=geometric_mean(medians),
        quartile_1=spread.quartile_1,
        quartile_3=spread.quartile_3,
        low=low,
        high=high,
        n_rounds=min(len(group) for group in groups),
    )


def bootstrap_interval(
    groups: Sequence[Sequence[float]],
    statistic: Callable[[Sequence[Sequence[float]]], float],
    *,
    seed: int = 0,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
) -> tuple[float, float]:
    """The percentile interval of a statistic when each group is drawn anew from itself.

    Source:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    draw = random.Random(seed)
    outcomes = sorted(
        statistic([draw.choices(group, k=len(group)) for group in groups])
        for _ in range(n_resamples)
    )
    tail = (1 - level) / 2
    return outcomes[round(tail * (n_resamples - 1))], outcomes[
        round((1 - tail) * (n_resamples - 1))
    ]

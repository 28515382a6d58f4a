"""How sure measured times are: one noise for all configurations, told from what was repeated.

Times are compared as logarithms, because a busy host makes all of them longer by a factor. Runs of
one block were made one after the other on the same items, so a block has an effect of its own (its
items, the host's mood) and a configuration has one; what both leave unexplained is noise.

Source:
    The two-way layout without interaction, Scheffe (1959), The Analysis of Variance, chapter 4.
"""

from __future__ import annotations

from math import exp, log

from amorsize.policy.frozen_record import Value, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence
    from typing import Any

#: The standard deviation of a run's logarithm on a quiet machine, before anything was repeated.
PRIOR_SD = 0.04
#: That figure is believed as much as three repetitions.
PRIOR_DOF = 3.0
#: Added to that deviation, times the share of a core that others took: with half of one taken,
#: times vary by a quarter.
RUN_DELAY_SD = 0.5
#: A run this long has twice the variance of a long one, from starts and the host's ticks.
SHORT_S = 0.05
#: Rounds of fitting one effect after the other, which converges in a few.
TURNS = 30


class Observation(Value):
    """One run."""

    block: int
    what: Hashable  # the configuration
    time_s: float  # for all the data
    wall_s: float  # that the run took


class Level(Value):
    """What a configuration takes, and how sure that is."""

    time_s: float
    low_s: float  # of a 95 % confidence interval
    high_s: float
    error_log: float  # standard error of the logarithm
    n_runs: int


class Fit:
    """Levels of configurations over blocks.

    Args:
        observations: At least one; every configuration shares a block with another one, or there
            is but one block.
        run_delay_share: Of the time in which items wanted a core, the share in which they had none:
            other programs were at work on this host, so single runs say less.
    """

    def __init__(
        self, observations: Sequence[Observation], *, run_delay_share: float = 0.0
    ) -> None:
        prior_sd = PRIOR_SD + RUN_DELAY_SD * run_delay_share
        self._weights = [one.wall_s / (one.wall_s + SHORT_S) for one in observations]
        self._logs = [log(max(one.time_s, 1e-9)) for one in observations]
        self._whats = [one.what for one in observations]
        self._blocks = [one.block for one in observations]
        self._effects: dict[Any, float] = dict.fromkeys(self._whats, 0.0)
        self._offsets: dict[Any, float] = dict.fromkeys(self._blocks, 0.0)
        self._solve()
        rest = [
            weight * (value - self._effects[what] - self._offsets[block]) ** 2
            for weight, value, what, block in self._rows()
        ]
        n_free = len(rest) - len(self._effects) - len(self._offsets) + 1
        self.dof = PRIOR_DOF + max(0, n_free)
        self.sd_log = ((PRIOR_DOF * prior_sd**2 + sum(rest)) / self.dof) ** 0.5

    def _rows(self) -> Iterable[tuple[float, float, Hashable, int]]:
        return zip(self._weights, self._logs, self._whats, self._blocks, strict=True)

    def _solve(self) -> None:
        for _ in range(TURNS):
            self._offsets = self._means(self._blocks, self._effects, self._whats)
            self._effects = self._means(self._whats, self._offsets, self._blocks)
        # Blocks differ in their items: what is told is the mean over all that was run.
        weights = dict.fromkeys(self._offsets, 0.0)
        for weight, _, _, block in self._rows():
            weights[block] += weight
        total = sum(weights.values())
        shift = sum(weights[block] * offset for block, offset in self._offsets.items()) / total
        self._effects = {what: effect + shift for what, effect in self._effects.items()}
        self._offsets = {block: offset - shift for block, offset in self._offsets.items()}

    def _means(
        self,
        keys: Sequence[Hashable],
        others: Mapping[Hashable, float],
        other_keys: Sequence[Hashable],
    ) -> dict[Any, float]:
        """The weighted mean of what the other effect leaves, for each key."""
        sums: dict[Hashable, float] = dict.fromkeys(keys, 0.0)
        weights = dict.fromkeys(keys, 0.0)
        for key, other, weight, value in zip(
            keys, other_keys, self._weights, self._logs, strict=True
        ):
            sums[key] += weight * (value - others[other])
            weights[key] += weight
        return {key: sums[key] / weights[key] for key in sums}

    def level(self, what: Hashable) -> Level:
        """What one configuration takes."""
        error_log = self.error_log(what)
        wide = student_95(self.dof) * error_log
        effect = self._effects[what]
        return Level(
            time_s=exp(effect),
            low_s=exp(effect - wide),
            high_s=exp(effect + wide),
            error_log=error_log,
            n_runs=self._whats.count(what),
        )

    def error_log(self, what: Hashable) -> float:
        """Standard error of the logarithm of a configuration's time."""
        weight = sum(w for w, _, one, _ in self._rows() if one == what)
        return self.sd_log / weight**0.5 if weight else inf

    def ranked(self) -> list[Hashable]:
        """The configurations, the quickest first."""
        return sorted(self._effects, key=lambda what: self._effects[what])

    def may_be_slower_by(self, what: Hashable) -> float:
        """By what factor the quickest of the others may yet be quicker, but in one case of ten."""
        others = (other for other in self._effects if other != what)
        return max((self.may_be_slower_than(what, other) for other in others), default=1.0)

    def may_be_slower_than(self, what: Hashable, other: Hashable) -> float:
        """The factor by which another one may yet be quicker, in nine cases of ten; at least 1."""
        error = (self.error_log(what) ** 2 + self.error_log(other) ** 2) ** 0.5
        slower_log = self._effects[what] - self._effects[other] + student_80(self.dof) * error
        return exp(max(0.0, slower_log))

    def is_clearly_slower(self, what: Hashable, than: Hashable) -> bool:
        """Whether one configuration is slower than another beyond the noise."""
        error = (self.error_log(what) ** 2 + self.error_log(than) ** 2) ** 0.5
        slower_log = self._effects[what] - self._effects[than]
        return bool(slower_log > student_95(self.dof) * error)


def student_95(dof: float) -> float:
    """Two-sided 95 % quantile of Student's distribution."""
    return _student(1.959964, dof)


def student_80(dof: float) -> float:
    """Two-sided 80 % quantile: 10 % on either side."""
    return _student(1.281552, dof)


def _student(z: float, dof: float) -> float:
    """From the normal quantile, to 1 % from 3 degrees of freedom on.

    Source:
        Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 26.7.5.
    """
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / dof + g2 / dof**2 + g3 / dof**3

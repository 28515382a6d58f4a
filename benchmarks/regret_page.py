"""docs/dev/regret.md: what was asked of the policy, what it reached, and where it does badly."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from benchmarks import commits

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "dev" / "regret.md"
OURS = "amorsize"
SLOWER_SHARE, SLOWER_S = 0.03, 5e-3  # the promise: not slower than the loop by more than both
COMPARED = (
    "| policy | worlds | mean | median | 90 % | worst | time-weighted | slower than the loop |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
)
LONG_S = 0.3  # of the best plan; where it takes less, starting up is most of the regret
SHORT_S = 20e-3  # of the best plan: the loss in milliseconds says more than its share


@dataclass(frozen=True, slots=True)
class Result:
    """One world, played by everybody."""

    kind: str
    name: str
    n_cores: int
    seed: int
    best_s: float
    loop_s: float
    makespans_s: dict[str, float]
    n_probes: int = 0
    n_probes_again: int = 0  # in the same call once more, with what was learned
    n_events: int = 0
    n_decisions: int = 0
    decided_s: float = 0.0  # real time of these, events taken in included
    is_lazy: bool = False

    def regret(self, who: str = OURS) -> float:
        """Share by which a policy is slower than the best plan."""
        return self.makespans_s[who] / self.best_s - 1

    def is_slower_than_loop(self, who: str = OURS) -> bool:
        """Whether the promise is broken."""
        lost_s = self.makespans_s[who] - self.loop_s
        return lost_s > SLOWER_SHARE * self.loop_s and lost_s > SLOWER_S


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure that was asked for."""

    where: str
    what: str
    most: float
    reached: float
    unit: str = "%"

    @property
    def is_reached(self) -> bool:
        """Whether the figure is within what was asked for."""
        return self.reached <= self.most

    def row(self) -> str:
        """Of the table."""
        show = percent if self.unit == "%" else lambda value: f"{value:.2g} {self.unit}".strip()
        verdict = "reached" if self.is_reached else "**not reached**"
        cells = (self.where, self.what, f"<= {show(self.most)}", show(self.reached), verdict)
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class Page:
    """The report."""

    results: list[Result]
    first_seed: int
    first_random: int
    by_kind: dict[str, list[Result]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort by kind of world."""
        for result in self.results:
            self.by_kind.setdefault(result.kind, []).append(result)

    def lines(self) -> Iterator[str]:
        """The page, line by line."""
        yield from self._head()
        yield from self._asked()
        yield from self._others()
        yield from self._ablations()
        yield from self._by_cores()
        yield from self._by_world()
        yield from self._worst()

    def bounds(self) -> Iterator[Bound]:
        """What is asked for, and what was reached."""
        scenarios, drawn = self.by_kind["scenarios"], self.by_kind["random"]
        regrets = [one.regret() for one in scenarios]
        yield Bound("scenarios", "mean regret", 0.035, mean(regrets))
        yield Bound("scenarios", "90th percentile", 0.09, quantile(regrets, 0.9))
        yield Bound("scenarios", "worst", 0.30, max(regrets))
        yield Bound(
            "scenarios", "slower than the loop", 0.0, _share(scenarios, Result.is_slower_than_loop)
        )
        regrets = [one.regret() for one in drawn]
        long = [one.regret() for one in drawn if one.best_s >= LONG_S]
        yield Bound("random", "median regret", 0.02, median(regrets))
        yield Bound("random", "time-weighted", 0.025, time_weighted(drawn))
        yield Bound("random", "90th percentile", 0.15, quantile(regrets, 0.9))
        what = f"90th percentile of worlds whose best plan takes {LONG_S} s or more"
        yield Bound("random", what, 0.08, quantile(long, 0.9))
        slower = _share(drawn, Result.is_slower_than_loop)
        yield Bound("random", "slower than the loop", 0.01, slower)
        regrets = [one.regret() for one in self.by_kind["warm"]]
        yield Bound(
            "scenarios with warm workers and their own profile", "mean regret", 0.025, mean(regrets)
        )
        regrets = [one.regret() for one in self.by_kind["crossed"]]
        yield Bound(
            "ten scenarios, each with the profile of another", "mean regret", 0.04, mean(regrets)
        )
        yield Bound("ten scenarios, each with the profile of another", "worst", 0.40, max(regrets))
        cold = [*scenarios, *drawn]
        decided_s = sum(one.decided_s for one in cold) / sum(one.n_decisions for one in cold)
        yield Bound("all", "a decision in CPython", 5.0, 1e6 * decided_s, "us")
        yield Bound("all", "GIL probes per call", 1.0, mean(one.n_probes for one in cold), "")
        again = max(one.n_probes_again for one in cold)
        yield Bound("all", "most repeated GIL probes in a call", 0.0, again, "")

    def _head(self) -> Iterator[str]:
        scenarios, drawn = self.by_kind["scenarios"], self.by_kind["random"]
        yield "# Regret: how far the tuner is from the best plan in hindsight\n"
        yield "Written by `make regret`. All figures are simulated (`amorsize.simulate`); how far"
        yield "that agrees with real calls is in [calibration.md](calibration.md). Regret is the"
        yield "makespan of a first call, with start-up, divided by that of the best fixed plan"
        yield "(loop, workers, chunk size), minus 1.\n"
        seeds = sorted({one.seed for one in scenarios})
        names, cores = {one.name for one in scenarios}, sorted({one.n_cores for one in scenarios})
        frozen = commits.last_change("amorsize/policy")
        yield f"- Code: commit {commits.described()}. The policy and its constants are those of"
        yield f"  commit {frozen}, made before these seeds were drawn."
        which = f"{len(seeds)} seeds from {seeds[0]} on"
        yield f"- Scenarios: {len(names)} worlds x {cores} cores x {which}."
        yield f"- Random: {len(drawn)} worlds, seeds from {self.first_random} on.\n"

    def _asked(self) -> Iterator[str]:
        yield "## Targets\n"
        yield "| worlds | figure | target | measured |  |"
        yield "| --- | --- | --- | --- | --- |"
        for bound in self.bounds():
            yield bound.row()
        drawn = self.by_kind["random"]
        lazy = [one for one in drawn if one.is_lazy]
        if lazy:
            slower = percent(_share(lazy, Result.is_slower_than_loop))
            yield f"\nIn {len(lazy)} random worlds a worker's first item costs more. In {slower}"
            yield "of these amorsize is slower than the loop."
        short = [one for one in (*self.by_kind["scenarios"], *drawn) if one.best_s < SHORT_S]
        if short:
            lost_s = sorted(one.makespans_s[OURS] - one.best_s for one in short)
            yield f"The best plan takes less than {SHORT_S * 1e3:.0f} ms in {len(short)} worlds."
            yield f"There amorsize takes {1e3 * median(lost_s):.1f} ms longer in the median,"
            yield f"{1e3 * quantile(lost_s, 0.9):.1f} ms at the 90th percentile and"
            yield f"{1e3 * lost_s[-1]:.1f} ms at most."

    def _others(self) -> Iterator[str]:
        yield "\n## Compared with other policies\n"
        yield "Only worlds that all of them were played in.\n"
        yield from COMPARED
        for where in ("scenarios", "random"):
            played = [one for one in self.by_kind[where] if "loop" in one.makespans_s]
            for who in (OURS, "loop", "Pool.map", "joblib", "chunksize=1"):
                yield _row(where, who, [one for one in played if who in one.makespans_s])

    def _ablations(self) -> Iterator[str]:
        played = [one for one in self.by_kind["scenarios"] if len(one.makespans_s) > 5]
        yield "\n## What each part is worth\n"
        yield "The scenarios, with one part of the policy switched off.\n"
        yield from COMPARED
        yield _row("scenarios", OURS, played)
        for who in dict.fromkeys(name for one in played for name in one.makespans_s):
            if who.startswith("without"):
                yield _row("scenarios", who, played)

    def _by_cores(self) -> Iterator[str]:
        yield "\n## By cores\n"
        yield "| cores | mean | median | 90 % | worst |"
        yield "| --- | --- | --- | --- | --- |"
        for n_cores in sorted({one.n_cores for one in self.by_kind["scenarios"]}):
            some = [one.regret() for one in self.by_kind["scenarios"] if one.n_cores == n_cores]
            figures = (mean(some), median(some), quantile(some, 0.9), max(some))
            yield f"| {n_cores} | " + " | ".join(map(percent, figures)) + " |"

    def _by_world(self) -> Iterator[str]:
        scenarios = self.by_kind["scenarios"]
        cores = sorted({one.n_cores for one in scenarios})
        yield "\n## By world: mean regret over seeds\n"
        yield "| world | " + " | ".join(f"{n} cores" for n in cores) + " |"
        yield "| --- |" + " --- |" * len(cores)
        for name in dict.fromkeys(one.name for one in sorted(scenarios, key=lambda one: one.name)):
            cells = [
                mean(one.regret() for one in scenarios if one.name == name and one.n_cores == n)
                for n in cores
            ]
            yield f"| {name} | " + " | ".join(map(percent, cells)) + " |"

    def _worst(self) -> Iterator[str]:
        for title, order in (
            ("The ten worlds with the most regret", lambda one: -one.regret()),
            (
                "The ten worlds that lose most to the loop",
                lambda one: one.loop_s - one.makespans_s[OURS],
            ),
        ):
            yield f"\n## {title}\n"
            yield "| world | cores | seed | best, s | amorsize, s | loop, s | regret |"
            yield "| --- | --- | --- | --- | --- | --- | --- |"
            for one in sorted((*self.by_kind["scenarios"], *self.by_kind["random"]), key=order)[
                :10
            ]:
                seconds = f"{one.best_s:.4g} | {one.makespans_s[OURS]:.4g} | {one.loop_s:.4g}"
                which = f"{one.name} | {one.n_cores} | {one.seed}"
                yield f"| {which} | {seconds} | {percent(one.regret())} |"


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which that share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def time_weighted(results: list[Result], who: str = OURS) -> float:
    """Regret of all worlds as one long job."""
    return sum(one.makespans_s[who] for one in results) / sum(one.best_s for one in results) - 1


def percent(share: float) -> str:
    """With one digit."""
    return f"{100 * share:.1f} %"


def _share(results: list[Result], holds: Callable[[Result], bool]) -> float:
    return sum(map(holds, results)) / len(results)


def _row(where: str, who: str, results: list[Result]) -> str:
    regrets = [one.regret(who) for one in results]
    slower = _share(results, lambda one: one.is_slower_than_loop(who))
    figures = (mean(regrets), median(regrets), quantile(regrets, 0.9), max(regrets))
    cells = (*figures, time_weighted(results, who), slower)
    return f"| {who} | {where} | " + " | ".join(map(percent, cells)) + " |"

"""How far the tuner is from the best plan in hindsight, in simulated worlds: `make regret`.

    python -m benchmarks.regret                         # writes docs/regret.md
    python -m benchmarks.regret --seeds 1 --random 50   # a quick look

Regret is makespan / that of the best fixed plan (the loop, or any number of workers and chunk size)
minus 1, start-up included. The seeds were not used while choosing constants.
"""

import argparse
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median

from amorsize import simulate
from amorsize.simulate import ZOO, World

ROOT = Path(__file__).resolve().parent.parent
CORES = (1, 2, 4, 8, 32, 128, 256)
FIRST_SEED, FIRST_RANDOM = 3000, 70_000  # held out: development saw seeds below 1003 and 51 000
OURS = "amorsize"
SLOWER_SHARE, SLOWER_S = 0.03, 5e-3  # the promise: not slower than the loop by more than both


@dataclass(frozen=True, slots=True)
class Result:
    """One world, played by everybody."""

    name: str
    n_cores: int
    seed: int
    best_s: float
    loop_s: float
    makespans_s: dict[str, float]

    def regret(self, who: str) -> float:
        """Share by which a policy is slower than the best plan."""
        return self.makespans_s[who] / self.best_s - 1

    def is_slower_than_loop(self, who: str) -> bool:
        """Whether the promise is broken."""
        lost_s = self.makespans_s[who] - self.loop_s
        return lost_s > SLOWER_SHARE * self.loop_s and lost_s > SLOWER_S


def zoo_jobs(n_seeds: int) -> list[tuple[str, int, int]]:
    """Name, cores and seed of each world of the zoo."""
    seeds = range(FIRST_SEED, FIRST_SEED + n_seeds)
    return [(name, n, seed) for seed in seeds for name in ZOO for n in CORES]


def random_jobs(n_worlds: int) -> list[tuple[str, int, int]]:
    """The same for random worlds, whose cores are drawn."""
    return [("", 0, seed) for seed in range(FIRST_RANDOM, FIRST_RANDOM + n_worlds)]


def run(job: tuple[str, int, int]) -> Result:
    """Play one world."""
    name, n_cores, seed = job
    world = simulate.world(name, n_cores, seed) if name else simulate.random_world(seed)
    best = simulate.oracle(world)
    makespans_s = {OURS: simulate.play(world).makespan_s}
    for who, make in simulate.opponents(world).items():
        if not _is_hopeless(who, world):
            makespans_s[who] = simulate.play(world, make()).makespan_s
    return Result(
        name or "random", world.n_cores, seed, best.makespan_s, best.serial_s, makespans_s
    )


def _is_hopeless(who: str, world: World) -> bool:
    """200 000 chunks of one item take longest to simulate and tell nothing new."""
    return who == "chunksize=1" and len(world.costs_s) > 30_000


def results_of(jobs: list[tuple[str, int, int]], n_processes: int) -> Iterator[Result]:
    """Play all; told on stderr how far that is."""
    with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
        for done, result in enumerate(pool.imap_unordered(run, jobs), 1):
            if done % 100 == 0:
                print(f"{done} of {len(jobs)} worlds", file=sys.stderr, flush=True)
            yield result


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which that share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def time_weighted(results: list[Result], who: str) -> float:
    """Regret of all worlds as one long job."""
    some = [result for result in results if who in result.makespans_s]
    return sum(r.makespans_s[who] for r in some) / sum(r.best_s for r in some) - 1


def percent(share: float) -> str:
    """With one digit."""
    return f"{100 * share:.1f} %"


def bounds(zoo: list[Result], drawn: list[Result]) -> Iterator[tuple[str, str, float, float]]:
    """What is asked for: set, figure, bound, reached."""
    regrets = [result.regret(OURS) for result in zoo]
    yield "zoo", "mean regret", 0.035, mean(regrets)
    yield "zoo", "90th percentile", 0.09, quantile(regrets, 0.9)
    yield "zoo", "worst", 0.30, max(regrets)
    yield "zoo", "slower than the loop", 0.0, _share(zoo, lambda r: r.is_slower_than_loop(OURS))
    regrets = [result.regret(OURS) for result in drawn]
    long = [result.regret(OURS) for result in drawn if result.best_s >= 0.3]
    yield "random", "median regret", 0.02, median(regrets)
    yield "random", "time-weighted", 0.025, time_weighted(drawn, OURS)
    yield "random", "90th percentile", 0.15, quantile(regrets, 0.9)
    yield "random", "90th percentile where the best takes 0.3 s or more", 0.08, quantile(long, 0.9)
    yield (
        "random",
        "slower than the loop",
        0.01,
        _share(drawn, lambda r: r.is_slower_than_loop(OURS)),
    )


def _share(results: list[Result], holds: Callable[[Result], bool]) -> float:
    return sum(map(holds, results)) / len(results)


def report(zoo: list[Result], drawn: list[Result], commit: str) -> Iterator[str]:
    """The page, line by line."""
    yield "# Regret: how far the tuner is from the best plan in hindsight\n"
    yield "Written by `make regret`; simulated, see `amorsize.simulate`. Regret is makespan / that"
    yield "of the best fixed plan (loop, workers, chunk size) - 1, first call, start-up included.\n"
    n_seeds = len({result.seed for result in zoo})
    yield f"- Code: commit {commit}, whose constants were set before these seeds were drawn."
    yield f"- Zoo: {len(ZOO)} worlds x {CORES} cores x {n_seeds} seeds from {FIRST_SEED} on."
    yield f"- Random: {len(drawn)} worlds, seeds from {FIRST_RANDOM} on.\n"
    yield "## Asked for and reached\n"
    yield "| worlds | figure | asked for | reached |  |"
    yield "| --- | --- | --- | --- | --- |"
    for where, what, most, reached in bounds(zoo, drawn):
        verdict = "reached" if reached <= most else "**not reached**"
        yield f"| {where} | {what} | <= {percent(most)} | {percent(reached)} | {verdict} |"
    yield "\n## Against others\n"
    yield "| policy | worlds | mean | median | 90 % | worst | time-weighted | slower than loop |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for where, results in (("zoo", zoo), ("random", drawn)):
        for who in results[0].makespans_s | {"chunksize=1": 0.0}:
            yield _row(where, who, [one for one in results if who in one.makespans_s])
    yield "\n## By cores\n"
    yield "| cores | mean | median | 90 % | worst |"
    yield "| --- | --- | --- | --- | --- |"
    for n_cores in CORES:
        some = [result.regret(OURS) for result in zoo if result.n_cores == n_cores]
        figures = (mean(some), median(some), quantile(some, 0.9), max(some))
        yield f"| {n_cores} | " + " | ".join(map(percent, figures)) + " |"
    yield "\n## By world: mean regret over seeds\n"
    yield "| world | " + " | ".join(f"{n} cores" for n in CORES) + " |"
    yield "| --- |" + " --- |" * len(CORES)
    for name in ZOO:
        cells = [
            mean(r.regret(OURS) for r in zoo if r.name == name and r.n_cores == n) for n in CORES
        ]
        yield f"| {name} | " + " | ".join(map(percent, cells)) + " |"
    yield "\n## The ten worst\n"
    yield "| world | cores | seed | best, s | amorsize, s | loop, s | regret |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for one in sorted([*zoo, *drawn], key=lambda r: -r.regret(OURS))[:10]:
        seconds = f"{one.best_s:.4g} | {one.makespans_s[OURS]:.4g} | {one.loop_s:.4g}"
        which = f"{one.name} | {one.n_cores} | {one.seed}"
        yield f"| {which} | {seconds} | {percent(one.regret(OURS))} |"


def _row(where: str, who: str, results: list[Result]) -> str:
    regrets = [result.regret(who) for result in results]
    slower = _share(results, lambda result: result.is_slower_than_loop(who))
    figures = (mean(regrets), median(regrets), quantile(regrets, 0.9), max(regrets))
    cells = (*figures, time_weighted(results, who), slower)
    return f"| {who} | {where} | " + " | ".join(map(percent, cells)) + " |"


def main() -> None:
    """Play and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="of each world of the zoo (5)")
    parser.add_argument("--random", type=int, default=1000, help="random worlds (1000)")
    parser.add_argument("--processes", type=int, default=2, help="at once (2)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "regret.md")
    parser.add_argument("--json", type=Path, help="where raw results go as well")
    options = parser.parse_args()
    zoo = list(results_of(zoo_jobs(options.seeds), options.processes))
    drawn = list(results_of(random_jobs(options.random), options.processes))
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in (*zoo, *drawn)]))
    git = ("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    text = "\n".join(report(zoo, drawn, commit or "unknown")) + "\n"
    options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()

"""How far the tuner is from the best plan in hindsight, in simulated worlds: `make regret`.

    python -m benchmarks.regret                         # writes docs/dev/regret.md
    python -m benchmarks.regret --seeds 1 --random 50   # a quick look

Regret is makespan / that of the best fixed plan (the loop, or any number of workers and chunk size)
minus 1, start-up included. The seeds were not used while choosing constants.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, thread_time
from types import ModuleType
from typing import Any

from amorsize import simulate
from amorsize.policy import chunk_sizing
from amorsize.policy.events import Status
from amorsize.policy.evidence import contention
from amorsize.policy.rules import inline
from amorsize.simulate import SCENARIOS, World
from benchmarks import regret_page

CORES = (1, 2, 4, 8, 32, 128, 256)
FIRST_SEED, FIRST_RANDOM = 26_000, 760_000  # held out: no run before went beyond 25 004, 750 999
N_COMPARED = 300  # random worlds that the baselines play as well
OURS = regret_page.OURS
NEVER, ALWAYS = 1e18, 1e-18

# What is taken away, by the constant that does it.
ABLATIONS: dict[str, tuple[tuple[ModuleType, str, float], ...]] = {
    "without time boxes": ((chunk_sizing, "OVERRUN_FACTOR", NEVER), (inline, "SLICE_BOX", NEVER)),
    "without a guided tail": ((chunk_sizing, "GUIDE", ALWAYS),),
    "without the contention test": ((contention, "SUSPICIOUS", NEVER),),
    "without the caller's help": ((inline, "HELP_CORES", 0),),
}
WARM_CORES, WARM_SEEDS = (2, 8, 32, 128), 2
CROSSED = (  # worlds whose profiles are given to one another
    *("uniform 1 ms", "small 30 us", "lognormal 5 ms", "cheap prefix, then 10 ms", "hidden quota"),
    *("payload 300 us", "40 items of 0.5 s", "short 400 ms", "server for 48", "bandwidth for 6"),
)
CROSSED_CORES = (8, 32)
# Workers that are there already: a chunk with the function is all that starts them.
WARM: dict[str, Any] = {
    "start_s": 0.2e-3,
    "ready_s": 0.3e-3,
    "load_s": 0.0,
    "warmup_s": 0.0,
    "deaths": (),
}


@dataclass(frozen=True, slots=True)
class Job:
    """One world, and what it is played for."""

    kind: str  # "scenarios", "random", "warm" or "crossed"
    name: str
    n_cores: int
    seed: int
    known_from: str = ""  # the world whose profile is given, where that is another one
    is_compared: bool = False  # baselines and ablations play as well


def jobs(n_seeds: int, n_random: int) -> Iterator[Job]:
    """Everything that is played."""
    for seed in range(FIRST_SEED, FIRST_SEED + n_seeds):
        for name in SCENARIOS:
            for n_cores in CORES:
                yield Job("scenarios", name, n_cores, seed, is_compared=seed == FIRST_SEED)
    for number in range(n_random):
        is_compared = number < N_COMPARED
        yield Job("random", "random", 0, FIRST_RANDOM + number, is_compared=is_compared)
    for seed in range(FIRST_SEED, FIRST_SEED + min(n_seeds, WARM_SEEDS)):
        for name in SCENARIOS:
            for n_cores in WARM_CORES:
                yield Job("warm", name, n_cores, seed, known_from=name)
    for name in CROSSED:
        for n_cores in CROSSED_CORES:
            yield Job("crossed", name, n_cores, FIRST_SEED)


def run(job: Job) -> list[regret_page.Result]:
    """Play one world, several times where several profiles are given."""
    match job.kind:
        case "warm":
            return [_warm(job)]
        case "crossed":
            return _crossed(job)
        case _:
            return [_cold(job)]


def _cold(job: Job) -> regret_page.Result:
    """The first call of a function in a process."""
    world = _world(job)
    best = simulate.oracle(world)
    timed = Timed(world)
    outcome = simulate.play(world, timed)
    makespans_s = {OURS: outcome.makespan_s}
    if job.is_compared:
        for who, make in simulate.baseline_policies(world).items():
            if not _is_hopeless(who, world):
                makespans_s[who] = simulate.play(world, make()).makespan_s
    if job.is_compared and job.kind == "scenarios":
        for what, changes in ABLATIONS.items():
            with _changed(changes):
                makespans_s[what] = simulate.play(world).makespan_s
    again = simulate.play(world, simulate.tuner_for(world, timed.tuner.learned()))
    return regret_page.Result(
        kind=job.kind,
        name=job.name,
        n_cores=world.n_cores,
        seed=job.seed,
        best_s=best.makespan_s,
        loop_s=best.serial_s,
        makespans_s=makespans_s,
        n_probes=outcome.n_probes,
        n_probes_again=again.n_probes,
        n_events=outcome.n_events,
        n_decisions=timed.n_decisions,
        decided_s=timed.decided_s,
        is_lazy=world.warmup_s > 0,
    )


def _warm(job: Job) -> regret_page.Result:
    """Workers and profile are there; the data is other data of the same kind."""
    known = _profile(job.name, job.n_cores, job.seed + 1)
    return _with_profile(job, known)


def _crossed(job: Job) -> list[regret_page.Result]:
    """Workers are there, and the profile of something else."""
    best = simulate.oracle(_world(job).replace(**WARM))
    others = [name for name in CROSSED if name != job.name]
    return [
        _with_profile(job, _profile(other, job.n_cores, job.seed), best=best) for other in others
    ]


def _with_profile(job: Job, known: Any, best: simulate.Best | None = None) -> regret_page.Result:
    world = _world(job).replace(**WARM)
    best = best or simulate.oracle(world)
    outcome = simulate.play(world, simulate.tuner_for(world, known))
    return regret_page.Result(
        kind=job.kind,
        name=job.name,
        n_cores=world.n_cores,
        seed=job.seed,
        best_s=best.makespan_s,
        loop_s=best.serial_s,
        makespans_s={OURS: outcome.makespan_s},
        n_probes=outcome.n_probes,
    )


def _profile(name: str, n_cores: int, seed: int) -> Any:
    """What a call leaves behind."""
    world = simulate.world(name, n_cores, seed)
    tuner = simulate.tuner_for(world)
    simulate.play(world, tuner)
    return tuner.learned()


def _world(job: Job) -> World:
    if job.kind == "random":
        return simulate.random_world(job.seed)
    return simulate.world(job.name, job.n_cores, job.seed)


def _is_hopeless(who: str, world: World) -> bool:
    """200 000 chunks of one item take longest to simulate and tell nothing new."""
    return who == "chunksize=1" and len(world.costs_s) > 10_000


@contextmanager
def _changed(changes: tuple[tuple[ModuleType, str, float], ...]) -> Iterator[None]:
    """Constants of the policy, for one play."""
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


class Timed:
    """The tuner, with a clock on the CPU time of its decisions, whatever else the host does."""

    def __init__(self, world: World) -> None:
        self.tuner = simulate.tuner_for(world)
        self.decided_s = 0.0
        self.n_decisions = 0

    def tell(self, event: Any) -> None:
        """Time it."""
        began = thread_time()
        self.tuner.tell(event)
        self.decided_s += thread_time() - began

    def next(self, status: Status) -> Any:
        """Time it."""
        began = thread_time()
        action = self.tuner.next(status)
        self.decided_s += thread_time() - began
        self.n_decisions += 1
        return action

    @property
    def limits(self) -> Any:
        """Where the simulator counts tests."""
        return self.tuner.limits


def results_of(some: list[Job], n_processes: int) -> Iterator[regret_page.Result]:
    """Play all; told on stderr how far that is."""
    with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
        for done, results in enumerate(pool.imap_unordered(run, some), 1):
            if done % 100 == 0:
                print(f"{done} of {len(some)} worlds", file=sys.stderr, flush=True)
            yield from results


def main() -> None:
    """Play and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="of each scenario (5)")
    parser.add_argument("--random", type=int, default=1000, help="random worlds (1000)")
    parser.add_argument("--processes", type=int, default=2, help="at once (2)")
    parser.add_argument("--out", type=Path, default=regret_page.PAGE)
    options = parser.parse_args()
    began = perf_counter()
    results = list(results_of(list(jobs(options.seeds, options.random)), options.processes))
    page = regret_page.Page(results, first_seed=FIRST_SEED, first_random=FIRST_RANDOM)
    text = "\n".join(page.lines()) + "\n"
    options.out.write_text(text)
    print(text)
    print(f"played in {perf_counter() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

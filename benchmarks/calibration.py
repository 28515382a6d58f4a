"""How far the simulator can be believed: real makespans on this host beside simulated ones.

    python -m benchmarks.calibration # writes docs/dev/calibration.md; wants a quiet machine
    python -m benchmarks.calibration --times 1 # a quick look

Each workload is run as a loop first, which tells what its items cost, then in worker processes with
several chunk sizes, and as the tuner would. What starting and sending costs is what those calls
themselves have told `resources`: under load, with caches and cores shared. The same plans are then
played in a world of these items and these costs.
"""

import argparse
import pickle
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from amorsize import tuned_map
from amorsize._host import resources
from amorsize._host.costs import Costs
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.simulate import Bandwidth, World, play
from benchmarks import host

PAGE = Path(__file__).resolve().parent.parent / "docs" / "dev" / "calibration.md"
CHUNKSIZES = (1, 4, 16, 64)
N_PICKLED = 20  # results written and read to see what that takes
TOGETHER_LEAST = 0.5  # of the cores there are: below, the machine was not ours


def turns_per_s() -> float:
    """Turns of `spin` in a second, one process alone."""
    began = time.perf_counter()
    spin(2_000_000)
    return 2_000_000 / (time.perf_counter() - began)


def spin(turns: int) -> int:
    """Compute."""
    done = 0
    while done < turns:
        done += 1
    return done


def compute(turns: int) -> int:
    """An item that computes and has next to nothing to send."""
    return spin(turns)


def compute_much(turns: int) -> list[int]:
    """An item with a result of 20 000 numbers."""
    return list(range(spin(turns) % 7, 20_007))


def wait(milliseconds: float) -> float:
    """An item that waits."""
    time.sleep(milliseconds / 1e3)
    return milliseconds


@dataclass(frozen=True, slots=True)
class Workload:
    """What is run, and where."""

    name: str
    function: Callable[..., object]
    items: tuple[float, ...]  # milliseconds of each, about
    backend: str = "process"
    n_jobs: int = 2

    def data(self, turns: float) -> list[float]:
        """What the function is given: turns, or milliseconds to wait."""
        if self.function is wait:
            return list(self.items)
        return [int(turns * one / 1e3) for one in self.items]


def workloads() -> Iterator[Workload]:
    """Ten kinds of items: even and uneven, short and long, with little and much to send."""
    drawn = random.Random(5)
    yield Workload("even 1 ms", compute, (1.0,) * 600)
    yield Workload("even 0.2 ms", compute, (0.2,) * 3000)
    yield Workload("even 30 us", compute, (0.03,) * 12_000)
    yield Workload("even 10 ms", compute, (10.0,) * 60)
    uneven = tuple(drawn.lognormvariate(-0.5, 1.0) * 2 for _ in range(300))
    yield Workload("lognormal 2 ms", compute, uneven)
    yield Workload(
        "1 of 20 takes 20 ms", compute, tuple((0.5, 20.0)[i % 20 == 9] for i in range(400))
    )
    yield Workload("ascending to 4 ms", compute, tuple(4 * i / 300 for i in range(300)))
    yield Workload("descending from 4 ms", compute, tuple(4 - 4 * i / 300 for i in range(300)))
    yield Workload("waits of 5 ms", wait, (5.0,) * 160, backend="thread", n_jobs=8)
    yield Workload("large results, 2 ms", compute_much, (2.0,) * 250)


@dataclass(frozen=True, slots=True)
class Loop:
    """What a workload takes without workers."""

    costs_s: tuple[float, ...]  # of each item, the median of several times
    write_s: float  # to pickle a result
    read_s: float  # and to read it back


@dataclass(frozen=True, slots=True)
class Compared:
    """One plan, run and played."""

    workload: str
    plan: str
    costs: Costs  # of the host, as the calls have told
    real_s: float
    simulated_s: float

    @property
    def off_share(self) -> float:
        """Share by which the simulation is longer (or shorter, below 0)."""
        return self.simulated_s / self.real_s - 1


def compare(some: list[Workload], n_times: int) -> Iterator[Compared]:
    """Run everything, then play it with what was learned of the host meanwhile."""
    turns = max(turns_per_s() for _ in range(3))
    ran: list[tuple[Workload, Loop, Costs, dict[str, float]]] = []
    for workload in some:
        data = workload.data(turns)
        loop = _loop(workload, data, n_times)
        makespans_s: dict[str, list[float]] = {}
        for _ in range(n_times):
            for chunksize in (*CHUNKSIZES, None):
                options = _options(workload, chunksize)
                began = time.perf_counter()
                tuned_map(workload.function, data, **options)
                makespans_s.setdefault(_plan(chunksize), []).append(time.perf_counter() - began)
        medians_s = {plan: median(times_s) for plan, times_s in makespans_s.items()}
        ran.append((workload, loop, resources.costs(), medians_s))
    together = host.cores_that_are_ours()
    for workload, loop, known, real_s in ran:
        world = world_of(workload, loop, known, together)
        for chunksize in (*CHUNKSIZES, None):
            plan = _plan(chunksize)
            simulated_s = play(world, _tuner(workload, chunksize)).makespan_s
            yield Compared(workload.name, plan, known, real_s[plan], simulated_s)


def world_of(workload: Workload, loop: Loop, known: Costs, together: float) -> World:
    """This host as the simulator has it: what calls have told of it, and how its cores share."""
    waits = workload.function is wait
    return World(
        costs_s=loop.costs_s,
        n_cores=host.n_cores(),
        slowdown=None if waits else Bandwidth(together),
        waits=waits,
        thread_reason=None if waits else "they hold the GIL",
        start_s=known.start_s,
        ready_s=known.ready_s,
        load_s=0.0,
        thread_start_s=known.thread_start_s,
        dispatch_s=known.dispatch_s,
        thread_dispatch_s=known.thread_dispatch_s,
        latency_s=known.latency_s,
        pickle_s=loop.read_s,  # the caller reads what the worker has written
        remote_pickle_s=loop.write_s,
        jitter=0.0,
        told_error=1.0,
    )


def _plan(chunksize: int | None) -> str:
    return "the tuner's" if chunksize is None else f"chunks of {chunksize}"


def _options(workload: Workload, chunksize: int | None) -> dict[str, object]:
    if chunksize is None:
        return {"cache": False, "retune": True}
    return {
        "backend": workload.backend,
        "n_jobs": workload.n_jobs,
        "chunksize": chunksize,
        "cache": False,
    }


def _tuner(workload: Workload, chunksize: int | None) -> Tuner:
    n_items = len(workload.items)
    if chunksize is None:
        return Tuner(
            None, Request(n_items=n_items, n_cores_most=host.n_cores(), inherits_items=True)
        )
    request = Request(
        n_items=n_items,
        backend=workload.backend,
        n_jobs=workload.n_jobs,
        chunksize=chunksize,
        inherits_items=True,
    )
    return Tuner(None, request)


def _loop(workload: Workload, data: list[float], n_times: int) -> Loop:
    took_s: list[list[float]] = [[] for _ in data]
    result: object = None
    for _ in range(n_times):
        for times_s, item in zip(took_s, data, strict=True):
            began = time.perf_counter()
            result = workload.function(item)
            times_s.append(time.perf_counter() - began)
    began = time.perf_counter()
    texts = [pickle.dumps(result) for _ in range(N_PICKLED)]
    written = time.perf_counter()
    kept = [pickle.loads(text) for text in texts]  # as the caller keeps them
    read = time.perf_counter()
    costs_s = tuple(median(times_s) for times_s in took_s)
    return Loop(costs_s, (written - began) / N_PICKLED, (read - written) / len(kept))


def page(compared: list[Compared]) -> Iterator[str]:
    """docs/dev/calibration.md, line by line."""
    facts = host.facts()
    yield "# Calibration: simulated and real makespans\n"
    yield "Written by `python -m benchmarks.calibration`. Each figure is the simulated makespan"
    yield "divided by the real one, minus 1: above 0 the simulator is too slow, below 0 too quick."
    yield "Items cost what they cost in a loop. The host's costs are those that the calls have"
    yield "measured themselves, so under load.\n"
    yield f"- Machine: {facts['cpu']}, {facts['n_cores']} cores, {facts['python']}."
    costs = ", ".join(
        f"{name[:-2]} {1e6 * median(getattr(one.costs, name) for one in compared):.0f} us"
        for name in ("start_s", "ready_s", "dispatch_s", "latency_s", "thread_dispatch_s")
    )
    yield f"- Median costs: {costs}.\n"
    plans = [_plan(chunksize) for chunksize in (*CHUNKSIZES, None)]
    yield "| workload | " + " | ".join(plans) + " |"
    yield "| --- |" + " --- |" * len(plans)
    for name in dict.fromkeys(one.workload for one in compared):
        by_plan = {one.plan: one for one in compared if one.workload == name}
        cells = [f"{100 * by_plan[plan].off_share:+.0f} %" for plan in plans]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield "\n| plan | median distance | within 5 % | within 10 % | worst |"
    yield "| --- | --- | --- | --- | --- |"
    for plan in (*plans, "all"):
        off = [abs(one.off_share) for one in compared if plan in (one.plan, "all")]
        near, nearer = (sum(one <= share for one in off) for share in (0.05, 0.10))
        figures = f"{100 * median(off):.1f} % | {near} of {len(off)} | {nearer} of {len(off)}"
        yield f"| {plan} | {figures} | {100 * max(off):.0f} % |"
    yield "\nThe best plan of each workload, measured and simulated:\n"
    yield "| workload | measured | simulated | real makespan of the simulated best / of the best |"
    yield "| --- | --- | --- | --- |"
    for name in dict.fromkeys(one.workload for one in compared):
        fixed = [one for one in compared if one.workload == name and one.plan != plans[-1]]
        real = min(fixed, key=lambda one: one.real_s)
        simulated = min(fixed, key=lambda one: one.simulated_s)
        yield f"| {name} | {real.plan} | {simulated.plan} | {simulated.real_s / real.real_s:.2f} |"


def main() -> None:
    """Run, play and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3, help="that each plan is run (3)")
    parser.add_argument("--workloads", type=int, default=None, help="only so many of them")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    compared = list(compare(list(workloads())[: options.workloads], options.times))
    text = "\n".join(page(compared)) + "\n"
    options.out.write_text(text)
    print(text)
    for one in compared:
        print(f"{one.workload:24} {one.plan:14} {one.real_s:8.4f} {one.simulated_s:8.4f}")


if __name__ == "__main__":
    main()

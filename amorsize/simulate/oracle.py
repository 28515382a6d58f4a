"""The best fixed plan in hindsight: what a call is measured by."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from amorsize.policy.frozen_record import inf
from amorsize.simulate.baselines import Fixed, Serial
from amorsize.simulate.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.simulate.world import World

#: Chunks of a plan that is played. More would lose to dispatching alone.
MOST_CHUNKS = 13_000

#: Workers for items that wait.
MOST_WAITING = 256

#: The neighbours of the two best plans are tried, first far ones, then near ones.
REFINEMENTS = (2.0, 1.41)

#: A plan is given up when it takes this many times the best so far.
HOPELESS = 1.15

#: A plan may take this share of what work and cores allow: noise may be on its side.
LUCK = 0.95


@dataclass(frozen=True, slots=True)
class Best:
    """A plan and what it takes; `n_jobs` 1 and `chunksize` 0 are the loop."""

    makespan_s: float
    n_jobs: int
    chunksize: int
    backend: str
    serial_s: float


def oracle(world: World) -> Best:
    """Play the loop and fixed plans over the grid of `n_jobs` and `chunksize`; the quickest.

    Args:
        world: Played with the same randomness by every plan.

    Returns:
        The best of the loop and of about 60 plans with start-up included.
    """
    backend = (
        "thread"
        if world.thread_reason is None and (world.waits or not world.holds_gil)
        else "process"
    )
    serial_s = Engine(world, Serial()).play().makespan_s
    found: dict[tuple[int, int], float] = {}
    n_items = len(world.costs_s)
    n_most = MOST_WAITING if world.waits else world.n_cores
    least_s = _bound(world, n_most, backend)

    def consider(n_jobs: int, chunksize: int) -> None:
        is_sound = 1 <= n_jobs <= n_most and 1 <= chunksize <= n_items
        n_chunks = n_items / max(1, chunksize)
        is_useful = n_chunks <= MOST_CHUNKS and (chunksize == 1 or n_chunks >= n_jobs / 2)
        if not is_sound or not is_useful or (n_jobs, chunksize) in found:
            return
        until_s = HOPELESS * min(serial_s, min(found.values(), default=serial_s))
        if LUCK * least_s(n_jobs, chunksize) > until_s:
            return
        plan = Fixed(n_jobs, chunksize, backend=backend)
        found[n_jobs, chunksize] = Engine(world, plan).makespan_s(until_s)

    grid = [(n, k) for n in {*_powers(2, n_most), n_most} for k in _powers(4, 4**8 + 1)]
    for n_jobs, chunksize in sorted(grid, key=lambda plan: (least_s(*plan), plan)):
        consider(n_jobs, chunksize)
    for step in REFINEMENTS:
        for n_jobs, chunksize in sorted(found, key=lambda plan: found[plan])[:2]:
            for n in {n_jobs, max(1, round(n_jobs / step)), min(n_most, round(n_jobs * step))}:
                for k in {chunksize, max(1, round(chunksize / step)), round(chunksize * step)}:
                    consider(n, k)
    plan = min(found, key=lambda one: found[one], default=None)
    if plan is None or serial_s <= found[plan]:
        return Best(serial_s, 1, 0, "serial", serial_s)
    return Best(found[plan], *plan, backend, serial_s)


def _bound(world: World, n_most: int, backend: str) -> Callable[[int, int], float]:
    """What a plan takes at least: the items on the cores there are, the chunks by one caller."""
    work_s, n_items = sum(world.costs_s), len(world.costs_s)
    most = inf if world.waits else world.quota_cores or world.n_cores
    at_once = [*accumulate((min(most, n * world.speed(n)) for n in range(1, n_most + 1)), max)]
    is_process = backend == "process"
    dispatch_s = world.dispatch_s if is_process else world.thread_dispatch_s
    pickle_s, start_s = (world.pickle_s, world.start_s) if is_process else (0.0, 0.0)

    def least_s(n_jobs: int, chunksize: int) -> float:
        caller_s = (dispatch_s / chunksize + pickle_s) * n_items + start_s * n_jobs
        return max(work_s / at_once[n_jobs - 1], caller_s)

    return least_s


def _powers(base: int, below: int) -> list[int]:
    powers = [1]
    while powers[-1] * base < below:
        powers.append(powers[-1] * base)
    return powers

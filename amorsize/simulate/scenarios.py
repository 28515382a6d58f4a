"""Worlds to try a policy on: each named one has its own difficulty, others are random."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from amorsize.simulate.world import (
    Bandwidth,
    Death,
    Hyperthreads,
    Neighbour,
    Retrograde,
    SlowCores,
    Thrashing,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_SHAPES = 9
LAZY_SHARE, LIMITED_SHARE, QUOTA_SHARE, HIDDEN_SHARE = 0.15, 0.38, 0.15, 1 / 3


def _spread(random: Random, mean_s: float, sigma: float) -> float:
    """A lognormal cost with this mean."""
    return mean_s * random.lognormvariate(-sigma * sigma / 2, sigma)


def _costs(random: Random, n_items: int, mean_s: float, sigma: float) -> tuple[float, ...]:
    return tuple(_spread(random, mean_s, sigma) for _ in range(n_items))


def _uniform(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 20_000, 1e-3, 0.05), n_cores=n_cores)


def _tiny(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 200_000, 2e-6, 0.1), n_cores=n_cores)


def _small(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 200_000, 30e-6, 0.2), n_cores=n_cores)


def _lognormal(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 4000, 5e-3, 1.0), n_cores=n_cores)


def _pareto(random: Random, n_cores: int) -> World:
    costs_s = tuple(min(2.0, 5e-3 / 3 * random.paretovariate(1.5)) for _ in range(4000))
    return World(costs_s=costs_s, n_cores=n_cores)


def _bimodal(random: Random, n_cores: int) -> World:
    costs_s = tuple(0.1 if random.random() < 0.05 else 1e-3 for _ in range(3000))
    return World(costs_s=costs_s, n_cores=n_cores)


def _trend_up(_: Random, n_cores: int) -> World:
    return World(costs_s=tuple(1e-4 + 9.9e-3 * i / 4000 for i in range(4000)), n_cores=n_cores)


def _descending(random: Random, n_cores: int) -> World:
    costs_s = tuple(sorted(_costs(random, 4000, 5e-3, 1.0), reverse=True))
    return World(costs_s=costs_s, n_cores=n_cores)


def _cheap_then_slow(random: Random, n_cores: int) -> World:
    return World(costs_s=(5e-6,) * 900 + _costs(random, 2100, 10e-3, 0.3), n_cores=n_cores)


def _hot_tail(random: Random, n_cores: int) -> World:
    costs_s = _costs(random, 7600, 0.5e-3, 0.2) + _costs(random, 400, 50e-3, 0.3)
    return World(costs_s=costs_s, n_cores=n_cores)


def _bandwidth(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 4000, 5e-3, 0.1), n_cores=n_cores, slowdown=Bandwidth(6))


def _retrograde(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 5000, 3e-3, 0.1), n_cores=n_cores, slowdown=Retrograde())


def _hyperthreads(random: Random, n_cores: int) -> World:
    limit = Hyperthreads(max(1, n_cores // 2))
    return World(costs_s=_costs(random, 8000, 2e-3, 0.2), n_cores=n_cores, slowdown=limit)


def _big_payload(random: Random, n_cores: int) -> World:
    return World(
        costs_s=_costs(random, 4000, 2e-3, 0.2),
        n_cores=n_cores,
        pickle_s=300e-6,
        remote_pickle_s=100e-6,
    )


def _few_big(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 40, 0.5, 0.6), n_cores=n_cores)


def _short_40_ms(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 200, 0.2e-3, 0.2), n_cores=n_cores)


def _short_400_ms(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 200, 2e-3, 0.3), n_cores=n_cores)


def _spawn_and_import(random: Random, n_cores: int) -> World:
    return World(
        costs_s=_costs(random, 2000, 2e-3, 0.3),
        n_cores=n_cores,
        is_forked=False,
        start_s=2e-3,
        ready_s=0.8,
    )


def _server(random: Random, n_cores: int) -> World:
    return World(
        costs_s=_costs(random, 3000, 20e-3, 0.5),
        n_cores=n_cores,
        waits=True,
        slowdown=Bandwidth(48),
    )


def _hidden_quota(random: Random, n_cores: int) -> World:
    quota = max(1.0, n_cores / 4)
    return World(costs_s=_costs(random, 8000, 2e-3, 0.2), n_cores=n_cores, quota_cores=quota)


def _generator(random: Random, n_cores: int) -> World:
    costs_s = _costs(random, 6000, 2e-3, 0.8)
    return World(costs_s=costs_s, n_cores=n_cores, is_length_known=False)


def _lazy_long(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 8000, 1e-3, 0.2), n_cores=n_cores, warmup_s=0.3)


def _lazy_short(random: Random, n_cores: int) -> World:
    return World(costs_s=_costs(random, 150, 1e-3, 0.2), n_cores=n_cores, warmup_s=0.3)


def _slow_cores(random: Random, n_cores: int) -> World:
    limit = SlowCores(max(1, n_cores // 2))
    return World(costs_s=_costs(random, 6000, 2e-3, 0.3), n_cores=n_cores, slowdown=limit)


def _noisy_neighbour(random: Random, n_cores: int) -> World:
    half = n_cores / 2
    comes = tuple(Neighbour(from_s=a, to_s=a + 0.2, n_cores=half) for a in (0.1, 0.6, 1.1))
    return World(costs_s=_costs(random, 6000, 2e-3, 0.3), n_cores=n_cores, neighbours=comes)


def _memory(random: Random, n_cores: int) -> World:
    limit = Thrashing(max(1, n_cores // 2), speed=0.3)
    return World(costs_s=_costs(random, 2000, 5e-3, 0.3), n_cores=n_cores, slowdown=limit)


def _a_worker_dies(random: Random, n_cores: int) -> World:
    deaths = (Death(worker=0, at_s=0.05),)
    return World(costs_s=_costs(random, 4000, 2e-3, 0.3), n_cores=n_cores, deaths=deaths)


def _large_results(random: Random, n_cores: int) -> World:
    return World(
        costs_s=_costs(random, 3000, 3e-3, 0.3),
        n_cores=n_cores,
        pickle_s=1e-3,
        remote_pickle_s=1e-3,
    )


def _bursts(random: Random, n_cores: int) -> World:
    costs_s = tuple(
        _spread(random, 20e-3 if (i // 100) % 10 == 9 else 0.5e-3, 0.3) for i in range(4000)
    )
    return World(costs_s=costs_s, n_cores=n_cores)


def _releases_gil(random: Random, n_cores: int) -> World:
    return World(
        costs_s=_costs(random, 400, 10e-3, 0.5), n_cores=n_cores, holds_gil=False, pickle_s=400e-6
    )


SCENARIOS: dict[str, Callable[[Random, int], World]] = {
    "uniform 1 ms": _uniform,
    "tiny 2 us": _tiny,
    "small 30 us": _small,
    "lognormal 5 ms": _lognormal,
    "Pareto 1.5": _pareto,
    "bimodal 1/100 ms": _bimodal,
    "trend up": _trend_up,
    "sorted descending": _descending,
    "cheap prefix, then 10 ms": _cheap_then_slow,
    "hot block at the end": _hot_tail,
    "bandwidth for 6": _bandwidth,
    "retrograde": _retrograde,
    "hyperthreads": _hyperthreads,
    "payload 300 us": _big_payload,
    "40 items of 0.5 s": _few_big,
    "short 40 ms": _short_40_ms,
    "short 400 ms": _short_400_ms,
    "spawn + 0.8 s import": _spawn_and_import,
    "server for 48": _server,
    "hidden quota": _hidden_quota,
    "generator": _generator,
    "lazy init 0.3 s + 8 s": _lazy_long,
    "lazy init 0.3 s + 0.15 s": _lazy_short,
    "slow and fast cores": _slow_cores,
    "noisy neighbour": _noisy_neighbour,
    "memory for half": _memory,
    "a worker dies": _a_worker_dies,
    "results 1 ms to pickle": _large_results,
    "bursts": _bursts,
    "releases the GIL": _releases_gil,
}


def world(name: str, n_cores: int, seed: int) -> World:
    """One of the named ones.

    Raises:
        KeyError: There is no such name in `SCENARIOS`.
    """
    made = SCENARIOS[name](Random(f"{seed}/{name}"), n_cores)
    reason = None if name in ("server for 48", "releases the GIL") else "not looked at"
    return made.replace(name=name, seed=seed, thread_reason=reason)


def random_world(seed: int) -> World:
    """Anything: 2 to 128 cores, 0.03 to 60 s in all, items of 3 us to 0.3 s, in nine shapes."""
    random = Random(f"random world {seed}")
    n_cores = 2 ** random.randint(1, 7)
    total_s = math.exp(random.uniform(math.log(0.03), math.log(60.0)))
    mean_s = min(total_s / 4, math.exp(random.uniform(math.log(3e-6), math.log(0.3))))
    n_items = max(4, min(200_000, int(total_s / mean_s)))
    is_slow_to_start = random.random() < 0.25
    limit = None
    if random.random() < LIMITED_SHARE:
        limit = random.choice(
            (
                Bandwidth(random.uniform(1.2, n_cores)),
                Retrograde(random.uniform(0.0, 0.05), random.uniform(0.0, 0.004)),
                Hyperthreads(max(1, n_cores // 2)),
                SlowCores(max(1, n_cores // 2), random.uniform(0.3, 0.8)),
            )
        )
    quota, told = None, None
    if random.random() < QUOTA_SHARE:
        quota = max(1.0, random.uniform(0.1, 1.0) * n_cores)
        told = None if random.random() < HIDDEN_SHARE else max(1, math.ceil(quota))
    return World(
        name=f"random {seed}",
        seed=seed,
        costs_s=tuple(_shape(random, n_items, mean_s)),
        n_cores=n_cores,
        n_cores_told=told,
        quota_cores=quota,
        slowdown=limit,
        is_length_known=random.random() < 0.8,
        thread_reason="not looked at",
        warmup_s=math.exp(random.uniform(math.log(0.02), 0.0))
        if random.random() < LAZY_SHARE
        else 0.0,
        dispatch_s=math.exp(random.uniform(math.log(15e-6), math.log(250e-6))),
        pickle_s=min(mean_s, math.exp(random.uniform(math.log(0.5e-6), math.log(100e-6)))),
        is_forked=not is_slow_to_start,
        start_s=1e-3 if is_slow_to_start else 0.4e-3,
        ready_s=random.uniform(0.03, 0.5) if is_slow_to_start else 0.6e-3,
    )


def _shape(random: Random, n: int, mean_s: float) -> Iterator[float]:
    """One of nine shapes of cost over the data."""
    shape = random.randrange(N_SHAPES)
    sigma = random.uniform(0.05, 1.2)
    drawn = [_spread(random, mean_s, sigma) for _ in range(n)]
    if shape <= 2:
        return iter(drawn)
    if shape == 3:
        return iter(sorted(drawn))
    if shape == 4:
        return iter(sorted(drawn, reverse=True))
    if shape == 5:
        return (min(100 * mean_s, mean_s / 3 * random.paretovariate(1.5)) for _ in drawn)
    if shape == 6:
        return (cost_s * (10.0 if random.random() < 0.05 else 0.5) for cost_s in drawn)
    if shape == 7:
        return (cost_s * (0.1 if i < n // 3 else 1.45) for i, cost_s in enumerate(drawn))
    return (cost_s * (8.0 if i > 0.95 * n else 0.63) for i, cost_s in enumerate(drawn))

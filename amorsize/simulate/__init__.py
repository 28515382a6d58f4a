"""Try the tuner, or another plan, in virtual time on hosts that are not at hand.

    from amorsize.simulate import World, oracle, play

    world = World(costs_s=(2e-3,) * 5000, n_cores=64)
    print(play(world).makespan_s, oracle(world).makespan_s, world.serial_s)

A call of your own can be played on another host:

    from amorsize.simulate import forecast, load, save

    save(parse, "trace.json")  # the last call of `parse`; or: amorsize simulate trace.json
    print(forecast(load("trace.json"), n_cores=[4, 64]))

The tuner that plays is the very class that `tuned_map` runs. What is simulated: the caller as one
server (it starts, sends, collects and runs items), workers with their start-up and warm-up, cores
that are shared by all that computes, quotas, limits of bandwidth, locks and hyperthreads, pipes
with latency, time boxes. What is not: NUMA, clock rates, page faults after a fork, the memory
itself.
"""

from __future__ import annotations

from amorsize.simulate.baselines import (
    Fixed,
    Joblib,
    OneByOne,
    PoolMap,
    Serial,
    baseline_policies,
    tuner_for,
)
from amorsize.simulate.engine import Deadlock, Engine, Outcome
from amorsize.simulate.oracle import Best, oracle
from amorsize.simulate.replay import Forecast, TraceError, forecast, load, save
from amorsize.simulate.reporting import Policy
from amorsize.simulate.scenarios import SCENARIOS, random_world, world
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

__all__ = (
    "SCENARIOS",
    "Bandwidth",
    "Best",
    "Deadlock",
    "Death",
    "Fixed",
    "Forecast",
    "Hyperthreads",
    "Joblib",
    "Neighbour",
    "OneByOne",
    "Outcome",
    "Policy",
    "PoolMap",
    "Retrograde",
    "Serial",
    "SlowCores",
    "Thrashing",
    "TraceError",
    "World",
    "baseline_policies",
    "forecast",
    "load",
    "oracle",
    "play",
    "random_world",
    "save",
    "tuner_for",
    "world",
)


def play(world: World, policy: Policy | None = None) -> Outcome:
    """One call in virtual time.

    Args:
        world: What there is.
        policy: Who decides; the tuner of `tuned_map` if None. A policy is played once.

    Returns:
        What became of it; the same for the same world on every machine.

    Raises:
        Deadlock: The policy waits though nothing is under way.
    """
    return Engine(world, tuner_for(world) if policy is None else policy).play()

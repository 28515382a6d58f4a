"""A bench whose truth is known: plans are played in a simulated world, in virtual time."""

from __future__ import annotations

from amorsize.policy.actions import Plan
from amorsize.policy.frozen_record import inf
from amorsize.simulate import Fixed, Serial, World, play
from amorsize.tuning.bench import Part, Run, whole_s


class SimulatedBench:
    """Plays plans; every run draws its own noise."""

    def __init__(self, world: World, *, hangs: frozenset[Plan] = frozenset()) -> None:
        self.world, self.hangs = world, hangs
        self.n_items = len(world.costs_s)
        self.clock_s = 0.0
        self.n_runs = 0

    def now_s(self) -> float:
        """Virtual time."""
        return self.clock_s

    def run(self, plan: Plan, part: Part, longest_s: float) -> Run:
        """One run; it is ended at its limit, as real ones are."""
        self.n_runs += 1
        costs_s = self.world.costs_s[part.offset :: part.stride]
        outcome = play(self.world.replace(costs_s=costs_s, seed=self.n_runs), policy_of(plan))
        wall_s = inf if plan in self.hangs else outcome.makespan_s
        n_items = len(costs_s)
        self.clock_s += min(wall_s, longest_s)
        if wall_s > longest_s:
            n_done = 0 if wall_s == inf else int(n_items * longest_s / wall_s)
            on_the_way_s = longest_s * self.n_items / n_done if n_done else inf
            return Run(
                plan=plan,
                part=part,
                n_items=n_done,
                wall_s=longest_s,
                whole_s=on_the_way_s,
                is_over_time=True,
            )
        return Run(
            plan=plan,
            part=part,
            n_items=n_items,
            wall_s=wall_s,
            whole_s=whole_s(wall_s, outcome.chunks, plan, n_items, self.n_items),
            work_s=sum(chunk.wall_s for chunk in outcome.chunks),
        )

    def truth_s(self, plan: Plan) -> float:
        """What a plan takes for all items, without noise."""
        return play(self.world.replace(jitter=0.0), policy_of(plan)).makespan_s


def policy_of(plan: Plan) -> Fixed | Serial:
    """The baseline of this plan."""
    if plan.backend == "serial":
        return Serial()
    return Fixed(plan.n_jobs, plan.chunksize, backend=plan.backend)


def loop_of(world: World) -> Plan:
    """The loop as a plan."""
    return Plan(backend="serial", n_jobs=1, chunksize=len(world.costs_s), source="tuned")

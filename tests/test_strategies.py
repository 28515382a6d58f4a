"""Strategies in virtual time, in worlds of many cores whose best plan is known."""

import math
from random import Random

import pytest
from simulated_bench import SimulatedBench, loop_of
from test_prediction import basis_of

from amorsize.policy import plan_prediction
from amorsize.policy.actions import Plan
from amorsize.simulate import Bandwidth, Retrograde, World, world
from amorsize.tuning import bayes
from amorsize.tuning.bench import WHOLE, Part, Run, whole_s
from amorsize.tuning.noise import Fit, Observation
from amorsize.tuning.search import BudgetOver, Limits, Search
from amorsize.tuning.session import GRID_SHARE, QUICK_SHARE
from amorsize.tuning.space import Space, plans
from amorsize.tuning.strategies import grid, halving
from amorsize.tuning.summary import concluded

ITEM_S = 2e-3
OPEN = Space(backends=("process",), n_jobs=None, chunksizes=None)


def many_cores(n_cores: int = 64, n_items: int = 1500, **facts) -> World:
    facts = {"jitter": 0.03, "told_error": 1.0, **facts}
    return World(costs_s=(ITEM_S,) * n_items, n_cores=n_cores, **facts)


def searching(bench, *, tell=None, **limits) -> Search:
    basis = basis_of(bench.world)
    return Search(
        bench,
        loop_of(bench.world),
        Limits(**limits),
        tell=tell,
        likely_s=lambda plan: plan_prediction.makespan_s(plan, basis),
    )


def cells(bench, space=OPEN, *, is_quick=False) -> list[Plan]:
    n_cores = bench.world.n_cores
    return plans(
        space, basis_of(bench.world), n_items=bench.n_items, n_cores=n_cores, is_quick=is_quick
    )


def told(search, among):
    return concluded(search, among, strategy="grid", executor_type="process", hint=None)


def regret(bench, result, among) -> float:
    """How much longer the winner takes than the best of the cells and the loop, in truth."""
    best_s = min(map(bench.truth_s, [loop_of(bench.world), *among]))
    winner = loop_of(bench.world) if result.backend == "serial" else result.plan
    return bench.truth_s(winner) / best_s - 1


WORLDS = {
    "uniform": many_cores(),
    "few cores": many_cores(2, 600),
    "bandwidth for 6": many_cores(slowdown=Bandwidth(6)),
    "retrograde": many_cores(slowdown=Retrograde(0.02, 0.001)),
    "payload": many_cores(pickle_s=300e-6, remote_pickle_s=100e-6),
    "lognormal": many_cores(32).replace(costs_s=world("lognormal 5 ms", 32, 3).costs_s[:1200]),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_grid_finds_the_best_cell(name):
    """Its winner takes at most 5 % longer, in truth, than the best of all its cells."""
    bench = SimulatedBench(WORLDS[name])
    search, among = searching(bench, spend_share=5.0), cells(bench)
    grid(search, among)

    assert regret(bench, told(search, among), among) <= 0.05


@pytest.mark.parametrize("name", WORLDS)
def test_halving_finds_a_good_cell_at_the_price_of_about_one_loop(name):
    """At most 10 % from the best of its candidates, for at most 1.35 times the loop."""
    bench = SimulatedBench(WORLDS[name])
    search, among = searching(bench, spend_share=1.35), cells(bench, is_quick=True)
    halving(search, among)

    assert bench.clock_s <= 1.35 * bench.truth_s(loop_of(bench.world))
    assert regret(bench, told(search, among), among) <= 0.10


def test_halving_gives_fewer_plans_more_of_the_data():
    """Each round costs about the same, so parts grow as plans are dropped."""
    bench = SimulatedBench(many_cores(4, 4000))
    seen = []
    search = searching(bench, spend_share=1.35, tell=seen.append)
    halving(search, cells(bench, is_quick=True))
    seen = [run for run in seen if run.plan != search.loop]
    strides = [run.part.stride for run in seen]

    assert strides[0] > 1
    assert strides == sorted(strides, reverse=True)
    assert len({run.plan for run in seen if run.part.stride == strides[-1]}) < len(
        {run.plan for run in seen}
    )


@pytest.mark.parametrize("name", ["bandwidth for 6", "retrograde"])
def test_bayes_comes_within_3_percent_of_the_grid(name):
    """With at most 25 trials on 64 cores, as good as 56 cells tried one by one."""
    pytest.importorskip("optuna")
    bench = SimulatedBench(WORLDS[name].replace(jitter=0.01))
    numbers, sizes = (4, 6, 8, 12, 16, 32, 48, 64), (1, 2, 4, 8, 12, 16, 32)
    fine = plans(
        Space(backends=("process",), n_jobs=numbers, chunksizes=sizes),
        None,
        n_items=bench.n_items,
        n_cores=64,
    )
    best_s = min(map(bench.truth_s, fine))
    search = searching(bench)
    among = bayes.search(search, OPEN, cells(bench), stride=1, seed=1, n_most=64)
    winner = told(search, among).plan

    assert len(among) <= 25
    assert bench.truth_s(winner) <= 1.03 * best_s


def test_bayes_stays_in_the_ranges_that_were_named():
    """Of explicit ranges only their members are proposed."""
    pytest.importorskip("optuna")
    bench = SimulatedBench(many_cores(8, 500))
    space = Space(backends=("process",), n_jobs=(2, 5), chunksizes=(3, 30))
    among = bayes.search(searching(bench), space, cells(bench, space), stride=1, seed=0)

    assert {(plan.n_jobs, plan.chunksize) for plan in among} == {(2, 3), (2, 30), (5, 3), (5, 30)}


def test_the_loop_wins_where_nothing_else_pays():
    """Where sending takes longer than running, the result is the loop, with a speedup of one."""
    bench = SimulatedBench(many_cores(pickle_s=5e-3, remote_pickle_s=1e-3, n_items=300))
    search, among = searching(bench), cells(bench)
    grid(search, among)
    result = told(search, among)

    assert (result.backend, result.best_n_jobs, result.best_speedup) == ("serial", 1, 1.0)
    assert result.executor_type == "process"


def test_a_plan_without_hope_is_ended_early():
    """It is told from how far it came, and is not run again."""
    bench = SimulatedBench(many_cores(16, 2000))
    slow, good = process(1, 1), process(16, 10)
    search = searching(bench)
    grid(search, [good, slow, process(2, 1000)])
    by_plan = {
        (one.n_jobs, one.chunksize): one for one in told(search, [good, slow]).configurations
    }

    assert by_plan[1, 1].status == "stopped early"
    assert by_plan[1, 1].n_runs == 1
    assert by_plan[1, 1].time_s == pytest.approx(bench.truth_s(slow), rel=0.25)


def test_what_could_still_be_the_best_is_repeated():
    """Cells that cannot be told apart are run again; one that is clearly slower is not."""
    bench = SimulatedBench(many_cores(8, 1000, jitter=0.2))
    search = searching(bench, spend_share=20.0)
    grid(search, [process(8, 10), process(8, 12), process(4, 10)])
    counts = {plan.n_jobs: sum(run.plan == plan for run in search.runs) for plan in among(search)}

    assert counts[8] > counts[4] >= 1


def test_repeats_run_every_cell_so_often():
    """A number that was asked for is kept, for all cells alike."""
    bench = SimulatedBench(many_cores(8, 500))
    search = searching(bench, spend_share=0.1)
    grid(search, [process(8, 10), process(4, 10)], repeats=3, has_to=True)

    assert len(search.runs) == 3 * 3


def test_of_plans_that_are_level_the_one_with_fewer_jobs_wins():
    """Where eight workers are as quick as 64, because no more are fed, eight are named."""
    bench = SimulatedBench(many_cores(slowdown=Bandwidth(6), jitter=0.02))
    search = searching(bench)
    grid(search, [process(64, 4), process(32, 4), process(8, 4)])

    assert told(search, []).best_n_jobs == 8


def test_noise_that_decides_is_told():
    """Times that vary by a third leave the winner open: it is not named by chance."""
    fits = [
        Fit(
            [
                row(b, plan, 1.0 + 0.6 * ((b + i) % 2))
                for b in range(2)
                for i, plan in enumerate("ab")
            ]
        )
        for _ in range(1)
    ]

    assert fits[0].may_be_slower_by(fits[0].ranked()[0]) > 1.10


def row(block, what, time_s) -> Observation:
    return Observation(block=block, what=what, time_s=time_s, wall_s=1.0)


def test_a_mood_of_the_host_falls_on_a_block_and_not_on_a_plan():
    """A block that took twice as long says nothing about the plans that were run in it alone."""
    rows = [
        row(0, "a", 1.0),
        row(0, "b", 1.1),
        row(0, "c", 1.3),
        row(1, "a", 2.0),
        row(1, "b", 2.2),
    ]
    fit = Fit(rows)

    assert fit.ranked() == ["a", "b", "c"]
    assert fit.level("b").time_s / fit.level("a").time_s == pytest.approx(1.1, rel=1e-3)
    assert fit.level("c").time_s / fit.level("a").time_s == pytest.approx(1.3, rel=1e-3)


def test_intervals_hold_what_they_promise():
    """Of 300 fits of noisy runs, about 95 % have the true ratio in their interval."""
    random, n_inside = Random(5), 0
    for _ in range(300):
        rows = [
            row(b, what, true_s * math.exp(random.gauss(0, 0.04)))
            for b in range(4)
            for what, true_s in (("a", 1.0), ("b", 1.2), ("c", 1.5))
        ]
        level = Fit(rows).level("b")
        n_inside += level.low_s <= 1.2 <= level.high_s

    assert 0.90 <= n_inside / 300 <= 0.99


def test_cores_that_others_took_widen_the_intervals():
    """Single runs on a host that was busy say less."""
    rows = [row(0, "a", 1.0), row(0, "b", 1.1)]

    assert Fit(rows).may_be_slower_by("a") < 1.10
    assert Fit(rows, run_delay_share=0.4).may_be_slower_by("a") > 1.10


def test_a_part_tells_what_all_would_take():
    """Starting and the last chunks do not grow with the data: the rest does."""
    bench = SimulatedBench(many_cores(8, 4000, jitter=0.0))
    for plan in (process(8, 20), process(4, 5), loop_of(bench.world)):
        part = bench.run(plan, Part(stride=8, offset=3), math.inf)

        assert part.n_items == 500
        assert part.whole_s == pytest.approx(bench.truth_s(plan), rel=0.05)
    assert whole_s(2.5, (), process(2, 2), 100, 100) == 2.5


def test_a_timeout_ends_a_run_that_hangs():
    """It is listed with infinite time and the reason, the others as ever."""
    hung, good = process(4, 50), process(8, 10)
    bench = SimulatedBench(many_cores(8, 500), hangs=frozenset([hung]))
    search = searching(bench, timeout_s=3.0, ends_hopeless=False)
    grid(search, [hung, good])
    by_plan = {one.chunksize: one for one in told(search, [hung, good]).configurations}

    assert by_plan[50].status == "timed out"
    assert by_plan[50].time_s == math.inf
    assert "timeout_per_config=3 s" in by_plan[50].reason
    assert by_plan[10].status == "measured"


def test_a_budget_ends_the_search():
    """No run outlasts it, and what was not run is told as that."""
    bench = SimulatedBench(many_cores(8, 3000))
    search, among = searching(bench, budget_s=7.5), cells(bench)
    with pytest.raises(BudgetOver):
        grid(search, among)
    result = told(search, among)

    assert bench.clock_s == pytest.approx(7.5)
    assert any(one.status == "not measured" for one in result.configurations)
    assert result.configurations_tested < 1 + len(among)
    assert result.best_speedup > 1
    n_left = 1 + len(among) - result.configurations_tested
    were = "was" if n_left == 1 else "were"
    assert f"{n_left} of {len(among)} plans {were} not measured" in result.verdict


def test_plans_that_had_no_turn_are_not_called_slower():
    """Where the budget was enough for the loop alone, nothing is decided."""
    bench = SimulatedBench(many_cores(8, 1000))
    search, among = searching(bench, budget_s=2.05), cells(bench)
    with pytest.raises(BudgetOver):
        grid(search, among)
    result = told(search, among)

    assert (result.backend, result.configurations_tested) == ("serial", 1)
    assert not result.is_decided
    assert "slower" not in result.verdict
    assert "nothing but the loop was measured" in result.verdict


def test_a_loop_beside_which_nothing_came_through_wins():
    """All that was tried timed out: that is told, and not that it was slower."""
    hung = process(4, 50)
    bench = SimulatedBench(many_cores(8, 500), hangs=frozenset([hung]))
    search = searching(bench, timeout_s=3.0, ends_hopeless=False)
    grid(search, [hung])
    result = told(search, [hung])

    assert result.is_decided
    assert result.verdict == "decided: nothing else came through"


def test_a_default_grid_is_not_run_beyond_its_price():
    """What would exceed it is left out, and the loop has come first."""
    bench = SimulatedBench(many_cores(2, 1000))
    search = searching(bench, spend_share=2.0)
    grid(search, cells(bench))

    assert search.runs[0].plan == search.loop
    assert bench.clock_s <= 2.0 * search.loop_s * 1.01


def process(n_jobs: int, chunksize: int) -> Plan:
    return Plan(backend="process", n_jobs=n_jobs, chunksize=chunksize, source="tuned")


def among(search) -> set[Plan]:
    return {run.plan for run in search.runs} - {search.loop}


def test_parts_are_spread_over_the_data():
    """Every stride-th item, from an offset on."""
    assert WHOLE.n_items(10) == 10
    assert Part(stride=3, offset=1).n_items(10) == 3


def spread_costs(n_items: int, mean_s: float, sigma: float, seed: int) -> tuple[float, ...]:
    random = Random(seed)
    return tuple(mean_s * random.lognormvariate(-sigma * sigma / 2, sigma) for _ in range(n_items))


TWO_CORE_JOBS = {
    "60 us x 20k": spread_costs(20_000, 60e-6, 0.1, 1),
    "0.5 ms x 2400": spread_costs(2400, 0.5e-3, 0.05, 2),
    "10 ms, uneven": spread_costs(120, 10e-3, 0.8, 3),
    "ascending": tuple(sorted(spread_costs(300, 4e-3, 1.0, 4))),
    "11 ms, very uneven": spread_costs(140, 11e-3, 1.0, 5),
}


@pytest.mark.parametrize("name", TWO_CORE_JOBS)
def test_a_quick_tune_on_two_cores_is_cheap_and_right(name):
    """Four tunings of each job: at most 1.5 x the loop, the winner within 5 % of the best cell."""
    for seed in range(1, 5):
        bench = SimulatedBench(World(costs_s=TWO_CORE_JOBS[name], n_cores=2, told_error=1.0))
        bench.n_runs = 1000 * seed
        search = searching(bench, spend_share=QUICK_SHARE)
        among = cells(bench, is_quick=True)
        halving(search, among)

        assert bench.clock_s <= 1.5 * bench.truth_s(loop_of(bench.world))
        assert regret(bench, told(search, among), cells(bench)) <= 0.05


@pytest.mark.parametrize("name", TWO_CORE_JOBS)
def test_a_default_grid_on_two_cores_keeps_its_price(name):
    """At most 4 x the loop, on whatever part of the data its blocks are run."""
    for stride in (1, 2, 3):
        bench = SimulatedBench(World(costs_s=TWO_CORE_JOBS[name], n_cores=2, told_error=1.0))
        among = cells(bench)
        search = searching(bench, spend_share=GRID_SHARE)
        grid(search, among, stride=stride)

        assert bench.clock_s <= 4 * bench.truth_s(loop_of(bench.world))
        assert bench.clock_s <= (1 + len(among)) * bench.truth_s(loop_of(bench.world))


def test_a_cheap_part_of_the_loop_makes_no_plan_of_a_dear_one_hopeless():
    """A plan is ended by what its own part took, or the whole of what the loop has run."""
    costs_s = tuple(10e-3 if item % 16 else 0.1e-3 for item in range(160))
    bench = SimulatedBench(World(costs_s=costs_s, n_cores=2))
    plan = Plan(backend="process", n_jobs=2, chunksize=2, source="tuned")
    search = searching(bench)

    for offset in (0, 5):  # the cheap items alone, and as many dear ones
        search.run(search.loop, Part(stride=16, offset=offset))
    run = search.run(plan, Part(stride=2, offset=1))

    assert not run.is_over_time
    assert plan not in search.dropped


@pytest.mark.parametrize(("slow_s", "starved"), [(64.6e-3, 0.9), (20e-3, 0.9), (0.2, 0.8)])
def test_a_plan_that_took_twice_as_long_is_not_called_as_good(slow_s, starved):
    """However little is proved on a busy host: the words follow the table."""
    bench = SimulatedBench(many_cores(2, 100))
    search = searching(bench)
    loop, slow = search.loop, process(2, 10)
    fast_s = 8.97e-3
    for plan, time_s in ((loop, fast_s), (slow, slow_s)):
        search.runs.append(
            Run(
                plan=plan,
                part=WHOLE,
                n_items=100,
                wall_s=time_s,
                whole_s=time_s,
                run_delay_share=starved,
            )
        )
        search._blocks.append(1)

    result = told(search, [slow])

    assert "as good" not in result.verdict
    assert result.backend == "serial"
    if result.is_decided:
        assert "the loop is the quickest; likely slower" in result.verdict
        assert "process x 2, 10 a chunk" in result.verdict
    else:
        assert "too noisy to decide" in result.verdict

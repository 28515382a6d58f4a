"""Too many workers: seen in what items cost, tested once, and parked."""

from dataclasses import replace
from random import Random
from statistics import median

import pytest

from amorsize import simulate
from amorsize.simulate import Bandwidth, Neighbour, Retrograde, Serial, Thrashing, World, play

STEADY = tuple(5e-3 + 1e-3 * (i % 7) / 7 for i in range(3000))


def limit_of(outcome):
    return outcome.policy.limits.contention.n_enough


def test_workers_that_choke_each_other_are_parked():
    """Memory for four of eight: with all of them each is at 0.3 of its speed."""
    world = World(
        costs_s=STEADY, n_cores=8, slowdown=Thrashing(4, speed=0.3), thread_reason="not looked at"
    )

    outcome = play(world)

    assert limit_of(outcome) == 4
    assert outcome.makespan_s < 1.1 * sum(STEADY) / 4
    assert "8 at once delivered no more" in [note.why for note in outcome.policy.notes]


@pytest.mark.parametrize("seed", range(7))
def test_two_workers_that_are_slower_than_one_do_not_cost_the_promise(seed):
    """The test is repeated while its windows leave it open: uneven items say little each."""
    world = simulate.world("memory for half", 2, seed)

    assert play(world).makespan_s < 1.06 * play(world, Serial()).makespan_s


@pytest.mark.parametrize("n_cores", [32, 128, 256])
def test_a_pool_that_chokes_itself_is_found_out_while_it_grows(n_cores):
    """22 workers do most; of 256 each takes 130 times as long, and all of them would be started."""
    outcome = play(simulate.world("retrograde", n_cores, 7))

    assert limit_of(outcome) < 64
    assert outcome.makespan_s < 1.5 * 15.0 / 9.4


def test_the_first_chunks_to_come_back_do_not_show_that_a_pool_is_healthy():
    """Of uneven items begun by 64 workers at once the short ones come first: as if alone."""
    random = Random(1)
    world = World(
        costs_s=tuple(random.lognormvariate(-5.3, 0.8) for _ in range(3000)),
        n_cores=64,
        quota_cores=14.0,
        slowdown=Retrograde(contention=0.008, coherence=0.002),
        is_forked=False,
        ready_s=0.24,
        thread_reason="not looked at",
    )

    outcome = play(world)

    assert limit_of(outcome) <= 32
    assert outcome.makespan_s < 12  # all of them take 15 s


def test_dear_items_behind_cheap_ones_are_no_reason_for_a_test():
    """The same pool has run cheap ones before: it is not in its own way."""
    costs_s = ((0.5e-3,) * 3000 + (10e-3,) * 300) * 2
    outcome = play(World(costs_s=costs_s, n_cores=16, thread_reason="not looked at"))

    assert not [note for note in outcome.policy.notes if "delivered" in note.why]


def test_uneven_items_behind_a_few_cheap_ones_are_no_reason_to_idle_a_core_of_two():
    """Six chunks of one worker cost more than so vague a suspicion is worth: as files to parse."""
    n_tested = 0
    for seed in range(20):
        random = Random(seed)
        costs_s = (1.4e-3,) * 3 + tuple(7e-3 * random.lognormvariate(-0.5, 1.0) for _ in range(110))
        world = World(costs_s=costs_s, n_cores=2, seed=seed, thread_reason="not looked at")
        n_tested += play(world).policy.limits.contention.n_tests

    assert n_tested <= 1


def test_the_same_pool_is_not_counted_anew_again_and_again():
    """Bursts pass for crowding, and then for none: each time it takes more of a rise."""
    assert play(simulate.random_world(5907)).policy.limits.contention.n_tests < 9


def test_workers_that_share_bandwidth_without_loss_cost_nothing():
    """All of them or six deliver the same; whichever is chosen, time is not lost."""
    world = World(costs_s=STEADY, n_cores=32, slowdown=Bandwidth(6), thread_reason="not looked at")

    assert play(world).makespan_s < 1.03 * sum(STEADY) / 6


def test_a_trend_in_the_data_is_not_taken_for_workers_in_each_others_way():
    """Costs that rise sixteenfold raise the suspicion; the test finds that fewer deliver less."""
    costs_s = tuple(1e-3 * (1 + 15 * i / 6000) for i in range(6000))
    world = World(costs_s=costs_s, n_cores=16, thread_reason="not looked at")

    outcome = play(world)

    assert limit_of(outcome) is None
    assert outcome.makespan_s < 1.06 * sum(costs_s) / 16


def test_nobody_is_parked_where_items_cost_what_they_cost_alone():
    """Without a suspicion there is no test."""
    outcome = play(World(costs_s=STEADY, n_cores=16, thread_reason="not looked at"))

    assert not [note for note in outcome.policy.notes if "delivered" in note.why]


def test_workers_beside_another_program_keep_their_share():
    """It takes three of four cores for a while: four workers get more of the rest than one.

    Whether the caller goes on alone for 0.2 s meanwhile, while that is no less, is chance.
    """
    costs_s = (2e-3,) * 6000
    busy = Neighbour(from_s=0.1, to_s=0.6, n_cores=3.0)
    world = World(costs_s=costs_s, n_cores=4, neighbours=(busy,), thread_reason="not looked at")

    outcomes = [play(replace(world, seed=seed)) for seed in range(5)]

    assert {outcome.policy.limits.n_most for outcome in outcomes} == {None}
    makespan_s = median(outcome.makespan_s for outcome in outcomes)
    assert makespan_s < 1.04 * (sum(costs_s) + 0.5 * 3) / 4


def test_starving_workers_are_told_once():
    """A hidden quota of one core of two: explain() says so in one line, and they go on."""
    world = World(costs_s=(2e-3,) * 3000, n_cores=2, quota_cores=1.0, thread_reason="not looked at")

    told = [note.why for note in play(world).policy.notes]

    assert sum("they wait for cores" in why for why in told) == 1


def test_a_long_first_item_is_no_reason_against_workers():
    """Only one that imports, or a fresh worker's own first item, shows that each has to warm up."""
    costs_s = (0.3, *((0.02,) * 200))
    world = World(
        costs_s=costs_s, n_cores=4, is_forked=False, ready_s=0.05, thread_reason="not looked at"
    )

    assert play(world).makespan_s < 0.55 * sum(costs_s)


def test_workers_that_each_warm_up_are_tried_two_at_a_time():
    """Cold workers that all warm up against each other were 5.6 times the loop."""
    world = World(
        costs_s=(0.01,) * 21,
        n_cores=64,
        warmup_s=0.23,
        slowdown=Bandwidth(2.4),
        is_forked=False,
        ready_s=0.05,
        thread_reason="not looked at",
    )

    assert play(world).makespan_s < 1.05 * play(world, Serial()).makespan_s


def test_items_that_keep_getting_costlier_do_so_for_no_pool():
    """A trend in the data is no crowding: with fewer workers it would go on."""
    world = simulate.world("trend up", 256, 25_000)

    outcome = play(world)

    assert limit_of(outcome) is None
    assert outcome.makespan_s < 1.5 * simulate.oracle(world).makespan_s


def test_items_that_get_costlier_with_the_workers_left_have_them_counted_anew():
    """Other items may crowd each other less; these do so as much, and are limited again."""
    costs_s = (*STEADY[:1500], *(3 * cost_s for cost_s in STEADY[:1500]))
    slowdown = Thrashing(4, speed=0.3)

    outcome = play(
        World(costs_s=costs_s, n_cores=8, slowdown=slowdown, thread_reason="not looked at")
    )

    assert "n_jobs counted anew" in [note.what for note in outcome.policy.notes]
    assert limit_of(outcome) == 4
    assert outcome.makespan_s < 1.1 * sum(costs_s) / 4


@pytest.mark.parametrize(("name", "n_cores"), [("memory for half", 32), ("retrograde", 256)])
def test_a_pool_that_was_found_too_large_stays_so(name, n_cores):
    """The workers that are parked still slow the others down until their last chunks end."""
    for seed in (25_000, 25_001):
        outcome = play(simulate.world(name, n_cores, seed))

        assert limit_of(outcome) is not None
        assert "n_jobs counted anew" not in [note.what for note in outcome.policy.notes]


def test_a_long_first_item_is_no_bet_on_many_cold_workers():
    """It may have been a warm-up: until a second one is known, 3 % of its time and 4 ms may go."""
    world = World(
        costs_s=(10e-6,) * 15_000,
        n_cores=64,
        warmup_s=0.08,
        is_forked=False,
        start_s=1e-3,
        ready_s=0.1,
        thread_reason="not looked at",
    )

    outcome = play(world)

    assert sum(outcome.n_started.values()) <= 8
    assert outcome.makespan_s < 1.08 * play(world, Serial()).makespan_s


def test_few_long_items_get_a_worker_each_where_there_are_cores():
    """A caller inside a long item cannot fork: with many cores it looks at first items first."""
    world = World(costs_s=(0.5,) * 30, n_cores=64, thread_reason="not looked at")

    assert play(world).makespan_s < 1.1 * 0.5


def test_a_worker_more_is_started_while_the_others_stay_busy():
    """What is handed out is not left, but the last of 128 workers still finds something to do."""
    outcome = play(World(costs_s=(6e-3,) * 3000, n_cores=128, thread_reason="not looked at"))

    assert sum(outcome.n_started.values()) > 120


def test_few_trivial_items_are_not_given_a_worker_each():
    """The first workers' reports come before more are started."""
    world = World(costs_s=(20e-6,) * 200, n_cores=64, thread_reason="not looked at")

    assert sum(play(world).n_started.values()) <= 16

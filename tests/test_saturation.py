"""Too many workers: seen in what items cost, tested once, and parked."""

import pytest

from amorsize import simulate
from amorsize.simulate import Bandwidth, Neighbour, Serial, Thrashing, World, play

STEADY = tuple(5e-3 + 1e-3 * (i % 7) / 7 for i in range(3000))


def limit_of(outcome):
    return outcome.policy.saturation.n_enough


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
    """It takes three of four cores for a while: four workers get more of the rest than one."""
    costs_s = (2e-3,) * 6000
    busy = Neighbour(from_s=0.1, to_s=0.6, n_cores=3.0)
    world = World(costs_s=costs_s, n_cores=4, neighbours=(busy,), thread_reason="not looked at")

    outcome = play(world)

    assert outcome.policy.n_limit is None
    assert outcome.makespan_s < 1.04 * (sum(costs_s) + 0.5 * 3) / 4


def test_starving_workers_are_told_once():
    """A hidden quota of one core of two: explain() says so in one line, and they go on."""
    world = World(costs_s=(2e-3,) * 3000, n_cores=2, quota_cores=1.0, thread_reason="not looked at")

    told = [note.why for note in play(world).policy.notes]

    assert sum("they wait for cores" in why for why in told) == 1

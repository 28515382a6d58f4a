"""Whether workers bring more than the caller alone would get done."""

import pytest

from amorsize.policy.events import Report
from amorsize.policy.evidence.speedup_over_loop import GAIN_REPORTS, Gain
from amorsize.simulate import World, play


def is_lost(*, cpu_s, run_delay_s=0.0, alone_share=1.0):
    """The verdict on reports every 10 ms, each of so much CPU time and waiting for a core."""
    gain, lost = Gain(), False
    for i in range(2 * GAIN_REPORTS):
        lost |= gain.is_lost(told(0, 0.01 * i, cpu_s, run_delay_s), alone_share, busy=[0])
    return lost


def told(worker, now_s, cpu_s, run_delay_s=0.0):
    """A report."""
    return Report(
        worker=worker,
        n_items=1,
        n_sent=1,
        wall_s=cpu_s + run_delay_s,
        cpu_s=cpu_s,
        run_delay_s=run_delay_s,
        pickle_s=0.0,
        now_s=now_s,
    )


def test_workers_that_do_less_than_the_caller_would_are_a_loss():
    """Half of what one core does in that time: the caller is kept busy sending."""
    assert is_lost(cpu_s=0.005)


def test_workers_that_do_more_are_none():
    """Twice what one core does."""
    assert not is_lost(cpu_s=0.02)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_other_programs_that_came_meanwhile_are_no_loss(share):
    """Two workers that get a small share of their cores do twice what the caller would get."""
    assert not is_lost(cpu_s=2 * share * 0.01, run_delay_s=2 * (1 - share) * 0.01)


def test_items_that_mostly_wait_are_held_to_what_they_compute():
    """A tenth of CPU time was all that the caller's own items had."""
    assert not is_lost(cpu_s=0.002, alone_share=0.1)


def test_a_worker_at_a_long_chunk_may_have_done_what_is_missing():
    """It tells of 0.4 s at the end, in which the other one alone did no more than the loop."""
    gain = Gain()
    lost = [gain.is_lost(told(1, 0.01 * i, 0.01), 1.0, busy=[0, 1]) for i in range(40)]
    lost.append(gain.is_lost(told(0, 0.4, 0.4), 1.0, busy=[1]))

    assert not any(lost)


def test_a_worker_with_nothing_to_do_has_done_nothing():
    """The same reports, while the other one waits for the caller to send."""
    gain = Gain()

    assert any(gain.is_lost(told(1, 0.01 * i, 0.01), 1.0, busy=[1]) for i in range(40))


def test_uneven_items_are_no_reason_to_go_on_alone():
    """One of 0.8 s among short ones: while it runs, the other of two workers reports alone."""
    costs_s = (*(5e-3,) * 100, 0.8, *(5e-3,) * 300)
    outcome = play(World(costs_s=costs_s, n_cores=2, thread_reason="not looked at"))

    assert not [note for note in outcome.policy.notes if "alone" in note.what]

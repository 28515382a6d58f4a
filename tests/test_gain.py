"""Whether workers bring more than the caller alone would get done."""

import pytest

from amorsize.policy.facts import Report
from amorsize.policy.gain import GAIN_REPORTS, Gain


def is_lost(*, cpu_s, starved_s=0.0, alone_share=1.0):
    """The verdict on reports every 10 ms, each of so much CPU time and waiting for a core."""
    gain, lost = Gain(), False
    for i in range(2 * GAIN_REPORTS):
        report = Report(
            worker=0,
            n_items=1,
            n_sent=1,
            wall_s=cpu_s + starved_s,
            cpu_s=cpu_s,
            starved_s=starved_s,
            pickle_s=0.0,
            now_s=0.01 * i,
        )
        lost |= gain.is_lost(report, alone_share)
    return lost


def test_workers_that_do_less_than_the_caller_would_are_a_loss():
    """Half of what one core does in that time: the caller is kept busy sending."""
    assert is_lost(cpu_s=0.005)


def test_workers_that_do_more_are_none():
    """Twice what one core does."""
    assert not is_lost(cpu_s=0.02)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_other_programs_that_came_meanwhile_are_no_loss(share):
    """Two workers that get a small share of their cores do twice what the caller would get."""
    assert not is_lost(cpu_s=2 * share * 0.01, starved_s=2 * (1 - share) * 0.01)


def test_items_that_mostly_wait_are_held_to_what_they_compute():
    """A tenth of CPU time was all that the caller's own items had."""
    assert not is_lost(cpu_s=0.002, alone_share=0.1)

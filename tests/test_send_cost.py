"""What workers' reports tell of the cost of sending an item."""

import time

import pytest

from amorsize._engine.costs import pickling_cost
from amorsize.policy.events import PicklingMeasured, Report
from amorsize.policy.evidence.send_cost import REPORT_S, WEIGHINGS, SendingCost

#: What the first report of a fork takes to pickle `None`, and what later ones take.
FRESH_S, LATER_S = 2.5 * REPORT_S, 0.3 * REPORT_S


def told(sending, *reports, inherits_items=True, is_remembered=False):
    """The pickling time of an item, after reports: is it of a fresh fork, of how much pickling."""
    for is_fresh_fork, pickle_s in reports:
        report = Report(
            worker=0,
            n_items=1,
            n_sent=1,
            wall_s=5e-3,
            cpu_s=5e-3,
            run_delay_s=0.0,
            pickle_s=pickle_s,
            now_s=0.0,
        )
        sending.add(
            report,
            inherits_items=inherits_items,
            is_remembered=is_remembered,
            is_fresh_fork=is_fresh_fork,
        )
    return sending.pickle_s


def test_what_a_fresh_fork_takes_is_not_for_its_item():
    """It was told as 60 us for a `None`: a page that is copied counts once in a worker."""
    fresh, later = [(True, FRESH_S)], [(False, LATER_S)]

    assert told(SendingCost(), *8 * fresh, *later) == 0.0
    assert told(SendingCost(), *fresh, *later, *8 * fresh, *later) == 0.0


def test_fresh_forks_count_as_long_as_nobody_else_has_reported():
    """Results that cost much to send show at once."""
    assert told(SendingCost(), (True, 10e-3)) == pytest.approx(10e-3 - REPORT_S)


def test_costly_results_are_weighed_by_later_reports():
    """And by the first few of these, whatever comes after."""
    costly = [(True, 9e-3), *WEIGHINGS * [(False, 2e-3 + REPORT_S)], (False, 1.0)]

    assert told(SendingCost(), *costly) == pytest.approx(2e-3)


def test_many_fresh_forks_make_no_item_costlier_than_remembered():
    """64 of them took 10 ms to pickle nothing."""
    sending = SendingCost()
    sending.pickling = PicklingMeasured(pickle_s=1e-6)

    assert told(sending, *64 * [(True, FRESH_S)], is_remembered=True) == 1e-6
    assert told(sending, *2 * [(False, 5e-3)], is_remembered=True) > 5e-3


def test_what_was_measured_here_is_left_where_items_travel():
    """A report shows half of what travels then."""
    sending = SendingCost()

    assert told(sending, (True, 1e-3), (False, 1e-3), inherits_items=False) is None


class Pickled:
    """An object whose pickling is interrupted, or computes, for so many seconds in turn."""

    waits_s, computes_s = [], 0.0

    def __reduce__(self):
        if self.waits_s:
            time.sleep(self.waits_s.pop())
        end_s = time.thread_time() + self.computes_s
        while time.thread_time() < end_s:
            pass
        return int, ()


def test_an_interruption_is_not_taken_for_what_pickling_takes(monkeypatch):
    """Another program had the core for 15 ms: so much a result was said to take."""
    monkeypatch.setattr(Pickled, "waits_s", [15e-3])

    assert pickling_cost.measure([Pickled()], []).pickle_s < 5e-3
    assert Pickled.waits_s == []


@pytest.mark.parametrize(("waits_s", "computes_s"), [(0.1, 0.0), (0.0, 10e-3)])
def test_what_takes_long_is_pickled_once(monkeypatch, waits_s, computes_s):
    monkeypatch.setattr(Pickled, "waits_s", 4 * [waits_s])
    monkeypatch.setattr(Pickled, "computes_s", computes_s)

    assert pickling_cost.measure([Pickled()], []).pickle_s > 5e-3
    assert len(Pickled.waits_s) == 3

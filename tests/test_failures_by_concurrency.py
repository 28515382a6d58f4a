"""Items that fail more often with others beside them: fewer at once, if that helps."""

import random
import threading
import time

import pytest

from amorsize import tuned_map
from amorsize._profiles.memory_store import last_trace
from amorsize.policy.events import Inlined, Report
from amorsize.policy.evidence.failures_by_concurrency import TRIAL_ITEMS, Failures


def report(n_items, n_failed, now_s=0.0):
    """A chunk's report, of an instant."""
    return Report(
        worker=0,
        n_items=n_items,
        n_sent=n_items,
        wall_s=0.0,
        cpu_s=0.0,
        pickle_s=0.0,
        now_s=now_s,
        n_failed=n_failed,
    )


def items_until_alarm(share, known_share, *, seed=0, n_most=20_000):
    """How many items it takes; None for never."""
    rng, failures = random.Random(seed), Failures(known_share)
    for n in range(n_most):
        if failures.together(report(1, int(rng.random() < share))) is not None:
            return n
    return None


@pytest.mark.parametrize(
    ("known_share", "share", "n_most"), [(0.0, 0.2, 60), (0.01, 0.5, 12), (0.1, 0.5, 40)]
)
def test_more_failures_are_noticed_soon(known_share, share, n_most):
    """Within so many items, in nine calls of ten."""
    found = [items_until_alarm(share, known_share, seed=seed) for seed in range(50)]

    assert sum(n is not None and n <= n_most for n in found) >= 45


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.4])
def test_as_many_failures_as_ever_are_no_alarm(share):
    """In twenty calls of two thousand items."""
    found = [items_until_alarm(share, share, seed=seed, n_most=2000) for seed in range(20)]

    assert found.count(None) >= 19


def test_what_fails_alone_fails_beside_others():
    """Nothing is known: the caller's own items say what is usual."""
    failures = Failures(None)
    event = Inlined(
        n_items=40,
        wall_s=1.0,
        cpu_s=1.0,
        process_cpu_s=1.0,
        now_s=1.0,
        n_pauses=0,
        n_failed=20,
    )
    failures.alone(event)

    assert failures.usual_share == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize(("share", "helps"), [(0.05, True), (0.5, False)])
def test_what_does_not_help_is_taken_back(share, helps):
    """And is not tried again: the failures come with the items."""
    failures = Failures(0.0)
    failures.begin(4, now_s=1.0)

    def told(now_s, share=0.5, *, is_shrinking=False):
        failed = (int(n < share * TRIAL_ITEMS) for n in range(TRIAL_ITEMS))
        reports = [report(1, one, now_s=now_s) for one in failed]
        return [failures.judge(one, is_shrinking=is_shrinking) for one in reports]

    assert set(told(0.5) + told(2.0)) == {None}  # begun before; as many at once as before
    assert failures.n_limit == 4
    assert set(told(2.0, is_shrinking=True)) == {None}  # others are at their last items
    *before, verdict = told(3.0, share)

    assert set(before) == {None}
    assert verdict is helps
    assert failures.n_limit == (4 if helps else None)
    assert failures.is_settled is not helps


class BusyError(Exception):
    """The service has too much to do."""


def service(n_most):
    """A function that asks a service, which refuses more than so many at once."""
    inside, lock = [0], threading.Lock()

    def ask(item):
        with lock:
            inside[0] += 1
            is_busy = inside[0] > n_most
        try:
            time.sleep(4e-3)
        finally:
            with lock:
                inside[0] -= 1
        if is_busy:
            raise BusyError(item)
        return item

    return ask


def test_a_service_that_refuses_is_asked_less():
    """Found out in the first call, and told. (All at once, four of five items would fail.)"""
    ask = service(20)
    results = tuned_map(ask, range(1500), return_exceptions=True, cache=False, thread_safe=True)

    assert all(one == n or isinstance(one, BusyError) for n, one in enumerate(results))
    trace = last_trace(ask)
    told = [one for one in trace.drifts if one.what == "failures"]
    assert told
    assert "at once" in told[0].answer
    assert sum(isinstance(one, BusyError) for one in results[-500:]) < 50

    again = tuned_map(ask, range(1500), return_exceptions=True, cache=False, thread_safe=True)
    assert sum(isinstance(one, BusyError) for one in again) < 500


def test_items_that_fail_for_themselves_are_left_alone():
    """Every third one, however many run: told, and as many run as before."""

    def ask(item):
        time.sleep(4e-3)
        if item > 100 and item % 3 == 0:
            raise ValueError(item)
        return item

    results = tuned_map(ask, range(1200), return_exceptions=True, cache=False)

    assert sum(isinstance(one, ValueError) for one in results) == len(range(102, 1200, 3))
    trace = last_trace(ask)
    [told] = [one for one in trace.drifts if one.what == "failures"]
    assert "as many fail" in told.answer
    assert trace.n_started["thread"] >= 16

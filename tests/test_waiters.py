"""How many waiting items are in flight at once, and where those run that compute as well."""

import pytest

from amorsize.policy import route
from amorsize.policy.facts import Host, Inlined, Job, Report, Weighed
from amorsize.policy.model import Estimates
from amorsize.policy.waiters import FIRST, MOST, Waiters


def serve(n_served, item_s=8e-3, n_items=4000):
    """Waiters before a service that answers `n_served` requests at a time; the others queue."""
    waiters, tried = Waiters(), []
    for _ in range(n_items):
        cost_s = item_s * max(1.0, waiters.n_wanted / n_served)
        if waiters.n_wanted not in tried:
            tried.append(waiters.n_wanted)
        report = Report(
            worker=0, n_items=1, n_sent=1, wall_s=cost_s, cpu_s=0.0, pickle_s=0.0, now_s=0.0
        )
        waiters.count(report, n_alive=waiters.n_wanted)
    return waiters, tried


def test_a_service_without_limit_gets_the_most_within_three_steps():
    """Nothing is felt, so four times as many come next, up to the cap."""
    waiters, tried = serve(n_served=10**6)

    assert tried == [FIRST, 4 * FIRST, MOST]
    assert waiters.n_wanted == MOST
    assert not waiters.settled


@pytest.mark.parametrize("n_served", [20, 48, 100])
def test_a_service_with_a_limit_gets_about_what_it_serves(n_served):
    """Those who would only queue are not kept waiting there."""
    waiters, _ = serve(n_served)

    assert waiters.settled
    assert 0.9 * n_served <= waiters.n_wanted <= 1.7 * n_served


def costs_of(wall_s, cpu_s, n=4):
    """Estimates of items that the caller ran alone."""
    costs = Estimates()
    for _ in range(n):
        costs.inlined(
            Inlined(
                n_items=1,
                wall_s=wall_s,
                cpu_s=cpu_s,
                process_cpu_s=cpu_s,
                now_s=0.0,
                n_pauses=2,
            ),
            alone=True,
        )
    assert costs.waits
    return costs


def where(costs, *, n_cores=2, has_gil=True, weighed=None, left_s=1.0, **job):
    """The route of items with such costs."""
    host, job = Host(n_cores=n_cores, has_gil=has_gil), Job(n_items=100, **job)
    return route.choose(host, job, costs, weighed=weighed, holds_gil=None, left_s=left_s)


def test_pure_waits_go_to_threads():
    """Nothing to be gained from processes."""
    assert where(costs_of(8e-3, 0.05e-3)).backend == "thread"


def test_waits_with_work_go_to_processes():
    """In threads one item computes at a time: two cores do twice as many in processes."""
    costs = costs_of(6e-3, 1.2e-3)

    assert where(costs).need == "weigh"
    assert where(costs, weighed=Weighed(pickle_s=1e-6)).backend == "process"


@pytest.mark.parametrize("n_cores", [16, 64])
def test_waits_with_a_little_work_go_to_processes_where_there_is_time_for_many(n_cores):
    """What 250 of them do at once is worth as many starts in a minute's work, not in a second's."""
    costs = costs_of(3e-3, 0.1e-3)

    assert where(costs, n_cores=n_cores, left_s=0.6).backend == "thread"
    assert where(costs, n_cores=n_cores, left_s=60.0).need == "weigh"


@pytest.mark.parametrize(
    "circumstances",
    [
        {"n_cores": 1},
        {"has_gil": False},
        {"process_reason": "no"},
        {"weighed": Weighed(pickle_s=None, reason="no")},
    ],
    ids=lambda one: next(iter(one)),
)
def test_waits_with_work_stay_in_threads_where_processes_bring_nothing(circumstances):
    """One core, no GIL, or nothing that could travel."""
    assert where(costs_of(6e-3, 1.2e-3), **circumstances).backend == "thread"

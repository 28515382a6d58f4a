"""The first chunks of a call that only workers run, and how many chunks crowded workers get."""

import pytest

from amorsize import simulate, tuned_map
from amorsize._engine.opening import Opening
from amorsize.policy.request import Request
from amorsize.policy.rules import dispatch
from amorsize.policy.tuner import Tuner
from amorsize.simulate import World

N_ITEMS = 640


def played(item_s=5e-3, backend="process", n_cores=8, **asked):
    """One call in virtual time that eight workers run."""
    world = World(costs_s=(item_s,) * N_ITEMS, n_cores=n_cores, jitter=0.0)
    request = Request(n_items=N_ITEMS, backend=backend, n_jobs=8, **asked)
    return simulate.play(world, Tuner(None, request))


def first_sizes(outcome):
    """Items of the first chunk of each worker."""
    first = {}
    for start, stop, worker in outcome.runs:
        first.setdefault(worker, stop - start)
    return {*first.values()}


def test_the_first_chunks_are_as_long_as_others_if_the_last_call_is_known():
    """64 chunks of one item each were a tenth of all chunks of a call of 2000 items."""
    assert 1 in first_sizes(played())
    known = first_sizes(played(item_s_before=5e-3))
    assert min(known) > 3
    assert max(known) <= N_ITEMS / 8 / 2


def test_items_that_cost_more_than_in_the_last_call_come_back_at_once():
    """However many were sent: the time of a chunk is planned by what its items were to cost."""
    right, wrong = (played(item_s_before=item_s).makespan_s for item_s in (5e-3, 5e-6))
    assert wrong < 1.05 * right


def test_a_first_item_in_a_thread_is_alone():
    """It tells whether items wait, before there are more threads."""
    assert 1 in first_sizes(played(backend="thread", item_s_before=5e-3))


def test_crowded_workers_get_fewer_chunks(monkeypatch):
    """Each takes a turn on a core that they share."""
    few = len(played(50e-6, n_cores=2, item_s_before=50e-6).chunks)
    monkeypatch.setattr(dispatch, "CROWDED", 1.0)
    assert few < len(played(50e-6, n_cores=2, item_s_before=50e-6).chunks)


def threads_wait(item_s):
    """The chunks of a call of waiting items that finds out how many of them to have at once."""
    world = World(costs_s=(item_s,) * 2000, n_cores=2, jitter=0.0, waits=True)
    return len(simulate.play(world, Tuner(None, Request(n_items=2000))).chunks)


def test_items_that_wait_in_threads_get_fewer_chunks(monkeypatch):
    """A chunk takes the thread's GIL as long as the caller's: they share one."""
    few = threads_wait(2e-3)
    monkeypatch.setattr(dispatch, "ONE_GIL", 1.0)
    assert few < threads_wait(2e-3)


@pytest.mark.parametrize(("item_s", "are_alone"), [(2e-3, False), (40e-3, True)])
def test_items_go_to_threads_one_by_one_only_while_the_caller_keeps_up(
    item_s, are_alone, monkeypatch
):
    """Single ones tell soonest how many to have at once; 36 of 2 ms would take the whole GIL."""
    n_chunks = threads_wait(item_s)
    monkeypatch.setattr(dispatch, "_can_be_served_singly", lambda *_: True)
    assert (n_chunks == threads_wait(item_s)) is are_alone


@pytest.mark.forks
def test_a_call_in_processes_knows_what_items_took_in_the_last_one(monkeypatch):
    """Of a call in the caller it knows, too; nothing where all is to be learned anew."""
    told, request = [], Opening.request

    def noted(self):
        told.append(request(self))
        return told[-1]

    monkeypatch.setattr(Opening, "request", noted)

    def double(x):
        return sum(range(20_000)) * 0 + 2 * x

    for options in ({}, {}, {"retune": True}):
        tuned_map(double, range(20), backend="process", n_jobs=2, **options)
    assert [one.item_s_before is None for one in told] == [True, False, True]
    assert told[1].item_s_before > 1e-5

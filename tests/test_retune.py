"""What was learned is doubted, corrected and told: real calls, read off their traces."""

import logging
import os
import signal
import time
from pathlib import Path

import pytest
from witness import MANY_CORES

from amorsize import autotune, cache, shutdown, tuned_map
from amorsize._profiles import memory_store
from amorsize._profiles.memory_store import last_trace
from amorsize.errors import AmorsizeWarning


def spin(cost_s):
    """Compute for so long."""
    until_s = time.thread_time() + cost_s
    while time.thread_time() < until_s:
        pass


def test_two_kinds_of_data_keep_two_profiles():
    """Alternating forty times: after each was seen once, hardly anything is learned anew.

    A host that is busy for a moment makes one call or another look dearer than the last.
    """

    def cost(text):
        spin(len(text) * 2e-7)

    small, large = ["x" * 100] * 60, ["x" * 20_000] * 6
    n_unknown = n_unfit = 0
    for turn in range(40):
        for data in (small, large):
            tuned_map(cost, data, cache=False)
            trace = last_trace(cost)
            n_unknown += turn > 0 and trace.known is None
            n_unfit += turn > 0 and trace.known_fits is False
            if turn >= 2 and trace.known is not None and trace.known.traits.item_s > 3e-3:
                assert data is large  # the other kind's profile is not asked
    assert n_unknown == 0
    assert n_unfit <= 4  # of 78
    kinds = {key[1] for key, _ in memory_store.memory().profiles() if key[0][0] is cost.__code__}
    assert kinds == {("str", 7), ("str", 15)}


def test_the_test_above_fails_with_one_profile_for_all(monkeypatch):
    """Without the size in the key, every second call finds the other's costs: it thrashes."""
    monkeypatch.setattr(memory_store, "kind_of", lambda item: (type(item).__name__, 0))

    def cost(text):
        spin(len(text) * 2e-7)

    misfits = 0
    for _ in range(5):
        for data in (["x" * 100] * 60, ["x" * 20_000] * 6):
            tuned_map(cost, data, cache=False)
            misfits += last_trace(cost).known_fits is False
    assert misfits >= 5


def test_a_changed_cost_is_put_aside_told_and_corrected(caplog):
    """The hook, the log, `.drift` and `explain()` tell of it; the next call fits again."""
    told, cost = [], [50e-6]

    @autotune(cache=False, on_retune=told.append)
    def work(_):
        spin(cost[0])

    work(range(200))
    cost[0] = 5e-3
    with caplog.at_level(logging.INFO, "amorsize"):
        work(range(10))

    [one] = told
    assert (one.what, one.is_retuned) == ("profile", True)
    assert one.factor > 10
    assert work.drift == (one,)
    assert abs(one.at_s - time.time()) < 60
    assert "learned anew" in str(work.explain())
    assert [record.getMessage() for record in caplog.records] == [f"work: {one}"]

    work(range(10))
    assert last_trace(work.one).known_fits is not False
    assert work.drift == (one,)


def test_a_hook_that_fails_costs_a_warning():
    """Results come first."""
    cost = [50e-6]

    @autotune(cache=False, on_retune=lambda drift: 1 / 0)
    def work(item):
        spin(cost[0])
        return item

    work(range(200))
    cost[0] = 5e-3
    with pytest.warns(AmorsizeWarning, match="on_retune= of work raised ZeroDivisionError"):
        assert work(range(10)) == list(range(10))


def test_without_drift_there_is_nothing_to_tell():
    """Nothing was called, or nothing has changed."""
    told = []

    @autotune(cache=False, on_retune=told.append)
    def work(_):
        spin(100e-6)

    assert work.drift == ()
    for _ in range(3):
        work(range(100))
    assert not [one for one in told if one.what != "throughput"]


CHANGES = """
import os, sys, time
from amorsize import autotune

@autotune
def work(_):
    cost_s = float(os.environ["COST_S"])
    until_s = time.thread_time() + cost_s
    while time.thread_time() < until_s:
        pass

work(range(int(sys.argv[1])))
print(len(work.drift), *(one.what for one in work.drift))
"""


def test_the_story_goes_on_in_the_next_process(run_script):
    """What one process noticed, the next one can tell."""
    run_script(CHANGES, "1600", environ={"COST_S": "0.0005"})
    noticed = run_script(CHANGES, "30", environ={"COST_S": "0.03"}).stdout.split()
    assert "profile" in noticed

    cache.close()
    [record] = [one for one in cache.entries() if one["name"].endswith("work")]
    assert "profile" in [one["what"] for one in record["drifts"]]


def test_a_closure_that_changes_is_tuned_once(run_script):
    """A thousand values of an integer: what the first has shown is the hint of all others."""
    script = """
import sys
from amorsize import tuned_map
from amorsize._profiles.memory_store import last_trace, memory
from amorsize._profiles import memory_store

def make(number):
    def work(item):
        total = 0
        for n in range(3000 + number % 7):
            total += n
        return total
    return work

traces = {}
for number in range(1000):
    work = make(number)
    tuned_map(work, range(4))
    trace = last_trace(work)  # of the last call that was more than the loop at once
    traces[id(trace)] = trace
tuned_map(make(0), range(3000))
memory_store.write()
from amorsize import cache
n_unknown = sum(trace.known is None for trace in traces.values())
print(n_unknown, len(cache.entries()))
"""
    n_unknown, n_records = map(int, run_script(script).stdout.split())
    assert n_unknown <= 1
    assert n_records <= 8


@pytest.mark.skipif(not MANY_CORES, reason="one usable core: there are no workers")
@pytest.mark.parametrize("dies", [True, False])
@pytest.mark.forks
def test_who_lost_a_worker_is_no_winner(dies):
    """A call in which a worker died says nothing of what serves best; else it says it."""
    shutdown()  # or it may be a worker that an earlier call has left
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    others = set(listing.read_text().split())  # such as what tracks the resources of the program
    died = []

    def end_a_worker(*_):
        """Kill one from the caller: an item that did would have to be the only one that does."""
        children = [one for one in listing.read_text().split() if one not in others]
        if children:
            os.kill(int(children[0]), signal.SIGKILL)
            died.append(children[0])
        else:
            signal.setitimer(signal.ITIMER_REAL, 10e-3)

    def work(item):
        spin(2e-3)
        return item

    before = signal.signal(signal.SIGALRM, end_a_worker)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1 if dies else 0.0)
        assert tuned_map(work, range(600), cache=False) == list(range(600))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)

    assert bool(died) == dies
    assert (memory_store.memory().profile(memory_store.key_of(work, 0)) is None) == dies

"""The GIL watcher: what it says of items, whoever looks and however long that takes."""

import os
import time
from types import SimpleNamespace

import pytest

from amorsize.crews import watcher
from amorsize.crews.watcher import GilWatcher
from amorsize.policy import route
from amorsize.policy.facts import Host, Job, Watched
from amorsize.policy.tuner import Tuner


class Queue:
    """A run queue in which nobody ever waits, and whose file takes its time to be read."""

    def __init__(self, clock, takes_s):
        self.clock, self.takes_s = clock, takes_s

    def waited_s(self):
        self.clock.now_s += self.takes_s
        return 0.0

    def close(self):
        pass


@pytest.mark.parametrize("takes_s", [0.0, 60e-3])
def test_waiting_for_the_gil_to_look_is_no_time_without_lateness(monkeypatch, takes_s):
    """It takes a system call to look; beside an item that computes, that one waits for the GIL."""
    clock = SimpleNamespace(now_s=0.0)
    timeless = SimpleNamespace(perf_counter=lambda: clock.now_s, sleep=time.sleep)
    monkeypatch.setattr(watcher, "time", timeless)
    monkeypatch.setattr(watcher, "NAP_S", 60.0)  # it never wakes: the item has the GIL
    monkeypatch.setattr(watcher._thread, "start_new_thread", lambda *_: None)
    looking = GilWatcher()
    looking._queue = Queue(clock, takes_s)
    clock.now_s = 10e-3

    seen = looking.look()

    assert seen.watched_s == pytest.approx(10e-3 + takes_s)
    assert seen.lag_share == pytest.approx(1.0)


def test_it_tells_computing_from_sleeping():
    """Real items, long enough for a verdict that nothing else on this machine can turn."""
    assert look_beside(lambda: sum(range(20_000))).lag_share > route.HOLDS_GIL_SHARE
    assert look_beside(lambda: time.sleep(2e-3)).lag_share < route.HOLDS_GIL_SHARE


def look_beside(item):
    looking = GilWatcher()
    until_s = time.perf_counter() + 0.1
    while time.perf_counter() < until_s:
        item()
    seen = looking.look()
    looking.stop()
    return seen


def test_a_look_that_a_fork_cut_short_decides_nothing():
    tuner = Tuner(Host(n_cores=16), Job(n_items=120))

    tuner.tell(Watched(lag_share=0.9, watched_s=3e-3, n_wakes=1))
    tuner.tell(Watched(lag_share=0.0, watched_s=0.1e-3, n_wakes=0))
    assert tuner.holds_gil is None

    tuner.tell(Watched(lag_share=0.95, watched_s=10e-3, n_wakes=2))
    assert tuner.holds_gil is True


def test_it_is_gone_when_it_has_been_stopped():
    """Python warns of a fork beside a thread, also beside one that is through."""
    before = set(os.listdir("/proc/self/task"))
    for _ in range(300):
        looking = GilWatcher()
        time.sleep(1e-3)
        looking.stop()
        assert set(os.listdir("/proc/self/task")) == before

"""The GIL watcher: what it says of items, whoever looks and however long that takes."""

import os
import time
from types import SimpleNamespace

import pytest

from amorsize._workers import gil_probe
from amorsize._workers.gil_probe import GilProbe
from amorsize.policy import worker_costs
from amorsize.policy.events import GilProbed
from amorsize.policy.evidence import gil
from amorsize.policy.request import Request
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
    monkeypatch.setattr(gil_probe, "time", timeless)
    monkeypatch.setattr(gil_probe, "perf_counter", timeless.perf_counter)
    # It never wakes: the item has the GIL.
    monkeypatch.setattr(gil_probe._thread, "start_new_thread", lambda *_: None)
    looking = GilProbe()
    looking._queue = Queue(clock, takes_s)
    clock.now_s = 10e-3

    seen = looking.read()

    assert seen.watched_s == pytest.approx(10e-3 + takes_s)
    assert seen.lag_share == pytest.approx(1.0)


class Host:
    """Time as it passes beside items that hold the GIL and let go of it now and then.

    Args:
        held_s: How long they hold it at a time.
        free_s: And how long not.
        run_delay_s: That this thread waits for a core, whenever it wakes.
    """

    def __init__(self, held_s, free_s, run_delay_s=0.0):
        self.held_s, self.free_s, self.run_delay_s = held_s, free_s, run_delay_s
        self.now_s = self.in_queue_s = 0.0

    def perf_counter(self):
        return self.now_s

    def waited_s(self):
        return self.in_queue_s

    def open(self):
        pass

    close = open

    def sleep(self, nap_s):
        if self.now_s > 30e-3:
            self.watching._stopping = True
            return
        self.now_s += nap_s + 60e-6 + self.run_delay_s
        self.in_queue_s += self.run_delay_s
        into_s = self.now_s % (self.held_s + self.free_s)
        self.now_s += max(0.0, self.held_s - into_s)  # until it is let go of


@pytest.mark.parametrize(
    ("host", "holds"),
    [
        (Host(held_s=5e-3, free_s=1e-6), True),
        (Host(held_s=1e-3, free_s=20e-6), True),  # a file read in each item of 1 ms
        (Host(held_s=0.3e-3, free_s=20e-6), True),
        (Host(held_s=0.5e-3, free_s=0.2e-3), True),
        (Host(held_s=0.2e-3, free_s=0.5e-3), False),
        (Host(held_s=10e-6, free_s=2e-3), False),
        (Host(held_s=10e-6, free_s=2e-3, run_delay_s=1e-3), False),
    ],
)
def test_a_moment_without_it_does_not_make_items_let_go_of_the_gil(monkeypatch, host, holds):
    """The share of time counts, however often and for how short a time they hold it."""
    monkeypatch.setattr(gil_probe, "time", host)
    monkeypatch.setattr(gil_probe, "perf_counter", host.perf_counter)
    monkeypatch.setattr(gil_probe, "RunQueue", lambda: host)
    monkeypatch.setattr(gil_probe._thread, "start_new_thread", lambda *_: None)
    host.watching = GilProbe()
    host.watching._watch()

    assert gil.verdict(host.watching.read()) is holds


def test_it_tells_computing_from_sleeping():
    """Real items, long enough for a verdict that nothing else on this machine can turn."""
    assert look_beside(lambda: sum(range(20_000))).lag_share > gil.HOLDS_GIL_SHARE
    assert look_beside(lambda: time.sleep(2e-3)).lag_share < gil.HOLDS_GIL_SHARE


def look_beside(item):
    looking = GilProbe()
    until_s = time.perf_counter() + 0.1
    while time.perf_counter() < until_s:
        item()
    seen = looking.read()
    looking.stop()
    return seen


def test_a_look_that_a_fork_cut_short_decides_nothing():
    tuner = Tuner(worker_costs.Host(n_cores=16), Request(n_items=120))

    tuner.tell(GilProbed(lag_share=0.9, watched_s=3e-3, n_wakes=1))
    tuner.tell(GilProbed(lag_share=0.0, watched_s=0.1e-3, n_wakes=0))
    assert tuner.gil.is_held is None

    tuner.tell(GilProbed(lag_share=0.95, watched_s=10e-3, n_wakes=2))
    assert tuner.gil.is_held is True


def test_it_is_gone_when_it_has_been_stopped():
    """Python warns of a fork beside a thread, also beside one that is through."""
    before = set(os.listdir("/proc/self/task"))
    for _ in range(300):
        looking = GilProbe()
        time.sleep(1e-3)
        looking.stop()
        assert set(os.listdir("/proc/self/task")) == before

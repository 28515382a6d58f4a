"""The end of a call tells which threads are still in code of the user's, and of no other."""

import threading

import pytest

from amorsize._workers import thread_pool
from amorsize._workers.protocol import Chunk, ChunkDone, Task, WorkerReady


@pytest.fixture
def end(monkeypatch):
    """What those wait for that are late; they are ended after the test."""
    monkeypatch.setattr(thread_pool, "GRACE_S", 0.05)
    end = threading.Event()
    yield end
    end.set()
    for thread in threading.enumerate():
        if thread.name.startswith("amorsize"):
            thread.join(10)


def started(**task):
    """A pool with one thread."""
    pool = thread_pool.ThreadPool(Task(**task))
    pool.start(0)
    return pool


def heard(pool, kind):
    """Wait for such an event."""
    for _ in range(100):
        if any(isinstance(event, kind) for event in pool.wait(0.1)):
            return
    raise AssertionError(f"no {kind.__name__}")


def run(pool, *items):
    pool.send(0, Chunk(start=0, stop=len(items), items=(items,)), time_budget_s=9, flush_s=9)


def test_a_thread_that_gets_its_core_after_the_call_is_in_no_item(end, monkeypatch):
    """Its items are done; on a busy host it has only to end."""
    monkeypatch.setattr(thread_pool.RunDelayClock, "close", lambda _: end.wait(4))
    pool = started(function=abs)
    heard(pool, WorkerReady)
    run(pool, -1, -2)
    heard(pool, ChunkDone)

    assert pool.close(at_once=False) == []


def test_a_thread_in_an_item_is_told_of(end):
    begun = threading.Event()
    pool = started(function=lambda _: (begun.set(), end.wait(9)))
    heard(pool, WorkerReady)
    run(pool, 0)
    begun.wait(9)

    assert pool.close(at_once=True) == ["amorsize-0"]


@pytest.mark.parametrize("hook", ["setup", "teardown"])
def test_a_thread_in_a_hook_is_told_of(end, hook):
    """It is the user's code that does not end."""
    begun = threading.Event()
    pool = started(function=abs, **{hook: lambda: (begun.set(), end.wait(9))})
    if hook == "teardown":
        heard(pool, WorkerReady)
        pool.retire(0)
    begun.wait(9)

    assert pool.close(at_once=False) == ["amorsize-0"]

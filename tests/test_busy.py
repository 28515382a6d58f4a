"""Cores that others keep busy: who waits for one does not wait as an item does that sleeps."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from witness import MANY_CORES

from amorsize import tuned_map
from amorsize._host import resources
from amorsize._profiles import memory_store
from amorsize._profiles.memory_store import last_trace
from amorsize._workers.run_delay import RunDelayClock
from amorsize.policy.profile import Profile

BUSY_S = 25  # the longest that a test keeps the cores busy
PER_CORE = 5  # others on each core: a thread that wants to compute gets a sixth of it
OTHER = f"""
import time
until_s = time.monotonic() + {BUSY_S}
print(flush=True)
while time.monotonic() < until_s: 0
"""

LEARNED_ALONE = Profile.of(  # of `compute`, while nobody else computed
    backend="process",
    n_jobs=2,
    chunksize=5,
    item_s=2.06e-3,
    item_cpu_s=2e-3,
    spread_log=0.05,
    pickle_s=1e-6,
    warmup_s=0.0,
    holds_gil=True,
    waits=False,
    n_items=1000,
    typical_s=2.06e-3,
    n_chunks=100,
    chunk_items=5.0,
)


@contextmanager
def busy_cores():
    """Every core has several others computing on it, for no longer than the claim needs.

    What pytest does with a claim that fails would take six times as long beside them.
    """
    command = [sys.executable, "-S", "-c", OTHER]
    n_others = PER_CORE * resources.usable_cpus().n_cores
    others = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(n_others)]
    for other in others:  # until it has begun
        other.stdout.readline()
    try:
        yield
    finally:
        for other in others:
            other.kill()
        for other in others:
            other.communicate()


def spin(cost_s):
    """Compute for so long."""
    until_s = time.thread_time() + cost_s
    while time.thread_time() < until_s:
        pass


def compute(_):
    """Compute, with a moment off the core, as a page of a file or a lock may cost."""
    spin(1e-3)
    time.sleep(1e-6)
    spin(1e-3)


def compute_longer(item):
    """Compute 6 ms, with such moments."""
    for _ in range(3):
        compute(item)


def wait(_):
    """Wait, and hardly compute."""
    time.sleep(4e-3)


def test_the_clock_tells_standing_back_from_sleeping():
    """A thread that computes beside five others does so most of the time, one that sleeps not."""
    clock = RunDelayClock()
    with busy_cores():
        before_s, began_s = clock(), time.perf_counter()
        spin(20e-3)
        run_delay_s, wall_s = clock() - before_s, time.perf_counter() - began_s
        before_s = clock()
        time.sleep(0.2)
        slept_s = clock() - before_s
    clock.close()

    assert run_delay_s + 20e-3 == pytest.approx(wall_s, rel=0.2, abs=10e-3)
    assert slept_s < 0.1


def test_the_clock_of_each_thread_is_its_own():
    """A stream may be read on from another thread than began it."""
    clock = RunDelayClock()
    clock()
    with ThreadPoolExecutor(1) as pool:
        theirs_s = pool.submit(clock).result()
    with open("/proc/thread-self/schedstat") as file:
        ours_s = int(file.read().split()[1]) * 1e-9

    assert theirs_s <= 0.05
    assert clock() >= ours_s
    clock.close()


def test_a_clock_that_items_have_closed_closes_nobody_elses_file(tmp_path):
    """Its number may be another file's by then, which is not ours to read or to close."""
    clock = RunDelayClock()
    clock()
    number = clock._queue._file
    os.close(number)
    (tmp_path / "theirs").write_text("no figures")
    with (tmp_path / "theirs").open() as theirs:
        assert theirs.fileno() == number
        assert clock() == 0.0
        clock._queue._file = number
        clock.close()
        assert theirs.read() == "no figures"


def test_items_that_are_kept_from_computing_do_not_wait():
    """In the caller: a sixth of a core, and now and then a pause, is no item that waits.

    Each is long enough to lose its core more than once: a turn on it is a few ms.
    """
    with busy_cores():
        tuned_map(compute_longer, range(30), cache=False)

    assert not last_trace(compute_longer).profile.traits.waits


def test_items_that_wait_still_do_on_busy_cores():
    """A sleeping item that gets its core back late has waited for what it waited for."""
    with busy_cores():
        tuned_map(wait, range(400), cache=False)

    trace = last_trace(wait)
    assert trace.profile.traits.waits
    assert trace.plan.backend != "serial"  # what they seem to compute may be worth processes


def test_waiting_items_are_known_again_on_busy_cores():
    """What was remembered is not put aside while the first items are too few to tell."""
    with busy_cores():
        for _ in range(2):
            tuned_map(wait, range(400), cache=False)

    trace = last_trace(wait)
    assert trace.known_fits
    assert trace.profile.traits.waits


@pytest.mark.skipif(not MANY_CORES, reason="one core: no workers")
@pytest.mark.parametrize("backend", ["process", "thread"])
def test_workers_that_are_kept_from_computing_do_not_wait(backend):
    """In workers: what they report says how long they had to stand back."""
    with busy_cores():
        tuned_map(compute, range(60), backend=backend, cache=False)

    assert not last_trace(compute).profile.traits.waits


@pytest.mark.skipif(not MANY_CORES, reason="one core: no workers")
def test_starved_items_are_not_told_to_have_become_waiting_ones():
    """Chunk after chunk with little CPU time, and the caller's own item as well: no such drift."""
    memory_store.memory().put(memory_store.key_of(compute, 0), LEARNED_ALONE)
    with busy_cores():
        tuned_map(compute, range(150), cache=False)

    trace = last_trace(compute)
    assert trace.known_fits
    assert "waiting" not in [one.what for one in trace.drifts]

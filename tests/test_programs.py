"""Items that run programs compute, though the threads that wait for them do not."""

import os
import subprocess
import time

import pytest

from amorsize import autotune
from amorsize._host import resources
from amorsize._profiles.memory_store import last_trace
from amorsize._workers import subprocess_time

BUSY = "i=0; while [ $i -lt 15000 ]; do i=$((i+1)); done"  # a few tens of milliseconds of one core


def by_run(number):
    subprocess.run(["sh", "-c", BUSY], check=True)
    return number


def by_system(number):
    return number + os.system(BUSY)


def by_spawn(number):
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", BUSY], {})
    return number + os.waitpid(pid, 0)[1]


def by_pipe(number):
    with os.popen(BUSY + "; echo $i") as told:
        return number + int(told.read()) - 15000


def that_waits(number):
    subprocess.run(["sleep", "0.05"], check=True)
    return number


@pytest.mark.cores
@pytest.mark.parametrize("function", [by_run, by_system, by_spawn, by_pipe])
def test_no_more_programs_run_at_once_than_there_are_cores(function):
    """Thirty-two of `ffmpeg` on two cores take thirty-two times the memory, and no less time."""
    assert autotune(function, thread_safe=True)(range(24)) == list(range(24))

    trace = last_trace(function)
    assert not trace.profile.traits.waits
    assert max(trace.n_started.values(), default=0) <= resources.usable_cpus().n_cores


def test_programs_that_wait_are_waited_for_by_many():
    """What counts is what they compute, next to nothing.

    On a busy host they may seem to wait for a part of their time only, since the system does not
    tell how long a program has waited for a core. There are as many workers then.
    """
    autotune(that_waits, thread_safe=True)(range(40))

    trace = last_trace(that_waits)
    traits = trace.profile.traits
    assert traits.waits or traits.item_cpu_s < 0.1 * traits.item_s
    assert sum(trace.n_started.values()) > resources.usable_cpus().n_cores


def test_in_worker_processes_they_compute_as_well():
    """Each of which knows its own."""
    autotune(by_system, backend="process", n_jobs=2)(range(6))

    trace = last_trace(by_system)
    assert sum(chunk.cpu_s for chunk in trace.chunks) > 0.05 * trace.work_s


@pytest.mark.forks
def test_workers_are_children_but_no_programs():
    """What their items computed they have told themselves."""

    def computes(number):
        until_s = time.thread_time() + 20e-3
        while time.thread_time() < until_s:
            pass

    before_s = subprocess_time.cpu_s()
    autotune(computes, backend="process", n_jobs=2)(range(8))

    assert subprocess_time.cpu_s() - before_s < 20e-3

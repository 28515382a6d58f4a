"""Workers are forked several in a row where more are about to be asked for."""

import os
import signal

import pool_items
import pytest
from test_pools import hear, of, send, start, through

from amorsize import tuned_map
from amorsize._workers.processes import fork_pool, forking, worker_handle
from amorsize._workers.processes.child_process import Child
from amorsize._workers.protocol import Task, WorkerLost
from amorsize.policy.events import HostInspected, Status
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.policy.worker_costs import Host

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")
N_WORKERS = 12


@pytest.fixture
def employ():
    """Make a pool of forks; it is closed at the end, and leaves no end of a pipe."""
    before, pools = set(worker_handle.open_ends), []

    def make(function=pool_items.double, **options):
        pool = fork_pool.ForkPool(Task(function, **options), n_workers=N_WORKERS)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close(at_once=True)
    assert worker_handle.open_ends == before


@pytest.fixture
def forks(monkeypatch):
    """How often this process was forked; from the number `fails_at` on, that fails."""

    class Forks:
        n, fails_at = 0, None

        def __call__(self):
            if self.n == self.fails_at:
                raise BlockingIOError("no process is left")
            self.n += 1
            return os.fork()

    counted = Forks()
    monkeypatch.setattr(forking, "_fork", counted)
    return counted


def n_forks_after_each_start(pool, forks):
    """Start all workers; how many forks there were after each start."""
    found = []
    pool.forks.n_expected = N_WORKERS
    for number in range(N_WORKERS):
        pool.start(number)
        found.append(forks.n)
    return found


def test_as_many_are_forked_in_a_row_as_there_are_already(employ, forks):
    """The first ones soon have work; later ones cost the caller less."""
    assert n_forks_after_each_start(employ(), forks) == [1, 2, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12]


def test_each_of_them_works(employ, forks):
    """Under the number that it was asked for by, with its own place in the shared memory."""
    pool = employ()
    pool.forks.n_expected = N_WORKERS
    start(pool, *range(N_WORKERS))
    for worker in range(N_WORKERS):
        send(pool, worker, [worker], first=worker)
    reports = through(pool, N_WORKERS)

    assert {one.worker: one.results for one in reports} == {n: [2 * n] for n in range(N_WORKERS)}
    assert len({pool.native_id(worker) for worker in range(N_WORKERS)}) == N_WORKERS
    assert pool.forks.free_slots == []


def test_one_is_forked_where_no_other_is_expected(employ, forks):
    """As in a pool of two, or for a worker in place of one that has died."""
    pool = employ()
    for number in range(3):
        pool.start(number)

    assert (forks.n, pool.is_next_there()) == (3, False)


def test_one_is_forked_at_a_time_with_setup(employ, forks):
    """It may ask for the number of its worker."""
    found = n_forks_after_each_start(employ(setup=pool_items.set_up), forks)

    assert found == [*range(1, N_WORKERS + 1)]


def children():
    """The ids of the children of this process that have not been reaped."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(map(int, file.read().split()))


@pytest.mark.parametrize("at_once", [True, False])
def test_those_never_asked_for_end_with_the_pool(employ, forks, at_once):
    """They are reaped, and their descriptors closed."""
    before, pool = children(), employ()
    pool.forks.n_expected = N_WORKERS
    for number in range(3):
        pool.start(number)
    assert (forks.n, len(children() - before)) == (4, 4)
    pool.close(at_once=at_once)

    assert children() == before


def test_those_never_asked_for_end_with_a_pool_that_is_dropped(employ, forks):
    """As after Ctrl-C."""
    before = children()
    pool = fork_pool.ForkPool(Task(pool_items.double), n_workers=N_WORKERS)
    pool.forks.n_expected = N_WORKERS
    for number in range(3):
        pool.start(number)
    del pool

    assert children() == before


def test_those_never_asked_for_wait_as_well(forks):
    """For the next call, beside those that have worked."""
    kept = []
    pool = fork_pool.ForkPool(Task(pool_items.double), n_workers=N_WORKERS, keep=kept.append)
    pool.forks.n_expected = N_WORKERS
    start(pool, 0, 1, 2)
    pool.close(at_once=False)
    try:
        assert kept == [pool]
        assert len(pool.resting) == forks.n == 4
        pool.reopen(Task(pool_items.double), kept.append)
        start(pool, 0, 1, 2, 3)
        send(pool, 3, [1])
        assert through(pool)[0].results == [2]
        assert forks.n == 4
    finally:
        pool.close(at_once=True)


def test_one_that_dies_before_it_is_asked_for_is_told_as_lost(employ, forks):
    """By its end, as one that dies idle."""
    pool = employ()
    pool.forks.n_expected = N_WORKERS
    for number in range(3):
        pool.start(number)
    os.kill(pool.forks.ahead[0].pid, signal.SIGKILL)
    pool.start(3)
    (lost,) = of(WorkerLost, hear(pool, lambda happened: of(WorkerLost, happened)))

    assert lost.worker == 3
    assert pool.forks.free_slots


def test_where_forking_fails_those_that_are_there_work(employ, forks):
    """The failure is told when one is asked for that is not there."""
    pool = employ()
    pool.forks.n_expected = N_WORKERS
    forks.fails_at = 3
    start(pool, 0, 1, 2)
    with pytest.raises(BlockingIOError):
        pool.start(3)
    send(pool, 2, [1])

    assert through(pool)[0].results == [2]
    assert len(pool.forks.free_slots) == N_WORKERS - 3


def test_where_no_descriptor_is_left_for_one_the_others_work(employ, forks, monkeypatch):
    """Its pipes are closed, and its place is free again."""
    pool, n_made = employ(), []

    def new_child(pid):
        n_made.append(pid)
        if len(n_made) == 3:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise OSError("no descriptor is left")
        return Child(pid)

    monkeypatch.setattr(forking, "Child", new_child)
    pool.forks.n_expected = N_WORKERS
    start(pool, 0, 1, 2)
    send(pool, 2, [1])

    assert through(pool)[0].results == [2]
    assert len(pool.forks.free_slots) == N_WORKERS - 3


def test_what_they_cost_is_shared_out(employ, forks):
    """The first of several does not seem dear, nor the others as if they cost nothing."""
    pool, paid_s = employ(), []
    pool.forks.n_expected = N_WORKERS
    for number in range(8):
        pool.start(number)
        paid_s.append(pool.forks.paid_before_s)

    assert paid_s[:2] == [0.0, 0.0]
    assert paid_s[2] < 0.0 < paid_s[3]
    assert sum(paid_s[4:8]) == pytest.approx(0.0)


def first_of(**asked):
    """What a call is likely to start at its beginning on 64 cores: as many in a row."""
    host = Host(n_cores=64)
    request = Request(n_items=1000, **asked)
    tuner = Tuner(None, request)
    tuner.tell(HostInspected(host=host, request=request))
    status = Status(now_s=0.0, n_left=1000, all_read=True, caller_busy=False)
    tuner.next(status)
    return tuner.n_to_start(status)


def test_as_many_are_expected_as_are_asked_for():
    """With `backend="process"` and a number of jobs; nothing is known before the backend is."""
    assert first_of(backend="process", n_jobs=20) == 20
    assert first_of(backend="thread", n_jobs=20) == 0
    assert first_of() == 0


@pytest.mark.forks
def test_a_call_forks_several_in_a_row(forks):
    """And gives the results of the loop."""
    found = tuned_map(pool_items.slow_double, range(40), backend="process", n_jobs=8)

    assert found == [2 * number for number in range(40)]
    assert forks.n == 8

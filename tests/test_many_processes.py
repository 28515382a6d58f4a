"""An engine that names its processes: which chunk goes to which, and at what price."""

import collections
import sys

import pytest

from amorsize._clusters.protocol import Process
from amorsize._workers.executors import worker as worker_side
from amorsize._workers.executors.pool import ExecutorPool
from amorsize._workers.executors.worker import RAN
from amorsize._workers.messages import serialization
from amorsize._workers.protocol import Chunk, ChunkDone, Task, WorkerLost
from amorsize._workers.tasks.payload import Payload


class Cluster:
    """Processes that answer when a test says so."""

    described = "the cluster"
    shares_memory, names_processes, tells_victims = False, True, True
    submit_s = lag_s = 1e-3
    way_out, reference_types = "", frozenset()

    def __init__(self, *n_threads):
        self.names = tuple(
            Process(address=f"tcp://{number}", identity=f"{number}", n_threads=n)
            for number, n in enumerate(n_threads)
        )
        self.submitted = collections.deque()

    def processes(self):
        return self.names

    def submit(self, _function, arguments, *, process, done, **_key):
        self.submitted.append((arguments, process, done))
        return object()

    def answer(self):
        """Have the oldest chunk done."""
        (_, _, _, start, stop, *_), _, done = self.submitted.popleft()
        results = serialization.dumps([None] * (stop - start))
        done((RAN, stop - start, (1e-3, 1e-3, 0.0), 1e-5, results, None, False), None)

    def where(self):
        """The process that each submitted chunk is for, by number, the oldest first."""
        return [int(process.identity) for _, process, _ in self.submitted]

    def cancel(self, handle):
        pass

    def why_gone(self):
        return None

    def cpu_s(self):
        return 0.0

    def close(self):
        pass


class Call:
    """What a call does with a pool: a chunk of one item for a worker at a time."""

    def __init__(self, cluster, **task):
        function = Task(abs, **task)
        self.cluster, self.n_sent = cluster, 0
        self.pool = ExecutorPool(cluster, function, lambda: Payload(function, abs))

    def send(self, *workers):
        for worker in workers:
            chunk = Chunk(start=self.n_sent, stop=self.n_sent + 1, items=([1],))
            self.pool.send(worker, chunk, time_budget_s=1.0, flush_s=1.0)
            self.n_sent += 1

    def keep_busy(self, n_chunks):
        """Have chunks answered, each of which brings its worker the next."""
        n_done = 0
        while n_done < n_chunks:
            self.cluster.answer()
            done = [one for one in self.pool.wait(0.0) if isinstance(one, ChunkDone)]
            self.send(*(one.worker for one in done))
            n_done += len(done)


def calls_in(action):
    """How many functions were called, in C or in Python."""
    n_calls = 0

    def count(_frame, event, _argument):
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
    return n_calls


@pytest.mark.parametrize("single", [False, True])
def test_a_chunk_costs_no_more_with_many_workers(single):
    """Nobody looks through all chunks for each one that is sent or comes back."""

    def n_calls(n_workers):
        call = Call(Cluster(*[1] * n_workers), single=single)
        call.send(*range(n_workers), *range(n_workers))
        return calls_in(lambda: call.keep_busy(100))

    assert n_calls(200) <= 1.1 * n_calls(20)


def test_workers_are_shared_out_by_threads():
    """A process of three threads gets three times as many."""
    call = Call(Cluster(1, 3))

    call.send(*range(8))

    assert collections.Counter(call.cluster.where()) == {0: 2, 1: 6}


def test_a_chunk_waits_for_a_process_that_is_full():
    """The one that has waited for the longest goes when there is room, and nobody else."""
    call = Call(Cluster(1, 1), single=True)
    call.send(0, 1, 0, 1, 0)
    assert call.cluster.where() == [0, 1]

    call.cluster.answer()
    call.pool.wait(0.0)
    assert call.cluster.where() == [1, 0]
    call.cluster.answer()
    call.pool.wait(0.0)
    assert call.cluster.where() == [0, 1]
    assert [arguments[3] for arguments, _, _ in call.cluster.submitted] == [2, 3]


def test_chunks_wait_for_the_first_process():
    """They go as soon as there is one."""
    call = Call(Cluster())
    call.send(0, 1)
    assert call.cluster.where() == []

    call.cluster.names = Cluster(1).names
    call.pool.wait(0.0)

    assert call.cluster.where() == [0, 0]


def test_a_new_process_gets_its_share():
    """Of the chunks that wait as well."""
    call = Call(Cluster(1), single=True)
    call.send(0, 1, 2, 3)
    assert call.cluster.where() == [0]

    call.cluster.names = Cluster(1, 1).names
    call.pool.wait(0.0)

    assert call.cluster.where() == [0, 1]


def test_what_a_process_had_is_lost_with_it():
    """So is what waited for it: the worker of the call is told to be lost with all of it."""
    call = Call(Cluster(1, 1), single=True)
    call.send(0, 1, 0)

    call.cluster.names = call.cluster.names[1:]
    (lost,) = (one for one in call.pool.wait(0.0) if isinstance(one, WorkerLost))

    assert (lost.worker, lost.ranges, lost.each_alone) == (0, ((0, 1), (2, 3)), ((0, 1),))
    call.send(2)
    assert call.cluster.where() == [0, 1], "the lost one's process is not used again"


def test_whatever_ends_a_chunk_ends_its_turn(monkeypatch):
    """As Ray interrupts a task that is cancelled, at any moment: later chunks would hang."""

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(worker_side, "RunDelayClock", interrupted)
    loaded = worker_side.LoadedTask(Task(abs, one_chunk_at_a_time=True))
    with pytest.raises(KeyboardInterrupt):
        loaded.run([1], 0, 0, 1, 1.0, lambda _: True)

    assert not worker_side._turn.locked()

"""One contract for every pool: what it takes, what it tells, and what it leaves behind."""

import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pool_items
import pytest
from conftest import read

from amorsize import shutdown
from amorsize._clusters.plain import PlainAdapter
from amorsize._function import ownership
from amorsize._workers.executors.pool import ExecutorPool
from amorsize._workers.messages.serialization import Unpicklable
from amorsize._workers.processes import process_pool
from amorsize._workers.processes.fork_pool import ForkPool
from amorsize._workers.processes.spawn_pool import SpawnPool
from amorsize._workers.protocol import (
    Chunk,
    ChunkDone,
    SetupFailed,
    Task,
    Text,
    WorkerLost,
    WorkerReady,
)
from amorsize._workers.tasks.payload import Payload
from amorsize._workers.thread_pool import ThreadPool

KINDS = ("forked", "clean", "threads", "thread pool", "process pool")
OWN_PROCESSES = ("forked", "clean")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    """The kind of pool; the tests of each kind run together."""
    return request.param


@pytest.fixture(scope="module")
def executor(kind):
    """Two workers of somebody else's, started before the first test looks for its children."""
    if "pool" not in kind:
        yield None
        return
    made = (
        ThreadPoolExecutor(2)
        if kind == "thread pool"
        else ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    )
    with made as executor:
        list(executor.map(time.sleep, [0.1, 0.1]))
        yield executor


@pytest.fixture
def employ(kind, executor):
    """Make a pool that does something to each item; it is closed at the end."""
    pools = []

    def make(function, **options):
        task = Task(function, **options)

        def payload():
            return Payload(task, function)

        pool = {
            "forked": lambda: ForkPool(task, n_workers=4),
            "clean": lambda: SpawnPool(task, Payload(task, function)),
            "threads": lambda: ThreadPool(task),
            "thread pool": lambda: ExecutorPool(PlainAdapter(executor), task, payload),
            "process pool": lambda: ExecutorPool(PlainAdapter(executor), task, payload),
        }[kind]()
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close(at_once=True)


def has_half(handle):
    """Whether the first half of a large result has come from a worker."""
    return handle.reader._large is not None


def stop(pid, *, timeout_s=10.0):
    """Stop a process, without a look at its pool, which would have it go on."""
    os.kill(pid, signal.SIGSTOP)
    until_s = time.monotonic() + timeout_s
    while state_of(pid) != "T":
        assert time.monotonic() < until_s
        time.sleep(0.01)


def hear(pool, is_enough, *, timeout_s=10.0, every_s=0.2):
    """All that happens until it is enough; fails when that takes too long."""
    events, until_s = [], time.monotonic() + timeout_s
    while not is_enough(events):
        assert time.monotonic() < until_s, events
        events += pool.wait(every_s)
    return events


def of(kind_of_event, events):
    """The events of one kind."""
    return [one for one in events if isinstance(one, kind_of_event)]


def start(pool, *numbers):
    """Start workers and wait until they can take chunks."""
    for number in numbers:
        pool.start(number)
    hear(pool, lambda happened: len(of(WorkerReady, happened)) == len(numbers))


def send(pool, worker, items, *, first=0, time_budget_s=10.0, flush_s=10.0):
    """Send a chunk of items that begins at an index."""
    chunk = Chunk(start=first, stop=first + len(items), items=(items,))
    pool.send(worker, chunk, time_budget_s=time_budget_s, flush_s=flush_s)


def through(pool, n_chunks=1, **bound):
    """The reports up to the last one of so many chunks."""
    happened = hear(
        pool, lambda seen: sum(one.last for one in of(ChunkDone, seen)) == n_chunks, **bound
    )
    return of(ChunkDone, happened)


def run(pool, items, **how):
    """Run one chunk in worker 0: all its results, and the last report."""
    send(pool, 0, items, **how)
    reports = through(pool)
    return [result for one in reports for result in one.results], reports[-1]


class TestWork:
    """What every pool does with chunks."""

    def test_workers_say_when_they_are_ready(self, employ):
        pool = employ(pool_items.double)

        pool.start(7)
        pool.start(9)

        ready = hear(pool, lambda happened: len(happened) == 2)
        assert {one.worker for one in ready} == {7, 9}

    def test_results_come_in_order_with_what_they_took(self, employ):
        pool = employ(pool_items.slow_double)
        start(pool, 0)

        results, report = run(pool, range(40, 50), first=40)

        assert results == [2 * x for x in range(40, 50)]
        assert (report.worker, report.n_sent, report.back, report.error) == (0, 10, None, None)
        assert report.wall_s > 0.09
        assert report.cpu_s < report.wall_s

    def test_a_worker_runs_one_chunk_after_the_other(self, employ):
        pool = employ(pool_items.double)
        start(pool, 0)

        assert [run(pool, [x], first=x)[0] for x in range(20)] == [[2 * x] for x in range(20)]

    def test_two_workers_run_at_once(self, employ):
        pool = employ(pool_items.wait)
        start(pool, 0, 1)

        began_s = time.monotonic()
        send(pool, 0, [0.4])
        send(pool, 1, [0.4], first=1)
        through(pool, 2)

        assert time.monotonic() - began_s < 0.75

    def test_past_its_box_a_worker_hands_the_rest_back(self, employ):
        pool = employ(pool_items.slow_double)
        start(pool, 0)

        results, report = run(pool, range(50), time_budget_s=0.05)

        assert 1 <= len(results) < 50
        assert report.back == (len(results), 50)
        assert results == [2 * x for x in range(len(results))]

    def test_large_results_arrive_whole(self, employ):
        pool = employ(pool_items.megabyte)
        start(pool, 0, 1)

        send(pool, 0, range(4))
        send(pool, 1, range(4, 8), first=4)

        results = {one.start: one.results for one in through(pool, 2)}
        assert results == {
            0: [bytes([x]) * 10**6 for x in range(4)],
            **{4: [bytes([x]) * 10**6 for x in range(4, 8)]},
        }

    def test_closures_travel(self, employ):
        offset = 5
        pool = employ(lambda x: x + offset)
        start(pool, 0)

        assert run(pool, range(3))[0] == [5, 6, 7]

    def test_zipped_iterables_are_unpacked(self, employ):
        pool = employ(max, star=True)
        start(pool, 0)
        pool.send(0, Chunk(start=0, stop=2, items=([1, 5], [4, 2])), time_budget_s=1.0, flush_s=1.0)

        assert through(pool)[0].results == [4, 5]


class TestFailure:
    """Errors keep their index, and nobody else's results."""

    def test_an_error_ends_the_chunk_at_its_item(self, employ):
        pool = employ(pool_items.fail_at_3)
        start(pool, 0)

        results, report = run(pool, range(8))

        assert results == [0, 1, 2]
        assert report.start + len(report.results) == 3
        assert isinstance(report.error, ValueError)
        assert report.error.args == ("three",)

    def test_kept_errors_are_results(self, employ):
        pool = employ(pool_items.fail_at_3, keep_errors=True)
        start(pool, 0)

        results, report = run(pool, range(8))

        assert report.error is None
        assert [str(one) for one in results] == ["0", "1", "2", "three", "4", "5", "6", "7"]

    def test_a_setup_that_fails_is_told(self, employ, kind):
        pool = employ(pool_items.double, setup=pool_items.failing_set_up)
        pool.start(0)
        if "pool" in kind:  # its workers are set up by their first chunk
            hear(pool, bool)
            send(pool, 0, [1])

        (failed,) = of(SetupFailed, hear(pool, lambda seen: of(SetupFailed, seen)))

        assert str(failed.error) == "no model here"
        assert "setup=" in "".join(failed.error.__notes__)

    def test_nothing_above_a_stop_is_begun(self, employ, kind, tmp_path):
        if kind == "process pool":
            pytest.skip("a foreign process is not told; its box ends the chunk")
        pool = employ(pool_items.slow_double_noted)
        start(pool, 0)

        begun = tmp_path / "begun"
        send(pool, 0, [(begun, x) for x in range(200)])
        hear(pool, lambda _: begun.exists(), every_s=0.01)
        pool.stop_at(10)

        results = [result for one in through(pool) for result in one.results]
        assert len(results) < 50

    def test_results_that_cannot_travel_are_named(self, employ, kind):
        pool = employ(pool_items.not_sendable_at_1)
        start(pool, 0)

        results, report = run(pool, range(3))

        if "thread" in kind:
            assert not report.some_stayed
            return
        assert report.some_stayed
        assert (results[0], results[2]) == (0, 2)
        assert isinstance(results[1], Unpicklable)
        assert "item 1" in str(results[1].error)


class TestHooks:
    """Setup and teardown, once for each worker."""

    def test_setup_runs_before_the_first_item_and_once(self, employ):
        pool_items.HOOKS.clear()
        pool = employ(pool_items.hooks, setup=pool_items.set_up)
        start(pool, 0)

        results, _ = run(pool, range(3))
        later, _ = run(pool, range(3, 5), first=3)

        assert [len(found) for found in results + later] == [1] * 5

    def test_teardown_runs_at_the_end(self, employ, kind, tmp_path):
        if "pool" in kind:
            pytest.skip("refused: see test_futures")
        folder = tmp_path / "torn down"
        pool = employ(pool_items.double, teardown=partial(os.mkdir, folder))
        start(pool, 0)
        run(pool, range(3))

        assert not folder.exists()
        pool.close(at_once=False)
        assert folder.exists()


class TestOutput:
    """What items print is not lost."""

    def test_prints_reach_the_caller(self, employ, kind, capsys):
        if kind == "process pool":
            pytest.skip("its processes print where their owner lets them")
        pool = employ(pool_items.say)
        start(pool, 0)

        send(pool, 0, range(3))
        happened = hear(pool, lambda seen: any(one.last for one in of(ChunkDone, seen)))

        told = "".join(one.text for one in of(Text, happened))
        assert told + capsys.readouterr().out == "item 0\nitem 1\nitem 2\n"


class TestEnd:
    """A pool leaves nothing behind, however it ends."""

    def test_a_pool_closes_at_once_in_bounded_time(self, employ, kind, tmp_path):
        pool = employ(pool_items.wait_noted)
        start(pool, 0)
        begun = tmp_path / "begun"
        send(pool, 0, [(begun, 0.3 if "pool" in kind else 1.5)])
        hear(pool, lambda _: begun.exists(), every_s=0.01)

        began_s = time.monotonic()
        stuck = pool.close(at_once=True)

        assert time.monotonic() - began_s < 1.3
        assert len(stuck) == (kind == "threads")

    def test_no_descriptor_and_no_process_is_left(self, employ):
        for _ in range(2):  # what is loaded for ever is loaded in the first round
            before = descriptors()
            pool = employ(pool_items.double)
            start(pool, 0, 1)
            run(pool, range(3))
            pool.close(at_once=False)
            shutdown()

        assert descriptors() == before

    def test_a_pool_that_never_started_closes(self, employ):
        assert employ(pool_items.double).close(at_once=False) == []


def descriptors():
    """The descriptors of this process, with what they stand for."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the one that listed the others
    return found


def state_of(pid):
    """The state of a process: "T" when stopped, empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


class TestDeath:
    """A worker process that ends is seen at once, and its item named."""

    @pytest.fixture(autouse=True)
    def _own_processes_only(self, kind):
        if kind not in OWN_PROCESSES:
            pytest.skip("threads do not die, and foreign processes are another's to watch")

    def test_a_killed_worker_is_lost_with_its_items(self, employ):
        pool = employ(pool_items.killed_at_2)
        start(pool, 0)
        send(pool, 0, range(5))

        (lost,) = of(WorkerLost, hear(pool, lambda seen: of(WorkerLost, seen)))

        assert lost.worker == 0
        assert (
            lost.suspect_item <= 2 < lost.suspect_item + lost.n_suspects
        )  # noted a stride at a time
        assert "SIGKILL" in lost.how
        assert lost.ranges == ((0, 5),)

    def test_what_was_flushed_is_not_lost(self, employ):
        pool = employ(pool_items.killed_at_2, single=True)
        start(pool, 0)
        send(pool, 0, range(5), flush_s=0.0)

        happened = hear(pool, lambda seen: of(WorkerLost, seen))

        assert [result for one in of(ChunkDone, happened) for result in one.results] == [0, 1]
        (lost,) = of(WorkerLost, happened)
        assert (lost.suspect_item, lost.n_suspects, lost.ranges) == (2, 1, ((2, 5),))

    def test_a_death_is_seen_though_a_child_holds_the_pipe(self, employ, tmp_path):
        pool = employ(pool_items.killed_with_child)
        start(pool, 0)
        path = tmp_path / "child"
        send(pool, 0, [str(path)])

        hear(pool, lambda seen: of(WorkerLost, seen), timeout_s=2.0)

        os.kill(int(path.read_text()), signal.SIGKILL)

    def test_a_stopped_worker_does_not_block_the_others(self, employ):
        pool = employ(pool_items.megabyte)
        start(pool, 0, 1)
        pid = next(one.pid for one in pool._handles.values() if one.number == 0)
        os.kill(pid, signal.SIGSTOP)
        send(pool, 0, range(8))
        send(pool, 1, range(8), first=8)

        (report,) = through(pool, timeout_s=5.0)

        assert report.worker == 1
        assert len(report.results) == 8
        pool.kill(0)
        (lost,) = of(WorkerLost, hear(pool, lambda seen: of(WorkerLost, seen)))
        assert lost.ranges == ((0, 8),)

    def test_a_worker_may_be_killed_half_way_through_a_result(self, employ):
        pool = employ(pool_items.fifty_megabytes)
        start(pool, 0, 1)
        send(pool, 0, [1])
        handle = pool._handles[0]
        hear(pool, lambda _: has_half(handle))
        stop(handle.pid)
        assert has_half(handle)
        send(pool, 1, [2], first=1)

        os.kill(handle.pid, signal.SIGKILL)
        happened = hear(pool, lambda seen: of(WorkerLost, seen) and of(ChunkDone, seen))

        (lost,), (done,) = of(WorkerLost, happened), of(ChunkDone, happened)
        assert (lost.worker, lost.ranges, lost.suspect_item) == (0, ((0, 1),), 0)
        assert (done.worker, done.results) == (1, [bytes([2]) * 50_000_000])

    def test_a_worker_stopped_half_way_through_a_result_goes_on(self, employ):
        pool = employ(pool_items.fifty_megabytes)
        start(pool, 0)
        send(pool, 0, [1])
        handle = pool._handles[0]
        hear(pool, lambda _: has_half(handle))
        stop(handle.pid)
        assert has_half(handle)

        (done,) = through(pool, timeout_s=5.0)

        assert done.results == [bytes([1]) * 50_000_000]

    def half_sent(self, pool, items):
        """Stop a worker and send it more than its pipe takes: half of a frame is on its way."""
        start(pool, 0, 1)
        handle = pool._handles[0]
        stop(handle.pid)
        send(pool, 0, items)
        assert handle.writer._pending
        return handle

    def test_a_worker_may_be_killed_half_way_through_reading_a_chunk(self, employ):
        pool = employ(pool_items.length)
        handle = self.half_sent(pool, [bytes(50_000_000), b"next"])
        send(pool, 1, [b"meanwhile"], first=2)

        os.kill(handle.pid, signal.SIGKILL)
        happened = hear(pool, lambda seen: of(WorkerLost, seen) and of(ChunkDone, seen))

        (lost,), (done,) = of(WorkerLost, happened), of(ChunkDone, happened)
        assert (lost.worker, lost.ranges, lost.suspect_item) == (0, ((0, 2),), None)
        assert (done.worker, done.results) == (1, [9])

    def test_a_worker_stopped_half_way_through_reading_a_chunk_goes_on(self, employ):
        pool = employ(pool_items.length)
        self.half_sent(pool, [bytes(50_000_000), b"next"])

        (done,) = through(pool, timeout_s=5.0)

        assert (done.worker, done.results) == (0, [50_000_000, 4])

    def test_a_worker_may_be_killed_before_it_is_ready(self, employ):
        pool = employ(pool_items.double, setup=partial(time.sleep, 30))
        pool.start(0)
        os.kill(pool._handles[0].pid, signal.SIGKILL)

        (lost,) = of(WorkerLost, hear(pool, lambda seen: of(WorkerLost, seen)))

        assert (lost.ranges, lost.suspect_item) == ((), None)

    def test_an_idle_worker_that_is_killed_costs_nothing(self, employ):
        pool = employ(pool_items.double)
        start(pool, 0, 1)
        assert run(pool, [4])[0] == [8]
        os.kill(pool._handles[0].pid, signal.SIGKILL)

        (lost,) = of(WorkerLost, hear(pool, lambda seen: of(WorkerLost, seen)))

        assert (lost.ranges, lost.suspect_item) == ((), None)
        send(pool, 1, [5])
        assert through(pool)[0].results == [10]

    def test_one_that_is_sent_home_is_not_lost(self, employ):
        pool = employ(pool_items.double)
        start(pool, 0, 1)
        handle = pool._handles[0]

        pool.retire(0)

        happened = hear(pool, lambda _: handle.ended, timeout_s=5.0)
        assert happened == []
        send(pool, 1, [5])
        assert through(pool)[0].results == [10]

    def test_a_worker_that_stays_stopped_is_lost(self, employ, monkeypatch):
        monkeypatch.setattr(process_pool, "SIGCONT", 0)  # as where it is stopped again and again
        pool = employ(pool_items.slow_double)
        start(pool, 0)
        handle = pool._handles[0]
        os.kill(handle.pid, signal.SIGSTOP)
        send(pool, 0, range(5))

        (lost,) = of(WorkerLost, hear(pool, lambda seen: of(WorkerLost, seen)))

        assert lost.ranges == ((0, 5),)
        assert "SIGKILL" in lost.how

    def test_a_worker_ends_with_its_caller_though_it_computes(self, employ, tmp_path):
        path = tmp_path / "pid"
        caller = os.fork()
        if not caller:
            try:
                pool = employ(pool_items.spin_for_ever)
                pool.start(0)
                send(pool, 0, [str(path)])
                hear(pool, lambda _: path.exists() and path.read_text())
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(caller, 0)
        pid = int(path.read_text())

        until_s = time.monotonic() + 2.0
        while state_of(pid) not in ("", "Z"):
            assert time.monotonic() < until_s, "it computes on"
            time.sleep(0.01)

    def test_another_worker_takes_the_place_of_a_lost_one(self, employ):
        pool = employ(pool_items.killed_at_2)
        start(pool, 0)
        send(pool, 0, [2])
        hear(pool, lambda seen: of(WorkerLost, seen))

        start(pool, 1)
        send(pool, 1, [5])

        assert through(pool)[0].results == [5]

    def test_the_item_a_worker_is_in_is_known(self, employ):
        pool = employ(pool_items.wait)
        start(pool, 0)
        assert pool.begun(0) is None

        before_s = time.perf_counter()
        send(pool, 0, [0.0, 0.5], first=10, flush_s=10.0)
        hear(pool, lambda _: (pool.begun(0) or (0,))[0] == 11, every_s=0.01)

        assert before_s < pool.begun(0)[1] < time.perf_counter()
        assert read(Path(f"/proc/{pool.native_id(0)}/schedstat")).count(" ") == 2


def test_the_items_of_these_tests_can_be_imported_by_a_worker():
    """They are the project's own code, so that what they reach is looked into."""
    assert ownership.is_own_module("pool_items")
    assert Path(pool_items.__file__).parent == Path(__file__).parent


def test_a_thread_that_cannot_run_a_chunk_says_so():
    """Its caller would wait for it for ever: here for a chunk without any items."""
    pool = ThreadPool(Task(pool_items.double))
    try:
        start(pool, 0)
        pool.send(0, Chunk(start=0, stop=1), time_budget_s=10.0, flush_s=10.0)

        (failed,) = of(SetupFailed, hear(pool, lambda seen: of(SetupFailed, seen)))

        assert isinstance(failed.error, AssertionError)
    finally:
        pool.close(at_once=True)

"""Executors of somebody else's: used as they are, never shut down, their troubles told clearly."""

import gc
import os
import pickle
import sys
import threading
import time
import weakref
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import clean_items
import pool_items
import pytest

from amorsize import autotune, cache, tuned_map
from amorsize._clusters import buffers
from amorsize._clusters.plain import PlainAdapter
from amorsize._engine.costs import submission_costs
from amorsize._engine.costs.submission_costs import SubmissionCosts
from amorsize._workers.executors.pool import ExecutorPool
from amorsize._workers.messages import serialization
from amorsize._workers.messages.packing import dumps_apart
from amorsize._workers.protocol import Chunk, ChunkDone, Task, WorkerLost
from amorsize._workers.tasks.payload import Payload
from amorsize.errors import (
    AmorsizeWarning,
    InvalidOptionError,
    MissingExtraError,
    SerializationError,
    WorkerDied,
    WorkersUnavailable,
    WrongTypeError,
)


@pytest.fixture(scope="module")
def processes():
    """Two foreign processes."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        list(executor.map(time.sleep, [0.1, 0.1]))
        yield executor


@pytest.fixture
def threads():
    """Three foreign threads."""
    with ThreadPoolExecutor(3) as executor:
        yield executor


class AtOnce(Executor):
    """An executor that nobody knows: it runs what it gets when it gets it."""

    def __init__(self):
        self.n_submitted = 0

    def submit(self, fn, /, *args, **kwargs):
        self.n_submitted += 1
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class TestMap:
    """A whole call through an executor."""

    def test_threads_of_an_executor_run_every_item(self, threads):
        pids_and_threads = tuned_map(pool_items.where, range(50), executor=threads)

        assert {pid for pid, _ in pids_and_threads} == {os.getpid()}
        assert threading.get_ident() not in {thread for _, thread in pids_and_threads}

    def test_processes_of_an_executor_run_every_item(self, processes):
        pids = tuned_map(clean_items.pid, range(50), executor=processes)

        assert os.getpid() not in pids
        assert set(pids) <= set(processes._processes)

    def test_an_executor_is_left_as_it_was(self, processes, threads):
        for executor in (processes, threads):
            for k in range(2):
                assert tuned_map(pool_items.double, range(k, 9), executor=executor) == [
                    2 * x for x in range(k, 9)
                ]
            assert executor.submit(abs, -1).result() == 1

    def test_any_executor_will_do(self):
        executor = AtOnce()
        offset = 3

        assert tuned_map(lambda x: x + offset, range(9), executor=executor) == list(range(3, 12))
        assert executor.n_submitted

    def test_closures_and_changed_globals_travel(self, processes, monkeypatch):
        offset = 3
        assert tuned_map(lambda x: x + offset, range(5), executor=processes) == list(range(3, 8))
        assert tuned_map(clean_items.scaled, range(3), executor=processes) == [0, 1, 2]
        monkeypatch.setattr(clean_items, "SCALE", 10)
        monkeypatch.setitem(clean_items.TABLE, "offset", 1)
        assert tuned_map(clean_items.scaled, range(3), executor=processes) == [1, 11, 21]

    def test_large_tasks_are_sent_where_they_are_missing(self, processes):
        table = os.urandom(200_000)

        assert tuned_map(lambda x: table[x], range(300), executor=processes) == list(table[:300])

    def test_an_error_names_its_item(self, processes, threads):
        for executor in (processes, threads):
            with pytest.raises(ValueError, match="three") as raised:
                tuned_map(pool_items.fail_at_3, range(8), executor=executor)
            assert any("item 3" in note for note in raised.value.__notes__)

    def test_seeded_items_draw_the_same_everywhere(self, processes, threads):
        import random

        def draw(_):
            return random.random()

        in_threads, in_processes, in_a_loop = (
            tuned_map(draw, range(20), seed=5, **where)
            for where in (
                {"executor": threads},
                {"executor": processes},
                {"backend": "serial"},
            )
        )
        assert in_threads == in_processes == in_a_loop

    def test_a_result_that_cannot_be_sent_is_named(self, processes):
        with pytest.raises(SerializationError, match="item 1"):
            tuned_map(pool_items.not_sendable_at_1, range(3), executor=processes)


class TestRefusal:
    """What no foreign executor can keep is refused, and its troubles are told."""

    @pytest.mark.parametrize(
        "option", [{"timeout": 5}, {"teardown": print}, {"max_worker_memory": "1 GB"}]
    )
    def test_what_the_engine_of_the_environment_cannot_keep_is_refused(self, option, monkeypatch):
        monkeypatch.setenv("AMORSIZE_BACKEND", "dask")

        with pytest.raises(InvalidOptionError, match="cannot be kept with backend='dask'"):
            tuned_map(abs, range(9), **option)

    @pytest.mark.parametrize(
        ("asked", "module", "extra"),
        [
            ({"backend": "dask"}, "distributed", "dask"),
            ({"executor": "tcp://127.0.0.1:9"}, "distributed", "dask"),
            ({"backend": "ray"}, "ray", "ray"),
            ({"executor": "ray://127.0.0.1:9"}, "ray", "ray"),
        ],
    )
    def test_an_engine_that_is_not_installed_is_told_with_what_installs_it(
        self, asked, module, extra, monkeypatch
    ):
        monkeypatch.setitem(sys.modules, module, None)

        with pytest.raises(MissingExtraError, match=rf"pip install 'amorsize\[{extra}\]'"):
            tuned_map(abs, range(9), **asked)

    def test_a_text_that_is_no_address_is_refused(self):
        with pytest.raises(WrongTypeError, match=r"a Dask client, cluster or address"):
            autotune(abs, executor="10.0.0.1:8786")

    def test_an_executor_that_is_shut_down_says_so(self, threads):
        threads.shutdown()

        with pytest.raises(WorkersUnavailable, match=r"ThreadPoolExecutor\) takes no work"):
            tuned_map(abs, range(9), executor=threads)

    @pytest.mark.parametrize("n_workers", [1, 2])
    def test_a_call_in_all_threads_of_its_executor_is_a_loop(self, n_workers):
        """Its items would wait for the thread that waits for them."""
        with ThreadPoolExecutor(n_workers) as executor:
            calls = [
                executor.submit(tuned_map, abs, range(-9, start), executor=executor)
                for start in range(n_workers)
            ]

            for start, call in enumerate(calls):
                assert call.result(timeout=20) == [abs(one) for one in range(-9, start)]

    def test_a_call_in_a_thread_of_another_executor_uses_the_one_it_was_given(self, threads):
        names = set()

        def name(_):
            time.sleep(1e-3)
            names.add(threading.current_thread().name)

        with ThreadPoolExecutor(1, "other") as other:
            other.submit(tuned_map, name, range(30), executor=threads).result(timeout=20)

        assert not any(one.startswith("other") for one in names)

    def test_a_broken_executor_is_told_with_the_items_in_its_hands(self):
        executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

        with executor, pytest.raises(WorkerDied, match="items 0 to 4"):
            tuned_map(pool_items.killed_at_2, range(5), executor=executor, chunksize=5)

    def test_one_that_can_be_replaced_is_lost_and_replaced(self):
        task = Task(pool_items.killed_at_2)
        made = []

        def make():
            made.append(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
            return made[-1]

        pool = ExecutorPool(
            PlainAdapter(make(), renew=make), task, lambda: Payload(task, task.function)
        )
        try:
            pool.start(0)
            found = pool.wait(1.0)
            pool.send(0, Chunk(start=2, stop=3, items=([2],)), time_budget_s=1.0, flush_s=1.0)
            while not any(isinstance(one, WorkerLost) for one in found):
                found += pool.wait(10.0)
            pool.send(0, Chunk(start=3, stop=5, items=([3, 4],)), time_budget_s=1.0, flush_s=1.0)
            while not any(isinstance(one, ChunkDone) for one in found):
                found += pool.wait(10.0)
        finally:
            pool.close(at_once=True)
            for executor in made:
                executor.shutdown()

        (lost,) = (one for one in found if isinstance(one, WorkerLost))
        assert (lost.worker, lost.suspect_item, lost.ranges) == (0, 2, ((2, 3),))
        assert found[-1].results == [3, 4]

    def test_a_cancelled_chunk_is_lost(self, threads):
        task = Task(pool_items.wait)
        pool = ExecutorPool(PlainAdapter(threads), task, lambda: Payload(task, task.function))
        for number in range(4):
            pool.start(number)
            chunk = Chunk(start=number, stop=number + 1, items=([0.3],))
            pool.send(number, chunk, time_budget_s=1.0, flush_s=1.0)

        pool.kill(3)  # three threads are busy with the others

        found = pool.wait(0.1)
        assert [one.worker for one in found if isinstance(one, WorkerLost)] == [3]
        pool.close(at_once=True)


def test_the_places_of_an_executor_are_counted(threads, processes):
    """One chunk per worker is what it can run at once."""
    for executor, n_workers in ((threads, 3), (processes, 2), (AtOnce(), None)):
        assert PlainAdapter(executor).n_workers(one_per_process=False) == n_workers


class Threads(Executor):
    """An executor whose workers are threads of one process, as those of a cluster may be."""

    def __init__(self):
        self.pool = ThreadPoolExecutor(4)
        self.futures = []

    def submit(self, fn, /, *args, **kwargs):
        future = self.pool.submit(fn, *args, **kwargs)
        self.futures.append(weakref.ref(future))
        return future


@pytest.fixture
def threads_of_others():
    """Four threads of which amorsize does not know that they are here."""
    executor = Threads()
    yield executor
    executor.pool.shutdown()


def test_items_that_may_not_share_a_process_take_turns_there(threads_of_others):
    """What one item stores in a global is not read by another beside it."""
    mapped = autotune(pool_items.stored_and_read, executor=threads_of_others, chunksize=1)

    with pytest.warns(AmorsizeWarning, match="changes global"):
        results = mapped(range(60))

    assert results == list(range(60))
    assert "one item at a time in each process" in str(mapped.explain())


def test_items_that_wait_may_share_a_process(threads_of_others):
    """Where reading finds nothing that threads would share, they run side by side."""
    mapped = autotune(pool_items.wait, executor=threads_of_others, n_jobs=4)

    mapped([0.01] * 40)

    assert "one item at a time" not in str(mapped.explain())


def test_results_are_let_go_of_once_they_are_read(threads_of_others):
    """A future that nobody needs any more is freed at once, not when a cycle is looked for."""
    gc.collect()
    gc.disable()
    try:
        tuned_map(pool_items.double, range(200), executor=threads_of_others, chunksize=2)
        assert [one for one in threads_of_others.futures if one() is not None] == []
    finally:
        gc.enable()


def test_threads_of_an_executor_are_called_threads(threads):
    """explain() names the workers as what they are."""
    mapped = autotune(pool_items.double, executor=threads)

    mapped(range(50))

    assert "threads" in next(text for what, text in mapped.explain().rows() if what == "chosen")
    assert "50 in threads" in str(mapped.explain())


def test_no_engine_is_loaded_for_an_executor(run_script):
    """Whoever holds a plain executor pays for no engine that happens to be installed."""
    script = """
import sys
from concurrent.futures import ThreadPoolExecutor
from amorsize import tuned_map

with ThreadPoolExecutor(2) as executor:
    tuned_map(abs, range(9), executor=executor)
print(*{"dask", "distributed", "ray", "mpi4py"} & set(sys.modules))
"""
    assert run_script(script).stdout.split() == []


def test_how_long_chunks_were_on_their_way_is_remembered(processes):
    """In this process and on disk, by what tells the engine from others.

    The items are long, so that a chunk is sent when the one before it is back: behind another one
    it tells nothing of its way.
    """
    submission_costs.forget()
    tuned_map(pool_items.wait, [0.2] * 16, executor=processes, chunksize=1)
    fingerprint = PlainAdapter(processes).fingerprint()
    guess = SubmissionCosts(lag_s=123.0, submit_s=45.0)
    known = submission_costs.known(fingerprint, guess, on_disk=False)
    assert 0.0 < known.lag_s <= 1.0
    assert 0.0 < known.submit_s <= 0.1

    submission_costs.forget()

    assert submission_costs.known(fingerprint, guess, on_disk=False) is guess
    assert submission_costs.known(fingerprint, guess, on_disk=True) == known


@pytest.mark.parametrize("name", ["lag_s", "submit_s"])
@pytest.mark.parametrize("value", [-1.0, 0.0, 1e9, float("nan"), "soon", None, True])
def test_a_damaged_record_of_an_engine_is_no_record(name, value):
    """What cannot be what a chunk costs is not believed."""
    submission_costs.forget()
    guess = SubmissionCosts(lag_s=0.005, submit_s=0.001)
    cache.note("engine:forged", {**guess.as_dict(), name: value})

    assert submission_costs.known("forged", guess, on_disk=True) is guess


def test_a_busy_machine_does_not_make_an_engine_costly():
    """Of costs that are usual, and now and then a hundred times as high, the usual ones count."""
    known = SubmissionCosts(lag_s=5e-3, submit_s=1e-3)

    for turn in range(100):
        factor = 100 if turn % 5 == 0 else 1
        known = known.moved(lag_s=4e-3 * factor, submit_s=2e-3 if turn % 2 else None)

    assert 4e-3 <= known.lag_s <= 30e-3
    assert 1e-3 < known.submit_s <= 2e-3


def test_what_an_item_costs_is_remembered_for_each_engine(processes):
    """The first chunks of a second call have their length at once; at home nothing is known."""
    mapped = autotune(pool_items.double, executor=processes)
    mapped(range(5000))
    first = mapped.explain().trace.chunks[0]

    mapped(range(5000))

    trace = mapped.explain().trace
    assert first.n_items == 1
    assert trace.known_from == "memory"
    assert min(one.n_items for one in trace.chunks[:2]) > 100
    assert trace.known_fits
    mapped.using(executor=None)(range(5))
    assert mapped.explain().trace.known is None


def test_large_bytes_are_not_copied_on_their_way_out():
    """They stay beside the pickle, in the memory that the item has."""
    large = bytes(2_000_000)
    columns = ([large, "small", large],)

    data, parts = dumps_apart(buffers.apart(columns))

    assert len(data) < 1000
    assert [part.obj for part in parts] == [large, large]
    assert serialization.loads(data, parts) == columns


def test_memory_that_an_engine_sends_survives_old_pickle_protocols():
    """Those of multiprocessing know no pieces beside a pickle."""
    sent = buffers.Buffer(memoryview(b"abc"), is_writable=True)

    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        received = pickle.loads(pickle.dumps(sent, protocol)).received()
        assert (type(received), received) == (bytearray, b"abc")

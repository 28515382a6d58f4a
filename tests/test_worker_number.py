"""`worker_number()`: ports, folders and GPUs that items need one each of are told apart by it."""

import os
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from amorsize import autotune, tuned_map, worker_number
from amorsize._workers.worker_numbers import Numbered, WorkerNumbers


def where(_):
    time.sleep(2e-3)
    return worker_number(), os.getpid(), threading.get_ident()


def numbers_by_place(found):
    by_place = {}
    for number, *place in found:
        by_place.setdefault(tuple(place), set()).add(number)
    return by_place


@pytest.mark.parametrize("backend", ["process", "thread"])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_each_worker_has_a_number_of_its_own(backend, n_jobs):
    """From 0 on, as many as there are jobs."""
    by_place = numbers_by_place(tuned_map(where, range(60), backend=backend, n_jobs=n_jobs))
    numbers = [number for (number,) in by_place.values()]

    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(range(n_jobs))


def test_workers_from_a_clean_start_have_their_numbers(monkeypatch):
    """Also where they are kept warm and serve one call after the other."""
    monkeypatch.setattr("amorsize._host.resources.why_not_fork", lambda: "a test wants it so")
    for _ in range(2):
        by_place = numbers_by_place(tuned_map(where, range(60), backend="process", n_jobs=2))
        numbers = [number for (number,) in by_place.values()]

        assert len(numbers) == len(set(numbers))
        assert set(numbers) <= {0, 1}


def test_the_caller_is_0_where_it_runs_items():
    """And workers come after it."""
    found = tuned_map(where, range(60), n_jobs=3)
    here = {number for number, pid, thread in found if (pid, thread) == _here()}
    others = {number for number, pid, thread in found if (pid, thread) != _here()}

    assert here == {0}
    assert 0 not in others
    assert worker_number() == 0


def _here():
    return os.getpid(), threading.get_ident()


def note_number():
    global number_of_setup
    number_of_setup = worker_number()


def both_numbers(_):
    time.sleep(2e-3)
    return number_of_setup, worker_number()


@pytest.mark.parametrize("start", ["fork", "clean"])
def test_setup_knows_the_number_that_items_will_have(monkeypatch, start):
    """A worker chooses its GPU before its first item."""
    if start == "clean":
        monkeypatch.setattr("amorsize._host.resources.why_not_fork", lambda: "a test wants it so")
    found = tuned_map(both_numbers, range(60), backend="process", n_jobs=3, setup=note_number)

    assert all(of_setup == of_item for of_setup, of_item in found)


def die_once(path):
    if worker_number() == 1 and not os.path.exists(path):
        with open(path, "w"):
            pass
        os._exit(3)
    time.sleep(2e-3)
    return worker_number()


def test_who_takes_the_place_of_a_dead_worker_takes_its_number(tmp_path):
    """Numbers stay below the number of jobs, however many workers a call has used."""
    path = str(tmp_path / "died")
    found = tuned_map(die_once, [path] * 200, backend="process", n_jobs=2)

    assert set(found) <= {0, 1}


def test_a_loop_inside_a_worker_is_in_its_place():
    """A tuned function that an item calls has not left it."""

    @autotune
    def inner(_):
        return worker_number()

    def outer(_):
        time.sleep(2e-3)
        return worker_number(), set(inner(range(3)))

    for number, numbers in tuned_map(outer, range(40), backend="process", n_jobs=2):
        assert numbers == {number}


def test_items_in_an_executor_have_a_number():
    """That of their chunk, since its threads are not ours."""
    with ThreadPoolExecutor(2) as pool:
        found = tuned_map(where, range(40), executor=pool)

    assert {number for number, *_ in found} <= {0, 1, 2}


class RunsHere(Executor):
    """An executor that runs what it is given in the thread that gives it."""

    def submit(self, function, /, *args, **kwargs):
        """Run it now."""
        future = Future()
        future.set_result(function(*args, **kwargs))
        return future


@pytest.mark.parametrize(
    "executor",
    [lambda: ThreadPoolExecutor(3), lambda: ProcessPoolExecutor(3), RunsHere],
    ids=["threads", "processes", "here"],
)
def test_workers_of_others_have_no_number_after_their_chunk(executor):
    """They go on with other work, which is in no call."""
    with executor() as pool:
        found = tuned_map(where, range(41), executor=pool, n_jobs=3, chunksize=1)
        asked = [pool.submit(where, 0) for _ in range(12)]

        assert {number for number, *_ in found} <= {0, 1, 2}
        assert {future.result(20)[0] for future in asked} == {0}
    assert worker_number() == 0


def numbers_in_item_and_its_thread(_):
    time.sleep(2e-3)
    with ThreadPoolExecutor(1) as pool:
        return worker_number(), pool.submit(worker_number).result()


def test_threads_that_an_item_starts_have_its_number():
    """In a process of an executor too: what works for an item in a thread is in its place."""
    with ProcessPoolExecutor(3) as pool:
        found = tuned_map(
            numbers_in_item_and_its_thread, range(41), executor=pool, n_jobs=3, chunksize=1
        )

    assert {number for number, _ in found} > {0}
    assert all(number == of_thread for number, of_thread in found)


def chunk_of(pool_numbers):
    """What an item of a call has for a number that runs in a thread of a given number."""
    with Numbered(pool_numbers):
        time.sleep(5e-3)
        return worker_number()


def test_threads_of_one_process_have_each_their_own_number():
    """An executor's process may run several chunks at once."""
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(chunk_of, range(4))) == [0, 1, 2, 3]


def test_the_lowest_free_place_is_taken():
    """And one worker keeps its own."""
    numbers = WorkerNumbers(first=1)

    assert [numbers.of(worker) for worker in (0, 1, 2, 1)] == [1, 2, 3, 2]
    numbers.leave(1)
    assert [numbers.of(worker) for worker in (7, 8)] == [2, 4]

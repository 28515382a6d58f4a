"""Calls inside items, from other threads and in other processes: right results, no nested pools."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from _thread import get_ident
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest
from witness import CALLER, compute

from amorsize import autotune, tuned_map
from amorsize._profiles.memory_store import last_trace
from amorsize._workers import nesting

BACKENDS = ("auto", "serial", "thread", "process")


def place(item):
    compute(0.3e-3)
    return item, os.getpid(), get_ident()


@autotune
def inner(item):
    return place(item)


def outer(item):
    here = os.getpid(), get_ident()
    rows = inner(range(20))
    assert [row[0] for row in rows] == list(range(20))
    return item, {row[1:] for row in rows} == {here}, here


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tuned_function_inside_an_item_is_a_plain_loop(backend):
    """In a worker process, a worker thread and the caller's own items: where the item is."""
    rows = tuned_map(outer, range(30), backend=backend)

    assert [item for item, _, _ in rows] == list(range(30))
    assert all(stayed for _, stayed, _ in rows)
    if backend == "process":
        assert CALLER not in {pid for _, _, (pid, _) in rows}


def maps_inside(item):
    return sum(tuned_map(abs, range(item), backend="process"))


@pytest.mark.parametrize("backend", ["process", "thread"])
def test_what_a_call_inside_an_item_does_is_not_held_against_the_item(backend, recwarn):
    """amorsize keeps its own books safe: nobody is warned of what it stores, wherever it lies."""
    assert tuned_map(maps_inside, range(10), backend=backend) == [
        n * (n - 1) // 2 for n in range(10)
    ]
    assert [str(one.message) for one in recwarn] == []


def long_and_inside(item):
    compute(15e-3)
    return nesting.is_inside()


@pytest.mark.parametrize("kind", [list, iter])
def test_the_last_item_is_inside_like_the_others(kind):
    """Also where it is a slice of its own: items longer than the loop's time box."""
    assert tuned_map(long_and_inside, kind([0] * 3), backend="serial") == [True] * 3


def three_deep(item):
    return sum(tuned_map(two_deep, range(item), backend="process"))


def two_deep(item):
    return sum(tuned_map(abs, range(item), backend="thread"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_three_levels_deep(backend):
    """Options of the inner calls give way, too."""
    expected = [sum(sum(range(b)) for b in range(a)) for a in range(12)]

    assert tuned_map(three_deep, range(12), backend=backend) == expected


def test_one_long_item_may_share_out_its_own_call():
    """A single item is not a map: the call inside it is a call of its own."""

    def whole(n_items):
        rows = tuned_map(place, range(n_items), backend="process", n_jobs=2)
        return CALLER not in {pid for _, pid, _ in rows}

    assert tuned_map(whole, [50]) == [True]


def test_after_a_call_the_caller_is_free_again():
    """A call that failed inside an item leaves no mark that makes later calls loops."""

    def fails(item):
        inner(range(3))
        raise ValueError(item)

    for backend in BACKENDS:
        with pytest.raises(ValueError, match="0"):
            tuned_map(fails, range(10), backend=backend)

    assert CALLER not in {pid for _, pid, _ in tuned_map(place, range(20), backend="process")}


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_from_several_threads_at_once(backend):
    """Each gets its own results."""

    def call(number):
        data = range(number * 1000, number * 1000 + 100)
        return [row[0] for row in tuned_map(place, data, backend=backend)] == list(data)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(4)))


@pytest.mark.forks
def test_what_another_thread_is_just_importing_is_not_there_yet(monkeypatch):
    """A module in `sys.modules` may still be empty while another thread's call imports it."""
    monkeypatch.setitem(
        sys.modules,
        "amorsize._workers.processes.warm_pool",
        ModuleType("amorsize._workers.processes.warm_pool"),
    )

    assert [row[0] for row in tuned_map(place, range(20), backend="process")] == list(range(20))


def test_processes_from_a_thread_that_is_not_the_main_one():
    """`backend="process"` works from any thread, and no item runs in the caller's process."""
    found = []

    def call():
        found.extend(tuned_map(place, range(40), backend="process"))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(30)

    assert [row[0] for row in found] == list(range(40))
    assert CALLER not in {row[1] for row in found}


def call_in_child(connection):
    rows = tuned_map(place, range(100))
    more = tuned_map(place, range(50), backend="process")
    connection.send([[row[0] for row in rows], [row[0] for row in more]])
    connection.close()


@pytest.mark.parametrize("daemon", [True, False])
def test_a_forked_child_of_the_callers(daemon):
    """`multiprocessing` children, daemons as well (which may start no processes of their own)."""
    tuned_map(place, range(100))  # what the parent has learned and holds is inherited
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=call_in_child, args=(sending,), daemon=daemon)
    child.start()
    sending.close()
    try:
        assert receiving.poll(20)
        assert receiving.recv() == [list(range(100)), list(range(50))]
        child.join(5)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()
        receiving.close()


def test_a_child_of_os_fork():
    """The plainest fork, between two calls."""
    tuned_map(place, range(100))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            rows = tuned_map(place, range(200))
            code = 0 if [row[0] for row in rows] == list(range(200)) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0

    assert [row[0] for row in tuned_map(place, range(100))] == list(range(100))


def start_a_child(item):
    done = subprocess.run([sys.executable, "-S", "-c", f"print({item})"], capture_output=True)
    return int(done.stdout)


@pytest.mark.parametrize("backend", BACKENDS)
def test_items_may_start_processes(backend):
    """A subprocess in an item, wherever it runs."""
    assert tuned_map(start_a_child, range(6), backend=backend) == list(range(6))


def fork_and_leave(item, go):
    """An item whose own child outlives it, and holds on to all it inherited until it is let go."""
    if item == 3 and os.fork() == 0:
        for _ in range(4000):
            if os.path.exists(go):
                break
            time.sleep(5e-3)
        os.rename(go, f"{go}ne")
        os._exit(0)
    return item


def test_an_item_that_forks_does_not_hold_up_the_call(tmp_path):
    """Its child keeps the worker's pipe open: the end is seen all the same."""
    go = tmp_path / "go"
    found = tuned_map(
        fork_and_leave, range(20), item_kwargs={"go": str(go)}, backend="process", retries=0
    )
    go.touch()  # only now
    while not go.with_name("gone").exists():
        time.sleep(1e-3)

    assert found == list(range(20))
    assert last_trace(fork_and_leave).n_items == 20


def twice(x):
    return 2 * x


@pytest.mark.parametrize("start", ["fork", "clean"])
def test_a_fork_that_leaves_a_stream_leaves_its_workers_alone(start, monkeypatch):
    """A child of the caller's own closes what it has inherited; the caller's stream goes on."""
    monkeypatch.setenv("AMORSIZE_START", start)
    tuned = autotune(twice, backend="process", n_jobs=2)
    stream = tuned.stream(range(2000), buffer=50)
    found = [next(stream)]

    child = os.fork()
    if not child:
        try:
            stream.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    found += stream

    assert found == [2 * x for x in range(2000)]
    assert last_trace(twice).n_started == {"process": 2}

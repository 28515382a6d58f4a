"""Where the system has no room for a worker more, those that are there go on, or the caller."""

import errno
import importlib
import os
import resource
import sys
import threading
from pathlib import Path

import pytest

import amorsize
from amorsize import SerializationError, WorkersUnavailable, autotune, tuned_map
from amorsize._workers.processes import forking, warm_pool


def work(index):
    return 2 * index


def no_room(*_, **__):
    """What a system says that is out of process ids."""
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


@pytest.fixture(params=[pytest.param("fork", marks=pytest.mark.forks), "clean"])
def start(request, monkeypatch):
    """How workers are started."""
    monkeypatch.setenv("AMORSIZE_START", request.param)
    return request.param


def refuse_from(n_started, start, monkeypatch):
    """Let so many workers start and no more."""
    module, name = (forking, "_fork") if start == "fork" else (warm_pool, "_spawn")
    really, left = getattr(module, name), iter(range(n_started))
    monkeypatch.setattr(
        module, name, lambda *a: really(*a) if next(left, None) is not None else no_room()
    )


def test_fewer_workers_go_on(start, monkeypatch):
    """Four asked for, one there is: it does all, and that is told."""
    refuse_from(1, start, monkeypatch)
    tuned = autotune(work, backend="process", n_jobs=4, chunksize=1)
    before = len(os.listdir("/proc/self/fd"))

    assert tuned(range(100)) == [2 * index for index in range(100)]

    assert "no further worker could be started" in str(tuned.explain())
    assert "BlockingIOError" in str(tuned.explain())
    if start == "fork":
        amorsize.shutdown()  # ends the one that waits for the next call
        assert len(os.listdir("/proc/self/fd")) == before


def test_workers_do_without_memory_to_share(monkeypatch):
    """Where it cannot be mapped, a new interpreter starts without, and its file is closed."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    warm_pool.pool.shutdown()

    class Full(warm_pool.SharedBlock):
        def __init__(self, *_):
            raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(warm_pool, "SharedBlock", Full)

    assert tuned_map(work, range(20), backend="process", n_jobs=2) == [2 * n for n in range(20)]

    links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert not [link for link in links if "memfd:amorsize" in link]


def test_the_caller_goes_on_alone(start, monkeypatch):
    """Nobody asked for processes: without any, the caller does the work."""
    refuse_from(0, start, monkeypatch)

    def waits(index):
        threading.Event().wait(0.02)
        return index

    assert tuned_map(waits, range(20), thread_safe=False) == list(range(20))


def test_where_a_process_was_asked_for_that_is_an_error(start, monkeypatch):
    """It says what the system said."""
    refuse_from(0, start, monkeypatch)

    with pytest.raises(WorkersUnavailable, match="no further worker .*EAGAIN|temporarily"):
        tuned_map(work, range(20), backend="process")


def test_the_next_call_works(start, monkeypatch):
    """Nothing of the failed start is left in the way."""
    with monkeypatch.context() as patched:
        refuse_from(0, start, patched)
        with pytest.raises(WorkersUnavailable):
            tuned_map(work, range(20), backend="process")

    assert tuned_map(work, range(20), backend="process") == [2 * index for index in range(20)]


@pytest.mark.parametrize("n_more", range(9))
def test_few_descriptors_left(n_more, start):
    """However few: results or a clear error, and none is lost on the way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    tuned_map(work, range(3), backend="process", n_jobs=1)  # what is opened for ever is open now
    if start == "fork":
        amorsize.shutdown()  # ends the one that waits for the next call
    before = sorted(os.listdir("/proc/self/fd"), key=int)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + n_more, hard))
        try:
            told = tuned_map(work, range(50), backend="process", n_jobs=2)
        except WorkersUnavailable as error:
            told = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert told == [2 * index for index in range(50)] or "Too many open files" in told
    if start == "fork":
        amorsize.shutdown()
        assert sorted(os.listdir("/proc/self/fd"), key=int) == before


MODULE = """
import sys, threading, time
LOCK = threading.Lock()
if "pytest" not in sys.modules:
    raise ImportError("not in workers")

def work(index):
    until_s = time.thread_time() + 2e-3
    while time.thread_time() < until_s:
        pass
    with LOCK:
        return 2 * index
"""


@pytest.fixture
def neither_way(tmp_path, monkeypatch):
    """A function that workers can neither import nor be sent: its module refuses, it has a lock."""
    (tmp_path / "only_here.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AMORSIZE_START", "clean")
    yield importlib.import_module("only_here").work
    del sys.modules["only_here"]


@pytest.mark.cores
def test_a_function_that_no_worker_can_have_runs_in_the_caller(neither_way):
    """That shows only when a worker has tried: the call goes on all the same."""
    tuned = autotune(neither_way, thread_safe=False)

    assert tuned(range(1000)) == [2 * index for index in range(1000)]
    told = str(tuned.explain())
    assert "rejected    processes: " in told, told


def test_asked_for_processes_it_is_refused(neither_way):
    """The error tells what cannot be sent, and why it had to be."""
    with pytest.raises(SerializationError, match="lock") as caught:
        tuned_map(neither_way, range(1000), backend="process")

    assert "not in workers" in "".join(caught.value.__notes__)


def test_an_item_beside_one_that_cannot_travel_is_not_blamed(monkeypatch):
    """Items that only cloudpickle can take are sent, so the one that no pickle takes is named."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    functions = [lambda: 1, lambda: 2, threading.Lock().acquire, lambda: 4]

    with pytest.raises(SerializationError, match="data of item 2 "):
        tuned_map(call, functions, backend="process", n_jobs=1, chunksize=4)


def call(function):
    return function()

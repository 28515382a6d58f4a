"""Where the system has no room for a worker more, those that are there go on, or the caller."""

import errno
import os
import resource
import threading

import pytest

from amorsize import WorkersUnavailable, autotune, tuned_map
from amorsize.crews import clean, processes


def work(index):
    return 2 * index


def no_room(*_, **__):
    """What a system says that is out of process ids."""
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


@pytest.fixture(params=["fork", "clean"])
def start(request, monkeypatch):
    """How workers are started."""
    monkeypatch.setenv("AMORSIZE_START", request.param)
    return request.param


def refuse_from(n_started, start, monkeypatch):
    """Let so many workers start and no more."""
    module, name = (processes, "_fork") if start == "fork" else (clean, "_spawn")
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
        assert len(os.listdir("/proc/self/fd")) == before


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
        assert sorted(os.listdir("/proc/self/fd"), key=int) == before

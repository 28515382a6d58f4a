"""The trace of a call keeps what became of chunks and workers, within bounds."""

import os
import signal
from itertools import pairwise

import pytest

from amorsize import autotune
from amorsize.policy.trace import (
    MANY_CHUNKS,
    MANY_WORKER_EVENTS,
    ChunkLog,
    ChunkTrace,
    WorkerEvent,
    WorkerLog,
)


def chunk(number, worker=0):
    """One of a row of chunks of a second each, with a pause of a second before each."""
    return ChunkTrace(
        worker=worker,
        backend="process",
        n_items=3,
        wall_s=1.0,
        cpu_s=0.5,
        now_s=2.0 * number + 2.0,
        run_delay_s=0.25,
    )


def test_few_chunks_are_kept_as_they_are():
    """One each, with the time at which it was begun."""
    log = ChunkLog()
    for number in range(3):
        log.append(chunk(number))

    assert log.all == tuple(chunk(number) for number in range(3))
    assert [one.begun_s for one in log.all] == [1.0, 3.0, 5.0]


def test_many_chunks_stay_small():
    """Neighbours of a worker are merged: sums stay, and so does when they began and ended."""
    log = ChunkLog()
    for number in range(60_000):
        log.append(chunk(number, worker=number % 2))

    kept = log.all
    assert len(kept) <= MANY_CHUNKS
    assert sum(one.n_items for one in kept) == 3 * (60_000)
    assert sum(one.n_chunks for one in kept) == 60_000
    assert sum(one.wall_s for one in kept) == pytest.approx(60_000)
    for worker in (0, 1):
        own = [one for one in kept if one.worker == worker]
        assert own[0].begun_s == 1.0 + 2.0 * worker
        assert all(one.begun_s >= before.now_s for before, one in pairwise(own))


def test_what_became_of_workers_is_bounded():
    """The first so many are kept, whatever may come after them."""
    log = WorkerLog()
    for number in range(MANY_WORKER_EVENTS + 5):
        log.append(
            WorkerEvent(now_s=float(number), worker=number, what="started", backend="thread")
        )

    assert [one.worker for one in log.all] == list(range(MANY_WORKER_EVENTS))


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_starts_are_kept(backend):
    """Each worker is started before it is ready, and that before its first chunk came back."""

    def same(item):
        return item

    tuned = autotune(same, backend=backend, n_jobs=2, chunksize=1)
    tuned(range(40))

    trace = tuned.explain().trace
    began = {one.worker: one for one in trace.worker_events if one.what == "started"}
    ready = {one.worker: one for one in trace.worker_events if one.what == "ready"}
    assert len(began) == trace.n_started[backend] >= 1
    for one in trace.chunks:
        if one.worker >= 0:
            assert began[one.worker].backend == ready[one.worker].backend == backend
            assert began[one.worker].now_s <= one.now_s
            assert ready[one.worker].now_s <= one.now_s


def test_a_death_is_kept_with_what_ran_again(tmp_path):
    """How the worker ended, how many items that cost, and where they ran again."""
    marker = tmp_path / "died"

    def dies_once(item):
        if item == 7 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    tuned = autotune(dies_once, backend="process", chunksize=5, n_jobs=2)
    assert tuned(range(40)) == list(range(40))

    trace = tuned.explain().trace
    (death,) = [one for one in trace.worker_events if one.what == "died"]
    retries = [one for one in trace.worker_events if one.what == "retried"]
    assert death.why.startswith("signal 9")
    assert death.n_items == trace.n_repeated == sum(one.n_items for one in retries)
    assert all(one.worker != death.worker for one in retries)


def test_a_replaced_worker_says_why():
    """A worker that grew over its limit is retired, with the reason."""

    def grow(item, kept=[]):  # noqa: B006 - it is to grow
        kept.append(bytearray(8 << 20))
        kept[-1][:] = b"x" * len(kept[-1])
        return item

    tuned = autotune(grow, backend="process", n_jobs=1, max_worker_memory="16 MB", chunksize=2)
    assert tuned(range(12)) == list(range(12))

    retired = [one for one in tuned.explain().trace.worker_events if one.what == "retired"]
    assert retired
    assert all(one.why for one in retired)

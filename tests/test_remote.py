"""Chunks for workers that are not ours are as long as their way is worth, in virtual time."""

import heapq

import pytest

from amorsize.policy.actions import Send, StartWorker
from amorsize.policy.events import HostInspected, Ready, Report, Started, View
from amorsize.policy.host_job import Host, Job
from amorsize.policy.tuner import Tuner


def play(item_s, n_items, *, n_workers, lag_s, dispatch_s, chunksize=None, speeds=None):
    """Seconds that a call takes on an engine, with the chunks that it sent.

    The caller is busy for `dispatch_s` with each chunk, which is on its way for half of `lag_s`
    there, as long back; a worker runs its chunks in turn.
    """
    host = Host(n_cores=n_workers, dispatch_s=dispatch_s, engine_lag_s=lag_s)
    job = Job(n_items=n_items, backend="process", n_jobs=n_workers, chunksize=chunksize)
    tuner = Tuner(None, job)
    tuner.tell(HostInspected(host=host, job=job))
    speeds = speeds or [1.0] * n_workers
    now_s, n_left, n_started, sizes = 0.0, n_items, 0, []
    free_s = [0.0] * n_workers
    reports = []
    n_done = 0
    while n_done < n_items:
        while reports and reports[0][0] <= now_s:
            _, worker, n, wall_s = heapq.heappop(reports)
            n_done += n
            tuner.tell(
                Report(
                    worker=worker,
                    n_items=n,
                    n_sent=n,
                    wall_s=wall_s,
                    cpu_s=wall_s,
                    pickle_s=0.0,
                    now_s=now_s,
                )
            )
        view = View(now_s=now_s, n_left=n_left, all_read=True, caller_busy=False)
        match tuner.next(view):
            case StartWorker(backend=backend):
                tuner.tell(Started(worker=n_started, backend=backend, start_s=0.0, now_s=now_s))
                tuner.tell(Ready(worker=n_started, now_s=now_s))
                n_started += 1
            case Send(worker=worker, n_items=n):
                now_s += dispatch_s
                wall_s = n * item_s / speeds[worker]
                free_s[worker] = max(free_s[worker], now_s + lag_s / 2) + wall_s
                heapq.heappush(reports, (free_s[worker] + lag_s / 2, worker, n, wall_s))
                n_left -= n
                sizes.append(n)
            case _:
                now_s = max(now_s, reports[0][0]) if reports else now_s
    return now_s, sizes


def best_fixed_s(item_s, n_items, **where):
    """What the best chunk of all takes, by trying."""
    sizes = {max(1, round(n_items / where["n_workers"] / share)) for share in SHARES}
    return min(play(item_s, n_items, chunksize=size, **where)[0] for size in sizes)


SHARES = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128)

WORLDS = [
    pytest.param(1e-4, 10_000, {"n_workers": 2, "lag_s": 5e-3}, id="short items, 2 workers"),
    pytest.param(10e-3, 150, {"n_workers": 2, "lag_s": 5e-3}, id="few items, 2 workers"),
    pytest.param(20e-3, 3_000, {"n_workers": 64, "lag_s": 5e-3}, id="waits, 64 workers"),
    pytest.param(50e-3, 20_000, {"n_workers": 256, "lag_s": 5e-3}, id="256 workers"),
    pytest.param(1.0, 20_000, {"n_workers": 1000, "lag_s": 5e-3}, id="1 000 workers"),
]


@pytest.mark.parametrize(("item_s", "n_items", "where"), WORLDS)
def test_a_call_takes_little_more_than_with_the_best_chunk_of_all(item_s, n_items, where):
    """Though it is not known before what an item costs."""
    where = {**where, "dispatch_s": 1.5e-3}

    took_s, sizes = play(item_s, n_items, **where)

    assert sum(sizes) == n_items
    assert took_s <= 1.1 * best_fixed_s(item_s, n_items, **where)


def test_a_million_items_are_some_thousands_of_chunks():
    """A scheduler chokes on 200 000 tasks."""
    _, sizes = play(1e-3, 1_000_000, n_workers=64, lag_s=5e-3, dispatch_s=1.5e-3)

    assert len(sizes) < 10_000


def test_a_slow_worker_does_not_keep_the_others_waiting():
    """One in two takes four times as long: the fast one runs most."""
    where = {"n_workers": 2, "lag_s": 5e-3, "dispatch_s": 1.5e-3, "speeds": [1.0, 0.25]}

    took_s, _ = play(4e-3, 600, **where)

    assert took_s <= 1.1 * 600 * 4e-3 / 1.25


def test_an_explicit_chunksize_is_obeyed():
    """Each chunk but the last has as many items as were asked for."""
    _, sizes = play(1e-3, 100, n_workers=2, lag_s=5e-3, dispatch_s=1e-3, chunksize=7)

    assert sizes == [7] * 14 + [2]

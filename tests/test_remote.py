"""Chunks for workers that are not ours are as long as their way is worth, in virtual time."""

import heapq
from functools import cache

import pytest

from amorsize.policy.actions import Send, StartWorker
from amorsize.policy.events import Died, HostInspected, Ready, Report, Started, Status
from amorsize.policy.evidence.executor_speeds import WorkerSpeeds
from amorsize.policy.profile import Profile
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.policy.worker_costs import Host


def play(
    item_s,
    n_items,
    *,
    n_workers,
    lag_s,
    dispatch_s,
    chunksize=None,
    speeds=None,
    known=None,
    result_bytes=None,
    changes=(),
    overlaps=True,
    chunk_s=0.0,
):
    """Seconds that a call takes on an engine, with the chunks that it sent.

    The caller is busy for `dispatch_s` with each chunk, which is on its way for half of `lag_s`
    there, as long back; a worker runs its chunks in turn. `changes` says from when on there are how
    many workers; those that go take the chunks along that they have, which are run again. Where
    nothing overlaps, a chunk is on its way only once the one before it is over. Each chunk takes
    `chunk_s` of its worker besides its items, which nobody reports.
    """
    engine = {"executor_lag_s": lag_s, "executor_overlaps": overlaps}
    host = Host(n_cores=n_workers, dispatch_s=dispatch_s, **engine)
    request = Request(n_items=n_items, backend="process", n_jobs=n_workers, chunksize=chunksize)
    tuner = Tuner(None, request, known)
    tuner.tell(HostInspected(host=host, request=request))
    speeds, changes, alive = speeds or [1.0] * 5000, list(changes), []
    now_s, n_left, n_started, sizes = 0.0, n_items, 0, []
    free_s = [0.0] * len(speeds)
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
                    n_bytes=None if result_bytes is None else n * result_bytes,
                )
            )
        while changes and changes[0][0] <= now_s:
            _, n_workers = changes.pop(0)
            request = request.replace(n_jobs=n_workers)
            for worker in alive[n_workers:]:
                tuner.tell(Died(worker=worker, now_s=now_s))
            gone, alive = set(alive[n_workers:]), alive[:n_workers]
            n_left += sum(n for _, worker, n, _ in reports if worker in gone)
            reports = [one for one in reports if one[1] not in gone]
            heapq.heapify(reports)
            tuner.tell(HostInspected(host=host.replace(n_cores=n_workers), request=request))
        status = Status(now_s=now_s, n_left=n_left, all_read=True, caller_busy=False)
        match tuner.next(status):
            case StartWorker(backend=backend):
                tuner.tell(Started(worker=n_started, backend=backend, start_s=0.0, now_s=now_s))
                tuner.tell(Ready(worker=n_started, now_s=now_s))
                alive.append(n_started)
                n_started += 1
            case Send(worker=worker, n_items=n):
                now_s += dispatch_s
                wall_s = n * item_s / speeds[worker]
                waits_s = 0.0 if overlaps or not free_s[worker] else lag_s
                free_s[worker] = max(free_s[worker] + waits_s, now_s + lag_s / 2) + wall_s + chunk_s
                heapq.heappush(reports, (free_s[worker] + lag_s / 2, worker, n, wall_s))
                n_left -= n
                sizes.append(n)
            case _:
                coming_s = [one for one, *_ in (*reports[:1], *changes[:1])]
                now_s = max(now_s, min(coming_s)) if coming_s else now_s
    return now_s, sizes


LARGE = [(20e-3, 20_000), (0.1, 20_000), (0.5, 10_000), (5.0, 5000)]


@pytest.fixture(scope="module")
def regret():
    """How far behind the best chunk 1000 workers end; each world is played once for all tests."""
    where = {"n_workers": 1000, "lag_s": 5e-3, "dispatch_s": 1.5e-3}

    @cache
    def regret(item_s, n_items):
        return play(item_s, n_items, **where)[0] / best_fixed_s(item_s, n_items, **where) - 1

    return regret


@pytest.mark.parametrize(("item_s", "n_items"), LARGE)
def test_the_chunk_rule_is_near_the_best_chunk_on_1000_workers(regret, item_s, n_items):
    """For items of 20 ms to 5 s; the best chunk is another for each of them."""
    assert regret(item_s, n_items) <= 0.12


def test_the_chunk_rule_is_within_6_percent_of_the_best_chunk_in_the_mean(regret):
    """Over all of them."""
    assert sum(regret(*world) for world in LARGE) / len(LARGE) <= 0.06


CHANGING = [
    pytest.param(50e-3, 8000, 64, [(1.0, 256)], id="64, then 256"),
    pytest.param(50e-3, 8000, 256, [(0.5, 64)], id="256, then 64"),
    pytest.param(0.3, 6000, 64, [(2.0, 1000), (3.0, 200)], id="64, 1 000, 200"),
    pytest.param(5e-3, 10_000, 2, [(0.5, 64)], id="2, then 64"),
    pytest.param(1.0, 3_000, 1000, [(1.0, 300), (4.0, 1000)], id="1 000, 300, 1 000"),
]


@pytest.mark.parametrize(("item_s", "n_items", "n_workers", "changes"), CHANGING)
def test_workers_that_come_and_go_are_used_as_well_as_by_the_best_chunk(
    item_s, n_items, n_workers, changes
):
    """Those that come find work, those that go take little of it along."""
    where = {"n_workers": n_workers, "lag_s": 5e-3, "dispatch_s": 1.5e-3, "changes": changes}

    took_s, _ = play(item_s, n_items, **where)

    assert took_s <= 1.1 * best_fixed_s(item_s, n_items, **where)


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
    pytest.param(
        *(1e-3, 1000, {"n_workers": 2, "lag_s": 2.6e-3, "overlaps": False}),
        id="no chunk waits in a worker",
    ),
]


@pytest.mark.parametrize(("item_s", "n_items", "where"), WORLDS)
def test_a_call_takes_little_more_than_with_the_best_chunk_of_all(item_s, n_items, where):
    """Though it is not known before what an item costs."""
    where = {**where, "dispatch_s": 1.5e-3}

    took_s, sizes = play(item_s, n_items, **where)

    assert sum(sizes) == n_items
    assert took_s <= 1.1 * best_fixed_s(item_s, n_items, **where)


def test_chunks_are_long_beside_what_each_takes_of_its_worker():
    """Though that is not measured: with a scheduler on the same two cores, it is some 5 ms."""
    took_s, _ = play(10e-3, 150, n_workers=2, lag_s=4e-3, dispatch_s=1.5e-3, chunk_s=5e-3)

    assert took_s <= 1.13 * 150 * 10e-3 / 2


def test_a_million_items_are_some_thousands_of_chunks():
    """A scheduler chokes on 200 000 tasks."""
    _, sizes = play(1e-3, 1_000_000, n_workers=64, lag_s=5e-3, dispatch_s=1.5e-3)

    assert len(sizes) < 10_000


UNEVEN = [
    pytest.param(2e-3, 600, [1.0, 0.25], 1.04, id="one of two"),
    pytest.param(4e-3, 600, [1.0, 0.25], 1.04, id="one of two, longer items"),
    pytest.param(20e-3, 2000, [1.0] * 15 + [0.1], 1.12, id="one of 16, ten times as slow"),
    pytest.param(20e-3, 2000, [1.0] * 8 + [0.25] * 8, 1.04, id="half of 16"),
]


@pytest.mark.parametrize(("item_s", "n_items", "speeds", "most"), UNEVEN)
def test_chunks_fit_the_speed_of_their_worker(item_s, n_items, speeds, most):
    """A slow one keeps nobody waiting at the end: its chunks have fewer items."""
    where = {"n_workers": len(speeds), "lag_s": 5e-3, "dispatch_s": 1.5e-3, "speeds": speeds}

    took_s, _ = play(item_s, n_items, **where)

    assert took_s <= most * n_items * item_s / sum(speeds)


def test_a_worker_with_a_very_long_item_is_not_taken_for_a_slow_one():
    """One chunk counts as one chunk, whatever it took, and few of them say little."""
    speeds = WorkerSpeeds()
    for worker in (0, 1):
        for _ in range(8):
            speeds.add(reported(worker, 10, 0.1))
    speeds.add(reported(0, 10, 30.0))
    speeds.add(reported(2, 10, 0.4))
    for _ in range(40):
        speeds.add(reported(3, 10, 0.4))

    assert 0.6 * speeds.of(1) < speeds.of(0) < speeds.of(1)  # by means it were a fortieth
    assert 0.7 < speeds.of(2) < 1.0
    assert speeds.of(3) < 0.9
    assert speeds.of(4) == 1.0


def reported(worker, n_items, wall_s):
    """A chunk as a worker of an engine tells of it."""
    seconds = {"wall_s": wall_s, "cpu_s": wall_s, "pickle_s": 0.0, "now_s": 0.0}
    return Report(worker=worker, n_items=n_items, n_sent=n_items, **seconds)


def test_an_explicit_chunksize_is_obeyed():
    """Each chunk but the last has as many items as were asked for."""
    _, sizes = play(1e-3, 100, n_workers=2, lag_s=5e-3, dispatch_s=1e-3, chunksize=7)

    assert sizes == [7] * 14 + [2]


def known(item_s, chunksize):
    """What an earlier call on the same engine has learned."""
    return Profile.of(
        backend="process",
        n_jobs=2,
        chunksize=chunksize,
        item_s=item_s,
        item_cpu_s=item_s,
        spread_log=None,
        pickle_s=None,
        warmup_s=0.0,
        holds_gil=None,
        waits=False,
        n_items=1000,
    )


def test_the_first_chunks_of_a_second_call_are_right_at_once():
    """Nothing has to be tried, and no chunk is longer than a full one was."""
    where = {"n_workers": 2, "lag_s": 5e-3, "dispatch_s": 1.5e-3}

    first_s, sizes = play(1e-4, 10_000, **where)
    second_s, known_sizes = play(1e-4, 10_000, known=known(1e-4, 500), **where)

    assert sizes[:2] == [1, 1]
    assert known_sizes[:4] == [500] * 4
    assert second_s <= first_s


def test_items_that_have_become_long_do_not_keep_the_size_of_the_short():
    """The first chunk that comes back has shown it."""
    where = {"n_workers": 2, "lag_s": 5e-3, "dispatch_s": 1.5e-3}

    _, sizes = play(0.1, 10_000, known=known(1e-4, 500), **where)

    assert max(sizes[4:]) <= 2


def test_large_results_are_not_all_on_their_way_at_once():
    """4 MB a chunk, and 64 MB in all, as far as that leaves each chunk an item."""
    where = {"lag_s": 5e-3, "dispatch_s": 1.5e-3}

    _, few = play(1e-4, 2000, n_workers=2, result_bytes=1_000_000, **where)
    _, many = play(1e-4, 20_000, n_workers=64, result_bytes=100_000, **where)
    _, uneven = play(1e-4, 2000, n_workers=2, result_bytes=1_000_000, speeds=[1.0, 0.25], **where)
    _, huge = play(1e-4, 20, n_workers=2, result_bytes=50_000_000, **where)

    assert max(few) == max(uneven) == 4
    assert max(many) == 5
    assert max(huge) == 1

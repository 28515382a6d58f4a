"""Each item is executed exactly once, from the first call on, and where it was asked to be."""

from _thread import get_ident

import pytest
from witness import CALLER, KINDS, MANY_CORES, Ledger, noted, noted_wait, noted_work

from amorsize import autotune, tuned_map
from amorsize._profiles.memory_store import last_trace

BACKENDS = ("auto", "serial", "thread", "process")
SIZES = (0, 1, 2, 7, 1000, 20_000)
JOBS = [(kind, n) for kind in KINDS for n in SIZES if (kind, n) != ("list", 20_000)]  # as a range


@pytest.fixture
def ledger(tmp_path):
    """Where the items of this test write themselves down."""
    return Ledger(tmp_path / "ledger")


def assert_ran_where_asked(ledger, backend):
    """An explicit backend is obeyed for every item, the first ones too."""
    if backend == "process":
        assert CALLER not in ledger.pids()
        return
    if backend in ("serial", "thread"):
        assert ledger.pids() <= {CALLER}
    if backend == "serial":
        assert ledger.threads() <= {get_ident()}
    if backend == "thread":
        assert get_ident() not in ledger.threads()


@pytest.mark.parametrize(("kind", "n_items"), JOBS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_first_call_runs_each_item_once(backend, kind, n_items, ledger):
    """The items count themselves, and say where they were."""
    data = KINDS[kind](n_items)

    results = tuned_map(noted, data, item_kwargs={"ledger": ledger.path}, backend=backend)

    assert ledger.indices() == list(range(n_items))
    assert_ran_where_asked(ledger, backend)
    assert results == [2 * index for index in range(n_items)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_later_calls_do_as_well(backend, kind, ledger):
    """What was learned changes where items run, never how often."""
    for _ in range(3):
        tuned_map(noted, KINDS[kind](500), item_kwargs={"ledger": ledger.path}, backend=backend)

    assert ledger.indices() == sorted(3 * list(range(500)))
    assert_ran_where_asked(ledger, backend)


@pytest.mark.skipif(not MANY_CORES, reason="one usable core: the loop is right")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.forks
def test_auto_shares_computing_items_with_processes(kind, ledger):
    """Enough work is never quietly done in the loop: more than one process ran it."""
    results = tuned_map(noted_work, KINDS[kind](300), item_kwargs={"ledger": ledger.path})

    assert ledger.indices() == list(range(300))
    assert len(ledger.pids()) > 1
    assert results == [2 * index for index in range(300)]


@pytest.mark.parametrize("kind", KINDS)
def test_auto_shares_waiting_items_with_threads(kind, ledger):
    """Items that wait are run by many threads of the caller, one core or many."""
    tuned_map(noted_wait, KINDS[kind](200), item_kwargs={"ledger": ledger.path})

    assert ledger.indices() == list(range(200))
    assert len(ledger.threads()) > 4


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
@pytest.mark.parametrize("backend", ["thread", "process"])
def test_a_backend_and_a_number_of_jobs_are_obeyed(backend, n_jobs, ledger):
    """`n_jobs` workers of the kind that was asked for, and nobody else, run the items."""
    options = {"backend": backend, "n_jobs": n_jobs}

    tuned_map(noted_wait, range(40), item_kwargs={"ledger": ledger.path}, **options)

    assert ledger.indices() == list(range(40))
    assert_ran_where_asked(ledger, backend)
    places = ledger.threads() if backend == "thread" else ledger.pids()
    assert len(places) == n_jobs


def test_one_job_is_the_loop(ledger):
    """`n_jobs=1` leaves the caller as the only place, whatever the items cost."""
    tuned_map(noted_work, range(100), item_kwargs={"ledger": ledger.path}, n_jobs=1)

    assert ledger.indices() == list(range(100))
    assert (ledger.pids(), ledger.threads()) == ({CALLER}, {get_ident()})


@pytest.mark.parametrize("chunksize", [1, 7, 1000])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fixed_chunksize_loses_and_repeats_nothing(backend, chunksize, ledger):
    """Items that do not fill a chunk are run, too."""
    options = {"backend": backend, "chunksize": chunksize}

    tuned_map(noted, range(250), item_kwargs={"ledger": ledger.path}, **options)

    assert ledger.indices() == list(range(250))


def test_every_chunk_has_the_size_asked_for():
    """`chunksize=k`: k items in every chunk but the last."""
    tuned_map(abs, range(100), backend="process", chunksize=7, n_jobs=2)

    sizes = [chunk.n_items for chunk in last_trace(abs).chunks]
    assert sorted(sizes, reverse=True) == [7] * 14 + [2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_options_that_watch_single_items_do_not_repeat_any(backend, ledger):
    """`retries=0` and `return_exceptions` look at every item, and still run it once."""
    options = {"backend": backend, "retries": 0, "return_exceptions": True}

    tuned_map(noted, range(300), item_kwargs={"ledger": ledger.path}, **options)

    assert ledger.indices() == list(range(300))


def test_a_time_limit_moves_all_items_into_workers(ledger):
    """Only a worker can keep a `timeout`: the caller runs nothing itself."""
    tuned_map(noted, range(300), item_kwargs={"ledger": ledger.path}, timeout=30)

    assert ledger.indices() == list(range(300))
    assert CALLER not in ledger.pids()


def test_the_decorated_function_is_the_same(ledger):
    """`@autotune` and `tuned_map` are one thing."""
    tuned = autotune(noted_work)

    assert tuned(range(200), ledger=ledger.path) == [2 * index for index in range(200)]
    assert ledger.indices() == list(range(200))


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_stream_runs_each_item_once(backend, ordered, ledger):
    """Lazily as well: every item once, and none left out."""
    tuned = autotune(noted, backend=backend)

    results = list(tuned.stream(iter(range(1000)), ordered=ordered, ledger=ledger.path))

    assert ledger.indices() == list(range(1000))
    assert sorted(results) == [2 * index for index in range(1000)]
    assert_ran_where_asked(ledger, backend)


def test_nothing_is_started_for_no_data(monkeypatch):
    """Empty data: no process, no thread, no call of the function."""
    started = []
    monkeypatch.setattr("posix.fork", lambda: started.append("process"))
    monkeypatch.setattr("_thread.start_new_thread", lambda *_: started.append("thread"))

    for backend in BACKENDS:
        for data in ([], (), range(0), iter([]), set(), {}.items()):
            assert tuned_map(pytest.fail, data, backend=backend) == []

    assert started == []

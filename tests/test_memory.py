"""Memory: as many workers as there is room for, none larger than allowed, and little in flight."""

import contextlib
import itertools
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize import InvalidOptionError, autotune, tuned_map
from amorsize._engine.options.call_options import validated
from amorsize._function import sizeof
from amorsize._host import resources
from amorsize._profiles.memory_store import last_trace
from amorsize.policy.actions import RetireWorker, Send, StartWorker, Wait
from amorsize.policy.events import MemoryGrown, Ready, Report, Started, Status, WorkerRetired
from amorsize.policy.evidence import memory_limit
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.policy.worker_costs import Host

np = pytest.importorskip("numpy")
MIB = 1 << 20
START = pytest.mark.parametrize("start", ["fork", "clean"])
HOARD = []


# -- the decision --------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 1 << 40), st.integers(0, 1 << 40)),
        min_size=1,
    ),
    st.integers(1, 64),
)
def test_workers_never_need_more_than_there_is(told, n_jobs):
    """However many may work: what the largest has grown by, times them, is 70 % of the room."""
    room, held = memory_limit.MemoryLimit(), {}
    for worker, grown_bytes, available_bytes in told:
        held[worker] = grown_bytes
        event = MemoryGrown(
            worker=worker,
            peak_bytes=grown_bytes,
            held_bytes=grown_bytes,
            available_bytes=available_bytes,
        )
        room.see(event, alive=set(held), n_most=n_jobs)

        n_most = room.n_limit or n_jobs
        largest = max(grown for _, grown, _ in told[: told.index((worker, *_rest(event))) + 1])
        assert n_most == 1 or n_most * largest <= 0.7 * (available_bytes + sum(held.values()))
        assert room.n_limit is None or 1 <= room.n_limit < n_jobs


def _rest(event):
    return event.peak_bytes, event.available_bytes


def working_pool(n_workers):
    """A tuner whose workers all have chunks, in a call that asks for processes, and the chunks."""
    tuner = Tuner(Host(n_cores=n_workers), Request(n_items=1000, backend="process"))
    sent = []
    while not isinstance(action := tuner.next(status()), Wait):
        if isinstance(action, StartWorker):
            number = tuner.workers.n_started
            tuner.tell(Started(worker=number, backend="process", start_s=1e-3, now_s=0.0))
            tuner.tell(Ready(worker=number, now_s=0.0))
        else:
            sent.append(action)
    assert {action.worker for action in sent} == set(range(n_workers))
    return tuner, sent


def status(n_left=500):
    return Status(now_s=1.0, n_left=n_left, all_read=True, caller_busy=False)


def report(action):
    return Report(
        worker=action.worker,
        n_items=action.n_items,
        n_sent=action.n_items,
        wall_s=1.0,
        cpu_s=1.0,
        pickle_s=0.0,
        now_s=1.0,
    )


def test_those_that_memory_has_no_room_for_are_sent_home():
    """Each as soon as it has nothing to do; the others get all that is left."""
    tuner, sent = working_pool(4)
    tuner.tell(MemoryGrown(worker=0, peak_bytes=1000, held_bytes=1000, available_bytes=2000))
    went, fed = [], []

    for action in sent:
        tuner.tell(report(action))
        while not isinstance(decided := tuner.next(status()), Wait):
            (went if isinstance(decided, RetireWorker) else fed).append(decided.worker)

    assert len(went) == 2
    assert set(fed) == set(range(4)) - set(went)
    assert tuner.workers.n_alive == 2  # 0.7 x (2000 + 1000) / 1000
    assert "2 at once fit into memory" in [note.what for note in tuner.notes]


def test_the_last_one_stays():
    """However little there is: somebody has to do the work."""
    tuner, sent = working_pool(3)
    tuner.tell(MemoryGrown(worker=0, peak_bytes=1 << 40, held_bytes=1 << 40, available_bytes=0))
    for action in sent:
        tuner.tell(report(action))

    decided = [type(tuner.next(status())) for _ in range(3)]

    assert decided == [RetireWorker, RetireWorker, Send]


def test_one_that_left_is_replaced():
    """It is no death: the plan stays, and the caller is not thought to be in danger."""
    tuner, sent = working_pool(2)
    tuner.tell(report(sent[0]))
    tuner.tell(WorkerRetired(worker=sent[0].worker, why="it had grown"))

    assert tuner.next(status()) == StartWorker(backend="process")
    assert not tuner.workers.has_lost_one
    assert [note.why for note in tuner.notes if note.what == "workers are replaced"] == [
        "it had grown"
    ]


# -- workers that grow ---------------------------------------------------------------------------


def hoard(item):
    """Keeps 60 MiB for ever, and says where."""
    HOARD.append(np.ones(60 * MIB // 8))
    time.sleep(0.02)
    return item, os.getpid()


@START
def test_fewer_go_on_where_memory_is_short(start, monkeypatch):
    """Three are asked for, and hold nearly all there is: one of them stays."""
    monkeypatch.setenv("AMORSIZE_START", start)
    free = resources.memory().replace(available_bytes=MIB)
    monkeypatch.setattr(resources, "memory", lambda: free)
    before = set(children())
    tuned = autotune(hoard_once, backend="process", n_jobs=3, chunksize=1)
    stream = tuned.stream(itertools.count(), buffer=6)
    found = [next(stream) for _ in range(20)]
    while len(set(children()) - before) > 1 and len(found) < 4000:
        found.append(next(stream))
    found += itertools.islice(stream, 30)
    n_left = len(set(children()) - before)
    stream.close()

    assert [item for item, _ in found] == list(range(len(found)))
    assert len({pid for _, pid in found[-20:]}) == 1
    assert n_left == 1
    assert "1 at once fit into memory - one has grown by" in str(tuned.explain())


def hoard_once(item):
    if not HOARD:
        return hoard(item)
    time.sleep(0.005)
    return item, os.getpid()


def children():
    listing = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in listing.split()]


def test_those_that_do_not_grow_are_all_kept(monkeypatch):
    """Nobody asks for memory where items take none."""
    monkeypatch.setattr(resources, "memory", None)

    assert tuned_map(abs, range(1000), backend="process", n_jobs=3) == list(range(1000))


GROWTH = """
from amorsize._workers.rss import RssLimit

rss_limit = RssLimit(None)
taken = b"1" * 50_000_000
print(*rss_limit.to_report())
del taken
print(*rss_limit.to_report())
print([rss_limit.to_report() is None for _ in range(6)])
"""


def test_growth_is_what_the_process_has_taken_itself(run_script):
    """The peak stays when memory is given back, what is held does not; told ever more seldom."""
    first, later, told = run_script(GROWTH).stdout.splitlines()
    (peak_bytes, held_bytes), (later_peak_bytes, later_held_bytes) = (
        map(int, line.split()) for line in (first, later)
    )

    assert 49_000_000 < held_bytes < 55_000_000
    assert 49_000_000 < peak_bytes < 60_000_000
    assert 49_000_000 < later_peak_bytes < 60_000_000
    assert later_held_bytes < 5_000_000
    assert told == str([True, False, True, True, True, False])


GIVEN_BACK = """
from amorsize._workers.rss import RssLimit
begun_with = b"1" * 100_000_000
rss_limit = RssLimit(40_000_000)
del begun_with
print(rss_limit.check(1.0))
taken = b"1" * 60_000_000
print(rss_limit.check(2.0))
"""


def test_what_a_worker_gives_back_of_its_own_accord_hides_no_growth(run_script):
    """A fork may free what it has inherited; from there on counts what it takes."""
    assert run_script(GIVEN_BACK).stdout.split() == ["True", "False"]


REUSED = """
import os, time
from amorsize import tuned_map

def hoard(item, kept=[]):
    kept.append(b"1" * 60_000_000)
    time.sleep(0.02)
    return os.getpid()

if __name__ == "__main__":
    del [b"1" * 32_000_000][:]  # freed, it has the C library take less than that from its heap
    freed = [b"1" * 30_000_000 for _ in range(5)]
    on_top = [b"1" * 5_000 for _ in range(1000)]  # too many for what holes there are below
    del freed
    print(int(open("/proc/self/statm").read().split()[1]) * 4096 > 150_000_000)
    pids = tuned_map(hoard, range(8), n_jobs=1, backend="process", max_worker_memory="100 MB")
    print(max(pids.count(pid) for pid in pids))
"""


@pytest.mark.forks
def test_what_is_put_into_memory_that_the_caller_has_freed_is_growth(run_script):
    """A fork inherits the caller's free memory, and it counts as held from the beginning."""
    assert run_script(REUSED).stdout.split() == ["True", "2"]


# -- max_worker_memory ---------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "start"), [(170 * MIB, "fork"), ("0.17 GB", "clean")])
def test_a_worker_that_has_grown_too_large_is_replaced(limit, start, monkeypatch):
    """At the end of an item, and nothing is lost: every item runs once, in order."""
    monkeypatch.setenv("AMORSIZE_START", start)
    tuned = autotune(hoard, n_jobs=2, max_worker_memory=limit)

    found = tuned(range(14))

    assert [item for item, _ in found] == list(range(14))
    pids = [pid for _, pid in found]
    assert os.getpid() not in pids
    assert max(pids.count(pid) for pid in pids) == 3  # 60, 120, 180 MiB
    trace = last_trace(hoard)
    assert trace.n_repeated == 0
    assert "workers are replaced - one had grown by more than max_worker_memory=" in str(
        tuned.explain()
    )


@pytest.mark.parametrize("options", [{"retries": 0}, {"chunksize": 5}, {"return_exceptions": True}])
def test_replacing_needs_no_retries(options):
    """What its chunk had left goes back unstarted, and is not counted as tried."""
    found = tuned_map(hoard, range(9), n_jobs=2, max_worker_memory="100 MiB", **options)

    assert [item for item, _ in found] == list(range(9))
    assert len({pid for _, pid in found}) >= 4


def test_what_was_sent_ahead_comes_back():
    """A chunk that waits in the pipe of a worker which leaves is run by another."""
    found = tuned_map(grows_and_is_short, range(400), n_jobs=2, max_worker_memory="40 MiB")

    assert [item for item, _ in found] == list(range(400))
    assert len({pid for _, pid in found}) > 2


def grows_and_is_short(item):
    HOARD.append(np.ones(MIB // 8))
    return item, os.getpid()


def test_a_large_setup_does_not_keep_a_worker_from_working():
    """One item at least is run by each, whatever it takes to begin."""
    found = tuned_map(
        abs, range(6), setup=set_up_large, n_jobs=1, chunksize=6, max_worker_memory="50 MB"
    )

    assert found == list(range(6))


def set_up_large():
    HOARD.append(np.ones(100 * MIB // 8))


def test_teardown_runs_in_a_worker_that_is_replaced(tmp_path):
    """It ends as any other."""

    def note():
        (tmp_path / str(os.getpid())).touch()

    found = tuned_map(hoard, range(8), n_jobs=1, teardown=note, max_worker_memory="100 MiB")

    assert {int(path.name) for path in tmp_path.iterdir()} == {pid for _, pid in found}
    assert len({pid for _, pid in found}) == 4


@pytest.mark.parametrize("value", [0, -5, "", "GB", "1 parsec", "nan", "-1 MB", "inf"])
def test_a_limit_that_is_none_is_refused(value):
    """The message says what is allowed."""
    with pytest.raises(InvalidOptionError, match="^max_worker_memory=.*500 MB"):
        validated(max_worker_memory=value)


@pytest.mark.parametrize(
    ("value", "n_bytes"),
    [
        (5, 5),
        ("1kB", 1000),
        ("2 KiB", 2048),
        ("1.5 GB", 1_500_000_000),
        ("7", 7),
        ("1TiB", 1 << 40),
    ],
)
def test_units(value, n_bytes):
    """Powers of 1000, and of 1024 where there is an i."""
    assert validated(max_worker_memory=value).max_worker_memory == n_bytes


@pytest.mark.parametrize("backend", ["serial", "thread"])
def test_only_processes_can_be_replaced(backend):
    """An option that cannot be kept is refused."""
    with pytest.raises(InvalidOptionError, match=f"max_worker_memory= .* kept with .*{backend}"):
        validated(max_worker_memory=10**9, backend=backend)


# -- in flight -----------------------------------------------------------------------------------


def untouched(index):
    """8 MB that take no time to make, and no memory before they are sent."""
    return np.zeros(10**6)


@START
def test_large_results_do_not_pile_up_in_a_worker(start, monkeypatch):
    """They leave it a few at a time, however many its chunk has time for."""
    monkeypatch.setenv("AMORSIZE_START", start)
    stream = autotune(untouched, backend="process", n_jobs=1, chunksize=40).stream(range(120))
    most = 0
    for result in stream:
        assert result.nbytes == 8_000_000
        trees = [Path(f"/proc/{pid}/status") for pid in children()]
        for path in trees:
            with contextlib.suppress(OSError):
                found = [line.split() for line in path.read_text().splitlines()]
                most = max(most, *(int(row[1]) for row in found if row[0] == "VmHWM:"))

    assert most * 1024 < own_bytes() + 200_000_000  # 40 results would take 320 MB


def own_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Counting:
    """Endless large items, and how many of them there are at once."""

    def __init__(self, n_bytes):
        self.n_bytes, self.n_read = n_bytes, 0

    def __iter__(self):
        return self

    def __next__(self):
        self.n_read += 1
        return np.full(self.n_bytes, self.n_read % 250, dtype="u1")


@pytest.mark.parametrize("backend", ["auto", "serial", "thread", "process"])
def test_a_stream_of_large_items_is_read_as_memory_allows(backend):
    """No more than about 64 MB ahead of what was taken, once it is known what an item takes."""
    data = Counting(8_000_000)
    stream = autotune(last_of, backend=backend, n_jobs=2).stream(data)

    for number in range(1, 41):
        assert next(stream) == number % 250
        assert data.n_read - number <= 20
    stream.close()


def last_of(array):
    return int(array[-1])


def large(index):
    return np.full(8_000_000, index % 250, dtype="u1")


@pytest.mark.parametrize("backend", ["auto", "serial", "thread", "process"])
def test_a_stream_of_large_results_holds_few_of_them(backend, run_script):
    """Its consumer is slow: memory stays where it is."""
    grown = int(run_script(SLOW_CONSUMER, backend).stdout)

    assert grown < 300_000_000


SLOW_CONSUMER = """
import itertools, sys, time
from pathlib import Path
import numpy as np
from amorsize import autotune

def large(index):
    return np.full(8_000_000, index % 250, dtype="u1")

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

before = most = resident_bytes()
stream = autotune(large, backend=sys.argv[1], n_jobs=2, thread_safe=True).stream(itertools.count())
for index, result in enumerate(stream):
    assert result[-1] == index % 250
    most = max(most, resident_bytes())
    if index < 10:
        time.sleep(0.05)
    if index == 60:
        break
stream.close()
print(most - before)
"""


def test_a_generator_of_large_items_is_not_kept():
    """Items are forgotten when their results are there: 60 of 8 MB take no 480."""
    before = own_bytes()
    sizes = []

    def data():
        for number in range(60):
            sizes.append(own_bytes())
            yield np.full(8_000_000, number, dtype="u1")

    assert tuned_map(last_of, data(), backend="process", n_jobs=2) == list(range(60))
    assert max(sizes) - before < 250_000_000


@pytest.mark.parametrize("n_items", [0, 1, 7, 3000])
def test_sizes_are_told_without_looking_at_everything(n_items):
    """A few elements speak for all."""
    assert sizeof.of(np.zeros(1000)) >= 8000
    assert sizeof.of([np.zeros(1000)] * n_items) >= 8000 * n_items
    assert sizeof.of(dict.fromkeys(range(n_items), "x" * 1000)) >= 1000 * n_items
    assert sizeof.of(bytes(10**6)) >= 10**6
    assert sizeof.of(5) < 100
    deep = list(itertools.accumulate(range(100), lambda inner, _: [inner]))
    assert sizeof.of(deep[-1]) < 1000


class Fields:
    """An object that holds a large array."""

    def __init__(self):
        self.array, self.name = np.zeros(10**6), "array"

    @property
    def nbytes(self):
        raise AssertionError("nobody asked")


def test_objects_are_told_by_their_fields():
    """No code of theirs is run for it."""
    assert sizeof.of(Fields()) >= 8 * 10**6

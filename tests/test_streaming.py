"""`stream` maps lazily: results as they are asked for, from data that is read as it is needed."""

import itertools
import os
import time

import pytest
from witness import CALLER, MANY_CORES, Ledger, compute_if_here, note

from amorsize import autotune
from amorsize._engine.engine import Engine
from amorsize._engine.state.call import Invocation

BACKENDS = ("auto", "serial", "thread", "process")


class Counting:
    """An endless iterator that knows how far it was read."""

    def __init__(self):
        self.n_read = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.n_read += 1
        return self.n_read - 1


def same(item):
    return item


def work(item):
    compute_if_here()
    return item, os.getpid()


@pytest.mark.parametrize("backend", BACKENDS)
def test_endless_data_is_read_as_far_as_it_is_needed(backend):
    """What is read ahead is bounded by `buffer`; the rest is never asked for."""
    data = Counting()
    stream = autotune(same, backend=backend).stream(data, buffer=20)

    for expected in range(100):
        assert next(stream) == expected
        assert data.n_read <= expected + 1 + 20
    stream.close()

    assert data.n_read <= 120


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_a_buffer_what_is_read_ahead_is_bounded_as_well(backend):
    """Nobody takes results: the stream stops reading."""
    data = Counting()
    stream = autotune(same, backend=backend).stream(data)

    assert list(itertools.islice(stream, 5000)) == list(range(5000))
    n_read = data.n_read
    time.sleep(0.05)
    assert data.n_read == n_read
    assert n_read < 5000 + 100_000
    stream.close()


def test_nothing_happens_before_the_first_result_is_asked_for():
    """Like any generator, it begins when it is first advanced."""
    data = Counting()

    stream = autotune(same).stream(data)

    assert data.n_read == 0
    assert next(stream) == 0
    stream.close()


@pytest.mark.parametrize("buffer", [1, 2, 7])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_small_buffer_is_enough(backend, buffer):
    """Also a buffer of one item comes to the end, in order."""
    stream = autotune(same, backend=backend).stream(iter(range(60)), buffer=buffer)

    assert list(stream) == list(range(60))


def test_data_may_depend_on_results():
    """With `buffer=1` an item is read only when the one before has been taken."""
    taken = []

    def data():
        for number in range(20):
            assert len(taken) >= number - 1
            yield number

    for result in autotune(same).stream(data(), buffer=1):
        taken.append(result)

    assert taken == list(range(20))


@pytest.mark.skipif(not MANY_CORES, reason="one usable core")
@pytest.mark.forks
@pytest.mark.parametrize("ordered", [True, False])
def test_work_is_shared_while_results_are_taken(ordered):
    """A stream uses worker processes as a call does."""
    results = list(autotune(work).stream(iter(range(300)), ordered=ordered))

    assert sorted(item for item, _ in results) == list(range(300))
    assert len({pid for _, pid in results}) > 1
    if ordered:
        assert [item for item, _ in results] == list(range(300))


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_unordered_results_come_when_they_are_there(backend):
    """A slow first item does not hold the others back."""

    def slow_first(item):
        time.sleep(1.0 if item == 0 else 1e-3)
        return item

    stream = autotune(slow_first, backend=backend, n_jobs=2).stream(range(50), ordered=False)
    found = list(stream)

    assert sorted(found) == list(range(50))
    assert found.index(0) > 20


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_before_a_failure_are_given_first(backend):
    """The exception comes in its item's turn, with its note."""

    def fails(item):
        if item == 30:
            raise LookupError("gone")
        return item

    stream = autotune(fails, backend=backend).stream(iter(range(100)))
    found = []
    with pytest.raises(LookupError) as caught:
        for result in stream:
            found.append(result)

    assert found == list(range(30))
    assert any("item 30 " in line for line in caught.value.__notes__)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_iterator_that_breaks_does_so_in_its_turn(backend):
    """All that it gave is mapped, then its exception arrives."""

    def data():
        yield from range(40)
        raise ConnectionError("lost")

    found = []
    with pytest.raises(ConnectionError):
        for result in autotune(same, backend=backend).stream(data()):
            found.append(result)

    assert found == list(range(40))


@pytest.mark.parametrize("backend", ["auto", "thread", "process"])
def test_a_stream_that_is_dropped_ends_its_workers(backend, tmp_path):
    """Closing it, or losing it, stops the work at once (the processes: see the fixture)."""
    ledger = Ledger(tmp_path / "ledger")

    def endless(item):
        note(ledger.path, item)
        time.sleep(2e-3)
        return item

    stream = autotune(endless, backend=backend).stream(itertools.count(), buffer=50)
    assert [next(stream) for _ in range(20)] == list(range(20))
    stream.close()
    n_run = len(ledger.entries())
    time.sleep(0.05)
    assert len(ledger.entries()) == n_run <= 120

    stream = autotune(endless, backend=backend).stream(itertools.count(), buffer=50)
    next(stream)
    del stream


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_streams_at_once(backend):
    """Taken in turns, each gives its own."""
    one = autotune(same, backend=backend).stream(iter(range(200)))
    other = autotune(same, backend=backend).stream(iter(range(1000, 1200)))

    assert list(zip(one, other, strict=True)) == list(
        zip(range(200), range(1000, 1200), strict=True)
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_consumer_may_call_tuned_functions(backend):
    """Between two results the caller is free: its own calls are full calls."""
    tuned = autotune(work, backend=backend)

    for number in autotune(same, backend=backend).stream(range(5)):
        assert [item for item, _ in tuned(range(number))] == list(range(number))


def test_sequences_are_streamed_too():
    """Lists, several iterables and keywords, as in a call."""

    def add(a, b, *, scale=1):
        return scale * (a + b)

    stream = autotune(add).stream([1, 2, 3], range(10), scale=10)

    assert list(stream) == [10, 30, 50]
    assert list(autotune(same).stream([])) == []
    assert os.getpid() == CALLER


MANY = """
import itertools, sys
from amorsize import autotune

def same(item):
    return item

def resident_bytes():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4096

list(autotune(same, backend="process").stream(iter(range(1000))))  # as a busy host may have it
stream = autotune(same, backend=sys.argv[1]).stream
assert list(stream(iter(range(1000)))) == list(range(1000))  # what is loaded once is loaded
before, most = resident_bytes(), 0
for n_seen, result in enumerate(stream(number for number in range(int(sys.argv[2])))):
    assert result == n_seen
    if not n_seen % 16384:
        most = max(most, resident_bytes())
assert n_seen == int(sys.argv[2]) - 1
print(most - before)
"""


@pytest.mark.parametrize(("backend", "n_items"), [("auto", 4_000_000), ("process", 300_000)])
def test_many_items_take_no_memory(backend, n_items, run_script):
    """Items and results are forgotten once they were given: nothing grows with their number."""
    grown_bytes = int(run_script(MANY, backend, str(n_items)).stdout)

    assert grown_bytes < 20_000_000


def test_idle_workers_do_not_make_the_caller_read_item_by_item():
    """Where it goes on alone beside workers that are not worth feeding, it reads as far as ever."""
    engine = Engine(Invocation(func=same, iterables=(iter(range(10**6)),)), streams=True)
    engine._begin()
    engine.call.pools["process"] = object()  # none of its workers has anything to do
    engine.call.work.limit = 10**6

    engine._read()

    assert engine.call.work.n_left > 100

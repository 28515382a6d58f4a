"""Producers of a stream may wait for results: each is handed over before the next item is read."""

import os
import queue
import threading
import time
from collections import deque
from concurrent.futures import Future

import pytest
from witness import MANY_CORES, compute, compute_if_here

from amorsize import InvalidOptionError, autotune
from amorsize._engine.data.read_ahead import ReadAhead
from amorsize._engine.data.source import Reading
from amorsize._engine.reading.feedback import Waiters

BOUND_S = 20.0  # a wait as long as this is one for ever
BACKENDS = ("auto", "thread", "process", "serial")


class DeadlockError(Exception):
    """The producer waits for a result that is not handed over."""


def item_of(item):
    compute(2e-3)
    return item


def taken(answers):
    try:
        return answers.get(timeout=BOUND_S)
    except queue.Empty:
        raise DeadlockError from None


class Asking:
    """An iterator of its own: each item but the first comes after the answer to the one before."""

    def __init__(self, answers, n_items):
        self.answers, self.n_items, self.n_read = answers, n_items, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.n_read == self.n_items:
            raise StopIteration
        if self.n_read:
            taken(self.answers)
        self.n_read += 1
        return self.n_read - 1


def by_iterator():
    answers = queue.SimpleQueue()
    return Asking(answers, 12), answers.put


def by_events():
    events = [threading.Event() for _ in range(12)]

    def produce():
        for number in range(12):
            if number and not events[number - 1].wait(BOUND_S):
                raise DeadlockError
            yield number

    return produce(), lambda result: events[result].set()


def by_places():
    """No more than three results may be outstanding."""
    places = threading.Semaphore(3)

    def produce():
        for number in range(12):
            if not places.acquire(timeout=BOUND_S):
                raise DeadlockError
            yield number

    return produce(), lambda _: places.release()


def by_sentinel():
    answers = queue.Queue()
    answers.put(0)

    def put(result):
        answers.put(result + 1 if result < 11 else None)

    return iter(lambda: taken(answers), None), put


def by_futures():
    futures = [Future() for _ in range(12)]

    def produce():
        for number in range(12):
            if number:
                futures[number - 1].result(BOUND_S)
            yield number

    return produce(), lambda result: futures[result].set_result(None)


def by_pipe():
    out, into = os.pipe()

    def produce():
        import select

        for number in range(12):
            if number and not select.select([out], [], [], BOUND_S)[0]:
                raise DeadlockError
            if number:
                os.read(out, 1)
            yield number
        os.close(out)
        os.close(into)

    return produce(), lambda result: os.write(into, b".") if result < 11 else None


WAYS = {
    "iterator": by_iterator,
    "events": by_events,
    "places": by_places,
    "sentinel": by_sentinel,
    "futures": by_futures,
    "pipe": by_pipe,
}


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_producer_may_wait_for_results(way, backend, ordered):
    """As a loop lets it, wherever items run."""
    data, put = way()
    found = []
    for result in autotune(item_of, backend=backend, n_jobs=2).stream(data, ordered=ordered):
        found.append(result)
        put(result)

    assert sorted(found) == list(range(12))


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_results_come_before_a_slow_next_item(backend):
    """How many items had been asked for when a result came: one more than results, not two."""
    n_read = 0

    def produce():
        nonlocal n_read
        for number in range(6):
            time.sleep(0.1 if number else 0)  # stands for a slow source
            n_read += 1
            yield number

    seen = [
        n_read - n_taken
        for n_taken, _ in enumerate(autotune(str, backend=backend, n_jobs=2).stream(produce()), 1)
    ]

    assert sorted(seen)[: len(seen) // 2] == [0] * (len(seen) // 2)  # others may be on the cores


@pytest.mark.skipif(not MANY_CORES, reason="one usable core")
@pytest.mark.forks
def test_a_queue_that_others_fill_is_shared_out():
    """While there is something in it, reading it keeps nobody waiting."""
    ready = queue.Queue()
    for number in [*range(200), None]:
        ready.put(number)

    def item(number):
        compute_if_here()
        return number, os.getpid()

    found = list(autotune(item, cache=False).stream(iter(ready.get, None)))

    assert [number for number, _ in found] == list(range(200))
    assert len({pid for _, pid in found}) > 1


def test_what_is_only_looked_at_is_not_waited_for():
    """A flag that ends a producer is no reason against reading ahead."""
    stop, done = threading.Event(), Future()

    def produce():
        while not (stop.is_set() or done.done()):
            yield 1

    assert Waiters([produce()]).why is None
    assert not Waiters([produce()])


# -- a thread that reads -------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thread_reads_ahead_where_that_is_asked_for(backend):
    """So many items and no more, in another thread; never more, however slow the consumer."""
    readers, n_read = set(), 0

    def produce():
        nonlocal n_read
        for number in range(60):
            readers.add(threading.get_ident())
            n_read += 1
            yield number

    found = []
    stream = autotune(item_of, backend=backend, n_jobs=2).stream(produce(), buffer=2, read_ahead=4)
    for result in stream:
        assert n_read <= len(found) + 2 + 1 + 4 + 1  # the buffer, and one on its way each time
        found.append(result)

    assert found == list(range(60))
    # The caller reads until workers are at work; a thread ends before one more worker is forked.
    assert len(readers) >= 2
    assert threading.get_ident() in readers


def test_a_reading_thread_and_a_producer_that_waits():
    """Results come while it is inside the data's code."""
    data, put = by_iterator()
    found = []
    for result in autotune(item_of, backend="process").stream(data, read_ahead=1):
        found.append(result)
        put(result)

    assert found == list(range(12))


@pytest.mark.parametrize("backend", BACKENDS)
def test_data_that_breaks_in_the_thread_does_so_in_its_turn(backend):
    """What it gave before is mapped first."""

    def produce():
        yield from range(20)
        raise ConnectionError("lost")

    found = []
    with pytest.raises(ConnectionError, match="lost"):
        for result in autotune(item_of, backend=backend).stream(produce(), read_ahead=3):
            found.append(result)

    assert found == list(range(20))


class Unhurried(deque):
    """Once it was found empty, the thread that fills it comes to its end before anybody goes on."""

    def __init__(self, ahead):
        super().__init__()
        self.ahead = ahead

    def __bool__(self):
        is_filled = len(self) > 0
        while not is_filled and self.ahead._lives:
            time.sleep(1e-4)
        return is_filled


@pytest.mark.parametrize("ends", [False, True])
def test_what_the_thread_has_read_comes_before_its_end(ends):
    """Also if it ends just as the caller has found nothing there."""
    ahead = ReadAhead(iter(range(5)), 9)
    ahead._there = Unhurried(ahead)

    def ending():
        yield 0
        ahead._stopping = not ends
        yield from range(1, 5)

    ahead._iterator = ending()
    ahead.start()

    assert list(ahead) == list(range(5))


def test_a_thread_that_has_ended_by_itself_is_waited_for():
    """It may do so while it is told to; to tell it once more is no error."""
    for _ in range(20):
        ahead = ReadAhead(iter(range(3)), 9)
        ahead.start()
        until_s = time.monotonic() + BOUND_S
        while not ahead.stop():  # on a busy host it may have no core yet
            assert time.monotonic() < until_s
        assert ahead.stop()
        assert list(ahead) == [0, 1, 2]


def test_a_stream_that_is_closed_reads_no_further():
    """Its thread ends, at the latest with the item that it was about to read."""
    n_read = 0

    def produce():
        nonlocal n_read
        while True:
            n_read += 1
            yield n_read

    stream = autotune(item_of, backend="thread").stream(produce(), read_ahead=5)
    assert next(stream) == 1
    stream.close()
    before = n_read

    assert threading.active_count() == 1
    assert n_read == before


@pytest.mark.parametrize("options", [{"read_ahead": 0}, {"read_ahead": 1.5}, {"read_ahead": True}])
def test_what_cannot_be_read_ahead_is_refused(options):
    """As for `buffer`."""
    with pytest.raises(InvalidOptionError, match="read_ahead"):
        autotune(item_of).stream([1], **options)


def test_lists_need_no_reading_thread():
    """They are there."""
    assert list(autotune(item_of).stream([1, 2, 3], read_ahead=2)) == [1, 2, 3]


# -- indices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("backend", BACKENDS)
def test_results_come_with_their_indices(backend, kind, ordered):
    """Which item each is of, whatever the order."""
    data = kind([*range(80)])

    def item(number):
        time.sleep(2e-3 if number % 7 == 0 else 0)
        return -number

    pairs = list(autotune(item, backend=backend).stream(data, ordered=ordered, indexed=True))

    assert sorted(pairs) == [(number, -number) for number in range(80)]
    assert not ordered or [index for index, _ in pairs] == list(range(80))


def test_errors_kept_as_results_have_their_index_too():
    """Which file was it?"""

    def item(number):
        return 1 / (number - 3)

    tuned = autotune(item, return_exceptions=True, backend="process")
    failed = [
        index
        for index, result in tuned.stream(range(8), ordered=False, indexed=True)
        if isinstance(result, ZeroDivisionError)
    ]

    assert failed == [3]


def test_a_source_that_tells_is_read_item_by_item():
    """What is there is known of the next item alone."""
    n_there = 5
    source = Reading(iter(range(100)))
    source.ask(lambda: source.n_read >= n_there)

    source.read(50, 1.0)

    assert source.n_read == n_there

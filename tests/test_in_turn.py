"""Reads one, runs one: the order of a loop, wherever something may depend on it."""

import itertools
import os
import time

import pytest
from lent_items import DEPENDENT, INDEPENDENT, KINDS, reading
from witness import CALLER, MANY_CORES, compute_if_here

from amorsize import autotune, failed_index, partial_results, tuned_map
from amorsize._engine.data.source import Reading
from amorsize.policy.rules import choose_backend

LOOPS = [{"backend": "serial"}, {"n_jobs": 1}]


@pytest.mark.parametrize("options", [{}, *LOOPS], ids=["auto", "serial", "one job"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_lent_for_one_turn_is_run_in_it(kind, options):
    """As a loop does, though the items are long enough for workers."""
    iterator, function = KINDS[kind]
    item = reading(function)

    assert tuned_map(item, iterator(), **options) == [function(one) for one in iterator()]


@pytest.mark.parametrize("kind", KINDS)
def test_where_items_wait_as_well(kind):
    """Threads would have them all at once."""
    iterator, function = KINDS[kind]

    def item(value):
        time.sleep(2e-3)
        return function(value)

    assert tuned_map(item, iterator()) == [function(one) for one in iterator()]


@pytest.mark.parametrize("kind", KINDS)
def test_explain_names_what_kept_them_in_the_caller(kind):
    """Who wonders why there are no workers is told."""
    iterator, function = KINDS[kind]
    tuned = autotune(reading(function))

    tuned(iterator())

    told = str(tuned.explain())
    assert "one by one" in told
    assert "threads and processes: " in told


@pytest.mark.parametrize("kind", KINDS)
def test_threads_that_were_asked_for_get_them_one_by_one(kind):
    """Every item in a thread, as asked, and none is read before the one before is done."""
    iterator, function = KINDS[kind]

    found = tuned_map(reading(function), iterator(), backend="thread")

    assert found == [function(one) for one in iterator()]


@pytest.mark.parametrize(
    "kind", ["temporary files", "folders", "one buffer", "one row", "one array"]
)
def test_processes_that_were_asked_for_get_them_one_by_one(kind):
    """What can be sent is sent in its turn."""
    iterator, function = KINDS[kind]

    found = tuned_map(reading(function), iterator(), backend="process")

    assert found == [function(one) for one in iterator()]


@pytest.mark.parametrize("options", [{}, *LOOPS], ids=["auto", "serial", "one job"])
@pytest.mark.parametrize("kind", DEPENDENT)
def test_data_may_depend_on_what_was_done(kind, options):
    """A crawler's frontier, a flag, a queue of answers: the generator goes on after the item."""
    looped, mapped = DEPENDENT[kind](), DEPENDENT[kind]()

    assert tuned_map(mapped.visit, mapped.read(), **options) == [
        looped.visit(one) for one in looped.read()
    ]


@pytest.mark.parametrize("options", [{}, *LOOPS], ids=["auto", "serial", "one job"])
@pytest.mark.parametrize("kind", KINDS)
def test_streams_lend_for_one_turn_too(kind, options):
    """The result is handed over before the next item is read."""
    iterator, function = KINDS[kind]
    stream = autotune(reading(function), **options).stream(iterator())

    assert list(stream) == [function(one) for one in iterator()]


@pytest.mark.skipif(not MANY_CORES, reason="one usable core")
@pytest.mark.forks
@pytest.mark.parametrize("kind", INDEPENDENT)
def test_what_stands_for_itself_is_shared_out(kind):
    """Lines of an open file, rows, arrays: nothing is lost by reading them ahead."""
    iterator, function = INDEPENDENT[kind]

    def item(value):
        compute_if_here()
        return function(value), os.getpid()

    tuned = autotune(item)
    found = tuned(iterator())

    assert [result for result, _ in found] == [function(one) for one in iterator()]
    assert {pid for _, pid in found} > {CALLER}, str(tuned.explain())


@pytest.mark.parametrize("options", [*LOOPS, {"return_exceptions": True, "backend": "serial"}])
@pytest.mark.parametrize("function", [str, lambda value: str(value)], ids=["in C", "in Python"])
def test_the_order_is_read_run_read_run(function, options):
    """For any function, and any iterator."""
    order = []

    def data():
        for number in range(50):
            order.append(("read", number))
            yield number

    class Runs:
        def __call__(self, number):
            order.append(("run", number))
            return function(number)

    tuned_map(Runs(), data(), **options)

    assert order == [(what, number) for number in range(50) for what in ("read", "run")]


@pytest.mark.parametrize("options", [{}, {"backend": "thread"}, {"timeout": 10.0}])
def test_the_first_item_has_run_before_the_second_is_read(options):
    """Whatever is made of the others."""
    n_run, seen = [0], []

    def data():
        for number in range(60):
            seen.append(n_run[0])
            yield number

    def item(number):
        n_run[0] += 1
        return number

    if options.get("timeout"):  # a process counts for itself
        read = []

        def file_data():
            for number in range(20):
                read.append(number)
                yield number

        stream = autotune(abs, **options).stream(file_data())
        assert next(stream) == 0
        assert read == [0]
        stream.close()
        return
    assert tuned_map(item, data(), **options) == list(range(60))
    assert seen[:2] == [0, 1]


@pytest.fixture
def all_trivial(monkeypatch):
    """Whatever an item takes counts as no time."""
    monkeypatch.setattr(choose_backend, "LEAST_ITEM_S", 1.0)


@pytest.mark.usefixtures("all_trivial")
@pytest.mark.parametrize("options", [{}, {"seed": 3}, {"return_exceptions": True}])
def test_trivial_items_are_read_one_by_one_to_the_end(monkeypatch, options):
    """To read them ahead would take longer than they do, and workers would not get them."""
    n_ahead, read = [], Reading.read

    def noted(source, n_more, longest_s):
        n_before = source.n_read
        read(source, n_more, longest_s)
        n_ahead.append(source.n_read - n_before)

    monkeypatch.setattr(Reading, "read", noted)

    found = tuned_map(str, (number for number in range(20_000)), **options)

    assert found == list(map(str, range(20_000)))
    # The second is read to see what that does to the first, which has been run.
    assert n_ahead == [1, 1]


@pytest.mark.usefixtures("all_trivial")
@pytest.mark.parametrize("make", [set, dict.fromkeys])
def test_trivial_items_of_any_collection_are_all_run_once(make):
    """Some of it was read before it was clear that they are trivial."""
    data = make(range(30_000))
    if isinstance(data, dict):
        data = data.keys()

    assert tuned_map(hash, data) == list(range(30_000))


@pytest.mark.usefixtures("all_trivial")
@pytest.mark.parametrize("make", [set, iter, lambda numbers: (n for n in numbers)])
def test_a_trivial_item_that_fails_is_named(make):
    """However far the others had come."""

    def item(number):
        if number == 25_000:
            raise LookupError(number)
        return number

    with pytest.raises(LookupError) as caught:
        tuned_map(item, make(range(30_000)))
    assert failed_index(caught.value) == 25_000
    assert partial_results(caught.value) == {n: n for n in range(25_000)}
    assert "item 25000 (25000)" in caught.value.__notes__[0]


def test_a_short_call_reads_nothing_ahead():
    """What is over before workers come into question is the loop."""
    order = []

    def data():
        for number in range(10):
            order.append(number)
            yield number

    def item(number):
        order.append(-number)
        return number

    tuned_map(item, data())

    assert order == [one for number in range(10) for one in (number, -number)]


@pytest.mark.parametrize("kind", ["generator", "map", "both"])
def test_what_makes_the_data_may_call_tuned_functions(kind):
    """It is not inside an item: its calls are full calls, also while it is read in turn."""
    from amorsize._workers import nesting

    inside = []
    in_turn = [(False, [1, 2]), (True, [1, 2])]

    def read(number):
        inside.append((nesting.is_inside(), tuned_map(abs, [-1, -2])))
        return number

    def data():
        if kind == "map":
            return map(read, range(5))
        numbers = range(5) if kind == "generator" else map(abs, range(5))
        return (read(number) for number in numbers)

    def item(number):
        inside.append((nesting.is_inside(), tuned_map(abs, [-1, -2])))
        return number

    assert tuned_map(item, data()) == list(range(5))
    assert inside == in_turn * 5
    assert list(autotune(item).stream(data())) == list(range(5))
    assert inside == in_turn * 10
    assert not nesting.is_inside()


@pytest.mark.parametrize("options", [{}, *LOOPS], ids=["auto", "serial", "one job"])
@pytest.mark.parametrize("place", [0, 1, 2, 17])
def test_an_iterator_that_breaks_is_no_item_that_fails(place, options):
    """Its error carries no item's note, and is never kept as a result."""

    def data():
        yield from range(place)
        raise ConnectionError("lost")

    for keeps in (False, True):
        with pytest.raises(ConnectionError) as caught:
            tuned_map(str, data(), return_exceptions=keeps, **options)
        assert not getattr(caught.value, "__notes__", [])
        with pytest.raises(ConnectionError):
            list(autotune(str, return_exceptions=keeps, **options).stream(data()))


@pytest.mark.parametrize("options", [{}, *LOOPS], ids=["auto", "serial", "one job"])
@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("place", [0, 1, 2, 17])
def test_an_item_that_fails_is_named(place, options, seed):
    """Though nothing is held of the items that were read."""

    def item(number):
        if number == 100 + place:
            raise LookupError(number)
        return number

    with pytest.raises(LookupError) as caught:
        tuned_map(item, (100 + number for number in range(30)), seed=seed, **options)
    notes = [note for note in caught.value.__notes__ if not note.startswith("raised in a worker")]
    assert f"item {place} ({100 + place})" in notes[0]

    found = []
    with pytest.raises(LookupError) as caught:
        for result in autotune(item, seed=seed, **options).stream(iter(range(100, 130).__iter__())):
            found.append(result)
    assert any(f"item {place} ({100 + place})" in note for note in caught.value.__notes__)
    assert found == list(range(100, 100 + place))

    kept = tuned_map(
        item, (100 + n for n in range(30)), seed=seed, return_exceptions=True, **options
    )
    assert isinstance(kept[place], LookupError)
    assert kept[place + 1 :] == list(range(101 + place, 130))


def test_several_iterables_are_looked_at_each():
    """A parser that goes with every item is not an item lent again and again."""
    parser = {"base": 10}

    def item(number, one, text):
        return number + len(one) + len(text)

    found = tuned_map(
        item, (n for n in range(20)), itertools.repeat(parser), map(str, range(20)), n_jobs=2
    )

    assert found == [n + 1 + len(str(n)) for n in range(20)]

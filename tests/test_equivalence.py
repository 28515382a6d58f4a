"""Results, their order and what is raised equal the loop's, whatever the data and the faults."""

import os
import threading
import time
from collections import deque
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from witness import CALLER, Ledger, compute, note

import amorsize
from amorsize import RemoteError, SerializationError, autotune, tuned_map

BACKENDS = ("auto", "serial", "thread", "process")
PLACES = st.sampled_from(BACKENDS)
QUICKLY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Unbuildable(Exception):
    """An exception that pickles, and cannot be built again from its pickle."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")


class Unpicklable(Exception):
    """An exception that holds something that cannot be pickled."""

    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


class Slotted(Exception):
    """An exception without room for further attributes."""

    __slots__ = ()


FAULTS = {
    "value": ValueError("wrong", 3),
    "key": KeyError("missing"),
    "stop": StopIteration(),
    "assert": AssertionError(),
    "os": OSError(2, "No such file", "there"),
    "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "slotted": Slotted("no room"),
    "group": ExceptionGroup("several", [ValueError(1), TypeError(2)]),
}
GRAVE_FAULTS = {
    "exit": SystemExit(3),
    "generator": GeneratorExit("no more"),
    "interrupt": KeyboardInterrupt(),
}


def outcome(item):
    """An item that is a number is doubled; one that names a fault raises it."""
    if isinstance(item, str):
        raise FAULTS.get(item) or GRAVE_FAULTS[item]
    return [item, item * 2]


def loop(func, data):
    """What the loop gives: its results so far, and what it raised."""
    results = []
    try:
        for item in data:
            results.append(func(item))
    except BaseException as error:
        return results, error
    return results, None


def same_error(one, other):
    """Two exceptions look alike to whoever catches them."""
    return type(one) is type(other) and (repr(one), str(one)) == (repr(other), str(other))


items = st.one_of(st.integers(-9, 9), st.floats(allow_nan=False), st.sampled_from(list(FAULTS)))
options = st.fixed_dictionaries(
    {"backend": PLACES},
    optional={
        "chunksize": st.integers(1, 9),
        "n_jobs": st.integers(1, 3),
        "retries": st.integers(0, 1),
    },
)


@QUICKLY
@given(data=st.lists(items, max_size=40), options=options, iterates=st.booleans())
def test_what_the_loop_gives(data, options, iterates):
    """The same list; or the same exception, that of the lowest index, and what came before it."""
    results, error = loop(outcome, data)

    if error is None:
        assert tuned_map(outcome, iter(data) if iterates else data, **options) == results
        return
    with pytest.raises(type(error)) as caught:
        tuned_map(outcome, iter(data) if iterates else data, **options)

    raised = caught.value
    assert same_error(raised, error)
    assert any(f"item {len(results)} " in note for note in raised.__notes__)
    if type(error) is not Slotted:
        computed = amorsize.partial_results(raised)
        assert [computed[index] for index in range(len(results))] == results
        assert len(results) not in computed


@QUICKLY
@given(data=st.lists(items, max_size=40), options=options)
def test_exceptions_as_results(data, options):
    """`return_exceptions=True`: each exception stands in its item's place."""
    found = tuned_map(outcome, data, return_exceptions=True, **options)

    assert len(found) == len(data)
    for item, result in zip(data, found, strict=True):
        expected, error = loop(outcome, [item])
        if error is None:
            assert result == expected[0]
        else:
            assert same_error(result, error)


@QUICKLY
@given(data=st.lists(items, max_size=30), options=options, ordered=st.booleans())
def test_streams_give_what_the_loop_gives(data, options, ordered):
    """Lazily: the same results, then the same exception."""
    results, error = loop(outcome, data)
    stream = autotune(outcome, **options).stream(iter(data), ordered=ordered)
    if type(error) is StopIteration:  # no generator may let one out: it ends as a RuntimeError
        error = RuntimeError("generator raised StopIteration")

    found, raised = loop(lambda result: result, stream)

    if ordered:
        assert found == results
    else:
        assert all(result in found for result in results)
    assert (raised is None) == (error is None)
    assert raised is None or same_error(raised, error)


@pytest.mark.parametrize("fault", GRAVE_FAULTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_no_exception_ends_the_call_as_well(backend, fault):
    """SystemExit, GeneratorExit and KeyboardInterrupt of an item reach the caller as they are."""
    error = GRAVE_FAULTS[fault]

    with pytest.raises(type(error)) as caught:
        tuned_map(outcome, [1, 2, fault, 4], backend=backend, return_exceptions=True)

    assert caught.value.args == error.args


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_lowest_failure_counts(backend):
    """Several items fail, the last one first: the exception is that of the lowest."""

    def fails(index):
        time.sleep(0.1 if index == 3 else 0.001)
        if index >= 3:
            raise ValueError(index)
        return index

    with pytest.raises(ValueError, match="3") as caught:
        tuned_map(fails, range(20), backend=backend, n_jobs=2, chunksize=1)

    assert caught.value.args == (3,)


@pytest.mark.parametrize("backend", ["auto", "thread", "process"])
def test_no_item_above_a_failure_is_started_any_more(backend, tmp_path):
    """After a failure the rest is cancelled at once; what is below it is finished."""
    ledger = Ledger(tmp_path / "ledger")

    def fails(index):
        note(ledger.path, index)
        compute(1e-3)
        if index == 30:
            compute(30e-3)  # meanwhile the others are at work above it
            note(ledger.path, -1)
            raise LookupError(index)
        return index

    with pytest.raises(LookupError) as caught:
        tuned_map(fails, range(3000), backend=backend)

    began = {entry.index: entry.at_s for entry in ledger.entries()}
    assert len(began) == len(ledger.entries())
    assert set(range(31)) <= set(began)
    failed_at_s = began.pop(-1)
    assert max(began.values()) < failed_at_s + 0.5
    assert len(began) < 1500
    computed = amorsize.partial_results(caught.value)
    assert [computed[index] for index in range(30)] == list(range(30))


def test_the_note_names_the_item():
    """Which item it was stands in the exception's note, with its value and the function's name."""

    def parse(text):
        return int(text)

    with pytest.raises(ValueError, match="invalid literal") as caught:
        tuned_map(parse, ["1", "2", "x3", "4"], backend="process")

    assert any("parse: item 2 ('x3')" in line for line in caught.value.__notes__)


@pytest.mark.forks
def test_the_traceback_of_a_worker_is_told():
    """Where in the worker it happened is in a note: the stack itself stays there."""

    def deep(item):
        return {}[item]

    with pytest.raises(KeyError) as caught:
        tuned_map(deep, [1, 2], backend="process")

    assert any("return {}[item]" in line for line in caught.value.__notes__)


def raise_unbuildable(item):
    raise Unbuildable(7, f"item {item} is bad")


def raise_unpicklable(item):
    raise Unpicklable(f"item {item} is bad")


def test_an_exception_that_cannot_travel_is_told_by_another():
    """A stand-in names its type, what it said, the item's index, and why it stayed away."""
    func = raise_unpicklable
    with pytest.raises(RemoteError, match="item 0 is bad") as caught:
        tuned_map(func, [0, 1, 2], backend="process")

    assert "Unpicklable" in str(caught.value)
    assert any("item 0 " in line for line in caught.value.__notes__)
    assert len(tuned_map(func, [0, 1, 2], backend="process", return_exceptions=True)) == 3


def test_an_exception_whose_constructor_is_its_own_travels():
    """It is made again without calling that."""
    with pytest.raises(Unbuildable, match="item 0 is bad"):
        tuned_map(raise_unbuildable, [0, 1, 2], backend="process")


@pytest.mark.parametrize("func", [raise_unbuildable, raise_unpicklable])
@pytest.mark.parametrize("backend", ["serial", "thread"])
def test_in_the_callers_memory_every_exception_can_travel(func, backend):
    """Threads and the loop raise the exception itself."""
    with pytest.raises((Unbuildable, Unpicklable)):
        tuned_map(func, [0, 1, 2], backend=backend)


# -- data ------------------------------------------------------------------------------------


def numpy_array():
    import numpy

    return numpy.arange(60).reshape(20, 3)


def pandas_series():
    pandas = pytest.importorskip("pandas")
    return pandas.Series([3.5, 1.5, 2.5] * 10, index=range(100, 130))


class Labelled:
    """Indexed by labels: data[0] is not there."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __iter__(self):
        return (label / 2 for label in self.labels)

    def __getitem__(self, label):
        if isinstance(label, slice):
            return type(self)(self.labels[label])
        if label not in self.labels:
            raise KeyError(label)
        return label / 2


#: As pandas 2 has it; pandas 3 names another module.
SeriesOfPandas2 = type("Series", (Labelled,), {"__module__": "pandas.core.series"})


DATA = {
    "list": lambda: [3, 1, 2] * 9,
    "tuple": lambda: (3, 1, 2) * 9,
    "range": lambda: range(5, 60, 3),
    "items of a dict": lambda: {"a": 1, "b": 2, "c": 3}.items(),
    "keys of a dict": lambda: dict.fromkeys(range(20)).keys(),
    "set": lambda: {1.5, 2.5, "three"},
    "frozenset": lambda: frozenset(range(30)),
    "deque": lambda: deque(range(30)),
    "generator": lambda: (index * index for index in range(30)),
    "map": lambda: map(str, range(30)),
    "enumerate": lambda: enumerate("abcdef"),
    "numpy array": numpy_array,
    "pandas Series": pandas_series,
    "Series of pandas 2": lambda: SeriesOfPandas2(range(100, 130)),
    "memoryview": lambda: memoryview(b"some bytes"),
    "list of lists": lambda: [[1, 2], [], [3]],
}


def told(item):
    """What an item is, and what it holds."""
    return type(item).__name__, getattr(item, "tolist", lambda: item)()


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("backend", BACKENDS)
def test_any_iterable_gives_the_loops_items(backend, kind):
    """Values, their types and their order are those that iterating would give."""
    assert tuned_map(told, DATA[kind](), backend=backend) == [told(item) for item in DATA[kind]()]


class OldStyle:
    """Iterable by `__getitem__` alone."""

    def __getitem__(self, index):
        if index >= 12:
            raise IndexError(index)
        return index * 10


class SubclassedList(list):
    """A list whose iteration is not its content."""

    def __iter__(self):
        return (2 * item for item in super().__iter__())


@pytest.mark.parametrize("data", [OldStyle(), SubclassedList(range(20))])
@pytest.mark.parametrize("backend", BACKENDS)
def test_iteration_is_what_the_data_says_it_is(backend, data):
    """Only data whose slices are known to be its items is sliced."""
    assert tuned_map(abs, data, backend=backend) == [abs(item) for item in data]


@QUICKLY
@given(
    lengths=st.lists(st.integers(0, 12), min_size=2, max_size=4), backend=PLACES, lazy=st.booleans()
)
def test_several_iterables_are_zipped_to_the_shortest(lengths, backend, lazy):
    """As `map` does."""
    data = [[(which, index) for index in range(n)] for which, n in enumerate(lengths)]

    found = tuned_map(tuple_of, *(iter(d) if lazy else d for d in data), backend=backend)

    assert found == list(zip(*data, strict=False))


def tuple_of(*arguments):
    return arguments


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lazy", [True, False])
def test_strict_refuses_iterables_of_different_lengths(backend, lazy):
    """`strict=True` raises the ValueError of `zip(strict=True)`; equal lengths pass."""
    short, long = [1, 2], [1, 2, 3]

    with pytest.raises(ValueError, match=r"strict|shorter|longer"):
        tuned_map(tuple_of, iter(short) if lazy else short, long, strict=True, backend=backend)

    assert tuned_map(tuple_of, long, long, strict=True, backend=backend) == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_keywords_go_to_every_item(backend):
    """The keywords of a call are each item's."""
    parse = autotune(int, backend=backend)

    assert tuned_map(int, ["10", "11"], item_kwargs={"base": 2}, backend=backend) == [2, 3]
    assert tuned_map(pow, [2, 3], [5, 6], item_kwargs={"mod": 7}, backend=backend) == [4, 1]
    assert parse([b"z", b"10"], base=36) == [35, 36]


def bad_generator(n_items):
    """Breaks after some items."""
    yield from range(n_items)
    raise ConnectionError(f"lost after {n_items}")


@QUICKLY
@given(n_items=st.integers(0, 60), options=options)
def test_an_iterator_that_breaks_is_not_a_shorter_one(n_items, options):
    """Its exception reaches the caller; what was computed is kept; nothing is silently cut."""
    with pytest.raises(ConnectionError, match=f"lost after {n_items}") as caught:
        tuned_map(abs, bad_generator(n_items), **options)

    assert amorsize.partial_results(caught.value) == {index: index for index in range(n_items)}


def test_an_iterator_that_breaks_late_is_noticed_under_workers():
    """Also when workers have been busy with what it gave before."""
    with pytest.raises(ConnectionError, match="lost after 300"):
        tuned_map(partial(spend, work_s=1e-3), bad_generator(300))


def spend(item, work_s=1e-3):
    """Compute for a while."""
    compute(work_s)
    return item


class Unmovable:
    """A value that cannot be pickled, and says where it is asked."""

    def __init__(self, number):
        self.number, self.lock = number, threading.Lock()


def number_of(item):
    compute(1e-3)
    return item.number, os.getpid()


def movable(number):
    compute(1e-3)
    return Unmovable(number)


@pytest.mark.parametrize("backend", ["auto", "thread"])
def test_items_that_cannot_be_pickled(backend):
    """They are run where no pickling is needed."""
    data = [Unmovable(number) for number in range(100)]

    for shape in (data, iter(data)):
        found = tuned_map(number_of, shape, backend=backend)
        assert [number for number, _ in found] == list(range(100))


@pytest.mark.parametrize("backend", ["auto", "thread"])
@pytest.mark.forks
def test_results_that_cannot_be_pickled(backend):
    """They are computed where no pickling is needed, and are the objects themselves."""
    tuned = autotune(movable, backend=backend)

    found = tuned(range(100))

    assert [one.number for one in found] == list(range(100))
    if backend == "auto":
        assert "pickle" in str(tuned.explain())


def sometimes_unmovable(number):
    compute(1e-3)
    return threading.Lock() if number == 150 else number


def test_one_result_that_cannot_be_pickled_among_many():
    """Discovered only after workers have started: nothing is lost, auto still gives the list."""
    found = tuned_map(sometimes_unmovable, range(300))

    assert [one for one in found if isinstance(one, int)] == [
        number for number in range(300) if number != 150
    ]


@pytest.mark.parametrize("index", [0, 5, 150])
def test_processes_asked_for_name_the_result_that_cannot_travel(index):
    """`backend="process"`: an error that names the index and what cannot travel."""

    def unmovable(number):
        return threading.Lock() if number == index else number

    with pytest.raises(SerializationError, match=rf"result of item {index} .*lock"):
        tuned_map(unmovable, range(200), backend="process")


@pytest.mark.parametrize("index", [0, 5])
def test_processes_asked_for_name_the_item_that_cannot_travel(index):
    """Items out of an iterator have to travel: one that cannot is named."""
    data = (Unmovable(number) if number == index else number for number in range(20))

    with pytest.raises(SerializationError, match=rf"item {index} .*lock"):
        tuned_map(str, data, backend="process")


def test_a_result_that_cannot_be_read_back():
    """A result whose pickle cannot be loaded in the caller: an error, and no hang."""
    with pytest.raises(SerializationError, match="items? 7"):
        tuned_map(unreadable_at_seven, range(9), backend="process")


class Unreadable:
    """A result that can be pickled, and not be rebuilt."""

    def __reduce__(self):
        return int, ("no number",)


def unreadable_at_seven(item):
    return Unreadable() if item == 7 else item


def test_the_result_that_cannot_be_read_back_is_named():
    """Others that came in one message with it are not lost: each of them comes alone."""
    tuned = autotune(unreadable_at_seven, backend="process", n_jobs=1, chunksize=20)

    with pytest.raises(SerializationError, match="result of item 7 was .*no number") as caught:
        tuned(range(60))
    assert [amorsize.partial_results(caught.value)[item] for item in range(7)] == list(range(7))

    found = tuned.using(return_exceptions=True)(range(60))
    assert isinstance(found.pop(7), SerializationError)
    assert found == [item for item in range(60) if item != 7]


@pytest.mark.parametrize("backend", ["thread", "process"])
def test_large_items_and_results(backend):
    """Megabytes each way, through pipes that hold far less."""
    data = (bytes([number]) * 3_000_000 for number in range(12))

    found = tuned_map(bytes.swapcase, data, backend=backend, n_jobs=2)

    assert [(one[0], len(one)) for one in found] == [
        (bytes([number]).swapcase()[0], 3_000_000) for number in range(12)
    ]


def test_the_caller_is_the_caller():
    """What `witness` calls the caller is this process."""
    assert os.getpid() == CALLER

"""Results and items that pickle alone refuses travel with their code, and are what a loop gives."""

import collections
import dataclasses
import os
import time
import typing
from contextlib import nullcontext

import pytest
from conftest import another_thread
from witness import MANY_CORES, compute_if_here

from amorsize import SerializationError, autotune, optimize, tuned_map
from amorsize._engine.costs import pickling_cost
from amorsize._workers.messages.packing import Packing

LEVEL = 1


@pytest.fixture(params=["forks", "clean start"])
def start(request):
    """Both ways to start worker processes: beside a thread there is no fork."""
    with another_thread() if request.param == "clean start" else nullcontext():
        yield request.param


def local_class():
    class Point:
        n_made = 0

        def __init__(self, x):
            self.x = x

        def twice(self):
            return 2 * self.x

    return Point, lambda item: Point(item), lambda one: one.twice() // 2


def local_dataclass():
    @dataclasses.dataclass(frozen=True)
    class Row:
        number: int
        more: list

    return Row, lambda item: Row(item, [item]), lambda one: one.more[0]


def local_slots():
    @dataclasses.dataclass(frozen=True, slots=True)
    class Cell:
        number: int
        more: list = dataclasses.field(default_factory=list)

    return Cell, lambda item: Cell(item, [item]), lambda one: one.more[0]


def local_generic():
    T = typing.TypeVar("T")

    class Box(typing.Generic[T]):
        def __init__(self, inside):
            self.inside = inside

    return Box, lambda item: Box(item), lambda one: one.inside


def local_tuple():
    Pair = collections.namedtuple("Pair", "one other")

    def make(item):
        return Pair(item, other=None)

    return Pair, make, lambda one: one.one


CLASSES = {
    "class": local_class,
    "dataclass": local_dataclass,
    "dataclass with slots": local_slots,
    "generic": local_generic,
    "named tuple": local_tuple,
}


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_instances_of_a_local_class_are_of_that_class(kind, start):
    """In the caller there is one class, wherever its instances were made."""
    cls, make, value_of = kind()

    found = tuned_map(make, range(20), backend="process", n_jobs=1)

    assert [value_of(one) for one in found] == list(range(20))
    assert {type(one) for one in found} == {cls}


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_items_of_a_local_class_travel_out_of_an_iterator(kind):
    """Like the rows of `df.itertuples()`, whose class no module has."""
    cls, make, value_of = kind()

    def item(one):
        return os.getpid(), value_of(one), one

    found = tuned_map(
        item, iter([make(number) for number in range(20)]), backend="process", n_jobs=2
    )

    assert [value for _, value, _ in found] == list(range(20))
    assert os.getpid() not in {pid for pid, _, _ in found}
    assert {type(one) for _, _, one in found} == {cls}


@pytest.mark.skipif(not MANY_CORES, reason="one usable core")
@pytest.mark.forks
def test_they_are_no_reason_for_the_loop():
    """Under `auto` it is tried on the first result, and workers share the others."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": range(400), "b": range(400)})

    def item(row):
        compute_if_here()
        return row._replace(a=os.getpid())

    tuned = autotune(item, cache=False)
    rows = tuned(table.itertuples())

    assert [row.b for row in rows] == list(range(400))
    assert "cannot be pickled" not in str(tuned.explain())
    assert len({row.a for row in rows}) > 1, str(tuned.explain())


@pytest.mark.skipif(not MANY_CORES, reason="one usable core")
@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_no_local_class_is_a_reason_for_the_loop(kind):
    """The caller tries it as it will be: known by its class, of which nothing travels."""
    cls, make, value_of = kind()

    def item(number):
        compute_if_here()
        return make(number)

    tuned = autotune(item, cache=False)
    found = tuned(range(400))

    assert {type(one) for one in found} == {cls}
    assert [value_of(one) for one in found] == list(range(400))
    assert "cannot be pickled" not in str(tuned.explain())


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_a_prediction_is_for_the_classes_that_a_call_can_send(kind):
    """What is sent is weighed as in a call."""
    _, make, _ = kind()

    def item(number):
        until_s = time.thread_time() + 5e-3
        while time.thread_time() < until_s:
            pass
        return make(number)

    assert "pickled" not in optimize(item, range(400)).reason


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_what_is_weighed_is_what_is_sent(kind):
    """An id of the class and the values, not the class itself: that takes far longer."""
    _, make, _ = kind()
    result = make(1)

    assert pickling_cost.measure([result], [], make).reason is None
    assert len(Packing(make).dumps([result])) < 200


def test_a_class_is_left_as_it_is():
    """What came back does not overwrite what the caller has meanwhile put into its class."""
    cls, make, _ = local_class()
    stream = autotune(make, backend="process", n_jobs=1).stream(range(20), buffer=2)

    next(stream)
    cls.n_made = 7
    rest = list(stream)

    assert cls.n_made == 7
    assert {one.n_made for one in rest} == {7}


def test_functions_are_results(start):
    """With what they hold, and with themselves where they call themselves."""

    def make(item):
        def count(n):
            return item if n == 0 else count(n - 1)

        return count, lambda one, step=item: one + step

    found = tuned_map(make, range(10), backend="process", n_jobs=1)

    assert [count(3) for count, _ in found] == list(range(10))
    assert [add(1) for _, add in found] == list(range(1, 11))


def test_a_function_reads_the_globals_of_its_module(start, monkeypatch):
    """As they are when it is called, not as they were in the worker."""

    def make(_):
        return lambda: LEVEL

    found = tuned_map(make, range(4), backend="process", n_jobs=1)
    monkeypatch.setitem(globals(), "LEVEL", 2)

    assert [read() for read in found] == [2] * 4


def test_a_shared_variable_does_not_become_many(start):
    """Functions that read a variable of their maker's see it change, so they stay where it is."""
    level = [1]

    def make(_):
        time.sleep(1e-3)
        return lambda: level[0]

    with pytest.raises(SerializationError):
        tuned_map(make, range(4), backend="process", n_jobs=1)
    found = tuned_map(make, range(40))
    level[0] = 2

    assert [read() for read in found] == [2] * 40


@pytest.mark.parametrize(
    "make",
    [
        lambda item: open(os.devnull),  # noqa: SIM115
        lambda item: memoryview(bytes(item)),
        lambda item: {item: 1}.keys(),
    ],
    ids=["file", "view of bytes", "view of a dict"],
)
def test_what_would_arrive_as_something_else_does_not_travel(make):
    """A copy of a file's text is no file."""
    with pytest.raises(SerializationError, match="cannot pickle"):
        tuned_map(make, range(4), backend="process", n_jobs=1)


def test_a_class_that_an_item_has_made_comes_as_it_is():
    """Each item its own, as in a loop."""

    def make(item):
        return type("Made", (), {"item": item})()

    found = tuned_map(make, range(6), backend="process")

    assert [one.item for one in found] == list(range(6))
    assert len({type(one) for one in found}) == 6

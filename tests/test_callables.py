"""Whatever can be called with an item can be mapped, in every place and however it came about."""

import functools
import math
import multiprocessing
import operator
import os
import pickle
from concurrent.futures import ProcessPoolExecutor

import cloudpickle
import pytest
from witness import MANY_CORES, compute, compute_if_here

from amorsize import autotune, tuned_map

BACKENDS = ("auto", "serial", "thread", "process")


def double(item):
    return 2 * item


def closure():
    factor = 3

    def times(item):
        return factor * item

    return times


def recursive_closure():
    def factorial(item):
        return 1 if item < 2 else item * factorial(item - 1)

    return factorial


class Shape:
    """Has a method of each kind."""

    sides = 4

    def __init__(self, size=1):
        self.size = size

    def area(self, item):
        return item * self.size

    @classmethod
    def edges(cls, item):
        return item * cls.sides

    @staticmethod
    def half(item):
        return item / 2

    def __call__(self, item):
        return item + self.size

    def __eq__(self, other):
        return self.size == other.size

    __hash__ = None  # instances cannot be hashed: nothing may rely on it


class Square(Shape):
    """Overrides what is inherited."""

    sides = 40

    def area(self, item):
        return super().area(item) * self.size


@functools.cache
def cached(item):
    return -item


@functools.wraps(double)
def wrapping(item):
    return 10 * item


NUMBERS = list(range(50))
CALLABLES = {
    "function": (double, NUMBERS),
    "lambda": (lambda item: item - 1, NUMBERS),
    "closure": (closure(), NUMBERS),
    "recursive closure": (recursive_closure(), range(30)),
    "partial": (functools.partial(pow, 2), NUMBERS),
    "partial of a method": (functools.partial(Shape(5).area), NUMBERS),
    "method": (Shape(5).area, NUMBERS),
    "overriding method": (Square(5).area, NUMBERS),
    "class method": (Square.edges, NUMBERS),
    "static method": (Shape.half, NUMBERS),
    "method of the class": (Shape.area, None),
    "callable object": (Shape(9), NUMBERS),
    "class": (Shape, NUMBERS),
    "lru_cache": (cached, NUMBERS),
    "wraps": (wrapping, NUMBERS),
    "builtin": (len, ["a", "bb", ""] * 9),
    "method of a builtin type": (str.upper, ["a", "b"] * 9),
    "bound builtin method": ("-".join, ["abc", "xy"] * 9),
    "from C": (math.sqrt, NUMBERS),
    "type": (int, ["1", "2"] * 9),
    "itemgetter": (operator.itemgetter(1), [(1, 2), (3, 4)] * 9),
    "methodcaller": (operator.methodcaller("strip"), [" a ", "b "] * 9),
}


@pytest.mark.parametrize("kind", CALLABLES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_whatever_can_be_called(backend, kind):
    """The results are the loop's, with and without the decorator, at first and later."""
    func, data = CALLABLES[kind]
    if kind == "method of the class":
        data = [(Shape(size), size) for size in range(20)]
        expected = [func(*pair) for pair in data]
        data = list(zip(*data, strict=True))
    else:
        expected, data = [func(item) for item in data], [data]
    tuned = autotune(func, backend=backend)

    for _ in range(2):
        assert tuned_map(func, *data, backend=backend) == expected
    if kind != "method of the class":  # as a decorated method it would take its instance first
        assert tuned(*data) == expected


def test_a_new_closure_each_time_is_remembered_as_one_function():
    """A function made anew for every call does not fill the memory."""
    from amorsize._profiles import memory_store

    for _ in range(50):
        assert tuned_map(closure(), range(10)) == [3 * item for item in range(10)]

    owners = [key[0] for key, _ in memory_store.memory().profiles()]
    codes = [owner[0] for owner in owners if type(owner) is tuple]
    assert len([one for one in codes if getattr(one, "co_name", "") == "times"]) == 1


@autotune
def tuned_double(item):
    compute(0.2e-3)
    return 2 * item


class Scaled:
    """Its decorated method reads the instance."""

    def __init__(self, factor):
        self.factor = factor

    @autotune
    def scale(self, item):
        return item * self.factor


def call_with_data(tuned, n_items):
    return tuned(range(n_items)), os.getpid()


@pytest.mark.parametrize("tuned", [tuned_double, Scaled(2).scale], ids=["function", "method"])
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_a_decorated_function_survives_pickling(tuned, dumps):
    """What arrives maps as what was sent."""
    assert pickle.loads(dumps(tuned))(range(20)) == list(range(0, 40, 2))


@pytest.mark.parametrize("tuned", [tuned_double, Scaled(2).scale], ids=["function", "method"])
def test_a_decorated_function_can_be_sent_to_other_processes(tuned):
    """Through `ProcessPoolExecutor` and `multiprocessing.Pool`, whose workers are daemons."""
    context = multiprocessing.get_context("fork")
    expected = list(range(0, 200, 2))
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for results, pid in pool.map(call_with_data, [tuned] * 4, [100] * 4):
            assert results == expected
            assert pid != os.getpid()
    with context.Pool(2) as pool:
        for results, _ in pool.starmap(call_with_data, [(tuned, 100)] * 4):
            assert results == expected


def test_a_decorated_function_is_a_function_to_other_maps():
    """Its `.one` is the plain function, for `map` and for pools."""
    assert list(map(tuned_double.one, range(5))) == [0, 2, 4, 6, 8]
    assert tuned_map(tuned_double, range(5)) == [0, 2, 4, 6, 8]


def place(item):
    compute_if_here()
    return os.getpid()


@pytest.mark.skipif(not MANY_CORES, reason="one usable core")
@pytest.mark.parametrize(
    "func",
    [place, lambda item: place(item), functools.partial(place)],
    ids=["function", "lambda", "partial"],
)
@pytest.mark.forks
def test_each_kind_is_really_shared_out(func):
    """Not quietly run in the loop because it is a lambda or a partial."""
    assert len(set(tuned_map(func, range(200)))) > 1

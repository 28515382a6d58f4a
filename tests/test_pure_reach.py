"""What a function reaches that only computes or sleeps, and when that is still the same."""

import math
import time
from time import sleep

import pytest

from amorsize._function.purity.pure_reach import is_same, reach_of

SCALE = 3
MARK = "a text of some length"
NOT_A_NUMBER = float("nan")
TABLE = [1, 2]


def helper(x):
    return x + 1


def scaled(x):
    return helper(x) * SCALE


def napped(x):
    sleep(x)
    return x


def clocked(x):
    began = time.perf_counter()
    time.sleep(x)
    return time.perf_counter() - began


def rooted(x):
    return math.sqrt(x)


def is_none(x):
    return x is None


def is_marked(x):
    return x is MARK


def is_marked_inside(xs):
    return [x for x in xs if x is MARK]


def is_marked_or_none(x):
    return x is (MARK or None)


def among(x):
    return x in (NOT_A_NUMBER, math.nan)


def counted(x):
    return math.count(x)


def listed(x):
    return TABLE[x]


def reach(func, items=(1, 2)):
    return reach_of(func, ([*items],))


@pytest.mark.parametrize("func", [scaled, napped, clocked, rooted, is_none])
def test_what_computes_or_sleeps_is_the_same_each_time(func):
    """Nothing was changed in between."""
    first = reach(func)

    assert first is not None
    assert is_same(first, reach(func))


@pytest.mark.parametrize(
    "func", [is_marked, is_marked_inside, is_marked_or_none, among, listed, len]
)
def test_what_may_tell_a_copy_from_the_original_has_no_answer(func):
    """A worker gets its items as copies, and what may change is never compared."""
    assert reach(func) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("SCALE", 4), ("helper", lambda x: x + 1), ("helper", abs), ("len", len)],
)
def test_a_name_that_was_bound_anew_tells(monkeypatch, name, value):
    """Also to code that does the same, and also where the name has hidden nothing yet."""
    first = reach(scaled)
    monkeypatch.setitem(globals(), name, value)
    again = reach(scaled)

    assert is_same(first, again) == (name == "len")


def test_new_code_and_new_defaults_tell(monkeypatch):
    """The function is the same object, and does something else."""
    first = reach(scaled)
    monkeypatch.setattr(helper, "__code__", (lambda x: x + 2).__code__)
    second = reach(scaled)
    monkeypatch.setattr(helper, "__defaults__", (5,))

    assert not is_same(first, second)
    assert not is_same(second, reach(scaled))


def test_a_closure_that_was_bound_anew_tells():
    """It has the same function before and after."""

    def closing(offset):
        def add(x):
            return x + offset

        def move(to):
            nonlocal offset
            offset = to

        return add, move

    add, move = closing(1)
    first = reach(add)
    move(2)

    assert not is_same(first, reach(add))


def test_a_changed_module_tells(monkeypatch):
    """Somebody has replaced a function of `math`, or of `time`."""
    first, of_time = reach(rooted), reach(clocked)
    monkeypatch.setattr(math, "sqrt", math.cbrt)
    monkeypatch.setattr(time, "sleep", lambda _: None)

    assert not is_same(first, reach(rooted))
    assert of_time is not None
    assert reach(clocked) is None


def test_a_function_put_into_a_module_ends_the_proof(monkeypatch):
    """`math.count` has the name of a harmless method."""
    monkeypatch.setattr(math, "count", TABLE.append, raising=False)

    assert reach(counted) is None


@pytest.mark.parametrize(
    "items",
    [
        *([[1]], [object()], [1.0, math.nan], [(1, (math.nan,))]),
        *([slice([1], 2)], [(slice(0, 1, print),)], [slice(*range(3))] * 400),
    ],
)
def test_items_that_may_be_told_from_their_copies_have_no_answer(items):
    """What is not plain, and what is equal to itself by identity alone."""
    assert reach(scaled, items) is None


def test_many_items_are_not_asked():
    """That takes longer than it may save."""
    assert reach_of(scaled, ([1] * 100,), most_items=99) is None

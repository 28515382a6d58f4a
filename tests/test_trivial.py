"""What is over in no time, as its code shows, is not helped before its first item."""

import time
from opcode import opname

import pytest

from amorsize._function.trivial import LOOPING, is_trivial

FACTOR, TABLE = 3, [1, 2]


def same(x):
    return x


def with_builtins(x):
    return str(x), abs(x)


def with_a_global(x):
    return FACTOR * x if x > 3 else -x


def with_methods(text):
    return text.upper().split(",")


def sleeps(x):
    time.sleep(x)


def sums(x):
    return sum(range(x))


def counts_down(x):
    while x:
        x -= 1


def loops(text):
    for _ in text:
        pass


def lists(text):
    return [one for one in text]  # noqa: C416


def yields(x):
    yield x


def imports(x):
    import decimal

    return decimal.Decimal(x)


def looks_up(x):
    return TABLE[x]


@pytest.mark.parametrize(
    ("function", "item"),
    [
        *((same, 1), (same, None), (with_builtins, 1.5), (with_a_global, 1)),
        *((with_methods, "a,b"), (len, "abc"), (str, 1), (lambda x: x * x, 7)),
    ],
)
def test_trivial_items(function, item):
    """Arithmetic, quick builtins, methods of a small value."""
    assert is_trivial(function, item)


@pytest.mark.parametrize("function", [sleeps, sums, counts_down, yields, imports, looks_up, open])
def test_what_may_take_long(function):
    """Calls of anything else, loops, what only begins, what loads something."""
    assert not is_trivial(function, 1)


@pytest.mark.parametrize("function", [loops, lists])
def test_loops_over_the_item(function):
    """However short the text is."""
    assert not is_trivial(function, "abc")


@pytest.mark.parametrize("item", [[1], "x" * 10_000, 10**100, object(), b"x"])
def test_items_that_may_be_large_or_do_anything(item):
    """Operators of unknown types may take hours: a product of matrices is one."""
    assert not is_trivial(same, item)


def test_closures_may_hold_anything():
    """What a free variable is stands nowhere in the code."""
    work = time.sleep
    assert not is_trivial(lambda x: work(x), 1)


SCRIPT = """
import sys
from amorsize import tuned_map
from amorsize._profiles.memory_store import last_trace
def square(x): return x * x
tuned_map(square, range(5))
print(last_trace(square).n_started, "amorsize._workers.processes.process_pool" in sys.modules)
"""


def test_a_fresh_process_loads_nothing_for_them(run_script):
    """The first thing that many people try."""
    assert run_script(SCRIPT).stdout.split() == ["{}", "False"]


def test_loops_are_known_by_their_operations():
    """Jumps back and what goes through items, as this interpreter calls them."""
    loops = {opname[operation] for operation in LOOPING}
    # Generators and coroutines, which are not trivial, or code that a debugger rewrites.
    elsewhere = ("NO_INTERRUPT", "INSTRUMENTED")
    jumps_back = {name for name in opname if "JUMP_BACKWARD" in name}
    jumps_back = {name for name in jumps_back if not any(one in name for one in elsewhere)}

    assert loops - {"GET_ITER", "END_FOR"} == {"FOR_ITER", *jumps_back}

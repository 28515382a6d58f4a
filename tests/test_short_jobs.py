"""Beside other threads, jobs too short for new interpreters are the plain loop at once."""

from csv import DictReader
from pathlib import Path
from random import Random

import pytest

from amorsize._function.library.drawn_libraries import may_draw
from amorsize.policy.trivial_items import LoopRun, stay_beside_threads

PROGRAM = """
import csv, io, sys, threading, time, warnings, weakref
from time import process_time, sleep
from amorsize import tuned_map

threading.Thread(target=threading.Event().wait, daemon=True).start()

def compute(number):
    return compute_for(number, 2)

def compute_for(number, ms):
    end = process_time() + ms / 1000
    while process_time() < end:
        sum(range(200))
    return number * 2

def wait(number):
    sleep(0.002)
    return number * 2
"""
ENGINE = "amorsize._engine.engine"


@pytest.fixture
def loads(ours_loaded):
    """The modules of amorsize that a program has loaded at its end."""
    return lambda script: ours_loaded(f"{PROGRAM}{script}")


@pytest.mark.parametrize(
    "call",
    [
        "tuned_map(compute, range(20)) == [number * 2 for number in range(20)]",
        "tuned_map(compute_for, [3, 4], [1, 1]) == [6, 8]",
        "tuned_map(lambda text: [*csv.reader(io.StringIO(text))], ['a'] * 9) == [[['a']]] * 9",
    ],
)
def test_a_short_job_loads_no_engine(loads, call):
    """The loop is over before one would be there."""
    assert ENGINE not in loads(f"assert {call}")


@pytest.mark.parametrize(
    "call",
    [
        "tuned_map(wait, range(20))",
        "tuned_map(compute_for, range(6), [100] * 6)",
        "tuned_map(compute, (number for number in range(20)))",
        "tuned_map(compute, range(20), n_jobs=2)",
        "tuned_map(compute_for, range(5), item_kwargs={'ms': 1})",
        "import random; tuned_map(lambda number: random.random(), range(5))",
    ],
)
def test_all_other_jobs_have_an_engine(loads, call):
    """Those that wait, long ones, those with options, and those that draw random numbers."""
    assert ENGINE in loads(call)


def test_without_another_thread_such_a_job_has_an_engine(ours_loaded):
    """Workers are forks there, which start in a millisecond."""
    alone = "\n".join(line for line in PROGRAM.splitlines() if "Event()" not in line)

    assert ENGINE in ours_loaded(f"{alone}\ntuned_map(compute, range(20))")


def test_after_some_such_calls_an_engine_learns(loads):
    """For calls to come it may pay to have interpreters begin."""
    assert ENGINE in loads("for _ in range(6): tuned_map(compute_for, range(20), [5] * 20)")


@pytest.mark.cores
def test_what_kept_the_call_in_the_loop_is_told(run_script):
    """And what it took is known to later calls; an item that waits for a core has an engine."""
    run_script(
        f"""{PROGRAM}
from amorsize import autotune
tuned = autotune(compute)
tuned(range(20))
told = str(tuned.explain())
assert "20 in the caller" in told, told
assert "beside another thread workers are new interpreters" in told, told
from amorsize._profiles import memory_store
profile = memory_store.memory().profile(memory_store.key_of(compute, 0))
assert profile.n_items == 20 and 1e-3 < profile.traits.item_s < 0.1, profile
"""
    )


def test_an_item_fails_as_in_the_loop(run_script):
    """With its index, and the results before it; no item runs twice."""
    run_script(
        f"""{PROGRAM}
import amorsize
begun = []
def share(number):
    begun.append(number)
    compute(number)
    return 60 // number
try:
    tuned_map(share, [3, 2, 0, 5])
except ZeroDivisionError as error:
    assert amorsize.failed_index(error) == 2
    assert amorsize.partial_results(error) == {{0: 20, 1: 30}}
else:
    raise AssertionError("nothing was raised")
assert begun == [3, 2, 0]
"""
    )


def test_items_that_grow_longer_go_to_the_engine(loads):
    """With the results that are there; no item runs twice."""
    loaded = loads(
        """
begun = []
def slower(number):
    begun.append(number)
    return compute_for(number, 1 if number < 5 else 20)
assert tuned_map(slower, range(50)) == [number * 2 for number in range(50)]
assert sorted(begun[:6]) == [*range(6)], begun"""
    )

    assert ENGINE in loaded


def test_an_item_is_gone_when_the_loop_is_done_with_it(run_script):
    """What is remembered of the call is the kind of its items alone."""
    run_script(
        f"""{PROGRAM}
class Page:
    pass
def weigh(page):
    return compute(1)
pages = [Page(), Page()]
gone = [weakref.ref(page) for page in pages]
assert tuned_map(weigh, pages) == [2, 2]
pages.clear()
assert [ref() for ref in gone] == [None, None]
from amorsize._api import trivial_calls
assert trivial_calls._latest
"""
    )


def test_a_warning_names_the_line_of_the_program(run_script):
    """As in a loop there."""
    done = run_script(
        f"""{PROGRAM}
def old(number):
    compute(number)
    warnings.warn("old", FutureWarning, stacklevel=2)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    tuned_map(old, [1, 2])
    assert [one.filename for one in seen] == [__file__] * 2, seen
print("named")
"""
    )
    assert "named" in done.stdout


def test_a_list_that_shrinks_meanwhile_ends_as_in_a_loop(run_script):
    """And one that grows goes on."""
    run_script(
        f"""{PROGRAM}
def take(number):
    compute(number)
    items.pop()
    return number
items = [1, 2, 3, 4, 5, 6]
assert tuned_map(take, items) == [1, 2, 3]
def add(number):
    compute(number)
    if number < 5:
        items.append(number + 3)
    return number
items = [1, 2, 3]
found = tuned_map(add, items)
items = [1, 2, 3]
assert found == [add(number) for number in items], found
"""
    )


@pytest.mark.parametrize(
    ("wall_s", "waited_s", "cpu_s", "n_left", "n_cores", "stays"),
    [
        (8e-3, 0.0, 8e-3, 23, 2, True),
        (40e-3, 32e-3, 8e-3, 23, 2, True),
        (8e-3, 0.0, 8e-3, 60, 2, False),
        (8e-3, 0.0, 8e-3, 23, 64, False),
        (8e-3, 0.0, 8e-3, 6000, 1, True),
        (8e-3, 0.0, 1e-3, 23, 2, False),
    ],
)
def test_how_long_such_a_job_goes_on(wall_s, waited_s, cpu_s, n_left, n_cores, stays):
    """While it computes, and all cores together would save less than it takes to use them."""
    run = LoopRun(n_items=1, wall_s=wall_s, cpu_s=cpu_s, ended_at_s=0.0)

    assert stay_beside_threads(run, waited_s, n_left, n_cores) is stays


def read_rows(path):
    """Uses two classes of the standard library."""
    with Path(path).open() as file:
        return [*DictReader(file)]


def draw_one(path):
    """Uses a class that draws."""
    return Random(path).random()


def test_classes_of_the_standard_library_that_draw_nothing_are_known():
    """Then a function that names them need not be read for draws."""
    assert not may_draw(read_rows)
    assert may_draw(draw_one)

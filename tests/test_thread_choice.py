"""`auto` gives items to threads where that pays, never where they share what they change."""

import os
import random
import sqlite3
import time
import zlib
from _thread import get_ident

import pytest
from witness import MANY_CORES

from amorsize import AmorsizeWarning, autotune, tuned_map

CACHE = {}
COUNT = 0
CONNECTION = sqlite3.connect(":memory:", check_same_thread=False)
WAIT_S = 4e-3


def place():
    """Where an item runs."""
    return os.getpid(), get_ident()


def fill_a_cache(item):
    time.sleep(WAIT_S)
    CACHE[item] = item
    return place()


def count_up(item):
    global COUNT
    time.sleep(WAIT_S)
    COUNT += 1
    return place()


def ask_the_database(item):
    time.sleep(WAIT_S)
    CONNECTION.execute("select ?", (item,)).fetchone()
    return place()


def fill_through_a_callee(item):
    return fill_a_cache(item)


class Adder:
    """Sums up in place."""

    def __init__(self):
        self.total = 0

    def add(self, item):
        time.sleep(WAIT_S)
        self.total += item
        return place()

    def __call__(self, item):
        return self.add(item)

    @autotune
    def tuned_add(self, item):
        time.sleep(WAIT_S)
        self.total += item
        return place()


def appender():
    seen = []

    def append(item):
        time.sleep(WAIT_S)
        seen.append(item)
        return place()

    return append


def counter():
    n_calls = 0

    def count(item):
        nonlocal n_calls
        time.sleep(WAIT_S)
        n_calls += 1
        return place()

    return count


def collect(item, into):
    time.sleep(WAIT_S)
    into.append(item)
    return place()


SHARING = {
    "CACHE[k] = v": lambda: fill_a_cache,
    "global": lambda: count_up,
    "through a callee": lambda: fill_through_a_callee,
    "seen.append(x)": appender,
    "nonlocal": counter,
    "self.total += x": lambda: Adder().add,
    "callable object": Adder,
    "sqlite connection": lambda: ask_the_database,
}


@pytest.mark.parametrize("how", SHARING)
def test_what_items_share_and_change_is_not_threaded(how):
    """Waiting items lure into threads; with shared state they stay in turn or apart."""
    places = tuned_map(SHARING[how](), range(60))

    here = {ident for pid, ident in places if pid == os.getpid()}
    assert here <= {get_ident()}


def test_a_decorated_method_that_changes_its_instance_is_not_threaded():
    """The same for `self.total += x` under the decorator."""
    places = Adder().tuned_add(range(60))

    assert {ident for pid, ident in places if pid == os.getpid()} <= {get_ident()}


def test_a_mutable_keyword_is_shared_as_well():
    """A list passed as a keyword goes to every item: they all change the same one."""
    places = tuned_map(collect, range(60), item_kwargs={"into": []})

    assert {ident for pid, ident in places if pid == os.getpid()} <= {get_ident()}


@pytest.mark.parametrize("how", SHARING)
def test_explain_says_why_there_are_no_threads(how):
    """What is shared is named, and the option that overrules it."""
    func = SHARING[how]()
    tuned = autotune(func)

    tuned(range(60))

    assert "threads would share" in str(tuned.explain())
    assert "thread_safe=True" in str(tuned.explain())


def wait_only(item):
    time.sleep(20e-3)
    return place()


def test_waits_of_a_pure_function_are_threaded():
    """Many waits at once, in the caller's process.

    On a busy host one worker process may run some beside a long look at the first items.
    """
    tuned = autotune(wait_only)
    places = tuned(range(150))

    assert tuned.plan.backend == "thread", str(tuned.explain())
    assert len({ident for pid, ident in places if pid == os.getpid()}) > 4
    assert len({pid for pid, _ in places}) <= 2


def test_thread_safe_overrules_the_judgement():
    """`thread_safe=True` allows threads, `thread_safe=False` forbids them."""
    allowed = tuned_map(fill_a_cache, range(100), thread_safe=True)
    forbidden = tuned_map(wait_only, range(60), thread_safe=False)

    assert len({ident for pid, ident in allowed if pid == os.getpid()}) > 4
    assert {ident for pid, ident in forbidden if pid == os.getpid()} <= {get_ident()}


def compress(item):
    zlib.compress(item, 6)
    return place()


@pytest.mark.skipif(not MANY_CORES, reason="one usable core")
@pytest.mark.cores
def test_large_payloads_of_code_that_releases_the_gil_are_threaded():
    """zlib on half a megabyte: threads need not send it anywhere."""
    block = random.Random(1).randbytes(1 << 18) + bytes(1 << 18)

    for _ in range(5):  # beside other programs the watcher may wake late for reasons of theirs
        places = tuned_map(compress, [block] * 60, retune=True)
        own = [ident for pid, ident in places if pid == os.getpid()]
        if len(own) > 50 and len(set(own)) > 1:  # a process may have helped until it was known
            return
    pytest.fail("in none of five calls were there threads")


@pytest.mark.forks
def test_a_warning_tells_once_of_stores_that_are_lost():
    """Items that assign a global in worker processes: told in the caller's line, and explained."""
    tuned = autotune(counter(), backend="process")
    tuned.forget()

    with pytest.warns(AmorsizeWarning, match=r"n_calls.* is lost") as told:
        for _ in range(2):
            tuned(range(60))

    assert len(told) == 1
    assert told[0].filename == __file__
    assert "is lost" in str(tuned.explain())


def test_stores_in_the_caller_are_no_reason_to_warn():
    """In the loop and in threads they are where they should be; and auto keeps them there."""
    for backend in ("serial", "thread", "auto"):
        tuned_map(counter(), range(20), backend=backend)

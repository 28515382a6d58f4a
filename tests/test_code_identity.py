"""Who a function is in memory: its own code, and what it is set up with."""

import functools
import sys
import time

import pytest

from amorsize import autotune, tuned_map
from amorsize._function.code_identity import identity_of, variant_of
from amorsize._profiles import memory_store
from amorsize._profiles.memory_store import last_trace

TEXT = """
def work(item):
    return item
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Two modules of the same text."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("twin_one", "twin_other"):
        (tmp_path / f"{name}.py").write_text(TEXT)
    import twin_one
    import twin_other

    yield twin_one, twin_other
    del sys.modules["twin_one"], sys.modules["twin_other"]


def test_modules_of_one_text_share_nothing(modules):
    """Their code is equal, and no call of one is told as the other's."""
    one, other = (autotune(module.work) for module in modules)
    assert one.one.__code__ == other.one.__code__

    one(range(7))
    assert str(other.explain()) == str(autotune(lambda item: item).explain()).replace(
        "<lambda>", "work"
    )
    other(range(5))

    assert str(one.explain()).startswith("work: 7 items")
    assert str(other.explain()).startswith("work: 5 items")
    one.forget()
    assert last_trace(other.one).n_items == 5


def counted(func):
    """A decorator: whatever it wraps has its code."""

    @functools.wraps(func)
    def inside(item):
        return func(item)

    return inside


def doubled(item):
    return 2 * item


def halved(item):
    return item / 2


@pytest.mark.parametrize(
    "wrap",
    [
        counted,
        lambda func: functools.partial(map, func),
        lambda func: counted(functools.partial(counted(func))),
        lambda func: type("Calls", (), {"__call__": lambda _, item: func(item)})(),
    ],
    ids=["decorator", "partial of a builtin", "both", "object"],
)
def test_what_wraps_two_functions_is_two(wrap):
    """What was seen of one says nothing about the other."""
    assert identity_of(wrap(doubled)) != identity_of(wrap(halved))
    assert identity_of(wrap(doubled)) == identity_of(wrap(doubled))


def closure(wait_s):
    def wait(item):
        time.sleep(wait_s)
        return item

    return wait


class Waits:
    def __init__(self, wait_s):
        self.wait_s = wait_s

    def wait(self, item):
        time.sleep(self.wait_s)
        return item


def waits(item, wait_s):
    time.sleep(wait_s)
    return item


WAYS = {
    "closure": closure,
    "bound method": lambda wait_s: Waits(wait_s).wait,
    "partial": lambda wait_s: functools.partial(waits, wait_s=wait_s),
    "default": lambda wait_s: lambda item, wait_s=wait_s: waits(item, wait_s),
}


@pytest.mark.parametrize("make", WAYS.values(), ids=WAYS)
def test_one_function_set_up_in_two_ways_is_known_in_both(make):
    """Called in turn, and made anew each time, neither is measured anew for the other."""
    ways = (1e-3, 20e-3)
    for wait_s in ways * 3:
        tuned_map(make(wait_s), range(3), cache=False)

    short, long = (memory_store.memory().profile(memory_store.key_of(make(one), 0)) for one in ways)
    assert 1e-3 <= short.traits.item_s < 20e-3 <= long.traits.item_s


def test_keywords_of_a_call_are_what_it_is_set_up_with():
    """As with a closure over them."""
    tuned = autotune(waits, cache=False)
    for wait_s in (1e-3, 20e-3) * 3:
        tuned(range(3), wait_s=wait_s)

    known = [one for key, one in memory_store.memory().profiles() if key[0] == identity_of(waits)]
    assert [one.traits.item_s >= 20e-3 for one in known] == [False, True]


def test_a_number_that_never_comes_again_does_not_fill_the_memory():
    """The latest few are kept, and a new one begins from the latest."""
    for number in range(50):
        tuned_map(closure(number * 1e-9), range(4), cache=False)

    identity = identity_of(closure(0.0))
    assert len([key for key, _ in memory_store.memory().profiles() if key[0] == identity]) == 8
    assert last_trace(closure(1.0)).n_items == 4
    memory_store.forget(closure(0.0))
    assert last_trace(closure(1.0)) is None


def test_what_changes_with_each_item_does_not_hide_the_last_call():
    """A closure that counts is another afterwards, and still the one that was called."""
    n_calls = 0

    def count(item):
        nonlocal n_calls
        n_calls += 1
        return item

    tuned_map(count, range(6))

    assert n_calls == 6
    assert last_trace(count).n_items == 6


def test_functions_that_lead_to_themselves_have_an_end():
    """Recursion through a closure's own cell, and through another's."""

    def ping(n):
        return pong(n - 1) if n else 0

    def pong(n):
        return ping(n - 1) if n else 1

    assert identity_of(ping) != identity_of(pong)
    assert hash(identity_of(ping)) == hash(identity_of(ping))
    assert variant_of(ping) == variant_of(ping)
    assert tuned_map(ping, range(6)) == [0, 1, 0, 1, 0, 1]

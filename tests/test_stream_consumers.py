"""A consumer of a stream that changes what items read: each item waits for it, as in the loop."""

import time
import types
from itertools import islice

import pytest
from witness import MANY_CORES, compute

from amorsize import autotune

SEEN, TABLE, LIMITS = set(), {}, types.SimpleNamespace(low=0)
TOTAL = 0


def new_kinds(x):
    time.sleep(0.004)
    return None if x % 10 in SEEN else x


def looked_up(x):
    time.sleep(0.004)
    return TABLE.get(x % 10)


def above(x):
    time.sleep(0.004)
    return x if x >= LIMITS.low else None


def with_total(x):
    time.sleep(0.004)
    return x + TOTAL


def through_a_helper(x):
    return looked_up(x)


def note(x):
    SEEN.add(x)


def forget():
    SEEN.clear(), TABLE.clear()
    LIMITS.low = 0
    globals()["TOTAL"] = 0


def adds(stream):
    out = []
    for one in stream:
        if one is not None:
            SEEN.add(one % 10)
            out.append(one)
    return out


def adds_by_a_helper(stream):
    out = []
    for one in stream:
        out.append(one)
        note(0 if one is None else one % 10)
    return out


def fills(stream):
    out = []
    for one in stream:
        TABLE[len(out) % 10] = len(out)
        out.append(one)
    return out


def fills_by_another_name(stream):
    out, mine = [], TABLE
    for one in stream:
        mine[len(out) % 10] = len(out)
        out.append(one)
    return out


def asks_for_each(stream):
    out = []
    while True:
        one = next(stream, "end")
        if one == "end":
            return out
        TABLE[len(out) % 10] = len(out)
        out.append(one)


def sets_an_attribute(stream):
    out = []
    for one in stream:
        LIMITS.low += 2
        out.append(one)
    return out


def counts(stream):
    global TOTAL
    out = []
    for one in stream:
        TOTAL += 1
        out.append(one)
    return out


def passed_on(stream):
    for one in stream:
        if one != "nothing":
            yield one


def behind_a_generator(stream):
    return fills(passed_on(stream))


def handed_on(stream):
    yield from stream


def behind_a_generator_that_only_hands_on(stream):
    return fills(handed_on(stream))


def fills_by_an_inner_function(stream):
    out = []

    def put(one):
        TABLE[len(out) % 10] = len(out)
        out.append(one)
        return one

    return [put(one) for one in stream]


class HandedOn:
    def __init__(self, stream):
        self.stream = stream

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.stream)


def behind_an_iterator_of_its_own(stream):
    return fills(HandedOn(stream))


def fills_after_several(stream):
    out = []
    while several := list(islice(stream, 5)):
        for one in several:
            TABLE[len(out) % 10] = len(out)
            out.append(one)
    return out


def several_of(stream):
    return list(islice(stream, 5))


def fills_after_several_by_a_helper(stream):
    out = []
    while several := several_of(stream):
        for one in several:
            TABLE[len(out) % 10] = len(out)
            out.append(one)
    return out


def fills_after_each_iter(stream):
    out = []
    for several in iter(lambda: list(islice(stream, 5)), []):
        for one in several:
            TABLE[len(out) % 10] = len(out)
            out.append(one)
    return out


class Reader:
    def __init__(self, stream):
        self.stream = stream

    def read(self):
        return next(self.stream, "all")


def fills_by_a_reader(stream):
    out, reader = [], Reader(stream)

    def step():
        out.append(reader.read())

    while out[-1:] != ["all"]:
        step()
        TABLE[len(out) % 10] = len(out)
    return out


class Index:
    def __init__(self):
        self.words = {}

    def look(self, x):
        time.sleep(0.004)
        return self.words.get(x % 10)

    def learn(self, x):
        self.words[x % 10] = x

    def run(self, stream):
        out = []
        for one in stream:
            self.learn(len(out))
            out.append(one)
        return out


CASES = {
    "set": (new_kinds, adds),
    "helper": (new_kinds, adds_by_a_helper),
    "dict": (looked_up, fills),
    "behind a helper": (through_a_helper, fills),
    "another name": (looked_up, fills_by_another_name),
    "next": (looked_up, asks_for_each),
    "attribute": (above, sets_an_attribute),
    "number": (with_total, counts),
    "iterator of its own": (looked_up, behind_an_iterator_of_its_own),
    "several at once": (looked_up, fills_after_several),
    "several by a helper": (looked_up, fills_after_several_by_a_helper),
    "several by iter": (looked_up, fills_after_each_iter),
    "reader": (looked_up, fills_by_a_reader),
    "inner function": (looked_up, fills_by_an_inner_function),
    "generator": (looked_up, behind_a_generator),
    "generator that only hands on": (looked_up, behind_a_generator_that_only_hands_on),
}


@pytest.mark.parametrize(("func", "take"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("source", [range, lambda n: iter(range(n))], ids=["range", "iterator"])
def test_items_see_what_the_consumer_has_done(func, take, source):
    """Each item is run after the result before it was taken."""
    forget()
    expected = take(iter(map(func, range(60))))
    forget()
    tuned = autotune(func)

    assert take(tuned.stream(source(60))) == expected, tuned.explain()


def test_a_method_that_learns_while_another_looks():
    """Both are of one object."""
    loop, index = Index(), Index()
    expected = loop.run(map(loop.look, range(60)))

    assert index.run(autotune(index.look).stream(range(60))) == expected


def test_a_variable_that_both_have():
    """A closure reads what its maker sets in a loop."""
    low = 0

    def at_least(x):
        time.sleep(0.004)
        return max(x, low)

    found = []
    for one in autotune(at_least).stream(range(40)):
        low += 2
        found.append(one)

    assert found == [max(x, 2 * x) for x in range(40)]


def heavy(x):
    compute(1e-3)
    return TABLE.get(x, x)


def only_takes(stream):
    out = []
    for one in stream:
        out.append(one + len(SEEN))
    return out


def after_filling(stream):
    TABLE[5] = 5
    out = list(stream)
    TABLE[6] = 6
    return out


def takes_the_first_alone(stream):
    return [next(stream), *stream]


def takes_in_a_helper(stream):
    TABLE[5] = 5
    out = takes_the_first_alone(stream)
    return [len(out)]


@pytest.mark.parametrize("take", [only_takes, after_filling, takes_in_a_helper, list, sum])
@pytest.mark.forks
def test_others_need_not_wait(take):
    """What happens before or after the loop, or to other objects, changes nothing in between."""
    forget()
    tuned = autotune(heavy)
    take(tuned.stream(range(300)))

    assert not MANY_CORES or tuned.plan.backend == "process", tuned.explain()

"""A call that was short before is the plain loop, whatever keywords and iterables it has."""

import random
import time

import pytest

from amorsize import failed_index, partial_results, tuned_map
from amorsize._api import map as mapping

ran: list[tuple[int, int]] = []


def quotient(x, y=1, *, plus=0):
    """Fails for y == 0, takes its time for y == 100, and writes down what it was called with."""
    ran.append((x, y))
    if y == 100:
        time.sleep(0.02)
    return x // y + plus


CALLS = {
    "one iterable": (([4, 9, 16],), {}),
    "two iterables": (([4, 9, 16], (1, 2, 3)), {}),
    "the shorter one": ((range(1, 9), [1, 2, 3]), {}),
    "a keyword": (([4, 9, 16],), {"plus": 5}),
    "one that has a place": (([4, 9, 16],), {"y": 2}),
    "both": (([4, 9, 16], (1, 2, 3)), {"plus": 5}),
}


@pytest.fixture(autouse=True)
def known():
    """The function is known to be quick with such arguments."""
    for iterables, keywords in CALLS.values():
        tuned_map(quotient, *iterables, item_kwargs=keywords)
    ran.clear()


@pytest.fixture
def engines(monkeypatch):
    """The calls that were handed to the engine, by their iterables."""
    found = []

    class Noted(mapping.Engine):
        def __init__(self, made, **options):
            found.append(made.iterables)
            super().__init__(made, **options)

    monkeypatch.setattr(mapping, "Engine", Noted)
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_short_call_is_the_loop_without_the_policy(name, engines):
    """And gives what the loop gives, each item once."""
    iterables, keywords = CALLS[name]
    expected = [quotient(*one, **keywords) for one in zip(*iterables, strict=False)]
    in_loop = ran.copy()
    ran.clear()

    assert tuned_map(quotient, *iterables, item_kwargs=keywords) == expected
    assert ran == in_loop
    assert engines == []


def test_an_item_that_fails_is_named(engines):
    """By the engine, which does not run again what was run."""
    with pytest.raises(ZeroDivisionError) as caught:
        tuned_map(quotient, [4, 9, 16], [1, 0, 3], item_kwargs={"plus": 5})

    assert failed_index(caught.value) == 1
    assert partial_results(caught.value) == {0: 9}
    assert ran == [(4, 1), (9, 0)]
    assert len(engines) == 1


def test_a_call_that_is_not_short_after_all_goes_on(engines):
    """With the items that are left."""
    ys = [1, 1, 100, 1, 1, 1]

    assert tuned_map(quotient, range(6), ys, item_kwargs={"plus": 5}) == [5, 6, 5, 8, 9, 10]
    assert ran == list(zip(range(6), ys, strict=True))
    assert len(engines) == 1


def grown(x, numbers):
    """Appends to the data while it is mapped over."""
    if x < 4:
        numbers.append(x + 10)
    return x


def test_data_that_grows_is_mapped_to_its_end():
    """As in the loop, also once the call is known to be short."""
    for _ in range(3):
        numbers = [1, 2, 3]

        assert tuned_map(grown, numbers, [numbers] * 8) == [1, 2, 3, 11, 12, 13]


def drawn(x, source=None):
    """Draws from a generator if it is given one."""
    return x if source is None else x + source.random()


def test_a_keyword_that_may_be_a_generator_is_left_to_the_engine(engines):
    """Which gives each item a stream of its own, though calls without one were short."""
    tuned_map(drawn, [1, 2, 3], item_kwargs={"source": None})
    engines.clear()

    tuned_map(drawn, [1, 2, 3], item_kwargs={"source": random.Random(7)})

    assert len(engines) == 1


def test_a_keyword_in_the_place_of_an_item_is_refused_as_by_the_loop():
    """A function cannot have two values for one argument."""
    for _ in range(2):
        with pytest.raises(TypeError, match="multiple values for argument 'y'"):
            tuned_map(quotient, [4, 9], [1, 2], item_kwargs={"y": 3})

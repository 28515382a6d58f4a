"""Items that seed a generator: the program goes on with it as after the loop."""

import contextlib
import functools
import random

import numpy
import pytest
from witness import compute

from amorsize import autotune, tuned_map
from amorsize._function.sharing.thread_safety import reach

OWN, ARRAYS, OLD = random.Random(), numpy.random.default_rng(), numpy.random.RandomState()


def of_random(x):
    random.seed(x)
    compute(1e-3)
    return random.random()


def of_numpy(x):
    numpy.random.seed(x)
    compute(1e-3)
    return float(numpy.random.rand())


def start(x):
    random.setstate(random.Random(x).getstate())


def by_a_helper(x):
    start(x)
    compute(1e-3)
    return random.random()


def of_an_own_one(x):
    OWN.seed(x)
    compute(1e-3)
    return OWN.random()


def of_an_older_one(x):
    OLD.set_state(numpy.random.RandomState(x).get_state())
    compute(1e-3)
    return float(OLD.rand())


def of_bits(x):
    ARRAYS.bit_generator.state = numpy.random.PCG64(x).state
    compute(1e-3)
    return float(ARRAYS.random())


def only_the_first(x):
    if x == 0:
        random.seed(5)
    compute(1e-3)
    return random.random()


def in_a_partial(x, generator):
    generator.seed(x)
    compute(1e-3)
    return generator.random()


@contextlib.contextmanager
def seeded(x):
    before = random.getstate()
    random.seed(x)
    try:
        yield
    finally:
        random.setstate(before)


def for_a_while(x):
    with seeded(x):
        compute(1e-3)
        return random.random()


def only_looks_ahead(x):
    before = OWN.getstate()
    compute(1e-3)
    number = OWN.random()
    OWN.setstate(before)
    return number


def next_numbers():
    return random.random(), float(numpy.random.rand()), OWN.random(), ARRAYS.random(), OLD.rand()


def result_and_numbers(run):
    random.seed(1), numpy.random.seed(1), OWN.seed(1), OLD.seed(1)
    ARRAYS.bit_generator.state = numpy.random.PCG64(1).state
    return run(), next_numbers()


SEEDING = {
    one.__name__: one
    for one in (
        *(of_random, of_numpy, by_a_helper, of_an_own_one, of_an_older_one, of_bits),
        *(only_the_first, for_a_while, only_looks_ahead),
    )
}


@pytest.mark.parametrize("func", SEEDING.values(), ids=SEEDING)
@pytest.mark.forks
def test_the_program_goes_on_with_the_state_that_the_last_item_has_left(func):
    """All generators, as after the loop; and the items' numbers are those of the loop."""
    expected = result_and_numbers(lambda: [func(x) for x in range(60)])

    for data in (range(60), iter(range(60))):
        assert result_and_numbers(lambda data=data: tuned_map(func, data)) == expected


def test_a_generator_in_a_keyword_is_left_as_well():
    """It is reached by the call alone."""
    found = random.Random()
    tuned_map(in_a_partial, range(60), item_kwargs={"generator": found})
    left = found.random()
    tuned_map(functools.partial(in_a_partial, generator=found), range(60))

    expected = random.Random(59)
    expected.random()
    assert found.random() == left == expected.random()


def test_explain_says_why():
    """All items run in the caller."""
    tuned = autotune(for_a_while)
    tuned(range(30))

    assert "items seed a random generator" in str(tuned.explain())


def draws_alone(x):
    return random.random() + x


def test_drawing_is_no_seeding():
    """What draws has streams of its own, as before."""
    assert not reach(draws_alone).seeds
    assert all(reach(one).seeds for one in (of_random, by_a_helper, of_an_own_one))

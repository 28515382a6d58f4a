"""Streams of random numbers by item: each generator begins anew before each item."""

import random

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize._workers import seeding
from amorsize._workers.random_generators import can_be_seeded
from amorsize._workers.seeding import PROCESS_WIDE, KeptStreams, Reached, seeded


class Dice(random.Random):
    """A generator of somebody's own, seeded in its own way."""

    def seed(self, *seeds):
        super().seed(f"dice {seeds}")


# By name: how one is made, and a number drawn from it.
KINDS = {
    "Random": (lambda: random.Random(5), lambda one: one.random()),
    "gauss": (lambda: random.Random(5), lambda one: one.gauss(0, 1)),
    "subclass": (lambda: Dice(5), lambda one: one.random()),
    "RandomState": (lambda: numpy.random.RandomState(5), lambda one: one.normal()),
    "RandomState of PCG64": (
        lambda: numpy.random.RandomState(numpy.random.PCG64(5)),
        lambda one: one.normal(),
    ),
    **{
        name: (
            lambda name=name: numpy.random.Generator(getattr(numpy.random, name)(5)),
            lambda one: one.normal(),
        )
        for name in ("PCG64", "PCG64DXSM", "Philox", "MT19937", "SFC64")
    },
    "half used": (
        lambda: numpy.random.default_rng(5),
        lambda one: int(one.integers(2**31, dtype=numpy.int32)),  # takes half of 64 bits
    ),
    "bit generator": (lambda: numpy.random.PCG64(5), lambda one: int(one.random_raw())),
}
kinds = pytest.mark.parametrize(("make", "draw"), KINDS.values(), ids=KINDS)


def drawn(generator, draw, seed, indexes, generators=None):
    """What the items with these indexes draw, in this order: two numbers each."""
    generators = (Reached(generator=generator),) if generators is None else generators
    function = seeded(lambda _: (draw(generator), draw(generator)), seed, generators)
    return [function((index, None)) for index in indexes]


@kinds
def test_an_item_draws_the_same_whatever_ran_before(make, draw):
    """In another order, alone, with another object of the kind: only the index counts."""
    expected = dict(zip(range(20), drawn(make(), draw, 3, range(20)), strict=True))

    assert len({number for pair in expected.values() for number in pair}) == 40
    for indexes in (range(19, -1, -1), [7], [3, 3, 11]):
        assert drawn(make(), draw, 3, indexes) == [expected[index] for index in indexes]


@kinds
def test_another_seed_gives_other_streams(make, draw):
    """Neighbouring seeds as well."""
    rows = [
        number
        for seed in range(20)
        for pair in drawn(make(), draw, seed, range(10))
        for number in pair
    ]

    assert len(set(rows)) == len(rows)


@kinds
def test_states_are_put_back(make, draw):
    """A generator goes on as if nobody had seeded it, between two halves of a number as well."""
    generator, other = make(), make()
    assert draw(generator) == draw(other)

    kept = KeptStreams((Reached(generator=generator),))
    drawn(generator, draw, 3, range(5))
    kept.put_back()

    assert [draw(generator) for _ in range(5)] == [draw(other) for _ in range(5)]


@kinds
def test_an_implicit_seed_follows_from_the_generator_and_moves_it(make, draw):
    """Seeded alike it is the same, twice in a row it is not."""
    places = [(Reached(generator=make()),) for _ in range(2)]
    seeds, again = ([seeding.implicit_seeds(one) for _ in range(3)] for one in places)

    assert seeds == again
    assert len(set(seeds)) == 3


def test_two_generators_of_one_seed_draw_different_numbers():
    """Independent streams, though the caller has made both alike."""
    one, other = random.Random(1), random.Random(1)
    both = (Reached(generator=one), Reached(generator=other))
    function = seeded(lambda _: (one.random(), other.random()), 3, both)
    rows = [function((index, None)) for index in range(50)]

    assert len({number for row in rows for number in row}) == 100


@given(seed=st.integers(0, 2**200), index=st.integers(0, 2**40))
def test_any_seed_and_index_will_do(seed, index):
    """And every bit of a seed counts."""
    generator = random.Random()
    found = drawn(generator, random.Random.random, seed, [index, index + 1])

    assert len({number for pair in found for number in pair}) == 4
    assert drawn(generator, random.Random.random, seed ^ 1 << 64, [index]) != found[:1]


def test_what_is_not_listed_is_left_alone():
    """An item that is known to draw from one generator costs no seeding of others."""
    state = random.getstate()
    drawn(numpy.random.RandomState(), lambda one: one.rand(), 3, range(3))

    assert random.getstate() == state


def test_generators_of_the_system_have_no_state():
    """They cannot be seeded, so they are none here."""
    assert not can_be_seeded(random.SystemRandom())
    assert not can_be_seeded("random")
    assert can_be_seeded(random._inst)


@pytest.mark.parametrize("n_generators", [1, 2])
def test_the_process_wide_generators_move_by_one_number(n_generators):
    """So what a program draws after a call does not depend on the number of items."""
    random.seed(1), numpy.random.seed(1)
    random.getrandbits(64), numpy.random.bytes(8)
    expected = random.random(), numpy.random.random()
    random.seed(1), numpy.random.seed(1)

    generators = PROCESS_WIDE[:n_generators]
    seeds = seeding.implicit_seeds(generators)
    kept = KeptStreams(generators)
    function = seeded(lambda _: (random.random(), numpy.random.random()), seeds, generators)
    for index in range(5):
        function((index, None))
    kept.put_back()

    assert random.random() == expected[0]
    assert n_generators == 1 or numpy.random.random() == expected[1]


LATE = """
from amorsize._workers.seeding import KeptStreams, implicit_seeds, seeded, PROCESS_WIDE
import random, sys
assert "numpy" not in sys.modules

def item(_):
    import numpy
    return random.random(), float(numpy.random.random())

kept = KeptStreams()
function = seeded(item, 3)
print([function((index, None)) for index in (0, 1, 0, 1)])
kept.put_back()
import numpy
print(numpy.random.random())
"""


def test_a_library_that_an_item_loads_is_seeded_from_the_next_item_on(run_script):
    """And after the call its generator is as fresh as if it had just been loaded."""
    first, second = (run_script(LATE).stdout.splitlines() for _ in range(2))
    rows = eval(first[0])

    assert rows[1] == rows[3]
    assert rows[0][0] == rows[2][0]
    assert rows == eval(second[0]) or rows[1:] == eval(second[0])[1:]
    assert first[1] != second[1]


def test_no_large_library_is_loaded_for_seeding(run_script):
    """Items draw from those that the program has loaded, or from `random`."""
    text = """
import sys
from amorsize._workers.seeding import KeptStreams, seeded
KeptStreams().put_back()
seeded(print, 3)((0, "one"))
print(*[name for name in ("numpy", "random", "torch") if name in sys.modules])
"""

    assert run_script(text).stdout.splitlines() == ["one", "random"]

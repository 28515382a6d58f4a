"""Random draws: independent streams in workers; with `seed=` the same wherever items run."""

import functools
import os
import random

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from witness import MANY_CORES, compute

from amorsize import tuned_map

PLANS = [
    {"backend": "serial"},
    {"backend": "auto"},
    {"backend": "thread", "n_jobs": 3},
    {"backend": "process", "n_jobs": 1},
    {"backend": "process", "n_jobs": 3},
    {"backend": "process", "n_jobs": 2, "chunksize": 7},
    {"backend": "auto", "chunksize": 11},
]


def draw(item):
    """Draws from both global generators, with enough work for workers to be worth it."""
    compute(1e-3)
    return random.random(), float(numpy.random.random()), os.getpid()


def draw_quickly(item):
    return item, random.random(), random.gauss(0, 1), numpy.random.normal(size=2).tolist()


@pytest.mark.parametrize("backend", ["auto", "process"])
@pytest.mark.forks
def test_workers_draw_independent_streams(backend):
    """No number is drawn twice: forked workers go on from seeds of their own."""
    numpy.random.random()  # used before: a fork inherits its state, and numpy does not reseed
    drawn = tuned_map(draw, range(200), backend=backend, n_jobs=None if backend == "auto" else 3)

    if MANY_CORES:
        assert len({pid for *_, pid in drawn}) > 1
    assert len({number for number, _, _ in drawn}) == 200
    assert len({number for _, number, _ in drawn}) == 200


@pytest.mark.parametrize("backend", ["auto", "process"])
def test_a_second_call_draws_other_numbers(backend):
    """Workers of two calls start from one state of the caller's, and still differ."""
    first, second = (
        tuned_map(draw_quickly, range(50), backend=backend, chunksize=5) for _ in range(2)
    )

    assert not {row[1] for row in first} & {row[1] for row in second}
    assert not {row[3][0] for row in first} & {row[3][0] for row in second}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**70), n_items=st.integers(0, 60))
def test_a_seed_gives_the_same_results_on_every_backend(seed, n_items):
    """Each item has its own stream by index: neither backend nor plan matters."""
    expected = tuned_map(draw_quickly, range(n_items), seed=seed, backend="serial")
    for plan in PLANS:
        assert tuned_map(draw_quickly, range(n_items), seed=seed, **plan) == expected


@pytest.mark.forks
def test_a_seed_gives_the_same_results_when_work_is_shared():
    """Also when `auto` shares the items out, in each call differently."""
    expected = [row[:2] for row in tuned_map(draw, range(150), seed=3, backend="serial")]

    for data in (range(150), iter(range(150))):
        found = tuned_map(draw, data, seed=3)
        assert [row[:2] for row in found] == expected
        if MANY_CORES:
            assert len({pid for *_, pid in found}) > 1


@pytest.mark.parametrize("start", ["fork", "clean"])
@pytest.mark.parametrize(
    ("function", "data"),
    [
        (random.randrange, [10**9] * 20),
        (random.gauss, [0.0] * 20),
        (numpy.random.normal, [0.0] * 20),
        (functools.partial(numpy.random.randint, high=10**9), [0] * 20),
    ],
)
def test_functions_of_the_global_generators_are_seeded_as_well(function, data, start, monkeypatch):
    """They are methods of an object, of which each process has its own."""
    monkeypatch.setenv("AMORSIZE_START", start)
    expected = tuned_map(function, data, seed=5, backend="serial")

    assert tuned_map(function, data, seed=5, backend="process", n_jobs=2) == expected
    assert len(set(expected)) == 20


LATE = """
from amorsize import tuned_map

def draw(item):
    import numpy
    return float(numpy.random.normal())

if __name__ == "__main__":
    import numpy
    print([tuned_map(draw, range(6), seed=2, backend=one) for one in ("process", "serial")])
"""


@pytest.mark.parametrize("start", ["fork", "clean"])
def test_the_first_item_is_seeded_though_numpy_loads_its_generators_late(start, run_script):
    """numpy is loaded, and its generators when an item first names them."""
    one, other = eval(run_script(LATE, environ={"AMORSIZE_START": start}).stdout)

    assert one == other
    assert len(set(one)) == 6


def test_items_of_one_seed_differ():
    """Neighbours do not share a stream, nor do neighbouring seeds."""
    drawn = [row[1] for seed in range(20) for row in tuned_map(draw_quickly, range(50), seed=seed)]

    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("plan", PLANS)
def test_a_seed_leaves_the_callers_generators_alone(plan):
    """`random` and `numpy.random` go on in the caller as if nothing had been called."""
    random.seed(1)
    numpy.random.seed(1)
    expected = random.random(), numpy.random.random()
    random.seed(1)
    numpy.random.seed(1)

    tuned_map(draw_quickly, range(40), seed=9, **plan)
    with pytest.raises(ZeroDivisionError):
        tuned_map(divide, range(40), seed=9, **plan)

    assert (random.random(), numpy.random.random()) == expected


def divide(item):
    return 1 / item


def draw_from_both(item):
    return random.random(), numpy.random.random()


@pytest.mark.parametrize("plan", PLANS)
def test_generators_of_two_libraries_draw_different_numbers(plan):
    """They are of one kind, and would be the same generator if seeded alike."""
    drawn = tuned_map(draw_from_both, range(30), seed=4, **plan)

    assert not {one for one, _ in drawn} & {other for _, other in drawn}


def test_seeded_and_strict_and_keywords_go_together():
    """Several iterables and keywords are no obstacle to streams by index."""

    def mixed(a, b, *, scale):
        return scale * (a + b + random.random())

    rows = [
        tuned_map(mixed, range(30), range(30), item_kwargs={"scale": 2}, seed=1, **plan)
        for plan in PLANS
    ]

    assert all(row == rows[0] for row in rows)


def test_a_seed_costs_little_where_items_draw_nothing(ours_loaded):
    """Nobody can tell that no streams were made for items that are proven to compute."""
    script = """
from amorsize import tuned_map
assert tuned_map(lambda x, k: x + k, range(1000), item_kwargs={"k": 1}, seed=3)[-1] == 1000
"""
    loaded = ours_loaded(script)

    assert "amorsize._function.purity.pure_code" in loaded
    assert "amorsize._workers.random_streams" not in loaded


class Dice:
    """Draws where no code of the function shows it."""

    def __add__(self, other):
        return other + random.random()


def test_items_that_draw_by_their_own_operators_have_streams():
    """The same function is proven for numbers only."""
    once, again = (tuned_map(lambda x: x + 1, [Dice()] * 5, seed=3) for _ in range(2))

    assert once == again
    assert len(set(once)) == 5

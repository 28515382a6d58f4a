"""Items that seed a generator: the program goes on with it as after the loop.

Where the code shows that each item seeds it before it draws, only the last one stays in the caller.
"""

import contextlib
import functools
import random
import time

import numpy
import pytest
from witness import compute

from amorsize import autotune, tuned_map
from amorsize._engine.costs import spawn_costs
from amorsize._function.sharing.thread_safety import examine, reach

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


# -- items that seed before they draw -----------------------------------------------------------


def seed_everything(x):
    random.seed(x)
    numpy.random.seed(x)


def by_one_helper(x):
    seed_everything(2 * x)
    return random.random() + numpy.random.rand()


def of_a_setting(settings):
    seed, n = settings["seed"], int(settings["n"])
    generator = numpy.random
    generator.seed(seed % 2**32)
    return [float(generator.normal()) for _ in range(n)]


class Simulation:
    n = 2

    def run(self, x):
        """All is drawn after it."""
        random.seed(x)
        return [random.random() for _ in range(self.n)]


def always_the_same(x):
    random.seed(1)
    return random.sample(range(9), 3), x


def draws_before(x):
    first = random.random()
    random.seed(x)
    return first


def seeds_some(x):
    if x % 3:
        random.seed(x)
    return random.random()


def seeds_in_a_loop(x):
    for y in range(x):
        random.seed(y)
    return random.random()


def first_of_all(x):
    return random.random() if x % 2 else None


def after_a_helper_that_draws(x):
    first = first_of_all(x)
    random.seed(x)
    return first


def after_what_is_passed(x):
    first = list(map(first_of_all, [x]))
    random.seed(x)
    return first


def by_a_helper_that_may_not(x):
    if x > 3:
        return
    random.seed(x)


def perhaps(x):
    by_a_helper_that_may_not(x)
    return random.random()


def unless_it_is_no_number(text):
    try:
        random.seed(int(text))
    except ValueError:
        text = ""
    return random.random(), text


class Setting:
    def __init__(self, x):
        self.x = x

    @property
    def seed(self):
        return self.x + random.random()

    def __mod__(self, other):
        return first_of_all(self.x) or other


def by_a_property(setting):
    random.seed(setting.seed)
    return random.random()


def by_an_operator(setting):
    random.seed(setting % 2)
    return random.random()


def of_another(x):
    numpy.random.seed(x)
    return random.random()


SETTINGS = [{"seed": x, "n": 2} for x in range(3)]


@pytest.mark.parametrize(
    ("func", "items", "seeded"),
    [
        *((one, (1, 2), ("random",)) for one in (of_random, always_the_same, Simulation().run)),
        (of_a_setting, SETTINGS, ("numpy.random",)),
        (by_one_helper, (1, 2), ("random", "numpy.random")),
        *((one, (1, 2), ()) for one in (draws_before, seeds_some, seeds_in_a_loop, perhaps)),
        *((one, (1, 2), ()) for one in (after_a_helper_that_draws, after_what_is_passed)),
        (unless_it_is_no_number, ("1", "a"), ()),
        *((one, (Setting(1), Setting(2)), ()) for one in (by_a_property, by_an_operator)),
    ],
)
def test_the_code_shows_what_each_item_seeds(func, items, seeded):
    """Anything that may draw before, or any way around the seeding, shows nothing."""
    assert examine(func, items)[0].reseeds == seeded


@pytest.mark.forks
def test_the_last_item_alone_stays_in_the_caller(monkeypatch):
    """Results, and numbers that are drawn afterwards, are those of the loop."""

    def waiting(x):
        random.seed(x)
        numpy.random.seed(x)
        time.sleep(0.01)
        return random.random(), float(numpy.random.rand())

    monkeypatch.setattr(spawn_costs, "why_not_start", lambda *_: None)  # whatever it takes here
    tuned = autotune(waiting)
    expected = result_and_numbers(lambda: [waiting(x) for x in range(40)])

    assert result_and_numbers(lambda: tuned(range(40))) == expected
    assert tuned.explain().trace.n_started
    assert result_and_numbers(lambda: tuned(iter(range(40)))) == expected
    assert not tuned.explain().trace.n_started, "it is not known which item is the last one"


@pytest.mark.parametrize("func", [of_another, by_a_property, seeds_some])
def test_what_is_not_shown_stays_in_the_caller(func, monkeypatch):
    """The first draws from another generator than it seeds, the second while it asks for a seed."""

    def slow(x):
        time.sleep(0.005)
        return func(x)

    monkeypatch.setattr(spawn_costs, "why_not_start", lambda *_: None)
    items = [Setting(x) if func is by_a_property else x for x in range(30)]
    tuned = autotune(slow)
    tuned(items)

    assert not tuned.explain().trace.n_started
    assert "generator" in str(tuned.explain())

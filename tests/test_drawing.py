"""Functions that draw random numbers: repeatable after a seed, whoever runs the items."""

import functools
import random

import numpy
import pytest
from witness import MANY_CORES, compute

from amorsize import autotune, tuned_map
from amorsize._engine.caller.item_seeding import WHY_QUICK
from amorsize._function.library.drawn_libraries import may_draw
from amorsize._workers import random_streams
from amorsize._workers.seeding import PROCESS_WIDE, Reached

RNG = numpy.random.default_rng(1)
DICE = random.Random(1)
OLD = numpy.random.RandomState(1)


def of_random(item):
    compute(1e-3)
    return random.random(), random.gauss(0, 1), random.sample(range(10**6), 2)


def of_numpy(item):
    compute(1e-3)
    return float(numpy.random.normal()), numpy.random.permutation(50).tolist()


def of_both(item):
    compute(1e-3)
    return random.random(), helped()


def helped():
    return float(numpy.random.random())


def of_a_generator(item):
    compute(1e-3)
    return float(RNG.normal()), DICE.random(), float(OLD.rand())


def of_a_default(item, rng=numpy.random.default_rng(3)):  # noqa: B008
    compute(1e-3)
    return float(rng.random())


class Model:
    def __init__(self):
        self.rng = random.Random(5)

    def step(self, _item):
        compute(1e-3)
        return self.rng.random()


def of_a_closure():
    rng = numpy.random.default_rng(4)

    def draw(item):
        compute(1e-3)
        return float(rng.random())

    return draw


def with_generator(rng, item):
    compute(1e-3)
    return rng.random()


# Each makes a function anew, as a program does that begins with a seed.
MAKERS = {
    "random": lambda: of_random,
    "numpy": lambda: of_numpy,
    "both": lambda: of_both,
    "method": lambda: Model().step,
    "closure": of_a_closure,
    "partial": lambda: functools.partial(with_generator, random.Random(6)),
    "function of a module": lambda: functools.partial(random.gauss, 0.0),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def seeded_call(make, n_items=40, **options):
    """What a program gets that seeds, makes its function, and maps it."""
    random.seed(7), numpy.random.seed(7)
    return tuned_map(make(), [1.0] * n_items, **options)


@makers
@pytest.mark.forks
def test_a_seed_before_the_call_makes_it_repeatable_with_any_number_of_workers(make):
    """Whoever runs an item, and however many do."""
    expected = seeded_call(make, n_jobs=1)

    assert len({str(one) for one in expected}) == 40
    for options in (
        *({"n_jobs": n_jobs} for n_jobs in (2, 3)),
        *({"backend": "process", "n_jobs": n_jobs} for n_jobs in (1, 2, 3)),
        {"chunksize": 7},
        {},
    ):
        assert seeded_call(make, **options) == expected


def test_workers_from_a_clean_start_draw_the_same(monkeypatch):
    """Their generators are others, in the same state."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    for name, make in MAKERS.items():
        expected = seeded_call(make, n_jobs=1)
        assert seeded_call(make, backend="process", n_jobs=2) == expected, name


@pytest.mark.parametrize("start", ["fork", "clean"])
def test_generators_that_live_on_go_on_from_call_to_call(start, monkeypatch):
    """Those of a module or a default are drawn from once a call: each call is another."""
    monkeypatch.setenv("AMORSIZE_START", start)
    for func in (of_a_generator, of_a_default):
        found = [tuned_map(func, range(50), backend="process", n_jobs=2) for _ in range(3)]

        assert len({str(row) for call in found for row in call}) == 150, func


@makers
def test_a_second_call_draws_other_numbers(make):
    """From the same generator, which has moved on."""
    random.seed(7), numpy.random.seed(7)
    func = make()
    first, second = (tuned_map(func, [1.0] * 40) for _ in range(2))

    assert not {str(one) for one in first} & {str(one) for one in second}


@pytest.mark.forks
def test_the_callers_generator_moves_by_one_number():
    """What the program draws afterwards does not depend on the items."""
    random.seed(1)
    random.getrandbits(64)
    expected = random.random()

    for n_items, options in ((3, {}), (100, {}), (50, {"backend": "process", "n_jobs": 2})):
        random.seed(1)
        tuned_map(of_random, range(n_items), **options)
        assert random.random() == expected


def test_work_is_shared_though_items_draw():
    """That is what the streams are for."""
    counted = autotune(of_random)
    random.seed(1)
    counted([1] * 300)

    assert not MANY_CORES or counted.plan.backend == "process"


@pytest.mark.parametrize("func", [of_random, of_numpy, of_a_generator])
def test_the_plain_loop_draws_the_loops_own_numbers(func, monkeypatch):
    """`backend="serial"`, by option or environment, is what was written."""

    def drawn(run):
        random.seed(7), numpy.random.seed(7), DICE.seed(7), OLD.seed(7)
        RNG.bit_generator.state = numpy.random.PCG64(7).state
        return run()

    expected = drawn(lambda: [func(x) for x in range(20)])

    assert drawn(lambda: tuned_map(func, range(20), backend="serial")) == expected
    monkeypatch.setenv("AMORSIZE_BACKEND", "serial")
    assert drawn(lambda: tuned_map(func, range(20))) == expected


def test_a_seed_reaches_the_generators_that_a_function_leads_to():
    """Whatever state they are in, and wherever items run."""
    expected = tuned_map(of_a_generator, range(30), seed=5, backend="serial")
    states = DICE.getstate(), RNG.bit_generator.state

    assert len({row[0] for row in expected} | {row[1] for row in expected}) == 60
    for options in (
        {},
        {"backend": "thread", "n_jobs": 2},
        *({"backend": "process", "n_jobs": n_jobs} for n_jobs in (1, 2)),
    ):
        RNG.random(), DICE.random(), OLD.rand()
        assert tuned_map(of_a_generator, range(30), seed=5, **options) == expected
    tuned_map(of_a_generator, range(30), seed=6)
    assert DICE.getstate() != states[0]  # those were our own draws
    DICE.setstate(states[0])


@pytest.mark.parametrize("start", ["fork", "clean"])
def test_a_seed_reaches_them_in_every_kind_of_worker(start, monkeypatch):
    """A module that a worker imports has generators of its own."""
    monkeypatch.setenv("AMORSIZE_START", start)
    expected = tuned_map(of_a_generator, range(30), seed=5, backend="serial")

    assert tuned_map(of_a_generator, range(30), seed=5, backend="process", n_jobs=2) == expected


# -- items that take no time ----------------------------------------------------------------------


def toss(item):
    return random.random() < 0.5, random.random()


@pytest.mark.parametrize("n_items", [10, random_streams.FIRST, 3000])
@pytest.mark.forks
def test_quick_items_are_repeatable_as_well(n_items):
    """The first ones have streams, the others what the loop draws, in each call alike."""
    expected = seeded_call(lambda: toss, n_items, n_jobs=1)

    assert len({number for _, number in expected}) == n_items
    for options in ({}, {"n_jobs": 2}, {}, {"n_jobs": 3}):
        assert seeded_call(lambda: toss, n_items, **options) == expected


WARMING_UP = """
import random, time
from amorsize import tuned_map

def warming_up(item):
    if item == 0:
        time.sleep(0.05)  # only the first one: workers are called for, and run the others
    return random.random()

if __name__ == "__main__":
    calls = []
    for n_jobs in (None, 1, 2, None):
        random.seed(5)
        calls.append(tuned_map(warming_up, range(2000), n_jobs=n_jobs))
    print(len(calls), all(call == calls[0] for call in calls))
"""


def test_what_a_first_call_decides_holds_for_later_ones(run_script):
    """Whether items are quick is not judged anew by what workers have measured."""
    assert run_script(WARMING_UP).stdout == "4 True\n"


def test_quick_items_stay_in_the_caller_and_say_why():
    """A stream of their own would take longer than they do."""
    tossed = autotune(toss)
    tossed(range(5000))

    assert WHY_QUICK in str(tossed.explain())


def test_after_quick_items_the_caller_goes_on_from_where_they_ended():
    """Those without a stream have drawn from its own generator."""
    random.seed(1)
    found = tuned_map(toss, range(3000))

    assert random.random() not in {number for _, number in found}
    random.seed(1)
    random.getrandbits(64)
    assert (random.random() < 0.5, random.random()) == found[random_streams.FIRST]


# -- streams of results ---------------------------------------------------------------------------


def generated(items):
    yield from items


@pytest.mark.parametrize("backend", ["auto", "process"])
@pytest.mark.parametrize("source", [range, lambda n: generated(range(n))])
@pytest.mark.parametrize("seed", [None, 3])
def test_who_takes_results_draws_its_own_numbers(backend, source, seed):
    """Between two results, too; and a stream that is left early takes nothing with it."""
    stream = autotune(of_random, backend=backend, n_jobs=2).stream
    if seed is not None:
        stream = autotune(of_random, backend=backend, n_jobs=2, seed=seed).stream
    random.seed(1)
    if seed is None:
        random.getrandbits(64)  # what the call draws
    expected = [random.random() for _ in range(31)]

    random.seed(1)
    drawn = [random.random() for _, _ in zip(stream(source(60)), range(30), strict=False)]

    assert drawn == expected[:30]
    assert random.random() == expected[30]


@pytest.mark.parametrize("source", [range, lambda n: generated(range(n))])
def test_a_stream_gives_the_numbers_of_the_call(source):
    """Whoever runs its items."""
    expected = seeded_call(lambda: of_random)
    for options in ({}, {"n_jobs": 1}, {"backend": "process", "n_jobs": 2}):
        random.seed(7), numpy.random.seed(7)
        assert list(autotune(of_random, **options).stream(source(40))) == expected


# -- what is read ---------------------------------------------------------------------------------


def pure(item):
    return item * item + 1


def draws_by_import(item):
    import random as chance

    return chance.random()


def rolled(item):
    return numpy.random.rand()


def recursive(item):
    return recursive(item - 1) if item else 0


COUNTS, LIMITS = {"done": 0}, [1, 2.5, "three"]
SOURCES, NESTED = {"one": random.Random(1)}, [[1, 2]]


def counts(item):
    COUNTS["done"] += LIMITS[0]
    return item


def draws_from_one_of_several(item):
    return SOURCES["one"].random()


def looks_into_lists(item):
    return NESTED[0][item]


@pytest.mark.parametrize(
    ("func", "may"),
    [
        (pure, False),
        (counts, False),
        (draws_from_one_of_several, True),
        (looks_into_lists, True),
        (recursive, False),
        (abs, False),
        (toss, True),
        (helped, True),
        (of_both, True),
        (draws_by_import, True),
        (Model().step, True),
        (of_a_closure(), True),
        (functools.partial(pure), True),
        (lambda item: eval("random.random()"), True),
        (str.upper, True),
    ],
)
def test_a_quick_look_tells_what_surely_draws_nothing(func, may):
    """And is not sure of anything else."""
    assert may_draw(func) is may


@pytest.mark.parametrize(
    ("func", "item", "expected"),
    [
        (pure, 1, ()),
        (toss, 1, ("random:_inst",)),
        (rolled, 1, PROCESS_WIDE[:2]),  # there is a global of the name `random`, too
        (rolled, (1, "a"), PROCESS_WIDE[:2]),
        (rolled, Model(), PROCESS_WIDE),
        (draws_by_import, 1, PROCESS_WIDE),
    ],
)
def test_a_seed_is_given_to_what_may_be_drawn_from(func, item, expected):
    """Which takes its time for each item, so not to what surely is not."""
    found = random_streams._all_behind(func, item)

    assert tuple(one for one in found if not isinstance(one, Reached)) == expected


def test_a_seed_costs_items_that_draw_nothing_next_to_nothing():
    """They run as without one: told by what they are given, not by a clock."""
    drawing = random_streams.Drawing(
        pure, pure, seed=3, item=1, known_item_s=None, caller_may_run_items=False
    )

    assert drawing.seed is None
    assert tuned_map(pure, range(100), seed=3) == [pure(x) for x in range(100)]

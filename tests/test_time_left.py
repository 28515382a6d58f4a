"""How far a call is, in words, and how long it will still take."""

import random

import pytest

from amorsize.progress import Progress, columns, duration, rate
from amorsize.progress.time_left import CostBySize, Pace, TimeLeft

WIDE = "解析ü"
A_WHILE = Progress(
    name="parse",
    n_done=120,
    n_items=1000,
    n_failed=3,
    n_retried=2,
    n_workers=4,
    backend="process",
    elapsed_s=3.6,
    items_per_s=33.3,
    left_s=27.2,
    done_share=0.1,
)


# ---- In words ----


def test_it_says_all_that_it_knows():
    """Done and total, share of the cost, rate, time left, workers, retries and failures."""
    assert str(A_WHILE) == (
        "parse: 120 of 1000 items (10%) after 3.6 s, 33/s, 27 s left, 4 processes, 2 retried, "
        "3 failed"
    )


def test_it_says_nothing_that_it_does_not_know():
    """In a stream nobody knows how many there will be, nor how long that takes."""
    stream = Progress(name="parse", n_done=1, n_items=None, elapsed_s=70.0)

    assert str(stream) == "parse: 1 item after 1 min 10 s"
    assert stream.line(80) == "parse  1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_done": 1000}, "parse: 1000 items in 3.6 s, 278/s, 2 retried, 3 failed"),
        ({}, "parse: stopped at 120 of 1000 items after 3.6 s, 33/s, 2 retried, 3 failed"),
        ({"n_items": None}, "parse: stopped after 120 items and 3.6 s, 33/s, 2 retried, 3 failed"),
        ({"n_done": 0, "n_items": 0, "elapsed_s": 0.0}, "parse: 0 items in 0.0 s, 2 retried"),
    ],
)
def test_the_end_is_told_as_what_it_was(changes, words):
    """All done, or stopped on the way."""
    assert str(A_WHILE.replace(is_over=True, **changes)).startswith(words)


@pytest.mark.parametrize("name", ["parse", WIDE * 9, "a\x1b[31mb"])
@pytest.mark.parametrize("is_over", [False, True])
def test_a_line_fits_into_any_terminal(name, is_over):
    """What matters most stays longest: the count, then the time left."""
    progress = A_WHILE.replace(name=name, is_over=is_over)
    for n_columns in range(1, 200):
        line = progress.line(n_columns)
        assert columns(line) <= n_columns
        assert line.isprintable()
    if not is_over:
        assert "120/1000" in progress.line(8)
        assert "120/1000  27 s left" in progress.line(40)
        assert "4 processes  2 retried  3 failed" in progress.line(120)


@pytest.mark.parametrize(
    ("value_s", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3659, "1 h"),
        (86_399, "23 h 59 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_have_two_units_at_most(value_s, words):
    """As people say them."""
    assert duration(value_s) == words


@pytest.mark.parametrize(
    ("per_s", "words"),
    [(12_345.6, "12346/s"), (33.3, "33/s"), (1.25, "1.2/s"), (0.5, "30/min"), (1 / 600, "6/h")],
)
def test_rates_are_numbers_from_one_on(per_s, words):
    """Items that take minutes come in so many an hour."""
    assert rate(per_s) == words


# ---- How long it will take ----


def test_time_left_goes_by_the_cost_to_come():
    """Half of the items are done, but only a quarter of the work, as sizes have shown."""
    time_left = TimeLeft()
    for size in range(1, 51):
        time_left.done(now_s=size * 0.1, n_items=1, wall_s=size * 1e-3, size=float(size))

    work_left_s = time_left.work_left_s(50, [float(size) for size in range(51, 101)])

    assert work_left_s == pytest.approx(sum(range(51, 101)) * 1e-3, rel=0.02)
    assert time_left.costs.wall_s / (time_left.costs.wall_s + work_left_s) == pytest.approx(
        0.25, abs=0.02
    )


@pytest.mark.parametrize("power", [1, 2, 3])
def test_the_power_is_learned_from_the_items(power):
    """Sorting grows with the size, a matrix product with its third power."""
    costs = CostBySize()
    for size in range(10, 40):
        costs.add(1, 1e-6 * size**power, float(size))

    told = costs.by_size()
    assert [told(100.0), told(5.0)] == pytest.approx([1e-6 * 100**power, 1e-6 * 5**power], rel=0.1)


def test_a_fixed_part_is_told_from_what_grows():
    """Starting a program takes its time, however small the file is."""
    costs = CostBySize()
    for size in range(1, 40):
        costs.add(1, 10e-3 + 1e-3 * size, float(size))

    assert costs.left_s(10, [100.0] * 10) == pytest.approx(10 * 110e-3, rel=0.02)


def test_known_costs_tell_from_the_first_item():
    """Where the data has items of two kinds, and earlier calls have measured either."""
    costs = CostBySize(sizes_are_costs=True)
    costs.add(1, 2e-3, 1e6)  # 1 ms in an earlier call: this host is busier

    assert costs.left_s(10, [50e6] * 10) == pytest.approx(10 * 100e-3)


@pytest.mark.parametrize("seed", range(20))
def test_sizes_that_tell_nothing_are_not_believed(seed):
    """The length of a path says nothing of the file."""
    chance, costs = random.Random(seed), CostBySize()
    for _ in range(200):
        costs.add(1, chance.lognormvariate(0, 1), chance.uniform(1, 100))

    assert costs.by_size() is None
    assert costs.left_s(10, [1e6] * 10) == pytest.approx(10 * costs.mean_s)


def test_what_is_kept_is_bounded():
    """A million chunks leave no million records."""
    costs = CostBySize()
    for index in range(20_000):
        costs.add(1, 1e-3, float(index))

    assert len(costs._seen) <= 401


@pytest.mark.parametrize("sizes", [[0.0], [1e300], [0.0, 1e300]])
def test_no_size_is_too_much(sizes):
    """Whatever numbers there are, the answer is a time or nothing."""
    time_left = TimeLeft()
    for size in (*range(20), 1e300, 1e250):
        time_left.done(1.0, 1, 1e-3 * (1 + size**0.01), float(size))
    left_s = time_left.work_left_s(5, sizes)

    assert left_s is None or left_s >= 0


def test_an_earlier_call_tells_before_the_first_item():
    """By what was remembered, for as many workers as there are."""
    time_left = TimeLeft(expected_s=2.0)
    work_left_s = time_left.work_left_s(100, [])

    assert work_left_s == 200.0
    assert time_left.left_s(0.0, work_left_s, 4, is_new=True) == 50.0
    assert TimeLeft().work_left_s(100, []) is None


def test_the_pace_is_that_of_late():
    """Not of the beginning, when there was but one worker."""
    pace = Pace()
    for tenth in range(1, 301):
        now_s = tenth * 0.1
        n_workers = 1 if now_s < 15 else 4
        pace.add(now_s, n_workers, n_workers * 0.1)

    items_per_s, work_per_s = pace.lately(30.0)

    assert (items_per_s, work_per_s) == (pytest.approx(40, rel=0.05), pytest.approx(4, rel=0.05))


def test_between_two_items_the_time_goes_on():
    """Long items come nearer while they run."""
    time_left = TimeLeft()
    time_left.done(10.0, 1, 10.0, None)
    work_left_s = time_left.work_left_s(2, [])

    assert time_left.left_s(10.0, work_left_s, 1, is_new=False) == pytest.approx(20.0)
    assert time_left.left_s(15.0, work_left_s, 1, is_new=False) == pytest.approx(15.0)

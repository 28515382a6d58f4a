"""Items that take turns with what they hold are not run in threads at once if they change it."""

import ast
import itertools
import time
from collections import deque, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
from witness import compute

from amorsize import autotune, tuned_map
from amorsize._function.items_in_common import MOST_AT_ONCE, held_by_several

N_ITEMS = 60
WAIT_S = 3e-3


class Session:
    """Counts its requests, which takes a while."""

    def __init__(self):
        self.n_sent = 0

    def send(self, _=None):
        n_before = self.n_sent
        time.sleep(WAIT_S)
        self.n_sent = n_before + 1
        return self.n_sent


class Job:
    """Holds a session."""

    def __init__(self, session):
        self.session = session


class Slotted:
    """Holds a session without a `__dict__`."""

    __slots__ = ("session",)

    def __init__(self, session):
        self.session = session


Named = namedtuple("Named", "session number")


def by_key(table):
    return next(iter(table)).send()


def by_pair(pair):
    return pair[0].send(pair[1])


def by_job(job):
    return job.session.send()


def by_row(row):
    return row["session"].send()


def late_ones(item):
    return item.session.send() if type(item) is Job else time.sleep(WAIT_S)


class Idle:
    """Has nothing to count."""

    def send(self):
        time.sleep(WAIT_S)


def late_pairs(pair):
    return pair[0].send() if type(pair[0]) is Session else time.sleep(WAIT_S)


def called(send):
    return send()


WAYS = {
    "pairs": (by_pair, lambda a, b: list(zip(itertools.cycle([a, b]), range(N_ITEMS)))),
    "as they are": (Session.send, lambda a, b: [a, b] * (N_ITEMS // 2)),
    "in a tuple": (Session.send, lambda a, b: (a, b) * (N_ITEMS // 2)),
    "held": (by_job, lambda a, b: [Job(a if n % 2 else b) for n in range(N_ITEMS)]),
    "in rows": (by_row, lambda a, b: [{"session": a if n % 2 else b} for n in range(N_ITEMS)]),
    "in slots": (by_job, lambda a, b: [Slotted(a if n % 2 else b) for n in range(N_ITEMS)]),
    "named": (by_job, lambda a, b: [Named(a if n % 2 else b, n) for n in range(N_ITEMS)]),
    "as keys": (by_key, lambda a, b: [{(a if n % 2 else b): n} for n in range(N_ITEMS)]),
    "methods": (called, lambda a, b: [a.send, b.send] * (N_ITEMS // 2)),
    "one of the last": (
        by_job,
        lambda a, b: [*(Job(Session()) for _ in range(40)), Job(a), *(Job(b) for _ in range(19))],
    ),
    "of a late kind": (late_ones, lambda _, b: [*range(40), *(Job(b) for _ in range(20))]),
    "of a late kind, read one by one": (
        late_ones,
        lambda _, b: iter([*range(40), *(Job(b) for _ in range(20))]),
    ),
    "late in pairs": (
        late_pairs,
        lambda a, _: (pair for pair in [*((n, n) for n in range(40)), *[(a, 1)] * 20]),
    ),
    "late methods": (called, lambda a, _: iter([*[Idle().send] * 40, *[a.send] * 20])),
    "read one by one": (by_pair, lambda a, b: zip(itertools.cycle([a, b]), range(N_ITEMS))),
    "made one by one": (by_job, lambda a, b: map(Job, [a, b] * (N_ITEMS // 2))),
    "in a deque": (Session.send, lambda a, b: deque([a, b] * (N_ITEMS // 2))),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_change_of_what_takes_turns_is_lost(way):
    """Two sessions: the third item has what the first one has."""
    function, data = WAYS[way]
    expected_of, ours_of = (Session(), Session()), (Session(), Session())

    expected = [function(item) for item in data(*expected_of)]
    ours = tuned_map(function, data(*ours_of))

    assert ours == expected
    assert [one.n_sent for one in ours_of] == [one.n_sent for one in expected_of]


def test_no_change_by_items_of_a_late_kind_is_lost_in_a_process():
    """The first ones are numbers, of which any process may have copies."""

    def computing(item):
        compute(2e-3)
        if type(item) is Job:
            item.session.n_sent += 1

    session = Session()
    tuned_map(computing, iter([*range(60), *(Job(session) for _ in range(20))]))

    assert session.n_sent == 20


def test_of_two_iterables_one_may_have_them():
    """As of one iterable of pairs."""
    sessions = [Session(), Session()]

    ours = tuned_map(Session.send, sessions * (N_ITEMS // 2), range(N_ITEMS))

    assert ours == [n // 2 + 1 for n in range(N_ITEMS)]


def test_views_of_the_same_memory_are_in_common():
    """Each row overlaps with the next one."""

    def add(row):
        before = row.copy()
        time.sleep(WAIT_S)
        row[:] = before + 1
        return float(row[0])

    data, expected = np.zeros(N_ITEMS + 1), np.zeros(N_ITEMS + 1)

    ours = tuned_map(add, [data[n : n + 2] for n in range(N_ITEMS)])

    assert ours == [add(expected[n : n + 2]) for n in range(N_ITEMS)]
    assert data.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "items",
    [
        [Job(Session()) for _ in range(N_ITEMS)],
        [{"session": Session()} for _ in range(N_ITEMS)],
        [*np.zeros((N_ITEMS, 4))],
    ],
    ids=["instances", "rows", "rows of a matrix"],
)
def test_items_that_are_changed_each_on_its_own_may_be_in_threads(items):
    """Nobody else has what they hold."""

    def change(item):
        time.sleep(10 * WAIT_S)
        if type(item) is Job:
            item.session.n_sent += 1
        elif type(item) is dict:
            item["session"].n_sent += 1
        else:
            item += 1

    tuned = autotune(change)
    tuned(items)

    assert tuned.explain().trace.plan.backend == "thread", str(tuned.explain())


@dataclass
class Number:
    value: int


@dataclass
class Text:
    value: str


@pytest.mark.parametrize(
    "data",
    [
        lambda: (Number(n) if n < 40 else Text("n" * n) for n in range(80)),
        lambda: iter([*range(40), *(Number(n) for n in range(40))]),
        lambda: ast.walk(ast.parse("a = f(1) + [b.c for d in e]\n" * 5)),
    ],
    ids=["two classes", "numbers first", "nodes of programs"],
)
def test_iterators_of_several_kinds_run_in_workers(data):
    """Items that nobody changes are read as they come, whatever they are."""
    tuned = autotune(lambda item: time.sleep(10 * WAIT_S) or type(item).__name__)

    assert tuned(data()) == [type(item).__name__ for item in data()]
    assert tuned.explain().trace.plan.backend != "serial", str(tuned.explain())


def test_those_far_down_a_long_list_are_found_where_items_change():
    """All items are looked at then."""
    shared = Session()
    items = [Job(Session()) for _ in range(MOST_AT_ONCE + 20)]
    items += [Job(shared) for _ in range(20)]

    def add(job):
        n_before = job.session.n_sent
        time.sleep(1e-4)
        job.session.n_sent = n_before + 1

    tuned_map(add, items)

    assert shared.n_sent == 20


@pytest.mark.parametrize("items", [[("a", 1.5, Job)] * 9, ["text"] * 9, [late_ones, called] * 9])
def test_what_nobody_can_change_is_nothing_in_common(items):
    assert held_by_several([items]) == []


def test_rows_of_an_array_may_overlap():
    """Those of a matrix do not."""
    matrix = np.zeros((4, 3))
    windows = np.lib.stride_tricks.sliding_window_view(matrix[0], 2, writeable=True)

    assert held_by_several([matrix]) == []
    assert held_by_several([windows]) is None


def test_what_runs_code_to_be_looked_at_is_not_known():
    """A sequence of the program's own class."""

    class Rows(list):
        pass

    assert held_by_several([Rows([1, 2])]) is None

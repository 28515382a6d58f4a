"""Items of another kind than the first ones may run other code, which is examined too."""

import ast
import functools
from pathlib import Path

import pytest

from amorsize import autotune
from amorsize._function.sharing.thread_safety import examine
from amorsize._function.unlike_items import MOST_KINDS, one_of_each

DONE: list[int] = []


def burn():
    return sum(i * i for i in range(30_000))


class Job:
    def run(self):
        return burn()

    @property
    def size(self):
        return burn()


class LastJob(Job):
    def run(self):
        DONE.append(1)
        return super().run()

    @property
    def size(self):
        DONE.append(1)
        return burn()


def run(job):
    return job.run()


def measure(job):
    return job.size


def call(task):
    return task()


def noting(_n=0):
    DONE.append(1)
    return burn()


def plain_task(_n=0):
    return burn()


JOBS = [Job() if i < 40 else LastJob() for i in range(60)]
CASES = [
    (run, JOBS),
    (measure, JOBS),
    (call, [burn if i < 40 else noting for i in range(60)]),
    (call, [(Job() if i < 40 else LastJob()).run for i in range(60)]),
    (call, [functools.partial(plain_task if i < 40 else noting, i) for i in range(60)]),
]


@pytest.mark.parametrize(("func", "items"), CASES)
def test_what_later_items_change_is_not_lost(func, items):
    """As in the loop, whatever the first items do."""
    DONE.clear()

    autotune(func)(items)

    assert len(DONE) == 20


@pytest.mark.parametrize(
    ("func", "items"), [(run, [Job(), Job()]), (call, [burn, plain_task]), (run, [Job(), 1])]
)
def test_items_that_change_nothing_stay_parallel(func, items):
    """Whether they are of one kind or of several."""
    reach = examine(func, [*items, *one_of_each(items)])[0]

    assert [*reach.stores, *reach.changed, *reach.copies, *reach.bound] == []


def test_one_item_stands_for_all_of_its_kind():
    """Plain values need none, nor do functions of the same code."""
    made = [lambda i=i: i for i in range(5)]

    assert one_of_each([1, "a", None]) == []
    assert one_of_each(made) == made[:1]
    assert [type(one) for one in one_of_each([1, *JOBS])] == [Job, LastJob]


def test_items_of_too_many_kinds_stay_in_the_caller():
    """Each kind would have to be read."""
    items = [type(f"Kind{i}", (Job,), {})() for i in range(MOST_KINDS + 1)]

    assert examine(run, one_of_each(items))[0].copies


def test_nodes_of_programs_are_of_many_kinds_and_may_leave_the_caller():
    """Trees of any language have some hundred kinds of nodes."""
    nodes = [node for path in sorted(Path(ast.__file__).parent.glob("a*.py")) for node in of(path)]
    items = one_of_each(nodes)

    assert len(items) > 60
    assert not any("kinds" in what for what in examine(ast.dump, items)[0].copies)


def of(path):
    return ast.walk(ast.parse(path.read_bytes()))

"""Items stay in turn if code that is not followed changes what names their files."""

import functools

import pytest
from test_names_that_are_followed import reason, save


def clean(row):
    row["name"] = row["name"].lower()


def by_map(row):
    list(map(clean, [row]))
    save(row["name"])


def by_partial(row):
    functools.partial(clean, row)()
    save(f"{row['name']}.txt")


def in_a_loop(row):
    for one in [row]:
        clean(one)
    save(row["name"])


def by_helper_of_one_that_is_passed_on(row):
    def both():
        list(map(clean, [row]))

    both()
    save(row["name"])


class Job:
    def __init__(self, name):
        self.name = name
        self.size = 0

    def clean(self):
        self.name = self.name.lower()

    def measure(self):
        self.keep(len(self.name))

    def keep(self, size):
        self.size = size

    def run(self):
        self.measure()
        save(f"{self.name}.txt")


def by_method(job):
    job.clean()
    save(f"{job.name}.txt")


def by_method_of_another_field(job):
    job.measure()
    save(f"{job.name}.txt")


def rows():
    return [{"name": "a"}, {"name": "A"}]


def jobs():
    return [Job("a"), Job("A")]


@pytest.mark.parametrize(
    ("function", "items"),
    [
        (by_map, rows()),
        (by_partial, rows()),
        (in_a_loop, rows()),
        (by_helper_of_one_that_is_passed_on, rows()),
        (by_method, jobs()),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_items_stay_in_turn_that_are_changed_unseen(function, items):
    assert "which the code changes" in reason(function, items)


@pytest.mark.parametrize(
    ("function", "items"),
    [
        (by_method_of_another_field, jobs()),
        (Job.run, jobs()),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_items_are_free_of_which_other_fields_are_changed(function, items):
    assert not reason(function, items)

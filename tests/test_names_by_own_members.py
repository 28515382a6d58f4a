"""Names of files that properties and methods of the program's classes give: `job.path`.

Their code is followed, and does not run.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import pytest
from test_names_that_are_followed import reason, save

N_LETTERS = 2
FOLDERS = {"ab": "one", "ac": "one"}


def never():
    raise AssertionError


class Job:
    def __init__(self, key, n=0):
        self.key, self.n = key, n

    @property
    def path(self):
        return f"{self.key}.txt"

    @property
    def beside(self):
        return Path("out") / self.path

    @functools.cached_property
    def lower(self):
        return self.key.lower()

    @property
    def remainder(self):
        return f"{self.n % 3}.txt"

    @property
    def shard(self):
        return f"{self.key[:2]}.txt"

    def named(self, ending, folder="out"):
        return f"{folder}/{self.key}{ending}"

    def of(self, other, ending=".txt"):
        return other.key + ending

    def __str__(self):
        return self.key[:2]

    @property
    def cut(self):
        self.key = self.key[0]
        return self.key

    @property
    def endless(self):
        return self.without_end

    @property
    def without_end(self):
        return self.endless

    @property
    def perhaps(self):
        return self.key if self.n else "none"

    @property
    def tried(self):
        try:
            return self.nothing
        except AttributeError:
            return "none"

    @property
    def of_a_table(self):
        never()
        return FOLDERS.get(self.key)

    def last(self):
        found = ""
        for letter in self.key:
            found = letter
        return found

    def any_of(self, *keys, **named):
        return keys[0] if keys else named["key"]


class Always(Job):
    @property
    def path(self):
        return "always.txt"


class Row(NamedTuple):
    key: str
    n: int

    @property
    def path(self):
        return f"{self.key}-{self.n}"


def by_path(job):
    save(job.path)


def by_path_beside(job):
    job.beside.write_text("")


def by_lower(job):
    save(job.lower)


def by_shard(job):
    save(job.shard)


def by_method(job):
    save(job.named(".txt"))


def by_text(job):
    save(str(job))


#: Functions, each with items that share a file and with others that do not.
FOLLOWED = [
    (by_path, [Job("ab"), Job("ab", 1)], [Job("ab"), Job("ac")]),
    (by_path, [Row("a", 1), Row("a", 1)], [Row("a", 1), Row("a", 2)]),
    (by_path, [Always("a"), Always("b")], [Job("a"), Always("b")]),
    (by_path_beside, [Job("ab"), Job("ab")], [Job("ab"), Job("ac")]),
    (by_lower, [Job("A"), Job("a")], [Job("A"), Job("b")]),
    *((one, [Job("abc"), Job("abd")], [Job("abc"), Job("acd")]) for one in (by_shard, by_text)),
    (by_method, [Job("ab"), Job("ab")], [Job("ab"), Job("ac")]),
]


@pytest.mark.parametrize(("func", "same", "others"), FOLLOWED)
def test_items_are_compared_by_what_their_members_give(func, same, others):
    assert reason(func, same)
    assert not reason(func, others)


@pytest.mark.parametrize(
    "name",
    [
        *("cut", "endless", "perhaps", "tried", "of_a_table", "remainder"),
        *("last", "any_of"),
    ],
)
def test_members_that_are_not_followed_keep_items_in_turn(name):
    """They change something, end nowhere, decide, catch, run in loops, or take any arguments."""

    def by_member(job):
        found = getattr(job, name)
        save(found)

    func = {
        "cut": lambda job: save(job.cut),
        "endless": lambda job: save(job.endless),
        "perhaps": lambda job: save(job.perhaps),
        "tried": lambda job: save(job.tried),
        "of_a_table": lambda job: save(job.of_a_table),
        "remainder": lambda job: save(job.remainder),
        "last": lambda job: save(job.last()),
        "any_of": lambda job: save(job.any_of(job.key[:1])),
    }[name]
    assert reason(func, [Job("ab"), Job("ac")])
    assert reason(by_member, [Job("ab"), Job("ac")])


def test_a_class_of_one_of_many_items_decides_for_itself():
    """Of the two last ones, the property gives the same."""
    assert reason(by_path, [Job("a"), Job("b"), Always("c"), Always("d")])


def test_what_the_program_has_set_anew_counts(monkeypatch):
    """A later call follows the code anew."""

    class Cut:
        def __init__(self, key):
            self.key = key

        @property
        def path(self):
            return self.key[:N_LETTERS]

    items = [Cut("ab"), Cut("ac")]
    assert not reason(by_path, items)
    monkeypatch.setitem(globals(), "N_LETTERS", 1)
    assert reason(by_path, items)

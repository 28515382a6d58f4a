"""What few items change is read from the code: no item that is watched may be one of them."""

import array
import collections
import contextlib
import decimal
import functools
import os
import random
import socket
import time
import types
import warnings

import pandas as pd
import pytest

from amorsize import tuned_map
from amorsize._reach import examine

LIST: list[int] = []
TABLE = {"a": 1}
GROUPS = collections.defaultdict(list)
USER_DICT = collections.UserDict()
NUMBERS = array.array("i")
FRAME = pd.DataFrame({"a": [0]})
SPACE = types.SimpleNamespace(found=[])
ROWS = [[], []]
SETTINGS = {"n": 0}


class Store:
    def __init__(self):
        self.kept = []

    def keep(self, x):
        self.kept.append(x)

    def keep_by_another(self, x):
        self.keep(x)

    def mapped(self, x):
        if x == 40:
            self.keep(x)
        return x


STORE = Store()


def settings():
    return SETTINGS


def put(table, key):
    table[key] = key


def put_by_another(key, table):
    put(table, key)


def alias(x):
    found = LIST
    if x == 40:
        found.append(x)


def alias_in_place(x):
    found = LIST
    if x == 40:
        found += [x]


def helper(x):
    if x == 40:
        put(TABLE, x)


def helper_of_a_helper(x):
    if x == 40:
        put_by_another(x, TABLE)


def what_a_getter_gives(x):
    if x == 40:
        settings()["n"] += 1


def what_a_getter_gave(x):
    mine = settings()
    if x == 40:
        mine["n"] = x


def loop(x):
    for row in ROWS:
        if x == 40:
            row.append(x)


def key_made_on_demand(x):
    if x == 40:
        GROUPS["a"].append(x)


def mapping_of_another_kind(x):
    if x == 40:
        USER_DICT["a"] = x


def compact_array(x):
    if x == 40:
        NUMBERS.append(x)


def cell_of_a_frame(x):
    if x == 40:
        FRAME.loc[0, "a"] = x


def inside_a_namespace(x):
    if x == 40:
        SPACE.found.append(x)


def default(x, seen=[]):  # noqa: B006 - that is the point
    if x == 40:
        seen.append(x)


def method_of_an_object(x):
    if x == 40:
        STORE.keep(x)


def method_of_a_method(x):
    if x == 40:
        STORE.keep_by_another(x)


def environment(x):
    if x == 40:
        os.environ["LATE"] = "1"


def through_a_lambda(x, to=lambda key: TABLE.update({key: key})):
    if x == 40:
        to(x)


CHANGING = [
    *(alias, alias_in_place, helper, helper_of_a_helper, what_a_getter_gives, what_a_getter_gave),
    *(loop, key_made_on_demand, mapping_of_another_kind, compact_array, cell_of_a_frame),
    *(inside_a_namespace, default, method_of_an_object, method_of_a_method, environment),
    *(through_a_lambda, STORE.mapped, functools.partial(put_by_another, table=TABLE)),
]


@pytest.mark.parametrize("item", CHANGING, ids=lambda one: getattr(one, "__name__", "partial"))
def test_what_outlives_the_item_is_told(item):
    """By whatever name, method or helper of the project it is changed."""
    reach, _ = examine(item, [1, 2])

    assert reach.stores or reach.changed


def prec(x):
    if x == 40:
        decimal.getcontext().prec = 5


def folder(x):
    if x == 40:
        os.chdir("/")


def folder_for_a_while(x):
    if x == 40:
        with contextlib.chdir("/"):
            pass


def seed(x):
    if x == 40:
        random.seed(1)


def filters(x):
    if x == 40:
        warnings.simplefilter("error")


def timeout(x):
    if x == 40:
        socket.setdefaulttimeout(1)


@pytest.mark.parametrize("item", [folder, folder_for_a_while, seed, filters, timeout])
def test_what_the_process_has_once_is_told(item):
    """By its own code: libraries do such things in branches that nobody takes."""
    assert examine(item, [1])[0].alters


def test_what_the_thread_has_once_is_told():
    """As it was given by a call."""
    assert examine(prec, [1])[0].shared == ("global decimal.getcontext().prec",)


def own_table(x):
    table = {}
    put(table, x)
    table["b"] = x
    return table


def only_reads(x):
    found = TABLE
    return found["a"], settings()["n"], list(ROWS), GROUPS.get("a"), FRAME.a.sum() + x


def own_object(x):
    store = Store()
    store.keep(x)
    return store.kept


def argument_that_is_a_number(x, n=3):
    n += x
    x *= 2
    return n + x


def copy_of_a_table(x):
    mine = dict(TABLE)
    mine.update(b=x)
    mine["c"] = x
    return sorted(mine)


@pytest.mark.parametrize(
    "item", [own_table, only_reads, own_object, argument_that_is_a_number, copy_of_a_table]
)
def test_what_is_the_items_own_is_not(item):
    """However it is changed."""
    reach, _ = examine(item, [1, 2])

    assert (reach.stores, reach.changed) == ((), ())


class Row:
    def __init__(self, i):
        self.i = i
        self.tags = []

    def mark(self):
        self.tags.append("late")


def marked_by_a_method(row):
    if row.i == 40:
        row.mark()


def marked_by_a_helper(row):
    if row.i == 40:
        put(vars(row), "done")
        mark(row.tags)


def mark(tags):
    tags.append("late")


def marked_in_place(row):
    tags = row.tags
    if row.i == 40:
        tags += ["late"]


@pytest.mark.parametrize("item", [marked_by_a_method, marked_by_a_helper, marked_in_place])
def test_an_item_that_few_items_change_is_told(item):
    """In its code, by a method of its own, by a helper, by another name."""
    assert examine(item, [Row(1), Row(2)])[0].changed == ("the items themselves",)


@pytest.mark.parametrize("item", [marked_by_a_method, marked_by_a_helper, marked_in_place])
def test_an_item_that_few_items_change_is_changed(item):
    """No worker process has a copy of it."""
    rows = [Row(i) for i in range(60)]

    tuned_map(lambda row: (time.sleep(2e-3), item(row)), rows)

    assert [row.i for row in rows if row.tags] == [40]


@pytest.mark.parametrize("pause", [time.sleep, lambda s: sum(range(int(s * 4e7)))])
def test_what_few_items_change_later_ones_find(pause):
    """As in the loop, whether they wait or compute."""
    counts = {"late": 0}

    def count(key, into):
        into[key] += 1

    def item(i):
        pause(2e-3)
        if i == 30:
            count("late", counts)
        return counts["late"]

    assert tuned_map(item, range(60)) == [0] * 30 + [1] * 30


def test_a_folder_that_one_item_enters_is_that_of_the_next(tmp_path, monkeypatch):
    """Nobody else is where it was before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "late").mkdir()

    def item(i):
        time.sleep(2e-3)
        if i == 30:
            os.chdir("late")
        return os.path.basename(os.getcwd()) == "late"

    assert tuned_map(item, range(60)) == [i >= 30 for i in range(60)]

"""A database in a file that all items have in common is used in their order, if that can matter.

Rows that items only add may come in any order. Who also asks for what is there, or changes rows,
has to come in turn: the items that are watched may not do so, so it is read from the code.
"""

import contextlib
import pathlib
import sqlite3
import time

import pandas as pd
import pytest

from amorsize import tuned_map
from amorsize._function.sharing.thread_safety import examine

DATABASE = "orders.db"
INSERT, COUNT = "INSERT INTO orders VALUES (?)", "  select count(*)\n from orders"


def execute(path, statement, values=()):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def added_and_counted(x):
    connection = sqlite3.connect(DATABASE)
    with connection:
        connection.execute(INSERT, (x,))
        return connection.execute(COUNT).fetchone()


def added_and_numbered(x):
    connection = sqlite3.connect(DATABASE)
    cursor = connection.execute("insert into orders values (?)", (x,))
    return cursor.lastrowid


def added_and_returned(x, path=DATABASE):
    return execute(path, "insert into orders values (?) returning rowid", (x,))


def by_helpers(x):
    execute(pathlib.Path("orders.db"), "insert into orders values (?)", (x,))
    return execute(pathlib.Path("orders.db"), "select max(n) from orders")


def changed(x):
    execute(DATABASE, "update totals set n = n + 1")


def replaced(x):
    execute(DATABASE, "insert or replace into orders values (?)", (x,))


def by_a_library(x):
    connection = sqlite3.connect(database=DATABASE)
    pd.DataFrame({"n": [x]}).to_sql("orders", connection, if_exists="append")
    return pd.read_sql("orders", connection)


IN_TURN = [
    *(added_and_counted, added_and_numbered, added_and_returned, by_helpers, changed, replaced),
    by_a_library,
]


@pytest.mark.parametrize("item", IN_TURN, ids=lambda one: one.__name__)
def test_who_may_find_what_others_have_stored_stays_in_turn(item):
    """In a branch that few items take as well."""
    assert any("orders.db" in one for one in examine(item, [1, 2])[0].bound)


def only_added(x):
    execute(DATABASE, INSERT, (x,))


def only_asked(x):
    return execute(DATABASE, "select n from orders where n = ?", (x,))


def in_memory(x):
    connection = sqlite3.connect(":memory:")
    connection.execute("create table orders (n)")
    connection.execute(INSERT, (x,))
    return connection.execute(COUNT).fetchone()


def of_its_own(x):
    execute(f"{x}.db", "create table orders (n)")
    execute(f"{x}.db", INSERT, (x,))
    return execute(f"{x}.db", COUNT)


@pytest.mark.parametrize("item", [only_added, only_asked, in_memory, of_its_own])
def test_other_databases_are_no_reason(item):
    """Those that are only added to or asked, those in memory, and one for each item."""
    assert not examine(item, ["1", "2"])[0].bound


def test_the_count_that_late_items_find_is_the_loops(tmp_path):
    """The tenth of them finds nine orders of others, in threads or not."""
    path = tmp_path / "orders.db"
    execute(path, "create table orders (n)")

    def order(x):
        time.sleep(2e-3)
        if x < 60:
            return 0
        execute(path, "insert into orders values (?)", (x,))
        return execute(path, "select count(*) from orders")[0][0]

    assert tuned_map(order, range(80)) == [0] * 60 + list(range(1, 21))
    assert tuned_map(order, range(80)) == [0] * 60 + list(range(21, 41))

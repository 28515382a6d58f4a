"""Objects call methods that they hold, of whatever kind; threads keep what is only theirs."""

import collections
import functools
import io
import sqlite3
import sys
import threading

import pytest

from amorsize._function.sharing.thread_safety import examine

SEEN, COUNTED, LINES, KEPT = [], collections.Counter(), io.StringIO(), threading.local()


class Subject:
    """Tells its observers."""

    def __init__(self, *observers):
        self.observers = list(observers)

    def tell(self, value):
        for one in self.observers:
            one(value)


class Writer:
    def __init__(self):
        self.write = LINES.write


class Tally:
    """Methods that are no plain functions of its class."""

    n = 0

    def add(self, step, x):
        self.n += step
        return x

    add_two = functools.partialmethod(add, 2)

    @functools.singledispatchmethod
    def note(self, value):
        return value

    @note.register
    def _(self, value: int):
        self.last = value


class Hook:
    done = SEEN.append


APPENDING, COUNTING = Subject(SEEN.append), Subject(COUNTED.update)
TALLY, DISPATCHING = Tally(), Tally()
PREPARED, WRITER = Subject(functools.partial(SEEN.extend, [1])), Writer()
ASKING = Subject({"a": 1}.get, "abc".find, sys.__stdout__.write, len)


def in_another_branch(x):
    if x == 40:
        APPENDING.tell(x)
    return x


def counts(x):
    KEPT.n = getattr(KEPT, "n", 0)
    KEPT.n += 1
    return x


def collects(x):
    rows = getattr(KEPT, "rows", None)
    if rows is None:
        rows = KEPT.rows = []
    rows.append(x)
    return len(rows)


def remembers(x):
    if not hasattr(KEPT, "found"):
        KEPT.found = {}
    KEPT.found[x % 3] = x
    return len(KEPT.found)


CHANGING = {
    "observer": lambda x: APPENDING.tell(x),
    "observer that few items tell": in_another_branch,
    "method of a library's class": lambda x: COUNTING.tell([x]),
    "partial": lambda x: PREPARED.observers[0](x),
    "partial method": lambda x: TALLY.add_two(x) if x > 40 else x,
    "dispatching method": lambda x: DISPATCHING.note(x) if x > 40 else x,
    "attribute": lambda x: WRITER.write(str(x)),
    "attribute of a class": lambda x: Hook.done(x),
    "count of a thread": counts,
    "rows of a thread": collects,
    "table of a thread": remembers,
}


@pytest.mark.parametrize("way", CHANGING)
def test_what_is_changed_is_told_before_any_item_has_run(way):
    """A worker would lose it."""
    reach, _ = examine(CHANGING[way], [1, 2])

    assert reach.stores or reach.changed


def asks_its_connection(x):
    if not hasattr(KEPT, "connection"):
        KEPT.connection = sqlite3.connect(":memory:")
    return KEPT.connection.execute("SELECT ?", (x,)).fetchone()


@pytest.mark.parametrize("item", [asks_its_connection, lambda x: [ASKING, x]])
def test_what_a_thread_makes_once_or_an_object_only_asks_is_no_change(item):
    """A connection for each thread is what it is there for."""
    reach, _ = examine(item, [1, 2])

    assert (reach.stores, reach.changed) == ((), ())

"""`Record(**row)` changes a new object alone, and `helper(**row)` what the helper changes."""

import dataclasses

import pytest

from amorsize._function.sharing.thread_safety import examine


@dataclasses.dataclass
class Record:
    name: str
    n: int = 0


class Open:
    def __init__(self, **fields):
        self.fields = fields
        self.__dict__.update(fields)


class Table:
    def __init__(self, rows=(), name=""):
        self.rows, self.name = list(rows), name

    def put(self, into, value):
        into.append(value)


class Keeping:
    def __init__(self, rows, name=""):
        rows.append(name)


def add(into, value=0):
    into.append(value)


def as_record(row):
    return Record(**row).name


def as_another(row):
    return Record("one", **row).n


def as_open(row):
    return Open(**row).fields


def by_method_of_a_new_one(row):
    return Table().put([], **row)


def into_a_new_list(row):
    found = []
    add(found, **row)
    return found


def into_the_item(row):
    add(**row)


def into_what_it_keeps(row):
    Keeping(**row)


def by_method(row):
    Table().put(**row)


def by_name_beside(row):
    add(value=1, **row)


ROWS = [{"into": [], "rows": [], "value": n} for n in range(2)]


@pytest.mark.parametrize(
    "func", [as_record, as_another, as_open, by_method_of_a_new_one, into_a_new_list]
)
def test_a_new_object_is_not_the_item(func):
    """What is set by its place is no part of what is unpacked."""
    assert not examine(func, ROWS)[0].changed


@pytest.mark.parametrize("func", [into_the_item, into_what_it_keeps, by_method, by_name_beside])
def test_a_part_of_the_item_that_is_changed_is_the_items(func):
    assert examine(func, ROWS)[0].changed

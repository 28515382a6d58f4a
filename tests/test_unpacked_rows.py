"""`Record(**row)` changes a new object alone, and `helper(**row)` what the helper changes."""

import dataclasses

import pytest
from test_names_that_are_followed import reason, save

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


# -- names of files that a helper makes of a row ------------------------------------------------


def name_of(name, n=0, *, ending="txt"):
    return f"{name}_{n}.{ending}"


def first_letter(name, **others):
    return name[:1] + str(len(others))


def by_row(row):
    save(name_of(**row))


def by_row_behind_a_name(row):
    save(name_of("one", **row))


def by_changed_row(row):
    row["name"] = "one"
    save(name_of(**row))


def by_another_row(row):
    save(name_of(**{**row, "name": "one"}))


def by_any_row(row):
    save(first_letter(**row))


#: Functions, with items that share a file and others that do not; None where that is not told.
NAMED = [
    (by_row, [{"name": "a"}, {"name": "a", "n": 0}], [{"name": "a"}, {"name": "a", "n": 1}]),
    (by_row_behind_a_name, [{"n": 1}, {"n": 1, "ending": "txt"}], [{"n": 1}, {"n": 2}]),
    (by_changed_row, [{"name": "a"}, {"name": "b"}], None),
    (by_another_row, [{"name": "a"}, {"name": "b"}], None),
    (by_any_row, [{"name": "ab"}, {"name": "ac"}], None),
]


@pytest.mark.parametrize(("func", "same", "others"), NAMED)
def test_a_row_passes_its_fields_by_name(func, same, others):
    """A field that it lacks is the default."""
    assert reason(func, same)
    assert others is None or not reason(func, others)

"""Classes by attrs: their `__repr__` notes the object in a set of the library for a while."""

import pytest

from amorsize._function.sharing.thread_safety import examine

attrs = pytest.importorskip("attrs")
SEEN = []


def noted(value):
    SEEN.append(value)
    return "noted"


def checked(_, __, value):
    SEEN.append(value)


@attrs.define
class Plain:
    a: int = 1


@attrs.define
class Converted:
    a: int = attrs.field(converter=noted)


@attrs.define
class Checked:
    a: int = attrs.field(validator=checked)


@attrs.define
class Shown:
    a: int = attrs.field(repr=noted)


@attrs.define
class Held:
    a: list

    def put(self, value):
        self.a.append(value)


ROWS = [{"a": 1}, {"a": 2}]
ITEMS = [Plain(1), Plain(2)]


@pytest.mark.parametrize(
    ("func", "items"),
    [
        (lambda row: Plain(**row).a, ROWS),
        (lambda row: attrs.asdict(Plain(row["a"])), ROWS),
        (lambda row: repr(Plain(**row)), ROWS),
        (lambda item: attrs.evolve(item, a=3), ITEMS),
    ],
)
def test_items_that_make_such_objects_change_nothing(func, items):
    found = examine(func, items)[0]
    assert (found.stores, found.changed, found.copies) == ((), (), ())


@pytest.mark.parametrize(
    "func",
    [
        lambda row: Converted(**row).a,
        lambda row: Checked(**row).a,
        lambda row: repr(Shown(**row)),
        lambda row: Held(SEEN).put(row["a"]),
    ],
)
def test_what_the_program_has_them_do_is_seen(func):
    """Converters, validators, functions that make texts, and methods."""
    found = examine(func, ROWS)[0]
    assert found.stores or found.changed

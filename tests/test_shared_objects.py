"""What is known by being the very one is sent with the code: workers have one of it, too."""

from types import SimpleNamespace

import pytest

from amorsize._function.needs import held_objects
from amorsize._function.needs.shared_objects import is_any_shared

RATES = [1, 2, 3]
Renamed = type("Original", (), {})


class Found:
    pass


class Answers(type):
    def __getattr__(cls, name):
        raise RuntimeError(name)


class Outer(metaclass=Answers):
    class Inner:
        pass


gone = Outer.Inner()
del Outer.Inner


def is_own(cls):
    return cls.__module__ == __name__


@pytest.mark.parametrize("kind", [list, dict, set])
def test_a_table_in_two_places_is_one_where_code_asks_which_it_has(kind):
    table = kind()
    roots = [{"a": table}, table]

    assert is_any_shared(roots, is_own, by_identity=True)
    assert not is_any_shared(roots, is_own)


def test_tables_of_their_own_are_not():
    assert not is_any_shared([{"a": list(RATES)}, RATES], is_own, by_identity=True)
    assert not is_any_shared([(1, 2), ((1, 2), "a")], is_own, by_identity=True)


def test_an_object_whose_class_has_another_name_there_is_sent_with_that():
    """The module that a worker imports has the class; what is sent would bring another."""
    assert is_any_shared([[Renamed()]], is_own)
    assert not is_any_shared([[Found()], SimpleNamespace()], is_own)


def test_no_code_of_the_program_runs_to_tell_whether_a_class_has_its_name():
    assert is_any_shared([[gone]], is_own)


def test_what_is_too_much_to_be_looked_at_counts_as_shared(monkeypatch):
    """Rows of plain values are told at once, however many they are."""
    monkeypatch.setattr(held_objects.Search.__init__, "__defaults__", (held_objects.ALONE, 500))

    assert is_any_shared([[Found() for _ in range(1000)]], is_own)
    assert not is_any_shared([[{"a": n, "b": "c"} for n in range(1000)]], is_own)
    assert not is_any_shared([{f"n{n}": (n, 1.5) for n in range(1000)}], is_own)


def test_what_lies_behind_many_rows_is_found():
    """A mark at the end of a large table."""
    table = {n: {"a": n, "of": [n]} for n in range(15_000)}

    assert is_any_shared([{"last": object(), "table": table}, []], is_own)
    assert is_any_shared([{"table": table, "last": object()}, []], is_own)
    assert not is_any_shared([table, [*table.values()]], is_own)

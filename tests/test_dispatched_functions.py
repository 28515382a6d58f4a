"""Functions by `singledispatch`: which is for a type is found once, and alike anywhere."""

import functools

import pytest

from amorsize._function.sharing.thread_safety import examine

SEEN = []


@functools.singledispatch
def shown(value):
    return str(value)


@shown.register
def _(value: int):
    return f"number {value}"


@functools.singledispatch
def noted(value):
    return str(value)


@noted.register
def _(value: int):
    SEEN.append(value)


class Counting:
    n = 0

    @functools.singledispatchmethod
    def see(self, value):
        return str(value)

    @see.register
    def _(self, value: int):
        self.n += value


COUNTING = Counting()


def shows(value):
    return shown(value)


def notes(value):
    return noted(value)


def registers(value):
    shown.register(type(value), str)
    return shown(value)


def counts(value):
    return COUNTING.see(value)


def test_what_was_found_for_a_type_is_no_state():
    found, objects = examine(shows, [1, "a"])
    assert (found.stores, found.changed, found.shared, found.copies) == ((), (), (), ())
    assert not any("cache" in name for name in objects.mutables)


@pytest.mark.parametrize("func", [notes, registers, counts])
def test_what_the_functions_do_is_seen(func):
    found, objects = examine(func, [1, "a"])
    assert found.stores or found.changed or found.shared or "global COUNTING" in objects.mutables

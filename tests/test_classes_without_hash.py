"""Items, results and keywords whose class cannot be looked up in a table are like any other."""

import time

import pytest

from amorsize import autotune, tuned_map


class Equal(type):
    """Makes classes that are compared, and thus have no hash, as those of a query language."""

    def __eq__(cls, other):
        return NotImplemented


class Refusing(type):
    """Makes classes whose hash raises."""

    def __hash__(cls):
        raise RuntimeError("no hash")


class Unhashable(metaclass=Equal):
    """Of a class without a hash."""


class Refused(metaclass=Refusing):
    """Of a class whose hash raises."""


class Outside:
    """A proxy: whatever it is asked for fails outside of its context."""

    @property
    def __dict__(self):
        raise RuntimeError("outside of its context")

    @property
    def __class__(self):
        raise RuntimeError("outside of its context")


class Sealed:
    """Gives nothing away."""

    def __getattribute__(self, name):
        raise RuntimeError(name)


class Weightless:
    """Tells no size, whoever asks."""

    def __sizeof__(self):
        raise RuntimeError("no size")


KINDS = [Unhashable, Refused, Outside, Sealed, Weightless]


def name_of(value):
    """An item that takes a value of any kind."""
    time.sleep(5e-4)
    return type(value).__name__


@pytest.mark.parametrize("backend", ["auto", "serial", "thread"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: vars(kind)["__doc__"][:12])
class TestWhateverTheClass:
    """The loop, and nothing else, asks such values for something."""

    def test_its_objects_are_items(self, kind, backend):
        items = [kind() for _ in range(100)]
        for data in (items, iter(items)):
            found = tuned_map(name_of, data, backend=backend, thread_safe=True)
            assert found == [kind.__name__] * 100

    def test_its_objects_are_results(self, kind, backend):
        made = autotune(lambda _: kind(), backend=backend, thread_safe=True)
        for found in (made(range(100)), list(made.stream(range(100)))):
            assert list(map(name_of, found[:3])) == [kind.__name__] * 3
            assert len(found) == 100

    def test_its_objects_are_what_all_items_share(self, kind, backend):
        shared = kind()

        def by_closure(item):
            time.sleep(5e-4)
            return item if shared is not None else None

        def by_keyword(item, one):
            return by_closure(item) if one is not None else None

        expected = list(range(100))
        assert tuned_map(by_closure, expected, backend=backend, thread_safe=True) == expected
        assert (
            tuned_map(
                by_keyword, expected, item_kwargs={"one": shared}, backend=backend, thread_safe=True
            )
            == expected
        )


@pytest.mark.parametrize("kind", [Outside, Weightless])
def test_processes_take_those_that_can_be_pickled(kind):
    """Whatever else is asked of them."""
    found = tuned_map(name_of, iter([Weightless()] * 20), backend="process", n_jobs=2)
    assert found == ["Weightless"] * 20
    made = autotune(lambda _: Weightless(), backend="process", n_jobs=2)
    assert len(list(made.stream(range(20)))) == 20

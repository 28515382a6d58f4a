"""What items register at a function or a class of the program is a change like any other.

The items that are watched may register nothing, so it is read from the code.
"""

import abc
import collections.abc
import functools
import types

import pytest

from amorsize._function.sharing.thread_safety import examine


@functools.singledispatch
def rendered(_value):
    return "plain"


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self):
        """What each kind of shape tells."""


class Plugin:
    """Its subclasses are the plugins that there are."""


class Report:
    @functools.singledispatchmethod
    def line(self, _value):
        return "plain"


class Money:
    pass


REPORT = Report()
KINDS = {"shape": Shape}
register = rendered.register
count_as_shape = Shape.register


def at_a_dispatcher(x):
    if x == 40:
        rendered.register(Money, lambda _: "money")
    return rendered(Money())


def as_a_decorator(x):
    if x == 40:

        @rendered.register
        def _(value: Money):
            return "money"

    return rendered(Money())


def by_another_name(x):
    if x == 40:
        register(Money, repr)
    return rendered(Money())


def handed_on(x):
    for _ in map(rendered.register, [Money][: x == 40], [repr]):
        pass
    return rendered(Money())


def teach(dispatcher, kind):
    dispatcher.register(kind, repr)


def by_a_helper(x):
    if x == 40:
        teach(rendered, Money)
    return rendered(Money())


def at_a_method(x):
    if x == 40:
        Report.line.register(Money, lambda _, value: repr(value))
    return REPORT.line(Money())


def at_an_abstract_class(x):
    if x == 40:
        Shape.register(Money)
    return isinstance(Money(), Shape)


def at_one_of_a_table(x):
    if x == 40:
        KINDS["shape"].register(Money)
    return isinstance(Money(), Shape)


def by_the_name_of_its_method(x):
    if x == 40:
        count_as_shape(Money)
    return isinstance(Money(), Shape)


def by_a_class_statement(x):
    class Own(Plugin):
        number = x

    return Own.number


def by_type(x):
    return type(f"Plugin{x}", (Money, Plugin), {}).__name__


def by_new_class(x):
    return types.new_class(f"Plugin{x}", (Plugin,)).__name__


def subclass_of(base):
    class Made(base):
        pass

    return Made


def by_a_factory(_):
    return subclass_of(Plugin).__name__


REGISTERING = [
    *(at_a_dispatcher, as_a_decorator, by_another_name, handed_on, by_a_helper, at_a_method),
    *(at_an_abstract_class, at_one_of_a_table, by_the_name_of_its_method),
    *(by_a_class_statement, by_type, by_new_class, by_a_factory),
]


@pytest.mark.parametrize("item", REGISTERING, ids=lambda one: one.__name__)
def test_what_items_register_would_be_lost(item):
    """With a dispatcher, an abstract class, or a base class that can tell its subclasses."""
    reach = examine(item, [1, 2])[0]

    assert reach.stores or reach.changed


def asks_a_dispatcher(x):
    return rendered(x)


def asks_an_abstract_class(x):
    return isinstance(x, Shape), isinstance(x, collections.abc.Sized)


def with_classes_of_its_own(x):
    class Odd(ValueError):
        pass

    class Odder(Odd):
        pass

    return type("Point", (tuple,), {})([x]), Odder(x).args, type(x)


@pytest.mark.parametrize(
    "item", [asks_a_dispatcher, asks_an_abstract_class, with_classes_of_its_own]
)
def test_what_only_asks_or_makes_classes_of_its_own_changes_nothing(item):
    """Neither do subclasses of a library's classes count, which programs do not look for."""
    reach = examine(item, [1, 2])[0]

    assert not reach.stores
    assert not reach.changed

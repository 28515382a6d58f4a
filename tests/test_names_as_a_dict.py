"""The names of a module, a function or an object, changed as a dict by few items.

Code that asks for `globals()` may call whatever its module has: here that is little.
"""

import sys
import types

import pytest

from amorsize._function.sharing.thread_safety import examine

SPACE = types.SimpleNamespace()


def helper():
    """Has names of its own."""


def by_the_names_of_the_module(x):
    if x == 40:
        globals()["LATE"] = x


def all_names_of_the_module(x):
    if x == 40:
        globals().update(LATE=x)


def by_the_space_of_a_module(x):
    if x == 40:
        vars(sys.modules[__name__])["LATE"] = x


def by_the_space_of_a_function(x):
    if x == 40:
        helper.__dict__["late"] = x


def by_the_space_of_an_object(x):
    if x == 40:
        SPACE.__dict__.setdefault("late", x)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (by_the_names_of_the_module, "global globals()[...]"),
        (all_names_of_the_module, "global globals().update()"),
        (by_the_space_of_a_module, "global sys.modules[...].__dict__[...]"),
        (by_the_space_of_a_function, "global helper.__dict__[...]"),
        (by_the_space_of_an_object, "global SPACE.__dict__.setdefault()"),
    ],
)
def test_what_is_put_into_the_names_of_something_is_told(item, told):
    """Of a module, a function or an object, as a dict."""
    assert told in examine(item, [1, 2])[0].stores

"""Whether code depends on the hash of text is told by one pass, which most code does not need."""

import argparse
import ast
import csv
import enum
import inspect
import json
import types
import typing

import pytest

from amorsize._function.needs import hash_order

CODE = types.CodeType


def all_codes(code):
    """A code object, and all that are inside."""
    yield code
    for one in code.co_consts:
        if type(one) is CODE:
            yield from all_codes(one)


@pytest.mark.parametrize("module", [argparse, ast, csv, enum, inspect, json, types, typing])
def test_code_that_is_passed_over_goes_through_no_set(module):
    """Where there is nothing that a set could come from, none is found."""
    scope = vars(module)
    codes = [*all_codes(compile(inspect.getsource(module), module.__file__, "exec"))]

    passed_over = [
        one
        for one in codes
        if not (hash_order._global_sets(one, scope) or hash_order._has_sets_of_its_own(one))
    ]

    assert not any(hash_order._Pass(one, {}).reads_a_set() for one in passed_over)
    assert 2 * len(passed_over) > len(codes)


NAMES = {"a", "b"}
OTHERS = ["a", "b"]


@pytest.mark.parametrize(
    "function",
    [
        lambda text: [one + text for one in NAMES],
        lambda text: [one + text for one in {text, "b"}],
        lambda text: ",".join({one + "," for one in text}),
        lambda text: list(set(text)),
        lambda text: [one + text for one in frozenset(text).union("b")],
        lambda text: [len(other) for other in [[one + text for one in {text, "c"}]]],
        lambda text: hash(text),
    ],
)
def test_what_goes_through_a_set_is_told(function):
    """Wherever the set comes from."""
    assert hash_order.why(function) is not None


@pytest.mark.parametrize(
    "function",
    [
        lambda text: text in NAMES,
        lambda text: sorted({text, "b"}),
        lambda text: len(set(text)),
        lambda text: [one + text for one in text],
    ],
)
def test_what_asks_a_set_alone_is_not(function):
    """Its order does not matter there."""
    assert hash_order.why(function) is None


def test_what_was_read_of_code_does_not_outlive_a_change(monkeypatch):
    """The same function is judged anew once a global is a set, once it has other code, and back."""

    def lists_others(text):
        return [one + text for one in OTHERS]

    assert hash_order.why(lists_others) is None
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "OTHERS", {"a", "b"})
        assert hash_order.why(lists_others) == "goes through a set"
    assert hash_order.why(lists_others) is None
    with monkeypatch.context() as patch:
        patch.setattr(lists_others, "__code__", (lambda text: hash(text)).__code__)
        assert hash_order.why(lists_others) == "uses hash()"
    assert hash_order.why(lists_others) is None

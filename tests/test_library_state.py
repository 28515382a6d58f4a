"""What a program has set in libraries: a worker from a clean start has it, or gets no items."""

import copy
import copyreg
import datetime
import decimal
import email.charset
import json
import keyword
import linecache
import math
import os
import re
import shlex
import sqlite3
import sys
import textwrap
import urllib.parse

import library_items as items
import orchard
import orchard_late
import orchard_tools
import own_settings
import pytest
from following import follow_in_one_worker
from orchard_parts import part
from staying import kept_in_the_caller

from amorsize import tuned_map
from amorsize._function.library import reads as library_reads
from amorsize._function.needs.dependencies import needs_of


@pytest.fixture(autouse=True)
def clean_start(monkeypatch):
    """No worker is forked in these tests."""
    monkeypatch.setenv("AMORSIZE_START", "clean")


def put_option(patch):
    patch.setitem(orchard.OPTIONS, "unit", "g")


def put_option_by_function(patch):
    patch.setitem(orchard.OPTIONS, "unit", "kg")  # which is put back
    orchard.set_option("unit", "t")


def replace_options(patch):
    patch.setattr(orchard, "OPTIONS", {"unit": "lb", "nested": {"digits": 7}})


def put_nested_option(patch):
    patch.setitem(orchard.OPTIONS["nested"], "digits", 40)


def set_rate(patch):
    patch.setattr(orchard, "RATE", 7)


def patch_deep_function(patch):
    patch.setattr(orchard, "_rounded", lambda amount: -amount)


def register_function(patch):
    patch.setitem(orchard._plugins, "own", items.by_factor)


def register_lambda(patch):
    patch.setitem(orchard._plugins, "own", lambda k: k - 3)


def register_with_state(patch):
    patch.setitem(orchard._plugins, "own", items.by_factor)
    patch.setattr(items, "factor", 50)


def register_another_library(patch):
    patch.setitem(orchard._plugins, "own", orchard_tools.thrice)


def hook_in_last(patch):
    patch.setattr(orchard, "_hooks", list(orchard._hooks))
    orchard.hook_in(items.reverse, 1)


def hook_in_first(patch):
    patch.setattr(orchard, "_hooks", [items.reverse, *orchard._hooks])


def add_step(patch):
    patch.setattr(orchard, "_steps", orchard._steps)
    orchard.add_step(items.reverse)


def allow_apples(patch):
    patch.setattr(orchard, "_codes", set(orchard._codes))
    orchard.allow(items.Apple)


def set_limit(patch):
    patch.setattr(orchard.limits, "most", 33)


def set_inner_limit(patch):
    patch.setattr(orchard.limits.inner, "factor", 5)


def set_ceiling(patch):
    patch.setattr(orchard.limits, "most", 10_000)
    patch.setattr(orchard.Limits, "ceiling", 250)


def patch_method(patch):
    patch.setattr(orchard.Limits, "cut", lambda self, amount: self.most - amount)


def set_formatter(patch):
    patch.setattr(orchard, "formatter", items.Shouting())


def patch_json(patch):
    patch.setattr(json, "_default_encoder", items.AppleEncoder())


def set_json_option(patch):
    patch.setattr(json._default_encoder, "ensure_ascii", False)


def register_reducer(patch):
    patch.setitem(copyreg.dispatch_table, items.Apple, items.lighter)


def register_lambda_reducer(patch):
    reducer = items.lighter
    patch.setitem(copyreg.dispatch_table, items.Apple, lambda apple: reducer(apple))


def put_constants(patch):
    patch.setattr(orchard, "PRICE", decimal.Decimal("2.5"))
    patch.setitem(orchard.SINCE, "first", datetime.date(1999, 1, 1))


def put_pattern(patch):
    patch.setattr(orchard, "SHAPE", re.compile("[a-z]", re.IGNORECASE))


def be_hard(patch):
    patch.setattr(orchard, "MODE", orchard.Mode.HARD)


def add_to_module(patch):
    patch.setattr(math, "own_factor", 3, raising=False)


def set_own_factor(patch):
    patch.setattr(own_settings, "FACTOR_OF_ALL", 9)


def keep_line(patch):
    patch.setitem(linecache.cache, "<of a test>", (4, None, ["one\n", "two\n"], "<of a test>"))


def wrap_otherwise(patch):
    patch.setattr(textwrap.TextWrapper, "wordsep_re", re.compile("( )"))


def adapt_apples(patch):
    key = items.Apple, sqlite3.PrepareProtocol
    patch.setitem(sqlite3.adapters, key, items.pickling)


def know_scheme(patch):
    patch.setattr(urllib.parse, "uses_relative", list(urllib.parse.uses_relative))
    urllib.parse.uses_relative.append("s3")
    patch.setattr(urllib.parse, "uses_netloc", list(urllib.parse.uses_netloc))
    urllib.parse.uses_netloc.append("s3")


def name_charset(patch):
    patch.setitem(email.charset.ALIASES, "mine", "utf-8")


def know_apples(patch):
    patch.setattr(orchard.SafeWriter, "kinds", orchard.Writer.kinds.copy(), raising=False)
    orchard.SafeWriter.know(items.Apple, items.pickling)


def set_late_number(patch):
    patch.setattr(orchard_late, "DEPTH", 9)


def put_late_filter(patch):
    patch.setattr(orchard_late, "_filters", [items.reverse, *orchard_late._filters])


def put_late_name(patch):
    patch.setitem(orchard_late._names, "own", items.Fruit.PEAR)


def size_part(patch):
    patch.setattr(part, "SIZE", 12)


def teach_reader(patch):
    patch.setattr(part.Reader, "makers", {**part.Reader.makers, "apple": items.shouted})


CARRIED = [
    (items.by_option, put_option),
    (items.by_imported_option, put_option),
    (items.by_asked_option, put_option_by_function),
    (items.by_asked_option, replace_options),
    (items.by_nested_option, put_nested_option),
    (items.by_nested_option, replace_options),
    (items.by_rate, set_rate),
    (items.by_imported_function, set_rate),
    (items.by_rate, patch_deep_function),
    (items.by_plugin, register_function),
    (items.by_plugin, register_lambda),
    (items.by_plugin, register_with_state),
    (items.by_plugin, register_another_library),
    (items.by_hooks, hook_in_last),
    (items.by_hooks, hook_in_first),
    (items.by_hooks, add_step),
    (items.by_kind, allow_apples),
    (items.by_limits, set_limit),
    (items.by_limits, set_inner_limit),
    (items.by_limits, set_ceiling),
    (items.by_limits, patch_method),
    (items.by_formatter, set_formatter),
    (items.by_json, patch_json),
    (items.by_default_encoder, set_json_option),
    (items.by_copy, register_reducer),
    (items.by_copy, register_lambda_reducer),
    (items.by_pickle, register_reducer),
    (items.by_sqlite, adapt_apples),
    (items.by_scheme, know_scheme),
    (items.by_charset, name_charset),
    (items.by_writer, know_apples),
    (items.by_late_number, set_late_number),
    (items.by_late_list, put_late_filter),
    (items.by_late_table, put_late_name),
    (items.by_part, size_part),
    (items.by_value_of_part, size_part),
    (items.by_handed_class, teach_reader),
    (items.by_constants, put_constants),
    (items.by_constants, put_pattern),
    (items.by_constants, be_hard),
    (items.by_text, set_rate),
    (items.by_text, add_to_module),
    (items.by_text_of_project, set_own_factor),
    (items.by_line, keep_line),
    (items.by_wrapping, wrap_otherwise),
]


@pytest.mark.parametrize("part", range(4))
def test_a_warm_worker_follows(part, monkeypatch):
    """Before each change, with it, and after it was taken back: as in the caller each time.

    One worker follows a quarter of the changes, one after the other.
    """
    follow_in_one_worker(CARRIED[part::4], monkeypatch)


def connect(patch):
    patch.setattr(orchard, "client", None)  # which is put back
    orchard.connect("here")


def put_sealed(patch):
    patch.setitem(orchard._plugins, "own", items.Sealed())


def add_foreign_step(patch):
    patch.setattr(orchard, "_steps", (str.lower, items.reverse))


def alias_module(patch):
    patch.setitem(sys.modules, "orchard_tools", items)
    patch.setattr(items, "thrice", items.by_factor, raising=False)


def add_code(patch):
    patch.setitem(orchard.CODES, "mine", 5)


def change_code(patch):
    patch.setitem(orchard.CODES, "code 3", -3)


def put_into_main(patch):
    patch.setattr(sys.modules["__main__"], "factor_of_a_test", 7, raising=False)


def weigh_nan(patch):
    patch.setitem(items.WEIGHTS, items.NAN, "none")


def find_otherwise(patch):
    patch.setattr(shlex, "_find_unsafe", re.compile("z").search)


def know_other_keywords(patch):
    patch.setattr(keyword, "iskeyword", frozenset(("apple",)).__contains__)


def change_nothing(patch):
    pass


STAY = [
    (items.by_code, add_code, "orchard.CODES has other entries"),
    (items.by_code, change_code, "orchard.CODES has other entries"),
    (items.by_main, put_into_main, "by_main imports __main__"),
    (items.by_weight, weigh_nan, "has nan as a key"),
    (items.by_mark, change_nothing, "has nan as a key"),
    (items.by_client, connect, "orchard.client is a orchard.Client in the caller"),
    (items.by_plugin, put_sealed, "orchard._plugins"),
    (items.by_hooks, add_foreign_step, "orchard._steps has other elements"),
    (items.by_method_of_a_pattern, find_otherwise, "shlex._find_unsafe is another function"),
    (items.by_method_of_a_set, know_other_keywords, "keyword:iskeyword is not what it is"),
    (items.by_alias, alias_module, "orchard_tools is the module library_items"),
]


@pytest.mark.parametrize(("function", "change", "reason"), STAY)
def test_what_cannot_be_sent_stays_in_the_caller(function, change, reason, monkeypatch):
    """None of the items runs where the answer would be another, and the reason is told."""
    assert reason in kept_in_the_caller(function, change, monkeypatch)


PARALLEL = [items.by_memory, items.by_link, items.by_rate, items.by_json, items.by_scheme]
PARALLEL += [items.by_code, items.by_constants, items.by_text, items.by_weight]


@pytest.mark.parametrize("function", PARALLEL, ids=lambda one: one.__name__)
def test_what_libraries_make_for_themselves_keeps_nothing_here(function, monkeypatch):
    """A cache, or a link that is made when it is first needed: a worker makes its own."""

    def noted(x):
        return function(x), os.getpid()

    here = [function(x) for x in range(20)]
    found = tuned_map(noted, range(20), backend="process", n_jobs=1)

    assert [one[0] for one in found] == here
    assert os.getpid() not in {one[1] for one in found}


def test_the_way_through_a_library_is_kept(monkeypatch):
    """Code is read once, until somebody puts other code in its place."""
    ways = library_reads._ways
    needs_of([items.by_rate])
    before = dict(ways)
    needs_of([items.by_rate])
    assert all(ways[key] is before[key] for key in before)

    monkeypatch.setattr(orchard, "_rounded", orchard.digits)
    needs_of([items.by_rate])
    assert any(ways[key] is not before[key] for key in before)


class Basket:
    """An object of the project's own."""

    def weighed(self, amount):
        return amount + 1


BASKET = Basket()


def test_the_way_is_kept_where_an_object_of_the_project_is_named_too():
    """What such an object does is read as the project's code, not as that of a library."""

    def read(x):
        return BASKET.weighed(orchard.tax(x))

    needs_of([read])
    before = dict(library_reads._ways)
    needs_of([read])

    assert any(id(read.__code__) in key for key in before)
    assert all(library_reads._ways[key] is before[key] for key in before)


def test_what_a_class_notes_of_itself_keeps_nothing_here():
    """The first copy of an instance leaves a name in its class; so do lazily made tables."""
    apple = part.Reader("int 1")
    copy.copy(apple)
    part.Reader._seen = {"int": 1}
    try:
        here = [items.by_handed_class(k) for k in range(3)]
        assert tuned_map(items.by_handed_class, range(3), backend="process", n_jobs=1) == here
    finally:
        del part.Reader._seen

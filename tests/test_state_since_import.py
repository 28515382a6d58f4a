"""A worker from a clean start has what the program changed since the import, or gets no items."""

import builtins
import codecs
import dataclasses
import datetime
import encodings.aliases
import functools
import importlib.machinery
import json
import numbers
import os
import re
import string
import struct
import sys
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from multiprocessing import get_context
from types import SimpleNamespace

import pytest
import state_items as items
import state_items_fakes
from following import answers_of, follow_in_one_worker
from staying import kept_in_the_caller

import amorsize
from amorsize import tuned_map
from amorsize._function.needs import c_environment
from amorsize._workers.tasks import marks
from amorsize.errors import SerializationError


@pytest.fixture(autouse=True)
def clean_start(monkeypatch):
    """No worker is forked in these tests."""
    monkeypatch.setenv("AMORSIZE_START", "clean")


def set_global(patch):
    patch.setattr(items, "FACTOR", 5)


def set_default_number(patch):
    patch.setattr(items.scaled, "__defaults__", (4,))


def set_default_of_keyword(patch):
    patch.setattr(items.scaled, "__kwdefaults__", {"plus": 100})


def register_for_method(patch):
    """As a program does, and undone by putting another method there."""
    before = vars(items.Teller)["told"]
    patch.setattr(items.Teller, "told", functools.singledispatchmethod(before.func))
    vars(items.Teller)["told"].register(int, lambda self, value: "number")


def bind_otherwise(patch):
    patch.setattr(items, "SCALED", functools.partial(items.scaled, plus=4))


def change_table_of_method(patch):
    patch.setitem(items.PRICES, "a", 5)


def join_otherwise(patch):
    patch.setattr(items, "joined", ";".join)


def change_object_of_method(patch):
    patch.setattr(items.SCALE, "factor", 7)


def set_entry(patch):
    patch.setitem(items.TABLE, "b", 100)


def fill_deque(patch):
    patch.setattr(items, "QUEUE", type(items.QUEUE)([1, 2], maxlen=5))


def replace_helper(patch):
    patch.setattr(items, "helper", lambda x: x + 7)


def set_class_attribute(patch):
    patch.setattr(items.Settings, "rate", 3)


def change_singleton(patch):
    patch.setattr(items.Settings.get(), "level", 4)


def change_instance(patch):
    patch.setattr(items.SETTINGS, "level", 9)


def replace_method(patch):
    patch.setattr(items.Settings, "scaled", lambda _, x: x + 500)


def change_cached(patch):
    patch.setattr(items.cached_settings(), "level", 66)


def set_own_attribute(patch):
    patch.setattr(items.by_own_attribute, "factor", 6)


def set_attribute(patch):
    patch.setitem(items.helper.table, "k", 50)


def register_class(patch):
    """A dispatcher cannot forget: another one takes the registration."""
    import functools

    dispatcher = functools.singledispatch(items.described.registry[object])
    dispatcher.register(int, lambda x: f"int {x}")
    patch.setattr(items, "described", dispatcher)


def register_function(patch):
    patch.setitem(items.REGISTRY, "f", lambda x: x * 2)


def replace_module(patch):
    patch.setattr(items, "prices", state_items_fakes)


def fill_default(patch):
    patch.setattr(items.by_default, "__defaults__", ([1, 2],))


def change_closure(patch):
    patch.setitem(items.by_closure.hits, "n", 30)


def change_member(patch):
    patch.setattr(items.Kind.A, "weight", 8)


def change_value_of_member(patch):
    patch.setattr(items.Kind.B, "_value_", [1, 2, 3])


def change_imported(patch):
    patch.setattr(items.prices, "RATE", 77)


def replace_builtin(patch):
    patch.setattr(items, "now", lambda: 3)


def replace_builtin_by_another(patch):
    import time

    patch.setattr(items, "now", time.thread_time)


def replace_library_value(patch):
    patch.setattr(string, "digits", "0123")


def change_kept(patch):
    patch.setitem(items.opened("log", mode="w"), "other", "r")


def add_builtin(patch):
    patch.setattr(builtins, "LEVEL_OF_TEST", 40, raising=False)


def add_texts(patch):
    patch.setattr(builtins, "translated_by_test", {"a": "b"}, raising=False)


def make_subclass(patch):
    late = type("Late", (items.Plugin,), {"factor": 7, "__module__": "state_items"})
    patch.setattr(items, "Late", late, raising=False)


def make_variable(patch):
    patch.setattr(items, "VARIABLE", items.late_variable())


def hold_variable(patch):
    patch.setitem(items.HOLDER, "variable", items.late_variable())


def make_variable_of_class(patch):
    patch.setattr(items.Tracing, "variable", items.late_variable())


def set_date_of_class(patch):
    patch.setattr(items.Tracing, "since", datetime.date(2024, 2, 29))


def count_in_class(patch):
    patch.setattr(items.Tracing, "counted", type(items.Tracing.counted)("aab"))


def set_number_of_order(patch):
    patch.setattr(items.Order.__init__, "__defaults__", (7, *items.Order.__init__.__defaults__[1:]))


def set_start(patch):
    patch.setitem(items.found.__kwdefaults__, "start", 100)


def set_of_descriptor(patch):
    patch.setattr(items.Limit, "most", 8)


def set_in_descriptor(patch):
    patch.setattr(items.bound(), "most", 9)


def set_in_metaclass(patch):
    patch.setitem(items.Table.entries, "rate", 7)


class Bases:
    """Those of a class, as what pytest can put back."""

    @property
    def of_runner(self):
        return items.Runner.__bases__

    @of_runner.setter
    def of_runner(self, to):
        items.Runner.__bases__ = to


def put_other_base(patch):
    patch.setattr(Bases(), "of_runner", (items.Careful,))


def set_in_nested_class(patch):
    patch.setattr(items.Bounds.Limits, "most", 4)


def set_deep_in_nested_class(patch):
    patch.setattr(items.Bounds.Limits.Deep, "least", 4)


def set_default_of_class_method(patch):
    patch.setitem(items.Cached.scaled.__kwdefaults__, "factor", 6)


def bind_method_otherwise(patch):
    patch.setattr(items.Cached, "bound", functools.partialmethod(items.Cached.named, 5))


def keep_fewer(patch):
    patch.setattr(items, "looked_up", functools.lru_cache(maxsize=2)(items.looked_up.__wrapped__))


def make_up_otherwise(patch):
    patch.setitem(items.prices.DISCOUNTS, "discount", 8)


def set_layout(patch):
    patch.setattr(items, "LAYOUT", struct.Struct("dd"))


def set_closed_over(patch):
    (cell,) = items.multiply.__closure__
    patch.setattr(cell, "cell_contents", 9)


def set_of_metaclass(patch):
    patch.setattr(items.Measure, "factor", 8)


def set_over_metaclass(patch):
    patch.setattr(items.Length, "factor", 8, raising=False)


def set_of_enum(patch):
    patch.setattr(items.Kind, "unit", "kg", raising=False)


class Names:
    """That of a class, as what pytest can put back."""

    @property
    def of_pair(self):
        return items.Pair.__name__

    @of_pair.setter
    def of_pair(self, to):
        items.Pair.__name__ = to


def set_default_of_named_tuple(patch):
    patch.setattr(items.Place.__new__, "__defaults__", (0,))


def make_abstract_no_more(patch):
    patch.setattr(items.Leaf, "__abstractmethods__", frozenset())


def set_field(patch):
    patch.setattr(items.Row.__dataclass_fields__["count"], "default", 12)


def delete_field(patch):
    patch.delitem(items.Row.__dataclass_fields__, "count")


def take_apart_otherwise(patch):
    patch.setattr(items.Pair, "__match_args__", ("b", "a"))


def lose_default(patch):
    patch.setattr(items.with_default, "__defaults__", None)


def annotate(patch):
    patch.setitem(items.with_default.__annotations__, "x", int)


def annotate_class(patch):
    patch.setitem(items.Row.__annotations__, "more", int)


def rename(patch):
    patch.setattr(items.with_default, "__name__", "renamed")


def rename_class(patch):
    patch.setattr(Names(), "of_pair", "Renamed")


def write_doc(patch):
    patch.setattr(items.Pair.of_both, "__doc__", "Another text.")


def write_doc_of_module(patch):
    patch.setattr(items, "__doc__", "Another text.")


def compute_otherwise(patch):
    code = (lambda self: self.a * 100).__code__
    patch.setattr(vars(items.Pair)["both"].func, "__code__", code)


def delete_method(patch):
    patch.delattr(items.Pair, "of_both")


def delete_global(patch):
    patch.delattr(items, "GOING")


FOLLOWED = [
    (items.by_default_of_named_tuple, set_default_of_named_tuple),
    (items.by_abstract_method, make_abstract_no_more),
    (items.by_fields, set_field),
    (items.by_fields, delete_field),
    (items.by_taken_apart, take_apart_otherwise),
    (items.by_lost_default, lose_default),
    (items.by_annotations, annotate),
    (items.by_annotations, annotate_class),
    (items.by_names_and_docs, rename),
    (items.by_names_and_docs, rename_class),
    (items.by_names_and_docs, write_doc),
    (items.by_names_and_docs, write_doc_of_module),
    (items.by_cached_property, compute_otherwise),
    (items.by_what_is_there, delete_method),
    (items.by_what_is_there, delete_global),
    (items.by_marked_defaults, set_number_of_order),
    (items.by_marked_defaults, set_start),
    (items.by_made_function, set_closed_over),
    (items.by_descriptor, set_of_descriptor),
    (items.by_descriptor, set_in_descriptor),
    (items.by_table_of_metaclass, set_in_metaclass),
    (items.by_base, put_other_base),
    (items.by_nested_class, set_in_nested_class),
    (items.by_nested_class, set_deep_in_nested_class),
    (items.by_default_of_class_method, set_default_of_class_method),
    (items.by_partial_method, bind_method_otherwise),
    (items.by_size_of_cache, keep_fewer),
    (items.by_made_up_attribute, make_up_otherwise),
    (items.by_layout, set_layout),
    (items.by_class_of_class, set_of_metaclass),
    (items.by_class_of_class, set_over_metaclass),
    (items.by_attribute_of_enum, set_of_enum),
    (items.by_default_number, set_default_number),
    (items.by_default_number, set_default_of_keyword),
    (items.by_method_for_kind, register_for_method),
    (items.by_partial, bind_otherwise),
    (items.by_bound_methods, change_table_of_method),
    (items.by_bound_methods, join_otherwise),
    (items.by_kept_method, change_object_of_method),
    (items.by_global, set_global),
    (items.by_table, set_entry),
    (items.by_deque, fill_deque),
    (items.by_helper, replace_helper),
    (items.by_class_attribute, set_class_attribute),
    (items.by_singleton, change_singleton),
    (items.by_instance, change_instance),
    (items.by_patched_method, replace_method),
    (items.by_cached_singleton, change_cached),
    (items.by_own_attribute, set_own_attribute),
    (items.by_attribute_of_another, set_attribute),
    (items.by_registration, register_class),
    (items.by_registry, register_function),
    (items.by_alias, replace_module),
    (items.by_default, fill_default),
    (items.by_closure, change_closure),
    (items.by_enum, change_member),
    (items.by_enum, change_value_of_member),
    (items.by_replaced_builtin, replace_builtin),
    (items.by_replaced_builtin, replace_builtin_by_another),
    (items.by_import, change_imported),
    (items.by_module_in_list, change_imported),
    (items.by_module_of_instance, change_imported),
    (items.by_module_of_default, change_imported),
    (items.by_text_of_default, change_imported),
    (items.by_name, set_global),
    (items.by_library_value, replace_library_value),
    (items.by_kept, change_kept),
    (items.by_added_builtin, add_builtin),
    (items.by_text_of_builtin, add_texts),
    (items.by_subclasses, make_subclass),
    (items.by_late_variable, make_variable),
    (items.by_held_variable, hold_variable),
    (items.by_variable_of_class, make_variable_of_class),
    (items.by_date_of_class, set_date_of_class),
    (items.by_counter_of_class, count_in_class),
]


@pytest.mark.parametrize("part", range(4))
def test_a_warm_worker_follows(part, monkeypatch):
    """Before each change, with it, and after it was taken back: as in the caller each time.

    One worker follows a quarter of the changes, one after the other.
    """
    items.Settings.get()
    items.cached_settings()
    follow_in_one_worker(FOLLOWED[part::4], monkeypatch)


def test_a_closure_has_its_variable_wherever_else_that_stands(monkeypatch):
    """In a worker nothing stands under that name: it was put there after the import."""
    variable = items.late_variable()
    monkeypatch.setattr(items, "VARIABLE", variable)
    function = items.closing_over(variable)

    assert tuned_map(function, range(3), backend="process", n_jobs=1) == [70, 71, 72]


HELD = [
    (array("i", [1]), array("i", [2, 3])),
    (re.compile("a"), re.compile("b")),
    (Decimal(1), Decimal(2)),
    (deque([1]), deque([1], maxlen=1)),
    (defaultdict(list, a=[1]), defaultdict(tuple, a=[1])),
    (Counter("ab"), Counter("abb")),
    (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
    (SimpleNamespace(a=1), SimpleNamespace(b=2)),
    (timedelta(1), timedelta(2)),
    (ValueError(1), ValueError(2)),
    (range(3), range(4)),
    (items.Register("one", a=1), items.Register("other", a=1)),
    (items.Point(1), items.Point(2)),
    (frozenset((1,)), frozenset((2,))),
    (bytearray(b"a"), bytearray(b"b")),
]


@pytest.mark.parametrize(("before", "after"), HELD, ids=lambda one: type(one).__name__)
def test_a_warm_worker_has_what_a_global_holds_by_now(before, after, monkeypatch):
    """Whatever it is: also where its state is in C, or in more than elements and attributes."""
    for one in (before, after, before):
        monkeypatch.setattr(items, "HELD", one)
        here = [items.by_held(x) for x in range(3)]
        assert tuned_map(items.by_held, range(3), backend="process", n_jobs=1) == here


def test_what_was_cached_before_is_what_workers_go_on_with(monkeypatch):
    """A number that was counted once stays, whatever would be counted now."""
    items.run_number.cache_clear()
    items.run_number()
    monkeypatch.setitem(items.REGISTRY, "one more", abs)

    assert tuned_map(items.by_kept_number, range(3), backend="process", n_jobs=1) == [0, 1, 2]


@pytest.mark.filterwarnings("ignore::amorsize.AmorsizeWarning")
def test_what_a_thread_keeps_begins_in_each_call_as_the_callers_has_it():
    """One warm worker serves all calls: it would go on with what items of the last one left."""
    for count in (0, 5, 2):
        items.OF_THREAD.count = count
        counted = tuned_map(items.count_in_thread, range(2), backend="process", n_jobs=1)
        assert counted == [count + 1, count + 2]
    del items.OF_THREAD.count
    assert tuned_map(items.count_in_thread, range(2), backend="process", n_jobs=1) == [1, 2]


@pytest.mark.filterwarnings("ignore::amorsize.AmorsizeWarning")
def test_what_cannot_be_sent_of_a_thread_is_the_workers_own():
    """A lock that each thread makes for itself was taken away, and the call failed."""
    for count in (3, 1):
        items.LOCKED.count = count
        counted = tuned_map(items.count_under_lock, range(2), backend="process", n_jobs=1)
        assert counted == [count + 1, count + 2]


@pytest.mark.filterwarnings("ignore::amorsize.AmorsizeWarning")
@pytest.mark.parametrize("kind", ["thread", "fork"])
def test_threads_of_an_executor_keep_what_its_initializer_gave_them(kind):
    """Thread-locals of its processes were emptied, and context variables of its threads unset."""
    made = (
        ThreadPoolExecutor(2, initializer=items.connect)
        if kind == "thread"
        else ProcessPoolExecutor(2, get_context(kind), initializer=items.connect)
    )
    with made as executor:
        for _ in range(2):
            found = tuned_map(items.given_to_thread, range(9), executor=executor, chunksize=2)
            assert set(found) == {(7, 5)}


def test_classes_count_as_what_they_were_registered_for():
    """In a worker that was there before, too, and for classes of libraries as well."""
    for cls in (None, items.Shape, numbers.Number):
        if cls is not None:
            cls.register(items.Plain)
        here = items.by_abstract_class(0)
        assert tuned_map(items.by_abstract_class, [0], backend="process", n_jobs=1) == [here]
    assert here == (True, True)


def test_other_classes_count_as_what_they_were_registered_for_with_one_of_the_project():
    """Builtin ones, too."""
    for cls in (int, str):
        items.Shape.register(cls)
        here = items.by_registered_builtin(0)
        assert tuned_map(items.by_registered_builtin, [0], backend="process", n_jobs=1) == [here]
    assert here == (True, True)


def replace_library_function(patch):
    real = json.dumps
    patch.setattr(json, "dumps", lambda one: "patched " + real(one))


def change_library_class(patch):
    patch.setattr(json.JSONEncoder, "item_separator", " ; ")


def add_member(patch):
    late = object.__new__(items.Kind)
    late._name_, late._value_ = "LATE", 3
    patch.setitem(items.Kind._member_map_, "LATE", late)
    patch.setattr(items.Kind, "_member_names_", [*items.Kind._member_names_, "LATE"])


def rename_module(patch):
    patch.setattr(items, "__name__", "of a test")


def rename_member(patch):
    patch.setattr(items.Kind.A, "_name_", "OF_A_TEST")


def set_value_of_member(patch):
    patch.setattr(items.Kind.A, "_value_", 7)


def replace_import(patch):
    old = builtins.__import__
    patch.setattr(builtins, "__import__", lambda *args, **named: old(*args, **named))


def replace_build_class(patch):
    old = builtins.__build_class__

    def build(*args, **named):
        made = old(*args, **named)
        made.mark = "of a test"
        return made

    patch.setattr(builtins, "__build_class__", build)


def block(patch):
    patch.setitem(sys.modules, "colorsys", None)


class Maker:
    """Finds and loads a module that no file has."""

    def find_spec(self, name, *_):
        found = importlib.machinery.ModuleSpec(name, self)
        return found if name == "made_up_by_test" else None

    def create_module(self, _):
        return None

    def exec_module(self, module):
        module.FACTOR = 5


def make_up(patch):
    patch.setattr(sys, "meta_path", [*sys.meta_path, Maker()])
    patch.delitem(sys.modules, "made_up_by_test", raising=False)
    importlib.import_module("made_up_by_test")


def number(patch):
    patch.setitem(items.NUMBERED, id(items.SCALE), "the scale")


def number_code(patch):
    patch.setitem(items.NUMBERED, id(items.helper), "the helper")


def register_handler(_):
    codecs.register_error("of a test", lambda error: ("?", error.end))


def _search(name):
    return codecs.lookup("latin-1") if name == "encoding_of_a_test" else None


def register_encoding(_):
    codecs.register(_search)


def put_in_place_of_slot(patch):
    patch.setattr(items.Point, "x", property(lambda self: 5, lambda self, to: None))


def make_up_in_module(patch):
    patch.setattr(items.prices, "__getattr__", lambda name: name * 2, raising=False)


def make_up_in_class_of_module(patch):
    kind = type("Kind", (type(os),), {"of_class": property(lambda self: 3)})
    patch.setattr(items.prices, "__class__", kind)


def set_default_of_library(patch):
    patch.setitem(json.dumps.__kwdefaults__, "indent", 1)


def replace_a_module(patch):
    """By one that no module is called like."""
    found = type(os)("made_up_by_a_test")
    found.made_up = 5
    patch.setitem(sys.modules, "colorsys", found)


def put_another_builtin(patch):
    patch.setattr(builtins, "abs", round)


def nothing(_):
    """Nothing has to change for these."""


STAY = [
    (items.by_slot, put_in_place_of_slot, "Point.x stands in the place of a slot"),
    (items.by_made_up_by_module, make_up_in_module, "state_items_prices:__getattr__"),
    (items.by_made_up_by_module, make_up_in_class_of_module, "state_items_prices:__class__"),
    (items.by_library_default, set_default_of_library, "json:dumps"),
    (items.by_replaced_module, replace_a_module, "colorsys is the module made_up_by_a_test"),
    (items.by_alias_of_builtin, put_another_builtin, "builtins:abs"),
    (items.by_nested_handler, register_handler, "error handler 'of a test'"),
    (items.by_library_function, replace_library_function, "json:dumps"),
    (items.by_library_class, change_library_class, "json:JSONEncoder"),
    (items.by_members, add_member, "Kind"),
    (items.by_own_name, rename_module, "__name__ was changed"),
    (items.by_names_of_members, rename_member, "the member Kind.A has another name or value"),
    (items.by_members, set_value_of_member, "the member Kind.A has another name or value"),
    (items.by_statements, replace_import, "builtins.__import__ was replaced"),
    (items.by_statements, replace_build_class, "builtins.__build_class__ was replaced"),
    (items.by_blocked_module, block, "imports colorsys"),
    (items.by_made_up_module, make_up, "imports made_up_by_test"),
    (items.by_number, number, "id or hash of objects"),
    (items.by_number_of_code, number_code, "id or hash of objects"),
    (items.by_hash, nothing, "hash"),
    (items.by_order_of_a_set, nothing, "set"),
    (items.by_error_handler, register_handler, "error handler 'of a test'"),
    (items.by_encoding, register_encoding, "encoding 'encoding_of_a_test'"),
]


@pytest.mark.parametrize(("function", "change", "reason"), STAY)
def test_what_no_worker_could_know_stays_in_the_caller(function, change, reason, monkeypatch):
    """None of the items runs where the answer would be another, and the reason is told."""
    told = kept_in_the_caller(function, change, monkeypatch)
    assert reason in told


def test_programs_that_items_start_have_what_was_set_past_os_environ(monkeypatch):
    """By `os.putenv`: a new interpreter gets what `os.environ` has."""
    try:
        why = "OF_A_TEST is not in the environment as os.environ has it"
        change = lambda _: os.putenv("OF_A_TEST", "set")  # noqa: E731
        assert why in kept_in_the_caller(items.by_environment_of_programs, change, monkeypatch)
        with pytest.warns(amorsize.AmorsizeWarning, match=why):
            tuned_map(items.by_environment_of_programs, range(2), backend="process", n_jobs=1)
    finally:
        os.unsetenv("OF_A_TEST")
    answers_of(items.by_environment_of_programs, "unset again")


def test_builtin_classes_count_as_what_they_were_registered_for_with_a_librarys():
    """Neither is the project's. What the library registers itself makes no difference."""
    numbers.Number.register(str)
    assert answers_of(items.by_registered_number, "registered") == [True] * 3


@pytest.mark.parametrize(("function", "change", "reason"), STAY[7:9])
def test_where_all_items_go_to_workers_it_is_an_error(function, change, reason, monkeypatch):
    """Who asks for processes is told that they would answer otherwise."""
    with monkeypatch.context() as patch:
        change(patch)
        with pytest.raises(SerializationError, match=reason):
            tuned_map(function, range(3), backend="process", n_jobs=1)


def test_what_lies_in_several_places_is_one_object_in_workers(monkeypatch):
    """Each place would have a copy: a tree would not end, and nothing be found by its owner."""
    items.root()
    for function in (items.by_tree, items.by_marked_table, items.by_owner, items.by_cached_root):
        answers_of(function, function.__name__)
    monkeypatch.setattr(items.TREE, "value", 50)
    assert answers_of(items.by_tree, "changed since") == [61, 122, 183]
    assert answers_of(items.by_global, "sent by its name") == [1, 2, 3]


def test_another_name_for_an_encoding_is_known_in_workers(monkeypatch):
    """Python keeps what it has found under a name, so that there is no way back."""
    monkeypatch.setitem(encodings.aliases.aliases, "text_of_test", "latin_1")

    answers_of(items.by_name_of_encoding, "an alias")

    assert items.by_name_of_encoding(1) == "ä1".encode("latin_1")


def test_workers_agree_with_one_another_on_the_hash_of_text():
    """Their seed is one for all, and items do not see it in their environment."""

    def hashed(x):
        return hash("text"), os.environ.get("PYTHONHASHSEED"), os.getpid()

    found = tuned_map(hashed, range(20), backend="process", n_jobs=2, chunksize=1)

    assert len({one[0] for one in found}) == 1
    assert {one[1] for one in found} == {None}
    assert os.getpid() not in {one[2] for one in found}


MAPPED = """
import os, sys, time
from amorsize import autotune
from amorsize._engine.costs import spawn_costs
spawn_costs.STARTING_SHARE = 1e9  # however long a start takes on a busy host, it is thought of
HOME, IN_CALLER_S = os.getpid(), float(sys.argv[1])

@autotune(thread_safe=False)
def named(x):
    end = time.thread_time() + (IN_CALLER_S if os.getpid() == HOME else 0.002)
    while time.thread_time() < end:
        pass
    return hash(f"name {x}"), os.getpid()

if __name__ == "__main__":
    found = named(range(200))
    assert [one[0] for one in found] == [hash(f"name {x}") for x in range(200)]
    print("hash" in str(named.explain()), len({one[1] for one in found}) > 1)
"""


def test_a_seed_that_is_fixed_keeps_nothing_in_the_caller(run_script):
    """With PYTHONHASHSEED set, workers hash as the caller does, and are used.

    Where they are, the caller's items are long: workers pay, on a busy host as well.
    """
    environ = {"AMORSIZE_START": "clean"}
    assert run_script(MAPPED, "0.002", environ=environ).stdout == "True False\n"
    environ["PYTHONHASHSEED"] = "7"
    assert run_script(MAPPED, "0.02", environ=environ).stdout == "False True\n"


def test_a_mark_that_a_script_takes_from_a_module_is_that_modules_in_workers():
    """A copy in the script's globals would be no mark of what the module's functions give."""
    mark = items.UNSET

    def is_unset(_):
        return items.chosen_level() is mark, dataclasses.field().default is dataclasses.MISSING

    assert tuned_map(is_unset, range(2), backend="process", n_jobs=1) == [(True, True)] * 2


def test_marks_are_found_where_they_stand():
    """Not in modules whose code is sent, and nothing that has state or its own equality."""
    assert marks.place_of(items.UNSET, ()) == "state_items:UNSET"
    assert marks.place_of(items.UNSET, {"state_items"}) is None
    assert marks.place_of(dataclasses.MISSING, ()).endswith(":MISSING")
    for other in (object(), items.TREE, items.Kind.A, items.Point(1), [], items, items.found):
        assert marks.place_of(other, ()) is None


def fails():
    raise OSError("no environ")


def test_the_environment_of_c_is_read_where_it_lies(monkeypatch):
    """In a twentieth of the time that a new module `posix` takes, which reads the same."""
    monkeypatch.setenv("OF_A_TEST", "a=b")
    assert c_environment._read_memory() == c_environment._read_anew()
    monkeypatch.setattr(c_environment, "_read_memory", fails)
    assert c_environment.doubt(["Popen"]) is None  # it is read all the same


def test_the_environment_of_c_is_read_while_another_thread_changes_it(run_script):
    """Each new variable may move the table, and leave freed memory where it was."""
    run_script(
        """
import os, sys, threading, time
from amorsize._function.needs import c_environment

sys.setswitchinterval(1e-6)
until = time.monotonic() + 0.5

def change():
    while time.monotonic() < until:
        for number in range(300):
            os.putenv(f"OF_A_TEST_{number}", "x" * 50)
        for number in range(300):
            os.unsetenv(f"OF_A_TEST_{number}")

os.environ["LASTING"] = "yes"
for _ in range(2):
    threading.Thread(target=change).start()
while time.monotonic() < until:
    assert c_environment._read_memory()[b"LASTING"] == b"yes"
"""
    )

"""The table of what library functions do and what values are: true, and looked up safely."""

import array
import asyncio
import atexit
import collections
import contextlib
import csv
import datetime
import decimal
import functools
import gc
import hashlib
import importlib
import io
import itertools
import json
import locale
import logging
import math
import operator
import os
import pathlib
import queue
import random
import re
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest.mock
import urllib.request
import uuid
import warnings
import xml.etree.ElementTree as ET
import zlib

import numpy
import pandas
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from amorsize._function.library import (
    effect_table,
    stdlib_effects,
    stdlib_types,
    third_party_effects,
    third_party_types,
)
from amorsize._function.library import (
    effects as library_effects,
)
from amorsize._function.library.effects import effect_of, holding_of

EFFECTS = (stdlib_effects.EFFECTS, third_party_effects.EFFECTS)
HOLDINGS = (stdlib_types.HOLDINGS, third_party_types.HOLDINGS)
UNKNOWN = (stdlib_effects.UNKNOWN, third_party_effects.UNKNOWN)
EFFECT_WORDS = {"process", "thread", "draws", "caller", "safe"}
HOLDING_WORDS = {
    *("safe", "lock", "rlock", "handle", "iterator", "generator", "queue", "local", "mutable"),
}
NO_GENERATOR = numpy.random.RandomState(0)


# --- the table ---------------------------------------------------------------------------------


def marked_names(text):
    """Each name of the rules as it stands there, with its mark."""
    for line in text.splitlines():
        if line.startswith("    "):
            yield from line.split()


def is_here(mark):
    """Whether what bears this mark is there on this Python and this system."""
    if not mark or mark[0].isalpha():
        return mark in ("", sys.platform)
    since, _, until = mark.partition("-")
    version = until or since
    reached = sys.version_info[:2] >= tuple(map(int, version.split(".")))
    return reached is not bool(until)


def found(name):
    """The object that the library publishes under this name; None if there is none."""
    parts = name.removesuffix(".*").split(".")
    for n_parts in range(len(parts), 0, -1):
        with contextlib.suppress(ImportError):
            value = importlib.import_module(".".join(parts[:n_parts]))
            with contextlib.suppress(AttributeError):
                for part in parts[n_parts:]:
                    value = getattr(value, part)
                return value
    return None


def is_installed(name):
    """Whether the library is here; several share the first names of a namespace, such as google."""
    steps = name.split(".")
    try:
        for n_steps in range(1, max(2, len(steps))):
            module = importlib.import_module(".".join(steps[:n_steps]))
            if getattr(module, "__file__", None) is not None or not hasattr(module, "__path__"):
                return True
    except ImportError:
        return False
    return False


def lookup_of_member(name):
    """What is told of a method by the class that the entry names, which may only inherit it."""
    owner = found(name.rpartition(".")[0])
    return library_effects._effect_of_member(owner, name.rpartition(".")[2])


def said(rule):
    return rule and (rule.what, rule.why, rule.source)


@pytest.mark.parametrize(
    ("texts", "words"), [(EFFECTS, EFFECT_WORDS), (HOLDINGS, HOLDING_WORDS)], ids=["calls", "types"]
)
def test_every_rule_is_complete(texts, words):
    """A known word, a reason that reads as a sentence, and a page to look it up."""
    for text in texts:
        for word, why, source, name in effect_table.rules(text):
            assert word.removesuffix(" threads") in words, name
            assert re.fullmatch(r"[a-z].*[^.]", why), name
            assert re.fullmatch(r"https://[^ ]+", source), name


@pytest.mark.parametrize("texts", [(*EFFECTS, *UNKNOWN), HOLDINGS], ids=["calls", "types"])
def test_no_name_is_listed_twice(texts):
    """What is told of a name stands in one place."""
    names = [
        name for text in texts for name in (text.split() if text in UNKNOWN else marked_names(text))
    ]

    assert [name for name, n in collections.Counter(names).items() if n > 1] == []


@pytest.mark.parametrize(
    ("text", "lookup"),
    [*((text, effect_of) for text in EFFECTS), *((text, holding_of) for text in HOLDINGS)],
    ids=["calls", "calls of libraries", "types", "types of libraries"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_listed_exists_and_is_found(text, lookup):
    """Each name is one of the library, where that is here; asking for its object tells its rule."""
    wrong = []
    rules = {name: (word, why, source) for word, why, source, name in effect_table.rules(text)}
    for marked in marked_names(text):
        name, _, mark = marked.partition("@")
        if not is_here(mark) or not is_installed(name):
            continue
        value = found(name)
        if value is None:
            wrong.append(f"{marked} does not exist")
        elif not name.endswith(".*"):
            told = said(lookup(value))
            if told is None or told[1:] != rules[name][1:]:
                told = said(lookup_of_member(name)) if lookup is effect_of else None
            if told is None or told[1:] != rules[name][1:]:
                wrong.append(f"{name} is told to be {told}")

    assert wrong == []


@pytest.mark.filterwarnings("ignore")
def test_each_library_is_in_the_data_of_its_kind():
    """The standard library's names stand apart from other libraries'."""
    for text, is_stdlib in zip((*EFFECTS, *HOLDINGS), (True, False, True, False), strict=True):
        here = (name for name in marked_names(text) if is_here(name.partition("@")[2]))
        tops = {name.partition(".")[0] for name in here}
        outside = {top for top in tops if (top in sys.stdlib_module_names) is not is_stdlib}
        assert outside <= {"_sitebuiltins", "idlelib"}


def test_names_that_are_not_judged_exist():
    """They are exceptions, and an exception that names nothing hides a mistake."""
    for marked in stdlib_effects.UNKNOWN.split():
        name, _, mark = marked.partition("@")
        if is_here(mark):
            assert found(name) is not None, name
            assert effect_of(found(name)) is None, name


def hidden_samples():
    """Values of the types that no module publishes."""
    words = {"a": 1}
    yield from (None, ..., NotImplemented, found.__code__)
    yield from map(iter, ([], (), {1}, range(3), range(2**70), "a", "é", b"", bytearray()))
    yield from (reversed([]), iter(words), iter(words.values()), iter(words.items()))
    yield from map(reversed, (words, words.values(), words.items()))
    yield from (iter(int, 1), iter(Sequence()), iter(memoryview(b"")))
    yield from (iter(array.array("i")), iter(collections.deque()), reversed(collections.deque()))
    yield from (made_by_yield(), threading.Lock(), threading.RLock(), select.poll())
    yield from (zlib.compressobj(), zlib.decompressobj(), hashlib.sha256(), io.StringIO())
    yield from (csv.reader([]), csv.writer(io.StringIO()), numpy.sum, re.compile("").scanner(""))


class Sequence:
    def __getitem__(self, index):
        raise IndexError


def made_by_yield():
    yield


def test_types_that_no_module_publishes_exist_under_their_names():
    """Their names are what the interpreter calls them; samples of most are at hand."""
    names = {f"{type(one).__module__}.{type(one).__qualname__}" for one in hidden_samples()}
    names = {
        f"{stdlib_effects.PUBLIC.get(n.rpartition('.')[0], n.rpartition('.')[0])}."
        f"{n.rpartition('.')[2]}"
        for n in names
    }
    listed = {
        n.removesuffix("@hidden")
        for text in HOLDINGS
        for n in marked_names(text)
        if n.endswith("@hidden")
    }
    elsewhere = {  # a library, another build or a coroutine is needed to have one
        *("builtins.Environment", "builtins.Transaction", "builtins.Cursor"),
        *("dbm.gnu.gdbm", "dbm.ndbm.dbm", "builtins.coroutine", "builtins.async_generator"),
        *("os.ScandirIterator", "xml.parsers.expat.xmlparser", "csv.Writer"),
    }

    assert listed - names - elsewhere == set()


# --- effects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("func", "what"),
    [
        (os.chdir, "process"),
        (os.umask, "process"),
        (os.environ.update, "process"),
        (os.environ.__setitem__, "process"),
        (contextlib.redirect_stdout, "process"),
        (contextlib.redirect_stderr.__enter__, "process"),
        (warnings.catch_warnings, "process"),
        (warnings.catch_warnings.__enter__, "process"),
        (locale.setlocale, "process"),
        (socket.setdefaulttimeout, "process"),
        (unittest.mock.patch, "process"),
        (unittest.mock.patch.object, "process"),
        (csv.field_size_limit, "process"),
        (ET.register_namespace, "process"),
        (gc.disable, "process"),
        (logging.basicConfig, "process"),
        (logging.getLogger("x").addHandler, "process"),
        (signal.alarm, "process"),
        (random.seed, "process"),
        (numpy.random.seed, "process"),
        (numpy.random.set_state, "process"),
        (numpy.set_printoptions, "process"),
        (pandas.set_option, "process"),
        (pandas.option_context, "process"),
        (signal.signal, "thread"),
        (asyncio.get_event_loop, "thread"),
        (decimal.setcontext, "thread"),
        (random.random, "draws"),
        (random.choice, "draws"),
        (numpy.random.rand, "draws"),
        (numpy.random.shuffle, "draws"),
        (pandas.DataFrame.sample, "draws"),
        (input, "caller"),
        (sys.__stdin__.readline, "caller"),
        (help, "caller"),
        (breakpoint, "caller"),
        (os.fork, "caller"),
        (os.wait, "caller"),
        (atexit.register, "caller"),
        (atexit.unregister, "caller"),
        (os._exit, "caller"),
        (print, "safe"),
        (open, "safe"),
        (len, "safe"),
        (list, "safe"),
        ([].append, "safe"),
        (list.append, "safe"),
        ("".join, "safe"),
        ("a".__add__, "safe"),
        (str.__add__, "safe"),
        (dict.fromkeys, "safe"),
        (math.sqrt, "safe"),
        (json.loads, "safe"),
        (re.sub, "safe"),
        (re.compile("a").sub, "safe"),
        (zlib.compress, "safe"),
        (hashlib.sha256, "safe"),
        (time.sleep, "safe"),
        (datetime.datetime.now, "safe"),
        (uuid.uuid4, "safe"),
        (random.Random, "safe"),
        (random.Random(3).random, "safe"),
        (random.SystemRandom().random, "safe"),
        (numpy.random.default_rng, "safe"),
        (NO_GENERATOR.rand, "safe"),
        (urllib.request.urlopen, "safe"),
        (socket.create_connection, "safe"),
        (subprocess.run, "safe"),
        (tempfile.mkdtemp, "safe"),
        (pathlib.Path("x").read_text, "safe"),
        (os.path.join, "safe"),
        (operator.itemgetter(1), "safe"),
        (numpy.sin, "safe"),
        (numpy.sum, "safe"),
        (numpy.linalg.norm, "safe"),
        (numpy.zeros(3).sum, "safe"),
        (pandas.read_csv, "safe"),
        (asyncio.run, "safe"),
    ],
    ids=lambda one: getattr(one, "__qualname__", str(one)),
)
def test_what_is_told_of_a_function(func, what):
    """Whatever it is made of: Python, C, a class, a method, one that a module borrows."""
    assert effect_of(func).what == what


@pytest.mark.parametrize(
    "wrap",
    [
        lambda func: functools.partial(func, 1),
        lambda func: functools.partial(functools.partial(func), x=2),
        staticmethod,
        classmethod,
        lambda func: functools.lru_cache(func),
    ],
)
@pytest.mark.parametrize("func", [os.chdir, random.random, math.sqrt])
def test_wrappers_do_what_they_wrap(wrap, func):
    """Also several around each other."""
    assert effect_of(wrap(func)) == effect_of(func)


def test_a_function_of_ones_own_is_not_known():
    """Nor one that only bears a library's name."""

    @functools.wraps(math.sqrt)
    def sqrt(x):
        os.chdir(x)

    class Own:
        def __call__(self):
            pass

    assert [effect_of(one) for one in (sqrt, Own, Own(), lambda: None, Own().__call__)] == [
        None
    ] * 5


def test_a_class_derived_from_one_that_changes_the_process_does_so():
    """While one that is derived from a harmless one may do anything."""

    class Quiet(contextlib.redirect_stdout):
        pass

    class Numbers(list):
        pass

    assert effect_of(Quiet).what == "process"
    assert effect_of(Quiet(io.StringIO()).__enter__).what == "process"
    assert effect_of(Numbers) is None
    assert effect_of(Numbers().append).what == "safe"


def test_the_longest_name_decides():
    """A module may be harmless and one of its functions not."""
    assert effect_of(csv.reader).what == "safe"
    assert effect_of(csv.field_size_limit).what == "process"
    assert effect_of(random.Random.random).what == "safe"


def test_what_depends_on_what_it_is_given_is_not_judged():
    """Descriptors and processes by number, code as text."""
    assert [effect_of(one) for one in (os.read, os.kill, eval, setattr, os.getpid)] == [None] * 5


def test_what_a_library_made_of_ones_own_function_is_not_known():
    """numpy calls it, and the table knows numpy alone."""
    own = (numpy.frompyfunc(len, 1, 1), numpy.vectorize(len), numpy.apply_along_axis)

    assert [effect_of(one) for one in own] == [None] * 3
    assert effect_of(numpy.sin).name == "numpy.sin"


def test_a_rule_says_its_name_reason_and_source():
    """For messages: an item calls NAME, which WHY."""
    effect = effect_of(os.chdir)

    assert effect.name == "os.chdir"
    assert effect.why == "changes the current folder of the whole program"
    assert effect.source == "https://docs.python.org/3/library/os.html#os.chdir"


# --- holdings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: "text", "safe"),
        (lambda: datetime.date(2026, 1, 1), "safe"),
        (lambda: re.compile("a"), "safe"),
        (lambda: pathlib.Path("a"), "safe"),
        (lambda: logging.getLogger("a"), "safe"),
        (lambda: numpy.float64(1), "safe"),
        (lambda: numpy.dtype("f8"), "safe"),
        (lambda: pandas.Timestamp("2026-01-01"), "safe"),
        (threading.Lock, "lock"),
        (threading.Condition, "lock"),
        (lambda: threading.BoundedSemaphore(2), "lock"),
        (threading.RLock, "rlock"),
        (threading._PyRLock, "rlock"),
        (functools.partial(open, os.devnull), "handle"),
        (functools.partial(open, os.devnull, "rb", buffering=0), "handle"),
        (tempfile.TemporaryFile, "handle"),
        (socket.socket, "handle"),
        (lambda: sqlite3.connect(":memory:"), "handle"),
        (lambda: csv.writer(io.StringIO()), "handle"),
        (zlib.compressobj, "handle"),
        (hashlib.sha256, "handle"),
        (lambda: logging.StreamHandler(), "handle"),
        (urllib.request.build_opener, "handle"),
        (made_by_yield, "iterator"),
        (itertools.count, "iterator"),
        (lambda: iter([]), "iterator"),
        (lambda: iter({}.items()), "iterator"),
        (lambda: enumerate([]), "iterator"),
        (lambda: map(str, []), "iterator"),
        (random.Random, "generator"),
        (numpy.random.default_rng, "generator"),
        (numpy.random.RandomState, "generator"),
        (numpy.random.PCG64, "generator"),
        (queue.Queue, "queue"),
        (queue.PriorityQueue, "queue"),
        (queue.SimpleQueue, "queue"),
        (threading.local, "local"),
        (list, "mutable"),
        (collections.OrderedDict, "mutable"),
        (collections.defaultdict, "mutable"),
        (collections.Counter, "mutable"),
        (collections.deque, "mutable"),
        (bytearray, "mutable"),
        (io.BytesIO, "mutable"),
        (lambda: array.array("i"), "mutable"),
        (lambda: numpy.zeros(3), "mutable"),
        (lambda: pandas.DataFrame(), "mutable"),
        (lambda: os.environ, "mutable"),
        (lambda: ET.Element("a"), "mutable"),
        (random.SystemRandom, "safe"),
    ],
)
def test_what_is_told_of_a_value(make, what):
    """By its type, and by the types that this one extends."""
    value = make()
    try:
        assert holding_of(type(value)).what == what
    finally:
        if what == "handle" and hasattr(value, "close"):
            value.close()


def test_which_values_threads_may_share():
    """As their documentation says."""
    allowed = (queue.Queue, threading.Lock, urllib.request.OpenerDirector, str)
    kinds = [
        type(made) if callable(one) and not isinstance(one, type) else one
        for one in allowed
        for made in [one() if one is threading.Lock else None]
    ]

    assert all(holding_of(kind).threads for kind in kinds)
    assert not any(
        holding_of(kind).threads for kind in (list, sqlite3.Connection, io.TextIOWrapper)
    )


def test_a_subclass_with_fields_of_its_own_is_not_safe():
    """It is what its base is otherwise."""

    class Name(str):
        pass

    class Fixed(str):
        __slots__ = ()

    class Stream(io.RawIOBase):
        pass

    class Words(dict):
        pass

    assert holding_of(Name) is None
    assert holding_of(Fixed).what == "safe"
    assert holding_of(Stream).what == "handle"
    assert holding_of(Words).what == "mutable"


def test_what_is_open_in_a_library_nobody_listed_is_seen_by_its_methods():
    """Written in C, with a descriptor, or with `close` and something to read or send."""
    with contextlib.closing(select.epoll()) as poller:
        assert library_effects._handle_by_shape(type(poller)).what == "handle"
    assert library_effects._handle_by_shape(type(sys.stdout.buffer)).what == "handle"
    assert library_effects._handle_by_shape(sqlite3.Connection).what == "handle"
    assert library_effects._handle_by_shape(numpy.ndarray) is None
    assert library_effects._handle_by_shape(type(made_by_yield())) is None


def test_a_class_of_the_projects_own_is_judged_by_what_it_holds():
    """Its methods are Python, and can be read."""

    class Reader:
        def read(self):
            pass

        def close(self):
            pass

        def fileno(self):
            pass

    class Held(Reader):
        pass

    assert holding_of(Reader) is None
    assert holding_of(Held) is None


def test_functions_modules_classes_and_tuples_are_not_judged():
    """What they lead to is what matters."""
    for value in (found, os, type, (), frozenset(), Sequence()):
        assert holding_of(type(value)) is None


# --- laws --------------------------------------------------------------------------------------

RAN = []


def evil(*_args, **_kwargs):
    RAN.append(1)
    raise RuntimeError("an attribute was asked of an object")


METHODS = (
    *("__getattr__", "__getattribute__", "__hash__", "__eq__", "__call__", "__get__", "__bool__"),
    *("__instancecheck__", "__subclasscheck__", "__len__", "__iter__", "__str__", "__repr__"),
)
NAMES = ("__module__", "__qualname__", "__name__", "__wrapped__", "__func__", "__self__", "func")
ODD = st.one_of(
    st.none(), st.integers(), st.just("random"), st.just("os"), st.binary(), st.just(property(evil))
)
BASES = st.sampled_from(
    [(), (dict,), (str,), (functools.partial,), (staticmethod,), (set,), (io.BytesIO,)]
)


class Boxed:
    """Keeps hypothesis from looking at what is inside."""

    def __init__(self, value):
        self.value = value


@st.composite
def odd_objects(draw):
    """Objects, classes and callables whose every hook does harm."""
    return Boxed(odd_object(draw))


def odd_object(draw):
    meta = type("Meta", (type,), dict.fromkeys(draw(st.sets(st.sampled_from(METHODS))), evil))
    members = dict.fromkeys(draw(st.sets(st.sampled_from(METHODS))), evil)
    members |= draw(st.dictionaries(st.sampled_from(NAMES[:1] + NAMES[2:]), ODD))
    bases = draw(BASES)
    kind = type.__new__(meta, "Odd", bases, members)
    form = draw(st.sampled_from(["class", "instance", "partial", "bound", "static", "wraps"]))
    if form == "class":
        return kind
    arguments = (len,) if bases in ((functools.partial,), (staticmethod,)) else ()
    try:
        value = bases[0].__new__(kind, *arguments) if bases else object.__new__(kind)
    except Exception:  # hooks of the class itself
        return kind
    function = type(evil)(evil.__code__, evil.__globals__)
    if form == "wraps":
        for name in ("__module__", "__wrapped__"):
            setattr(function, name, draw(ODD))
        return function
    if form == "partial":
        return functools.partial(function, value)
    if form == "bound":
        return type(METHODS_OWNER.method)(function, value)
    if form == "static":
        with contextlib.suppress(RuntimeError):  # copies the name of what it wraps
            return staticmethod(value)
    return value


class _Owner:
    def method(self):
        pass


METHODS_OWNER = _Owner()


@given(odd_objects())
def test_asking_runs_nothing_and_never_fails(boxed):
    """However odd the object: none of its code runs, no module is imported."""
    value = boxed.value
    RAN.clear()
    before = set(sys.modules)

    effect_of(value)
    holding_of(value)
    holding_of(type(value))

    assert RAN == []
    assert set(sys.modules) == before


def test_the_table_imports_nothing(run_script):
    """Not the libraries it names, nor anything that takes time to import."""
    text = """
import sys
from amorsize import autotune
before = set(sys.modules)
from amorsize._function.library.effects import effect_of, holding_of
effect_of(len), holding_of(list)
print(*sorted(set(sys.modules) - before))
"""
    loaded = run_script(text).stdout.split()

    assert [name for name in loaded if not name.startswith("amorsize.")] == []


def test_modules_that_load_late_are_left_alone(monkeypatch):
    """A module that imports itself when it is first looked at is not looked at."""

    class Late(type(sys)):
        __getattribute__ = evil

    late = Late.__new__(Late)
    monkeypatch.setitem(sys.modules, "late_one", late)
    RAN.clear()

    def function():
        pass

    function.__module__ = "late_one"

    assert effect_of(function) is None
    assert RAN == []


# --- the page ----------------------------------------------------------------------------------


def test_the_page_shows_the_table():
    """`python tests/safety_page.py` writes docs/dev/safety.md, which shows what the data says."""
    from safety_page import PAGE, page

    assert (ROOT / PAGE).read_text(encoding="utf-8") == page((ROOT / PAGE).read_text("utf-8"))

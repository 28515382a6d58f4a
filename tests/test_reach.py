"""What functions can reach: who may run in threads, who may not and why, and what is stored."""

import builtins
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import logging
import math
import os
import pathlib
import queue
import random
import re
import sqlite3
import struct
import sys
import textwrap
import threading
import types
import zlib
from random import choice, gauss

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize._api.decorator import autotune
from amorsize._function import kept_by_code
from amorsize._function.flow import flow_reader
from amorsize._function.sharing.findings import Reach
from amorsize._function.sharing.thread_safety import reach
from amorsize._function.sharing.values import MAX_EXAMINED

# --- what is shared: never threads ----------------------------------------------------------------

CACHE: dict[object, object] = {}
SEEN: list[object] = []
COUNTS = collections.defaultdict(int)
TABLES = {"squares": [0, 1, 4]}
TOTAL = 0
OUT = np.zeros(3)
RNG = np.random.default_rng(0)
DICE = random.Random(0)
LINES = (line for line in "abc")
NESTED = (1, ("a", [2]))
FROZEN_VIEW = types.MappingProxyType({"a": []})


class Settings:
    """A class used as a namespace."""

    verbose = False
    table: dict[str, int] = {}  # noqa: RUF012 - shared is the point


def remember(k):
    CACHE[k] = k


def look_up(k):
    return CACHE.get(k)


def see(x):
    SEEN.append(x)


def see_inside(x):
    return [SEEN.append(i) for i in x]


def count(k):
    COUNTS[k] += 1


def into_table(k):
    TABLES["squares"][k] = 1


def forget(k):
    del CACHE[k]


def fill(i):
    OUT[i] = 1


def roll(x):
    return DICE.random() + x


def draw(x):
    return RNG.normal() + x


def next_line(x):
    return next(LINES)


def add_to_total(x):
    global TOTAL
    TOTAL += x


def configure(x):
    Settings.verbose = x


def configure_by_another_name(x):
    settings = Settings
    settings.verbose = x


def read_table(x):
    return Settings.table[x]


def read_table_by_another_name(x):
    settings = Settings
    return settings.table[x]


def number_calls(x):
    number_calls.n = x


def set_environment(x):
    os.environ["X"] = x


def extend_path(x):
    sys.path.append(x)


def set_by_name(x):
    setattr(Settings, "verbose", x)  # noqa: B010


def read_nested(x):
    return NESTED[1]


def read_view(x):
    return FROZEN_VIEW[x]


def with_default(x, seen=[]):  # noqa: B006
    seen.append(x)


def with_named_default(x, *, seen={}):  # noqa: B006
    return seen.get(x)


def calls_another(x):
    return remember(x)


def calls_far(x):
    return [calls_another(i) for i in x]


@functools.lru_cache
def cached_but_counting(x):
    return count(x)


@functools.wraps(remember)
def wrapper(x):
    return x


def closure():
    seen = []

    def look(x):
        seen.append(x)

    return look


def counter():
    n = 0

    def count_up(x):
        nonlocal n
        n += x
        return n

    return count_up


class Parser:
    """Keeps what it saw."""

    def __init__(self, total=0):
        self.total = total
        self.seen = {}

    def add(self, x):
        self.total += x

    def note(self, x):
        self.seen[x] = x

    def read(self, x):
        return self.seen[x]

    def __call__(self, x):
        self.total += x

    @classmethod
    def tally(cls, x):
        cls.n_tallied = x


class Quiet:
    """Its instance is shared, whatever its methods do."""

    def same(self, x):
        return x


class Dispatcher:
    """Finds its methods by computed names."""

    def visit(self, x):
        return getattr(self, f"visit_{x}")(x)

    def visit_a(self, x):
        global TOTAL
        TOTAL += x


def dispatch(x):
    return Dispatcher().visit(x)


def make_parser(x):
    return Parser(x).tally(x)


@dataclasses.dataclass(frozen=True)
class FrozenWithList:
    items: list[int]

    def nth(self, x):
        return self.items[x]


@dataclasses.dataclass
class Loose:
    n: int = 1

    def plus(self, x):
        return self.n + x


CONNECTION = sqlite3.connect(":memory:")


def query(x):
    return CONNECTION.execute("select 1").fetchone()


@pytest.fixture(scope="module", autouse=True)
def closed_connection():
    yield
    CONNECTION.close()


@pytest.mark.parametrize(
    ("func", "shared", "stores"),
    [
        (remember, "global CACHE (dict)", "global CACHE[...]"),
        (forget, "global CACHE (dict)", "global CACHE[...]"),
        (look_up, "global CACHE (dict)", None),
        (see, "global SEEN (list)", "global SEEN.append()"),
        (see_inside, "global SEEN (list)", "global SEEN.append()"),
        (count, "global COUNTS (defaultdict)", "global COUNTS[...]"),
        (into_table, "global TABLES (dict)", "global TABLES['squares'][...]"),
        (fill, "global OUT (ndarray)", "global OUT[...]"),
        (roll, "global DICE (Random)", None),
        (draw, "global RNG (Generator)", None),
        (next_line, "global LINES (generator)", None),
        (query, "global CONNECTION (Connection)", None),
        (add_to_total, None, "global TOTAL"),
        (configure, None, "global Settings.verbose"),
        (configure_by_another_name, None, "global Settings.verbose"),
        (read_table, "global Settings.table (dict)", None),
        (read_table_by_another_name, "class Settings.table (dict)", None),
        (number_calls, None, "global number_calls.n"),
        (set_environment, "global os.environ (_Environ)", None),
        (extend_path, "global sys.path (list)", "global sys.path.append()"),
        (
            set_by_name,
            "what setattr() changes (builtin)",
            "global Settings, set by setattr()",
        ),
        (read_nested, "in global NESTED (list)", None),
        (read_view, "in global FROZEN_VIEW (list)", None),
        (with_default, "default seen (list)", "default seen.append()"),
        (with_named_default, "default seen (dict)", None),
        (calls_another, "global CACHE (dict)", "global CACHE[...]"),
        (calls_far, "global CACHE (dict)", "global CACHE[...]"),
        (cached_but_counting, "global COUNTS (defaultdict)", "global COUNTS[...]"),
        (wrapper, "global CACHE (dict)", "global CACHE[...]"),
        (closure(), "closure seen (list)", "closure seen.append()"),
        (counter(), None, "closure n"),
        (Parser().add, "self (Parser)", "self.total"),
        (Parser().note, "self (Parser)", "self.seen[...]"),
        (Parser().read, "self (Parser)", None),
        (Parser(), "self (Parser)", "self.total"),
        (Parser.tally, None, "class.n_tallied"),
        (make_parser, None, "class.n_tallied"),
        (Quiet().same, "self (Quiet)", None),
        (FrozenWithList([1]).nth, "in self (list)", None),
        (Loose().plus, "self (Loose)", None),
        (dispatch, "global TOTAL (stored to in visit_a)", None),
        (functools.partial(look_up, []), "partial argument 0 (list)", None),
        (
            functools.partial(max, key=Parser().add),
            "self in partial argument key (Parser)",
            "self.total",
        ),
        (functools.partial(remember), "global CACHE (dict)", "global CACHE[...]"),
        ([].append, "self of append (list)", None),
        ({}.get, "self of get (dict)", None),
        (CONNECTION.execute, "self of execute (Connection)", None),
    ],
)
def test_what_changes_and_is_shared_is_named(func, shared, stores):
    """The calls of such a function are not run in threads, and the user is told why."""
    found = reach(func)

    assert not found.thread_safe
    assert shared is None or shared in found.shared
    assert stores is None or stores in found.stores
    assert stores is not None or found.stores == ()


# --- what may be shared ---------------------------------------------------------------------------

LOCK = threading.Lock()
EVENT = threading.Event()
QUEUE: "queue.Queue[object]" = queue.Queue()
SIMPLE: "queue.SimpleQueue[object]" = queue.SimpleQueue()
LOG = logging.getLogger("amorsize.tests")
PATTERN = re.compile("a+")
HEADER = struct.Struct("<i")
POINT = (1, 2.5, ("a", b"b", None), frozenset({1, "a"}), range(3), ...)
PRICE = decimal.Decimal("1.5")
DAY = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
FOLDER = pathlib.PurePosixPath("/")
VIEW = types.MappingProxyType({"a": 1})
TABLE = np.arange(5)
TABLE.flags.writeable = False
NUMBER = np.float64(1.5)
KIND = np.dtype("int64")
MATCH = PATTERN.match
NOTHING = object()
Place = collections.namedtuple("Place", "x y")
ORIGIN = Place(0, 0)


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Scale:
    factor: float = 2.0
    place: Place = ORIGIN

    def times(self, x):
        return self.factor * self.helper(x)

    def helper(self, x):
        return x + 1


SCALE = Scale()


def uses_what_is_safe(x):
    with LOCK:
        EVENT.is_set()
    QUEUE.put(x)
    SIMPLE.put(x)
    LOG.info("%s", x)
    found = PATTERN.match("a"), MATCH("b"), HEADER.size, POINT[0], PRICE, DAY.year, FOLDER / "a"
    return found, VIEW["a"] + TABLE[0] + NUMBER + KIND.itemsize, Color.RED, ORIGIN.x, SCALE.times(x)


def uses_libraries(x):
    text = json.dumps({"x": math.sqrt(x)})
    return zlib.compress(text.encode()), os.path.join("a", "b"), np.linalg.norm([x])


def draws(x):
    return random.random() + gauss(0, 1) + choice([1, 2]) + np.random.rand()


def uses_its_own(x):
    rows = {}
    rows[x] = 1
    rows.setdefault(x, []).append(2)
    item = Quiet()
    item.state = rows
    total = 0
    for row in rows:
        total += row

    def inner(y):
        nonlocal total
        total += y
        rows[y] = x
        return total

    return inner(1), [rows.update({i: 1}) for i in range(3)], item.same(x)


def recursive(n):
    return n if n < 2 else recursive(n - 1) + mutual(n - 2)


def mutual(n):
    return recursive(n)


@functools.lru_cache
def cached(x):
    return recursive(x)


@autotune
def tuned(x):
    return x


def calls_tuned(x):
    return tuned.one(x), tuned([x]), cached(x)


def pure_closure(n):
    def add(x):
        return x + n + pure(x)

    def pure(y):
        return y

    return add


@pytest.mark.parametrize(
    "func",
    [
        *(uses_what_is_safe, uses_libraries, uses_its_own, recursive, cached, tuned, calls_tuned),
        *(pure_closure(1), lambda x: x + 1, SCALE.times, Scale, Place, Color, Quiet, ORIGIN.count),
        *(json.loads, zlib.compress, zlib.crc32, len, str.upper, " ".join, PATTERN.sub),
        *(np.sum, np.sin, np.dot, np.linalg.norm, np.fft.fft),
        *(functools.partial(pow, 2), functools.partial(zlib.compress, level=9), dict.fromkeys),
        *(math.sqrt, pathlib.Path, builtins.dict, HEADER.unpack, QUEUE.put, LOG.info),
    ],
)
def test_what_shares_nothing_that_changes_may_run_in_threads(func):
    """Constants, functions, classes, locks, queues, loggers and what it makes itself are fine."""
    cached(1)  # what a cache has kept by now is what it would share

    found = reach(func)

    assert (found.shared, found.stores, found.calls) == ((), (), ())
    assert found.thread_safe


@pytest.mark.parametrize("copied", [False, True])
def test_an_array_is_safe_only_if_nobody_can_write_to_its_memory(copied):
    """A read-only view of a writable array changes with the array."""
    array = np.arange(5)
    view = array.copy() if copied else array[:]
    view.flags.writeable = False

    assert reach(lambda i: view[i]).thread_safe is copied


def test_an_array_that_may_be_shared_memory_is_no_lost_store():
    """What is written through a memory map can be seen by other processes: no warning."""
    array = np.frombuffer(bytearray(8), dtype="uint8")

    def write(i):
        array[i] = 1

    found = reach(write)

    assert (found.shared, found.stores) == (("closure array (ndarray)",), ())
    assert found.changed == ("closure array[...]",)


def test_an_object_that_stores_items_elsewhere_is_no_lost_store():
    """`DB[k] = v` of an own class may write to a disk: nothing is said to be lost."""

    class Database:
        def __setitem__(self, k, v): ...

    database = Database()

    def write(k):
        database[k] = 1

    assert reach(write).stores == ()
    assert reach(write).changed == ("closure database[...]",)


# --- other modules, other code --------------------------------------------------------------------


def module_of(name: str, source: str) -> types.ModuleType:
    module = types.ModuleType(name)
    exec(textwrap.dedent(source), vars(module))
    return module


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return helper.TABLE[x]",
        "def f(x): return helper.get(x)",
        "def f(x):\n    h = helper\n    return h.TABLE[x]",
        "def f(x):\n    import helper\n    return helper.TABLE[x]",
        "def f(x):\n    from helper import TABLE\n    return TABLE[x]",
        "def f(x):\n    from helper import get\n    return get(x)",
        "class C:\n    def __init__(self, x): self.x = helper.TABLE[x]\nf = C",
        "class C:\n    def m(self, x): return helper.TABLE[x]\ndef f(x): return C().m(x)",
        "class C:\n    @property\n    def m(self): return helper.TABLE\ndef f(x): return C().m",
        "def f(x):\n    class C:\n        y = helper.TABLE\n    return C",
        "def f(x, get=helper.get): return get(x)",
        "def f(x): return (lambda: helper.TABLE[x])()",
    ],
)
def test_the_data_of_an_own_module_is_found_by_every_way(source, monkeypatch):
    """Through the module, its functions, another name for it, or an import inside the function."""
    helper = module_of("helper", "TABLE = {}\ndef get(x): return TABLE[x]")
    monkeypatch.setitem(sys.modules, "helper", helper)
    space = {"helper": helper, "__name__": "project"}
    exec(source, space)

    found = reach(space["f"])

    assert any("TABLE (dict)" in name for name in found.shared)
    assert found.stores == ()


def test_a_store_to_another_module_is_found():
    """`module.counter += 1` is a store to a global like any other."""
    space = {"helper": module_of("helper", "counter = 0"), "__name__": "project"}
    exec("def f(x): helper.counter += x", space)

    assert reach(space["f"]).stores == ("global helper.counter",)


def test_a_project_too_large_to_examine_is_not_called_safe():
    """A bound on the time it takes: what was not looked at counts as shared."""
    n = MAX_EXAMINED + 10
    source = "\n".join(f"def f{i}(x): return f{i + 1}(x)" for i in range(n))
    space = {"__name__": "project"}
    exec(f"{source}\ndef f{n}(x): return x", space)

    assert not reach(space["f0"]).thread_safe
    assert reach(space[f"f{n - MAX_EXAMINED // 2}"]).thread_safe


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("global LATE; LATE = x", "global LATE"),
        ("KEPT[x] = x", "global KEPT[...]"),
        ("globals()['LATE'] = x", "global globals()[...]"),
        ("Kept.late = x", "global Kept.late"),
    ],
)
def test_in_a_project_too_large_to_examine_what_is_near_is_still_told(change, told):
    """An item's own changes, and those of what it calls: a worker process would lose them."""
    n = MAX_EXAMINED + 10
    lines = [f"def f{i}(x): return f{i + 1}(x)" for i in range(n)]
    space = {"__name__": "project", "KEPT": {}}
    lines += ["class Kept: pass", f"def f{n}(x): return x", f"def note(x): {change}"]
    exec("\n".join((*lines, "def item(x): f0(x); note(x)")), space)

    assert told in reach(space["note"]).stores
    assert told in reach(space["item"]).stores


class Rude:
    """Answers no question at all."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __call__(self, x):
        return x


def test_what_cannot_be_examined_is_not_called_safe():
    """Nothing raises, whatever an object does when it is asked."""
    assert not reach(Rude()).thread_safe


# --- a function of its own locals shares nothing --------------------------------------------------

EXPRESSIONS = st.sampled_from(["x", "1", "'a'", "len(str(x))", "[x]", "{x: 1}", "a", "b.y", "b"])
STATEMENTS = st.one_of(
    st.builds("a = {}".format, EXPRESSIONS),
    st.builds("a[{}] = {}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("a[{}] += {}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("a[{0} if {1} else {0}] = {1} or {0}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("a[1:{}] = {}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("b.y = {}".format, EXPRESSIONS),
    st.builds("b.y.z += {}".format, EXPRESSIONS),
    st.builds("a.append({})".format, EXPRESSIONS),
    st.builds("del a[{}]".format, EXPRESSIONS),
    st.builds("a, b = {}, {}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("if {}: b = Local()".format, EXPRESSIONS),
    st.builds("while b == {}:\n    a = dict(a)\n    a[x] = b".format, EXPRESSIONS),
    st.builds(
        "try: a = CONSTANT[{}]\nexcept KeyError as b: a = {}".format, EXPRESSIONS, EXPRESSIONS
    ),
    st.builds("with open(a) as b: b.y = {}".format, EXPRESSIONS),
    st.builds("a = [i for i in {} if a.add(i)]".format, EXPRESSIONS),
    st.builds("def inner():\n    nonlocal a\n    a = {}\n    a[b] = 1".format, EXPRESSIONS),
)
SOURCE = """
CONSTANT = ("left", "right")
class Local:
    def __init__(self): self.y = {{}}; self.y[1] = 2
def f(x):
    a, b = {{}}, Local()
{body}
    return a
"""
SINKS = [
    "CACHE[k] = 1",
    "SEEN.append(1)",
    "Local.n = 1",
    "f.n = 1",
    "CACHE[k] += 1",
    "del CACHE[k]",
]


@given(st.lists(STATEMENTS, max_size=8), st.data())
def test_stores_to_locals_are_never_reported_and_one_to_a_global_always(body, data):
    """No false alarm, however the code jumps; nothing shared that is called safe."""
    at = data.draw(st.integers(0, len(body)))
    sink = data.draw(st.sampled_from(SINKS))

    found = reach(function_of(body)).replace(touches=False, changes_arguments=False)
    assert found == Reach(shared=(), stores=())
    found = reach(function_of([*body[:at], f"k = {sink!r}", sink, *body[at:]]))
    assert len(found.stores) == 1


def function_of(body):
    space = {"__name__": "project", "CACHE": {}, "SEEN": []}
    exec(SOURCE.format(body=textwrap.indent("\n".join(body), "    ")), space)
    return space["f"]


JOINED = """
TABLE, ROWS, NAMES = {"a": {}}, [[]], ("x", "y")
def by_try(x):
    try: row = TABLE[x]
    except KeyError: row = {}
    row[x] = 1
def by_try_with_name(x):
    try: row = TABLE[x]
    except KeyError as error: row = {error: 1}
    row[x] = 1
def by_if(x):
    if x: rows = ROWS
    else: rows = []
    rows.append(x)
def unless(x):
    rows = ROWS
    if x: rows = []
    rows.append(x)
def by_match(x):
    match x:
        case 1: rows = ROWS
        case 2: rows = [2]
        case _: rows = []
    rows += [x]
def by_loop(x):
    rows = ROWS
    for one in x: rows = [one]
    rows.append(x)
def by_while(x):
    rows = ROWS
    while x:
        rows, x = [x], x - 1
    rows.append(x)
def with_default(x, rows=ROWS):
    if x: rows = [*rows]
    rows.append(x)
def by_many(x, rows=ROWS):
    for _ in x:
        SAME
    rows.append(x)

def only_made(x):
    if x: rows = [x]
    else: rows = {x}
    rows |= {x}
def of_a_constant(x, names=()):
    try: name = NAMES[x]
    except IndexError: name = x
    if not names: names = [x]
    name += "x"
    names.append(name)
"""


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        *((f"by_{way}", True) for way in ("try", "try_with_name", "if", "match", "loop", "while")),
        *((name, True) for name in ("unless", "with_default", "by_many")),
        *((name, False) for name in ("only_made", "of_a_constant")),
    ],
)
def test_a_variable_is_what_any_way_to_a_place_has_set_it_to(name, is_told):
    """What the code sets it to last may be the way that is not taken."""
    space = {"__name__": "project"}
    steps = "\n        ".join(f"if x > {n}: rows = rows or [x]" for n in range(40))
    exec(JOINED.replace("SAME", steps), space)

    found = reach(space[name])

    assert bool(found.stores or found.changed) == is_told


# --- what was examined is remembered as long as it is the same ------------------------------------

CLIENT = None


def uses_a_client(x):
    return CLIENT, x


def calls_one_that_does(x):
    return uses_a_client(x)


@pytest.mark.parametrize("func", [uses_a_client, calls_one_that_does])
def test_a_global_that_has_become_something_else_is_seen(func, monkeypatch, tmp_path):
    """What was found is not believed once a name stands for another object, however far down."""
    assert reach(func).thread_safe
    with open(tmp_path / "log", "w") as log:
        monkeypatch.setattr(sys.modules[__name__], "CLIENT", log)
        assert reach(func).copies == ("global CLIENT (TextIOWrapper)",)
    monkeypatch.undo()
    assert reach(func).thread_safe


def test_a_function_with_other_defaults_or_code_is_examined_anew():
    """Replaced in place, as notebooks that reload do."""

    def func(x, table=()):
        return table, x

    assert reach(func).thread_safe
    func.__defaults__ = ([],)
    assert not reach(func).thread_safe
    func.__defaults__ = ((),)
    func.__code__ = (lambda x, table: CACHE[x]).__code__
    assert not reach(func).thread_safe


def test_what_is_remembered_keeps_no_function_alive():
    """A closure that was examined can be freed, with what it holds."""
    import gc
    import weakref

    def make():
        held = (1, 2)
        return lambda x: (held, x)

    func = make()
    reach(func)
    watched = weakref.ref(func)
    del func
    gc.collect()

    assert watched() is None


ADD = "a".__add__


def test_a_method_of_a_text_is_no_riddle():
    """It belongs to no module, and it is known what it does."""
    found = reach(lambda x: ADD(x))

    assert (found.unread, found.shared) == ((), ())


counted = {"here": 0}


def counts_in_a_global(number):
    counted["here"] += number
    return helps_to_count(number)


def helps_to_count(number):
    return [one for one in range(number) if one in counted]


def test_code_is_followed_once_however_often_it_is_examined(monkeypatch):
    """What a name stands for is asked each time; where values go in the code never changes.

    After other tests what is kept may be full, and is forgotten in the midst of this one. Or the
    functions may have been followed before: pytest's own objects lead to them.
    """
    monkeypatch.setattr(kept_by_code, "MOST", sys.maxsize)
    names = dict(globals())
    for func in (counts_in_a_global, helps_to_count):
        names[func.__name__] = types.FunctionType(func.__code__.replace(), names)
    followed = []
    read = flow_reader.all_arguments  # of each code that is followed, as the first step
    monkeypatch.setattr(
        flow_reader, "all_arguments", lambda code: followed.append(code) or read(code)
    )

    found = [reach(names["counts_in_a_global"]) for _ in range(3)]
    names["counted"] = types.MappingProxyType({})
    after = reach(names["counts_in_a_global"])

    assert found[0] == found[1] == found[2]
    assert found[0].stores == ("global counted[...]",)
    assert after.stores == ()
    assert sorted(one.co_name for one in followed) == ["counts_in_a_global", "helps_to_count"]

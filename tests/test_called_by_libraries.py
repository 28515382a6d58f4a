"""What libraries call of the project's code, and what lies in places where nobody looks."""

import argparse
import ast
import collections
import contextlib
import csv
import email.message
import io
import json
import logging
import logging.handlers
import pickle
import pprint
import shutil
import string
import textwrap
import weakref
from xml.etree import ElementTree

import numpy as np
import pytest

from amorsize._function.sharing.thread_safety import examine

SEEN: list[object] = []


def note(x):
    SEEN.append(x)
    return x


class Counter:
    def __init__(self):
        self.n = 0

    def see(self, x):
        self.n += 1
        return x


class Visitor(ast.NodeVisitor):
    def __init__(self):
        self.names = []

    def visit_Name(self, node):
        self.names.append(node.id)


class Encoder(json.JSONEncoder):
    """Counts what only it can encode, for all of its kind."""

    n_encoded = 0

    def default(self, value):
        Encoder.n_encoded += 1
        return str(value)


class KeepingEncoder(json.JSONEncoder):
    def __init__(self):
        super().__init__()
        self.seen = []

    def default(self, value):
        self.seen.append(value)
        return str(value)


class Names(string.Formatter):
    def __init__(self):
        self.used = []

    def get_value(self, key, _args, kwargs):
        self.used.append(key)
        return kwargs[key]


class KeepingHandler(logging.Handler):
    def __init__(self):
        super().__init__()
        self.rows = []

    def emit(self, record):
        self.rows.append(record.getMessage())


class CountingFilter(logging.Filter):
    def filter(self, record):
        return bool(note(record.args))


class Field:
    """Keeps the values of all objects."""

    def __init__(self):
        self.values = {}

    def __get__(self, owner, kind=None):
        return self.values.get(id(owner))

    def __set__(self, owner, value):
        self.values[id(owner)] = value


class Model:
    field = Field()


def logger(name, *handlers):
    found = logging.getLogger(f"test_called_by_libraries.{name}")
    found.propagate = False
    for handler in handlers:
        found.addHandler(handler)
    return found


def sets_a_field(x):
    model = Model()
    model.field = x
    return x


class Loader(pickle.Unpickler):
    """Has a table that its base class goes by."""

    handlers = {"note": note}  # noqa: RUF012

    def __init__(self):
        super().__init__(io.BytesIO())


def tells_each_node(x):
    for one in TREE.iter("b"):
        one.text = x


def fills_a_view(x):
    for row in ARRAY.reshape(5, 2):
        row += len(x)


def writes_to_memory(x):
    with memoryview(ARRAY) as memory:
        memory[0] = len(x)


def logs_to_its_own(x):
    QUIET.addHandler(HANDLER)
    try:
        return x
    finally:
        QUIET.removeHandler(HANDLER)


class Total:
    n = 0


class CountingFile:
    """Counts elsewhere what is written to it, and what is asked of it."""

    def write(self, text):
        Total.n += len(text)

    def flush(self):
        pass

    def read(self, _n=-1):
        Total.n += 1
        return ""

    def summary(self):
        return Total.n


class CountingTable:
    def keys(self):
        Total.n += 1
        return []

    def __getitem__(self, key):
        return key


class CountingPoint:
    @property
    def x(self):
        Total.n += 1
        return 1


class Importer:
    """Its subclasses are found by it alone."""

    @classmethod
    def all(cls):
        for one in cls.__subclasses__():
            yield one
            yield from one.all()


class TableImporter(Importer):
    pass


class CountingImporter(TableImporter):
    def take(self, x):
        Total.n += 1
        return x


def prints_to_both(x):
    with contextlib.redirect_stdout(FILE):
        print(x)


def matches(x):
    match POINT:
        case CountingPoint(x=1):
            return x


FILE, COUNTED, POINT = CountingFile(), CountingTable(), CountingPoint()
COUNTER, VISITOR, KEEPING, NAMES, MODEL = Counter(), Visitor(), KeepingEncoder(), Names(), Model()
PARSER = argparse.ArgumentParser()
PARSER.add_argument("number", type=note)
QUEUE, KEYS, NESTED = collections.deque([note]), {note: 1}, [(1, {2: [note]})]
WEAK, WEAK_METHOD, PROXY = (
    weakref.ref(COUNTER),
    weakref.WeakMethod(COUNTER.see),
    weakref.proxy(COUNTER),
)
WEAK_SET, WEAK_TABLE = weakref.WeakSet([COUNTER]), weakref.WeakValueDictionary(one=COUNTER)
TREE, ARRAY = ElementTree.fromstring("<a><b/></a>"), np.zeros(10)
MESSAGE, DEFAULTS = email.message.EmailMessage(), argparse.ArgumentParser()
LINES, STACK = textwrap.TextWrapper(), contextlib.ExitStack()
TAGS = {str(n): str for n in range(100)} | {"late": note}
HANDLER, QUIET = logging.NullHandler(), logger("quiet")
KEPT = logger("kept", KeepingHandler())
BELOW = logging.getLogger("test_called_by_libraries.kept.below")
FILTERED = logger("filtered")
ADAPTER = logging.LoggerAdapter(logger("adapted", KeepingHandler()), {})
BUFFERED = logger("buffered", logging.handlers.MemoryHandler(10))
IN_MEMORY = logger("in memory", logging.StreamHandler(io.StringIO()))

WAYS = {
    "visitor": lambda x: VISITOR.visit(ast.parse(x)),
    "class of an encoder": lambda x: json.dumps(x, cls=Encoder),
    "encoder": lambda x: KEEPING.encode(x),
    "formatter": lambda x: NAMES.format("{x}", x=x),
    "handler": lambda x: KEPT.warning("%s", x),
    "handler of a logger above": lambda x: BELOW.warning("%s", x),
    "filter": lambda x: FILTERED.warning("%s", x),
    "adapter": lambda x: ADAPTER.warning("%s", x),
    "handler that keeps": lambda x: BUFFERED.warning("%s", x),
    "stream in memory": lambda x: IN_MEMORY.warning("%s", x),
    "type of an argument": lambda x: PARSER.parse_args([x]),
    "queue": lambda x: QUEUE[0](x),
    "keys": lambda x: [f(x) for f in KEYS],
    "nested": lambda x: NESTED[0][1][2][0](x),
    "weak reference": lambda x: WEAK().see(x),
    "weak method": lambda x: WEAK_METHOD()(x),
    "weak set": lambda x: [one.see(x) for one in WEAK_SET],
    "weak table": lambda x: WEAK_TABLE["one"].see(x),
    "weak proxy": lambda x: PROXY.see(x),
    "node of a tree": lambda x: TREE.find("b").set("x", x),
    "each node of a tree": lambda x: [one.set("x", x) for one in TREE],
    "text of each node": tells_each_node,
    "view of an array": lambda x: ARRAY.reshape(2, 5).__setitem__(0, len(x)),
    "other view of an array": fills_a_view,
    "array of an array": lambda x: np.asarray(ARRAY).fill(len(x)),
    "memory of an array": writes_to_memory,
    "operands and what is written": lambda x: np.multiply(ARRAY, len(x), ARRAY),
    "message": lambda x: MESSAGE.set_content(x),
    "parser": lambda x: DEFAULTS.set_defaults(x=x),
    "object of a library": lambda x: setattr(LINES, "width", len(x)),
    "stack of what is to be done": lambda x: STACK.callback(note, x),
    "level of a logger": lambda _: BELOW.setLevel(10),
    "handlers of a logger": lambda _: BELOW.addHandler(HANDLER),
    "level of all loggers": lambda _: logging.root.setLevel(10),
    "late in a long table": lambda x: string.Formatter().format("{}", TAGS["late"](x)),
    "table of a class": lambda x: Loader().load(x),
    "printed to": lambda x: print(x, file=FILE),
    "standard output": prints_to_both,
    "rows": lambda x: csv.writer(FILE).writerow([x]),
    "document": lambda x: json.dump(x, FILE),
    "page": lambda x: pprint.pprint(x, stream=FILE),
    "copy of a file": lambda _: shutil.copyfileobj(io.StringIO("a"), FILE),
    "handler of a file": lambda x: logging.StreamHandler(FILE).handle(logging.makeLogRecord({})),
    "document that is read": lambda _: shutil.copyfileobj(FILE, io.StringIO()),
    "table that is unpacked": lambda x: {**COUNTED, "x": x},
    "table that is copied": lambda x: dict(COUNTED, x=x),
    "pattern": matches,
    "subclass": lambda x: [one().take(x) for one in Importer.all() if hasattr(one, "take")],
    "descriptor": lambda x: setattr(MODEL, "field", x),
    "descriptor of a new object": sets_a_field,
}


@pytest.fixture(autouse=True)
def filters():
    """The filter is there for these tests alone: workers take over what loggers have."""
    FILTERED.addFilter(its := CountingFilter())
    yield
    FILTERED.removeFilter(its)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_changed_out_of_sight_keeps_the_items_in_the_caller(way):
    """A worker would lose it."""
    reach, _ = examine(WAYS[way], ["1", "2"])

    assert reach.stores or reach.changed or reach.copies


class Shouting(string.Formatter):
    def format_field(self, value, spec):
        return super().format_field(value, spec).upper()


class PlainHandler(logging.Handler):
    def emit(self, record):
        self.format(record)


LOUD, PLAIN = Shouting(), logger("plain", PlainHandler())
TABLE = {("a", 1): str.upper, note.__name__: len}

PURE = {
    "formatter": lambda x: LOUD.format("{x}", x=x),
    "handler": lambda x: PLAIN.warning("%s", x),
    "nodes of a tree": lambda x: [one.get(x) for one in TREE],
    "copy of an array": lambda x: ARRAY.reshape(2, 5).copy().fill(len(x)),
    "new message": lambda x: email.message.EmailMessage().set_content(x),
    "handler for a while": logs_to_its_own,
    "new encoder": lambda x: KeepingEncoder().encode(x),
    "table": lambda x: TABLE["a", 1](x),
    "other methods of a file": lambda x: (FILE.summary(), print(x)),
}


@pytest.mark.parametrize("way", PURE)
def test_what_changes_nothing_may_run_in_workers(way):
    """Libraries call it as well."""
    reach, _ = examine(PURE[way], ["a", "b"])

    of_pytest = [one for one in reach.copies if "LogCaptureHandler" in one]  # keeps what is logged
    assert (reach.stores, reach.changed, reach.copies) == ((), (), tuple(of_pytest))

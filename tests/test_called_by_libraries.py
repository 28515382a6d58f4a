"""What libraries call of the project's code, and what lies in places where nobody looks."""

import argparse
import ast
import collections
import io
import json
import logging
import logging.handlers
import string
import weakref

import pytest

from amorsize._function.thread_safety import examine

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


def logger(name, *handlers, filters=()):
    found = logging.getLogger(f"test_called_by_libraries.{name}")
    found.propagate = False
    for handler in handlers:
        found.addHandler(handler)
    for one in filters:
        found.addFilter(one)
    return found


def sets_a_field(x):
    model = Model()
    model.field = x
    return x


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
KEPT = logger("kept", KeepingHandler())
BELOW = logging.getLogger("test_called_by_libraries.kept.below")
FILTERED = logger("filtered", filters=[CountingFilter()])
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
    "descriptor": lambda x: setattr(MODEL, "field", x),
    "descriptor of a new object": sets_a_field,
}


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
    "new encoder": lambda x: KeepingEncoder().encode(x),
    "table": lambda x: TABLE["a", 1](x),
}


@pytest.mark.parametrize("way", PURE)
def test_what_changes_nothing_may_run_in_workers(way):
    """Libraries call it as well."""
    reach, _ = examine(PURE[way], ["a", "b"])

    of_pytest = [one for one in reach.copies if "LogCaptureHandler" in one]  # keeps what is logged
    assert (reach.stores, reach.changed, reach.copies) == ((), (), tuple(of_pytest))

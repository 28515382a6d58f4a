"""Objects that a function knows by their identity are not sent to workers as copies."""

import importlib
import warnings

import pytest
import state_items

import amorsize
from amorsize import tuned_map
from amorsize._function.needs import held_objects, kept_identities
from amorsize._function.needs.kept_identities import KeptIdentities

KINDS = """
import dataclasses
import enum
import operator
import types
import weakref

import numpy

from collections import deque

MISSING = object()
NAN = float("nan")
FAST = "fa" + str("st")
LABELS = {("a", NAN): 1}
UNKNOWN = [None, NAN]

class Colour(enum.Enum):
    RED = 1

class Absent:
    pass

class Node:
    def __init__(self, number, parent=None):
        self.number, self.parent = number, parent

ROOT = Node(-1)
NODES = [Node(number, ROOT if number % 3 else None) for number in range(120)]
WEIGHTS = {node: node.number for node in NODES}
PAIRS = {(a, b) for a, b in zip(NODES, NODES[1:])}
GOOD = NODES[::3]

def burn():
    return sum(i * i for i in range(15_000))

def is_missing(x):
    burn()
    return x is MISSING

def weigh(node):
    burn()
    return WEIGHTS.get(node, -1)

def is_pair(pair):
    burn()
    return pair in PAIRS

def is_good(node):
    burn()
    return node in GOOD

def is_of_root(node):
    burn()
    return node.parent is ROOT

def is_of_group(item):
    burn()
    return item["groups"][0].parent == ROOT

NUMBERS = {id(node): node.number for node in NODES}
HASHES = frozenset(map(hash, NODES))
NOTES = weakref.WeakKeyDictionary((node, node.number) for node in NODES)
LAST = deque(NODES[:5])
BLANK = {}

def number_of(node):
    burn()
    return NUMBERS.get(id(node))

def is_numbered(node):
    burn()
    return any(one in HASHES for one in map(hash, [node]))

def note_of(node):
    burn()
    return NOTES.get(node)

def is_late(node):
    burn()
    return node in LAST

def is_unknown(row):
    burn()
    return row["v"] in UNKNOWN

def is_nan(x):
    burn()
    return x is NAN

def label_of(x):
    burn()
    return LABELS.get(("a", x))

def is_fast(row):
    burn()
    return row[1] is FAST

def is_absent(x, absent=Absent()):
    burn()
    return x is absent

ABSENT = is_absent.__defaults__[0]

def is_unset(row):
    burn()
    return row[0] is dataclasses.MISSING

def is_blank(row):
    burn()
    return row.get("more", BLANK) is BLANK

def is_red(colour):
    burn()
    return colour is Colour.RED

SPELLED = {f"node-{id(node)}": node.number for node in NODES}
IN_HEX = {hex(id(node)): node.number for node in NODES}
SHOWN = {repr(node): node.number for node in NODES}
TOGETHER = {hash(pair) for pair in zip(NODES, NODES[1:])}
LIVING = weakref.WeakSet(NODES)
VIEW = types.MappingProxyType({node: node.number for node in NODES})
OBJECTS = numpy.array([*NODES, None], dtype=object)
BY_METHOD = {node.__hash__() for node in NODES}
TREE = [[at, [[at]]] for at in range(5000)]
RECORDS = [{"name": f"n{at}", "of": at} for at in range(30_000)]

def is_spelled(node):
    burn()
    return f"node-{id(node)}" in SPELLED

def is_in_hex(node):
    burn()
    return hex(id(node)) in IN_HEX

def is_shown(node):
    burn()
    return SHOWN.get(f"{node}")

def is_together(pair):
    burn()
    return hash((pair[0], pair[1])) in TOGETHER

def is_living(node):
    burn()
    return node in LIVING

def is_in_view(node):
    burn()
    return VIEW.get(node)

def is_by_operator(node):
    burn()
    return operator.is_(node, NODES[3])

def is_found_by_operator(node):
    burn()
    return operator.contains(GOOD, node)

def is_in_new_table(node):
    burn()
    return dict(zip(NODES, range(120))).get(node)

def is_hashed(node):
    burn()
    return node.__hash__() in BY_METHOD

def is_of_array(node):
    burn()
    return int((OBJECTS == node).sum())

def is_beside_records(node):
    burn()
    return len(RECORDS) + WEIGHTS.get(node, -1)

def count_inside(rows):
    burn()
    seen = set()
    for row in rows:
        seen.add(id(row))
    return len(seen)

ITEMS = {
    number_of: NODES,
    is_numbered: NODES,
    note_of: NODES,
    is_late: NODES,
    is_unknown: [{"v": NAN if i % 3 else 1.0} for i in range(120)],
    is_nan: [NAN if i % 3 else 1.0 for i in range(120)],
    label_of: [NAN if i % 3 else 1.0 for i in range(120)],
    is_fast: [(i, FAST if i % 3 else "slow") for i in range(120)],
    is_absent: [ABSENT if i % 3 else 1.0 for i in range(120)],
    is_in_hex: NODES,
    is_together: list(zip(NODES, NODES[1:])),
    is_by_operator: NODES,
    is_unset: [[dataclasses.MISSING if i % 3 else 1.0] for i in range(120)],
    is_blank: [{"more": BLANK} if i % 3 else {} for i in range(120)],
    is_red: [Colour.RED, None] * 60,
    count_inside: [[NODES[1], NODES[i]] for i in range(120)],
    is_missing: [MISSING if i % 7 == 3 else i for i in range(120)],
    weigh: NODES,
    is_pair: list(zip(NODES, NODES[1:])),
    is_good: NODES,
    is_of_root: NODES,
    is_of_group: [{"groups": [node]} for node in NODES],
}
"""
CALLS = """
import threading
from amorsize import autotune

if {beside}:
    idle = threading.Event()
    threading.Thread(target=idle.wait, daemon=True).start()
chosen, slow, burn = list(ITEMS.items())[{part}::3], burn, int
expected = [[func(item) for item in items] for func, items in chosen]
burn = slow  # for the calls alone
for (func, items), looped in zip(chosen, expected):
    tuned = autotune(func)
    for _ in range(2):
        assert tuned({given}) == looped, (func, tuned.explain())
"""


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize(
    ("beside", "given"),
    [(True, "items"), (False, "iter(items)")],
    ids=["beside a thread", "from an iterator"],
)
def test_an_item_that_the_function_refers_to_is_found_again(run_script, beside, given, part):
    """A copy is equal to nothing that the function has, and the key of no table."""
    run_script(KINDS + CALLS.format(beside=beside, given=given, part=part))


def shared_by(func: str, item: str):
    space: dict[str, object] = {"__name__": "project"}
    exec(KINDS, space)
    return KeptIdentities([eval(func, space)]).first_in([eval(item, space)])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("func", "item"),
    [
        ("is_missing", "MISSING"),
        ("weigh", "NODES[5]"),
        ("is_pair", "(NODES[5], 1)"),
        ("is_good", "{1: [NODES[3]]}"),
        ("is_of_root", "Node(1, ROOT)"),
        ("number_of", "[NODES[7]]"),
        ("is_numbered", "NODES[7]"),
        ("note_of", "NODES[7]"),
        ("is_late", "NODES[2]"),
        ("is_unknown", "{'v': NAN}"),
        ("is_nan", "NAN"),
        ("label_of", "NAN"),
        ("is_fast", "(1, FAST)"),
        ("is_absent", "ABSENT"),
        ("is_unset", "[dataclasses.MISSING]"),
        ("is_blank", "{'more': BLANK}"),
        ("is_spelled", "NODES[7]"),
        ("is_in_hex", "[NODES[7]]"),
        ("is_shown", "NODES[7]"),
        ("is_together", "(NODES[7], NODES[8])"),
        ("is_living", "NODES[7]"),
        ("is_in_view", "NODES[7]"),
        ("is_by_operator", "NODES[3]"),
        ("is_found_by_operator", "NODES[3]"),
        ("is_in_new_table", "NODES[3]"),
        ("is_hashed", "NODES[3]"),
        ("is_of_array", "NODES[3]"),
        ("is_beside_records", "NODES[3]"),
        ("weigh", "[[[[[[[[NODES[3]]]]]]]]]"),
        ("weigh", "[*([n] for n in range(3000)), NODES[3]]"),
        ("weigh", "types.MappingProxyType({'node': NODES[3]})"),
        ("weigh", "numpy.array([NODES[3], None], dtype=object)"),
        ("weigh", "ValueError('of', NODES[3])"),
        ("weigh", "lambda node=NODES[3]: node"),
        ("weigh", "(lambda node: lambda: node)(NODES[3])"),
        ("weigh", "NODES[3].__init__"),
    ],
)
def test_shared_objects_are_found_inside_items(func, item):
    """They may lie in containers and in attributes."""
    assert shared_by(func, item) is not None


@pytest.mark.parametrize(
    ("func", "item"),
    [
        ("is_missing", "7"),
        ("is_missing", "object()"),
        ("weigh", "Node(5)"),
        ("weigh", "[Node(5), ('a', 2)]"),
        ("burn", "ROOT"),
        ("burn", "NAN"),
        ("is_nan", "float('nan')"),
        ("is_nan", "1.5"),
        ("is_fast", "(1, 'fas' + 't' * len('t'))"),
        ("is_red", "Colour.RED"),
        ("is_blank", "{'more': {}}"),
        ("is_spelled", "[Node(1), '1234567890']"),
        ("is_shown", "Node(1)"),
        ("is_together", "(Node(1), NODES[8])"),
        ("is_beside_records", "{'name': 'n1'}"),
        ("weigh", "[{'a': n, 'of': [n, Node(n)]} for n in range(300)]"),
        ("weigh", "numpy.array([1.0, 2.0])"),
        ("count_inside", "[NODES[1], NODES[1]]"),
        ("lambda row: row.id is None", "NODES[1]"),
        ("lambda node: burn() + node.number + ROOT.number", "NODES[1]"),
    ],
)
def test_objects_of_the_items_alone_may_be_sent(func, item):
    """So may those that the function has too, if it compares nothing."""
    assert shared_by(func, item) is None


def test_installed_classes_count_as_the_projects_where_their_package_is_mapped(
    tmp_path, monkeypatch
):
    """An owner that is looked up in a table of the package would be a copy in a worker."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "owners_installed.py").write_text(
        "class Owner:\n    pass\n\n"
        "ANN, BOB = Owner(), Owner()\nRIGHTS = {ANN: 'all'}\n\n"
        "def rights_of(owner):\n    return RIGHTS.get(owner)\n"
    )
    monkeypatch.syspath_prepend(folder)
    module = importlib.import_module("owners_installed")

    kept = KeptIdentities((module.rights_of,))

    assert kept.first_in([{"owner": module.ANN}]) is module.ANN
    assert kept.first_in([module.BOB]) is None


class Node:
    """Equal to itself alone."""


NODES = [Node() for _ in range(3)]
KNOWN = frozenset(NODES)


def is_known(node):
    return node in KNOWN


@pytest.mark.parametrize(("start", "given"), [("clean", list), ("fork", iter)])
def test_who_asks_for_processes_is_told_once_that_items_would_be_copies(start, given, monkeypatch):
    """All run there, as was asked. Nothing is told of items of which the function knows none."""
    monkeypatch.setenv("AMORSIZE_START", start)
    with pytest.warns(amorsize.AmorsizeWarning, match=r"Node that the function refers to") as told:
        found = tuned_map(is_known, given(NODES), backend="process", n_jobs=1, chunksize=1)
    assert found == [False] * 3
    assert sum("refers to" in str(one.message) for one in told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", amorsize.AmorsizeWarning)
        assert tuned_map(is_known, range(3), backend="process", n_jobs=1) == [False] * 3


@pytest.mark.filterwarnings("error::amorsize.AmorsizeWarning")
def test_who_asks_for_processes_is_told_of_what_cannot_be_sent(monkeypatch):
    """A worker has such an object as its own import makes it, where the program has filled it."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    assert tuned_map(state_items.by_weak_table, [0], backend="process", n_jobs=1) == [0]
    monkeypatch.setitem(state_items.NAMED, "scale", state_items.SCALE)
    with pytest.warns(amorsize.AmorsizeWarning, match=r"state_items.NAMED .* cannot be sent"):
        tuned_map(state_items.by_weak_table, [0], backend="process", n_jobs=1)


def test_where_too_much_is_reached_to_be_looked_at_copies_count_as_unknown(monkeypatch):
    """Be it the function's or the item's: rows of plain values are told at once."""
    monkeypatch.setattr(held_objects.Search.__init__, "__defaults__", (held_objects.ALONE, 3000))
    monkeypatch.setattr(kept_identities, "MOST_PARTS", 500)

    assert shared_by("is_beside_records", "{1: 2}") is None
    assert shared_by("lambda node: node in NODES or TREE", "Node(1)") is not None
    assert shared_by("weigh", "[[n, []] for n in range(1000)]") is not None
    assert shared_by("weigh", "[[n, 'a'] for n in range(1000)]") is None


def test_rows_of_plain_values_are_looked_at_together(monkeypatch):
    """One by one, 1000 dicts of 1000 lists take 3 s."""
    monkeypatch.setattr(kept_identities, "MOST_PARTS", 100)
    kept = KeptIdentities([state_items.is_the_first_row])
    tables = [{n: [n] for n in range(1000)} for _ in range(3)]

    assert kept.first_in(tables) is None
    assert kept.first_in([*tables, {1: [1], 2: state_items.ROWS[0]}]) is state_items.ROWS[0]

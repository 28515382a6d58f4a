"""Objects that a function knows by their identity are not sent to workers as copies."""

import pytest

from amorsize._function.kept_identities import KeptIdentities

KINDS = """
MISSING = object()

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

ITEMS = {
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
for func, items in ITEMS.items():
    tuned, looped = autotune(func), [func(item) for item in items]
    for _ in range(2):
        assert tuned({given}) == looped, (func, tuned.explain())
"""


@pytest.mark.parametrize(
    ("beside", "given"),
    [(True, "items"), (False, "iter(items)")],
    ids=["beside a thread", "from an iterator"],
)
def test_an_item_that_the_function_refers_to_is_found_again(run_script, beside, given):
    """A copy is equal to nothing that the function has, and the key of no table."""
    run_script(KINDS + CALLS.format(beside=beside, given=given))


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
        ("lambda node: burn() + node.number + ROOT.number", "NODES[1]"),
    ],
)
def test_objects_of_the_items_alone_may_be_sent(func, item):
    """So may those that the function has too, if it compares nothing."""
    assert shared_by(func, item) is None

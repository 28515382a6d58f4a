"""What is passed on through many helpers may be changed by the last of them."""

import collections
from typing import Any

import pytest

from amorsize._function.changes import call_edges
from amorsize._function.changes.call_graph import shortened
from amorsize._function.changes.library_targets import changed_by_itself
from amorsize._function.flow.value_flow import CALLED, ELEMENT, GIVEN, INSIDE, SUPER
from amorsize._function.sharing.findings import OF_ITEMS
from amorsize._function.sharing.thread_safety import examine

TABLE = {"n": 0}


def first(table):
    second(table)


def second(table):
    third(table)
    fourth(table)


def third(table):
    fourth(table)


def fourth(table):
    fifth(table)


def fifth(table):
    sixth(table)


def sixth(table):
    table["n"] += 1


def walk(table, n):
    if n:
        walk_on(table, n - 1)


def walk_on(table, n):
    if n:
        walk(table, n - 1)
    else:
        sixth(table)


def of_a_global(x):
    if x == 40:
        first(TABLE)


def of_a_global_by_turns(x):
    if x == 40:
        walk(TABLE, x)


def of_an_item(row):
    if row["n"] == 40:
        first(row)


@pytest.mark.parametrize("function", [of_a_global, of_a_global_by_turns])
def test_changes_deep_in_helpers_keep_items_in_the_caller(function):
    reach = examine(function, [1, 2])[0]

    assert "global TABLE" in "".join((*reach.stores, *reach.changed))


def test_changes_of_items_deep_in_helpers_are_seen():
    assert OF_ITEMS in examine(of_an_item, [{"n": 1}, {"n": 2}])[0].changed


def test_a_row_of_helpers_is_followed_to_its_end():
    """Each is read once, the last one first."""
    lines = [f"def f{at}(table, x): f{at + 1}(table, x)" for at in range(40)]
    space = {"__name__": "project", "TABLE": {}}
    lines += ["def f40(table, x): table[x] = x", "def item(x): f0(TABLE, x)"]
    exec("\n".join(lines), space)

    reach = examine(space["item"], [1, 2])[0]

    assert "global TABLE" in "".join((*reach.stores, *reach.changed))


NODES = """
class Node:
    def __init__(self, left, right): self.left, self.right, self.n = left, right, 0
    def first(self, x): self.n = x; self.left.second(x); self.right.third(x)
    def second(self, x): self.right.first(x); self.left.third(x)
    def third(self, x): self.left.first(x); self.right.second(x)
ROOT = Node(Node(None, None), None)
"""


@pytest.mark.parametrize("call", ["ROOT.first(x)", "ROOT.left.second(x)", "Node.third(ROOT, x)"])
def test_a_circle_of_methods_that_leads_ever_deeper_is_followed_to_its_end(call):
    """Each goes on to the left and to the right: there are ever more ways, all of them alike."""
    space: dict[str, Any] = {"__name__": "project"}
    exec(NODES, space)

    reach = examine(eval(f"lambda x: {call}", space), [1, 2])[0]

    assert "global ROOT" in "".join((*reach.stores, *reach.changed))
    assert not any("too much" in text for text in reach.unread)


def test_ways_that_lead_ever_deeper_are_kept_short():
    assert shortened((".left", ".left", ".left", ".n")) == (".left", ".left", ".n")
    assert shortened((ELEMENT, "[0]", GIVEN, ".n")) == (GIVEN, INSIDE, ".n")
    assert shortened((SUPER, ".n")) == (".n",)
    assert shortened((SUPER, ".made", CALLED, ".n")) == (SUPER, ".made", CALLED, ".n")
    assert shortened((".one", CALLED) * 4) is None


def test_what_a_circle_of_functions_changes_is_looked_for_once(monkeypatch):
    """Each function is read once with the same things bound to it, however many call it."""
    looked_for: list[str] = []

    def counted(func, bound):
        looked_for.append(func.__name__)
        return changed_by_itself(func, bound)

    monkeypatch.setattr(call_edges, "changed_by_itself", counted)
    calls = [(at, (at + 1) % 30, (at + 7) % 30) for at in range(30)]
    code = [f"def f{at}(x, to):\n    f{one}(x, to), f{two}(x, to)" for at, one, two in calls]
    code.append("def f3(x, to):\n    f4(x, to), to.append(x)")
    space: dict[str, Any] = {"__name__": "project", "FOUND": []}
    exec("\n".join(code), space)

    reach, _ = examine(eval("lambda x: f0(x, FOUND)", space), [1])

    assert "FOUND" in "".join((*reach.stores, *reach.changed))
    assert max(collections.Counter(looked_for).values()) <= 2  # once with nothing bound

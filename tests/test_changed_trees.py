"""Items that are trees: what is stored in their nodes is stored in the item."""

import xml.dom.minidom
import xml.etree.ElementTree as ElementTree

import pytest

from amorsize._function.sharing.findings import OF_ITEMS
from amorsize._function.sharing.thread_safety import examine


def by_set(doc):
    doc.set("x", "1")


def by_find(doc):
    doc.find("a").text = "big"


def by_iteration(doc):
    for node in doc.iter("a"):
        node.text = "big"


def by_finding_all(doc):
    for node in doc.findall("a"):
        node.set("x", "1")


def set_in(node):
    node.set("x", "1")


def by_helper(doc):
    for node in doc.iter():
        set_in(node)


def by_attributes(doc):
    doc.find("a").attrib["x"] = "1"


def by_insertion(doc):
    doc.find("a").append(ElementTree.Element("b"))


def in_a_part(row):
    row["doc"].find("a").text = "big"


DOCS = [ElementTree.fromstring("<r><a/></r>") for _ in range(2)]
CHANGING = [by_set, by_find, by_iteration, by_finding_all, by_helper, by_attributes, by_insertion]


@pytest.mark.parametrize("func", CHANGING)
def test_changes_of_nodes_are_changes_of_the_item(func):
    """A worker has a copy of the tree, and would lose them."""
    assert OF_ITEMS in examine(func, DOCS)[0].changed


def test_a_tree_in_an_item_is_judged_too():
    """Wherever it lies."""
    assert OF_ITEMS in examine(in_a_part, [{"doc": doc} for doc in DOCS])[0].changed


def by_attribute_of_node(doc):
    doc.getElementsByTagName("a")[0].setAttribute("x", "1")


def test_nodes_of_a_library_written_in_python_are_judged_too():
    """Their methods are known by their names."""
    docs = [xml.dom.minidom.parseString("<r><a/></r>") for _ in range(2)]

    assert OF_ITEMS in examine(by_attribute_of_node, docs)[0].changed


def counting(doc):
    return len(doc.findall("a")), {node.tag: set(node.text or "") for node in doc.iter()}


def building(doc):
    new = ElementTree.Element("b")
    new.set("x", doc.find("a").get("n", ""))
    new.text = "new"
    ElementTree.SubElement(new, "c").set("y", "1")
    return ElementTree.tostring(new)


@pytest.mark.parametrize("func", [counting, building])
def test_trees_that_are_only_read_may_be_sent(func):
    """So may those of which an item makes a new one."""
    assert not examine(func, DOCS)[0].changed

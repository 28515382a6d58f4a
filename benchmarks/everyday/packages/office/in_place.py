"""Functions that change their item, as a loop's body would: the results are not wanted."""

import collections
import dataclasses
import heapq
import itertools
import time
from array import array
from xml.etree import ElementTree

from .casebook import CALLER, THREADS, of_kind, work

case = of_kind("in place", __name__, right=CALLER)
N = 60
WAIT_S = 0.006


def rows():
    return [{"name": f"  Row {k} ", "tags": []} for k in range(N)]


@case(rows)
def cleaned_row(row):
    work()
    row["name"] = row["name"].strip().lower()
    row["size"] = len(row["name"])


@case(rows)
def tagged_row(row):
    """A list within the item."""
    work()
    row["tags"].append(row["name"].strip())


@case(rows)
def shortened_row(row):
    work()
    del row["tags"]
    row.pop("name")


def _stamp(row):
    row["stamp"] = 1


@case(rows)
def through_a_helper(row):
    work()
    _stamp(row)


@case(rows, right=THREADS)
def fetched_row(row):
    """Waits: threads are right, since each item is its own."""
    time.sleep(WAIT_S)
    row["answer"] = len(row["name"])


class Account:
    """An object that changes itself."""

    def __init__(self, n):
        self.n, self.balance, self.owner = n, 0, {"paid": False}

    def pay(self, amount):
        self.balance += amount


def accounts():
    return [Account(k) for k in range(N)]


@case(accounts)
def settled(account):
    work()
    account.pay(account.n)


@case(accounts)
def marked_inside(account):
    work()
    account.owner["paid"] = True


@case(accounts, right=THREADS)
def paid_after_wait(account):
    time.sleep(WAIT_S)
    account.balance = account.n


@case(accounts)
def by_setattr_on_item(account):
    work()
    for name in ("balance", "n"):
        setattr(account, name, -1)


@case(accounts)
def by_update(account):
    work()
    account.__dict__.update(balance=5)


case(accounts, name="method_called")(lambda account: (work(), account.pay(3))[1])


@dataclasses.dataclass(slots=True)
class Point:
    """Slots and no dictionary."""

    x: int
    y: int = 0


@case(lambda: [Point(k) for k in range(N)])
def moved(point):
    work()
    point.x, point.y = -point.x, point.x


@case(lambda: [[k * 7 % 13, k, -k] for k in range(N)])
def sorted_list(numbers):
    work()
    numbers.sort()


@case(lambda: [[k, -k] for k in range(N)])
def replaced_slice(numbers):
    work()
    numbers[:] = [sum(numbers), len(numbers)]


@case(lambda: [{k} for k in range(N)])
def grown_set(numbers):
    work()
    numbers |= {1000, 1001}


@case(lambda: [collections.deque([k], maxlen=3) for k in range(N)])
def turned_deque(numbers):
    work()
    numbers.extend((1, 2))
    numbers.rotate(1)


@case(lambda: [collections.Counter(a=k) for k in range(N)])
def updated_counter(counter):
    work()
    counter.update("abc")


@case(lambda: [bytearray(f"page {k}", "ascii") for k in range(N)])
def upper_bytes(page):
    work()
    page[:] = page.upper()


@case(lambda: [array("l", [k, k + 1]) for k in range(N)])
def doubled_array(numbers):
    work()
    for i, n in enumerate(numbers):
        numbers[i] = 2 * n


@case(lambda: [[5, 3, k, 1] for k in range(N)])
def heaped(numbers):
    """Changed by C code that is given it."""
    work()
    heapq.heapify(numbers)


def elements():
    root = ElementTree.Element("root")
    for k in range(N):
        ElementTree.SubElement(root, "item").text = str(k)
    return list(root)


@case(elements)
def marked_element(element):
    work()
    element.set("seen", "yes")
    element.text += "!"


@case(lambda: [({"n": k}, k) for k in range(N)])
def inside_tuple(pair):
    work()
    pair[0]["n"] += pair[1]


@case(lambda: [iter(range(k, k + 9)) for k in range(N)], right=CALLER)
def taken_from(iterator):
    """Items are iterators, which go on."""
    work()
    return next(iterator), next(iterator)


@case(lambda: [[0]] * N, right=CALLER)
def one_list_for_all(numbers):
    work()
    numbers[0] += 1


def linked():
    nodes = [{"value": k, "next": None} for k in range(N)]
    for one, following in itertools.pairwise(nodes):
        one["next"] = following
    return nodes


@case(lambda: linked()[:-1], right=CALLER)
def value_of_next(node):
    """Each item reads what the one before it has changed."""
    work()
    node["next"]["value"] += node["value"] % 5
    return node["value"]


@case(lambda: [[[k, 1], [2]] for k in range(N)])
def nested_lists(lists):
    work()
    for one in lists:
        one.append(0)


@case(rows, rows)
def copied_over(target, source):
    """The first of two is changed."""
    work()
    target.update(source, copied=True)

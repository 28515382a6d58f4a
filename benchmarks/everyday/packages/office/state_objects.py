"""Functions that keep something from one item to the next in objects, closures and classes."""

import collections
import contextlib
import ctypes
import dataclasses
import heapq
import itertools
import random
import weakref
from array import array

from .casebook import ANYWHERE, CALLER, of_kind, work

case = of_kind("state", __name__, right=CALLER)
N = 60


class Account:
    """Money that is paid in."""

    __slots__ = ("balance", "log")

    def __init__(self):
        self.balance, self.log = 0, []

    def pay(self, amount):
        work()
        self.balance += amount
        self.log.append(amount)
        return self.balance


account = Account()
case(range(N), name="method_that_counts", made=lambda: account.pay)(None)


@case(range(N))
def through_global(amount):
    return account.pay(amount)


@dataclasses.dataclass
class Statistics:
    """Running figures."""

    n: int = 0
    mean: float = 0.0
    most: float = 0.0

    def add(self, x):
        self.n += 1
        self.mean += (x - self.mean) / self.n
        self.most = max(self.most, x)


figures = Statistics()


@case([float(k * 37 % 11) for k in range(N)])
def running_mean(x):
    work()
    figures.add(x)
    return figures.mean


def counting():
    """A closure that counts."""
    n = 0

    def next_number(k):
        nonlocal n
        work()
        n += 1
        return n, k

    return next_number


case(range(N), name="closure_that_counts", made=counting)(None)


@case(range(N))
def counts_itself(k):
    work()
    counts_itself.n += 1
    return counts_itself.n


counts_itself.n = 0


@case(range(N))
def default_that_grows(k, found=[]):  # noqa: B006
    work()
    found.append(k)
    return len(found)


default_that_grows_seen = default_that_grows.__defaults__


class Ticket:
    """Numbers itself through its class."""

    _numbers = itertools.count(1)
    n_made = 0

    def __init__(self, what):
        type(self).n_made += 1
        self.number, self.what = next(self._numbers), what


@case(range(N))
def ticket(k):
    work()
    return Ticket(k).number


class Registry(type):
    """Remembers each class that is made."""

    names: list = []

    def __new__(cls, name, bases, body):
        made = super().__new__(cls, name, bases, body)
        cls.names.append(name)
        return made


@case(range(N))
def makes_classes(k):
    work()
    return Registry(f"Made{k}", (), {}).__name__, len(Registry.names)


class Singleton:
    """There is one."""

    _one = None

    def __new__(cls):
        if cls._one is None:
            cls._one = super().__new__(cls)
            cls._one.requests = 0
        return cls._one


@case(range(N))
def through_singleton(k):
    work()
    Singleton().requests += 1
    return Singleton().requests


class Throttle:
    """A property that stores."""

    def __init__(self):
        self._level, self.changes = 0, 0

    @property
    def level(self):
        return self._level

    @level.setter
    def level(self, value):
        if value != self._level:
            self.changes += 1
        self._level = value


throttle = Throttle()


@case(range(N))
def by_property(k):
    work()
    throttle.level = k // 7
    return throttle.changes


class Cache(dict):
    """Fills itself."""

    def __missing__(self, key):
        work()
        self[key] = len(self)
        return self[key]


cache = Cache()


@case([k * 7 % 40 for k in range(N)])
def self_filling(key):
    return cache[key], work()


ids = itertools.count(100)
colours = itertools.cycle(["red", "green", "blue"])
letters = iter("abcdefghijklmnopqrstuvwxyz" * 10)


@case(range(N))
def numbered(k):
    work()
    return next(ids), k


@case(range(N))
def coloured(k):
    work()
    return next(colours)


@case(range(N))
def lettered(k):
    work()
    return next(letters)


def _averages():
    total, n = 0.0, 0
    while True:
        x = yield total / max(1, n)
        total, n = total + x, n + 1


averager = _averages()
next(averager)


@case(range(N))
def by_coroutine(x):
    work()
    return averager.send(x)


fifo = collections.deque(maxlen=5)


@case(range(N))
def last_five(k):
    work()
    fifo.append(k)
    return sum(fifo)


best: list = []


@case([k * 37 % 101 for k in range(N)])
def best_three(x):
    work()
    heapq.heappush(best, x)
    if len(best) > 3:
        heapq.heappop(best)
    return list(best)


totals = array("q", [0] * 10)


@case(range(N))
def into_array(k):
    work()
    totals[k % 10] += k


class Pair(ctypes.Structure):
    """Two numbers as C has them."""

    _fields_ = [("low", ctypes.c_long), ("high", ctypes.c_long)]


extremes = Pair(1000, -1000)


@case([k * 37 % 101 for k in range(N)], effects=lambda: (extremes.low, extremes.high))
def into_structure(x):
    work()
    extremes.low, extremes.high = min(extremes.low, x), max(extremes.high, x)


class Node:
    """Held weakly by a table."""

    def __init__(self, k):
        self.k = k


kept: list = []
by_number: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


@case(range(N), effects=lambda: sorted(by_number))
def held_weakly(k):
    work()
    node = Node(k)
    kept.append(node)
    by_number[k] = node


stack = contextlib.ExitStack()
closed: list = []


@case(range(N), effects=lambda: (stack.pop_all().close(), list(closed))[1])
def to_be_closed(k):
    """Registers what is to be done at the end."""
    work()
    stack.callback(closed.append, k)


own_generator = random.Random(5)


@case(range(N), draws=True, right=ANYWHERE, reseed=lambda: own_generator.seed(5),
      ignored=("own_generator",))  # fmt: skip
def drawn_from_own(_):
    work()
    return own_generator.random()


@case(range(N), draws=True, right=ANYWHERE)
def drawn_from_global(_):
    work()
    return random.random(), random.gauss(0, 1)


@case(range(N), draws=True, right=ANYWHERE)
def sampled(_):
    work()
    return random.sample(range(10**9), 3)

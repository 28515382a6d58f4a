"""Functions that keep books on the way, in places that a reader finds late."""

import collections
import csv
import dataclasses
import hashlib
import itertools
import zlib

from .casebook import CALLER, of_kind, work
from .desk import clerk

case = of_kind("state", __name__, right=CALLER)
N = 60
running, squeezer = hashlib.sha256(), zlib.compressobj()


@case(range(N))
def running_checksum(k):
    work()
    running.update(str(k).encode())
    return running.hexdigest()[:8]


@case(range(N))
def squeezed(k):
    work()
    return len(squeezer.compress(str(k).encode() * 300))


def ledger():
    from . import ledger as found

    return found.total, found.entries


@case(range(N), effects=ledger)
def into_ledger_above(k):
    work()
    return clerk.enter(k)


@case(range(N), effects=ledger)
def into_ledger_by_name(k):
    work()
    return clerk.add(k)


@case(range(N))
def corrected_seldom(k):
    work()
    return clerk.correct(k) if k > 40 else k


class Total:
    """Of all that is told."""

    n = 0


class CountedFile:
    """Counts elsewhere what is written to it."""

    def write(self, text):
        Total.n += len(text)


told = CountedFile()


@case(range(N))
def printed_to_counter(k):
    work()
    print(k, file=told)


@case(range(N))
def rows_to_counter(k):
    work()
    csv.writer(told).writerow([k, k * k])
    return Total.n


class Importer:
    """Found by the class that it extends."""

    n = 0

    def take(self, k):
        return k


class CsvImporter(Importer):
    """Counts."""

    def take(self, k):
        Importer.n += 1
        return k


@case(range(N))
def by_subclasses(k):
    work()
    return [one().take(k) for one in Importer.__subclasses__()]


@dataclasses.dataclass
class Server:
    """Has work to do."""

    name: str
    load: int = 0


servers = [Server("a"), Server("b"), Server("c")]


@case(range(N))
def least_loaded(k):
    work()
    server = min(servers, key=lambda one: one.load)
    server.load += k
    return server.name


class Breaker:
    """Gives up after three failures."""

    def __init__(self):
        self.n_failures = 0

    def __call__(self, function):
        def guarded(k):
            if self.n_failures >= 3:
                return "open"
            try:
                return function(k)
            except ValueError:
                self.n_failures += 1
                return "failed"

        return guarded


@case(range(N), name="behind_breaker")
@Breaker()
def behind_breaker(k):
    work()
    if k % 9 == 5:
        raise ValueError(k)
    return k


recent: collections.OrderedDict = collections.OrderedDict()


@case([k * 7 % 13 for k in range(N)], effects=lambda: list(recent))
def least_recent(k):
    work()
    recent[k] = recent.pop(k, 0) + 1
    recent.move_to_end(k, last=False)
    if len(recent) > 5:
        recent.popitem()
    return list(recent)[:2]


class Order:
    """Numbers itself by a default that counts."""

    numbers = itertools.count(1)

    def __init__(self, what):
        self.what, self.number = what, next(Order.numbers)


@case(range(N))
def order_number(k):
    work()
    return Order(k).number


class Released:
    """Tells that it is gone."""

    n = 0

    def __del__(self):
        Released.n += 1


@case(range(N))
def counted_when_gone(k):
    work()
    Released()
    return Released.n

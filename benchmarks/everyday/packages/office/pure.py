"""Functions whose result follows from their item alone: all of them should run in parallel."""

import base64
import dataclasses
import decimal
import difflib
import fractions
import functools
import hashlib
import json
import re
import statistics
import textwrap
import zlib

from .casebook import ANYWHERE, PROCESSES, of_kind, pages, work

case = of_kind("pure", __name__, right=ANYWHERE)
N = 60


@case(range(1000, 1000 + N))
def collatz(number):
    """The longest way to 1 from here on."""
    longest = 0
    for start in range(number * 50, number * 50 + 400):
        n, steps = start, 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        longest = max(longest, steps)
    return longest


@case(range(N))
def primes(block):
    """Trial division."""
    numbers = range(block * 300 + 10_000, block * 300 + 10_300)
    return [n for n in numbers if all(n % d for d in range(2, int(n**0.5) + 1))]


@case(pages(N))
def words(page):
    """Count words."""
    counts = {}
    for _ in range(60):
        for word in re.findall(r"[a-z]+", page):
            counts[word] = counts.get(word, 0) + 1
    return counts


@case(pages(N))
def packed(page):
    return zlib.adler32(zlib.compress(page.encode() * 150, 9))


@case(pages(N))
def digest(page):
    return hashlib.pbkdf2_hmac("sha256", page.encode(), b"salt", 9_000).hex()


@case(range(N))
def round_trip(k):
    record = {"id": k, "rows": [{"n": i, "text": "x" * (i % 9)} for i in range(300)]}
    for _ in range(6):
        record = json.loads(json.dumps(record))
    return record["rows"][k % 300]


@case(pages(N))
def wrapped(page):
    for width in range(30, 42):
        lines = textwrap.wrap(page, width)
    return lines


@case(pages(N))
def alike(page):
    return round(difflib.SequenceMatcher(None, page, page[::-1]).ratio(), 6)


@case(range(N))
def harmonic(k):
    total = sum((fractions.Fraction(1, n) for n in range(1, 220 + k)), start=fractions.Fraction())
    return total.denominator % 1_000_003


@case(range(N))
def root(k):
    with decimal.localcontext() as context:
        context.prec = 500
        x = decimal.Decimal(k + 2)
        for _ in range(30):
            y = x.sqrt()
        return str(y)[-20:]


@case(range(N))
def spread(k):
    sample = [(i * 7919 + k) % 1009 for i in range(1500)]
    return statistics.stdev(sample), statistics.median(sample)


@case(pages(N))
def coded(page):
    for _ in range(700):
        text = base64.b85encode(page.encode())
    return text[-9:]


@dataclasses.dataclass(frozen=True)
class Tax:
    """Rates that never change."""

    rate: int
    free: int = 100

    def due(self, income):
        """What is owed."""
        work()
        return max(0, income - self.free) * self.rate // 100


case(range(N), name="method_of_frozen", made=lambda: Tax(19).due)(None)
case(range(N), name="a_partial", made=lambda: functools.partial(power, 7))(None)


def power(exponent, base):
    work()
    return base**exponent


def of_degree(coefficients):
    """A closure over constants."""

    def polynomial(x):
        work()
        return sum(c * x**k for k, c in enumerate(coefficients))

    return polynomial


case(range(N), name="a_closure", made=lambda: of_degree((1, 2, 3)))(None)
case(range(N), name="a_lambda", made=lambda: lambda x: (work(), x * x)[1])(None)


@case(range(N), range(100, 100 + N), kwargs={"sep": "/"})
def label(name, number, sep="-"):
    work()
    return f"{name}{sep}{number}"


@functools.cache
def partitions(n, most):
    """A table that fills itself; what is in it changes nothing but the time."""
    if n == 0:
        return 1
    return sum(partitions(n - k, k) for k in range(1, min(n, most) + 1))


@case(range(N))
def cached_helper(k):
    work()
    return partitions(k, k)


@case(lambda: ({"id": k, "name": f" Row {k} "} for k in range(N)), right=PROCESSES)
def cleaned(row):
    """A new row instead of a change."""
    work()
    return {**row, "name": row["name"].strip().lower()}


@case(range(N))
def lines(k):
    """A generator inside."""

    def countdown():
        n = k
        while n:
            yield n
            n -= 1

    work()
    return list(countdown())

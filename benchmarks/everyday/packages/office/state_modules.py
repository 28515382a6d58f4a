"""Functions that keep something from one item to the next in globals of modules."""

import bisect
import collections
import functools
import sys
import types

from thirdparty import clients, texts

from . import ledger
from .casebook import CALLER, PROCESSES, of_kind, pages, work

case = of_kind("state", __name__, right=CALLER)
N = 60

total = 0
history: list = []
counts: dict = {}
words: collections.Counter = collections.Counter()
groups: collections.defaultdict = collections.defaultdict(list)
known: set = set()
ordered: list = []
latest = None
nested = {"sums": {"odd": 0, "even": 0}, "last": [None]}
text = ""


@case(range(N))
def added(k):
    global total
    work()
    total += k
    return total


@case(range(N))
def remembered(k):
    work()
    history.append(k)
    return len(history)


@case(range(N))
def collected(k):
    """Results put into a list, as in a loop's body."""
    work()
    collected_into.append((k, k * k))


collected_into: list = []
alias = collected_into


@case(range(N))
def collected_by_alias(k):
    work()
    alias.append(k)


@case(range(N), kwargs={"out": collected_into})
def collected_by_keyword(k, out):
    work()
    out.append(-k)


def _note(k):
    history.append(-k)


@case(range(N))
def through_helper(k):
    work()
    _note(k)


@case(pages(N))
def counted(page):
    work(40_000)
    for word in page.split():
        counts[word] = counts.get(word, 0) + 1


@case(pages(N))
def tallied(page):
    work(40_000)
    words.update(page.split())


@case(range(N))
def grouped(k):
    work()
    groups[k % 4].append(k)


@case([k * 7 % 30 for k in range(N)])
def seen_before(k):
    """Leaves out what was there."""
    work()
    if k in known:
        return None
    known.add(k)
    return k


@case([k * 37 % 101 for k in range(N)])
def rank_so_far(x):
    work()
    bisect.insort(ordered, x)
    return ordered.index(x)


@case([k * k % 23 for k in range(N)])
def change_since_last(x):
    global latest
    work()
    change = None if latest is None else x - latest
    latest = x
    return change


@case(range(N))
def nested_sums(k):
    work()
    nested["sums"]["odd" if k % 2 else "even"] += k
    nested["last"][0] = k


@case(range(N))
def longer_text(k):
    global text
    work(30_000)
    text += f"{k},"
    return len(text)


@case(range(N))
def by_computed_name(k):
    work()
    globals()["tota" + "l"] += 1


@case(range(N))
def in_other_module(k):
    work()
    ledger.total += k
    return ledger.total


@case(range(N))
def by_setattr(k):
    work()
    setattr(ledger, "last", k)  # noqa: B010
    return getattr(ledger, "last", None)


@case(range(N))
def in_module_table(k):
    work()
    module = sys.modules.setdefault("office_table", types.ModuleType("office_table"))
    module.n = getattr(module, "n", 0) + 1
    return module.n


@case(range(N), effects=lambda: len(clients.OPENED))
def in_library_list(k):
    """A list that another's module keeps."""
    work()
    clients.OPENED.append(k)


library_parser = texts.Parser()


@case(range(N))
def in_library_object(k):
    work()
    library_parser.feed(str(k))
    return len(library_parser.parts)


@functools.cache
def number_of(name):
    """Each new name gets the next number."""
    return len(names_so_far) if names_so_far.append(name) is None else 0


names_so_far: list = []


@case([f"name{k * 7 % 25}" for k in range(N)])
def numbers_names(name):
    work()
    return number_of(name)


memo: dict = {0: 1}


@case(range(N))
def memoised(k):
    """A table of results: where it is filled changes no result, but the program finds it empty."""
    work()
    if k not in memo:
        memo[k] = k * k
    return memo[k]


limit = [None]


@case(range(N), right=CALLER)
def lazy_start(k):
    """The first item sets what the others use."""
    work()
    if limit[0] is None:
        limit[0] = k + 100
    return k + limit[0]


@case(range(N), right=PROCESSES)
def scratch_space(k):
    """One list, emptied and used by each item in turn."""
    scratch.clear()
    scratch.extend(range(k, k + 50))
    work()
    result = sum(scratch)
    scratch.clear()
    return result


scratch: list = []


class Buffer:
    """The same in an object."""

    def __init__(self):
        self.parts = []

    def joined(self, k):
        self.parts = [str(k)]
        work()
        self.parts.append("end")
        text, self.parts = "-".join(self.parts), []
        return text


buffer = Buffer()
case(range(N), name="scratch_object", right=PROCESSES, made=lambda: buffer.joined)(None)


@case(lambda: [(k, history) for k in range(N)], right=CALLER)
def list_in_items(pair):
    """All items bring the same list along."""
    k, out = pair
    work()
    out.append(k)
    return len(out)


lookup = {k: k * k for k in range(N)}


@case(range(N), right=PROCESSES)
def only_read(k):
    """A table that nobody changes."""
    work()
    return lookup[k]


waiting = {k: -k for k in range(N)}


@case(range(N))
def taken_out(k):
    """Each item takes its own entry out; later calls find none."""
    work()
    return waiting.pop(k, None)

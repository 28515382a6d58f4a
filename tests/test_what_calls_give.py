"""What is stored into a part of something shared is told, however code has got that part.

By slices and sums, by new containers of the same elements, by what libraries give of what they are
handed, by views of memory, and by objects that lead to others.
"""

import argparse
import array
import bisect
import builtins
import collections
import contextlib
import copy
import csv
import ctypes
import dataclasses
import functools
import gc
import heapq
import importlib
import io
import itertools
import json
import operator
import random
import re
import shutil
import string
import struct
import types
import weakref

import pytest

from amorsize._function.callables import public_name_of
from amorsize._function.library.effect_table import rules
from amorsize._function.library.gives import GIVES
from amorsize._function.sharing.thread_safety import examine

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

ROWS = [{"n": 0, "tags": []}, {"n": 1, "tags": []}]
LISTS = [[1], [2]]
PAIR = ([1], [2])
TABLE = {"a": {"n": 0}, "b": {"n": 0}}
NAMES = ["b", "a"]
NUMBERS = np.arange(12.0).reshape(3, 4)
LINE = np.ones(8)
SHEET = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
CELLS = pd.DataFrame({"tags": [[], []]})
BYTES, WORDS, MEMORY = bytearray(8), array.array("i", [0] * 4), io.BytesIO(b"abcd")
STREAM = io.StringIO()
C_NUMBER, C_NUMBERS, C = ctypes.c_int(0), (ctypes.c_int * 4)(), ctypes.CDLL(None)
PARSER = argparse.ArgumentParser()
PARSER.add_argument("--n", type=int)
GROWING = collections.defaultdict(list)


@dataclasses.dataclass
class Order:
    n: int = 0
    lines: list[object] = dataclasses.field(default_factory=list)


class Trade(collections.namedtuple("Trade", "price lines")):
    pass


ORDER, TRADE, SPACE = Order(), Trade(1, []), types.SimpleNamespace(lines=[])
WEAK, PROXY = weakref.ref(ORDER), weakref.proxy(ORDER)


# -- slices, sums and copies -----------------------------------------------------------------


def each_of_a_slice(x):
    for row in ROWS[1:]:
        row["n"] = x


def added_to_a_list(x):
    rows = []
    rows += ROWS
    rows[0]["n"] = x


def put_into_a_slice(x):
    rows = []
    rows[:] = ROWS
    rows[0]["n"] = x


def put_at_the_front(x):
    rows = []
    rows.insert(0, ROWS[0])
    rows[0]["n"] = x


def groups_by_number(x):
    groups = collections.defaultdict(list)
    for row in ROWS:
        groups[row["n"]].append(row)
    for rows in groups.values():
        rows[0]["n"] = x


COPIES = {
    "slice": each_of_a_slice,
    "element of a slice": lambda x: LISTS[:1][0].append(x),
    "slice of a tuple": lambda x: PAIR[1:][0].append(x),
    "sum": lambda x: (LISTS + LISTS)[0].append(x),
    "sum with a new list": lambda x: [row.append(x) for row in [*LISTS, [1]]],
    "sum of tuples": lambda x: (PAIR + (x,))[0].append(x),  # noqa: RUF005 - as people write it
    "product": lambda x: (LISTS * 2)[1].append(x),
    "union": lambda x: (TABLE | {})["a"].update(n=x),
    "added to a list": added_to_a_list,
    "put into a slice": put_into_a_slice,
    "put at the front": put_at_the_front,
    "groups": groups_by_number,
    "copy": lambda x: copy.copy(LISTS)[0].append(x),
    "copy of a dict": lambda x: copy.copy(TABLE)["a"].update(n=x),
    "copy of an object": lambda x: copy.copy(ORDER).lines.append(x),
    "replaced": lambda x: dataclasses.replace(ORDER, n=2).lines.append(x),
    "replaced in a tuple": lambda x: TRADE._replace(price=2).lines.append(x),
    "pairs": lambda x: dict(zip("ab", LISTS, strict=True))["a"].append(x),
    "names": lambda x: dict(rows=LISTS[0])["rows"].append(x),  # noqa: C408 - as people write it
    "fromkeys": lambda x: dict.fromkeys("ab", NAMES)["a"].append(x),
    "namespace": lambda x: types.SimpleNamespace(lines=NAMES).lines.append(x),
    "chain of tables": lambda x: collections.ChainMap({}, TABLE)["a"].update(n=x),
    "popped": lambda x: {row["n"]: row for row in ROWS}.popitem()[1].update(n=x),
    "array of objects": lambda x: np.array(ROWS, dtype=object)[0].update(n=x),
}

# -- what libraries give ---------------------------------------------------------------------


def groups_in_turn(x):
    for _, rows in itertools.groupby(ROWS, key=len):
        next(iter(rows))["n"] = x


def first_of_two_iterators(x):
    first, _ = itertools.tee(ROWS)
    next(first)["n"] = x


def each_pair(x):
    for row, _ in itertools.product(ROWS, "ab"):
        row["n"] = x


def each_two(x):
    for _, second in itertools.pairwise(ROWS):
        second["n"] = x


def rows_of_a_sheet(x):
    for row in CELLS.itertuples():
        row.tags.append(x)


FROM_LIBRARIES = {
    "groupby": groups_in_turn,
    "tee": first_of_two_iterators,
    "product": each_pair,
    "pairwise": each_two,
    "combinations": lambda x: [a.append(x) for a, _ in itertools.combinations(LISTS, 2)],
    "chain": lambda x: [a.append(x) for a in itertools.chain.from_iterable([LISTS])],
    "takewhile": lambda x: [a.append(x) for a in itertools.takewhile(len, LISTS)],
    "compress": lambda x: [a.append(x) for a in itertools.compress(LISTS, [1, 1])],
    "zip_longest": lambda x: [a.append(x) for a, _ in itertools.zip_longest(LISTS, "")],
    "repeat": lambda x: [a.append(x) for a in itertools.repeat(NAMES, 1)],
    "accumulate": lambda x: [a.append(x) for a in itertools.accumulate(LISTS, lambda _, b: b)],
    "map": lambda x: [a.append(x) for a in map(lambda row: row, LISTS)],  # noqa: C417
    "map of a method": lambda x: [a.update(n=x) for a in map(TABLE.get, "ab")],
    "map of an object": lambda x: [a.append(x) for a in map(operator.itemgetter(0), [LISTS])],
    "nsmallest": lambda x: heapq.nsmallest(1, LISTS)[0].append(x),
    "merge": lambda x: next(heapq.merge(LISTS)).append(x),
    "sum": lambda x: sum([LISTS], [])[0].append(x),  # noqa: RUF017
    "reduce": lambda x: functools.reduce(operator.add, [LISTS, LISTS])[0].append(x),
    "choice": lambda x: random.Random(1).choice(LISTS).append(x),
    "sample": lambda x: random.Random(1).sample(LISTS, 1)[0].append(x),
    "largest": lambda x: max(LISTS, key=len).append(x),
    "largest or another": lambda x: max([], default=NAMES).append(x),
    "one of two": lambda x: max(PAIR[0], PAIR[1]).append(x),
    "next or another": lambda x: next(iter([]), NAMES).append(x),
    "next of an iterator": lambda x: iter(LISTS).__next__().append(x),
    "rows of a table": rows_of_a_sheet,
}

# -- generators, and names that are bound on the way -----------------------------------------


def walk(rows):
    yield from rows


def walk_on(rows):
    yield from walk(rows)


@contextlib.contextmanager
def lent():
    yield NAMES


def inner_generator(x):
    def each():
        yield from LISTS[1:]

    for row in each():
        row.append(x)


def generator_of_an_argument(x):
    def each(rows):
        yield from rows

    for row in each(LISTS):
        row.append(x)


def several_yields(x):
    def each():
        yield LISTS[0]
        yield [x]

    for row in each():
        row.append(x)


def within_itself(x):
    def each(node):
        yield node
        for child in node.get("tags", ()):
            yield from each(child)

    for node in each(ROWS[0]):
        node["n"] = x


def bound_in_a_comprehension(x):
    [last := row for row in ROWS]
    last["n"] = x


def bound_by_an_inner_function(x):
    last = {}

    def choose():
        nonlocal last
        last = ROWS[0]

    choose()
    last["n"] = x


def bound_with_the_rest(x):
    _, *rest = ROWS
    rest[0]["n"] = x


def matched_rest(x):
    match TABLE:
        case {"a": _, **rest}:
            rest["b"]["n"] = x


def matched_rest_of_a_list(x):
    match LISTS:
        case [_, *rest]:
            rest[0].append(x)


def lent_by_a_helper(x):
    with lent() as names:
        names.append(x)


BOUND = {
    "helper": lambda x: [row.append(x) for row in walk(LISTS)],
    "helper of a helper": lambda x: [row.append(x) for row in walk_on(LISTS)],
    **{
        function.__name__.replace("_", " "): function
        for function in (
            *(inner_generator, generator_of_an_argument, several_yields, within_itself),
            *(bound_in_a_comprehension, bound_by_an_inner_function, bound_with_the_rest),
            *(matched_rest, matched_rest_of_a_list, lent_by_a_helper),
        )
    },
}

# -- objects that lead to others -------------------------------------------------------------


def two_of_a_table(x):
    first, _ = operator.itemgetter("a", "b")(TABLE)
    first["n"] = x


LEADING = {
    "methodcaller": lambda x: operator.methodcaller("append", x)(NAMES),
    "methodcaller by another name": lambda x, of=operator.methodcaller: of("append", x)(NAMES),
    "methodcaller in map": lambda x: list(map(operator.methodcaller("append", x), LISTS)),
    "methodcaller as a key": lambda x: sorted(LISTS, key=operator.methodcaller("pop")),
    "itemgetter": lambda x: operator.itemgetter("a")(TABLE).update(n=x),
    "itemgetter of two": two_of_a_table,
    "attrgetter": lambda x: operator.attrgetter("lines")(ORDER).append(x),
    "weak reference": lambda x: WEAK().lines.append(x),
    "weak reference, set": lambda x: setattr(WEAK(), "n", x),
    "weak reference made there": lambda x: weakref.ref(ORDER)().lines.append(x),
    "weak proxy": lambda x: setattr(PROXY, "n", x),
    "set on a class": lambda x: type.__setattr__(Order, "n", x),
}

# -- memory ----------------------------------------------------------------------------------


def through_nditer(x):
    with np.nditer(LINE, op_flags=["readwrite"]) as numbers:
        for number in numbers:
            number[...] = x


def through_a_masked_array(x):
    np.ma.masked_array(LINE).data[0] = x


def through_each_row(x):
    np.apply_along_axis(lambda row: row.__setitem__(0, x) or 0, 1, NUMBERS)


def through_a_slice(x):
    part = LINE[2:]
    part += x


def through_c_memory(x):
    number = (ctypes.c_char * 4).from_buffer(BYTES)
    number[0] = b"x"


MEMORIES = {
    "nditer": through_nditer,
    "masked": through_a_masked_array,
    "each row": through_each_row,
    "slice": through_a_slice,
    "require": lambda x: np.require(LINE).fill(x),
    "real": lambda x: np.real(LINE).fill(x),
    "trim_zeros": lambda x: np.trim_zeros(LINE).fill(x),
    "rollaxis": lambda x: np.rollaxis(NUMBERS, 1).fill(x),
    "ravel": lambda x: np.ravel(NUMBERS).fill(x),
    "flipud": lambda x: np.flipud(NUMBERS).fill(x),
    "einsum": lambda x: np.einsum("i->i", LINE).fill(x),
    "on a buffer": lambda x: np.ndarray((4,), np.uint8, BYTES).fill(x),
    "matrix": lambda x: np.asmatrix(NUMBERS).fill(x),
    "dlpack": lambda x: np.from_dlpack(LINE).fill(x),
    "out by place": lambda x: np.clip(LINE, x, x, LINE),
    "out of C code by place": lambda x: np.dot(NUMBERS.T, NUMBERS, NUMBERS),
    "resized": lambda x: LINE.resize(9, refcheck=False),
    "slice of a view": lambda x: memoryview(BYTES)[1:3].__setitem__(0, 1),
    "bytes of a stream": lambda x: MEMORY.getbuffer().__setitem__(0, 1),
    "frombytes": lambda x: WORDS.frombytes(b"abcd"),
    "fromlist": lambda x: WORDS.fromlist([x]),
    "fromfile": lambda x: WORDS.fromfile(io.BytesIO(b"abcd"), 1),
    "readinto of a view": lambda x: io.BytesIO(b"a").readinto(memoryview(BYTES)[:4]),
    "C memory": through_c_memory,
    "C number": lambda x: setattr(ctypes.c_int.from_buffer(BYTES), "value", x),
    "memmove": lambda x: ctypes.memmove(C_NUMBERS, b"abcd", 4),
    "memset at a reference": lambda x: ctypes.memset(ctypes.byref(C_NUMBER), 1, 4),
    "foreign function": lambda x: C.memset(C_NUMBERS, 1, 4),
    "foreign function, loaded there": lambda x: ctypes.CDLL(None).strncpy(C_NUMBERS, b"a", 1),
    "Python's own C code": lambda x: ctypes.pythonapi.PyList_Append(ctypes.py_object(NAMES), x),
}

# -- what is written to ----------------------------------------------------------------------

WRITTEN = {
    "method of what is new": lambda x: csv.DictWriter(STREAM, "a").writeheader(),
    "copied": lambda x: shutil.copyfileobj(io.StringIO("a"), STREAM),
    "packed": lambda x: struct.Struct("i").pack_into(BYTES, 0, x),
    "document": lambda x: __import__("configparser").ConfigParser().write(STREAM),
    "read from the beginning": lambda x: (STREAM.seek(0), STREAM.read()),
    "arguments": lambda x: PARSER.parse_args([], namespace=SPACE),
    "missing keys": lambda x: string.Template("$a").substitute(GROWING),
    "sheet": lambda x: SHEET.pipe(lambda sheet: sheet.insert(0, x, 1)),
    "in order": lambda x: bisect.insort(NAMES, "c"),
}

WAYS = {**COPIES, **FROM_LIBRARIES, **BOUND, **LEADING, **MEMORIES, **WRITTEN}


@pytest.mark.parametrize("way", WAYS)
def test_a_store_into_what_is_shared_is_told(way):
    """A worker would lose it."""
    reach, _ = examine(WAYS[way], [1, 2])

    assert reach.stores or reach.changed


SEARCHING = {
    "all objects": lambda x: next(one for one in gc.get_objects() if type(one) is Order).n,
    "those that hold it": lambda x: gc.get_referrers(ROWS)[0],
    "those that it holds": lambda x: [one.clear() for one in gc.get_referents(ROWS)],
}


@pytest.mark.parametrize("way", SEARCHING)
def test_who_asks_the_collector_for_objects_stays_with_them(way):
    """It may find, and change, whatever the program has."""
    assert examine(SEARCHING[way], [1, 2])[0].bound


def resolved(name):
    """What is published under a name, modules imported on the way."""
    found, *rest = name.split(".")
    found = getattr(builtins, found, None) or importlib.import_module(found)
    for step in rest:
        if isinstance(found, types.ModuleType) and not hasattr(found, step):
            importlib.import_module(f"{found.__name__}.{step}")
        found = getattr(found, step)
    return found


@pytest.mark.parametrize("name", [name for _, _, _, name in rules(GIVES)])
def test_functions_are_known_by_the_names_of_the_table(name):
    """A name that nothing has would say nothing."""
    assert public_name_of(resolved(name)) == name


# -- what stays as it is ---------------------------------------------------------------------


def list_of_ones_own(x):
    rows = LISTS[1:]
    rows.append([x])
    rows.reverse()
    del rows[0]
    return rows


def sum_of_ones_own(x):
    rows = [*LISTS, *(LISTS * 2)] + LISTS  # noqa: RUF005 - as people write it
    rows.append(x)
    rows[0] = x
    return rows


def union_of_ones_own(x):
    table = TABLE | {"x": x}
    table["y"] = 1
    table.update(z=2)
    return table


def put_into_itself(x):
    counts, other = {}, {}
    for name in NAMES:
        counts[name] = counts.get(name, 0) + 1
        other["counts"], counts["other"] = counts, other
    counts["a"] = x
    return counts


def new_numbers(x):
    numbers = NUMBERS * x + 1
    numbers[0] = x
    numbers[0][1] = 2
    numbers += np.sort(NUMBERS, axis=0)
    return numbers


def joined_numbers(x):
    numbers = np.concatenate([NUMBERS, NUMBERS])
    numbers[0][0] = x
    again = np.array(LISTS)
    again[0][0] = x
    return numbers, again


def new_sheets(x):
    sheet = SHEET.merge(SHEET, on="a")
    sheet.loc[0, "a"] = x
    again = pd.DataFrame(ROWS)
    again["x"] = x
    records = SHEET.to_dict("records")
    records[0]["a"] = x
    return sheet, again, records


def deep_copies(x):
    table = copy.deepcopy(TABLE)
    table["a"]["n"] = x
    again = json.loads(json.dumps(TABLE))
    again["a"]["n"] = x
    return table, again


def joined_records(x):
    rows = [{**row, "x": x} for row in ROWS]
    for row in rows:
        row["y"] = 1
    return rows


def pairs_of_names(x):
    found = []
    for one, other in itertools.product(NAMES, NAMES):
        found.append([one, other])
        found[-1].append(x)
    return found


def turned(x):
    rows = [list(column) for column in zip(*LISTS, strict=True)]
    rows[0][0] = x
    return rows


def numbers_and_texts(x):
    n = len(NAMES) + x
    n += 1
    text = "a" + NAMES[0] * 2
    text += "b"
    pair = (1, 2)[:1] + (n,)  # noqa: RUF005 - as people write it
    pair += (3,)
    return n, text, pair


def counted(x):
    found = re.findall("a", NAMES[0])
    found.append(x)
    names = list(itertools.chain(NAMES, [x]))
    names[0] = x
    return found, names


def generated(x):
    def each():
        yield from NAMES
        yield x

    names = list(each())
    names.append(x)
    return names


def own_memory(x):
    mine, part = bytearray(BYTES), BYTES[1:]
    mine[0], part[0] = 1, 2
    memoryview(mine)[1:3][0] = 3
    struct.pack_into("i", mine, 0, x)
    return mine, part


def own_stream(x):
    stream = io.StringIO()
    csv.writer(stream).writerow(NAMES)
    stream.seek(0)
    return stream.read()


PURE = [
    *(list_of_ones_own, sum_of_ones_own, union_of_ones_own, put_into_itself, new_numbers),
    *(joined_numbers, new_sheets, deep_copies, joined_records, pairs_of_names, turned),
    *(numbers_and_texts, counted, generated, own_memory, own_stream),
]


@pytest.mark.parametrize("function", PURE, ids=lambda one: one.__name__)
def test_what_is_made_anew_is_not_told(function):
    """Such a function may run in workers."""
    function(1)
    reach, _ = examine(function, [1, 2])

    assert (reach.stores, reach.changed, reach.unread) == ((), (), ())

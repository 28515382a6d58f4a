"""Files named by a part of the item are written in turn if items at hand have the same part.

If all of them differ, items run in parallel.
"""

import collections
import contextlib
import csv
import dataclasses
import datetime
import functools
import json
import os
import pathlib
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from amorsize import autotune, tuned_map
from amorsize._engine.data.file_names import FileNames
from amorsize._function.sharing.thread_safety import examine

FOLDER = "made"


def save(name, text):
    with open(name, "w") as file:
        file.write(text)


def count(name):
    """Read a number from a file and write the next one."""
    path = Path(name)
    n = int(path.read_text()) if path.exists() else 0
    path.write_text(str(n + 1))


class City(NamedTuple):
    country: str
    name: str


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y


@dataclasses.dataclass
class Order:
    customer: str
    number: int

    @property
    def file_name(self):
        return f"{self.customer}.txt"


def by_key(row):
    path = row["kind"] + ".json"
    known = json.loads(Path(path).read_text()) if os.path.exists(path) else []
    Path(path).write_text(json.dumps([*known, row["n"]]))


def by_key_with_a_default(row):
    count(f"{row.get('kind', 'none')}.txt")


def by_attribute(record):
    with (Path(FOLDER) / f"{record.customer}.csv").open("w") as file:
        file.write(str(record.number))


def by_slot(point):
    save(f"{point.x}.txt", str(point.y))


def by_named_field(city):
    save(os.path.join(FOLDER, city.country), city.name)


def by_number(pair):
    save(f"{pair[0]}.txt", str(pair[1]))


def by_unpacked(pair):
    name, text = pair
    save(name, str(text))


def by_first_of_many(row):
    name, *rest = row
    save(name, str(rest))


def by_inner_key(row):
    save(f"{row['user']['name']}.txt", "")


def by_getattr(record):
    save(getattr(record, "customer"), "")  # noqa: B009


def by_first_word(line):
    save(line.split(",")[0] + ".txt", line)


def by_unpacked_line(line):
    name, _, text = line.partition("=")
    save(name, text)


def by_stem(path):
    save(f"{Path(path).stem}.out", path)


def by_base_name(path):
    save(os.path.join(FOLDER, os.path.basename(path)), path)


def by_base_name_without_its_end(path):
    save(os.path.splitext(os.path.basename(path))[0] + ".png", path)


def with_another_end(path):
    Path(path).with_suffix(".txt").write_text("")


def without_its_end(name):
    save(name[:-4] + ".out", name)


def by_inner_function(row):
    def write(text):
        with open(row["kind"], "w") as file:
            file.write(text)

    write(str(row))


def by_inner_function_with_arguments(row):
    def write(name, text):
        save(f"{name}.txt", text)

    write(row["kind"], "")


def by_lambda(row):
    name_of = lambda one: one["kind"] + ".txt"  # noqa: E731
    save(name_of(row), "")


def name_of(row):
    return f"{row['kind']}.txt"


def by_helper(row):
    save(name_of(row), "")


def each_of_a_batch(rows):
    for row in rows:
        count(f"{row['kind']}.txt")


def itself(word):
    count(f"{word}.txt")


def lower(word):
    count(word.lower())


def begun_where_it_is_missing(row):
    path = f"{row['kind']}.csv"
    is_new = not os.path.exists(path)
    with open(path, "a") as file:
        if is_new:
            file.write("head\n")
        file.write(str(row["n"]))


def where_it_was_added(row):
    with open(row["kind"], "a") as file:
        at = file.tell()
        file.write(str(row["n"]))
    return at


def by_two_fields(row):
    save(f"{row['kind']}_{row['n'] % 2}.txt", "")


def by_joined_list(row):
    name = "_".join([part.upper() for part in row["kind"]])
    save(name, "")


def by_keyword(folder, row):
    save(f"{folder}/{row['kind']}.txt", "")


def by_month(row):
    count(f"{row['when']:%Y-%m}.csv")


def by_month_in_words(row):
    count(row["when"].strftime("%Y-%m") + ".csv")


def by_year(row):
    count(f"{row['when'].year}.csv")


def by_one_digit(x):
    count(f"{x:.1f}.txt")


def beside_a_path(path):
    (path.parent / "all.txt").write_text(path.name)


def with_another_end_of_a_path(path):
    path.with_suffix(".txt").write_text("")


def with_a_default_kind(row):
    name = row["kind"] or "none"
    count("%s.txt" % name)  # noqa: UP031


def of_several_steps(row):
    kind = row["kind"].lower().replace(" ", "_")
    folder = pathlib.Path(FOLDER) / kind
    (folder / "all.csv").write_text("")


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@logged
def in_a_wrapper(row):
    count(f"{row['kind']}.txt")


def handed_to_another(row):
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: count(row["kind"]))


def joined_lazily(row):
    save("_".join(part for part in row["kind"]), "")


def by_match(row):
    match row:
        case {"kind": kind, "n": n}:
            save(kind, str(n))


def by_match_of_a_class(order):
    match order:
        case Order(customer, number=number):
            save(customer, str(number))


def by_a_template(row):
    count("{kind}.txt".format(**row))


def of_a_line_of_json(line):
    row = json.loads(line)
    count(f"{row['kind']}.txt")


class Writer:
    def __init__(self):
        self.folder = pathlib.Path(FOLDER)

    def path(self, row):
        return self.folder / row["kind"]

    def write(self, row):
        self.path(row).write_text(str(row))


def rows_of(*kinds):
    return [{"kind": kind, "n": n, "user": {"name": kind}} for n, kind in enumerate(kinds)]


ROWS, OTHERS = rows_of("red", "blue", "red"), rows_of("red", "blue", "green")
ORDERS = [Order("ann", 1), Order("bob", 2), Order("ann", 3)]
OTHER_ORDERS = [Order("ann", 1), Order("bob", 2), Order("cid", 2)]
PAIRS, OTHER_PAIRS = [("a", 1), ("b", 2), ("a", 2)], [("a", 1), ("b", 1), ("c", 1)]
PATHS, OTHER_PATHS = ["a/x.csv", "b/y.csv", "b/x.csv"], ["a/x.csv", "a/y.csv", "a/z.csv"]
ENDS = ["x.csv", "y.csv", "x.png"]

DAYS = [
    {"when": datetime.date(*day)}
    for day in ((2024, 1, 5), (2024, 2, 5), (2024, 2, 6), (2025, 2, 6))
]

#: Functions, each with items that share a file and with others that do not.
CASES = [
    *(
        (one, ROWS, OTHERS)
        for one in (
            *(by_key, by_key_with_a_default, by_inner_key, by_inner_function, by_lambda),
            *(by_inner_function_with_arguments, by_helper, begun_where_it_is_missing),
            *(where_it_was_added, Writer().write, functools.partial(by_keyword, "made")),
            *(by_joined_list, joined_lazily, with_a_default_kind, of_several_steps),
            *(in_a_wrapper, handed_to_another, by_match, by_a_template),
        )
    ),
    *((one, DAYS[1:], DAYS[:2]) for one in (by_month, by_month_in_words)),
    (by_year, DAYS, DAYS[1::2]),
    (by_one_digit, [1.02, 1.04], [1.0, 1.1]),
    (beside_a_path, [Path("a/x"), Path("a/y")], [Path("a/x"), Path("b/x")]),
    (with_another_end_of_a_path, [Path("x.a"), Path("x.b")], [Path("x.a"), Path("y.a")]),
    (of_a_line_of_json, list(map(json.dumps, ROWS)), list(map(json.dumps, OTHERS))),
    (by_match_of_a_class, ORDERS, OTHER_ORDERS),
    (by_attribute, ORDERS, OTHER_ORDERS),
    (by_attribute, [SimpleNamespace(**vars(one)) for one in ORDERS], OTHER_ORDERS),
    (by_getattr, ORDERS, OTHER_ORDERS),
    (by_slot, [Point(1, 2), Point(1, 3)], [Point(1, 2), Point(2, 2)]),
    (by_named_field, [City("fr", "a"), City("fr", "b")], [City("fr", "a"), City("de", "a")]),
    *((one, PAIRS, OTHER_PAIRS) for one in (by_number, by_unpacked, by_first_of_many)),
    (by_first_word, ["a,1", "b,2", "a,3"], ["a,1", "b,1", "c,1"]),
    (by_unpacked_line, ["a=1", "b=2", "a=3"], ["a=1", "b=1", "c=1"]),
    *((one, PATHS, OTHER_PATHS) for one in (by_stem, by_base_name, by_base_name_without_its_end)),
    *((one, ENDS, OTHER_PATHS) for one in (with_another_end, without_its_end)),
    (by_stem, [Path(one) for one in PATHS], [Path(one) for one in OTHER_PATHS]),
    (each_of_a_batch, [ROWS[:2], OTHERS[1:]], [rows_of("a", "a"), rows_of("b", "c")]),
    (itself, ["a", "b", "a"], ["a", "b", "c"]),
    (lower, ["a", "b", "A"], ["a", "b", "c"]),
    (by_two_fields, rows_of("a", "b", "a"), rows_of("a", "b", "c")),
]
NAMES = [getattr(one, "__name__", "partial") for one, _, _ in CASES]


def shared(function, *iterables):
    """What items have in common that share a file, as far as it is known; "" if none do."""
    items = list(zip(*iterables, strict=True)) if len(iterables) > 1 else list(iterables[0])
    reach = examine(function, items[:2])[0]
    assert not [one for one in reach.bound if "several items share" in one]
    return FileNames(reach.named_by, star=len(iterables) > 1).look(items)[1]


@pytest.mark.parametrize(("function", "same", "_"), CASES, ids=NAMES)
def test_items_whose_files_have_one_name_stay_in_turn(function, same, _):
    assert shared(function, same)


@pytest.mark.parametrize(("function", "_", "others"), CASES, ids=NAMES)
def test_items_whose_files_have_names_of_their_own_are_free(function, _, others):
    assert not shared(function, others)


def test_the_reason_says_which_part_is_the_same():
    assert shared(by_key, ROWS) == "row['kind']"
    assert shared(by_attribute, ORDERS) == "record.customer"
    assert shared(by_unpacked, PAIRS) == "pair[0]"
    assert shared(by_first_word, ["a,1", "a,2"]) == "line.split(',')[0]"


def test_values_of_one_text_make_one_name():
    assert shared(by_number, [(1, "a"), ("1", "b")])


def test_one_of_two_iterables_is_a_part_of_the_item():
    def write(name, text):
        save(name, text)

    assert shared(write, "aba", "xyz")
    assert not shared(write, "abc", "xxx")


def test_other_kinds_of_rows():
    table = sqlite3.connect(":memory:")
    table.row_factory = sqlite3.Row
    rows = table.execute("select 'a' as kind union all select 'b' union all select 'a'").fetchall()
    table.close()
    counted = collections.defaultdict(str, kind="a")

    assert shared(by_inner_function, rows)
    assert not shared(by_inner_function, rows[:2])
    assert not shared(by_inner_function, [{"kind": "a"}, {}, {}])
    assert shared(by_inner_function, [collections.defaultdict(str), {"kind": "a"}])
    assert shared(by_inner_function, [counted, {"kind": "a"}])


def test_looking_at_a_part_adds_no_key():
    row = collections.defaultdict(str)

    shared(by_key, [row, row])

    assert not row


def test_no_code_of_the_items_class_runs():
    class Row(dict):
        def __getitem__(self, key):
            raise AssertionError(key)

    assert shared(by_inner_function, [Row(kind="a"), Row(kind="b")])


def only_read(row):
    with open(row["kind"]) as file:
        return file.read()


def only_added(row):
    with open(row["kind"] + ".log", "a") as file:
        file.write(str(row["n"]) + "\n")


def into_a_folder_by_kind(row):
    os.makedirs(row["kind"], exist_ok=True)
    save(f"{row['kind']}/{row['n']}.txt", "")


def by_whole_digest_of_a_number(row):
    import hashlib

    digest = hashlib.sha256(str(row["n"]).encode()).hexdigest()
    save(f"{digest[:2]}/{digest[:16]}.txt", "")


FREE = [only_read, only_added, into_a_folder_by_kind, by_whole_digest_of_a_number]


@pytest.mark.parametrize("function", FREE, ids=lambda one: one.__name__)
def test_what_shares_no_file_is_free_although_a_part_is_the_same(function):
    assert not shared(function, ROWS)


def test_items_that_fail_before_they_name_a_file_share_none():
    assert not shared(by_key, [1, 2, {}])


def _wait_and_count(row):
    path = Path(f"{row['kind']}.txt")
    known = path.read_text() if path.exists() else ""
    time.sleep(2e-3)
    path.write_text(known + f"{row['n']} ")


def _many(n_kinds):
    return [{"kind": f"k{n % n_kinds}", "n": n} for n in range(120)]


def _expected(rows):
    found = {}
    for row in rows:
        found[row["kind"]] = found.get(row["kind"], "") + f"{row['n']} "
    return found


def _found():
    return {path.stem: path.read_text() for path in Path().glob("*.txt")}


def test_each_file_has_what_the_loop_leaves_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = _many(5)
    function = autotune(_wait_and_count)

    function(rows)

    assert _found() == _expected(rows)
    assert "row['kind']" in str(function.explain())


def test_files_of_their_own_are_written_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = _many(1000)
    function = autotune(_wait_and_count)

    function(rows)

    assert _found() == _expected(rows)
    assert function.explain().trace.n_started


@pytest.mark.parametrize("n_apart", [5, 60])
def test_rows_that_are_read_one_by_one_are_written_in_turn(tmp_path, monkeypatch, n_apart):
    """Each is looked at as it is read; later ones wait until those before are done."""
    monkeypatch.chdir(tmp_path)
    rows = _many(n_apart)
    lines = ["kind,n", *(f"{row['kind']},{row['n']}" for row in rows)]

    assert tuned_map(_wait_and_count, csv.DictReader(lines)) == [None] * len(rows)

    assert _found() == _expected(rows)


def test_a_stream_writes_them_in_turn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = _many(70)

    assert list(autotune(_wait_and_count).stream(iter(rows))) == [None] * len(rows)

    assert _found() == _expected(rows)

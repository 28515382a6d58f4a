"""Items stay in turn if the names of their files cannot be followed, or are followed and the same.

Names are followed through what libraries make of parts of the item, if that can be seen by making
it: `re.match(...)[1]`, `urlparse(url).netloc`, `int(text)`.
"""

import csv
import dataclasses
import datetime
import logging
import random
import re
import time
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from amorsize import autotune, tuned_map
from amorsize._engine.data.file_names import FileNames
from amorsize._function.sharing.thread_safety import examine

WORD = re.compile(r"(?P<user>\w+)-(?P<day>\d+)")
FILES = {"a": {"name": "one"}, "b": {"name": "two"}, "c": {"name": "one"}}


def save(name, text=""):
    with open(name, "w") as file:
        file.write(text)


def by_matched_group(line):
    save(re.match(r"(\w+)-(\d+)", line).group(1))


def by_group_of_a_pattern(line):
    if found := WORD.search(line):
        save(f"{found['user']}.txt", line)


def by_groups_by_name(line):
    save(WORD.fullmatch(line).groupdict()["user"])


def without_digits(line):
    save(re.sub(r"-\d+", "", line), line)


def by_first_found(line):
    save(re.findall(r"[a-z]+", line)[0])


def by_first_of_several(line):
    user, _ = re.split(r"[-_]", line)
    save(user)


def by_number_in_a_text(line):
    save(f"{int(line)}.txt")


def by_number_of_another_base(line):
    save(f"{int(line, 16):x}.txt")


def by_whole_number(x):
    save(f"{int(x)}.txt")


def by_host(url):
    save(urllib.parse.urlparse(url).netloc)


def by_query(url):
    save(urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["id"][0])


def by_unquoted_word(url):
    save(urllib.parse.unquote(url).replace("/", "_"))


def by_day_of_a_text(text):
    save(f"{datetime.datetime.fromisoformat(text):%Y-%m-%d}.csv")


def by_month_of_a_text(text):
    day = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M")
    save(day.strftime("%Y%m"))


def by_day_of_a_stamp(stamp):
    save(time.strftime("%Y%m%d", time.gmtime(stamp)))


def by_date_of_a_stamp(stamp):
    save(str(datetime.datetime.fromtimestamp(stamp).date()))


def by_beginning_of_the_day(text):
    day = datetime.datetime.fromisoformat(text)
    save(day.replace(hour=0, minute=0).isoformat())


def by_the_first_that_is_there(row):
    save(f"{row['title'] or row['kind']}.txt")


def by_folder(path):
    save(str(Path(path).parents[0]))


def by_two_parts_in_a_row(pair):
    first, second = pair
    save(first + second + ".txt")


def by_sum(pair):
    save(f"{pair[0] + pair[1]}.txt")


def by_method_of_the_type(word):
    save(str.strip(word))


def without_signs(word):
    save(word.translate(str.maketrans("", "", "!?")))


def by_field_of_a_table(word):
    save(FILES[word]["name"])


def by_precision(x):
    save("x_%.1f.txt" % x)  # noqa: UP031


def by_format_with_precision(x):
    save("x_{:.1f}.txt".format(x))  # noqa: UP032


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def by_slug(text):
    Path("out", slug(text)).write_text(text)


def by_unpacked_arguments(line):
    arguments = (line.split("-")[0], line)
    save(*arguments)


def by_another_spelling(path):
    save(path)


def into_two_files(row):
    save(f"{row['kind']}.txt", "first")
    save(f"{row['other']}.txt", "second")


def moved(pair):
    Path(pair[0]).rename(pair[1])


def into_its_own_and_the_next(x):
    save(f"{x}.txt")
    save(f"{x + 1}.txt")


def of_two_endings(x):
    save(f"{x}.txt")
    save(f"{x}.csv")


class Store:
    def __init__(self, folder):
        self.folder = Path(folder)

    def path_of(self, key):
        return self.folder / f"{key}.txt"

    def write(self, key, text):
        self.path_of(key).write_text(text)


def by_an_object_it_makes(line):
    Store("out").write(line.partition("-")[0], line)


def one(name):
    save(name)


def two(name):
    one(name)


def three(name):
    two(name)


def four(name):
    three(name)


def by_many_helpers(line):
    four(line.partition("-")[0])


def names_of(line):
    for part in ("a", "b"):
        yield f"{line.partition('-')[0]}.{part}"


def by_names_one_after_another(line):
    for name in names_of(line):
        save(name)


LINES = ["ann-1", "bob-2", "ann-3"], ["ann-1", "bob-1", "cid-1"]
HOURS = (
    ["2024-01-01T01:00", "2024-02-01T02:00", "2024-01-01T03:00"],
    ["2024-01-01T01:00", "2024-02-01T02:00", "2024-03-01T03:00"],
)
STAMPS = [0, 7200], [0, 200_000]
URLS = (
    ["http://a/1?id=1", "http://b/2?id=2", "http://a/3?id=1"],
    ["http://a/1?id=1", "http://b/2?id=2", "http://c/3?id=3"],
)

#: Functions, each with items that share a file and with others that do not.
FOLLOWED = [
    *(
        (function, *LINES)
        for function in (
            *(by_matched_group, by_group_of_a_pattern, by_groups_by_name, without_digits),
            *(by_first_found, by_first_of_several, by_unpacked_arguments, by_many_helpers),
            *(by_an_object_it_makes, by_names_one_after_another),
        )
    ),
    *(
        (function, *HOURS)
        for function in (by_day_of_a_text, by_month_of_a_text, by_beginning_of_the_day)
    ),
    *((function, *STAMPS) for function in (by_day_of_a_stamp, by_date_of_a_stamp)),
    *((function, *URLS) for function in (by_host, by_query)),
    (by_unquoted_word, ["a%20b", "a b"], ["a%20b", "a+b"]),
    (by_number_in_a_text, ["7", "07"], ["7", "70"]),
    (by_number_of_another_base, ["a", "0A"], ["a", "b"]),
    (by_whole_number, [1.2, 1.3], [1.2, 2.2]),
    (
        by_the_first_that_is_there,
        [{"title": "", "kind": "a"}, {"title": "a", "kind": "b"}],
        [{"title": "", "kind": "a"}, {"title": "b", "kind": "a"}, {"title": "", "kind": "c"}],
    ),
    (by_folder, ["a/x", "a/y"], ["a/x", "b/x"]),
    (by_two_parts_in_a_row, [("a", "bc"), ("ab", "c")], [("a", "b"), ("b", "a")]),
    (by_sum, [(1, 2), (2, 1)], [(1, 2), (2, 2)]),
    (by_method_of_the_type, ["a", " a"], ["a", "b"]),
    (without_signs, ["a", "a!"], ["a", "b!"]),
    (by_precision, [1.02, 1.04], [1.0, 1.1]),
    (by_format_with_precision, [1.02, 1.04], [1.0, 1.1]),
    (by_slug, ["A b", "a-B!"], ["a", "b"]),
    (
        into_two_files,
        [{"kind": "a", "other": "b"}, {"kind": "b", "other": "c"}],
        [{"kind": "a", "other": "a"}, {"kind": "b", "other": "c"}],
    ),
    (moved, [("a", "b"), ("c", "a")], [("a", "b"), ("c", "d")]),
    (into_its_own_and_the_next, [1, 2], [1, 3]),
    (of_two_endings, [1, 1], [1, 2]),
    (by_another_spelling, ["a", "./a"], ["a", "./b"]),
    (by_another_spelling, ["a/b", "a/c/../b"], ["a/b", "a/c"]),
]
NAMES = [function.__name__ for function, _, _ in FOLLOWED]


def reason(function, items):
    """Why items stay in turn, as far as it is told by their files; "" if nothing is."""
    reach = examine(function, items[:2])[0]
    assert "examined" not in "".join(reach.copies)
    found = [one for one in reach.bound if "one file" in one or "items share" in one]
    return "; ".join(found) or FileNames(reach.named_by, star=False).look(items)[1]


@pytest.mark.parametrize(("function", "same", "_"), FOLLOWED, ids=NAMES)
def test_items_with_the_same_name_stay_in_turn(function, same, _):
    assert reason(function, same)


@pytest.mark.parametrize(("function", "_", "others"), FOLLOWED, ids=NAMES)
def test_items_with_names_of_their_own_are_free(function, _, others):
    assert not reason(function, others)


@dataclasses.dataclass
class Job:
    name: str

    @property
    def path(self):
        return f"{self.name[0]}.txt"

    def output(self):
        return self.path


@dataclasses.dataclass
class Task:
    name: str

    def keep(self, folder):
        Path(folder, self.name).write_text("")

    def drop(self, folder):
        Path(folder, self.name).unlink()


def by_attribute(task):
    save(f"{task.name}.txt")


def by_named_method(task):
    task.keep("out")


def test_a_method_that_nothing_calls_names_no_file():
    assert not reason(by_attribute, [Task("a"), Task("b")])
    assert reason(by_named_method, [Task("a"), Task("b")])


class Named:
    def __str__(self):
        return "always"


def by_property(job):
    save(job.path)


def by_method_of_the_item(job):
    save(job.output())


def by_text_of_an_object(named):
    save(f"{named}.txt")


def by_row_of_a_reader(line):
    save(next(csv.reader([line]))[0])


def by_leading_digit(x):
    while x >= 10:
        x //= 10
    save(f"{x}.txt")


def by_distance(x):
    save(f"{max(x, 5)}.txt") if x < 0 else save(f"{(x - 3) ** 2}.txt")


def by_seeded_draw(x):
    save(f"{random.Random(x % 5).random()}.txt")


def by_sorted_letters(word):
    save("".join(sorted(set(word))))


def by_the_time(x):
    save(time.strftime("%Y%m%d") + ".txt", str(x))


def by_one_of_two_ways(row):
    name = row["kind"] if "kind" in row else "none"  # noqa: SIM401 - as people write it
    save(name)


def by_unpacked_keywords(line):
    arguments = {"name": line[0], "text": line}
    save(**arguments)


def by_opened_with_unpacked_keywords(line):
    with open(**{"file": line[0], "mode": "w"}) as file:
        file.write(line)


def through_a_table_of_functions(line):
    for write in list(WRITERS.values()):
        write(line[0])


WRITERS = {"save": save}

#: Functions whose names are made in ways that are not followed, with items.
NOT_FOLLOWED = [
    *((function, [Job("ab"), Job("ac")]) for function in (by_property, by_method_of_the_item)),
    (by_text_of_an_object, [Named(), Named()]),
    (by_row_of_a_reader, ["a,1", "a,2"]),
    *((function, [1, 10, 11]) for function in (by_leading_digit, by_the_time, by_seeded_draw)),
    (by_distance, [2, 4]),
    (by_field_of_a_table, ["a", "c"]),
    (by_sorted_letters, ["ab", "ba"]),
    (by_one_of_two_ways, [{}, {"a": 1}]),
    *(
        (function, ["a1", "a2"])
        for function in (
            *(by_unpacked_keywords, by_opened_with_unpacked_keywords),
            through_a_table_of_functions,
        )
    ),
]


@pytest.mark.parametrize(
    ("function", "items"), NOT_FOLLOWED, ids=lambda one: getattr(one, "__name__", "")
)
def test_items_whose_names_are_not_followed_stay_in_turn(function, items):
    assert reason(function, items)


def test_no_code_of_the_program_runs():
    class Text(str):
        __slots__ = ()

        def __str__(self):
            raise AssertionError

        def lower(self):
            raise AssertionError

    assert reason(by_slug, [Text("a"), Text("b")])


def _held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _wait_and_match(line):
    found = re.match(r"(\w+)-(\d+)", line)
    time.sleep(2e-3 + int(found.group(2)) * 7 % 5 * 1e-3)
    save(found.group(1), line)


@pytest.mark.parametrize("n_users", [5, 1000])
def test_the_last_item_of_a_name_is_what_the_file_has(tmp_path, monkeypatch, n_users):
    monkeypatch.chdir(tmp_path)
    lines = [f"user{n % n_users}-{n}" for n in range(120)]
    function = autotune(_wait_and_match)

    function(lines)

    assert _held(tmp_path) == {line.partition("-")[0]: line.encode() for line in lines}
    assert bool(function.explain().trace.n_started) == (n_users == 1000)


def _write_tree(row):
    time.sleep(2e-3 + row["n"] * 7 % 5 * 1e-3)
    ET.ElementTree(ET.Element("a", n=str(row["n"]))).write(row["kind"])


def _write_record(row):
    time.sleep(2e-3 + row["n"] * 7 % 5 * 1e-3)
    handler = logging.FileHandler(row["kind"], "w")
    handler.emit(logging.makeLogRecord({"msg": str(row["n"])}))
    handler.close()


@pytest.mark.parametrize("function", [_write_tree, _write_record])
def test_files_that_a_library_writes_are_as_the_loop_leaves_them(tmp_path, monkeypatch, function):
    """That a file is written is seen while an item runs, if the code does not show its name."""
    monkeypatch.chdir(tmp_path)
    rows = [{"kind": f"k{n % 7}", "n": n} for n in range(100)]
    for row in rows:
        function(row)
    expected = _held(tmp_path)

    tuned_map(function, rows)

    assert _held(tmp_path) == expected

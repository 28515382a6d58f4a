"""Names of files that are made of what the code has changed before, or changes in a loop.

`row["name"] = row["name"].lower()` may come before `open(row["name"], "w")`.
"""

import contextlib
import dataclasses
import random
from pathlib import Path

import pytest
from test_names_that_are_followed import reason, save


@dataclasses.dataclass
class Job:
    name: str
    n: int = 0


def element_in_lower_case(row):
    row["name"] = row["name"].lower()
    save(row["name"])


def attribute_cut(job):
    job.name = job.name[0]
    save(job.name)


def by_setattr(job):
    setattr(job, "name", "one")  # noqa: B010 - as people write it
    save(job.name)


def of_a_copy(row):
    row = row.copy()
    row.update(name="one")
    save(row["name"])


def of_a_list(pair):
    pair = list(pair)
    pair[0] = pair[0].lower()
    save(pair[0])


def the_last_by_a_negative_index(pair):
    pair = list(pair)
    pair[-1] = "one"
    save(pair[1])


def in_another_order(parts):
    parts.sort()
    save("-".join(parts))


def without_the_last(parts):
    parts = sorted(parts)
    del parts[-1]
    save("-".join(parts))


def the_next_after_one_is_gone(parts):
    parts = list(parts)
    parts.pop(0)
    save(parts[0])


def without_a_field(row):
    row.pop("n")
    save("-".join(row.values()))


def with_a_field_replaced(line):
    fields = line.split(",")
    fields[1] = "one"
    save("_".join(fields))


def shuffled(parts):
    random.Random(1).shuffle(parts)
    parts.reverse()
    save(parts[0])


def lower(row):
    row["name"] = row["name"].lower()


def by_a_helper(row):
    lower(row)
    save(row["name"])


def by_an_inner_function(name):
    name = name.strip()

    def cut():
        nonlocal name
        name = name[0]

    cut()
    save(name)


def again_in_a_loop(name):
    for _ in range(2):
        save(name)
        name = name[0]


def shorter_and_shorter(name):
    while name:
        save(name)
        name = name[:-1]


def upwards(path):
    path = Path(path)
    while path.name:
        path.write_text("")
        path = path.parent


def the_one_before(name):
    last = name
    for letter in name:
        save(last)
        last = letter


def from_the_root(path):
    save(Path("/out") / path)


#: Functions that change what they name files by, with items of which the files are the same.
CHANGED = [
    *((one, [{"name": "A"}, {"name": "a"}]) for one in (element_in_lower_case, by_a_helper)),
    *((one, [Job("ab"), Job("ac")]) for one in (attribute_cut, by_setattr)),
    (of_a_copy, [{"name": "a"}, {"name": "b"}]),
    (of_a_list, [("A", 1), ("a", 1)]),
    (the_last_by_a_negative_index, [("a", "b"), ("a", "c")]),
    (in_another_order, [["a", "b"], ["b", "a"]]),
    (without_the_last, [["a", "b"], ["a", "c"]]),
    (the_next_after_one_is_gone, [("a", "b"), ("c", "b")]),
    (without_a_field, [{"a": "1", "n": "1"}, {"a": "1", "n": "2"}]),
    (with_a_field_replaced, ["a,b", "a,c"]),
    (shuffled, [["a", "b"], ["b", "a"]]),
    (by_an_inner_function, ["ab", "ac"]),
    (again_in_a_loop, ["ab", "ac"]),
    (shorter_and_shorter, ["ab", "ac"]),
    (upwards, ["a/b", "a/c"]),
    (the_one_before, ["ab", "cad"]),
    (from_the_root, ["/a", "//a"]),
]


def marked_as_done(row):
    row["done"] = True
    save(f"{row['id']}.txt", str(len(row)))


def counted(job):
    job.n += 1
    save(job.name)


def with_a_list_of_its_own(name):
    lines = []
    for at, letter in enumerate(name):
        lines.append(letter)
        save(f"{name}_{at}.txt")
    lines.sort()
    save(name, "".join(lines))


def numbered(name):
    at = 0
    for _ in range(3):
        at += 1  # noqa: SIM113 - as people write it
        save(f"{name}.txt", str(at))


def with_an_ending(row):
    name = row["id"]
    name += ".txt"
    save(name)


ROWS = [{"id": "a"}, {"id": "b"}]
#: Functions that change something else, with items of which no two have a file in common.
OTHERS = [
    *((one, ROWS) for one in (marked_as_done, with_an_ending)),
    (counted, [Job("a"), Job("b")]),
    *((one, ["a", "b"]) for one in (with_a_list_of_its_own, numbered)),
]


@pytest.mark.parametrize(("func", "same"), CHANGED, ids=[one.__name__ for one, _ in CHANGED])
def test_a_name_of_what_is_changed_is_not_told(func, same):
    assert reason(func, same)


@pytest.mark.parametrize(("func", "items"), OTHERS, ids=[one.__name__ for one, _ in OTHERS])
def test_what_else_is_changed_does_not_matter(func, items):
    assert not reason(func, items)


def unless_it_is_missing(row):
    name = "none"
    try:  # noqa: SIM105
        name = row["id"]
    except KeyError:
        pass
    save(f"{name}.txt")


def with_errors_suppressed(row):
    name = "none"
    with contextlib.suppress(KeyError):
        name = row["id"]
    save(f"{name}.txt")


def or_a_number(row):
    try:
        number = int(row["n"])
    except (KeyError, ValueError):
        number = 0
    save(Path("out") / str(number))


@pytest.mark.parametrize("func", [unless_it_is_missing, with_errors_suppressed, or_a_number])
def test_what_is_set_where_nothing_raises_may_be_something_else(func):
    assert reason(func, [{}, {"n": "x"}])

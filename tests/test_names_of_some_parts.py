"""Names of files that are made of some of an item's parts, or of several put together.

`"".join(c for c in title if c.isalnum())` is the same for titles that differ.
"""

import pytest
from test_names_that_are_followed import reason, save

KEPT = "abc_"


def without_signs(name):
    save("".join(c for c in name if c.isalnum()))


def with_some_signs(name):
    kept = "-_"
    save("".join([c for c in name if c.isalnum() or c in kept]).rstrip())


def with_other_signs(name):
    save("".join(c if c.isalnum() else "_" for c in name) + ".txt")


def with_signs_from_outside():
    kept = "-_"

    def inner(name):
        save("".join([c for c in name if c.isalnum() or c in kept]))

    return inner


def of_what_counts(row):
    key = "of_"
    save(key + "-".join([key for key, value in row.items() if value]) + key)


def of_two_lists(row):
    letters = [c for c in row[0] if c.isalpha()]
    digits = [c for c in row[1] if c.isdigit()]
    save("".join(letters) + "_" + "".join(digits))


def of_several_lists(row):
    save("-".join(["".join([c for c in part if c.isalnum()]) for part in row]))


def of_lists_in_a_generator(row):
    save("-".join("".join([c for c in part if c.isalnum()]) for part in row))


def in_a_loop(rows):
    for row in rows:
        save("".join([c for c in row if c.isalnum()]))


def with_what_is_set_inside(row):
    save("-".join([short for part in row if (short := part.strip())]))


def of_known_letters(name):
    save("".join(c.lower() for c in name if c.lower() in KEPT))


def filtered(name):
    save("".join(filter(str.isalnum, name)))


def mapped(name):
    save("-".join(map(str.lower, name.split())))


def of_what_is_there(row):
    save("-".join(v for v in row if v))


def of_what_a_table_has(row):
    save("-".join(str(v) for v in row.values()))


def of_each_that_a_table_has(row):
    for key, value in row.items():
        save(f"{key}_{value}")


def of_numbers_in_a_text(text):
    major, minor = [int(part) for part in text.split(".")]
    save(f"{major}-{minor}")


def by_template(row):
    save("{kind}-{name}".format(**row))


def by_template_with_a_format(row):
    save("{name:.3}".format(**row))


def by_first_letters_of_its_spelling(name):
    save(f"{name!r:.3}")


def by_letters_of_a_count(text):
    save(text[: len(text) - 1])


def by_first_letters(name):
    save(f"{name[:2]}.txt")


def by_last_letters(name):
    save("of_" + name[-3:])


def by_every_second(name):
    save(name[::2])


def backwards(name):
    save(name[::-1])


def by_first_fields(row):
    save("-".join(row[:2]))


def by_first_of_a_field(row):
    save(f"{row['day'][:7]}.csv")


def at_most_three(parts):
    for at, part in enumerate(parts):
        if at == 3:
            break
        yield part


def of_the_first(parts):
    save("-".join(at_most_three(parts)))


def named_parts(row):
    if row["named"]:
        yield row["name"]
    yield ".txt"


def perhaps_named(row):
    save("".join(named_parts(row)))


def longest_of(parts):
    for part in parts:
        for letter in part:
            if letter == "!":
                continue
            yield letter


def of_letters(parts):
    save("".join(longest_of(parts)))


#: Functions, each with items that share a file and with others that do not.
FOLLOWED = [
    *((one, ["a-b", "ab"], ["a-b", "abc"]) for one in (without_signs, filtered)),
    (with_other_signs, ["a!b", "a?b"], ["a!b", "a!c"]),
    (with_some_signs, ["a b", "ab"], ["a-b", "ab"]),
    (with_signs_from_outside(), ["a b", "ab"], ["a-b", "ab"]),
    (of_what_counts, [{"a": 1, "b": 0}, {"a": 1}], [{"a": 1}, {"b": 1}]),
    (of_two_lists, [("a1", "1a"), ("a2", "1b")], [("a", "1"), ("a", "2")]),
    (in_a_loop, [["a-b", "c"], ["d", "ab"]], [["a", "b"], ["c", "d"]]),
    (of_known_letters, ["aBx", "abX"], ["aB", "Ba"]),
    (mapped, ["A b", "a  B"], ["A b", "a bc"]),
    (of_what_is_there, [("a", ""), ("", "a")], [("a", "b"), ("b", "")]),
    (of_what_a_table_has, [{1: "a-b", 2: "c"}, {1: "a", 2: "b-c"}], [{1: "a"}, {1: "b"}]),
    (of_each_that_a_table_has, [{"a": 1}, {"b": 1, "a": 1}], [{"a": 1}, {"a": 2}]),
    (by_first_letters, ["abc", "abd"], ["abc", "acd"]),
    (by_last_letters, ["1abc", "2abc"], ["1abc", "1abd"]),
    (by_every_second, ["a1b", "a2b"], ["a1b", "a1c"]),
    (backwards, ["abc", "abc"], ["abc", "cba"]),
    (by_first_fields, [("a", "b", 1), ("a", "b", 2)], [("a", "b"), ("a", "c")]),
    (
        by_first_of_a_field,
        [{"day": "2024-01-01"}, {"day": "2024-01-02"}],
        [{"day": "2024-01-01"}, {"day": "2024-02-01"}],
    ),
    (of_numbers_in_a_text, ["1.2", "01.2"], ["1.2", "12.1"]),
    (
        by_template,
        [{"kind": "a-b", "name": "c"}, {"kind": "a", "name": "b-c"}],
        [{"kind": "a", "name": "b"}, {"kind": "b", "name": "a"}],
    ),
    (
        by_template_with_a_format,
        [{"name": "abcd"}, {"name": "abce"}],
        [{"name": "a"}, {"name": "b"}],
    ),
]
#: Functions that leave out some parts in ways that are not followed, with items that share a file.
NOT_FOLLOWED = [
    (of_the_first, [("a", "b", "c", "d"), ("a", "b", "c", "e")]),
    (perhaps_named, [{"named": False, "name": "a"}, {"named": False, "name": "b"}]),
    (of_letters, ["ab", "a!b"]),
    *((one, [["a-b"], ["ab"]]) for one in (of_several_lists, of_lists_in_a_generator)),
    (with_what_is_set_inside, [["a", ""], ["a"]]),
    (by_letters_of_a_count, ["ab", "ac"]),
    (by_first_letters_of_its_spelling, ["abc", "abd"]),
]
IDS = [function.__name__ for function, _, _ in FOLLOWED]


@pytest.mark.parametrize(("function", "same", "others"), FOLLOWED, ids=IDS)
def test_items_share_a_file_if_what_is_left_of_them_is_the_same(function, same, others):
    assert reason(function, same)
    assert not reason(function, others)


@pytest.mark.parametrize(
    ("function", "same"), NOT_FOLLOWED, ids=lambda one: getattr(one, "__name__", None)
)
def test_items_stay_in_turn_where_it_is_not_told_what_is_left(function, same):
    assert reason(function, same)


def test_what_takes_long_or_runs_code_of_the_program_is_not_run():
    """Instances, which a comprehension would ask, and products, which may be large."""

    class Text(str):
        __slots__ = ()

        def isalnum(self):
            raise AssertionError

    def repeated(row):
        save("".join(part * 10**10 for part in row))

    def changed(row):
        save("".join(part.pop() for part in row))

    assert reason(without_signs, [Text("a"), Text("b")])
    assert reason(repeated, [("a",), ("b",)])
    rows = [[["a"]], [["b"]]]
    assert reason(changed, rows)
    assert rows == [[["a"]], [["b"]]]


def of_every_three(words):
    for one in words:
        for two in words:
            for three in words:
                save(f"{one}-{two}-{three}")


def test_names_are_not_made_of_more_parts_than_is_quick():
    """Three nested loops have a million names for each item of a hundred words: 8 s for one."""
    few, many = ([[f"{n}_{at}" for at in range(size)] for n in range(2)] for size in (5, 100))

    assert not reason(of_every_three, few)
    assert "as far as it can be told" in reason(of_every_three, many)


def of_a_list_that_may_grow(row):
    parts = [row["a"]]
    if row["b"]:
        parts.append("x")
    save("".join(parts))


def of_a_list_that_changes(row):
    parts = [row["a"], "x"]
    if not row["b"]:
        parts[1] = ""
    save("".join(parts))


def with_a_second_file(row):
    save(row["a"])
    save(row["a"] + "x")


def with_as_many_signs(row):
    save(row["a"] + "".join("x" for _ in row["b"]))


def beside_its_folder(row):
    save(f"{row['a']}/../out.txt")


@pytest.mark.parametrize(
    "function",
    [
        *(of_a_list_that_may_grow, of_a_list_that_changes, with_a_second_file),
        *(with_as_many_signs, beside_its_folder),
    ],
)
def test_items_share_a_file_although_the_part_that_names_it_differs(function):
    """By what else is put into the name, by another file of the item, or by "..": all are seen."""
    assert reason(function, [{"a": "ax", "b": ""}, {"a": "a", "b": "x"}])

"""Parts of items that differ may make one name all the same: `"%03d" % 1.5`, `"out/../out/a"`."""

# ruff: noqa: UP031, UP032

import json

import pytest
from test_names_that_are_followed import reason, save

WORDS = {"a": "x_y", "b": "y", "c": "z"}
ENDS = ["x-y", "y"]
TEXTS = {"a": "./one", "b": "one", "c": "two"}


def whole_part(x):
    save("v%03d.txt" % x)


def padded(text):
    save(f"{text:0>4}.txt")


def padded_by_method(text):
    save("{:0>4}.txt".format(text))


def padded_by_percent(text):
    save("x/%4s" % text.strip("_"))


def in_a_folder(text):
    save(f"out/{text}.txt")


def in_a_folder_by_percent(text):
    save("out/%s.txt" % text)


def in_a_folder_by_method(text):
    save("out/{}.txt".format(text))


def below_a_folder(text):
    save(f"out/{text}/one.txt")


def by_table_behind_a_sign(row):
    save(f"{input()}_{WORDS[row['id']]}.txt")


def by_table_of_paths(row):
    save(TEXTS[row["id"]])


def by_table_of_words_at_turns(row):
    for n in range(2):
        save(f"{row['id']}-{ENDS[n]}.txt")


def number_beside_unknown(row):
    save("%s_%02d" % (input(), row["x"]))


def number_of_a_copy(row):
    save("%d.txt" % json.loads(json.dumps(row))["x"])


MEETING = [
    (whole_part, [1.0, 1.5], [1, 2]),
    (whole_part, [1.0, 1.5], [1.0, 2.5]),
    (padded, ["7", "07"], ["7", "8"]),
    (padded_by_method, ["7", "07"], ["7", "8"]),
    (padded_by_percent, ["a", " a"], ["a", "b"]),
    (in_a_folder, ["a", "../out/a"], ["a", "b/a"]),
    (in_a_folder, ["a", "/a"], ["a", "b/a"]),
    (in_a_folder, ["a", "x/../../out/a"], ["a", "b/a"]),
    (in_a_folder_by_percent, ["a", "../out/a"], ["a", "b/a"]),
    (in_a_folder_by_method, ["a", "../out/a"], ["a", "b/a"]),
    (below_a_folder, ["", "."], ["a", "b"]),
    (by_table_behind_a_sign, [{"id": "a"}, {"id": "b"}], [{"id": "b"}, {"id": "c"}]),
    (by_table_of_paths, [{"id": "a"}, {"id": "b"}], []),
    (by_table_of_words_at_turns, [{"id": "a"}, {"id": "a-x"}], [{"id": "a"}, {"id": "b"}]),
    (number_beside_unknown, [{"x": 1.0}, {"x": 1.5}], [{"x": 1}, {"x": 2}]),
    (number_of_a_copy, [{"x": 1.0}, {"x": 1.5}], []),
]
NAMES = [f"{one[0].__name__}-{n}" for n, one in enumerate(MEETING)]


@pytest.mark.parametrize(("function", "same", "_"), MEETING, ids=NAMES)
def test_items_whose_parts_make_one_name_stay_in_turn(function, same, _):
    assert reason(function, same)


@pytest.mark.parametrize(("function", "_", "others"), MEETING, ids=NAMES)
def test_items_whose_parts_make_others_are_free(function, _, others):
    assert not others or not reason(function, others)

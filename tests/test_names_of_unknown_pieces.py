"""Names of files in which one piece is known, and another one is not followed."""

import os
from pathlib import Path

import pytest
from test_names_that_are_followed import reason, save


def chosen_behind(row):
    save(row["id"] + ("x" if row["n"] else ""))


def chosen_in_front(row):
    save(("x" if row["n"] else "") + row["id"])


def from_elsewhere(row):
    save(row["id"] + input(row["n"]))


def from_elsewhere_behind_a_sign(row):
    save(f"{row['id']}_{input()}.txt")


def in_another_folder(row):
    save(f"{input()}/{row['id']}.txt")


def in_a_folder_of_its_own(row):
    save(f"{input()}/{row['id']}/out.txt")


def in_a_joined_folder(row):
    save(os.path.join(input(), row["id"], "out.txt"))


def in_a_folder_of_an_object(row):
    with (Path(input()) / f"{row['id']}.txt").open("w") as file:
        file.write("")


def in_a_folder_by_an_unknown_name(row):
    (Path(input()) / (row["id"] + input())).write_text("")


def by_text_of_a_path(row):
    save(str(Path(input(), row["id"]).resolve() / "out.txt"))


def by_another_ending(row):
    (Path(input()) / row["id"]).with_suffix(".out").write_text("")


def by_names_one_after_another(row):
    for name in [f"{row['id']}{n}" for n in range(12)]:
        save(name)


def numbered(row):
    for n in range(3):
        save(f"{row['id']}_{n}.txt")


def numbered_words(row):
    for at, word in enumerate(row["words"]):
        save(f"{row['id']}_{at}.txt", word)


def parts_in_a_folder(row):
    folder = Path(input()) / row["id"]
    for n in range(len(row["words"])):
        (folder / f"part_{n}.txt").write_text("")


def renamed_in_a_folder(row):
    path = Path(input()) / f"{row['id']}.txt"
    path.with_suffix(".new").write_text("")
    path.with_suffix(".new").replace(path)


def of_a_length(row):
    save(f"{len(row['words'])}_{row['id']}_{len(row)}")


def numbered_without_a_sign(row):
    for n in range(12):
        save(f"{row['id']}{n}.txt")


def rows(*ids):
    return [{"id": one, "n": n % 2, "words": ["a", "b"]} for n, one in enumerate(ids)]


SHARED = [
    (chosen_behind, rows("ax", "a")),
    (chosen_in_front, rows("xa", "a")),
    (from_elsewhere, rows("ax", "a")),
    (from_elsewhere, rows("b", "a")),
    (from_elsewhere_behind_a_sign, rows("a", "a_b")),
    (in_another_folder, rows("c", "b/c")),
    (in_another_folder, rows("c", ".//c")),
    (in_a_folder_of_its_own, rows("c", "b/c")),
    (in_a_folder_of_its_own, rows("c", "")),
    (in_a_joined_folder, rows("c", "b/c")),
    (in_a_folder_of_an_object, rows("c", "b/c")),
    (in_a_folder_by_an_unknown_name, rows("a", "b")),
    (by_text_of_a_path, rows("c", "b/c")),
    (by_another_ending, rows("a.x", "a.y")),
    (by_names_one_after_another, rows("a", "a1")),
    (parts_in_a_folder, rows("c", "b/c")),
    (renamed_in_a_folder, rows("c", "b/c")),
    (of_a_length, rows("a", "a")),
    (numbered_without_a_sign, rows("a", "a1")),
]
APART = [
    (chosen_behind, rows("a", "b", "ay")),
    (chosen_in_front, rows("a", "b")),
    (from_elsewhere_behind_a_sign, rows("a", "b")),
    (in_another_folder, rows("a", "b_c", "d_c", "e/f")),
    (in_a_folder_of_its_own, rows("a", "b_c", "d_c", "e/f")),
    (in_a_joined_folder, rows("a", "b_c", "d_c", "e/f")),
    (in_a_folder_of_an_object, rows("a", "b_c", "d_c", "e/f")),
    (by_text_of_a_path, rows("a", "b_c", "d_c", "e/f")),
    (numbered_words, rows("a", "a_1", "a_2")),
    (parts_in_a_folder, rows("a", "b_c", "d_c", "e/f")),
    (renamed_in_a_folder, rows("a", "b_c", "d_c", "e/f")),
    (of_a_length, rows("a", "a_1", "1_a")),
    (numbered, rows("a", "a_1", "a_2")),
]


@pytest.mark.parametrize(("function", "items"), SHARED)
def test_items_stay_in_turn_of_which_an_unknown_piece_may_make_one_name(function, items):
    """Whatever the other piece is: it may end as the other item's begins."""
    assert reason(function, items)


@pytest.mark.parametrize(("function", "items"), APART)
def test_items_are_free_of_which_no_unknown_piece_makes_one_name(function, items):
    """What a fixed text keeps from the unknown piece differs, so the names do."""
    assert not reason(function, items)

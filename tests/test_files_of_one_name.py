"""A file of one name for all items is written in their order, also if only few items write it.

The items that are watched may not be among them, so it is read from the code.
"""

import functools
import gzip
import json
import os
import pathlib
import shutil
import time
import zipfile

import numpy as np
import pandas as pd
import pytest

from amorsize import tuned_map
from amorsize._function.sharing.thread_safety import examine

FILE = "last.txt"
PATH = pathlib.Path("last.txt")
FOLDER = pathlib.Path("made")


class Report:
    def __init__(self):
        self.path = pathlib.Path("last.txt")

    def write(self, x):
        if x == 40:
            self.path.write_text(str(x))


def save(name, x):
    with open(name, "w") as file:
        file.write(str(x))


def keep(x, name="last.txt"):
    save(name, x)


def spelled(x):
    if x == 40:
        with open("last.txt", "w") as file:
            file.write(str(x))


def by_name(x):
    with open(file=FILE, mode="w", encoding="utf-8") as file:
        file.write(str(x))


def read_and_written(x):
    known = json.load(open(FILE))  # noqa: SIM115 - as people write it
    json.dump([*known, x], open(FILE, "w"))  # noqa: SIM115


def a_path(x):
    PATH.write_text(str(x))


def opened_path(x):
    with PATH.open("w") as file:
        file.write(str(x))


def a_path_made_there(x):
    pathlib.Path("last.txt").write_text(str(x))


def in_a_folder(x):
    (FOLDER / "last.txt").write_text(str(x))


def opened_in_a_folder(x):
    with open(FOLDER / "last.txt", "w") as file:
        file.write(str(x))


def joined(x):
    with gzip.open(os.path.join("made", FILE), "wt") as file:
        file.write(str(x))


def by_a_helper(x):
    if x == 40:
        save("last.txt", x)


def by_a_default(x):
    keep(x)


def by_a_keyword(x, path):
    with open(path, "w") as file:
        file.write(str(x))


def removed(_):
    if os.path.exists("flag"):
        os.remove("flag")


def moved(x):
    os.replace(f"part{x}", "last.txt")


def copied(x):
    shutil.copy(f"part{x}", FILE)


def into_an_archive(x):
    with zipfile.ZipFile("all.zip", "a") as archive:
        archive.writestr(str(x), "")


def into_a_compressed_file(x):
    with gzip.open("all.gz", "at") as file:
        file.write(str(x))


def an_array(x):
    np.save("last.npy", [x])


def a_table(x):
    pd.DataFrame({"a": [x]}).to_csv("last.csv")


def added_to_and_counted(x):
    with open("all.txt", "a") as file:
        file.write(f"{x}\n")
    with open("all.txt") as file:
        return len(file.readlines())


def added_with_a_header(x):
    pd.DataFrame({"a": [x]}).to_csv(FILE, mode="a", header=not os.path.exists(FILE))


def added_unless_it_is_known(x):
    if str(x) not in PATH.read_text():
        add(x)


def add(x):
    with PATH.open("a") as file:
        file.write(str(x))


def asked_where_it_is_added(x):
    with open("all.txt", "a") as file:
        at = file.tell()
        file.write(str(x))
    return at


def asked_behind_a_helper(x):
    with opened(FILE) as file:
        return file.tell(), file.write(str(x))


def opened(path):
    return open(path, "a")


def by_an_inner_function(x):
    def write(name):
        save(name, x)

    write("last.txt")


def by_an_expression(x):
    (lambda name: save(name, x))("last.txt")


CHANGING = [
    *(asked_where_it_is_added, asked_behind_a_helper, by_an_inner_function, by_an_expression),
    *(added_to_and_counted, added_with_a_header, added_unless_it_is_known),
    *(spelled, by_name, read_and_written, a_path, opened_path, a_path_made_there, in_a_folder),
    *(opened_in_a_folder, joined, by_a_helper, by_a_default, removed, moved, copied),
    *(into_an_archive, into_a_compressed_file, an_array, a_table, Report().write),
    functools.partial(by_a_keyword, path=FILE),
]


@pytest.mark.parametrize("item", CHANGING, ids=lambda one: getattr(one, "__name__", "partial"))
def test_who_changes_a_file_of_one_name_for_all_stays_in_turn(item):
    """By a function or a method, with a path of the code's, the program's or the helper's."""
    assert any("one file for all items" in one for one in examine(item, [1, 2])[0].bound)


def added(x):
    with open(FILE, "a") as file:
        file.write(f"{x}\n")
    pd.DataFrame({"a": [x]}).to_csv("all.csv", mode="a")


def only_read(x):
    with open(FILE) as file, open(PATH, "rb") as other:
        return file.read(), other.read(), x


def by_its_item(name="a.txt"):
    with open(name, "w") as file:
        file.write("")


def of_its_own(x):
    save(f"out{x}.txt", x)
    save(FOLDER / f"{x}.txt", x)
    pathlib.Path(f"{x}.txt").write_text("")
    with open(os.path.join("made", str(x)), "w") as file:
        file.write("")
    os.replace("template.txt".replace("template", str(x)), f"{x}.txt")
    (FOLDER / f"{x}.txt").rename(f"{x}.csv")
    shutil.copy(FILE, f"{x}.txt")


def into_nothing(x):
    with open(os.devnull, "w") as file:
        file.write(str(x))


def by_a_helper_with_a_default(x):
    def write(text, name="last.txt"):
        save(name, text)

    write(str(x), f"{x}.txt")


OTHERS = [added, only_read, by_its_item, of_its_own, into_nothing, by_a_helper_with_a_default]


@pytest.mark.parametrize("item", OTHERS)
def test_other_files_are_no_reason(item):
    """Those that are only added to or read, and those that each item names by itself."""
    assert not any("one file for all items" in one for one in examine(item, ["1", "2"])[0].bound)


def test_the_last_item_decides_what_is_in_the_file(tmp_path, monkeypatch):
    """As in the loop, where each is longer under way than the next."""
    monkeypatch.chdir(tmp_path)

    def late(x):
        time.sleep(2e-3)
        if x >= 60:
            time.sleep((80 - x) * 1e-3)
            PATH.write_text(str(x))
        return x

    assert tuned_map(late, range(80)) == list(range(80))

    assert PATH.read_text() == "79"


def test_a_file_that_later_items_read_and_write_has_what_all_have_written(tmp_path, monkeypatch):
    """The count of one is that of the one before, plus one."""
    monkeypatch.chdir(tmp_path)
    PATH.write_text("0")

    def count(x):
        time.sleep(2e-3)
        if x < 60:
            return 0
        n = int(PATH.read_text()) + 1
        PATH.write_text(str(n))
        return n

    assert tuned_map(count, range(80)) == [0] * 60 + list(range(1, 21))

"""Items run in turn that read what others write, by a name of their own or in a folder."""

import glob
import os
from pathlib import Path

import pytest

from amorsize._engine.data.file_names import FileNames
from amorsize._function.sharing.thread_safety import examine

OUT, READ = Path("out"), Path("read")


def adds_to_the_one_before(n):
    before = Path(f"total-{n - 1}.txt")
    total = int(before.read_text()) if before.exists() else 0
    Path(f"total-{n}.txt").write_text(str(total + n))
    return total


def reads_the_one_before(n):
    with open(OUT / f"{n}.txt", "w") as file:
        file.write(str(n))
    try:
        with open(OUT / f"{n - 1}.txt") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def looks_for_the_next(n):
    with open(f"step{n}", "w"):
        return os.path.exists(f"step{n + 1}")


def name_of(n):
    return f"part-{n}.csv"


def by_a_helper(n):
    Path(name_of(n)).write_text("")
    return os.path.isfile(name_of(n - 1))


def counts_its_folder(n):
    (OUT / f"{n}.txt").write_text("")
    return len(list(OUT.iterdir()))


def lists_here(n):
    Path(f"{n}.txt").write_text("")
    return sorted(os.listdir())


def matches(n):
    with open(f"out/page-{n}.html", "w"):
        return len(glob.glob("out/page-*.html"))


def walks(n):
    Path(f"out/deep/{n}.txt").write_text("")
    return sum(len(files) for _, _, files in os.walk("out"))


def reads_another_folder(n):
    (OUT / f"{n}.txt").write_text((READ / f"{n - 1}.txt").read_text())


def reads_its_own(n):
    path = OUT / f"{n}.txt"
    path.write_text("")
    return path.read_text(), path.exists()


def reads_one_of_all(n):
    with open("read/settings.txt") as settings, open(f"out/{n}.txt", "w") as file:
        file.write(settings.read())


def lists_another_folder(n):
    Path(f"out/{n}.txt").write_text(str(len(os.listdir("read"))))


def matches_other_names(n):
    Path(f"out/{n}.txt").write_text(str(glob.glob("out-page-*.html")))


def lists_above(n):
    Path(f"out/{n}.txt").write_text(str(os.listdir(".")))


def in_turn(item):
    """Whether two of these items may not run at once."""
    reach = examine(item, [1, 2])[0]
    return bool(reach.bound) or bool(FileNames(reach.named_by, star=False).look(range(5))[1])


OF_OTHERS = [
    *(adds_to_the_one_before, reads_the_one_before, looks_for_the_next, by_a_helper),
    *(counts_its_folder, lists_here, matches, walks),
]


@pytest.mark.parametrize("item", OF_OTHERS, ids=lambda one: one.__name__)
def test_what_others_write_is_read_in_the_items_order(item):
    """In workers it would not be there yet, or would be there already."""
    assert in_turn(item)


OF_ITS_OWN = [
    *(reads_another_folder, reads_its_own, reads_one_of_all),
    *(lists_another_folder, matches_other_names, lists_above),
]


@pytest.mark.parametrize("item", OF_ITS_OWN, ids=lambda one: one.__name__)
def test_what_no_item_writes_may_be_read_at_any_time(item):
    """Such items stay in workers."""
    assert not in_turn(item)

"""Files whose names several items share are written in the items' order: one for each `x % 7`.

A name that keeps items apart is no reason.
"""

import functools
import glob
import hashlib
import json
import os
import pathlib
import sqlite3
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from amorsize import tuned_map
from amorsize._function.sharing.thread_safety import examine

KINDS = ("red", "green", "blue")
BY_NUMBER = {0: "even", 1: "odd", 2: "even"}
OF_EACH = {0: "a.txt", 1: "b.txt"}
FOLDER = pathlib.Path("made")
N_SHARDS = 4


def by_remainder(x):
    p = f"cat_{x % 7}.json"
    d = json.load(open(p)) if os.path.exists(p) else {}  # noqa: SIM115 - as people write it
    d[x] = 1
    json.dump(d, open(p, "w"))  # noqa: SIM115


def by_quotient(x):
    with open(f"part_{x // 100}.txt", "w") as file:
        file.write(str(x))


def by_path(x):
    Path(f"cache/{x % 10}.json").write_text(str(x))


def by_joined_path(x):
    target = FOLDER / str(x % N_SHARDS) / "all.txt"
    target.write_text(str(x))


def in_databases(x):
    with sqlite3.connect(f"t{x % 4}.db") as db:
        db.execute("insert into t values (?)", (x,))
        return db.execute("select count(*) from t").fetchone()


def by_free_name(x):
    n = 0
    while os.path.exists(f"{n}.txt"):
        n += 1
    with open(f"{n}.txt", "w") as file:
        file.write(str(x))


def by_free_name_in_a_loop(x):
    for n in range(1000):
        name = f"out{n}.txt"
        if not os.path.exists(name):
            break
    with open(name, "w") as file:
        file.write(str(x))


def by_count(x):
    n = len(os.listdir("made"))
    with open(f"made/{n}.txt", "w") as file:
        file.write(str(x))


def by_count_of_paths(x):
    n = len(list(FOLDER.glob("*.txt")))
    (FOLDER / f"{n}_{x}.txt").write_text(str(x))


def by_glob(x):
    with open("run%d.txt" % len(glob.glob("run*.txt")), "w") as file:  # noqa: UP031
        file.write(str(x))


def by_hash(x):
    with open("{}.txt".format(hash(x) % 8), "w") as file:  # noqa: UP032
        file.write(str(x))


def by_kind(x):
    with open(KINDS[x % 3] + ".txt", "w") as file:
        file.write(str(x))


def by_table(x):
    with open(BY_NUMBER[x] + ".txt", "w") as file:
        file.write(str(x))


def by_low_bits(x):
    with open(os.path.join("made", str(x & 3)), "w") as file:
        file.write(str(x))


def by_high_bits(x):
    with open(f"{x >> 4}.txt", "w") as file:
        file.write(str(x))


def rounded(x):
    with open(f"{round(x, 1)}.txt", "w") as file:
        file.write(str(x))


def by_length(text):
    with open(f"{len(text)}.txt", "w") as file:
        file.write(text)


def by_first_letter(text):
    with open(f"{text.lower()[0]}.txt", "w") as file:
        file.write(text)


def by_letter_of_a_text(text: str):
    with open(f"{text[0]}.txt", "w") as file:
        file.write(text)


def by_letter_of_what_is_written(word):
    with open("words_" + word[0] + ".txt", "w") as file:
        file.write(word + "\n")


def by_one_of_two(x):
    shard, _ = divmod(x, 10)
    with open(f"{shard}.txt", "w") as file:
        file.write(str(x))


def by_choice(x):
    name = "even.txt" if x % 2 == 0 else "odd.txt"
    with open(name, "w") as file:
        file.write(str(x))


def by_digest(x):
    digest = hashlib.md5(str(x).encode()).hexdigest()
    with open(f"{digest[:2]}.txt", "w") as file:
        file.write(str(x))


def shard_of(x):
    return f"shard_{x % 5}.txt"


def save(name, text):
    with open(name, "w") as file:
        file.write(text)


def by_helpers(x):
    save(shard_of(x), str(x))


def by_integer(x):
    save(f"{int(x / 10)}.txt", str(x))


def added_and_read(x):
    with open(f"{x % 4}.log", "a+") as file:
        file.seek(0)
        file.write(f"{len(file.readlines())}\n")


def begun_by_one(x):
    with open(f"part_{x // 100}.txt", "w" if x % 100 == 0 else "a") as file:
        file.write(str(x))


def added_and_counted(x):
    with open(f"{x % 3}.txt", "a") as file:
        file.write("\n")
    with open(f"{x % 3}.txt") as file:
        return len(file.readlines())


def by_argument(n, x):
    save(f"{x % n}.txt", str(x))


class Shards:
    def __init__(self):
        self.folder, self.n = pathlib.Path("made"), 3

    def path(self, x):
        return self.folder / f"{x % self.n}.txt"

    @staticmethod
    def bits(x):
        return f"{x & 7}.txt"

    def write_by_bits(self, x):
        Path(self.bits(x)).write_text("")

    def write(self, x):
        self.path(x).write_text(str(x))


def what_it_reads(x):
    with open(f"names{x}.txt") as file:
        for line in file:
            save(line.strip(), "")


SHARING = [
    *(by_remainder, by_quotient, by_path, by_joined_path, in_databases, by_free_name, by_count),
    *(by_free_name_in_a_loop, by_count_of_paths, by_glob, by_hash, by_kind, by_table, by_low_bits),
    *(by_high_bits, rounded, by_length, by_first_letter, by_letter_of_a_text),
    *(by_one_of_two, by_choice, by_digest, by_helpers, by_integer, added_and_counted),
    *(by_letter_of_what_is_written, added_and_read, begun_by_one, Shards().write_by_bits),
    *(functools.partial(by_argument, 4), Shards().write, what_it_reads),
]


def _reasons(item, items=(1, 2)):
    return [one for one in examine(item, list(items))[0].bound if "several items share" in one]


@pytest.mark.parametrize("item", SHARING, ids=lambda one: getattr(one, "__name__", "partial"))
def test_who_changes_files_whose_names_items_share_stays_in_turn(item):
    assert _reasons(item)


def test_the_reason_says_what_items_have_in_common():
    assert _reasons(by_remainder) == [
        "a function that changes files whose names several items share (x % 7)"
    ]


def itself(x):
    save(f"{x}.txt", "")
    save(str(x), "")
    save("%s.txt" % x, "")  # noqa: UP031
    save("out_" + str(x + 1), "")


def with_a_folder_by_remainder(x):
    save(f"{x % 10}/{x}.txt", "")


def by_both_of_two(x):
    high, low = divmod(x, 10)
    save(f"{high}/{low}.txt", "")
    save(f"{x // 100}/{x % 100}.txt", "")
    save(f"{x >> 4}/{x & 15}.txt", "")


def by_field(row):
    save(f"{row['id']}.txt", "")
    save(f"{row['kind'][:2]}/{row['id']}.txt", "")


def by_numbered_field(row):
    _, text = row
    save(f"{row[0]}.txt", row[1].lower() + text.upper())


def by_stem(path):
    path = Path(path)
    save(f"{path.stem}.csv", "")
    path.with_suffix(".csv").write_text("")
    (path.parent / f"{path.stem}.out").write_text("")


def into_new_files(x):
    with tempfile.TemporaryDirectory() as folder:
        save(os.path.join(folder, f"{x % 3}.txt"), "")
    save(f"{uuid.uuid4().hex[:8]}_{x % 3}.txt", "")
    save(f"{os.getpid()}_{x % 3}.txt", "")


def by_number_beside_it(numbered):
    n, x = numbered
    save(f"{n}_{x % 3}.txt", "")


def by_whole_digest(x):
    digest = hashlib.sha256(str(x).encode()).hexdigest()
    save(f"{digest[:2]}/{digest}.txt", "")
    save(f"{digest[:16]}.txt", "")


def without_its_ending(name):
    save(name[:-4] + ".out", "")
    save(name[5:], "")


def in_parts(x):
    for n in range(3):
        save(f"{x}_{n}.txt", "")


def free_name_of_its_own(x):
    n = 0
    while os.path.exists(f"{x}_{n}.txt"):
        n += 1
    save(f"{x}_{n}.txt", "")


def only_added(x):
    with open(f"{x % 3}.txt", "a") as file:
        file.write("\n")


def only_read(x):
    with open(f"{x % 3}.txt") as file:
        return file.read()


def by_table_of_its_own(x):
    save(OF_EACH[x], "")


def of_joined_parts(x):
    parts = [part.upper() for part in x.split("/")]
    save(f"{len(parts)}_" + "_".join(parts), "")


def names_for(x):
    for part in ("a", "b"):
        yield f"{x}.{part}"


def by_generator(x):
    for name in names_for(x):
        save(name, "")


FREE = [
    *(itself, with_a_folder_by_remainder, by_both_of_two, by_field, by_numbered_field, by_stem),
    *(into_new_files, by_number_beside_it, by_whole_digest, without_its_ending, in_parts),
    *(free_name_of_its_own, only_added, only_read, by_table_of_its_own, of_joined_parts),
    by_generator,
]


@pytest.mark.parametrize("item", FREE, ids=lambda one: one.__name__)
def test_names_that_keep_items_apart_are_no_reason(item):
    assert not _reasons(item)


def test_each_file_has_what_the_loop_leaves_there(tmp_path, monkeypatch):
    """All of it: no item reads what another is about to write anew."""
    monkeypatch.chdir(tmp_path)

    def keep(x):
        path = Path(f"cat_{x % 7}.json")
        known = json.loads(path.read_text()) if path.exists() else []
        time.sleep(2e-3)
        path.write_text(json.dumps([*known, x]))

    assert tuned_map(keep, range(140)) == [None] * 140

    found = [json.loads(Path(f"cat_{n}.json").read_text()) for n in range(7)]
    assert found == [list(range(n, 140, 7)) for n in range(7)]

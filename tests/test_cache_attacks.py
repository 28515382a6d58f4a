"""Whoever can write the cache's database can cost a re-tune, and nothing else."""

import contextlib
import json
import os
import pickle
import sqlite3
import time
import warnings
from pathlib import Path

import pytest

from amorsize import cache, tuned_map
from amorsize._profiles import memory_store
from amorsize._profiles.memory_store import last_trace
from amorsize.cache import database, sqlite_errors
from amorsize.errors import AmorsizeWarning

RECORD = {"version": 1, "name": "shop.parse", "profile": {"item_s": 1e-3, "n_jobs": 2}}
KEY = "profile:a"


@pytest.fixture(autouse=True)
def fresh(fresh_cache, monkeypatch):
    """A process that has not opened the cache, nor warned of it; statements end after 0.2 s."""
    monkeypatch.setattr(cache.access, "WAIT_S", 0.2)
    monkeypatch.setattr(cache, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(database, "WAIT_S", 0.2)


@pytest.fixture
def plant(home):
    """Change the database behind the cache's back: `plant(sql, *values)`, with one record in it."""
    cache.put(KEY, RECORD)
    cache.close()

    def change(sql, *values):
        with contextlib.closing(sqlite3.connect(home / "cache.db")) as connection, connection:
            connection.execute(sql, values)

    return change


class Bomb:
    """Unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def bomb(tmp_path):
    """A pickle, and the file that says that somebody loaded it."""
    mark = tmp_path / "exploded"
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()
    mark.unlink()
    return pickle.dumps(Bomb(mark)), mark


def use_everything():
    """Call all that reads or writes, the way callers do; warnings are expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmorsizeWarning)
        got = cache.get(KEY)
        assert got is None or got == RECORD
        cache.entries()
        cache.n_damaged()
        cache.put("profile:other", RECORD)
        cache.forget("profile:other")
        cache.put(KEY, RECORD)
        cache.close()
        cache.get(KEY)
        cache.forget(KEY)
        cache.clear()


def assert_works_again():
    """After clearing, the cache does its work."""
    cache.close()
    cache.clear()
    assert cache.put(KEY, RECORD)
    assert cache.get(KEY) == RECORD
    assert cache.entries() == [{**RECORD, "stored_as": KEY}]
    assert cache.n_damaged() == 0


# ---- Code ----


def test_a_planted_pickle_is_not_loaded(plant, bomb):
    """A row turned into a pickled one is refused, counted, and replaced by the next put."""
    data, mark = bomb
    plant("UPDATE Cache SET mode = 4, value = ?", data)

    with pytest.warns(AmorsizeWarning, match="not a plain text in its row"):
        assert cache.get(KEY) is None
    assert cache.entries() == []
    assert cache.n_damaged() == 1
    assert cache.put(KEY, RECORD)
    assert cache.get(KEY) == RECORD
    use_everything()
    assert not mark.exists()


def test_a_planted_pickled_key_is_not_loaded(plant, bomb):
    """A key marked as pickled is counted as damaged wherever rows are gone through."""
    data, mark = bomb
    plant("INSERT INTO Cache(key, raw, mode, value, store_time) VALUES (?, 0, 1, '{}', 0)", data)

    assert cache.get(KEY) == RECORD
    assert [entry["stored_as"] for entry in cache.entries()] == [KEY]
    assert cache.n_damaged() == 1
    use_everything()
    assert not mark.exists()


def test_no_setting_of_the_file_is_obeyed(plant, tmp_path, home):
    """diskcache would take attributes, arguments and pragmas from the table of settings."""
    for name, value in {
        "_directory": str(tmp_path / "elsewhere"),
        "_connection": "gone",
        "disk_evil": 1,
        "sqlite_user_version": 666,
        "eviction_policy": "least-frequently-used",
        "size": "not a number",
        "statistics": 1,
    }.items():
        plant("INSERT OR REPLACE INTO Settings VALUES (?, ?)", name, value)

    assert cache.get(KEY) == RECORD
    assert cache.put("profile:b", RECORD)
    assert cache.get("profile:b") == RECORD
    assert not (tmp_path / "elsewhere").exists()
    with contextlib.closing(sqlite3.connect(home / "cache.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


# ---- Files outside ----


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_planted_file_name_is_neither_read_nor_removed(plant, home, monkeypatch, mode, absolute):
    """However a row that names a file is used or dropped, that file is not touched."""
    victim = home.parent / "victim"
    victim.write_text(json.dumps({"secret": 1}))
    name = str(victim) if absolute else "../victim"
    plant("UPDATE Cache SET mode = ?, filename = ?, value = NULL", mode, name)
    plant(
        "INSERT INTO Cache(key, raw, mode, filename, store_time, expire_time) "
        "VALUES ('profile:old', 1, ?, ?, 0, 1)",  # expired: culled by the next put
        *(mode, name),
    )

    with pytest.warns(AmorsizeWarning, match="refused"):
        assert cache.get(KEY) is None
    assert cache.entries() == []
    monkeypatch.setattr(database, "SIZE_LIMIT_BYTES", 1024 * 1024)
    use_everything()
    assert victim.read_text() == json.dumps({"secret": 1})


def test_a_symlinked_database_is_not_followed(home, tmp_path):
    """A link in the database's place is moved aside; what it led to stays as it was."""
    victim = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(victim)) as connection, connection:
        connection.execute("CREATE TABLE precious (x)")
    before = victim.read_bytes()
    home.mkdir(0o700)
    (home / "cache.db").symlink_to(victim)

    with pytest.warns(AmorsizeWarning, match="not a plain file"):
        assert cache.put(KEY, RECORD)

    assert cache.get(KEY) == RECORD
    assert victim.read_bytes() == before
    cache.clear()
    assert victim.read_bytes() == before


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_moved_aside(home, kind):
    """A folder or a pipe in the database's place neither blocks nor stays."""
    home.mkdir(0o700)
    make = os.mkfifo if kind == "fifo" else os.mkdir
    make(home / "cache.db")

    with pytest.warns(AmorsizeWarning, match="not a plain file"):
        assert cache.put(KEY, RECORD)
    assert_works_again()


# ---- The folder ----


def test_a_symlinked_folder_is_refused(monkeypatch, home, tmp_path):
    """It could lead anywhere: nothing is written through it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o700)
    home.symlink_to(elsewhere)

    with pytest.warns(AmorsizeWarning, match="symbolic link"):
        assert not cache.put(KEY, RECORD)
    assert cache.clear() == 0
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_that_others_can_write_is_refused(plant, home, mode):
    """Neither read nor written, with or without a database in it."""
    home.chmod(mode)

    with pytest.warns(AmorsizeWarning, match="can be written by other users"):
        assert cache.get(KEY) is None
    assert not cache.put(KEY, RECORD)
    assert cache.clear() == 0

    home.chmod(0o755)  # that others can read it is their gain, and no danger
    cache.close()
    assert cache.get(KEY) == RECORD


def test_a_folder_of_another_user_is_refused(plant, home, monkeypatch):
    """Neither read nor written; the warning says whose it is."""
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)

    with pytest.warns(AmorsizeWarning, match=rf"belongs to another user \(id {mine}\)"):
        assert cache.get(KEY) is None
    assert not cache.put(KEY, RECORD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_root_does_not_read_what_a_user_owns(plant, home):
    """With `sudo` keeping HOME, root would trust a file that a user can write."""
    os.chown(home, 12345, -1)

    with pytest.warns(AmorsizeWarning, match=r"belongs to another user \(id 12345\)"):
        assert cache.get(KEY) is None
    assert not cache.put(KEY, RECORD)


# ---- Values ----


@pytest.mark.parametrize(
    "value",
    [
        '{"item_s": NaN}',
        '{"item_s": Infinity}',
        '{"item_s": -Infinity}',
        '{"item_s": 1e999}',
        '{"item_s": -1e999}',
        '{"n_jobs": 1' + "0" * 400 + "}",
        "NaN",
        "[1, 2]",
        '"text"',
        "12",
        "null",
        "",
        "{",
        '{"a": 1} {"b": 2}',
        "[" * 60_000,
        '{"a":' * 200 + "1" + "}" * 200,
        '{"a": [' + "[" * 40 + "]" * 40 + "]}",
        '{"text": "' + "x" * 66_000 + '"}',
        '{"text": "' + "x" * 5_000_000 + '"}',
        b'{"n_jobs": 1}',
        12,
        1.5,
        None,
    ],
    ids=lambda value: f"{value!r:.24}",
)
def test_a_value_that_is_no_sane_json_object_is_a_miss(plant, value):
    """Refused with one warning, counted as damaged, replaced by the next put."""
    plant("UPDATE Cache SET value = ?", value)

    with pytest.warns(AmorsizeWarning, match="a record in its database was refused") as told:
        assert cache.get(KEY) is None
        assert cache.get(KEY) is None
    assert len(told) == 1
    assert cache.entries() == []
    assert cache.n_damaged() == 1
    assert cache.put(KEY, RECORD)
    assert cache.get(KEY) == RECORD


def test_a_huge_value_is_never_loaded(plant):
    """SQLite is told to refuse it, before it is in memory."""
    plant("UPDATE Cache SET value = zeroblob(5000000)")

    with pytest.warns(AmorsizeWarning, match="too large"):
        assert cache.get(KEY) is None
    assert cache.entries() == []
    assert cache.n_damaged() == 1
    assert_works_again()


def test_a_huge_key_is_never_loaded(plant):
    """SQLite would copy it to compare another with it: the database is put aside."""
    plant("INSERT INTO Cache(key, raw, mode, value) VALUES (zeroblob(5000000), 1, 1, '{}')")

    with pytest.warns(AmorsizeWarning, match="a key that was longer than amorsize writes"):
        assert cache.entries() == []
    assert_works_again()


def test_text_that_is_not_utf8_is_a_miss(plant):
    """Bytes marked as text are refused, row by row."""
    plant("UPDATE Cache SET value = CAST(x'7bff7d' AS TEXT)")
    plant("INSERT INTO Cache(key, raw, mode, value) VALUES (CAST(x'ff' AS TEXT), 1, 1, '{}')")

    with pytest.warns(AmorsizeWarning, match="not a text"):
        assert cache.get(KEY) is None
    assert cache.entries() == []
    assert cache.n_damaged() == 2


@pytest.mark.parametrize("expire_time", ["soon", None, float("inf"), b"\xff"])
def test_a_strange_expiry_is_no_trouble(plant, expire_time):
    """Whatever stands for the time, there is an answer."""
    plant("UPDATE Cache SET expire_time = ?, store_time = 'x', access_count = 'y'", expire_time)

    assert cache.get(KEY) in (None, RECORD)
    assert cache.put(KEY, RECORD)
    assert cache.get(KEY) == RECORD


# ---- Tables ----

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE more (x)",
        f"CREATE VIEW more AS {ENDLESS}",
        f"CREATE TRIGGER more AFTER INSERT ON Cache BEGIN "
        f"UPDATE Settings SET value = ({ENDLESS}); END",
        "DROP INDEX Cache_key_raw",
        "DROP TABLE Settings",
        "ALTER TABLE Cache RENAME COLUMN mode TO moderate",
        "ALTER TABLE Settings RENAME COLUMN value TO worth",
    ],
)
def test_tables_that_are_not_ours_are_moved_aside(plant, home, sql):
    """A database laid out by somebody else is not used at all."""
    plant(sql)

    with pytest.warns(AmorsizeWarning, match="not laid out by amorsize"):
        assert cache.get(KEY) is None
    assert (home / "damaged-1").exists()
    assert_works_again()


def test_a_view_in_the_place_of_the_table_is_moved_aside(plant, home):
    """It could compute for ever."""
    plant("DROP TABLE Cache")
    plant(f"CREATE VIEW Cache AS {ENDLESS}")

    with pytest.warns(AmorsizeWarning, match="not laid out by amorsize"):
        assert cache.get(KEY) is None
    assert_works_again()


def test_a_statement_that_never_ends_is_interrupted(plant, home):
    """Should a file ever make SQLite compute for ever, its time is up after all."""
    store = database.opened(str(home), creating=False)
    store.allow(0.05)
    try:
        with pytest.raises(sqlite3.OperationalError, match="interrupted") as raised:
            store._connection.execute(ENDLESS)
        assert "took its database too long" in sqlite_errors.in_words(raised.value, None)
    finally:
        store.close()


def test_an_empty_or_foreign_file_in_its_place(home):
    """An empty file is a database to be laid out; another program's is moved aside."""
    home.mkdir(0o700)
    (home / "cache.db").touch()
    assert cache.get(KEY) is None
    assert cache.put(KEY, RECORD)

    cache.close()
    (home / "cache.db").unlink()
    with contextlib.closing(sqlite3.connect(home / "cache.db")) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (x)")
    with pytest.warns(AmorsizeWarning, match="not laid out by amorsize"):
        assert cache.put(KEY, RECORD)
    with contextlib.closing(sqlite3.connect(home / "damaged-1")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


# ---- A call, whatever was planted ----


def busy(number):
    """An item that computes 1 ms."""
    until_s = time.thread_time() + 1e-3
    while time.thread_time() < until_s:
        pass
    return number


@pytest.fixture
def learned(monkeypatch):
    """What a call has noted, as the text of the record and its key; nobody remembers it."""
    monkeypatch.setattr(memory_store, "_memory", None)
    if not LEARNED:  # once for all tests: a tenth of a second each
        tuned_map(busy, range(300))
        memory_store.write()
        [record] = cache.entries()
        LEARNED.append((str(record.pop("stored_as")), record))
        cache.clear()
        cache.close()
        monkeypatch.setattr(memory_store, "_memory", None)
    return LEARNED[0]


LEARNED = []  # its key, and the record
PROFILES = {
    "a billion jobs": {"n_jobs": 10**9},
    "negative chunks": {"chunksize": -5},
    "no number": {"item_s": float("nan")},
    "infinite": {"warmup_s": float("inf")},
    "wrong types": {"waits": "no", "holds_gil": [1]},
    "code for a name": {"backend": "__import__('os').system('true')"},
    "bidirectional": {"source": "\u202elearned"},
    "a field more": {"__reduce__": "x"},
}


def deep(levels):
    """Objects in objects."""
    return '{"profile": ' * levels + "1" + "}" * levels


@pytest.mark.parametrize("attack", [*PROFILES, "deep", "pickle", "another's name"])
def test_a_call_is_right_whatever_was_planted(attack, learned, home, bomb):
    """Its results, the number of its workers, and nothing that was planted is run."""
    key, record = learned
    data, mark = bomb
    cache.put(key, record)
    cache.close()
    value = json.dumps(record)
    if attack in PROFILES:
        value = json.dumps({**record, "profile": {**record["profile"], **PROFILES[attack]}})
    elif attack == "deep":
        value = deep(50_000)
    elif attack == "pickle":
        value = data
    else:
        value = json.dumps({**record, "name": "\u202e\x1b[2Jos.system\u0000", "key": "../../x"})
    with contextlib.closing(sqlite3.connect(home / "cache.db")) as connection, connection:
        mode = 4 if attack == "pickle" else 1
        n = connection.execute("UPDATE Cache SET mode = ?, value = ?", (mode, value)).rowcount
        assert n == 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmorsizeWarning)
        results = tuned_map(busy, range(300))

    assert results == list(range(300))
    trace = last_trace(busy)
    assert (trace.known is None) == (attack != "another's name")
    assert sum(trace.n_started.values()) <= 4 * (os.cpu_count() or 1)
    assert not mark.exists()


def test_a_record_that_is_whole_is_found_so(learned):
    """The test above can fail: what was not attacked is used."""
    key, record = learned
    cache.put(key, record)
    cache.close()

    tuned_map(busy, range(300))

    assert last_trace(busy).known is not None

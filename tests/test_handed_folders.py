"""A folder that somebody hands over can hurt nobody, whatever lies in it under whatever name."""

import contextlib
import ctypes
import os
import re
import shutil
import sqlite3
import struct
import sys
import warnings
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

import forged
import pytest
from conftest import ROOT, run_command

from amorsize import cache
from amorsize.cache import empty_database, folder_guard, journal, location, sqlite_files
from amorsize.errors import AmorsizeWarning

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here"),
    pytest.mark.usefixtures("fresh_cache"),
]
KEY, RECORD = forged.KEY, forged.RECORD


@pytest.fixture
def outside(tmp_path):
    """Files of the user's that are none of our business."""
    return forged.Outside(tmp_path / "outside")


# ---- Every name, in every way ----

#: Names in one process: to begin it, and to forge all content, takes as long as twenty attacks.
N_TOGETHER = 3
CASES = [(way, []) for way in forged.WAYS]
CASES += [
    ("forged content", forged.names()[at : at + N_TOGETHER])
    for at in range(0, len(forged.names()), N_TOGETHER)
]


@pytest.mark.parametrize(
    ("way", "names"), CASES, ids=[" ".join([way, *names]) for way, names in CASES]
)
def test_nothing_outside_is_touched_and_calls_are_right(tmp_path, way, names):
    """Each attack meets all that reads, writes and clears, in bounded time."""
    script = str(ROOT / "tests" / "forged.py")
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    told = run_command(
        [sys.executable, script, way, *names],
        cwd=tmp_path,
        timeout_s=55.0,
        environ={"PYTHONPATH": path},
    )
    n_ways = len(forged.attacks(way, forged.Outside(tmp_path / "outside")))
    n_attacks = n_ways * len(names or forged.names())
    assert told.stdout.splitlines()[-1].startswith(f"{n_attacks} attacks, and nothing outside")


def test_the_names_are_those_that_the_code_knows():
    """SECURITY.md lists each file of ours and of SQLite's; adding one means attacking it."""
    known = {
        location.DATABASE,
        *location.BESIDE,
        *sqlite_files.ASIDE,
        journal.NAME,
        journal.LEAVING,
        "history",
    }
    others = {name for name in forged.names() if name not in known}

    assert known <= set(forged.names())
    kinds = [r"cache\.db-mj\w+", r"history/[0-9a-f]{32}\.json", r"history/[0-9a-f]{16}\.part"]
    assert [sum(bool(re.fullmatch(kind, name)) for name in others) for kind in kinds] == [1, 1, 1]
    assert len(others) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_no_other_name_is_opened_made_or_removed(home):
    """The kernel tells what happens in the folder while all that there is to do is done."""
    forged.whole_folder(home)
    shutil.copy(home / "cache.db", home / "damaged-1")
    seen = GilProbed(home)
    forged.use_everything()
    (home / "cache.db").write_bytes(b"noise" * 1000)
    forged.use_everything()

    nameless = re.compile(r"#\d+")  # a file that has no name yet: nobody can be there before it
    found = {name for name in seen.names() if name and not nameless.fullmatch(name)}
    assert {"cache.db", "cache.db-wal", "cache.db-shm", "journal.jsonl", "history"} <= found
    assert "cache.db-journal" not in found
    assert found <= set(forged.names())


class GilProbed:
    """The names in a folder that something happens to, as Linux tells them."""

    ALL = 0xFFF

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert libc.inotify_add_watch(self.descriptor, os.fsencode(folder), self.ALL) >= 0

    def names(self):
        """Those so far; to be asked once."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.descriptor, 1 << 16):
                data += part
        os.close(self.descriptor)
        found, at = set(), 0
        while at < len(data):
            length = struct.unpack_from("iIII", data, at)[3]
            found.add(data[at + 16 : at + 16 + length].rstrip(b"\0").decode())
            at += 16 + length
        return found


# ---- What SQLite would do ----


def test_a_forged_journal_would_remove_a_file(tmp_path, outside):
    """The attack is one: opened by SQLite alone, the folder costs the user a file."""
    content = forged.database()
    (tmp_path / "a.db").write_bytes(content)
    journal = forged.journal(str(outside.thesis), n_pages=len(content) // 4096)
    (tmp_path / "a.db-journal").write_bytes(journal)

    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("SELECT * FROM sqlite_master").fetchall()

    assert not outside.thesis.exists()


@pytest.mark.parametrize("content", ["a journal with a super-journal", "a journal", "noise"])
def test_a_journal_is_removed_and_what_was_learned_is_kept(home, outside, content):
    """It costs nothing at all: the records are there."""
    forged.whole_folder(home)
    (home / "cache.db-journal").write_bytes(forged.forged(outside)[content])
    forged.fresh_state()

    assert cache.get(KEY) == RECORD
    assert not (home / "cache.db-journal").exists()
    assert outside.state() == outside.before


@pytest.mark.skipif(sys.platform != "linux", reason="the lock is Linux's")
@pytest.mark.parametrize("act", ["get", "put"])
def test_a_journal_that_comes_after_the_look_is_not_opened(home, outside, monkeypatch, act):
    """Somebody who plants it at the worst moment, again and again, gets nothing for it."""
    forged.whole_folder(home)
    forged.fresh_state()
    look, path = sqlite_files.check, home / "cache.db-journal"

    def planting(folder):
        found = look(folder)
        path.write_bytes(forged.journal(str(outside.thesis)))
        return found

    monkeypatch.setattr(sqlite_files, "check", planting)
    assert cache.get(KEY) == RECORD if act == "get" else cache.put(KEY, RECORD)
    assert outside.state() == outside.before
    assert path.exists()  # nobody took it for a journal


@pytest.mark.skipif(sys.platform != "linux", reason="the lock is Linux's")
def test_a_journal_that_comes_while_a_database_is_made_is_not_opened(home, outside, monkeypatch):
    """It is put there whole: SQLite finds nothing that it could take for half of one."""
    look, path = sqlite_files.check, home / "cache.db-journal"

    def planting(folder):
        found = look(folder)
        path.write_bytes(forged.journal(str(outside.thesis)))
        return found

    monkeypatch.setattr(sqlite_files, "check", planting)
    assert cache.put(KEY, RECORD)
    assert cache.get(KEY) == RECORD
    assert outside.state() == outside.before
    assert path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the lock is Linux's")
@pytest.mark.parametrize("place", ["before the lock", "after it"])
@pytest.mark.parametrize("again", [False, True])
def test_a_database_that_is_swapped_while_it_is_opened(home, outside, monkeypatch, place, again):
    """No statement is run on one that is not locked: a journal would be heeded there."""
    forged.whole_folder(home)
    forged.fresh_state()
    hold, swaps = sqlite_files.Hold, []

    def swap():
        if again or not swaps:
            swaps.append(forged.write(home / "other", (home / "cache.db").read_bytes()))
            (home / "cache.db").unlink()
            if place == "after it":
                (home / "other").rename(home / "cache.db")
            (home / "cache.db-journal").write_bytes(forged.journal(str(outside.thesis)))

    def swapping(folder):
        if place == "before the lock":
            swap()
        held = hold(folder)
        if place == "after it":
            swap()
        return held

    monkeypatch.setattr(sqlite_files, "Hold", swapping)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert cache.put(KEY, RECORD) is not again
    assert [str(one.message)[:72] for one in told] == [REPLACED] * again
    assert outside.state() == outside.before


REPLACED = "amorsize had trouble with its cache: its database was replaced again and"


def test_a_folder_that_goes_while_a_database_is_made(home, monkeypatch):
    """SQLite is not asked to make one where that could not be."""
    home.mkdir(mode=0o700)
    monkeypatch.setattr(empty_database, "_content", lambda: shutil.rmtree(home) or b"x")

    with pytest.warns(AmorsizeWarning, match="No such file or directory"):
        assert not cache.put(KEY, RECORD)
    assert not home.exists()


def test_where_files_have_names_from_the_start_sqlite_makes_it(home, monkeypatch):
    """As on other systems."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)

    assert cache.put(KEY, RECORD)
    cache.close()
    assert cache.get(KEY) == RECORD


def test_no_database_is_ever_written_with_a_journal(home):
    """Not while it is made either: else a process that removes one would disturb another."""
    assert cache.put(KEY, RECORD)
    cache.close()
    header = (home / "cache.db").read_bytes()[18:20]

    assert header == b"\2\2"  # of WAL mode, as the file format has it


@pytest.mark.parametrize("name", ["cache.db-wal", "cache.db-shm"])
def test_a_hard_link_beside_the_database_is_removed_with_it(home, outside, name):
    """What it led to is neither written nor cut; the trouble is told."""
    forged.whole_folder(home)
    os.link(outside.thesis, home / name)
    forged.fresh_state()

    with pytest.warns(AmorsizeWarning, match="another name elsewhere"):
        assert cache.put(KEY, RECORD)
    assert cache.get(KEY) == RECORD
    assert outside.state() == outside.before


@pytest.mark.parametrize(
    "name", ["cache.db", "cache.db-journal", "cache.db-wal", "cache.db-shm", "journal.jsonl"]
)
def test_a_pipe_is_not_waited_for(home, name):
    """Whatever is a pipe is put away, and the cache works."""
    forged.whole_folder(home)
    (home / name).unlink(missing_ok=True)
    os.mkfifo(home / name)
    forged.fresh_state()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmorsizeWarning)
        assert cache.put(KEY, RECORD)
        assert cache.note("profile:b", RECORD)
    assert cache.get(KEY) == RECORD
    assert not (home / name).is_fifo()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE INDEX Cache_expire_time ON Cache (expire_time) WHERE key LIKE '%a%b'",
        "CREATE INDEX Cache_expire_time ON Cache (hex(value))",
        "CREATE INDEX Cache_expire_time ON Cache (expire_time, key)",
    ],
)
def test_an_index_that_computes_is_not_ours(home, change):
    """A name is not enough: the layout is compared letter by letter."""
    forged.whole_folder(home)
    with contextlib.closing(sqlite3.connect(home / "cache.db")) as connection, connection:
        connection.execute("DROP INDEX Cache_expire_time")
        connection.execute(change)
    forged.fresh_state()

    with pytest.warns(AmorsizeWarning, match="not laid out by amorsize"):
        assert cache.get(KEY) is None
    assert cache.put(KEY, RECORD)


def test_what_diskcache_lays_out_is_what_is_expected(tmp_path):
    """A database of an earlier version, or of diskcache's next one, is told by this test."""
    import diskcache

    with diskcache.Cache(str(tmp_path), eviction_policy="least-recently-stored") as made:
        rows = made._sql("SELECT name, sql FROM sqlite_master WHERE type != 'trigger'").fetchall()

    assert {name: sql for name, sql in rows if sql} == empty_database.LAYOUT


# ---- The way to the folder ----


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707])
def test_a_folder_that_others_can_swap_is_refused(home, mode):
    """Who can write to the one above could put any folder in its place."""
    above = home / "above"
    (above / "amorsize").mkdir(parents=True, mode=0o700)
    above.chmod(mode)
    if os.geteuid() == 0:
        os.chown(above, 0, 12345)

    with pytest.raises(
        folder_guard.TroubleError, match=r"above', which can be written by other users"
    ):
        folder_guard.own(str(above / "amorsize"), creating=True)

    above.chmod(0o1777)  # like /tmp
    assert folder_guard.own(str(above / "amorsize"), creating=False) == str(above / "amorsize")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_within_another_users_is_refused(home):
    """Root does not write where a user could lead it elsewhere, a level or two above."""
    inner = home / "of-a-user" / "between" / "amorsize"
    inner.mkdir(parents=True, mode=0o700)
    os.chown(home / "of-a-user", 12345, -1)

    with pytest.raises(
        folder_guard.TroubleError, match=r"of-a-user', which belongs to another user"
    ):
        folder_guard.own(str(inner), creating=False)


def test_a_link_on_the_way_is_followed_once(home, tmp_path):
    """The folder that was looked at is the one that is used, wherever the link leads by then."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    found = folder_guard.own(str(tmp_path / "link" / "amorsize"), creating=True)

    assert found == str(tmp_path / "real" / "amorsize")


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize(
    "way",
    [
        *(
            "real/amorsize",
            "real/amorsize/",
            "real//amorsize",
            "real/./amorsize",
            "real/amorsize/.",
        ),
        *("real/amorsize/..", "real/../real/amorsize", "link/amorsize", "real/linked"),
        *("real/linked/", "real/linked/.", "real/.hidden", "real/missing", "file/amorsize", "file"),
    ],
)
def test_the_short_look_finds_what_the_long_one_does(way, is_open, tmp_path, monkeypatch):
    """Most ways are plain and need one look at each folder; whatever is odd gets the long one."""
    for name in ("amorsize", ".hidden"):
        (tmp_path / "real" / name).mkdir(mode=0o700, parents=True)
    (tmp_path / "real").chmod(0o777 if is_open else 0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "linked").symlink_to(tmp_path / "real" / "amorsize")
    (tmp_path / "file").touch()

    def looked_at():
        try:
            return folder_guard.own(f"{tmp_path}/{way}", creating=False)
        except (folder_guard.TroubleError, OSError) as error:
            return type(error), str(error)

    found = looked_at()
    monkeypatch.setattr(folder_guard, "_is_plainly_trusted", lambda _: False)

    assert found == looked_at()


def test_a_plain_way_is_looked_at_once(tmp_path, monkeypatch):
    """At each folder on it, from the top."""
    folder = tmp_path / "amorsize"
    folder.mkdir(mode=0o700)
    looks, lstat = [], os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: looks.append(str(path)) or lstat(path))

    assert folder_guard.own(str(folder), creating=True) == str(folder)
    assert looks == [*map(str, reversed(folder.parents)), str(folder)]


def test_a_call_where_the_way_is_not_safe(monkeypatch, home, tmp_path):
    """It remembers in memory, says so once, and is right."""
    home.mkdir(0o700)
    home.chmod(0o777)
    monkeypatch.setenv("AMORSIZE_HOME", str(home / "inner"))

    with pytest.warns(AmorsizeWarning, match="another folder could be put in its place") as told:
        assert not cache.put(KEY, RECORD)
        forged.call()
    assert len(told) == 1


@pytest.mark.parametrize(
    ("uid_map", "is_trusted"),
    [("0 0 4294967295\n", False), ("0 1000 1\n", True), ("", True)],
)
def test_who_nobody_is(monkeypatch, tmp_path, uid_map, is_trusted):
    """In a sandbox that does not know root, the folders of root are nobody's."""
    path = tmp_path / "uid_map"
    path.write_text(uid_map)
    monkeypatch.setattr(folder_guard, "_UID_MAP", str(path))

    assert folder_guard._is_nobody_here(65534) == is_trusted
    assert not folder_guard._is_nobody_here(1000)


# ---- The folder that a command is run in ----


@pytest.mark.parametrize("name", ["struct", "json", "argparse", "linecache", "select"])
@pytest.mark.parametrize(
    "command", [["-m", "amorsize"], [str(Path(sys.executable).parent / "amorsize")]]
)
def test_a_command_runs_no_module_of_the_current_folder_for_pythons_own(tmp_path, name, command):
    """What is asked for by name is found there, and nothing else takes the place of a library."""
    mark = tmp_path / "mark"
    (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').close()\nraise SystemExit(3)\n")
    (tmp_path / "mine.py").write_text("import struct, json, select\ndef f(x): return 2 * x\n")
    arguments = ["run", "mine.f", "--data-range", "4", "--backend", "process"]
    told = run_command([sys.executable, *command, *arguments], cwd=tmp_path, timeout_s=30.0)

    assert told.stdout.split() == ["0", "2", "4", "6"]
    assert not mark.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "math.sqrt", "--data-range", "4"],
        ["run", "math.sqrt", "--data-range", "4", "--backend", "process"],
        ["machine"],
    ],
    ids=" ".join,
)
def test_a_command_runs_nothing_of_the_folder_that_it_did_not_name(tmp_path, arguments):
    """Nor for amorsize's own libraries, nor in an interpreter that is timed."""
    mark = tmp_path / "mark"
    names = ["wrapt", "diskcache", "rich", "cloudpickle", "pickle", "select", "struct", "psutil"]
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r} + ' ')\n")
    command = str(Path(sys.executable).parent / "amorsize")
    run_command([command, *arguments], cwd=tmp_path, timeout_s=30.0)

    assert not mark.exists(), mark.read_text()


def test_a_library_of_the_folder_is_found_where_amorsize_needs_it_not(monkeypatch, tmp_path):
    """What a function imports itself is looked for as ever."""
    from amorsize.cli import target

    (tmp_path / "planted_library.py").write_text("")
    (tmp_path / "rich.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    target._make_importable(str(tmp_path))

    assert find_spec("planted_library").origin == str(tmp_path / "planted_library.py")
    assert find_spec("rich").origin != str(tmp_path / "rich.py")


def test_the_libraries_that_come_first_are_those_required():
    """As pyproject.toml has them, and what rich requires in turn."""
    from amorsize.cli.target import _OwnLibraries

    required = {
        re.match(r"[\w-]+", one).group() for one in requires("amorsize") if "extra" not in one
    }

    assert required <= _OwnLibraries.NAMES
    assert _OwnLibraries.NAMES - required == {"pygments", "markdown_it", "mdurl"}

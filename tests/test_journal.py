"""What was noted lately: lines that many processes append, and that are believed as little."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from amorsize import cache
from amorsize.cache import database, journal, network_filesystem
from amorsize.errors import AmorsizeWarning

RECORD = {"version": 2, "name": "shop.parse", "profile": {"item_s": 1e-3}}


pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def lines(home):
    """Append raw bytes to the journal, as anybody could who may write there."""

    def plant(content):
        cache.note("profile:good", RECORD)
        with (home / journal.NAME).open("ab") as file:
            file.write(content)

    return plant


# ---- What is noted is found ----


def test_what_is_noted_is_found_before_and_after_it_is_folded(home):
    """Whether it lies in the journal or in the database makes no difference."""
    assert cache.note("profile:a:1", RECORD)
    assert cache.recent("profile:a:") == cache.family("profile:a:") == {"profile:a:1": RECORD}
    assert not (home / "cache.db").exists()

    assert cache.compact() == 1

    assert cache.recent("profile:a:") == {}
    assert cache.family("profile:a:") == {"profile:a:1": RECORD}
    assert cache.get("profile:a:1") == RECORD


def test_the_last_note_counts_wherever_the_others_are():
    """In the database or in the journal, one record a key: the newest, and it is listed once."""
    for n in range(3):
        cache.note("profile:a:1", {"n": n})
        if n == 0:
            cache.compact()

    assert cache.family("profile:a:") == {"profile:a:1": {"n": 2}}
    assert cache.entries() == [{"n": 2, "stored_as": "profile:a:1"}]


def test_noting_and_finding_import_neither_sqlite_nor_json(run_script):
    """That is what the journal is for: 20 ms of a second process's first call."""
    script = """
import sys
from amorsize import cache
assert cache.note("profile:a:1", {"a": [1, 2.5, None]}) and cache.recent("profile:")
print(*sorted({"json", "re", "sqlite3", "diskcache", "pathlib"} & set(sys.modules)))
"""
    assert run_script(script).stdout.strip() == ""


def test_a_full_journal_is_compacted_by_who_fills_it(monkeypatch, home):
    """It stays small, and nothing is lost on the way."""
    monkeypatch.setattr(journal, "FULL_BYTES", 2000)
    for n in range(100):
        cache.note(f"profile:{n}:1", {"n": n, "text": "x" * 100})

    assert (home / journal.NAME).stat().st_size < 2500
    assert {record["n"] for record in cache.entries()} == set(range(100))


def test_a_family_keeps_its_newest():
    """Variants of one function: eight, however many were noted."""
    for n in range(20):
        cache.note(f"profile:f:{n}", {"n": n})
    cache.note("profile:other:1", RECORD)
    cache.compact()

    kept = [record["n"] for record in cache.family("profile:f:").values()]
    assert len(kept) == 8
    assert kept[-1] == 19
    assert cache.get("profile:other:1") == RECORD


def test_forget_and_clear_reach_what_was_noted():
    """Removing is removing, wherever it lies; what was there is counted."""
    for n in range(4):
        cache.note(f"profile:{n}:1", RECORD)

    assert cache.forget("profile:0:1", "profile:9:1") == 1
    cache.note("profile:5:1", RECORD)
    assert cache.clear() == 4
    assert cache.entries() == []
    assert cache.recent("") == {}


def test_switched_off_it_is_neither_read_nor_written(monkeypatch, home):
    """`AMORSIZE_CACHE=off` is for all of it."""
    monkeypatch.setenv("AMORSIZE_CACHE", "off")

    assert not cache.note("profile:a:1", RECORD)
    assert cache.recent("profile:") == {}
    assert not home.exists()


# ---- Many processes ----

NOTES = """
import sys
from amorsize import cache
from amorsize.cache import journal
journal.FULL_BYTES = 20_000
who = sys.argv[1]
for n in range(int(sys.argv[2])):
    assert cache.note(f"profile:{who}-{n}:1", {"who": who, "n": n, "text": "x" * 150})
"""


def started(*arguments):
    """A process that notes."""
    root = str(Path(__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", NOTES, *arguments],
        env={**os.environ, "PYTHONPATH": root},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_sixteen_processes_lose_nothing():
    """They note and compact as they please: every record is there, whole, and nobody complains."""
    processes = [started(str(who), "40") for who in range(16)]
    for process in processes:
        _, stderr = process.communicate(timeout=50)
        assert (process.returncode, stderr) == (0, "")

    found = {(record["who"], record["n"]) for record in cache.entries()}
    assert found == {(str(who), n) for who in range(16) for n in range(40)}


def test_a_killed_writer_spoils_its_own_line_alone(lines):
    """What it had begun is skipped; what others note after it is found."""
    lines(b'\n{"key":"profile:torn:1","rec')
    cache.note("profile:later:1", RECORD)

    assert set(cache.recent("profile:")) == {"profile:good", "profile:later:1"}
    assert cache.compact() == 2


def test_who_was_killed_while_emptying_has_lost_nothing():
    """Lines are dropped once they are in the database, and may be put there twice."""
    cache.note("profile:a:1", RECORD)
    with pytest.raises(KeyboardInterrupt), journal.Emptying(str(cache.home())) as noted:
        assert noted.records == {"profile:a:1": RECORD}
        raise KeyboardInterrupt

    cache.note("profile:b:1", RECORD)
    assert set(cache.recent("profile:")) == {"profile:a:1", "profile:b:1"}
    assert (cache.compact(), cache.compact()) == (1, 1)
    assert cache.recent("profile:") == {}
    assert set(cache.family("profile:")) == {"profile:a:1", "profile:b:1"}


def test_while_one_empties_it_the_others_note_and_find():
    """No lock is held while the database is written; a second who would empty it leaves it be."""
    cache.note("profile:a:1", RECORD)
    with journal.Emptying(str(cache.home())):
        assert cache.note("profile:b:1", RECORD)
        assert set(cache.recent("profile:")) == {"profile:a:1", "profile:b:1"}
        assert cache.compact() == 0
    assert set(cache.recent("profile:")) == {"profile:b:1"}


def test_a_stopped_process_holds_up_nobody(home, monkeypatch):
    """Its lock is waited for in vain, told once, and then the journal is left alone for a while."""
    monkeypatch.setattr(journal, "WAIT_S", 0.05)
    cache.note("profile:a:1", RECORD)
    script = f"""
import sys, time
from amorsize.cache import journal
journal._opened_locked({str(home)!r}, 0, shared=False)
print("locked", flush=True)
time.sleep(60)
"""
    root = str(Path(__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "locked\n"
        process.send_signal(signal.SIGSTOP)
        with pytest.warns(AmorsizeWarning, match="kept its journal locked"):
            assert not cache.note("profile:b:1", RECORD)
        assert not cache.note("profile:c:1", RECORD)  # without waiting: it rests
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_a_full_disk_costs_the_note_alone(monkeypatch):
    """A line that was written in part is told, and is no trouble for the next."""
    cache.note("profile:a:1", RECORD)
    whole = os.write
    monkeypatch.setattr(journal.os, "write", lambda file, line: whole(file, line[:20]))
    with pytest.warns(AmorsizeWarning, match=f"No space left on device: '.*/{journal.NAME}'"):
        assert not cache.note("profile:b:1", RECORD)
    monkeypatch.setattr(journal.os, "write", whole)
    cache.close()  # and so its rest

    assert cache.note("profile:c:1", RECORD)
    assert set(cache.recent("profile:")) == {"profile:a:1", "profile:c:1"}


@pytest.mark.parametrize("jump_s", [-1e9, 1e9])
def test_a_clock_that_jumps_loses_nothing(monkeypatch, jump_s):
    """What was noted last is the newest, whatever the clock says."""
    cache.note("profile:a:1", {"n": 0})
    cache.compact()
    now = time.time
    monkeypatch.setattr(database, "wall_clock", lambda: now() + jump_s / 1e3)
    cache.note("profile:a:1", {"n": 1})

    assert cache.family("profile:a:") == {"profile:a:1": {"n": 1}}


# ---- Taken for forged ----


@pytest.mark.parametrize(
    "line",
    [
        b"\x80\x04cos\nsystem\n",
        b'{"key":"profile:bad","record":{"n":NaN}}',
        b'{"key":"profile:bad","record":{"n":1e999}}',
        b'{"key":"profile:bad","record":{"n":' + b"9" * 400 + b"}}",
        b'{"key":"profile:bad","record":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"key":"profile:bad","record":' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b'{"key":"profile:bad","record":[1]}',
        b'{"key":["profile:bad"],"record":{}}',
        b'{"record":{"profile:bad":1}}',
        b'{"key":"profile:bad","record":{}} {}',
        b'{"key":"profile:bad","record":{"a":"' + b"x" * 70_000 + b'"}}',
        '{"key":"profile:b\u00e4d","record":{}}'.encode(),
        b"profile:" * 1000,
        b"\0" * 1000,
    ],
)
def test_a_planted_line_is_none(lines, line):
    """Whatever it is, it is skipped, in silence, and its neighbours are not."""
    lines(b"\n" + line + b"\n")

    assert cache.recent("profile:") == {"profile:good": RECORD}
    assert cache.compact() == 1
    assert cache.entries() == [{**RECORD, "stored_as": "profile:good"}]


@pytest.mark.parametrize("kind", ["symlink", "fifo", "hard link", "huge", "open to all"])
def test_what_is_no_journal_of_ours_is_removed_and_not_followed(home, tmp_path, kind):
    """Nothing outside is read, written or removed, and nobody waits for a pipe."""
    cache.note("profile:a:1", RECORD)
    path, outside = home / journal.NAME, tmp_path / "outside"
    outside.write_text('{"key":"profile:planted","record":{}}\n')
    path.unlink()
    if kind == "symlink":
        path.symlink_to(outside)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "hard link":
        path.hardlink_to(outside)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(2**30)
    else:
        path.write_text(outside.read_text())
        path.chmod(0o666)

    with pytest.warns(AmorsizeWarning, match="it was removed"):
        assert cache.note("profile:b:1", RECORD)

    assert set(cache.recent("")) == {"profile:b:1"}
    assert outside.read_text() == '{"key":"profile:planted","record":{}}\n'


def test_a_journal_that_another_process_takes_away_meanwhile_is_no_strange_file(home, monkeypatch):
    """Between opening it and looking at it: the next one gets the line, and nobody is warned."""
    cache.note("profile:a:1", RECORD)
    opened, taken = os.open, []

    def open_and_lose(path, *rest, **names):
        file = opened(path, *rest, **names)
        if os.path.basename(path) == journal.NAME and not taken:
            taken.append(path)
            os.unlink(path)
        return file

    monkeypatch.setattr(os, "open", open_and_lose)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert cache.note("profile:b:1", RECORD)

    assert taken
    assert not said
    assert cache.recent("") == {"profile:b:1": RECORD}


def test_a_folder_in_its_place_is_left_alone(home):
    """It may hold somebody's work: the cache does without, and says so."""
    home.mkdir(mode=0o700)
    (home / journal.NAME).mkdir()
    (home / journal.NAME / "work").touch()

    with pytest.warns(AmorsizeWarning, match="not a plain file; remove the folder '.*jsonl'"):
        assert not cache.note("profile:a:1", RECORD)
    assert (home / journal.NAME / "work").exists()


def test_clear_clears_a_journal_in_any_state(lines, home):
    """Lines that are none, as well."""
    lines(b"\nrubbish\n")

    assert cache.clear() == 1
    assert not (home / journal.NAME).exists() or not (home / journal.NAME).read_bytes()


# ---- A home on another machine ----


@pytest.fixture
def mounted(monkeypatch, tmp_path):
    """Say that a folder is a file system of its own, of this type."""

    def mount(folder, kind):
        table = tmp_path / "mounts"
        table.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {folder} {kind} rw 0 0\n")
        monkeypatch.setattr(network_filesystem, "MOUNTS", str(table))
        monkeypatch.setattr(network_filesystem, "_seen", {})

    return mount


def test_a_home_on_another_machine_is_not_used(mounted, home):
    """Told once; what is learned stays in memory."""
    mounted(home.parent, "nfs4")

    with pytest.warns(AmorsizeWarning, match=r"network file system \(nfs4\)"):
        assert not cache.note("profile:a:1", RECORD)
    assert not home.exists()


def test_instead_of_a_default_home_on_another_machine_one_on_this_is_used(
    mounted, monkeypatch, tmp_path
):
    """The user's runtime folder, which is on this host and closed to others."""
    remote, local = tmp_path / "remote", tmp_path / "run"
    local.mkdir(mode=0o700)
    monkeypatch.delenv("AMORSIZE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(remote))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(local))
    mounted(remote, "nfs")

    assert cache.note("profile:a:1", RECORD)
    assert cache.home() == local / "amorsize"
    assert not remote.exists()


def test_a_local_file_system_is_used_as_it_is(mounted, home):
    """Most are."""
    mounted(home.parent, "xfs")

    assert cache.note("profile:a:1", RECORD)

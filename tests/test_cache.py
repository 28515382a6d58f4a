"""What was learned, on disk: what is put is got, and trouble is a miss that is told once."""

import logging
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import platformdirs
import pytest

from amorsize import cache
from amorsize.cache import database, location
from amorsize.errors import AmorsizeWarning

ROOT = Path(__file__).parent.parent
RECORD = {"version": 1, "name": "shop.parse", "profile": {"item_s": 1e-3, "n_jobs": 2}}


pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def hurried(monkeypatch):
    """Wait for 50 ms where 1 s is waited in life."""
    monkeypatch.setattr(cache.access, "WAIT_S", 0.05)
    monkeypatch.setattr(database, "WAIT_S", 0.05)


# ---- What is put is got ----


def test_what_is_put_is_got():
    """A record comes back as it was stored, from memory of nothing but the disk."""
    assert cache.put("profile:a", RECORD)
    cache.close()

    assert cache.get("profile:a") == RECORD


def test_another_process_gets_it(run_script):
    """What one process put, the next one gets."""
    script = "import sys\nfrom amorsize import cache\n"
    run_script(script + "assert cache.put('profile:a', {'n': 1, 'text': '\\u00e9\\u4e2d'})")

    got = run_script(script + "print(ascii(cache.get('profile:a')))")

    assert got.stdout.strip() == "{'n': 1, 'text': '\\xe9\\u4e2d'}"


def test_the_last_put_counts():
    """A second put under the same key replaces the first."""
    cache.put("profile:a", RECORD)
    cache.put("profile:a", {"n": 2})

    assert cache.get("profile:a") == {"n": 2}
    assert len(cache.entries()) == 1


def test_getting_from_nothing_touches_nothing(home):
    """Asking a cache that is not there makes no folder, and is no trouble."""
    assert cache.get("profile:a") is None
    assert cache.entries() == []
    assert cache.n_damaged() == cache.forget("profile:a") == cache.clear() == 0
    assert not cache.known_on_disk()
    assert not home.exists()


def test_known_on_disk_tells_whether_there_is_a_database():
    """It is False until something was put."""
    assert not cache.known_on_disk()
    cache.put("profile:a", RECORD)

    assert cache.known_on_disk()


def test_entries_are_the_profiles_with_their_keys():
    """Other records, such as a host's costs, are not listed."""
    cache.put("profile:a", RECORD)
    cache.put("host:b", {"start_s": 1e-3})

    assert cache.entries() == [{**RECORD, "stored_as": "profile:a"}]
    assert cache.n_damaged() == 0


def test_forget_removes_what_it_is_given():
    """Only the named keys go, and those that were there are counted."""
    for name in "abc":
        cache.put(f"profile:{name}", RECORD)

    assert cache.forget("profile:a", "profile:c", "profile:z") == 2
    assert [entry["stored_as"] for entry in cache.entries()] == ["profile:b"]


def test_clear_removes_everything():
    """Records that are not listed go as well."""
    cache.put("profile:a", RECORD)
    cache.put("host:b", RECORD)

    assert cache.clear() == 2
    assert cache.get("profile:a") is cache.get("host:b") is None


def test_a_record_expires(monkeypatch):
    """After its time it is a miss, and neither listed nor called damaged."""
    monkeypatch.setattr(database, "KEPT_S", -1.0)
    cache.put("profile:a", RECORD)

    assert cache.get("profile:a") is None
    assert cache.entries() == []
    assert cache.n_damaged() == 0


def test_the_oldest_records_make_room(monkeypatch, home):
    """The database keeps to its size limit; the record stored last is there."""
    monkeypatch.setattr(database, "SIZE_LIMIT_BYTES", 256 * 1024)
    big = {"text": "x" * 20_000}

    assert all(cache.put(f"profile:{n}", big) for n in range(60))

    assert cache.get("profile:59") == big
    assert cache.get("profile:0") is None
    assert (home / "cache.db").stat().st_size < 512 * 1024


# ---- Where it is ----


def test_the_folder_is_the_users_own(home):
    """It is made with mode 0700, whatever the umask allows."""
    old = os.umask(0)
    try:
        cache.put("profile:a", RECORD)
    finally:
        os.umask(old)

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert cache.home() == home


@pytest.mark.parametrize("xdg", [None, "", "/somewhere/cache", "relative"])
def test_the_default_folder_is_what_platformdirs_says(monkeypatch, xdg):
    """The short cut taken on Linux gives the answer of the library that it spares importing."""
    monkeypatch.delenv("AMORSIZE_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if xdg is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)

    assert str(cache.home()) == platformdirs.user_cache_dir("amorsize", appauthor=False)


def test_another_home_is_another_cache(monkeypatch, tmp_path):
    """AMORSIZE_HOME is obeyed at any time, and may be relative or begin with `~`."""
    cache.put("profile:a", RECORD)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AMORSIZE_HOME", "~/elsewhere")

    assert cache.get("profile:a") is None
    assert cache.put("profile:b", RECORD)
    assert cache.home() == tmp_path / "elsewhere"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMORSIZE_HOME", "elsewhere")
    assert cache.get("profile:b") == RECORD


@pytest.mark.parametrize("off", ["off", "OFF", "0", "no", "false"])
def test_switched_off_it_touches_nothing(monkeypatch, home, off):
    """AMORSIZE_CACHE=off makes every get a miss and stores nothing."""
    monkeypatch.setenv("AMORSIZE_CACHE", off)

    assert not cache.put("profile:a", RECORD)
    assert cache.get("profile:a") is None
    assert cache.entries() == []
    assert cache.clear() == 0
    assert not cache.known_on_disk()
    assert not home.exists()


# ---- What it costs ----


def test_a_miss_imports_nothing(run_script):
    """Where there is no database, neither SQLite nor diskcache nor platformdirs is imported."""
    heavy = {"json", "sqlite3", "diskcache", "platformdirs", "typing", "threading", "pathlib"}
    result = run_script(
        f"""
import sys
from amorsize import cache
assert not cache.known_on_disk()
assert cache.get("profile:a") is None
print(sorted({heavy!r} & set(sys.modules)))
"""
    )
    assert result.stdout.strip() == "[]"


def test_reading_does_without_diskcache(run_script):
    """A hit takes sqlite3 and json alone: diskcache is imported to write."""
    cache.put("profile:a", RECORD)
    result = run_script(
        """
import sys
from amorsize import cache
assert cache.get("profile:a")
print("diskcache" in sys.modules, "platformdirs" in sys.modules)
"""
    )
    assert result.stdout.split() == ["False", "False"]


# ---- Many at once ----


def test_many_threads_share_it():
    """Eight threads put and get at once; every record is there, and none waits for ever."""
    results = []

    def work(number):
        put = all(cache.put(f"profile:{number}-{n}", {"n": n}) for n in range(10))
        results.append(put and cache.get(f"profile:{number}-9") == {"n": 9})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert results == [True] * 8
    assert len(cache.entries()) == 80


def test_many_processes_share_it():
    """Four processes that begin with no database and write at once lose nothing, in silence."""
    script = """
import sys
from amorsize import cache
print(all(cache.put(f"profile:{sys.argv[1]}-{n}", {"n": n}) for n in range(40)))
"""
    command = [sys.executable, "-W", "always", "-c", script]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen([*command, str(number)], env=environ, stdout=-1, stderr=-1, text=True)
        for number in range(4)
    ]
    outputs = [process.communicate(timeout=30) for process in processes]

    assert outputs == [("True\n", "")] * 4
    assert len(cache.entries()) == 160


def test_a_killed_writer_does_no_harm():
    """A process killed while it writes leaves a cache that can be read and written."""
    script = """
from amorsize import cache
for n in range(1_000_000):
    assert cache.put("profile:loop", {"n": n, "text": "x" * 10_000})
    print(n, flush=True)
"""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    writer = subprocess.Popen([sys.executable, "-c", script], env=environ, stdout=-1, text=True)
    for _ in range(20):
        writer.stdout.readline()
    writer.kill()
    writer.communicate(timeout=10)

    assert cache.get("profile:loop")["n"] >= 19
    assert cache.put("profile:a", RECORD)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_opens_its_own(run_script):
    """A child forked while the cache is open, and in use by a thread, gets and puts.

    It does not touch its parent's connection, which SQLite forbids; the parent goes on.
    """
    result = run_script(
        """
import os, sys
from amorsize import cache
cache.put("profile:a", {"n": 1})
cache.access.STATE.lock.acquire()  # as a thread would that is just putting
pid = os.fork()
if pid == 0:
    opens_anew = cache.access.STATE.store is None
    works = cache.get("profile:a") == {"n": 1} and cache.put("profile:child", {"n": 2})
    sys.exit(0 if opens_anew and works else 1)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
cache.access.STATE.lock.release()
print(status, cache.get("profile:child"), cache.put("profile:b", {"n": 3}))
"""
    )
    assert result.stdout.strip() == "0 {'n': 2} True"
    assert result.stderr == ""


def test_a_removed_folder_is_made_again(home):
    """Whoever removes the folder under a running program starts the cache afresh."""
    cache.put("profile:a", RECORD)
    shutil.rmtree(home)

    assert cache.get("profile:a") is None
    assert cache.put("profile:b", RECORD)
    assert cache.get("profile:b") == RECORD


# ---- Trouble is a miss, told once ----


@pytest.mark.parametrize(
    ("key", "record", "why"),
    [
        ("profile:a", {"item_s": float("nan")}, "not JSON compliant"),
        ("profile:a", {"item_s": float("inf")}, "not JSON compliant"),
        ("profile:a", {"text": "x" * 70_000}, "more than the 65536 allowed"),
        ("profile:a", {"object": object()}, "not JSON serializable"),
        ("profile:a", ["no", "dict"], "must be a dict, not list"),
        ("", {}, "1 to 512 bytes"),
        ("k" * 600, {}, "1 to 512 bytes"),
        (b"bytes", {}, "1 to 512 bytes"),
    ],
)
def test_what_cannot_be_stored_is_refused(home, key, record, why):
    """A put of something that could not be read back is False, says why, and opens nothing."""
    with pytest.warns(AmorsizeWarning, match=why):
        assert not cache.put(key, record)
    assert not home.exists()


def test_where_there_can_be_no_folder(monkeypatch, tmp_path):
    """A file in the way of the folder: nothing is stored, and one warning says where."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AMORSIZE_HOME", str(tmp_path / "file" / "amorsize"))

    with pytest.warns(AmorsizeWarning, match="Not a directory: '.*/file/?") as told:
        assert not cache.put("profile:a", RECORD)
        assert not cache.put("profile:b", RECORD)
        assert cache.get("profile:a") is None
    assert len(told) == 1


def test_the_warning_says_what_to_do_and_whose_line_it_was(home):
    """It names the folder, AMORSIZE_HOME and AMORSIZE_CACHE, and points outside of amorsize."""
    home.write_text("a file, not a folder")

    with pytest.warns(AmorsizeWarning) as told:
        cache.put("profile:a", RECORD)

    text = str(told[0].message)
    assert str(home) in text
    assert "AMORSIZE_HOME" in text
    assert "AMORSIZE_CACHE=off" in text
    assert told[0].filename == __file__


def test_a_dollar_in_the_name_is_refused(monkeypatch, tmp_path):
    """diskcache would put the value of a variable in its place and use another folder."""
    monkeypatch.setenv("AMORSIZE_HOME", f"{tmp_path}/$HOME/amorsize")

    with pytest.warns(AmorsizeWarning, match=r"`\$` in the name"):
        assert not cache.put("profile:a", RECORD)
    assert list(tmp_path.iterdir()) == []


def test_where_warnings_are_errors_results_come_first(home, caplog):
    """Under `-W error` trouble is logged instead of raised."""
    home.write_text("a file, not a folder")

    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "amorsize"):
        warnings.simplefilter("error")
        assert not cache.put("profile:a", RECORD)
    assert "is not a folder" in caplog.text


def test_after_trouble_the_disk_rests(home, hurried):
    """Calls in a row do not each wait for a database that somebody keeps locked."""
    cache.put("profile:a", RECORD)
    with sqlite3.connect(home / "cache.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert cache.get("profile:a") == RECORD  # reading goes on beside a writer
        with pytest.warns(AmorsizeWarning, match="locked"):
            assert not cache.put("profile:b", RECORD)
        begun_s = time.perf_counter()
        assert not any(cache.put("profile:b", RECORD) for _ in range(50))
        assert time.perf_counter() - begun_s < 50 * 0.05
        other.execute("ROLLBACK")
    other.close()
    assert not cache.put("profile:b", RECORD)

    cache.close()  # forgets the trouble
    assert cache.put("profile:b", RECORD)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (cache.entries, [{**RECORD, "stored_as": "profile:a"}]),
        (lambda: cache.forget("profile:a"), 1),
    ],
    ids=["entries", "forget"],
)
def test_what_a_person_asks_for_is_tried_at_once_after_trouble(asked, answer):
    """An empty list would say that nothing had been learned."""
    cache.put("profile:a", RECORD)
    cache.close()
    cache.access.STATE.rests_from = location.folder()
    cache.access.STATE.rests_until_s = time.monotonic() + 60.0
    assert cache.get("profile:a") is None

    assert asked() == answer


def test_opening_a_locked_database_is_bounded(home, hurried):
    """diskcache alone would wait for 60 s."""
    cache.put("profile:a", RECORD)
    cache.close()
    with sqlite3.connect(home / "cache.db", isolation_level=None) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        begun_s = time.perf_counter()
        with pytest.warns(AmorsizeWarning, match="locked"):
            assert not cache.put("profile:b", RECORD)
        assert cache.get("profile:a") is None
        assert time.perf_counter() - begun_s < 5.0
    other.close()


def test_a_full_disk_is_no_damage(monkeypatch, home):
    """What does not fit is not stored; what is there stays, and stays where it is."""
    cache.put("profile:a", RECORD)
    cache.close()
    monkeypatch.setattr(
        database, "SIZE_LIMIT_BYTES", 8 * database.empty_database.PAGE_BYTES
    )  # 16 pages at most

    with pytest.warns(AmorsizeWarning, match="the disk is full"):
        assert not cache.put("profile:b", {"text": "x" * 60_000})

    cache.close()
    assert cache.get("profile:a") == RECORD
    assert sorted(path.name for path in home.glob("damaged-*")) == []


@pytest.mark.parametrize("is_open", [True, False])
def test_a_full_disk_can_be_cleared(home, is_open):
    """What is removed makes the room, and need not be written anywhere first."""
    for n in range(60):
        cache.put(f"profile:{n}", {"text": "x" * 4000})
    cache.note("profile:noted", RECORD)
    cache.note("profile:1", RECORD)
    if not is_open:
        cache.close()
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (48 * 1024, most))
    try:
        assert cache.clear() == 61
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))

    assert cache.entries() == []
    assert cache.size_bytes() < 150_000


def test_clearing_is_tried_at_once_after_trouble(home):
    """Somebody asked for it, and the disk may have room again."""
    cache.put("profile:a", RECORD)
    home.chmod(0o777)
    with pytest.warns(AmorsizeWarning, match="written by other users"):
        assert not cache.note("profile:b", RECORD)
    home.chmod(0o700)

    assert cache.clear() == 1


def scribble(path: Path, start: int) -> None:
    """Overwrite a file from somewhere on."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * (size - start))


@pytest.mark.parametrize("start", [0, 100, 4096])
def test_a_damaged_database_is_moved_aside(home, start):
    """The first use after the damage is a miss with a warning; then everything works again."""
    cache.put("profile:a", RECORD)
    cache.close()
    scribble(home / "cache.db", start)

    with pytest.warns(AmorsizeWarning, match="moved to .*damaged-1' and a new one is begun"):
        assert cache.get("profile:a") is None

    assert cache.put("profile:a", RECORD)
    assert cache.get("profile:a") == RECORD
    assert (home / "damaged-1").exists()


def test_putting_into_a_damaged_database_stores(home):
    """The put that finds the damage stores its record in the new database."""
    home.mkdir(0o700)
    (home / "cache.db").write_bytes(b"no database at all" * 1000)

    with pytest.warns(AmorsizeWarning, match="file is not a database"):
        assert cache.put("profile:a", RECORD)
    assert cache.get("profile:a") == RECORD


def test_few_damaged_databases_are_kept(home):
    """A host that damages its files does not fill its disk with them, and clear removes them."""
    home.mkdir(0o700)
    with pytest.warns(AmorsizeWarning):
        for _ in range(6):
            (home / "cache.db").write_bytes(b"no database at all" * 1000)
            assert cache.get("profile:a") is None
    assert sorted(path.name for path in home.iterdir()) == ["damaged-1", "damaged-2", "damaged-3"]

    cache.clear()
    assert list(home.glob("damaged-*")) == []


def test_clear_clears_a_damaged_database(home):
    """Whatever state the database is in, it is empty afterwards, and works."""
    cache.put("profile:a", RECORD)
    cache.close()
    scribble(home / "cache.db", 4096)

    cache.clear()

    assert cache.entries() == []
    assert list(home.glob("damaged-*")) == []
    assert cache.put("profile:a", RECORD)


def test_an_error_that_the_caller_handles_is_no_damage(home, hurried):
    """Trouble inside a user's `except sqlite3.DatabaseError` is not taken for theirs."""
    cache.put("profile:a", RECORD)
    with sqlite3.connect(home / "cache.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            raise _not_a_database(home)
        except sqlite3.DatabaseError:
            with pytest.warns(AmorsizeWarning, match="locked"):
                assert not cache.put("profile:b", RECORD)
    other.close()
    assert not list(home.glob("damaged-*"))


def _not_a_database(folder: Path) -> sqlite3.DatabaseError:
    """The error that SQLite itself raises for a file that is no database."""
    path = folder / "other.db"
    path.write_bytes(b"no database at all" * 1000)
    connection = sqlite3.connect(path)
    try:
        connection.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        return error
    finally:
        connection.close()
    raise AssertionError("SQLite took text for a database")

"""Profiles in number and on their way: prune, stats, export, import, and the file of a site."""

import json
import logging
import os
import pickle
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytest

from amorsize import cache, cli
from amorsize._host import resources
from amorsize._profiles import disk_store, exchange
from amorsize.policy.evidence.drift import Drift
from amorsize.policy.profile import VERSION, Profile

KNOWN = Profile.of(
    backend="process",
    n_jobs=2,
    chunksize=20,
    item_s=2e-3,
    item_cpu_s=2e-3,
    spread_log=0.1,
    pickle_s=1e-6,
    warmup_s=0.0,
    holds_gil=True,
    waits=False,
    n_items=1000,
    typical_s=2e-3,
    n_chunks=50,
    chunk_items=20.0,
    achieved={"process x 2": 1.9},
)
KIND = ("int", 6)


def parse(item):
    """A function that something was learned about."""
    return item


def total(item):
    """Another."""
    return item


@pytest.fixture(autouse=True)
def fresh(fresh_cache, monkeypatch):
    """A process that has not opened the cache, nor warned of it, nor read a site's file."""
    monkeypatch.setattr(exchange, "_SITES", {})


@pytest.fixture
def amorsize(capsys):
    """A command's status and JSON document."""

    def run(*arguments):
        status = cli.main([*arguments, "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def learn(func=parse, profile=KNOWN, *, days_ago=0, monkeypatch=None, drifts=()):
    """Store what a call would leave, some days ago."""
    now = time.time
    if monkeypatch is not None:
        monkeypatch.setattr(disk_store, "wall_clock", lambda: now() - 86_400 * days_ago)
    disk_store.write([(func, KIND, profile, drifts)])
    if monkeypatch is not None:
        monkeypatch.setattr(disk_store, "wall_clock", now)


def found(func=parse, kind=KIND):
    """What the next process would begin with."""
    read = disk_store.read(func, kind)
    return None if read is None else read[0]


# ---- What is kept ----


def test_what_was_learned_is_found_with_its_story():
    """The profile, and what had changed before."""
    told = Drift(now_s=1.0, what="cost", factor=2.0, n_chunks=4, at_s=1.7e9)
    learn(drifts=(told,))

    assert disk_store.read(parse, KIND) == (KNOWN, [told])


def test_each_kind_has_its_own_and_neighbours_help_out():
    """Items twice as large: better than nothing, worse than one's own."""
    learn()

    assert found(kind=("int", 7)) == KNOWN
    assert found(kind=("int", 9)) is None
    assert found(kind=("str", 6)) is None


@pytest.mark.parametrize(
    "name", ["a:b", "", "x" * 5000, "\u202e\u0000", "\ud800", "profile:", "a\nb", "Müller"]
)
def test_a_type_may_have_any_name(name):
    """Keys stay short and plain, and the record is found again."""
    kind = (name, 6)
    disk_store.write([(parse, kind, KNOWN, ())])

    assert found(kind=kind) == KNOWN
    assert all(exchange.is_key(record["stored_as"]) for record in cache.entries())


def test_variants_are_few():
    """A hundred values in a closure leave eight records, and each new one begins with a hint."""
    for number in range(100):

        def work(item, number=number):
            return item

        if number:
            assert found(work) is not None
        disk_store.write([(work, KIND, KNOWN, ())])
    cache.compact()

    assert len(cache.entries()) <= 8


@pytest.mark.parametrize(
    "lie",
    [
        {"n_jobs": 10**9}, {"n_jobs": 0}, {"n_jobs": True}, {"chunksize": -1}, {"chunksize": 1.5},
        {"item_s": -1.0}, {"item_s": 0}, {"item_s": float("inf")}, {"item_s": "1"},
        {"backend": "os.system"}, {"backend": ["process"]}, {"spread_log": 1e300},
        {"spread_log": -1}, {"holds_gil": 1}, {"waits": None}, {"waits": 1.0}, {"source": "\u202e"},
        {"achieved": {"x": -1}}, {"achieved": {"x" * 99: 1}}, {"achieved": [1]}, {"typical_s": 0},
        {"achieved": {str(n): 1 for n in range(99)}}, {"n_chunks": -1}, {"chunk_items": None},
        {"n_short": 1e9}, {"extra": 1},
        {"bound": ""}, {"bound": 1}, {"bound": True}, {"bound": ["it"]}, {"bound": "x" * 201},
        {"bound": "a\x1b[2Jb"}, {"bound": "a\nb"}, {"bound": "\u202eb"}, {"bound": "\ud800"},
    ],
    ids=str,
)  # fmt: skip
def test_a_forged_profile_is_none(lie):
    """Whatever cannot be right makes the whole of it a miss."""
    assert Profile.from_dict({**KNOWN.as_dict(), **lie}) is None


def test_the_parts_of_a_profile_are_stored_side_by_side():
    """A record has the same fields, whichever part of a profile they are in."""
    stored = {
        **{"backend": "process", "n_jobs": 2, "chunksize": 20, "source": "tuned"},
        **{"item_s": 2e-3, "item_cpu_s": 1e-3, "pickle_s": None, "warmup_s": 0.5},
        **{"holds_gil": None, "waits": True, "typical_s": 1e-3, "spread_log": 0.1},
        **{"n_chunks": 50, "chunk_items": 20.0, "achieved": {"process x 2": 1.9}, "n_short": 1},
        **{"is_enough": True, "n_healthy": 3, "explored": None, "n_items": 1000, "n_calls": 7},
        **{"failed_share": 0.1, "bound": "it writes"},
    }
    profile = Profile.from_dict(stored)

    assert profile.as_dict() == stored
    assert profile.replace(n_jobs=3).as_dict() == {**stored, "n_jobs": 3}
    assert pickle.loads(pickle.dumps(profile)) == profile


@pytest.mark.parametrize("field", KNOWN.as_dict())
@pytest.mark.parametrize("value", [[], {}, "", float("nan"), 2**70])
def test_no_field_is_believed_whatever_is_in_it(field, value):
    """Wrong types, NaN and huge numbers; a dict may be an empty table of what was achieved."""
    forged = Profile.from_dict({**KNOWN.as_dict(), field: value})

    assert forged is None or (field == "achieved" and value == {})


# ---- Commands ----


def test_prune_removes_what_is_old(amorsize, monkeypatch):
    """And nothing else; without an age it says so."""
    learn(parse, days_ago=40, monkeypatch=monkeypatch)
    learn(total, days_ago=20, monkeypatch=monkeypatch)

    assert amorsize("cache", "prune")[0] == 2
    assert amorsize("cache", "prune", "--older-than", "30d") == (0, {"n_removed": 1, "n_kept": 1})
    assert (found(parse), found(total)) == (None, KNOWN)
    assert amorsize("cache", "prune", "par*", "--older-than", "1s")[0] == 1  # none of that name
    assert amorsize("cache", "prune", "tot*", "--older-than", "1w")[1]["n_removed"] == 1


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1y", "1.5h", "9999999d", "\u0663d", ""])
def test_an_age_is_a_number_and_a_unit(age, capsys):
    """Anything else is refused, with the form it should have."""
    assert cli.main(["cache", "prune", "--older-than", age]) == 2
    said = capsys.readouterr().err
    assert "such as 30d" in said or "needs a value" in said


def test_list_takes_a_pattern_and_an_age(amorsize, monkeypatch):
    """For a look before pruning."""
    learn(parse, days_ago=40, monkeypatch=monkeypatch)
    learn(total)

    def names(*arguments):
        return [one["name"] for one in amorsize("cache", "list", *arguments)[1]["profiles"]]

    assert [name.rpartition(".")[2] for name in names()] == ["parse", "total"]
    assert len(names("par*")) == len(names("--older-than", "30d")) == 1
    assert names("total", "--older-than", "30d") == []


def test_every_command_takes_a_pattern_and_an_age(amorsize, monkeypatch, tmp_path):
    """What `list` lists for them is what is shown, counted, exported, taken over or removed."""
    learn(parse, days_ago=40, monkeypatch=monkeypatch)
    learn(total, days_ago=20, monkeypatch=monkeypatch)
    old, young = ("--older-than", "30d"), ("--older-than", "3w")
    file = str(tmp_path / "all.json")

    def names(*arguments):
        return [one["name"].rpartition(".")[2] for one in amorsize(*arguments)[1]["profiles"]]

    assert names("cache", "show", "*", *old) == ["parse"]
    assert amorsize("cache", "show", "total", *young)[0] == 1
    assert amorsize("cache", "stats", "tot*")[1]["n_profiles"] == 1
    assert amorsize("cache", "stats", *old)[1]["n_profiles"] == 1
    assert amorsize("cache", "export", file)[1]["n_exported"] == 2
    assert amorsize("cache", "clear", "total", *young)[1] == {"n_cleared": 0}
    assert amorsize("cache", "clear", *old) == (0, {"n_cleared": 1})  # not everything: no --yes
    assert (found(parse), found(total)) == (None, KNOWN)
    cache.clear()
    assert amorsize("cache", "import", file, "nothing*")[0] == 1
    assert amorsize("cache", "import", file, "par*")[1]["n_imported"] == 1
    assert amorsize("cache", "import", file, *old)[1]["n_kept"] == 1
    assert (found(parse), found(total)) == (KNOWN.replace(source="imported"), None)


def test_stats_count_what_has_no_sane_key(amorsize):
    """A forged record may have anything there."""
    for n, forged_key in enumerate([{"a": 1}, [], None, 1.5]):
        cache.note(f"profile:{n}", {"version": VERSION, "key": forged_key})

    status, told = amorsize("cache", "stats")

    assert (status, told["n_functions"], told["n_usable"]) == (0, 4, 0)


def test_stats_count(amorsize):
    """Profiles, functions, hosts, bytes."""
    learn(parse)
    learn(parse, KNOWN.replace(n_jobs=4))
    learn(total)

    status, told = amorsize("cache", "stats")
    assert status == 0
    assert (told["n_profiles"], told["n_functions"], told["n_hosts"]) == (2, 2, 1)
    assert told["n_of_this_host"] == told["n_usable"] == 2
    assert 500 < told["size_bytes"] < 10_000


def test_show_tells_the_story(capsys):
    """What changed, when, and what was done about it, in words."""
    told = Drift(now_s=1.0, what="cost", factor=2.0, n_chunks=4, at_s=time.time() - 7200)
    learn(drifts=(told,))

    assert cli.main(["cache", "show", "parse"]) == 0
    assert "2 hours ago: an item costs 2 x what it did: nothing" in capsys.readouterr().out


def test_what_is_exported_can_be_imported(amorsize, tmp_path):
    """On a host like this one, as it was; the file can be read by people."""
    learn()
    file = str(tmp_path / "profiles.json")

    assert amorsize("cache", "export", file)[1]["n_exported"] == 1
    assert amorsize("cache", "export", file)[0] == 1  # nothing is overwritten
    cache.clear()
    assert amorsize("cache", "import", file)[1] == {"n_imported": 1, "n_kept": 0, "n_refused": 0}
    assert found() == KNOWN.replace(source="imported")


def test_what_is_newer_here_is_kept(amorsize, tmp_path, monkeypatch):
    """Importing never replaces what was learned later."""
    learn(days_ago=2, monkeypatch=monkeypatch)
    file = str(tmp_path / "profiles.json")
    amorsize("cache", "export", file)
    learn(profile=KNOWN.replace(n_jobs=3))

    assert amorsize("cache", "import", file)[1] == {"n_imported": 0, "n_kept": 1, "n_refused": 0}
    assert found().plan.n_jobs == 3


def test_another_host_is_refused_unless_it_is_to_be_a_weak_hint(amorsize, tmp_path, monkeypatch):
    """How items behave is taken over then, what workers achieved is not."""
    file = str(tmp_path / "profiles.json")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(resources, "host_fingerprint", lambda: "0" * 16)
        learn()
        amorsize("cache", "export", file)
    cache.clear()

    status, told = amorsize("cache", "import", file)
    assert (status, told["n_foreign"]) == (1, 1)
    assert "--weak" in told["error"]
    assert found() is None

    assert amorsize("cache", "import", file, "--weak")[1]["n_imported"] == 1
    weak = found()
    assert (weak.traits.holds_gil, weak.plan.source) == (True, "imported")
    assert (weak.sharing.achieved, weak.level.typical_s, weak.traits.pickle_s) == (None, None, None)


def forged(**changes):
    """A file with one record that is right but for this."""
    learn()
    [record] = cache.entries()
    cache.clear()
    return {"format": exchange.FORMAT, "profiles": [{**record, **changes}]}


@pytest.mark.parametrize(
    "changes",
    [
        {"stored_as": "host:x"}, {"stored_as": "profile:../../etc/passwd"}, {"stored_as": None},
        {"stored_as": "profile:a:b:c:" + "x" * 1000}, {"stored_as": "profile:a:b:c:\x1b[2J"},
        {"profile": {"backend": "process"}}, {"profile": None}, {"version": 1}, {"name": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_forged_record_is_not_imported(amorsize, tmp_path, changes):
    """It is left out, and nothing is stored under any key of its choice."""
    file = tmp_path / "forged.json"
    file.write_text(json.dumps(forged(**changes)))

    amorsize("cache", "import", str(file), "--weak")
    assert cache.entries() == []
    assert cache.family("host:") == cache.family("host:x") or cache.get("host:x") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\x80\x04.", b'{"format": "other"}', b"[" * 10**6, b'{"format": NaN}'],
    ids=range(6),
)
def test_what_is_no_such_file_is_refused(amorsize, tmp_path, content):
    """With a line that says what is wrong."""
    file = tmp_path / "no.json"
    file.write_bytes(content)

    status, told = amorsize("cache", "import", str(file))
    assert status == 1
    assert str(file) in told["error"]


def test_a_pipe_or_a_huge_file_keeps_nobody_waiting(amorsize, tmp_path):
    """Neither is read to its end, which may never come."""
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**30)

    for name in ("pipe", "huge", "missing", "."):
        assert amorsize("cache", "import", str(tmp_path / name))[0] == 1


# ---- A site's file ----


@pytest.fixture
def site(amorsize, tmp_path, monkeypatch):
    """A file of what `parse` costs, which the user has not learned; named in the environment."""
    learn()
    file = tmp_path / "site.json"
    amorsize("cache", "export", str(file))
    cache.clear()
    monkeypatch.setenv(disk_store.SITE_VARIABLE, str(file))
    return file


def test_a_site_is_asked_after_the_users_own(site):
    """Its profiles are hints where the user has none."""
    assert found() == KNOWN
    learn(profile=KNOWN.replace(n_jobs=3))

    assert found().plan.n_jobs == 3
    assert found(total) is None


def test_a_site_is_never_written(site):
    """Learning goes to the user's own cache."""
    before = site.read_bytes()
    learn()
    cache.clear()

    assert site.read_bytes() == before


@pytest.mark.parametrize("content", [b"rubbish", b"", None])
def test_a_site_that_cannot_be_read_is_logged_once(site, content, caplog):
    """Callers get their results; who looks after the site finds it in the log."""
    if content is None:
        site.unlink()
    else:
        site.write_bytes(content)

    with caplog.at_level(logging.WARNING, "amorsize"):
        assert found() is found(total) is None
    assert len(caplog.records) == 1


def test_switched_off_no_site_is_asked(site, monkeypatch):
    """`AMORSIZE_CACHE=off` is for all of it."""
    monkeypatch.setenv("AMORSIZE_CACHE", "off")

    assert found() is None


# ---- In every state the folder can be in ----


@pytest.mark.parametrize(
    "state",
    [
        *("missing", "empty", "noted", "stored", "both", "damaged", "damaged and noted"),
        *("torn", "emptying", "journal only", "foreign files"),
    ],
)
def test_clear_removes_everything_in_every_state(state, home):
    """As its help says; what others put there stays."""
    if state != "missing":
        home.mkdir(mode=0o700)
    if state in ("noted", "both", "torn", "damaged and noted", "emptying"):
        learn()
    if state in ("stored", "both"):
        cache.put("profile:a:b:c:d", {"version": 2})
    if state == "emptying":  # by somebody who was killed
        (home / "journal.jsonl").rename(home / "journal-leaving.jsonl")
    if state == "journal only":
        cache.put("profile:a:b:c:d", {"version": 2})
        cache.close()
        (home / "cache.db").rename(home / "cache.db-wal")
        (home / "cache.db-journal").write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7" * 100)
    if state in ("damaged", "damaged and noted"):
        (home / "cache.db").write_bytes(b"not a database" * 100)
    if state == "torn":
        with (home / "journal.jsonl").open("ab") as file:
            file.write(b'\n{"key"')
    if state == "foreign files":
        (home / "thesis.tex").write_text("work")
    command = [sys.executable, "-m", "amorsize", "cache", "clear", "--yes"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert cache.entries() == []
    assert not cache.family("profile:")
    if state == "foreign files":
        assert (home / "thesis.tex").read_text() == "work"


@pytest.mark.parametrize(
    "state", ["symlinked", "open to all", "another user's", "a file", "locked"]
)
def test_clear_says_why_it_removed_nothing(state, home, tmp_path, monkeypatch, capsys):
    """Where the folder may not be ours to clear, or others are writing: status 1, and a reason."""
    learn()
    cache.put("profile:a:b:c:d", {"version": 2})
    cache.close()
    before = sorted(os.listdir(home))
    monkeypatch.setattr(cache, "_PATIENCE_S", 0.3)
    lock = None
    if state == "symlinked":
        (tmp_path / "link").symlink_to(home)
        monkeypatch.setenv("AMORSIZE_HOME", str(tmp_path / "link"))
        reason = "symbolic link"
    elif state == "open to all":
        home.chmod(0o777)
        reason = "written by other users"
    elif state == "another user's":
        ours = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
        monkeypatch.setattr(os, "getuid", lambda: ours + 1)
        reason = "another user"
    elif state == "a file":
        (tmp_path / "file").write_text("thesis")
        monkeypatch.setenv("AMORSIZE_HOME", str(tmp_path / "file"))
        reason = "not a folder"
    else:
        lock = sqlite3.connect(home / "cache.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        reason = "locked"

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            status = cli.main(["cache", "clear", "--yes"])
    finally:
        if lock is not None:
            lock.execute("ROLLBACK")
            lock.close()

    assert status == 1
    assert reason in capsys.readouterr().err
    assert set(before) <= set(os.listdir(home))
    if state == "a file":
        assert (tmp_path / "file").read_text() == "thesis"


def test_clear_says_why_it_may_not_write(capsys, monkeypatch):
    """A folder that can be read and not written: status 1, and a reason; not even root's powers."""
    cache.clear()  # whatever is loaded when needed is loaded now
    cache.close()
    nobody = 65534 if os.geteuid() == 0 else os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        home = Path(folder) / "home"
        monkeypatch.setenv("AMORSIZE_HOME", str(home))
        cache.put("profile:a:b:c:d", {"version": 2})
        cache.close()
        for path in (*home.iterdir(), home):
            os.chown(path, nobody, -1)
        home.chmod(0o500)
        ours = os.geteuid()
        os.seteuid(nobody)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                status = cli.main(["cache", "clear", "--yes"])
        finally:
            os.seteuid(ours)
            home.chmod(0o700)
        assert (home / "cache.db").exists()

    assert status == 1
    assert "trouble with its cache" in capsys.readouterr().err


def test_forgetting_a_function_removes_all_its_records_however_many_there_are():
    """A look at the records of a function gives 64 of them."""
    disk_store.write([(parse, (f"Kind{n}", 6), KNOWN, ()) for n in range(70)])
    disk_store.write([(total, KIND, KNOWN, ())])

    assert disk_store.forget(parse) == 70
    assert disk_store.newest(parse) is None
    assert disk_store.newest(total) is not None

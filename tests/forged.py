"""What somebody can put into a folder before handing it over: names, ways, and bytes of each kind.

A process runs `main(way)`: one folder after the other, each with another name attacked this way.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import struct
import sys
import tempfile
import warnings
from pathlib import Path

from amorsize import cache, history, tuned_map
from amorsize.errors import AmorsizeWarning, HistoryError

RECORD = {"version": 1, "name": "shop.parse", "profile": {"item_s": 1e-3, "n_jobs": 2}}
KEY = "profile:a"
SAVED = "before"
BOUND_S = (
    20  # for one folder, which takes 0.1 s: its process is ended by a signal that nothing takes
)
ROOT = Path(__file__).parent.parent


def names():
    """Every name that SECURITY.md lists: one example of each, relative to the folder."""
    text = (ROOT / "SECURITY.md").read_text()
    table = text.split("| name in the folder |")[1].split("\n\n")[0]
    listed = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", table, re.MULTILINE)
    found = [name for row in listed for name in re.findall("`([^`]+)`", row)]
    digest = history.store.stem(SAVED)
    return [name.replace("DIGEST", digest).replace("RANDOM", "0123456789abcdef") for name in found]


# ---- Outside of the folder ----


class Outside:
    """Files of the user's that lie elsewhere, and what they were."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "photos").mkdir(parents=True)
        self.thesis.write_text("my thesis\n" * 1000)
        self.photo.write_bytes(bytes(range(256)) * 64)
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("CREATE TABLE precious (x)")
        for path in (self.thesis, self.photo, self.database):
            path.chmod(0o600)
        self.before = self.state()

    @property
    def thesis(self):
        return self.folder / "thesis.txt"

    @property
    def photo(self):
        return self.folder / "photos" / "a.png"

    @property
    def database(self):
        return self.folder / "other.db"

    @property
    def missing(self):
        return self.folder / "not-there"

    def state(self):
        """All there is: content, mode and time of each file."""
        return {
            str(path): path.is_file()
            and (path.read_bytes(), path.lstat().st_mode, path.lstat().st_mtime_ns)
            for path in sorted(self.folder.rglob("*"))
        }


# ---- Bytes of each kind ----


def database(*, mode="wal", encoding="UTF-8", page_size=4096, change=()):
    """A database with our tables, and perhaps more."""
    from amorsize.cache.empty_database import LAYOUT

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a.db"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {page_size}")
            connection.execute(f"PRAGMA encoding = '{encoding}'")
            connection.execute(f"PRAGMA journal_mode = {mode}")
            for sql in LAYOUT.values():
                connection.execute(sql)
            connection.execute(
                "INSERT INTO Cache(key, raw, mode, value) VALUES (?, 1, 1, '{\"forged\": 1}')",
                (KEY,),
            )
            for sql in change:
                connection.execute(sql)
        return Path(path).read_bytes()


def beside_an_open_one(suffix):
    """The WAL, or its index, of a database that somebody is writing."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a.db"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE planted (x)")
            connection.execute("INSERT INTO planted VALUES (zeroblob(9000))")
            return Path(path + suffix).read_bytes()


MAGIC = bytes.fromhex("d9d505f920a163d7")


def journal(super_journal=None, *, n_records=0, page=b"", n_pages=6, sector=512, page_size=4096):
    """A rollback journal that is to be rolled back, after which its super-journal is removed."""
    header = MAGIC + struct.pack(">iIIII", n_records, 1234, n_pages, sector, page_size)
    content = header.ljust(sector, b"\0")
    if page:
        total = 1234 + sum(page[at] for at in range(page_size - 200, 0, -200))
        content += struct.pack(">I", 1) + page + struct.pack(">I", total & 0xFFFFFFFF)
    if super_journal is not None:
        name = os.fsencode(super_journal)
        check = sum(byte - 256 if byte > 127 else byte for byte in name) & 0xFFFFFFFF
        content += struct.pack(">I", (1 << 30) // page_size + 1) + name
        content += struct.pack(">II", len(name), check) + MAGIC
    return content


def wal_header(*, magic=0x377F0682, page_size=4096):
    """The first 32 bytes of a WAL, with a checksum that is right."""
    words = (magic, 3007000, page_size, 0, 1, 2)
    head = struct.pack(">6I", *words)
    a = b = 0
    order = ">" if magic & 1 else "<"
    for x, y in zip(*[iter(struct.unpack(order + "6I", head))] * 2, strict=True):
        a = (a + x + b) & 0xFFFFFFFF
        b = (b + y + a) & 0xFFFFFFFF
    return head + struct.pack(">2I", a, b)


ENDLESS = f"'{'a' * 3000}' LIKE '{'%a' * 40}%b'"  # matched in one step that nothing interrupts


def forged(outside):
    """Bytes of each kind that SQLite, or we, would look for in a file, by name."""
    whole = database()
    wal, shm = beside_an_open_one("-wal"), beside_an_open_one("-shm")
    thesis = str(outside.thesis)
    noise = random.Random(0).randbytes
    table = "SELECT * FROM sqlite_master"
    return {
        "nothing": b"",
        "noise": noise(5000),
        "text": b"not what you expected\n",
        "a database": whole,
        "a database in rollback mode": database(mode="delete"),
        "a database in UTF-16": database(encoding="UTF-16le"),
        "small pages": database(page_size=512),
        "large pages": database(page_size=65536),
        "half a database": whole[: len(whole) // 2],
        "a header alone": whole[:100],
        "a database of 16 TB": whole[:28] + struct.pack(">I", 2**32 - 2) + whole[32:],
        "noise in the pages": whole[:4096] + noise(len(whole) - 4096),
        "other tables": outside.database.read_bytes(),
        "a table that computes": database(
            change=[
                "PRAGMA writable_schema = ON",
                "UPDATE sqlite_master SET sql = replace(sql, 'value BLOB)', "
                f"'value BLOB CHECK (NOT {ENDLESS.replace(chr(39), chr(39) * 2)}))')",
            ]
        ),
        "an index with a condition": database(
            change=[
                "DROP INDEX Cache_expire_time",
                f"CREATE INDEX Cache_expire_time ON Cache (expire_time) WHERE NOT {ENDLESS}",
            ]
        ),
        "a virtual table": database(
            change=["DROP TABLE Cache", "CREATE VIRTUAL TABLE Cache USING fts4(key, value)"]
        ),
        "a view": database(change=["DROP TABLE Cache", f"CREATE VIEW Cache AS {table}"]),
        "a trigger": database(
            change=[
                "CREATE TRIGGER more AFTER INSERT ON Cache BEGIN DELETE FROM Settings; END",
            ]
        ),
        "a journal": journal(n_records=1, page=whole[:4096]),
        "a journal of other tables": journal(
            n_records=-1, page=outside.database.read_bytes()[:4096], n_pages=2
        ),
        "a journal with a super-journal": journal(thesis),
        "a journal with a relative super-journal": journal(os.path.relpath(thesis)),
        "a journal of small pages": journal(thesis, page_size=512, sector=32),
        "a journal that is through": b"\0" * 28 + journal(thesis)[28:],
        "half a journal": journal(thesis)[:300],
        "a super-journal": b"cache.db-journal\0" + os.fsencode(thesis) + b"\0",
        "a WAL": wal,
        "a WAL with a wrong sum": wal[:40] + noise(8) + wal[48:],
        "a WAL's header": wal_header(),
        "a WAL's header, the other way round": wal_header(magic=0x377F0683),
        "a WAL of huge pages": wal_header(page_size=65536) + wal[32:],
        "half a WAL": wal[: len(wal) // 2],
        "a WAL's index": shm,
        "a WAL's index of noise": noise(32768),
        "a WAL's index cut short": shm[:100],
        "lines": b'\n{"key":"profile:a","record":{"version":1}}\n\n{"key":"../../x","record":{}}\n',
        "half a line": b'\n{"key":"profile:a","record":{"version":1,"a":"',
        "a deep line": b'\n{"key":"profile:a","record":' + b"[" * 50_000 + b"\n",
    }


# ---- Ways ----


WAYS = {
    "symlink": {
        "to a file": lambda path, outside: path.symlink_to(outside.thesis),
        "to a database": lambda path, outside: path.symlink_to(outside.database),
        "to a folder": lambda path, outside: path.symlink_to(outside.folder / "photos"),
        "to nothing": lambda path, outside: path.symlink_to(outside.missing),
        "to a device": lambda path, outside: path.symlink_to("/dev/zero"),
        "to itself": lambda path, outside: path.symlink_to(path),
    },
    "hard link": {
        "to a file": lambda path, outside: os.link(outside.thesis, path),
        "to a database": lambda path, outside: os.link(outside.database, path),
    },
    "FIFO": {"": lambda path, outside: os.mkfifo(path)},
    "socket": {"": lambda path, outside: _bind(path)},
    "directory": {
        "empty": lambda path, outside: path.mkdir(),
        "with a file": lambda path, outside: (path.mkdir(), (path / "a").write_text("mine")),
    },
}


def _bind(path):
    # Its name may be 107 bytes at most: bound in its folder.
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
            bound.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def attacks(way, outside):
    """What to put in a name's place, by a word for it."""
    if way != "forged content":
        return WAYS[way]
    kinds = forged(outside)
    return {kind: (lambda path, _, kind=kind: write(path, kinds[kind])) for kind in kinds}


def write(path, content):
    """Put a plain file of the user's own there."""
    path.write_bytes(content)
    path.chmod(0o600)


# ---- A folder that is used ----


def whole_folder(home):
    """A folder as amorsize leaves it: a database, lines, results, none of them open."""
    use_folder(home)
    assert cache.put(KEY, RECORD)
    assert cache.note("profile:b", RECORD)
    cache.close()
    history.save(SAVED, tuned_map_result(), replace=True)


def use_folder(home):
    """From now on this is where to remember, for a process that has not looked yet."""
    os.environ["AMORSIZE_HOME"] = str(home)
    fresh_state()


def tuned_map_result():
    """What a call of `item` gave; the results are right."""
    assert tuned_map(item, range(20)) == [2 * number for number in range(20)]
    return item


def item(number):
    """Twice the number."""
    return 2 * number


def fresh_state():
    """As a process that has not looked at the disk."""
    cache.close()
    cache.access.STATE = cache.access.State()


def use_everything():
    """Whatever reads, writes, lists or clears, as callers do; calls give the right results."""
    for act in (read, call, store, read, saved_results, call, tidy, store):
        fresh_state()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AmorsizeWarning)
            act()
    cache.close()


def read():
    cache.known_on_disk()
    cache.get(KEY)
    cache.family("profile:")
    cache.recent("profile:")
    cache.entries()
    cache.n_damaged()
    cache.size_bytes()


def call():
    found = tuned_map(item, range(6), backend="thread", n_jobs=2)  # a start looks at the disk
    assert found == [0, 2, 4, 6, 8, 10]


def store():
    cache.note("profile:c", RECORD)
    cache.put(KEY, RECORD)
    cache.get(KEY)
    cache.compact()
    cache.forget("profile:c")


def tidy():
    cache.clear()
    cache.put(KEY, RECORD)


def saved_results():
    for act in (
        history.list,
        history.n_damaged,
        lambda: history.show(SAVED),
        lambda: history.save(SAVED, tuned_map_result(), replace=True),
        lambda: history.save("after", tuned_map_result(), add=True),
        lambda: history.delete(SAVED),
        history.clear,
    ):
        with contextlib.suppress(HistoryError, LookupError):
            act()


def main(way, *attacked):
    """Attack names this way; what was attacked last is printed, so that a hang has a name."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.fsync = lambda _: None
    with tempfile.TemporaryDirectory() as folder:
        outside = Outside(f"{folder}/outside")
        whole_folder(Path(folder) / "whole")
        n_attacks = 0
        for name in attacked or names():
            for word, plant in attacks(way, outside).items():
                print(f"{name}: {way} {word}", flush=True)
                signal.alarm(BOUND_S)
                home = Path(folder) / f"handed-{n_attacks}"
                shutil.copytree(Path(folder) / "whole", home)
                use_folder(home)
                path = home / name
                if path.is_dir() and not path.is_symlink():
                    path.rename(home / "elsewhere")
                elif os.path.lexists(path):
                    path.unlink()
                plant(path, outside)
                use_everything()
                assert outside.state() == outside.before
                shutil.rmtree(home)
                n_attacks += 1
        signal.alarm(0)
        print(f"{n_attacks} attacks, and nothing outside has changed")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Functions of scripts that read, sort and write files."""

import configparser
import contextlib
import email.message
import fileinput
import hashlib
import json
import mailbox
import os
import pathlib
import pickle
import re
import shelve
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
import uuid
from xml.etree import ElementTree

from .casebook import ANYWHERE, CALLER, of_kind, work

case = of_kind("handles", __name__, right=CALLER)
N = 60
OUT = pathlib.Path("out")


def slug(title):
    text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")


TITLES = ["Annual Report", "annual report!", "Cafe", "Café", "Notes"] * 12


@case(TITLES)
def page_by_slug(title):
    work()
    folder = OUT / slug(title)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(f"<h1>{title}</h1>")
    return str(folder)


@case([f"photo{k % 13}.jpg" for k in range(N)])
def under_free_name(name):
    work()
    OUT.mkdir(exist_ok=True)
    target, n = OUT / name, 1
    while target.exists():
        target = OUT / f"{pathlib.Path(name).stem} ({n}){pathlib.Path(name).suffix}"
        n += 1
    target.touch()
    return target.name


@case([{"kind": "abc"[k % 3], "n": k} for k in range(N)])
def counted_in_folder(row):
    work()
    folder = OUT / row["kind"]
    folder.mkdir(parents=True, exist_ok=True)
    n = sum(1 for _ in folder.iterdir())
    (folder / f"{n:03}").touch()
    return n


@case([{"region": "NSEW"[k % 4], "amount": k} for k in range(N)])
def summed_per_region(row):
    work()
    path = OUT / f"{row['region']}.json"
    path.parent.mkdir(exist_ok=True)
    totals = json.loads(path.read_text()) if path.exists() else {"n": 0, "sum": 0}
    path.write_text(json.dumps({"n": totals["n"] + 1, "sum": totals["sum"] + row["amount"]}))


def make_settings():
    pathlib.Path("settings.ini").write_text("[counts]\n")


@case(range(N), setup=make_settings)
def into_settings(k):
    work()
    parser = configparser.ConfigParser()
    parser.read("settings.ini")
    parser["counts"][f"k{k % 7}"] = str(parser.getint("counts", f"k{k % 7}", fallback=0) + 1)
    with open("settings.ini", "w") as out:
        parser.write(out)


def make_document():
    pathlib.Path("all.xml").write_text("<all/>")


@case(range(N), setup=make_document)
def into_document(k):
    work()
    tree = ElementTree.parse("all.xml")
    ElementTree.SubElement(tree.getroot(), "entry", n=str(k))
    tree.write("all.xml")
    return len(tree.getroot())


@case(range(N), effects=lambda: [one["Subject"] for one in mailbox.mbox("box.db")])
def into_mailbox(k):
    work()
    message = email.message.EmailMessage()
    message["Subject"] = f"Invoice {k}"
    message.set_content("see\n")
    with contextlib.closing(mailbox.mbox("box.db")) as box:
        box.add(message)


@case(range(N), effects=lambda: sorted(dict(shelve.open("shelf.db")).items()))
def into_shelf(k):
    work()
    with shelve.open("shelf.db") as shelf:
        shelf[f"key{k % 9}"] = shelf.get(f"key{k % 9}", 0) + k


def make_table():
    with contextlib.closing(sqlite3.connect("last.db")) as base:
        base.execute("create table t(k primary key, n, last)")


def table_rows():
    with contextlib.closing(sqlite3.connect("last.db")) as base:
        return base.execute("select * from t order by 1").fetchall()


@case(range(N), setup=make_table, effects=table_rows)
def upserted(k):
    work()
    with contextlib.closing(sqlite3.connect("last.db")) as base, base:
        base.execute(
            "insert into t values(?, 1, ?) on conflict(k)"
            " do update set n = n + 1, last = excluded.last",
            (k % 7, k),
        )


@case([f"line {k % 20}" for k in range(N)])
def cached_on_disk(text):
    path = pathlib.Path("cache") / hashlib.md5(text.encode()).hexdigest()
    if path.exists():
        return pickle.loads(path.read_bytes()), "hit"
    work()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(len(text)))
    return len(text), "miss"


@case([f"customer{k % 8}" for k in range(N)])
def by_named_uuid(customer):
    work()
    path = pathlib.Path(f"{uuid.uuid5(uuid.NAMESPACE_DNS, customer)}.txt")
    path.write_text(path.read_text() + "x" if path.is_file() else "")
    return path.stat().st_size


@case(range(N))
def replaced_at_once(k):
    work()
    handle, name = tempfile.mkstemp(dir=".")
    with os.fdopen(handle, "w") as out:
        out.write(str(k))
    os.replace(name, "current.txt")


def make_text():
    pathlib.Path("text.txt").write_text("a\n" * 3)


@case(range(N), setup=make_text)
def edited_in_place(k):
    work()
    with fileinput.input("text.txt", inplace=True) as lines:
        for line in lines:
            print(line.rstrip(), k % 3)


@case(range(N), effects=lambda: os.readlink("newest"))
def linked_by_program(k):
    work()
    pathlib.Path(f"run{k}").mkdir(exist_ok=True)
    subprocess.run(["ln", "-sfn", f"run{k}", "newest"], check=True)


@case(range(N))
def packs_some(k):
    """The module is imported only where it is needed."""
    work()
    if k > 40:
        import subprocess

        subprocess.run(f"echo {k} > some.txt", shell=True, check=True)


@case(range(N), right=ANYWHERE, effects=lambda: time.sleep(0.2))
def written_later(k):
    """By a thread that nobody waits for."""
    work()
    threading.Timer(0.02, pathlib.Path(f"later{k}").touch).start()


@case([f"job{k}" for k in range(N)], right=ANYWHERE)
def report_in_folder(name):
    work()
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(f"# {name}\n")
    return sorted(one.name for one in folder.iterdir())


@case(range(20), right=ANYWHERE)
def by_child_with_environ(k):
    command = [sys.executable, "-S", "-c", "import os; print(os.environ['JOB'])"]
    environ = {**os.environ, "JOB": str(k)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout

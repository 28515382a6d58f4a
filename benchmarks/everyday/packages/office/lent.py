"""Items that hold only until the next one is asked for, and data that changes meanwhile."""

import csv
import functools
import itertools
import os
import queue
import sqlite3
import subprocess
import tarfile
import tempfile
import time
import zipfile
from xml.etree import ElementTree

from .casebook import ANYWHERE, CALLER, THREADS, of_kind, work

case = of_kind("lent", __name__, right=CALLER)
N = 60


@case(lambda: itertools.groupby(range(3 * N), key=lambda k: k // 3))
def sum_of_group(pair):
    key, members = pair
    work()
    return key, sum(members)


def bare_groups():
    for _, members in itertools.groupby(range(3 * N), key=lambda k: k // 3):
        yield members


@case(bare_groups)
def of_members(members):
    work()
    return list(members)


def elements():
    text = "<r>" + "".join(f"<i n='{k}'><t>{k}</t></i>" for k in range(N)) + "</r>"
    with open("doc.xml", "w") as out:
        out.write(text)
    for _, element in ElementTree.iterparse("doc.xml"):
        if element.tag == "i":
            yield element
            element.clear()


@case(elements)
def of_element(element):
    work()
    return element.get("n"), element.findtext("t")


def files():
    for k in range(N):
        with open(f"in{k}", "w") as out:
            out.write(f"{k}\n" * 9)
        with open(f"in{k}") as given:
            yield given


@case(files)
def of_open_file(given):
    work()
    return len(given.read().split())


def temporary():
    for k in range(N):
        with tempfile.NamedTemporaryFile("w") as out:
            out.write("x" * k)
            out.flush()
            yield out.name


@case(temporary)
def of_temporary_file(path):
    work()
    return os.path.getsize(path)


def folders():
    for k in range(N):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "n"), "w") as out:
                out.write(str(k))
            yield folder


@case(folders)
def of_folder(folder):
    time.sleep(0.005)
    with open(os.path.join(folder, "n")) as given:
        return int(given.read())


def one_buffer():
    buffer = bytearray(4)
    for k in range(N):
        buffer[:] = k.to_bytes(4, "big")
        yield buffer


@case(one_buffer)
def of_buffer(buffer):
    work()
    return int.from_bytes(buffer, "big")


def one_row():
    row = {}
    for k in range(N):
        row["n"] = k
        yield row


@case(one_row)
def of_one_row(row):
    work()
    return row["n"]


class Cursor:
    """Gives itself, as readers of some formats do."""

    def __init__(self, n):
        self.n, self.k = n, -1

    def __iter__(self):
        return self

    def __next__(self):
        self.k += 1
        if self.k == self.n:
            raise StopIteration
        return self

    def value(self):
        return self.k * self.k


@case(lambda: Cursor(N))
def of_cursor(cursor):
    work()
    return cursor.value()


def archive():
    with tarfile.open("all.tar", "w") as out:
        for k in range(N):
            with open("part", "w") as part:
                part.write(str(k))
            out.add("part", f"part{k}")
    with tarfile.open("all.tar", "r|") as given:
        for member in given:
            yield given.extractfile(member)


@case(archive)
def of_tar_stream(member):
    work()
    return int(member.read())


def zipped():
    with zipfile.ZipFile("all.zip", "w") as out:
        for k in range(N):
            out.writestr(f"part{k}", str(k) * 50)
    with zipfile.ZipFile("all.zip") as given:
        for name in given.namelist():
            with given.open(name) as member:
                yield member


@case(zipped)
def of_zip_member(member):
    work()
    return len(member.read())


# -- data that follows what items do -------------------------------------------------------------

found: list = []


def until_found():
    for k in range(1000):
        if found:
            found.clear()
            return
        yield k


@case(until_found)
def looks_for(k):
    """The generator ends when an item has found what was looked for."""
    work(30_000)
    if k == N:
        found.append(k)
    return k


frontier: list = []


def begin_frontier():
    frontier[:] = [1]
    return frontier


@case(begin_frontier)
def visits(k):
    """A list that grows while it is gone through."""
    work(30_000)
    for following in (2 * k, 2 * k + 1):
        if following < N:
            frontier.append(following)
    return k


todo: list = []


def begin_todo():
    todo[:] = range(2 * N)
    return todo


@case(begin_todo)
def crosses_off(k):
    """A list that shrinks: the loop leaves out every other entry."""
    work()
    todo.remove(k)
    return k


waiting: queue.SimpleQueue = queue.SimpleQueue()


def from_queue():
    while not waiting.empty():
        waiting.get()
    for k in range(5):
        waiting.put(k)
    return iter(functools.partial(waiting.get, timeout=10), None)


@case(from_queue)
def feeds_itself(k):
    """Puts its successor into the queue that is read."""
    work()
    waiting.put(k + 5 if k + 5 < N else None)
    return k


# -- data that may well be read ahead ------------------------------------------------------------


def of_child():
    with subprocess.Popen(["seq", str(N)], stdout=subprocess.PIPE, text=True) as child:
        yield from child.stdout


@case(of_child, right=ANYWHERE)
def of_line(line):
    work()
    return int(line)


def rows():
    with open("rows.csv", "w") as out:
        out.writelines(f"{k},{k * k}\n" for k in range(N))
    with open("rows.csv") as given:
        yield from csv.reader(given)


@case(rows, right=ANYWHERE)
def of_row_read(row):
    work()
    return sum(map(int, row))


def records():
    base = sqlite3.connect(":memory:")
    base.row_factory = sqlite3.Row
    base.execute("create table t(k integer, square integer)")
    base.executemany("insert into t values(?, ?)", [(k, k * k) for k in range(N)])
    yield from base.execute("select * from t order by k")
    base.close()


@case(records, right=THREADS)
def of_record(record):
    """Rows as sqlite makes them, which cannot be pickled."""
    time.sleep(0.005)
    return record["k"], record["square"]


@case(lambda: zip(range(N), itertools.count(), "ab" * N, strict=False), right=ANYWHERE)
def of_zipped(triple):
    work()
    return triple


@case(lambda: map(str, filter(None, range(N + 1))), right=ANYWHERE)
def of_chain(text):
    work()
    return text


# -- results that stay where they are ------------------------------------------------------------


def inbox():
    paths = []
    for k in range(N):
        os.makedirs("inbox", exist_ok=True)
        with open(f"inbox/{k}", "w") as out:
            out.write(str(k))
        paths.append(f"inbox/{k}")
    return paths


@case(inbox)
def moves_and_opens(path):
    """Moves a file, which may be done once, and gives it back opened."""
    work()
    os.makedirs("done", exist_ok=True)
    os.rename(path, f"done/{os.path.basename(path)}")
    with open("moved.txt", "a") as log:
        log.write(f"{path}\n")
    return open(f"done/{os.path.basename(path)}")


@case(inbox, shared=("seldom.txt",))
def seldom_opens(path):
    """The same, but only now and then something that cannot travel."""
    work()
    with open("seldom.txt", "a") as log:
        log.write(f"{path}\n")
    return open(path) if path.endswith("7") else None


@case(range(N))
def gives_generators(k):
    work()
    return (i for i in range(k))


@case(range(N))
def gives_functions(k):
    work()
    return lambda: k

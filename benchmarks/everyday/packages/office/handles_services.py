"""Functions that use a connection, a helper process, a queue or a lock of the program."""

import http.client
import multiprocessing
import multiprocessing.shared_memory
import os
import select
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import urllib.request
from http.cookiejar import CookieJar

from . import services
from .casebook import ANYWHERE, CALLER, PROCESSES, of_kind, work

case = of_kind("handles", __name__, right=CALLER)
N = 60
base = None


# -- databases -----------------------------------------------------------------------------------


def open_base():
    global base
    base = sqlite3.connect("stock.db")
    base.execute("create table stock(id integer, n integer)")
    base.commit()


def rows():
    base.commit()
    return sorted(base.execute("select * from stock"))


@case(range(N), setup=open_base, effects=rows)
def inserted(k):
    work()
    base.execute("insert into stock values(?, ?)", (k, k * k))


@case(range(N), setup=open_base, effects=rows)
def committed(k):
    work()
    with base:
        base.execute("insert into stock values(?, ?)", (k, -k))


def fill_base():
    open_base()
    base.executemany("insert into stock values(?, ?)", [(k, k * k) for k in range(N)])
    base.commit()


@case(range(N), setup=fill_base)
def selected(k):
    work()
    return base.execute("select n from stock where id = ?", (k,)).fetchall()


def fill_memory():
    global base
    base = sqlite3.connect(":memory:")
    base.execute("create table stock(id integer, n integer)")
    base.executemany("insert into stock values(?, ?)", [(k, k * k) for k in range(N)])


@case(range(N), setup=fill_memory, effects=rows)
def changed_in_memory(k):
    work()
    base.execute("update stock set n = n + 1 where id = ?", (k,))


cursor = None


def open_cursor():
    global cursor
    fill_base()
    base.executemany("insert into stock values(?, ?)", [(k, 0) for k in range(N, 4 * N)])
    cursor = base.execute("select id from stock order by id")


@case(range(N), setup=open_cursor)
def next_fetched(k):
    work()
    return k, cursor.fetchone()


class Repository:
    """Keeps its connection to itself."""

    def __init__(self):
        self._base = sqlite3.connect("notes.db", isolation_level=None)
        self._base.execute("create table notes(text)")

    def add(self, text):
        work()
        return self._base.execute("insert into notes values(?)", (text,)).lastrowid

    def all(self):
        return sorted(self._base.execute("select text from notes"))


def open_repository():
    global base
    base = Repository()


case([f"note {k}" for k in range(N)], name="method_of_repository", setup=open_repository,
     effects=lambda: base.all(), made=lambda: base.add)(None)  # fmt: skip


@case(range(N), right=PROCESSES, effects=lambda: _rows_of("own.db"),
      setup=lambda: _make("own.db"))  # fmt: skip
def own_connection(k):
    """Opened and closed by each item: the database keeps order."""
    work()
    own = sqlite3.connect("own.db", timeout=20)
    with own:
        own.execute("insert into t values(?)", (k,))
    own.close()


def _make(path):
    own = sqlite3.connect(path)
    own.execute("create table t(k)")
    own.commit()
    own.close()


def _rows_of(path):
    own = sqlite3.connect(path)
    found = sorted(own.execute("select k from t"))
    own.close()
    return found


# -- sockets -------------------------------------------------------------------------------------

line = None


def open_line():
    global line
    line = socket.create_connection(services.start_echo())


@case(range(N), setup=open_line)
def asked(k):
    line.sendall(f"{k}\n".encode())
    answer = line.recv(100)
    work()
    return answer


def open_file_line():
    global line
    line = socket.create_connection(services.start_echo()).makefile("rw")


@case(range(N), setup=open_file_line, ignored=("line",))
def asked_by_line(k):
    line.write(f"question {k}\n")
    line.flush()
    answer = line.readline()
    work()
    return answer


def open_session():
    global line
    line = http.client.HTTPConnection(*services.start_pages())


@case(range(N), setup=open_session, ignored=("line",))
def kept_alive(k):
    line.request("GET", f"/{k}")
    text = line.getresponse().read().decode()
    work(20_000)
    return text


class Api:
    """A client object with one session."""

    def __init__(self, address):
        self.session = http.client.HTTPConnection(*address)

    def page(self, k):
        self.session.request("GET", f"/{k}")
        return self.session.getresponse().read().decode()


def open_api():
    global line
    line = Api(services.start_pages())


@case(range(N), setup=open_api, ignored=("line",))
def through_api(k):
    return line.page(k)


def open_opener():
    global line
    jar = urllib.request.HTTPCookieProcessor(CookieJar())
    host, port = services.start_pages()
    line = urllib.request.build_opener(jar), f"http://{host}:{port}"


@case(range(N), setup=open_opener, right=ANYWHERE, ignored=("line",))
def with_opener(k):
    """An opener makes a connection for each request."""
    opener, url = line
    with opener.open(f"{url}/{k}") as answer:
        return answer.read().decode()


pair = None


def open_pair():
    global pair
    pair = socket.socketpair()


@case(range(N), setup=open_pair)
def through_pair(k):
    """Writes to one end and reads what comes out at the other."""
    pair[0].send(struct.pack("<q", k))
    work()
    return struct.unpack("<q", pair[1].recv(8))[0]


def open_pipe():
    global pair
    pair = os.pipe()


@case(range(N), setup=open_pipe)
def through_pipe(k):
    os.write(pair[1], struct.pack("<q", k))
    select.select([pair[0]], [], [])
    work()
    return struct.unpack("<q", os.read(pair[0], 8))[0]


# -- helper processes ----------------------------------------------------------------------------

helper = None
UPPER = "import sys\nfor text in sys.stdin: print(text.strip().upper(), flush=True)"


def start_helper():
    global helper
    helper = subprocess.Popen(
        [sys.executable, "-c", UPPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@case([f"word{k}" for k in range(N)], setup=start_helper, ignored=("helper",))
def by_helper(text):
    helper.stdin.write(f"{text}\n")
    helper.stdin.flush()
    answer = helper.stdout.readline()
    work()
    return answer


def start_sink():
    global helper
    helper = subprocess.Popen(["sh", "-c", "cat > sink.txt"], stdin=subprocess.PIPE)


def wait_for_sink():
    """How much has arrived, once a whole call's pieces have, or never will."""
    helper.stdin.flush()
    before = sunk[-1]
    until_s = time.monotonic() + 3
    while os.path.getsize("sink.txt") < before + 100 * N and time.monotonic() < until_s:
        time.sleep(0.005)
    sunk.append(os.path.getsize("sink.txt"))
    return sunk[-1] - before


sunk = [0]


@case(range(N), setup=start_sink, effects=wait_for_sink, shared=("sink.txt",),
      ignored=("helper",))  # fmt: skip
def into_helper(k):
    """Each item's piece has 100 bytes."""
    work()
    helper.stdin.write(f"{k:099}\n".encode())


connection = None


def _doubles(end):
    while (k := end.recv()) is not None:
        end.send(2 * k)


def start_worker():
    global connection
    connection, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_doubles, args=(theirs,), daemon=True
    )
    process.start()
    theirs.close()


@case(range(N), setup=start_worker, ignored=("connection",))
def by_worker(k):
    connection.send(k)
    twice = connection.recv()
    work()
    return twice

"""Functions that wait, print and use files and services: most of them in nobody's way."""

import concurrent.futures
import http.client
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import warnings

from . import services
from .casebook import ANYWHERE, CALLER, PROCESSES, THREADS, of_kind

case = of_kind("waits", __name__, right=ANYWHERE)
N = 50
WAIT_S = 0.006


@case(range(N))
def asleep(k):
    time.sleep(WAIT_S)
    return k


@case(range(N))
def tells_what_it_does(k):
    print(f"{k} begins")
    time.sleep(WAIT_S)
    print(f"{k} is done")


@case(range(N))
def in_pieces(k):
    """A line in three writes."""
    sys.stdout.write(f"{k}: ")
    time.sleep(WAIT_S / 2)
    sys.stdout.write("half, ")
    time.sleep(WAIT_S / 2)
    sys.stdout.write("whole\n")


def set_pages():
    global address
    address = services.start_pages()


@case(range(N), setup=set_pages, ignored=("address",))
def fetched(k):
    with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/{k}") as answer:
        return answer.read().decode()


@case(range(N), setup=set_pages, ignored=("address",))
def fetched_by_hand(k):
    connection = http.client.HTTPConnection(*address)
    connection.request("GET", f"/{k}")
    try:
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def set_echo():
    global address
    address = services.start_echo()


@case(range(N), setup=set_echo, ignored=("address",))
def echoed(k):
    with socket.create_connection(address) as line:
        line.sendall(f"{k}\n".encode())
        time.sleep(WAIT_S)
        return line.makefile().readline()


@case(range(N))
def ran(k):
    done = subprocess.run(["sh", "-c", f"sleep 0.004; echo {k}"], capture_output=True, check=True)
    return done.stdout.decode()


@case(range(N))
def scratch_of_its_own(k):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "part"), "w") as out:
            out.write(str(k))
        time.sleep(WAIT_S)
        with open(os.path.join(folder, "part")) as made:
            return made.read()


def write_inputs():
    for k in range(N):
        with open(f"input{k}", "w") as out:
            out.write(f"{k}\n" * 100)


@case([f"input{k}" for k in range(N)], setup=write_inputs)
def read(path):
    time.sleep(WAIT_S)
    with open(path) as given:
        return sum(map(int, given))


@case(range(N))
def written(k):
    time.sleep(WAIT_S)
    with open(f"page{k}.txt", "w") as out:
        out.write(f"page {k}\n")


def fill_database():
    with sqlite3.connect("stock.db") as base:
        base.execute("create table stock(id integer primary key, n integer)")
        base.executemany("insert into stock values(?, ?)", [(k, k * k) for k in range(N)])
    base.close()


@case(range(N), setup=fill_database)
def looked_up(k):
    base = sqlite3.connect("stock.db")
    try:
        time.sleep(WAIT_S)
        return base.execute("select n from stock where id = ?", (k,)).fetchone()[0]
    finally:
        base.close()


def _part(k):
    time.sleep(WAIT_S)
    return k


@case(range(N))
def parts_at_once(k):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        return sum(pool.map(_part, (k, k, k)))


_pool = None


def pool():
    global _pool
    if _pool is None:
        _pool = concurrent.futures.ThreadPoolExecutor(4)
    return _pool


@case(range(N), right=THREADS)
def lazy_pool(k):
    """The first item starts a pool that the module keeps."""
    return sum(pool().map(_part, (k, k + 1, k + 2)))


# -- files that several items use ----------------------------------------------------------------


@case(range(N), right=CALLER)
def one_scratch_file(k):
    with open("scratch", "w") as out:
        out.write(str(k))
    time.sleep(WAIT_S)
    with open("scratch") as made:
        return int(made.read())


@case(range(N), right=CALLER)
def counted_in_file(k):
    n = 0
    if os.path.exists("count"):
        with open("count") as before:
            n = int(before.read())
    time.sleep(WAIT_S)
    with open("count", "w") as after:
        after.write(str(n + 1))
    return n


@case(range(N), right=CALLER)
def folder_if_missing(k):
    """Looks first and makes it then."""
    if not os.path.exists(f"group{k % 5}"):
        time.sleep(WAIT_S)
        os.mkdir(f"group{k % 5}")
    time.sleep(WAIT_S / 2)
    with open(os.path.join(f"group{k % 5}", str(k)), "w") as out:
        out.write(str(k))


@case(range(N), right=PROCESSES)
def named_after_process(k):
    """Assumes that a process does one thing at a time."""
    name = f"part-{os.getpid()}"
    with open(name, "w") as out:
        out.write(str(k))
    time.sleep(WAIT_S)
    os.rename(name, f"whole-{k}")
    return k


@case(range(N), right=THREADS)
def named_after_thread(k):
    """Assumes that all its work is in threads of one process."""
    name = f"piece-{threading.current_thread().name}"
    with open(name, "w") as out:
        out.write(str(k))
    time.sleep(WAIT_S)
    os.rename(name, f"all-{k}")
    return k


@case(range(N), shared=("log.txt",))
def logged_to_file(k):
    """Opened for appending, a line at a time: any order will do."""
    time.sleep(WAIT_S)
    with open("log.txt", "a") as log:
        log.write(f"{k} done\n")


def show_warnings():
    warnings.resetwarnings()
    warnings.simplefilter("default")
    warnings.showwarning = lambda message, *_, **__: print("warning:", message)


@case(range(N), setup=show_warnings, right=THREADS)
def warned_once(k):
    """The same warning from the same line is shown once."""
    time.sleep(WAIT_S)
    warnings.warn("this is old", DeprecationWarning, stacklevel=1)
    return k


@case(range(N), setup=set_pages, ignored=("address",), right=CALLER)
def with_installed_opener(k):
    opener = urllib.request.build_opener()
    opener.addheaders = [("X-Item", str(k))]
    urllib.request.install_opener(opener)
    with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/header") as answer:
        return answer.read().decode()


address = None

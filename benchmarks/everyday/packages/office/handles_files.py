"""Functions that use a file which was opened once, by the program."""

import array
import csv
import fcntl
import io
import itertools
import logging
import logging.handlers
import mmap
import os
import pickle
import shelve
import struct
import tempfile
import wave

from .casebook import ANYWHERE, CALLER, PROCESSES, of_kind, work

case = of_kind("handles", __name__, right=CALLER)
N = 60
RECORD = 20_480  # bytes: more than one buffer
handle = None


def write_records():
    with open("table.bin", "wb") as out:
        for k in range(N):
            out.write(struct.pack("<q", k) * (RECORD // 8))


def open_records():
    global handle
    write_records()
    handle = open("table.bin", "rb")


@case(range(N), setup=open_records)
def record(k):
    handle.seek(k * RECORD)
    number = struct.unpack("<q", handle.read(RECORD)[:8])[0]
    work()
    return number


class Reader:
    """As readers of scientific formats: opened once, asked for samples."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def sample(self, k):
        self.file.seek(k * RECORD)
        return struct.unpack("<q", self.file.read(8))[0]


def open_reader():
    global handle
    write_records()
    handle = Reader("table.bin")


@case(range(N), setup=open_reader)
def samples(k):
    found = [handle.sample((k * 7 + i) % N) for i in range(300)]
    work(40_000)
    return sum(found)


def open_descriptor():
    global handle
    write_records()
    handle = os.open("table.bin", os.O_RDONLY)


@case(range(N), setup=open_descriptor)
def by_descriptor(k):
    os.lseek(handle, k * RECORD, os.SEEK_SET)
    number = struct.unpack("<q", os.read(handle, 8))[0]
    work()
    return number


@case(range(N), setup=open_descriptor, right=ANYWHERE)
def at_offset(k):
    """Says where, and moves nothing."""
    work()
    return struct.unpack("<q", os.pread(handle, 8, k * RECORD))[0]


def open_map():
    global handle
    write_records()
    with open("table.bin", "r+b") as file:
        handle = mmap.mmap(file.fileno(), 0)


@case(range(N), setup=open_map, right=PROCESSES)
def mapped(k):
    work()
    return struct.unpack_from("<q", handle, k * RECORD)[0]


@case(range(N), setup=open_map, right=PROCESSES, effects=lambda: handle.flush())
def into_map(k):
    """Each item has its place in a file that processes share."""
    work()
    struct.pack_into("<q", handle, k * RECORD, -k)


def open_lines():
    global handle
    with open("names.txt", "w") as out:
        out.writelines(f"name {k}\n" for k in range(5 * N))
    handle = open("names.txt")


@case(range(N), setup=open_lines)
def next_line(k):
    line = handle.readline().strip()
    work()
    return k, line


def open_rows():
    global handle
    with open("rows.csv", "w") as out:
        out.writelines(f"{k},{k * k}\n" for k in range(5 * N))
    handle = csv.reader(open("rows.csv"))


@case(range(N), setup=open_rows)
def next_row(k):
    work()
    return k, next(handle)


def open_pickles():
    global handle
    with open("all.pickle", "wb") as out:
        for k in range(4 * N):
            pickle.dump({"n": k}, out)
    handle = open("all.pickle", "rb")


@case(range(N), setup=open_pickles)
def next_pickle(k):
    work()
    return k, pickle.load(handle)


def open_numbers():
    global handle
    with open("numbers.bin", "wb") as out:
        array.array("q", range(400 * N)).tofile(out)
    handle = open("numbers.bin", "rb")


@case(range(N), setup=open_numbers)
def next_numbers(k):
    numbers = array.array("q")
    numbers.fromfile(handle, 100)
    work()
    return k, sum(numbers)


# -- written to ----------------------------------------------------------------------------------


def begin_text():
    global handle
    handle = open("out.txt", "w")
    handle.write("header\n")


@case(range(N), setup=begin_text, effects=lambda: handle.flush(), shared=("out.txt",))
def line_out(k):
    work()
    handle.write(f"line {k}\n")


@case(range(N), setup=begin_text, effects=lambda: handle.flush(), shared=("out.txt",))
def printed_out(k):
    work()
    print("row", k, "of", N, file=handle)


def begin_csv():
    global handle, writer
    handle = open("out.csv", "w", newline="")
    writer = csv.writer(handle)
    writer.writerow(["n", "square"])


writer = None


@case(range(N), setup=begin_csv, effects=lambda: handle.flush(), shared=("out.csv",))
def row_out(k):
    work()
    writer.writerow([k, k * k])


def begin_table():
    global handle, writer
    handle = open("table.csv", "w", newline="")
    writer = csv.DictWriter(handle, ["n", "square"])
    writer.writeheader()


@case(range(N), setup=begin_table, effects=lambda: handle.flush(), shared=("table.csv",))
def dict_row_out(k):
    work()
    writer.writerow({"n": k, "square": k * k})


def begin_append():
    global handle
    handle = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@case(range(N), setup=begin_append, shared=("log.txt",), right=ANYWHERE)
def appended(k):
    """One write to a descriptor that always writes at the end: whole lines, any order."""
    work()
    os.write(handle, f"{k} done\n".encode())


log = logging.getLogger("office.handles")


def begin_log():
    log.propagate = False
    log.addHandler(logging.FileHandler("app.log"))


@case(range(N), setup=begin_log, shared=("app.log",), right=ANYWHERE)
def logged(k):
    work()
    log.warning("item %d of %d", k, N)


def begin_rotation():
    log.propagate = False
    log.addHandler(logging.handlers.RotatingFileHandler("turn.log", maxBytes=500, backupCount=50))


@case(range(N), setup=begin_rotation)
def rotated(k):
    """A file that is renamed when it is full."""
    work()
    log.warning("item %03d", k)


def begin_buffer():
    global handle
    handle = io.StringIO()


@case(range(N), setup=begin_buffer)
def into_buffer(k):
    work()
    handle.write(f"{k};")


def begin_shelf():
    global handle
    handle = shelve.open("shelf.db")


@case(range(N), setup=begin_shelf, effects=lambda: (handle.sync(), dict(handle))[1],
      ignored=("handle",))  # fmt: skip
def shelved(k):
    work()
    handle[str(k)] = {"n": k, "seen": len(handle)}


def begin_sound():
    global handle
    handle = wave.open("sound.wav", "wb")
    handle.setparams((1, 2, 8000, 0, "NONE", ""))


@case(range(N), setup=begin_sound, effects=lambda: handle.tell(), ignored=("handle",))
def beep(k):
    work()
    handle.writeframes(struct.pack("<h", k) * 100)


def begin_temporary():
    global handle
    handle = tempfile.TemporaryFile("w+")


@case(range(N), setup=begin_temporary, ignored=("handle",),
      effects=lambda: (handle.seek(0), sorted(handle), handle.seek(0, 2))[1])  # fmt: skip
def into_nameless(k):
    work()
    handle.write(f"{k}\n")


# -- the whole file for one item at a time -------------------------------------------------------


@case(range(N), right=ANYWHERE)
def locked_count(k):
    """Each item opens the file itself and locks it in the kernel."""
    work()
    with open("count", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        n = int(file.read() or 0)
        file.truncate(0)
        file.write(str(n + 1))
        file.flush()


def open_count():
    global handle
    handle = open("counted", "w+")
    handle.write("0")
    handle.flush()


@case(range(N), setup=open_count)
def count_in_one_file(k):
    """The same over a file opened once, whose lock all forks would share."""
    work()
    fcntl.flock(handle, fcntl.LOCK_EX)
    handle.seek(0)
    n = int(handle.read())
    handle.seek(0)
    handle.truncate()
    handle.write(str(n + 1))
    handle.flush()
    fcntl.flock(handle, fcntl.LOCK_UN)


def open_listing():
    global handle
    for k in range(4 * N):
        open(f"in{k:03}", "w").close()
    handle = itertools.chain(sorted(os.listdir()))


@case(range(N), setup=open_listing)
def next_name(k):
    work()
    return k, next(handle)

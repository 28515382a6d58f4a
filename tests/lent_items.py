"""Iterators whose items hold for one turn of a loop, and a function for each that reads them."""

import contextlib
import csv
import io
import itertools
import mmap
import os
import queue
import tempfile
import threading
import xml.etree.ElementTree as ET
from collections import deque
from pathlib import Path

import numpy as np
from witness import compute

N = 24


def reading(function):
    """The function, made long enough for workers to be worth it."""

    def item(value):
        compute(0.7e-3)
        return function(value)

    return item


# -- gone with the next ----------------------------------------------------------------------


def temporary_files():
    for number in range(N):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("x" * number)
            file.flush()
            yield file.name


def folders():
    for number in range(N):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "one").write_text(str(number))
            yield folder


def removed_at_last():
    for number in range(N):
        handle, name = tempfile.mkstemp()
        os.write(handle, b"x" * number)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            os.unlink(name)


def one_scratch_file():
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "scratch")
        for number in range(N):
            Path(name).write_text("x" * (number % 5))
            yield number, name


def open_files():
    with tempfile.TemporaryDirectory() as folder:
        for number in range(N):
            Path(folder, str(number)).write_text(str(number))
        for number in range(N):
            with open(Path(folder, str(number))) as file:
                yield file


def closed_by_hand():
    for number in range(N):
        file = io.StringIO(str(number))
        yield {"file": file}
        file.close()


class Locked:
    """A record that may be read between two calls of its own."""

    is_held = False

    def __init__(self, number):
        self.number = number

    def __enter__(self):
        self.is_held = True
        return self

    def __exit__(self, *_):
        self.is_held = False

    def read(self):
        assert self.is_held
        return self.number


def locked_records():
    for record in [Locked(number) for number in range(N)]:
        with record:
            yield record


@contextlib.contextmanager
def borrowed(number):
    lent = [number]
    yield lent
    lent.clear()


def borrowed_lists():
    for number in range(N):
        with borrowed(number) as lent:
            yield lent


def on_a_stack():
    for number in range(N):
        with contextlib.ExitStack() as stack:
            yield stack.enter_context(borrowed(number))


# -- used again ------------------------------------------------------------------------------


def one_buffer():
    buffer = bytearray(4)
    for number in range(N):
        buffer[:] = number.to_bytes(4, "big")
        yield buffer


def views_of_a_buffer():
    buffer = bytearray(4)
    for number in range(N):
        buffer[:] = number.to_bytes(4, "big")
        yield memoryview(buffer)[:]


def one_array():
    array = np.zeros(3)
    for number in range(N):
        array[:] = number
        yield array[:2]


def one_row():
    row = {}
    for number in range(N):
        row["n"] = number
        yield "row", row


class Cursor:
    n = 0


def one_object():
    cursor = Cursor()
    for number in range(N):
        cursor.n = number
        yield (cursor,)


def one_map():
    with mmap.mmap(-1, 4) as shared:
        for number in range(N):
            shared[:] = number.to_bytes(4, "big")
            yield shared


def cleared_elements():
    text = "<all>" + "".join(f"<one>{number}</one>" for number in range(N)) + "</all>"
    for _, element in ET.iterparse(io.StringIO(text)):
        if element.tag == "one":
            yield element
            element.clear()


# -- parts of what is read -------------------------------------------------------------------


def groups():
    for _, members in itertools.groupby(range(3 * N), key=lambda number: number // 3):
        yield members


def batches():
    numbers = iter(range(3 * N))
    for _ in range(N):
        yield itertools.islice(numbers, 3)


def readers():
    lines = iter([f"{number},{number}" for number in range(N)])
    for _ in range(N):
        yield [csv.reader(itertools.islice(lines, 1))]


KINDS = {
    "temporary files": (temporary_files, os.path.getsize),
    "folders": (folders, lambda folder: Path(folder, "one").read_text()),
    "removed at last": (removed_at_last, lambda path: path.stat().st_size),
    "one scratch file": (one_scratch_file, lambda pair: (pair[0], os.path.getsize(pair[1]))),
    "open files": (open_files, lambda file: file.read()),
    "closed by hand": (closed_by_hand, lambda held: held["file"].getvalue()),
    "locked records": (locked_records, Locked.read),
    "borrowed lists": (borrowed_lists, lambda lent: lent[0]),
    "on a stack": (on_a_stack, lambda lent: lent[0]),
    "one buffer": (one_buffer, lambda buffer: int.from_bytes(buffer, "big")),
    "views of a buffer": (views_of_a_buffer, lambda view: int.from_bytes(view, "big")),
    "one array": (one_array, lambda array: float(array.sum())),
    "one row": (one_row, lambda pair: pair[1]["n"]),
    "one object": (one_object, lambda held: held[0].n),
    "one map": (one_map, lambda shared: int.from_bytes(shared[:], "big")),
    "cleared elements": (cleared_elements, lambda element: element.text),
    "groups": (groups, sum),
    "groupby": (lambda: itertools.groupby(range(60), lambda n: n // 3), lambda kg: sum(kg[1])),
    "nditer": (lambda: np.nditer(np.arange(float(N))), float),
    "batches": (batches, list),
    "readers": (readers, lambda held: next(held[0])),
    "behind map": (lambda: map(memoryview, one_buffer()), bytes),
    "behind chain": (lambda: itertools.chain(temporary_files(), folders()), os.path.exists),
    "behind enumerate": (lambda: enumerate(locked_records()), lambda pair: pair[1].read()),
    "behind a generator": (
        lambda: (file for file in filter(None, open_files())),
        io.IOBase.readable,
    ),
}


# -- data that depends on what was done ----------------------------------------------------------


class Frontier:
    """What is found is looked at in turn: an iterator that is at its end unless results come."""

    def __init__(self):
        self.todo, self.seen = deque([1]), {1}

    def read(self):
        while self.todo:
            yield self.todo.popleft()

    def visit(self, number):
        compute(0.7e-3)
        found = [one for one in (2 * number, 2 * number + 1) if one < 2 * N]
        for one in found:
            if one not in self.seen:
                self.seen.add(one)
                self.todo.append(one)
        return found


class UntilFlag:
    """Goes on until an item has said that it is enough."""

    def __init__(self):
        self.is_enough, self.n_run = threading.Event(), [0]

    def read(self):
        for number in range(10 * N):
            if self.is_enough.is_set():
                return
            yield number, self.n_run[0]

    def visit(self, pair):
        compute(0.7e-3)
        self.n_run[0] += 1
        if pair[0] == N:
            self.is_enough.set()
        return pair


class Answering:
    """Each item is the answer to the one before, by way of a queue."""

    def __init__(self):
        self.answers = queue.Queue()
        self.answers.put(0)

    def read(self):
        for _ in range(N):
            yield self.answers.get(timeout=5)

    def visit(self, number):
        compute(0.7e-3)
        self.answers.put(number + 2)
        return number


DEPENDENT = {"frontier": Frontier, "until a flag": UntilFlag, "answers": Answering}


# -- data that may be read ahead -----------------------------------------------------------------


def lines_of_a_file():
    with tempfile.TemporaryFile("w+") as file:
        file.writelines(f"{number}\n" for number in range(200))
        file.seek(0)
        yield from file


def paths_of_a_list():
    with open(__file__) as _:
        for _ in range(200):
            yield __file__


def rows():
    with tempfile.TemporaryFile("w+", newline="") as file:
        csv.writer(file).writerows([number, "x"] for number in range(200))
        file.seek(0)
        yield from csv.DictReader(file)


def new_arrays():
    for number in range(200):
        array = np.zeros(3)
        array[:] = number
        yield array


def elements():
    text = "<all>" + "".join(f"<one>{number}</one>" for number in range(200)) + "</all>"
    yield from ET.fromstring(text)


INDEPENDENT = {
    "numbers": (lambda: (number for number in range(200)), abs),
    "lines": (lines_of_a_file, int),
    "paths": (paths_of_a_list, os.path.getsize),
    "rows": (rows, len),
    "arrays": (new_arrays, lambda array: float(array.sum())),
    "map": (lambda: map(str, range(200)), int),
    "pairs": (lambda: zip(range(200), itertools.repeat({"a": 1}), strict=False), len),
    "products": (lambda: itertools.product(range(20), range(10)), sum),
    "elements": (elements, lambda element: element.text),
}

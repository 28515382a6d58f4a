"""What an item changes around it is found; what it only looks at, or changes back, is not."""

import array
import collections
import contextvars
import csv
import decimal
import functools
import gc
import io
import itertools
import locale
import logging
import os
import random
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest import mock

import pytest

from amorsize._watching import Around
from amorsize._watching import snapshot as around_module

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def found(item, *arguments, **begin):
    """What is found around one run of a function, by place, with its name."""
    around = Around.begin(**begin)
    item(*arguments)
    return {(finding.where, finding.what) for finding in around.end()}


def places(item, *arguments, **begin):
    return {where for where, _ in found(item, *arguments, **begin)}


def nothing():
    pass


@pytest.fixture(autouse=True)
def time_enough(monkeypatch):
    """On a busy host each look may take longer than it is allowed to: that has its own test."""
    monkeypatch.setattr(around_module, "BUDGET_S", 1.0)


@pytest.fixture(autouse=True)
def all_as_before(tmp_path, monkeypatch):
    """Items of these tests change the process: all of it is put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ)
    before_umask = os.umask(0o022)
    before_alarm = signal.getsignal(signal.SIGALRM)
    interval, limit, timeout = (
        sys.getswitchinterval(),
        sys.getrecursionlimit(),
        socket.getdefaulttimeout(),
    )
    filters, field_limit = warnings.filters[:], csv.field_size_limit()
    environ, handlers = dict(os.environ), logging.root.handlers[:]
    level, argv, path = logging.root.level, sys.argv[:], sys.path[:]
    where = locale.setlocale(locale.LC_ALL)
    numbers, legacy = random.getstate(), np.random.get_state()
    printing, nice = np.get_printoptions(), os.sched_getaffinity(0)
    yield
    os.umask(before_umask)
    signal.signal(signal.SIGALRM, before_alarm)
    signal.setitimer(signal.ITIMER_PROF, 0)
    sys.setswitchinterval(interval)
    sys.setrecursionlimit(limit)
    socket.setdefaulttimeout(timeout)
    warnings.filters[:] = filters
    csv.field_size_limit(field_limit)
    os.environ.clear()
    os.environ.update(environ)
    logging.root.handlers[:], logging.root.level = handlers, level
    sys.argv[:], sys.path[:] = argv, path
    locale.setlocale(locale.LC_ALL, where)
    random.setstate(numbers)
    np.random.set_state(legacy)
    np.set_printoptions(**printing)
    os.sched_setaffinity(0, nice)


def test_an_item_that_does_nothing_is_found_to_do_nothing():
    """In the usual process everything is looked at, and nothing is found."""
    around = Around.begin()
    nothing()

    assert around.end() == ()
    assert around.unseen == ()


def leave_a_mock():
    patcher = mock.patch("os.getcwd", return_value="/nowhere")
    patcher.start()
    leave_a_mock.stop = patcher.stop


PROCESS_WIDE = {
    "the current folder": lambda: os.chdir(tempfile.gettempdir()),
    "the umask": lambda: os.umask(0o077),
    "os.environ": lambda: os.environ.update(SOME_SETTING="1"),
    "the warning filters": lambda: warnings.simplefilter("ignore"),
    "sys.path": lambda: sys.path.append("/somewhere"),
    "sys.argv": lambda: sys.argv.append("--fast"),
    "a signal handler": lambda: signal.signal(signal.SIGALRM, lambda *_: None),
    "a timer, or which signals are held back": lambda: signal.setitimer(signal.ITIMER_PROF, 100),
    "the default timeout of sockets": lambda: socket.setdefaulttimeout(3.5),
    "the settings of csv": lambda: csv.field_size_limit(1000),
    "the logging handlers or levels": lambda: logging.root.addHandler(logging.StreamHandler()),
    "the switch interval": lambda: sys.setswitchinterval(1e-3),
    "the recursion limit": lambda: sys.setrecursionlimit(4321),
    "the print options of numpy": lambda: np.set_printoptions(precision=3),
    "the locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
}


@pytest.mark.parametrize("what", PROCESS_WIDE)
def test_what_the_whole_process_has_once_is_compared(what):
    """A folder, a handler, a setting: what one item leaves changed, all others meet."""
    locale.setlocale(locale.LC_ALL, "C")

    assert ("process", what) in found(PROCESS_WIDE[what])


def test_standard_streams_that_are_put_in_place_of_others_are_found(monkeypatch):
    """An item that leaves a stream of its own as sys.stdout is found."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)

    assert places(lambda: setattr(sys, "stdout", io.StringIO())) == {"process"}


def test_a_stand_in_that_is_left_behind_is_found():
    """A mock that an item leaves in `os` is named with the function whose place it takes."""
    around = Around.begin()
    leave_a_mock()
    try:
        (finding,) = around.end()
    finally:
        leave_a_mock.stop()

    assert "os" in finding.what
    assert "getcwd" in finding.why


def test_a_handler_of_a_logger_of_the_items_own_is_found():
    """Each item's own logger with its own handler stays with the program, too."""
    name = f"item.{time.monotonic_ns()}"
    handler = logging.NullHandler()

    def add(handler):
        logging.getLogger(name).addHandler(handler)

    assert found(add, handler) == set()  # as each library does
    assert places(add, logging.StreamHandler()) == {"process"}


UNDONE = {
    "warnings": lambda: warnings.catch_warnings(),
    "stdout": lambda: __import__("contextlib").redirect_stdout(io.StringIO()),
    "folder": lambda: __import__("contextlib").chdir("/"),
    "environment": lambda: mock.patch.dict(os.environ, {"X": "1"}),
    "decimal": lambda: decimal.localcontext(prec=5),
    "errstate": lambda: np.errstate(divide="raise"),
    "pandas": lambda: pd.option_context("display.max_rows", 5),
}


@pytest.mark.parametrize("what", UNDONE)
def test_what_an_item_changes_back_is_not_found_around_it(what):
    """Around sees before and after alone: for the rest there is `Inside`."""

    def item():
        with UNDONE[what]():
            pass

    item()  # loads what it needs

    assert found(item) == set()


# -- descriptors ----------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.bin"
    path.write_bytes(bytes(range(256)) * 1024)
    with path.open("rb") as file:
        yield file


def test_a_file_that_was_open_before_and_is_read_is_found(table):
    """Reading moves the offset, and the name told is the file's."""
    ((where, what),) = found(lambda: table.read(100_000))

    assert where == "descriptor"
    assert what == table.name or what.endswith("table.bin")


def test_reading_from_the_buffer_of_a_handle_is_found(table):
    """The kernel's offset stands still while a buffer is used up; the handle knows better."""
    table.read(1)

    assert found(lambda: table.read(1)) == set()
    assert places(lambda: table.read(1), handles={"the table": table}) == {"descriptor"}


@pytest.mark.parametrize("lines", [True, False])
def test_a_text_file_is_asked_without_harm(tmp_path, lines):
    """In the midst of `for line in file` it does not tell where it stands, and goes on."""
    path = tmp_path / "text"
    path.write_text("".join(f"{number}\n" for number in range(100_000)))
    with path.open() as file:
        first = next(file) if lines else file.readline()
        around = Around.begin(handles=[file])
        rest = [next(file) if lines else file.readline() for _ in range(5000)]

        assert {finding.where for finding in around.end()} == {"descriptor"}
        assert [first, *rest] == [f"{number}\n" for number in range(5001)]


def test_a_file_that_an_item_opens_itself_is_its_own(tmp_path):
    """Only what was open before counts."""
    path = tmp_path / "own"

    assert found(lambda: path.write_text("x" * 100_000)) == set()


def test_positioned_reads_leave_no_trace(table):
    """`pread` is seen by nobody: this is why what is reachable counts as shared in any case."""
    assert found(lambda: os.pread(table.fileno(), 100, 500)) == set()


def test_a_descriptor_that_is_replaced_or_closed_is_found(tmp_path):
    """`dup2` over a file that was open before, and closing one."""
    first, second = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in "ab")
    try:
        assert places(lambda: os.dup2(second, first)) == {"descriptor"}
        assert places(lambda: os.close(first)) == {"descriptor"}
    finally:
        os.close(second)


class Forgotten:
    """Holds something open, and itself."""

    def __init__(self, handle):
        self.handle, self.me = handle, self


def database(path):
    connection = sqlite3.connect(path)
    connection.execute("create table t (n)")
    connection.commit()
    return connection


def lines_of(path):
    path.write_text("a\nb\n")

    def read():
        with path.open() as file:
            yield from file

    lines = read()
    next(lines)
    return lines


LEFT_OPEN = {
    "file": lambda path: path.open("w"),
    "file with something to write": lambda path: [path.open("w"), "x"],
    "database": database,
    "connection": lambda _: socket.create_server(("127.0.0.1", 0)),
    "generator": lines_of,
}


@pytest.fixture
def no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("what", LEFT_OPEN)
def test_what_the_collector_closes_is_no_finding(what, tmp_path, no_collection):
    """It was forgotten before the item began, which only happens to make it come by."""
    left = Forgotten(LEFT_OPEN[what](tmp_path / "left"))
    if isinstance(left.handle, list):
        left.handle[0].write("x")
    n_open = len(os.listdir("/proc/self/fd"))
    del left

    assert found(gc.collect) == set()
    assert len(os.listdir("/proc/self/fd")) < n_open


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_an_item_closes_beside_the_collector_is_found(tmp_path, no_collection):
    """Only what disappears in a pass of the collector is no doing of the item's."""
    file, left = (tmp_path / "own").open("w"), Forgotten((tmp_path / "left").open("w"))
    number, before = file.fileno(), list(gc.callbacks)
    del left

    def item():
        gc.collect()
        file.close()

    assert found(item) == {("descriptor", f"descriptor {number}")}
    assert gc.callbacks == before


def test_an_item_that_is_interrupted_leaves_nothing_with_the_collector(table):
    """Nobody says that such an item is over."""
    before = list(gc.callbacks)
    around = Around.begin()
    assert len(gc.callbacks) == len(before) + 1
    del around
    gc.collect()

    assert gc.callbacks == before


def test_what_items_print_and_log_is_no_finding(tmp_path, monkeypatch, request):
    """Standard output into a file, and a log file: these are kept in order by other means."""
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        handler = logging.FileHandler(tmp_path / "log")
        request.addfinalizer(handler.close)
        logger = logging.getLogger("amorsize.tests.around")
        logger.addHandler(handler)
        request.addfinalizer(lambda: logger.removeHandler(handler))

        def item():
            print("hello " * 10_000, flush=True)
            logger.warning("something")

        assert found(item) == set()


@pytest.fixture
def connection():
    """Both ends of a TCP connection within this machine."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as served,
    ):
        yield client, served


def test_a_connection_that_is_used_is_found(connection):
    """Bytes written to a connection that was open before, whatever library does it."""
    client, served = connection

    def ask():
        client.sendall(b"question")
        served.recv(100)

    assert places(ask) == {"descriptor"}


def test_a_connection_on_which_something_arrives_is_not_used(connection):
    """What the other side sends by itself is no doing of the item's; reading it is."""
    client, served = connection
    around = Around.begin(handles=[client], among=None)
    subprocess.run(
        [sys.executable, "-c", f"import os; os.write({served.fileno()}, b'news')"],
        pass_fds=[served.fileno()],
        check=True,
    )
    readable, _, _ = select.select([client], [], [], 10)
    findings = {one.what for one in around.end()}

    assert readable
    assert f"a connection (descriptor {client.fileno()})" not in findings
    assert places(lambda: client.recv(100)) == {"descriptor"}


def test_looking_at_a_connection_leaves_it_as_it_was(connection):
    """Neither its blocking nor its default timeout is changed by the look."""
    client, served = connection
    served.settimeout(None)
    socket.setdefaulttimeout(2.0)
    before = os.get_blocking(client.fileno()), os.get_blocking(served.fileno())
    Around.begin().end()

    assert (os.get_blocking(client.fileno()), os.get_blocking(served.fileno())) == before
    assert served.gettimeout() is None


def test_of_many_files_some_are_looked_at_and_the_rest_is_told(tmp_path):
    """More than 32 count as not looked at; the handles that are named come first."""
    files = [(tmp_path / str(number)).open("wb") for number in range(40)]
    try:
        around = Around.begin(handles=[files[3]])
        os.write(files[3].fileno(), b"x")
        findings = around.end()
    finally:
        for file in files:
            file.close()

    assert [finding.what for finding in findings][:1] == [files[3].name]
    assert "more open files" in around.unseen[0]


# -- generators and context -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "draw"),
    [
        ("random", random.random),
        ("random", lambda: random.seed(3)),
        ("random", lambda: random.shuffle([1, 2, 3])),
        ("numpy.random", lambda: np.random.normal(size=3)),
        ("numpy.random", lambda: np.random.seed(3)),
        ("numpy.random", lambda: pd.Series(range(9)).sample(3)),
    ],
)
def test_global_generators_are_compared(what, draw):
    """Drawing and seeding, in libraries as well."""
    assert found(draw) == {("generator", what)}


@pytest.mark.parametrize(
    "make", [lambda: random.Random(1), lambda: np.random.default_rng(1), np.random.RandomState]
)
def test_a_generator_that_the_function_reaches_is_compared(make):
    """Handed in among what the function reaches, each kind tells its state."""
    generator = make()
    draw = generator.random if hasattr(generator, "random") else generator.rand

    assert found(draw, mutables={"rng": generator}) == {("generator", "rng")}
    assert found(nothing, mutables={"rng": generator}) == set()


def test_a_generator_of_the_items_own_is_its_own():
    """Made and drawn from inside the item."""
    assert found(lambda: random.Random(1).random() + np.random.default_rng(2).random()) == set()


def test_the_context_is_compared_variable_by_variable():
    """A ContextVar that is set, and the precision of decimal; but not its flags."""
    variable = contextvars.ContextVar("request", default=0)

    def in_context(item):
        return contextvars.copy_context().run(found, item)

    assert in_context(lambda: variable.set(3)) == {("context", "the context variable request")}
    assert in_context(lambda: variable.reset(variable.set(3))) == set()
    assert in_context(lambda: setattr(decimal.getcontext(), "prec", 5)) == {
        ("context", "the decimal context")
    }
    assert in_context(lambda: decimal.Decimal(1) / 3) == set()
    assert in_context(lambda: np.seterr(divide="raise")) >= {
        ("context", "the error handling of numpy")
    }


# -- objects --------------------------------------------------------------------------------


class Account:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __eq__(self, other):
        raise AssertionError("nobody asked")

    def __hash__(self):
        raise AssertionError("nobody asked")

    def __len__(self):
        raise AssertionError("nobody asked")

    @functools.cached_property
    def total(self):
        return 3


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Visits(threading.local):
    n = 0

    def add(self):
        self.n += 1


def local_with(**attributes):
    local = threading.local()
    local.__dict__.update(attributes)
    return local


def nested(depth, innermost):
    for _ in range(depth):
        innermost = {"inner": [innermost]}
    return innermost


def innermost(item):
    while isinstance(item, dict) and "inner" in item:
        item = item["inner"][0]
    return item


def large_array():
    """24 MB, made by the test alone: each process that any test forks has what a module holds."""
    return np.ones(3_000_000)


def large_list():
    """20 MB in small pieces, made by the test alone for the same reason."""
    return list(range(500_000))


IN_PLACE = {
    "a list": ([3, 1, 2], list.sort),
    "a list grown": ([1], lambda x: x.append(2)),
    "a list of numbers": ([1000, 2000], lambda x: x.__setitem__(0, x[0] + 1)),
    "a dict": ({"n": 1}, lambda x: x.update(n=2)),
    "a dict twice": ({"n": 1000}, lambda x: (x.update(n=1001), x.update(n=1002))),
    "a key renamed": ({"n": 1}, lambda x: x.update(m=x.pop("n"))),
    "an order": (
        collections.OrderedDict(a=1, b=2),
        lambda x: x.move_to_end("a"),
    ),
    "a counter": (collections.Counter("aab"), lambda x: x.update("b")),
    "a set": ({1, 2}, lambda x: x.add(3)),
    "a deque": (collections.deque([1, 2]), lambda x: x.rotate()),
    "bytes": (bytearray(b"abc"), lambda x: x.__setitem__(0, 0)),
    "an array": (array.array("d", [1, 2]), lambda x: x.append(3)),
    "numpy": (np.zeros(5000), lambda x: x.__setitem__(4321, 1)),
    "numpy, large": (large_array, lambda x: np.multiply(x, 2, out=x)),
    "numpy, a view": (np.ones((100, 100))[::2, ::3], lambda x: np.negative(x, out=x)),
    "numpy of objects": (np.array([[1], "b"], dtype=object), lambda x: x[0].append(2)),
    "numpy, fields": (np.zeros(3, dtype="i4,f8"), lambda x: x["f1"].__setitem__(1, 2)),
    "a table": (pd.DataFrame({"a": [1, 2]}), lambda x: x.__setitem__("b", 3)),
    "a cell": (pd.DataFrame({"a": [1, 2]}), lambda x: x.iloc.__setitem__((0, 0), 9)),
    "a row": (pd.Series({"a": 1.0}), lambda x: x.__setitem__("a", 2.0)),
    "an instance": (Account(n=1), lambda x: setattr(x, "n", 2)),
    "an instance in slots": (Slotted([1]), lambda x: x.value.append(2)),
    "a new attribute": (Account(), lambda x: setattr(x, "n", 2)),
    "a namespace": (types.SimpleNamespace(n=1), lambda x: x.__dict__.update(n=2)),
    "a thread's own": (local_with(n=1), lambda x: setattr(x, "n", x.n + 1)),
    "a thread's own, with methods": (Visits(), lambda x: x.add()),
    "an element": (
        ElementTree.fromstring("<a><b/></a>"),
        lambda x: x[0].set("done", "yes"),
    ),
    "deep down": (nested(20, [1]), lambda x: innermost(x).append(2)),
    "in a tuple": ((1, [2]), lambda x: x[1].append(3)),
    "a cycle": (list, lambda x: x.append(1)),
    "a bound method": (Account(n=[1]).__init__, lambda x: x.__self__.n.append(2)),
    "a partial": (functools.partial(nothing, [1]), lambda x: x.args[0].append(2)),
    "a generator": ((n for n in range(3)), next),
    "a counter of numbers": (itertools.count(), next),
    "a file in memory": (io.BytesIO(b"abc"), lambda x: x.read(1)),
    "a generator of random numbers": (random.Random(3), lambda x: x.random()),
}


@pytest.mark.parametrize("what", IN_PLACE)
def test_an_item_that_is_changed_in_place_is_found(what):
    """Containers, arrays, tables, instances and what they hold, without running their code."""
    item, change = IN_PLACE[what]
    if item is list:
        item = [1]
        item.append(item)
    if item is large_array:
        item = large_array()

    assert found(nothing, items=[item]) == set()
    assert places(change, item, items=[item]) == {"item"}


@pytest.mark.parametrize("what", ["a list", "a dict", "numpy", "an instance", "a counter"])
def test_an_object_that_the_function_reaches_is_compared(what):
    """Told by the name it was handed in with."""
    reached, change = (type(IN_PLACE[what][0]), IN_PLACE[what][1])
    value = {"a list": [3, 2], "a dict": {"n": 1}}.get(what) or (
        np.zeros(5000)
        if reached is np.ndarray
        else Account(n=1)
        if reached is Account
        else reached()
    )

    assert found(change, value, mutables={"table": value}) == {("state", "table")}


UNTOUCHED = {
    "a path": (Path("/a/b.txt"), lambda x: (str(x), x.parent, x.suffix, hash(x))),
    "a cached property": (Account(), lambda x: x.total),
    "a table": (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), lambda x: (x["a"].sum(), x.describe())),
    "a column": (pd.Series([1.0, 2.0]), lambda x: (x.mean(), x.index.is_unique)),
    "an array": (np.arange(100.0), lambda x: x.sum()),
    "a dict": ({"a": [1, 2]}, lambda x: [*x.items()]),
    "a pattern": (__import__("re").compile("a+"), lambda x: x.match("aa")),
    "an element": (ElementTree.fromstring("<a><b>t</b></a>"), lambda x: x.find("b").text),
    "a moment": (__import__("datetime").datetime(2020, 1, 1), lambda x: hash(x)),
    "a fraction": (__import__("fractions").Fraction(1, 3), lambda x: hash(x)),
    "a locale's number": (decimal.Decimal("1.5"), lambda x: x + 1),
    "a large list": (large_list, sum),
}


@pytest.mark.parametrize("what", UNTOUCHED)
def test_an_item_that_is_only_read_is_not_found(what):
    """Also where reading has it keep what it worked out."""
    item, read = UNTOUCHED[what]
    if item is large_list:
        item = large_list()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read(item)

    assert found(read, item, items=[item], parts=["item"]) == set()


def test_what_cannot_be_seen_is_told():
    """An object of a type written in C that tells nothing of its inside counts as not seen."""
    around = Around.begin(items=[select.poll()])
    around.end()

    assert any("poll" in one for one in around.unseen)


# -- threads, children, bounds --------------------------------------------------------------


def test_a_thread_and_a_child_that_are_left_are_found():
    """Both by name and number; those that have ended by then are no matter."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(30,), name="the pool of a client")
    child = None

    def item():
        nonlocal child
        thread.start()
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        subprocess.run(["true"], check=True)

    try:
        assert found(item, parts=["threads", "children"]) == {
            ("threads", "the pool of a client"),
            ("children", f"process {child.pid}"),
        }
    finally:
        over.set()
        thread.join(10)
        child.communicate(b"\n", timeout=10)


def test_a_part_for_which_there_is_no_time_is_told(monkeypatch):
    """Skipped counts as not looked at; what a process has once is never skipped for objects."""
    monkeypatch.setattr(around_module, "BUDGET_S", -1.0)
    around = Around.begin(mutables={"table": [1]}, items=[[2]])
    os.environ["SEEN"] = "1"
    findings = around.end()

    assert [one.what for one in findings] == ["os.environ"]
    assert {one.split(" (")[0] for one in around.cut} == {"an item", "table"}


def test_parts_that_are_not_asked_for_are_left_out():
    """`parts` names the places to look at."""
    item = [1]

    def change():
        item.append(1)
        random.random()

    assert places(change, items=[item], parts=["item"]) == {"item"}
    assert places(change, items=[item], parts=["generator"]) == {"generator"}


def test_what_importing_changes_is_not_held_against_an_item(tmp_path, monkeypatch):
    """A module that sets a filter when it is loaded does so once: the next item tells."""
    (tmp_path / "sets_a_filter.py").write_text("import warnings\nwarnings.simplefilter('error')")
    monkeypatch.syspath_prepend(tmp_path)
    around = Around.begin()
    import sets_a_filter

    assert around.end() == ()
    assert any("warning filters" in one for one in around.unseen)
    monkeypatch.delitem(sys.modules, sets_a_filter.__name__)


def test_nothing_is_kept_once_it_is_over():
    """A snapshot holds what it looks at no longer than the item lasts."""
    import weakref

    account = Account(n=1)
    gone = weakref.ref(account)
    around = Around.begin(items=[account], mutables=[account])
    around.end()
    del account
    gc.collect()

    assert gone() is None

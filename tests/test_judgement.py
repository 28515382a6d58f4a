"""Where items may run: what reading a function and watching an item decide."""

import contextlib
import enum
import functools
import gzip
import io
import itertools
import locale
import logging
import multiprocessing
import operator
import os
import queue
import random
import signal
import socket
import sqlite3
import string
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest

from amorsize import SerializationError, autotune, shutdown, tuned_map
from amorsize._engine.options import call_options
from amorsize._engine.placement.placement import Judge
from amorsize._function.sharing.thread_safety import examine

WAIT_S = 3e-3
FOLDER = tempfile.mkdtemp()


def judged(func, items=(1, 2), **options):
    """What a call of this function would be told, without running anything."""
    return Judge(func, call_options.validated(**options), func).read(items, ())


# --- calls that change the whole process ----------------------------------------------------------


def with_a_mask(i):
    old = os.umask(0o77)
    os.umask(old)
    return i


def with_a_locale(i):
    locale.setlocale(locale.LC_NUMERIC, "C")
    return locale.str(float(i))


def with_errors_captured(i):
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        sys.stderr.write(str(i))
    return err.getvalue()


def with_warnings_ignored(i):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return i


def with_a_timer(i):
    signal.setitimer(signal.ITIMER_REAL, 5)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return i


def with_a_timeout(i):
    socket.setdefaulttimeout(i)
    return i


def with_a_namespace(i):
    ElementTree.register_namespace("p", "urn:p")
    return i


def in_a_nested_function(i):
    def inner():
        return with_a_mask(i)

    return [inner() for _ in range(2)]


def by_another_name(i, change=os.chdir):
    change(FOLDER)
    return i


@pytest.mark.parametrize(
    "func",
    [
        *(with_a_mask, with_a_locale, with_errors_captured, with_warnings_ignored, with_a_timer),
        *(with_a_timeout, with_a_namespace, in_a_nested_function),
        *(by_another_name, os.chdir, functools.partial(locale.setlocale, locale.LC_ALL)),
    ],
)
def test_what_changes_the_whole_process_is_not_done_in_threads(func):
    """It is done and undone in each item: two at once would undo each other's."""
    verdict = judged(func)

    assert verdict.thread_reason is not None
    assert "thread_safe=True" in verdict.thread_reason
    assert verdict.must_watch
    assert judged(func, thread_safe=True).thread_reason is None


# --- what must not be there twice -----------------------------------------------------------------

OPEN_FILE = open(os.path.join(FOLDER, "rows"), "w")  # noqa: SIM115 - open for all tests
PACKED = gzip.open(os.path.join(FOLDER, "rows.gz"), "wb")  # noqa: SIM115
zipfile.ZipFile(os.path.join(FOLDER, "a.zip"), "w").close()
# One to write to, into which nothing is written as it goes: who runs other tests has it as well.
ARCHIVE = zipfile.ZipFile(os.path.join(FOLDER, "a.zip"), "a")
PAIR = socket.socketpair()
DATABASE = sqlite3.connect(":memory:")
JOBS: "queue.Queue[int]" = queue.Queue()
ANSWERS = multiprocessing.SimpleQueue()
GUARD = threading.Lock()
TURNS = threading.Semaphore(2)
COUNTER = itertools.count()
NAMES = iter(string.ascii_lowercase)
LINES = (line for line in "abc")


@pytest.fixture(scope="module", autouse=True)
def _closed():
    yield
    for one in (OPEN_FILE, PACKED, ARCHIVE, *PAIR, DATABASE):
        one.close()
    ANSWERS.close()


class Store:
    """Keeps something open."""

    def __init__(self, held):
        self.parts = {"held": [held]}

    def put(self, i):
        return self.parts["held"], i


def by_default(i, out=OPEN_FILE):
    return out.fileno() + i


class Where(enum.Enum):
    """A member that holds a connection."""

    MAIN = (DATABASE,)


HELD = {
    "file": lambda i: OPEN_FILE.write(str(i)),
    "gzip": lambda i: PACKED.write(b"x"),
    "zip": lambda i: ARCHIVE.namelist(),
    "socket": lambda i: PAIR[0].fileno(),
    "database": lambda i: DATABASE.execute("select ?", (i,)),
    "queue": lambda i: JOBS.put(i),
    "answers": lambda i: ANSWERS.put(i),
    "lock": lambda i: GUARD.locked(),
    "semaphore": lambda i: TURNS.acquire(),
    "count": lambda i: next(COUNTER),
    "iterator": lambda i: next(NAMES),
    "generator": lambda i: next(LINES),
    "default": by_default,
    "inside an object": Store(OPEN_FILE).put,
    "inside a partial": functools.partial(max, Store(DATABASE)),
    "enum value": lambda i: Where.MAIN.value[0].execute("select 1"),
}


@pytest.mark.parametrize("what", HELD)
def test_what_must_not_be_there_twice_keeps_items_out_of_workers(what):
    """A copied file has its place, a copied lock guards nothing, a copied count repeats."""
    verdict = judged(HELD[what])

    assert verdict.process_reason is not None
    assert "copies of" in verdict.process_reason


def test_what_an_item_opens_itself_is_its_own():
    """A file, a connection or a lock that lives for one item is no reason."""

    def reads(path):
        guard = threading.Lock()
        with guard, open(path) as file, sqlite3.connect(":memory:") as database:
            return file.read(), database.execute("select 1").fetchall(), next(iter([path]))

    assert judged(reads, ["a", "b"]).process_reason is None


class Parser:
    """Keeps the text of the item it is at."""

    def __init__(self):
        self.text = ""

    def parse(self, text):
        self.text = text
        time.sleep(WAIT_S)
        return self.text


PARSER = Parser()


def parse(pair):
    parser, text = pair
    return parser.parse(text)


def parse_two(text, parser):
    return parser.parse(text)


def finds_it_on_the_function(text):
    return finds_it_on_the_function.parser.parse(text)


finds_it_on_the_function.parser = Parser()


@pytest.mark.parametrize("way", ["pairs", "zipped", "bound", "attribute"])
def test_a_helper_that_several_items_bring_along_is_shared(way):
    """Whatever way the one parser takes to its items, each gets its own text back."""
    texts = [f"text {i}" for i in range(40)]
    results = {
        "pairs": lambda: tuned_map(parse, [(PARSER, text) for text in texts]),
        "zipped": lambda: tuned_map(parse_two, texts, itertools.repeat(PARSER)),
        "bound": lambda: tuned_map(PARSER.parse, texts),
        "attribute": lambda: tuned_map(finds_it_on_the_function, texts),
    }[way]()

    assert results == texts


@functools.lru_cache
def one_for_all():
    return Parser()


def by_a_cached_maker(text):
    return one_for_all().parse(text)


def test_an_object_behind_a_cache_is_shared():
    """What lru_cache gave to the first item it gives to all others."""
    texts = [f"text {i}" for i in range(40)]

    assert tuned_map(by_a_cached_maker, texts) == texts


# --- code of libraries ----------------------------------------------------------------------------


def library(monkeypatch, source):
    """A module that looks installed, made of a text."""
    name = f"installed_{abs(hash(source))}"
    path = f"/usr/lib/python3/site-packages/{name}.py"
    module = types.ModuleType(name)
    module.__file__ = path
    exec(compile(source, path, "exec"), vars(module))
    monkeypatch.setitem(sys.modules, name, module)
    return module


LIBRARY = """
import os, time
total = 0
last = {}

def helper(folder):
    os.chdir(folder)

def slow_sum(i):
    global total
    before = total
    time.sleep(0.003)
    total = before + i
    return i

def echoes(text):
    last["text"] = text
    time.sleep(0.003)
    return last["text"]
"""


def test_the_mapped_functions_own_package_is_read_wherever_it_lies(monkeypatch):
    """Installed code is no safer than the same code in a checkout."""
    module = library(monkeypatch, LIBRARY)

    assert "total" in str(judged(module.slow_sum).process_reason)
    assert tuned_map(module.echoes, ["a", "b"] * 20) == ["a", "b"] * 20
    tuned_map(module.slow_sum, range(40))
    assert module.total == sum(range(40))


def test_what_a_library_calls_is_read(monkeypatch):
    """A change of folder counts also two calls away, in code of others."""
    module = library(monkeypatch, LIBRARY)

    def item(folder):
        return module.helper(folder)

    assert "os.chdir" in str(judged(item).thread_reason)


# --- stores, and results that cannot leave a worker -------------------------------------------


class Ticket:
    """Counts the tickets that were used."""

    n_used = 0

    def use(self):
        kind = type(self)
        kind.n_used += 1
        return kind.n_used


class Registry:
    """One for the whole program."""

    one = None

    def __new__(cls):
        if cls.one is None:
            cls.one = super().__new__(cls)
            cls.one.n = 0
        return cls.one


def by_a_singleton(x):
    Registry().n += x
    return Registry().n


def by_a_module_imported_late(x):
    import textwrap as module
    from textwrap import dedent

    module.amorsize_test_total = getattr(module, "amorsize_test_total", 0) + x
    return dedent(str(x))


def by_a_name_that_is_computed(x):
    globals()["ANY" + "THING"] = x
    return x


def gives_a_file(path):
    return open(path) if path else None


def gives_a_connection(path):
    found = sqlite3.connect(path)
    found.execute("pragma quick_check")
    return found


@pytest.mark.parametrize(
    ("func", "items"),
    [
        (lambda ticket: ticket.use(), [Ticket(), Ticket()]),
        (by_a_singleton, [1, 2]),
        (by_a_module_imported_late, [1, 2]),
        (gives_a_file, ["a", "b"]),
        (gives_a_connection, ["a", "b"]),
    ],
)
def test_what_a_worker_would_lose_or_could_not_give_back_stays_here(func, items):
    """A class that counts, the one instance, another module's variable, an open file."""
    assert judged(func, items).process_reason is not None


def test_names_that_are_computed_are_watched_for():
    """What `globals()` changes is seen after an item."""
    tuned_map(by_a_name_that_is_computed, range(60))

    assert globals()["ANYTHING"] == 59


def test_an_item_with_an_effect_runs_once_where_its_result_cannot_leave(tmp_path):
    """Run again in the caller, it would do it again: it is named instead."""

    def item(i):
        with open(tmp_path / "log", "a") as log:
            log.write(f"{i}\n")
        end = time.perf_counter() + 2e-3
        while time.perf_counter() < end:
            pass
        return threading.Lock() if i == 150 else i

    with contextlib.suppress(SerializationError):
        tuned_map(item, range(200))

    lines = (tmp_path / "log").read_text().split()
    assert len(lines) == len(set(lines))


def test_data_that_items_decide_is_not_read_ahead():
    """A queue that items fill, a generator that looks at what they found."""
    todo, found = queue.SimpleQueue(), []
    for i in range(4):
        todo.put(i)

    def grows(i):
        todo.put(i + 4 if i < 60 else None)
        time.sleep(1e-3)
        return i

    def until_found():
        for i in range(1000):
            if found:
                return
            yield i

    def finds(i):
        time.sleep(1e-3)
        if i == 40:
            found.append(i)
        return i

    assert tuned_map(grows, iter(todo.get, None)) == list(range(64))
    assert tuned_map(finds, until_found()) == list(range(41))


# --- what is seen and cannot be read --------------------------------------------------------------


def hidden(function):
    """Called in a way that no code shows."""
    return getattr(os, function)


def goes_elsewhere(i):
    folder = os.path.join(FOLDER, f"at-{i}")
    os.makedirs(folder, exist_ok=True)
    hidden("chdir")(folder)
    time.sleep(WAIT_S)
    return os.path.basename(os.getcwd())


def sets_a_variable(i):
    hidden("environ")["AMORSIZE_TEST_ITEM"] = str(i)
    time.sleep(WAIT_S)
    return os.environ["AMORSIZE_TEST_ITEM"]


def adds_a_log_handler(i):
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    log = logging.getLogger("items of a test")
    log.addHandler(handler)
    time.sleep(WAIT_S)
    log.warning("%d", i)
    log.removeHandler(handler)
    return "".join(records)


def uses_one_scratch_file(i):
    path = os.path.join(FOLDER, "scratch")
    with open(path, "w") as file:
        file.write(str(i))
    time.sleep(WAIT_S)
    with open(path) as file:
        return file.read()


def counts_in_a_file(i):
    path = os.path.join(FOLDER, "count")
    n = 0
    if os.path.exists(path):
        with open(path) as file:
            n = int(file.read())
    time.sleep(WAIT_S)
    with open(path, "w") as file:
        file.write(str(n + 1))
    return n


@pytest.mark.parametrize(
    "func",
    [
        *(goes_elsewhere, sets_a_variable, adds_a_log_handler),
        *(uses_one_scratch_file, counts_in_a_file),
    ],
)
def test_what_the_first_items_are_seen_to_do_decides(func, monkeypatch):
    """What lasts beyond an item is seen after it; the loop's results, and its last state."""
    monkeypatch.chdir(FOLDER)
    monkeypatch.setenv("AMORSIZE_TEST_ITEM", "none")
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(FOLDER, "count"))
    expected = {
        goes_elsewhere: [f"at-{i}" for i in range(40)],
        counts_in_a_file: list(range(40)),
    }.get(func, [str(i) for i in range(40)])

    assert tuned_map(func, range(40)) == expected
    if func is goes_elsewhere:
        assert os.path.basename(os.getcwd()) == "at-39"
    if func is sets_a_variable:
        assert os.environ["AMORSIZE_TEST_ITEM"] == "39"


def test_files_of_their_own_may_be_written_by_all():
    """Each item writes to another file: nothing is in the way of threads."""
    tuned = autotune(_writes_its_own_file)

    tuned(range(60))

    assert tuned.explain().trace.plan.backend == "thread", str(tuned.explain())


def _writes_its_own_file(i):
    with open(os.path.join(FOLDER, f"own-{i}"), "w") as file:
        file.write(str(i))
    # Much longer than opening a file takes on a slow disk: the items clearly wait.
    time.sleep(20e-3)
    return i


@pytest.mark.parametrize(
    ("change", "items"),
    [
        (lambda row: row.append(1), [[i] for i in range(60)]),
        (lambda row: row.update(done=True), [{"i": i} for i in range(60)]),
        (lambda row: setattr(row, "done", True), [types.SimpleNamespace(i=i) for i in range(60)]),
        (lambda row: row.sort(), [np.arange(9)[::-1].copy() for _ in range(60)]),
        (lambda row: row[0].add(1), [(set(), i) for i in range(60)]),
        (lambda row: row.parts["held"].append(1), [Store(i) for i in range(60)]),
    ],
)
def test_items_changed_in_place_are_changed_in_the_caller(change, items):
    """The list that was mapped over holds every change afterwards, as after a loop."""
    before = [repr(getattr(item, "__dict__", item)) for item in items]

    def item(row):
        end = time.perf_counter() + 2e-3
        while time.perf_counter() < end:
            pass
        change(row)

    tuned_map(item, items)

    after = [repr(getattr(item, "__dict__", item)) for item in items]
    assert all(one != other for one, other in zip(before, after, strict=True))


# --- locks that the caller holds ------------------------------------------------------------------

AGAIN = threading.RLock()
CONDITION = threading.Condition()


def takes_it_again(i):
    with AGAIN:
        time.sleep(WAIT_S)
    return i


def notifies(i):
    with CONDITION:
        CONDITION.notify_all()
        time.sleep(WAIT_S)
    return i


@pytest.mark.parametrize(("func", "lock"), [(takes_it_again, AGAIN), (notifies, CONDITION)])
def test_items_that_take_a_lock_of_the_callers_again_stay_with_it(func, lock):
    """One thread may take it twice, as in the loop; another would wait for ever."""
    with lock:
        assert tuned_map(func, range(30)) == list(range(30))


def test_a_map_inside_an_import_stays_in_the_importing_thread(run_script, tmp_path):
    """Another thread would wait for the import to end, and the import for the thread."""
    (tmp_path / "at_import.py").write_text(
        "import time\nfrom amorsize import tuned_map\n"
        "def item(i):\n    from at_import import VALUE\n"
        "    time.sleep(0.004)\n    return VALUE + i\n"
        "VALUE = 1\nRESULTS = tuned_map(item, range(40))\n"
    )

    ran = run_script("import at_import\nprint(at_import.RESULTS == list(range(1, 41)))\n")

    assert ran.stdout == "True\n"


class Visits(threading.local):
    """What it counts is the thread's own, and the caller is one thread."""

    n = 0

    def add(self):
        self.n += 1
        return self.n


VISITS, OWN = Visits(), threading.local()


def counted_by_a_method(i):
    time.sleep(WAIT_S)
    return VISITS.add()


def counted_in_an_attribute(i):
    time.sleep(WAIT_S)
    OWN.n = getattr(OWN, "n", 0) + 1
    return OWN.n


def collected_by_thread(i):
    time.sleep(WAIT_S)
    vars(OWN).setdefault("seen", []).append(i)
    return len(OWN.seen)


@pytest.mark.parametrize(
    "item", [counted_by_a_method, counted_in_an_attribute, collected_by_thread]
)
def test_what_the_callers_thread_counts_stays_there(item):
    """A worker, of either kind, would begin anew."""
    assert tuned_map(item, range(60)) == list(range(1, 61))


def database_with(folder, sql):
    path = str(folder / "data.db")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(f"{sql}; create table t(n); insert into t values(0);")
    return path


@pytest.mark.parametrize("sql", ["", "pragma journal_mode=wal"])
def test_a_database_in_a_file_is_written_by_the_caller(tmp_path, sql):
    """One may write at a time, and what one reads first the other has not written yet."""
    path = database_with(tmp_path, sql)

    def count(i):
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            (n,) = connection.execute("select n from t").fetchone()
            time.sleep(WAIT_S)
            connection.execute("update t set n = ?", (n + 1,))
        return n

    assert tuned_map(count, range(40)) == list(range(40))


def test_a_database_that_is_only_read_is_read_side_by_side(tmp_path):
    """Each item has a connection of its own."""
    path = database_with(tmp_path, "")

    def read(i):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            time.sleep(WAIT_S)
            return connection.execute("select n from t").fetchone()[0] + i

    tuned = autotune(read)

    assert tuned(range(60)) == list(range(60))
    assert "in the caller" not in str(tuned.explain()).partition("chosen")[2].partition("\n")[0]


SWITCH = threading.Event()


def test_who_sets_an_event_does_so_before_the_next_item_asks():
    """Shown by its code: here it is an item in the midst of the data."""

    def ask(i):
        time.sleep(WAIT_S)
        if i == 20:
            SWITCH.set()
        return SWITCH.is_set()

    assert tuned_map(ask, range(40)) == [i >= 20 for i in range(40)]


def test_namespaces_keep_what_items_store_into_them():
    """Also where the store is a library's call."""
    rows = [types.SimpleNamespace(n=i) for i in range(60)]

    def double(row):
        time.sleep(WAIT_S)
        vars(row).update(n=2 * row.n)

    tuned_map(double, rows)

    assert [row.n for row in rows] == list(range(0, 120, 2))


@pytest.mark.parametrize("cut", ["no time", "no second look either"])
def test_what_there_was_no_time_to_look_at_counts_as_changed(monkeypatch, cut):
    """A look that was cut off has seen nothing; the second item is given more time."""
    from amorsize._engine.placement import placement
    from amorsize._watching import snapshot

    seen = []

    def item(i):
        time.sleep(WAIT_S)
        object.__getattribute__(seen, "".join(("app", "end")))(i)  # which is not read
        return len(seen)

    monkeypatch.setattr(snapshot, "BUDGET_S", -1.0)
    monkeypatch.setattr(placement, "_watched", {})
    if cut == "no second look either":
        monkeypatch.setattr(placement, "AGAIN_S", -1.0)
    tuned = autotune(item, retune=True)

    assert tuned(range(40)) == list(range(1, 41))
    told = "it could not be seen" if cut != "no time" else "changed closure seen"
    assert told in str(tuned.explain())


def test_a_look_inside_that_was_cut_off_is_made_again(monkeypatch):
    """As when the garbage collector ran in it: the second item shows what there is to see."""
    from amorsize._engine.placement import placement
    from amorsize._watching import known_calls

    monkeypatch.setattr(placement, "_watched", {})
    options, items = call_options.validated(), [1, 2]

    def item(i):
        return getattr(time, "".join(("sl", "eep")))(0), i  # reading does not find out which

    judge = Judge(item, options, item)
    judge.read(items, ())
    monkeypatch.setattr(known_calls, "MAX_OVERHEAD_S", -1.0)
    assert judge.watch(lambda: item(1), items[:1], inside=True)
    assert "not all that an item calls was seen" in judge.read(items, ()).thread_reason

    monkeypatch.setattr(known_calls, "MAX_OVERHEAD_S", 60.0)
    assert not judge.watch(lambda: item(2), items[1:], inside=True)
    assert judge.read(items, ()).thread_reason is None


# --- what is kept, and laws -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["no time", "made something that lasts"])
def test_what_one_item_seems_to_have_done_is_not_kept_for_the_next_call(monkeypatch, how):
    """The call ended before a second item could show whether each of them does so."""
    from amorsize._engine.placement import placement
    from amorsize._watching import snapshot

    monkeypatch.setattr(placement, "_watched", {})
    monkeypatch.setattr(snapshot, "BUDGET_S", -1.0 if how == "no time" else 1.0)
    monkeypatch.setitem(os.environ, "AMORSIZE_TEST_STEP", "0")
    options, items = call_options.validated(), [1, 2]

    def item(i):
        return getattr(os, "".join(("env", "iron"))).update(AMORSIZE_TEST_STEP="1")

    first = Judge(item, options, item)
    first.read(items, ())
    assert first.watch(lambda: item(1), items[:1], inside=True)
    assert first.read(items, ()).process_reason is not None
    first.keep()

    second = Judge(item, options, item)
    assert second.read(items, ()).process_reason is None
    assert second.read(items, ()).must_watch

    monkeypatch.setattr(snapshot, "BUDGET_S", 1.0)
    second.watch(lambda: item(1), items[:1], inside=True)
    second.watch(lambda: item(1), items[:1], inside=True)
    second.keep()

    assert item in placement._watched


def test_a_function_is_watched_once(monkeypatch):
    """What the first call has seen holds for the next ones in this process."""
    watched = []
    watch = Judge.watch
    monkeypatch.setattr(
        Judge, "watch", lambda self, *a, **k: (watched.append(1), watch(self, *a, **k))[1]
    )
    tuned = autotune(lambda i: time.sleep(WAIT_S))

    for _ in range(3):
        tuned(range(40))

    assert 1 <= len(watched) <= 2


def test_where_reading_has_settled_it_nothing_is_watched(monkeypatch):
    """Watching could only find more against workers, and reading has found enough."""
    monkeypatch.setattr(Judge, "watch", lambda *_, **__: pytest.fail("an item was watched"))
    done = {}

    def counts(i):
        time.sleep(WAIT_S)
        done[i] = done.get(i, 0) + 1

    tuned = autotune(counts)
    tuned(range(40))

    assert list(done.values()) == [1] * 40
    assert "done" in str(tuned.explain())


TABLE = [sum(range(2000))]  # which an item may change in ways that its code does not show


@pytest.mark.parametrize(
    ("item", "is_watched"),
    [
        (lambda i: operator.add(sum(range(2000)), 0), True),
        (lambda i: sum(range(2000)) - TABLE[0], False),
    ],
    ids=["threads are open", "only processes are"],
)
def test_where_nothing_is_worth_starting_nothing_is_watched(
    beside_a_thread, monkeypatch, item, is_watched
):
    """Beside a thread, where threads are ruled out and a job is over before interpreters begin."""
    shutdown()  # a warm one would be worth it
    watched = []
    watch = Judge.watch
    monkeypatch.setattr(
        Judge, "watch", lambda self, *a, **k: (watched.append(1), watch(self, *a, **k))[1]
    )
    tuned = autotune(item)

    assert tuned(range(1500)) == [item(0)] * 1500
    assert bool(watched) is is_watched
    assert "new worker processes need about" in str(tuned.explain())


def test_what_is_shared_out_is_decided_before_anything_is():
    """With few items workers start before the first one; not where that is still to be watched."""
    rows = [[i] for i in range(6)]

    def item(row):
        end = time.perf_counter() + 0.02
        while time.perf_counter() < end:
            pass
        row.append("changed")

    tuned_map(item, rows)

    assert all(row[-1] == "changed" for row in rows)


def test_drawing_is_told_with_its_generators():
    """A function that draws is known by what it draws from."""
    own = random.Random(1)
    reach, objects = examine(lambda i: (random.random(), own.random()))

    assert reach.draws == ("random.random",)
    assert list(objects.generators.values()) == [own]


def test_programs_are_run_by_items_in_threads():
    """`subprocess.run` changes nothing of the caller's."""

    def item(i):
        return subprocess.run(["true"], check=True).returncode

    assert judged(item).thread_reason is None

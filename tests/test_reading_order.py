"""Data is read item by item, as a loop does, where reading ahead would give something else."""

import collections
import itertools
import linecache

import pytest

from amorsize import autotune

HEAD = """
import contextvars, csv, fileinput, io, itertools, os, queue, random, sqlite3, threading, time
from contextlib import closing
from collections import deque
from pathlib import Path
"""

# Each has `reset()`, `data()`, `item(x)`, and `left()`, what the program has afterwards.
TOGETHER = {
    "a helper takes from a queue that items fill": """
todo = queue.Queue()
def reset(): todo.put(1)
def take(): return todo.get(timeout=5)
def data():
    while (job := take()) is not None: yield job
def item(x): todo.put(x + 1 if x < 30 else None); return x
def left(): return todo.qsize()
""",
    "iter with a function that takes from a list": """
todo = []
def reset(): todo[:] = range(20)
def take(): return todo.pop() if todo else None
def data(): return iter(take, None)
def item(x):
    if x < 40: todo.append(x + 20)
    return x
def left(): return list(todo)
""",
    "a method of an object that items fill": """
class Jobs:
    def __init__(self): self.waiting = deque()
    def drain(self):
        while self.waiting: yield self.waiting.popleft()
    def add(self, x): self.waiting.append(x)
jobs = Jobs()
def reset(): jobs.waiting = deque(range(20))
def data(): return jobs.drain()
def item(x):
    if x < 40: jobs.add(x + 20)
    return x
def left(): return list(jobs.waiting)
""",
    "a class of its own with __next__": """
class Countdown:
    def __init__(self, limits): self.limits, self.n = limits, 0
    def __iter__(self): return self
    def __next__(self):
        if self.n >= self.limits["most"]: raise StopIteration
        self.n += 1
        return self.n
limits = {}
def reset(): limits["most"] = 200
def data(): return Countdown(limits)
def item(x):
    if x == 15: limits["most"] = 25
    return x
def left(): return dict(limits)
""",
    "a flag that an item sets": """
stop = False
def reset():
    global stop
    stop = False
def data():
    n = 0
    while not stop and n < 200:
        yield n
        n += 1
def item(x):
    global stop
    if x == 20: stop = True
    return x
def left(): return stop
""",
    "an event in takewhile": """
halt = threading.Event()
def reset(): halt.clear()
def data(): return itertools.takewhile(lambda _: not halt.is_set(), range(200))
def item(x):
    if x == 20: halt.set()
    return x
def left(): return halt.is_set()
""",
    "filter by what items have seen": """
seen = set()
def reset(): seen.clear()
def data(): return filter(lambda x: x not in seen, [i % 20 for i in range(60)])
def item(x): seen.add(x); return x
def left(): return sorted(seen)
""",
    "the line of a reader": """
reader = None
def reset():
    global reader
    reader = csv.reader(io.StringIO("\\n".join(map(str, range(40)))))
def data(): return reader
def item(row): return row, reader.line_num
def left(): return reader.line_num
""",
    "a variable of the environment for each item": """
def reset(): os.environ.pop("AMORSIZE_TEST_JOB", None)
def data():
    for i in range(30):
        os.environ["AMORSIZE_TEST_JOB"] = str(i)
        yield i
def item(x): return os.environ["AMORSIZE_TEST_JOB"]
def left(): return os.environ["AMORSIZE_TEST_JOB"]
""",
    "a global for each item": """
user = None
def reset(): pass
def data():
    global user
    for i in range(30):
        user = i
        yield i
def item(x): return user
def left(): return user
""",
    "map with a function that sets a global": """
user = None
def reset(): pass
def load(i):
    global user
    user = i
    return i
def data(): return map(load, range(30))
def item(x): return user
def left(): return user
""",
    "a context variable for each item": """
current = contextvars.ContextVar("current", default=None)
def reset(): pass
def data():
    for i in range(30):
        current.set(i)
        yield i
def item(x): return current.get()
def left(): return current.get()
""",
    "a seed for each item": """
def reset(): pass
def data():
    for i in range(30):
        random.seed(i)
        yield i
def item(x): return random.random()
def left(): return random.random()
""",
    "a seed for each item, by a helper under map": """
def reset(): pass
def seeded(i):
    random.seed(i)
    return i
def data(): return map(seeded, range(30))
def item(x): return random.randrange(1000)
def left(): return random.random()
""",
    "a generator of its own that reading sets": """
rng = random.Random(1)
def reset(): rng.seed(1)
def data():
    for i in range(30):
        rng.seed(i)
        yield i
def item(x): return rng.random()
def left(): return rng.random()
""",
    "the line of fileinput": """
def reset():
    for name in "ab": Path(name).write_text("one\\n" * 15)
def data(): return fileinput.input(["a", "b"])
def item(line): return line, fileinput.lineno(), fileinput.filename()
def left(): return fileinput.close()
""",
    "the line of fileinput, through a generator": """
def reset():
    for name in "ab": Path(name).write_text("one\\n" * 15)
def data(): return (line.strip() for line in fileinput.input(["a", "b"]))
def item(line): return line, fileinput.isfirstline()
def left(): return fileinput.close()
""",
    "a folder for each item": """
home = os.getcwd()
def reset():
    for i in range(20): os.makedirs(os.path.join(home, f"d{i}"), exist_ok=True)
def data():
    for i in range(20):
        os.chdir(os.path.join(home, f"d{i}"))
        yield i
    os.chdir(home)
def item(x): return os.path.basename(os.getcwd())
def left(): return os.path.basename(os.getcwd())
""",
    "a file that is there for one item": """
def reset(): pass
def data():
    for i in range(30):
        path = Path(f"{i}.in")
        path.write_text(str(i))
        yield i
        path.unlink()
def item(x): return Path(f"{x}.in").read_text()
def left(): return sorted(os.listdir("."))
""",
    "one file written again for each item": """
def reset(): pass
def data():
    for i in range(30):
        Path("download.bin").write_bytes(b"x" * i)
        yield i
def item(x): return os.path.getsize("download.bin")
def left(): return os.path.getsize("download.bin")
""",
    "a file that the item before writes": """
def reset():
    for one in Path(".").glob("*.job"): one.unlink()
    Path("0.job").touch()
def data():
    n = 0
    while os.path.exists(f"{n}.job"):
        yield n
        n += 1
def item(x):
    if x < 30: Path(f"{x + 1}.job").touch()
    return x
def left(): return len(list(Path(".").glob("*.job")))
""",
    "rows that are marked while they are in work": """
def connect(): return sqlite3.connect("jobs.db", isolation_level=None, timeout=20)
def reset():
    with closing(connect()) as db:
        db.execute("drop table if exists job")
        db.execute("create table job (id integer, state text)")
        db.executemany("insert into job values (?, 'new')", [(i,) for i in range(20)])
def data():
    with closing(connect()) as db:
        for i in range(20):
            db.execute("UPDATE job SET state = 'running' WHERE id = ?", (i,))
            yield i
            db.execute("UPDATE job SET state = 'done' WHERE id = ?", (i,))
def item(x):
    with closing(sqlite3.connect("file:jobs.db?mode=ro", uri=True, timeout=20)) as db:
        return db.execute("select count(*) from job where state = 'running'").fetchone()[0]
def left():
    with closing(connect()) as db:
        return db.execute("select count(*) from job where state = 'done'").fetchone()
""",
}

#: Reading ahead changes nothing here, and the items wait: they run beside each other.
AHEAD = {
    "lines of a file": """
def lines():
    with open("lines") as file:
        for line in file: yield line.strip()
def data():
    Path("lines").write_text("\\n".join(map(str, range(60))))
    return lines()
def item(x): return int(x)
""",
    "what a folder holds": """
def data():
    Path("in").mkdir(exist_ok=True)
    for i in range(60): (Path("in") / f"{i}.txt").touch()
    return (path for path in Path("in").glob("*.txt"))
def item(path): return len(path.name)
""",
    "a filter by a table that nobody changes": """
wanted = set(range(60))
def data(): return (x for x in range(90) if x in wanted)
def item(x): return x in wanted
""",
    "a class of its own that counts": """
class Numbers:
    def __init__(self): self.n, self.given = 0, []
    def __iter__(self): return self
    def __next__(self):
        if self.n == 60: raise StopIteration
        self.n += 1
        self.given.append(self.n)
        return self.n
def data(): return Numbers()
def item(x): return 2 * x
""",
    "groups of a list": """
def data():
    group = []
    for i in range(120):
        group.append(i)
        if len(group) == 2:
            yield tuple(group)
            group = []
def item(pair): return sum(pair)
""",
    "random numbers": """
def data(): return (random.random() for _ in range(60))
def item(x): return x < 2
""",
    "map and zip": """
def data(): return map(str.upper, map(str, range(60)))
def item(x): return x
""",
    "files of their own that are written as they are read": """
def data():
    for i in range(60):
        path = f"{i}.bin"
        Path(path).write_bytes(b"x" * i)
        yield path
def item(path): return os.path.getsize(path)
""",
}
NAMES = (f"<reading order {n}>" for n in itertools.count())


def program(source):
    """The names of a program, whose items take a while."""
    names = {"__name__": next(NAMES)}
    exec(compile(HEAD + source, names["__name__"], "exec"), names)
    linecache.clearcache()
    return names


def slow(names):
    """The item's function, made to wait for 4 ms first, with the names of its program."""
    exec("plain = item\ndef item(x): time.sleep(4e-3); return plain(x)", names)
    return names["item"]


@pytest.mark.parametrize("as_stream", [False, True], ids=["list", "stream"])
@pytest.mark.parametrize("source", TOGETHER.values(), ids=TOGETHER.keys())
def test_items_are_read_as_a_loop_reads_them(source, as_stream, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = program(source)
    item = slow(names)

    names["reset"]()
    by_loop = [item(one) for one in names["data"]()], names["left"]()
    tuned = autotune(item, cache=False)
    names["reset"]()
    results = list(tuned.stream(names["data"]())) if as_stream else tuned(names["data"]())

    assert (results, names["left"]()) == by_loop


@pytest.mark.parametrize("as_stream", [False, True], ids=["list", "stream"])
@pytest.mark.parametrize("source", AHEAD.values(), ids=AHEAD.keys())
def test_items_are_read_ahead_where_nothing_speaks_against_it(
    source, as_stream, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    names = program(source)
    item = slow(names)

    by_loop = [item(one) for one in names["data"]()]
    tuned = autotune(item, cache=False)
    results = list(tuned.stream(names["data"]())) if as_stream else tuned(names["data"]())

    assert results == by_loop
    assert tuned.explain().trace.plan.backend != "serial", str(tuned.explain())


def test_the_reason_is_told():
    names = program(TOGETHER["a global for each item"])
    tuned = autotune(slow(names), cache=False)

    tuned(names["data"]())

    assert "reading its data changes global user, which items may see" in str(tuned.explain())


def test_a_queue_that_is_read_by_its_own_method_is_seen():
    """What `iter` is given is compiled, and belongs to the queue that items fill."""
    names = program(
        """
todo = queue.SimpleQueue()
def data(): return iter(todo.get, None)
def item(x): todo.put(x + 1 if x < 30 else None); return x
todo.put(1)
"""
    )
    tuned = autotune(slow(names), cache=False)

    assert tuned(names["data"]()) == list(range(1, 31))
    assert "its items come from what they change" in str(tuned.explain())


@pytest.mark.parametrize("n_before", [0, 12], ids=["at once", "later"])
@pytest.mark.parametrize("kind", ["dict", "set", "deque", "OrderedDict"])
def test_items_that_change_the_length_of_their_data_end_it_as_in_a_loop(kind, n_before):
    made = {
        "dict": "{n: n for n in range(40)}",
        "set": "set(range(40))",
        "deque": "deque(range(40))",
        "OrderedDict": "collections.OrderedDict((n, n) for n in range(40))",
    }[kind]
    change = {"set": "data.add(x + 100)", "deque": "data.append(x)"}.get(kind, "data[x + 100] = x")
    names = program(
        f"""
import collections
data = {made}
seen = []
def item(x):
    seen.append(x)
    if x >= {n_before}: {change}
    return x
"""
    )
    going_through = names["data"].keys() if "ict" in kind else names["data"]

    with pytest.raises(RuntimeError, match="during iteration"):
        autotune(slow(names), cache=False)(going_through)

    assert names["seen"] == list(range(n_before + 1))


@pytest.mark.parametrize("kind", [set, dict.fromkeys, collections.deque])
def test_data_that_notices_changes_is_mapped_in_parallel(kind):
    data = kind(range(60))
    tuned = autotune(slow(program("def item(x): return x")), cache=False)

    assert tuned(data if type(data) is not dict else data.keys()) == list(range(60))
    assert tuned.explain().trace.plan.backend != "serial", str(tuned.explain())

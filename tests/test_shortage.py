"""Where threads, processes or files run short, the loop would be right, and so is the call."""

import _thread
import importlib.util
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT, another_thread

from amorsize import autotune, tuned_map
from amorsize._engine.costs import spawn_costs
from amorsize._host import cost_probe, shortage
from amorsize._workers.processes import spawn_pool
from amorsize.errors import WorkersUnavailable

#: What starts a thread, by its name there: from Python 3.13 on `threading` has another one.
STARTERS = [
    (module, name, getattr(module, name))
    for module, name in (
        (_thread, "start_new_thread"),
        (threading, "_start_new_thread"),
        (threading, "_start_joinable_thread"),
    )
    if hasattr(module, name)
]
PIDS = Path("/sys/fs/cgroup/pids")  # where control groups limit the number of processes


def waits(index):
    time.sleep(1e-3)
    return 2 * index


def computes(index):
    until_s = time.perf_counter() + 1e-3
    while time.perf_counter() < until_s:
        pass
    return 2 * index


def does_both(index):
    return computes(waits(index)) // 2


# -- threads and processes ---------------------------------------------------------------------


def room_for(n_threads, monkeypatch):
    """Let so many threads start and no more, as a control group or ulimit -u does."""
    left = iter(range(n_threads))

    def limited(start):
        def start_if_there_is_room(*asked, **options):
            if next(left, None) is None:
                raise RuntimeError("can't start new thread")
            return start(*asked, **options)

        return start_if_there_is_room

    for module, name, start in STARTERS:
        monkeypatch.setattr(module, name, limited(start))


@pytest.mark.parametrize("n_threads", range(3))
@pytest.mark.parametrize("function", [waits, computes, does_both])
def test_without_a_thread_more_the_call_goes_on(function, n_threads, monkeypatch):
    """What watches items, and what serves workers beside them, are threads as well."""
    room_for(n_threads, monkeypatch)

    assert autotune(function, thread_safe=True)(range(60)) == [2 * i for i in range(60)]


@pytest.mark.parametrize("function", [waits, computes])
def test_a_stream_without_a_thread_more_gives_its_results(function, monkeypatch):
    """Of data that is read as it is needed, too."""
    room_for(0, monkeypatch)
    stream = autotune(function, thread_safe=True).stream(iter(range(60)))

    assert list(stream) == [2 * i for i in range(60)]


# Of scripts that run short themselves.
ITEMS = """
import time

def waits(i):
    time.sleep(1e-3)
    return 2 * i

def computes(i):
    until_s = time.perf_counter() + 1e-3
    while time.perf_counter() < until_s: pass
    return 2 * i
"""
GROUP = (
    f"{ITEMS}"
    """
import os, sys, time
from pathlib import Path
from amorsize import autotune, tuned_map

PIDS = Path(sys.argv[1])

def run(name, room):
    group = PIDS / f"amorsize-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "pids.max").write_text(str(1 + room))
        (group / "cgroup.procs").write_text(str(os.getpid()))
        function = {"waits": waits, "computes": computes}[name]
        assert autotune(function)(range(60)) == [2 * i for i in range(60)]
        sys.stdout.write(f"{name} {room}\\n")
    finally:
        (PIDS / "cgroup.procs").write_text(str(os.getpid()))
        for _ in range(1000):
            try:
                group.rmdir()
                break
            except OSError:  # a worker is still listed
                pass

for name, room in (("waits", 0), ("computes", 1)):
    child = os.fork()
    if not child:
        run(name, room)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""
)


@pytest.mark.skipif(
    not os.access(PIDS, os.W_OK) or os.geteuid() != 0,
    reason="limits of control groups are for root to set",
)
def test_at_the_limit_of_a_control_group_the_call_goes_on(run_script):
    """With room for no process or thread more, and for one."""
    assert run_script(GROUP, str(PIDS)).stdout == "waits 0\ncomputes 1\n"


# -- open files, address space ------------------------------------------------------------------

SCARCE = (
    f"{ITEMS}"
    """
import os, random, resource, sys, time
from amorsize import autotune, tuned_map


class Refused(Exception): pass

def refuses(i):
    if i == 12: raise Refused(i)
    return waits(i)

def draws(i): return random.random()

def raised(f, *data):
    try: f(*data)
    except Refused: return True

def kept(f, data):
    found = f.using(return_exceptions=True)(data)
    return type(found.pop(12)) is Refused and found == [2 * i for i in N if i != 12]

class Doubler:
    @autotune
    def double(self, i): return waits(i)

N = range(20)
DOUBLES = [2 * i for i in N]
CASES = {
    "waits": lambda: autotune(waits)(N) == DOUBLES,
    "computes": lambda: autotune(computes)(N) == DOUBLES,
    "twice": lambda: [autotune(f)(N) for f in (computes, waits)] == [DOUBLES] * 2,
    "generator": lambda: autotune(waits)(iter(N)) == DOUBLES,
    "own generator": lambda: autotune(waits)(2 * i // 2 for i in N) == DOUBLES,
    "its stream": lambda: list(autotune(waits).stream(2 * i // 2 for i in N)) == DOUBLES,
    "stream": lambda: list(autotune(waits).stream(N)) == DOUBLES,
    "zipped": lambda: autotune(lambda a, b, *, c: waits(a + b - c))(N, N, c=0)[-1] == 4 * N[-1],
    "method": lambda: Doubler().double(N) == DOUBLES,
    "raises": lambda: raised(autotune(refuses), N),
    "draws": lambda: len(set(autotune(draws)(N))) == len(N),
}
if sys.argv[1] == "imported":
    from amorsize import tuned_map
if sys.argv[1] == "called":  # in part: what a map needs, and nothing that workers do
    autotune(len)([[]])
    CASES["keeps"] = lambda: kept(autotune(refuses), N)

def leave_files(n_left):
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
    try:
        while True: held.append(os.dup(1))
    except OSError: pass
    for _ in range(int(n_left)): os.close(held.pop())

def leave_space(n_mib):
    n_pages = int(open("/proc/self/statm").read().split()[0])
    n_bytes = n_pages * resource.getpagesize() + int(n_mib * (1 << 20))
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))

is_fresh = sys.argv[1] == "fresh"  # then each child loads all there is: 60 ms
leave = {"files": leave_files, "space": leave_space}[sys.argv[2]]
rooms = [float(one) for one in sys.argv[3:]]
for name, case in list(CASES.items())[::3] if is_fresh else CASES.items():
    for n_left in rooms[::2] if is_fresh else rooms:
        child = os.fork()
        if not child:
            leave(n_left)
            is_right, why = False, ""
            try: is_right = case()
            except BaseException as error: why = repr(error)[:200]
            if not is_right: os.write(1, f"{name} with {n_left} left: {why}\\n".encode())
            os._exit(0)
        os.waitpid(child, 0)
print("all tried")
"""
)


@pytest.mark.parametrize("what", ["fresh", "imported", "called"])
def test_with_few_files_left_the_call_gives_what_the_loop_gives(what, run_script):
    """None to five: not even for the modules that are loaded late."""
    ran = run_script(SCARCE, what, "files", "0", "1", "5", environ={"AMORSIZE_CACHE": "off"})

    assert ran.stdout == "all tried\n"


@pytest.mark.parametrize("what", ["fresh", "imported", "called"])
def test_with_little_address_space_left_the_call_gives_what_the_loop_gives(what, run_script):
    """Little room (ulimit -v, in MiB) is no room for modules, or for the stack of a thread.

    Python takes memory for objects by the MiB: below one, its reader of bytecode ends without an
    error or with one of another kind, by how much of the last MiB is taken.
    """
    rooms = map(str, (0.6, 0.7, 0.8, 1, 4, 2, 20, 9, 45))
    ran = run_script(SCARCE, what, "space", *rooms, environ={"AMORSIZE_CACHE": "off"})

    assert ran.stdout == "all tried\n"


# -- code that cannot be read any more ----------------------------------------------------------

UNREADABLE = (
    f"{ITEMS}"
    """
import os, shutil, sys, tempfile
from pathlib import Path

own = Path(tempfile.mkdtemp()) / "own"
shutil.copytree(Path(sys.argv[1]) / "amorsize", own / "amorsize")
own.parent.chmod(0o700)
sys.path.insert(0, str(own))
import amorsize
from amorsize import autotune, tuned_map
assert Path(amorsize.__file__).is_relative_to(own)

def moved_away(): own.rename(own.parent / "older")
def rights_given_up(): os.setgid(65534), os.setuid(65534)
def another_root(): os.chroot(tempfile.mkdtemp()), os.chdir("/")

DOUBLES = [2 * i for i in range(200)]
loses = {one.__name__: one for one in (moved_away, rights_given_up, another_root)}[sys.argv[2]]
for call_before in (None, len, computes):
    for name, case in {
        "waits": lambda: autotune(waits)(range(200)),
        "computes": lambda: autotune(computes)(range(200)),
        "generator": lambda: autotune(computes)(i for i in range(200)),
        "stream": lambda: list(autotune(waits).stream(range(200))),
    }.items():
        child = os.fork()
        if not child:
            if call_before is len: autotune(len)([[]])
            if call_before is computes: autotune(computes)(range(50))
            loses()
            try: found, why = case(), ""
            except BaseException as error: found, why = None, repr(error)
            if found != DOUBLES: os.write(1, f"{name} after {call_before}: {why}\\n".encode())
            try: autotune(computes, backend="process", n_jobs=2)(range(9))
            except amorsize.WorkersUnavailable as error:
                if "no longer read" not in str(error): os.write(1, str(error).encode())
            except BaseException as error: os.write(1, f"process: {error!r}\\n".encode())
            os._exit(0)
        os.waitpid(child, 0)
        if loses is moved_away and not own.exists(): (own.parent / "older").rename(own)
shutil.rmtree(own.parent)
print("all tried")
"""
)


@pytest.mark.parametrize("how", ["moved_away", "rights_given_up", "another_root"])
def test_code_that_cannot_be_read_any_more_is_not_needed(how, run_script):
    """The call is the loop where workers would need it; who asks for workers is told why not."""
    if how != "moved_away" and os.geteuid() != 0:
        pytest.skip("for root alone")
    ran = run_script(UNREADABLE, str(ROOT), how, environ={"AMORSIZE_CACHE": "off"}, timeout_s=50)

    assert ran.stdout == "all tried\n"


# -- files that items hold ----------------------------------------------------------------------

HOLDS = """
import os, resource, socket, sys, tempfile, time
from amorsize import autotune, tuned_map

def nulls(i): return [open(os.devnull) for _ in range(4)]
def pipes(i): return [os.fdopen(one) for one in os.pipe()] + [open(os.devnull)]
def pairs(i): return [*socket.socketpair(), *socket.socketpair()]
def scratch(i): return [tempfile.TemporaryFile() for _ in range(5)]

limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
for make in (nulls, pipes, pairs, scratch):
    def waits(i):
        held = make(i)
        time.sleep(8e-3)
        for one in held: one.close()
        return i
    found = autotune(waits, cache=False, thread_safe=True)(range(600))
    print(found == list(range(600)))
"""


@pytest.mark.parametrize("limit", [128, 256])
def test_threads_leave_half_of_the_files_that_items_open_some_of(limit, run_script):
    """Two hundred that wait with four each would need more than there may be; the loop, four."""
    assert run_script(HOLDS, str(limit)).stdout.split() == ["True"] * 4


# -- memory that threads take ---------------------------------------------------------------------

TIGHT = """
import os, resource, sys, time
from amorsize import autotune, tuned_map

def buffers(i): kept = bytearray(6 << 20); time.sleep(5e-3); return len(kept)
def texts(i): time.sleep(5e-3); return len([str(one) for one in range(20_000)])
def mixed(i): return buffers(i) if i % 2 else texts(i)

limit, rooms = getattr(resource, sys.argv[1]), sys.argv[2:]
column = {"RLIMIT_AS": 0, "RLIMIT_DATA": 5}[sys.argv[1]]
for function in (buffers, texts, mixed):
    loop = [function(i) for i in range(2)] * 30
    for room in rooms:
        child = os.fork()
        if not child:
            n_pages = int(open("/proc/self/statm").read().split()[column])
            n_bytes = n_pages * resource.getpagesize() + (int(room) << 20)
            resource.setrlimit(limit, (n_bytes, n_bytes))
            why = "differs"
            try:
                if autotune(function, cache=False, backend="thread")(range(60)) == loop: why = ""
            except BaseException as error: why = repr(error)
            if why: os.write(1, f"{function.__name__} with {room} MiB: {why}\\n".encode())
            os._exit(0)
        os.waitpid(child, 0)
"""


@pytest.mark.parametrize(("limit", "rooms"), [("RLIMIT_AS", "60 100"), ("RLIMIT_DATA", "60")])
def test_threads_leave_memory_to_what_the_items_need_of_it(limit, rooms, run_script):
    """Stacks of sixteen threads, and what the C library keeps for each, are more than there is."""
    ran = run_script(TIGHT, limit, *rooms.split(), timeout_s=55)

    assert (ran.stdout, ran.stderr) == ("", "")


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="Linux tells it")
def test_open_files_are_counted_alike_on_any_linux(monkeypatch):
    """Linux has told their number since 6.2; before, they are listed."""
    with open(os.devnull), open(os.devnull):
        told = shortage.n_files_open()
        monkeypatch.setattr(shortage.os, "stat", lambda _: SimpleNamespace(st_size=0))
        listed = shortage.n_files_open()
        monkeypatch.undo()
    assert told == listed == shortage.n_files_open() + 2


def test_what_is_loaded_late_is_there():
    """A name of another day would end every call that has to load it."""
    assert [name for name in shortage.LATE if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("frozen", True, "this program is frozen: its executable is no Python interpreter"),
        ("executable", None, "the path of the Python interpreter is not known"),
        ("executable", "", "the path of the Python interpreter is not known"),
    ],
)
def test_a_program_is_never_started_for_an_interpreter(name, value, why, monkeypatch):
    """Its executable is the program itself: each worker would be one more of it."""
    monkeypatch.setattr(sys, name, value, raising=False)
    monkeypatch.setattr(subprocess, "Popen", None)
    with another_thread():
        with pytest.raises(WorkersUnavailable, match=why):
            tuned_map(abs, [-1, -2], backend="process")
        assert tuned_map(abs, [-1, -2]) == [1, 2]
    monkeypatch.setattr(subprocess, "run", None)
    assert cost_probe._clean_start_cost_s() == {}


def computes_long(index):
    until_s = time.process_time() + 15e-3
    while time.process_time() < until_s:
        pass
    return index


def test_what_is_no_interpreter_is_started_three_times_at_most(tmp_path, monkeypatch):
    """As in a program that embeds Python and does not say so."""
    program, started = tmp_path / "program", tmp_path / "started"
    program.write_text(f"#!/bin/sh\necho >> {started}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with another_thread():
        with pytest.raises(WorkersUnavailable, match="ended one after the other"):
            tuned_map(abs, [-1, -2] * 9, backend="process", n_jobs=1)
        assert len(started.read_text().splitlines()) == 3
        monkeypatch.setattr(spawn_costs, "why_not_start", lambda *_: None)
        monkeypatch.setattr(spawn_costs, "interpreter_s", lambda: 1e-3)
        assert tuned_map(computes_long, range(12)) == list(range(12))
    assert len(started.read_text().splitlines()) > 3


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (FileNotFoundError(2, "No such file or directory"), "Set sys.executable"),
        (PermissionError(13, "Permission denied"), "Let this user run"),
        (RecursionError("maximum recursion depth exceeded"), "sys.setrecursionlimit"),
        (BlockingIOError(11, "Resource temporarily unavailable"), "Make room for one"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_says_what_helps_where_no_worker_starts(error, what, monkeypatch):
    """Not every refusal is a lack of room."""

    def refused(*_):
        raise error

    monkeypatch.setattr(spawn_pool.SpawnPool, "start", refused)
    with another_thread(), pytest.raises(WorkersUnavailable, match=re.escape(str(error))) as caught:
        tuned_map(abs, [-1] * 9, backend="process", n_jobs=2)

    assert what in str(caught.value)
    assert tuned_map(abs, [-1] * 9) == [1] * 9

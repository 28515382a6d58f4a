"""Workers from a clean start see what the caller has now, are kept warm, and end by themselves."""

import importlib
import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import weakref
from dataclasses import dataclass
from functools import partial

import clean_items
import pytest

import amorsize
from amorsize import autotune, tuned_map
from amorsize._engine.costs import missed_savings, spawn_costs
from amorsize._engine.starting import new_interpreters
from amorsize._function.needs.libraries import libraries_of
from amorsize._profiles.memory_store import last_trace
from amorsize._workers.messages import framing
from amorsize._workers.processes import (
    place,
    spawned_main,
    start_ahead,
    warm_pool,
    worker_main,
)
from amorsize._workers.processes.warm_pool import pool
from amorsize._workers.protocol import Task
from amorsize._workers.tasks.payload import Payload
from amorsize.errors import AmorsizeWarning, InvalidOptionError, SerializationError

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="tested on Linux")


FACTOR = 2
GUARD = threading.Lock()


@dataclass
class Point:
    """An item; pytest has rewritten its method, so a worker would import another."""

    x: int

    def scaled(self):
        """Read a global that the mapped function does not name."""
        assert self.x >= 0
        return self.x * FACTOR


class Kept:
    """What other objects may refer to weakly."""


def guarded_point(x):
    """Rewritten by pytest as well, with a lock beside it that cannot be sent."""
    assert x >= 0
    with GUARD:
        return Point(x)


@autotune(backend="process", n_jobs=1)
def scale(point):
    """Calls a method of its item."""
    return point.scaled()


class Adder:
    """Has a tuned method."""

    def __init__(self, offset):
        self.offset = offset

    @autotune(backend="process", n_jobs=1)
    def add(self, x):
        """The item and what the object has."""
        return x + self.offset


@pytest.fixture(autouse=True)
def clean_start(monkeypatch):
    """No worker is forked in these tests."""
    monkeypatch.setenv("AMORSIZE_START", "clean")


@pytest.fixture
def stand_in():
    """A class whose objects have every attribute.

    Not imported by the module: where it is, each of these tests has all libraries searched for
    mocks before an interpreter starts.
    """
    from unittest.mock import Mock

    return Mock


def in_worker(func, data=range(3), **options):
    """The results of one worker process."""
    return tuned_map(func, data, backend="process", n_jobs=1, **options)


class TestState:
    """A second call gives what a loop would give now."""

    def test_a_changed_constant_is_seen(self, monkeypatch):
        assert in_worker(clean_items.scaled) == [0, 1, 2]
        monkeypatch.setattr(clean_items, "SCALE", 10)
        assert in_worker(clean_items.scaled) == [0, 10, 20]
        assert in_worker(clean_items.imports_inside) == [0, 10, 20]

    def test_a_dict_changed_in_place_is_seen(self, monkeypatch):
        assert in_worker(clean_items.scaled) == [0, 1, 2]
        monkeypatch.setitem(clean_items.TABLE, "offset", 100)
        assert in_worker(clean_items.scaled) == [100, 101, 102]

    def test_a_changed_instance_and_class_are_seen(self, monkeypatch):
        assert in_worker(clean_items.settings, [50]) == [(1, 10)]
        monkeypatch.setattr(clean_items.SETTINGS, "depth", 7)
        monkeypatch.setattr(clean_items.Limits, "most", 20)
        assert in_worker(clean_items.settings, [50]) == [(7, 20)]

    def test_changed_attributes_of_self_are_seen(self):
        counter = clean_items.Counter()
        assert in_worker(counter.add) == [1, 2, 3]
        counter.offset = 50
        assert in_worker(counter.add) == [50, 51, 52]

    def test_a_replaced_function_is_called(self, monkeypatch):
        assert in_worker(clean_items.calls_helper) == [1, 2, 3]
        monkeypatch.setattr(clean_items, "helper", lambda x: -x)
        assert in_worker(clean_items.calls_helper) == [0, -1, -2]

    def test_a_marker_stays_the_one_it_was(self):
        assert in_worker(clean_items.is_default) == [True] * 3

    def test_folder_and_environment_are_the_callers(self, monkeypatch, tmp_path):
        in_worker(clean_items.pid)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AMORSIZE_TEST_VARIABLE", "set")
        assert in_worker(clean_items.folder_and_variable, [0]) == [(str(tmp_path), "set")]
        monkeypatch.delenv("AMORSIZE_TEST_VARIABLE")
        assert in_worker(clean_items.folder_and_variable, [0]) == [(str(tmp_path), None)]

    def test_what_items_changed_in_a_worker_is_lost(self):
        in_worker(clean_items.spoil)

        assert in_worker(clean_items.scaled) == [0, 1, 2]
        assert in_worker(clean_items.folder_and_variable, [0]) == [(os.getcwd(), None)]

    def test_a_reloaded_module_is_run(self, tmp_path, monkeypatch):
        """New code of the same name, also where an item's class has it."""
        module = written(tmp_path, monkeypatch, "def f(x):\n    return x\n")
        assert in_worker(module.f) == [0, 1, 2]

        (tmp_path / "a_module.py").write_text("def f(x):\n    return x * x + 1\n")
        importlib.reload(module)

        assert in_worker(module.f) == [1, 2, 5]

    def test_a_file_that_was_edited_and_not_reloaded_is_not_run(self, tmp_path, monkeypatch):
        """The caller's code is what counts, whatever a worker would import."""
        module = written(tmp_path, monkeypatch, "def f(x):\n    return x\n")
        (tmp_path / "a_module.py").write_text("def f(x):\n    return x * x + 1\n")

        assert in_worker(module.f) == [0, 1, 2]

    def test_a_module_off_the_path_is_found(self, tmp_path, monkeypatch):
        module = written(tmp_path, monkeypatch, "def f(x):\n    return x + 1\n")
        sys.path.remove(str(tmp_path))

        assert in_worker(module.f) == [1, 2, 3]


def written(folder, monkeypatch, text):
    """A new module of that text."""
    path = folder / "a_module.py"
    path.write_text(text)
    os.utime(path, (1e9, 1e9))  # or a quick change of equal size goes unnoticed
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "a_module", raising=False)
    module = importlib.import_module("a_module")
    monkeypatch.setitem(sys.modules, "a_module", module)
    return module


class TestTravel:
    """What has no name elsewhere, or stands there for something else, goes with its code."""

    def test_an_items_method_is_the_callers(self, monkeypatch):
        assert scale([Point(1), Point(2)]) == [2, 4]
        monkeypatch.setitem(globals(), "FACTOR", 5)
        assert scale([Point(1), Point(2)]) == [5, 10]

    def test_a_class_that_is_sent_has_no_more_than_in_the_caller(self):
        """As after `mock.patch.object`, which removes the method that it has put there."""

        class Base:
            def told(self):
                return "base"

        class Other:
            def told(self):
                return "other"

        class Middle(Base):
            pass

        class Model(Middle):
            pass

        def told(_):
            return Model().told(), isinstance(Model(), Base)

        for change in (
            lambda: setattr(Middle, "told", lambda _: "patched"),
            lambda: delattr(Middle, "told"),
            lambda: setattr(Middle, "__bases__", (Other,)),
        ):
            assert in_worker(told, [0]) == [told(0)]
            change()
        assert in_worker(told, [0]) == [told(0)] == [("other", False)]

    def test_beside_code_that_is_sent_a_lock_is_each_workers_own(self):
        assert in_worker(guarded_point) == [Point(0), Point(1), Point(2)]

    def test_tuned_methods_travel_with_their_object(self):
        adder = Adder(4)
        assert adder.add([1, 2]) == [5, 6]
        adder.offset = 5
        assert adder.add([1, 2]) == [6, 7]

    def test_lambdas_closures_and_partials_travel(self):
        offset = [3]

        assert in_worker(lambda x: x + offset[0]) == [3, 4, 5]
        assert in_worker(partial(pow, 2)) == [1, 2, 4]
        offset[0] = 4
        assert in_worker(lambda x: x + offset[0]) == [4, 5, 6]

    def test_a_lock_of_a_module_is_each_workers_own(self):
        assert in_worker(clean_items.locked) == [0, 1, 2]

    def test_what_cannot_travel_is_named(self):
        lock = threading.Lock()

        def guarded(x):
            with lock:
                return x

        with pytest.raises(SerializationError, match=r"guarded.*variable lock of its closure"):
            in_worker(guarded)

    def test_auto_leaves_what_cannot_travel_where_it_is(self, monkeypatch):
        monkeypatch.setattr(spawn_costs, "why_not_start", lambda *_: None)  # whatever it takes
        lock = threading.Lock()
        pids = []

        def guarded(x):
            with lock:
                until_s = time.perf_counter() + 2e-3
                while time.perf_counter() < until_s:
                    pass
                return os.getpid()

        pids = tuned_map(guarded, range(150), thread_safe=False)

        assert set(pids) == {os.getpid()}
        assert any("lock" in text for text in last_trace(guarded).rejected)

    def test_an_item_that_cannot_travel_is_named(self):
        items = [1, threading.Lock(), 3]

        with pytest.raises(SerializationError, match="item 1"):
            in_worker(clean_items.pid, items, chunksize=3)

    def test_a_large_function_is_warned_of_once(self):
        table = os.urandom(1_200_000)

        def look_up(x):
            return table[x]

        with pytest.warns(AmorsizeWarning, match=r"look_up takes 1\.2 MB"):
            assert in_worker(look_up) == list(table[:3])
        assert in_worker(look_up) == list(table[:3])

    def test_auto_asks_for_the_reason_before_it_starts_anything(self):
        numbers = (x for x in range(3))

        def read(x):
            return next(numbers) + x

        reason = Payload(Task(read), read).why_not()

        assert "the variable numbers of its closure (builtins.generator)" in reason
        assert Payload(Task(clean_items.locked), clean_items.locked).why_not() is None

    def test_sets_that_hold_their_members_weakly_stay_with_these(self):
        """A worker would have a set of nothing: no other object there holds its members."""
        held = [Kept(), Kept()]
        listeners = weakref.WeakSet(held)

        def count(x):
            return len(listeners) + x

        payload = Payload(Task(count), count)

        assert "WeakSet" in (payload.why_not() or "")
        with pytest.raises(TypeError, match="WeakSet"):
            payload.pack([listeners])

    def test_finalizers_stay_where_their_object_is(self):
        """A worker's copy would be dead, and tell that the object is gone."""
        kept = Kept()
        finalizer = weakref.finalize(kept, int)

        def is_open(x):
            return finalizer.alive

        def n_open(x):
            return len(weakref.finalize._registry)

        assert "finalize" in (Payload(Task(is_open), is_open).why_not() or "")
        assert "_registry" in (Payload(Task(n_open), n_open).why_not() or "")

    def test_temporary_folders_are_sent_without_what_removes_them(self):
        with tempfile.TemporaryDirectory() as name:
            folder = tempfile.TemporaryDirectory(dir=name)

            def is_there(x):
                return os.path.isdir(folder.name)

            payload = Payload(Task(is_there), is_there)

            try:
                assert payload.why_not() is None
                assert tuned_map(is_there, range(2), backend="process", n_jobs=1) == [True] * 2
                assert is_there(0)
            finally:
                folder.cleanup()

    def test_used_finalizers_are_no_other_code(self):
        """Their class notes the first one in the caller, which a worker has not had."""

        def closes(x):
            finalizer = weakref.finalize(Kept(), int)
            return finalizer.alive

        assert closes(0) is False

        assert tuned_map(closes, range(3), backend="process", n_jobs=1) == [False] * 3

    def test_classes_of_a_script_are_the_same_on_both_sides(self, run_script):
        """Items go out and come back as instances of the script's own class."""
        run = run_script(
            """
from dataclasses import dataclass
from amorsize import tuned_map

@dataclass
class Item:
    value: int

class Outer:
    class Inner(Exception):
        pass

FACTOR = 3

def times(item):
    return Item(item.value * FACTOR)

def fail(item):
    raise Outer.Inner(item.value)

results = tuned_map(times, [Item(1), Item(2)], backend="process")
assert results == [Item(3), Item(6)], results
FACTOR = 5
assert tuned_map(times, [Item(1)], backend="process") == [Item(5)]
try:
    tuned_map(fail, [Item(7)], backend="process")
except Outer.Inner as error:
    assert error.args == (7,)
    print("caught")
""",
            environ={"AMORSIZE_START": "clean"},
        )
        assert (run.stdout, run.stderr) == ("caught\n", "")


class TestWarmth:
    """Workers serve one call after the other, and end in the end."""

    def test_a_worker_is_used_again(self):
        first, second = in_worker(clean_items.pid, [0]), in_worker(clean_items.pid, [0])

        assert first == second
        assert os.getpid() not in first

    def test_shutdown_ends_them(self):
        (pid,) = in_worker(clean_items.pid, [0])

        amorsize.shutdown()

        assert not is_alive(pid)
        assert in_worker(clean_items.pid, [0]) != [pid]

    def test_one_that_ended_between_calls_is_replaced(self):
        (pid,) = in_worker(clean_items.pid, [0])
        os.kill(pid, signal.SIGKILL)

        assert in_worker(clean_items.scaled) == [0, 1, 2]

    def test_those_that_have_ended_are_all_collected_by_the_next_call(self):
        """The first one that is fit is taken; those behind it do not stay as zombies."""
        tuned_map(clean_items.scaled, range(50), backend="process", n_jobs=3, chunksize=1)
        ended = [resident.pid for resident in pool._idle][:-1]
        assert len(ended) >= 1
        for pid in ended:
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # ended, and not collected

        in_worker(clean_items.scaled)

        for pid in ended:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    def test_one_that_ends_as_a_call_begins_is_replaced(self):
        """No item is to blame, and none is repeated."""
        (pid,) = in_worker(clean_items.pid, [0])
        os.kill(pid, signal.SIGSTOP)  # it will not answer the call, and then it is gone
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()

        assert in_worker(clean_items.scaled) == [0, 1, 2]
        assert last_trace(clean_items.scaled).n_repeated == 0

    def test_an_idle_worker_ends_after_a_while(self):
        idle = spawned_main.PersistentWorker(0, 1, os.getppid(), None)
        assert idle.is_needed()

        idle._idle_since -= worker_main.IDLE_S

        assert not idle.is_needed()
        idle.task = Task(abs)  # a call is under way
        assert idle.is_needed()

    def test_a_worker_that_lacks_code_waits_for_it(self, monkeypatch):
        """The caller, which packs it, may get no core for a while."""
        idle = spawned_main.PersistentWorker(0, 1, os.getppid(), None)
        idle._idle_since -= worker_main.IDLE_S
        monkeypatch.setattr(spawned_main.framing, "write", lambda *_: None)
        monkeypatch.setattr(spawned_main.worker_numbers, "set_for_process", lambda *_: None)
        idle.writing = types.SimpleNamespace(number=lambda: -1)
        unfit = spawned_main.WORKER_NUMBER.pack(1) + pickle.dumps(({}, b"", None))

        idle._take_task(memoryview(unfit))
        assert idle.is_needed()

        idle._obey(framing.END, b"")
        assert idle.is_needed()  # from now on it is idle
        idle._idle_since -= worker_main.IDLE_S
        assert not idle.is_needed()

    def test_an_idle_worker_stays_for_a_block_of_calls(self):
        """However long nobody calls in it."""
        with amorsize.workers():
            first = in_worker(clean_items.idle_since, [0])
            (inside,) = in_worker(clean_items.idle_since, [0])
        in_worker(clean_items.idle_since, [0])
        (outside,) = in_worker(clean_items.idle_since, [0])

        assert first[0] < time.perf_counter()
        assert inside == math.inf
        assert outside < time.perf_counter()

    def test_several_threads_call_at_once(self):
        results = {}

        def call(k):
            results[k] = tuned_map(clean_items.scaled, range(k, k + 50), backend="process")

        threads = [threading.Thread(target=call, args=(k,)) for k in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert results == {k: list(range(k, k + 50)) for k in range(3)}

    def test_a_pipe_of_the_callers_own_ends_though_workers_are_warm(self):
        """A warm worker holds no descriptor of the caller's: a child of its own sees the end."""
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
            in_worker(clean_items.pid)
            out, _ = cat.communicate(b"all\n", timeout=5)

        assert out == b"all\n"
        assert pool._idle

    def test_a_forked_child_leaves_its_parents_workers_alone(self):
        (pid,) = in_worker(clean_items.pid, [0])

        child = os.fork()
        if not child:
            try:
                amorsize.shutdown()
                os._exit(0 if in_worker(clean_items.pid, [0]) != [pid] else 1)
            finally:
                amorsize.shutdown()
                os._exit(2)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (0, 1)
        assert in_worker(clean_items.pid, [0]) == [pid]

    def test_they_end_with_the_program_and_make_no_noise(self, run_script):
        run = run_script(
            """
import os, sys, time
from amorsize import tuned_map

def pid(x):
    time.sleep(0.01)
    return os.getpid()

print(*set(tuned_map(pid, range(8), backend="process", n_jobs=2)))
if sys.argv[1:]:
    os.kill(os.getpid(), 9)
""",
            environ={"AMORSIZE_START": "clean"},
        )
        assert run.stderr == ""
        assert not [pid for pid in map(int, run.stdout.split()) if is_alive(pid)]

    def test_they_end_when_the_program_is_killed(self, run_script):
        run = run_script(
            """
import os, sys
from amorsize import tuned_map

print(*tuned_map(lambda x: os.getpid(), [0], backend="process", n_jobs=1), flush=True)
os.kill(os.getpid(), 9)
""",
            environ={"AMORSIZE_START": "clean"},
            returncode=-9,
        )
        pid = int(run.stdout)
        until_s = time.monotonic() + 5
        while is_alive(pid):
            assert time.monotonic() < until_s
            time.sleep(0.05)


def is_alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class TestSurroundings:
    """What else items find as in the caller."""

    def test_print_reaches_the_callers_stdout(self, capsys):
        in_worker(print)

        assert capsys.readouterr().out == "0\n1\n2\n"

    def test_logging_reaches_the_callers_handlers_at_its_levels(self, caplog):
        in_worker(clean_items.log)
        assert caplog.messages == []
        with caplog.at_level("INFO"):
            in_worker(clean_items.log)

        assert caplog.messages == ["item 0", "item 1", "item 2"]

    def test_library_threads_are_limited_unless_the_user_did(self, monkeypatch):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        n_threads = tuned_map(
            clean_items.variable, ["OPENBLAS_NUM_THREADS"], backend="process", n_jobs=64
        )
        assert n_threads == ["1"]

        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
        names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
        assert in_worker(clean_items.variable, names) == ["3", None]

    def test_a_tuned_function_inside_a_worker_is_a_loop(self):
        def inner(x):
            return set(tuned_map(clean_items.pid, range(100))) == {os.getpid()}

        assert in_worker(inner) == [True] * 3


@pytest.mark.parametrize("func", [clean_items.scaled, lambda x: x])
def test_where_pipes_cannot_be_polled_loky_runs_the_workers(func, monkeypatch):
    """The way of Windows, on any platform."""
    pytest.importorskip("loky")
    monkeypatch.setenv("AMORSIZE_START", "loky")

    try:
        assert tuned_map(func, range(20), backend="process", n_jobs=2) == list(range(20))
    finally:
        from loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.mark.parametrize("option", [{"timeout": 5}, {"teardown": print}, {"max_worker_memory": 9}])
def test_loky_is_not_asked_for_what_it_cannot_keep(option, monkeypatch):
    """Its workers are those of an executor, although nobody has asked for one."""
    monkeypatch.setenv("AMORSIZE_START", "loky")

    with pytest.raises(InvalidOptionError, match="cannot be kept with the executor"):
        tuned_map(abs, range(20), backend="process", n_jobs=2, **option)


def test_new_interpreters_are_not_thought_of_where_they_would_not_pay():
    """For a tenth of a second of work it takes longer to ask what they would need."""
    amorsize.shutdown()

    assert "need about" in spawn_costs.why_not_start(0.1, 2)
    assert spawn_costs.why_not_start(10.0, 2) is None

    worth_s = 10 * (spawn_costs.interpreter_s() + spawn_costs.FIRST_CLEAN_S)
    assert spawn_costs.why_not_start(worth_s, 2) is None
    assert "need about" in spawn_costs.why_not_start(worth_s, 2, core_share=0.2)

    in_worker(len, ["a"])
    assert spawn_costs.why_not_start(0.1, 2, core_share=0.2) is None


def test_what_calls_have_lost_is_forgotten_after_a_while():
    """An interpreter would not have waited for longer."""
    now_s = [0.0]
    lost = missed_savings.MissedSavings(lambda: now_s[0])
    for n_calls in range(1, 4):
        now_s[0] += 1.0
        lost.add(0.05)
        assert lost.recent_s == pytest.approx(n_calls * 0.05)
    now_s[0] += missed_savings.RECENT_S - 1.5
    assert lost.recent_s == pytest.approx(0.1)  # the first one was long ago
    now_s[0] += missed_savings.RECENT_S
    assert lost.recent_s == 0.0


def test_an_interpreter_begins_for_later_calls_once_those_before_have_lost_its_start(monkeypatch):
    """The call that starts it goes on in the caller: to load and read all that would delay it."""
    monkeypatch.setenv("AMORSIZE_MAX_CPUS", "2")
    amorsize.shutdown()
    monkeypatch.setattr(spawn_costs, "starting_s", lambda _: 10.0)  # longer than any call here
    lost = missed_savings.MissedSavings()
    monkeypatch.setattr(missed_savings, "missed_savings", lost)
    tuned = autotune(computes(lambda i: i))

    assert tuned(range(20)) == list(range(20))
    assert spawn_costs.n_warm_interpreters() == 0
    assert lost.recent_s > 0

    lost.add(20.0)
    assert tuned(range(20)) == list(range(20))
    assert "1 begins now for the calls to come" in str(tuned.explain())
    assert "in processes" not in str(tuned.explain())
    wait_until_warm(1)

    assert tuned(range(20)) == list(range(20))
    amorsize.shutdown()


def wait_until_warm(n_workers, names=frozenset()):
    until = time.monotonic() + 60
    while spawn_costs.n_warm_interpreters(names) < n_workers:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_handler_may_call_while_interpreters_are_counted(stand_in, monkeypatch):
    """Its own call counts them as well, and would wait for the lock for ever."""
    interrupted, found = stand_in(), []
    interrupted.process.ended_by.return_value = False
    interrupted.is_warm.side_effect = lambda _: os.kill(os.getpid(), signal.SIGUSR1) or True
    before = signal.signal(signal.SIGUSR1, lambda *_: found.append(pool._lock.locked()))
    try:
        with monkeypatch.context() as patch:  # whatever ends the waiting ones must not meet it
            patch.setattr(pool, "_idle", [interrupted])
            assert spawn_costs.n_warm_interpreters() == 1
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert found == [False]


def test_an_interpreter_that_begins_ahead_is_warm_once_it_has_the_libraries():
    """A call that takes one sooner would wait for its imports, in which a loop ends."""
    amorsize.shutdown()
    names, others = frozenset({"xml.dom.minidom"}), frozenset({"wsgiref.validate"})
    assert start_ahead.start_ahead(1, names=names) == 1
    assert spawn_costs.n_warm_interpreters() == 0  # to start Python takes 10 ms and more

    wait_until_warm(1, names)
    assert spawn_costs.n_warm_interpreters(others) == 0
    assert (
        start_ahead.start_ahead(1, names=frozenset({"wsgiref.validate"})) == 0
    )  # the same one loads it
    wait_until_warm(1, frozenset({"wsgiref.validate"}) | names)

    loaded = tuned_map(clean_items.is_loaded, [*names, *others], **IN_ONE_WORKER)
    assert loaded == [True, True]
    assert spawn_costs.n_warm_interpreters(names | others) == 1
    amorsize.shutdown()


IN_ONE_WORKER = {"backend": "process", "n_jobs": 1}


def test_a_library_that_cannot_be_imported_ahead_is_left_to_the_call():
    amorsize.shutdown()
    start_ahead.start_ahead(1, names=frozenset({"no_such_library"}))

    wait_until_warm(1)
    assert tuned_map(clean_items.is_loaded, ["no_such_library"], **IN_ONE_WORKER) == [False]
    amorsize.shutdown()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A function that writes a library, which is forgotten in the end."""
    amorsize.shutdown()
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    names = []

    def write(name, text):
        names.append(name)
        (folder / f"{name}.py").write_text(text)
        return frozenset({name})

    yield write
    for name in names:
        sys.modules.pop(name, None)
    amorsize.shutdown()


def test_a_library_is_imported_ahead_by_the_main_thread_where_the_caller_is(
    library, monkeypatch, tmp_path
):
    """It may mind which thread that is, what the environment says, and where it is."""
    names = library(
        "minding_library",
        """
import os, threading

OF_THREAD = threading.local()
OF_THREAD.level = 5
MODE, FOLDER = os.environ.get("MINDING"), os.getcwd()

def state(_):
    return OF_THREAD.level, MODE, FOLDER
""",
    )
    assert tuned_map(clean_items.is_loaded, ["minding_library"], **IN_ONE_WORKER) == [False]
    monkeypatch.setenv("MINDING", "yes")
    monkeypatch.chdir(tmp_path)
    assert start_ahead.start_ahead(1, names=names) == 0  # the one that waits imports it
    wait_until_warm(1, names)

    state = importlib.import_module("minding_library").state
    assert tuned_map(state, [1], **IN_ONE_WORKER) == [(5, "yes", str(tmp_path))]


def test_one_that_still_confirms_its_last_call_imports_ahead_as_well(stand_in, monkeypatch):
    """It does so in a moment: no other one has to begin."""
    worker, names = stand_in(loaded=frozenset()), frozenset({"a_library"})
    worker.is_free.return_value = worker.process.ended_by.return_value = False
    worker.load_ahead.side_effect = lambda names, _: setattr(worker, "loaded", names)
    with monkeypatch.context() as patch:  # whatever ends the waiting ones must not meet it
        patch.setattr(pool, "_idle", [worker])
        assert pool.load_ahead(names, {}) == 1


def test_a_large_library_that_fails_is_tried_once(library, monkeypatch):
    """The call itself imports it again, and tells what is wrong."""
    name = "large_and_failing_library"
    library(name, "import os; os.environ['TRIED'] += 'x'; raise ImportError('as always')")
    monkeypatch.setattr(spawned_main, "LARGE_LIBRARIES", {name})
    monkeypatch.setenv("TRIED", "")
    spawned_main._load_ahead(spawned_main.serialization.dumps((place.place(), [name])))
    assert os.environ["TRIED"] == "x"


def test_a_library_that_exits_while_it_is_imported_ends_no_worker(library):
    names = library("leaving_library", "raise SystemExit(3)")
    start_ahead.start_ahead(1, names=names)
    wait_until_warm(1, names)


def test_the_program_does_not_wait_for_imports_ahead_when_it_ends(library):
    names = library("slow_library", "import time; time.sleep(60)")
    start_ahead.start_ahead(1, names=names)
    began = time.monotonic()
    amorsize.shutdown()
    assert time.monotonic() - began < warm_pool.GRACE_S


def test_workers_of_a_block_stay_after_an_import_ahead(stand_in):
    """They stay for as long as the block lasts, and imports begin a time of their own."""
    worker = stand_in(_idle_since=math.inf)
    worker.transport.receive.return_value = False
    order = spawned_main.serialization.dumps((place.place(), []))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(framing, "write", lambda *_: None)
        patch.setattr(spawned_main, "_import_patiently", lambda _: None)
        spawned_main.PersistentWorker._obey(worker, framing.AHEAD, order)
    assert worker._idle_since == math.inf


def test_libraries_are_those_that_code_names_itself_or_by_its_own_helpers():
    """A module of the project is imported whole, with all that it imports."""
    func = types.FunctionType(compile("lambda: (np, help_)", "", "eval").co_consts[0], {})
    func.__module__ = "__main__"
    helper = types.FunctionType(compile("lambda: hints", "", "eval").co_consts[0], {})
    helper.__module__ = "__main__"
    helper.__globals__.update(hints=importlib.import_module("numpy"))
    func.__globals__.update(np=pytest, help_=helper, unused=importlib.import_module("hypothesis"))

    assert libraries_of(func) == {"pytest", "numpy"}
    assert "pytest" in libraries_of(partial(guarded_point, 2))
    assert libraries_of(clean_items.is_loaded) == frozenset()  # the standard library loads soon


def test_libraries_of_a_module_of_many_functions_are_found(monkeypatch):
    """They are imported first, and a module has any number of functions behind them."""
    module = types.ModuleType("of_many_functions")
    exec("import numpy\n" + "\n".join(f"def f{at}(x): pass" for at in range(100)), vars(module))
    monkeypatch.setitem(sys.modules, "of_many_functions", module)
    assert "numpy" in libraries_of(module.f0)


class Proxy:
    """Stands for an object that is there at times, as the request of a web framework."""

    @property
    def __class__(self):
        raise RuntimeError("working outside of a request")


def test_what_stands_for_an_object_is_not_asked_for_its_class(monkeypatch):
    """To tell the libraries of a function is to look at all that its module holds."""
    monkeypatch.setattr(clean_items, "request", Proxy(), raising=False)

    assert libraries_of(clean_items.is_loaded) == frozenset()


def test_explain_tells_how_many_interpreters_begin_for_later_calls(stand_in, monkeypatch):
    """As many as there are cores beside the caller's, or as the system has room for."""
    amorsize.shutdown()
    started = []
    monkeypatch.setattr(start_ahead, "WarmWorker", lambda *_: started.append(1) or stand_in())
    monkeypatch.setattr(start_ahead.pool, "put", lambda _: None)
    monkeypatch.setattr(missed_savings, "missed_savings", stand_in(recent_s=1e9))
    monkeypatch.setattr(spawn_costs, "starting_s", lambda _: 10.0)

    monkeypatch.setattr(new_interpreters.NewInterpreters, "_n_computing", lambda _: 4)
    tuned = autotune(computes(lambda i: -i))
    assert tuned(range(20)) == [-i for i in range(20)]

    assert started == [1, 1, 1]
    assert "3 begin now for the calls to come" in str(tuned.explain())


def test_short_calls_beside_a_thread_have_interpreters_in_the_end(run_script):
    """As the requests of a web server."""
    run = run_script(
        """
import threading, time
from amorsize import autotune

@autotune
def square(x):
    return sum(i * i % 7 for i in range(20_000)) and x * x

def call_many():
    for n in range(200):
        assert square(list(range(80))) == [x * x for x in range(80)]
        if " in processes (" in str(square.explain()):
            return print("ran in processes after", n, "calls")

threading.Thread(target=call_many).start()
""",
        environ={"AMORSIZE_MAX_CPUS": "2"},
    )

    assert "ran in processes after" in run.stdout
    assert "after 0 calls" not in run.stdout


def test_no_more_interpreters_wait_than_are_worth_their_start():
    """Sixteen that load pandas first take longer to begin than half a second of waits in a loop."""
    amorsize.shutdown()

    assert spawn_costs.interpreters_worth(0.5, 16) <= max(
        4, spawn_costs.resources.usable_cpus().n_cores
    )
    assert spawn_costs.interpreters_worth(500.0, 16) == 16
    assert spawn_costs.interpreters_worth(500.0, 3) == 3


def test_beside_a_warm_one_another_has_to_pay_for_its_own_start(monkeypatch):
    monkeypatch.setattr(spawn_costs, "n_warm_interpreters", lambda *_: 2)
    monkeypatch.setattr(spawn_costs, "interpreter_s", lambda: 0.06)

    assert spawn_costs.interpreters_worth(0.3, 16) == 2
    assert spawn_costs.interpreters_worth(30.0, 16) > 4

    monkeypatch.setattr(spawn_costs, "n_warm_interpreters", lambda *_: 1)
    monkeypatch.setattr(spawn_costs, "interpreter_s", lambda: 3.0)
    assert spawn_costs.interpreters_worth(0.3, 16) >= 2  # one saves nothing while items wait


def computes(answer):
    """Makes items long enough for workers, with an answer of theirs."""

    def item(i):
        until = time.thread_time() + 5e-3
        while time.thread_time() < until:
            pass
        return answer(i)

    return item


OF_THREAD = threading.local()


def test_what_the_callers_thread_keeps_stays_there():
    """A new interpreter has the variable, and nothing in it."""
    OF_THREAD.user = "somebody"
    tuned = autotune(computes(lambda i: (OF_THREAD.user, i)))

    assert tuned(range(100)) == [("somebody", i) for i in range(100)]
    assert "in global OF_THREAD" in str(tuned.explain())


DESCRIPTOR = os.open(__file__, os.O_RDONLY)


def test_numbers_of_descriptors_stay_there():
    """In a new interpreter the number is another file's, or nobody's."""
    tuned = autotune(computes(lambda i: os.pread(DESCRIPTOR, 1, i)))

    assert b"".join(tuned(range(100))) == os.pread(DESCRIPTOR, 100, 0)
    assert "descriptors have other numbers" in str(tuned.explain())


def test_a_later_call_starts_no_more_than_its_work_pays_for(monkeypatch):
    """What items cost is known from the call before, when it has run none of its own yet."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    monkeypatch.setattr(spawn_costs, "interpreter_s", lambda: 0.3)
    amorsize.shutdown()
    call = autotune(clean_items.waits_with_a_setting, cache=False)

    found = [set(call(range(60))) for _ in range(4)]

    most = 1 + max(2, spawn_costs.resources.usable_cpus().n_cores)
    assert max(map(len, found)) <= most


FEW_WAITS = """
import threading, time
from amorsize import autotune
from amorsize._engine.costs import spawn_costs
spawn_costs.interpreter_s = lambda: 3.0
threading.Thread(target=threading.Event().wait, daemon=True).start()

@autotune(thread_safe=False)
def wait(x):
    time.sleep(8e-3)
    return x

if __name__ == "__main__":
    assert wait(range(30)) == list(range(30))
    told = str(wait.explain())
    assert "need about" in told and "in processes" not in told, told
"""


def test_few_waits_begin_no_interpreter_in_the_first_call(run_script):
    """Where few items need no watching, the host is looked at before one has told its cost."""
    run_script(FEW_WAITS)

"""Forked workers wait for the next call where it cannot tell them from new ones, and only there."""

import decimal
import fcntl
import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from pathlib import Path
from time import sleep

import pytest
from conftest import another_thread, children, read

import amorsize
from amorsize import autotune, tuned_map
from amorsize._engine.starting import fork_retention
from amorsize._host import resources
from amorsize._workers import inherited_descriptors
from amorsize._workers.messages import framing
from amorsize._workers.messages.shared_memory import SharedBlock
from amorsize._workers.processes import kept_forks, process_pool, warm_pool, worker_main

pytestmark = [
    pytest.mark.forks,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forks"),
]

SCALE = 3
BOUNDS = slice([1], None)
TABLE = [1, 2, 3]


def helper(x):
    return x + 1


def scaled(x):
    sleep(5e-3)  # so that one worker alone is not through before there is another
    return helper(x) * SCALE


def napped(x):
    sleep(x)
    return x


def looked_up(x):
    return TABLE[x % 3]


def from_environment(_):
    return os.environ.get("AMORSIZE_TEST_VARIABLE"), os.getcwd()


def mask(_):
    found = os.umask(0o022)
    os.umask(found)
    return found


def third(x):
    return str(decimal.Decimal(x) / 3)


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


def boom(x):
    return 1 // x


def mapped(func, data=range(20), **options):
    """The results of two worker processes."""
    return tuned_map(func, [*data], backend="process", n_jobs=2, **options)


#: The beginning of programs of their own: a function, a call of it, and what shows who served it.
PRELUDE = """
import decimal, locale, mmap, os, resource, signal, subprocess, sys, tempfile, time, warnings
from time import sleep
from amorsize import shutdown, tuned_map
from amorsize._engine.starting import fork_retention
fork_retention.MANY = 1

def add_one(x):
    return sleep(5e-3) or x + 1

def works():
    return tuned_map(add_one, [*range(20)], backend="process", n_jobs=2) == [*range(1, 21)]

def children():
    return {*open("/proc/thread-self/children").read().split()}
"""


@pytest.fixture
def told(run_script):
    """The words that a program prints which begins with the prelude."""
    return lambda script, **options: run_script(PRELUDE + script, **options).stdout.split()


@pytest.fixture
def told_of_change(told):
    """How many workers wait after a call, and how many of them serve the one after a change."""

    def run(change):
        return told(
            f"""
resource.setrlimit(resource.RLIMIT_CORE, (1, resource.getrlimit(resource.RLIMIT_CORE)[1]))
assert works()
first = children()
{change}
assert works()
print(len(first), len(first & children()))
"""
        )

    return run


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    """The process that runs the tests may be large, and earlier tests may have left it so."""
    monkeypatch.setattr(kept_forks, "MOST_BYTES", 1 << 50)
    monkeypatch.setattr(kept_forks, "MOST_MAPPED_BYTES", 1 << 50)


@pytest.fixture(autouse=True)
def from_the_first_call(monkeypatch):
    """Two workers are enough."""
    monkeypatch.setattr(fork_retention, "MANY", 1)


@pytest.fixture
def waiting():
    """The workers that wait after the calls of this test, as far as they have not ended."""
    before = children()

    def now():
        return {pid for pid, what in (children() - before).items() if "zombie" not in what}

    return now


def until(is_so, *, timeout_s=10.0):
    """Wait for something."""
    end_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


class TestKept:
    """A second call is served by the workers of the first."""

    @pytest.mark.parametrize(("func", "data"), [(scaled, range(20)), (napped, [1e-3] * 20)])
    def test_workers_serve_the_next_call(self, waiting, func, data):
        first = mapped(func, data)
        pids = waiting()
        second = mapped(func, [*data][::-1])

        assert len(pids) == 2
        assert waiting() == pids
        assert second == first[::-1]

    def test_nothing_wakes_those_that_wait_but_their_items(self, monkeypatch):
        """A message at the beginning and one at the end of a call took as long as two chunks."""
        kinds, put = [], framing.Writer.put
        mapped(scaled)
        monkeypatch.setattr(
            framing.Writer,
            "put",
            lambda self, kind, *parts: kinds.append(kind) or put(self, kind, *parts),
        )
        assert mapped(scaled) == [scaled(x) for x in range(20)]

        assert {*kinds} == {framing.ITEMS}

    def test_all_that_are_wanted_are_there_before_the_first_chunk(self, monkeypatch):
        n_there, send = [], process_pool.ProcessPoolBase.send
        tuned_map(napped, [5e-3] * 30, backend="process", n_jobs=4)
        monkeypatch.setattr(
            process_pool.ProcessPoolBase,
            "send",
            lambda self, *a, **kw: n_there.append(len(self._handles)) or send(self, *a, **kw),
        )
        tuned_map(napped, [5e-3] * 30, backend="process", n_jobs=4)

        assert {*n_there} == {4}

    def test_they_wait_from_the_end_of_a_call_to_the_next(self):
        """They end by themselves only then, so the pool tells when that is."""
        mapped(scaled)
        ((pool, *_),) = kept_forks.kept._pools[-1:]
        since_s = pool._shared.counters[SharedBlock.WAITING_SINCE]
        assert 0 < since_s <= time.perf_counter()
        mapped(scaled)
        assert since_s < pool._shared.counters[SharedBlock.WAITING_SINCE] < float("inf")
        with amorsize.workers():
            mapped(scaled)
            assert pool._shared.counters[SharedBlock.WAITING_SINCE] == float("inf")

    def test_few_workers_are_kept_from_a_second_call_on(self, waiting, monkeypatch):
        """To find out what they stand on takes as long as two forks, and most jobs run once."""
        monkeypatch.setattr(fork_retention, "MANY", 3)

        def f(x):
            sleep(5e-3)
            return x

        counts = []
        for n_jobs in (2, 2, 3):
            tuned_map(f, [*range(30)], backend="process", n_jobs=n_jobs)
            counts.append(len(waiting()))

        assert counts == [0, 2, 3]

    def test_many_workers_are_kept_at_once(self, waiting, monkeypatch):
        monkeypatch.setattr(fork_retention, "MANY", 3)
        tuned_map(napped, [5e-3] * 60, backend="process", n_jobs=4)
        assert len(waiting()) == 4

    def test_new_items_are_sent_and_results_are_new(self):
        assert mapped(scaled, range(20)) == [scaled(x) for x in range(20)]
        assert mapped(scaled, range(100, 150)) == [scaled(x) for x in range(100, 150)]
        assert mapped(scaled, [2.5] * 5) == [scaled(2.5)] * 5

    def test_functions_in_turn_keep_theirs(self, waiting):
        mapped(scaled)
        mapped(napped, [1e-3] * 20)
        pids = waiting()
        mapped(scaled)
        mapped(napped, [1e-3] * 20)

        assert len(pids) == 4
        assert waiting() == pids

    def test_more_are_forked_beside_those_that_wait(self, waiting):
        mapped(scaled)
        pids = waiting()
        tuned_map(napped, [5e-3] * 30, backend="process", n_jobs=3)
        tuned_map(scaled, [*range(30)], backend="process", n_jobs=4)

        assert pids < waiting()

    def test_it_is_told_who_served_a_call(self):
        for func, data, told in (
            (napped, [1e-3] * 20, "2 workers are there - kept since a call before"),
            (looked_up, range(20), "workers are forked anew - looked_up does more than compute"),
        ):
            tuned = autotune(func, backend="process", n_jobs=2)
            tuned([*data])
            assert told not in str(tuned.explain())
            tuned([*data])
            assert told in str(tuned.explain())

    def test_the_auto_backend_is_as_ever(self):
        """The caller runs items beside them."""
        tune = autotune(n_jobs=2)(depth)
        data = [400] * 3000
        assert tune(data) == tune(data) == data

    def test_shutdown_ends_them(self, waiting):
        mapped(scaled)
        pids = waiting()
        assert pids
        amorsize.shutdown()

        assert not waiting()
        assert not pids & children().keys()

    def test_a_block_of_workers_keeps_them_and_ends_them(self, waiting, monkeypatch):
        monkeypatch.setattr(worker_main, "IDLE_S", 0.0)
        with amorsize.workers():
            mapped(scaled)
            pids = waiting()
            time.sleep(1.5)
            assert waiting() == pids
        assert not waiting()


class TestChanged:
    """A call that could tell is served by new workers, and gives what the loop gives."""

    def check(self, func, change, *, data=range(20)):
        """The call after a change gives what the loop gives now."""
        assert mapped(func, data) == [func(x) for x in data]
        change()
        now = [func(x) for x in data]
        assert mapped(func, data) == now
        return now

    def test_a_global_bound_anew(self, monkeypatch, waiting):
        mapped(scaled)
        pids = waiting()
        now = self.check(scaled, lambda: monkeypatch.setitem(globals(), "SCALE", 5))

        assert now[1] == 10
        assert waiting().isdisjoint(pids)

    def test_a_helper_replaced(self, monkeypatch):
        now = self.check(scaled, lambda: monkeypatch.setitem(globals(), "helper", lambda x: -x))
        assert now[1] == -3

    def test_a_helper_of_another_module_replaced(self, monkeypatch, tmp_path):
        module = written(tmp_path, monkeypatch, "def f(x):\n    return x\n")

        def calling(x):
            return module.f(x)

        assert (
            self.check(calling, lambda: monkeypatch.setattr(module, "f", lambda x: x * 2))[1] == 2
        )

    def test_code_replaced_inside_a_function(self, monkeypatch):
        code = (lambda x: x + 9).__code__
        assert self.check(scaled, lambda: monkeypatch.setattr(helper, "__code__", code))[0] == 27

    def test_a_module_loaded_again(self, monkeypatch, tmp_path):
        module = written(tmp_path, monkeypatch, "def f(x):\n    return x\n")
        assert mapped(module.f) == [*range(20)]
        (tmp_path / "a_kept_module.py").write_text("def f(x):\n    return x * x + 1\n")
        importlib.reload(module)

        assert mapped(module.f)[2] == 5

    def test_a_list_in_a_closure_changed(self):
        offsets = [1]

        def add(x):
            return x + offsets[0]

        assert self.check(add, lambda: offsets.__setitem__(0, 10))[0] == 10

    def test_a_number_in_a_closure_changed(self):
        offset = 1

        def add(x):
            return x + offset

        def change():
            nonlocal offset
            offset = 7

        assert self.check(add, change)[0] == 7

    def test_a_list_of_the_module_changed(self, monkeypatch):
        monkeypatch.setitem(globals(), "TABLE", [1, 2, 3])
        assert self.check(looked_up, lambda: TABLE.__setitem__(0, 50))[0] == 50

    def test_the_environment_and_the_folder(self, monkeypatch, tmp_path):
        monkeypatch.setenv("AMORSIZE_TEST_VARIABLE", "before")

        def change():
            monkeypatch.setenv("AMORSIZE_TEST_VARIABLE", "after")
            monkeypatch.chdir(tmp_path)

        assert self.check(from_environment, change)[0] == ("after", str(tmp_path))

    def test_the_umask(self):
        before = os.umask(0o022)
        try:
            assert self.check(mask, lambda: os.umask(0o077))[0] == 0o077
        finally:
            os.umask(before)

    def test_the_decimal_context(self):
        with decimal.localcontext():
            assert (
                self.check(third, lambda: setattr(decimal.getcontext(), "prec", 5))[1] == "0.33333"
            )

    def test_keywords_of_the_items(self):
        def power(x, exponent=1):
            return x**exponent

        for exponent in (2, 3, 2):
            given = {"exponent": exponent}
            assert mapped(power, item_kwargs=given) == [x**exponent for x in range(20)]

    def test_options_that_workers_obey(self):
        with pytest.raises(ZeroDivisionError):
            mapped(boom, range(3))
        kinds = [type(one) for one in mapped(boom, range(3), return_exceptions=True)]
        assert kinds == [ZeroDivisionError, int, int]
        assert mapped(boom, range(1, 4)) == [1, 0, 0]
        with pytest.raises(ZeroDivisionError):
            mapped(boom, range(3))

    def test_a_stack_that_is_deeper_with_each_call(self, waiting):
        """Each call is only a little deeper than the one before, but not than the fork."""

        def call_at(n):
            return mapped(depth, [3] * 9) if n == 0 else call_at(n - 1)

        call_at(0)
        first = waiting()
        for n in range(0, 2 * kept_forks.MOST_FRAMES + 1, kept_forks.MOST_FRAMES // 2):
            call_at(n)
        assert first
        assert not first & waiting()

    def test_the_depth_of_the_stack(self):
        """Workers that were forked deep inside have less room, and their calls end sooner."""

        def deep(n):
            return mapped(depth, [3]) if n == 0 else deep(n - 1)

        n_deep, n_left = 600, sys.getrecursionlimit() - 300
        assert deep(n_deep) == [3]
        assert mapped(depth, [n_left]) == [n_left]

    def test_the_limit_of_recursion(self):
        before = sys.getrecursionlimit()
        assert mapped(depth, [300]) == [300]
        try:
            sys.setrecursionlimit(before + 3000)
            assert mapped(depth, [before + 1000]) == [before + 1000]
        finally:
            sys.setrecursionlimit(before)

    @pytest.mark.parametrize(
        "change",
        [
            "os.environ['AMORSIZE_TEST_VARIABLE'] = 'new'",
            "os.chdir('/tmp')",
            "sys.path.insert(0, '/tmp')",
            "sys.setswitchinterval(0.004)",
            "sys.settrace(lambda *_: None)",
            "warnings.simplefilter('error', BytesWarning)",
            "locale.setlocale(locale.LC_NUMERIC, 'C.UTF-8')",
            "signal.signal(signal.SIGUSR2, signal.SIG_IGN)",
            "decimal.getcontext().prec = 7",
            "os.nice(1)",
            "os.umask(0o077)",
            "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
            "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
        ],
    )
    def test_the_state_of_the_process(self, told_of_change, change):
        """Even where the function does not ask for it, nothing is left to chance."""
        assert told_of_change(change) == ["2", "0"]

    def test_defaults_that_change_places(self):
        def summed(x, *, a=3, b=50):
            return x * a + b

        names = summed.__kwdefaults__
        change = lambda: setattr(summed, "__kwdefaults__", {"b": names["a"], "a": names["b"]})  # noqa: E731
        assert self.check(summed, change)[1] == 53

    def test_a_global_that_takes_the_place_of_another(self):
        """Both have the name of a method as well, so neither has to be a global."""
        there = {"sleep": sleep, "count": 5}
        exec("def f(x): return sleep(1e-3) or (count + x if x < 100 else index)", there)
        assert mapped(there["f"])[0] == 5
        there["index"] = there.pop("count")

        with pytest.raises(NameError):
            mapped(there["f"])

    def test_a_list_in_a_slice_changed(self, monkeypatch):
        monkeypatch.setitem(globals(), "BOUNDS", slice([1], None))

        def add(x):
            return x + BOUNDS.start[0]

        assert self.check(add, lambda: BOUNDS.start.__setitem__(0, 10))[0] == 10

    def test_how_numbers_are_rounded(self, told_of_change):
        change = "import ctypes; ctypes.CDLL('libm.so.6').fesetround(0x800)"
        assert told_of_change(change) == ["2", "0"]

    @pytest.mark.parametrize("n_fork", [1, 2])
    def test_a_handler_that_changes_a_global_during_the_call(self, monkeypatch, n_fork):
        """Some workers are forked with the new value, and it is as before when the call ends."""
        there = {"sleep": sleep, "flag": True}
        exec("def f(x): return sleep(2e-3) or flag", there)
        mapped(there["f"])
        amorsize.shutdown()
        fork, n_forked = os.fork, 0

        def forking():
            nonlocal n_forked
            n_forked += 1
            if n_forked == n_fork:
                there["flag"] = False
            return fork()

        monkeypatch.setattr("posix.fork", forking)
        mapped(there["f"])
        there["flag"] = True

        assert n_forked == 2
        assert mapped(there["f"]) == [True] * 20

    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="writes a register of that kind")
    def test_whether_the_smallest_numbers_are_zero(self, told_of_change):
        """They are equal to zero then, also for the comparison of both states."""
        assert told_of_change(FLUSHED) == ["2", "0"]

    def test_a_shadowed_builtin(self, monkeypatch):
        def longest(x):
            return max(x, 3)

        change = lambda: monkeypatch.setitem(globals(), "max", min)  # noqa: E731
        assert self.check(longest, change)[10] == 3

    def test_identity_of_an_item(self):
        """A worker that gets its items by pipe has copies of them."""
        marker = "a marker of some length"

        def is_marked(x):
            return x is marker

        for _ in range(3):
            assert mapped(is_marked, [marker, "other"]) == [True, False]

    @pytest.mark.parametrize("other", ["marker or None", "marker if x else None"])
    def test_identity_with_one_of_two(self, other):
        """Whichever of the two stands last in the code."""
        marker = "a marker of some length"
        func = eval(f"lambda marker: lambda x: x is ({other})")(marker)

        for _ in range(3):
            assert mapped(func, [marker, "other"]) == [True, False]


#: Sets the bits DAZ and FTZ of MXCSR, as libraries built with -ffast-math do.
FLUSHED = """
import ctypes, struct
state = ctypes.create_string_buffer(64)
libm = ctypes.CDLL("libm.so.6")
libm.fegetenv(state)
struct.pack_into("<I", state, 28, struct.unpack_from("<I", state, 28)[0] | 0x8040)
libm.fesetenv(state)
"""


def written(folder, monkeypatch, text):
    """A new module of that text."""
    path = folder / "a_kept_module.py"
    path.write_text(text)
    os.utime(path, (1e9, 1e9))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "a_kept_module", raising=False)
    return importlib.import_module("a_kept_module")


class TestHeld:
    """What waits holds nothing that anybody else waits for."""

    def test_the_end_of_a_pipe_arrives(self, waiting):
        reading, writing = os.pipe()
        mapped(scaled)
        os.close(writing)

        assert waiting()
        assert os.read(reading, 1) == b""
        os.close(reading)

    def test_the_end_of_a_program_arrives(self):
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
            mapped(scaled)
            cat.stdin.close()
            assert cat.wait(timeout=10) == 0
            assert cat.stdout.read() == b""

    def test_a_locked_file_is_free(self, tmp_path, waiting):
        path = tmp_path / "lock"
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            mapped(scaled)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert waiting()

    def test_a_port_is_free(self, waiting):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            mapped(scaled)
        assert waiting()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        with socket.create_server(address):
            pass

    def test_standard_output_ends(self, told):
        """A reader of what the program prints learns that there will be no more."""
        program = """
works()
os.dup2(os.open(os.devnull, os.O_RDWR), 1)
sys.stdin.read()
"""
        assert told(
            f"""
one = subprocess.Popen([sys.executable, "-c", {PRELUDE + program!r}],
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(one.stdout.read(), one.poll())
one.stdin.close()
print(one.wait())
"""
        ) == ["b''", "None", "0"]

    @pytest.mark.parametrize(
        ("n_mebibytes", "loaded", "n_waiting"),
        [(300, "", "0"), (1, "", "2"), (1, "import numpy", "2")],
    )
    def test_much_memory_is_not_kept(self, told, n_mebibytes, loaded, n_waiting):
        """A caller that frees it has it free; libraries do not count."""
        assert told(
            f"""
{loaded}
held = b"x" * ({n_mebibytes} << 20)
works()
del held
print(len(children()))
"""
        ) == [n_waiting]

    @pytest.mark.parametrize(
        ("file", "access", "n_bytes", "n_waiting"),
        [
            ("TemporaryFile", "mmap.ACCESS_WRITE", 4 << 20, "0"),
            ("TemporaryFile", "mmap.ACCESS_WRITE", 4096, "2"),
            ("NamedTemporaryFile", "mmap.ACCESS_COPY", 4 << 20, "0"),
        ],
    )
    def test_mapped_files_are_not_kept(self, told, file, access, n_bytes, n_waiting):
        """A deleted file takes its space until the last process has unmapped it.

        So does one that is mapped to be changed in memory alone, once it is deleted.
        """
        assert told(
            f"""
with tempfile.{file}() as file:
    file.write(b"x" * {n_bytes})
    file.flush()
    with mmap.mmap(file.fileno(), 0, access={access}):
        works()
print(len(children()))
"""
        ) == [n_waiting]

    def test_the_function_and_all_it_reaches_are_let_go(self, waiting):
        class Large:
            pass

        there = {"sleep": sleep, "large": Large()}
        exec("def f(x): return sleep(1e-3) or x + 1", there)
        mapped(there["f"])
        assert waiting()
        left = weakref.ref(there["large"]), weakref.ref(there["f"])
        there.clear()
        del there
        gc.collect()

        assert [one() for one in left] == [None, None]

    def test_large_values_are_let_go(self, waiting):
        large = "x" * (8 << 20)
        mapped(eval("lambda large: lambda x: large[x]")(large))
        assert not waiting()

    def test_signals_to_all_of_a_group_are_handled_once(self, told):
        """Neither do their handlers print into the next call."""
        assert told(
            """
assert os.getpgrp() == os.getpid()
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
works()
first = children()
os.killpg(0, signal.SIGUSR1)
sleep(0.2)
works()
print(len(first & children()))
"""
        ) == ["handled", "2"]

    def test_little_memory_is_not_kept_where_there_is_little(self, monkeypatch, waiting):
        """A container may allow no more than its program takes, once."""
        memory = resources.memory()
        monkeypatch.setattr(kept_forks, "LITTLE_BYTES", 1)
        mapped(scaled)
        n_kept = len(waiting())
        amorsize.shutdown()
        monkeypatch.setattr(resources, "memory", lambda: memory.replace(available_bytes=1 << 20))
        mapped(scaled)

        assert (n_kept, len(waiting())) == (2, 0)

    def test_places_for_processes_are_not_used_up(self, monkeypatch, waiting):
        counts = []
        for n_left in (None, 8, 7, 0):
            monkeypatch.setattr(resources, "n_processes_left", lambda n_left=n_left: n_left)
            mapped(scaled)
            counts.append(len(waiting()))

        assert counts == [2, 2, 0, 0]

    def test_a_program_may_limit_its_memory_later(self, told):
        """What is mapped for workers that wait counts as memory of the program."""
        assert told(
            """
works()
print(len(children()))
resource.setrlimit(resource.RLIMIT_AS, (2 << 30,) * 2)
large = bytearray(200 << 20)
print(works())
"""
        ) == ["2", "True"]

    @pytest.mark.parametrize(
        "limit",
        [
            *("RLIMIT_AS, (8 << 30,) * 2", "RLIMIT_NOFILE, (200, 200)"),
            *("RLIMIT_NPROC, (600, 600)", "RLIMIT_CPU, (60, 60)"),
        ],
    )
    def test_what_a_program_may_have_is_not_used_up(self, told, limit):
        """A pool that waits has memory mapped, and takes three descriptors for each worker."""
        assert told(
            f"""
resource.setrlimit(resource.{limit})
tuned_map(add_one, [*range(400)], backend="process", n_jobs=20)
print(len(children()))
"""
        ) == ["0"]


class TestEnds:
    """Whatever ends the caller or a worker, nothing is left and nothing is lost."""

    def test_workers_quit_when_nobody_calls(self, waiting, monkeypatch):
        monkeypatch.setattr(worker_main, "IDLE_S", 0.1)
        mapped(scaled)
        assert waiting()
        until(lambda: not waiting())

        assert mapped(scaled) == [scaled(x) for x in range(20)]

    @pytest.mark.parametrize("start", ["fork", "clean"])
    def test_a_program_that_waits_for_any_child_meets_its_own(self, waiting, monkeypatch, start):
        """Workers that have ended are collected before the program forks."""
        monkeypatch.setenv("AMORSIZE_START", start)
        mapped(scaled)
        pids = waiting()
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: all(" Z " in read(Path(f"/proc/{pid}/stat")) for pid in pids))

        pid = os.fork()
        if not pid:
            os._exit(7)

        assert os.wait() == (pid, 7 << 8)
        for collected in pids:
            with pytest.raises(ChildProcessError):
                os.waitpid(collected, os.WNOHANG)

    @pytest.mark.parametrize("pool", [kept_forks.KeptForks, warm_pool.WarmPool])
    def test_an_interrupt_before_a_fork_leaves_no_lock_taken(self, pool):
        """It may come in any line of what is done then; the next call would hang."""
        taken = []

        class Lock:
            def acquire(self, blocking):
                taken.append(blocking)
                os.kill(os.getpid(), signal.SIGINT)
                return True

            def release(self):
                taken.pop()

        one = pool()
        one._lock, one._pools, one._idle = Lock(), [()], [()]
        one._end_late = one._collect_ended = list
        with pytest.raises(KeyboardInterrupt):
            one.collect_ended()

        assert not taken

    @pytest.mark.parametrize("start", ["fork", "clean"])
    def test_a_program_that_closes_all_descriptors_keeps_its_own_files(self, told, start):
        """Their numbers are given to others before the next call."""
        script = """
works()
os.closerange(3, 100)
files = [tempfile.TemporaryFile() for _ in range(30)]
print(works())
for file in files:
    file.write(b"mine")
    file.flush()
print(works())
shutdown()
print(all(os.fstat(file.fileno()).st_size == 4 for file in files))
"""
        assert told(script, environ={"AMORSIZE_START": start}) == ["True", "True", "True"]

    @pytest.mark.parametrize("n_killed", [1, 2])
    def test_a_worker_killed_between_calls_is_replaced(self, waiting, n_killed):
        mapped(scaled)
        for pid in sorted(waiting())[:n_killed]:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(waiting()) == 2 - n_killed)

        assert mapped(scaled, retries=0) == [scaled(x) for x in range(20)]
        assert len(waiting()) == 2

    def test_a_worker_that_ends_as_it_is_woken_is_to_blame_for_nothing(self, waiting, monkeypatch):
        """It got items and had begun none of them."""
        mapped(scaled)
        for pid in waiting():
            os.kill(pid, signal.SIGSTOP)
        woken = kept_forks.kept._pools[-1][0]
        wake = type(woken)._wake

        def killing(pool, number):
            is_woken = wake(pool, number)
            if is_woken:
                os.kill(pool.native_id(number), signal.SIGKILL)
            return is_woken

        monkeypatch.setattr(type(woken), "_wake", killing)

        assert mapped(scaled, retries=0) == [scaled(x) for x in range(20)]

    def test_a_stopped_worker_goes_on(self, waiting):
        mapped(scaled)
        for pid in waiting():
            os.kill(pid, signal.SIGSTOP)

        assert mapped(scaled) == [scaled(x) for x in range(20)]

    @pytest.mark.parametrize(
        "end",
        [
            *("os.kill(os.getpid(), 9)", "os._exit(0)"),
            "os.execv('/bin/sleep', ['sleep', '5'])",
            # The end of the caller counts, not that of a child that it has forked.
            "os.fork() or time.sleep(3); os.kill(os.getpid(), 9)",
        ],
    )
    def test_they_die_with_their_caller(self, told, end):
        program = f"works()\nprint(*children(), flush=True)\n{end}\n"
        assert told(
            f"""
one = subprocess.Popen([sys.executable, "-c", {PRELUDE + program!r}],
                       stdout=subprocess.PIPE, text=True)
pids = one.stdout.readline().split()
print(len(pids))

def has_ended(pid):
    try:
        return open(f"/proc/{{pid}}/stat").read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True

until_s = time.monotonic() + 2
while not all(map(has_ended, pids)) and time.monotonic() < until_s:
    sleep(0.01)
print([pid for pid in pids if not has_ended(pid)])
one.kill()
"""
        ) == ["2", "[]"]

    def test_a_fork_of_the_caller_has_none(self, told):
        """It starts its own, and those of the parent go on."""
        assert told(
            """
works()
before = children()
if (pid := os.fork()) == 0:
    paths = [f"/proc/self/fd/{one}" for one in os.listdir("/proc/self/fd")]
    n_pidfds = sum(os.readlink(path).startswith("anon_inode:[pidfd")
                   for path in paths if os.path.exists(path))
    print("child", works(), n_pidfds, flush=True)
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
print("parent", works(), len(before & children()))
"""
        ) == ["child", "True", "0", "parent", "True", "2"]

    def test_ctrl_c_in_a_call_ends_its_workers(self, told):
        assert told(
            """
def nap(x):
    sleep(x)
    return x

def naps():
    return tuned_map(nap, [5e-3] * 20, backend="process", n_jobs=2) == [5e-3] * 20

naps()
signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    tuned_map(nap, [0.2] * 9, backend="process", n_jobs=2)
except KeyboardInterrupt:
    print("interrupted", len(children()))
print(naps(), len(children()), naps(), len(children()))
"""
        ) == ["interrupted", "0", "True", "2", "True", "2"]

    def test_after_an_error_of_an_item_the_next_call_is_right(self):
        with pytest.raises(ZeroDivisionError):
            mapped(boom, [0, *range(1, 50)])
        assert mapped(boom, range(1, 20)) == [1 // x for x in range(1, 20)]

    def test_they_are_no_children_of_multiprocessing(self, waiting):
        import multiprocessing

        mapped(scaled)
        assert waiting()
        assert multiprocessing.active_children() == []

    def test_somebody_else_reaps_them(self, told):
        """A program that waits for all its children gets ours as well, and goes on."""
        assert told(
            """
works()
pids = children()
for pid in pids:
    os.kill(int(pid), signal.SIGKILL)
print(len([os.wait() for _ in pids]), works())
"""
        ) == ["2", "True"]


class TestThreads:
    """Beside another thread nothing is forked."""

    def test_the_results_are_the_loops(self):
        mapped(scaled)
        with another_thread():
            assert mapped(scaled) == [scaled(x) for x in range(20)]
        assert mapped(scaled) == [scaled(x) for x in range(20)]

    def test_no_fork_takes_the_place_of_one_that_waited(self, told):
        """A thread began during a call of forks that were kept, and one of them has died."""
        assert told(
            """
import threading
over = threading.Event()
signal.signal(signal.SIGALRM, lambda *_: (
    threading.Thread(target=over.wait, daemon=True).start(),
    os.kill(int(min(children())), signal.SIGKILL),
))
works()
before = children()
os.register_at_fork(before=lambda: print("forks beside", threading.active_count() - 1))
signal.setitimer(signal.ITIMER_REAL, 0.05)
data = [*range(60)]
print(tuned_map(add_one, data, backend="process", n_jobs=2) == [x + 1 for x in data])
print(len(before), len(before & children()))
over.set()
"""
        ) == ["True", "2", "1"]

    def test_one_that_has_died_is_not_there(self, waiting):
        """Else the one in its place would be forked without a look at the threads."""
        mapped(scaled)
        mapped(scaled)
        pool = kept_forks.kept._pools[-1][0]
        assert pool.is_next_there()
        for handle in pool.resting:
            os.kill(handle.pid, signal.SIGKILL)
            assert handle.process.ended_by(time.perf_counter() + 10)
        assert not pool.is_next_there()
        assert not waiting()


@pytest.mark.parametrize("is_known", [True, False], ids=["by their range", "by their list"])
def test_a_worker_closes_whatever_it_has_inherited_but_its_own(is_known):
    """Far apart or side by side; -1 stands for a descriptor that it has not."""
    reading, writing = os.pipe()
    opened = [os.dup(reading), os.dup2(reading, 300), os.dup2(reading, 301)]
    n_most = inherited_descriptors.n_places() if is_known else 0
    if not (pid := os.fork()):
        inherited_descriptors.close_all((-1, 300, writing), n_most)
        os.write(writing, " ".join(os.listdir("/proc/self/fd")).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    found = {int(one) for one in os.read(reading, 65536).split()}
    for descriptor in (reading, writing, *opened):
        os.close(descriptor)

    assert 300 in found
    assert len(found - {0, 1, 2, 300, writing}) == 1  # that of the listing
    assert n_most > 301 or not is_known

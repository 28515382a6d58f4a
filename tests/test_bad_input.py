"""What cannot be right is refused with words that help; what goes wrong costs no results."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path

import pytest
from conftest import children
from witness import CALLER, Ledger, compute, note, noted

import amorsize
from amorsize import (
    InvalidOptionError,
    ItemTimeout,
    SerializationError,
    WorkerDied,
    WrongTypeError,
    autotune,
    cache,
    tuned_map,
)
from amorsize._profiles.memory_store import last_trace
from amorsize._workers.messages import serialization
from amorsize._workers.messages.packing import Packing

# -- what is refused ------------------------------------------------------------------------


async def coroutine(item):
    return item


async def async_generator(item):
    yield item


def generator(item):
    yield item


@pytest.mark.parametrize("func", [coroutine, async_generator, generator])
def test_functions_without_one_result_are_refused_at_once(func):
    """`async def` and generators: refused when decorating, and by `tuned_map`, with a way out."""
    with pytest.raises(TypeError, match=rf"{func.__name__} is an? .*not supported"):
        autotune(func)
    with pytest.raises(TypeError, match=r"Write|Return|asyncio"):
        tuned_map(func, [1])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("text", r"{one}\(x\).*\[x\]\)"),
        (b"bytes", r"{one}\(x\).*\[x\]\)"),
        (bytearray(b"bytes"), r"{one}\(x\).*\[x\]\)"),
        (Path("file"), r"{one}\(x\).*\[x\]\)"),
        ({"a": 1}, r"d\.items\(\)"),
        (5, r"cannot be iterated over"),
        (None, r"cannot be iterated over"),
    ],
)
def test_data_that_is_one_item_by_mistake_names_the_right_call(data, words):
    """A str, bytes, path or mapping, and what is no iterable at all."""

    def parse(item):
        return item

    for call, one in [(autotune(parse), "parse.one"), (lambda d: tuned_map(parse, d), "parse")]:
        with pytest.raises(TypeError, match=words.format(one=one)):
            call(data)
        with pytest.raises(TypeError):
            autotune(parse).stream(data)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_jobs": 0}, r"n_jobs=0 .*-1 .*at least 1"),
        ({"n_jobs": -2}, r"n_jobs=-2 .*-1 .*at least 1"),
        ({"n_jobs": 2.5}, r"n_jobs=2.5 .*integer"),
        ({"n_jobs": True}, r"n_jobs=True"),
        ({"chunksize": 0}, r"chunksize=0 .*at least 1"),
        ({"backend": "proces"}, r"backend='proces'.*'process'"),
        ({"backend": 3}, r"backend=3"),
        ({"timeout": 0}, r"timeout=0"),
        ({"timeout": "5"}, r"timeout='5'"),
        ({"retries": -1}, r"retries=-1"),
        ({"setup": 7}, r"setup=7"),
        ({"progress": "yes"}, r"progress='yes'"),
        ({"seed": 1.5}, r"seed=1.5"),
        ({"chunk_size": 5}, r"no option 'chunk_size'.*chunksize"),
    ],
)
def test_a_wrong_option_is_named_at_once(options, words):
    """When decorating, when calling, and when changing options for a call."""
    for act in (
        lambda: autotune(**options),
        lambda: autotune(abs, **options),
        lambda: tuned_map(abs, [1], **options),
        lambda: autotune(abs).using(**options),
    ):
        with pytest.raises((InvalidOptionError, WrongTypeError), match=words):
            act()


@pytest.mark.parametrize("func", [None, 5, "abs"])
def test_what_cannot_be_called_is_refused(func):
    """Not a function at all."""
    with pytest.raises(TypeError, match="cannot be called"):
        tuned_map(func, [1])


def test_a_wrong_buffer_is_refused():
    """`stream(buffer=0)` could never give anything."""
    with pytest.raises(ValueError, match="buffer=0"):
        next(autotune(abs).stream([1], buffer=0))


@pytest.mark.parametrize("flag", ["ordered", "indexed"])
def test_a_flag_of_a_stream_is_checked(flag):
    with pytest.raises(TypeError, match=f"{flag}='no' is of the wrong type .* True or False"):
        autotune(compute).stream([1], **{flag: "no"})


@pytest.mark.parametrize("keywords", [[1], {1: 2}, "x"])
@pytest.mark.parametrize("ask", [tuned_map, amorsize.optimize, amorsize.quick_tune])
def test_keywords_that_are_no_dict_of_names_are_refused(ask, keywords):
    with pytest.raises(TypeError, match="item_kwargs is a dict of values by the names"):
        ask(compute, [1], item_kwargs=keywords)


def test_options_of_streams_are_told_apart():
    with pytest.raises(TypeError, match=r"Streams have it: .*\.stream\(data, ordered=\.\.\.\)"):
        autotune(compute, ordered=False)


def test_a_wrong_environment_is_named(monkeypatch):
    """A misspelt AMORSIZE_BACKEND is an error in every kind of call, not ignored."""
    monkeypatch.setenv("AMORSIZE_BACKEND", "serail")

    with pytest.raises(InvalidOptionError, match="AMORSIZE_BACKEND"):
        tuned_map(abs, [1, 2])
    with pytest.raises(InvalidOptionError, match="AMORSIZE_BACKEND"):
        list(autotune(abs).stream([1, 2]))


def test_the_environment_can_make_every_call_the_loop(monkeypatch, tmp_path):
    """`AMORSIZE_BACKEND=serial`: for debuggers and coverage, whatever a call asks for."""
    monkeypatch.setenv("AMORSIZE_BACKEND", "serial")
    ledger = Ledger(tmp_path / "ledger")
    kwargs = {"ledger": ledger.path}

    for options in ({}, {"backend": "process"}, {"backend": "thread", "n_jobs": 3}, {"timeout": 9}):
        assert tuned_map(noted, range(50), item_kwargs=kwargs, **options) == list(range(0, 100, 2))

    assert ledger.pids() == {CALLER}
    assert len(ledger.threads()) == 1


# -- what cannot travel ----------------------------------------------------------------------


def locked():
    import threading

    lock = threading.Lock()

    def use(item):
        with lock:
            return item

    return use


@pytest.mark.parametrize("backend", ["auto", "thread"])
def test_a_function_that_cannot_be_pickled_runs_all_the_same(backend):
    """A closure over a lock."""
    assert tuned_map(locked(), range(100), backend=backend) == list(range(100))


class Held:
    """Knows whether its finalizer is still to run."""

    def __init__(self):
        self.finalizer = weakref.finalize(self, int)


@pytest.mark.forks
def test_results_with_finalizers_are_not_sent_without_life():
    """A temporary folder was removed in its worker, and came back all the same."""
    for kept in (tempfile.TemporaryDirectory, Held):
        with pytest.raises(SerializationError, match="item 0 .*finalize"):
            tuned_map(lambda item, kept=kept: kept(), range(2), backend="process", n_jobs=1)


@pytest.mark.parametrize("value", [weakref.finalize, ("weakref", "finalize"), b"weakref finalize"])
def test_what_only_names_finalizers_is_sent(value):
    data, _ = Packing().dumps_apart(value)
    assert serialization.loads(data) == value


@pytest.mark.forks
def test_results_that_cannot_travel_are_explained():
    """The reason for the loop stands in `explain()`."""

    def divisors(item):
        compute(2e-3)
        return (n for n in range(1, item) if item % n == 0)

    told = []
    for _ in range(5):  # where others have the cores, workers may not be worth it
        tuned = autotune(divisors, thread_safe=False)
        assert list(tuned(range(60))[-1]) == [1]
        told.append(str(tuned.explain()))
        if "cannot be pickled" in told[-1]:
            return
        tuned.forget()
    pytest.fail("\n".join(told))


def test_processes_asked_for_name_what_cannot_travel():
    """The index, the value, and what in it cannot be pickled."""
    with pytest.raises(SerializationError, match=r"result of item 2 .*_io|TextIOWrapper"):
        tuned_map(open, [os.devnull] * 2 + [__file__], backend="process", n_jobs=1)


# -- a cache in trouble ----------------------------------------------------------------------

CALLS = """
import sys, time
from amorsize import tuned_map

def work(number):
    until_s = time.thread_time() + 1e-3
    while time.thread_time() < until_s:
        pass
    return number

def other(number):
    return work(number)

if __name__ == "__main__":
    for func in (work, other):
        assert tuned_map(func, range(200)) == list(range(200))
"""


def unwritable(home):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where a folder should be")


def damaged(home):
    home.mkdir(mode=0o700)
    (home / "cache.db").write_bytes(b"SQLite format 3\0" + os.urandom(4000))


def of_another(home):
    home.mkdir(mode=0o777)
    home.chmod(0o777)


@pytest.mark.parametrize("trouble", [unwritable, damaged, of_another])
def test_a_cache_in_trouble_costs_one_warning(trouble, run_script, home):
    """Unwritable, damaged, open to others: the calls work, and it is said once."""
    trouble(home)

    done = run_script(CALLS)

    assert done.stderr.count("AmorsizeWarning") == 1
    assert "cache" in done.stderr


def test_a_cache_that_others_hold_locked_costs_no_results(run_script, home):
    """A lock that never goes away is waited for in bounded time only."""
    run_script(CALLS)
    assert cache.compact()
    cache.close()
    database = next(home.glob("*.db"))
    with sqlite3.connect(database, isolation_level=None) as holder:
        holder.execute("begin exclusive")
        done = run_script(CALLS, timeout_s=20)
    holder.close()

    assert done.stderr.count("AmorsizeWarning") <= 1


# -- items and workers that fail -----------------------------------------------------------------


def test_an_item_that_kills_its_worker_is_tried_again_and_named(tmp_path):
    """The item is tried once more, then named; no other item's result is lost."""
    ledger = Ledger(tmp_path / "ledger")

    def work(index):
        note(ledger.path, index)
        if index == 37:
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    with pytest.raises(WorkerDied, match=r"item 37 .*SIGKILL") as caught:
        tuned_map(work, range(100), backend="process", n_jobs=2)

    assert [entry.index for entry in ledger.entries()].count(37) == 2
    computed = amorsize.partial_results(caught.value)
    assert [computed[index] for index in range(37)] == list(range(37))


def test_a_dead_worker_costs_no_other_result(tmp_path):
    """With `return_exceptions` all other results are there, and each item ran once."""
    ledger = Ledger(tmp_path / "ledger")

    def work(index):
        note(ledger.path, index)
        if index in (5, 61):
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    found = tuned_map(work, range(100), backend="process", n_jobs=2, return_exceptions=True)

    assert [one for one in found if isinstance(one, int)] == [
        index for index in range(100) if index not in (5, 61)
    ]
    assert [type(found[index]) for index in (5, 61)] == [WorkerDied, WorkerDied]
    assert "item 61 " in str(found[61])
    assert set(ledger.indices()) == set(range(100))
    assert last_trace(work).n_repeated == len(ledger.indices()) - 100


def test_an_item_that_dies_once_is_forgiven(tmp_path):
    """A worker killed from outside: its item runs again, and the call succeeds."""
    marker = tmp_path / "died"

    def work(index):
        if index == 20 and not marker.exists():
            marker.touch()
            os._exit(3)
        return index

    tuned = autotune(work, backend="process", n_jobs=2)

    assert tuned(range(60)) == list(range(60))
    assert "ran again" in str(tuned.explain())


def test_no_retry_names_what_was_lost(tmp_path):
    """`retries=0`: nothing runs twice; the item is named with its exit code."""
    ledger = Ledger(tmp_path / "ledger")

    def work(index):
        note(ledger.path, index)
        if index == 11:
            os._exit(7)
        return index

    with pytest.raises(WorkerDied, match=r"item 11 .*exit code 7.*retries=0"):
        tuned_map(work, range(30), backend="process", retries=0)

    assert len(ledger.indices()) == len(set(ledger.indices()))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_item_over_its_time_is_named(n_jobs):
    """`timeout`: its worker is ended, the item named, the others done, all in bounded time."""

    def work(index):
        time.sleep(30 if index == 4 else 1e-3)
        return index

    began_s = time.monotonic()
    found = tuned_map(work, range(20), timeout=0.3, n_jobs=n_jobs, return_exceptions=True)

    assert time.monotonic() - began_s < 10
    assert isinstance(found[4], ItemTimeout)
    assert "item 4 " in str(found[4])
    assert [one for one in found if isinstance(one, int)] == [i for i in range(20) if i != 4]


def test_an_item_over_its_time_ends_the_call():
    """Without `return_exceptions` it is raised, as soon as it is over its time."""

    def work(index):
        time.sleep(30 if index == 0 else 1e-3)

    began_s = time.monotonic()
    with pytest.raises(ItemTimeout, match="item 0 "):
        tuned_map(work, range(20), timeout=0.3)
    assert time.monotonic() - began_s < 10


def test_a_thread_over_its_time_is_given_up():
    """A thread cannot be ended: it is left alone, said so, and the call ends all the same."""
    import threading

    release = threading.Event()

    def work(index):
        if index == 3:
            release.wait(20)
        return index

    try:
        began_s = time.monotonic()
        with (
            pytest.warns(amorsize.AmorsizeWarning, match="inside an item"),
            pytest.raises(ItemTimeout, match="item 3 "),
        ):
            tuned_map(work, range(20), timeout=0.3, backend="thread", thread_safe=True)
        assert time.monotonic() - began_s < 10
    finally:
        release.set()
        for thread in threading.enumerate():
            if thread.name.startswith("amorsize"):
                thread.join(5)


def test_a_failing_setup_is_the_calls_error():
    """What `setup` raises reaches the caller, whatever the backend."""

    def setup():
        raise ConnectionRefusedError("no model here")

    for backend in ("auto", "serial", "thread", "process"):
        with pytest.raises(ConnectionRefusedError, match="no model here"):
            tuned_map(abs, range(10), backend=backend, setup=setup)


@pytest.mark.parametrize("backend", ["serial", "thread", "process"])
def test_setup_and_teardown_run_once_per_worker(backend, tmp_path):
    """Wherever items run, `setup` ran before and `teardown` after, as often."""
    before, after = Ledger(tmp_path / "before"), Ledger(tmp_path / "after")
    items = Ledger(tmp_path / "items")

    tuned_map(
        lambda index: note(items.path, index),
        range(50),
        backend=backend,
        n_jobs=2,
        setup=lambda: note(before.path, 0),
        teardown=lambda: note(after.path, 0),
    )

    def places(ledger):
        return sorted((entry.pid, entry.thread) for entry in ledger.entries())

    assert places(before) == places(after)
    assert len(places(before)) == len(set(places(before)))
    assert set(places(items)) <= set(places(before))


INTERRUPTED = """
import os, sys, time
from amorsize import tuned_map

def work(index):
    print("started", flush=True)
    for _ in range(400):  # a signal that comes just before one long sleep would be heard after it
        time.sleep(0.05)

if __name__ == "__main__":
    try:
        tuned_map(work, range(8), **eval(sys.argv[1]))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("options", ["{}", "{'backend': 'process'}", "{'backend': 'thread'}"])
def test_ctrl_c_ends_a_call_at_once(options, tmp_path):
    """SIGINT to the whole group, as a terminal sends it: KeyboardInterrupt, nobody left."""
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    environ = {**os.environ, "PYTHONPATH": str(Path(amorsize.__file__).parent.parent)}
    process = subprocess.Popen(
        [sys.executable, str(script), options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        text=True,
        start_new_session=True,
    )
    try:
        assert "started" in process.stdout.readline()
        sent_s = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        for line in process.stdout:
            if "interrupted" in line:
                break
        else:
            pytest.fail(f"not interrupted: {process.stderr.read()}")
        # a thread inside an item is waited for by GRACE_S, 1 s: it cannot be ended
        assert time.monotonic() - sent_s < (2.5 if "thread" in options else 1.0)
        assert process.wait(timeout=5) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        process.kill()
        process.communicate()


# -- what items say -------------------------------------------------------------------------------


def talk(index):
    print(f"item {index} speaks")
    print(f"item {index} complains", file=sys.stderr)
    logging.getLogger("talkative").warning("item %d logs", index)
    return index


@pytest.mark.parametrize("backend", ["auto", "serial", "thread", "process"])
def test_what_items_print_and_log_reaches_the_caller(backend, capsys, caplog):
    """Each line once, on the caller's stdout, stderr and log handlers."""
    tuned_map(talk, range(40), backend=backend)

    said = capsys.readouterr()
    assert sorted(said.out.splitlines()) == sorted(f"item {i} speaks" for i in range(40))
    assert sorted(said.err.splitlines()) == sorted(f"item {i} complains" for i in range(40))
    assert sorted(caplog.messages) == sorted(f"item {i} logs" for i in range(40))


def test_nobody_is_left_after_all_this():
    """No call above left a process (told again at the end of each test)."""
    assert not children()

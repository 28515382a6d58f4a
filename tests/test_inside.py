"""The functions that an item calls are seen, in libraries too, and where they are undone again."""

import contextlib
import functools
import io
import os
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import warnings
from collections import namedtuple
from unittest import mock

import pytest

from amorsize._function.library.effects import effect_of as effect_in_table
from amorsize._watching import Inside, known_calls
from amorsize._watching.known_calls import MAX_EVENTS

Effect = namedtuple("Effect", "what why source name")
KNOWN = {
    "os.chdir": ("process", os.chdir),
    "os.umask": ("process", os.umask),
    "signal.signal": ("process", signal.signal),
    "redirect_stdout": ("process", contextlib.redirect_stdout),
    "catch_warnings": ("process", warnings.catch_warnings),
    "random.seed": ("process", random.seed),
    "random.random": ("draws", random.random),
    "random.shuffle": ("draws", random.shuffle),
    "sqlite3.connect": ("thread", sqlite3.connect),
    "gettempdir": ("safe", tempfile.gettempdir),
    "monotonic": ("safe", time.monotonic),
    "mock.patch": ("process", mock._patch),
}


def effect_of(function):
    """A table as small as these tests; objects are known by which they are."""
    for name, (what, known) in KNOWN.items():
        if function is known or function == known:
            return Effect(what, "is known for it", "this test", name)
    return None


def seen(item, *arguments):
    """What is found inside one run of a function, by name; all of it was seen."""
    inside = Inside(effect_of)
    inside.run(item, *arguments)
    assert inside.unseen == ()
    assert_nothing_watches()
    return {finding.what: finding.where for finding in inside.findings}


def assert_nothing_watches():
    assert sys.getprofile() is None
    if hasattr(sys, "monitoring"):
        assert {sys.monitoring.get_tool(tool) for tool in (3, 4)} == {None}


def change_folder_and_back():
    with contextlib.chdir("/"):
        pass


def with_warnings_caught():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")


def with_text_captured():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        print("captured")
    return out.getvalue()


def guarded_by_an_alarm():
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.signal(signal.SIGALRM, before)


def patched():
    with mock.patch("os.getpid", return_value=1):
        return os.getpid()


def in_a_helper_of_a_helper():
    class Step:
        def run(self):
            return [change_folder_and_back() for _ in range(2)]

    return Step().run()


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (change_folder_and_back, {"os.chdir": "process"}),
        (with_warnings_caught, {"catch_warnings": "process"}),
        (with_text_captured, {"redirect_stdout": "process"}),
        (guarded_by_an_alarm, {"signal.signal": "process"}),
        (patched, {"mock.patch": "process"}),
        (in_a_helper_of_a_helper, {"os.chdir": "process"}),
        (lambda: random.seed(1), {"random.seed": "process"}),
        (random.random, {"random.random": "generator"}),
        (lambda: random.shuffle([1, 2]), {"random.shuffle": "generator"}),
        (lambda: sqlite3.connect(":memory:").close(), {"sqlite3.connect": "thread"}),
        (lambda: (tempfile.gettempdir(), time.monotonic()), {}),
        (lambda: None, {}),
    ],
)
def test_what_an_item_calls_is_seen(item, expected):
    """Functions in C and in Python, classes, methods of hidden objects; also undone again."""
    item()  # loads what it needs: that takes many calls
    found = seen(lambda: item())

    assert {name: found.get(name) for name in expected} == expected
    assert bool(found) == bool(expected)


def test_a_generator_of_its_own_is_not_the_programs():
    """The same methods, of another object: seeding its own generator harms nobody."""

    def own_first():
        own = random.Random(1)
        own.seed(2)
        own.shuffle([1, 2])
        return own.random()

    def own_then_global():
        own_first()
        random.seed(1)

    assert seen(own_first) == {}
    assert seen(own_then_global) == {"random.seed": "process"}


def test_the_finding_says_what_the_effect_says():
    """Its words are for explain()."""
    inside = Inside(effect_of)
    inside.run(lambda: os.umask(os.umask(0o22)))
    (finding,) = inside.findings

    assert finding.why == "an item calls os.umask, which is known for it"


def test_functions_in_c_that_nobody_knows_are_named():
    """They count as neither safe nor not: whoever decides may ask."""

    def item():
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("select 1")
        "abc".upper()
        len([1])

    inside = Inside(effect_of)
    inside.run(item)

    assert any("execute" in name for name in inside.unknown)
    assert not any("upper" in name or "len" in name for name in inside.unknown)


def test_what_c_calls_from_c_is_not_seen():
    """A limit that is told in its docs: for this there is what stays changed, around."""
    before = os.getcwd()
    inside = Inside(effect_of)
    inside.run(lambda: list(map(os.chdir, ["/"])))
    os.chdir(before)

    assert inside.findings == ()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_it_ends_however_the_item_ends(error):
    """What was seen until then is told."""

    def failing():
        os.chdir(os.getcwd())
        raise error

    inside = Inside(effect_of)
    with pytest.raises(error):
        inside.run(failing)

    assert_nothing_watches()
    assert [finding.what for finding in inside.findings] == ["os.chdir"]


INTERRUPTED = """
import os, signal, sys, time
from amorsize._function.library.effects import effect_of
from amorsize._watching import Inside
from amorsize._watching import known_calls

def is_watching():
    tools = getattr(sys, "monitoring", None)
    return sys.getprofile() is not None or any(
        tools.get_tool(tool) for tool in (3, 4) if tools is not None
    )

signal.signal(signal.SIGALRM, signal.default_int_handler)
n_interrupted = n_watching = 0
for turn in range(200):
    inside = Inside(effect_of)  # with all that is loaded once: it is to be hit while it watches
    try:
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]) + turn * 2e-7 + 1e-6)
        inside.run(lambda: [os.getcwd() for _ in range(5)])
        for _ in range(100):  # one that came in a callback of C may be lost there
            time.sleep(0.01)
    except KeyboardInterrupt:
        n_interrupted += 1
    n_watching += is_watching()
print(n_interrupted > 190, n_watching)
"""


@pytest.mark.parametrize("after_s", [0.0, 1e-6, 1e-5, 1e-4, 1e-3])
def test_an_interrupt_at_any_time_leaves_nothing_switched_on(after_s, run_script):
    """Signals come in the midst of switching on, of an item and of switching off."""
    assert run_script(INTERRUPTED, str(after_s)).stdout == "True 0\n"


def test_recursion_ends_as_it_would_unwatched():
    """An item that recurses too deeply gets its error, and may catch it."""

    def deeper(n):
        return deeper(n + 1)

    def item():
        try:
            deeper(0)
        except RecursionError:
            return "caught"

    inside = Inside(effect_of)

    assert inside.run(item) == "caught"
    assert_nothing_watches()


def test_generators_and_recursion_are_followed():
    """A generator's body runs when it is asked, in whatever frame."""

    def folders():
        yield os.getcwd()
        os.chdir(os.getcwd())
        yield os.getcwd()

    def walk(depth):
        return walk(depth - 1) if depth else list(folders())

    assert seen(walk, 20) == {"os.chdir": "process"}


def test_an_item_with_many_calls_is_cut_off():
    """And says so: what came later was not seen."""
    n_calls = 0

    def item():
        nonlocal n_calls
        for _ in range(10 * MAX_EVENTS):
            n_calls += abs(-1)
        assert_nothing_runs_on()
        change_folder_and_back()

    inside = Inside(effect_of)
    inside.run(item)

    assert n_calls == 10 * MAX_EVENTS
    assert "cut off" in inside.unseen[0]
    assert inside.findings == ()
    assert_nothing_watches()


def assert_nothing_runs_on():
    """Cut off, it costs the rest of the item nothing."""
    assert sys.getprofile() is None
    if hasattr(sys, "monitoring"):
        assert {sys.monitoring.get_events(t) for t in (3, 4) if sys.monitoring.get_tool(t)} <= {0}


def test_judging_that_takes_long_is_cut_off():
    """The table may have to look things up: that, too, is bounded."""

    def slow(_):
        until_s = time.thread_time() + 0.003
        while time.thread_time() < until_s:
            pass

    inside = Inside(slow)
    inside.run(change_folder_and_back)

    assert "cut off" in inside.unseen[0]


def test_a_table_that_fails_does_not_fail_the_item():
    """An item must not feel that it is watched."""

    def failing(function):
        if function is os.chdir:
            raise LookupError("the table")

    inside = Inside(failing)
    inside.run(change_folder_and_back)

    assert inside.unseen == ("LookupError: the table",)


def test_beside_another_profiler_nothing_is_watched():
    """It goes on undisturbed, and the result says that nothing was seen."""
    events = []

    def other(_frame, event, _arg):
        events.append(event)

    sys.setprofile(other)
    try:
        inside = Inside(effect_of)
        inside.run(lambda: os.chdir(os.getcwd()))
        assert sys.getprofile() is other
    finally:
        sys.setprofile(None)

    assert inside.findings == ()
    assert inside.unseen == ("another tool profiles this thread",)
    assert "c_call" in events


def test_an_item_that_profiles_itself_is_left_alone():
    """Its profiler stays, and what was not seen beside it is told."""

    def other(*_):
        return None

    inside = Inside(effect_of)
    inside.run(sys.setprofile, other)
    still = sys.getprofile()
    sys.setprofile(None)

    assert still is other
    if not hasattr(sys, "monitoring"):
        assert inside.unseen == ("the item set a profiler of its own",)
    assert_nothing_watches()


def test_other_threads_are_not_watched():
    """What another thread calls meanwhile is no doing of the item's."""
    over, turns = threading.Event(), []

    def other():
        while not over.is_set():
            os.chdir(os.getcwd())
            turns.append(1)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        while not turns:
            time.sleep(0.001)

        def item():
            n_turns = len(turns)
            while len(turns) < n_turns + 20:
                time.sleep(0.001)

        inside = Inside(effect_of)
        inside.run(item)
    finally:
        over.set()
        thread.join(10)

    assert inside.findings == ()


def test_a_wrapped_function_is_known_by_what_is_published():
    """A decorator of a library stands where its users find it."""

    @functools.wraps(change_folder_and_back)
    def wrapped():
        return change_folder_and_back()

    assert seen(wrapped) == {"os.chdir": "process"}


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="from Python 3.12 on")
def test_another_tool_of_sys_monitoring_keeps_its_number():
    """A free number is taken; where none is, the thread's profiler serves."""
    for tool in (4, 3):
        sys.monitoring.use_tool_id(tool, "somebody's")
    try:
        inside = Inside(effect_of)
        inside.run(lambda: os.chdir(os.getcwd()))
        assert {sys.monitoring.get_tool(tool) for tool in (3, 4)} == {"somebody's"}
    finally:
        for tool in (4, 3):
            sys.monitoring.free_tool_id(tool)

    assert [finding.what for finding in inside.findings] == ["os.chdir"]


def with_an_option_of_pandas():
    import pandas

    with pandas.option_context("display.max_rows", 5):
        pass


@pytest.mark.parametrize(
    ("item", "place"),
    [
        (change_folder_and_back, "process"),
        (with_warnings_caught, "process"),
        (with_text_captured, "process"),
        (guarded_by_an_alarm, "thread"),
        (patched, "process"),
        (with_an_option_of_pandas, "process"),
        (lambda: random.seed(1), "process"),
        (random.random, "generator"),
        (lambda: random.sample(range(9), 3), "generator"),
        (lambda: random.Random(1).random(), None),
        (lambda: sorted({"b": 1, "a": 2}), None),
        (lambda: "ab".upper().partition("B"), None),
        (lambda: time.sleep(0), None),
    ],
)
def test_the_table_of_effects_is_asked(item, place, monkeypatch):
    """With the table as it is: what is known of library functions, whoever calls them."""
    monkeypatch.setattr(known_calls, "MAX_OVERHEAD_S", 1.0)  # 2 ms may be too little on a busy host
    item()
    inside = Inside(effect_in_table)
    inside.run(lambda: item())

    assert {finding.where for finding in inside.findings} == ({place} if place else set())
    assert inside.unseen == ()

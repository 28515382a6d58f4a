"""A test that stops the clock, or a clock with large steps, leaves calls as they are."""

import time

import pytest

from amorsize._host import unpatched
from amorsize.policy.events import Inlined, Report, Started
from amorsize.policy.evidence.item_costs import ItemCosts
from amorsize.policy.tuner import Tuner

STOPPED = """
import sys, time
from unittest import mock
{early}
{threads}

def wait(x):
    time.sleep(2e-3)
    return 2 * x

class Stopped:
    \"\"\"Replaces the clocks where they are found, as freezegun does.\"\"\"

    def __enter__(self):
        self.places = []
        clocks = {{id(getattr(time, name)): 1e6 for name in ("perf_counter", "monotonic", "time")}}
        for module in list(sys.modules.values()):
            for name, value in list(vars(module).items()):
                if id(value) in clocks:
                    self.places.append((module, name, value))
                    setattr(module, name, lambda: 1e6)

    def __exit__(self, *_):
        for module, name, value in self.places:
            setattr(module, name, value)

with Stopped():
    from amorsize import autotune
    tuned = autotune(wait)
    expected = [2 * x for x in range(40)]
    assert time.perf_counter() == time.perf_counter()
    assert tuned(range(40)) == expected
    assert tuned(range(40)) == expected
    assert list(tuned.stream(range(40))) == expected
    for options in (dict(backend="process"), dict(backend="thread"), dict(timeout=20)):
        assert autotune(wait, n_jobs=2, **options)(range(40)) == expected
    try:
        autotune(lambda x: time.sleep(1000), backend="process", timeout=0.3)(range(3))
    except TimeoutError:
        print("a limit holds")
assert tuned(range(60)) == [2 * x for x in range(60)]
assert tuned(iter(range(40))) == expected
print("done")
"""


@pytest.mark.parametrize("early", ["", "import amorsize; amorsize.autotune(abs)(range(3))"])
@pytest.mark.parametrize(
    "threads",
    ["", "import threading; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"],
    ids=["alone", "beside a thread"],
)
def test_calls_while_the_clock_is_stopped(early, threads, run_script):
    """Results come, limits hold, and later calls know better than that items cost nothing."""
    done = run_script(STOPPED.format(early=early, threads=threads))

    assert done.stdout.split("\n")[:2] == ["a limit holds", "done"]


def test_with_freezegun(run_script):
    """The package that does so."""
    pytest.importorskip("freezegun")
    done = run_script(
        """
import time
from freezegun import freeze_time
from amorsize import autotune

def wait(x):
    time.sleep(2e-3)
    return x

tuned = autotune(wait)
with freeze_time("2024-01-01"):
    for _ in range(2):
        assert tuned(range(20)) == list(range(20))
    assert list(tuned.stream(range(20))) == list(range(20))
    assert autotune(wait, backend="process", n_jobs=2, timeout=5)(range(20)) == list(range(20))
assert tuned(range(60)) == list(range(60))
print("done")
"""
    )

    assert done.stdout == "done\n"


@pytest.mark.parametrize("name", ["perf_counter", "monotonic"])
def test_a_clock_that_is_stopped_when_it_is_first_asked_for(name):
    """Whoever imports the package while time is frozen has a clock that goes on all the same."""
    clock = unpatched._unstoppable(lambda: 7.0)
    usual = getattr(unpatched, name)

    before = usual()
    assert abs(clock() - before) < 60
    assert clock() != 7.0


def inlined(n_items, wall_s):
    """Items the caller ran, by a clock that may not have moved."""
    return Inlined(
        n_items=n_items, wall_s=wall_s, cpu_s=0.0, process_cpu_s=0.0, now_s=0.0, n_pauses=0
    )


class TestLargeSteps:
    """Of an item shorter than a step of the clock, the time is 0."""

    def test_no_item_takes_no_time(self):
        """Whatever divides by it has something to divide by."""
        costs = ItemCosts()

        for n_items in (1, 1, 8, 500):
            costs.inlined(inlined(n_items, 0.0), alone=True)

        assert costs.item_s > 0
        assert costs.latest_s > 0
        assert costs.mean_s > 0

    def test_what_is_remembered_takes_some_time(self, sixteen_cores):
        """The next call starts from a cost, too."""
        tuner = Tuner(*sixteen_cores)
        tuner.tell(inlined(100, 0.0))

        assert tuner.learned().traits.item_s > 0

    def test_reports_without_any_time(self, sixteen_cores):
        """A worker's clock is no better."""
        tuner = Tuner(*sixteen_cores)
        tuner.tell(inlined(1, 0.0))
        tuner.tell(Started(worker=0, backend="process", start_s=0.0, now_s=0.0))
        tuner.tell(
            Report(worker=0, n_items=50, n_sent=50, wall_s=0.0, cpu_s=0.0, pickle_s=0.0, now_s=0.0)
        )

        assert tuner.costs.item_s > 0


@pytest.fixture
def sixteen_cores():
    """A host, and a call of unknown items on it."""
    from amorsize.policy.request import Request
    from amorsize.policy.worker_costs import Host

    host = Host(
        n_cores=16,
        fork_reason=None,
        process_start_s=1e-3,
        process_ready_s=1e-3,
        thread_start_s=1e-4,
        dispatch_s=1e-4,
        thread_dispatch_s=1e-5,
        latency_s=1e-4,
        load_s=0.0,
        has_gil=True,
    )
    return host, Request(n_items=1000, backend="auto")


def test_time_goes_on():
    """They are clocks."""
    before = unpatched.perf_counter(), unpatched.monotonic()
    time.sleep(1e-3)

    assert unpatched.perf_counter() > before[0]
    assert unpatched.monotonic() > before[1]


def test_a_call_does_not_look_at_the_clock_of_the_program(run_script):
    """Frozen time may go on with each look (`auto_tick_seconds`)."""
    done = run_script(
        """
import sys, time
from amorsize import autotune

def ask(x):
    sum(range(200_000))
    return time.time()

looks, real = [], time.time

def look():
    looks.append(1)
    return 1e9

for module in list(sys.modules.values()):
    for name, value in list(vars(module).items()):
        if value is real:
            setattr(module, name, look)
tuned = autotune(ask)
tuned(range(20))
tuned(range(20))
print(len(looks))
"""
    )
    assert done.stdout == "40\n"


@pytest.mark.parametrize("early", ["", "amorsize.autotune(abs)(range(3))"])
def test_a_call_does_not_sleep_as_the_program_does(early, run_script):
    """A test may count how often its code sleeps; beside a thread, a call waits for a moment."""
    done = run_script(
        f"""
import threading, time
import amorsize
{early}
threading.Thread(target=threading.Event().wait, daemon=True).start()
slept, real = [], time.sleep

def sleep(seconds):
    slept.append(seconds)
    real(seconds / 10)

def wait(x):
    time.sleep(0.02)
    return x

time.sleep = sleep
assert amorsize.tuned_map(wait, range(40)) == list(range(40))
print(len(slept))
"""
    )
    assert done.stdout == "40\n"

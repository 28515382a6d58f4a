"""State that changes between two calls is seen by the second, as by a loop."""

import importlib
import os
import subprocess
import sys
import time

import pytest
from witness import CALLER, MANY_CORES, Ledger, compute, note

import amorsize
from amorsize import autotune, tuned_map

BACKENDS = ("auto", "serial", "thread", "process")
LIMIT = 1
TABLE = {"factor": 2}
this_module = sys.modules[__name__]


def with_constant(item):
    compute(0.5e-3)
    return item + LIMIT


def with_dict(item):
    compute(0.5e-3)
    return item * TABLE["factor"]


def in_folder(item):
    compute(0.5e-3)
    return os.getcwd(), os.path.exists("marker"), item


class Scaler:
    """Has a number that its method reads."""

    def __init__(self):
        self.factor = 1

    @autotune
    def scale(self, item):
        compute(0.5e-3)
        return item * self.factor

    def plain(self, item):
        compute(0.5e-3)
        return item * self.factor


def change_constant(monkeypatch, tmp_path):
    monkeypatch.setattr(this_module, "LIMIT", 100)


def change_dict(monkeypatch, tmp_path):
    monkeypatch.setitem(TABLE, "factor", 7)


def change_folder(monkeypatch, tmp_path):
    (tmp_path / "marker").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("func", "change"),
    [(with_constant, change_constant), (with_dict, change_dict), (in_folder, change_folder)],
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_changed_between_two_calls_is_seen(backend, func, change, monkeypatch, tmp_path):
    """A module's constant, a dict changed in place, the current folder: the loop's results."""
    data = list(range(100))
    for _ in range(2):
        assert tuned_map(func, data, backend=backend) == [func(item) for item in data]

    change(monkeypatch, tmp_path)

    assert tuned_map(func, data, backend=backend) == [func(item) for item in data]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_changed_instance_is_seen(backend):
    """`self.x = ...` between two calls of a method."""
    scaler, data = Scaler(), list(range(100))
    scale = Scaler.scale.using(backend=backend)
    for factor in (1, 3, 5):
        scaler.factor = factor
        assert tuned_map(scaler.plain, data, backend=backend) == [factor * item for item in data]
        assert scale(scaler, data) == [factor * item for item in data]


def test_a_changed_instance_is_seen_by_its_decorated_method():
    """The decorated method, bound to its instance."""
    scaler = Scaler()
    for factor in (1, 3, 5):
        scaler.factor = factor
        assert scaler.scale(range(100)) == [factor * item for item in range(100)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_changed_item_is_seen(backend):
    """Items of a list that are changed in place between two calls."""
    data = [[number] for number in range(60)]
    assert tuned_map(sum, data, backend=backend) == list(range(60))

    for item in data:
        item.append(1000)

    assert tuned_map(sum, data, backend=backend) == list(range(1000, 1060))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_reloaded_module_is_seen(backend, tmp_path, monkeypatch):
    """After `importlib.reload` its new code runs, under the same name and in its callers."""
    source = tmp_path / "edited_module.py"
    source.write_text("def step(item):\n    return item + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.import_module("edited_module")

    def through(item):
        return module.step(item)

    try:
        assert tuned_map(module.step, range(50), backend=backend) == list(range(1, 51))
        assert tuned_map(through, range(50), backend=backend) == list(range(1, 51))

        source.write_text("def step(item):\n    return item + 1000\n")
        importlib.invalidate_caches()
        importlib.reload(module)

        assert tuned_map(module.step, range(50), backend=backend) == list(range(1000, 1050))
        assert tuned_map(through, range(50), backend=backend) == list(range(1000, 1050))
    finally:
        del sys.modules["edited_module"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_changed_environment_is_seen(backend, monkeypatch):
    """`os.environ` at the time of the call, not of an earlier one."""
    for value in ("one", "two"):
        monkeypatch.setenv("AMORSIZE_TEST_VALUE", value)
        found = tuned_map(os.environ.get, ["AMORSIZE_TEST_VALUE"] * 30, backend=backend)
        assert found == [value] * 30


@pytest.mark.parametrize("backend", ["auto", "process"])
def test_a_pipe_of_the_callers_own_ends_when_it_is_closed(backend):
    """After a call no worker keeps a descriptor: a child that reads to the end comes to it."""
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        found = tuned_map(with_constant, range(200), backend=backend)
        assert found == [item + LIMIT for item in range(200)]
        child.stdin.close()
        assert child.wait(timeout=5) == 0
    finally:
        child.kill()
        child.wait()


def open_descriptors():
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
@pytest.mark.parametrize(
    "backend",
    [
        *("serial", "thread"),
        # Workers of a clean start leave the pipe that tells them of the end of their caller.
        *(pytest.param(backend, marks=pytest.mark.forks) for backend in ("auto", "process")),
    ],
)
def test_a_call_leaves_nothing_open(backend):
    """No descriptor, thread or process but those of workers that wait, also when it fails."""
    tuned_map(with_constant, range(100), backend=backend)  # what is opened once in a process
    amorsize.shutdown()
    before = open_descriptors()

    tuned_map(with_constant, range(200), backend=backend)
    with pytest.raises(TypeError):
        tuned_map(with_constant, [*range(100), None, *range(100)], backend=backend)
    assert open_descriptors() == before, "after an error nobody waits"

    tuned_map(with_constant, range(200), backend=backend)
    amorsize.shutdown()
    assert open_descriptors() == before


def begun_by_others(ledger, index):
    """How many items have begun, since the one of that number did, in other processes."""
    entries = ledger.entries()
    long = next(entry for entry in entries if entry.index == index)
    return sum(entry.pid != long.pid and entry.at_s >= long.at_s for entry in entries)


def until_fed(ledger, index, n_others, wait):
    """Stay in this item until so many others have begun elsewhere: who is not fed begins none."""
    until_s = time.monotonic() + 20.0
    while begun_by_others(ledger, index) < n_others and time.monotonic() < until_s:
        wait(5e-3)


@pytest.mark.skipif(not MANY_CORES, reason="one usable core: nobody to be fed")
@pytest.mark.parametrize("wait", [compute, time.sleep], ids=["computes", "waits"])
@pytest.mark.parametrize("at", [50, 300])
@pytest.mark.forks
def test_workers_are_fed_while_one_item_takes_long(wait, at, tmp_path):
    """Short items, a long one, short ones: wherever the long one runs, the others go on.

    The ledger is read by another name: items that read what others add would run one by one.
    """
    ledger = Ledger(tmp_path / "ledger")
    os.link(ledger.path, tmp_path / "same")
    same = Ledger.of(tmp_path / "same")

    def work(index):
        note(ledger.path, index)
        if index == at:
            until_fed(same, at, 100, wait)
        else:
            compute(1e-3)
        return index

    assert tuned_map(work, range(600)) == list(range(600))

    assert ledger.indices() == list(range(600))
    assert begun_by_others(ledger, at) >= 100


@pytest.mark.parametrize("slow_first", [0, 3])
@pytest.mark.forks
def test_two_workers_asked_for_are_fed_while_one_item_takes_long(slow_first, tmp_path):
    """With workers only, one that is in a long item does not keep the other from its chunks."""
    ledger = Ledger(tmp_path / "ledger")

    def work(index):
        note(ledger.path, index)
        if index == slow_first:
            until_fed(ledger, index, 150, time.sleep)
        else:
            time.sleep(2e-3)

    tuned_map(work, range(200), backend="process", n_jobs=2)

    assert CALLER not in ledger.pids()
    assert begun_by_others(ledger, slow_first) >= 150

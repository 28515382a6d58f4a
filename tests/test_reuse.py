"""What one process learned the next one starts from: read off the trace, never off a clock."""

import json
import shutil
import sys

import pytest
from conftest import run_command
from witness import MANY_CORES

from amorsize import autotune, tuned_map
from amorsize._profiles import disk_store, memory_store
from amorsize._profiles.memory_store import last_trace

LEARNS = """
import json, sys, time
from amorsize import tuned_map
from amorsize._profiles.memory_store import last_trace

def work(number):
    until_s = time.thread_time() + 1.5e-3
    while time.thread_time() < until_s:
        pass
    return number

def wait(number):
    time.sleep(5e-3)
    return number

def told(func, n_items, **options):
    assert tuned_map(func, range(n_items), **options) == list(range(n_items))
    trace = last_trace(func)
    return {
        "known_from": trace.known_from,
        "known": trace.known is not None,
        "n_calls": trace.known and trace.known.n_calls,
        "fits": trace.known_fits,
        "holds_gil": trace.known and trace.known.traits.holds_gil,
        "waits": trace.known and trace.known.traits.waits,
        "notes": [note.what for note in trace.notes],
        "started": trace.n_started,
        "backend": trace.plan.backend,
        "explained": str(__import__("amorsize._api.map")._api.map.explain(func)),
    }

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    named = {"work": (work, 500), "short work": (work, 160), "wait": (wait, 2000)}
    func, n_items = named[options.pop("which")]
    print(json.dumps(told(func, n_items, n_jobs=16, **options)))
"""


@pytest.fixture
def learn(run_script):
    """Call one of the two functions in a process of its own; what the call says of itself."""

    def run(which="work", environ=None, **options):
        done = run_script(LEARNS, json.dumps({"which": which, **options}), environ=environ)
        assert done.stderr == ""
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module", params=["work", "wait"])
def which(request):
    """One of the two functions."""
    return request.param


@pytest.fixture(scope="module")
def learned(which, tmp_path_factory):
    """A home in which a call has left what it learned, and what the call said of itself."""
    folder = tmp_path_factory.mktemp("learned")
    (folder / "script.py").write_text(LEARNS)
    command = [sys.executable, "script.py", json.dumps({"which": which})]
    environ = {"AMORSIZE_HOME": str(folder / "amorsize")}
    done = run_command(command, cwd=folder, timeout_s=30, environ=environ)
    return folder / "amorsize", json.loads(done.stdout)


def is_reused(told):
    """The call started from what an earlier process had learned, and found it to fit."""
    return told["known"] and told["known_from"] == "disk" and told["fits"] is True


def test_a_second_process_starts_from_what_the_first_learned(which, learned, learn, home):
    """Found on disk, checked on this call's items, and adopted: measured once, not twice."""
    folder, first = learned
    shutil.copytree(folder, home)

    second = learn(which)

    assert not first["known"]
    assert is_reused(second)
    assert second["n_calls"] == 1
    assert second["waits"] is (which == "wait")
    assert "an earlier process" in second["explained"]
    assert second["backend"] == first["backend"]
    if which == "wait":
        assert second["backend"] == "thread"
    elif MANY_CORES:
        assert second["backend"] == "process"
        assert second["holds_gil"] is True  # known: nothing was watched for it


@pytest.mark.parametrize("which", ["work"], indirect=True)
@pytest.mark.parametrize("miss", [None, "off", "another home", "retune"])
def test_without_the_cache_nothing_is_reused(miss, which, learn, learned, home, tmp_path):
    """The test above fails with a cache that always misses: here it does, three ways of four."""
    environ = {"off": {"AMORSIZE_CACHE": "off"}, "another home": {"AMORSIZE_HOME": str(tmp_path)}}
    options = {"retune": True} if miss == "retune" else {}
    shutil.copytree(learned[0], home)

    second = learn("short work", environ=environ.get(miss), **options)

    assert second["known"] is (miss is None)


def test_memory_only_leaves_nothing_on_disk(learn, home):
    """`cache=False` remembers in this process and nowhere else."""
    learn("short work", cache=False)

    assert not home.exists()
    assert not is_reused(learn("short work"))


def test_what_the_caller_switched_off_is_not_written(learn, home):
    """`AMORSIZE_CACHE=off`: no folder appears."""
    learn("short work", environ={"AMORSIZE_CACHE": "off"})

    assert not home.exists()


def test_a_second_call_in_a_process_starts_from_memory():
    """The first call's measurements are the second one's start; it counts the calls."""
    tuned = autotune(spin)
    for _ in range(5):  # what was measured beside other programs may not fit without them
        tuned.forget()
        misfits = 0
        for n_calls in range(3):
            tuned(range(100))
            trace = last_trace(spin)
            if n_calls:
                assert (trace.known_from, trace.known.n_calls) == ("memory", n_calls)
                misfits += trace.known_fits is False
        assert tuned.plan is not None
        if not misfits:
            return
    pytest.fail(str(tuned.explain()))


def spin(number):
    import time

    until_s = time.thread_time() + 1e-3
    while time.thread_time() < until_s:
        pass
    return number


READS = """
import os, sys, time
opened, home = [], os.environ["AMORSIZE_HOME"]

def heard(event, arguments):
    if event not in ("open", "sqlite3.connect") or not str(arguments[0]).startswith(home):
        return
    is_there = os.path.exists(arguments[0])
    if is_there and (event != "open" or arguments[2] & os.O_ACCMODE == os.O_RDONLY):
        opened.append(arguments[0])

sys.addaudithook(heard)
from amorsize._profiles import memory_store
from amorsize import tuned_map
from amorsize._profiles.memory_store import last_trace

def work(number):
    until_s = time.thread_time() + (1e-3 if number else 0.0)
    while time.thread_time() < until_s:
        pass
    return number

for _ in range(20):
    tuned_map(work, [0] * 8)
print(len(opened))
sources = []
for _ in range(3):
    tuned_map(work, range(1, 161))
    sources.append(last_trace(work).known_from)
print(len(opened), *sources)
memory_store.write()
"""


def test_the_disk_is_read_once_and_not_by_short_calls(run_script):
    """Opened files of the cache are counted: none for short calls, one for several long ones."""
    run_script(READS)

    n_by_short, n_reads, *sources = run_script(READS).stdout.split()

    assert int(n_by_short) == 0
    assert int(n_reads) == 1
    assert sources == ["disk", "memory", "memory"]


def test_the_first_short_call_of_a_process_loads_nothing_to_write(run_script):
    """To load what writes takes 4 ms, too large a share of a job of 60 ms."""
    loaded = run_script(
        """
import sys, time
from amorsize import tuned_map
from amorsize._profiles import memory_store
from amorsize.policy.rules import look_up_profile
memory_store.FIRST_NOW_S = memory_store.WORTH_WRITING_S = 60.0  # busy or not
look_up_profile.WORTH_READING_S = 60.0
tuned_map(lambda n: sum(range(n)), [2_000] * 200)
print("amorsize._profiles.disk_store" in sys.modules)
memory_store.FIRST_NOW_S = 0.0
tuned_map(lambda n: sum(range(n)), [2_000] * 200)
print("amorsize._profiles.disk_store" in sys.modules)
"""
    ).stdout.split()

    assert loaded == ["False", "True"]


def test_forgotten_means_learned_anew():
    """`forget()` drops it in memory; the next call knows nothing."""
    tuned = autotune(spin)
    tuned(range(100))

    assert tuned.forget() >= 1
    assert tuned.plan is None
    tuned(range(100))
    assert last_trace(spin).known is None


def test_kinds_of_items_are_kept_apart():
    """What strings cost says nothing about lists."""

    def measure(item):
        return len(item)

    tuned_map(measure, ["text"] * 2000)
    tuned_map(measure, [[1, 2]] * 2000)

    assert last_trace(measure).known is None


def test_a_profile_that_does_not_fit_is_put_aside():
    """Items that cost a hundred times what was remembered are measured anew."""

    def work(cost_s):
        import time

        until_s = time.thread_time() + cost_s
        while time.thread_time() < until_s:
            pass

    tuned_map(work, [20e-6] * 3000)
    tuned_map(work, [4e-3] * 100)

    trace = last_trace(work)
    assert trace.known is not None
    assert trace.known_fits is False
    assert trace.profile.traits.item_s > 2e-3


def test_writing_takes_a_small_part_of_the_time(monkeypatch):
    """On a host so busy that a write takes a second: what is new waits for a later call."""
    clock, written = [0.0], []

    def write(learned, *, knows_earlier):
        assert not knows_earlier
        clock[0] += 1.0
        written.append(len(learned))

    monkeypatch.setattr(memory_store, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(disk_store, "write", write)
    tuned_map(spin, range(100), cache=False)
    profile = last_trace(spin).profile
    memory = memory_store.Memory()
    for n in range(390):  # of 1 s each, and each time something else
        learned = profile.replace(n_jobs=1 + n % 5)
        memory.keep(("spin", ("int", 6), ()), spin, learned, 1.0, on_disk=True)

    assert written == [1, 1]  # the first at once, the next after 200 s

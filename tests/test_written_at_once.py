"""What a call of 50 ms has learned is on disk when it ends, however its process ends then."""

import pytest

from amorsize import cache
from amorsize._function.item_kind import kind_of
from amorsize._profiles import disk_store, memory_store
from amorsize.policy.profile import Profile

LEARNS = """
import multiprocessing, os, signal, sys, time
from amorsize import autotune

def work(number):
    until_s = time.perf_counter() + 2e-3
    while time.perf_counter() < until_s:
        pass
    return number

class Model:
    def __call__(self, number): return work(number)

def learn(function=work):
    autotune(function, thread_safe=False)(range(80))

if __name__ == "__main__":
    how = sys.argv[1]
    if how == "child":
        child = multiprocessing.get_context("fork").Process(target=learn)
        child.start()
        child.join()
    else:
        learn(*{"object": [Model()], "closure": [lambda n, one=1: work(n * one)]}.get(how, []))
    if how == "SIGTERM":
        os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["_exit", "SIGTERM", "child", "object", "closure"])
def test_what_was_learned_outlives_a_process_that_just_ends(how, run_script):
    """A child of `multiprocessing`, `os._exit` and a killed program come to no exit function."""
    run_script(LEARNS, how, returncode=None)

    (found,) = cache.entries()
    assert found["profile"]["item_s"] > 1e-3


def test_short_runs_make_no_database(run_script):
    """A line each, where it is news: what a database takes to load, they do not pay."""
    for _ in range(2):
        run_script(LEARNS, "_exit")

    assert [path.name for path in cache.home().iterdir()] == ["journal.jsonl"]


def function(number):
    return number


def profile(**changes):
    known = Profile.of(
        backend="process",
        n_jobs=2,
        chunksize=1,
        item_s=0.01,
        item_cpu_s=0.01,
        spread_log=0.1,
        pickle_s=1e-4,
        warmup_s=0.0,
        holds_gil=True,
        waits=False,
        n_items=100,
    )
    return known.replace(**changes)


KEY = memory_store.key_of(function, 1)


def learn(memory, *, makespan_s, pending_wait_check=False, **changes):
    if pending_wait_check:
        memory.ask_disk(KEY, function)
    memory.keep(KEY, function, profile(**changes), makespan_s, on_disk=True)


def test_a_call_that_did_not_ask_what_was_known_overwrites_none_of_it():
    """Fifty calls have taught more than a short one, which counts where there is nothing else."""
    learn(memory_store.Memory(), makespan_s=0.06, n_calls=1, n_jobs=3)
    assert disk_store.read(function, kind_of(1))[0].plan.n_jobs == 3

    learn(memory_store.Memory(), makespan_s=1.0, pending_wait_check=True, n_calls=50)
    learn(memory_store.Memory(), makespan_s=0.06, n_calls=1, n_jobs=3)

    assert disk_store.read(function, kind_of(1))[0].n_calls == 50


def test_calls_of_a_few_milliseconds_leave_the_disk_alone():
    """Until, together, they took long: then a line is little beside them."""
    memory = memory_store.Memory()
    for _ in range(30):
        learn(memory, makespan_s=0.01)
    assert not cache.home().exists()

    for _ in range(11):
        learn(memory, makespan_s=0.01)
    assert cache.home().exists()


def test_what_is_no_news_is_not_written_again():
    """The same once more tells the next process nothing."""
    memory = memory_store.Memory()
    learn(memory, makespan_s=60.0)
    size = (cache.home() / "journal.jsonl").stat().st_size
    for _ in range(5):
        learn(memory, makespan_s=60.0)

    assert (cache.home() / "journal.jsonl").stat().st_size == size


CUT = """
import sys
from amorsize import autotune
from amorsize.cache import journal
from amorsize.cache import home, note, recent

note("profile:a:1", {"n": 1})
assert "json" not in sys.modules
whole = (home() / journal.NAME).read_bytes()
for cut in range(1, len(whole) - 1, 3):
    (home() / journal.NAME).write_bytes(whole[:cut] + whole)
    assert recent("profile:") == {"profile:a:1": {"n": 1}}, cut
note("profile:b:1", {"n": 2})
assert [*recent("profile:")] == ["profile:a:1", "profile:b:1"]
"""


def test_a_line_that_was_cut_short_spoils_itself_alone(run_script):
    """Cut anywhere, in a process that has not loaded `json`; not a word is said."""
    assert run_script(CUT).stderr == ""


def test_a_function_on_its_way_out_is_not_kept_for_the_disk():
    """Nor is it an error that it is gone when what is left is written."""
    memory = memory_store.Memory()

    def gone(number):
        return number

    key = memory_store.key_of(gone, 1)
    memory.keep(key, gone, profile(), 0.001, on_disk=True)
    del gone
    memory.write()

    assert not cache.home().exists()

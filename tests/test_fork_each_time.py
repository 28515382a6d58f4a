"""Whether a fork is safe is asked before each one: threads may have been started since the last."""

import pytest

from amorsize._host import fork_safety

pytestmark = [
    pytest.mark.forks,
    pytest.mark.skipif(fork_safety.start_method(environ={}) != "fork", reason="nothing forks here"),
]

# Each script tells its results, and with how many other threads about it was forked.
SCRIPT = """
import os, threading, time, warnings
from amorsize import autotune

warnings.simplefilter("ignore")
PARENT, beside = os.getpid(), []
os.register_at_fork(before=lambda: beside.append(len(os.listdir("/proc/self/task")) - 1))
LOCK = threading.Lock()

def hold_the_lock():
    while True:
        with LOCK:
            time.sleep(4e-3)
        time.sleep(1e-3)

def start_a_thread():
    if os.getpid() == PARENT and threading.active_count() == 1:
        threading.Thread(target=hold_the_lock, daemon=True).start()

def compute(x):
    until_s = time.perf_counter() + 8e-3
    while time.perf_counter() < until_s:
        pass
    with LOCK:
        return 2 * x

def tell(results):
    print(results == [2 * x for x in range(len(results))], len(results), any(beside))
"""

BY_AN_ITEM = """
def item(x):
    if x >= {at}:
        start_a_thread()
    return compute(x)

tell(autotune(item, cache=False)(range(60)))
"""
BY_THE_CONSUMER = """
taken = []
for result in autotune(compute, cache=False).stream(range(100), buffer=8):
    taken.append(result)
    if len(taken) == {at}:
        start_a_thread()
tell(taken)
"""
BY_THE_DATA = """
def data():
    for x in range(60):
        if x == {at}:
            start_a_thread()
        yield x

tell(autotune(compute, cache=False)(data()))
"""
BY_A_POOL = """
from concurrent.futures import ThreadPoolExecutor

uploads, taken, sent = ThreadPoolExecutor(2), [], []
for result in autotune(compute, cache=False).stream(range(100), buffer=8):
    taken.append(result)
    if len(taken) >= {at}:
        sent.append(uploads.submit(time.sleep, 1e-3))
tell(taken)
uploads.shutdown()
"""
BELOW_THREADING = """
import _thread

def item(x):
    if x == {at} and os.getpid() == PARENT:
        _thread.start_new_thread(hold_the_lock, ())
    return compute(x)

tell(autotune(item, cache=False)(range(60)))
"""


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(BY_AN_ITEM, id="an item"),
        pytest.param(BY_THE_CONSUMER, id="a stream's consumer"),
        pytest.param(BY_THE_DATA, id="the data"),
        pytest.param(BY_A_POOL, id="a pool of threads"),
        pytest.param(BELOW_THREADING, id="below threading"),
    ],
)
def test_no_fork_beside_a_thread_that_was_started_meanwhile(program, at, run_script):
    """Whoever starts it, no worker begins with a lock that nobody will release."""
    done = run_script(SCRIPT + program.format(at=at))

    is_right, _, was_forked_beside = done.stdout.split()
    assert (is_right, was_forked_beside) == ("True", "False")


def test_a_worker_that_died_is_replaced_from_a_clean_start(run_script):
    """The forks that are there go on; the one to come cannot be another fork."""
    done = run_script(
        SCRIPT
        + """
def dies_once(x):
    if x == 30 and not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.getpid(), 9)
    time.sleep(5e-3)
    return 2 * x

tuned, taken = autotune(dies_once, backend="process", n_jobs=2), []
for result in tuned.stream(range(60), buffer=8):
    taken.append(result)
    if len(taken) == 10:
        start_a_thread()
tell(taken)
print(tuned.explain().trace.n_started["process"], len(beside))
"""
    )

    assert done.stdout.splitlines() == ["True 60 False", "3 2"]


def test_what_cannot_be_sent_stays_with_the_workers_that_are_there(run_script):
    """Beside a thread, a function that holds a lock can get no new worker: the caller helps."""
    done = run_script(
        SCRIPT
        + """
def holds_a_lock(x, lock=threading.Lock()):
    if x == 30 and not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.getpid(), 9)
    with lock:
        return compute(x)

tuned, taken = autotune(holds_a_lock, backend="process", n_jobs=2), []
for result in tuned.stream(range(60), buffer=8):
    taken.append(result)
    if len(taken) == 10:
        start_a_thread()
tell(taken)
print("a fork is not safe any more" in str(tuned.explain()))
"""
    )

    assert done.stdout.splitlines() == ["True 60 False", "True"]

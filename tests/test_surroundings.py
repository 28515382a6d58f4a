"""Programs that are not as usual: deep results, handlers that make calls, queues, greenlets."""

import multiprocessing
import sys
import time

import pytest

from amorsize import SerializationError, autotune

BURN = """
import sys, time
def burn(s):
    end = time.perf_counter() + s
    while time.perf_counter() < end:
        pass
"""

DEEP = {
    "lists": "for _ in range(60_000): found = [found]",
    "dicts": "for _ in range(60_000): found = {1: found}",
    "objects": "for _ in range(60_000): found = Node(found)",
    "exceptions": "for _ in range(60_000): found = ValueError(found)",
}


@pytest.mark.parametrize("made", DEEP.values(), ids=DEEP.keys())
def test_results_nested_beyond_the_stack_crash_nobody(run_script, made):
    """The program has raised the limit for its own functions; pickle and repr recurse in C."""
    done = run_script(
        f"{BURN}\nsys.setrecursionlimit(10**6)\nimport os\n"
        "from amorsize import SerializationError, autotune\n"
        "class Node:\n    def __init__(self, inner): self.inner = inner\n"
        f"def item(i):\n    burn(0.003); found = i\n    {made}\n    return found\n"
        "tuned = autotune(item)\n"
        "print(len(tuned(range(8))), len(list(tuned.stream(range(8)))), flush=True)\n"
        "try: tuned.using(backend='process')(range(4))\n"
        "except SerializationError: print('told', flush=True)\n"
        "os._exit(0)\n"  # to free them recurses, too
    )

    assert done.stdout in ("8 8\ntold\n", "8 8\n")
    assert sys.version_info >= (3, 12) or done.stdout.endswith("told\n")


CALLS_IN_A_HANDLER = f"""
{BURN}
import signal
from amorsize import autotune
waits = autotune(lambda i: (time.sleep(0.002), i)[1])
work = autotune(lambda i: (burn(0.002), i)[1])
answers = []
def handler(*_):
    answers.append(waits(range(20)) == list(range(20)))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
answers.append(work(range(40)) == list(range(40)))
time.sleep(0.05)
answers += [one(range(40)) == list(range(40)) for one in (work, waits)]
print(answers)
"""


@pytest.mark.parametrize("after_ms", [0.3, 2, 5, 8, 11, 14, 18, 23])
def test_a_handler_may_make_a_call_while_modules_are_loaded(run_script, after_ms):
    """Whatever is half loaded then: its call is right, and so are all later ones."""
    done = run_script(CALLS_IN_A_HANDLER, str(after_ms / 1e3), environ={"AMORSIZE_CACHE": "off"})

    assert done.stdout == "[True, True, True, True]\n"


WHILE_LOADING = f"""
{BURN}
import signal
from amorsize import autotune
waits = autotune(lambda i: (time.sleep(0.002), i)[1])
work = autotune(lambda i: (burn(0.002), i)[1])
trivial = autotune(lambda i: i + 1)
answers, came = [], []
def handler(*_):
    answers.append(waits(range(20)) == list(range(20)))
def hook(event, arguments):
    if event == "import" and arguments[0] == sys.argv[1] and not came:
        came.append(arguments[0])
        signal.raise_signal(signal.SIGALRM)
signal.signal(signal.SIGALRM, handler)
sys.addaudithook(hook)
answers.append(trivial(range(5)) == list(range(1, 6)))
answers.append(work(range(40)) == list(range(40)))
answers += [one(range(40)) == list(range(40)) for one in (work, waits)]
print(answers)
"""


@pytest.mark.parametrize(
    "module", ["evidence.speedup_over_earlier_calls", "profile", "update_from_chunks"]
)
def test_a_handler_finds_no_half_of_a_module(run_script, module):
    """The signal comes while a module that needs this one is being loaded."""
    done = run_script(WHILE_LOADING, f"amorsize.policy.{module}", environ={"AMORSIZE_CACHE": "off"})

    assert done.stdout == "[True, True, True, True, True]\n"


SENT: "multiprocessing.Queue[object]" = multiprocessing.Queue()


def send(item, n_bytes):
    time.sleep(1e-3)
    SENT.put((item, b"x" * n_bytes))
    return item


@pytest.mark.parametrize("n_bytes", [10, 300_000])
@pytest.mark.forks
@pytest.mark.filterwarnings("ignore::amorsize.AmorsizeWarning")  # each worker has its copy of it
def test_a_queue_of_multiprocessing_gets_all_that_items_put_into_it(n_bytes):
    """Workers end when it is written, however long it takes until somebody reads; call by call."""
    tuned = autotune(send, backend="process", n_jobs=2)

    for _ in range(4):
        assert tuned(range(20), n_bytes=n_bytes) == list(range(20))
        found = [SENT.get(timeout=10) for _ in range(20)]
        assert sorted(found) == [(item, b"x" * n_bytes) for item in range(20)]


QUEUE_USED_BEFORE = f"""
import multiprocessing
{BURN}
from amorsize import SerializationError, autotune
sent = multiprocessing.Queue()

def send(i):
    burn(0.002); sent.put(i)
    return i

if __name__ == "__main__":
    sent.put("mine"); print(sent.get(timeout=10))
    try:
        autotune(send, backend="process", n_jobs=2)(range(20))
    except SerializationError as error:
        print("told", "multiprocessing" in str(error))
    print(autotune(send)(range(20)) == list(range(20)))
    print(sorted(sent.get(timeout=10) for _ in range(20)) == list(range(20)))
"""


def test_a_queue_that_has_a_thread_in_the_caller_keeps_items_there(run_script):
    """Beside it nothing is forked, and what a new interpreter would make is another queue."""
    done = run_script(QUEUE_USED_BEFORE)

    assert done.stdout == "mine\ntold True\nTrue\nTrue\n"


GREENLETS = f"""
try:
    from gevent import monkey
except ImportError:
    print("no gevent"); raise SystemExit
monkey.patch_all()
import gevent
{BURN}
from amorsize import WorkersUnavailable, autotune, tuned_map
waits = autotune(lambda i: (time.sleep(0.002), i)[1])
work = autotune(lambda i: (burn(0.002), i)[1])
for one in (waits, work):
    assert one(range(60)) == list(range(60))
    assert list(one.stream(range(60))) == list(range(60))
jobs = [gevent.spawn(waits, range(40)) for _ in range(3)]
gevent.joinall(jobs, timeout=20)
assert [job.value for job in jobs] == [list(range(40))] * 3
assert "greenlets" in str(work.explain())
for backend in ("thread", "process"):
    try:
        tuned_map(abs, range(30), backend=backend)
    except WorkersUnavailable as error:
        print("refused", backend)
"""


def test_beside_greenlets_items_stay_in_the_caller(run_script):
    """`gevent.monkey.patch_all()` leaves neither threads nor locks as they were."""
    done = run_script(GREENLETS)

    if "no gevent" in done.stdout:
        pytest.skip("gevent is not installed")
    assert done.stdout == "refused thread\nrefused process\n"


def test_a_deep_result_is_named_by_its_item():
    """Without a limit raised it is what pickle says."""

    def item(_):
        found = []
        for _ in range(5000):
            found = [found]
        return found

    with pytest.raises(SerializationError, match="item 0"):
        autotune(item, backend="process")(range(3))

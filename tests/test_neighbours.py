"""In other people's processes: servers, task queues, test runners, event loops. Right, and through.

Each is a program of its own, as its users would write it, with a bound on its time.
"""

import importlib.util
import subprocess
import sys

import pytest
from conftest import run_command

FUNCTION = """
import os, threading

def square(x):
    total = 0
    for number in range(300):
        total += number
    return x * x

EXPECTED = [x * x for x in range(400)]

def maps():
    from amorsize import tuned_map
    assert tuned_map(square, range(400)) == EXPECTED
    assert tuned_map(square, iter(range(400)), backend="process", n_jobs=2) == EXPECTED
    assert tuned_map(square, range(400), backend="thread", n_jobs=2) == EXPECTED
    return "right"
"""


# A task queue in the manner of Celery: the main process forks daemons early, each runs one task
# after the other, in its main thread, with its own signal handlers, until it is told to end.
PREFORK = (
    FUNCTION
    + """
import multiprocessing, signal

def work(tasks, results):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
    for task in iter(tasks.get, None):
        results.put((task, maps()))

if __name__ == "__main__":
    maps()  # what the main process has used is in its forks
    context = multiprocessing.get_context("fork")
    tasks, results = context.SimpleQueue(), context.SimpleQueue()
    workers = [
        context.Process(target=work, args=(tasks, results), daemon=True) for _ in range(2)
    ]
    for one in workers:
        one.start()
    for task in range(6):
        tasks.put(task)
    print(sorted(results.get() for _ in range(6)))
    for one in workers:
        tasks.put(None)
    for one in workers:
        one.join()
        assert one.exitcode == 0, one.exitcode
    print("again", maps())
"""
)

# A server in the manner of gunicorn: it has imported and used everything, then forks workers,
# which answer requests in several threads each.
GUNICORN = (
    FUNCTION
    + """
from concurrent.futures import ThreadPoolExecutor

if __name__ == "__main__":
    maps()
    children = []
    for _ in range(2):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            with ThreadPoolExecutor(3) as threads:
                answers = list(threads.map(lambda _: maps(), range(6)))
            os.write(writing, repr(answers).encode())
            import amorsize
            amorsize.shutdown()
            os._exit(0)
        os.close(writing)
        children.append((child, reading))
    for child, reading in children:
        print(os.read(reading, 1000).decode())
        print(os.waitpid(child, 0)[1])
"""
)

TO_THREAD = (
    FUNCTION
    + """
import asyncio, time

async def main():
    beats = []

    async def heart():
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(0.01)

    heart = asyncio.create_task(heart())
    print(await asyncio.gather(*(asyncio.to_thread(maps) for _ in range(4))))
    heart.cancel()
    assert len(beats) > 3

if __name__ == "__main__":
    asyncio.run(main())
    print("again", maps())
"""
)

FAIR = (
    FUNCTION
    + """
import time
from concurrent.futures import ThreadPoolExecutor
from amorsize import tuned_map

ENDED = {}

def slow(x):
    time.sleep(0.002)
    return x

def call(name):
    assert tuned_map(slow, range(200), backend="process", n_jobs=2) == list(range(200))
    ENDED[name] = time.monotonic() - BEGAN

if __name__ == "__main__":
    call_alone = time.monotonic()
    BEGAN = call_alone
    call("alone")
    BEGAN = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(call, "abcd"))
    ended = sorted(ENDED[name] for name in "abcd")
    print(ended[-1] < 2 * ended[0] + 1, ended)
    import amorsize
    amorsize.shutdown()
"""
)

PROGRAMS = {
    "prefork": (PREFORK, [f"[{', '.join(f'({n}, {chr(39)}right{chr(39)})' for n in range(6))}]"]),
    "gunicorn": (GUNICORN, [str(["right"] * 6), "0"] * 2),
    "to_thread": (TO_THREAD, [str(["right"] * 4)]),
}


@pytest.mark.parametrize("start", ["fork", "clean"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name, start, run_script):
    """Right results, nobody left, nothing said, whichever way workers are started."""
    text, expected = PROGRAMS[name]

    done = run_script(text, environ={"AMORSIZE_START": start}, timeout_s=50)

    assert done.stdout.splitlines()[: len(expected)] == expected
    assert done.stderr == ""


def test_calls_from_many_threads_share_fairly(run_script):
    """Four equal calls at once end at about the same time: none waits for all others."""
    done = run_script(FAIR, timeout_s=50)

    assert done.stdout.startswith("True"), done.stdout


UNDER_XDIST = (
    FUNCTION
    + """
import pytest

@pytest.mark.parametrize("number", range(8))
def test_maps(number):
    assert maps() == "right"

def test_streams():
    from amorsize import autotune
    assert list(autotune(square, backend="process").stream(iter(range(400)))) == EXPECTED

def test_faults():
    import signal
    from amorsize import WorkerDied, tuned_map

    def dies(x):
        if x == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    with pytest.raises(WorkerDied, match="item 7 "):
        tuned_map(dies, range(20), backend="process", n_jobs=2)
"""
)


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="no pytest-xdist here")
def test_under_pytest_xdist(tmp_path):
    """Its workers run tests beside a thread of their own, where no fork is safe."""
    (tmp_path / "test_mine.py").write_text(UNDER_XDIST)

    done = run_command(
        [sys.executable, "-m", "pytest", "-n", "2", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        timeout_s=50,
    )

    assert "10 passed" in done.stdout


def test_under_a_parent_that_is_killed_at_once(tmp_path):
    """What starts programs and gives them up, as a batch system does: nobody is left of them."""
    script = tmp_path / "endless.py"
    script.write_text(
        "import os, time\n"
        "from amorsize import tuned_map\n"
        "def spin(x):\n"
        "    os.write(1, b'%d\\n' % os.getpid())\n"  # what is printed waits for its turn
        "    until = time.monotonic() + 30\n"
        "    while time.monotonic() < until: pass\n"
        "tuned_map(spin, range(4), backend='process', n_jobs=2)\n"
    )
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()

    # Its output ends when the last of them has let go of it.
    assert process.stdout.read() == ""
    process.stdout.close()
    assert len(set(pids)) == 2

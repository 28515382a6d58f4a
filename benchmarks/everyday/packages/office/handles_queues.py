"""Functions that use a queue, a lock, a pool or memory of the program."""

import asyncio
import concurrent.futures
import multiprocessing
import multiprocessing.shared_memory
import os
import queue
import struct
import threading

from .casebook import ANYWHERE, CALLER, PROCESSES, THREADS, of_kind, work

case = of_kind("handles", __name__, right=CALLER)
N = 60


# -- queues and memory ---------------------------------------------------------------------------

jobs = queue.Queue()
done = queue.SimpleQueue()


def _drained(of):
    found = []
    while not of.empty():
        found.append(of.get())
    return sorted(found)


@case(range(N), effects=lambda: _drained(jobs), right=THREADS, gains=False)
def put_into_queue(k):
    work()
    jobs.put(k * k)


@case(range(N), effects=lambda: _drained(done), right=THREADS, gains=False)
def put_into_simple_queue(k):
    work()
    done.put(k)


def fill_jobs():
    for k in range(4 * N):
        jobs.put(k)


@case(range(N), setup=fill_jobs, effects=lambda: jobs.qsize())
def got_from_queue(k):
    work()
    return k, jobs.get()


crossing = None


def make_crossing():
    global crossing
    crossing = multiprocessing.get_context("fork").SimpleQueue()


def _crossed():
    found = []
    while not crossing.empty():
        found.append(crossing.get())
    return sorted(found)


@case(range(N), setup=make_crossing, effects=_crossed, right=PROCESSES, ignored=("crossing",))
def put_across(k):
    work()
    crossing.put(k)


def make_feeding():
    global crossing
    crossing = multiprocessing.get_context("fork").Queue()


@case(range(N), setup=make_feeding, right=PROCESSES, ignored=("crossing",),
      effects=lambda: sorted(crossing.get(timeout=10) for _ in range(N)))  # fmt: skip
def fed_across(k):
    """A queue with a feeding thread, as multiprocessing's usual one."""
    work()
    crossing.put(k)


counter = None


def make_counter():
    global counter
    counter = multiprocessing.get_context("fork").Value("q", 0)


@case(range(N), setup=make_counter, effects=lambda: counter.value, right=PROCESSES,
      ignored=("counter",))  # fmt: skip
def counted_across(k):
    work()
    with counter.get_lock():
        counter.value += k


memory = None


def make_memory():
    global memory
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=8 * N)


@case(range(N), setup=make_memory, effects=lambda: bytes(memory.buf[: 8 * N]), right=PROCESSES,
      ignored=("memory",))  # fmt: skip
def into_memory(k):
    work()
    struct.pack_into("<q", memory.buf, 8 * k, k + 1)


# -- locks and pools -----------------------------------------------------------------------------

guard = threading.Lock()


@case(range(N), right=THREADS, gains=False)
def guarded_file(k):
    """A lock of threads over a file: it locks nothing across processes."""
    work(30_000)
    with guard:
        n = 0
        if os.path.exists("guarded"):
            with open("guarded") as file:
                n = int(file.read())
        work(30_000)
        with open("guarded", "w") as file:
            file.write(str(n + 1))


devices = queue.Queue()


def fill_devices():
    for number in range(3):
        devices.put(number)


@case(range(N), setup=fill_devices, right=THREADS, gains=False)
def on_device(k):
    number = devices.get()
    try:
        try:
            claimed = os.open(f"device{number}", os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return "shared"
        work()
        os.close(claimed)
        os.unlink(f"device{number}")
        return "alone"
    finally:
        devices.put(number)


gate = None


def make_gate():
    global gate
    gate = multiprocessing.get_context("fork").Lock()


@case(range(N), setup=make_gate, right=PROCESSES, ignored=("gate",))
def guarded_across(k):
    """A lock of processes over a file."""
    work(50_000)
    with gate:
        n = 0
        if os.path.exists("across"):
            with open("across") as file:
                n = int(file.read())
        with open("across", "w") as file:
            file.write(str(n + 1))


pool = None


def make_pool():
    global pool
    pool = concurrent.futures.ThreadPoolExecutor(2)
    pool.submit(work, 10).result()


@case(range(N), setup=make_pool, right=THREADS, gains=False, ignored=("pool",))
def by_pool(k):
    """Hands its work to a pool that is there already."""
    return k, pool.submit(work).result()


events = None


def make_events():
    global events
    events = asyncio.new_event_loop()


async def _computed(k):
    await asyncio.sleep(0)
    work()
    return k


@case(range(N), setup=make_events, ignored=("events",))
def on_loop(k):
    return events.run_until_complete(_computed(k))


@case(range(N), right=ANYWHERE)
def own_pool(k):
    with concurrent.futures.ThreadPoolExecutor(2) as own:
        return k, sum(own.map(work, (30_000, 30_000)))

"""Large items and results: through shared memory or the pipe, they arrive as they were sent."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import pool_items
import pytest
from conftest import run_command, shared_names
from hypothesis import given
from hypothesis import strategies as st

from amorsize import SerializationError, autotune, tuned_map
from amorsize._host import resources
from amorsize._workers.messages import shared_memory
from amorsize._workers.messages.shared_memory import ABSENT, ROOM_BYTES, SharedBlock
from amorsize._workers.processes.fork_pool import ForkPool
from amorsize._workers.protocol import Chunk, ChunkDone, Task, WorkerReady

np = pytest.importorskip("numpy")
LARGE = 3_000_000
START = pytest.mark.parametrize("start", ["fork", "clean"])


def made(kind):
    """A large value of some kind."""
    flat = np.arange(LARGE // 8, dtype=float)
    if kind == "read only":
        flat.flags.writeable = False
        return flat
    return {
        "array": lambda: flat,
        "two arrays": lambda: {"one": flat, "other": -flat, "text": "beside"},
        "one array twice": lambda: (flat, flat),
        "columns": lambda: np.asfortranarray(flat[:300_000].reshape(300, 1000)),
        "every second": lambda: flat[::2],
        "objects": lambda: np.array([str(n) for n in range(20_000)], dtype=object),
        "bytes": lambda: bytes(range(256)) * (LARGE // 256),
        "bytearray": lambda: bytearray(LARGE),
        "text": lambda: "ünï" * LARGE,
        "numbers": lambda: list(range(LARGE // 4)),
        "middling arrays": lambda: [np.arange(n, dtype="u1") for n in range(60_000, 70_000, 999)],
        "small arrays": lambda: [np.arange(100) for _ in range(2000)],
        "more than a ring": lambda: np.zeros(ROOM_BYTES // 8 + 1000),
        "many at once": lambda: [np.full(LARGE // 8, n, dtype=float) for n in range(12)],
    }[kind]()


KINDS = (
    *("array", "two arrays", "one array twice", "columns", "every second", "read only", "objects"),
    *(
        "bytes",
        "bytearray",
        "text",
        "numbers",
        "middling arrays",
        "small arrays",
        "more than a ring",
        "many at once",
    ),
)


def same(value):
    return value


def is_same(one, other):
    """Equal, and of the same kind, down to whether it can be written to."""
    if isinstance(one, np.ndarray):
        flags = ("c_contiguous", "f_contiguous", "writeable")
        return (
            one.dtype == other.dtype
            and np.array_equal(one, other)
            and all(getattr(one.flags, flag) == getattr(other.flags, flag) for flag in flags)
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other


@START
@pytest.mark.parametrize("kind", KINDS)
def test_a_large_value_makes_the_way_there_and_back(kind, start, monkeypatch):
    """As an item from a generator, and as a result."""
    monkeypatch.setenv("AMORSIZE_START", start)
    sent = made(kind)

    found = tuned_map(same, iter([sent, 1, sent]), backend="process", n_jobs=1)

    assert found[1] == 1
    for value in (found[0], found[2]):
        expected = sent.copy() if kind == "every second" else sent  # pickle makes it one piece
        assert is_same(value, expected)
    if kind == "one array twice":
        assert found[0][0] is found[0][1]


def test_a_result_belongs_to_the_caller_alone():
    """It is no window into memory that the next result is written to."""
    results = tuned_map(made_at, range(12), backend="process", n_jobs=2, chunksize=1)

    for index, result in enumerate(results):
        assert (result == index).all()
        result += 100
    for index, result in enumerate(results):
        assert (result == index + 100).all()


def made_at(index):
    return np.full(LARGE // 8, index, dtype=float)


@pytest.fixture
def pool():
    """One forked worker, its rings open, that gives back what it is given."""
    pool = ForkPool(Task(pool_items.echo), n_workers=1)
    pool.start(0)
    while not any(isinstance(one, WorkerReady) for one in pool.wait(1.0)):
        pass
    until_s = time.monotonic() + 20
    while ABSENT in n_through_lanes(pool):  # a fork takes items before it has looked at its rings
        assert time.monotonic() < until_s
    yield pool
    pool.close(at_once=True)


def through(pool, value):
    """Send one item and wait for its result."""
    pool.send(0, Chunk(start=0, stop=1, items=([value],)), time_budget_s=9.0, flush_s=9.0)
    until_s = time.monotonic() + 20
    while True:
        assert time.monotonic() < until_s
        for one in pool.wait(1.0):
            if isinstance(one, ChunkDone):
                return one.results[0]


def n_through_lanes(pool):
    """Parts that the caller and the worker have taken out of shared memory."""
    handle = pool._handles[0]
    return [
        int(handle.counters[handle.slot + way]) for way in (SharedBlock.SENT, SharedBlock.RECEIVED)
    ]


def test_large_parts_go_through_shared_memory(pool):
    """Both ways; what is small, and what is larger than a ring, goes through the pipe."""
    assert is_same(through(pool, made("array")), made("array"))
    assert n_through_lanes(pool) == [1, 1]
    assert is_same(through(pool, made("bytes")), made("bytes"))
    assert n_through_lanes(pool) == [2, 2]
    through(pool, bytes(500_000))
    through(pool, made("more than a ring"))
    assert n_through_lanes(pool) == [2, 2]


def test_a_lane_is_used_again(pool):
    """More goes through it than it has room for, a piece at a time."""
    for n in range(2 * ROOM_BYTES // 10_000_000 + 1):
        assert through(pool, np.full(10_000_000, n, dtype="u1"))[-1] == n
    assert n_through_lanes(pool) == [n + 1, n + 1]


def test_nothing_is_left_of_it(pool):
    """Neither in this process nor under a name."""
    shm = shared_names()
    through(pool, made("array"))
    before = shared_maps()
    assert before
    assert shared_names() == shm
    pid = pool._handles[0].pid

    os.kill(pid, 9)
    pool.close(at_once=True)

    assert len(shared_maps()) == len(before) - 1


def shared_maps():
    """Stretches of memory that are large enough for rings and shared with forks."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(edge, 16) for edge in line.split()[0].split("-"))
        if last - first > ROOM_BYTES and line.endswith("/dev/zero (deleted)"):
            found.append(line)
    return found


def test_warm_workers_hold_no_memory_for_it(monkeypatch):
    """Between calls the rings are empty."""
    monkeypatch.setenv("AMORSIZE_START", "clean")
    before = shared_bytes()
    tuned_map(same, iter([made("array")] * 3), backend="process", n_jobs=1)

    assert "memfd:amorsize" in Path("/proc/self/maps").read_text()  # it is warm
    assert shared_bytes() - before < LARGE
    assert tuned_map(made_at, range(3), backend="process", n_jobs=1)[2][0] == 2


def shared_bytes():
    """What lies in our shared memory, as far as this process has touched it."""
    found, is_ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            is_ours = "memfd:amorsize" in line
        elif is_ours and line.startswith("Rss:"):
            found += 1024 * int(line.split()[1])
    return found


@START
def test_without_shared_memory_all_goes_through_the_pipe(start, monkeypatch):
    """The system gives none: nothing else changes."""

    def refused(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_memory.kernel, "memfd_create", refused)
    monkeypatch.setattr(shared_memory, "ROOM_BYTES", 1 << 55)  # more than can be mapped
    monkeypatch.setenv("AMORSIZE_START", start)
    sent = [made("array"), made("bytes"), made("two arrays")]

    found = tuned_map(same, iter(sent), backend="process", n_jobs=2)

    assert all(map(is_same, found, sent))
    assert "memfd:amorsize" not in Path("/proc/self/maps").read_text()


FULL_SHM = """
import numpy as np
from amorsize import tuned_map

def large(index):
    return np.full(3_000_000, index, dtype="u1")

if __name__ == "__main__":
    found = tuned_map(large, range(20), backend="process", n_jobs=2)
    print(all((one == index).all() for index, one in enumerate(found)))
"""


@START
def test_a_full_dev_shm_changes_nothing(start, tmp_path):
    """Containers often have one of 64 MB; here it has room for nothing at all."""
    (tmp_path / "script.py").write_text(FULL_SHM)
    mount = (
        "mount -t tmpfs -o size=4k tmpfs /dev/shm && dd if=/dev/zero of=/dev/shm/x bs=4k count=1"
    )
    command = f"{mount} 2>/dev/null || exit 77; exec {sys.executable} script.py"

    done = run_command(
        ["unshare", "--mount", "sh", "-c", command] if shutil.which("unshare") else ["false"],
        cwd=tmp_path,
        timeout_s=30,
        environ={"AMORSIZE_START": start},
        returncode=None,
    )

    if done.returncode in (1, 77):
        pytest.skip("no file system can be mounted here")
    assert (done.stdout, done.stderr) == ("True\n", "")


LIMITED = """
import os, resource, sys
from pathlib import Path
import numpy as np
from amorsize import SerializationError, autotune

def limit(n_more_bytes):
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + n_more_bytes, -1))

def mapped_bytes():
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "memfd:amorsize" in line or "/dev/zero" in line:
            first, last = (int(edge, 16) for edge in line.split()[0].split("-"))
            yield last - first

def large(index):
    return np.full(LARGE, index, dtype="u1")

def data():
    yield 0
    limit(60_000_000)  # the worker has begun: of its results one does not fit in here
    yield 1

def work(index):
    return large(index) if index else index

if __name__ == "__main__":
    if sys.argv[1] == "rings":
        LARGE = 3_000_000
        limit(50_000_000)
        stream = autotune(large, backend="process", n_jobs=2).stream(range(20), buffer=2)
        for index, one in enumerate(stream):
            assert (one == index).all()
            print(max(mapped_bytes()))
    else:
        LARGE = int(sys.argv[2])
        try:
            # The second item is read when the first has been run.
            list(autotune(work, backend="process", n_jobs=1).stream(data(), buffer=1))
        except SerializationError as error:
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
            print(error, error.__notes__)
"""


@START
def test_a_limit_on_memory_that_lanes_do_not_fit_into(start, run_script):
    """`ulimit -v`: all goes through the pipe."""
    done = run_script(LIMITED, "rings", environ={"AMORSIZE_START": start})

    sizes = [int(size) for size in done.stdout.split()]
    assert len(sizes) == 20
    assert max(sizes) < ROOM_BYTES  # where the numbers are, and nothing behind them


@START
@pytest.mark.parametrize("n_bytes", [30_000_000, 200_000_000])
def test_a_result_that_memory_has_no_room_for_is_named(n_bytes, start, run_script):
    """Whichever way it comes: an error about that item, and no end of the caller."""
    done = run_script(LIMITED, "result", str(n_bytes), environ={"AMORSIZE_START": start})

    assert n_bytes < 60_000_000 or "the result of item 1 was" in done.stdout
    assert n_bytes < 60_000_000 or "memory" in done.stdout
    assert not done.stderr


def sums(item):
    return item[::4096].sum(), item


@pytest.mark.skipif(resources.memory().available_bytes < 2 << 30, reason="less than 2 GiB free")
def test_a_quarter_of_a_gibibyte_there_and_back():
    """One item, one result, both larger than any buffer in between."""
    item = np.ones(1 << 28, dtype="u1")

    ((found, result),) = tuned_map(sums, iter([item]), backend="process", n_jobs=1)

    assert found == (1 << 28) // 4096
    assert result.nbytes == 1 << 28
    assert result[-1] == 1


def leaves_a_talker(index):
    """Its thread goes on printing while results are on their way."""
    if index == 0:
        threading.Thread(target=talk, daemon=True).start()
    return bytes([index]) * 2_000_000


def talk():
    until_s = time.monotonic() + 0.4
    while time.monotonic() < until_s:
        print("word " * 30_000)


@START
def test_what_a_thread_prints_does_not_break_into_a_result(start, monkeypatch, capsys):
    """Each is written whole."""
    monkeypatch.setenv("AMORSIZE_START", start)

    found = tuned_map(leaves_a_talker, range(60), backend="process", n_jobs=1)

    assert found == [bytes([index]) * 2_000_000 for index in range(60)]
    words = capsys.readouterr().out.split()
    assert len(words) > 1000
    assert set(words) == {"word"}


class TestLane:
    """One ring, between two ends in one process."""

    @given(st.lists(st.tuples(st.integers(1, 70_000), st.integers(0, 3)), max_size=30))
    def test_parts_come_out_as_they_went_in(self, steps):
        """Whatever their sizes, and however many wait to be taken: in order, none over another."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(shared_memory, "ROOM_BYTES", room_bytes := 65_536)
            shared = SharedBlock(2)
            slot = shared.slot(1)
            taking = shared.ring(slot, SharedBlock.SENT, takes=True)
            putting = shared.ring(slot, SharedBlock.SENT, takes=False)
            waiting, end = [], 0
            for number, (size, n_taken) in enumerate(steps):
                sent = bytes([number % 256]) * size
                end = end if waiting else 0
                ticket = putting.put(sent)
                assert (ticket is None) == (end + size > room_bytes)
                if ticket is not None:
                    end += size
                    waiting.append((ticket, sent))
                for told, expected in waiting[:n_taken]:
                    with taking.part_at(told) as found:
                        assert found == expected
                    taking.taken(told)
                del waiting[:n_taken]
            shared.close()

    def test_nobody_takes_parts_before_the_other_end_is_there(self):
        """A worker that could not map the rings gets nothing through them."""
        shared = SharedBlock(2)

        assert shared.ring(shared.slot(1), SharedBlock.SENT, takes=False).put(b"part") is None
        shared.ring(shared.slot(1), SharedBlock.SENT, takes=True)
        assert shared.ring(shared.slot(1), SharedBlock.SENT, takes=False).put(b"part") is not None
        shared.vacate(shared.slot(1))
        assert shared.ring(shared.slot(1), SharedBlock.SENT, takes=False).put(b"part") is None
        shared.close()


def test_a_stream_of_large_results_is_right():
    """Taken one by one, out of order as well."""
    tuned = autotune(made_at, backend="process", n_jobs=2)

    assert [one[0] for one in tuned.stream(range(20))] == list(range(20))
    assert sorted(one[0] for one in tuned.stream(range(20), ordered=False)) == list(range(20))


def test_an_item_that_cannot_travel_beside_large_ones_is_named():
    """What was set apart before it is not sent."""
    data = [made("array"), threading.Lock(), made("array")]

    with pytest.raises(SerializationError, match="item 1 "):
        tuned_map(same, iter(data), backend="process", n_jobs=1, chunksize=3)

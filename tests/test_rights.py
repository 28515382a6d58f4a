"""Warm workers have no right that the program has given up, and look for modules where it does."""

import os
import resource
import time

import clean_items
import pytest

import amorsize
from amorsize import tuned_map
from amorsize._workers.processes.place import enter_folder

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="tested on Linux")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

NOBODY = 65534
BEGIN = f"""
import os, sys, threading
from amorsize import autotune, tuned_map
from amorsize.errors import WorkersUnavailable

def who(_):
    return os.getpid(), os.getuid(), os.getgroups()

threading.Thread(target=threading.Event().wait, daemon=True).start()  # nothing is forked beside it
before = tuned_map(who, range(8), backend="process", n_jobs=2, cache=False)
assert {{uid for _, uid, _ in before}} == {{0}}
pids = {{pid for pid, _, _ in before}}
assert os.getpid() not in pids

def give_up():
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})

def are_gone():
    return not any(os.path.exists(f"/proc/{{pid}}") for pid in pids)  # zombies count as well
"""


@pytest.fixture(autouse=True)
def clean_start(monkeypatch):
    """No worker is forked in these tests."""
    monkeypatch.setenv("AMORSIZE_START", "clean")


def in_worker(func):
    """The results of one worker process."""
    return tuned_map(func, range(3), backend="process", n_jobs=1)


def assert_are_gone(pids):
    """These processes end with the one that started them, or within a moment."""
    until_s = time.monotonic() + 5.0
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < until_s
        time.sleep(0.01)


@pytest.fixture
def mask():
    """Another umask than that of the worker which is warm."""
    in_worker(clean_items.pid)
    before = os.umask(0o077)
    yield 0o077
    os.umask(before)


def test_a_worker_with_another_umask_is_ended(mask):
    """Files that items make are as closed as the program wants them to be now."""
    assert in_worker(clean_items.umask) == [mask] * 3


def test_a_worker_on_other_cores_is_ended():
    """Items keep to the cores that the program has left itself."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("there is one core only")
    in_worker(clean_items.pid)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert in_worker(clean_items.cores) == [[min(cores)]] * 3
    finally:
        os.sched_setaffinity(0, cores)


def test_a_worker_with_higher_limits_is_ended():
    """A limit that the program has set itself holds for its items."""
    in_worker(clean_items.pid)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    other = 4096 if soft != 4096 else 0
    if hard != resource.RLIM_INFINITY and hard < other:
        pytest.skip("this process may not change the limit")
    resource.setrlimit(resource.RLIMIT_CORE, (other, hard))
    try:
        assert in_worker(clean_items.core_limit) == [other] * 3
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_a_worker_with_the_same_rights_is_kept():
    """The tests above can fail: nothing has changed, so the worker is the one before."""
    assert in_worker(clean_items.pid) == in_worker(clean_items.pid)


@as_root
def test_after_setuid_no_item_runs_as_root(run_script):
    """Workers of root are ended; where the new user may not start others, the caller goes on."""
    result = run_script(
        BEGIN
        + """
give_up()
after = tuned_map(who, range(200), cache=False)
assert {(uid, len(groups)) for _, uid, groups in after} == {(os.getuid(), 0)}, after
try:
    after = tuned_map(who, range(8), backend="process", n_jobs=2, cache=False)
except WorkersUnavailable as error:
    assert "Let this user run" in str(error), error
else:
    assert {uid for _, uid, _ in after} == {os.getuid()}, after
assert are_gone()
print("right")
"""
    )
    assert result.stdout.strip() == "right"
    assert result.stderr == ""


@as_root
def test_after_setuid_a_worker_stays_in_the_folder_that_it_could_not_enter(tmp_path):
    """It has it from the caller, as the caller has it from the time before."""
    tmp_path.chmod(0o700)
    child = os.fork()
    if not child:
        status = 1
        try:
            os.chdir(tmp_path)
            os.setuid(NOBODY)
            enter_folder(str(tmp_path))
            status = 0 if os.getcwd() == str(tmp_path) else 2
        finally:
            os._exit(status)

    assert os.waitpid(child, 0) == (child, 0)


@as_root
def test_after_setuid_the_program_ends_in_peace(run_script):
    """Workers that it may not kill any more end all the same, and nothing is said of it."""
    result = run_script(BEGIN + "give_up()\nprint(*pids)")

    assert result.stderr == ""
    assert_are_gone(result.stdout.split())


@as_root
@pytest.mark.parametrize("start", ["clean", "fork"])
def test_a_stream_is_left_after_setuid(run_script, monkeypatch, start):
    """Workers that compute as root are ended with the stream, though not by the program itself."""
    monkeypatch.setenv("AMORSIZE_START", start)
    result = run_script(
        """
import os, signal, time
from amorsize import autotune

@autotune(backend="process", n_jobs=2, chunksize=1)
def work(i):
    if i > 3:
        time.sleep(60)
    return os.getpid()

stream = work.stream(range(100))
pids = {next(stream) for _ in range(3)}
os.setgid(65534)
os.setuid(65534)
stream.close()
print(*pids)
""",
        timeout_s=20.0,
    )
    assert result.stderr == ""
    assert_are_gone(result.stdout.split())


@pytest.mark.parametrize(
    "name", ["struct", "linecache", "tokenize", "select", "pickle", "amorsize"]
)
def test_a_worker_imports_nothing_from_the_current_folder(tmp_path, run_script, name):
    """A program that does not look there does not have its workers look there."""
    folder = tmp_path / "here"
    folder.mkdir()
    mark = tmp_path / "mark"
    (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').close()\nraise SystemExit(3)\n")
    result = run_script(
        f"""
import os
from amorsize import autotune
os.chdir({str(folder)!r})

@autotune(backend="process", n_jobs=2)
def square(i):
    return i * i

print(square(range(4)), {str(folder)!r} in __import__("sys").path)
"""
    )
    assert result.stdout.strip() == "[0, 1, 4, 9] False"
    assert not mark.exists()


def test_the_folder_of_the_package_hides_no_standard_module(tmp_path, run_script):
    """What lies beside the package, in a project that has it in a folder of its own, is not run."""
    folder = tmp_path / "vendored"
    folder.mkdir()
    (folder / "amorsize").symlink_to(os.path.dirname(amorsize.__file__))
    (folder / "struct.py").write_text("raise SystemExit(3)\n")
    result = run_script(
        f"""
import sys
sys.path.insert(0, {str(folder)!r})
from amorsize import autotune
sys.path.remove({str(folder)!r})

@autotune(backend="process", n_jobs=2)
def square(i):
    return i * i

print(square(range(4)))
"""
    )
    assert result.stdout.strip() == "[0, 1, 4, 9]"


def read_shared(name):
    """What a piece of shared memory holds, found by its name."""
    from multiprocessing.shared_memory import SharedMemory

    found = SharedMemory(name=name)
    try:
        return bytes(found.buf[:5])
    finally:
        found.close()


def test_shared_memory_outlives_the_workers_that_have_looked_into_it():
    """Each would have something of its own that removes it at its end."""
    from multiprocessing.shared_memory import SharedMemory

    for _ in range(2):  # the second worker begins when the caller has such a thing
        amorsize.shutdown()
        tuned_map(len, ["a"], backend="process")
        memory = SharedMemory(create=True, size=100)
        try:
            memory.buf[:5] = b"hello"
            assert tuned_map(read_shared, [memory.name] * 2, backend="process") == [b"hello"] * 2
            amorsize.shutdown()
            assert read_shared(memory.name) == b"hello"
        finally:
            memory.close()
            memory.unlink()

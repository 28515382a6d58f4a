"""A worker process is known by its descriptor: its number may be another process's by now."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from amorsize import WorkerDied, tuned_map
from amorsize._workers.processes import child_process
from amorsize._workers.processes.child_process import Child, how_it_ended

SOON_S = 10.0

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no descriptors of processes")


@pytest.fixture
def sleeper():
    """A process that sleeps, as subprocess knows it; ended afterwards."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture(params=["known by a descriptor", "known by its number"])
def known(request, monkeypatch):
    """With and without what the kernel offers."""
    if request.param == "known by its number":
        monkeypatch.setattr(child_process, "_descriptor_of", lambda _: None)


def started(code):
    """A worker that runs some code."""
    return Child(subprocess_pid(code))


def subprocess_pid(code):
    """A child that nobody but the test collects."""
    process = subprocess.Popen([sys.executable, "-c", code])
    process.returncode = 0  # nothing is left to Popen
    return process.pid


def ends_by_a_signal_without_a_name(x):
    """Most real-time signals have none."""
    if x == 3:
        os.kill(os.getpid(), signal.SIGRTMIN + 3)
    return x


def test_a_signal_without_a_name_costs_no_other_item():
    """It is told by its number."""
    items = ends_by_a_signal_without_a_name
    with pytest.raises(WorkerDied, match=f"item 3 ended by signal {signal.SIGRTMIN + 3};"):
        tuned_map(items, range(8), backend="process", n_jobs=2, retries=0)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "exit code 0"),
        (255, "exit code 255"),
        (-9, "signal 9 (SIGKILL)"),
        (-int(signal.SIGRTMAX), f"signal {int(signal.SIGRTMAX)} (SIGRTMAX)"),
        (-int(signal.SIGRTMAX) + 1, f"signal {int(signal.SIGRTMAX) - 1}"),
        (None, "unknown: someone else collected its exit status"),
    ],
)
def test_how_a_process_ended_is_told(code, told):
    """By its exit code, or by the signal that ended it."""
    assert how_it_ended(code) == told


@pytest.mark.usefixtures("known")
class TestLife:
    def test_an_exit_code_is_told(self):
        """As the process has ended, so it is collected."""
        one = started("raise SystemExit(3)")

        assert one.ended_by(perf_counter() + SOON_S)
        assert one.collect() == 3
        one.close()

    def test_a_signal_is_told(self):
        """A killed process is told from one that has left."""
        one = started("import time; time.sleep(60)")
        assert not one.ended_by(perf_counter())

        one.kill()

        assert one.collect() == -9
        one.close()

    def test_one_that_others_have_collected(self):
        """Nobody is waited for, nobody is sent anything."""
        one = started("pass")
        os.waitpid(one.pid, 0)

        one.kill()

        assert one.ended_by(perf_counter() + SOON_S)
        assert one.collect() is None
        one.close()

    def test_one_that_the_kernel_collects(self):
        """Where SIGCHLD is ignored, nothing is left of an ended child, and its end is seen."""
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            one = started("pass")
            assert one.ended_by(perf_counter() + SOON_S)
            assert one.collect() is None
        finally:
            signal.signal(signal.SIGCHLD, before)
        one.close()

    def test_a_stopped_one(self):
        """Seen as stopped, and going on when it is told to."""
        one = started("import time; time.sleep(60)")
        one.send(signal.SIGSTOP)
        until_s = perf_counter() + SOON_S
        while not one.is_stopped and perf_counter() < until_s:
            pass

        assert one.is_stopped
        one.send(child_process.SIGCONT)
        while one.is_stopped and perf_counter() < until_s:
            pass
        assert not one.is_stopped
        one.kill()
        one.collect()
        one.close()


class TestSomebodyElse:
    """A worker has ended and was collected: its number is another process's now."""

    def one_whose_number_is_taken(self, sleeper):
        """A worker that has ended, with the number of a process that lives."""
        one = started("pass")
        os.waitpid(one.pid, 0)
        one.pid = sleeper.pid  # what the kernel gives away again once it has gone through them all
        return one

    def test_gets_no_signal(self, sleeper):
        """The process that has the number lives on."""
        one = self.one_whose_number_is_taken(sleeper)

        one.kill()

        one.close()
        with pytest.raises(subprocess.TimeoutExpired):
            sleeper.wait(0.1)

    def test_is_not_waited_for(self, sleeper):
        """Nor is its exit status taken from whoever started it."""
        one = self.one_whose_number_is_taken(sleeper)

        assert one.ended_by(perf_counter())
        assert one.collect() is None
        assert not one.is_stopped
        one.close()
        sleeper.kill()
        assert sleeper.wait() == -signal.SIGKILL

    def test_whose_descriptor_has_the_place_of_ours_gets_no_signal(self, sleeper):
        """An item closes all descriptors, and opens one of a process of its own."""
        one = started("import time; time.sleep(60)")
        other = os.pidfd_open(sleeper.pid)
        os.dup2(other, one.pidfd)
        os.close(other)

        one.kill()

        assert sleeper.poll() is None
        assert one.collect() == -9
        one.close()

    def test_file_that_has_the_place_of_ours_is_not_closed(self, tmp_path):
        """Nor is a file that an item has opened taken for a process."""
        one = started("pass")
        os.close(one.pidfd)
        with (tmp_path / "mine").open("w") as mine:
            assert mine.fileno() == one.pidfd

            assert one.ended_by(perf_counter() + SOON_S)
            assert one.collect() == 0
            one.close()

            mine.write("still open")
        assert (tmp_path / "mine").read_text() == "still open"


IDLE_WORKERS_END = """
import os, signal, threading, time
from amorsize import autotune

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()  # so that nothing is forked

@autotune(backend="process", n_jobs=2)
def where(x):
    time.sleep(5e-3)
    return os.getpid()

pids = set(where(range(40)))
for pid in pids:
    os.kill(pid, 9)
while any(os.path.exists(f"/proc/{pid}") for pid in pids):
    time.sleep(1e-3)
sent = []
os.kill = lambda pid, number: sent.append(pid)
again = set(where(range(10)))
print(len(pids), bool(again), pids & again, sent)
"""


def test_idle_workers_that_the_kernel_has_collected(run_script):
    """The next call starts others and sends nothing to numbers that are free."""
    assert run_script(IDLE_WORKERS_END).stdout.split() == ["2", "True", "set()", "[]"]


def test_where_nobody_tells_of_descriptors(monkeypatch):
    """A sandbox that refuses descriptors of processes is no reason to go without workers."""

    def refuse(_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("posix.pidfd_open", refuse)
    one = started("raise SystemExit(4)")

    assert one.pidfd is None
    assert one.collect() == 4


def test_without_a_descriptor_left_the_process_is_ended(monkeypatch):
    """One that nobody could watch is not left to itself."""

    def no_room(_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("posix.pidfd_open", no_room)
    pid = subprocess_pid("import time; time.sleep(60)")

    with pytest.raises(OSError, match="Too many open files"):
        Child(pid)
    assert not Path(f"/proc/{pid}").exists()

"""Runs the tests in several processes, each of which takes the next group that nobody has.

    python tests/side_by_side.py -m "not cores" tests/test_cache.py

Its arguments are those of pytest. One process collects the tests, which takes 9 s of a core;
the others are forked from it. From there on each is an ordinary run of pytest, not a worker of
pytest-xdist: these have a second thread, and with one there amorsize rightly refuses to fork.
"""

import gc
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import IO

import pytest

#: Twice as many processes as cores, as most tests mostly wait; and no more than this.
MOST_PROCESSES = 8

#: Tests of one file that are taken together. Few, so that the processes end at the same time.
GROUP = 8

#: Failed tests that are run once more, alone; with more of them something is wrong anyway.
MOST_REPEATED = 5

#: What test modules call the number of the process in which they were imported.
NOTED_PIDS = ("CALLER", "HOME", "PID")

#: Seconds in which a test process cleans up after it was interrupted.
TO_CLEAN_UP_S = 10.0

#: Seconds in which it ends by itself where a Ctrl-C was for all processes of the terminal: a second
#: one would come while pytest tells of the first.
TO_HAVE_HEARD_S = 2.0

#: How often it is interrupted before it is killed; a test may take one, as if it were its own.
N_INTERRUPTS = 3

#: Seconds for all tests. Each has a bound of its own, which does not end one that hangs in C.
MOST_S = 3600.0

#: What the claim of a group says once its tests have been run.
DONE = "done"

#: The file in the folder of claims that names the tests that failed.
FAILED = "failed"


def groups(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """The tests in groups; those that use a fixture of their module stay together.

    The largest come first: one that is begun last would run on alone.
    """
    found = []
    for _, of_file in groupby(items, key=lambda item: item.path):
        rest = list(of_file)
        size = len(rest) if any(map(shares_a_fixture, rest)) else GROUP
        found += [rest[start : start + size] for start in range(0, len(rest), size)]
    return sorted(found, key=len, reverse=True)


def shares_a_fixture(item: pytest.Item) -> bool:
    """Whether something was set up for this test and others of its module."""
    definitions = item._fixtureinfo.name2fixturedefs.values()
    return any(one.scope in {"class", "module"} for several in definitions for one in several)


def taken(items: list[pytest.Item], claims: Path) -> Iterator[list[pytest.Item]]:
    """The groups that this process is the first to ask for."""
    for number, group in enumerate(groups(items)):
        claim = claims / str(number)
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            continue
        yield group
        claim.write_text(DONE)


def left_out(items: list[pytest.Item], claims: Path) -> list[str]:
    """The tests of all groups that no process has run to the end: it has died, say."""
    found = []
    for number, group in enumerate(groups(items)):
        claim = claims / str(number)
        if not claim.exists() or claim.read_text() != DONE:
            found += [item.nodeid for item in group]
    return found


def run_taken(session: pytest.Session, claims: Path) -> None:
    """Run group after group, as pytest runs its list of tests.

    What earlier groups have loaded stays until the end. The collector does not look at it again:
    libraries that tests import are 100 000s of objects, and tests collect hundreds of times.
    """
    for group in taken(session.items, claims):
        gc.collect()
        gc.freeze()
        for item, following in zip(group, [*group[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)


class Forked:
    """A process that was forked from this one; `returncode` is None while it runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its status if it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self._pid, number)


def run_in_forks(session: pytest.Session, claims: Path, n_processes: int) -> int:
    """Run the collected tests in several processes.

    Returns:
        The worst status of all; 0 in each of the processes, which goes on to tell its own.
    """
    sys.stdout.flush()
    collector = os.getpid()
    running: dict[Forked, IO[str]] = {}
    for _ in range(n_processes):
        output = file_for_output()
        if not (pid := os.fork()):
            write_to(output, session.config)
            note_own_pid(collector)
            for one in (*running.values(), output):
                one.close()
            run_taken(session, claims)
            return 0
        running[Forked(pid)] = output
    session.config.pluginmanager.unregister(name="terminalreporter")  # the others tell
    worst = 0
    try:
        worst = worst_of(running)
    finally:
        end(list(running))
        worst = max(worst, worst_of(running))
    if left := left_out(session.items, claims):
        print(f"Not run, or not to the end of their group of {GROUP}:", *left, sep="\n", flush=True)
        worst = max(worst, pytest.ExitCode.INTERNAL_ERROR)
    return worst


def file_for_output() -> IO[str]:
    """An empty file for what a process says, which need not be text where it dies."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")


def note_own_pid(collector: int) -> None:
    """Put this process in the place of the one that has imported the test modules."""
    for module in tuple(sys.modules.values()):
        for name in NOTED_PIDS:
            if getattr(module, "__dict__", {}).get(name) == collector:
                setattr(module, name, os.getpid())


def end(started: list[Forked]) -> None:
    """Have the processes that still run clean up, and wait for them; kill those that do not end.

    Meanwhile this process takes no interrupt: there may be one more from who has started it.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for number in [0, *[signal.SIGINT] * N_INTERRUPTS, signal.SIGKILL]:
            left = [one for one in started if one.poll() is None]
            for process in left:
                process.send_signal(number)  # 0 is none
            until_s = time.monotonic() + (TO_CLEAN_UP_S if number else TO_HAVE_HEARD_S)
            while any(one.poll() is None for one in left) and time.monotonic() < until_s:
                time.sleep(0.02)
    finally:
        signal.signal(signal.SIGINT, before)


def write_to(output: IO[str], config: pytest.Config) -> None:
    """Write to a file all that this process says; what tests print is caught as before."""
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    capture.start_global_capturing()
    capture.suspend_global_capture()


def note_failed(claims: Path, test: str) -> None:
    """Write down that a test failed, for whoever has started this process."""
    with open(claims / FAILED, "a") as file:  # one short write: lines of others stay whole
        file.write(f"{test}\n")


def failed_alone(claims: Path) -> bool:
    """Run the tests that failed beside others once more, with nothing beside them.

    What passes now is told nevertheless: it claims something that does not hold on a busy host.
    """
    noted = claims / FAILED
    tests = list(dict.fromkeys(noted.read_text().splitlines())) if noted.exists() else []
    if not 0 < len(tests) <= MOST_REPEATED:
        return True
    print(f"Once more, alone: {' '.join(tests)}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"]
    has_failed = subprocess.run([*command, *tests]).returncode != 0
    if not has_failed:
        print("They fail beside other tests only. Please mend their claims all the same.")
    return has_failed


def main(arguments: list[str]) -> int:
    """Run the tests and show what each process says when it has ended; the worst status is ours.

    A test that failed has one more try alone.
    """
    n_processes = min(2 * len(os.sched_getaffinity(0)), MOST_PROCESSES)
    with tempfile.TemporaryDirectory() as claims:
        # One word: pytest takes a folder on its own for a place to look for tests in.
        words = [f"--claims={claims}", f"--processes={n_processes}", *arguments]
        began_s = time.monotonic()
        with subprocess.Popen([sys.executable, "-m", "pytest", *words]) as process:
            try:
                worst = process.wait()
            finally:
                process.send_signal(signal.SIGINT)  # it cleans up; one that has ended hears nothing
        print(f"{n_processes} test processes: {spent(time.monotonic() - began_s)}")
        if worst == pytest.ExitCode.TESTS_FAILED and not failed_alone(Path(claims)):
            return 0
        return worst


def spent(wall_s: float) -> str:
    """What the tests took; processor time says more of them than of what else runs here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return f"{wall_s:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time"


def worst_of(running: dict[Forked, IO[str]]) -> int:
    """Wait for all of them; the output of each is shown in one piece."""
    worst, until_s = 0, time.monotonic() + MOST_S
    while running and time.monotonic() < until_s:
        time.sleep(0.1)
        for process in [one for one in running if one.poll() is not None]:
            with running.pop(process) as output:
                output.seek(0)
                print(output.read(), end="", flush=True)
            worst = max(worst, abs(process.returncode or 0))
    return worst


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and end the others
    sys.exit(main(sys.argv[1:]))

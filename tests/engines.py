"""Real engines for tests: a scheduler with workers, or a runtime, started for them alone."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conftest import ROOT

#: Seconds within which an engine has to be there.
START_S = 45.0


def why_not(module: str, extra: str) -> str | None:
    """Why an engine's tests are left out; None: they are not."""
    if importlib.util.find_spec(module) is None:
        return f"{module} is not installed: make test-engines installs amorsize[{extra}]"
    return None


@contextmanager
def dask_processes(folder: Path, *, n_workers: int, n_threads: int) -> Iterator["DaskProcesses"]:
    """A scheduler with workers, each as it is started from the command line."""
    started = DaskProcesses(folder, n_workers=n_workers, n_threads=n_threads)
    try:
        started.start()
        yield started
    finally:
        started.end()


class DaskProcesses:
    """A Dask scheduler with its workers and their nannies, as processes of their own."""

    def __init__(self, folder: Path, *, n_workers: int, n_threads: int) -> None:
        self._folder, self._n_workers, self._n_threads = folder, n_workers, n_threads
        self._processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def start(self) -> None:
        """Start them, and wait until the scheduler can be found."""
        file = self._folder / "scheduler.json"
        no_page = ("--no-dashboard",)
        self.scheduler = self._program(
            "scheduler", "--port", "0", "--scheduler-file", file, *no_page
        )
        for _ in range(self._n_workers):
            self.add_worker()
        until_s = time.monotonic() + START_S
        while not file.exists() and time.monotonic() < until_s:
            time.sleep(0.05)
        time.sleep(0.1)
        import json

        self.address = json.loads(file.read_text())["address"]

    def add_worker(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start one worker more, which does not wait for anything."""
        place = ("--scheduler-file", self._folder / "scheduler.json")
        folder = ("--local-directory", self._folder)
        threads = ("--nthreads", self._n_threads)
        return self._program("worker", *place, *threads, *folder, "--no-dashboard", *arguments)

    def _program(self, what: str, *arguments: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "dask", what, *map(str, arguments)]
        path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "log.txt").open("ab"),
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def end(self) -> None:
        """End them all: each is the first of a group, with what it has started."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with_children_s = time.monotonic() + 2
            while time.monotonic() < with_children_s and self._is_group_there(process.pid):
                time.sleep(0.02)
            if self._is_group_there(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)

    @staticmethod
    def _is_group_there(pid: int) -> bool:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return False
        return True

"""Experiments that measure what workers cost on this host.

Each takes a few milliseconds, and those with new interpreters more. None leaves anything behind.
"""

from __future__ import annotations

import pickle
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from statistics import median

from amorsize._host.fork_safety import why_not_fork
from amorsize._host.signals import reraise_from_handler, start_thread
from amorsize._host.unpatched import kernel, perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_N_STARTS = 7
_N_ROUNDS = 200
_N_THREADS = 10
_CLEAN_START_LIMIT_S = 0.5
_CHILD_LIMIT_S = 0.2
#: A program that loads what each worker in a new interpreter loads first.
_CLEAN_START = "import pickle, select, struct; print(flush=True)"


def costs_s() -> dict[str, float]:
    """The costs that could be measured, by their names in `Costs`."""
    measured: dict[str, float] = {}
    if why_not_fork() is None:  # first, as nothing may be forked beside the threads below
        measured |= _fork_costs_s() | _pipe_costs_s()
    return measured | _thread_costs_s() | _clean_start_cost_s()


def _fork_costs_s() -> dict[str, float]:
    starts_s, readies_s = [], []
    for _ in range(_N_STARTS):
        begun_s = perf_counter()
        child = _Child(lambda _from_parent, to_parent: kernel.write(to_parent, b"."))
        started_s = perf_counter()
        try:
            if not child.take():
                return {}
            readies_s.append(perf_counter() - started_s)
        finally:
            ending_s = perf_counter()
            child.end()
        starts_s.append(started_s - begun_s + perf_counter() - ending_s)
    return {"start_s": median(starts_s), "ready_s": median(readies_s)}


def _pipe_costs_s() -> dict[str, float]:
    child = _Child(_echo)
    chunk = list(range(8))
    try:
        if not child.ask(b"warm up"):
            return {}
        begun_s, begun_cpu_s = perf_counter(), time.thread_time()
        for _ in range(_N_ROUNDS):
            if not (report := child.ask(pickle.dumps(chunk))):
                return {}
            pickle.loads(report)
        cpu_s = (time.thread_time() - begun_cpu_s) / _N_ROUNDS
        wall_s = (perf_counter() - begun_s) / _N_ROUNDS
        return {"dispatch_s": cpu_s, "latency_s": wall_s / 2}
    finally:
        child.end()


def _echo(from_parent: int, to_parent: int) -> None:
    while data := kernel.read(from_parent, 4096):
        kernel.write(to_parent, data)


class _Child:
    """A forked process that runs `act`, with a pipe each way."""

    def __init__(self, act: Callable[[int, int], object]) -> None:
        from_parent, self._to_child = kernel.pipe()
        self._from_child, to_parent = kernel.pipe()
        self._pid = kernel.fork()
        if self._pid == 0:
            try:
                kernel.close(self._to_child)
                act(from_parent, to_parent)
            finally:
                kernel._exit(0)
        kernel.close(from_parent)
        kernel.close(to_parent)
        self._answers = select.poll()
        self._answers.register(self._from_child, select.POLLIN)

    def ask(self, question: bytes) -> bytes:
        """Send a question; gives the answer, or b"" if none comes in time."""
        kernel.write(self._to_child, question)
        return self.take()

    def take(self) -> bytes:
        """Read what the child has written; b"": nothing came in time."""
        if not self._answers.poll(_CHILD_LIMIT_S * 1000):
            return b""
        return kernel.read(self._from_child, 4096)

    def end(self) -> None:
        """Kill and reap the child."""
        kernel.close(self._to_child)
        kernel.close(self._from_child)
        kernel.kill(self._pid, signal.SIGKILL)  # not yet waited for, so the pid is still its own
        kernel.waitpid(self._pid, 0)


def _thread_costs_s() -> dict[str, float]:
    questions: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()

    def answer() -> None:
        while (question := questions.get()) is not None:
            answers.put(question)

    starts_s = []
    for _ in range(_N_THREADS):
        begun_s = perf_counter()
        thread = threading.Thread(target=answer, daemon=True)
        start_thread(thread)
        started_s = perf_counter() - begun_s
        questions.put(None)
        begun_s = perf_counter()
        thread.join()
        starts_s.append(started_s + perf_counter() - begun_s)
    thread = threading.Thread(target=answer, daemon=True)
    start_thread(thread)
    try:
        begun_cpu_s = time.thread_time()
        for question in range(_N_ROUNDS):
            questions.put(question)
            answers.get()
        cpu_s = (time.thread_time() - begun_cpu_s) / _N_ROUNDS
    finally:
        questions.put(None)  # after Ctrl-C, too: it would wait for ever
    thread.join()
    return {"thread_start_s": median(starts_s), "thread_dispatch_s": cpu_s}


def _clean_start_cost_s() -> dict[str, float]:
    """Time new interpreters. One that exceeds the time limit counts as the limit."""
    if not sys.executable or getattr(sys, "frozen", False):  # it is embedded, or part of a program
        return {}
    starts_s: list[float] = []
    while sum(starts_s) < _CLEAN_START_LIMIT_S / 2 and len(starts_s) < 3:
        begun_s = perf_counter()
        command = [sys.executable, "-P", "-c", _CLEAN_START]  # -P: not from the current folder
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_CLEAN_START_LIMIT_S,
                check=True,
            )
        except subprocess.TimeoutExpired:
            pass
        except (OSError, subprocess.CalledProcessError) as error:
            reraise_from_handler(error)
            return {}
        starts_s.append(perf_counter() - begun_s)
    return {"clean_start_s": median(starts_s)}

"""Interpreters that wait for the next call."""

from __future__ import annotations

import _thread
import os
import sys

from amorsize._host.clocks import perf_counter
from amorsize._host.signals import blocked, no_interrupts
from amorsize._workers import framing
from amorsize._workers.child_process import Child
from amorsize._workers.parent_death import Lifeline
from amorsize._workers.process_rights import rights, tracker
from amorsize._workers.shared_memory import SharedBlock, memory_file
from amorsize._workers.worker_handle import (
    GRACE_S,
    WorkerHandle,
    end,
    readable,
    two_pipes,
    widen,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Workers hash text alike, if not like their caller, whose seed nobody can read.
_HASH_SEED = str(int.from_bytes(os.urandom(4), "big"))
FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def shutdown() -> None:
    """End the workers that wait for a next call, in bounded time."""
    with no_interrupts():
        pool.shutdown()


class Resident(WorkerHandle):
    """The caller's side of a worker that outlives the call."""

    __slots__ = (
        "_shared",
        "began_s",
        "inner_threads",
        "is_ready",
        "kept_at_s",
        "n_ends",
        "place",
        "rights",
        "specs",
        "was_kept",
        "was_sent_value",
    )

    def __init__(self, environ: dict[str, str], inner_threads: int) -> None:
        self.began_s = perf_counter()
        self.rights = rights()
        process, read_fd, write_fd, self._shared = _launch(environ)
        super().__init__(-1, process, read_fd, write_fd, self._shared, 1)
        self.inner_threads = inner_threads
        self.specs: dict[str, Any] = {}  # of the caller's modules, since it may have imported them
        self.n_ends = 0  # calls that are over here and, as far as we know, not yet there
        self.is_ready = self.was_kept = self.was_sent_value = False
        self.kept_at_s = 0.0
        self.place = 0  # where its items run, of those that run at once

    def begin(self, number: int, own_modules: dict[str, Any], stop: float) -> None:
        """Serve a new call under a new number."""
        self.number = number
        self.specs.update(own_modules)
        self.is_ready = False
        if self.cells is not None:
            self.cells[0], self.cells[self.slot + 1] = stop, 0.0

    def rest(self) -> None:
        """The call is over: what its large items and results went through is given back."""
        if self._shared is not None:
            self._shared.empty()

    def would_import(self, own_modules: dict[str, Any]) -> bool:
        """Whether what it has imported is what the caller has: nothing was reloaded since."""
        return all(own_modules.get(name, spec) is spec for name, spec in self.specs.items())

    def is_free(self) -> bool:
        """Whether it is through with its last call; what it still says of that is not wanted."""
        while self.n_ends and readable(self.read_fd):
            try:
                if not self.reader.feed(self.read_fd):
                    break
            except OSError:
                break
            self.n_ends -= sum(kind == framing.FREE for kind, _ in self.reader.frames())
        return not self.n_ends

    def end(self) -> None:
        """End it at once, and collect it."""
        end(self)
        self.close()

    def close(self) -> None:
        """Close the caller's ends, and what is shared."""
        super().close()
        if self._shared is not None:
            self._shared.close()


class _Pool:
    """The workers of this process that no call has at the moment."""

    def __init__(self) -> None:
        self._idle: list[Resident] = []  # the one used last is the last
        self._lock = _thread.allocate_lock()
        self._is_registered = False
        self._lifeline: Lifeline | None = None

    def lifeline(self) -> Lifeline:
        """What all workers of this process hold on to."""
        with self._lock:
            if self._lifeline is None:
                self._lifeline = Lifeline()
                self._register()
            return self._lifeline

    def _register(self) -> None:
        if not self._is_registered:
            self._is_registered = True
            import atexit

            atexit.register(self.shutdown)
            os.register_at_fork(after_in_child=self.disown)

    @property
    def n_warm(self) -> int:
        """Workers that are there for a next call."""
        with no_interrupts(), self._lock:  # else Ctrl-C could leave it locked for good
            self._collect_ended()
            return len(self._idle)

    def _collect_ended(self) -> None:
        """Let go of those that were idle for too long, or that somebody has killed."""
        for resident in [one for one in self._idle if one.process.ended_by(0.0)]:
            self._idle.remove(resident)
            resident.end()

    def take(self, inner_threads: int, own_modules: dict[str, Any]) -> Resident | None:
        """A worker that is fit for a call; those that never will be are ended."""
        with self._lock:
            self._collect_ended()
            found: Resident | None = None
            own_rights = rights() if self._idle else ()
            for resident in reversed(self._idle):
                fits = resident.rights == own_rights
                if not fits or not self._is_fit(resident, inner_threads, own_modules):
                    self._idle.remove(resident)
                    resident.end()
                elif resident.is_free():
                    found = resident
                    break
                else:
                    found = found or resident  # it has just been started, or is tidying up
            if found is not None:
                self._idle.remove(found)
            return found

    @staticmethod
    def _is_fit(resident: Resident, inner_threads: int, own_modules: dict[str, Any]) -> bool:
        return (
            resident.inner_threads <= inner_threads
            and resident.would_import(own_modules)
            and (resident.is_free() or perf_counter() - resident.kept_at_s < GRACE_S)
        )

    def put(self, resident: Resident) -> None:
        """Keep a worker for the next call."""
        self._register()
        resident.was_kept, resident.kept_at_s = True, perf_counter()
        with self._lock:
            self._collect_ended()
            self._idle.append(resident)

    def shutdown(self) -> None:
        """End them all: on request, or by force after `GRACE_S`."""
        with self._lock:
            idle, self._idle = self._idle, []
        for resident in idle:
            resident.writer.put(framing.QUIT)
            try:
                resident.writer.flush(resident.write_fd)
            except BrokenPipeError:
                continue  # it has ended by itself
        deadline = perf_counter() + GRACE_S
        for resident in idle:
            resident.process.ended_by(deadline)
            resident.end()

    def disown(self) -> None:
        """In a forked child: the workers are the parent's, only copies of its ends are here."""
        self._lock = _thread.allocate_lock()
        idle, self._idle = self._idle, []
        for resident in idle:
            resident.close()
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None


pool = _Pool()


def _launch(environ: dict[str, str]) -> tuple[Child, int, int, SharedBlock | None]:
    """Start an interpreter; its process, our two ends, and the memory shared with it."""
    (orders_out, orders_in), (reports_out, reports_in) = two_pipes()
    widen(reports_in)
    cells_fd, shared = _shared_memory()
    try:
        ends, others = (orders_out, reports_in), (orders_in, reports_out)
        process = Child(_spawn(environ, ends, others, cells_fd))
    except OSError:
        os.close(orders_in)
        os.close(reports_out)
        if shared is not None:
            shared.close()
        raise
    finally:
        for descriptor in (orders_out, reports_in, cells_fd):
            if descriptor >= 0:
                os.close(descriptor)
    return process, reports_out, orders_in, shared


def _spawn(
    environ: dict[str, str], ends: tuple[int, int], others: tuple[int, int], cells_fd: int
) -> int:
    """Start an interpreter with its ends of two pipes; it is told the numbers of ours, too."""
    import signal
    import subprocess

    line_fd, tracker_fd = pool.lifeline().reading, tracker()
    # This package is found in its folder, and all else where any program finds it: neither that
    # folder nor the current one (-P) may hide a module of the standard library.
    script = (
        f"import sys; path = sys.path[:]; sys.path[:] = [{FOLDER!r}]; import amorsize; "
        "sys.path[:] = path; from amorsize._workers.spawned_main import main; "
        f"main({ends}, {others}, {cells_fd}, {line_fd}, {tracker_fd}, {os.getpid()}, {blocked()})"
    )
    # What multiprocessing passes on as well: -O, -W, -X and their like.
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:  # until it ignores Ctrl-C, the worker inherits that this thread does not take it
        process = subprocess.Popen(
            [sys.executable, "-P", *flags, "-c", script],
            stdin=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": _HASH_SEED, **environ},
            pass_fds=[one for one in (*ends, cells_fd, line_fd, tracker_fd or -1) if one >= 0],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    process.returncode = 0  # it is watched and collected by its number: nothing is left to Popen
    return process.pid


def _shared_memory() -> tuple[int, SharedBlock | None]:
    """A descriptor for a new interpreter to map, and what it is mapped to here."""
    try:
        descriptor = memory_file()
        return descriptor, SharedBlock(1, descriptor)
    except OSError:
        return -1, None  # workers do without: a death then names no item

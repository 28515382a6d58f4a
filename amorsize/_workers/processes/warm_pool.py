"""Interpreters that wait for the next call."""

from __future__ import annotations

import _thread
import os
import sys

from amorsize._host.signals import act_if_free, blocked, no_interrupts, reraise_from_handler
from amorsize._host.unpatched import kernel, perf_counter
from amorsize._workers.messages import framing, serialization
from amorsize._workers.messages.shared_memory import SharedBlock, memory_file
from amorsize._workers.processes.child_process import Child
from amorsize._workers.processes.parent_death import ParentDeathPipe
from amorsize._workers.processes.process_rights import rights, tracker
from amorsize._workers.processes.worker_handle import (
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

#: The hash seed of all workers: they hash text alike. The caller's own seed cannot be read.
_HASH_SEED = str(int.from_bytes(os.urandom(4), "big"))
#: Seconds within which an interpreter that was started ahead has imported its libraries.
BEGIN_S = 60.0
#: The folder that holds this package.
FOLDER = os.path.abspath(os.path.join(__file__, *[os.pardir] * 4))

#: Mappings that are never closed: each owns a descriptor (`mmap.mmap`) that the program may have
#: closed and used again.
_never_closed: list[SharedBlock] = []


def shutdown() -> None:
    """End the workers that wait for a next call, in bounded time."""
    with no_interrupts():
        pool.shutdown()


class WarmWorker(WorkerHandle):
    """The caller's side of a worker that can serve several calls."""

    __slots__ = (
        "_shared",
        "is_beginning",
        "is_ready",
        "kept_at_s",
        "library_threads",
        "loaded",
        "n_ends",
        "rights",
        "specs",
        "started_s",
        "was_kept",
        "was_sent_value",
        "worker_number",
    )

    def __init__(self, environ: dict[str, str], library_threads: int) -> None:
        self.started_s = perf_counter()
        self.rights = rights()
        process, read_fd, write_fd, self._shared = _launch(environ)
        super().__init__(-1, process, read_fd, write_fd, self._shared, SharedBlock.HEAD)
        self.library_threads = library_threads
        self.specs: dict[str, Any] = {}  # of modules that it may have imported
        self.n_ends = 0  # ended calls that it has not confirmed
        self.is_ready = self.was_kept = self.was_sent_value = False
        self.is_beginning = False  # it was started ahead, and may still be importing
        self.loaded: frozenset[str] = frozenset()  # names of libraries that it has been asked for
        self.kept_at_s = 0.0
        self.worker_number = 0

    def begin(self, number: int, own_modules: dict[str, Any], stop: float) -> None:
        """Prepare for a new call under a new number."""
        self.number = number
        self.specs.update(own_modules)
        self.is_ready = self.is_beginning = False
        if self.counters is not None:
            self.counters[0], self.counters[self.slot + 1] = stop, 0.0

    def rest(self) -> None:
        """After a call: free the shared memory that its large items and results went through."""
        if self._shared is not None:
            self._shared.empty()

    def would_import(self, own_modules: dict[str, Any]) -> bool:
        """Whether it has imported what the caller has: no module was reloaded since."""
        return all(own_modules.get(name, spec) is spec for name, spec in self.specs.items())

    def load_ahead(self, names: frozenset[str], place: dict[str, Any]) -> None:
        """Have it import libraries as here, before it counts as warm.

        Args:
            names: Their names.
            place: Where the caller is, from `place.place`.

        Raises:
            BrokenPipeError: It has ended.
        """
        self.loaded |= names
        self.is_beginning, self.n_ends = True, self.n_ends + 1
        order = serialization.dumps((place, sorted(names)))
        self.writer.put(framing.AHEAD, order)
        self.writer.flush(self.write_fd)

    def is_warm(self, names: frozenset[str]) -> bool:
        """Whether it could take work at once that needs these libraries."""
        if self.is_beginning and self.is_free():
            self.is_beginning = False
        return not self.is_beginning and names <= self.loaded

    def is_free(self) -> bool:
        """Whether it has finished its last call; other messages of that call are dropped."""
        while self.n_ends and readable(self.read_fd):
            try:
                if not self.reader.feed(self.read_fd):
                    break
            except OSError as error:
                reraise_from_handler(error)
                break
            self.n_ends -= sum(kind == framing.FREE for kind, _ in self.reader.frames())
        return not self.n_ends

    def end(self) -> None:
        """Kill it, then close its pipes."""
        end(self)
        self.close()

    def close(self) -> None:
        """Close the pipes and the shared memory, unless the program has closed its descriptors."""
        is_connected = self.is_connected
        super().close()
        if self._shared is not None:
            if is_connected:
                self._shared.close()
            else:
                _never_closed.append(self._shared)


class WarmPool:
    """The idle workers of this process."""

    def __init__(self) -> None:
        self._idle: list[WarmWorker] = []  # the most recently used one is last
        self._lock = _thread.allocate_lock()
        self._is_registered = False
        self._death_pipe: ParentDeathPipe | None = None

    def death_pipe(self) -> ParentDeathPipe:
        """The pipe by which workers notice the end of this process."""
        with self._lock:
            if self._death_pipe is None or not self._death_pipe.is_open:
                self._death_pipe = ParentDeathPipe()
                self._register()
            return self._death_pipe

    def _register(self) -> None:
        if not self._is_registered:
            self._is_registered = True
            import atexit

            atexit.register(self.shutdown)
            os.register_at_fork(before=self.collect_ended, after_in_child=self.forget_in_fork)

    def n_warm(self, names: frozenset[str]) -> int:
        """How many workers wait for a next call and have these libraries."""
        if not self._idle:
            return 0
        with no_interrupts(), self._lock:  # a call from a signal handler asks as well
            self._collect_ended()
            return sum(one.is_warm(names) for one in self._idle)

    def load_ahead(self, names: frozenset[str], place: dict[str, Any]) -> int:
        """Have those that wait import these libraries; gives how many are about to have them."""
        with self._lock:
            self._collect_ended()
            for worker in self._idle:
                if not names <= worker.loaded:
                    try:
                        worker.load_ahead(names, place)
                    except BrokenPipeError:
                        continue  # it has ended, and is collected the next time
            return sum(names <= one.loaded for one in self._idle)

    def collect_ended(self) -> None:
        """Before a fork: a program that forks may wait for any child, and means its own."""
        if self._idle:
            act_if_free(self._lock, self._collect_ended)  # else they are being looked at

    def _collect_ended(self) -> None:
        """Remove workers that have quit after a long idle time, or were killed."""
        for worker in [one for one in self._idle if one.process.ended_by(0.0)]:
            self._idle.remove(worker)
            worker.end()

    def take(self, library_threads: int, own_modules: dict[str, Any]) -> WarmWorker | None:
        """A worker that can serve this call, or None; useless workers are ended."""
        with self._lock:
            self._collect_ended()
            found: WarmWorker | None = None
            own_rights = rights() if self._idle else ()
            for worker in reversed(self._idle):
                fits = worker.rights == own_rights
                if not fits or not self._is_fit(worker, library_threads, own_modules):
                    self._idle.remove(worker)
                    worker.end()
                elif worker.is_free():
                    found = worker
                    break
                elif not worker.is_beginning:  # else it imports with patience: a new one is sooner
                    found = found or worker  # it is finishing a call
            if found is not None:
                self._idle.remove(found)
            return found

    @staticmethod
    def _is_fit(worker: WarmWorker, library_threads: int, own_modules: dict[str, Any]) -> bool:
        return (
            worker.is_connected
            and worker.library_threads <= library_threads
            and worker.would_import(own_modules)
            and (worker.is_free() or perf_counter() - worker.kept_at_s < _patience_s(worker))
        )

    def put(self, worker: WarmWorker) -> None:
        """Keep a worker for the next call."""
        self._register()
        worker.was_kept, worker.kept_at_s = True, perf_counter()
        with self._lock:
            self._collect_ended()
            self._idle.append(worker)

    def shutdown(self) -> None:
        """Ask all workers to quit; kill those still alive after `GRACE_S`."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            if not worker.is_connected:
                continue
            if worker.number < 0 and not worker.is_free():
                worker.process.kill()  # it imports, and has done nothing for the program
                continue
            worker.writer.put(framing.QUIT)
            try:
                worker.writer.flush(worker.write_fd)
            except BrokenPipeError:
                continue  # it has ended by itself
        deadline = perf_counter() + GRACE_S
        for worker in idle:
            worker.process.ended_by(deadline)
            worker.end()

    def forget_in_fork(self) -> None:
        """In a forked child, close the copies of the parent's pipes."""
        self._lock = _thread.allocate_lock()
        idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()
        if self._death_pipe is not None:
            self._death_pipe.close()
            self._death_pipe = None


def _patience_s(worker: WarmWorker) -> float:
    """Seconds within which it should have finished what it was asked for."""
    return BEGIN_S if worker.is_beginning else GRACE_S


pool = WarmPool()


def _launch(environ: dict[str, str]) -> tuple[Child, int, int, SharedBlock | None]:
    """Start an interpreter; gives its process, the caller's two ends, and the shared memory."""
    (requests_read, requests_write), (reports_read, reports_write) = two_pipes()
    widen(reports_write)
    shared_fd, shared = _shared_memory()
    try:
        ends, others = (requests_read, reports_write), (requests_write, reports_read)
        process = Child(_spawn(environ, ends, others, shared_fd))
    except OSError:
        kernel.close(requests_write)
        kernel.close(reports_read)
        if shared is not None:
            shared.close()
        raise
    finally:
        for descriptor in (requests_read, reports_write, shared_fd):
            if descriptor >= 0:
                kernel.close(descriptor)
    return process, reports_read, requests_write, shared


def _spawn(
    environ: dict[str, str], ends: tuple[int, int], others: tuple[int, int], shared_fd: int
) -> int:
    """Start an interpreter that runs `spawned_main.main`; gives its process id."""
    import signal
    import subprocess

    death_fd, tracker_fd = pool.death_pipe().reading, tracker()
    # Only this package is imported from its folder. Neither that folder nor the current one (-P)
    # may hide a module of the standard library.
    script = (
        f"import sys; path = sys.path[:]; sys.path[:] = [{FOLDER!r}]; import amorsize; "
        "sys.path[:] = path; from amorsize._workers.processes.spawned_main import main; "
        f"main({ends}, {others}, {shared_fd}, {death_fd}, {tracker_fd}, {kernel.getpid()}, "
        f"{blocked()})"
    )
    # The options that multiprocessing passes on as well: -O, -W, -X and others.
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:  # the worker inherits the blocked signal until it ignores Ctrl-C itself
        process = subprocess.Popen(
            [sys.executable, "-P", *flags, "-c", script],
            stdin=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": _HASH_SEED, **environ},
            pass_fds=[one for one in (*ends, shared_fd, death_fd, tracker_fd or -1) if one >= 0],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    process.returncode = 0  # `Child` reaps it: Popen must not
    return process.pid


def _shared_memory() -> tuple[int, SharedBlock | None]:
    """A descriptor of shared memory for a new interpreter, and its mapping in this process."""
    descriptor = -1
    try:
        descriptor = memory_file()
        return descriptor, SharedBlock(1, descriptor)
    except OSError as error:
        if descriptor >= 0:
            kernel.close(descriptor)
        reraise_from_handler(error)
        return -1, None  # without it, the death of a worker names no item

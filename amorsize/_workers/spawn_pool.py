"""Workers from a clean start: new interpreters, kept warm between calls, safe beside any thread.

A plain interpreter that loads this package's few modules takes its first chunk after about 25 ms;
a process of loky's context takes 70-110 ms to its first word. So there is no server process that
forks warm workers: it would save little, and bring back what forking shares.
"""

from __future__ import annotations

import _thread
import os
import sys

from amorsize._function.callables import is_own_module
from amorsize._host.clocks import perf_counter
from amorsize._host.signals import blocked, no_interrupts
from amorsize._workers import framing, serialization, worker_numbers
from amorsize._workers.child_process import Child
from amorsize._workers.parent_death import Lifeline
from amorsize._workers.process_pool import (
    GRACE_S,
    ProcessPoolBase,
    WorkerHandle,
    end,
    readable,
    two_pipes,
    widen,
)
from amorsize._workers.process_rights import rights, tracker
from amorsize._workers.protocol import Logged, SetupFailed, Text
from amorsize._workers.shared_data import LENT_BYTES, Lent
from amorsize._workers.shared_memory import SharedBlock, memory_file
from amorsize._workers.spawned_main import PLACE, surroundings
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.framing import Piece
    from amorsize._workers.protocol import Event, Payload, Task

# What limits the threads of numerical libraries: read once, when such a library is loaded.
INNER_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"),
    *("POLARS_MAX_THREADS", "RAYON_NUM_THREADS"),  # Arrow heeds the first
)
# Workers hash text alike, if not like their caller, whose seed nobody can read.
_HASH_SEED = str(int.from_bytes(os.urandom(4), "big"))
FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def shutdown() -> None:
    """End the workers that wait for a next call, in bounded time."""
    with no_interrupts():
        pool.shutdown()


class SpawnPool(ProcessPoolBase):
    """Workers of one call, each in an interpreter of its own; those left idle stay warm."""

    def __init__(self, task: Task, payload: Payload, *, inner_threads: int = 1) -> None:
        super().__init__(task)
        self._payload = payload
        self._surroundings = surroundings(payload.carried())
        for name in _limiting(self._surroundings["environ"]):
            self._surroundings["environ"][name] = str(inner_threads)
        self._inner_threads = inner_threads
        self._own_modules = _own_modules()
        self._by_value = False
        self._lent: Lent | None = None
        self._order = self._lent_task() or self._packed_task(payload.data)  # or cannot travel
        self._stop = float("inf")
        self.ready_s: float | None = None  # what the last new worker took to be able to work

    # -- starting ---------------------------------------------------------------------------

    def start(self, number: int) -> None:
        """Have one worker, warm or new, to be known by this number."""
        with no_interrupts():  # else one might be left that nobody knows of
            resident = pool.take(self._inner_threads, self._own_modules)
            self._employ(number, resident or self._new_resident())

    def _new_resident(self) -> Resident:
        return Resident(self._surroundings["environ"], self._inner_threads)

    def _employ(self, number: int, resident: Resident) -> None:
        resident.begin(number, self._own_modules, self._stop)
        resident.was_sent_value, resident.place = self._by_value, worker_numbers.prepared()
        self._attend(resident)
        self._hand_task(resident)

    def _hand_task(self, resident: Resident) -> None:
        resident.writer.put(framing.TASK, PLACE.pack(resident.place), self._order)
        self._flush(resident)

    def _packed_task(self, task: bytes) -> bytes:
        return serialization.dumps((self._surroundings, task, None))

    def _lent_task(self) -> bytes | None:
        """A task that is large, in memory that all workers map; None: it goes through the pipe."""
        data, parts = self._payload.apart()
        whole = [*parts, memoryview(data)]
        if sum(part.nbytes for part in whole) < LENT_BYTES:
            return None
        try:
            self._lent = Lent(whole)
        except OSError:  # no such memory on this system, or a limit on files
            return None
        return serialization.dumps((self._surroundings, None, self._lent.ticket))

    def packed(self, items: Any) -> bytes:
        """Items as they are sent."""
        return self._payload.pack(items)

    # -- working ----------------------------------------------------------------------------

    def stop_at(self, index: int) -> None:
        """No item at or above `index` is begun any more."""
        self._stop = min(self._stop, float(index))
        for remote in self._remotes.values():
            if remote.cells is not None:
                remote.cells[0] = self._stop

    def _packed_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
        return self._payload.pack_apart(items)

    def _understand(self, remote: WorkerHandle, kind: bytes, payload: Piece | None) -> Event | None:
        assert isinstance(remote, Resident)
        if kind == framing.FREE:
            remote.n_ends -= 1
            return None
        if remote.n_ends and kind not in (framing.TEXT, framing.RECORD):
            return None  # said before it knew of this call
        if kind == framing.UNFIT:
            assert payload is not None
            return self._unfit(remote, payload)
        if kind in (framing.READY, framing.FAILED):
            remote.is_ready = True
            if kind == framing.READY and not remote.was_kept and self._task.setup is None:
                self.ready_s = perf_counter() - remote.began_s
        return super()._understand(remote, kind, payload)

    def _unfit(self, resident: Resident, payload: Piece) -> Event | None:
        """A worker cannot find the function, or finds another: send the function itself."""
        error, text = serialization.unpack_error(payload)
        try:
            if not self._by_value:
                self._order = self._packed_task(self._payload.by_value())
                self._by_value = True
                self._take_back()
            if not resident.was_sent_value:
                resident.was_sent_value = True
                self._hand_task(resident)
                return None
        except SerializationError as refusal:
            refusal.add_note(f"What a worker that imported it met: {error}")
            return SetupFailed(worker=resident.number, error=refusal)
        failure = SerializationError(
            f"{self._payload.name} cannot be rebuilt in a worker process: "
            f"{type(error).__name__}: {error}. Make it importable there, or use backend='thread'."
        )
        failure.add_note(text)
        return SetupFailed(worker=resident.number, error=failure)

    def _bury(self, remote: WorkerHandle, happenings: list[Event]) -> None:
        assert isinstance(remote, Resident)
        if remote.was_kept and not remote.is_ready:
            # It had gone, or was just going, when it was given this call: no item is to blame.
            remote.process.collect()
            self._forget(remote)
            with no_interrupts():
                self._employ(remote.number, self._new_resident())
        else:
            super()._bury(remote, happenings)

    # -- ending -----------------------------------------------------------------------------

    def close(self, *, at_once: bool) -> list[str]:
        """Leave idle workers to the next call and end the rest; within about `GRACE_S`.

        One that setup= has made ready is not what another call would start from: it is ended.
        """
        self._take_back()
        if self._leave_to_owner():
            return []
        residents = [one for one in self._remotes.values() if isinstance(one, Resident)]
        has_hooks = self._task.setup is not None or self._task.teardown is not None
        kept = []
        for resident in residents:
            if resident.is_leaving and not at_once:
                resident.process.ended_by(perf_counter() + GRACE_S)
            if resident.is_leaving or resident.orders or (has_hooks and not resident.is_ready):
                self._end(resident)
            else:
                resident.n_ends += 1
                resident.writer.put(framing.END)
                self._flush(resident)
                kept.append(resident)
        if has_hooks and not at_once:
            self._hear_out(kept)
        for resident in kept:
            if resident.ended:
                continue
            if has_hooks:
                self._end(resident)
            else:
                self._overlook(resident)
                resident.rest()
                pool.put(resident)
        return []

    @property
    def lent_bytes(self) -> int:
        """What workers have mapped of the caller's, in all."""
        return 0 if self._lent is None else self._lent.n_bytes

    def has_changed_lent(self) -> bool:
        """Whether the caller's own is another by now than what it has lent."""
        return self._lent is None or self._lent.has_changed()

    def _take_back(self) -> None:
        """What was lent is freed as soon as workers are through with the call as well."""
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.close()

    def _end(self, resident: Resident) -> None:
        end(resident)
        self._forget(resident)

    def _hear_out(self, residents: list[Resident]) -> None:
        """Wait until teardown has run, and pass on what it said; for `GRACE_S` at most."""
        deadline = perf_counter() + GRACE_S
        while any(one.n_ends and not one.ended for one in residents):
            left_s = deadline - perf_counter()
            if left_s <= 0:
                return
            for happening in self.wait(left_s):
                if isinstance(happening, Text):
                    print(happening.text, end="", file=getattr(sys, happening.stream), flush=True)
                elif isinstance(happening, Logged):
                    from amorsize._workers.child_setup import handle_record

                    handle_record(happening.record)


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


# Of each module by its name: its spec, and whether it is the project's.
_whose: dict[str, tuple[Any, bool]] = {}


def _own_modules() -> dict[str, Any]:
    """The specs of the project's own modules; reloading a module gives it a new one."""
    found = {}
    for name, module in tuple(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None:
            continue
        known = _whose.get(name)
        if known is None or known[0] is not spec:
            known = _whose[name] = spec, is_own_module(name)
        if known[1]:
            found[name] = spec
    return found


def _limiting(environ: dict[str, str]) -> list[str]:
    """The variables to set so that workers times inner threads stay within the cores."""
    if "OMP_NUM_THREADS" in environ:  # the user has decided, and all such libraries heed it
        return []
    return [name for name in INNER_THREADS if name not in environ]


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

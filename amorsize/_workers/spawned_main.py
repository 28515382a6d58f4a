"""A worker in an interpreter of its own: serves one call after the other, trusts nothing it had."""

from __future__ import annotations

import _contextvars
import os
import sys
from struct import Struct

from amorsize._host import import_hooks, signals
from amorsize._host.clocks import perf_counter
from amorsize._workers import (
    caller_state,
    child_setup,
    exception_pickling,
    first_items,
    framing,
    nesting,
    parent_death,
    serialization,
    worker_numbers,
)
from amorsize._workers.pipe_ends import End
from amorsize._workers.protocol import Task
from amorsize._workers.shared_data import IS_WRITTEN, Borrowed, WrittenInto
from amorsize._workers.shared_memory import SharedBlock
from amorsize._workers.worker_main import Worker, flush_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.first_items import FirstItems
    from amorsize._workers.framing import Piece

PLACE = Struct("<H")  # in front of a task: where its items run, of those that run at once
IDLE_S = 30.0  # a worker that no call has used for so long ends itself


def main(
    ends: tuple[int, int],
    others: tuple[int, int],
    cells_fd: int,
    line_fd: int,
    tracker_fd: int | None,
    parent_pid: int,
    blocked: list[int],
) -> None:
    """All a worker in a new interpreter does: its ends of two pipes, and the caller's there."""
    parent_death.hold_on(line_fd)
    os.close(line_fd)
    if os.getppid() != parent_pid:
        return  # the caller has ended before the line was held
    import_hooks.when_imported(
        "multiprocessing.resource_tracker", "tracker", lambda: _share_tracker(tracker_fd)
    )
    for descriptor in (*ends, cells_fd, -1 if tracker_fd is None else tracker_fd):
        if descriptor >= 0:  # what an item starts must not hold our pipes
            os.set_inheritable(descriptor, False)
    nesting.enter_process()
    signals.leave_to_caller(blocked)
    streams = sys.stdout, sys.stderr
    reading = End(ends[0], os.O_RDONLY, parent_pid, others[0])
    writing = End(ends[1], os.O_WRONLY, parent_pid, others[1])
    child_setup.forward_output(writing, always=True)
    try:
        Resident(reading, writing, parent_pid, _mapped(cells_fd)).live()
    except BrokenPipeError:
        pass  # the caller is gone: nobody is left to tell
    finally:
        flush_streams()
        sys.stdout, sys.stderr = streams  # what still runs at exit has nobody to forward it


def _share_tracker(descriptor: int | None) -> None:
    """Leave it to the caller's, if it has one, to remove shared memory; never to one of ours."""
    tracker = sys.modules["multiprocessing.resource_tracker"]._resource_tracker
    if descriptor is None:
        tracker._send = lambda *_: None
    else:
        tracker._fd = descriptor


def _mapped(descriptor: int) -> SharedBlock | None:
    if descriptor < 0:
        return None
    shared = SharedBlock(1, descriptor, is_made=True)
    os.close(descriptor)
    return shared


class Resident(Worker):
    """One worker process's life, call after call."""

    def __init__(
        self,
        reading: End,
        writing: End,
        parent_pid: int,
        shared: SharedBlock | None,
    ) -> None:
        super().__init__(_NO_TASK, reading, writing, parent_pid, shared, 1)
        self._idle_since = perf_counter()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._context = _contextvars.Context()  # of the call at hand
        self._borrowed: Borrowed | None = None
        self._has_told = False  # that an item has written into it

    def watching(self, task: Task) -> FirstItems | None:
        """What looks at the first items of a task; what is open here is this worker's own."""
        return first_items.of_interpreter(task.watch)

    def live(self) -> None:
        """Serve calls until told to quit, idle for long, or the caller is gone."""
        import_hooks.when_imported("logging", "records", self._forward_records)
        try:
            while self._serve_what_arrives():
                pass
        finally:
            self._tear_down()

    def is_needed(self) -> bool:
        """Whether to wait for more."""
        return self.task is not _NO_TASK or perf_counter() - self._idle_since < IDLE_S

    def _obey(self, kind: bytes, payload: Piece | None) -> bool:
        if self.line.receive(kind, payload):
            return True
        assert payload is not None
        if kind == framing.TASK:
            self._context = _contextvars.Context()
            self._context.run(self._take_on, payload)
        elif kind == framing.END:
            self._context.run(self._tear_down)
            self._idle_since = perf_counter()
            flush_streams()
            if not self._give_back():
                return False  # what it has kept of the call would keep that memory
            framing.write(self.writing.number(), framing.FREE)
        elif kind != framing.QUIT:
            self._context.run(self.run, kind, payload)
        return kind != framing.QUIT and not self.appetite.exceeds_limit

    def _take_on(self, payload: Piece) -> None:
        """Become fit for a call: its surroundings first, then what it runs."""
        worker_numbers.take_in_process(*PLACE.unpack_from(payload))
        surroundings, task, ticket = serialization.loads(memoryview(payload)[PLACE.size :])
        parts = None
        try:
            self._give_back()
            if ticket is not None:
                self._borrowed, self._has_told = Borrowed(ticket), False
                *parts, task = self._borrowed.parts
            os.umask(self._umask)  # the caller's still is what it was, or this worker were not used
            settle_in(surroundings)
            task = serialization.loads(task, parts)
            if task.draws_from_numpy and surroundings["numpy"]:
                import numpy.random  # noqa: F401 - an item that loads it would draw unseeded
            function = task.function_of_one()
        except BaseException as error:
            framing.write(
                self.writing.number(), framing.UNFIT, exception_pickling.pack_error(error)
            )
            return
        self.task, self.function = task, function
        self.packing = serialization.Packing(task.function, is_forked=False)
        self.first_items = self.watching(task)
        self.appetite.begin(task.most_bytes)
        if "logging" in sys.modules:
            child_setup.note_handlers()
        if not self.set_up():
            self.task = _NO_TASK

    def report(
        self,
        start: int,
        n_items: int,
        results: list[Any],
        times_s: tuple[float, float, float],
        error: BaseException | None,
        last: bool,
        is_unread: bool = False,
    ) -> None:
        """Send results, unless an item has changed what it only has a copy of."""
        if self._borrowed is not None and not self._has_told and self._borrowed.is_written():
            if self.task.watch is not None:
                results, error = [], WrittenInto()
            else:  # the user has asked for processes, whatever items do there
                self._has_told = True
                why = f"{IS_WRITTEN}: that worker process alone has it so"
                framing.write(self.writing.number(), framing.NOTICED, why.encode())
        super().report(start, n_items, results, times_s, error, last, is_unread)

    def _give_back(self) -> bool:
        """Let go of what the caller had lent for the call; False: something still refers to it."""
        borrowed, self._borrowed = self._borrowed, None
        if borrowed is None:
            return True
        self._context = _contextvars.Context()
        self.packing = serialization.Packing(is_forked=False)
        return borrowed.give_back()

    def _forward_records(self) -> None:
        child_setup.forward_records(self.writing)

    def _tear_down(self) -> None:
        task, self.task, self.function = self.task, _NO_TASK, _nothing
        if self.cells is not None:
            self.cells[self.slot + 1] = 0.0
        if task.teardown is not None:
            task.teardown()


def _nothing(_: Any) -> None:
    """No call has given this worker anything to run."""


_NO_TASK = Task(_nothing)


def surroundings(state: bytes) -> dict[str, Any]:
    """What a worker must take over from its caller besides the function; `state`: as carried."""
    try:
        folder = os.getcwd()
    except OSError:  # it was removed meanwhile
        folder = None
    return {
        "folder": folder,
        "environ": _environ(),
        "path": list(sys.path),
        "argv": list(getattr(sys, "argv", ())),
        "numpy": "numpy" in sys.modules,
        "carried": state,
    }


_last_environ: tuple[dict[Any, Any], dict[str, str]] = {}, {}  # as it is kept, and as it is read


def _environ() -> dict[str, str]:
    """The environment, which is decoded once for as long as it stays as it is."""
    global _last_environ
    kept = getattr(os.environ, "_data", None)
    if type(kept) is not dict:
        return dict(os.environ)
    if kept != _last_environ[0]:
        _last_environ = dict(kept), dict(os.environ)
    return dict(_last_environ[1])


def settle_in(found: dict[str, Any]) -> None:
    """Take over a caller's surroundings."""
    if found["folder"] is not None:
        os.chdir(found["folder"])
    _take_environ(found["environ"])
    sys.path[:] = found["path"]
    sys.argv[:] = found["argv"]
    sys.path_importer_cache.pop("", None)  # the folder that "" stands for may be another now
    caller_state.take(found["carried"])


def _take_environ(wanted: dict[str, str]) -> None:
    here = dict(os.environ)
    for name in here.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if here.get(name) != value:
            os.environ[name] = value
    if here.get("TZ") != wanted.get("TZ"):
        import time

        time.tzset()

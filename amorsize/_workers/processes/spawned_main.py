"""The main program of a worker in a new interpreter, which serves one call after the other."""

from __future__ import annotations

import _contextvars
import sys
from math import inf
from struct import Struct

from amorsize._function.ownership import LARGE_LIBRARIES
from amorsize._host import import_hooks, signals
from amorsize._host.unpatched import kernel, perf_counter
from amorsize._workers import first_items, nesting, stream_calls, worker_numbers
from amorsize._workers.messages import exception_pickling, framing, serialization
from amorsize._workers.messages.packing import Packing
from amorsize._workers.messages.pipe_ends import End
from amorsize._workers.messages.shared_memory import SharedBlock
from amorsize._workers.processes import child_setup, parent_death
from amorsize._workers.processes.place import enter_place
from amorsize._workers.processes.surroundings import enter_surroundings
from amorsize._workers.processes.worker_main import Worker, flush_streams
from amorsize._workers.protocol import NO_TASK
from amorsize._workers.tasks.shared_data import IS_WRITTEN, Borrowed, WrittenInto

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from amorsize._workers.first_items import FirstItems
    from amorsize._workers.messages.framing import Piece
    from amorsize._workers.protocol import Task

#: What tasks load, which takes longer than to start the interpreter.
_OF_TASKS = (
    *("cloudpickle", "amorsize._workers.tasks.task_unpickling", "amorsize._workers.seeding"),
    *("amorsize._workers.tasks.sent_classes", "amorsize._function.sharing.thread_safety"),
)
#: By how much the niceness of a thread grows for imports ahead: they get a tenth of a core that
#: somebody else needs.
AHEAD_NICE = 10
#: The worker number, in front of a task.
WORKER_NUMBER = Struct("<H")


def main(
    ends: tuple[int, int],
    others: tuple[int, int],
    shared_fd: int,
    death_fd: int,
    tracker_fd: int | None,
    parent_pid: int,
    blocked: list[int],
) -> None:
    """The life of a worker in a new interpreter.

    Args:
        ends: Its ends of the two pipes: for reading, for writing.
        others: The descriptors of the caller's ends, in the caller.
        shared_fd: The descriptor of the shared memory; negative: none.
        death_fd: The descriptor of the pipe that ends with the caller.
        tracker_fd: The descriptor of the caller's resource tracker; None: it has none.
        parent_pid: The process id of the caller.
        blocked: The signals that the caller blocks.
    """
    parent_death.die_with_parent(death_fd)
    kernel.close(death_fd)
    if kernel.getppid() != parent_pid:
        return  # the caller ended before this worker could watch it
    import_hooks.when_imported(
        "multiprocessing.resource_tracker", "tracker", lambda: _share_tracker(tracker_fd)
    )
    for descriptor in (*ends, shared_fd, -1 if tracker_fd is None else tracker_fd):
        if descriptor >= 0:  # programs of items must not inherit the pipes
            kernel.set_inheritable(descriptor, False)
    nesting.enter_process()
    signals.leave_to_caller(blocked)
    streams = [getattr(sys, slot) for slot in stream_calls.SLOTS]
    reading = End(ends[0], kernel.O_RDONLY, parent_pid, others[0])
    writing = End(ends[1], kernel.O_WRONLY, parent_pid, others[1])
    child_setup.forward_output(writing)
    try:
        PersistentWorker(reading, writing, parent_pid, _mapped(shared_fd)).live()
    except BrokenPipeError:
        pass  # the caller has ended
    finally:
        flush_streams()
        for slot, stream in zip(stream_calls.SLOTS, streams, strict=True):
            setattr(sys, slot, stream)  # code that runs at exit cannot forward output


def _share_tracker(descriptor: int | None) -> None:
    """Use the resource tracker of the caller or none, never one of this worker.

    A tracker of this worker would remove shared memory that its items only attach to.
    """
    tracker = sys.modules["multiprocessing.resource_tracker"]._resource_tracker
    if descriptor is None:
        tracker._send = lambda *_: None
    else:
        tracker._fd = descriptor


def _load_ahead(payload: Piece) -> None:
    """Import the libraries that a call to come needs, where the caller is.

    Large ones in a thread of low priority: the caller's loop needs the cores, and only a thread
    gets rid of that. Others may mind which thread imports them, as it alone has their `local()`.
    """
    import threading  # in the thread that it is to take for the main one

    where, names = serialization.loads(payload)
    enter_place(where)
    large = {name for name in names if name.partition(".")[0] in LARGE_LIBRARIES}
    thread = threading.Thread(target=_import_patiently, args=((*_OF_TASKS, *sorted(large)),))
    thread.start()
    thread.join()
    _import_all(name for name in names if name not in large)


def _import_patiently(names: tuple[str, ...]) -> None:
    if sys.platform == "linux":  # where threads have priorities of their own
        kernel.setpriority(kernel.PRIO_PROCESS, 0, min(19, kernel.nice(0) + AHEAD_NICE))
    _import_all(names)


def _import_all(names: Iterable[str]) -> None:
    for name in names:
        try:
            __import__(name)
        except BaseException as error:  # some exit where they are not welcome
            signals.reraise_from_handler(error)
            continue  # the call itself imports it again, and tells what is wrong


def _mapped(descriptor: int) -> SharedBlock | None:
    if descriptor < 0:
        return None
    shared = SharedBlock(1, descriptor, is_made=True)
    kernel.close(descriptor)
    return shared


class PersistentWorker(Worker):
    """A worker process that serves several calls."""

    def __init__(
        self,
        reading: End,
        writing: End,
        parent_pid: int,
        shared: SharedBlock | None,
    ) -> None:
        super().__init__(NO_TASK, reading, writing, parent_pid, shared, SharedBlock.HEAD)
        self._idle_since = perf_counter()
        #: Whether a call is under way: if it lacks code, it waits for that however long it takes.
        self._is_called = False
        self._umask = kernel.umask(0o077)
        kernel.umask(self._umask)
        self._context = _contextvars.Context()  # of the current call
        self._borrowed: Borrowed | None = None
        self._has_reported = False  # whether a write into the borrowed data was reported

    def watching(self, task: Task) -> FirstItems | None:
        """What watches the first items of a task. Open descriptors are the worker's own."""
        return first_items.of_interpreter(task.watch)

    def live(self) -> None:
        """Serve calls until asked to quit, idle for `IDLE_S`, or the caller is gone."""
        import_hooks.when_imported("logging", "records", self._forward_records)
        try:
            while self._serve_what_arrives():
                pass
        finally:
            self._tear_down()

    def is_needed(self) -> bool:
        """Whether to keep waiting: during a call, or not idle for too long."""
        return self._is_called or self.task is not NO_TASK or super().is_needed()

    def _obey(self, kind: bytes, payload: Piece | None) -> bool:
        if self.transport.receive(kind, payload):
            return True
        assert payload is not None
        if kind == framing.TASK:
            self._context = _contextvars.Context()
            self._context.run(self._take_task, payload)
        elif kind == framing.AHEAD:
            _load_ahead(payload)
            self._idle_since = max(self._idle_since, perf_counter())  # endless in `workers()`
            framing.write(self.writing.number(), framing.FREE)
        elif kind == framing.END:
            self._context.run(self._tear_down)
            self._is_called = False
            self._idle_since = inf if payload == framing.STAY else perf_counter()
            flush_streams()
            if not self._give_back():
                return False  # an object of the call keeps the borrowed memory: quit
            framing.write(self.writing.number(), framing.FREE)
        elif kind != framing.QUIT:
            self._context.run(self.run, kind, payload)
        return kind != framing.QUIT and not self.rss_limit.exceeds_limit

    def _take_task(self, payload: Piece) -> None:
        """Prepare for a call: take over the caller's state, then load the task."""
        self._is_called = True
        worker_numbers.set_for_process(*WORKER_NUMBER.unpack_from(payload))
        surroundings, task, location = serialization.loads(
            memoryview(payload)[WORKER_NUMBER.size :]
        )
        parts = None
        try:
            self._give_back()
            if location is not None:
                self._borrowed, self._has_reported = Borrowed(location), False
                *parts, task = self._borrowed.parts
            kernel.umask(self._umask)  # the same as the caller's, by `process_rights`
            enter_surroundings(surroundings)
            n_modules = len(sys.modules)
            task = serialization.loads(task, parts)
            if len(sys.modules) != n_modules:  # what they set as they load, the caller has since
                enter_surroundings(surroundings)  # set otherwise
            if task.draws_from_numpy and surroundings["numpy"]:
                import numpy.random  # noqa: F401 - an item that loads it would draw unseeded
            function = task.function_of_one()
        except BaseException as error:
            framing.write(
                self.writing.number(), framing.UNFIT, exception_pickling.pack_error(error)
            )
            return
        self.task, self.function = task, function
        self.packing = Packing(task.function, is_forked=False)
        self.first_items = self.watching(task)
        self.rss_limit.begin(task.most_bytes)
        if "logging" in sys.modules:
            child_setup.note_handlers()
        if not self.set_up():
            self.task = NO_TASK

    def report(
        self,
        start: int,
        n_items: int,
        results: list[Any],
        times_s: tuple[float, float, float],
        error: BaseException | None,
        *,
        last: bool = True,
        is_unread: bool = False,
    ) -> None:
        """Send results, or an error where an item has written into borrowed data."""
        if self._borrowed is not None and not self._has_reported and self._borrowed.is_written():
            if self.task.watch is not None:
                results, error = [], WrittenInto()
            else:  # with backend="process" it is allowed, with a warning
                self._has_reported = True
                why = f"{IS_WRITTEN}: that worker process alone has it so"
                framing.write(self.writing.number(), framing.NOTICED, why.encode())
        super().report(start, n_items, results, times_s, error, last=last, is_unread=is_unread)

    def _give_back(self) -> bool:
        """Unmap the borrowed data; False: an object still refers to it."""
        borrowed, self._borrowed = self._borrowed, None
        if borrowed is None:
            return True
        self._context = _contextvars.Context()
        self.packing = Packing(is_forked=False)
        return borrowed.give_back()

    def _forward_records(self) -> None:
        child_setup.forward_records(self.writing)

    def _tear_down(self) -> None:
        task, self.task, self.function = self.task, NO_TASK, NO_TASK.function
        if self.counters is not None:
            self.counters[self.slot + 1] = 0.0
        if task.teardown is not None:
            task.teardown()

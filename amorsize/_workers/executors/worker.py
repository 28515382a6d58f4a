"""Runs chunks in a worker of the user's executor."""

from __future__ import annotations

from _contextvars import copy_context
from _thread import _local, allocate_lock, get_ident

from amorsize._clusters import references
from amorsize._clusters.buffers import LARGE_BYTES, Buffer
from amorsize._host.unpatched import perf_counter
from amorsize._workers import nesting, subprocess_time, worker_numbers
from amorsize._workers.carried_state import caller_state
from amorsize._workers.chunk import run_chunk, taking_turns
from amorsize._workers.executors import own_context
from amorsize._workers.messages import exception_pickling, serialization
from amorsize._workers.messages.packing import Packing
from amorsize._workers.run_delay import RunDelayClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._workers.executors.own_context import Variables
    from amorsize._workers.protocol import Task

#: How many tasks a worker process keeps for further chunks.
MOST_LOADED = 8
UNKNOWN, CANNOT_LOAD, NOT_SET_UP, RAN = "unknown", "unfit", "not set up", "ran"
#: Held for an item with seed=, as threads share the global generators. Held for a chunk of a task
#: whose chunks run one at a time.
_turn = allocate_lock()
_loading = allocate_lock()
_loaded_tasks: dict[bytes, LoadedTask] = {}


#: For each thread: the task of its latest chunk, and the end of that chunk.
_latest = _local()
#: Tasks of calls that are over; no further item of their chunks is begun.
_ended: dict[bytes, None] = {}


def end(key: bytes) -> None:
    """Begin no further item of a task."""
    while len(_ended) >= MOST_LOADED:
        del _ended[next(iter(_ended))]
    _ended[key] = None


class LoadedTask:
    """A task in the process that runs its chunks."""

    def __init__(self, task: Task, variables: Variables = ()) -> None:
        """Take a task, with the context variables that its items are to have."""
        self.task, self._function = task, task.function_of_one()
        self._variables = variables
        if task.seed is not None and not task.one_chunk_at_a_time:
            self._function = taking_turns(task.wrappable(self._function), _turn)
        #: By thread: what setup= raised, and the context variables that it has set.
        self._set_up: dict[int, tuple[BaseException | None, Variables]] = {}

    def set_up_thread(self) -> BaseException | None:
        """Run setup= once in each thread; gives what it raised there. Enters their context."""
        thread = get_ident()
        if thread in self._set_up:
            own_context.enter(self._set_up[thread][1])
        else:
            self._set_up[thread] = None, self._variables  # for a map inside setup=
            error, changed = own_context.set_by(self._begin)
            self._set_up[thread] = error, (*self._variables, *changed)
        return self._set_up[thread][0]

    def _begin(self) -> BaseException | None:
        own_context.enter(self._variables)
        try:
            if self.task.setup is not None:
                self.task.setup()
        except BaseException as error:
            return error
        return None

    def run(
        self,
        items: Any,
        first: int,
        start: int,
        stop: int,
        time_budget_s: float,
        may_begin: Callable[[int], bool],
    ) -> tuple[Any, ...]:
        """Run a chunk; gives the number of items done, their times, their results, an error."""
        out: list[Any] = []
        with _turn if self.task.one_chunk_at_a_time else allocate_lock():  # else one of its own
            delay_clock = RunDelayClock()  # waiting for the turn is no part of what items take
            nesting.enter()
            try:
                ran = run_chunk(
                    self._function,
                    self.task.each(items, first, start),
                    stop - start,
                    out,
                    time_budget_s=time_budget_s,
                    cpu_clock=subprocess_time.with_thread,
                    run_delay_clock=delay_clock,
                    keep_errors=self.task.keep_errors,
                    single=self.task.single,
                    progress=lambda n_done, *_: may_begin(start + n_done),
                    site=self.task.site,
                )
            finally:
                nesting.leave()
                delay_clock.close()
        times_s = ran.wall_s, ran.cpu_s, ran.run_delay_s
        return ran.n_done, times_s, 0.0, out, ran.error, False


def run_pickled(*arguments: Any) -> tuple[Any, ...]:
    """Run a chunk in a process of the executor, in a context of its own; gives plain data."""
    given: tuple[Any, ...] = copy_context().run(_run_pickled, *arguments)
    return given


def _run_pickled(
    key: bytes,
    task: bytes | Buffer | None,
    items: bytes | Buffer,
    start: int,
    stop: int,
    time_budget_s: float,
    worker_number: int = 0,
    n_parts: int = 0,
    *beside: Any,
) -> tuple[Any, ...]:
    """Run a chunk.

    Args:
        key: Identifies a task that the process has loaded before.
        task: The pickled task; None if the process may have loaded it.
        items: The chunk's items, pickled.
        start: Index of the first.
        stop: Index after the last.
        time_budget_s: Seconds after which the rest of the chunk comes back.
        worker_number: The number of the worker that runs the chunk.
        n_parts: How many of `beside` are large pieces of the items.
        beside: These pieces, then the values of references among the items.
    """
    worker_numbers.set_for_process(worker_number)  # for the threads that items start
    idle_s = _idle_s(key)
    try:
        with worker_numbers.Numbered(worker_number):  # other threads may run other chunks
            loaded, failure = _ready(key, task)
            if loaded is None:
                return failure
            try:
                parts = [one.received() for one in beside[:n_parts]]
                received = serialization.loads(_data(items), parts)
                received = references.put_back(received, beside[n_parts:])
            except BaseException as error:
                return RAN, *_unreadable(error), idle_s
            ran = loaded.run(
                received, start, start, stop, time_budget_s, lambda _: key not in _ended
            )
            return RAN, *_packed(loaded.task, start, *ran), idle_s
    finally:
        worker_numbers.set_for_process(0)
        _latest.chunk = key, perf_counter()


def _idle_s(key: bytes) -> float | None:
    """Seconds since this thread has run another chunk of a task; None: it has run none."""
    latest_key, over_s = getattr(_latest, "chunk", (None, 0.0))
    return perf_counter() - over_s if latest_key == key else None


def _ready(key: bytes, task: bytes | Buffer | None) -> tuple[LoadedTask | None, tuple[Any, ...]]:
    """A task whose setup= is done; None with what to answer if there is none."""
    try:
        loaded = _loaded(key, task)
    except BaseException as error:
        return None, (CANNOT_LOAD, exception_pickling.pack_error(error))
    if loaded is None:
        return None, (UNKNOWN,)
    failed = loaded.set_up_thread()
    if failed is not None:
        return None, (NOT_SET_UP, exception_pickling.pack_error(failed))
    return loaded, ()


def _unreadable(error: BaseException) -> tuple[Any, ...]:
    """The outcome of a chunk whose items cannot be unpickled."""
    packed = exception_pickling.pack_error(error)
    return 0, (0.0, 0.0, 0.0), 0.0, serialization.dumps([]), packed, False


def _data(sent: bytes | Buffer) -> Any:
    return sent.data if isinstance(sent, Buffer) else sent


def _loaded(key: bytes, task: bytes | Buffer | None) -> LoadedTask | None:
    with _loading:
        if key not in _loaded_tasks and task is not None:
            while len(_loaded_tasks) >= MOST_LOADED:
                del _loaded_tasks[next(iter(_loaded_tasks))]
            _loaded_tasks[key] = LoadedTask(*own_context.set_by(_unpickled, _data(task)))
        return _loaded_tasks.get(key)


def _unpickled(data: Any) -> Task:
    task: Task = serialization.loads(data)
    if task.context is not None:
        caller_state.enter_context(task.context)
    return task


def _packed(
    task: Task,
    start: int,
    n_done: int,
    times_s: tuple[float, float, float],
    _: float,
    results: list[Any],
    error: BaseException | None,
    some_stayed: bool,
) -> tuple[Any, ...]:
    """The outcome with results and error pickled here rather than by the executor."""
    began = perf_counter()
    packing = Packing(task.function, is_forked=False)
    if task.keep_errors:
        results = [
            exception_pickling.kept_error(r) if issubclass(type(r), BaseException) else r
            for r in results
        ]
    try:
        data = packing.dumps(results)
    except Exception as failure:
        fit = serialization.replace_unpicklable(start, results, failure, packing.dumps)
        data, some_stayed = packing.dumps(fit), True
    packed = None if error is None else exception_pickling.pack_error(error)
    sent = Buffer(data) if len(data) >= LARGE_BYTES else data
    return n_done, times_s, perf_counter() - began, sent, packed, some_stayed

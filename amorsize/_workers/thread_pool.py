"""Worker threads of one call, which share the caller's memory.

Nothing is pickled. Each thread has a copy of the caller's context: decimal's precision, context
variables.
"""

from __future__ import annotations

from _contextvars import copy_context
from _queue import Empty, SimpleQueue
from _thread import allocate_lock, get_ident
from time import thread_time

from amorsize._host.signals import no_interrupts
from amorsize._host.unpatched import perf_counter
from amorsize._workers import diverted_output, nesting, worker_numbers
from amorsize._workers.chunk import run_chunk, taking_turns
from amorsize._workers.first_items import ThreadsFirstItems
from amorsize._workers.messages import serialization
from amorsize._workers.protocol import (
    Chunk,
    ChunkDone,
    Event,
    Noticed,
    PoolDefaults,
    SetupFailed,
    Task,
    WorkerLost,
    WorkerReady,
)
from amorsize._workers.run_delay import RunDelayClock
from amorsize._workers.thread_meter import Meter, chunk_done
from amorsize._workers.thread_output import ThreadOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Lock, Thread
    from typing import Any

    from amorsize._workers.chunk import Progress
    from amorsize._workers.first_items import FirstItems

#: Seconds that a call waits at its end for threads that are still in an item.
GRACE_S = 1.0


class _ThreadState:
    """The caller's side of one worker thread."""

    __slots__ = (
        "began_at",
        "first_items",
        "index",
        "is_given_up",
        "is_in_hook",
        "out",
        "queue",
        "report_lock",
        "thread",
        "work",
        "work_began_at",
        "worker_number",
    )

    def __init__(self, first_items: FirstItems | None = None) -> None:
        self.first_items = first_items  # watches them
        self.worker_number = worker_numbers.next_number()
        self.thread: Thread | None = None
        self.queue: SimpleQueue[tuple[Chunk, float] | None] = SimpleQueue()
        self.index, self.began_at = -1, 0.0  # the item it is running, and its start
        self.work: Chunk | None = None  # the chunk it is running
        self.out: list[Any] = []  # the results of that chunk so far
        self.work_began_at = 0.0  # the start of that chunk
        self.report_lock = allocate_lock()  # the thread reports its chunk, or `kill` does
        self.is_given_up = False
        self.is_in_hook = False  # `setup` or `teardown`


class ThreadPool(PoolDefaults):
    """Daemon threads that run chunks and end with the call."""

    backend = "thread"
    #: A chunk brings its items: slicing is cheap, and protects them from changes to the sequence.
    inherits_items = False

    def __init__(self, task: Task) -> None:
        self._task = task
        self._function = task.function_of_one()
        self._states: dict[int, _ThreadState] = {}
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._stop_at = float("inf")
        self._is_closed = False
        self._caller = get_ident()
        self._first_items = ThreadsFirstItems(task.watch)
        self._one_at_a_time: Lock | None = None
        if task.seed is not None:  # threads share the global generators: items must take turns
            from threading import Lock

            self._one_at_a_time = Lock()

    def start(self, number: int) -> None:
        """Start one thread with this number, in a copy of the calling thread's context.

        Two threads cannot run in one context at once.
        """
        from threading import Thread

        if not self._states:
            diverted_output.begin()
        state = self._states[number] = _ThreadState(self._first_items.of_thread())
        thread = Thread(
            target=copy_context().run,
            args=(self._run_thread, number, state),
            name=f"amorsize-{number}",
            daemon=True,
        )
        with no_interrupts(may_block=False):  # else it may run, and nobody waits for its end
            thread.start()
            state.thread = thread

    def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:  # noqa: ARG002 - results are in memory already
        """Queue a chunk for a thread."""
        self._states[worker].queue.put((chunk, time_budget_s))

    def packed(self, items: Any) -> bytes:  # noqa: ARG002
        """Next to nothing: items are not sent, and may be values that cannot be pickled."""
        return serialization.dumps(None)

    def wait(self, timeout_s: float) -> list[Event]:
        """Events of all threads; waits at most `timeout_s` for the first."""
        events: list[Event] = []
        try:
            events.append(self._events.get(timeout=max(0.0, timeout_s)))
            while True:
                events.append(self._events.get_nowait())
        except Empty:
            return events

    def begun(self, worker: int) -> tuple[int, float] | None:
        """The index of the item that a thread is running, with its start time; None while idle."""
        state = self._states[worker]
        return (state.index, state.began_at) if state.index >= 0 and not state.is_given_up else None

    def native_id(self, worker: int) -> int | None:
        """The kernel's number of a thread; None: it has not begun yet."""
        thread = self._states[worker].thread
        return None if thread is None else thread.native_id

    def retire(self, worker: int) -> None:
        """Ask an idle thread to end, without waiting for it."""
        self._states[worker].queue.put(None)

    def stop_at(self, index: int) -> None:
        """Begin no more items at or above `index`."""
        self._stop_at = min(self._stop_at, index)

    def kill(self, worker: int) -> None:
        """Give up a thread, which cannot be ended: its unfinished items are reported as lost."""
        state = self._states[worker]
        with state.report_lock:
            if state.is_given_up or state.work is None or state.index < 0:
                return  # it has just finished
            state.is_given_up = True
            chunk, results = state.work, list(state.out)
        suspect_item = chunk.start + len(results)
        ranges = [(suspect_item, chunk.stop)]
        try:
            while (request := state.queue.get_nowait()) is not None:
                ranges.append((request[0].start, request[0].stop))
        except Empty:
            state.queue.put(None)
        self._events.put(
            ChunkDone(
                worker=worker,
                start=chunk.start,
                results=results,
                n_sent=chunk.n_items,
                wall_s=max(0.0, state.began_at - state.work_began_at),
                cpu_s=0.0,
                pickle_s=0.0,
                last=False,
            )
        )
        self._events.put(
            WorkerLost(
                worker=worker, how="being given up", ranges=tuple(ranges), suspect_item=suspect_item
            )
        )

    def close(self, *, at_once: bool) -> list[str]:
        """End all threads; gives the names of those still in the user's code after `GRACE_S`.

        Threads outside of it are about to end, and only wait for a core.
        """
        if self._states and not self._is_closed:
            diverted_output.end()
        self._is_closed = True
        if at_once:
            self._stop_at = 0
        for state in self._states.values():
            state.queue.put(None)
        deadline = perf_counter() + GRACE_S
        stuck = []
        for state in self._states.values():
            if state.thread is None:  # Ctrl-C came before the thread was started
                continue
            state.thread.join(max(0.0, deadline - perf_counter()))
            if state.thread.is_alive() and (state.index >= 0 or state.is_in_hook):
                stuck.append(state.thread.name)
                diverted_output.restore(state.thread.ident)
        return stuck

    # -- inside a thread --------------------------------------------------------------------

    def _run_thread(self, number: int, state: _ThreadState) -> None:
        nesting.enter()
        try:
            with worker_numbers.Numbered(state.worker_number):
                self._serve(number, state)
        finally:
            nesting.leave()

    def _serve(self, number: int, state: _ThreadState) -> None:
        task = self._task
        try:
            if task.setup is not None:
                state.is_in_hook = True
                task.setup()
                state.is_in_hook = False
        except BaseException as error:
            serialization.add_note(error, "raised by setup= in a worker thread")
            self._events.put(SetupFailed(worker=number, error=error))
            return
        self._events.put(WorkerReady(worker=number))
        delay_clock = RunDelayClock()
        try:
            while (request := state.queue.get()) is not None:
                done = self._run(number, state, *request, delay_clock)
                with state.report_lock:
                    if state.is_given_up:
                        break
                    state.work = None
                    if state.first_items is not None and (news := state.first_items.news()):
                        self._events.put(Noticed(worker=number, why=news))
                    self._events.put(done)
                del done  # else the frames of its error's traceback would keep it
        except BaseException as error:  # not an item's: what they raise is in `done`
            self._events.put(SetupFailed(worker=number, error=error))
        finally:
            delay_clock.close()
            if task.teardown is not None:
                state.is_in_hook = True
                task.teardown()

    def _run(
        self,
        number: int,
        state: _ThreadState,
        chunk: Chunk,
        time_budget_s: float,
        delay_clock: RunDelayClock,
    ) -> ChunkDone:
        task, watched = self._task, state.first_items
        out: list[Any] = []
        state.work, state.out, state.work_began_at = chunk, out, perf_counter()
        function = self._function
        if self._one_at_a_time is not None:
            function = taking_turns(task.wrappable(function), self._one_at_a_time)
        if watched is not None and watched.is_open:
            function = watched.watched(task.wrappable(function))
        meter = Meter(watched)
        source, first = (task.source, 0) if chunk.items is None else (chunk.items, chunk.start)
        assert source is not None
        with ThreadOutput(self._events.put, chunk.start, self._caller):
            ran = run_chunk(
                function,
                task.each(source, first, chunk.start),
                chunk.n_items,
                out,
                time_budget_s=time_budget_s,
                cpu_clock=thread_time,
                run_delay_clock=delay_clock,
                keep_errors=task.keep_errors,
                single=task.single,
                progress=self._progress(state, chunk),
                site=task.site,
            )
        state.index = -1
        n_running = sum(one.work is not None for one in tuple(self._states.values()))
        try:
            return chunk_done(number, chunk, out, ran, meter, n_running)
        finally:
            del ran  # its error's traceback leads to this frame

    def _progress(self, state: _ThreadState, chunk: Chunk) -> Progress:
        """The callback that is asked before each stride whether to continue."""
        watched = state.first_items

        def progress(n_done: int, _: int, now_s: float) -> bool:
            index = chunk.start + n_done
            if index >= self._stop_at or state.is_given_up:
                return False
            if watched is not None and watched.has_news:
                return False  # the rest may be the caller's
            state.index, state.began_at = index, now_s
            return True

        return progress

"""A pool over an executor of the user: each chunk is one future.

The executor starts and ends its own workers, and is never shut down here. So an item that takes too
long cannot be ended, and no worker can be told that it has run its last item.
"""

from __future__ import annotations

import os
import sys
from _queue import Empty, SimpleQueue

from amorsize._workers import exception_pickling, serialization, worker_numbers
from amorsize._workers.executor_worker import (
    CANNOT_LOAD,
    NOT_SET_UP,
    RAN,
    UNKNOWN,
    LoadedTask,
    run_pickled,
)
from amorsize._workers.protocol import Chunk, ChunkDone, SetupFailed, Task, WorkerLost, WorkerReady
from amorsize.errors import InvalidOptionError, SerializationError, WorkerDied, WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future
    from typing import Any

    from amorsize._workers.protocol import Event, Payload

#: A task up to this size is sent with every chunk; a larger one only to workers that lack it.
SMALL_BYTES = 1 << 16


def refuse(
    where: str, *, has_timeout: bool, has_teardown: bool, has_memory_limit: bool = False
) -> None:
    """Raise for options that no executor can keep.

    Args:
        where: Names the executor in messages, such as "with executor=".
        has_timeout: Whether the call has timeout=.
        has_teardown: Whether the call has teardown=.
        has_memory_limit: Whether the call has max_worker_memory=.

    Raises:
        InvalidOptionError: One of them is set.
    """
    outlive = "its workers go on living after the call, and none can be told that it ran its last"
    for is_set, name, verb, why in (
        (has_teardown, "teardown", "promised", f"{outlive} item"),
        (has_timeout, "timeout", "kept", "its workers cannot be ended one by one"),
        (has_memory_limit, "max_worker_memory", "kept", "its workers are not ours to replace"),
    ):
        if is_set:
            raise InvalidOptionError(f"{name}= cannot be {verb} {where}: {why}. Leave {name} out.")


def n_workers(executor: Any) -> int | None:
    """How many chunks an executor runs at once; None where that is unknown."""
    n_workers = getattr(executor, "_max_workers", None)  # the standard library's, loky's, MPI's
    if isinstance(n_workers, int) and n_workers > 0:
        return n_workers
    client: Any = getattr(executor, "_client", None)  # dask's
    try:
        return sum(client.nthreads().values()) or None
    except Exception:  # an unknown object may raise anything
        return None


class ExecutorPool:
    """Workers that each stand for one running future of an executor."""

    inherits_items = False

    def __init__(
        self,
        executor: Executor,
        task: Task,
        payload: Callable[[], Payload],
        *,
        renew: Callable[[], Executor] | None = None,
    ) -> None:
        """Take an executor that is ready for work.

        Args:
            executor: Where chunks are submitted.
            task: What is done to each item.
            payload: Makes the task picklable; called if the executor runs other processes.
            renew: Gives a new executor after this one has lost a process; None: a loss is an error.
        """
        self._executor, self._task, self._renew = executor, task, renew
        self._shares_memory = runs_in_threads(executor)
        self.backend = "thread" if self._shares_memory else "process"
        self._events: SimpleQueue[tuple[_Job | None, int]] = SimpleQueue()
        self._in_flight: set[_Job] = set()
        self._stop = float("inf")
        self._by_value = False
        if self._shares_memory:
            self._loaded = LoadedTask(task)
        else:
            self._payload = payload()
            self._data = self._payload.data
            self._key = os.urandom(16)

    def start(self, number: int) -> None:
        """Use one more future at a time, under this number."""
        self._events.put((None, number))

    def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:  # noqa: ARG002 - a future has one result
        """Submit a chunk."""
        items = b"" if self._shares_memory else self.packed(chunk.items)
        self._submit(_Job(worker, chunk, time_budget_s, items))

    def packed(self, items: Any) -> bytes:
        """Items as bytes; next to none where memory is shared."""
        return serialization.dumps(None) if self._shares_memory else self._payload.pack(items)

    def _submit(self, job: _Job, *, with_task: bool = False) -> None:
        chunk = job.chunk
        try:
            if self._shares_memory:
                job.future = self._executor.submit(self._run_here, chunk, job.time_budget_s)
            else:
                with_task = with_task or len(self._data) <= SMALL_BYTES
                task = self._data if with_task else None
                job.key = self._key
                job.future = self._executor.submit(
                    run_pickled,
                    *(self._key, task, job.items, chunk.start, chunk.stop),
                    *(job.time_budget_s, chunk.worker_number),
                )
        except Exception as error:
            if not self._is_broken(error):
                raise WorkersUnavailable(
                    f"the executor ({_described(self._executor)}) takes no work: "
                    f"{type(error).__name__}: {error}"
                ) from error
            job.failure = error
        self._in_flight.add(job)
        if job.failure is None:
            job.future.add_done_callback(lambda _: self._events.put((job, job.worker)))
        else:
            self._events.put((job, job.worker))

    def _run_here(self, chunk: Chunk, time_budget_s: float) -> tuple[Any, ...]:
        """A chunk in a thread of this process."""
        worker_numbers.set_for_thread(chunk.worker_number)
        failed = self._loaded.set_up_thread()
        if failed is not None:
            return NOT_SET_UP, failed
        items = self._task.source if chunk.items is None else chunk.items
        assert items is not None
        first = 0 if chunk.items is None else chunk.start
        return RAN, *self._loaded.run(
            items, first, chunk.start, chunk.stop, time_budget_s, self._may_begin
        )

    def _may_begin(self, index: int) -> bool:
        return index < self._stop

    def wait(self, timeout_s: float) -> list[Event]:
        """Events of all futures; waits at most `timeout_s` for the first."""
        events: list[Event] = []
        try:
            self._handle(*self._events.get(timeout=max(0.0, timeout_s)), events)
            while True:
                self._handle(*self._events.get_nowait(), events)
        except Empty:
            return events

    def _handle(self, job: _Job | None, number: int, events: list[Event]) -> None:
        if job is None:
            events.append(WorkerReady(worker=number))
            return
        result = self._result_of(job, events)
        if result is None:
            return
        kind, *content = result
        if kind == UNKNOWN:
            self._submit(job, with_task=True)
        elif kind == CANNOT_LOAD:
            self._send_value(job, content[0], events)
        elif kind == NOT_SET_UP:
            error = content[0]
            if isinstance(error, bytes):
                error, text = exception_pickling.unpack_error(error)
                serialization.add_note(error, text)
            serialization.add_note(error, "raised by setup= in a worker of the executor")
            events.append(SetupFailed(worker=number, error=error))
        else:
            self._in_flight.discard(job)
            events.append(self._done(job, content))

    def _result_of(self, job: _Job, events: list[Event]) -> tuple[Any, ...] | None:
        """The result of a chunk's future; None if its worker or its executor was lost."""
        from concurrent.futures import CancelledError

        try:
            if job.failure is not None:
                raise job.failure
            result: tuple[Any, ...] = job.future.result(timeout=0)
            del job.future  # it knows the job by its callback: the result would stay with them
            return result
        except CancelledError:
            how = "the cancellation of its future"
        except Exception as error:
            how = self._loss_in_words(job.chunk, error)
        self._in_flight.discard(job)
        chunk = job.chunk
        alone = chunk.n_items == 1 and not self._in_flight  # else every item is a suspect
        events.append(
            WorkerLost(
                worker=job.worker,
                how=how,
                ranges=((chunk.start, chunk.stop),),
                suspect_item=chunk.start if alone else None,
            )
        )
        return None

    def _loss_in_words(self, chunk: Chunk, error: Exception) -> str:
        """Describe the loss of an executor that was replaced; raises for any other failure."""
        items = f"items {chunk.start} to {chunk.stop - 1}"
        what = f"{type(error).__name__}: {error}"
        if not self._is_broken(error):
            raise WorkersUnavailable(
                f"the executor ({_described(self._executor)}) could not run {items}: {what}"
            ) from error
        if self._renew is None:
            raise WorkerDied(
                f"a worker of the executor ({_described(self._executor)}) ended while {items} were "
                f"in its hands or in another's: {what}. Pass a new executor; without executor= "
                "such an item is found and named."
            ) from error
        self._executor = self._renew()
        return what

    @staticmethod
    def _is_broken(error: Exception) -> bool:
        from concurrent.futures import BrokenExecutor

        return isinstance(error, BrokenExecutor)

    def _send_value(self, job: _Job, error: bytes, events: list[Event]) -> None:
        """A worker cannot import the function, or imports another: send its code."""
        met, text = exception_pickling.unpack_error(error)
        if self._by_value and job.key == self._key:
            failure = SerializationError(
                f"{self._payload.name} cannot be rebuilt in a worker of the executor: "
                f"{type(met).__name__}: {met}. Make it importable there."
            )
            failure.add_note(text)
            events.append(SetupFailed(worker=job.worker, error=failure))
            return
        if not self._by_value:
            self._by_value = True
            self._key, self._data = os.urandom(16), self._payload.by_value()
        self._submit(job, with_task=True)

    def _done(self, job: _Job, content: list[Any]) -> ChunkDone:
        n_done, (wall_s, cpu_s, run_delay_s), pickle_s, results, error, some_stayed = content
        text = ""
        chunk = job.chunk
        if isinstance(results, bytes):
            try:
                results = serialization.loads(results)
            except Exception as failure:
                results = serialization.cannot_read_back(chunk.start, n_done, failure)
                some_stayed = True
        if isinstance(error, bytes):
            error, text = exception_pickling.unpack_error(error)
        unstarted = chunk.start + n_done + (error is not None)
        return ChunkDone(
            worker=job.worker,
            start=chunk.start,
            results=results,
            n_sent=chunk.n_items,
            wall_s=wall_s,
            cpu_s=cpu_s,
            run_delay_s=run_delay_s,
            pickle_s=pickle_s,
            last=True,
            back=(unstarted, chunk.stop) if unstarted < chunk.stop else None,
            error=error,
            error_text=text,
            some_stayed=some_stayed,
        )

    def begun(self, worker: int) -> tuple[int, float] | None:  # noqa: ARG002 - part of the protocol
        """Always None: the executor does not tell."""
        return None

    def kill(self, worker: int) -> None:
        """Cancel a worker's chunk if it has not begun: the worker belongs to the executor."""
        for job in tuple(self._in_flight):
            if job.worker == worker:
                job.call_back()

    def retire(self, worker: int) -> None:
        """Do nothing: an unused future costs nothing."""

    def stop_at(self, index: int) -> None:
        """Begin no more items at or above `index`, as far as chunks can be cancelled."""
        self._stop = min(self._stop, index)
        for job in tuple(self._in_flight):
            if job.chunk.start >= index:
                job.call_back()

    def close(self, *, at_once: bool) -> list[str]:  # noqa: ARG002 - it cannot be gentler
        """Cancel all chunks that have not begun; the executor keeps running."""
        self.stop_at(0)
        self._in_flight.clear()
        return []


class _Job:
    """A chunk that was submitted to the executor."""

    __slots__ = ("chunk", "failure", "future", "items", "key", "time_budget_s", "worker")

    def __init__(self, worker: int, chunk: Chunk, time_budget_s: float, items: bytes) -> None:
        self.worker, self.chunk = worker, chunk
        self.time_budget_s, self.items = time_budget_s, items
        self.future: Future[Any]
        self.failure: Exception | None = None
        self.key = b""  # of the task it was last sent with

    def call_back(self) -> None:
        """Cancel it, if it has not begun."""
        if hasattr(self, "future"):
            self.future.cancel()


def runs_in_threads(executor: object) -> bool:
    """Whether the executor runs everything in this interpreter, without pickling."""
    thread = sys.modules.get("concurrent.futures.thread")
    if thread is None or not isinstance(executor, thread.ThreadPoolExecutor):
        return False
    return not any(cls.__name__ == "InterpreterPoolExecutor" for cls in type(executor).__mro__)


def _described(executor: object) -> str:
    return f"a {type(executor).__module__}.{type(executor).__qualname__}"


# -- where items run ------------------------------------------------------------------------

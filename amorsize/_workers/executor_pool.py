"""Runs chunks in somebody else's executor: each chunk is one future, each worker one place in it.

The executor starts, feeds and ends its own workers and is never shut down here. So an item that
takes too long cannot be ended, and no worker can be told that it has served its last item.
"""

from __future__ import annotations

import os
import sys
from _queue import Empty, SimpleQueue

from amorsize._workers import exception_pickling, serialization, worker_numbers
from amorsize._workers.executor_worker import NOT_SET_UP, RAN, UNFIT, UNKNOWN, HeldTask, run_there
from amorsize._workers.protocol import Chunk, ChunkDone, SetupFailed, Task, WorkerLost, WorkerReady
from amorsize.errors import (
    InvalidOptionError,
    SerializationError,
    WorkerDied,
    WorkersUnavailable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future
    from typing import Any

    from amorsize._workers.protocol import Event, Payload

SMALL_BYTES = 1 << 16  # a task up to here goes with every chunk; a larger one where it is missing


def refuse(
    where: str, *, has_timeout: bool, has_teardown: bool, has_memory_limit: bool = False
) -> None:
    """Raise for options that no executor can keep; `where` is "with executor=" or the like."""
    if has_teardown:
        raise InvalidOptionError(
            f"teardown= cannot be promised {where}: its workers go on living after the call, "
            "and none can be told that it ran its last item. Leave teardown out."
        )
    if has_timeout:
        raise InvalidOptionError(
            f"timeout= cannot be kept {where}: its workers cannot be ended one by one. "
            "Leave timeout out."
        )
    if has_memory_limit:
        raise InvalidOptionError(
            f"max_worker_memory= cannot be kept {where}: its workers are not ours to replace. "
            "Leave max_worker_memory out."
        )


def n_places(executor: Any) -> int | None:
    """How many chunks an executor runs at once; None where it does not tell."""
    n_workers = getattr(executor, "_max_workers", None)  # the standard library's, loky's, MPI's
    if isinstance(n_workers, int) and n_workers > 0:
        return n_workers
    client: Any = getattr(executor, "_client", None)  # dask's
    try:
        return sum(client.nthreads().values()) or None
    except Exception:  # whatever an unknown object does when asked this
        return None


class ExecutorPool:
    """Places in an executor, each with at most one chunk under way."""

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
            payload: Makes the task fit to travel; called if the executor has other processes.
            renew: Gives another executor when this one has lost a process; None: that is an error.
        """
        self._executor, self._task, self._renew = executor, task, renew
        self._shares_memory = _runs_in_threads(executor)
        self.backend = "thread" if self._shares_memory else "process"
        self._happened: SimpleQueue[tuple[_Sent | None, int]] = SimpleQueue()
        self._under_way: set[_Sent] = set()
        self._stop = float("inf")
        self._by_value = False
        if self._shares_memory:
            self._held = HeldTask(task)
        else:
            self._payload = payload()
            self._data = self._payload.data
            self._key = os.urandom(16)

    def start(self, number: int) -> None:
        """Use one more place, to be known by this number."""
        self._happened.put((None, number))

    # -- sending ----------------------------------------------------------------------------

    def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:  # noqa: ARG002 - a future has one result
        """Submit a chunk."""
        if self._shares_memory:
            self._submit(_Sent(worker, chunk, time_budget_s, b""))
        else:
            self._submit(_Sent(worker, chunk, time_budget_s, self.packed(chunk.items)))

    def packed(self, items: Any) -> bytes:
        """Items as they are sent; nothing of them where memory is shared."""
        return serialization.dumps(None) if self._shares_memory else self._payload.pack(items)

    def _submit(self, sent: _Sent, *, with_task: bool = False) -> None:
        chunk = sent.chunk
        try:
            if self._shares_memory:
                sent.future = self._executor.submit(self._run_here, chunk, sent.time_budget_s)
            else:
                with_task = with_task or len(self._data) <= SMALL_BYTES
                task = self._data if with_task else None
                sent.key = self._key
                sent.future = self._executor.submit(
                    run_there,
                    self._key,
                    task,
                    sent.items,
                    chunk.start,
                    chunk.stop,
                    sent.time_budget_s,
                    chunk.place,
                )
        except Exception as error:
            if not self._is_broken(error):
                raise WorkersUnavailable(
                    f"the executor ({_described(self._executor)}) takes no work: "
                    f"{type(error).__name__}: {error}"
                ) from error
            sent.failure = error
        self._under_way.add(sent)
        if sent.failure is None:
            sent.future.add_done_callback(lambda _: self._happened.put((sent, sent.worker)))
        else:
            self._happened.put((sent, sent.worker))

    def _run_here(self, chunk: Chunk, time_budget_s: float) -> tuple[Any, ...]:
        """A chunk in a thread of this process."""
        worker_numbers.take_in_thread(chunk.place)
        failed = self._held.set_up_thread()
        if failed is not None:
            return NOT_SET_UP, failed
        items = self._task.source if chunk.items is None else chunk.items
        assert items is not None
        first = 0 if chunk.items is None else chunk.start
        return RAN, *self._held.run(
            items, first, chunk.start, chunk.stop, time_budget_s, self._may_begin
        )

    def _may_begin(self, index: int) -> bool:
        return index < self._stop

    # -- hearing ----------------------------------------------------------------------------

    def wait(self, timeout_s: float) -> list[Event]:
        """What has happened in any place; waits at most `timeout_s` for the first thing."""
        happenings: list[Event] = []
        try:
            self._hear(*self._happened.get(timeout=max(0.0, timeout_s)), happenings)
            while True:
                self._hear(*self._happened.get_nowait(), happenings)
        except Empty:
            return happenings

    def _hear(self, sent: _Sent | None, number: int, happenings: list[Event]) -> None:
        if sent is None:
            happenings.append(WorkerReady(worker=number))
            return
        answer = self._answer(sent, happenings)
        if answer is None:
            return
        kind, *content = answer
        if kind == UNKNOWN:
            self._submit(sent, with_task=True)
        elif kind == UNFIT:
            self._send_value(sent, content[0], happenings)
        elif kind == NOT_SET_UP:
            error = content[0]
            if isinstance(error, bytes):
                error, text = exception_pickling.unpack_error(error)
                serialization.add_note(error, text)
            serialization.add_note(error, "raised by setup= in a worker of the executor")
            happenings.append(SetupFailed(worker=number, error=error))
        else:
            self._under_way.discard(sent)
            happenings.append(self._done(sent, content))

    def _answer(self, sent: _Sent, happenings: list[Event]) -> tuple[Any, ...] | None:
        """What a chunk's future holds; None if its worker or its executor was lost."""
        from concurrent.futures import CancelledError

        try:
            if sent.failure is not None:
                raise sent.failure
            answer: tuple[Any, ...] = sent.future.result(timeout=0)
            return answer
        except CancelledError:
            how = "the cancellation of its future"
        except Exception as error:
            how = self._told(sent.chunk, error)
        self._under_way.discard(sent)
        chunk = sent.chunk
        alone = chunk.n_items == 1 and not self._under_way  # else every item is a suspect
        happenings.append(
            WorkerLost(
                worker=sent.worker,
                how=how,
                ranges=((chunk.start, chunk.stop),),
                suspect_item=chunk.start if alone else None,
            )
        )
        return None

    def _told(self, chunk: Chunk, error: Exception) -> str:
        """Words for the loss of an executor that can be replaced; raises for any other failure."""
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

    def _send_value(self, sent: _Sent, error: bytes, happenings: list[Event]) -> None:
        """A worker cannot find the function, or finds another: send the function itself."""
        met, text = exception_pickling.unpack_error(error)
        if self._by_value and sent.key == self._key:
            failure = SerializationError(
                f"{self._payload.name} cannot be rebuilt in a worker of the executor: "
                f"{type(met).__name__}: {met}. Make it importable there."
            )
            failure.add_note(text)
            happenings.append(SetupFailed(worker=sent.worker, error=failure))
            return
        if not self._by_value:
            self._by_value = True
            self._key, self._data = os.urandom(16), self._payload.by_value()
        self._submit(sent, with_task=True)

    def _done(self, sent: _Sent, content: list[Any]) -> ChunkDone:
        n_done, (wall_s, cpu_s, run_delay_s), pickle_s, results, error, some_stayed = content
        text = ""
        chunk = sent.chunk
        if isinstance(results, bytes):
            try:
                results = serialization.loads(results)
            except Exception as failure:
                results, some_stayed = (
                    serialization.cannot_read_back(chunk.start, n_done, failure),
                    True,
                )
        if isinstance(error, bytes):
            error, text = exception_pickling.unpack_error(error)
        unstarted = chunk.start + n_done + (error is not None)
        return ChunkDone(
            worker=sent.worker,
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

    # -- ending -----------------------------------------------------------------------------

    def begun(self, worker: int) -> tuple[int, float] | None:  # noqa: ARG002 - part of the protocol
        """Not known: the worker is not ours."""
        return None

    def kill(self, worker: int) -> None:
        """A worker that is not ours cannot be ended; a chunk that has not begun is called back."""
        for sent in tuple(self._under_way):
            if sent.worker == worker:
                sent.call_back()

    def retire(self, worker: int) -> None:
        """Nothing: a place of which no use is made takes nothing."""

    def stop_at(self, index: int) -> None:
        """No item at or above `index` is begun any more, as far as chunks can be called back."""
        self._stop = min(self._stop, index)
        for sent in tuple(self._under_way):
            if sent.chunk.start >= index:
                sent.call_back()

    def close(self, *, at_once: bool) -> list[str]:  # noqa: ARG002 - nothing can be done more gently
        """Call back what has not begun; the executor stays as it is."""
        self.stop_at(0)
        self._under_way.clear()
        return []


class _Sent:
    """A chunk on its way through the executor."""

    __slots__ = ("chunk", "failure", "future", "items", "key", "time_budget_s", "worker")

    def __init__(self, worker: int, chunk: Chunk, time_budget_s: float, items: bytes) -> None:
        self.worker, self.chunk, self.time_budget_s, self.items = (
            worker,
            chunk,
            time_budget_s,
            items,
        )
        self.future: Future[Any]
        self.failure: Exception | None = None
        self.key = b""  # of the task it was last sent with

    def call_back(self) -> None:
        """Have it not run, if it has not begun."""
        if self.failure is None:
            self.future.cancel()


def _runs_in_threads(executor: object) -> bool:
    """Does the executor run what it is given in this very interpreter, with nothing pickled?"""
    thread = sys.modules.get("concurrent.futures.thread")
    if thread is None or not isinstance(executor, thread.ThreadPoolExecutor):
        return False
    return not any(cls.__name__ == "InterpreterPoolExecutor" for cls in type(executor).__mro__)


def _described(executor: object) -> str:
    return f"a {type(executor).__module__}.{type(executor).__qualname__}"


# -- where items run ------------------------------------------------------------------------

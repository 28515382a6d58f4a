"""A pool over somebody else's workers: each chunk is one submission to an executor.

The executor starts and ends its own workers, and is never shut down here. So an item that takes too
long cannot be ended, and no worker can be told that it has run its last item.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]
from _queue import Empty, SimpleQueue

from amorsize._clusters.protocol import CANCELLED, DIED, FAILED, UNSTARTED, raise_if_gone
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import perf_counter
from amorsize._workers.executors.chunks import SentChunks, SharedChunks
from amorsize._workers.executors.costs import ChunkCosts
from amorsize._workers.executors.done import done_of, failed
from amorsize._workers.executors.processes import Processes
from amorsize._workers.executors.submissions import Lost, Submission, Submissions
from amorsize._workers.executors.worker import CANNOT_LOAD, NOT_SET_UP, UNKNOWN
from amorsize._workers.messages import exception_pickling, serialization
from amorsize._workers.protocol import (
    Chunk,
    PoolDefaults,
    SetupFailed,
    Task,
    WorkerLost,
    WorkerReady,
)
from amorsize.errors import WorkerDied, WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import ClusterAdapter
    from amorsize._workers.protocol import Event
    from amorsize._workers.tasks.payload import Payload

#: Seconds within which the end of a process is reported after its chunks were cancelled.
UNSURE_S = 3.0
#: Seconds for which an executor may have no worker, unless the user has set another time.
START_S = 60.0


class ExecutorPool(PoolDefaults):
    """Workers that each stand for one running submission."""

    def __init__(
        self,
        adapter: ClusterAdapter,
        task: Task,
        payload: Callable[[], Payload],
        *,
        see_costs: Callable[[float | None, float | None], None] | None = None,
        see_workers: Callable[[], None] | None = None,
        see_loss: Callable[[int, int, str], None] = lambda *_: None,
        start_timeout_s: float = START_S,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take an executor that is ready for work.

        Args:
            adapter: Where chunks are submitted.
            task: What is done to each item.
            payload: Makes the task picklable; called if the executor runs other processes.
            see_costs: Told what `ChunkCosts` measures of each chunk.
            see_workers: Called when processes have come or gone.
            see_loss: Told of each chunk that was lost with its process, and how.
            start_timeout_s: For how long an executor may have no worker.
            warn: Told when it has had none for a while.
        """
        self._see_costs, self._see_workers, self._see_loss = see_costs, see_workers, see_loss
        self._adapter, self._costs = adapter, ChunkCosts(adapter)
        self.backend = "thread" if adapter.shares_memory else "process"
        self._events: SimpleQueue[tuple[Submission | None, int, Any, BaseException | None]] = (
            SimpleQueue()
        )
        self._in_flight = Submissions()
        self._processes = Processes(
            adapter,
            self._in_flight,
            one_per_process=task.one_chunk_at_a_time,
            is_single=task.single,
            start_timeout_s=start_timeout_s,
            warn=warn,
        )
        #: Chunks that somebody else has cancelled, unless their process is found to have ended.
        self._unsure: list[Submission] = []
        #: Chunks that were lost by workers that still have others under way.
        self._lost_of: dict[int, Lost] = {}
        self._chunks: SharedChunks | SentChunks = (
            SharedChunks(task) if adapter.shares_memory else SentChunks(adapter, payload())
        )

    def start(self, number: int) -> None:
        """Have one more chunk under way at a time, under this number."""
        self._events.put((None, number, None, None))

    def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:  # noqa: ARG002 - a submission has one result
        """Submit a chunk."""
        with self._costs:
            submission = Submission(worker, chunk, time_budget_s, *self._chunks.pack(chunk.items))
            if worker in self._lost_of:
                self._lost_of[worker].unstarted.append(submission.range)
            else:
                self._begin(submission)

    def packed(self, items: Any) -> bytes:
        """Items as bytes; a placeholder if memory is shared."""
        return self._chunks.packed(items)

    def _begin(self, submission: Submission) -> None:
        if not self._adapter.names_processes or self._processes.enter(submission):
            self._submit(submission)

    def _submit(self, submission: Submission, *, with_task: bool = False) -> None:
        submission.is_first = not self._in_flight.n_of(submission.worker)
        submission.sent_s = perf_counter()
        self._in_flight.add(submission)
        function, arguments = self._chunks.call(submission, with_task=with_task)
        try:
            submission.handle = self._adapter.submit(
                function,
                arguments,
                key=self._chunks.name(),
                process=submission.process,
                done=partial(self._put_event, submission),
            )
        except Exception as error:
            reraise_from_handler(error)
            if self._adapter.meaning(error) != DIED:
                self._in_flight.discard(submission)
                raise WorkersUnavailable(
                    f"{self._adapter.described} takes no work: {type(error).__name__}: {error}"
                ) from error
            self._events.put((submission, submission.worker, None, error))

    def _put_event(self, submission: Submission, result: Any, error: BaseException | None) -> None:
        submission.back_s = perf_counter()
        self._events.put((submission, submission.worker, result, error))

    # -- what comes back --------------------------------------------------------------------

    def wait(self, timeout_s: float) -> list[Event]:
        """Events of all submissions; waits at most `timeout_s` for the first."""
        events: list[Event] = []
        with self._costs:
            try:
                self._handle(*self._events.get(timeout=max(0.0, timeout_s)), events)
                while True:
                    self._handle(*self._events.get_nowait(), events)
            except Empty:
                pass
            self._look_around(events)
        return events

    def _look_around(self, events: list[Event]) -> None:
        """Handle lost processes, and submit chunks that have waited for one."""
        if self._in_flight or self._processes.has_waiting:
            raise_if_gone(self._adapter)
        if self._processes.have_changed():
            if self._see_workers is not None:
                self._see_workers()
            gone = self._processes.gone()
            for submission in gone:
                self._call_back(submission)  # unless it was cancelled before its end was known
            for submission in gone:
                self._lose(submission, f"the loss of {submission.process.address}", events)  # type: ignore[union-attr]
        if not self._adapter.names_processes:
            return
        self._unsure = [submission for submission in self._unsure if submission in self._in_flight]
        for submission in self._unsure:
            if perf_counter() - submission.unsure_since_s > UNSURE_S:
                raise WorkersUnavailable(
                    f"somebody has cancelled {_items_of(submission)} on {self._adapter.described}"
                )
        if self._processes.has_waiting:
            self._processes.expect_any()
        for submission in self._processes.ready():
            self._begin(submission)

    def _handle(
        self,
        submission: Submission | None,
        number: int,
        result: Any,
        error: BaseException | None,
        events: list[Event],
    ) -> None:
        if submission is None:
            events.append(WorkerReady(worker=number))
            return
        if submission not in self._in_flight:
            return  # its process was found to be gone
        submission.handle = None  # it refers to the submission, so its result would stay alive
        if error is not None:
            self._failed(submission, error, events)
            return
        kind, *content = result
        if kind == UNKNOWN:
            self._submit(submission, with_task=True)
        elif kind == CANNOT_LOAD:
            if (failed := self._chunks.with_code(submission, content[0])) is None:
                self._submit(submission, with_task=True)
            else:
                self._in_flight.discard(submission)
                events.append(failed)
        elif kind == NOT_SET_UP:
            self._in_flight.discard(submission)
            failure = content[0]
            if isinstance(failure, bytes):
                failure, text = exception_pickling.unpack_error(failure)
                serialization.add_note(failure, text)
            serialization.add_note(failure, "raised by setup= in a worker of the executor")
            events.append(SetupFailed(worker=number, error=failure))
        else:
            self._in_flight.discard(submission)
            events.append(done := done_of(submission, content))
            if self._see_costs is not None:
                self._see_costs(*self._costs.of(submission, done))
            self._report_lost(submission.worker, events)

    def _failed(self, submission: Submission, error: BaseException, events: list[Event]) -> None:
        """Find out why a chunk has no result: a lost process, a cancellation, or the executor."""
        raise_if_gone(self._adapter)
        meaning, what = self._adapter.meaning(error), f"{type(error).__name__}: {error}"
        items = _items_of(submission)
        if meaning == CANCELLED and self._adapter.has_cancelled(submission.references):
            meaning = FAILED  # the item itself, and not what runs it
        if meaning == UNSTARTED:
            self._in_flight.discard(submission)
            self._begin(submission)
        elif (
            meaning == CANCELLED and self._adapter.names_processes and not submission.is_called_back
        ):
            submission.unsure_since_s = perf_counter()  # the end of its process may be known soon
            self._unsure.append(submission)
        elif meaning == CANCELLED:
            self._lose(submission, "the cancellation of its future", events)
        elif meaning != DIED and submission.references:  # one of the values cannot be had
            self._in_flight.discard(submission)
            if submission.chunk.n_items == 1:
                events.append(failed(submission, error))
            else:  # nothing of it has run
                self._begin(submission.first_alone(self._chunks.pack))
        elif meaning != DIED:
            raise WorkersUnavailable(
                f"{self._adapter.described} could not run {items}: {what}. "
                f"Is amorsize missing there? {self._adapter.way_out}"
            ) from error
        elif not self._adapter.recovers():
            raise WorkerDied(
                f"a worker of {self._adapter.described} ended while it, or another, had "
                f"{items}: {what}. Pass a new executor; without executor= "
                "such an item is found and named."
            ) from error
        else:
            self._lose(submission, what, events)

    def _lose(self, submission: Submission, how: str, events: list[Event]) -> None:
        """Note that a chunk was lost with its process."""
        self._in_flight.discard(submission)
        submission.handle = None
        self._see_loss(*submission.range, how)
        if self._adapter.tells_victims:
            self._processes.is_apart = True
            self._lost_of.setdefault(submission.worker, Lost(how)).begun.append(submission.range)
            self._report_lost(submission.worker, events)
            return
        alone = (
            submission.chunk.n_items == 1 and not self._in_flight
        )  # else every item is a suspect
        events.append(
            WorkerLost(
                worker=submission.worker,
                how=how,
                ranges=(submission.range,),
                suspect_item=submission.chunk.start if alone else None,
            )
        )

    def _report_lost(self, worker: int, events: list[Event]) -> None:
        """Report the loss of a worker's chunks once no other of them is under way."""
        if worker not in self._lost_of or self._in_flight.n_of(worker):
            return
        lost = self._lost_of.pop(worker)
        waiting = self._processes.withdraw(worker)
        self._processes.forget(worker)
        events.append(
            WorkerLost(
                worker=worker,
                how=lost.how,
                ranges=(*lost.begun, *lost.unstarted, *(one.range for one in waiting)),
                suspect_item=None,
                each_alone=tuple(lost.begun),
            )
        )

    # -- ending -----------------------------------------------------------------------------

    def begun(self, worker: int) -> tuple[int, float] | None:  # noqa: ARG002 - part of the protocol
        """Always None: the executor does not tell."""
        return None

    def native_id(self, worker: int) -> int | None:  # noqa: ARG002
        """Always None: it may run on another machine."""
        return None

    def kill(self, worker: int) -> None:
        """Cancel a worker's chunks if they have not begun: the worker belongs to the executor."""
        for submission in self._in_flight:
            if submission.worker == worker:
                self._call_back(submission)

    def _call_back(self, submission: Submission) -> None:
        if submission.handle is not None and not submission.is_called_back:
            submission.is_called_back = True
            self._adapter.cancel(submission.handle)

    def retire(self, worker: int) -> None:
        """Do nothing: an unused worker costs nothing."""

    def stop_at(self, index: int) -> None:
        """Begin no more items at or above `index`, as far as chunks can be cancelled."""
        self._chunks.stop = min(self._chunks.stop, index)
        for submission in self._in_flight:
            if submission.chunk.start >= index:
                self._call_back(submission)

    def close(self, *, at_once: bool) -> list[str]:  # noqa: ARG002 - it cannot be gentler
        """Cancel all chunks that have not begun; the executor keeps running."""
        self.stop_at(0)
        if self._in_flight:
            self._chunks.end()
        self._in_flight.clear()
        self._processes.clear()
        self._chunks.release()
        self._adapter.close()
        return []


def _items_of(submission: Submission) -> str:
    chunk = submission.chunk
    if chunk.n_items == 1:
        return f"item {chunk.start}"
    return f"items {chunk.start} to {chunk.stop - 1}"

"""Handles what comes back from workers."""

from __future__ import annotations

import sys

from amorsize._function import callables
from amorsize._host.signals import in_words
from amorsize._workers import protocol
from amorsize._workers.messages import serialization
from amorsize.errors import SerializationError, WorkersUnavailable
from amorsize.policy.events import (
    Died,
    MemoryGrown,
    PicklingMeasured,
    Ready,
    Report,
    WorkerRetired,
    WorkersLimited,
)
from amorsize.policy.evidence import memory_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeGuard

    from amorsize._engine.costs.overhead import OverheadMeter
    from amorsize._engine.data.output_order import Printed
    from amorsize._engine.serving.retries import WorkerDeaths
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._engine.state.caller_only import CallerOnly
    from amorsize._engine.state.failures import Failures
    from amorsize._workers.protocol import Chunk, ChunkDone, Event, SetupFailed, WorkerLost
    from amorsize._workers.tasks.shared_data import WrittenInto


def what_is_shared(shared: object) -> str:
    """Says of an object of items that the function knows it by its identity."""
    what = f"items hold the same {callables.type_name(shared)} that the function refers to"
    return f"{what}: a worker process would have a copy, which is another one"


class PoolEvents:
    """Handles the events of the pools of one call."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        failures: Failures,
        caller_only: CallerOnly,
        *,
        losses: WorkerDeaths,
        meter: OverheadMeter | None,
        printed: Printed,
    ) -> None:
        self._call, self._work, self._tuner = call, call.work, call.tuner
        self._recorder, self._failures, self._caller_only = recorder, failures, caller_only
        self._losses, self._meter, self._printed = losses, meter, printed

    def handle(self, event: Event, now_s: float) -> None:
        """Tell the tuner of an event, and keep its results."""
        match event:
            case protocol.ChunkDone():
                self._losses.delivered()
                self._done(event, now_s)
            case protocol.WorkerReady():
                self._losses.was_ready = True
                if self._meter is not None:
                    self._meter.ready(event.worker)
                self._recorder.tell(Ready(worker=event.worker, now_s=now_s))
            case protocol.WorkerLost():
                self._recorder.tell(Died(worker=event.worker, now_s=now_s))
                if (why := self._losses.why_less(event)) is not None:
                    n_left = max(1, self._tuner.workers.n_alive)
                    self._recorder.tell(WorkersLimited(n_workers=n_left, why=why))
                self._lost(event, now_s)
            case protocol.WorkerRetired():
                self._recorder.tell(WorkerRetired(worker=event.worker, why=event.why))
                for start, stop in event.ranges:
                    self._work.give_back(start, stop)
            case protocol.SetupFailed():
                self._set_up_failed(event)
            case protocol.Text():
                self._printed.take(event.start, event.calls)
            case protocol.Noticed():
                self._caller_only.note_change_in_worker(event.why)
            case protocol.Logged():
                self._printed.take_record(event.start, event.record)
            case protocol.Held():
                self._printed.take_shown(event.start, event.show)

    def _lost(self, lost: WorkerLost, now_s: float) -> None:
        """Handle the loss of a worker: decide which of its items run again."""
        n_before = self._work.n_repeated
        try:
            self._losses.lost(lost)
        except WorkersUnavailable as error:
            if self._losses.was_ready or not self._call.caller_may_run_items:
                raise  # else no item has begun in a worker
            self._recorder.tell(WorkersLimited(n_workers=0, why=str(error)))
        finally:
            n_items = max(0, self._work.n_repeated - n_before)
            self._recorder.note_worker(lost.worker, "died", now_s, n_items=n_items, why=lost.how)

    def _set_up_failed(self, failed: SetupFailed) -> None:
        """Handle a worker that cannot take the task: the caller goes on if it may run items."""
        if not isinstance(failed.error, SerializationError) or not self._call.caller_may_run_items:
            raise failed.error
        self._recorder.tell(PicklingMeasured(pickle_s=None, reason=str(failed.error)))

    def _done(self, done: ChunkDone, now_s: float) -> None:
        n_done = len(done.results)
        if self._call.is_stream and n_done:
            n_bytes = None if done.n_bytes is None else done.n_bytes // n_done
            self._recorder.see_size(done.results[-1], n_bytes)
        if self._meter is not None and not self._call.inline_since:  # else the dispatcher serves
            self._meter.served(n_done, done.n_bytes)
        if self._call.task.keep_errors:
            self._failures.note_kept(done.start, done.results)
        if done.some_stayed:
            self._store_what_came(done)
        else:
            self._work.results.store(done.start, done.results)
        self._printed.release(self._work.results.n_in_order)
        if n_again := self._losses.n_again(done.start, done.start + n_done):
            begun_s = max(0.0, now_s - done.wall_s)
            self._recorder.note_worker(done.worker, "retried", begun_s, n_items=n_again)
        report = self._report(done, now_s)
        self._recorder.tell(report)
        if (progress := self._recorder.progress) is not None:
            progress.done(done.start, n_done, done.wall_s, report.n_failed)
        if done.grown_bytes is not None and done.grown_bytes[0] >= memory_limit.LEAST_BYTES:
            self._report_growth(done.worker, *done.grown_bytes)
        if done.is_unread and done.error is not None:
            self._unread(done.start, done.start + done.n_sent, done.error)
            return
        if done.error is not None and _tells_of_writing(done.error):
            self._caller_only.stop_before_write(done.start + n_done, done.error)
        elif done.error is not None:
            if done.error_text:
                serialization.add_note(
                    done.error, f"raised in a worker process:\n{done.error_text}"
                )
            self._failures.fail(done.start + n_done, done.error)
        if done.back is not None:
            self._work.give_back(*done.back)

    def _report(self, done: ChunkDone, now_s: float) -> Report:
        return Report(
            worker=done.worker,
            n_items=len(done.results),
            n_sent=done.n_sent if done.last else 0,
            wall_s=done.wall_s,
            cpu_s=done.cpu_s,
            pickle_s=done.pickle_s,
            now_s=now_s,
            run_delay_s=done.run_delay_s,
            n_failed=self._n_failed(done),
            n_bytes=done.n_bytes,
        )

    def _n_failed(self, done: ChunkDone) -> int:
        """How many of the results are exceptions of items."""
        if not self._call.task.keep_errors:
            return 0
        return sum(issubclass(type(one), BaseException) for one in done.results)

    def _report_growth(self, worker: int, peak_bytes: int, held_bytes: int) -> None:
        """Tell the policy how a worker has grown, and how much memory is left."""
        from amorsize._host import resources

        self._recorder.tell(
            MemoryGrown(
                worker=worker,
                peak_bytes=peak_bytes,
                held_bytes=held_bytes,
                available_bytes=resources.memory().available_bytes,
            )
        )

    def _unread(self, start: int, stop: int, error: BaseException) -> None:
        """Run items here that cannot be rebuilt in a worker; raise if they may not run here."""
        reason = in_words(error)
        if self._call.caller_may_run_items:
            reason = f"items cannot be rebuilt in a worker: {reason}"
            self._recorder.tell(PicklingMeasured(pickle_s=None, reason=reason))
            self._work.give_back(start, stop)
        elif stop - start > 1:  # each alone, to find the one
            self._losses.read_apart(start, stop)
        else:
            item = self._work.item(start)
            self._failures.fail(start, serialization.cannot_send("data", start, item, reason))

    def _store_what_came(self, done: ChunkDone) -> None:
        """Keep the results that could be sent; the items of the others are told or run here."""
        came: list[Any] = []
        for index, result in enumerate(done.results, done.start):
            if isinstance(result, serialization.Unpicklable):
                self._work.results.store(index - len(came), came)
                came = []
                self._stayed(index, result)
            else:
                came.append(result)
        self._work.results.store(done.start + len(done.results) - len(came), came)

    def _stayed(self, index: int, stayed: serialization.Unpicklable) -> None:
        """A result could not leave its worker: the item runs here where that is left open."""
        is_one_of_many = stayed.n_together > 1
        if self._call.options.retries < 1 or not (
            self._call.caller_may_run_items or is_one_of_many
        ):
            self._failures.fail(index, stayed.error)
            return
        if not self._call.may_repeat:
            why = "It is not run again: it does what may be meant to be done once only."
            serialization.add_note(stayed.error, why)
            self._failures.fail(index, stayed.error)
            return
        self._work.n_repeated += 1
        if not self._call.caller_may_run_items:  # each alone, to find the one
            self._work.try_alone(index, index + 1)
            return
        reason = f"not every result can travel: {stayed.error}"
        self._recorder.tell(PicklingMeasured(pickle_s=None, reason=reason))
        self._work.give_back(index, index + 1)

    def keep_items(self, worker: int, chunk: Chunk, shared: object, now_s: float) -> None:
        """Run items here that hold an object which the function knows by its identity."""
        self._not_sent(worker, chunk, now_s)
        reason = what_is_shared(shared)
        self._recorder.tell(PicklingMeasured(pickle_s=None, reason=reason))
        self._work.give_back(chunk.start, chunk.stop)

    def _not_sent(self, worker: int, chunk: Chunk, now_s: float) -> None:
        self._recorder.tell(
            Report(
                worker=worker,
                n_items=0,
                n_sent=chunk.n_items,
                wall_s=0.0,
                cpu_s=0.0,
                pickle_s=0.0,
                now_s=now_s,
            )
        )

    def refuse_items(
        self,
        worker: int,
        chunk: Chunk,
        failure: Exception,
        packed: Callable[[Any], bytes],
        now_s: float,
    ) -> None:
        """Run items here that cannot be sent, or name them if they may not run here."""
        found = serialization.first_unpicklable(
            [self._work.item(i) for i in range(chunk.start, chunk.stop)], packed
        )
        if found is None:
            raise failure
        index, reason = chunk.start + found[0], found[1]
        self._not_sent(worker, chunk, now_s)
        if self._call.caller_may_run_items:
            self._recorder.tell(
                PicklingMeasured(pickle_s=None, reason=f"items cannot be pickled: {reason}")
            )
            self._work.give_back(chunk.start, chunk.stop)
            return
        self._failures.fail(
            index, serialization.cannot_send("data", index, self._work.item(index), reason)
        )
        self._work.give_back(chunk.start, index)
        if self._call.task.keep_errors:
            self._work.give_back(index + 1, chunk.stop)


def _tells_of_writing(error: BaseException) -> TypeGuard[WrittenInto]:
    """Whether it is a `WrittenInto`; such an error has loaded its module as it was unpickled."""
    shared_data = sys.modules.get("amorsize._workers.tasks.shared_data")
    return shared_data is not None and isinstance(error, shared_data.WrittenInto)

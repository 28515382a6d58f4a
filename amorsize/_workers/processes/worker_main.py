"""The main loop of a worker process."""

from __future__ import annotations

import select
import sys
from math import inf
from struct import Struct
from time import process_time

from amorsize._function import sizeof
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel, perf_counter
from amorsize._workers import diverted_output, first_items, subprocess_time, worker_numbers
from amorsize._workers.chunk import run_items
from amorsize._workers.messages import exception_pickling, framing, serialization, transport
from amorsize._workers.messages.packing import Packing
from amorsize._workers.messages.report_head import (
    ELSEWHERE,
    LAST,
    LEAVES,
    REPORT,
    SOME_UNPICKLABLE,
    TELLS_GROWTH,
    UNREAD,
)
from amorsize._workers.messages.shared_memory import SharedBlock
from amorsize._workers.rss import RssLimit
from amorsize._workers.run_delay import RunDelayClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from amorsize._workers.first_items import FirstItems
    from amorsize._workers.messages.framing import Piece
    from amorsize._workers.messages.pipe_ends import End
    from amorsize._workers.protocol import Task

#: start, stop, time_budget_s, flush_s, flags, worker number
REQUEST = Struct("<qqddBH")
SINGLE, ITEMS_ELSEWHERE, NEW_CALL = 1, 2, 4
#: Results of more than this size are sent before the end of their chunk.
HELD_BYTES = 16 << 20
#: Stands for the index of an item while the worker flushes queues.
FLUSHING = -2.0
#: Seconds after which an idle worker checks again that its caller still exists.
PARENT_CHECK_S = 1.0
#: Seconds after which an idle worker quits. A new interpreter holds 9 MB and what it has imported.
IDLE_S = 5.0


class Worker:
    """Serves the chunks of one call."""

    #: When this worker has begun to wait for a call; infinite: it waits for as long as it takes.
    _idle_since = inf

    def __init__(
        self,
        task: Task,
        reading: End,
        writing: End,
        parent_pid: int,
        shared: SharedBlock | None,
        slot: int,
    ) -> None:
        self.task, self.function = task, task.function_of_one()
        self.packing = Packing(task.function)
        self.reading, self.writing, self.parent_pid = reading, writing, parent_pid
        self.counters, self.slot = None if shared is None else shared.counters, slot
        self.transport = transport.Transport(shared, slot, SharedBlock.SENT, SharedBlock.RECEIVED)
        self.rss_limit = RssLimit(task.most_bytes)
        self.result_bytes: int | None = None  # mean size of a result in the last report
        self._n_inherited = _lengths(task.source)
        self._pid = kernel.getpid()
        self.run_delay_clock = RunDelayClock()
        self.first_items = self.watching(task)
        self._reader = framing.Reader()
        self._poll, self._polled = select.poll(), -1

    def live(self) -> None:
        """Serve chunks until asked to quit or the caller is gone."""
        if self.task.setup is not None and not self.set_up():
            return
        try:
            while self._serve_what_arrives():
                pass
        finally:
            if self.task.teardown is not None:
                self.task.teardown()

    def is_flushing(self) -> None:
        """Tell the caller not to kill this process, which still writes into a queue of the program.

        That may have to wait for a reader. A killed process would leave the queue locked.
        """
        if self.counters is not None:
            self.counters[self.slot] = FLUSHING

    def watching(self, task: Task) -> FirstItems | None:
        """What watches the first items of a task."""
        return first_items.of_fork(task.watch)

    def set_up(self) -> bool:
        """Run setup= and report how it went; whether it succeeded."""
        try:
            if self.task.setup is not None:
                self.task.setup()
        except BaseException as error:
            framing.write(
                self.writing.number(), framing.FAILED, exception_pickling.pack_error(error)
            )
            return False
        framing.write(self.writing.number(), framing.READY)
        return True

    def _serve_what_arrives(self) -> bool:
        """Handle the next frames; False: quit."""
        descriptor = self.reading.number()
        if descriptor != self._polled:
            self._poll, self._polled = select.poll(), descriptor
            self._poll.register(descriptor, select.POLLIN)
        if not self._poll.poll(PARENT_CHECK_S * 1000):
            return kernel.getppid() == self.parent_pid and self.is_needed()
        if not self._reader.feed(descriptor):
            return False
        return all(self._obey(kind, payload) for kind, payload in self._reader.frames())

    def is_needed(self) -> bool:
        """Whether to keep waiting: it is not idle for too long."""
        return perf_counter() - self._idle_since < IDLE_S

    def _obey(self, kind: bytes, payload: Piece | None) -> bool:
        """Do what a frame asks for; False: quit."""
        if kind == framing.QUIT:
            return False
        if not self.transport.receive(kind, payload):
            assert payload is not None
            self.run(kind, payload)
        return not self.rss_limit.exceeds_limit

    def run(self, kind: bytes, payload: Piece) -> None:
        """Run the items of one chunk, then report."""
        start, stop, time_budget_s, flush_s, flags, worker_number = REQUEST.unpack_from(payload)
        worker_numbers.set_for_process(worker_number)
        if flags & NEW_CALL:
            self.rss_limit.begin(self.task.most_bytes)
        n_items = stop - start
        try:
            if kind == framing.SPAN:
                items = self.task.each(self._inherited(start, stop), start, start)
            else:
                data = memoryview(payload)[REQUEST.size :]
                self._note_reading(start)
                received = self.transport.unpacked(data, is_elsewhere=bool(flags & ITEMS_ELSEWHERE))
                items = self.task.each(received, start, start)
        except BaseException as error:
            self.report(start, n_items, [], (0.0, 0.0, 0.0), error, is_unread=True)
            return
        _Chunk(self, start, n_items, flush_s).run(items, time_budget_s, bool(flags & SINGLE))

    def _inherited(self, start: int, stop: int) -> Any:
        """A copy of a slice of the data, so that an item that changes the data keeps its chunk."""
        if _lengths(self.task.source) != self._n_inherited:
            raise RuntimeError("an item has changed the list that is mapped over")
        return self.task.span(start, stop)

    def _note_reading(self, start: int) -> None:
        """Note that items are being unpickled: their code may end this process."""
        if self.counters is not None:
            self.counters[self.slot], self.counters[self.slot + 2] = start, 0.0
            self.counters[self.slot + 1] = perf_counter()

    def end_if_twin(self) -> None:
        """End a process that an item has forked and that returned from the item."""
        if kernel.getpid() != self._pid:
            flush_streams()
            kernel._exit(0)

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
        """Send results of a chunk, or of its first part.

        Args:
            start: The index of the first result.
            n_items: Items of the chunk from there on.
            results: Of the first of these items.
            times_s: Wall time, CPU time and run delay of these.
            error: What the item after them has raised.
            last: Whether the chunk is finished.
            is_unread: Whether unpickling the items has raised the error.
        """
        self.end_if_twin()
        began_s = process_time()  # CPU time: wall time grows beside other programs
        flags = (LAST if last else 0) | (UNREAD if is_unread else 0)
        data, parts, some_stayed = self._pickled(start, results)
        flags |= SOME_UNPICKLABLE if some_stayed else 0
        n_bytes, n_results = len(data) + sum(map(len, parts)), len(results)
        ahead, pickled, is_elsewhere = self.transport.packed(data, parts)
        flags |= ELSEWHERE if is_elsewhere else 0
        if last:
            self.rss_limit.judge()
            flags |= LEAVES if self.rss_limit.exceeds_limit else 0
        grown = self.rss_limit.to_report()
        flags |= 0 if grown is None else TELLS_GROWTH
        self.result_bytes = n_bytes // n_results if n_results else self.result_bytes
        packed_error = b"" if error is None else exception_pickling.pack_error(error)
        header = REPORT.pack(
            *(start, n_results, n_items, *times_s, process_time() - began_s),
            *(flags, len(pickled), n_bytes, *(grown or (0, 0))),
        )
        flush_streams()
        if self.first_items is not None and (news := self.first_items.news()) is not None:
            framing.write(self.writing.number(), framing.NOTICED, news.encode())
        for kind, part in ahead:
            framing.write(self.writing.number(), kind, part)
        framing.write(self.writing.number(), framing.DONE, header, pickled, packed_error)

    def _pickled(self, start: int, results: list[Any]) -> tuple[bytes, list[memoryview], bool]:
        """Results as bytes and large parts, and whether stand-ins are among them."""
        if any(hasattr(kind, "__del__") for kind in set(map(type, results))):
            _living_on.extend(results)
        if self.task.keep_errors:
            results = [
                exception_pickling.kept_error(one) if issubclass(type(one), BaseException) else one
                for one in results
            ]
        try:
            return *self.packing.dumps_apart(results), False
        except Exception as failure:
            fit = serialization.replace_unpicklable(start, results, failure, self.packing.dumps)
            return self.packing.dumps(fit), [], True


#: Results that have gone to the caller and do something as they are freed. Only the caller's copies
#: are to do it: these are never freed, as the process ends without its exit functions.
_living_on: list[Any] = []


def _lengths(source: Any) -> list[int]:
    return [] if source is None else [len(one) for one in source]


class _Chunk:
    """Runs one chunk, and reports early results that would wait too long."""

    def __init__(self, worker: Worker, start: int, n_items: int, flush_s: float) -> None:
        self._worker, self._watched = worker, worker.first_items
        self._start, self._n_items, self._flush_s = start, n_items, flush_s
        self._out: list[Any] = []
        self._n_sent = 0
        self._sent_at, self._began = perf_counter(), self._clocks()

    def _clocks(self) -> tuple[float, float, float]:
        """Wall time, CPU time and run delay so far, without the cost of watching items."""
        wall_s, cpu_s = perf_counter(), subprocess_time.with_process()
        if self._watched is not None:
            wall_s, cpu_s = wall_s - self._watched.spent_s, cpu_s - self._watched.spent_cpu_s
        return wall_s, cpu_s, self._worker.run_delay_clock()

    def run(self, items: Iterator[Any], time_budget_s: float, single: bool) -> None:
        task, watched, function = self._worker.task, self._watched, self._worker.function
        if watched is not None and watched.is_open:
            function = watched.watched(task.wrappable(function))
        _, error, *_ = run_items(
            function,
            items,
            self._n_items,
            self._out,
            time_budget_s=time_budget_s,
            keep_errors=task.keep_errors,
            single=single,
            progress=self._progress,
            site=task.site,
        )
        try:
            self._send(error, last=True)
        finally:
            del error  # whose traceback has this frame

    def _progress(self, n_done: int, n_next: int, now_s: float) -> bool:
        worker, n_held = self._worker, n_done - self._n_sent
        worker.end_if_twin()
        if n_held and (now_s - self._sent_at > self._flush_s or self._is_much(n_held)):
            self._send(None, last=False)
        if n_done and not worker.rss_limit.check(now_s):
            return False
        if self._watched is not None and self._watched.has_news:
            return False  # the rest may be the caller's
        if (counters := worker.counters) is None:
            return True
        index, slot = self._start + n_done, worker.slot
        if index >= counters[0]:
            return False
        counters[slot], counters[slot + 1], counters[slot + 2] = index, now_s, n_next
        return True

    def _is_much(self, n_held: int) -> bool:
        """Whether the results take too much memory to wait for the end of the chunk."""
        result_bytes = self._worker.result_bytes
        if result_bytes is None:
            result_bytes = self._worker.result_bytes = sizeof.of(self._out[-1])
        return n_held * result_bytes > HELD_BYTES

    def _send(self, error: BaseException | None, last: bool) -> None:
        (wall_s, cpu_s, delay_s), began = self._clocks(), self._began
        times_s = wall_s - began[0], cpu_s - began[1], delay_s - began[2]
        n_sent, results = self._n_sent, self._out
        results = results[n_sent:] if n_sent else results
        self._worker.report(
            self._start + n_sent, self._n_items - n_sent, results, times_s, error, last=last
        )
        if not last:
            self._n_sent += len(results)
            self._sent_at, self._began = perf_counter(), self._clocks()


def flush_streams() -> None:
    """Flush the output of items, in case the process ends abruptly."""
    if diverted_output.hand_on():
        return
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError) as error:
            reraise_from_handler(error)  # else closed or broken, as for prints of items

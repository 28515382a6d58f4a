"""What a worker process does from its first breath to its last: read chunks, run them, report."""

from __future__ import annotations

import os
import select
import sys
from struct import Struct
from time import process_time

from amorsize._function import sizeof
from amorsize._host.clocks import perf_counter
from amorsize._workers import (
    exception_pickling,
    first_items,
    framing,
    serialization,
    subprocess_time,
    transport,
    worker_numbers,
)
from amorsize._workers.chunk import run_chunk
from amorsize._workers.rss import Appetite
from amorsize._workers.run_delay import StarvedClock
from amorsize._workers.shared_memory import SharedBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from amorsize._workers.first_items import FirstItems
    from amorsize._workers.framing import Piece
    from amorsize._workers.pipe_ends import End
    from amorsize._workers.protocol import Task

ORDER = Struct("<qqddBH")  # start, stop, time_budget_s, flush_s, flags, place
SINGLE, ITEMS_ELSEWHERE = 1, 2
# start, n_items, n_sent, wall_s, cpu_s, run_delay_s, pickle_s, flags, size of what stands for the
# results, bytes of them all, bytes the process has grown by: at most, and now
REPORT = Struct("<qqqddddBQQQQ")
LAST, CANNOT_TRAVEL, ELSEWHERE, TELLS_GROWTH, LEAVES, UNREAD = 1, 2, 4, 8, 16, 32
HELD_BYTES = 16 << 20  # results that wait in a worker for the end of their chunk: beyond, they go
FLUSHING = -2.0  # instead of the index of an item
PARENT_CHECK_S = 1.0  # how often an idle worker looks whether its caller still lives


class Worker:
    """One worker process's life."""

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
        self.packing = serialization.Packing(task.function)
        self.reading, self.writing, self.parent_pid = reading, writing, parent_pid
        self.cells, self.slot = None if shared is None else shared.view, slot
        self.line = transport.Transport(shared, slot, SharedBlock.SENT, SharedBlock.RECEIVED)
        self.appetite = Appetite(task.most_bytes)
        self.result_bytes: int | None = None  # each of the last ones sent
        self._n_inherited = _lengths(task.source)
        self._pid = os.getpid()
        self.starved_clock = StarvedClock()
        self.first_items = self.watching(task)
        self._reader = framing.Reader()
        self._poll, self._polled = select.poll(), -1

    def live(self) -> None:
        """Serve chunks until told to quit or the caller is gone."""
        if self.task.setup is not None and not self.set_up():
            return
        try:
            while self._serve_what_arrives():
                pass
        finally:
            if self.task.teardown is not None:
                self.task.teardown()

    def is_flushing(self) -> None:
        """Tell the caller not to end this process: what items have put into a queue is on its way.

        It may have to wait until somebody reads. Ended before, it would leave the queue locked.
        """
        if self.cells is not None:
            self.cells[self.slot] = FLUSHING

    def watching(self, task: Task) -> FirstItems | None:
        """What looks at the first items of a task."""
        return first_items.of_fork(task.watch)

    def set_up(self) -> bool:
        """Run the task's setup and say how that went."""
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
        """Handle the next frames; False when the life is over."""
        descriptor = self.reading.number()
        if descriptor != self._polled:
            self._poll, self._polled = select.poll(), descriptor
            self._poll.register(descriptor, select.POLLIN)
        if not self._poll.poll(PARENT_CHECK_S * 1000):
            return os.getppid() == self.parent_pid and self.is_needed()
        if not self._reader.feed(descriptor):
            return False
        return all(self._obey(kind, payload) for kind, payload in self._reader.frames())

    def is_needed(self) -> bool:
        """Whether to wait for more."""
        return True

    def _obey(self, kind: bytes, payload: Piece | None) -> bool:
        """Do what a frame asks for; False when it is to quit."""
        if kind == framing.QUIT:
            return False
        if not self.line.receive(kind, payload):
            assert payload is not None
            self.run(kind, payload)
        return not self.appetite.exceeds_limit

    def run(self, kind: bytes, payload: Piece) -> None:
        """Run the items of one chunk and report."""
        start, stop, time_budget_s, flush_s, flags, place = ORDER.unpack_from(payload)
        worker_numbers.take_in_process(place)
        n_items = stop - start
        try:
            if kind == framing.SPAN:
                items = self.task.each(self._inherited(start, stop), start, start)
            else:
                data = memoryview(payload)[ORDER.size :]
                self._note_reading(start)
                received = self.line.unpacked(data, is_elsewhere=bool(flags & ITEMS_ELSEWHERE))
                items = self.task.each(received, start, start)
        except BaseException as error:
            self.report(start, n_items, [], (0.0, 0.0, 0.0), error, last=True, is_unread=True)
            return
        _Chunk(self, start, n_items, flush_s).run(items, time_budget_s, bool(flags & SINGLE))

    def _inherited(self, start: int, stop: int) -> Any:
        """Items of the data, apart from it: an item that changes it does not change its chunk."""
        if _lengths(self.task.source) != self._n_inherited:
            raise RuntimeError("an item has changed the list that is mapped over")
        return self.task.span(start, stop)

    def _note_reading(self, start: int) -> None:
        """Rebuilding items runs code of theirs, which may end this process, too."""
        if self.cells is not None:
            self.cells[self.slot], self.cells[self.slot + 2] = start, 0.0
            self.cells[self.slot + 1] = perf_counter()

    def end_if_twin(self) -> None:
        """An item may fork and come back twice: only one of the two is the worker."""
        if os.getpid() != self._pid:
            flush_streams()
            os._exit(0)

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
        """Send results from index `start` on, of a chunk that has `n_items` from there.

        `is_unread`: the error came while items were rebuilt, and may be any one's of them.
        `times_s` are what they took: of wall time, of CPU time, and kept from computing.
        """
        self.end_if_twin()
        began_s = process_time()  # of the CPU: beside other programs a trifle would look dear
        flags = (LAST if last else 0) | (UNREAD if is_unread else 0)
        if self.task.keep_errors:
            results = [
                exception_pickling.kept_error(one) if isinstance(one, BaseException) else one
                for one in results
            ]
        parts: list[memoryview] = []
        try:
            data, parts = self.packing.dumps_apart(results)
        except Exception as failure:
            fit = serialization.fit_to_travel(start, results, failure, self.packing.dumps)
            data = self.packing.dumps(fit)
            flags |= CANNOT_TRAVEL
        n_bytes = len(data) + sum(map(len, parts))
        ahead, told, is_elsewhere = self.line.packed(data, parts)
        if is_elsewhere:
            flags |= ELSEWHERE
        if last:
            self.appetite.judge()
            flags |= LEAVES if self.appetite.exceeds_limit else 0
        grown = self.appetite.to_report()
        flags |= 0 if grown is None else TELLS_GROWTH
        self.result_bytes = n_bytes // len(results) if results else self.result_bytes
        packed = b"" if error is None else exception_pickling.pack_error(error)
        header = REPORT.pack(
            start,
            len(results),
            n_items,
            *times_s,
            process_time() - began_s,
            flags,
            len(told),
            n_bytes,
            *(grown or (0, 0)),
        )
        flush_streams()
        if self.first_items is not None and (news := self.first_items.news()) is not None:
            framing.write(self.writing.number(), framing.NOTICED, news.encode())
        for kind, part in ahead:
            framing.write(self.writing.number(), kind, part)
        framing.write(self.writing.number(), framing.DONE, header, told, packed)


def _lengths(source: Any) -> list[int]:
    return [] if source is None else [len(one) for one in source]


class _Chunk:
    """One chunk in a worker: runs it, sends early what would wait too long."""

    def __init__(self, worker: Worker, start: int, n_items: int, flush_s: float) -> None:
        self._worker = worker
        self._start, self._n_items, self._flush_s = start, n_items, flush_s
        self._out: list[Any] = []
        self._n_sent = 0
        self._sent_at, self._began = perf_counter(), self._clocks()

    def _clocks(self) -> tuple[float, float, float]:
        """Of wall time, CPU time and time without a core; what watching items took is left out."""
        watched = self._worker.first_items
        wall_s, cpu_s = (0.0, 0.0) if watched is None else (watched.spent_s, watched.spent_cpu_s)
        return (
            perf_counter() - wall_s,
            subprocess_time.with_process() - cpu_s,
            self._worker.starved_clock(),
        )

    def run(self, items: Iterator[Any], time_budget_s: float, single: bool) -> None:
        task, watched = self._worker.task, self._worker.first_items
        function = self._worker.function
        ran = run_chunk(
            function if watched is None else watched.watched(function),
            items,
            self._n_items,
            self._out,
            time_budget_s=time_budget_s,
            cpu_clock=subprocess_time.with_process,
            keep_errors=task.keep_errors,
            single=single,
            progress=self._progress,
        )
        self._send(ran.error, last=True)

    def _progress(self, n_done: int, n_next: int, now_s: float) -> bool:
        index = self._start + n_done
        cells, slot = self._worker.cells, self._worker.slot
        self._worker.end_if_twin()
        n_held = n_done - self._n_sent
        if n_held and (now_s - self._sent_at > self._flush_s or self._is_much(n_held)):
            self._send(None, last=False)
        if n_done and not self._worker.appetite.look(now_s):
            return False
        watched = self._worker.first_items
        if watched is not None and watched.has_news:
            return False  # the rest may be the caller's
        if cells is None:
            return True
        if index >= cells[0]:
            return False
        cells[slot] = index
        cells[slot + 1] = now_s
        cells[slot + 2] = n_next
        return True

    def _is_much(self, n_held: int) -> bool:
        """Results that take too much memory to wait for the end of the chunk."""
        result_bytes = self._worker.result_bytes
        if result_bytes is None:
            result_bytes = self._worker.result_bytes = sizeof.of(self._out[-1])
        return n_held * result_bytes > HELD_BYTES

    def _send(self, error: BaseException | None, last: bool) -> None:
        wall_s, cpu_s, run_delay_s = (
            now - began for now, began in zip(self._clocks(), self._began, strict=True)
        )
        results = self._out[self._n_sent :]
        start = self._start + self._n_sent
        self._worker.report(
            start,
            self._n_items - self._n_sent,
            results,
            (wall_s, cpu_s, run_delay_s),
            error,
            last,
        )
        self._n_sent += len(results)
        self._sent_at, self._began = perf_counter(), self._clocks()


def flush_streams() -> None:
    """Push out what items printed, so that nothing is lost when the process ends abruptly."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # closed or broken: the item's own prints would have failed the same way

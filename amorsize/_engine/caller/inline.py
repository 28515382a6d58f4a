"""Runs items in the caller."""

from __future__ import annotations

import sys

from amorsize._engine.serving.workers import WAIT_S
from amorsize._host.signals import raised_by_handler
from amorsize._host.unpatched import perf_counter
from amorsize._workers import nesting, subprocess_time
from amorsize._workers.chunk import run_chunk
from amorsize._workers.run_delay import RunDelayClock
from amorsize.policy.events import Inlined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize._engine.caller.dispatcher_thread import Dispatcher
    from amorsize._engine.caller.item_seeding import ItemSeeding
    from amorsize._engine.data.source import Turn
    from amorsize._engine.serving.workers import Workers
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._engine.state.failures import Failures
    from amorsize._workers.chunk import Ran
    from amorsize._workers.protocol import Chunk


class InlineItems:
    """Runs items of one call in the caller, and reports what they cost."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        failures: Failures,
        seeding: ItemSeeding,
        workers: Workers,
        new_dispatcher: Callable[[], Dispatcher | None],
    ) -> None:
        self._call, self._recorder, self._failures = call, recorder, failures
        self._seeding, self._workers, self._new_dispatcher = seeding, workers, new_dispatcher
        self._run_delay_clock = RunDelayClock()
        #: The thread that serves workers meanwhile.
        self.dispatcher: Dispatcher | None = None
        self._may_dispatch = True  # the system has room for such a thread
        self._is_set_up = self._is_marked = False
        self._mark_before: Any = None

    def run_inline(self, n_items: int, time_budget_s: float) -> None:
        work = self._call.work
        if work.has_suspect:  # an item that may kill its process never runs here
            self._workers.wait(WAIT_S)
            return
        chunk = work.take(self._seeding.n_alike(n_items))
        items, first = self._call.source.window(chunk.start, chunk.stop)
        self.run_here(chunk, self._call.task.each(items, first, chunk.start), time_budget_s)

    def run_here(
        self, chunk: Chunk, each: Iterator[Any], time_budget_s: float, turn: Turn | None = None
    ) -> None:
        """Run items in the caller, fewer if the data ends."""
        work = self._call.work
        direct = not self._call.pools and chunk.start == work.results.n_in_order
        out = work.results.in_order if direct else []
        n_before = len(out)
        is_in_item = None if turn is None else lambda: turn.is_in_item(len(out) - n_before)
        is_ahead = self._call.pools.keys() == {"process"} and chunk.start > work.results.n_in_order
        self.set_up()
        if is_ahead:
            self._workers.printed.hold(chunk.start)
        self._enter(is_in_item)
        programs_s = subprocess_time.cpu_s()
        try:
            n_modules = self._n_loaded()
            process_cpu, n_pauses = subprocess_time.with_process(), count_pauses()
            ran = run_chunk(
                self._call.function,
                each,
                chunk.n_items,
                out,
                time_budget_s=time_budget_s,
                cpu_clock=subprocess_time.with_thread,
                run_delay_clock=self._run_delay_clock,
                keep_errors=self._call.task.keep_errors,
                single=self._call.task.single,
                turn=turn,
                site=self._call.task.site,
            )
        finally:
            if is_ahead:
                self._workers.printed.let_go()
            self._leave()
        ran = _beside_programs(ran, subprocess_time.cpu_s() - programs_s)
        spent = (
            subprocess_time.with_process() - process_cpu,
            self._n_loaded() - n_modules,
            count_pauses() - n_pauses,
        )
        try:
            self._take_ran(ran, chunk, out, turn, spent, direct=direct)
        finally:
            del ran  # its error's traceback leads to this frame

    def _take_ran(
        self,
        ran: Ran,
        chunk: Chunk,
        out: list[Any],
        turn: Turn | None,
        spent: tuple[float, int, int],
        *,
        direct: bool,
    ) -> None:
        """Keep the results of items in the caller, and report what they cost."""
        work = self._call.work
        failure = ran.error if ran.is_of_data and isinstance(ran.error, Exception) else None
        if turn is not None:
            chunk = work.end_turn(turn, chunk.start, ran.n_done, is_end=ran.is_end, error=failure)
        end = chunk.start + ran.n_done
        if ran.n_failed:
            self._failures.note_kept(chunk.start, out[len(out) - ran.n_done :])
        if direct:
            work.results.appended(ran.n_done)
        else:
            work.results.store(chunk.start, out)
        if ran.n_done:
            if self._call.is_stream and out:
                self._recorder.see_size(out[-1])
            self._report(ran, *spent)
            if (progress := self._recorder.progress) is not None:
                progress.done(chunk.start, ran.n_done, ran.wall_s, ran.n_failed)
        if ran.error is not None:
            is_exit = ran.is_of_data and failure is None
            if isinstance(ran.error, KeyboardInterrupt) or is_exit or raised_by_handler(ran.error):
                try:
                    raise ran.error  # it is not the item's: earlier items do not matter
                finally:
                    del ran, failure  # the traceback has this frame
            if failure is None:
                self._failures.fail(end, ran.error)
            self._failures.note_broken_data()
        elif ran.is_end and turn is None:
            work.end_at(end)
        else:
            work.give_back(end, chunk.stop)
        self._seeding.see_quick_items(ran.wall_s)
        self._poll_workers()

    def _poll_workers(self) -> None:
        """Handle what workers have done meanwhile."""
        if self.dispatcher is not None and not self._call.work.is_finished:
            self.dispatcher.raise_error()  # now rather than at the end of the call
        if self._call.pools:
            self._workers.printed.release(self._call.work.results.n_in_order)
            self._workers.poll(0.0)

    def _report(self, ran: Ran, process_cpu_s: float, n_modules: int, n_pauses: int) -> None:
        """Report what items in the caller cost."""
        if self._workers.meter is not None:
            self._workers.meter.spent(ran.cpu_s)
        self._recorder.tell(
            Inlined(
                n_items=ran.n_done,
                wall_s=ran.wall_s,
                cpu_s=ran.cpu_s,
                process_cpu_s=process_cpu_s,
                now_s=self._call.now_s,
                n_pauses=n_pauses,
                n_modules=n_modules,
                run_delay_s=ran.run_delay_s,
                n_failed=ran.n_failed,
            )
        )

    def _n_loaded(self) -> int:
        """How many modules are loaded, without those that were loaded to serve workers."""
        return len(sys.modules) - (0 if self.dispatcher is None else self.dispatcher.n_loaded)

    def set_up(self) -> None:
        """Set up in the caller what workers need to run items."""
        if self._is_set_up or self._call.task.setup is None:
            return
        self._call.task.setup()
        self._is_set_up = True

    def tear_down(self) -> None:
        """Undo what was set up, and stop measuring the time: the call is over."""
        self._run_delay_clock.close()
        if self._is_set_up and self._call.task.teardown is not None:
            self._is_set_up = False
            self._call.task.teardown()

    def _enter(self, is_in_item: Callable[[], bool] | None) -> None:
        """Release the call's lock while items run here: the dispatcher may serve the workers."""
        if self._call.pools:
            if self.dispatcher is None and self._may_dispatch:
                self.dispatcher = self._new_dispatcher()
                self._may_dispatch = self.dispatcher is not None
            self._call.inline_since = perf_counter()
            self._workers.printed.enter()
            self._call.lock.release()
        # A call with a single item is not a map: the item may start workers of its own.
        is_only_item = self._call.source.all_read and self._call.source.n_read == 1
        if not is_only_item and not nesting.is_inside():
            self._mark_before = nesting.mark()
            self._is_marked = True
            nesting.enter(is_in_item)

    def _leave(self) -> None:
        self.unmark()
        if self._call.inline_since:
            self._call.lock.acquire()
            self._call.inline_since = 0.0
            self._workers.printed.leave()

    def unmark(self) -> None:
        if self._is_marked:
            nesting.leave(self._mark_before)
            self._is_marked = False


def _beside_programs(ran: Ran, programs_s: float) -> Ran:
    """The measurement with the CPU time of programs that the items have waited for."""
    if programs_s <= 0:
        return ran
    return ran.replace(
        run_delay_s=subprocess_time.run_delay_s(ran.wall_s, ran.cpu_s, programs_s, ran.run_delay_s)
    )


try:
    from resource import RUSAGE_THREAD, getrusage

    def count_pauses() -> int:
        """How often this thread has given up its core by itself, to sleep, read or take a lock."""
        return getrusage(RUSAGE_THREAD).ru_nvcsw

except ImportError:  # not on Linux: every low share of CPU time counts as waiting
    _pauses = iter(range(1 << 62))

    def count_pauses() -> int:
        return next(_pauses)

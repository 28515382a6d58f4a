"""Runs one call from its beginning to its end."""

from __future__ import annotations

import sys

from amorsize._engine.action_runner import ActionRunner
from amorsize._engine.caller.inline import InlineItems
from amorsize._engine.caller.item_seeding import ItemSeeding
from amorsize._engine.data.source import READ_S
from amorsize._engine.ending import Ending
from amorsize._engine.opening import Opening
from amorsize._engine.serving.workers import Workers
from amorsize._engine.state.call import Call, Invocation, Recorder
from amorsize._engine.state.caller_only import CallerOnly
from amorsize._engine.state.failures import Failures
from amorsize._host import shortage
from amorsize._host.unpatched import kernel, perf_counter
from amorsize.policy import actions as do
from amorsize.policy.tuner import Tuner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from amorsize._engine.caller.lockstep import Lockstep
    from amorsize._engine.data.read_ahead import ReadAhead
    from amorsize._workers.protocol import Event
    from amorsize.policy.trace import Trace

#: Seconds for which chunks are sent without polling the workers. One poll for all reports of that
#: time takes less than a poll for each.
UNSEEN_S = 0.5e-3
#: Seconds after which a call counts as long, so that a thread may read its data ahead.
READ_ASIDE_S = 20e-3
#: The most seconds that reading ahead may take while workers are idle.
READ_IDLE_S = 0.2e-3


#: The parts of an engine that refer to the user's objects.
PARTS = (
    *("failures", "caller_only", "seeding", "opening", "workers", "inline", "ending"),
    *("action_runner", "recorder", "_lockstep"),
)
#: The attributes of a call that are, or refer to, the user's objects.
HELD = ("func", "options", "item_kwargs", "source", "work", "task", "function", "pools")


class OutOfTime(Exception):  # noqa: N818 - says what happened
    """A call has used up its time."""


class Engine:
    """Runs one call: asks the tuner what to do next, does it, reports what happened."""

    #: Whether the next call learns from this one.
    remembers = True
    #: The class of the part that writes down events.
    recorder_type = Recorder

    def __init__(
        self,
        made: Invocation,
        *,
        streams: bool = False,
        read_ahead: int | None = None,
    ) -> None:
        call = self.call = Call(made, is_stream=streams, read_ahead=read_ahead)
        #: How many items were done, once the call is over.
        self.n_done = 0
        #: The trace, once the call is over.
        self.trace: Trace | None = None
        # Who calls whom: the engine asks the tuner, and hands its actions to ActionRunner, which
        # calls Opening, Workers or InlineItems. While InlineItems runs an item, a dispatcher thread
        # has ActionRunner serve the workers. Workers gives each event to `on_event`. What is
        # seen goes to Failures, to CallerOnly and, by the Recorder, to the tuner. Ending ends all.
        recorder = self.recorder = self.recorder_type(call)
        failures = self.failures = Failures(call, recorder)
        failures.keeps_results = self.remembers
        caller_only = self.caller_only = CallerOnly(call, recorder)
        seeding = self.seeding = ItemSeeding(call, caller_only)
        opening = self.opening = Opening(call, recorder, caller_only)
        workers = self.workers = Workers(
            call, recorder, failures, caller_only, on_event=self.on_event
        )
        inline = self.inline = InlineItems(
            call, recorder, failures, seeding, workers, lambda: self.action_runner.new_dispatcher()
        )
        action_runner = self.action_runner = ActionRunner(
            call, recorder, caller_only, opening, workers, inline
        )
        self.ending = Ending(call, recorder, seeding, workers, inline, action_runner)
        self._lockstep: Lockstep | None = None
        # If no file can be opened to load modules, the loop itself is all that can run.
        self.plain_loop: Iterator[Any] | None = None
        if not (n_files := shortage.n_to_load_with()) and made.options.allow_loop:
            self.plain_loop = shortage.loop(
                made.func, made.iterables, made.item_kwargs, strict=made.options.strict
            )
        call.shortage_reason = shortage.why_too_few(n_files)

    # -- the ways to run --------------------------------------------------------------------

    def run(self, *, longest_s: float | None = None) -> list[Any]:
        """All results, in order.

        Raises:
            OutOfTime: It took longer than `longest_s`. Workers were ended during their items. An
                item in the caller or in a thread cannot be ended.
        """
        try:
            return self._run(longest_s)
        finally:
            self._let_go()

    def _run(self, longest_s: float | None) -> list[Any]:
        if self.call.source.all_read and not self.call.source.n_read and not self.call.work.failure:
            if self.call.options.progress:
                from amorsize._engine.reporting import progress_meter

                progress_meter.report_nothing(self.call, self.recorder)
            return []
        if self.plain_loop is not None:
            return list(self.plain_loop)
        if longest_s is not None:
            self.action_runner.ends_s = perf_counter() + longest_s
        try:
            self._begin()
            self._run_all()
            self._repeat_from_item_that_wrote()
            self.caller_only.see_writes_here()
            self.ending.end(at_once=self.call.work.failure is not None)
            self._remember()
        except BaseException as error:
            self._give_up(error)
            raise
        self.failures.raise_lowest()
        return self.call.work.results.in_order

    def _run_all(self) -> None:
        ends_s = self.action_runner.ends_s
        while not self._is_over():
            self.step()
            self._show_progress()
            if ends_s is not None and perf_counter() >= ends_s:
                raise OutOfTime
        if self.seeding.holds_last and self.call.work.failure is None:
            self.call.work.stop = None
            while not self._is_over():
                self.inline.run_inline(self.call.work.n_left, float("inf"))

    def go_on(self, results: list[Any], error: BaseException | None, began: float) -> list[Any]:
        """Finish a call whose first items were run before it turned out not to be short."""
        self.call.began = began
        self.call.work.take(len(results) + (error is not None))
        self.call.work.results.store(0, results)
        if error is not None:
            self.failures.fail(len(results), error)
            del error  # its traceback will have this frame
        return self.run()

    def stream(self, ordered: bool, buffer: int | None, indexed: bool = False) -> Iterator[Any]:
        """Yield results, with at most `buffer` items begun ahead of the consumer."""
        try:
            yield from self._stream(ordered, buffer, indexed)
        finally:
            self._let_go()

    def _stream(self, ordered: bool, buffer: int | None, indexed: bool) -> Iterator[Any]:
        import atexit

        if self.plain_loop is not None:
            yield from enumerate(self.plain_loop) if indexed else self.plain_loop
            return
        at_once, call, owner_pid = True, self.call, kernel.getpid()
        # Later nothing can be imported, so the call could not be ended properly.
        atexit.register(self.ending.end_at_exit)
        try:
            self._begin()
            from amorsize._engine import streaming
            from amorsize._engine.caller.handing_over import Consumer
            from amorsize._engine.caller.stream_consumers import wait_for_consumer

            consumer = Consumer(self.workers, self.seeding)
            call.task.kept_pipes = streaming.pipes_of_items(call)
            wait_for_consumer(call, self.caller_only, self.lockstep)
        except BaseException:
            self.ending.end(at_once=True)
            raise
        try:
            if call.source.in_lockstep or self.lockstep.is_lazy:
                yield from self.lockstep.stream(indexed=indexed)
            while True:
                streaming.refuse_in_fork(call, owner_pid)
                n_ahead = buffer or streaming.buffer_items(call, self.recorder.result_bytes)
                call.work.limit = call.work.results.n_given + n_ahead
                if streaming.has_results(call, self.workers.poll, ordered=ordered):
                    with consumer:
                        for start, given in streaming.taken(call.work.results, ordered=ordered):
                            yield from enumerate(given, start) if indexed else given
                    self._show_progress()
                    continue
                if self._is_over():
                    break
                self.step()
                self._show_progress()
            self.caller_only.see_writes_here()
            at_once = call.work.failure is not None
        except KeyboardInterrupt as error:
            self._give_up(error)
            raise
        finally:
            self.ending.end(at_once=at_once)
            self._remember()  # also after an error, as the consumer has the earlier results
        self.failures.raise_lowest()

    # -- beginning and ending ---------------------------------------------------------------

    def _begin(self) -> None:
        call, recorder = self.call, self.recorder
        if not call.work.all_read and not call.work.n_left:
            call.work.read_ahead(longest_s=0.0)
            self.failures.note_broken_data()
        self.opening.find_remote()
        self.opening.look_up()
        call.tuner = Tuner(None, self.opening.request(), call.known)
        self.opening.check_open_files()
        self.opening.recall_caller_only()
        self.seeding.begin()
        if call.options.progress:
            from amorsize._engine.reporting import progress_meter

            recorder.progress = progress_meter.new(call, recorder, self.workers, self.seeding)

    def _give_up(self, error: BaseException) -> None:
        """End at once, and keep the results so far in the error even if Ctrl-C comes again."""
        try:
            self.ending.end(at_once=True)
            if isinstance(error, KeyboardInterrupt) and hasattr(self.call, "tuner"):
                self._remember()  # `explain()` tells why it was taking so long
        except BaseException as another:
            self.failures.keep_in(another)
            raise
        self.failures.keep_in(error)

    def _remember(self) -> None:
        if sys.is_finalizing() or self.trace is not None:  # nothing can be loaded, or it is done
            return
        if (record := shortage.loaded("_engine.reporting.call_outcome")) is not None:
            self.trace = record.remember(
                self.call, self.recorder, self.caller_only, is_kept=self.remembers
            )

    def _show_progress(self) -> None:
        """Show how far the call is, if that was asked for."""
        if self.recorder.progress is not None:
            self.recorder.progress.update()

    def _let_go(self) -> None:
        """Drop all references to the user's objects, which cycles would keep alive."""
        try:
            if self.call.pools:  # a handler has raised before `end` held signals back
                self.ending.end(at_once=True)
            if self.recorder.progress is not None and not sys.is_finalizing():
                self.recorder.progress.end()
        finally:
            self._forget()

    def _forget(self) -> None:
        self.n_done = self.call.work.results.n_done
        self.call.work.failure = None  # the frames in its traceback refer to the work
        for name in PARTS:
            if (part := getattr(self, name)) is not None:
                vars(part).clear()
        vars(self).update(dict.fromkeys(PARTS), plain_loop=None)
        vars(self.call).update(dict.fromkeys(HELD))

    # -- one step ---------------------------------------------------------------------------

    @property
    def lockstep(self) -> Lockstep:
        """The part that runs items one by one while they may not be read ahead."""
        if self._lockstep is None:
            from amorsize._engine.caller.lockstep import Lockstep

            self._lockstep = Lockstep(
                self.call, self.recorder, self.failures, self.seeding, self.inline, self.workers
            )
        return self._lockstep

    def step(self) -> None:
        """Ask the tuner and do what it says."""
        call, source = self.call, self.call.source
        if source.in_lockstep and self.lockstep.step():
            return
        if not source.all_read and call.are_trivial:
            self.lockstep.run_trivial()
            return
        if not source.all_read and not source.in_lockstep:
            self.workers.stop_clock()
            self._read()
            self.workers.start_clock()
            if call.work.is_finished:  # the data had only its end left
                return
        action = call.tuner.next(call.status(caller_busy=False))
        if source.ahead is not None:
            self._read_aside(source.ahead, action)
        self.action_runner.act(action)
        if isinstance(action, do.Send) and perf_counter() > self.workers.polled_s + UNSEEN_S:
            self.workers.poll(0.0)

    def on_event(self, event: Event) -> None:
        """Handle an event of a worker; a subclass sees it here (`tuning/bench.py`)."""
        self.workers.handle(event)

    def _read_aside(self, ahead: ReadAhead, action: do.Action) -> None:
        """Start the thread of `read_ahead`, once workers are forked or not wanted."""
        is_going_on = self.call.now_s > READ_ASIDE_S
        if isinstance(action, do.Wait) or (isinstance(action, do.RunInline) and is_going_on):
            ahead.start()

    def _read(self) -> None:
        """Read ahead, only briefly while workers are idle."""
        call, work, source = self.call, self.call.work, self.call.source
        if not work.n_left and not (call.tuner.workers.n_in_flight and source.would_wait()):
            work.read_ahead(longest_s=0.0)
        if work.n_left and source.is_quick and not source.would_wait():
            is_wanted = call.tuner.workers.n_in_flight or not call.pools
            work.read_ahead(READ_S if is_wanted else READ_IDLE_S)
        if work.waits is not None:
            self.caller_only.enforce(work.waits[1])
        self.failures.note_broken_data()

    def _is_over(self) -> bool:
        """Whether all is done: an item may have changed the length of the data."""
        if self.call.source.changes():
            self.call.work.follow()
            self.caller_only.enforce("the list changes while it is mapped over")
        return self.call.work.is_finished

    def _repeat_from_item_that_wrote(self) -> None:
        """Run all items again from the one that has written, if that gives the loop's results."""
        index = self.caller_only.first_to_repeat()
        if index is None or self.workers.printed.has_held:  # what items print is not printed twice
            return
        self.ending.end_workers()
        self.call.work.begin_again_at(index)
        while not self._is_over():
            self.inline.run_inline(self.call.work.n_left, float("inf"))

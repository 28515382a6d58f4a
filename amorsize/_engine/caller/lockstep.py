"""Runs items one by one as they are read, like a loop.

A call whose items all run in the caller stays like that. Any other call begins like that if its
iterator runs code, until reading ahead is known to be right and workers are wanted.
"""

from __future__ import annotations

from _thread import get_ident
from itertools import chain

from amorsize._engine.caller.inline import count_pauses
from amorsize._engine.data.source import Reading
from amorsize._host.signals import raised_by_handler
from amorsize._host.unpatched import perf_counter
from amorsize._workers import nesting, subprocess_time
from amorsize._workers.protocol import Chunk
from amorsize.policy.actions import RunInline
from amorsize.policy.events import DataDependsOnItems, Inlined
from amorsize.policy.rules.inline import PATIENT_SLICE_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from amorsize._engine.caller.inline import InlineItems
    from amorsize._engine.caller.item_seeding import ItemSeeding
    from amorsize._engine.reading.item_lifetime import LifetimeCheck
    from amorsize._engine.serving.workers import Workers
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._engine.state.failures import Failures

#: Seconds of items that the caller runs before workers and reading ahead are considered.
ALONE_S = 1e-3
#: The next turn has this many times the items of all turns so far.
GROWTH = 4
#: The most items of a turn if the length of the data is not known.
MANY = 1 << 20
#: An item shorter than this, in seconds, does not wait: its CPU time is its time.
LIGHT_S = 20e-6
#: How many items below `LIGHT_S` share one reading of the clock, which would take longer.
LIGHT_ITEMS = 16
#: Seconds after which a stream in the caller reports what its items cost.
REPORT_S = 50e-3


class Lockstep:
    """Runs the items of one call as they are read."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        failures: Failures,
        seeding: ItemSeeding,
        inline: InlineItems,
        workers: Workers,
    ) -> None:
        self._call, self._recorder, self._failures = call, recorder, failures
        self._seeding, self._inline, self._workers = seeding, inline, workers
        self._lifetime: LifetimeCheck | None = None
        self._is_judged = False
        #: Whether the consumer of a stream may change what the items to come read.
        self.waits_for_consumer = False

    @property
    def is_lazy(self) -> bool:
        """Whether each result of a stream is taken before the next item is run."""
        return self.waits_for_consumer or self._call.tuner.request.is_loop

    def step(self) -> bool:
        """Run the next items; False: it is time to read ahead, or to wait for workers."""
        call = self._call
        request = call.tuner.request
        if request.is_loop:
            self._run_as_decided()
        elif request.backend != "auto" or not request.may_inline:
            return self._go_with_workers()
        elif not self._is_judged:
            self._run_first()
            self._judge()
        elif call.tuner.costs.undelayed_inline_s < ALONE_S:
            self._run(GROWTH * max(1, call.work.results.n_done), ALONE_S)
        elif call.are_trivial:
            self.run_trivial()
        else:
            self._go_ahead()
        return True

    def run_trivial(self) -> None:
        """Run more items that take less time than it takes to read them ahead."""
        self._run(GROWTH * self._call.work.results.n_done, PATIENT_SLICE_S)

    def _go_ahead(self) -> bool:
        """Let items be read ahead of those that are run, unless that may change something."""
        from amorsize._engine.reading.reading_order import why_in_lockstep

        call, source = self._call, self._source
        next_items = [call.work.item(call.work.results.n_in_order)] if call.work.n_left else []
        why = why_in_lockstep(source.parts, call.task.function, call.options, next_items)
        if why is not None:
            self._recorder.tell(DataDependsOnItems(why=why))
        source.in_lockstep = why is not None
        return why is None

    # -- in the caller ----------------------------------------------------------------------

    def _run_as_decided(self) -> None:
        """Run a slice of the loop."""
        call = self._call
        action = call.tuner.next(
            call.status(caller_busy=False).replace(n_left=MANY, all_read=False)
        )
        assert isinstance(action, RunInline)
        self._run(action.n_items, action.time_budget_s)

    def _run(self, n_items: int, time_budget_s: float) -> None:
        call, start = self._call, self._call.work.results.n_in_order
        n_items = self._seeding.n_alike(n_items)
        turn = self._source.turn(start, n_items, is_numbered=call.task.seed is not None)
        self._inline.run_here(
            Chunk(start=start, stop=start + n_items), iter(turn), time_budget_s, turn
        )

    def _run_first(self) -> None:
        self._look_at_first()
        self._inline.run_inline(1, float("inf"))

    # -- judging ----------------------------------------------------------------------------

    @property
    def _source(self) -> Reading:
        source = self._call.source
        assert isinstance(source, Reading)
        return source

    def _look_at_first(self) -> None:
        """Record what can be seen before the first item is run."""
        from amorsize._engine.reading.item_lifetime import LifetimeCheck

        self._lifetime = LifetimeCheck(self._source.parts, self._call.work.item(self._source.first))

    def _judge(self) -> None:
        """Read the next item, and check whether that changes the first, which was run."""
        call, source, lifetime = self._call, self._source, self._lifetime
        self._is_judged, self._lifetime = True, None
        if call.work.failure is not None or lifetime is None:
            return
        why = lifetime.why_after_run()
        source.read(1, 0.0)
        self._failures.note_broken_data()
        if source.n_read > (following := call.work.results.n_in_order):
            why = why or lifetime.why_after_next(call.work.item(following))
        if why is None and call.is_stream:
            why = self._why_not_ahead()
        if why is not None:
            self._recorder.tell(DataDependsOnItems(why=why))

    def _why_not_ahead(self) -> str | None:
        """Why reading the next item may wait for results; None: nothing suggests that."""
        from amorsize._engine.reading.feedback import Waiters

        waiters = Waiters(self._source.parts)
        if waiters.why is not None:
            return (
                f"its data may wait for results ({waiters.why}); read_ahead= has a thread read it"
            )
        if waiters:
            self._source.ask(waiters.would_wait)
        return None

    # -- beside workers that run everything ---------------------------------------------------

    def _go_with_workers(self) -> bool:
        """Read one item at a time until it is known that more may be read; False: go on."""
        call, work, source = self._call, self._call.work, self._source
        if work.n_left or source.all_read or work.results.n_in_order < source.n_read:
            if self._lifetime is None and not self._is_judged:
                self._look_at_first()
            return False
        self._workers.stop_clock()
        if not self._is_judged:
            self._judge()
            source.in_lockstep = call.tuner.request.caller_reason is not None
        else:
            source.read(1, 0.0)
            self._failures.note_broken_data()
        self._workers.start_clock()
        return work.is_finished

    # -- streams ----------------------------------------------------------------------------

    def stream(self, *, indexed: bool) -> Iterator[Any]:
        """Yield results of items run in the caller, each before the next item is read.

        With `indexed`, each comes in a pair with its index. The stream ends with the data, with a
        failure, or when workers are considered.
        """
        call, work = self._call, self._call.work
        request = call.tuner.request
        if not self.is_lazy:
            if request.backend != "auto" or not request.may_inline:
                return
            if work.failure is None:
                self._run_first()
            self._seeding.lend()
            results = work.results.take_in_order()
            yield from enumerate(results) if indexed else results
            self._seeding.take()
            self._judge()
        elif call.source.ahead is not None:
            call.source.ahead.start()
        if work.failure is None:
            self._inline.set_up()
            yield from self._one_by_one(indexed=indexed)

    def _one_by_one(self, *, indexed: bool) -> Iterator[Any]:
        call, function = self._call, None
        tally = _Tally(call, self._recorder)
        keeps_errors, inside = call.task.keep_errors, nesting.inside
        is_reading, n_unseen = True, 0
        try:
            for item in self._each():
                is_reading = False
                function = function or call.function_beside(item)
                if not n_unseen:
                    tally.begin()
                thread = get_ident()  # the consumer may pass the stream to another thread
                is_marked = thread not in inside
                if is_marked:
                    inside[thread] = None
                try:
                    result = function(item)
                except Exception as error:
                    if raised_by_handler(error):
                        raise  # it is not the item's error
                    if not keeps_errors:
                        self._failed(tally, item, error)
                        return
                    result, tally.n_failed = error, tally.n_failed + 1
                finally:
                    if is_marked:
                        del inside[thread]
                tally.n_done += 1
                n_unseen = n_unseen - 1 if n_unseen else tally.end()
                self._seeding.lend()
                yield (call.work.results.n_given + tally.n_done - 1, result) if indexed else result
                self._seeding.take()
                result = item = None
                if not n_unseen and tally.wall_s >= ALONE_S and self._is_enough(tally):
                    return
                is_reading = True
            self._ended(tally, None)
        except Exception as error:
            if not is_reading or raised_by_handler(error):  # or thrown into the stream
                raise
            self._ended(tally, error)
        finally:
            self._account(tally)

    def _each(self) -> Iterator[Any]:
        """The next items, in the form that the function takes."""
        call, source, start = self._call, self._call.source, self._call.work.results.n_given
        if not isinstance(source, Reading):
            return call.task.each(source.sequences, 0, start)
        held = source.cut(start, source.n_read)[0]
        each = chain(held, source.iterator)
        return each if call.task.seed is None else enumerate(each, start)

    def _is_enough(self, tally: _Tally) -> bool:
        """Whether workers may be considered now."""
        if not self.is_lazy:
            return self._go_ahead()
        if tally.wall_s >= REPORT_S:
            self._account(tally)
        return False

    def _account(self, tally: _Tally) -> None:
        self._call.work.gave(tally.n_done)
        tally.report()

    def _ended(self, tally: _Tally, error: Exception | None) -> None:
        self._account(tally)
        source = self._call.source
        if isinstance(source, Reading):
            source.ended(error)
            self._failures.note_broken_data()
        else:
            self._call.work.end_at(self._call.work.results.n_given)

    def _failed(self, tally: _Tally, item: Any, error: Exception) -> None:
        self._account(tally)
        index = self._call.work.results.n_given
        if isinstance(self._call.source, Reading):
            self._call.source.hold(index, item if self._call.task.seed is None else item[1])
        self._call.work.fail(index, error)


class _Tally:
    """Adds up what items of a stream cost, without the time of its consumer."""

    def __init__(self, call: Call, recorder: Recorder) -> None:
        self._call, self._recorder = call, recorder
        self._is_light = False
        self._reset()

    def _reset(self) -> None:
        self.n_done = self.n_failed = 0
        self.wall_s = self._cpu_s = 0.0
        self._n_pauses = 0

    def begin(self) -> None:
        if not self._is_light:
            self._pauses_before, self._cpu_before = count_pauses(), subprocess_time.with_thread()
        self._began = perf_counter()

    def end(self) -> int:
        """Note that an item is done; returns for how many items after it its cost stands."""
        took_s = perf_counter() - self._began
        n_alike = LIGHT_ITEMS if self._is_light else 1
        self.wall_s += n_alike * took_s
        if self._is_light:
            self._cpu_s += n_alike * took_s
        else:
            self._cpu_s += min(took_s, subprocess_time.with_thread() - self._cpu_before)
            self._n_pauses += count_pauses() - self._pauses_before
        self._is_light = took_s < LIGHT_S
        return n_alike - 1

    def report(self) -> None:
        """Report what the items since the last report have cost."""
        if not self.n_done:
            return
        self._recorder.tell(
            Inlined(
                n_items=self.n_done,
                wall_s=self.wall_s,
                cpu_s=self._cpu_s,
                process_cpu_s=self._cpu_s,
                now_s=self._call.now_s,
                n_pauses=self._n_pauses,
                n_failed=self.n_failed,
            )
        )
        if (progress := self._recorder.progress) is not None:
            given = self._call.work.results.n_given  # these among them
            progress.done(given - self.n_done, self.n_done, self.wall_s, self.n_failed)
            progress.update()
        self._reset()

"""Exchanges chunks for results with the workers of one call."""

from __future__ import annotations

from amorsize._engine.data.work_queue import first_of, rows_of
from amorsize._host.signals import raised_by_handler
from amorsize._host.unpatched import perf_counter
from amorsize._workers.protocol import Chunk, WorkerLost, WorkerRetired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._engine.costs.overhead import OverheadMeter
    from amorsize._engine.data.output_order import Printed
    from amorsize._engine.serving.blas_threads import Limits
    from amorsize._engine.serving.descriptor_limit import Files
    from amorsize._engine.serving.pool_events import PoolEvents
    from amorsize._engine.serving.retries import WorkerDeaths
    from amorsize._engine.state.call import Call, Recorder
    from amorsize._engine.state.caller_only import CallerOnly
    from amorsize._engine.state.failures import Failures
    from amorsize._function.needs.kept_identities import KeptIdentities
    from amorsize._workers.protocol import Event, WorkerPool
    from amorsize._workers.worker_numbers import WorkerNumbers
    from amorsize.policy import actions as do

#: The longest wait in one piece, in seconds.
WAIT_S = 0.25
#: Seconds between two checks whether the next item of the data is there.
ASK_S = 2e-3
#: The most bytes of items that go to a worker at once.
SENT_BYTES = 16 << 20
#: The most seconds that results stay in their worker before the chunk ends, which its death would
#: lose. The time budget of a chunk decides within these limits.
LEAST_HELD_S, MOST_HELD_S = 20e-3, 100e-3


class Workers:
    """Serves the workers of one call, in pools of one kind each."""

    def __init__(
        self,
        call: Call,
        recorder: Recorder,
        failures: Failures,
        caller_only: CallerOnly,
        *,
        on_event: Callable[[Event], None],
    ) -> None:
        self._call, self._recorder, self._failures = call, recorder, failures
        self._caller_only, self.on_event = caller_only, on_event
        self.pool_of: dict[int, WorkerPool] = {}
        #: When they were last polled, on the clock of `perf_counter`.
        self.polled_s = 0.0
        #: The output of items. This and the attributes below exist from the first worker on.
        self.printed: Printed
        self.losses: WorkerDeaths | None = None
        self.meter: OverheadMeter | None = None
        self._pool_events: PoolEvents | None = None
        self._numbers: WorkerNumbers | None = None
        self._identities: KeptIdentities | None = None
        self._has_told_of_copies = False
        #: Limits the threads of numerical libraries, from the first fork on.
        self.library_limits: Limits | None = None
        #: Counts the files that threads have open, from the first thread on.
        self.files: Files | None = None

    def poll(self, timeout_s: float) -> None:
        """Handle the events of all pools."""
        if len(self._call.pools) > 1:
            timeout_s = min(timeout_s, 1e-3)
        if self._call.options.timeout is not None:
            timeout_s = min(timeout_s, max(5e-3, self._call.options.timeout / 4))
        limited = self.losses if self._call.options.timeout is not None else None
        if limited is not None:
            limited.standstill.seen(perf_counter())
        for pool in tuple(self._call.pools.values()):
            events = pool.wait(timeout_s)
            if limited is not None:
                limited.standstill.seen(perf_counter(), at_most_s=timeout_s)
            for event in events:
                self.on_event(event)
        self.polled_s = perf_counter()
        if limited is not None:
            limited.watch_time(self.pool_of)

    def wait(self, timeout_s: float) -> None:
        if not self._call.pools:
            if self._call.work.all_read or self._call.work.n_left:
                raise AssertionError("nothing is under way and nothing is left to do")
            return  # the next step reads more of the data
        if (
            not self._call.source.all_read
            and self._call.tuner.workers.n_in_flight
            and not self._call.work.n_left
        ):
            may_read = self._call.work.limit is None and not self._call.source.in_lockstep
            timeout_s = 0.0 if may_read else timeout_s
            if self._call.source.tells:
                timeout_s = min(timeout_s, ASK_S)
        if timeout_s and self.losses is not None:
            self.losses.note_kills()  # now, as there is nothing else to do
        self.poll(timeout_s)

    def handle(self, event: Event) -> None:
        assert self._pool_events is not None
        if isinstance(event, (WorkerRetired, WorkerLost)):
            self.numbers().leave(event.worker)
        self._pool_events.handle(event, self._call.now_s)
        if self.files is not None:
            self.files.sample(self._call.tuner.workers.of("thread").n_busy)

    def stop_clock(self) -> None:
        if self.losses is not None:
            self.losses.standstill.stop_clock()

    def start_clock(self) -> None:
        """Watch the time again: the user's own code is over."""
        if self.losses is not None and self._call.options.timeout is not None:
            self.losses.standstill.seen(perf_counter())

    def send(self, action: do.Send) -> None:
        pool = self.pool_of[action.worker]
        alone = self._call.work.has_suspect
        chunk = self._call.work.take(action.n_items, self.numbers().of(action.worker))
        if (
            self._call.task.source is None
            or not pool.inherits_items
            or self._call.source.has_changed
        ):
            is_open = pool.backend == "process" and self._call.options.chunksize is None
            chunk = self._with_items(chunk, may_be_cut=is_open and not alone)
            # Workers that were kept run nothing that could tell a plain value from its copy.
            may_know = pool.backend == "process" and not pool.was_kept
            if may_know and self._keeps(action.worker, chunk):
                return
        single = self._call.task.single or alone
        flush_s = 0.0 if single else min(MOST_HELD_S, max(LEAST_HELD_S, action.time_budget_s))
        time_budget_s = float("inf") if alone else action.time_budget_s
        try:
            pool.send(action.worker, chunk, time_budget_s=time_budget_s, flush_s=flush_s)
        except Exception as failure:
            if raised_by_handler(failure):
                raise
            assert self._pool_events is not None
            now_s = self._call.now_s
            self._pool_events.refuse_items(action.worker, chunk, failure, pool.packed, now_s)

    def _keeps(self, worker: int, chunk: Chunk) -> bool:
        """Whether its items run here, because the function would not recognise copies of them.

        Where the caller runs none, that is told.
        """
        if self._has_told_of_copies:
            return False
        if self._identities is None:
            from amorsize._function.needs.kept_identities import KeptIdentities

            task = self._call.task
            self._identities = KeptIdentities((task.function, task.setup, task.teardown))
        shared = self._identities.first_in(rows_of(chunk.items))
        if shared is None:
            return False
        if not self._call.caller_may_run_items:
            from amorsize._engine.serving.pool_events import what_is_shared

            self._has_told_of_copies = True
            self._recorder.warn(
                f"{self._call.name} may not give in worker processes what it gives here: "
                f"{what_is_shared(shared)}. backend='auto' or 'thread' stays in this process."
            )
            return False
        assert self._pool_events is not None
        self._pool_events.keep_items(worker, chunk, shared, self._call.now_s)
        return True

    def _with_items(self, chunk: Chunk, *, may_be_cut: bool) -> Chunk:
        """A chunk with its items, cut to the bytes that may be sent at once."""
        work, start, stop = self._call.work, chunk.start, chunk.stop
        items = work.items(start, stop)
        if may_be_cut and stop - start > 1:
            from amorsize._function.sizeof import of as size_of  # less than from a package

            n_most = max(1, SENT_BYTES // size_of(first_of(items)))
            if stop - start > n_most:
                work.give_back(start + n_most, stop)
                stop = start + n_most
                items = work.items(start, stop)
        return Chunk(start=start, stop=stop, items=items, worker_number=chunk.worker_number)

    def retire(self, worker: int) -> None:
        self.pool_of[worker].retire(worker)
        self.numbers().leave(worker)

    def numbers(self) -> WorkerNumbers:
        """The worker numbers. The caller has the first one if it runs items itself."""
        if self._numbers is None:
            from amorsize._workers.worker_numbers import WorkerNumbers

            self._numbers = WorkerNumbers(first=int(self._call.caller_may_run_items))
        return self._numbers

    def expect_returns(self) -> None:
        """Make the parts that handle results, costs and deaths, before the first pool."""
        from amorsize._engine.data.output_order import Printed
        from amorsize._engine.serving.pool_events import PoolEvents
        from amorsize._engine.serving.retries import WorkerDeaths

        retries, timeout_s = self._call.options.retries, self._call.options.timeout
        self.losses = WorkerDeaths(
            self._call.name,
            self._call.work,
            retries=retries,
            timeout_s=timeout_s,
            fail=self._failures.fail,
        )
        self.meter = self._new_meter()
        self.printed = Printed()
        self._pool_events = PoolEvents(
            self._call,
            self._recorder,
            self._failures,
            self._caller_only,
            losses=self.losses,
            meter=self.meter,
            printed=self.printed,
        )

    def _new_meter(self) -> OverheadMeter | None:
        if self._call.options.given_workers is not None:  # workers of an executor
            return None
        from amorsize._engine.costs.overhead import OverheadMeter

        return OverheadMeter()

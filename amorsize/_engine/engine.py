"""One call from end to end: the tuner decides, this acts, workers run, results come back."""

from __future__ import annotations

import _thread
import os
import sys
from time import thread_time, time

from amorsize._engine import call_options
from amorsize._engine.source import READ_S, Sliced, source_of
from amorsize._engine.work_queue import Work
from amorsize._function import callables, sizeof
from amorsize._host import descriptors
from amorsize._host.clocks import perf_counter
from amorsize._host.import_state import is_half_loaded
from amorsize._host.signals import raised_by_handler
from amorsize._profiles import store
from amorsize._workers import nesting, random_streams, subprocess_time, worker_numbers
from amorsize._workers.chunk import INDEX, KEPT, run_chunk
from amorsize._workers.protocol import Task, WorkerLost, WorkerRetired
from amorsize._workers.run_delay import StarvedClock
from amorsize.errors import SerializationError, WorkersUnavailable
from amorsize.policy import actions as do
from amorsize.policy.events import (
    Bound,
    GilProbed,
    HostInspected,
    Inlined,
    Started,
    View,
    WorkersLimited,
)
from amorsize.policy.host_job import Job
from amorsize.policy.trace import ChunkLog, ChunkTrace, Trace
from amorsize.policy.tuner import Tuner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize._engine.blas_threads import Limits
    from amorsize._engine.call_options import Options
    from amorsize._engine.descriptor_limit import Files
    from amorsize._engine.dispatcher_thread import Feeder
    from amorsize._engine.lockstep import Turns
    from amorsize._engine.output_order import Printed
    from amorsize._engine.overhead import Ledger
    from amorsize._engine.placement import Verdict
    from amorsize._engine.read_ahead import ReadAhead
    from amorsize._engine.results import Returns
    from amorsize._engine.retries import Losses
    from amorsize._engine.source import Turn
    from amorsize._workers.chunk import Ran
    from amorsize._workers.inherited_pipes import Pipe
    from amorsize._workers.payload import Payload
    from amorsize._workers.protocol import Chunk, Crew, Event
    from amorsize._workers.shared_data import WrittenInto
    from amorsize.policy.profile import Profile

PATIENT_SHARE = 1 / 8  # of what reading an item takes: so long it may wait for results
READ_ASIDE_S = 20e-3  # a call this long is going on as it does: its data can be read in a thread
ASK_S = 2e-3  # how often data is asked whether its next item is there
READ_IDLE_S = 0.2e-3  # reading on while workers have nothing to do: they, or the caller, soon have
WAIT_S = 0.25  # the longest that anything is waited for without looking around


class OutOfTime(Exception):  # noqa: N818 - says what happened
    """A call has taken as long as it may."""


class Call:
    """The state of one call: its work, its tuner, its crews."""

    remembers = True  # what it has learned is for the next call

    def __init__(
        self,
        func: Callable[..., Any],
        iterables: tuple[Any, ...],
        item_kwargs: dict[str, Any],
        options: Options,
        name: str | None,
        *,
        streams: bool = False,
        read_ahead: int | None = None,
    ) -> None:
        self.func, self.options, self.item_kwargs = func, options, item_kwargs
        self.name = name or call_options.name_of(func)
        self.source = source_of(iterables, strict=options.strict, read_ahead=read_ahead)
        self.work = Work(self.source, keeps_all=not streams)
        self.is_stream = streams
        self.result_bytes = 0  # of one, by those that came lately; only a stream has to know
        self.n_done = 0  # items, once it is over
        self.began = perf_counter()
        bound = func
        if item_kwargs:
            from _functools import partial as bind  # type: ignore[import-not-found]

            bound = bind(func, **item_kwargs)
        self.task = Task(
            bound,
            star=len(iterables) > 1,
            seed=options.seed,
            keep_errors=options.return_exceptions,
            single=options.timeout is not None or options.retries == 0,
            setup=options.setup,
            teardown=options.teardown,
            most_bytes=options.most_worker_bytes,
            source=self.source.sequences if isinstance(self.source, Sliced) else None,
        )
        self.function = self.task.function_of_one()
        self.pools: dict[str, Crew] = {}
        self.crew_of: dict[int, Crew] = {}
        self.chunks = ChunkLog()
        self.n_started: dict[str, int] = {}
        self.losses: Losses | None = None  # from the first worker on,
        self.ledger: Ledger | None = None  # and these two as well
        self.returns: Returns | None = None
        self.printed: Printed  # from the first worker on
        self.warnings: list[str] = []
        self.pids: list[int] = []
        self.known: Profile | None = None
        self.known_from: str | None = None
        self.has_asked_disk = False  # or there was no need to
        self.watcher: Any = None
        self.starved_clock = StarvedClock()
        self.feeder: Feeder | None = None
        self.places: worker_numbers.Places | None = None  # from the first worker on
        self.inner: Limits | None = None  # of numerical libraries, from the first fork on
        self.lock = _thread.allocate_lock()
        self.inline_since = 0.0  # when the caller began the items it is in; 0: it is in none
        self.is_set_up = self.is_marked = False
        self.may_repeat = True  # an item whose result cannot come from its worker
        self.drawing: random_streams.Drawing | None = (
            None  # of random numbers, where that is seeded
        )
        self.bar: Any = None
        self.key: Any = None
        self.trace: Trace | None = None  # once it is over
        self.ends_s: float | None = None  # when it has to be over; None: whenever it is
        self.tuner: Tuner
        self.fork_reason: str | None = None
        self._payload: Payload | None = None
        self._turns: Turns | None = None
        self._mark_before: Any = None
        self.bound: str | None = None  # what an item was seen to do, in a worker: only here it may
        self.has_noticed = self.is_notice_told = False  # that was in this call
        self._connects = False  # items use the network
        self._why_only_forks: str | None = None  # why no new interpreter could run items
        self.no_room: str | None = None  # why there is none for anything but the loop
        # With not even one file to load modules from, there is nothing but the loop itself.
        self.plainly: Iterator[Any] | None = None
        if not (n_files := descriptors.n_to_load_with()) and options.allow_loop:
            self.plainly = descriptors.loop(func, iterables, item_kwargs, strict=options.strict)
        self.no_room = descriptors.why_too_few(n_files)
        self.files: Files | None = None  # from the first thread on
        self.may_feed = True  # there is room for a thread beside the caller's items

    # -- the ways to run --------------------------------------------------------------------

    def run(self, *, longest_s: float | None = None) -> list[Any]:
        """All results, in order.

        Raises:
            OutOfTime: It took longer than `longest_s`; workers have been ended, whatever they did.
                An item in the caller, or in a thread, cannot be.
        """
        try:
            return self._run(longest_s)
        finally:
            self._let_go()

    def _run(self, longest_s: float | None) -> list[Any]:
        if self.source.all_read and not self.source.n_read:
            return []
        if self.plainly is not None:
            return list(self.plainly)
        if longest_s is not None:
            self.ends_s = perf_counter() + longest_s
        try:
            self._begin()
            while not self._is_over():
                self._step()
                if self.ends_s is not None and perf_counter() >= self.ends_s:
                    raise OutOfTime
            self._go_on_after_write()
            self._see_writes_here()
            self._end(at_once=self.work.failure is not None)
            self._leave_behind()
        except BaseException as error:
            self._give_up(error)
            raise
        self._raise_failure()
        return self.work.results

    def _let_go(self) -> None:
        """Hold nothing of the user's any more: what refers to itself is freed late, or never."""
        self.n_done = self.work.n_done
        self.work.failure = None  # the frames in its traceback know the work
        vars(self).update(dict.fromkeys(HELD))

    def _give_up(self, error: BaseException) -> None:
        """End at once, with what was done kept in the error; a second Ctrl-C loses none of it."""
        try:
            self._end(at_once=True)
        except BaseException as another:
            self._keep_in(another)
            raise
        self._keep_in(error)

    def _keep_in(self, error: BaseException) -> None:
        """Keep what was done in what ends the call from outside, and have that say so."""
        self._attach_partial(error)
        if isinstance(error, Exception) or self.is_stream:  # its consumer has what was done
            return
        from amorsize._workers.serialization import add_note

        n_done, source = len(error.__dict__["_amorsize_partial"]), self.source
        of_all = f" of {source.n_read}" if source.all_read else ""
        add_note(
            error,
            f"{self.name}: {n_done}{of_all} items were done. amorsize.partial_results(error) has "
            "their results, by index.",
        )

    def go_on(self, results: list[Any], error: BaseException | None, began: float) -> list[Any]:
        """Finish a call whose first items were run before it turned out not to be short."""
        self.began = began
        self.work.take(len(results) + (error is not None))
        self.work.store(0, results)
        if error is not None:
            self.fail(len(results), error)
            del error  # whose traceback will have this frame
        return self.run()

    def stream(self, ordered: bool, buffer: int | None, indexed: bool = False) -> Iterator[Any]:
        """Results as they come, at most `buffer` items ahead of the consumer."""
        try:
            yield from self._stream(ordered, buffer, indexed)
        finally:
            self._let_go()

    def _stream(self, ordered: bool, buffer: int | None, indexed: bool) -> Iterator[Any]:
        import atexit

        if self.plainly is not None:
            yield from enumerate(self.plainly) if indexed else self.plainly
            return
        at_once = True
        atexit.register(self._end_at_exit)  # later nothing can be imported, and ended in good order
        try:
            self._begin()
            self.task.kept_pipes = self._pipes_of_items()
        except BaseException:
            self._end(at_once=True)
            raise
        try:
            if self.source.in_turn or self.tuner.job.is_loop:
                yield from self.turns.stream(indexed=indexed)
            while True:
                self.work.limit = self.work.n_given + (buffer or self._buffer_items())
                if self.work.has_results(ordered=ordered) or self._comes_soon(ordered=ordered):
                    self.leave_sight()
                    if self.inner is not None:  # what the consumer does is its own
                        self.inner.lift()
                    self.lend_generators()
                    for start, given in self._taken(ordered=ordered):
                        yield from enumerate(given, start) if indexed else given
                    self.take_generators()
                    if self.inner is not None:
                        self.inner.hold()
                    continue
                if self._is_over():
                    break
                self._step()
            self._see_writes_here()
            at_once = self.work.failure is not None
        except KeyboardInterrupt as error:
            self._give_up(error)
            raise
        finally:
            self._end(at_once=at_once)
            self._leave_behind()
        self._raise_failure()

    def _taken(self, *, ordered: bool) -> list[tuple[int, list[Any]]]:
        """What a stream hands over now, each time with the index of the first."""
        if ordered:
            return [(self.work.n_given, self.work.take_results())]
        return self.work.take_any_results()

    def _comes_soon(self, *, ordered: bool) -> bool:
        """Whether results are there before the next item is asked for, which may take long."""
        if self.source.all_read or self.work.n_left or not self.tuner.n_in_flight:
            return False
        self._look(self._patience_s())
        return self.work.has_results(ordered=ordered)

    def _patience_s(self) -> float:
        """How long reading waits for results that are there long before the next item."""
        item_s, most_s = self.tuner.costs.item_s, PATIENT_SHARE * self.source.read_s
        return most_s if item_s is not None and item_s < most_s else 0.0

    def _pipes_of_items(self) -> frozenset[Pipe]:
        """What a stream's forks keep of the program's pipes and sockets, which its consumer uses.

        Under "auto" items that reach one stay in the caller. Who asks for processes may have them
        put their results into a queue of multiprocessing, which is there by now: all are kept then,
        unless reading shows that the items use none.
        """
        if self.tuner.job.backend in ("auto", "serial"):
            return frozenset()
        from amorsize._engine.placement import leaves_pipes_alone
        from amorsize._workers.inherited_pipes import pipes

        called = self.task.function, self.task.setup, self.task.teardown
        functions = [one for one in called if one is not None]
        if leaves_pipes_alone(functions, getattr(self.source, "sequences", ())):
            return frozenset()

        return pipes()

    def _buffer_items(self) -> int:
        """Items ahead of the consumer: several full chunks for every worker, as memory allows."""
        item_s = self.tuner.costs.item_s
        if item_s is None:
            return 64
        n_cores = self.tuner.n_cores or 2
        n_items = max(64, 4 * self.tuner.plan().chunksize * n_cores)
        each_bytes = self.result_bytes + self.source.item_bytes
        if n_items * each_bytes > STREAM_BYTES:
            n_items = max(2 * n_cores, STREAM_BYTES // each_bytes)
        return n_items

    def see_size(self, result: Any, n_bytes: int | None = None) -> None:
        """A stream holds as many results as it has memory for."""
        found = sizeof.of(result) if n_bytes is None else n_bytes
        self.result_bytes = max(found, self.result_bytes // 2)

    # -- beginning and ending ---------------------------------------------------------------

    def _begin(self) -> None:
        options = self.options
        if not self.source.all_read:
            self.work.read_ahead(longest_s=0.0)
            self.see_broken_data()
        if self.source.n_read and self.key is None:
            self.key = store.key_of(self.func, self.work.item(0), self.item_kwargs)
        if not options.retune and self.key is not None:
            self.known = store.memory().profile(self.key)
            self.known_from = None if self.known is None else "memory"
        job = self._job()
        self.tuner = Tuner(None, job, self.known)
        self._see_room()
        if self.key is not None and not options.retune:
            self._heed(store.memory().bound(self.key[0]))
        if options.progress:
            from amorsize.progress import bar

            self.bar = bar(self.source.n_read if self.source.all_read else None, self.name)
        self._begin_streams()

    def _see_room(self) -> None:
        """Where few files more can be opened, all is done with what is loaded: here, if it may be.

        Raises:
            WorkersUnavailable: Only workers may run the items, and there is no room for them.
        """
        if self.no_room is None or self.tuner.job.is_loop:
            return
        if self.may_stay_here:
            self.bind(self.no_room)
            return
        try:
            descriptors.load_late()
        except (OSError, ImportError) as error:
            if not descriptors.is_lack(error):
                raise
            raise WorkersUnavailable(
                f"what workers need cannot be loaded: {self.no_room} ({error}). Raise the limit "
                "(ulimit -n), or use backend='serial'."
            ) from error

    def _begin_streams(self) -> None:
        """Give each item streams of its own, by `seed=` or because it draws random numbers."""
        options, is_implicit = self.options, self.options.seed is None
        if is_implicit and self.no_room is not None and self.tuner.job.is_loop:
            return
        if is_implicit and not (self._may_share() and random_streams.may_draw(self.task.function)):
            return
        drawing = self.drawing = random_streams.Drawing(
            self.task.function,
            store.owner_of(self.func),
            seed=options.seed,
            item=self.work.item(0) if self.source.n_read else callables.MISSING,
            known_item_s=None if self.known is None else self.known.item_s,
            may_stay_here=is_implicit and self.may_stay_here and not self.is_stream,
        )
        self._draw_from(drawing.seed, drawing.generators)
        if drawing.is_quick:
            self.bind(random_streams.WHY_QUICK)

    def _may_share(self) -> bool:
        """Whether items may run in worker processes, and are not asked to run in threads."""
        options, asked = self.options, call_options.environment_backend() or self.options.backend
        if nesting.is_inside() or options.executor is not None:
            return False
        return asked == "process" or (asked == "auto" and not options.thread_safe)

    def _draw_from(self, seed: Any, generators: tuple[Any, ...]) -> None:
        self.task.seed, self.task.generators = seed, generators
        self.function = self.task.function_of_one()

    def n_alike(self, n_items: int) -> int:
        """How many of these draw in the same way: in streams of their own, or as in a loop."""
        if self.drawing is None:
            return n_items
        return self.drawing.limited(n_items, self.work.n_in_order)

    def lend_generators(self) -> None:
        """Whoever takes a result goes on with the numbers that it would have drawn."""
        if self.drawing is not None:
            self.drawing.put_back()

    def take_generators(self) -> None:
        """It has drawn what it has drawn."""
        if self.drawing is not None:
            self.drawing.keep()

    def _see_quick_items(self, wall_s: float) -> None:
        """Where items take no time, the first ones have had streams; the others draw as a loop."""
        drawing = self.drawing
        if drawing is not None and drawing.ends(
            wall_s, self.work.n_in_order, are_shared=bool(self.pools)
        ):
            drawing.put_back()
            self._draw_from(None, ())
            self.drawing = None
            self.bind(random_streams.WHY_QUICK)

    def _job(self) -> Job:
        options = self.options
        backend, nested = self._backend(), nesting.is_inside()
        n_jobs = None if options.n_jobs in (None, -1) else options.n_jobs
        if options.executor is not None and not nested and backend != "serial":
            from amorsize._workers.executor_pool import n_places

            backend, n_jobs = "process", n_jobs or n_places(options.executor)
        return Job(
            n_items=self.source.n_read if self.source.all_read else None,
            backend=backend,
            n_jobs=n_jobs,
            chunksize=options.chunksize,
            may_inline=options.timeout is None or backend == "serial",
            n_cores_most=_n_cores_most(),
            inherits_items=self.task.source is not None,
            at_s=time(),
            keeps_failures=self.task.keep_errors,
            is_trifle=self._is_trifle(),
        )

    def _backend(self) -> str:
        """What was asked for, by the environment, by the user, or by what the options need."""
        options = self.options
        if nesting.is_inside() or is_half_loaded():  # what workers need may be half there
            return "serial"
        backend = call_options.environment_backend() or options.backend
        if backend != "auto":
            return backend
        if options.max_worker_memory is not None:
            return "process"  # the caller cannot be replaced, nor can its threads
        if options.setup is not None or options.teardown is not None:
            # They make a process ready for the items: none but a worker, unless it is the only one.
            return "serial" if options.n_jobs == 1 else "process"
        return backend

    def _is_trifle(self) -> bool:
        """Asked where nothing else is known, and help for long items would be made ready."""
        if self.known is not None or not 2 <= self.source.n_read <= MOST_LOOKED_AT:
            return False
        if self.no_room is not None:
            return False
        from amorsize._function.trivial import is_trifle

        return is_trifle(self.function, self.work.item(0))

    def _survey(self) -> None:
        """Find out what the host has and what the function reaches."""
        if self.no_room is None:
            n_left = descriptors.n_files_left()
            self.no_room = descriptors.why_too_few(n_left)
            self._see_room()
            if n_left < descriptors.FEW and self.no_room is None:
                descriptors.load_late()
            if self.no_room is not None and self.tuner.job.is_loop:
                return
        from amorsize._engine import inspect_host
        from amorsize._host import resources

        self.fork_reason = resources.why_not_fork()
        host, job = inspect_host.host(self.fork_reason), self.tuner.job
        if job.backend == "auto":
            verdict = self._judge()
            self.fork_reason = resources.why_not_fork()  # a watched item may have started threads
            job = job.but(
                thread_reason=verdict.thread_reason,
                process_reason=verdict.process_reason or self._why_not_processes(),
                connects=self._connects,
            )
            if self.fork_reason is not None and job.thread_reason and not job.process_reason:
                job = job.but(n_jobs=self._interpreters_worth(job))
            if not job.may_inline and job.thread_reason and job.process_reason:
                job = job.but(n_jobs=1)  # one thread, beside which no other item runs
        elif job.backend == "thread" and job.n_jobs is None:
            from amorsize._function.thread_safety import reach

            job = job.but(connects=reach(self.func).connects)
        if self._payload is not None:
            host = host.but(load_s=host.load_s + inspect_host.sending_s(self._payload))
        self.tuner.tell(HostInspected(host=host, job=job))

    def _judge(self) -> Verdict:
        """Find out where the items may run: read the function, watch an item where that is open."""
        from amorsize._engine import placement

        judge = placement.Judge(self.task.function, self.options, store.owner_of(self.func))
        verdict = judge.read(self._next_items())
        is_open = verdict.thread_reason is None or verdict.process_reason is None
        n_watched, once_more = 0, verdict.must_watch and is_open and self.may_stay_here
        while once_more and n_watched < placement.MOST_WATCHED and self.work.n_left:
            n_watched += 1
            once_more = judge.watch(
                lambda: self.run_inline(1, float("inf")),
                self._next_items()[:1],
                inside=verdict.thread_reason is None or bool(judge.reach.alters),
            )
            if self.work.n_left:
                verdict = judge.read(self._next_items())
        judge.keep()
        self._connects = judge.connects
        self._why_only_forks = judge.why_not_new_interpreters
        self.may_repeat = not (judge.reach.touches or judge.reach.unread)
        if self.may_stay_here:
            from amorsize._workers.first_items import Watch

            self.task.watch = Watch(
                handles=judge.objects.handles,
                mutables=judge.objects.mutables,
                # The consumer of a stream runs beside its items: who has changed something then?
                in_threads=not self.is_stream and not self.options.thread_safe,
            )
        return verdict

    def _next_items(self) -> list[Any]:
        """The first items that are not handed out yet, two at most, as far as they are read."""
        first = self.work.n_in_order
        n_items = min(2, self.source.n_read - first)
        return [self.work.item(first + place) for place in range(n_items)]

    def _why_not_processes(self) -> str | None:
        if self.bound is not None:
            return self.bound
        if self.fork_reason is None:
            return None
        if self._why_only_forks is not None:
            return self._why_only_forks
        from amorsize._workers import start_method

        if (why := start_method.why_no_processes()) is not None:
            return why
        if (why := self._why_not_worth_starting()) is not None:
            return why
        from amorsize._function import mocks

        if (why := mocks.why_not_new_interpreters()) is not None:
            return why
        payload = self._payload_of_task()
        return self._why_not_worth_sending(payload) or payload.why_not()

    def _why_not_worth_starting(self) -> str | None:
        """What is left may be so little that finding out how to send it takes longer."""
        from amorsize._engine import inspect_host
        from amorsize._host import resources

        item_s = self.tuner.costs.item_s
        if not self.may_stay_here or item_s is None or not self.work.all_read:
            return None
        core_share = self.tuner.costs.undisturbed_s / item_s
        left_s = core_share * self.tuner.left_s(self.view(caller_busy=False))
        n_workers = min(resources.usable_cpus().n_cores, self.tuner.job.n_jobs or sys.maxsize)
        if self.tuner.costs.waits:
            n_workers = inspect_host.interpreters_worth(
                left_s, self.tuner.job.n_jobs or sys.maxsize
            )
        return inspect_host.why_not_start(left_s, n_workers, core_share)

    def _interpreters_worth(self, job: Job) -> int | None:
        """As many as there may be, where starting that many new interpreters is no loss."""
        from amorsize._engine import inspect_host

        if not self.may_stay_here or self.tuner.costs.item_s is None or not self.work.all_read:
            return job.n_jobs
        left_s = self.tuner.left_s(self.view(caller_busy=False))
        return inspect_host.interpreters_worth(left_s, job.n_jobs or sys.maxsize)

    def _why_not_worth_sending(self, payload: Payload) -> str | None:
        """What would have to be sent may be so much that the loop is quicker."""
        from amorsize._engine import inspect_host
        from amorsize._host import resources

        if not (self.may_stay_here and inspect_host.is_much(payload)):
            return None
        if self.tuner.costs.item_s is None and self.work.n_left:
            self.run_inline(1, float("inf"))  # before nothing is known of items, nothing is sent
        left_s = self.tuner.left_s(self.view(caller_busy=False))
        n_workers = min(resources.usable_cpus().n_cores, self.tuner.job.n_jobs or sys.maxsize)
        return inspect_host.why_not_send(payload, left_s, n_workers, self._stretch())

    def _stretch(self) -> float:
        """How many times as long what computes takes here as with a core of its own."""
        here = [one for one in self.chunks.all if one.backend == "caller"]
        wall_s, run_delay_s = sum(one.wall_s for one in here), sum(one.run_delay_s for one in here)
        return wall_s / max(wall_s - run_delay_s, wall_s / MOST_STRETCHED) if wall_s else 1.0

    def _payload_of_task(self) -> Payload:
        """The task for workers that are not forked."""
        if self._payload is None:
            from amorsize._workers.payload import Payload

            sample = self.work.item(self.work.n_in_order) if self.work.n_left else None
            self._payload = Payload(self.task, self.func, sample)
        return self._payload

    def _end(self, *, at_once: bool) -> None:
        """End what belongs to the call, in bounded time; no Ctrl-C comes in between."""
        self._unmark()  # where Ctrl-C came before that was done
        if not self.pools:
            self._end_all(at_once=at_once)
            return
        from amorsize._host.signals import no_interrupts

        with no_interrupts():
            self._end_all(at_once=at_once)

    def _end_at_exit(self) -> None:
        """The program ends before the stream did."""
        self._end(at_once=True)

    def _end_all(self, *, at_once: bool) -> None:
        if self.watcher is not None:
            self.watcher.stop()
            self.watcher = None
        if self.source.ahead is not None:
            self.source.ahead.stop()
        feeder, self.feeder = self.feeder, None
        if feeder is not None:
            feeder.stop()
        stuck: list[str] = []
        if self.ledger is not None:
            self.ledger.over()
        began = perf_counter()
        for pool in self.pools.values():
            stuck.extend(pool.close(at_once=at_once))
            if (ready_s := getattr(pool, "ready_s", None)) is not None:
                from amorsize._host import resources

                resources.learn_costs(clean_start_s=ready_s)
        if self.pools:
            self.printed.release_all()
        self.pools.clear()
        self.crew_of.clear()  # here nothing interrupts them as they go
        if self.ledger is not None and not at_once:
            self.ledger.ended(perf_counter() - began)
            self._learn_costs(self.ledger)
        elif not at_once and self.tuner.is_surveyed:
            from amorsize._host import resources

            resources.doubt_costs()
        if self.inner is not None:
            self.inner.lift()
        if stuck:
            self.warn(
                f"{len(stuck)} thread(s) of {self.name} are still inside an item and cannot be "
                f"ended: {', '.join(stuck[:5])}. They get no further items."
            )
        if feeder is not None and feeder.error is not None and not at_once:
            what = f"{type(feeder.error).__name__}: {feeder.error}"
            self.warn(f"all items of {self.name} are done, but of what workers told, {what}")
        self.starved_clock.close()
        if self.is_set_up and self.task.teardown is not None:
            self.is_set_up = False
            self.task.teardown()
        if self.drawing is not None:  # decided by now: workers may have run what would have told
            self.drawing.ends(0.0, self.work.n_in_order, are_shared=True)
        self.lend_generators()
        if self.bar is not None:
            self.bar.close()
        if self.is_stream and not sys.is_finalizing():
            import atexit

            atexit.unregister(self._end_at_exit)

    def _learn_costs(self, ledger: Ledger) -> None:
        """Have the next calls reckon with what workers have really cost."""
        from amorsize._host import resources

        pickling = self.tuner.pickling
        pickle_s = 0.0 if pickling is None or pickling.pickle_s is None else pickling.pickle_s
        seen = ledger.costs_s(forks=self.fork_reason is None, pickle_s=pickle_s)
        resources.learn_costs(**seen)

    def warn(self, text: str, *, quietly: bool = False) -> None:
        """Warn in the caller's own line; where warnings are errors, log: results come first."""
        self.warnings.append(text)
        if quietly:
            return
        import warnings

        from amorsize.errors import AmorsizeWarning

        level, frame = 1, sys._getframe(1)
        while frame.f_back and f"{frame.f_globals.get('__name__')}.".startswith("amorsize."):
            level, frame = level + 1, frame.f_back
        try:
            warnings.warn(text, AmorsizeWarning, stacklevel=level + 1)
        except AmorsizeWarning:
            import logging

            logging.getLogger("amorsize").warning(text)

    @property
    def known_fits(self) -> bool | None:
        """Whether what was remembered agreed with this call's items."""
        return self.tuner.profile_matches

    @property
    def turns(self) -> Turns:
        """Who runs items as they come, where they may not be read ahead."""
        if self._turns is None:
            from amorsize._engine.lockstep import Turns

            self._turns = Turns(self)
        return self._turns

    # -- one step ---------------------------------------------------------------------------

    def _step(self) -> None:
        """Ask the tuner and do what it says."""
        if self.source.in_turn and self.turns.step():
            return
        if not self.source.all_read and not self.source.in_turn:
            self.leave_sight()
            self._read()
            if self.work.is_finished:  # all that was left of the data was its end
                return
        action = self.tuner.next(self.view(caller_busy=False))
        if self.source.ahead is not None:
            self._read_aside(self.source.ahead, action)
        match action:
            case do.RunInline():
                self.run_inline(action.n_items, action.time_budget_s)
            case do.Send():
                self._send(action)
                self._look(0.0)
            case do.Wait():
                timeout_s = WAIT_S if action.timeout_s is None else action.timeout_s
                if self.ends_s is not None:
                    timeout_s = max(0.0, min(timeout_s, self.ends_s - perf_counter()))
                self._wait(timeout_s)
            case do.StartWorker():
                self._start(action.backend)
            case do.RetireWorker():
                self._send_home(action.worker)
            case do.InspectHost():
                self._survey()
            case do.Watch():
                self._watch()
            case do.StopGilProbe():
                self._unwatch()
            case do.MeasurePickling():
                self._weigh()

    def _read_aside(self, ahead: ReadAhead, action: do.Action) -> None:
        """Have the thread read that was asked for, once workers are forked or not wanted."""
        is_going_on = perf_counter() - self.began > READ_ASIDE_S
        if isinstance(action, do.Wait) or (isinstance(action, do.RunInline) and is_going_on):
            ahead.start()

    def view(self, *, caller_busy: bool) -> View:
        return View(
            now_s=perf_counter() - self.began,
            n_left=self.work.n_left,
            all_read=self.work.all_read,
            caller_busy=caller_busy,
        )

    def _read(self) -> None:
        """Read ahead: no longer than needed while workers have nothing to do."""
        work, source = self.work, self.source
        if not work.n_left and not (self.tuner.n_in_flight and source.would_wait()):
            work.read_ahead(longest_s=0.0)
        if work.n_left and source.is_quick and not source.would_wait():
            is_wanted = self.tuner.n_in_flight or not self.pools
            work.read_ahead(READ_S if is_wanted else READ_IDLE_S)
        self.see_broken_data()

    def _is_over(self) -> bool:
        """Whether all is done: an item may have changed how much that is."""
        if self.source.changes():
            self.work.follow()
            self.bind("the list changes while it is mapped over")
        return self.work.is_finished

    def bind(self, why: str) -> None:
        """What is left runs in the caller, one by one, where the user has left that open."""
        if self.may_stay_here and self.tuner.job.caller_reason is None:
            self.tuner.tell(Bound(why=why))

    def _heed(self, bound: str | None) -> None:
        """What an earlier call has seen in a worker: no item goes there any more."""
        if bound is None:
            return
        self.bound = bound
        if not self.options.thread_safe:  # else the user knows better, for threads
            self.bind(f"an earlier call has seen in a worker that {bound}")

    def end_sharing(self, why: str) -> None:
        """An item did in a worker what the loop would have done here: the caller runs the rest."""
        if not self.may_stay_here:
            if why not in self.warnings:
                self.warn(why)
            return
        if self.has_noticed:
            return
        self.bound, self.has_noticed = why, True
        self.bind(f"in a worker, {why}")

    def stop_before_write(self, index: int, error: WrittenInto) -> None:
        """An item, at this index or a little above, has written into a worker's copy of a table.

        Those below have not seen what it wrote, as in the loop; those above should have.
        """
        from amorsize._workers.shared_data import IS_WRITTEN

        self.end_sharing(IS_WRITTEN)
        self.is_notice_told = True  # by the error, unless the caller can make it good
        self.work.fail(index, error)
        for pool in self.pools.values():
            pool.stop_at(index)

    def _go_on_after_write(self) -> None:
        """Run all items again, from the one that has written on, where that is as in the loop."""
        if not self.is_notice_told or self.work.failure is None:
            return
        from amorsize._workers.shared_data import WrittenInto

        index, error = self.work.failure
        if not isinstance(error, WrittenInto):
            return
        is_repeatable = self.may_repeat and self.task.seed is None and not self.printed.has_held
        is_there = self.task.source is not None and not self.source.has_changed
        if not (is_repeatable and is_there):
            return
        # An item in the caller may have written, too, and those in workers have not seen it.
        for pool in self.pools.values():
            if (
                has_changed := getattr(pool, "has_changed_lent", None)
            ) is not None and has_changed():
                return
        self._end_crews()
        self.work.begin_again_at(index)
        while not self._is_over():
            self.run_inline(self.work.n_left, float("inf"))

    def _see_writes_here(self) -> None:
        """Say so where an item here has changed what items in workers should have seen changed.

        Comparing takes as long as lending did: it is done where that is little beside the call.
        """
        if self.work.failure is not None or self.has_noticed or not self.may_stay_here:
            return
        most_bytes = COMPARED_SHARE * (perf_counter() - self.began) / COMPARE_S
        for pool in self.pools.values():
            n_bytes = getattr(pool, "lent_bytes", 0)
            if 0 < n_bytes <= most_bytes and pool.has_changed_lent():  # type: ignore[attr-defined]
                self.bound, self.has_noticed, self.is_notice_told = CHANGED_HERE, True, True
                self.warn(
                    f"{self.name}: {CHANGED_HERE}. Their results may not "
                    "be those of the loop. Later calls run all items here."
                )

    def _end_crews(self) -> None:
        from amorsize._host.signals import no_interrupts

        self._stop_own_threads()
        with no_interrupts():
            for pool in self.pools.values():
                pool.close(at_once=True)
            self.pools.clear()
            self.crew_of.clear()

    def see_broken_data(self) -> None:
        """An iterator that raised has not ended: that is a failure, above all items it gave."""
        error = getattr(self.source, "error", None)
        if error is not None and self.work.failure is None:
            self.work.fail(self.source.n_read, error)

    def _wait(self, timeout_s: float) -> None:
        if not self.pools:
            if self.work.all_read or self.work.n_left:
                raise AssertionError("nothing is under way and nothing is left to do")
            return  # the data has not ended: the next step reads more of it
        if not self.source.all_read and self.tuner.n_in_flight and not self.work.n_left:
            may_read = self.work.limit is None and not self.source.in_turn
            timeout_s = 0.0 if may_read else timeout_s
            if self.source.tells:
                timeout_s = min(timeout_s, ASK_S)
        if timeout_s and self.losses is not None:
            self.losses.note_kills()  # now, because there is nothing else to do
        self._look(timeout_s)

    # -- the caller's own items -------------------------------------------------------------

    def run_inline(self, n_items: int, time_budget_s: float) -> None:
        work = self.work
        if work.has_suspect:  # an item that may kill its process is never run here
            self._wait(WAIT_S)
            return
        chunk = work.take(self.n_alike(n_items))
        items, first = self.source.window(chunk.start, chunk.stop)
        self.run_here(chunk, self.task.each(items, first, chunk.start), time_budget_s)

    def run_here(
        self, chunk: Chunk, each: Iterator[Any], time_budget_s: float, turn: Turn | None = None
    ) -> None:
        """Run items in the caller; of a turn, as many as its data has."""
        work = self.work
        direct = not self.pools and chunk.start == work.n_in_order
        out = work.results if direct else []
        n_before = len(out)
        is_in_item = None if turn is None else lambda: turn.n_taken > len(out) - n_before
        is_ahead = self.pools.keys() == {"process"} and chunk.start > work.n_in_order
        self.set_up()
        if is_ahead:
            self.printed.hold(chunk.start)
        self._enter_inline(is_in_item)
        programs_s = subprocess_time.cpu_s()
        try:
            n_modules, process_cpu, n_pauses = (
                self._n_loaded(),
                subprocess_time.with_process(),
                count_pauses(),
            )
            ran = run_chunk(
                self.function,
                each,
                chunk.n_items,
                out,
                time_budget_s=time_budget_s,
                cpu_clock=subprocess_time.with_thread,
                starved_clock=self.starved_clock,
                keep_errors=self.task.keep_errors,
                single=self.task.single,
                turn=turn,
            )
        finally:
            if is_ahead:
                self.printed.let_go()
            self._leave_inline()
        programs_s = subprocess_time.cpu_s() - programs_s
        if programs_s > 0:
            ran = ran.but(
                run_delay_s=subprocess_time.run_delay_s(
                    ran.wall_s, ran.cpu_s, programs_s, ran.run_delay_s
                )
            )
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
        """Keep what items in the caller gave, and tell what they cost."""
        work = self.work
        failure = ran.error if ran.is_of_data and isinstance(ran.error, Exception) else None
        if turn is not None:
            chunk = work.end_turn(turn, chunk.start, is_end=ran.is_end, error=failure)
        end = chunk.start + ran.n_done
        if ran.n_failed:
            self.note_kept(chunk.start, out[len(out) - ran.n_done :])
        if direct:
            work.n_done += ran.n_done
            work.catch_up()
        else:
            work.store(chunk.start, out)
        if ran.n_done:
            if self.is_stream and out:
                self.see_size(out[-1])
            self.tell_inlined(ran, *spent)
        if ran.error is not None:
            is_exit = ran.is_of_data and failure is None
            if isinstance(ran.error, KeyboardInterrupt) or is_exit or raised_by_handler(ran.error):
                try:
                    raise ran.error  # it is not about this item: nobody waits for those before
                finally:
                    del ran, failure  # the traceback has this frame
            if failure is None:
                self.fail(end, ran.error)
            self.see_broken_data()
        elif ran.is_end and turn is None:
            work.end_at(end)
        else:
            work.give_back(end, chunk.stop)
        self._see_quick_items(ran.wall_s)
        if self.bar is not None:
            self.bar.update(ran.n_done)
        if self.feeder is not None and not self.work.is_finished:
            self.feeder.raise_error()  # soon, and not when all is over
        if self.pools:
            self.printed.release(work.n_in_order)
            self._look(0.0)

    def tell_inlined(self, ran: Any, process_cpu_s: float, n_modules: int, n_pauses: int) -> None:
        now_s = perf_counter() - self.began
        self.note_chunk(-1, "caller", ran.n_done, ran.wall_s, ran.cpu_s, ran.run_delay_s, now_s)
        if self.ledger is not None:
            self.ledger.spent(ran.cpu_s)
        self.tuner.tell(
            Inlined(
                n_items=ran.n_done,
                wall_s=ran.wall_s,
                cpu_s=ran.cpu_s,
                process_cpu_s=process_cpu_s,
                now_s=now_s,
                n_pauses=n_pauses,
                n_modules=n_modules,
                run_delay_s=ran.run_delay_s,
                n_failed=ran.n_failed,
            )
        )

    def _n_loaded(self) -> int:
        """Modules that are loaded, without those that serving workers meanwhile has loaded."""
        return len(sys.modules) - (0 if self.feeder is None else self.feeder.n_loaded)

    def set_up(self) -> None:
        """The caller is a place where items run: it needs what workers need."""
        if self.is_set_up or self.task.setup is None:
            return
        self.task.setup()
        self.is_set_up = True

    def _enter_inline(self, is_in_item: Callable[[], bool] | None) -> None:
        """Items are about to run here; others may serve the workers meanwhile."""
        if self.pools:
            if self.feeder is None and self.may_feed:
                self.feeder = self._new_feeder()
            self.inline_since = perf_counter()
            self.printed.enter()
            self.lock.release()
        is_only_item = self.source.all_read and self.source.n_read == 1  # no map: it may share out
        marked = not is_only_item and not nesting.is_inside()
        if marked:
            self._mark_before = nesting.mark()
            self.is_marked = True
            nesting.enter(is_in_item)

    def _new_feeder(self) -> Feeder | None:
        """A thread that serves workers beside the caller's items; None: there is room for none."""
        try:
            from amorsize._engine.dispatcher_thread import Feeder

            return Feeder(self)
        except (RuntimeError, OSError, ImportError) as error:
            is_lack = isinstance(error, RuntimeError) or descriptors.is_lack(error)
            if raised_by_handler(error) or not is_lack:
                raise
            self.may_feed = False  # workers wait for the end of the caller's item
            return None

    def _leave_inline(self) -> None:
        self._unmark()
        if self.inline_since:
            self.lock.acquire()
            self.inline_since = 0.0
            self.printed.leave()

    def _unmark(self) -> None:
        if self.is_marked:
            nesting.leave(self._mark_before)
            self.is_marked = False

    # -- workers ----------------------------------------------------------------------------

    def _crew(self, backend: str) -> Crew:
        kind, pool = backend, self.pools.get(backend)
        if pool is not None and pool.inherits_items and self.fork_reason is not None:
            kind = "from a clean start"  # beside forks from before there was a thread
            pool = self.pools.get(kind)
        if pool is None:
            pool = self._new_crew(backend)
            if not self.pools:
                self.lock.acquire()  # from here on the caller holds it, except in its own items
                self._expect_returns()
            self.pools[kind] = pool
        return pool

    def _new_ledger(self) -> Ledger | None:
        if self.options.executor is not None:  # another's workers
            return None
        from amorsize._engine.overhead import Ledger

        return Ledger()

    def _expect_returns(self) -> None:
        """From the first crew on there are workers, who deliver, cost, and may be lost."""
        from amorsize._engine.output_order import Printed
        from amorsize._engine.results import Returns
        from amorsize._engine.retries import Losses

        retries, timeout_s = self.options.retries, self.options.timeout
        self.losses = Losses(
            self.name, self.work, retries=retries, timeout_s=timeout_s, fail=self.fail
        )
        self.ledger = self._new_ledger()
        self.printed = Printed()
        self.returns = Returns(self, self.losses, self.ledger)

    def _new_crew(self, backend: str) -> Crew:
        from amorsize._engine import placement

        if placement.are_threads_replaced():
            raise WorkersUnavailable(
                f"{placement.WHY_REPLACED}: neither worker threads nor processes can be served. "
                "Leave backend= to 'auto', or use 'serial': both run items in the caller."
            )
        options = self.options
        if options.executor is not None:
            from amorsize._workers import executor_pool

            has_timeout, has_teardown = options.timeout is not None, options.teardown is not None
            executor_pool.refuse(
                "with executor=", has_timeout=has_timeout, has_teardown=has_teardown
            )
            return executor_pool.ExecutorPool(options.executor, self.task, self._payload_of_task)
        if backend == "thread":
            from amorsize._workers.thread_pool import ThreadPool

            return ThreadPool(self.task)
        from amorsize._workers.start_method import process_crew

        if self.fork_reason is None:
            from amorsize._workers import code_pickle

            code_pickle.announce(
                self.task.function, [*self.work.results[:1], *self._next_items()[:1]]
            )
        elif not self.may_stay_here:
            self._warn_of_new_interpreters()
        host, n_places = self.tuner.host, self.tuner.n_places
        n_asked = options.n_jobs if options.n_jobs not in (None, -1) else None
        return process_crew(
            self.task,
            self._payload_of_task,
            forks=self.fork_reason is None,
            n_most=max(64, 4 * host.n_cores, n_places + 8),
            n_jobs=n_asked or host.n_cores,
            inner_threads=self._n_inner_threads,
            has_timeout=options.timeout is not None,
        )

    def _warn_of_new_interpreters(self) -> None:
        """The user wants the items there, where the loop's caller has what they will not have."""
        from amorsize._engine import placement
        from amorsize._function import mocks

        judge = placement.Judge(self.task.function, self.options, store.owner_of(self.func))
        judge.read(self._next_items())
        why = judge.why_not_new_interpreters or mocks.why_not_new_interpreters()
        if why is not None:
            self.warn(
                f"{self.name} may not give in worker processes what it gives here: {why}. They "
                f"cannot be forked ({self.fork_reason}); backend='auto' or 'thread' stays in this "
                "process."
            )

    def _start(self, backend: str) -> None:
        """Start one worker; before a fork, this call's own threads have ended."""
        if backend == "process" and self.fork_reason is None:
            self._stop_own_threads()
            if not self._is_sure_to_fork():
                return  # what can be done instead is decided with that in mind
            self._hold_inner_threads()
        self.ask_disk()
        is_bound = self.tuner.job.is_loop and not self.tuner.has_lost_one  # as it told just now
        if self.work.is_finished or is_bound:
            return
        if backend == "thread" and not self._has_files_for_thread():
            return
        number = sum(self.n_started.values())
        try:
            pool = self._crew(backend)
            worker_numbers.prepare(self._places().of(number))
            began, began_cpu_s = perf_counter(), thread_time()
            pool.start(number)
        except SerializationError as error:  # since an item has changed what was judged before
            if not self.may_stay_here:
                raise
            self.tuner.tell(WorkersLimited(n_workers=0, why=str(error)))
            return
        except (OSError, RuntimeError) as error:  # the second is what threading says
            if raised_by_handler(error):
                raise
            self._cannot_start(backend, error)
            return
        start_s = perf_counter() - began
        if self.ledger is not None:
            self.ledger.started(number, backend, began, began_cpu_s)
        self.crew_of[number] = pool
        self.n_started[backend] = self.n_started.get(backend, 0) + 1
        self.tuner.tell(
            Started(
                worker=number,
                backend=backend,
                start_s=start_s,
                now_s=perf_counter() - self.began,
            )
        )
        self._look(0.0)

    def _has_files_for_thread(self) -> bool:
        """Whether items in one thread more would leave some of the files that may be opened."""
        n_alive = self.tuner.workers.of("thread").n_alive
        if self.files is None:
            from amorsize._engine.descriptor_limit import Files

            self.files = Files()
        if self.options.n_jobs not in (None, -1) or n_alive < self.files.n_threads_most():
            return True
        why = "items have files open, and this process may have so many (ulimit -n)"
        self.tuner.tell(WorkersLimited(n_workers=max(1, n_alive), why=why))
        return not n_alive

    def _is_sure_to_fork(self) -> bool:
        """Ask before each fork: an item, or who takes results, may have started a thread by now.

        Where it is not safe any more, later workers come from a clean start, or there are none.
        """
        from amorsize._engine import inspect_host
        from amorsize._host import resources

        if self.options.executor is not None:
            return True  # nothing is forked here
        self.fork_reason = resources.why_not_fork()
        if self.fork_reason is None:
            return True
        why_none, job = self._why_not_processes(), self.tuner.job
        if job.backend == "auto":
            job = job.but(process_reason=job.process_reason or why_none)
        self.tuner.tell(HostInspected(host=inspect_host.host(self.fork_reason), job=job))
        if why_none is not None:
            why = f"a fork is not safe any more ({self.fork_reason}), and {why_none}"
            self._do_without("process", why)
        return False

    def _send_home(self, worker: int) -> None:
        self.crew_of[worker].retire(worker)
        self._places().leave(worker)

    def _places(self) -> worker_numbers.Places:
        """Who runs where; the caller, where it runs items itself, is the first."""
        if self.places is None:
            self.places = worker_numbers.Places(first=int(self.may_stay_here))
        return self.places

    def _hold_inner_threads(self) -> None:
        """Forks inherit what numerical libraries are held to; so does the caller, for the call."""
        if self.inner is None:
            if "ctypes" not in sys.modules:  # then none of those libraries is loaded either
                return
            from amorsize._engine.blas_threads import Limits

            self.inner = Limits(self._n_inner_threads)
        self.inner.hold()

    @property
    def _n_inner_threads(self) -> int:
        """Threads that an item may have, so that places times threads stay within the cores."""
        return max(1, self.tuner.host.n_cores // self.tuner.n_places)

    def _cannot_start(self, backend: str, error: Exception) -> None:
        """The system has no room for a worker more: those that are there go on, or the caller."""
        from amorsize.errors import AmorsizeError

        if isinstance(error, AmorsizeError):
            raise error
        is_refused = isinstance(error, PermissionError)
        room = "Let this user run that program" if is_refused else f"Make room for one ({backend})"
        what = f"{type(error).__name__}: {error}"
        self._do_without(backend, what, f"{room}, or use", cause=error)

    def _do_without(
        self, backend: str, what: str, instead: str = "Use", *, cause: Exception | None = None
    ) -> None:
        """Go on with the workers of this kind that are there, or in the caller, where that may be.

        Where there are none, those of another kind finish what they have.
        """
        n_alive, why = (
            self.tuner.workers.of(backend).n_alive,
            f"no further worker could be started: {what}",
        )
        if not n_alive and (self.work.has_suspect or not self.may_stay_here):
            raise WorkersUnavailable(f"{why}. {instead} backend='serial'.") from cause
        self.tuner.tell(WorkersLimited(n_workers=n_alive, why=why))

    def _stop_own_threads(self) -> None:
        if self.source.ahead is not None:
            self.source.ahead.stop()
        if self.watcher is not None:
            self._unwatch()
        feeder, self.feeder = self.feeder, None
        if feeder is not None:
            feeder.stop()
            feeder.raise_error()

    def _send(self, action: do.Send) -> None:
        pool = self.crew_of[action.worker]
        alone = self.work.has_suspect
        chunk = self.work.take(action.n_items)
        if self.task.source is None or not pool.inherits_items or self.source.has_changed:
            if pool.backend == "process" and self.options.chunksize is None and not alone:
                chunk = self._of_no_more_bytes(chunk)
            chunk = chunk.but(items=self.work.items(chunk))
        chunk = chunk.but(place=self._places().of(action.worker))
        single = self.task.single or alone
        flush_s = 0.0 if single else min(MOST_HELD_S, max(LEAST_HELD_S, action.time_budget_s))
        time_budget_s = float("inf") if alone else action.time_budget_s
        try:
            pool.send(action.worker, chunk, time_budget_s=time_budget_s, flush_s=flush_s)
        except Exception as failure:
            if raised_by_handler(failure):
                raise
            assert self.returns is not None
            now_s = perf_counter() - self.began
            self.returns.refuse_items(action.worker, chunk, failure, pool.packed, now_s)

    def _of_no_more_bytes(self, chunk: Chunk) -> Chunk:
        """A chunk that takes its items along, or as much of it as goes at once."""
        if chunk.n_items == 1:
            return chunk
        n_most = max(1, SENT_BYTES // sizeof.of(self.work.item(chunk.start)))
        if chunk.n_items <= n_most:
            return chunk
        self.work.give_back(chunk.start + n_most, chunk.stop)
        return chunk.but(stop=chunk.start + n_most)

    def _look(self, timeout_s: float) -> None:
        """Take in what has happened in the crews."""
        if len(self.pools) > 1:
            timeout_s = min(timeout_s, 1e-3)
        if self.options.timeout is not None:
            timeout_s = min(timeout_s, max(5e-3, self.options.timeout / 4))
        limited = self.losses if self.options.timeout is not None else None
        if limited is not None:
            limited.seen(perf_counter())
        for pool in tuple(self.pools.values()):
            heard = pool.wait(timeout_s)
            if limited is not None:
                limited.seen(perf_counter(), at_most_s=timeout_s)
            for happening in heard:
                self._take_in(happening)
        if limited is not None:
            limited.watch_time(self.crew_of)

    def leave_sight(self) -> None:
        if self.losses is not None:
            self.losses.out_of_sight()

    @property
    def may_stay_here(self) -> bool:
        """The user left it open where items run, and the caller may run them."""
        return self.tuner.job.backend == "auto" and self.tuner.job.may_inline

    def _take_in(self, happening: Event) -> None:
        assert self.returns is not None
        if isinstance(happening, (WorkerRetired, WorkerLost)):
            self._places().leave(happening.worker)
        self.returns.take_in(happening, perf_counter() - self.began)
        if self.files is not None:
            self.files.look(self.tuner.workers.of("thread").n_busy)

    def feed(self) -> None:
        """Serve the workers from the feeder, while the caller is inside its own items."""
        for pool in tuple(self.pools.values()):
            for happening in pool.wait(0.0):
                self._take_in(happening)
        self.go_on_beside()

    def go_on_beside(self) -> None:
        """Do what the tuner asks for now, as far as another thread than the caller can."""
        while True:
            action = self.tuner.next(self.view(caller_busy=True))
            if isinstance(action, do.Send):
                self._send(action)
            elif isinstance(action, do.RetireWorker):
                self._send_home(action.worker)
            elif isinstance(action, do.StopGilProbe):
                self._unwatch()
            elif isinstance(action, do.StartWorker) and (
                action.backend == "thread" or self.fork_reason is not None
            ):
                self._start(action.backend)
            else:
                return

    # -- looking closer ---------------------------------------------------------------------

    def _watch(self) -> None:
        from amorsize._workers.gil_probe import GilProbe

        self.ask_disk()
        try:
            self.watcher = GilProbe()
        except RuntimeError as error:
            if raised_by_handler(error):
                raise
            why = f"the system has no room for a thread ({error})"
            self.tuner.tell(GilProbed(lag_share=1.0, watched_s=0.0, n_wakes=0))
            self.tuner.tell(WorkersLimited(n_workers=0, why=why))

    def _unwatch(self) -> None:
        watcher, self.watcher = self.watcher, None
        seen = watcher.look()
        watcher.stop()
        self.tuner.tell(seen)

    def _weigh(self) -> None:
        self.ask_disk()
        from amorsize._engine import inspect_host

        has_to_travel = self.task.source is None or self.fork_reason is not None
        is_left = has_to_travel and self.work.n_left > 0
        items = [self.work.item(self.work.n_in_order)] if is_left else []
        results = self.work.results[:WEIGHED_RESULTS] or [None]
        self.tuner.tell(inspect_host.weigh(results, items, self.task.function))

    def ask_disk(self) -> None:
        """See what earlier processes have learned, once, when workers come into question.

        That this one has learned something, from short calls, does not mean that it knows more.
        """
        if self.has_asked_disk or self.key is None or self.options.retune:
            return
        if self.tuner.costs.item_s is None:
            return  # few items, before the first: what is left cannot be told yet
        self.has_asked_disk = True
        self.known_from = self.known_from or "nowhere"
        if not self.options.cache or self.tuner.job.backend != "auto":
            return
        if self.tuner.left_s(self.view(caller_busy=False)) < WORTH_READING_S:
            return
        profile = store.memory().ask_disk(self.key, self.func, self.key[1])
        if profile is not None:
            self.known, self.known_from = profile, "disk"
            self.tuner.remember(profile)
            self._heed(profile.bound)

    # -- failing ----------------------------------------------------------------------------

    def fail(self, index: int, error: BaseException) -> None:
        if self.task.keep_errors and isinstance(error, Exception):
            error.__dict__[KEPT] = True
            self.note_kept(index, [error])
            self.work.store(index, [error])
            return
        self.work.fail(index, error)
        for pool in self.pools.values():
            pool.stop_at(index)

    def _raise_failure(self) -> None:
        if self.work.failure is None:
            return
        index, error = self.work.failure
        try:
            if error is not getattr(self.source, "error", None):
                self._note_item(index, error)
                self._note_waiters(error)
            self._attach_partial(error)
            raise error
        finally:
            del error  # whose traceback has this frame

    def note_kept(self, start: int, results: list[Any]) -> None:
        """Have exceptions that are results say which item they came from, as those raised do."""
        for index, one in enumerate(results, start):
            if not isinstance(one, BaseException) or not one.__dict__.pop(KEPT, False):
                continue  # an exception that was returned is a result like any other
            if (tracebacks := descriptors.loaded("_workers.tracebacks")) is not None:
                tracebacks.leave_variables(one)  # among them is the list that it is in
            if INDEX not in one.__dict__:  # one exception may be raised by many items
                self._note_item(index, one)

    def _note_item(self, index: int, error: BaseException) -> None:
        error.__dict__[INDEX] = index
        if (travel := descriptors.loaded("_workers.serialization")) is None:
            return  # items may have opened all files that there may be
        if not self.source.holds(index):  # it was taken straight from the data
            travel.add_note(error, f"{self.name}: item {index}")
            return
        travel.add_note(
            error, f"{self.name}: item {index} ({travel.short_repr(self.work.item(index))})"
        )
        if type(error) is TypeError and (hint := self._hint(index)) is not None:
            travel.add_note(error, hint)

    def _note_waiters(self, error: BaseException) -> None:
        """Perhaps it is for the others beside it: how many they were is not what the user chose."""
        tuner, n_running = self.tuner, sum(self.n_started.values())
        if self.options.n_jobs is not None or not tuner.costs.waits or n_running <= 1:
            return
        if (travel := descriptors.loaded("_workers.serialization")) is not None:
            n_at_once = min(tuner.waiters.n_wanted, n_running)
            travel.add_note(
                error,
                f"{self.name}: up to {n_at_once} items ran at once, since they wait. If those are "
                "too many for what they wait for, n_jobs= sets a limit.",
            )

    def _hint(self, index: int) -> str | None:
        """What was meant where the function cannot be called with such an item at all."""
        from amorsize._function import call_hints

        item = self.work.item(index)
        arguments = item if self.task.star else (item,)
        return call_hints.of_call(self.func, arguments, self.item_kwargs, self.name)

    def _attach_partial(self, error: BaseException) -> None:
        # Not as an attribute: some exceptions let none be set.
        error.__dict__["_amorsize_partial"] = self.work.computed()

    def _leave_behind(self) -> None:
        if sys.is_finalizing():  # a stream that nobody closed: nothing can be loaded any more
            return
        if (remembering := descriptors.loaded("_engine.record")) is not None:
            remembering.remember(self)

    def note_chunk(
        self,
        worker: int,
        backend: str,
        n_items: int,
        wall_s: float,
        cpu_s: float,
        run_delay_s: float,
        now_s: float,
    ) -> None:
        self.chunks.append(
            ChunkTrace(
                worker=worker,
                backend=backend,
                n_items=n_items,
                wall_s=wall_s,
                cpu_s=cpu_s,
                run_delay_s=run_delay_s,
                now_s=now_s,
            )
        )


# What of a call is the user's, or leads to it.
HELD = (
    *("func", "options", "item_kwargs", "source", "work", "task", "function", "plainly"),
    *("pools", "crew_of", "losses", "ledger", "returns", "printed", "feeder", "watcher"),
    *("drawing", "inner", "bar", "_payload", "_turns"),
)
COMPARE_S = 0.4e-9  # for each byte, to see whether what was lent to workers is still the same
COMPARED_SHARE = 0.05  # of a call's time that this may take
CHANGED_HERE = (
    "an item here has changed a large array or table, and those in workers have not seen it"
)
MOST_STRETCHED = 8.0  # times; beyond, how long others will have the cores is anybody's guess
WEIGHED_RESULTS = 32
STREAM_BYTES = 64 << 20  # what a stream holds ahead of its consumer, about, if not told otherwise
SENT_BYTES = 16 << 20  # items that go to a worker at once
MOST_LOOKED_AT = 8192  # items: as many as are few for 256 cores
WORTH_READING_S = 0.1  # work left for which 2 ms of looking at the disk, or 11, is a fair price
# Finished items stay in their worker for so long at most, before they are sent without waiting for
# the chunk's end: what a worker's death can cost. A chunk that ends in time is sent once.
LEAST_HELD_S, MOST_HELD_S = 20e-3, 100e-3


try:
    from resource import RUSAGE_THREAD, getrusage

    def count_pauses() -> int:
        """How often this thread has given up its core by itself: to sleep, to read, for a lock."""
        return getrusage(RUSAGE_THREAD).ru_nvcsw

except ImportError:  # not on Linux: every low share of CPU time counts as waiting
    _pauses = iter(range(1 << 62))

    def count_pauses() -> int:
        return next(_pauses)


def _n_cores_most() -> int:
    """Cores there may be, told in a microsecond: a quota can only leave fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""One call from end to end: the tuner decides, this acts, workers run, results come back."""

from __future__ import annotations

import _thread
import os
import sys
import time
from time import perf_counter, process_time, thread_time

from amorsize import _options
from amorsize._work import Sliced, Work, source_of
from amorsize.crews import nesting
from amorsize.crews.base import Task
from amorsize.crews.chunk import run_chunk
from amorsize.errors import InvalidOptionError
from amorsize.policy import plan as do
from amorsize.policy.facts import (
    Died,
    Host,
    Inlined,
    Job,
    Ready,
    Report,
    Started,
    Surveyed,
    View,
    Watched,
    Weighed,
)
from amorsize.policy.trace import ChunkTrace, Trace
from amorsize.policy.tuner import Tuner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize._options import Options
    from amorsize._payload import Payload
    from amorsize.crews.base import Crew, Done, Happening, Lost
    from amorsize.policy.facts import Profile
    from amorsize.policy.plan import Plan

WAIT_S = 0.25  # the longest that anything is waited for without looking around
FEEDER_NAP_S = 10e-3  # how often the feeder looks whether the caller is in a long item
FEEDER_AFTER_S = 10e-3  # how long that must last for the feeder to serve workers: fed within 20 ms
MANY_CHUNKS = 100_000  # a trace keeps at most so many; beyond, neighbours are merged
SHORT_S = 1e-3  # a known job this short is run without asking anybody


def tuned_map(
    func: Callable[..., Any],
    *iterables: Any,
    item_kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> list[Any]:
    """`[func(x) for x in iterable]`, in parallel where that pays; tunes itself while it works.

    Args:
        func: Called once for each item, or tuple of items where several iterables are zipped.
        iterables: The data; at least one iterable.
        item_kwargs: Keywords for every item.
        options: Those of `autotune`.

    Returns:
        The results, in the order of the items.

    Raises:
        InvalidOptionError, WrongTypeError: What was asked for cannot be.
        WorkerDied, ItemTimeout, CannotTravelError: An item's result could not be had.
        Exception: What `func` raised for the lowest failing item, with a note naming it.
    """
    chosen = _options.validated(**options)
    _options.check_function(func)
    tuned = getattr(func, "__wrapped__", None) if hasattr(func, "_self_options") else None
    return run(tuned or func, iterables, item_kwargs or {}, chosen, None)


def run(
    func: Callable[..., Any],
    iterables: tuple[Any, ...],
    item_kwargs: dict[str, Any],
    options: Options,
    name: str | None,
) -> list[Any]:
    """Map a function over data with options that were checked before."""
    iterables = checked_data(func, iterables, name)
    if options is _options.DEFAULTS and len(iterables) == 1 and not item_kwargs:
        short = _run_short(func, iterables[0])
        if short is not None:
            return short
    return _Call(func, iterables, item_kwargs, options, name).run()


def stream(
    func: Callable[..., Any],
    iterables: tuple[Any, ...],
    item_kwargs: dict[str, Any],
    options: Options,
    ordered: bool,
    buffer: int | None,
    name: str | None = None,
) -> Iterator[Any]:
    """Map lazily: results as they are asked for."""
    if buffer is not None and (type(buffer) is not int or buffer < 1):
        raise InvalidOptionError(
            f"buffer={buffer!r}: the number of items that may be in work must be a whole number "
            "from 1 on, or None to have it tuned."
        )
    iterables = checked_data(func, iterables, name)
    return _Call(func, iterables, item_kwargs, options, name, streams=True).stream(ordered, buffer)


def checked_data(
    func: Callable[..., Any], iterables: tuple[Any, ...], name: str | None
) -> tuple[Any, ...]:
    """The data, refused where it is surely a mistake."""
    for data in iterables:
        if type(data) not in _SURELY_DATA:
            _options.check_data(iterables, name or _name_of(func), decorated=name is not None)
            return iterables
    if not iterables:
        _options.check_data(iterables, name or _name_of(func), decorated=name is not None)
    return iterables


_SURELY_DATA = (list, tuple, range)


def _name_of(func: Callable[..., Any]) -> str:
    return str(getattr(func, "__name__", None) or type(func).__name__)


def _run_short(func: Callable[..., Any], data: Any) -> list[Any] | None:
    """The loop at once, for a function known to be that quick on such data; None: not known."""
    if type(data) not in _SURELY_DATA or not data:
        return None
    profile = _profiles().get(_profile_key(func, data[0]))
    if (
        profile is None
        or profile.item_s * len(data) > SHORT_S
        or os.environ.get("AMORSIZE_BACKEND")
    ):
        return None
    began = perf_counter()
    results: list[Any] = []
    n_items = len(data)
    ran = run_chunk(func, data, n_items, results, box_s=4 * SHORT_S, cpu_clock=_no_clock)
    if ran.error is None and ran.n_done == n_items:
        return results
    return _Call(func, (data,), {}, _options.DEFAULTS, None).go_on(results, ran.error, began)


def _no_clock() -> float:
    return 0.0


# -- what is remembered ---------------------------------------------------------------------

_memory: Any = None


def memory() -> Any:
    """This process's memory of functions; made when first needed."""
    global _memory
    if _memory is None:
        from amorsize._known import Memory

        _memory = Memory()
    return _memory


def _profiles() -> dict[Any, Profile]:
    found: dict[Any, Profile] = memory()._profiles
    return found


def _owner(func: Callable[..., Any]) -> Any:
    """What stands for a function in memory: its code, however often it is made anew."""
    code = getattr(func, "__code__", None)
    if code is not None:
        return code
    inner = getattr(func, "__func__", None) or getattr(func, "func", None)
    if inner is not None and inner is not func:
        return _owner(inner)
    code = getattr(getattr(type(func), "__call__", None), "__code__", None)  # noqa: B004
    if code is not None:
        return code
    try:
        hash(func)
    except TypeError:
        return type(func)
    return func


def _profile_key(func: Callable[..., Any], item: Any) -> tuple[Any, str]:
    return _owner(func), type(item).__name__


def plan_of(func: Callable[..., Any]) -> Plan | None:
    """The plan last learned for a function on this host, if any."""
    if (trace := memory().trace(_owner(func))) is not None:
        return trace.plan  # type: ignore[no-any-return]
    from amorsize import _disk

    for kind in _disk.kinds(func):
        profile = memory().ask_disk((_owner(func), kind), func, kind)
        if profile is not None:
            return do.Plan(
                backend=profile.backend,
                n_jobs=profile.n_jobs,
                chunksize=profile.chunksize,
                source=profile.source,
            )
    return None


def last_trace(func: Callable[..., Any]) -> Trace | None:
    """What the last call of a function did."""
    found: Trace | None = memory().trace(_owner(func))
    return found


def explain(func: Callable[..., Any]) -> Any:
    """The last call of a function, told in words."""
    from amorsize import report

    return report.Explanation(_name_of(func), last_trace(func))


def forget(func: Callable[..., Any]) -> int:
    """Drop all that was learned about a function; how many records there were."""
    n: int = memory().forget(_owner(func), func)
    return n


def shutdown() -> None:
    """End warm workers and write what was learned; the next call starts what it needs anew."""
    if _memory is not None:
        _memory.write()
    end_warm = getattr(sys.modules.get("amorsize.crews.clean"), "shutdown", None)
    if end_warm is not None:
        end_warm()


class workers:  # noqa: N801 - reads as a function where it is used: `with amorsize.workers():`
    """Keep warm workers for a block of calls, and end them at its end."""

    def __enter__(self) -> None:
        """Nothing is started before the first call needs it."""

    def __exit__(self, *_: object) -> None:
        shutdown()


def partial(error: BaseException) -> dict[int, Any]:
    """What a failed call had computed, by index; empty for an exception of another origin."""
    return dict(getattr(error, "_amorsize_partial", {}))


# -- one call -------------------------------------------------------------------------------


class _Call:
    """The state of one call: its work, its tuner, its crews."""

    def __init__(
        self,
        func: Callable[..., Any],
        iterables: tuple[Any, ...],
        item_kwargs: dict[str, Any],
        options: Options,
        name: str | None,
        *,
        streams: bool = False,
    ) -> None:
        self.func, self.options = func, options
        self.name = name or _name_of(func)
        self.source = source_of(iterables, strict=options.strict)
        self.work = Work(self.source, keeps_all=not streams)
        self.began = perf_counter()
        bound = func
        if item_kwargs:
            from functools import partial as bind

            bound = bind(func, **item_kwargs)
        self.task = Task(
            bound,
            star=len(iterables) > 1,
            seed=options.seed,
            keep_errors=options.return_exceptions,
            single=options.timeout is not None or options.retries == 0,
            setup=options.setup,
            teardown=options.teardown,
            source=self.source.sequences if isinstance(self.source, Sliced) else None,
        )
        self.function = self.task.function_of_one()
        self.crews: dict[str, Crew] = {}
        self.crew_of: dict[int, Crew] = {}
        self.chunks: list[ChunkTrace] = []
        self.n_started: dict[str, int] = {}
        self.n_repeated = 0
        self.tries: dict[int, int] = {}
        self.suspected: list[tuple[int, int]] = []  # one item of each ended a worker
        self.n_deaths_in_a_row = 0
        self.timed_out: set[int] = set()
        self.warnings: list[str] = []
        self.pids: list[int] = []
        self.known: Profile | None = None
        self.known_from: str | None = None
        self.watcher: Any = None
        self.feeder: _Feeder | None = None
        self.lock = _thread.allocate_lock()
        self.inline_since = 0.0  # when the caller began the items it is in; 0: it is in none
        self.is_set_up = False
        self.kept_streams: Any = None
        self.bar: Any = None
        self.key: Any = None
        self.tuner: Tuner
        self.fork_reason: str | None = None
        self._payload: Payload | None = None

    # -- the ways to run --------------------------------------------------------------------

    def run(self) -> list[Any]:
        """All results, in order."""
        if self.source.all_read and not self.source.n_read:
            return []
        try:
            self._begin()
            while not self.work.is_finished:
                self._step()
        except BaseException as error:
            self._end(at_once=True)
            self._attach_partial(error)
            raise
        self._end(at_once=self.work.failure is not None)
        self._remember()
        self._raise_failure()
        return self.work.results

    def go_on(self, results: list[Any], error: BaseException | None, began: float) -> list[Any]:
        """Finish a call whose first items were run before it turned out not to be short."""
        self.began = began
        self.work.take(len(results) + (error is not None))
        self.work.store(0, results)
        if error is not None:
            self._fail(len(results), error)
        return self.run()

    def stream(self, ordered: bool, buffer: int | None) -> Iterator[Any]:
        """Results as they come, at most `buffer` items ahead of the consumer."""
        at_once = True
        try:
            self._begin()
        except BaseException:
            self._end(at_once=True)
            raise
        try:
            while True:
                self.work.limit = self.work.n_given + (buffer or self._buffer_items())
                given = self._stream_ready(ordered)
                if given:
                    yield from given
                    continue
                if self.work.is_finished:
                    break
                self._step()
            at_once = self.work.failure is not None
        finally:
            self._end(at_once=at_once)
            self._remember()
        self._raise_failure()

    def _stream_ready(self, ordered: bool) -> list[Any]:
        return self.work.take_results() if ordered else self.work.take_any_results()

    def _buffer_items(self) -> int:
        """Items ahead of the consumer: several full chunks for every worker, and not less."""
        item_s = self.tuner.costs.item_s
        if item_s is None:
            return 64
        bulk = self.tuner.plan().chunksize
        return max(64, 4 * bulk * (self.tuner.n_cores or 2))

    # -- beginning and ending ---------------------------------------------------------------

    def _begin(self) -> None:
        options = self.options
        if not self.source.all_read:
            self.work.read_ahead(longest_s=0.0)
            self._see_broken_data()
        if self.source.n_read and self.key is None:
            self.key = _profile_key(self.func, self.work.item(0))
        if not options.retune and self.key is not None:
            self.known = memory().profile(self.key)
            self.known_from = None if self.known is None else "memory"
        job = self._job()
        self.tuner = Tuner(None, job, self.known)
        if options.progress:
            from amorsize.progress import bar

            self.bar = bar(self.source.n_read if self.source.all_read else None, self.name)
        if options.seed is not None:
            from amorsize.crews.streams import KeptStreams

            self.kept_streams = KeptStreams()

    def _job(self) -> Job:
        options = self.options
        backend = _options.environment_backend() or options.backend
        nested = nesting.is_inside()
        if nested:
            backend = "serial"
        n_jobs = None if options.n_jobs in (None, -1) else options.n_jobs
        if options.executor is not None and not nested and backend != "serial":
            from amorsize.crews.futures import n_places

            backend, n_jobs = "process", n_jobs or n_places(options.executor)
        return Job(
            n_items=self.source.n_read if self.source.all_read else None,
            backend=backend,
            n_jobs=n_jobs,
            chunksize=options.chunksize,
            may_inline=options.timeout is None or backend == "serial",
            inherits_items=self.task.source is not None,
        )

    def _survey(self) -> None:
        """Find out what the host has and what the function reaches."""
        host, job = self._host(), self.tuner.job
        if job.backend == "auto":
            job = job.but(
                thread_reason=self._why_not_threads(), process_reason=self._why_not_processes()
            )
        self.tuner.tell(Surveyed(host=host, job=job))

    def _why_not_threads(self) -> str | None:
        options = self.options
        if options.seed is not None:
            return "seed= needs random generators that threads would share"
        if options.thread_safe is not None:
            return None if options.thread_safe else "thread_safe=False"
        from amorsize._reach import reach

        reached = reach(self.task.function)  # with the keywords of this call
        if reached.thread_safe:
            return None
        what = ", ".join((*reached.shared, *reached.stores)[:3])
        return f"threads would share {what} (thread_safe=True allows it)"

    def _warn_of_lost_stores(self) -> None:
        """What items assigned in worker processes ended there: say so once per function."""
        if not any(chunk.backend == "process" for chunk in self.chunks):
            return
        from amorsize._reach import reach

        if not (stores := reach(self.func).stores):
            return
        text = (
            f"{self.name} changes {', '.join(stores[:3])}: what items store there in a worker "
            "process is lost. Return it instead, or pass backend='serial'."
        )
        known = last_trace(self.func)
        self._warn(text, quietly=known is not None and text in known.warnings)

    def _why_not_processes(self) -> str | None:
        if self.fork_reason is None:
            return None
        from amorsize.crews import choice

        return choice.why_no_processes() or self._payload_of_task().why_not()

    def _payload_of_task(self) -> Payload:
        """The task for workers that are not forked."""
        if self._payload is None:
            from amorsize._payload import Payload

            sample = self.work.item(self.work.n_in_order) if self.work.n_left else None
            self._payload = Payload(self.task, self.func, sample)
        return self._payload

    def _host(self) -> Host:
        from amorsize import _machine

        costs = _machine.costs()
        self.fork_reason = _machine.why_not_fork()
        loaded = "amorsize.crews.processes" in sys.modules
        forks = self.fork_reason is None
        # There it may be, but still empty: another thread's call is just importing it.
        pool = getattr(sys.modules.get("amorsize.crews.clean"), "pool", None)
        is_warm = pool is not None and pool.n_warm > 0
        return Host(
            n_cores=_machine.usable_cpus().n_cores,
            fork_reason=self.fork_reason,
            process_start_s=costs.start_s if forks else CLEAN_START_S,
            process_ready_s=(
                costs.ready_s if forks else WARM_READY_S if is_warm else costs.clean_start_s
            ),
            thread_start_s=costs.thread_start_s,
            dispatch_s=costs.dispatch_s,
            thread_dispatch_s=costs.thread_dispatch_s,
            latency_s=costs.latency_s,
            load_s=0.0 if loaded else LOAD_S,
            has_gil=getattr(sys, "_is_gil_enabled", _yes)(),
        )

    def _end(self, *, at_once: bool) -> None:
        """End what belongs to the call, in bounded time."""
        if self.watcher is not None:
            self.watcher.stop()
            self.watcher = None
        if self.feeder is not None:
            self.feeder.stop()
            self.feeder = None
        stuck: list[str] = []
        for crew in self.crews.values():
            stuck.extend(crew.close(at_once=at_once))
            if (ready_s := getattr(crew, "ready_s", None)) is not None:
                from amorsize import _machine

                _machine.learn_costs(clean_start_s=ready_s)
        self.crews.clear()
        if stuck:
            self._warn(
                f"{len(stuck)} thread(s) of {self.name} are still inside an item and cannot be "
                f"ended: {', '.join(stuck[:5])}. They get no further items."
            )
        if self.is_set_up and self.task.teardown is not None:
            self.is_set_up = False
            self.task.teardown()
        if self.kept_streams is not None:
            self.kept_streams.put_back()
        if self.bar is not None:
            self.bar.close()

    def _warn(self, text: str, *, quietly: bool = False) -> None:
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

    def _remember(self) -> None:
        """Keep what was learned, and what happened, for the next call and for explain()."""
        makespan_s = perf_counter() - self.began
        self._warn_of_lost_stores()
        tuner = self.tuner
        n_calls = 1 if self.known is None else self.known.n_calls + 1
        profile = tuner.learned(n_calls)
        if profile is not None and self.known is not None and self.known_fits is not False:
            profile = _merged(self.known, profile)
        trace = Trace(
            name=self.name,
            n_items=self.work.n_done,
            makespan_s=makespan_s,
            n_cores=tuner.n_cores,
            plan=tuner.plan(),
            profile=profile,
            known=self.known,
            known_from=self.known_from,
            known_fits=tuner.hint_fits,
            notes=tuple(tuner.notes),
            chunks=tuple(self.chunks),
            n_started=dict(self.n_started),
            n_repeated=self.n_repeated,
            rejected=tuple(self._rejected()),
            warnings=tuple(self.warnings),
            pids=tuple(self.pids),
        )
        memory().keep_trace(_owner(self.func), trace)
        if profile is None or self.key is None or tuner.job.backend == "serial":
            return
        if nesting.is_inside() or tuner.job.backend != "auto":
            return
        on_disk = self.options.cache and os.environ.get("AMORSIZE_CACHE", "").lower() != "off"
        memory().keep(self.key, self.func, self.key[1], profile, makespan_s, on_disk=on_disk)

    @property
    def known_fits(self) -> bool | None:
        """Whether what was remembered agreed with this call's items."""
        return self.tuner.hint_fits

    def _rejected(self) -> Iterator[str]:
        job, tuner = self.tuner.job, self.tuner
        used = tuner.backend_used()
        if job.thread_reason is not None and used != "thread":
            yield f"threads: {job.thread_reason}"
        elif tuner.holds_gil and used != "thread":
            yield "threads: the items hold the GIL"
        if job.process_reason is not None:
            yield f"processes: {job.process_reason}"
        if tuner.weighed is not None and tuner.weighed.reason is not None:
            yield f"processes: {tuner.weighed.reason}"
        if self.fork_reason is not None and used == "process":
            yield f"forking: {self.fork_reason}"

    # -- one step ---------------------------------------------------------------------------

    def _step(self) -> None:
        """Ask the tuner and do what it says."""
        if not self.source.all_read:
            self._read()
            if self.work.is_finished:  # all that was left of the data was its end
                return
        action = self.tuner.next(self._view(caller_busy=False))
        match action:
            case do.RunInline():
                self._run_inline(action.n_items, action.box_s)
            case do.Send():
                self._send(action)
                self._look(0.0)
            case do.Wait():
                self._wait(WAIT_S if action.timeout_s is None else action.timeout_s)
            case do.StartWorker():
                self._start(action.backend)
            case do.Survey():
                self._survey()
            case do.Watch():
                self._watch()
            case do.Unwatch():
                self._unwatch()
            case do.Weigh():
                self._weigh()

    def _view(self, *, caller_busy: bool) -> View:
        return View(
            now_s=perf_counter() - self.began,
            n_left=self.work.n_left,
            all_read=self.work.all_read,
            caller_busy=caller_busy,
        )

    def _read(self) -> None:
        """Read ahead: no longer than needed while workers have nothing to do."""
        work = self.work
        if not work.n_left:
            work.read_ahead(longest_s=0.0)
        if work.n_left and work.source.is_quick and (self.tuner.n_in_flight or not self.crews):
            work.read_ahead()
        self._see_broken_data()

    def _see_broken_data(self) -> None:
        """An iterator that raised has not ended: that is a failure, above all items it gave."""
        error = getattr(self.source, "error", None)
        if error is not None and self.work.failure is None:
            self.work.fail(self.source.n_read, error)

    def _wait(self, timeout_s: float) -> None:
        if not self.crews:
            if self.work.all_read or self.work.n_left:
                raise AssertionError("nothing is under way and nothing is left to do")
            return  # the data has not ended: the next step reads more of it
        if not self.source.all_read and self.tuner.n_in_flight and not self.work.n_left:
            timeout_s = 0.0 if self.work.limit is None else timeout_s
        self._look(timeout_s)

    # -- the caller's own items -------------------------------------------------------------

    def _run_inline(self, n_items: int, box_s: float) -> None:
        work = self.work
        if work.has_suspect:  # an item that may kill its process is never run here
            self._wait(WAIT_S)
            return
        self._set_up()
        chunk = work.take(n_items)
        direct = not self.crews and chunk.start == work.n_in_order
        out = work.results if direct else []
        items, first = self.source.window(chunk.start, chunk.stop)
        marked = self._enter_inline()
        n_modules, process_cpu, n_pauses = len(sys.modules), process_time(), _n_pauses()
        try:
            ran = run_chunk(
                self.function,
                self.task.each(items, first, chunk.start),
                chunk.n_items,
                out,
                box_s=box_s,
                cpu_clock=thread_time,
                keep_errors=self.task.keep_errors,
                single=self.task.single,
            )
        finally:
            self._leave_inline(marked)
        end = chunk.start + ran.n_done
        if direct:
            work.n_done += ran.n_done
            work.catch_up()
        else:
            work.store(chunk.start, out)
        if ran.n_done:
            self._tell_inlined(
                ran,
                process_time() - process_cpu,
                len(sys.modules) - n_modules,
                _n_pauses() - n_pauses,
            )
        if ran.error is not None:
            if isinstance(ran.error, KeyboardInterrupt):
                raise ran.error
            self._fail(end, ran.error)
        else:
            work.give_back(end, chunk.stop)
        if self.bar is not None:
            self.bar.update(ran.n_done)
        if self.crews:
            self._look(0.0)

    def _tell_inlined(self, ran: Any, process_cpu_s: float, n_modules: int, n_pauses: int) -> None:
        now_s = perf_counter() - self.began
        self._note_chunk(-1, "caller", ran.n_done, ran.wall_s, ran.cpu_s, now_s)
        self.tuner.tell(
            Inlined(
                n_items=ran.n_done,
                wall_s=ran.wall_s,
                cpu_s=ran.cpu_s,
                process_cpu_s=process_cpu_s,
                now_s=now_s,
                n_pauses=n_pauses,
                n_modules=n_modules,
            )
        )

    def _set_up(self) -> None:
        """The caller is a place where items run: it needs what workers need."""
        if self.is_set_up or self.task.setup is None:
            return
        self.task.setup()
        self.is_set_up = True

    def _enter_inline(self) -> bool:
        """Items are about to run here; others may serve the workers meanwhile."""
        if self.crews:
            if self.feeder is None:
                self.feeder = _Feeder(self)
            self.inline_since = perf_counter()
            self.lock.release()
        is_only_item = self.source.all_read and self.source.n_read == 1  # no map: it may share out
        marked = not is_only_item and not nesting.is_inside()
        if marked:
            nesting.enter()
        return marked

    def _leave_inline(self, marked: bool) -> None:
        if marked:
            nesting.leave()
        if self.inline_since:
            self.lock.acquire()
            self.inline_since = 0.0

    # -- workers ----------------------------------------------------------------------------

    def _crew(self, backend: str) -> Crew:
        crew = self.crews.get(backend)
        if crew is None:
            if not self.crews:
                self.lock.acquire()  # from here on the caller holds it, except in its own items
            crew = self.crews[backend] = self._new_crew(backend)
        return crew

    def _new_crew(self, backend: str) -> Crew:
        options = self.options
        if options.executor is not None:
            from amorsize.crews import futures

            has_timeout, has_teardown = options.timeout is not None, options.teardown is not None
            futures.refuse("with executor=", has_timeout=has_timeout, has_teardown=has_teardown)
            return futures.FuturesCrew(options.executor, self.task, self._payload_of_task)
        if backend == "thread":
            from amorsize.crews.threads import ThreadCrew

            return ThreadCrew(self.task)
        from amorsize.crews.choice import process_crew

        host, n_places = self.tuner.host, self.tuner.n_places
        n_asked = options.n_jobs if options.n_jobs not in (None, -1) else None
        return process_crew(
            self.task,
            self._payload_of_task,
            forks=self.fork_reason is None,
            n_most=max(64, 4 * host.n_cores, n_places + 8),
            n_cores=host.n_cores,
            n_jobs=n_asked or host.n_cores,
            has_timeout=options.timeout is not None,
        )

    def _start(self, backend: str) -> None:
        """Start one worker; before a fork, this call's own threads have ended."""
        if backend == "process" and self.fork_reason is None:
            self._stop_own_threads()
        self._ask_disk()
        if self.work.is_finished:
            return
        crew = self._crew(backend)
        number = sum(self.n_started.values())
        began = perf_counter()
        crew.start(number)
        start_s = perf_counter() - began
        self.crew_of[number] = crew
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

    def _stop_own_threads(self) -> None:
        if self.watcher is not None:
            self._unwatch()
        if self.feeder is not None:
            self.feeder.stop()
            self.feeder = None

    def _send(self, action: do.Send) -> None:
        crew = self.crew_of[action.worker]
        alone = self.work.has_suspect
        chunk = self.work.take(action.n_items)
        if self.task.source is None or not crew.inherits_items:
            chunk = chunk.but(items=self.work.items(chunk))
        single = self.task.single or alone
        flush_s = 0.0 if single else min(MOST_HELD_S, max(LEAST_HELD_S, action.box_s))
        box_s = float("inf") if alone else action.box_s
        try:
            crew.send(action.worker, chunk, box_s=box_s, flush_s=flush_s)
        except Exception as failure:
            self._refuse_items(action.worker, chunk, failure)

    def _refuse_items(self, worker: int, chunk: Any, failure: Exception) -> None:
        """Items that cannot be sent: named, or run here where that is left open."""
        from amorsize.crews import travel

        found = travel.first_that_cannot(
            [self.work.item(i) for i in range(chunk.start, chunk.stop)]
        )
        if found is None:
            raise failure
        index, reason = chunk.start + found[0], found[1]
        self.tuner.tell(
            Report(
                worker=worker,
                n_items=0,
                n_sent=chunk.n_items,
                wall_s=0.0,
                cpu_s=0.0,
                pickle_s=0.0,
                now_s=perf_counter() - self.began,
            )
        )
        if self._may_stay_here:
            self.tuner.tell(Weighed(pickle_s=None, reason=f"items cannot be pickled: {reason}"))
            self.work.give_back(chunk.start, chunk.stop)
            return
        self._fail(index, travel.cannot_send("data", index, self.work.item(index), reason))
        self.work.give_back(chunk.start, index)
        if self.task.keep_errors:
            self.work.give_back(index + 1, chunk.stop)

    def _look(self, timeout_s: float) -> None:
        """Take in what has happened in the crews."""
        if len(self.crews) > 1:
            timeout_s = min(timeout_s, 1e-3)
        if self.options.timeout is not None:
            timeout_s = min(timeout_s, max(5e-3, self.options.timeout / 4))
        for crew in tuple(self.crews.values()):
            for happening in crew.wait(timeout_s):
                self._happened(happening)
        if self.options.timeout is not None:
            self._watch_time(self.options.timeout)

    def _happened(self, happening: Happening) -> None:
        from amorsize.crews import base

        match happening:
            case base.Done():
                self._done(happening)
            case base.WorkerReady():
                self.tuner.tell(Ready(worker=happening.worker, now_s=perf_counter() - self.began))
            case base.Lost():
                self._lost(happening)
            case base.SetupFailed():
                raise happening.error
            case base.Text():
                stream = getattr(sys, happening.stream)
                stream.write(happening.text)
            case base.Logged():
                from amorsize.crews.after_fork import handle_record

                handle_record(happening.record)

    def _done(self, done: Done) -> None:
        self.n_deaths_in_a_row = 0
        n_done = len(done.results)
        crew = self.crew_of[done.worker]
        now_s = perf_counter() - self.began
        self._note_chunk(done.worker, crew.backend, n_done, done.wall_s, done.cpu_s, now_s)
        if done.some_stayed:
            self._store_what_came(done)
        else:
            self.work.store(done.start, done.results)
        self.tuner.tell(
            Report(
                worker=done.worker,
                n_items=n_done,
                n_sent=done.n_sent if done.last else 0,
                wall_s=done.wall_s,
                cpu_s=done.cpu_s,
                pickle_s=done.pickle_s,
                now_s=now_s,
            )
        )
        if done.error is not None:
            if done.error_text:
                done.error.add_note(f"raised in a worker process:\n{done.error_text}")
            self._fail(done.start + n_done, done.error)
        if done.back is not None:
            self.work.give_back(*done.back)
        if self.bar is not None:
            self.bar.update(n_done)

    def _store_what_came(self, done: Done) -> None:
        """Keep the results that could be sent; the items of the others are told or run here."""
        from amorsize.crews.travel import Stayed

        came: list[Any] = []
        for index, result in enumerate(done.results, done.start):
            if isinstance(result, Stayed):
                self.work.store(index - len(came), came)
                came = []
                self._stayed(index, result.error)
            else:
                came.append(result)
        self.work.store(done.start + len(done.results) - len(came), came)

    def _stayed(self, index: int, error: BaseException) -> None:
        """A result could not leave its worker: the item runs here where that is left open."""
        if not self._may_stay_here or self.options.retries < 1:
            self._fail(index, error)
            return
        self.n_repeated += 1
        self.tuner.tell(Weighed(pickle_s=None, reason=f"not every result can travel: {error}"))
        self.work.give_back(index, index + 1)

    @property
    def _may_stay_here(self) -> bool:
        """The user left it open where items run, and the caller may run them."""
        return self.tuner.job.backend == "auto" and self.tuner.job.may_inline

    def _lost(self, lost: Lost) -> None:
        """A worker is gone: its unstarted items go back, the one it was in is tried alone."""
        self.tuner.tell(Died(worker=lost.worker, now_s=perf_counter() - self.began))
        self.n_deaths_in_a_row += 1
        for start, stop in lost.ranges:
            culprit = lost.culprit
            if culprit is None or not start <= culprit < stop:
                self.work.give_back(start, stop)
                continue
            self.n_repeated += culprit - start
            beyond = min(stop, culprit + lost.n_suspects)
            self.work.give_back(start, culprit)
            self.work.give_back(beyond, stop)
            self._suspect(culprit, beyond, lost.how)
        if self.n_deaths_in_a_row > MOST_DEATHS:
            from amorsize.errors import WorkersUnavailable

            raise WorkersUnavailable(
                f"{self.n_deaths_in_a_row} worker processes of {self.name} ended one after the "
                f"other without a result, the last by {lost.how}. Run backend='serial' to see "
                "what happens to them."
            )

    def _suspect(self, index: int, beyond: int, how: str) -> None:
        """An item was running when its worker ended: this one, or one of those up to `beyond`."""
        from amorsize.errors import ItemTimeout, WorkerDied

        if beyond > index + 1 and self.options.retries:
            self.suspected.append((index, beyond))
            self.n_repeated += beyond - index
            self.work.try_alone(index, beyond)
            return
        if index in self.timed_out:
            limit_s = self.options.timeout
            self._fail(index, ItemTimeout(f"item {index} took longer than timeout={limit_s} s"))
            return
        self.tries[index] = self.tries.get(index, 0) + 1 + self._was_suspected(index)
        if self.tries[index] <= self.options.retries:
            self.n_repeated += 1
            self.work.try_alone(index, index + 1)
            return
        n = self.tries[index]
        often = "once" if n == 1 else f"{n} times"
        self._fail(
            index,
            WorkerDied(
                f"the worker process that ran item {index} ended by {how}; the item was tried "
                f"{often} and no other item was in that process's hands the last time"
                if n > 1
                else f"the worker process that ran item {index} ended by {how}; the item is not "
                "tried again because retries=0"
            ),
        )

    def _was_suspected(self, index: int) -> int:
        """1 when this must have been the item that ended a worker before, else 0."""
        for start, beyond in self.suspected:
            if start <= index < beyond:
                self.suspected.remove((start, beyond))
                self.n_repeated -= beyond - index - 1  # those behind it had not begun
                return 1
        return 0

    def _watch_time(self, limit_s: float) -> None:
        """End workers whose item takes longer than it may."""
        now = perf_counter()
        for number, crew in self.crew_of.items():
            begun = crew.begun(number)
            if begun is not None and now - begun[1] > limit_s and begun[0] not in self.timed_out:
                self.timed_out.add(begun[0])
                crew.kill(number)

    def feed(self) -> None:
        """Serve the workers from the feeder, while the caller is inside its own items."""
        for crew in tuple(self.crews.values()):
            for happening in crew.wait(0.0):
                self._happened(happening)
        while True:
            action = self.tuner.next(self._view(caller_busy=True))
            if isinstance(action, do.Send):
                self._send(action)
            elif isinstance(action, do.StartWorker) and (
                action.backend == "thread" or self.fork_reason is not None
            ):
                self._start(action.backend)
            else:
                return

    # -- looking closer ---------------------------------------------------------------------

    def _watch(self) -> None:
        from amorsize.crews.watcher import GilWatcher

        self._ask_disk()
        self.watcher = GilWatcher()

    def _unwatch(self) -> None:
        watcher, self.watcher = self.watcher, None
        seen = Watched(
            lag_share=watcher.lag_share, watched_s=watcher.watched_s, n_wakes=watcher.n_wakes
        )
        watcher.stop()
        self.tuner.tell(seen)

    def _weigh(self) -> None:
        """Pickle a few results (and items, where these have to travel too) and read them back."""
        self._ask_disk()
        from amorsize.crews import travel

        travel.dumps(None)  # loads what pickling needs
        results = self.work.results[:WEIGHED_ITEMS] or [None]
        values: list[Any] = [results[0]]
        cost_s, reason = _travel_cost(values, travel)
        if reason is None and cost_s < 20e-6 and len(results) > 1:
            cost_s, reason = _travel_cost(results, travel)
            values = results
        if reason is not None:
            reason = f"results cannot be pickled: {reason}"
        elif self.task.source is None or self.fork_reason is not None:
            item = self.work.item(self.work.n_in_order) if self.work.n_left else None
            item_s, reason = _travel_cost([item], travel)
            cost_s += item_s * len(values)
            if reason is not None:
                reason = f"items cannot be pickled: {reason}"
        self.tuner.tell(Weighed(pickle_s=None if reason else cost_s / len(values), reason=reason))

    def _ask_disk(self) -> None:
        """See what earlier processes have learned, once, when workers come into question."""
        if self.known_from is not None or self.key is None or self.options.retune:
            return
        self.known_from = "nowhere"
        if not self.options.cache or self.tuner.job.backend != "auto":
            return
        if self.tuner.left_s(self._view(caller_busy=False)) < WORTH_READING_S:
            return
        profile = memory().ask_disk(self.key, self.func, self.key[1])
        if profile is not None:
            self.known, self.known_from = profile, "disk"
            self.tuner.remember(profile)

    # -- failing ----------------------------------------------------------------------------

    def _fail(self, index: int, error: BaseException) -> None:
        if self.task.keep_errors and isinstance(error, Exception):
            self.work.store(index, [error])
            return
        self.work.fail(index, error)
        for crew in self.crews.values():
            crew.stop_at(index)

    def _raise_failure(self) -> None:
        if self.work.failure is None:
            return
        index, error = self.work.failure
        if error is not getattr(self.source, "error", None):
            from amorsize.crews.travel import short_repr

            error.add_note(f"{self.name}: item {index} ({short_repr(self.work.item(index))})")
        self._attach_partial(error)
        raise error

    def _attach_partial(self, error: BaseException) -> None:
        try:
            error._amorsize_partial = self.work.computed()  # type: ignore[attr-defined]
        except AttributeError:
            return  # an exception with __slots__ has no room for it: partial() gives nothing

    def _note_chunk(
        self, worker: int, backend: str, n_items: int, wall_s: float, cpu_s: float, now_s: float
    ) -> None:
        self.chunks.append(
            ChunkTrace(
                worker=worker,
                backend=backend,
                n_items=n_items,
                wall_s=wall_s,
                cpu_s=cpu_s,
                now_s=now_s,
            )
        )
        if len(self.chunks) > MANY_CHUNKS:
            self.chunks = _thinned(self.chunks)


CLEAN_START_S = 0.8e-3  # of the caller, to start an interpreter or to hand a task to a warm one
WARM_READY_S = 1e-3  # until a worker that is there already can take work of another call
LOAD_S = 6e-3  # importing the process crew and pickle's C half, once in a process
WEIGHED_ITEMS = 32
WORTH_READING_S = 0.1  # work left for which 7 ms of looking at the disk is a fair price
# Finished items stay in their worker for so long at most, before they are sent without waiting for
# the chunk's end: what a worker's death can cost. A chunk that ends in time is sent once.
LEAST_HELD_S, MOST_HELD_S = 20e-3, 100e-3
MOST_DEATHS = 8  # workers that end in a row without one result: the fault is not an item's


try:
    from resource import RUSAGE_THREAD, getrusage

    def _n_pauses() -> int:
        """How often this thread has given up its core by itself: to sleep, to read, for a lock."""
        return getrusage(RUSAGE_THREAD).ru_nvcsw

except ImportError:  # not on Linux: every low share of CPU time counts as waiting
    _pauses = iter(range(1 << 62))

    def _n_pauses() -> int:
        return next(_pauses)


def _yes() -> bool:
    return True


def _travel_cost(values: list[Any], travel: Any) -> tuple[float, str | None]:
    """Seconds to pickle and read back, and why that cannot be done, if so.

    What is over in no time is done three times: another program may have come between.
    """
    took_s = float("inf")
    for _ in range(3):
        began = perf_counter()
        try:
            travel.loads(travel.dumps(values))
        except Exception as error:
            return 0.0, f"{type(error).__name__}: {error}"
        took_s = min(took_s, perf_counter() - began)
        if took_s > 5 * SHORT_S:
            break
    return took_s, None


def _merged(known: Profile, new: Profile) -> Profile:
    """What is known now: the new figures where there are any, the old ones where not."""
    return new.but(
        pickle_s=new.pickle_s if new.pickle_s is not None else known.pickle_s,
        holds_gil=new.holds_gil if new.holds_gil is not None else known.holds_gil,
        warmup_s=max(new.warmup_s, known.warmup_s),
        backend=new.backend,
    )


def _thinned(chunks: list[ChunkTrace]) -> list[ChunkTrace]:
    """Half as many entries: each chunk merged with the next one of the same worker."""
    merged: list[ChunkTrace] = []
    waiting: dict[int, ChunkTrace] = {}
    for chunk in chunks:
        first = waiting.pop(chunk.worker, None)
        if first is None:
            waiting[chunk.worker] = chunk
            continue
        merged.append(
            chunk.but(
                n_items=first.n_items + chunk.n_items,
                wall_s=first.wall_s + chunk.wall_s,
                cpu_s=first.cpu_s + chunk.cpu_s,
            )
        )
    return merged + list(waiting.values())


class _Feeder:
    """A thread that serves the workers while the caller is in a long item of its own."""

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._stopping = False
        self._wake, self._ended = _thread.allocate_lock(), _thread.allocate_lock()
        self._wake.acquire()
        self._ended.acquire()
        self.error: BaseException | None = None
        _thread.start_new_thread(self._live, ())

    def _live(self) -> None:
        call = self._call
        try:
            while not self._stopping:
                self._wake.acquire(timeout=FEEDER_NAP_S)
                since = call.inline_since
                if not since or perf_counter() - since < FEEDER_AFTER_S:
                    continue
                # Whoever holds the lock is the caller, back from its items: never wait for it here,
                # it may be waiting for this thread to end.
                if not call.lock.acquire(blocking=False):
                    continue
                try:
                    if call.inline_since and not self._stopping:
                        call.feed()
                finally:
                    call.lock.release()
        except BaseException as error:
            self.error = error
        finally:
            self._ended.release()

    def stop(self) -> None:
        """End the thread; what went wrong in it is raised here, in the caller."""
        self._stopping = True
        if self._wake.locked():
            self._wake.release()
        self._ended.acquire(timeout=1.0)
        if self.error is not None:
            error, self.error = self.error, None
            raise error


def _sleep(seconds: float) -> None:
    time.sleep(seconds)

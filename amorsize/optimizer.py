"""`optimize`: run a few items, and predict from them how all of them are best run.

The figures are those that the tuner of a call measures as well, and the rules are the policy's:
where the items run (`policy.backend_choice`), what that costs (`policy.overheads`), how large
chunks are (`policy.chunk_sizing`). Nothing but the few items is run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import chain, cycle
from time import process_time
from typing import TYPE_CHECKING, Any

from amorsize._engine import call_options, inspect_host
from amorsize._engine.engine import WEIGHED_RESULTS, count_pauses
from amorsize._engine.source import READ_AHEAD, READ_S, Reading, source_of
from amorsize._function import callables
from amorsize._host import resources
from amorsize._host.clocks import perf_counter
from amorsize._workers import nesting, start_method, subprocess_time
from amorsize._workers.chunk import run_chunk
from amorsize._workers.gil_probe import GilProbe
from amorsize._workers.protocol import Task
from amorsize._workers.run_delay import StarvedClock
from amorsize._workers.serialization import add_note, short_repr
from amorsize._workers.ship import Payload
from amorsize.errors import InvalidOptionError, WrongTypeError
from amorsize.policy import backend_choice, prediction
from amorsize.policy.actions import Plan
from amorsize.policy.evidence.cpu_share import ONE_CORE
from amorsize.policy.evidence.item_costs import ItemCosts
from amorsize.policy.facts import GilProbed, Inlined, Job, PicklingMeasured
from amorsize.policy.rules.choose_backend import LEAST_LEFT_S
from amorsize.report import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from amorsize._engine.call_options import Options
    from amorsize._workers.chunk import Ran
    from amorsize.policy.facts import Host
    from amorsize.policy.prediction import Prediction

__all__ = ("OptimizationResult", "optimize")

SAMPLE_SIZE = 5
ENDLESS_S = 10.0  # of work that is planned for where the data does not tell how much there is
UNEVEN = 3.0  # times the mean: one item of the sample that long makes the mean a guess
BUSY_SHARE = 0.8  # of a core, below which computing items have to share it with others
SHORT_SAMPLE_S = 20e-6  # less in all says more of the clock than of the items
BESIDE_S = 10e-3  # two turns of the GIL, or one item of each thread if that is longer
WATCHED_AGAIN = 200  # times at most that the sample is run again beside a watcher


@dataclass
class OptimizationResult:
    """How to run a function over data, as far as a few items tell; a prediction, no measurement.

    `data` gives all items, those that were run included, also where it was an iterator.
    `estimated_speedup` is the loop's time by that of a call with exactly this plan. With "serial"
    as its `backend` the loop is best.
    """

    n_jobs: int
    chunksize: int
    reason: str
    estimated_speedup: float = 1.0
    warnings: list[str] = field(default=None)  # type: ignore[arg-type]  # None: there are none
    data: Any = field(default=None, repr=False)
    n_items: int | None = None  # None: the data does not tell before it ends
    n_sampled: int = 0  # items that were run
    n_runs: int = 0  # runs of them: more where it took longer to see whether they hold the GIL
    sampled_s: float = 0.0  # wall seconds that took
    item_s: float | None = None  # mean wall seconds of one item; None: none was run
    estimated_serial_s: float | None = None  # of the loop over all of them
    executor_type: str = "process"

    def __post_init__(self) -> None:
        """Refuse what no plan can be."""
        self.warnings = list(self.warnings or ())
        for name in ("n_jobs", "chunksize"):
            if getattr(self, name) < 1:
                raise InvalidOptionError(
                    f"{name}={getattr(self, name)!r} is not allowed: it is at least 1."
                )

    @property
    def backend(self) -> str:
        """Where the items are best run: "serial", "thread" or "process"."""
        return self.executor_type

    @property
    def estimated_s(self) -> float | None:
        """Seconds that all items would take under this plan."""
        if self.estimated_serial_s is None:
            return None
        return self.estimated_serial_s / self.estimated_speedup

    @property
    def plan(self) -> Plan:
        """The same as the options of a call."""
        return Plan(backend=self.backend, n_jobs=self.n_jobs, chunksize=self.chunksize)

    def explain(self) -> str:
        """What was seen, what follows and why, in lines."""
        width = max(len(heading) for heading, _ in self._rows())
        return "\n".join(f"{heading:<{width}}  {text}" for heading, text in self._rows())

    __str__ = explain

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("plan", _in_words(self.plan))]
        if self.item_s is not None:
            again = f" ({self.n_runs} runs)" if self.n_runs > self.n_sampled else ""
            rows.append(
                ("seen", f"{_items(self.n_sampled)}{again} in {seconds(self.sampled_s)}: "
                 f"{seconds(self.item_s)} an item")
            )  # fmt: skip
        rows.append(("why", self.reason))
        speedup = f"{self.estimated_speedup:.2f} x"
        if self.estimated_serial_s is not None and self.estimated_s is not None:
            n_items = "as many items" if self.n_items is None else _items(self.n_items)
            speedup += (
                f": {seconds(self.estimated_serial_s)} in the loop, "
                f"{seconds(self.estimated_s)} so, for {n_items}"
            )
        rows.append(("speedup", speedup))
        return rows + [("warning", text) for text in self.warnings]


def optimize(
    func: Callable[..., Any],
    data: Iterable[Any],
    sample_size: int = SAMPLE_SIZE,
    target_chunk_duration: float | None = None,
    verbose: bool = False,
    *,
    item_kwargs: dict[str, Any] | None = None,
    backend: str = "auto",
    n_jobs: int | None = None,
    thread_safe: bool | None = None,
    prefer_threads_for_io: bool = False,
    auto_adjust_for_nested_parallelism: bool = True,
    progress_callback: Callable[[str, float], object] | None = None,
    **unknown: Any,
) -> OptimizationResult:
    """Predict from a few items how all of them are best run.

    Args:
        func: Called with each item of the sample, once, in this process; its results are dropped.
            Where threads come into question and it has to be seen whether computing items hold
            the GIL, some are run again; `n_runs` tells.
        data: The items. Of an iterator some are read ahead; the result's `data` gives all of them.
        sample_size: How many items to run; they lie evenly in data that has a length, in front of
            an iterator.
        target_chunk_duration: Seconds that a chunk is to last; None to have it follow from what
            sending a chunk costs here.
        verbose: Print what is found.
        item_kwargs: Keywords for every item.
        backend: Where the items are to run; "auto" judges.
        n_jobs: How many are to run at once; None or -1 to have it judged.
        thread_safe: Whether items may run in threads; None to judge it by what they reach.
        prefer_threads_for_io: Items that wait may run in threads whatever they reach; of items that
            compute, `thread_safe` or what they reach decides as before.
        auto_adjust_for_nested_parallelism: Fewer jobs for items that use several cores themselves.
        progress_callback: Called with what is being done ("sampling", "predicting", "done") and the
            share that is done, from 0 to 1, after each item of the sample.
        unknown: Options that there were elsewhere are refused with what does the same here.

    Raises:
        InvalidOptionError, WrongTypeError: What was asked for cannot be.
        Exception: What `func` raised for an item of the sample, with a note naming it.
    """
    _check_flags(
        prefer_threads_for_io=prefer_threads_for_io,
        auto_adjust_for_nested_parallelism=auto_adjust_for_nested_parallelism,
        progress_callback=progress_callback,
        **unknown,
    )
    options = call_options.validated(backend=backend, n_jobs=n_jobs, thread_safe=thread_safe)
    func = callables.raw(func)
    call_options.check_function(func)
    call_options.check_data((data,), call_options.name_of(func), decorated=False)
    _check_numbers(sample_size, target_chunk_duration)
    sample = Sample(func, data, sample_size, item_kwargs or {}, options)
    sample.lets_waiting_thread = prefer_threads_for_io
    tell = progress_callback or _nobody
    if not sample.indices:
        found = _of_nothing(sample)
    else:
        sample.run(tell)
        tell("predicting", 1.0)
        adjusts = auto_adjust_for_nested_parallelism
        found = result_of(sample, target_chunk_duration, adjusts=adjusts)
    tell("done", 1.0)
    if verbose:
        print(found.explain())
    return found


class Sample:
    """A few items of the data, run in this process as the caller of a map runs its own."""

    def __init__(
        self,
        func: Callable[..., Any],
        data: Any,
        size: int,
        item_kwargs: dict[str, Any],
        options: Options,
    ) -> None:
        if item_kwargs:
            from functools import partial

            func = partial(func, **item_kwargs)
        self.func, self.options = func, options
        self.data = data
        source = source_of((data,), strict=False)
        if isinstance(source, Reading) and hasattr(type(data), "__len__"):
            source = source_of((list(data),), strict=False)  # a set, a deque, a view of a dict
        self.error: Exception | None = None
        if isinstance(source, Reading):
            source.read(READ_AHEAD, READ_S)
            if source.n_read < size and not source.all_read:
                source.read(size - source.n_read, float("inf"))
            self.error = source.error
            if iter(data) is data:  # an iterator: what was read is gone from it
                self.data = _all_of(source, data)
        self.n_items = source.n_read if source.all_read and self.error is None else None
        self.indices = _spread(source.n_read, min(size, source.n_read), self.n_items is not None)
        self.items = [source.cut(i, i + 1)[0][0] for i in self.indices]
        self.task = Task(func, source=None if isinstance(source, Reading) else source.sequences)
        self.costs = ItemCosts()
        self.costs_s: list[float] = []
        self.cpu_s = self.run_delay_s = 0.0
        self.results: list[Any] = []
        self.starved_clock: StarvedClock | None = None  # while the sample runs, in this thread
        self.clock_s = 0.0  # what timing one item takes by itself
        self.watched: GilProbed | None = None
        self.takes_turns: bool | None = None  # of two threads; None: not tried
        self.lets_waiting_thread = False  # items that wait may run in threads whatever they reach
        self.n_runs = 0
        self.took_s = 0.0
        self.fork_reason = resources.why_not_fork()
        self.host: Host = inspect_host.host(self.fork_reason)
        self.job = self._surveyed_job()

    def _surveyed_job(self) -> Job:
        options = self.options
        n_jobs = None if options.n_jobs in (None, -1) else options.n_jobs
        job = Job(
            n_items=self.n_items,
            backend=call_options.environment_backend() or options.backend,
            n_jobs=n_jobs,
            inherits_items=self.task.source is not None,
        )
        if job.backend != "auto":
            return job
        return job.but(
            thread_reason=inspect_host.why_not_threads(self.func, options),
            process_reason=self._why_not_processes(),
        )

    def _why_not_processes(self) -> str | None:
        if self.fork_reason is None:
            return None
        first = self.items[0] if self.items else None
        return start_method.why_no_processes() or Payload(self.task, self.func, first).why_not()

    def run(self, tell: Callable[[str, float], object] | None = None) -> None:
        """Run each item once, timed one by one; then look at the GIL where that matters."""
        tell = tell or _nobody
        tell("sampling", 0.0)
        began = perf_counter()
        self.starved_clock = clock = StarvedClock()
        try:
            self.clock_s = sorted(self._timed(_nothing, None, []).wall_s for _ in range(9))[4]
            self.n_runs = 0
            for index, item in zip(self.indices, self.items, strict=True):
                self._run_one(index, item)
                tell("sampling", len(self.costs_s) / len(self.items))
        finally:
            self.starved_clock = None
            clock.close()
        # Not before: a thread that wants the GIL makes items pause that wait for nothing.
        if self._may_use_threads and not self.costs.waits and self._could_pay():
            watcher = GilProbe()
            try:
                self._watch_with(watcher)
            finally:
                watcher.stop()
            if self.holds_gil is False:
                self.takes_turns = self._take_turns()
        self.took_s = perf_counter() - began

    @property
    def _may_use_threads(self) -> bool:
        is_open = self.job.backend == "auto" and self.job.thread_reason is None
        return is_open and self.host.has_gil and self.host.n_cores > 1

    def _run_one(self, index: int, item: Any) -> None:
        n_modules, process_cpu_s, n_pauses = len(sys.modules), process_time(), count_pauses()
        ran = self._timed(self.func, item, self.results)
        if ran.error is not None:
            add_note(
                ran.error, f"{call_options.name_of(self.func)}: item {index} ({short_repr(item)})"
            )
            raise ran.error
        wall_s = max(1e-9, ran.wall_s - self.clock_s - ran.run_delay_s)
        self.run_delay_s += ran.run_delay_s
        cpu_s = max(0.0, ran.cpu_s - self.clock_s)
        self.costs_s.append(wall_s)
        self.cpu_s += cpu_s
        event = Inlined(
            n_items=1,
            wall_s=wall_s,
            cpu_s=cpu_s,
            process_cpu_s=process_time() - process_cpu_s,
            now_s=0.0,
            n_pauses=count_pauses() - n_pauses,
            n_modules=len(sys.modules) - n_modules,
        )
        self.costs.inlined(event, alone=True)

    def _timed(self, func: Callable[[Any], Any], item: Any, out: list[Any]) -> Ran:
        self.n_runs += 1
        was_inside = nesting.is_inside()
        nesting.enter()  # a tuned function in there is a loop, as it is in a worker
        try:
            return run_chunk(
                func,
                (item,),
                1,
                out,
                time_budget_s=float("inf"),
                cpu_clock=subprocess_time.with_thread,
                starved_clock=self.starved_clock,
            )
        finally:
            if not was_inside:
                nesting.leave()

    def _watch_with(self, watcher: GilProbe) -> None:
        """Run the same items again, beside a watcher, until it is clear whether they hold it."""
        for _ in range(WATCHED_AGAIN):
            for item in self.items:
                if self._timed(self.func, item, []).error is not None:
                    return
                self.watched = watcher.look()
                if backend_choice.verdict(self.watched) is not None:
                    return

    def _take_turns(self) -> bool:
        """Whether two threads with these items use one core between them, whatever a watcher saw.

        On a host that is busy with others it is late for a core as often as for the GIL.
        """
        from threading import Thread

        until_s = perf_counter() + BESIDE_S
        threads = [Thread(target=self._run_until, args=(until_s,), daemon=True) for _ in range(2)]
        began, began_cpu_s = perf_counter(), process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return process_time() - began_cpu_s < ONE_CORE * (perf_counter() - began)

    def _run_until(self, until_s: float) -> None:
        for item in cycle(self.items):
            if self._timed(self.func, item, []).error is not None or perf_counter() >= until_s:
                return

    def _could_pay(self) -> bool:
        """Whether, on the best assumptions, more than the caller is worth having."""
        serial_s = self.n_planned * (self.costs.mean_s or 0.0)
        price = prediction.prices_of("thread", self.host)
        return serial_s > LEAST_LEFT_S and price.pays(serial_s, self.host.n_cores - 1, 0.0)

    @property
    def busy_share(self) -> float:
        """What the sample had of a core; the host may not tell when it had none."""
        had_s, wanted_s = self.cpu_s, sum(self.costs_s) + self.run_delay_s
        return min(1.0, had_s / max(wanted_s, 1e-9))

    @property
    def n_planned(self) -> int:
        """The number of items; of data that does not tell, as many as are long work."""
        if self.n_items is not None:
            return self.n_items
        return max(len(self.items), int(ENDLESS_S / max(self.costs.mean_s or 1.0, 1e-9)))

    @property
    def holds_gil(self) -> bool | None:
        """Whether the items hold the GIL; None where it was not watched."""
        if self.watched is None or self.takes_turns:
            return self.takes_turns
        return self.watched.lag_share >= backend_choice.HOLDS_GIL_SHARE

    def weigh(self) -> PicklingMeasured:
        """What results, and an item where these have to travel too, take to be sent."""
        has_to_travel = self.task.source is None or self.fork_reason is not None
        items = self.items[:1] if has_to_travel else []
        return inspect_host.weigh(self.results[:WEIGHED_RESULTS] or [None], items)

    def where(self) -> tuple[backend_choice.Route, PicklingMeasured | None]:
        """Where the policy sends such items, and their weighing where that mattered."""
        if self.lets_waiting_thread and self.costs.waits:
            self.job = self.job.but(thread_reason=None)
        job, pickling = self.job, None
        if job.backend != "auto":
            if job.backend == "process":
                pickling = self.weigh()
            return backend_choice.Route(backend=job.backend, why="asked for"), pickling
        chosen = self._choose(None)
        if chosen.need == "weigh":
            pickling = self.weigh()
            chosen = self._choose(pickling)
        if chosen.need == "watch":  # and nobody watched
            chosen = backend_choice.serial("so little work that workers would not pay")
        return chosen, pickling

    def _choose(self, pickling: PicklingMeasured | None) -> backend_choice.Route:
        return backend_choice.choose(
            self.host,
            self.job,
            self.costs,
            pickling=pickling,
            holds_gil=self.holds_gil,
            left_s=self.n_planned * (self.costs.mean_s or 0.0),
        )


def predicted(
    sample: Sample, backend: str | None, chunk_s: float | None = None, *, adjusts: bool = True
) -> Prediction:
    """The best plan for a sample that was run; on one backend, where that is given.

    `adjusts`: items that use several cores themselves get fewer jobs.
    """
    chosen, pickling = sample.where()
    if backend is not None and chosen.backend != backend:
        chosen = backend_choice.Route(backend=backend, why="asked for")
        pickling = pickling or (sample.weigh() if backend == "process" else None)
    return prediction.predict(
        basis_of(sample, pickling),
        sample.job,
        chosen,
        inner_threads=sample.costs.inner_threads if adjusts else 1.0,
        chunk_s=chunk_s,
    )


def basis_of(sample: Sample, pickling: PicklingMeasured | None) -> prediction.Basis:
    """What a sample that was run says of all items."""
    return prediction.basis_of(
        sample.host,
        sample.costs,
        pickling,
        n_items=sample.n_planned,
        longest_s=max(sample.costs_s[1:], default=sample.costs_s[0]),
    )


def result_of(
    sample: Sample, chunk_s: float | None = None, *, adjusts: bool = True
) -> OptimizationResult:
    found = predicted(sample, None, chunk_s, adjusts=adjusts)
    plan = found.plan
    return OptimizationResult(
        n_jobs=plan.n_jobs,
        chunksize=plan.chunksize,
        reason=found.why,
        estimated_speedup=found.speedup,
        warnings=list(_warnings(sample)),
        data=sample.data,
        n_items=sample.n_items,
        n_sampled=len(sample.items),
        n_runs=sample.n_runs,
        sampled_s=sample.took_s,
        item_s=sample.costs.mean_s,
        estimated_serial_s=found.serial_s,
        executor_type=plan.backend,
    )


def _of_nothing(sample: Sample) -> OptimizationResult:
    return OptimizationResult(
        n_jobs=1,
        chunksize=1,
        reason="there is nothing to run",
        warnings=["The data is empty: there is no item to run, and nothing to predict from."],
        data=sample.data,
        n_items=sample.n_items,
        executor_type="serial",
    )


def _warnings(sample: Sample) -> Iterator[str]:
    """What makes the prediction less sure, or the plan less good than it could be."""
    costs, host = sample.costs, sample.host
    mean_s = costs.mean_s or 0.0
    if sample.n_items is None:
        yield (
            "The data does not tell how many items there are: the plan is for "
            f"{seconds(ENDLESS_S)} of work. Pass a list to have the number counted in."
        )
    if costs.warmup_s > LEAST_LEFT_S:
        yield (
            f"The first item took {seconds(costs.warmup_s)} more than the next: it was taken for "
            "a warm-up (imports, caches) and left out."
        )
    if len(sample.costs_s) > 1 and max(sample.costs_s[1:]) > UNEVEN * mean_s > 0:
        yield (
            f"The items of the sample differ ({seconds(min(sample.costs_s))} to "
            f"{seconds(max(sample.costs_s))}): a larger sample_size would tell more."
        )
    if len(sample.costs_s) == 1:
        yield "One item was run: whether it was a warm-up cannot be told. Try a larger sample_size."
    if sum(sample.costs_s) < SHORT_SAMPLE_S:
        yield (
            f"The sample took {seconds(sum(sample.costs_s))}: too little to time well. "
            "A larger sample_size would tell more."
        )
    if not costs.waits and sample.busy_share < BUSY_SHARE:
        yield (
            f"The items had {sample.busy_share:.0%} of a core: others are at work on this host, "
            "and what is predicted here holds for it as it is now."
        )
    if sample.fork_reason is not None:
        yield (
            f"Workers cannot be forked here ({sample.fork_reason}): they start from a clean "
            f"interpreter, {seconds(host.process_ready_s)} until they take work."
        )
    if sample.job.thread_reason is not None and costs.waits:
        yield f"The items wait, and threads are ruled out: {sample.job.thread_reason}."


def _nobody(_what: str, _share: float) -> None:
    """Nobody asked to be told how far it has come."""


def _nothing(_: Any) -> None:
    """An item that takes no time: what is measured of it is the measuring."""


REPLACED = {
    "use_spawn_benchmark": (
        "what starting a worker costs is measured on this host in any case, by real workers where "
        "calls have started some (`amorsize machine` shows it). Leave it out."
    ),
    "use_chunking_benchmark": (
        "what sending a chunk costs is measured on this host in any case. Leave it out; to measure "
        "chunksizes on real workers, call tune_parameters(func, data, chunksize_range=[...])."
    ),
    "profile": (
        "every result has what was seen and why: print(result.explain()), or read result.item_s, "
        "result.sampled_s, result.reason and result.warnings. Leave it out."
    ),
}


def _check_flags(**given: Any) -> None:
    """Refuse what is no option, with what does the same here, and values of the wrong type."""
    callback = given.pop("progress_callback")
    if callback is not None and not callable(callback):
        raise WrongTypeError(
            f"progress_callback={call_options.shown(callback)} is of the wrong type: it is a "
            "function "
            "of what is being done and the share that is done, or None."
        )
    for name, value in given.items():
        if name in REPLACED:
            raise WrongTypeError(f"optimize has no option {name!r}: {REPLACED[name]}")
        if name not in FLAGS:
            raise WrongTypeError(
                f"optimize has no option {name!r}. It has sample_size, target_chunk_duration, "
                f"verbose, item_kwargs, backend, n_jobs, thread_safe, {', '.join(FLAGS)} and "
                "progress_callback."
            )
        if value is not True and value is not False:
            raise WrongTypeError(
                f"{name}={call_options.shown(value)} is of the wrong type: it is True or False."
            )


FLAGS = ("prefer_threads_for_io", "auto_adjust_for_nested_parallelism")


def _check_numbers(sample_size: Any, target_chunk_duration: Any) -> None:
    if isinstance(sample_size, bool) or not isinstance(sample_size, int):
        raise WrongTypeError(
            f"sample_size={call_options.shown(sample_size)} is of the wrong type: it is the "
            "number of "
            "items to run."
        )
    if sample_size < 1:
        raise InvalidOptionError(
            f"sample_size={sample_size} is not allowed: at least 1 item has to be run."
        )
    if target_chunk_duration is None:
        return
    if isinstance(target_chunk_duration, bool) or not isinstance(
        target_chunk_duration, int | float
    ):
        raise WrongTypeError(
            f"target_chunk_duration={call_options.shown(target_chunk_duration)} is of the wrong "
            "type: "
            "it is a number of seconds, or None."
        )
    if not 0 < target_chunk_duration < float("inf"):
        raise InvalidOptionError(
            f"target_chunk_duration={target_chunk_duration} is not allowed: it is a number of "
            "seconds above 0, or None."
        )


def _spread(n_items: int, n_sampled: int, is_whole: bool) -> list[int]:
    """Places of the sample: evenly over all of the data, or its first where there may be more."""
    if not is_whole:
        return list(range(n_sampled))
    return [(2 * i + 1) * n_items // (2 * n_sampled) for i in range(n_sampled)]


def _all_of(source: Reading, rest: Iterator[Any]) -> Iterator[Any]:
    """What was read, and what an iterator has left; an error in its place."""
    read = source.cut(0, source.n_read)[0]
    if source.error is not None:
        return chain(read, _raising(source.error))
    return chain(read, rest)


def _raising(error: Exception) -> Iterator[Any]:
    raise error
    yield  # pragma: no cover - makes this a generator


def _in_words(plan: Plan) -> str:
    if plan.backend == "serial":
        return f"the loop, in the caller (n_jobs=1, chunksize={plan.chunksize})"
    kind = {"thread": "threads", "process": "worker processes"}[plan.backend]
    kind = kind if plan.n_jobs > 1 else kind.removesuffix("es").removesuffix("s")
    options = f"n_jobs={plan.n_jobs}, chunksize={plan.chunksize}"
    return f"{plan.n_jobs} {kind}, {_items(plan.chunksize)} in a chunk ({options})"


def _items(n_items: int) -> str:
    return "1 item" if n_items == 1 else f"{n_items} items"

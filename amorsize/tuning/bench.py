"""Timed runs of one plan on a part of the data.

A plan is a call of `tuned_map` with its backend, number of jobs and chunksize fixed, so it is timed
with the very workers that will run it. The loop is the caller's. Where a time limit has to hold
inside an item, the loop and threads run in a worker process instead, which can be ended.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from amorsize._engine.engine import Engine, OutOfTime
from amorsize._engine.options import call_options
from amorsize._engine.state.call import Invocation
from amorsize._host import resources
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import perf_counter
from amorsize._workers import nesting, protocol
from amorsize.errors import WorkerDied
from amorsize.policy.frozen_record import Value, inf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize._engine.options.call_options import Options
    from amorsize.policy.actions import Plan
    from amorsize.policy.trace import ChunkTrace, Trace


class Part(Value):
    """Items evenly spread over the data: every `stride`-th from `offset` on."""

    stride: int = 1
    offset: int = 0

    def n_items(self, n_all: int) -> int:
        """How many these are, of so many."""
        return len(range(self.offset, n_all, self.stride))


WHOLE = Part()


class Run(Value):
    """One plan, run once."""

    plan: Plan
    part: Part
    n_items: int  # that were done
    wall_s: float  # that it took
    whole_s: float  # that all of the data would take; infinite if it failed
    is_over_time: bool = False  # it was ended at its limit
    failure: str | None = None  # why there is no result
    work_s: float | None = None  # of its items, wherever they ran; None: they took turns at the GIL
    run_delay_share: float | None = None  # of its items' time without a core; None: cannot be told
    trace: Trace | None = None


class Bench(Protocol):
    """What strategies measure with: real workers, or a world whose truth is known."""

    n_items: int

    def now_s(self) -> float:
        """The time."""
        ...

    def run(self, plan: Plan, part: Part, longest_s: float) -> Run:
        """Run a plan once, for at most so long."""
        ...


class Workers:
    """The bench of real workers.

    Args:
        func: What is tuned, keywords bound.
        data: Its items, which can be sliced.
        is_isolated: The caller's loop and threads run in a worker process, too.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        data: Sequence[Any],
        *,
        is_isolated: bool = False,
    ) -> None:
        self.func, self.data = func, data
        self.n_items = len(data)
        self.is_isolated = is_isolated
        _load()

    def now_s(self) -> float:
        """Of a clock that only goes forward."""
        return perf_counter()

    def run(self, plan: Plan, part: Part, longest_s: float) -> Run:
        """Run a plan once; what goes wrong is told, but for what the function raises in the loop.

        Raises:
            Exception: What the function raised in the caller's loop: nothing can be tuned then.
        """
        items = sliced(self.data, part)
        if not self.is_isolated or plan.backend == "process":
            return _timed(self.func, items, self.n_items, plan, part, longest_s)
        return self._run_apart(items, plan, part, longest_s)

    def _run_apart(self, items: Any, plan: Plan, part: Part, longest_s: float) -> Run:
        """The same inside one worker process, which is ended when the time is up."""
        inside = partial(_timed_inside, self.func, items, self.n_items, plan, part)
        began = perf_counter()
        options = call_options.validated(backend="process", n_jobs=1)
        call = Apart(Invocation(func=inside, iterables=([longest_s],), options=options))
        try:
            (run,) = call.run(longest_s=longest_s)
        except OutOfTime:
            return _ended(plan, part, perf_counter() - began, 0, self.n_items)
        except Exception as error:
            reraise_from_handler(error)
            if plan.backend == "serial" and not isinstance(error, WorkerDied):
                raise
            return _failed(plan, part, perf_counter() - began, error)
        assert isinstance(run, Run)
        return run


class Measured(Engine):
    """A call whose results nobody wants, that leaves nothing behind but its trace."""

    remembers = False
    part = WHOLE  # of the data: where its items lie there

    def on_event(self, event: protocol.Event) -> None:
        """A worker that dies ends the run: its time would tell of the death."""
        if isinstance(event, protocol.WorkerLost):
            raise WorkerDied(f"a worker ended{_where(event, self.part)} with {event.how}")
        super().on_event(event)


def _where(lost: protocol.WorkerLost, part: Part) -> str:
    """The item that a worker ended in; quick ones are noted several at once."""
    if lost.suspect_item is None:
        return ""
    stops = (stop for start, stop in lost.ranges if start <= lost.suspect_item < stop)
    last = min(lost.suspect_item + lost.n_suspects, *stops, inf) - 1
    first, last = (part.offset + part.stride * int(i) for i in (lost.suspect_item, last))
    return f" in item {first}" if first == last else f" in one of the items {first} to {last}"


class Apart(Measured):
    """A whole run inside one worker process: what is lost with it is that run, and no item."""

    def on_event(self, event: protocol.Event) -> None:
        if isinstance(event, protocol.WorkerLost):
            raise WorkerDied(f"the process of this run ended with {event.how}")
        super().on_event(event)


def _timed(
    func: Callable[..., Any], items: Any, n_all: int, plan: Plan, part: Part, longest_s: float
) -> Run:
    call = Measured(Invocation(func=func, iterables=(items,), options=_options_of(plan)))
    call.part = part
    call.failures.indices = range(part.offset, n_all, part.stride)
    began = perf_counter()
    try:
        call.run(longest_s=None if longest_s == inf else longest_s)
    except OutOfTime:
        return _ended(plan, part, perf_counter() - began, call.n_done, n_all)
    except Exception as error:
        reraise_from_handler(error)
        if plan.backend == "serial":
            raise
        return _failed(plan, part, perf_counter() - began, error)
    wall_s = perf_counter() - began
    n_items = call.n_done
    assert call.trace is not None
    return Run(
        plan=plan,
        part=part,
        n_items=n_items,
        wall_s=wall_s,
        whole_s=whole_s(wall_s, call.trace.chunks, plan, n_items, n_all),
        work_s=None if plan.backend == "thread" and not _waits(call.trace) else call.trace.work_s,
        run_delay_share=_run_delay_share(call.trace, plan),
        trace=call.trace,
    )


def _timed_inside(
    func: Callable[..., Any], items: Any, n_all: int, plan: Plan, part: Part, longest_s: float
) -> Run:
    nesting.leave_process()  # this worker is where a call is made, not one of its workers
    return _timed(func, items, n_all, plan, part, longest_s)


def _options_of(plan: Plan) -> Options:
    if plan.backend == "serial":
        return call_options.validated(backend="serial")
    return call_options.validated(
        backend=plan.backend, n_jobs=plan.n_jobs, chunksize=plan.chunksize
    )


def _run_delay_share(trace: Trace, plan: Plan) -> float | None:
    """How much of the time computing items had no core, where no more of them ran than there are.

    Threads that take turns at the GIL, and items that wait, look alike and tell nothing.
    """
    may_wait = (
        _waits(trace) or plan.backend == "thread" or plan.n_jobs > resources.usable_cpus().n_cores
    )
    if may_wait or not trace.work_s:
        return None
    return max(0.0, 1.0 - trace.busy_s / trace.work_s)


def _waits(trace: Trace) -> bool:
    return trace.profile is not None and trace.profile.traits.waits


def _ended(plan: Plan, part: Part, wall_s: float, n_done: int, n_all: int) -> Run:
    """The time that a run which was ended would have taken, roughly."""
    on_the_way_s = wall_s * n_all / n_done if n_done else inf
    return Run(
        plan=plan,
        part=part,
        n_items=n_done,
        wall_s=wall_s,
        whole_s=on_the_way_s,
        is_over_time=True,
    )


def _failed(plan: Plan, part: Part, wall_s: float, error: Exception) -> Run:
    notes = getattr(error, "__notes__", [])
    where = f" ({notes[-1].splitlines()[0]})" if notes else ""
    name = "" if isinstance(error, WorkerDied) else f"{type(error).__name__}: "
    return Run(
        plan=plan,
        part=part,
        n_items=0,
        wall_s=wall_s,
        whole_s=inf,
        failure=f"{name}{error}{where}",
    )


def whole_s(
    wall_s: float, chunks: Sequence[ChunkTrace], plan: Plan, n_items: int, n_all: int
) -> float:
    """What a plan takes for all items, told from what it took for a part of them.

    Starting workers and waiting for the last one do not grow with the data; what lies between does.
    """
    if n_items == n_all or not n_items:
        return wall_s
    if plan.backend == "serial":
        return wall_s * n_all / n_items
    first_s: dict[int, float] = {}
    last_s: dict[int, float] = {}
    for chunk in chunks:
        first_s.setdefault(chunk.worker, max(0.0, chunk.now_s - chunk.wall_s))
        last_s[chunk.worker] = max(chunk.now_s, last_s.get(chunk.worker, 0.0))
    n_working = len(first_s) or 1
    head_s = sum(first_s.values()) / n_working
    tail_s = sum(wall_s - at_s for at_s in last_s.values()) / n_working
    between_s = max(wall_s - head_s - tail_s, 0.0)
    return wall_s + between_s * (n_all - n_items) / n_items


def sliced(data: Any, part: Part) -> Any:
    """A part of the data; all of it is the data itself."""
    if part.stride == 1:
        return data
    positional = getattr(data, "iloc", data)  # a pandas Series slices by label otherwise
    return positional[part.offset :: part.stride]


def _load() -> None:
    """Import what runs workers, so that no plan is charged for it."""

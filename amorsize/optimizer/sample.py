"""A run of a few items in this process, each of them measured."""

from __future__ import annotations

import sys
from time import process_time
from typing import TYPE_CHECKING, Any

from amorsize._engine import call_checks, call_options, inspect_host
from amorsize._engine.inline import count_pauses
from amorsize._engine.measuring import WEIGHED_RESULTS
from amorsize._host import resources
from amorsize._host.clocks import perf_counter
from amorsize._workers import nesting, start_method, subprocess_time
from amorsize._workers.chunk import run_chunk
from amorsize._workers.payload import Payload
from amorsize._workers.protocol import Task
from amorsize._workers.run_delay import RunDelayClock
from amorsize._workers.serialization import add_note, short_repr
from amorsize.optimizer import gil
from amorsize.optimizer.drawing import Drawn
from amorsize.policy import backend_choice, prediction
from amorsize.policy.events import GilProbed, Inlined, PicklingMeasured
from amorsize.policy.evidence.gil import HOLDS_GIL_SHARE
from amorsize.policy.evidence.item_costs import ItemCosts
from amorsize.policy.host_job import Job
from amorsize.policy.rules.choose_backend import LEAST_LEFT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._engine.call_options import Options
    from amorsize._workers.chunk import Ran
    from amorsize.policy.host_job import Host

#: Seconds of work that are planned for where the data does not tell how much there is.
ENDLESS_S = 10.0


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
        self.drawn = drawn = Drawn(data, size)
        self.items, self.n_items = drawn.items, drawn.n_items
        self.task = Task(func, source=drawn.sequences)
        self.costs = ItemCosts()
        self.costs_s: list[float] = []
        self.cpu_s = self.run_delay_s = 0.0
        self.results: list[Any] = []
        self.run_delay_clock: RunDelayClock | None = None  # while the sample runs, in this thread
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
        asked = call_options.environment_backend() or options.backend
        n_jobs = None if options.n_jobs in (None, -1) else options.n_jobs
        job = Job(
            n_items=self.n_items,
            backend="auto" if options.engine is not None else asked,  # what is measured is here
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
        tell = tell or nobody
        tell("sampling", 0.0)
        began = perf_counter()
        self.run_delay_clock = clock = RunDelayClock()
        try:
            self.clock_s = sorted(self._timed(_nothing, None, []).wall_s for _ in range(9))[4]
            self.n_runs = 0
            for index, item in zip(self.drawn.indices, self.items, strict=True):
                self._run_one(index, item)
                tell("sampling", len(self.costs_s) / len(self.items))
        finally:
            self.run_delay_clock = None
            clock.close()
        # Not before: a thread that wants the GIL makes items pause that wait for nothing.
        if self._may_use_threads and not self.costs.waits and self._could_pay():
            self.watched = gil.watched(self._rerun, self.items)
            if self.holds_gil is False:
                self.takes_turns = gil.take_turns(self._rerun, self.items)
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
                ran.error, f"{call_checks.name_of(self.func)}: item {index} ({short_repr(item)})"
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
                run_delay_clock=self.run_delay_clock,
            )
        finally:
            if not was_inside:
                nesting.leave()

    def _rerun(self, item: Any) -> bool:
        """Run an item for what is seen of it meanwhile; whether it came through."""
        return self._timed(self.func, item, []).error is None

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
        return self.watched.lag_share >= HOLDS_GIL_SHARE

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
        if chosen.need == "pickling":
            pickling = self.weigh()
            chosen = self._choose(pickling)
        if chosen.need == "gil":  # and nobody watched
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


def nobody(_what: str, _share: float) -> None:
    """Nobody asked to be told how far it has come."""


def _nothing(_: Any) -> None:
    """An item that takes no time: what is measured of it is the measuring."""

"""A run of a few items in this process, each of them measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize._engine.costs import pickling_cost, spawn_costs
from amorsize._engine.costs.measuring import WEIGHED_RESULTS
from amorsize._engine.options import call_options
from amorsize._host import resources
from amorsize._host.signals import raised_by_handler
from amorsize._host.unpatched import perf_counter
from amorsize._workers import nesting
from amorsize._workers.processes import start_method
from amorsize._workers.protocol import Task
from amorsize._workers.tasks.payload import Payload
from amorsize.optimizer import gil, sampled_call
from amorsize.optimizer.drawing import Drawn
from amorsize.optimizer.sampled_call import SampledCall
from amorsize.policy import best_backend, plan_prediction
from amorsize.policy.events import GilProbed, PicklingMeasured
from amorsize.policy.evidence.gil import HOLDS_GIL_SHARE
from amorsize.policy.evidence.item_costs import ItemCosts
from amorsize.policy.request import Request
from amorsize.policy.trivial_items import LEAST_LEFT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._engine.options.call_options import Options
    from amorsize.policy.worker_costs import Host

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
        self.watched: GilProbed | None = None
        self.takes_turns: bool | None = None  # of two threads; None: not tried
        self.lets_waiting_thread = False  # items that wait may run in threads whatever they reach
        self.n_runs = 0
        self.took_s = 0.0
        self.fork_reason = resources.why_not_fork()
        self.host: Host = spawn_costs.host(self.fork_reason)
        self.request = self._inspected_request()

    def _inspected_request(self) -> Request:
        options = self.options
        asked = call_options.environment_backend() or options.backend
        n_jobs = None if options.n_jobs in (None, -1) else options.n_jobs
        request = Request(
            n_items=self.n_items,
            # Samples run here, whoever's workers are to run the items.
            backend="auto" if options.given_workers is not None else asked,
            n_jobs=n_jobs,
            inherits_items=self.task.source is not None,
        )
        if request.backend != "auto":
            return request
        from amorsize._engine.placement.placement import why_not_threads

        return request.replace(
            thread_reason=why_not_threads(self.func, self.options),
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
        self._run_each(lambda n_done: tell("sampling", n_done / len(self.items)))
        # Not before: a thread that wants the GIL makes items pause that wait for nothing.
        if self._may_use_threads and not self.costs.waits and self._could_pay():
            self.watched = gil.watched(self._rerun, self.items)
            if self.holds_gil is False:
                self.takes_turns = gil.take_turns(self._rerun, self.items)
        self.took_s = perf_counter() - began

    def _run_each(self, tell: Callable[[int], object]) -> None:
        call = SampledCall(
            self.func,
            self.items,
            self.drawn.indices,
            clock_s=sampled_call.clock_s(),
            tell=tell,
        )
        self.results, self.costs = call.run(), call.costs
        self.costs_s = [max(1e-9, item.wall_s - item.run_delay_s) for item in call.seen]
        self.cpu_s = sum(item.cpu_s for item in call.seen)
        self.run_delay_s = sum(item.run_delay_s for item in call.seen)
        self.n_runs = len(call.seen)

    @property
    def _may_use_threads(self) -> bool:
        is_open = self.request.backend == "auto" and self.request.thread_reason is None
        return is_open and self.host.has_gil and self.host.n_cores > 1

    def _rerun(self, item: Any) -> bool:
        """Run an item for what is seen of it meanwhile; whether it came through."""
        self.n_runs += 1
        before = nesting.mark()
        nesting.enter()
        try:
            self.func(item)
        except Exception as error:
            if raised_by_handler(error):
                raise
            return False
        finally:
            nesting.leave(before)
        return True

    def _could_pay(self) -> bool:
        """Whether, on the best assumptions, more than the caller is worth having."""
        serial_s = self.n_planned * (self.costs.mean_s or 0.0)
        worker_cost = plan_prediction.worker_cost_of("thread", self.host)
        return serial_s > LEAST_LEFT_S and worker_cost.pays(serial_s, self.host.n_cores - 1, 0.0)

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
        return pickling_cost.measure(self.results[:WEIGHED_RESULTS] or [None], items, self.func)

    def where(self) -> tuple[best_backend.BackendChoice, PicklingMeasured | None]:
        """Where the policy sends such items, and their weighing where that mattered."""
        if self.lets_waiting_thread and self.costs.waits:
            self.request = self.request.replace(thread_reason=None)
        request, pickling = self.request, None
        if request.backend != "auto":
            if request.backend == "process":
                pickling = self.weigh()
            return best_backend.BackendChoice(backend=request.backend, why="asked for"), pickling
        chosen = self._choose(None)
        if chosen.need == "pickling":
            pickling = self.weigh()
            chosen = self._choose(pickling)
        if chosen.need == "gil":  # and nobody watched
            chosen = best_backend.serial("so little work that workers would not pay")
        return chosen, pickling

    def _choose(self, pickling: PicklingMeasured | None) -> best_backend.BackendChoice:
        return best_backend.choose(
            self.host,
            self.request,
            self.costs,
            pickling=pickling,
            holds_gil=self.holds_gil,
            left_s=self.n_planned * (self.costs.mean_s or 0.0),
        )


def nobody(_what: str, _share: float) -> None:
    """Stands in for a progress callback that was not given."""

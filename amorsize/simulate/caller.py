"""Spends the caller's time on what is not items: starting, sending, collecting."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from amorsize.simulate.chunks import Items, Place, Ran

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.policy import actions as do
    from amorsize.simulate.clocks import Cores
    from amorsize.simulate.pool import Pool
    from amorsize.simulate.reporting import Costs, Reporter
    from amorsize.simulate.world import World

    Then = Callable[[], None]

#: Share of the modules to load that inspecting the host needs.
INSPECTION_LOADS = 0.35

#: Share of the modules to load that measuring pickling needs.
WEIGHING_LOADS = 0.15


class Caller:
    """One thing after the other, each of which takes CPU time.

    Args:
        world: What there is.
        cores: Where the caller computes.
        items: Where chunks are taken from.
        pool: The workers.
        costs: What each thing takes.
        reporter: Reports to the policy what happened.
    """

    def __init__(
        self, world: World, cores: Cores, items: Items, pool: Pool, costs: Costs, reporter: Reporter
    ) -> None:
        self.world, self.cores, self.items = world, cores, items
        self.pool, self.costs, self.reporter = pool, costs, reporter
        #: The caller has run an item, and so loaded what items load.
        self.is_warm = False
        #: Items whose results are there.
        self.n_done = 0

    def spend(self, work_s: float, *then: Then) -> None:
        """Keep the caller busy for a time, then call what follows."""
        self.cores.work(self.cores.ops, work_s, self._spent, then)

    def send(self, action: do.Send, then: Then, came_back: Callable[[Any], None]) -> None:
        """Send a chunk; `came_back` is called where nobody lives at its worker any more."""
        start, stop = self.items.take(action.n_items)
        worker = self.pool.workers[action.worker]
        self.pool.n_in_flight += 1

        def arrives(chunk: tuple[Place, int, int, float]) -> None:
            if not self.pool.deliver(*chunk):
                came_back(None)

        def leaves() -> None:
            arrives_s = self.cores.now_s + self.costs.latency_s(worker.backend)
            self.cores.at(arrives_s, arrives, (worker, start, stop, action.time_budget_s))

        self.spend(self.costs.send_s(worker.backend, stop - start), leaves, then)

    def enqueue(self, n_items: int, then: Then) -> None:
        """Put a chunk where any worker takes it."""
        start, stop = self.items.take(n_items)
        self.pool.n_in_flight += 1
        work_s = (self.world.dispatch_s + self.world.pickle_s * (stop - start)) / 2
        self.spend(work_s, partial(self.pool.enqueue, start, stop), then)

    def start(self, backend: str, then: Then) -> None:
        """Start a worker."""

        def starts() -> None:
            worker = self.pool.add(backend, is_warm=self.is_warm)
            self.reporter.started(worker, self.costs.start_s(backend))

        self.spend(self.costs.start_s(backend), starts, then)

    def collect(self, message: Ran | Place, *then: Then) -> None:
        """Read what a worker has sent, and pass it on to the policy."""
        if isinstance(message, Place):
            worker, n_items = message, 0
        else:
            worker, n_items = message.place, message.n_items
        work_s = self.costs.send_s(worker.backend, n_items)
        self.spend(work_s, partial(self._collected, message), *then)

    def inspect_host(self, then: Then) -> None:
        """Find out what the host has."""
        work_s = self.costs.load_s(INSPECTION_LOADS) + self.world.inspect_s
        self.spend(work_s, lambda: self.reporter.inspected(self.costs.to_load_s), then)

    def measure_pickling(self, then: Then) -> None:
        """Find out what it takes to send an item."""
        work_s = self.costs.load_s(WEIGHING_LOADS) + self.world.weigh_s + 4 * self.world.pickle_s
        self.spend(work_s, self.reporter.pickling_measured, then)

    def _spent(self, then: tuple[Then, ...]) -> None:
        self.cores.stops(self.cores.ops)
        for act in then:
            act()

    def _collected(self, message: Ran | Place) -> None:
        if isinstance(message, Place):
            self.reporter.ready(message)
            return
        self.pool.n_in_flight -= 1
        self.n_done += message.n_items
        self.items.give_back(message.end, message.sent)
        self.reporter.reported(message)

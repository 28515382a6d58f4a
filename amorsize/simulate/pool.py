"""The simulated workers of a call, from their start to their death."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from amorsize.policy.frozen_record import inf
from amorsize.simulate.chunks import Items, Place, Runner
from amorsize.simulate.clocks import Cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.simulate.world import World

#: A thread can take its first chunk this long after its start.
THREAD_READY_S = 20e-6


class Pool:
    """All workers.

    Args:
        world: What there is.
        cores: Where they start.
        items: Where those go back that a worker does not run.
        runner: Runs their chunks.
        came_up: Called with each worker that has begun to live.
    """

    def __init__(
        self,
        world: World,
        cores: Cores,
        items: Items,
        runner: Runner,
        came_up: Callable[[Place], None],
    ) -> None:
        self.world, self.cores, self.items, self.runner = world, cores, items, runner
        #: By number, the dead ones as well.
        self.workers: list[Place] = []
        #: How many were started, by backend.
        self.n_started: dict[str, int] = {}
        #: Workers that are not up yet.
        self.n_starting = 0
        #: Chunks that are on their way to a worker, with it, or on their way back.
        self.n_in_flight = 0
        self._shared: deque[tuple[int, int, float]] = deque()  # for whoever is free
        self._came_up = came_up

    def add(self, backend: str, *, is_warm: bool) -> Place:
        """Start a worker; `is_warm` where it may inherit what a first item has loaded."""
        inherits = backend != "process" or self.world.is_forked
        worker = Place(len(self.workers), backend, is_cold=not (inherits and is_warm))
        self.workers.append(worker)
        self.n_started[backend] = self.n_started.get(backend, 0) + 1
        self.runner.has_threads |= backend == "thread"
        self.n_starting += 1
        ready_s = self.world.ready_s if backend == "process" else THREAD_READY_S
        self.cores.work(self.cores.ops, ready_s, self._comes_up, worker)
        return worker

    def begin(self, worker: Place) -> None:
        """Have a free worker take what it was sent, or what any worker may take."""
        chunks = worker.in_flight or self._shared
        if not chunks or not worker.is_up or worker.chunk is not None or not worker.is_alive:
            return
        start, stop, time_budget_s = chunks.popleft()
        remote_s = self.world.remote_pickle_s if worker.backend == "process" else 0.0
        self.runner.run(worker, start, stop, time_budget_s, remote_s * (stop - start))

    def deliver(self, worker: Place, start: int, stop: int, time_budget_s: float) -> bool:
        """A chunk arrives at its worker; False where nobody lives there any more."""
        if not worker.is_alive:
            self.n_in_flight -= 1
            self.items.give_back(start, stop)
            return False
        worker.in_flight.append((start, stop, time_budget_s))
        self.begin(worker)
        return True

    def enqueue(self, start: int, stop: int) -> None:
        """A chunk is there for whoever is free."""
        self._shared.append((start, stop, inf))
        for worker in self.workers:
            self.begin(worker)

    def retire(self, number: int) -> None:
        """A worker that has nothing to do ends."""
        self.workers[number].is_alive = False

    def kill(self, number: int) -> bool:
        """A worker dies with all it has; False where there is none of that number."""
        if number >= len(self.workers) or not self.workers[number].is_alive:
            return False
        worker = self.workers[number]
        worker.is_alive, worker.version = False, worker.version + 1
        lost = [(start, stop) for start, stop, _ in worker.in_flight]
        if worker.chunk is not None:
            lost.append((worker.chunk[0], worker.chunk[2]))
            worker.chunk = None
            self.cores.stops(self.runner.clock_of(worker))
        self.n_in_flight -= len(lost)
        worker.in_flight.clear()
        for start, stop in lost:
            self.items.give_back(start, stop)
        return True

    def _comes_up(self, worker: Place) -> None:
        self.cores.stops(self.cores.ops)
        self.n_starting -= 1
        worker.is_up = True
        self.begin(worker)
        self._came_up(worker)

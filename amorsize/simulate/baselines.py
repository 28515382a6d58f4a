"""Policies for a simulated call: the tuner, the loop, a fixed plan, another library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize.policy.actions import RunInline, StartWorker, Wait
from amorsize.policy.events import Died, Report, Status
from amorsize.policy.frozen_record import inf
from amorsize.policy.request import Request
from amorsize.policy.tuner import Tuner
from amorsize.simulate.engine import Enqueue

if TYPE_CHECKING:
    from amorsize.policy.profile import Profile
    from amorsize.simulate.world import World

#: joblib aims at batches that last this long.
JOBLIB_LEAST_S, JOBLIB_MOST_S = 0.2, 2.0


class Serial:
    """The loop."""

    def tell(self, event: Any) -> None:
        """Nothing is learned."""

    def next(self, status: Status) -> Any:
        """Run all items at once."""
        return RunInline(n_items=status.n_left, time_budget_s=inf)


class Fixed:
    """So many workers and so many items a chunk; each has its next chunk in advance.

    Work begins as soon as the first worker is there, which makes this a stronger baseline than
    pools that start all of theirs first.
    """

    def __init__(self, n_jobs: int, chunksize: int, *, ahead: int = 2, backend: str = "process"):
        self.n_jobs, self.chunksize, self.ahead = n_jobs, max(1, chunksize), ahead
        self.backend = backend
        self.n_started = self.n_out = 0

    def tell(self, event: Any) -> None:
        """Count what is out; a worker that died is replaced, and its chunk is handed out again."""
        if isinstance(event, Report | Died) and self.n_out:
            self.n_out -= 1
        if isinstance(event, Died):
            self.n_started -= 1

    def next(self, status: Status) -> Any:
        """Feed those that are there, then start one more."""
        if status.n_left and self.n_out < self.ahead * self.n_started:
            return self._chunk(status)
        if self.n_started < self.n_jobs:
            self.n_started += 1
            return StartWorker(backend=self.backend)
        return Wait(reason="workers are busy")

    def _chunk(self, status: Status) -> Enqueue:
        self.n_out += 1
        return Enqueue(n_items=min(self.chunksize, status.n_left))


class PoolMap(Fixed):
    """`multiprocessing.Pool.map`: a quarter of each worker's share a chunk, all queued at once."""

    def __init__(self, n_jobs: int, n_items: int):
        chunksize, rest = divmod(n_items, n_jobs * 4)
        super().__init__(n_jobs, chunksize + bool(rest))

    def next(self, status: Status) -> Any:
        """Start all workers, then queue everything."""
        if self.n_started < self.n_jobs:
            self.n_started += 1
            return StartWorker(backend=self.backend)
        return self._chunk(status) if status.n_left else Wait(reason="workers are busy")


class OneByOne(PoolMap):
    """`chunksize=1`, the default of `ProcessPoolExecutor.map`: all workers start first."""

    def __init__(self, n_jobs: int, n_items: int):
        super().__init__(n_jobs, n_items)
        self.chunksize = 1


class Joblib(Fixed):
    """joblib's automatic batches: doubled while they are shorter than 0.2 s, shrunk above 2 s.

    Source: `joblib.parallel.AutoBatchingMixin`, joblib 1.4.
    """

    def __init__(self, n_jobs: int, n_items: int):  # noqa: ARG002 - made like the others
        super().__init__(n_jobs, 1)
        self._smoothed_s = 0.0

    def tell(self, event: Any) -> None:
        """Smooth how long batches of the present size take."""
        super().tell(event)
        if isinstance(event, Report) and event.n_items == self.chunksize:
            old_s = self._smoothed_s
            self._smoothed_s = event.wall_s if not old_s else 0.8 * old_s + 0.2 * event.wall_s

    def next(self, status: Status) -> Any:
        """Start all workers, then keep two batches for each of them out."""
        if self.n_started < self.n_jobs:
            self.n_started += 1
            return StartWorker(backend=self.backend)
        if status.n_left and self.n_out < self.ahead * self.n_jobs:
            self._resize()
            return self._chunk(status)
        return Wait(reason="workers are busy")

    def _resize(self) -> None:
        old, took_s = self.chunksize, self._smoothed_s
        ideal = int(old * JOBLIB_LEAST_S / took_s) if took_s else old
        if 0 < took_s < JOBLIB_LEAST_S:
            self.chunksize = max(1, min(2 * old, 2 * ideal))
        elif took_s > JOBLIB_MOST_S and old >= 2:
            self.chunksize = max(1, 2 * ideal)
        if self.chunksize != old:
            self._smoothed_s = 0.0


def baseline_policies(world: World) -> dict[str, Any]:
    """Makers of each baseline with as many workers as there are cores, by name."""
    n_jobs, n_items = world.n_cores_told or world.n_cores, len(world.costs_s)
    return {
        "loop": Serial,
        "Pool.map": lambda: PoolMap(n_jobs, n_items),
        "joblib": lambda: Joblib(n_jobs, n_items),
        "chunksize=1": lambda: OneByOne(n_jobs, n_items),
    }


def tuner_for(world: World, known: Profile | None = None) -> Tuner:
    """The tuner as `tuned_map` begins with it: the host is inspected when it asks for that."""
    n_items = len(world.costs_s) if world.is_length_known else None
    n_cores = world.n_cores_told or world.n_cores
    request = Request(n_items=n_items, n_cores_most=n_cores, inherits_items=world.is_forked)
    return Tuner(None, request, known)

"""The workers of a call, with what each has to do.

A tuner asks this at every decision, so nothing here takes longer with more workers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.policy.events import Report, Started
    from amorsize.policy.evidence.executor_speeds import WorkerSpeeds

#: Chunks that are with one worker: the one it runs, and the next.
MOST_QUEUED = 2


class WorkerState:
    """What the tuner knows of one worker."""

    __slots__ = (
        *("backend", "is_alive", "is_cold", "is_ready", "n_queued", "n_reports", "number", "rank"),
    )

    def __init__(self, number: int, backend: str, *, is_cold: bool) -> None:
        self.number, self.backend = number, backend
        #: Whether it still has to load what a first item loads.
        self.is_cold = is_cold
        self.is_ready, self.is_alive = False, True
        #: Chunks that are with it.
        self.n_queued = 0
        #: Chunks that it has reported.
        self.n_reports = 0
        #: Its place among those of its pool that are ready.
        self.rank = -1


class Pool:
    """The living workers of one backend."""

    def __init__(self) -> None:
        self.ready: list[WorkerState] = []  # by rank: in the order in which they became ready
        self.n_alive = 0
        self.n_busy = 0  # that have a chunk
        self.n_reporting = 0  # that have delivered
        self._by_load = [0] * MOST_QUEUED  # those with so many chunks: a bit for each rank

    @property
    def has_idle(self) -> bool:
        """Whether one could take a chunk at once, parked or not."""
        return self._by_load[0] != 0

    @property
    def last_idle(self) -> WorkerState | None:
        """The last of those that have nothing to do."""
        ranks = self._by_load[0]
        return self.ready[ranks.bit_length() - 1] if ranks else None

    def least_loaded(
        self, n_active: int | None, n_most_queued: int = MOST_QUEUED
    ) -> WorkerState | None:
        """The first of those with the fewest chunks, and fewer than so many.

        Args:
            n_active: The first so many may get chunks, the others are parked; None: all may.
            n_most_queued: With so many chunks a worker has enough.
        """
        active = -1 if n_active is None else (1 << n_active) - 1
        for ranks in self._by_load[:n_most_queued]:
            if ranks & active:
                return self.ready[lowest_bit(ranks & active)]
        return None

    def add(self, worker: WorkerState) -> None:
        """A worker became ready."""
        worker.is_ready, worker.rank = True, len(self.ready)
        self.ready.append(worker)
        self.loaded(worker)

    def loaded(self, worker: WorkerState) -> None:
        """A worker's chunks have become more or fewer."""
        if not worker.is_ready:
            return
        bit = 1 << worker.rank
        for load in range(MOST_QUEUED):
            self._by_load[load] &= ~bit
        if worker.n_queued < MOST_QUEUED:
            self._by_load[worker.n_queued] |= bit

    def lose(self, worker: WorkerState) -> None:
        """A worker has ended: those behind it move up."""
        self.n_alive -= 1
        self.n_busy -= worker.n_queued > 0
        self.n_reporting -= worker.n_reports > 0
        if not worker.is_ready:
            return
        self.ready.remove(worker)
        self._by_load = [0] * MOST_QUEUED
        for rank, one in enumerate(self.ready):
            one.rank = rank
            self.loaded(one)


def lowest_bit(bits: int) -> int:
    """The number of the lowest bit that is set."""
    return (bits & -bits).bit_length() - 1


class WorkerTable:
    """The workers of a call."""

    def __init__(self) -> None:
        self._states: dict[int, WorkerState] = {}
        self._pools: dict[str | None, Pool] = {}
        self.n_started = self.n_alive = 0
        #: Chunks that are with workers.
        self.n_in_flight = 0
        #: When the first thread was started.
        self.threads_since_s: float | None = None
        #: When the last worker was started before the first item.
        self.early_start_s = 0.0
        #: When the first item was sent to such a worker.
        self.early_sent_s: float | None = None
        #: A worker ended while it was wanted: nothing more is run in the caller.
        self.has_lost_one = False
        #: Workers that have grown too large are being replaced.
        self.is_replacing = False
        #: How fast they are beside each other. None: they share this machine.
        self.speeds: WorkerSpeeds | None = None

    def __iter__(self) -> Iterator[WorkerState]:
        """Those that live."""
        return (worker for worker in self._states.values() if worker.is_alive)

    def of(self, backend: str | None) -> Pool:
        """Those of one backend."""
        pool = self._pools.get(backend)
        if pool is None:
            pool = self._pools[backend] = Pool()
        return pool

    def rank_of(self, number: int) -> int:
        """Its place in its pool."""
        return self._states[number].rank

    def n_busy_beside(self, pool: Pool) -> int:
        """Workers of other pools that have a chunk."""
        if len(self._pools) == 1:
            return 0
        return sum(one.n_busy for one in self._pools.values() if one is not pool)

    def add(self, event: Started, *, is_cold: bool) -> None:
        """A worker was started."""
        self._states[event.worker] = WorkerState(event.worker, event.backend, is_cold=is_cold)
        self.of(event.backend).n_alive += 1
        self.n_started += 1
        self.n_alive += 1
        if event.backend == "thread" and self.threads_since_s is None:
            self.threads_since_s = event.now_s

    def ready(self, number: int) -> None:
        """A worker can take chunks."""
        worker = self._states[number]
        if worker.is_alive and not worker.is_ready:
            self.of(worker.backend).add(worker)

    def send(self, worker: WorkerState) -> None:
        """A chunk is on its way to a worker."""
        pool = self.of(worker.backend)
        pool.n_busy += not worker.n_queued
        worker.n_queued += 1
        self.n_in_flight += 1
        pool.loaded(worker)

    def report(self, event: Report) -> bool:
        """A worker has reported; whether it was a cold one that did for the first time."""
        worker = self._states[event.worker]
        pool = self.of(worker.backend)
        worker.n_reports += 1
        is_first = worker.n_reports == 1
        if event.n_sent:  # the last part of a chunk
            worker.n_queued -= 1
        if worker.is_alive:
            pool.n_reporting += is_first
            if event.n_sent:
                self.n_in_flight -= 1
                pool.n_busy -= not worker.n_queued
                pool.loaded(worker)
        return worker.is_cold and is_first

    def backend_of(self, number: int) -> str:
        """Where a worker runs: "thread" or "process"."""
        return self._states[number].backend

    def lose(self, number: int) -> None:
        """A worker has ended, or gets nothing more to do."""
        worker = self._states[number]
        if not worker.is_alive:
            return
        worker.is_alive = False
        self.n_alive -= 1
        self.n_in_flight -= worker.n_queued
        self.of(worker.backend).lose(worker)

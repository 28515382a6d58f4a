"""Chunks on their way to an engine, with the processes that they are for."""

from __future__ import annotations

from amorsize._host.clocks import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._clusters.protocol import ClusterAdapter, Process
    from amorsize._workers.protocol import Chunk


class Job:
    """A chunk that was submitted, or waits for a process that can take it."""

    __slots__ = (
        *("chunk", "handle", "is_called_back", "items", "key", "process", "time_budget_s"),
        *("back_s", "is_first", "sent_s", "unsure_since_s", "worker"),
    )

    def __init__(self, worker: int, chunk: Chunk, time_budget_s: float, items: bytes) -> None:
        self.worker, self.chunk = worker, chunk
        self.time_budget_s, self.items = time_budget_s, items
        self.handle: Any = None
        self.process: Process | None = None
        self.key = b""  # of the task it was last sent with
        self.is_called_back = False
        #: On the clock of `perf_counter`, and whether its worker had nothing else to do.
        self.sent_s = self.back_s = 0.0
        self.is_first = False
        #: When it was cancelled by somebody else, on the clock of `perf_counter`.
        self.unsure_since_s: float | None = None

    @property
    def range(self) -> tuple[int, int]:
        """Its items."""
        return self.chunk.start, self.chunk.stop


class Lost:
    """What a worker of the call has lost with a process of the engine."""

    __slots__ = ("begun", "how", "unstarted")

    def __init__(self, how: str) -> None:
        self.how = how
        self.begun: list[tuple[int, int]] = []  # any item of which may have been running
        self.unstarted: list[tuple[int, int]] = []


class Processes:
    """Which worker of a call stands for which process of an engine.

    Args:
        adapter: Of the engine.
        one_per_process: Whether threads of one process run one chunk at a time.
        is_single: Whether no chunk may wait behind another in a process.
    """

    def __init__(self, adapter: ClusterAdapter, *, one_per_process: bool, is_single: bool) -> None:
        self._adapter = adapter
        self._one_per_process, self._is_single = one_per_process, is_single
        self._process_of: dict[int, Process] = {}
        self._there: tuple[Process, ...] = ()
        self._looked_at: tuple[Process, ...] | None = None
        #: From the first death on: who shares a process with whom is to blame?
        self.is_apart = False
        self._none_since_s: float | None = None

    def free_for(self, worker: int, in_flight: set[Job]) -> Process | None:
        """The process for a worker's next chunk; None: it has to wait."""
        there = self._adapter.processes()
        if there != self._there:  # new ones get their share
            self._there = there
            self._process_of.clear()
        process = self._process_of.get(worker)
        if process not in there:
            process = self._least_used(there, in_flight)
            if process is None:
                return None
            self._process_of[worker] = process
        n_most = self._n_most(process)
        if n_most is not None and sum(one.process == process for one in in_flight) >= n_most:
            return None
        return process

    def _n_most(self, process: Process) -> int | None:
        """Chunks that may be there at once."""
        if self.is_apart:
            return 1
        if not self._is_single:
            return None
        return 1 if self._one_per_process else process.n_threads

    def _least_used(self, there: tuple[Process, ...], in_flight: set[Job]) -> Process | None:
        if not there:
            return None
        used = [one.process for one in in_flight] + list(self._process_of.values())
        return min(there, key=lambda one: used.count(one) / self._width(one))

    def _width(self, process: Process) -> int:
        return 1 if self._one_per_process else max(1, process.n_threads)

    def gone(self, in_flight: set[Job]) -> list[Job]:
        """The chunks whose process is there no more, the oldest first."""
        there = self._adapter.processes()
        if there is self._looked_at:  # chunks that were sent since are for these
            return []
        self._looked_at = there
        gone = [one for one in in_flight if one.process is not None and one.process not in there]
        for worker, process in tuple(self._process_of.items()):
            if process not in there:
                del self._process_of[worker]
        return sorted(gone, key=lambda one: one.chunk.start)

    def forget(self, worker: int) -> None:
        """A worker of the call is no more."""
        self._process_of.pop(worker, None)

    def none_for_s(self) -> float:
        """Seconds for which there has been no process at all."""
        if self._adapter.processes():
            self._none_since_s = None
            return 0.0
        if self._none_since_s is None:
            self._none_since_s = perf_counter()
        return perf_counter() - self._none_since_s

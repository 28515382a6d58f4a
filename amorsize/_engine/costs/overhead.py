"""Measures what workers cost a call beyond its items.

A new process begins with the figures of one machine. For the caller, a chunk costs mostly deciding,
unpacking and bookkeeping, several times the way through a pipe. That can only be measured in calls.
"""

from __future__ import annotations

from time import thread_time

from amorsize._host.unpatched import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The most bytes of results in a mean chunk. With more, reading costs by the bytes.
SMALL_BYTES = 4096
#: The largest share of pickling in the cost of a chunk. Pickling is known from a few results only,
#: so above this share the rest is mostly its error.
MOST_PICKLED = 0.2
#: The fewest chunks. With fewer, what is done once in a call outweighs the cost of the chunks.
LEAST_CHUNKS = 16


class OverheadMeter:
    """Measures CPU time of the caller, from its first worker to the end of the call."""

    def __init__(self) -> None:
        self._backend = ""  # of the first worker; a call with two backends is not measured
        self._is_mixed = False
        self._began_s: float | None = None
        self._other_s = 0.0  # of this, for items and starts rather than for serving workers
        self._n_chunks = self._n_items = self._n_bytes = 0
        self._starts_s: list[float] = []
        self._started_at: dict[int, float] = {}
        self._readies_s: list[float] = []
        self._ending_s = 0.0  # of all workers
        self._serving_s = 0.0  # CPU time while there were workers to serve

    def started(self, worker: int, backend: str, began: float, began_cpu_s: float) -> None:
        """Note that a worker was started, between a moment and now."""
        now, now_cpu_s = perf_counter(), thread_time()
        if self._began_s is None:
            self._began_s, self._backend = now_cpu_s, backend
        else:
            self._other_s += now_cpu_s - began_cpu_s
        self._is_mixed |= backend != self._backend
        self._starts_s.append(now - began)
        self._started_at[worker] = now

    def ready(self, worker: int) -> None:
        """Note that a worker can take work."""
        if (started_at := self._started_at.pop(worker, None)) is not None:
            self._readies_s.append(perf_counter() - started_at)

    def spent(self, cpu_s: float) -> None:
        """Note CPU seconds of the caller's own items."""
        if self._began_s is not None:
            self._other_s += cpu_s

    def served(self, n_items: int, n_bytes: int | None = None) -> None:
        """Note that a chunk has come back, and the bytes of its results if they were sent."""
        self._n_chunks += 1
        self._n_items += n_items
        self._n_bytes += n_bytes or 0

    def over(self) -> None:
        """Note that all is done except ending the workers."""
        if self._began_s is not None:
            self._serving_s = thread_time() - self._began_s - self._other_s

    def ended(self, seconds: float) -> None:
        """Note the seconds that it took to end the workers."""
        self._ending_s += seconds

    def costs_s(self, *, forks: bool, pickle_s: float, starts: bool = True) -> dict[str, Any]:
        """The measured costs, by the names of `resources.learn_costs`.

        Args:
            forks: Whether processes are forked.
            pickle_s: Seconds to send an item and read its result, which are no cost of the chunk.
            starts: Whether workers were started for the call; else they had waited for it.
        """
        if self._began_s is None or self._is_mixed:
            return {}
        start_s = _median_low(self._starts_s) + self._ending_s / len(self._starts_s)
        if self._backend == "thread":
            seen = {"thread_start_s": start_s}
        elif forks:
            seen = {"start_s": start_s, "ready_s": _median_low(self._readies_s)}
        else:
            return {}
        seen = seen if starts else {}
        serving_s = self._serving_s
        pickling_s = self._n_items * pickle_s
        is_small = self._n_bytes <= self._n_chunks * SMALL_BYTES
        is_light = is_small and pickling_s < MOST_PICKLED * serving_s
        if self._n_chunks >= LEAST_CHUNKS and is_light:
            name = "thread_dispatch_s" if self._backend == "thread" else "dispatch_s"
            seen[name] = (serving_s - pickling_s) / self._n_chunks
        return seen


def _median_low(values: list[float]) -> float:
    """The low median, as a first fork is costly; 0.0 for no value, which is never learned."""
    return sorted(values)[(len(values) - 1) // 2] if values else 0.0

"""Runs chunks of items on simulated cores, each within its time budget."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from amorsize.policy.frozen_record import inf
from amorsize.simulate.clocks import Clock, Cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.simulate.world import World

#: Noise of the host stays as it is for this long.
JITTER_S = 10e-3


class Items:
    """The items that nobody has yet."""

    def __init__(self, n_items: int) -> None:
        #: Items of the call.
        self.n_items = n_items
        #: The first item that nobody had.
        self.next_item = 0
        self._back: list[tuple[int, int]] = []  # what was handed back
        self._n_back = 0

    @property
    def n_left(self) -> int:
        """Items nobody has."""
        return self.n_items - self.next_item + self._n_back

    def take(self, n_items: int) -> tuple[int, int]:
        """The first and the last of so many, or of fewer where they were handed back."""
        if self._back:
            start, stop = self._back.pop()
            end = min(stop, start + n_items)
            if end < stop:
                self._back.append((end, stop))
            self._n_back -= end - start
            return start, end
        start = self.next_item
        self.next_item = min(self.n_items, start + n_items)
        return start, self.next_item

    def give_back(self, start: int, stop: int) -> None:
        """Items that were not run."""
        if start < stop:
            self._back.append((start, stop))
            self._n_back += stop - start


class Place:
    """Where items run: a worker, or the caller."""

    __slots__ = (
        "backend",
        "began_cpu_s",
        "began_done_s",
        "began_s",
        "chunk",
        "extra_s",
        "in_flight",
        "is_alive",
        "is_cold",
        "is_up",
        "number",
        "scale",
        "version",
    )

    def __init__(self, number: int, backend: str, *, is_cold: bool) -> None:
        self.number, self.backend, self.is_cold = number, backend, is_cold
        self.is_up, self.is_alive = False, True
        #: Chunks that have arrived here: start, stop, time budget.
        self.in_flight: deque[tuple[int, int, float]] = deque()
        #: The chunk that is running: its start, where it ends, where it was to end.
        self.chunk: tuple[int, int, int] | None = None
        #: Counts the versions of the chunk: events that were planned for an earlier one are void.
        self.version = 0
        self.began_s = self.began_done_s = self.began_cpu_s = self.extra_s = 0.0
        self.scale = 1.0


class Ran(NamedTuple):
    """A chunk, or the part of it that was run."""

    place: Place
    start: int
    end: int
    #: Where the chunk was to end.
    sent: int
    wall_s: float
    cpu_s: float

    @property
    def n_items(self) -> int:
        """Items that were run."""
        return self.end - self.start


class Runner:
    """Runs chunks at all places of a call.

    Args:
        world: What there is.
        cores: Where it computes.
        ran: Called with each chunk that has ended.
    """

    def __init__(self, world: World, cores: Cores, ran: Callable[[Ran], None]) -> None:
        self.world, self.cores = world, cores
        #: Threads were started: where items hold the GIL, they take turns from then on.
        self.has_threads = False
        #: Items start..stop and the worker that ran them, -1 for the caller.
        self.runs: list[tuple[int, int, int]] = []
        #: CPU seconds of all items.
        self.item_cpu_s = 0.0
        self._sums_s = [0.0, *accumulate(world.costs_s)]
        self._noise = world.random("jitter")
        self._tell = ran

    def clock_of(self, place: Place) -> Clock:
        """Threads that hold the GIL take turns, and the caller with them."""
        if self.world.waits or not self.world.holds_gil or not self.has_threads:
            return self.cores.items
        return self.cores.items if place.backend == "process" else self.cores.gil

    def run(
        self, place: Place, start: int, stop: int, time_budget_s: float, extra_s: float
    ) -> None:
        """A place begins a chunk, which takes `extra_s` beside its items."""
        cores, sums_s = self.cores, self._sums_s
        place.chunk = (start, stop, stop)
        place.scale = self._jitter(sums_s[stop] - sums_s[start])
        place.extra_s = extra_s
        if place.is_cold:
            place.extra_s += self.world.warmup_s
            place.is_cold = False
        clock = self.clock_of(place)
        place.began_s, place.began_done_s = cores.now_s, clock.done_s
        place.began_cpu_s = cores.gil_cpu_s if clock is cores.gil else cores.cpu_s
        place.version += 1
        work_s = (sums_s[stop] - sums_s[start]) * place.scale + place.extra_s
        cores.work(clock, work_s, self._ran, (place, place.version, clock))
        if time_budget_s != inf and stop - start > 1:
            ends_s = cores.now_s + time_budget_s
            cores.at(ends_s, self._budget_ends, (place, place.version, clock))

    def _jitter(self, work_s: float) -> float:
        """By what factor a chunk is off: noise of one moment, which a long chunk averages out.

        One draw for a loop of seconds would let the best of 60 plans win by luck.
        """
        sigma = self.world.jitter / max(1.0, work_s / JITTER_S) ** 0.5
        return self._noise.lognormvariate(0.0, sigma) if sigma else 1.0

    def _budget_ends(self, what: tuple[Place, int, Clock]) -> None:
        """Time is up: the chunk ends with the item that is being run."""
        place, version, clock = what
        if place.version != version or place.chunk is None:
            return
        sums_s, (start, stop, sent) = self._sums_s, place.chunk
        done_s = (clock.done_s - place.began_done_s - place.extra_s) / place.scale
        target_s = sums_s[start] + max(0.0, done_s)
        end = max(start + 1, bisect_left(sums_s, target_s, start + 1, stop))
        if end >= stop:
            return
        place.chunk = (start, end, sent)
        place.version += 1
        clock.n_running -= 1  # what is due for the whole chunk is void, see `_ran`
        work_s = (sums_s[end] - sums_s[start]) * place.scale + place.extra_s
        left_s = work_s - (clock.done_s - place.began_done_s)
        self.cores.work(clock, max(0.0, left_s), self._ran, (place, place.version, clock))

    def _ran(self, what: tuple[Place, int, Clock]) -> None:
        """A place has run its chunk, or as much of it as its time budget allowed."""
        place, version, clock = what
        if place.version != version or place.chunk is None:
            return
        world, cores, (start, end, sent) = self.world, self.cores, place.chunk
        place.chunk = None
        cores.stops(clock)
        wall_s = cores.now_s - place.began_s
        cpu_s = (cores.gil_cpu_s if clock is cores.gil else cores.cpu_s) - place.began_cpu_s
        if world.waits:
            cpu_s = world.cpu_share * wall_s
        if place.backend == "process" and world.remote_pickle_s:  # told apart from the items
            pickled_s = world.remote_pickle_s * (end - start)
            items_s = (self._sums_s[end] - self._sums_s[start]) * place.scale
            share = 1 - pickled_s / max(1e-12, pickled_s + items_s)
            wall_s, cpu_s = share * wall_s, share * cpu_s
        self.item_cpu_s += cpu_s
        self.runs.append((start, end, place.number))
        self._tell(Ran(place, start, end, sent, wall_s, cpu_s))

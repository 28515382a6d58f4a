"""Virtual time: simulated cores are shared by all that computes on them.

Everything that computes progresses at a rate that depends on how much else computes. So work is
kept on clocks of work, whose speed changes, and not on a clock of time. An event is due when its
clock has done the work, however fast that went. A change of speed is one multiplication, whatever
is under way.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from amorsize.policy.frozen_record import inf

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.simulate.world import World


#: Cores that are left to the call, however many its neighbours take.
LEAST_CORES = 0.05


class Clock:
    """Work of one kind, all of which progresses at one rate."""

    __slots__ = ("done_s", "due", "n_running", "rate")

    def __init__(self) -> None:
        #: Work done by each thing that has been running all the time.
        self.done_s = 0.0
        #: Seconds of work in a second of time.
        self.rate = 1.0
        #: Things that are running.
        self.n_running = 0
        #: What is called when the clock has reached a reading, soonest first.
        self.due: list[tuple[float, int, Callable[[Any], None], Any]] = []


class Cores:
    """The cores of a world, and what is due on them."""

    def __init__(self, world: World) -> None:
        self.world = world
        #: Now, in seconds since the call began.
        self.now_s = 0.0
        #: CPU seconds that something would have used which runs all the time, ...
        self.cpu_s = 0.0
        #: ... and that one of the threads would have used which take turns with the GIL.
        self.gil_cpu_s = 0.0
        #: What the caller and workers do besides items: starting, sending, collecting.
        self.ops = Clock()
        #: Items that compute beside each other.
        self.items = Clock()
        #: Items that take turns with the GIL.
        self.gil = Clock()
        #: Events so far.
        self.n_events = 0
        self._share = 0.0  # of a core, that each running thing has
        self._clocks = (self.ops, self.items, self.gil)
        self._timed: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._n_planned = 0  # events of one moment happen in the order in which they were planned
        self._taken = 0.0  # cores that neighbours use now
        for neighbour in world.neighbours:
            self.at(neighbour.from_s, self._take, neighbour.n_cores)
            self.at(neighbour.to_s, self._take, -neighbour.n_cores)

    def at(self, at_s: float, act: Callable[[Any], None], what: Any) -> None:
        """Plan a call at a time."""
        self._n_planned += 1
        heappush(self._timed, (at_s, self._n_planned, act, what))

    def work(self, clock: Clock, work_s: float, act: Callable[[Any], None], what: Any) -> None:
        """Compute something; whatever is called at its end has to call `stops`."""
        self._n_planned += 1
        heappush(clock.due, (clock.done_s + work_s, self._n_planned, act, what))
        clock.n_running += 1
        self._set_rates()

    def stops(self, clock: Clock) -> None:
        """One thing less is running."""
        clock.n_running -= 1
        self._set_rates()

    def advance(self) -> bool:
        """Go to what happens next and have it happen; False where nothing is under way."""
        self.n_events += 1
        now_s, due = self.now_s, self._timed
        at_s = due[0][0] if due else inf
        for clock in self._clocks:
            if clock.due:
                in_s = now_s + max(0.0, clock.due[0][0] - clock.done_s) / clock.rate
                if in_s < at_s:
                    at_s, due = in_s, clock.due
        if at_s == inf:
            return False
        elapsed_s = at_s - now_s
        for clock in self._clocks:
            clock.done_s += elapsed_s * clock.rate
        self.cpu_s += elapsed_s * self._share
        if self.gil.n_running:
            self.gil_cpu_s += elapsed_s * self._share / self.gil.n_running
        self.now_s = at_s
        _, _, act, what = heappop(due)
        act(what)
        return True

    def _take(self, n_cores: float) -> None:
        """A neighbour takes cores, or gives them back."""
        self._taken += n_cores
        self._set_rates()

    def _set_rates(self) -> None:
        """How fast everything goes, with what is running now."""
        world, ops, items, gil = self.world, self.ops, self.items, self.gil
        n_gil = gil.n_running
        if world.waits:
            ops.rate = self._share = 1.0
            items.rate = gil.rate = world.speed(items.n_running + n_gil)
            return
        n_computing = items.n_running + (1 if n_gil else 0)
        n_runnable = ops.n_running + n_computing
        cores = min(world.n_cores - self._taken, world.quota_cores or inf)
        share = min(1.0, max(cores, LEAST_CORES) / n_runnable) if n_runnable else 1.0
        self._share = ops.rate = share
        speed = share * world.speed(min(n_computing, world.n_cores)) if n_computing else share
        items.rate = speed
        gil.rate = speed / n_gil if n_gil else speed

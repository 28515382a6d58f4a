"""Plays one call in virtual time: the caller does what a policy decides."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from amorsize.errors import AmorsizeError
from amorsize.policy import actions as do
from amorsize.policy.events import Status
from amorsize.policy.frozen_record import Value, inf
from amorsize.simulate.caller import Caller
from amorsize.simulate.chunks import Items, Place, Ran, Runner
from amorsize.simulate.clocks import Cores
from amorsize.simulate.pool import Pool
from amorsize.simulate.reporting import Costs, Policy, Reporter

if TYPE_CHECKING:
    from amorsize.policy.trace import ChunkTrace
    from amorsize.simulate.world import World

#: Items that a caller reads of a generator before they are needed.
READ_AHEAD = 4096

#: A caller that is in one item for this long has a helper thread look after the workers.
HELPER_S = 15e-3

#: The helper looks again after this long.
HELPER_NAP_S = 10e-3

#: Decisions in a row that let no time pass, after which the policy goes round in circles.
MOST_AT_ONCE = 1000

#: Actions that an error shows.
TAIL = 12


class Deadlock(AmorsizeError):  # noqa: N818 - says what happened
    """A policy waits though nothing is under way, or goes round in circles."""


class Enqueue(Value):
    """Put a chunk where any worker takes it; what pools do, and the tuner does not."""

    n_items: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call."""

    makespan_s: float
    #: Items start..stop and the worker that ran them, -1 for the caller.
    runs: tuple[tuple[int, int, int], ...]
    chunks: tuple[ChunkTrace, ...]
    n_started: dict[str, int]
    n_events: int
    n_inline: int
    #: CPU seconds of items / (cores x makespan).
    busy_share: float
    #: Tests of fewer workers, which may cost time.
    n_probes: int
    policy: Policy


class Engine:
    """One play."""

    def __init__(self, world: World, policy: Policy) -> None:
        self.world, self.policy = world, policy
        self.cores = Cores(world)
        self.items = Items(len(world.costs_s))
        self.costs = Costs(world)
        self.runner = Runner(world, self.cores, self._ran)
        self.pool = Pool(world, self.cores, self.items, self.runner, self._came_up)
        self.reporter = Reporter(world, self.cores, policy)
        self.caller = Caller(world, self.cores, self.items, self.pool, self.costs, self.reporter)
        #: What workers have said that the caller has not read yet: chunks, or that one is up.
        self.unread: deque[Ran | Place] = deque()
        #: The caller has nothing to do until something happens.
        self.is_waiting = False
        #: The caller as a place where items run, while it runs some.
        self.inline: Place | None = None
        self.n_inline = 0
        self.probed_from_s = 0.0
        self.watched_from: tuple[float, float] | None = None  # when a wait began that is watched
        self.recent: deque[tuple[float, Any]] = deque(maxlen=TAIL)
        for death in world.deaths:
            self.cores.at(death.at_s, self._die, death.worker)

    def makespan_s(self, until_s: float = inf) -> float:
        """From the first decision to the last result; infinite where that is not before a time."""
        self._step()
        while self.caller.n_done < self.items.n_items:
            if not self.cores.advance():
                raise self._deadlock("the policy waits though nothing is under way")
            if self.cores.now_s > until_s:
                return inf
        return self.cores.now_s

    def play(self) -> Outcome:
        """The same, with everything that happened."""
        now_s, n_cores = self.makespan_s(), min(self.world.n_cores, self.world.quota_cores or inf)
        return Outcome(
            makespan_s=now_s,
            runs=tuple(self.runner.runs),
            chunks=tuple(self.reporter.chunks),
            n_started=self.pool.n_started,
            n_events=self.cores.n_events,
            n_inline=self.n_inline,
            busy_share=self.runner.item_cpu_s / (n_cores * now_s) if now_s else 0.0,
            n_probes=_n_probes(self.policy),
            policy=self.policy,
        )

    # -- what happens -------------------------------------------------------------------------

    def _ran(self, ran: Ran) -> None:
        """A chunk has ended somewhere."""
        if ran.place is self.inline:
            self._inline_ran(ran)
            return
        arrives_s = self.cores.now_s + self.costs.latency_s(ran.place.backend)
        self.cores.at(arrives_s, self._arrives, ran)
        self.pool.begin(ran.place)

    def _came_up(self, worker: Place) -> None:
        if not self.world.is_forked and worker.backend == "process":
            self._arrives(worker)

    def _arrives(self, message: Ran | Place) -> None:
        """Something a worker tells has come through the pipe."""
        self.unread.append(message)
        self._wake()

    def _die(self, number: int) -> None:
        if self.pool.kill(number):
            self.reporter.died(number)
            self._wake()

    def _wake(self, _: Any = None) -> None:
        if self.is_waiting:
            self.is_waiting = False
            if self.watched_from is not None:
                self.reporter.waited(*self.watched_from)
                self.watched_from = None
            self._step()

    # -- the caller ---------------------------------------------------------------------------

    def _step(self, _: Any = None) -> None:
        """The caller takes in what has come, or asks what to do and does it."""
        if self.caller.n_done >= self.items.n_items:
            return
        if self.unread:
            self.caller.collect(self.unread.popleft(), self._step)
            return
        for _ in range(MOST_AT_ONCE):
            if self._act(self._ask(caller_busy=False)):
                return
        raise self._deadlock("the policy goes round in circles")

    def _ask(self, *, caller_busy: bool) -> Any:
        n_left, items = self.items.n_left, self.items
        is_read = self.world.is_length_known or items.next_item + READ_AHEAD >= items.n_items
        status = Status(
            now_s=self.cores.now_s,
            n_left=n_left if is_read else min(n_left, READ_AHEAD),
            all_read=is_read,
            caller_busy=caller_busy,
        )
        action = self.policy.next(status)
        self.recent.append((self.cores.now_s, action))
        return action

    def _act(self, action: Any) -> bool:
        """Begin what the policy asks for; False when it can be asked again at once."""
        caller, then = self.caller, self._step
        kind = type(action)
        if kind is do.Send:
            caller.send(action, then, self._wake)
        elif kind is do.RunInline:
            self._run_inline(action)
        elif kind is do.Wait:
            self._wait(action)
        elif kind is do.StartWorker:
            caller.start(action.backend, then)
        elif kind is Enqueue:
            caller.enqueue(action.n_items, then)
        elif kind is do.InspectHost:
            caller.inspect_host(then)
        elif kind is do.MeasurePickling:
            caller.measure_pickling(then)
        elif kind is do.StartGilProbe:
            self.probed_from_s = self.cores.now_s
            caller.spend(self.world.watch_s, then)
        elif kind is do.RetireWorker:
            self.pool.retire(action.worker)
            return False
        elif kind is do.StopGilProbe:
            self.reporter.gil_probed(self.probed_from_s)
            return False
        else:
            raise Deadlock(f"not an action: {action!r}")
        return True

    def _wait(self, action: do.Wait) -> None:
        now_s = self.cores.now_s
        if self.unread:
            self.cores.at(now_s, self._step, None)
            return
        if action.timeout_s is not None:
            self.cores.at(now_s + action.timeout_s, self._wake, None)
        elif not self.pool.n_in_flight and not self.pool.n_starting:
            raise self._deadlock("the policy waits though nothing is under way")
        if action.is_watched:
            self.watched_from = now_s, self.reporter.thread_cpu_s()
        self.is_waiting = True

    def _deadlock(self, what: str) -> Deadlock:
        tail = "; ".join(f"{now_s:.6f} s {action}" for now_s, action in self.recent)
        return Deadlock(f"{what}; its last: {tail}")

    # -- the caller's own items ---------------------------------------------------------------

    def _run_inline(self, action: do.RunInline) -> None:
        start, stop = self.items.take(action.n_items)
        self.inline = place = Place(-1, "caller", is_cold=not self.caller.is_warm)
        self.caller.is_warm = True
        self.runner.run(place, start, stop, action.time_budget_s, 0.0)
        if self.pool.workers:
            self.cores.at(self.cores.now_s + HELPER_S, self._help, place)

    def _inline_ran(self, ran: Ran) -> None:
        self.inline = None
        self.caller.n_done += ran.n_items
        self.n_inline += ran.n_items
        self.items.give_back(ran.end, ran.sent)
        self.reporter.inlined(ran)
        self._step()

    def _help(self, place: Place) -> None:
        """The caller is in a long item: a helper thread takes in reports and hands out chunks.

        It takes the same time for them as the caller would.
        """
        if self.inline is not place or self.caller.n_done >= self.items.n_items:
            return
        then = partial(self._help, place)
        if self.unread:
            self.caller.collect(self.unread.popleft(), then, self._wake)
            return
        action = self._ask(caller_busy=True)
        may_start = isinstance(action, do.StartWorker) and not (
            action.backend == "process" and self.world.is_forked
        )
        if isinstance(action, do.Send):
            self.caller.send(action, then, self._wake)
        elif may_start:
            self.caller.start(action.backend, then)
        elif isinstance(action, do.StopGilProbe):
            self.reporter.gil_probed(self.probed_from_s)
            self.cores.at(self.cores.now_s, self._help, place)
        else:
            self.cores.at(self.cores.now_s + HELPER_NAP_S, self._help, place)


def _n_probes(policy: Policy) -> int:
    """As the tuner counts them; a fixed plan makes none."""
    limits = getattr(policy, "limits", None)
    return 0 if limits is None else int(limits.contention.n_tests)

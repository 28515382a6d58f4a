"""Plays one call in virtual time: the caller, its workers and the cores they share.

Everything that computes progresses at a rate that depends on how much else computes, so work is
kept on clocks of work, whose speed changes, rather than of time: an event is due when its clock has
done the work, however fast that went. A change of speed is one multiplication, whatever is under
way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from amorsize.errors import AmorsizeError
from amorsize.policy import actions as do
from amorsize.policy import events
from amorsize.policy.host_job import Host, Job
from amorsize.policy.trace import ChunkTrace
from amorsize.policy.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.simulate.world import World

READ_AHEAD = 4096  # items a caller reads of a generator before they are needed
FEEDER_S = 15e-3  # a caller that is in one item for so long has its feeder look after the workers,
FEEDER_NAP_S = 10e-3  # and again after that
HELD_GIL, FREE_GIL = 0.93, 0.25  # lateness of a watcher beside items that hold the GIL, or do not
SURVEY_LOADS, WEIGHING_LOADS = 0.35, 0.15  # of `load_s`: what they need is needed once
JITTER_S = 10e-3  # how long noise of the host stays as it is
TAIL = 12  # actions an error shows
INF = float("inf")


class Deadlock(AmorsizeError):  # noqa: N818 - says what happened
    """A policy waits though nothing is under way, or goes round in circles."""


class Enqueue(Value):
    """Put a chunk where any worker takes it; what pools do, and the tuner does not."""

    n_items: int


class Policy(Protocol):
    """Whatever decides: the tuner, or an opponent."""

    def tell(self, event: Any) -> None:
        """Take in what happened."""
        ...

    def next(self, view: events.View) -> Any:
        """What the caller is to do now."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call."""

    makespan_s: float
    runs: tuple[tuple[int, int, int], ...]  # items start..stop and the worker, -1 for the caller
    chunks: tuple[ChunkTrace, ...]
    n_started: dict[str, int]
    n_events: int
    n_inline: int
    busy_share: float  # CPU seconds of items / (cores x makespan)
    n_probes: int  # tests of fewer workers, which may cost time
    policy: Policy


class _Clock:
    """Work of one kind, all of which progresses at one rate."""

    __slots__ = ("done_s", "due", "n_running", "rate")

    def __init__(self) -> None:
        self.done_s = 0.0  # of each thing that has been running all the time
        self.rate = 1.0
        self.n_running = 0
        self.due: list[tuple[float, int, Callable[[Any], None], Any]] = []


class _Worker:
    """One worker, as the caller and the cores see it."""

    __slots__ = (
        "backend",
        "began_cpu_s",
        "began_done_s",
        "began_s",
        "chunk",
        "extra_s",
        "is_alive",
        "is_cold",
        "is_up",
        "number",
        "orders",
        "scale",
        "version",
    )

    def __init__(self, number: int, backend: str, *, is_cold: bool) -> None:
        self.number, self.backend, self.is_cold = number, backend, is_cold
        self.is_up, self.is_alive = False, True
        self.orders: deque[tuple[int, int, float]] = deque()  # start, stop, box
        self.chunk: tuple[int, int, int] | None = None  # start, where it ends, where it was to end
        self.version = 0
        self.began_s = self.began_done_s = self.began_cpu_s = self.extra_s = 0.0
        self.scale = 1.0


class Engine:
    """One play."""

    def __init__(self, world: World, policy: Policy) -> None:
        self.world, self.policy = world, policy
        self.n_items = len(world.costs_s)
        self.sums_s = [0.0, *accumulate(world.costs_s)]
        self.now_s = self.share = 0.0
        self.cpu_s = self.gil_cpu_s = 0.0  # what something that runs all the time would have used
        self.ops, self.items, self.gil = _Clock(), _Clock(), _Clock()
        self.clocks = (self.ops, self.items, self.gil)
        self.timed: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self.n_events = self._seq = 0
        self.workers: list[_Worker] = []
        self.shared: deque[tuple[int, int, float]] = deque()
        self.inbox: deque[tuple[Any, ...]] = deque()
        self.back: list[tuple[int, int]] = []
        self.n_back = self.next_item = self.n_done = self.n_in_flight = self.n_starting = 0
        self.is_waiting = False  # the caller has nothing to do until something happens
        self.inline: _Worker | None = None  # the caller as a place where items run
        self.is_warm = False
        self.to_load_s = world.load_s  # of it, still to be paid
        self.runs: list[tuple[int, int, int]] = []
        self.chunks: list[ChunkTrace] = []
        self.n_started: dict[str, int] = {}
        self.n_inline = 0
        self.item_cpu_s = 0.0
        self.watched_from_s = 0.0
        self.recent: deque[tuple[float, Any]] = deque(maxlen=TAIL)
        self._noise = world.random("jitter")
        self._taken = 0.0  # cores that neighbours use now
        for one in world.neighbours:
            self._at(one.from_s, self._neighbour, one.n_cores)
            self._at(one.to_s, self._neighbour, -one.n_cores)
        for death in world.deaths:
            self._at(death.at_s, self._die, death.worker)
        self.n_told = world.n_cores_told or world.n_cores
        self._error = self._told_errors()

    def _told_errors(self) -> Callable[[], float]:
        told, widest = self.world.random("told"), self.world.told_error
        return lambda: widest ** told.uniform(-1.0, 1.0)

    # -- time ---------------------------------------------------------------------------------

    def makespan_s(self, until_s: float = INF) -> float:
        """From the first decision to the last result; infinite where that is not before a time."""
        self._step(None)
        while self.n_done < self.n_items:
            self._advance()
            if self.now_s > until_s:
                return INF
        return self.now_s

    def play(self) -> Outcome:
        """The same, with everything that happened."""
        self.makespan_s()
        cores = min(self.world.n_cores, self.world.quota_cores or INF)
        busy = self.item_cpu_s / (cores * self.now_s) if self.now_s else 0.0
        return Outcome(
            makespan_s=self.now_s,
            runs=tuple(self.runs),
            chunks=tuple(self.chunks),
            n_started=self.n_started,
            n_events=self.n_events,
            n_inline=self.n_inline,
            busy_share=busy,
            n_probes=self._n_probes(),
            policy=self.policy,
        )

    def _n_probes(self) -> int:
        """As the tuner counts them; a fixed plan makes none."""
        saturation = getattr(self.policy, "saturation", None)
        return 0 if saturation is None else int(saturation.n_tests)

    def _advance(self) -> None:
        """Go to what happens next."""
        self.n_events += 1
        now_s, due = self.now_s, None
        at_s = self.timed[0][0] if self.timed else INF
        for clock in self.clocks:
            if clock.due:
                in_s = now_s + max(0.0, clock.due[0][0] - clock.done_s) / clock.rate
                if in_s < at_s:
                    at_s, due = in_s, clock
        if at_s == INF:
            raise Deadlock(
                f"the policy waits though nothing is under way; its last: {self._tail()}"
            )
        elapsed_s = at_s - now_s
        for clock in self.clocks:
            clock.done_s += elapsed_s * clock.rate
        self.cpu_s += elapsed_s * self.share
        if self.gil.n_running:
            self.gil_cpu_s += elapsed_s * self.share / self.gil.n_running
        self.now_s = at_s
        if due is None:
            _, _, act, what = heappop(self.timed)
        else:
            _, _, act, what = heappop(due.due)
        act(what)

    def _at(self, at_s: float, act: Callable[[Any], None], what: Any) -> None:
        self._seq += 1
        heappush(self.timed, (at_s, self._seq, act, what))

    def _work(self, clock: _Clock, work_s: float, act: Callable[[Any], None], what: Any) -> None:
        """Have something computed; whoever is called at its end calls `_stops`."""
        self._seq += 1
        heappush(clock.due, (clock.done_s + work_s, self._seq, act, what))
        clock.n_running += 1
        self._set_rates()

    def _stops(self, clock: _Clock) -> None:
        clock.n_running -= 1
        self._set_rates()

    def _set_rates(self) -> None:
        """How fast everything goes, with what is running now."""
        world, ops, items, gil = self.world, self.ops, self.items, self.gil
        n_gil = gil.n_running
        if world.waits:
            ops.rate = self.share = 1.0
            items.rate = gil.rate = world.speed(items.n_running + n_gil)
            return
        n_computing = items.n_running + (1 if n_gil else 0)
        n_runnable = ops.n_running + n_computing
        cores = min(world.n_cores - self._taken, world.quota_cores or INF)
        share = self.share = min(1.0, max(cores, 0.05) / n_runnable) if n_runnable else 1.0
        ops.rate = share
        speed = share * world.speed(min(n_computing, world.n_cores)) if n_computing else share
        items.rate = speed
        gil.rate = speed / n_gil if n_gil else speed

    def _neighbour(self, n_cores: float) -> None:
        self._taken += n_cores
        self._set_rates()

    # -- items --------------------------------------------------------------------------------

    @property
    def n_left(self) -> int:
        """Items nobody has."""
        return self.n_items - self.next_item + self.n_back

    def _take(self, n_items: int) -> tuple[int, int]:
        if self.back:
            start, stop = self.back.pop()
            end = min(stop, start + n_items)
            if end < stop:
                self.back.append((end, stop))
            self.n_back -= end - start
            return start, end
        start = self.next_item
        self.next_item = min(self.n_items, start + n_items)
        return start, self.next_item

    def _give_back(self, start: int, stop: int) -> None:
        if start < stop:
            self.back.append((start, stop))
            self.n_back += stop - start

    def _clock_of(self, worker: _Worker) -> _Clock:
        """Threads that hold the GIL take turns, and the caller with them."""
        if self.world.waits or not self.world.holds_gil or not self.n_started.get("thread"):
            return self.items
        return self.items if worker.backend == "process" else self.gil

    def _run(
        self, worker: _Worker, start: int, stop: int, time_budget_s: float, extra_s: float
    ) -> None:
        """A place begins a chunk."""
        world = self.world
        worker.chunk = (start, stop, stop)
        worker.scale = self._jitter(self.sums_s[stop] - self.sums_s[start])
        worker.extra_s = extra_s
        if worker.is_cold:
            worker.extra_s += world.warmup_s
            worker.is_cold = False
        clock = self._clock_of(worker)
        worker.began_s, worker.began_done_s = self.now_s, clock.done_s
        worker.began_cpu_s = self.gil_cpu_s if clock is self.gil else self.cpu_s
        worker.version += 1
        work_s = (self.sums_s[stop] - self.sums_s[start]) * worker.scale + worker.extra_s
        self._work(clock, work_s, self._ran, (worker, worker.version, clock))
        if time_budget_s != INF and stop - start > 1:
            self._at(self.now_s + time_budget_s, self._box_ends, (worker, worker.version, clock))

    def _jitter(self, work_s: float) -> float:
        """By what factor a chunk is off: noise of one moment, which a long chunk averages out.

        One draw for a loop of seconds would let the best of 60 plans win by luck.
        """
        sigma = self.world.jitter / max(1.0, work_s / JITTER_S) ** 0.5
        return self._noise.lognormvariate(0.0, sigma) if sigma else 1.0

    def _box_ends(self, what: tuple[_Worker, int, _Clock]) -> None:
        """Time is up: the chunk ends with the item that is being run."""
        worker, version, clock = what
        if worker.version != version or worker.chunk is None:
            return
        start, stop, sent = worker.chunk
        done_s = (clock.done_s - worker.began_done_s - worker.extra_s) / worker.scale
        target_s = self.sums_s[start] + max(0.0, done_s)
        end = max(start + 1, bisect_left(self.sums_s, target_s, start + 1, stop))
        if end >= stop:
            return
        worker.chunk = (start, end, sent)
        worker.version += 1
        clock.n_running -= 1  # what is due for the whole chunk is void, see `_ran`
        work_s = (self.sums_s[end] - self.sums_s[start]) * worker.scale + worker.extra_s
        left_s = work_s - (clock.done_s - worker.began_done_s)
        self._work(clock, max(0.0, left_s), self._ran, (worker, worker.version, clock))

    def _ran(self, what: tuple[_Worker, int, _Clock]) -> None:
        """A place has run its chunk, or as much of it as its time box allowed."""
        worker, version, clock = what
        if worker.version != version or worker.chunk is None:
            return
        start, end, sent = worker.chunk
        worker.chunk = None
        self._stops(clock)
        wall_s = self.now_s - worker.began_s
        cpu_s = (self.gil_cpu_s if clock is self.gil else self.cpu_s) - worker.began_cpu_s
        if self.world.waits:
            cpu_s = self.world.cpu_share * wall_s
        if worker.backend == "process" and self.world.remote_pickle_s:  # told apart from the items
            pickled_s = self.world.remote_pickle_s * (end - start)
            items_s = (self.sums_s[end] - self.sums_s[start]) * worker.scale
            share = 1 - pickled_s / max(1e-12, pickled_s + items_s)
            wall_s, cpu_s = share * wall_s, share * cpu_s
        self.item_cpu_s += cpu_s
        self.runs.append((start, end, worker.number))
        if worker is self.inline:
            self._inline_ran(worker, start, end, sent, wall_s, cpu_s)
            return
        story = (worker, start, end, sent, wall_s, cpu_s)
        self._at(self.now_s + self._latency_s(worker), self._arrives, story)
        self._begin(worker)

    def _latency_s(self, worker: _Worker) -> float:
        return self.world.latency_s if worker.backend == "process" else 5e-6

    # -- workers ------------------------------------------------------------------------------

    def _begin(self, worker: _Worker) -> None:
        """A worker that is free takes what it was sent, or what is there for anybody."""
        orders = worker.orders or self.shared
        if not orders or not worker.is_up or worker.chunk is not None or not worker.is_alive:
            return
        start, stop, time_budget_s = orders.popleft()
        remote_s = self.world.remote_pickle_s if worker.backend == "process" else 0.0
        self._run(worker, start, stop, time_budget_s, remote_s * (stop - start))

    def _comes_up(self, worker: _Worker) -> None:
        self._stops(self.ops)
        self.n_starting -= 1
        worker.is_up = True
        self._begin(worker)
        if not self.world.is_forked and worker.backend == "process":
            self._arrives((worker,))

    def _arrives(self, story: tuple[Any, ...]) -> None:
        """Something a worker tells has come through the pipe."""
        self.inbox.append(story)
        self._wake()

    def _die(self, number: int) -> None:
        if number >= len(self.workers) or not self.workers[number].is_alive:
            return
        worker = self.workers[number]
        worker.is_alive, worker.version = False, worker.version + 1
        lost = [(start, stop) for start, stop, _ in worker.orders]
        if worker.chunk is not None:
            lost.append((worker.chunk[0], worker.chunk[2]))
            worker.chunk = None
            self._stops(self._clock_of(worker))
        self.n_in_flight -= len(lost)
        worker.orders.clear()
        for start, stop in lost:
            self._give_back(start, stop)
        self.policy.tell(events.Died(worker=number, now_s=self.now_s))
        self._wake()

    # -- the caller ---------------------------------------------------------------------------

    def _wake(self) -> None:
        if self.is_waiting:
            self.is_waiting = False
            self._step(None)

    def _step(self, _: Any) -> None:
        """The caller takes in what has come, or asks what to do and does it."""
        if self.n_done >= self.n_items:
            return
        if self.inbox:
            story = self.inbox.popleft()
            self._work(self.ops, self._collect_s(story), self._collected, story)
            return
        for _ in range(1000):
            action = self.policy.next(self._view(caller_busy=False))
            self.recent.append((self.now_s, action))
            if self._act(action):
                return
        raise Deadlock(f"the policy goes round in circles; its last: {self._tail()}")

    def _view(self, *, caller_busy: bool) -> events.View:
        n_left = self.n_left
        is_read = self.world.is_length_known or self.next_item + READ_AHEAD >= self.n_items
        return events.View(
            now_s=self.now_s,
            n_left=n_left if is_read else min(n_left, READ_AHEAD),
            all_read=is_read,
            caller_busy=caller_busy,
        )

    def _act(self, action: Any) -> bool:
        """Begin what the policy asks for; False when it can be asked again at once."""
        world = self.world
        kind = type(action)
        if kind is do.Send:
            start, stop = self._take(action.n_items)
            worker = self.workers[action.worker]
            self.n_in_flight += 1
            order = (worker, start, stop, action.time_budget_s)
            self._work(self.ops, self._send_s(worker, stop - start), self._sent, order)
        elif kind is do.RunInline:
            self._run_inline(action)
        elif kind is do.Wait:
            return self._wait(action)
        elif kind is do.StartWorker:
            self._work(self.ops, self._start_cost_s(action.backend), self._started, action.backend)
        elif kind is Enqueue:
            start, stop = self._take(action.n_items)
            self.n_in_flight += 1
            work_s = (world.dispatch_s + world.pickle_s * (stop - start)) / 2
            self._work(self.ops, work_s, self._enqueued, (start, stop))
        elif kind is do.InspectHost:
            load_s = self._load_s(SURVEY_LOADS)
            self._work(self.ops, load_s + world.survey_s, self._surveyed, None)
        elif kind is do.MeasurePickling:
            load_s = self._load_s(WEIGHING_LOADS)
            self._work(self.ops, load_s + world.weigh_s + 4 * world.pickle_s, self._weighed, None)
        elif kind is do.Watch:
            self.watched_from_s = self.now_s
            self._work(self.ops, world.watch_s, self._stepped, None)
        elif kind is do.StopGilProbe:
            self._unwatch()
            return False
        else:
            raise Deadlock(f"not an action: {action!r}")
        return True

    def _unwatch(self) -> None:
        lag = HELD_GIL if self.world.holds_gil and not self.world.waits else FREE_GIL
        watched_s = self.now_s - self.watched_from_s
        self.policy.tell(events.GilProbed(lag_share=lag, watched_s=watched_s, n_wakes=1))

    def _wait(self, action: do.Wait) -> bool:
        if self.inbox:
            self._at(self.now_s, self._step, None)
            return True
        if action.timeout_s is not None:
            self._at(self.now_s + action.timeout_s, self._time_is_up, self.n_events)
        elif not self.n_in_flight and not self.n_starting:
            raise Deadlock(
                f"the policy waits though nothing is under way; its last: {self._tail()}"
            )
        self.is_waiting = True
        return True

    def _time_is_up(self, _: int) -> None:
        self._wake()

    def _tail(self) -> str:
        return "; ".join(f"{now_s:.6f} s {action}" for now_s, action in self.recent)

    def _stepped(self, _: Any) -> None:
        self._stops(self.ops)
        self._step(None)

    def _send_s(self, worker: _Worker, n_items: int) -> float:
        return self._dispatch_s(worker.backend) / 2 + self._pickle_s(worker, n_items) / 2

    def _dispatch_s(self, backend: str) -> float:
        return self.world.dispatch_s if backend == "process" else self.world.thread_dispatch_s

    def _pickle_s(self, worker: _Worker, n_items: int) -> float:
        return self.world.pickle_s * n_items if worker.backend == "process" else 0.0

    def _start_cost_s(self, backend: str) -> float:
        if backend == "thread":
            return self.world.thread_start_s
        return self._load_s(1.0) + self.world.start_s

    def _load_s(self, share: float) -> float:
        """Load what something needs of all that is to be loaded, once."""
        load_s = min(self.to_load_s, share * self.world.load_s)
        self.to_load_s -= load_s
        return load_s

    def _started(self, backend: str) -> None:
        self._stops(self.ops)
        self._add_worker(backend)
        self._step(None)

    def _add_worker(self, backend: str) -> None:
        number = len(self.workers)
        is_process = backend == "process"
        inherits = not is_process or self.world.is_forked
        worker = _Worker(number, backend, is_cold=not (inherits and self.is_warm))
        self.workers.append(worker)
        self.n_started[backend] = self.n_started.get(backend, 0) + 1
        self.n_starting += 1
        start_s = self._start_cost_s(backend)
        self.policy.tell(
            events.Started(worker=number, backend=backend, start_s=start_s, now_s=self.now_s)
        )
        if self.world.is_forked or not is_process:
            self.policy.tell(events.Ready(worker=number, now_s=self.now_s))
        ready_s = self.world.ready_s if is_process else 20e-6
        self._work(self.ops, ready_s, self._comes_up, worker)

    def _sent(self, what: tuple[_Worker, int, int, float]) -> None:
        self._stops(self.ops)
        worker = what[0]
        self._at(self.now_s + self._latency_s(worker), self._delivered, what)
        self._step(None)

    def _delivered(self, what: tuple[_Worker, int, int, float]) -> None:
        worker, start, stop, time_budget_s = what
        if not worker.is_alive:
            self.n_in_flight -= 1
            self._give_back(start, stop)
            self._wake()
            return
        worker.orders.append((start, stop, time_budget_s))
        self._begin(worker)

    def _enqueued(self, what: tuple[int, int]) -> None:
        self._stops(self.ops)
        self.shared.append((*what, INF))
        for worker in self.workers:
            self._begin(worker)
        self._step(None)

    def _collect_s(self, story: tuple[Any, ...]) -> float:
        worker = story[0]
        n_items = story[2] - story[1] if len(story) > 1 else 0
        return self._dispatch_s(worker.backend) / 2 + self._pickle_s(worker, n_items) / 2

    def _collected(self, story: tuple[Any, ...]) -> None:
        self._stops(self.ops)
        self._tell(story)
        self._step(None)

    def _tell(self, story: tuple[Any, ...]) -> None:
        """The policy learns what a worker had to tell."""
        if len(story) == 1:
            self.policy.tell(events.Ready(worker=story[0].number, now_s=self.now_s))
            return
        worker, start, end, sent, wall_s, cpu_s = story
        self.n_in_flight -= 1
        self.n_done += end - start
        self._give_back(end, sent)
        self._note(worker.number, worker.backend, end - start, wall_s, cpu_s)
        self.policy.tell(
            events.Report(
                worker=worker.number,
                n_items=end - start,
                n_sent=sent - start,
                wall_s=wall_s,
                cpu_s=cpu_s,
                pickle_s=self.world.remote_pickle_s * (end - start),
                now_s=self.now_s,
                run_delay_s=self._starved_s(wall_s, cpu_s),
            )
        )

    def _starved_s(self, wall_s: float, cpu_s: float) -> float:
        """How long items have waited for a core, where the system tells that."""
        if not self.world.tells_starved or self.world.waits:
            return 0.0
        return max(0.0, wall_s - cpu_s)

    def _note(self, worker: int, backend: str, n: int, wall_s: float, cpu_s: float) -> None:
        self.chunks.append(
            ChunkTrace(
                worker=worker,
                backend=backend,
                n_items=n,
                wall_s=wall_s,
                cpu_s=cpu_s,
                now_s=self.now_s,
                run_delay_s=self._starved_s(wall_s, cpu_s),
            )
        )

    def _surveyed(self, _: None) -> None:
        self._stops(self.ops)
        self.policy.tell(events.HostInspected(host=self.host(), job=self.job()))
        self._step(None)

    def _weighed(self, _: None) -> None:
        self._stops(self.ops)
        self.policy.tell(events.PicklingMeasured(pickle_s=self.world.pickle_s * self._error()))
        self._step(None)

    def host(self) -> Host:
        """What the policy is told of the host: nearly right."""
        world, error = self.world, self._error
        return Host(
            n_cores=self.n_told,
            fork_reason=None if world.is_forked else "this world does not fork",
            process_start_s=world.start_s * error(),
            process_ready_s=world.ready_s * error(),
            thread_start_s=world.thread_start_s * error(),
            dispatch_s=world.dispatch_s * error(),
            thread_dispatch_s=world.thread_dispatch_s * error(),
            latency_s=world.latency_s * error(),
            load_s=self.to_load_s,
        )

    def job(self) -> Job:
        """What is asked for: everything left open, unless the policy knows better."""
        asked: Job | None = getattr(self.policy, "job", None)
        n_items = self.n_items if self.world.is_length_known else None
        job = Job(n_items=n_items) if asked is None else asked
        return job.but(
            thread_reason=self.world.thread_reason,
            n_cores_most=self.n_told,
            inherits_items=self.world.is_forked,
        )

    # -- the caller's own items ---------------------------------------------------------------

    def _run_inline(self, action: do.RunInline) -> None:
        start, stop = self._take(action.n_items)
        place = _Worker(-1, "caller", is_cold=not self.is_warm)
        self.inline = place
        self.is_warm = True
        self._run(place, start, stop, action.time_budget_s, 0.0)
        if self.workers:
            self._at(self.now_s + FEEDER_S, self._feed, place)

    def _inline_ran(
        self, place: _Worker, start: int, end: int, sent: int, wall_s: float, cpu_s: float
    ) -> None:
        self.inline = None
        n_items = end - start
        self.n_done += n_items
        self.n_inline += n_items
        self._give_back(end, sent)
        self._note(-1, "caller", n_items, wall_s, cpu_s)
        was_cold = place.extra_s > 0
        self.policy.tell(
            events.Inlined(
                n_items=n_items,
                wall_s=wall_s,
                cpu_s=cpu_s,
                process_cpu_s=cpu_s,
                now_s=self.now_s,
                n_pauses=n_items if self.world.waits else 0,
                n_modules=int(was_cold and self.world.warmup_is_import),
                run_delay_s=self._starved_s(wall_s, cpu_s),
            )
        )
        self._step(None)

    def _feed(self, place: _Worker) -> None:
        """The caller is in a long item: its feeder takes in reports and hands out chunks.

        It takes the same time for them as the caller would.
        """
        if self.inline is not place or self.n_done >= self.n_items:
            return
        if self.inbox:
            story = self.inbox.popleft()
            self._work(self.ops, self._collect_s(story), self._feeder_told, (place, story))
            return
        action = self.policy.next(self._view(caller_busy=True))
        self.recent.append((self.now_s, action))
        if isinstance(action, do.Send):
            start, stop = self._take(action.n_items)
            worker = self.workers[action.worker]
            self.n_in_flight += 1
            order = (worker, start, stop, action.time_budget_s)
            self._work(
                self.ops, self._send_s(worker, stop - start), self._feeder_sent, (place, order)
            )
        elif isinstance(action, do.StartWorker) and not (
            action.backend == "process" and self.world.is_forked
        ):
            start_s = self._start_cost_s(action.backend)
            self._work(self.ops, start_s, self._feeder_started, (place, action.backend))
        elif isinstance(action, do.StopGilProbe):
            self._unwatch()
            self._at(self.now_s, self._feed, place)
        else:
            self._at(self.now_s + FEEDER_NAP_S, self._feed, place)

    def _feeder_told(self, what: tuple[_Worker, tuple[Any, ...]]) -> None:
        self._stops(self.ops)
        self._tell(what[1])
        self._feed(what[0])
        self._wake()

    def _feeder_sent(self, what: tuple[_Worker, tuple[_Worker, int, int, float]]) -> None:
        self._stops(self.ops)
        place, order = what
        self._at(self.now_s + self._latency_s(order[0]), self._delivered, order)
        self._feed(place)

    def _feeder_started(self, what: tuple[_Worker, str]) -> None:
        self._stops(self.ops)
        self._add_worker(what[1])
        self._feed(what[0])

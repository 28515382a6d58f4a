"""Reports what happens in a simulated call to the policy, with errors of measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from amorsize.policy import events
from amorsize.policy.request import Request
from amorsize.policy.trace import ChunkTrace
from amorsize.policy.worker_costs import Host

if TYPE_CHECKING:
    from amorsize.simulate.chunks import Place, Ran
    from amorsize.simulate.clocks import Cores
    from amorsize.simulate.world import World

#: How late a probe wakes beside items that hold the GIL, as a share of the time watched.
HELD_GIL = 0.93

#: How late it wakes beside items that release it.
FREE_GIL = 0.25

#: A chunk or report takes this long to a thread.
THREAD_LATENCY_S = 5e-6


class Policy(Protocol):
    """Whatever decides: the tuner, or another plan."""

    def tell(self, event: Any) -> None:
        """Take in what happened."""
        ...

    def next(self, status: events.Status) -> Any:
        """What the caller is to do now."""
        ...


class Costs:
    """What the caller spends on its workers, in seconds."""

    def __init__(self, world: World) -> None:
        self.world = world
        #: Seconds of loading modules that are still to be paid.
        self.to_load_s = world.load_s

    def load_s(self, share: float) -> float:
        """Load what something needs of all that is to be loaded, once."""
        load_s = min(self.to_load_s, share * self.world.load_s)
        self.to_load_s -= load_s
        return load_s

    def start_s(self, backend: str) -> float:
        """To start a worker."""
        if backend == "thread":
            return self.world.thread_start_s
        return self.load_s(1.0) + self.world.start_s

    def send_s(self, backend: str, n_items: int) -> float:
        """To send a chunk, or to collect its results."""
        if backend != "process":
            return self.world.thread_dispatch_s / 2
        return self.world.dispatch_s / 2 + self.world.pickle_s * n_items / 2

    def latency_s(self, backend: str) -> float:
        """What is sent takes to arrive."""
        return self.world.latency_s if backend == "process" else THREAD_LATENCY_S


class Reporter:
    """Reports to the policy what happened, with errors of measurement."""

    def __init__(self, world: World, cores: Cores, policy: Policy) -> None:
        self.world, self.cores, self.policy = world, cores, policy
        #: The chunks that were reported.
        self.chunks: list[ChunkTrace] = []
        self._n_cores = world.n_cores_told or world.n_cores
        self._errors = world.random("told")

    def inspected(self, to_load_s: float) -> None:
        """What the host has, and what is asked for."""
        self.policy.tell(events.HostInspected(host=self._host(to_load_s), request=self._request()))

    def pickling_measured(self) -> None:
        """What it takes to send an item."""
        pickle_s = self.world.pickle_s * self._error()
        self.policy.tell(events.PicklingMeasured(pickle_s=pickle_s))

    def gil_probed(self, since_s: float) -> None:
        """How late a probe woke since then."""
        lag = HELD_GIL if self.world.holds_gil and not self.world.waits else FREE_GIL
        watched_s = self.cores.now_s - since_s
        self.policy.tell(events.GilProbed(lag_share=lag, watched_s=watched_s, n_wakes=1))

    def thread_cpu_s(self) -> float:
        """CPU seconds that a thread would have used which has had an item all the time."""
        world, cores = self.world, self.cores
        return world.cpu_share * cores.now_s if world.waits else cores.cpu_s

    def waited(self, since_s: float, since_cpu_s: float) -> None:
        """The caller has waited, and was to tell what a thread computed meanwhile."""
        wall_s, cpu_s = self.cores.now_s - since_s, self.thread_cpu_s() - since_cpu_s
        self.policy.tell(events.Waited(wall_s=wall_s, others_cpu_s=cpu_s))

    def started(self, worker: Place, start_s: float) -> None:
        """A worker was started; one that was forked can take chunks at once."""
        number, now_s = worker.number, self.cores.now_s
        self.policy.tell(
            events.Started(worker=number, backend=worker.backend, start_s=start_s, now_s=now_s)
        )
        if self.world.is_forked or worker.backend != "process":
            self.ready(worker)

    def ready(self, worker: Place) -> None:
        """A worker can take chunks."""
        self.policy.tell(events.Ready(worker=worker.number, now_s=self.cores.now_s))

    def died(self, number: int) -> None:
        """A worker has ended while it was wanted."""
        self.policy.tell(events.Died(worker=number, now_s=self.cores.now_s))

    def reported(self, ran: Ran) -> None:
        """A worker has run a chunk."""
        self._keep(ran)
        self.policy.tell(
            events.Report(
                worker=ran.place.number,
                n_items=ran.n_items,
                n_sent=ran.sent - ran.start,
                wall_s=ran.wall_s,
                cpu_s=ran.cpu_s,
                pickle_s=self.world.remote_pickle_s * ran.n_items,
                now_s=self.cores.now_s,
                run_delay_s=self._run_delay_s(ran),
            )
        )

    def inlined(self, ran: Ran) -> None:
        """The caller has run items itself."""
        self._keep(ran)
        was_cold = ran.place.extra_s > 0
        self.policy.tell(
            events.Inlined(
                n_items=ran.n_items,
                wall_s=ran.wall_s,
                cpu_s=ran.cpu_s,
                process_cpu_s=ran.cpu_s,
                now_s=self.cores.now_s,
                n_pauses=ran.n_items if self.world.waits else 0,
                n_modules=int(was_cold and self.world.warmup_is_import),
                run_delay_s=self._run_delay_s(ran),
            )
        )

    def _error(self) -> float:
        return float(self.world.told_error ** self._errors.uniform(-1.0, 1.0))

    def _keep(self, ran: Ran) -> None:
        self.chunks.append(
            ChunkTrace(
                worker=ran.place.number,
                backend=ran.place.backend,
                n_items=ran.n_items,
                wall_s=ran.wall_s,
                cpu_s=ran.cpu_s,
                now_s=self.cores.now_s,
                run_delay_s=self._run_delay_s(ran),
            )
        )

    def _run_delay_s(self, ran: Ran) -> float:
        """How long items have waited for a core, where the system tells that."""
        if not self.world.tells_run_delay or self.world.waits:
            return 0.0
        return max(0.0, ran.wall_s - ran.cpu_s)

    def _host(self, to_load_s: float) -> Host:
        world, error = self.world, self._error
        return Host(
            n_cores=self._n_cores,
            fork_reason=None if world.is_forked else "this world does not fork",
            process_start_s=world.start_s * error(),
            process_ready_s=world.ready_s * error(),
            thread_start_s=world.thread_start_s * error(),
            dispatch_s=world.dispatch_s * error(),
            thread_dispatch_s=world.thread_dispatch_s * error(),
            latency_s=world.latency_s * error(),
            load_s=to_load_s,
        )

    def _request(self) -> Request:
        """Everything left open, unless the policy knows better."""
        asked: Request | None = getattr(self.policy, "request", None)
        n_items = len(self.world.costs_s) if self.world.is_length_known else None
        request = Request(n_items=n_items) if asked is None else asked
        return request.replace(
            thread_reason=self.world.thread_reason,
            n_cores_most=self._n_cores,
            inherits_items=self.world.is_forked,
        )

"""Everything that is known in a call so far."""

from __future__ import annotations

from amorsize.policy import best_backend, worker_costs
from amorsize.policy.best_backend import BackendChoice, waiting_processes
from amorsize.policy.evidence import io_concurrency
from amorsize.policy.evidence.core_availability import CoreEvidence
from amorsize.policy.evidence.exploration_cost import Explored
from amorsize.policy.evidence.exploration_trial import Exploration
from amorsize.policy.evidence.gil import GilEvidence
from amorsize.policy.evidence.io_bound import WaitEvidence
from amorsize.policy.evidence.item_costs import ItemCosts
from amorsize.policy.evidence.known_profile import KnownProfile
from amorsize.policy.evidence.send_cost import SendingCost
from amorsize.policy.evidence.speedup_over_loop import Gain
from amorsize.policy.evidence.worker_limits import WorkerLimits
from amorsize.policy.evidence.worker_table import WorkerTable
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.evidence import drift
    from amorsize.policy.evidence.worker_table import Pool
    from amorsize.policy.profile import Profile
    from amorsize.policy.request import Request
    from amorsize.policy.worker_costs import Host

#: Overhead of a chunk on the hosts seen so far.
UNINSPECTED_OVERHEAD_S = 100e-6

#: The caller leaves items this long to workers that an earlier call has proven.
TRUSTED_ITEM_S = 2e-3


class Note(Value):
    """One decision, for explain(): when, what, why."""

    now_s: float
    what: str
    why: str


class Moment:
    """When the tuner was asked last, and what was left to do then."""

    __slots__ = ("inspected_s", "left_s", "n_left", "now_s")

    def __init__(self) -> None:
        self.now_s = 0.0
        #: When the host was looked at last.
        self.inspected_s = 0.0
        #: The work left, as one core would do it.
        self.left_s = 0.0
        #: The items left; infinite while the data has not ended.
        self.n_left: float = 0


class State:
    """Everything that decisions rest on, and the figures that follow from it.

    `update` changes it by what happens; the rules change what they have decided.
    """

    def __init__(self, host: Host | None, request: Request, known: Profile | None = None) -> None:
        self._host: Host | None = None
        #: What is asked for, and what may be done with it.
        self.request = request
        #: When the tuner was asked last.
        self.moment = Moment()
        #: The decisions so far, for explain().
        self.notes: list[Note] = []
        #: What turned out to differ from what was remembered.
        self.drifts: list[drift.Drift] = []
        #: What is remembered of the function, and whether it holds.
        self.profile = KnownProfile(known)
        #: What trying neighbours of the plan has cost, and the one that is being tried.
        self.exploration = Exploration(Explored() if known is None else Explored.of(known))
        #: What items have cost.
        self.costs = ItemCosts()
        #: What sending an item takes.
        self.sending = SendingCost()
        #: Whether items hold the GIL.
        self.gil = GilEvidence()
        #: Whether items wait, as far as that is in doubt.
        self.waiting = WaitEvidence()
        #: How many waiting items are in flight at once.
        self.waiters = io_concurrency.Waiters(
            n_asked=None if request.backend == "auto" else request.n_jobs
        )
        #: Where items are to run. None: not decided.
        self.choice: BackendChoice | None = None
        if request.backend != "auto":
            self.choice = BackendChoice(backend=request.backend, why="asked for")
        #: Whether workers are wanted, so that the bet is made.
        self.is_backend_fixed = False
        #: The workers there are, with what each has to do.
        self.workers = WorkerTable()
        #: What limits the number of workers beside the cores.
        self.limits = WorkerLimits(None if known is None else known.failed_share)
        #: Whether the cores are there.
        self.cores = CoreEvidence(verified=request.backend in ("thread", "process"))
        #: Whether workers and caller together get more done than the loop.
        self.gain = Gain()
        self._max_dispatchable: float | None = None  # None: costs or places have changed since
        if host is not None:
            self.begin_on(host, request)

    def note(self, what: str, why: str) -> None:
        """Keep a decision for explain()."""
        self.notes.append(Note(now_s=self.moment.now_s, what=what, why=why))

    def note_drift(self, found: drift.Drift) -> None:
        """Keep a change that was noticed."""
        self.drifts.append(found)
        self.note("drift", str(found))

    # -- the host ---------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The host, which has been inspected before anything depends on it."""
        assert self._host is not None
        return self._host

    @property
    def is_host_inspected(self) -> bool:
        """Whether the host is known; a call that is soon over never looks."""
        return self._host is not None

    def changed(self) -> None:
        """What figures rest on has changed: they are computed anew when they are asked for."""
        self._max_dispatchable = None

    def begin_on(self, host: Host, request: Request) -> None:
        """The host was looked at, and what the function reaches."""
        self._host, self.request = host, request
        self.moment.inspected_s = self.moment.now_s
        if request.connects:
            self.waiters.limit(io_concurrency.MOST_CONNECTING)
        self._worker_costs = worker_costs.HostWorkerCosts.of(host)

    @property
    def n_cores(self) -> int | None:
        """Usable cores; None when this call never had to know."""
        return None if self._host is None else self._host.n_cores

    @property
    def n_most_jobs(self) -> int:
        """The most that may run at once, by cores and by what the user allows."""
        asked, n_most = self.request.n_jobs, self.host.n_cores
        if asked is not None and self.request.backend != "auto":
            return asked
        if self.costs.waits and self.choice is not None:
            in_processes = self.choice.backend == "process"
            n_most = self.waiters.n_wanted
            if in_processes:
                n_most = waiting_processes(self.host, self.costs.item_s or 0.0, self.costs.work_s)
        elif self.costs.cores_per_item > worker_costs.SEVERAL_CORES:
            n_most = max(1, int(n_most / self.costs.cores_per_item))
        else:
            n_most = best_backend.part_waiting(self.host, self.costs.n_at_once)
        return n_most if asked is None else min(n_most, asked)

    @property
    def pool(self) -> Pool:
        """The workers of the backend that was chosen."""
        assert self.choice is not None
        return self.workers.of(self.choice.backend)

    @property
    def has_delivered(self) -> bool:
        """A worker of the backend that was chosen has reported."""
        backend = None if self.choice is None else self.choice.backend
        return self.workers.of(backend).n_reporting > 0

    # -- the work and what it costs ------------------------------------------------------------

    def left_s(self, status: Status) -> float:
        """The work left, as one core would do it."""
        return self.n_left(status) * (self.costs.item_s or 0.0)

    def n_left(self, status: Status) -> int:
        """Items left; where their end is not in sight, as many as were seen."""
        return status.n_left if status.all_read else max(status.n_left, self.costs.n_seen)

    def worker_cost(self) -> worker_costs.WorkerCost:
        """What the workers cost that are in use, or likely to be."""
        backend = None if self.choice is None else self.choice.backend
        if backend is None and self.costs.waits and self.request.thread_reason is None:
            backend = "thread"
        if backend == "thread":
            return self._worker_costs.threads
        return (
            self._worker_costs.processes
            if self.workers.n_started
            else self._worker_costs.first_process
        )

    @property
    def overhead_s(self) -> float:
        """Of a chunk, in all."""
        return self.worker_cost().overhead_s if self.is_host_inspected else UNINSPECTED_OVERHEAD_S

    @property
    def pickle_s(self) -> float:
        """To send one item and its result, of the caller."""
        in_processes = self.choice is not None and self.choice.backend == "process"
        return (self.sending.pickle_s or 0.0) if in_processes else 0.0

    def max_dispatchable(self) -> float:
        """Workers that the caller could keep busy."""
        if self._max_dispatchable is None:  # asked several times for each decision
            self._max_dispatchable = self.worker_cost().max_dispatchable(self.costs, self.pickle_s)
        return self._max_dispatchable

    def is_worth_sending(self) -> bool:
        """Whether sending items costs clearly less than running them; once it did, still less."""
        n = self.max_dispatchable()
        if self.costs.first_unconfirmed_s is None and n >= worker_costs.WORTH:
            self.sending.has_paid = True
        return self.costs.waits or n >= (
            worker_costs.KEEP_WORTH if self.sending.has_paid else worker_costs.WORTH
        )

    # -- what workers begin with ------------------------------------------------------------

    @property
    def inherits_warmth(self) -> bool:
        """Workers started from now on begin with what the caller's first item has loaded."""
        in_threads = self.choice is not None and self.choice.backend == "thread"
        return in_threads or self.host.fork_reason is None

    @property
    def has_proven_pool(self) -> bool:
        """An earlier call has shown what workers do with such items, too long to look up from.

        New interpreters have to be there as well: what they import takes longer than a few items.
        """
        item_s = self.costs.item_s or 0.0
        if not self.profile.fits or item_s < TRUSTED_ITEM_S:
            return False
        are_there = self.profile.had_processes and self.host.process_ready_s < item_s
        return self.inherits_warmth or are_there


def is_remote(state: State) -> bool:
    """Items go to processes that are not ours."""
    return state.is_host_inspected and state.host.executor_lag_s is not None

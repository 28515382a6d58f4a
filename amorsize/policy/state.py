"""Everything that is known in a call so far."""

from __future__ import annotations

from amorsize.policy import overheads
from amorsize.policy.backend_choice import Route, waiting_processes
from amorsize.policy.evidence import io_concurrency
from amorsize.policy.evidence.contention import Saturation
from amorsize.policy.evidence.cpu_share import CoreEvidence
from amorsize.policy.evidence.exploration_budget import Explored
from amorsize.policy.evidence.gil import GilEvidence
from amorsize.policy.evidence.io_bound import FirstReports, Votes
from amorsize.policy.evidence.item_costs import ItemCosts
from amorsize.policy.evidence.net_gain import Gain
from amorsize.policy.evidence.sending import SendingCost
from amorsize.policy.evidence.worker_limits import WorkerLimits
from amorsize.policy.evidence.worker_table import WorkerTable
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import View
    from amorsize.policy.evidence import drift
    from amorsize.policy.evidence.exploration_budget import Trial
    from amorsize.policy.evidence.worker_table import Crew
    from amorsize.policy.host_job import Host, Job
    from amorsize.policy.profile import Profile

#: Overhead of a chunk on the hosts seen so far.
UNSURVEYED_OVERHEAD_S = 100e-6

#: The caller leaves items this long to workers that an earlier call has proven.
TRUSTED_ITEM_S = 2e-3


class Note(Value):
    """One decision, for explain(): when, what, why."""

    now_s: float
    what: str
    why: str


class State:
    """Everything that decisions rest on, and the figures that follow from it.

    `update` changes it by what happens; the rules change what they have decided.
    """

    def __init__(self, host: Host | None, job: Job, known: Profile | None) -> None:
        self._host: Host | None = None
        #: What is asked for, and what may be done with it.
        self.job = job
        #: How many waiting items are in flight at once.
        self.waiters = io_concurrency.Waiters()
        if host is not None:
            self.survey(host, job)
        #: When the tuner was asked last.
        self.now_s = 0.0
        #: The work that was left then, as one core would do it.
        self.work_left_s = 0.0
        #: The items that were left then; infinite while the data has not ended.
        self.n_items_left: float = 0
        #: The decisions so far, for explain().
        self.notes: list[Note] = []
        self._servable: float | None = None  # None: costs or places have changed since
        self._begin_items()
        self._begin_workers(job)
        self._begin_remembered(known)
        #: What limits the number of workers beside the cores.
        self.limits = WorkerLimits(None if known is None else known.failed_share)

    def _begin_items(self) -> None:
        #: What items have cost.
        self.costs = ItemCosts()
        #: What sending an item takes.
        self.sending = SendingCost()
        #: Whether items hold the GIL.
        self.gil = GilEvidence()
        #: Whether items wait, from reports, where the caller runs nothing itself.
        self.first_reports = FirstReports()
        #: The backend was chosen once more because items turned out to wait.
        self.has_rerouted = False

    def _begin_workers(self, job: Job) -> None:
        #: Where items are to run. None: not decided.
        self.route: Route | None = None
        if job.backend != "auto":
            self.route = Route(backend=job.backend, why="asked for")
        #: The workers there are, with what each has to do.
        self.workers = WorkerTable()
        #: Whether the cores are there.
        self.cores = CoreEvidence(verified=job.backend in ("thread", "process"))
        #: Whether workers and caller together get more done than the loop.
        self.gain = Gain()
        #: Workers are wanted: the bet is made.
        self.is_backend_fixed = False

    def _begin_remembered(self, known: Profile | None) -> None:
        #: The profile of an earlier call, until it was checked.
        self.hint = known
        #: Whether that profile fits this call's items. None: not checked.
        self.profile_matches: bool | None = None
        #: A plan that was measured deliberately, while it holds.
        self.followed: Profile | None = None
        #: Slices that the profile was checked on.
        self.n_checks = 0
        #: Compares costs with the profile that was adopted.
        self.drift_watch: drift.Watch | None = None
        #: What turned out to differ from what was remembered.
        self.drifts: list[drift.Drift] = []
        #: A suspected change from CPU-bound to waiting, to be confirmed by inline items.
        #: None: nothing pending.
        self.pending_wait_check: drift.Drift | None = None
        #: The inline items that confirm it.
        self.votes = Votes()
        #: Calls behind the profile that was adopted.
        self.n_known_calls = 0
        #: What trying neighbours of the plan has cost so far.
        self.explored = Explored() if known is None else Explored.of(known)
        #: It is time to try a neighbour of the plan.
        self.is_trial_due = False
        #: The neighbour that is being tried.
        self.trial: Trial | None = None

    def note(self, what: str, why: str) -> None:
        """Keep a decision for explain()."""
        self.notes.append(Note(now_s=self.now_s, what=what, why=why))

    def begin_waiters(self) -> None:
        """Items wait after all, or other ones do: how many at once is found out anew."""
        self.waiters = io_concurrency.Waiters(self.waiters.n_most)

    # -- the host ---------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The host, which has been surveyed before anything depends on it."""
        assert self._host is not None
        return self._host

    @property
    def is_surveyed(self) -> bool:
        """Whether the host is known; a call that is soon over never looks."""
        return self._host is not None

    def changed(self) -> None:
        """What figures rest on has changed: they are computed anew when they are asked for."""
        self._servable = None

    def survey(self, host: Host, job: Job) -> None:
        """The host was looked at, and what the function reaches."""
        self._host, self.job = host, job
        if job.connects:
            self.waiters.limit(io_concurrency.MOST_CONNECTING)
        self._thread_prices = overheads.of_threads(host)
        self._first_process_prices = overheads.of_processes(host)
        self._process_prices = self._first_process_prices.but(load_s=0.0)  # paid with the first

    @property
    def n_cores(self) -> int | None:
        """Usable cores; None when this call never had to know."""
        return None if self._host is None else self._host.n_cores

    @property
    def n_places(self) -> int:
        """The most that may run at once, by cores and by what the user allows."""
        n_most = self.host.n_cores
        if self.costs.waits and self.route is not None:
            in_processes = self.route.backend == "process"
            n_most = self.waiters.n_wanted
            if in_processes:
                n_most = waiting_processes(self.host, self.costs.item_s or 0.0, self.costs.work_s)
        elif self.costs.inner_threads > overheads.INNER_THREADS:
            n_most = max(1, int(n_most / self.costs.inner_threads))
        asked = self.job.n_jobs
        if asked is None:
            return n_most
        return asked if self.job.backend != "auto" else min(n_most, asked)

    @property
    def pool(self) -> Crew:
        """The workers of the backend that was chosen."""
        assert self.route is not None
        return self.workers.of(self.route.backend)

    @property
    def has_delivered(self) -> bool:
        """A worker of the backend that was chosen has reported."""
        backend = None if self.route is None else self.route.backend
        return self.workers.of(backend).n_reporting > 0

    def reopen_jobs(self) -> None:
        """What was found out about the number of jobs is in doubt: it is found out again."""
        self.limits.contention, self.cores = Saturation(), CoreEvidence(verified=True)

    # -- the work and its prices ------------------------------------------------------------

    def left_s(self, view: View) -> float:
        """The work left, as one core would do it."""
        return self.n_left(view) * (self.costs.item_s or 0.0)

    def n_left(self, view: View) -> int:
        """Items left; where their end is not in sight, as many as were seen."""
        return view.n_left if view.all_read else max(view.n_left, self.costs.n_seen)

    def left_at_latest_s(self, view: View) -> float:
        """The work left if the latest items are half the truth: costs may be rising."""
        latest_s, item_s = self.costs.latest_s or 0.0, self.costs.item_s or 0.0
        return self.left_s(view) + self.n_left(view) * max(0.0, latest_s - item_s) / 2

    def n_first(self, view: View) -> int:
        """Items handed out while nothing is known of them: one, or the chunksize asked for."""
        return min(self.job.chunksize or 1, view.n_left)

    def prices(self) -> overheads.Prices:
        """What the workers cost that are in use, or likely to be."""
        backend = None if self.route is None else self.route.backend
        if backend is None and self.costs.waits and self.job.thread_reason is None:
            backend = "thread"
        if backend == "thread":
            return self._thread_prices
        return self._process_prices if self.workers.n_started else self._first_process_prices

    @property
    def overhead_s(self) -> float:
        """Of a chunk, in all."""
        return self.prices().overhead_s if self.is_surveyed else UNSURVEYED_OVERHEAD_S

    @property
    def pickle_s(self) -> float:
        """To send one item and its result, of the caller."""
        in_processes = self.route is not None and self.route.backend == "process"
        return (self.sending.pickle_s or 0.0) if in_processes else 0.0

    def max_dispatchable(self) -> float:
        """Workers that the caller could keep busy."""
        if self._servable is None:  # asked several times for each decision
            self._servable = self.prices().max_dispatchable(self.costs, self.pickle_s)
        return self._servable

    def is_worth_sending(self) -> bool:
        """Whether sending items costs clearly less than running them; once it did, still less."""
        n = self.max_dispatchable()
        if self.costs.first_unconfirmed_s is None and n >= overheads.WORTH:
            self.sending.has_paid = True
        return self.costs.waits or n >= (
            overheads.KEEP_WORTH if self.sending.has_paid else overheads.WORTH
        )

    # -- what workers begin with ------------------------------------------------------------

    @property
    def inherits_warmth(self) -> bool:
        """Workers started from now on begin with what the caller's first item has loaded."""
        in_threads = self.route is not None and self.route.backend == "thread"
        return in_threads or self.host.fork_reason is None

    @property
    def sure_warmup_s(self) -> float:
        """What each fresh worker pays on top; a long first item alone is no proof of that."""
        is_sure = self.costs.is_warmup_sure and not self.inherits_warmth
        return self.costs.warmup_s if is_sure else 0.0

    @property
    def doubtful_warmup_s(self) -> float:
        """What each fresh worker may have to pay on top, if the first item was not just long."""
        is_open = not self.costs.is_warmup_sure and not self.inherits_warmth
        return self.costs.warmup_s if is_open else 0.0

    @property
    def has_proven_pool(self) -> bool:
        """An earlier call has shown what workers do with such items, too long to look up from."""
        return self.profile_matches is True and (self.costs.item_s or 0.0) >= TRUSTED_ITEM_S

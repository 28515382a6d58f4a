"""The events of a call that the tuner is told of, timed where they happened."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.profile import Profile
    from amorsize.policy.request import Request
    from amorsize.policy.worker_costs import Host


class Status(Value):
    """Where the call stands when the tuner is asked."""

    now_s: float
    #: Items not handed out yet, as far as they have been read.
    n_left: int
    #: No more items will come: `n_left` is exact.
    all_read: bool
    #: The caller is inside an item: the dispatcher thread asks.
    caller_busy: bool


# Events: what happened, timed where it happened.


class Inlined(Value):
    """The caller ran items itself."""

    n_items: int
    wall_s: float
    #: CPU seconds of the calling thread.
    cpu_s: float
    #: CPU seconds of all threads of the process over the same span.
    process_cpu_s: float
    now_s: float
    #: Times that the thread gave up its core by itself, because it waited.
    n_pauses: int
    #: Modules imported meanwhile, which show that it was a warm-up.
    n_modules: int = 0
    #: Seconds of `wall_s` in which it was ready to run, but others had the core. 0.0: not counted.
    run_delay_s: float = 0.0
    #: Items that failed, where failures are kept as results.
    n_failed: int = 0

    @property
    def undelayed_s(self) -> float:
        """Wall seconds as they would have been with a core of its own."""
        return undelayed(self.wall_s, self.cpu_s, self.run_delay_s)


class Waited(Value):
    """The caller has waited, and was asked to report that."""

    wall_s: float
    #: CPU seconds of the other threads of the process over the same span.
    others_cpu_s: float


class Started(Value):
    """A worker was started; it is not ready yet."""

    worker: int
    backend: str
    #: What that took of the caller's time.
    start_s: float
    now_s: float


class Ready(Value):
    """A worker can take its first chunk."""

    worker: int
    now_s: float


class Report(Value):
    """What a chunk, or the part of it that was run, cost where it ran."""

    worker: int
    #: Items that were run.
    n_items: int
    #: Items of the whole chunk, whose rest was handed back. 0: the worker goes on with it.
    n_sent: int
    wall_s: float
    cpu_s: float
    #: Seconds to serialise the results, on top of `wall_s`.
    pickle_s: float
    now_s: float
    #: Seconds of `wall_s` for which it could have run, but others had the core. 0.0: not told.
    run_delay_s: float = 0.0
    #: Items that failed, where failures are kept as results.
    n_failed: int = 0
    #: Size of the results as they were sent. None: they were not, or not in one piece.
    n_bytes: int | None = None

    @property
    def undelayed_s(self) -> float:
        """Wall seconds as they would have been with a core of its own."""
        return undelayed(self.wall_s, self.cpu_s, self.run_delay_s)

    @property
    def begun_s(self) -> float:
        """When the chunk was begun, or this part of it."""
        return self.now_s - self.wall_s

    @property
    def item_s(self) -> float:
        """Mean wall seconds of one item."""
        return self.wall_s / max(1, self.n_items)


def undelayed(wall_s: float, cpu_s: float, run_delay_s: float) -> float:
    """Wall seconds without those in which others had the core; at least the CPU seconds."""
    return max(1e-9, min(wall_s, cpu_s), wall_s - run_delay_s)


class Died(Value):
    """A worker ended while it was still wanted."""

    worker: int
    now_s: float


class WorkerRetired(Value):
    """A worker has ended as intended; no result of it is lost."""

    worker: int
    #: Why it ended by itself. None: it was told to.
    why: str | None = None


class MemoryGrown(Value):
    """The memory that a worker has taken since it began."""

    worker: int
    #: The most that it has had at any time.
    peak_bytes: int
    #: What it holds now.
    held_bytes: int
    #: What is free for this process and its workers besides.
    available_bytes: int


class GilProbed(Value):
    """How often, and how late, a sleeping thread woke beside running items."""

    #: Share of the time watched in which the GIL was held: near 1 when items hold it.
    lag_share: float
    watched_s: float
    n_wakes: int

    def after(self, earlier: GilProbed) -> GilProbed:
        """Both measurements as one."""
        watched_s = earlier.watched_s + self.watched_s
        late_s = earlier.lag_share * earlier.watched_s + self.lag_share * self.watched_s
        return GilProbed(
            lag_share=late_s / max(1e-9, watched_s),
            watched_s=watched_s,
            n_wakes=earlier.n_wakes + self.n_wakes,
        )


class HostInspected(Value):
    """The host and the function were inspected."""

    host: Host
    request: Request


class ProfileLookedUp(Value):
    """The profile that earlier processes have stored was looked up."""

    profile: Profile | None  # None: no more than this process knew


class DataDependsOnItems(Value):
    """The data was seen to depend on its items being run one by one, each before the next."""

    why: str


class PicklingMeasured(Value):
    """The cost of sending one item and its result was measured."""

    #: Seconds there and back. None: it cannot be sent.
    pickle_s: float | None
    #: Why it cannot.
    reason: str | None = None


class WorkersLimited(Value):
    """The system has no room for more workers than these."""

    #: How many. 0: none at all.
    n_workers: int
    why: str


Event = (
    Inlined
    | Waited
    | Started
    | Ready
    | Report
    | Died
    | WorkerRetired
    | MemoryGrown
    | HostInspected
    | ProfileLookedUp
    | GilProbed
    | PicklingMeasured
    | DataDependsOnItems
    | WorkersLimited
)

"""What the tuner is told: each event of a call, timed where it happened."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.host_job import Host, Job
    from amorsize.policy.profile import Profile


class View(Value):
    """What the tuner sees when it is asked."""

    now_s: float
    n_left: int  # items not handed out yet, as far as they have been read
    all_read: bool  # n_left is exact: no more items will come
    caller_busy: bool  # the caller is inside an item; only the dispatcher thread asks


# Events: what happened, timed where it happened.


class Inlined(Value):
    """The caller ran items itself."""

    n_items: int
    wall_s: float
    cpu_s: float  # of the calling thread
    process_cpu_s: float  # of all threads of the process over the same span
    now_s: float
    n_pauses: int  # times the thread gave up its core by itself: it waited, it had no run delay
    n_modules: int = 0  # modules imported meanwhile: a witness of warming up
    run_delay_s: float = 0.0  # of wall_s: it could have run, but others had the core; 0.0: not told
    n_failed: int = 0  # of items whose failures are kept as results

    @property
    def undelayed_s(self) -> float:
        """Wall seconds as they would have been with a core of its own."""
        return undelayed(self.wall_s, self.cpu_s, self.run_delay_s)


class Started(Value):
    """A worker was started; it is not ready yet."""

    worker: int
    backend: str
    start_s: float  # what that took of the caller's time
    now_s: float


class Ready(Value):
    """A worker can take its first chunk."""

    worker: int
    now_s: float


class Report(Value):
    """What one chunk, or the part of it that was run, cost where it ran."""

    worker: int
    n_items: int  # run
    n_sent: int  # in the chunk, whose rest was handed back; 0: the worker goes on with it
    wall_s: float
    cpu_s: float
    pickle_s: float  # to serialise the results, on top of that
    now_s: float
    run_delay_s: float = 0.0  # of wall_s: it could have run, but others had the core; 0.0: not told
    n_failed: int = 0  # of items whose failures are kept as results

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
    """Wall seconds less those in which others had the core; what was computed is left of it."""
    return max(1e-9, min(wall_s, cpu_s), wall_s - run_delay_s)


class Died(Value):
    """A worker ended while it was still wanted."""

    worker: int
    now_s: float


class WorkerRetired(Value):
    """A worker has ended as it was to; nothing of what it ran is lost."""

    worker: int
    why: str | None = None  # None: it was told to


class MemoryGrown(Value):
    """The memory that a worker has taken since it began."""

    worker: int
    peak_bytes: int  # at most, at any time
    held_bytes: int  # now
    available_bytes: int  # to this process and its workers, besides


class GilProbed(Value):
    """How often, and how late, a sleeping thread woke beside running items."""

    lag_share: float  # of time watched, that found the GIL held: near 1 when items hold it
    watched_s: float
    n_wakes: int

    def after(self, earlier: GilProbed) -> GilProbed:
        """Both looks as one."""
        watched_s = earlier.watched_s + self.watched_s
        late_s = earlier.lag_share * earlier.watched_s + self.lag_share * self.watched_s
        return GilProbed(
            lag_share=late_s / max(1e-9, watched_s),
            watched_s=watched_s,
            n_wakes=earlier.n_wakes + self.n_wakes,
        )


class HostInspected(Value):
    """What was found out about the host and the function, once it was worth the time."""

    host: Host
    job: Job


class ProfileLookedUp(Value):
    """What earlier processes have learned of the function was looked up."""

    profile: Profile | None  # None: no more than this process knew


class Bound(Value):
    """The data was seen to depend on its items being run one by one, each before the next."""

    why: str


class PicklingMeasured(Value):
    """What it takes to send one item and its result."""

    pickle_s: float | None  # both ways, there and back; None: it cannot travel
    reason: str | None = None  # why it cannot


class WorkersLimited(Value):
    """The system has room for so many workers and no more."""

    n_workers: int  # 0: for none at all
    why: str


Event = (
    Inlined
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
    | Bound
    | WorkersLimited
)

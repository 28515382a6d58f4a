"""What the tuner is told: the host, the job, what is known of the function, and each event."""

from __future__ import annotations

from amorsize.policy.evidence.exploration_budget import Explored
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BACKENDS = ("serial", "thread", "process")
SOURCES = ("learned", "tuned", "imported", "asked")
MOST_JOBS, MOST_ITEMS, MOST_S = 4096, 10**12, 1e7  # beyond, a stored figure is a mistake
MOST_SPREAD = 10.0  # of log costs: a factor of 22000 from one chunk to the next
MOST_WAYS = 8  # of running, whose results are remembered


class Host(Value):
    """What this process may use, and what starting and sending costs here."""

    n_cores: int  # cores that may compute at once; at least 1
    fork_reason: str | None = None  # why workers cannot be forked now; None when they can
    process_start_s: float = 0.3e-3  # of the caller's time, per worker process
    process_ready_s: float = 0.6e-3  # from then until it can take work
    thread_start_s: float = 80e-6
    dispatch_s: float = 40e-6  # of the caller's time, per chunk to a process and back
    thread_dispatch_s: float = 25e-6
    latency_s: float = 30e-6  # one way through a pipe
    load_s: float = 0.0  # importing what runs workers, still to be paid in this process
    has_gil: bool = True


class Job(Value):
    """One call: what is asked for, and what may be done with it."""

    n_items: int | None  # None: not known before the data ends
    backend: str = "auto"  # "auto", "serial", "thread", "process": what the user asked for
    n_jobs: int | None = None  # an upper bound set by the user
    chunksize: int | None = None  # fixed by the user: every chunk has this many items but the last
    may_inline: bool = True  # items may run in the caller
    thread_reason: str | None = None  # why threads may not be used; None when they may
    process_reason: str | None = None  # why processes may not be used; None when they may
    caller_reason: str | None = None  # why items run in the caller, in turn; None: they need not
    n_cores_most: int = 1  # what the host cannot exceed, told before anybody looks closely
    keeps_failures: bool = False  # as results, instead of ending with the first
    at_s: float | None = None  # when the call began, in seconds since 1970
    inherits_items: bool = False  # workers get the data by fork: only indices travel
    is_trifle: bool = False  # an item is over in no time, as the function's code shows
    connects: bool = False  # items use the network: what they wait for takes so many at a time

    @property
    def is_loop(self) -> bool:
        """The caller runs all items, one after the other."""
        if self.backend == "auto" and self.may_inline:
            return self.n_jobs == 1 or self.caller_reason is not None
        return self.backend == "serial"


class Profile(Value):
    """What was learned about a function on one kind of item; a hint, checked before it is used."""

    backend: str  # "serial", "thread" or "process": what served best
    n_jobs: int  # places where items ran at once
    chunksize: int  # items of a full chunk at this item cost
    item_s: float  # mean wall seconds of one item
    item_cpu_s: float  # mean CPU seconds of one item
    spread_log: float | None  # standard deviation of the log cost of chunks; None: one place only
    pickle_s: float | None  # to send one result (and its item) and read it; None: never measured
    warmup_s: float  # what the first item of a fresh worker costs on top
    holds_gil: bool | None  # None: never watched
    waits: bool  # items spend most of their time waiting
    n_items: int  # of the call it was learned from
    n_calls: int = 1
    source: str = "learned"
    typical_s: float | None = None  # geometric mean of item costs, chunk by chunk; None: no chunks
    n_chunks: int = 0  # behind that, and behind `spread_log`
    chunk_items: float = 1.0  # mean items of these
    n_short: int = 0  # calls in a row that achieved clearly less than the same plan did before
    achieved: dict[str, float] | None = None  # by "backend x n_jobs": work done / wall time
    is_enough: bool = False  # a test has shown that more than `n_jobs` bring no more,
    n_healthy: int = 1  # or that so many are not in each other's way, whatever items cost
    explored: dict[str, Any] | None = None  # the fields of an `Explored`
    failed_share: float | None = None  # of items that failed; None: failures were not kept
    bound: str | None = None  # what an item was seen to do that only the caller may do

    @classmethod
    def from_dict(cls, fields: Any) -> Profile | None:
        """A profile from stored fields; None if anything about them cannot be right."""
        if not isinstance(fields, dict) or set(fields) != set(cls._fields):
            return None
        counts = ("n_jobs", "chunksize", "n_items", "n_calls", "n_healthy")
        seconds = ("item_s", "item_cpu_s", "warmup_s")
        options = ("pickle_s", "typical_s")
        spread_log, n_chunks = fields["spread_log"], fields["n_chunks"]
        sound = (
            fields["backend"] in BACKENDS
            and fields["source"] in SOURCES
            and all(_is_count(fields[name]) for name in counts)
            and fields["n_jobs"] <= MOST_JOBS
            and all(_is_seconds(fields[name]) for name in seconds)
            and fields["item_s"] > 0
            and all(fields[name] is None or _is_seconds(fields[name]) for name in options)
            and (fields["typical_s"] is None or fields["typical_s"] > 0)
            and (spread_log is None or (_is_seconds(spread_log) and spread_log <= MOST_SPREAD))
            and all(type(n) is int and 0 <= n <= MOST_ITEMS for n in (n_chunks, fields["n_short"]))
            and _is_seconds(fields["chunk_items"])
            and any(fields["holds_gil"] is known for known in (None, True, False))
            and type(fields["waits"]) is type(fields["is_enough"]) is bool
            and _are_achieved(fields["achieved"])
            and (fields["failed_share"] is None or _is_share(fields["failed_share"]))
            and (fields["bound"] is None or _is_told(fields["bound"]))
            and (fields["explored"] is None or Explored.from_dict(fields["explored"]) is not None)
        )
        return cls(**fields) if sound else None


def _is_count(value: object) -> bool:
    return type(value) is int and 1 <= value <= MOST_ITEMS


def _is_seconds(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= MOST_S  # type: ignore[operator]


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


def _are_achieved(value: object) -> bool:
    """None, or how many cores' work each of a few ways of running has done."""
    if value is None:
        return True
    return (
        type(value) is dict
        and len(value) <= MOST_WAYS
        and all(type(way) is str and len(way) <= MOST_WAY_CHARS for way in value)
        and all(_is_seconds(n) and n <= MOST_JOBS for n in value.values())
    )


MOST_WAY_CHARS = 32


def _is_told(value: object) -> bool:
    """A reason that may be shown: of one line, with nothing in it that moves a cursor."""
    return type(value) is str and 0 < len(value) <= MOST_TOLD_CHARS and value.isprintable()


MOST_TOLD_CHARS = 200


class View(Value):
    """What the tuner sees when it is asked."""

    now_s: float
    n_left: int  # items not handed out yet, as far as they have been read
    all_read: bool  # n_left is exact: no more items will come
    caller_busy: bool  # the caller is inside an item; only its feeder asks


# Events: what happened, timed where it happened.


class Inlined(Value):
    """The caller ran items itself."""

    n_items: int
    wall_s: float
    cpu_s: float  # of the calling thread
    process_cpu_s: float  # of all threads of the process over the same span
    now_s: float
    n_pauses: int  # times the thread gave up its core by itself: it waited, and was not starved
    n_modules: int = 0  # modules imported meanwhile: a witness of warming up
    run_delay_s: float = 0.0  # of wall_s: it could have run, but others had the core; 0.0: not told
    n_failed: int = 0  # of items whose failures are kept as results

    @property
    def unstarved_s(self) -> float:
        """Wall seconds as they would have been with a core of its own."""
        return unstarved(self.wall_s, self.cpu_s, self.run_delay_s)


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
    def unstarved_s(self) -> float:
        """Wall seconds as they would have been with a core of its own."""
        return unstarved(self.wall_s, self.cpu_s, self.run_delay_s)

    @property
    def item_s(self) -> float:
        """Mean wall seconds of one item."""
        return self.wall_s / max(1, self.n_items)


def unstarved(wall_s: float, cpu_s: float, run_delay_s: float) -> float:
    """Wall seconds less those in which others had the core; what was computed is left of it."""
    return max(1e-9, min(wall_s, cpu_s), wall_s - run_delay_s)


class Died(Value):
    """A worker ended while it was still wanted."""

    worker: int
    now_s: float


class WorkerRetired(Value):
    """A worker has ended as it was to; nothing of what it ran is lost."""

    worker: int
    why: str | None = None  # None: it was sent home


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
    | GilProbed
    | PicklingMeasured
    | Bound
    | WorkersLimited
)

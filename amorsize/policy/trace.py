"""The record of one call, from which explain() reads all that it tells."""

from __future__ import annotations

from amorsize.policy.events import undelayed
from amorsize.policy.frozen_record import Value, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.actions import Plan
    from amorsize.policy.evidence.drift import Drift
    from amorsize.policy.profile import Profile
    from amorsize.policy.state import Note


#: A trace keeps at most so many chunks, in some 4 MB. Beyond, neighbours are merged.
MANY_CHUNKS = 20_000

#: What happened to workers is kept so many times: enough for each of 1000 to start, be ready and
#: end. A worker that is replaced after each few items would go on for as long as the data does.
MANY_WORKER_EVENTS = 4_000


class ChunkTrace(Value):
    """One chunk, as it was reported."""

    worker: int  # -1: the caller
    backend: str
    n_items: int
    wall_s: float
    cpu_s: float
    now_s: float  # since the call began, when the report came in
    run_delay_s: float = 0.0  # of wall_s: it could have run, but others had the core
    n_chunks: int = 1  # that were merged into this one
    first_s: float | None = None  # when the first of several merged chunks began

    @property
    def begun_s(self) -> float:
        """Seconds since the call began, when its first item was begun."""
        return max(0.0, self.now_s - self.wall_s) if self.first_s is None else self.first_s

    @property
    def undelayed_s(self) -> float:
        """Wall seconds as they would have been with a core of its own."""
        return undelayed(self.wall_s, self.cpu_s, self.run_delay_s)


class ChunkLog:
    """The chunks of a call in the order of their reports; merged with neighbours beyond a bound."""

    def __init__(self) -> None:
        self._chunks: list[ChunkTrace] = []

    @property
    def all(self) -> tuple[ChunkTrace, ...]:
        """What is kept."""
        return tuple(self._chunks)

    def append(self, chunk: ChunkTrace) -> None:
        """Keep one more; where there are too many, each is merged with its worker's next."""
        self._chunks.append(chunk)
        if len(self._chunks) > MANY_CHUNKS:
            self._chunks = _merged(self._chunks)


def _merged(chunks: list[ChunkTrace]) -> list[ChunkTrace]:
    merged: list[ChunkTrace] = []
    waiting: dict[int, ChunkTrace] = {}
    for chunk in chunks:
        first = waiting.pop(chunk.worker, None)
        if first is None:
            waiting[chunk.worker] = chunk
            continue
        merged.append(
            ChunkTrace(
                worker=chunk.worker,
                backend=chunk.backend,
                n_items=first.n_items + chunk.n_items,
                wall_s=first.wall_s + chunk.wall_s,
                cpu_s=first.cpu_s + chunk.cpu_s,
                now_s=chunk.now_s,
                run_delay_s=first.run_delay_s + chunk.run_delay_s,
                n_chunks=first.n_chunks + chunk.n_chunks,
                first_s=first.begun_s,
            )
        )
    return merged + list(waiting.values())


class WorkerEvent(Value):
    """Something that became of a worker."""

    now_s: float  # since the call began
    worker: int
    what: str  # "started", "ready", "retried", "died" or "retired"
    backend: str
    n_items: int = 0  # that run again after a death, or that ran again
    why: str | None = None  # how it died, or why it was retired


class WorkerLog:
    """What became of the workers of a call, in order: as much of it as is kept."""

    def __init__(self) -> None:
        self._events: list[WorkerEvent] = []

    @property
    def all(self) -> tuple[WorkerEvent, ...]:
        """What is kept."""
        return tuple(self._events)

    def append(self, event: WorkerEvent) -> None:
        """Keep one more, unless there are too many."""
        if len(self._events) < MANY_WORKER_EVENTS:
            self._events.append(event)


#: Calls whose costs the trace of the last one keeps.
MANY_CALLS = 100


class CallCost(Value):
    """What an item cost in one of the calls so far."""

    n_items: int
    item_s: float
    spread_log: float | None  # standard deviation of the log cost of chunks; None: not known
    backend: str
    ended_at_s: float  # since 1970
    drifts: tuple[Drift, ...] = ()  # what turned out to differ from what was remembered


class Trace(Value):
    """One call."""

    name: str
    n_items: int
    makespan_s: float
    n_cores: int | None  # None: the call was over before it mattered
    plan: Plan
    profile: Profile | None
    known: Profile | None  # what was remembered when the call began
    known_from: str | None  # "memory" or "disk"
    known_fits: bool | None  # None: not checked, or nothing was known
    notes: tuple[Note, ...]
    chunks: tuple[ChunkTrace, ...]
    n_started: dict[str, int]  # workers, by backend
    n_repeated: int  # items run again because a worker died with their results
    rejected: tuple[str, ...]  # backends that were ruled out, and why
    warnings: tuple[str, ...]
    drifts: tuple[Drift, ...] = ()  # what turned out to differ from what was remembered
    worker_events: tuple[WorkerEvent, ...] = ()  # starts, deaths and the like
    ended_at_s: float | None = None  # since 1970
    costs: tuple[CallCost, ...] = ()  # of this process's latest calls, this one at the end

    def n_items_by(self, backend: str) -> int:
        """Items run in the caller ("caller"), in threads or in processes."""
        return sum(chunk.n_items for chunk in self.chunks if chunk.backend == backend)

    def n_chunks_by(self, backend: str) -> int:
        """Chunks run in the caller, in threads or in processes."""
        return sum(chunk.n_chunks for chunk in self.chunks if chunk.backend == backend)

    @property
    def busy_s(self) -> float:
        """CPU seconds of the items, wherever they ran."""
        return sum(chunk.cpu_s for chunk in self.chunks)

    @property
    def work_s(self) -> float:
        """Wall seconds of the items, wherever they ran, waiting for cores and the GIL included."""
        return sum(chunk.wall_s for chunk in self.chunks)

    @property
    def loop_s(self) -> float:
        """What the items would have taken one after the other, undisturbed by each other.

        Times in which others had the core are left out. An item that computes in one of several
        threads waits for the GIL as well, which nobody counts: of it, what it computed is taken,
        and what such items wait besides is told from those that ran alone.
        """
        shared = {"thread", "caller"} if self.n_started.get("thread") else set()
        if self.profile is not None and self.profile.traits.waits:
            shared = set()
        began_s = min((c.now_s - c.wall_s for c in self.chunks if c.worker >= 0), default=inf)
        alone = [c for c in self.chunks if c.backend not in shared or c.now_s <= began_s]
        serial_item_s, alone_cpu_s = sum(c.undelayed_s for c in alone), sum(c.cpu_s for c in alone)
        share = min(1.0, alone_cpu_s / serial_item_s) if serial_item_s and alone_cpu_s else 1.0
        kept = {id(c) for c in alone}
        return serial_item_s + sum(
            min(c.undelayed_s, c.cpu_s / share) for c in self.chunks if id(c) not in kept
        )

    @property
    def speedup(self) -> float | None:
        """What the loop would have taken / what the call took; None where it was the loop."""
        is_loop = all(chunk.worker < 0 for chunk in self.chunks)
        return None if is_loop or not self.makespan_s else self.loop_s / self.makespan_s

    @property
    def busy_share(self) -> float:
        """CPU seconds of the items / (usable cores x makespan)."""
        n_cores = self.n_cores or 1
        return self.busy_s / (n_cores * self.makespan_s) if self.makespan_s else 0.0

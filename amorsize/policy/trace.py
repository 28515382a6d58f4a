"""What one call did and why: everything that explain() tells is read from here."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.drift import Drift
    from amorsize.policy.facts import Profile
    from amorsize.policy.plan import Plan
    from amorsize.policy.state import Note


MANY_CHUNKS = 100_000  # a trace keeps at most so many; beyond, neighbours are merged


class ChunkTrace(Value):
    """One chunk, as it was reported."""

    worker: int  # -1: the caller
    backend: str
    n_items: int
    wall_s: float
    cpu_s: float
    now_s: float  # since the call began, when the report came in


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
            chunk.but(
                n_items=first.n_items + chunk.n_items,
                wall_s=first.wall_s + chunk.wall_s,
                cpu_s=first.cpu_s + chunk.cpu_s,
            )
        )
    return merged + list(waiting.values())


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
    pids: tuple[int, ...] = ()  # of worker processes
    drifts: tuple[Drift, ...] = ()  # what turned out to differ from what was remembered

    def n_items_by(self, backend: str) -> int:
        """Items run in the caller ("caller"), in threads or in processes."""
        return sum(chunk.n_items for chunk in self.chunks if chunk.backend == backend)

    @property
    def busy_s(self) -> float:
        """CPU seconds of the items, wherever they ran."""
        return sum(chunk.cpu_s for chunk in self.chunks)

    @property
    def work_s(self) -> float:
        """Wall seconds of the items, wherever they ran: about what the loop would take."""
        return sum(chunk.wall_s for chunk in self.chunks)

    @property
    def busy_share(self) -> float:
        """CPU seconds of the items / (usable cores x makespan)."""
        n_cores = self.n_cores or 1
        return self.busy_s / (n_cores * self.makespan_s) if self.makespan_s else 0.0

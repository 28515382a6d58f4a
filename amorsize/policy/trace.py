"""What one call did and why: everything that explain() tells is read from here."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.facts import Profile
    from amorsize.policy.plan import Plan
    from amorsize.policy.tuner import Note


class ChunkTrace(Value):
    """One chunk, as it was reported."""

    worker: int  # -1: the caller
    backend: str
    n_items: int
    wall_s: float
    cpu_s: float
    now_s: float  # since the call began, when the report came in


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

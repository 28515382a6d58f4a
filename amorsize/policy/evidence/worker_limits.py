"""How many workers may get chunks: the least of what each kind of evidence allows."""

from __future__ import annotations

from amorsize.policy.evidence.contention import Contention
from amorsize.policy.evidence.failures_by_concurrency import Failures
from amorsize.policy.evidence.memory_limit import MemoryLimit


class WorkerLimits:
    """What limits the number of workers beside the cores.

    Args:
        known_failed_share: Share of items that failed in earlier calls; None: nothing is known.
    """

    def __init__(self, known_failed_share: float | None) -> None:
        #: Whether fewer workers would deliver as much.
        self.contention = Contention()
        #: How many workers the memory has room for.
        self.memory = MemoryLimit()
        #: How many items have failed, alone and with others.
        self.failures = Failures(known_failed_share)
        #: Workers that the system lets us have. None: no limit was met.
        self.n_system: int | None = None

    @property
    def n_most(self) -> int | None:
        """Workers that get chunks, the others being parked; None: all."""
        n_least, n_enough, n_fit = self.n_system, self.contention.n_limit, self.memory.n_limit
        if n_enough is not None and (n_least is None or n_enough < n_least):
            n_least = n_enough
        n_most = self.failures.n_limit
        if n_most is not None and (n_least is None or n_most < n_least):
            n_least = n_most
        return n_fit if n_fit is not None and (n_least is None or n_fit < n_least) else n_least

    def within(self, n: int) -> int:
        """So many workers, or the fewer that get chunks."""
        return min(n, self.n_most or n)

"""One plan with what it was measured to take."""

from __future__ import annotations

from amorsize.policy.actions import Plan
from amorsize.policy.frozen_record import Value

MEASURED, STOPPED, TIMED_OUT, FAILED = "measured", "stopped early", "timed out", "failed"
NOT_MEASURED = "not measured"


class Configuration(Value):
    """One way of running the items, and what it was measured to take for all of them."""

    backend: str
    n_jobs: int
    chunksize: int
    time_s: float  # infinite where there is no result
    low_s: float | None = None  # of a 95 % confidence interval; None: there is none
    high_s: float | None = None
    n_runs: int = 0
    n_items: int = 0  # of the largest run; the time for all items was told from it
    status: str = MEASURED  # or "stopped early", "timed out", "failed", "not measured"
    reason: str = ""

    @property
    def plan(self) -> Plan:
        """The same as the options of a call."""
        return Plan(
            backend=self.backend, n_jobs=self.n_jobs, chunksize=self.chunksize, source="tuned"
        )


def speedup(serial_s: float, time_s: float) -> float:
    """How many times quicker than the loop this is; 0 where it was not measured."""
    return serial_s / time_s if 0 < time_s < float("inf") else 0.0

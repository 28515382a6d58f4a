"""The figures that a tuning comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from amorsize.optimizer import OptimizationResult
from amorsize.policy.actions import Plan
from amorsize.tuning.configuration import Configuration, speedup


@dataclass
class Figures:
    """The figures of a tuning: the winner and all that was measured."""

    best_n_jobs: int
    best_chunksize: int
    best_time: float
    best_speedup: float
    serial_time: float
    configurations_tested: int  # the loop included
    all_results: dict[tuple[int, int], float]  # (n_jobs, chunksize): seconds
    optimization_hint: OptimizationResult | None = None
    search_strategy: str = "grid"
    executor_type: str = "process"
    configurations: tuple[Configuration, ...] = ()
    serial: Configuration | None = None
    best_backend: str | None = None  # None: `executor_type`
    is_decided: bool = True  # else the noise was too large to tell the best, or nothing was tuned
    verdict: str = ""
    n_items: int | None = None
    tuning_s: float | None = None  # wall seconds that the tuning took
    warnings: list[str] = field(default_factory=list)
    is_saved: bool = False  # the next call of the function starts from the winner
    function: str | None = None  # its name

    @property
    def backend(self) -> str:
        """Where the items are best run: "serial", "thread" or "process"."""
        return self.best_backend or self.executor_type

    @property
    def plan(self) -> Plan:
        """The winner as the options of a call."""
        return Plan(
            backend=self.backend,
            n_jobs=self.best_n_jobs,
            chunksize=self.best_chunksize,
            source="tuned",
        )

    @property
    def cost_ratio(self) -> float | None:
        """What the tuning took / what the loop takes."""
        if self.tuning_s is None or not self.serial_time:
            return None
        return self.tuning_s / self.serial_time

    def get_top_configurations(self, n: int = 5) -> list[tuple[int, int, float, float]]:
        """The quickest: (n_jobs, chunksize, seconds, speedup), the best first."""
        ranked = sorted(self.all_results.items(), key=lambda item: item[1])[: max(0, n)]
        return [
            (n_jobs, chunksize, time_s, speedup(self.serial_time, time_s))
            for (n_jobs, chunksize), time_s in ranked
        ]

"""What a tuning found: the winner, everything that was measured, and how sure that is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amorsize.errors import InvalidOptionError
from amorsize.optimizer import OptimizationResult
from amorsize.policy.actions import Plan
from amorsize.tuning import document as documents
from amorsize.tuning import result_text
from amorsize.tuning.configuration import Configuration, speedup


@dataclass
class TuningResult:
    """What `tune_parameters` and `quick_tune` return.

    Times are seconds for all items; where only a part of them was run, they were told from it
    (`configurations` has the numbers). Where the loop won, `best_n_jobs` is 1, `backend` is
    "serial", and `executor_type` names the workers it was compared with.
    """

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

    # -- keeping ----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; an infinite time is None, as JSON knows no other."""
        return documents.of_result(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> TuningResult:
        """The result that `to_dict` told of.

        Raises:
            InvalidOptionError: Something about it cannot be right.
        """
        try:
            return cls(**documents.fields_of(document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidOptionError(
                f"This is no result of a tuning: {type(error).__name__}: {error}"
            ) from error

    def save_config(self, path: str | Path) -> None:
        """Write the result as one readable JSON file.

        Raises:
            OSError: It cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load_config(cls, path: str | Path) -> TuningResult:
        """Read what `save_config` wrote.

        Raises:
            InvalidOptionError: The file is no result of a tuning.
            OSError: It cannot be read.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidOptionError(f"{path} is no result of a tuning: {error}") from None
        try:
            return cls.from_dict(document)
        except InvalidOptionError as error:
            raise InvalidOptionError(f"{path}: {error}") from error

    # -- showing ----------------------------------------------------------------------------

    def __str__(self) -> str:
        return result_text.as_text(self)

    def __repr__(self) -> str:
        return (
            f"TuningResult(best_n_jobs={self.best_n_jobs}, best_chunksize={self.best_chunksize}, "
            f"best_speedup={self.best_speedup:.2f}x, backend={self.backend!r}, "
            f"configurations_tested={self.configurations_tested})"
        )

    def _repr_html_(self) -> str:
        return result_text.as_html(self)

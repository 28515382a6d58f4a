"""The answer of `optimize`: a plan, with what was seen of the items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from amorsize.errors import InvalidOptionError
from amorsize.policy.actions import Plan
from amorsize.policy.counted import counted
from amorsize.report import aligned, html_table, plan_in_words, seconds


@dataclass
class OptimizationResult:
    """How to run a function over data, as far as a few items tell; a prediction, no measurement.

    `data` gives all items, those that were run included, also where it was an iterator.
    `estimated_speedup` is the loop's time by that of a call with exactly this plan. With "serial"
    as its `backend` the loop is best.

    Example:
        >>> print(optimize(len, ["a", "bb"]))
        plan  the loop, in the caller ...
    """

    n_jobs: int
    chunksize: int
    reason: str
    estimated_speedup: float = 1.0
    warnings: list[str] = field(default=None)  # type: ignore[arg-type]  # None: there are none
    data: Any = field(default=None, repr=False)
    n_items: int | None = None  # None: the data does not tell before it ends
    n_sampled: int = 0  # items that were run
    n_runs: int = 0  # runs of them: more where it took longer to see whether they hold the GIL
    sampled_s: float = 0.0  # wall seconds that took
    item_s: float | None = None  # mean wall seconds of one item; None: none was run
    estimated_serial_s: float | None = None  # of the loop over all of them
    executor_type: str = "process"

    def __post_init__(self) -> None:
        """Refuse what no plan can be."""
        self.warnings = list(self.warnings or ())
        for name in ("n_jobs", "chunksize"):
            if getattr(self, name) < 1:
                raise InvalidOptionError(
                    f"{name}={getattr(self, name)!r} is not allowed: it is at least 1."
                )

    @property
    def backend(self) -> str:
        """Where the items are best run: "serial", "thread" or "process"."""
        return self.executor_type

    @property
    def estimated_s(self) -> float | None:
        """Seconds that all items would take under this plan."""
        if self.estimated_serial_s is None:
            return None
        return self.estimated_serial_s / self.estimated_speedup

    @property
    def plan(self) -> Plan:
        """The same as the options of a call."""
        return Plan(backend=self.backend, n_jobs=self.n_jobs, chunksize=self.chunksize)

    def explain(self) -> str:
        """What was seen, what follows and why, in lines."""
        return "\n".join(aligned(self._rows()))

    __str__ = explain

    def _repr_html_(self) -> str:
        return html_table(self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("plan", _in_words(self.plan))]
        if self.item_s is not None:
            again = f" ({self.n_runs} runs)" if self.n_runs > self.n_sampled else ""
            rows.append(
                ("seen", f"{counted(self.n_sampled, 'item')}{again} in {seconds(self.sampled_s)}: "
                 f"{seconds(self.item_s)} an item")
            )  # fmt: skip
        rows.append(("why", self.reason))
        speedup = f"{self.estimated_speedup:.2f} x"
        if self.estimated_serial_s is not None and self.estimated_s is not None:
            n_items = "as many items" if self.n_items is None else counted(self.n_items, "item")
            speedup += (
                f": {seconds(self.estimated_serial_s)} in the loop, "
                f"{seconds(self.estimated_s)} so, for {n_items}"
            )
        rows.append(("speedup", speedup))
        return rows + [("warning", text) for text in self.warnings]


def _in_words(plan: Plan) -> str:
    words = plan_in_words(plan.backend, plan.n_jobs, plan.chunksize)
    return f"{words} (n_jobs={plan.n_jobs}, chunksize={plan.chunksize})"

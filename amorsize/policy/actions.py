"""The actions that the tuner can ask a call to take next."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

#: Where the workers of a plan run.
WORKER_BACKENDS = ("thread", "process")

#: Where the items of a plan run.
PLAN_BACKENDS = ("serial", *WORKER_BACKENDS)


class Plan(Value):
    """A backend, how many items run at once, and how many are sent together."""

    backend: str
    n_jobs: int
    chunksize: int
    source: str = "learned"  # "learned", "tuned", "imported" or "asked"

    def _repr_html_(self) -> str:
        """A row of a table, in a notebook."""
        shown = [str(one).replace("&", "&amp;").replace("<", "&lt;") for one in self]  # type: ignore[attr-defined]
        head = "".join(f"<th scope='col'>{name}</th>" for name in self._fields)
        cells = "".join(f"<td>{one}</td>" for one in shown)
        return f"<table><tr>{head}</tr><tr>{cells}</tr></table>"


class RunInline(Value):
    """Run up to `n_items` items in the caller, for about `time_budget_s` seconds."""

    n_items: int
    time_budget_s: float


class StartWorker(Value):
    """Start one worker, without waiting for it."""

    backend: str


class Send(Value):
    """Send a chunk to a worker; items not done within `time_budget_s` come back."""

    worker: int
    n_items: int
    time_budget_s: float


class RetireWorker(Value):
    """End an idle worker that costs more than it helps."""

    worker: int


class InspectHost(Value):
    """Find out what the host has and what the function reaches, and report it."""


class LookUpProfile(Value):
    """Look up what earlier processes have learned of the function, and report it."""


class StartGilProbe(Value):
    """Start a thread that measures how the caller's items hold the GIL."""


class StopGilProbe(Value):
    """Stop that thread, and report what it has measured."""


class MeasurePickling(Value):
    """Measure what it takes to pickle one item and its result, and report it."""


class Wait(Value):
    """Nothing to do until something happens."""

    reason: str = ""
    timeout_s: float | None = None
    is_watched: bool = False  # what the process has computed meanwhile is to be told


Action = (
    RunInline
    | StartWorker
    | Send
    | RetireWorker
    | InspectHost
    | LookUpProfile
    | StartGilProbe
    | StopGilProbe
    | MeasurePickling
    | Wait
)

"""What the tuner answers: each action that a call may take next."""

from __future__ import annotations

from amorsize.policy.value import Value

#: Where the workers of a plan run.
WORKER_BACKENDS = ("thread", "process")

#: Where the items of a plan run.
PLAN_BACKENDS = ("serial", *WORKER_BACKENDS)


class Plan(Value):
    """A backend, how many items run at once, and how many travel together."""

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
    """The caller runs up to `n_items` items itself, within about `time_budget_s`."""

    n_items: int
    time_budget_s: float


class StartWorker(Value):
    """Start one worker; do not wait for it."""

    backend: str


class Send(Value):
    """Send a chunk to a worker; what is not done within `time_budget_s` comes back."""

    worker: int
    n_items: int
    time_budget_s: float


class RetireWorker(Value):
    """End an idle worker, which costs more than it helps."""

    worker: int


class InspectHost(Value):
    """Find out what the host has and what the function reaches, and tell."""


class LookUpProfile(Value):
    """Find out what earlier processes have learned of the function, and tell."""


class StartGilProbe(Value):
    """Have a thread watch how the caller's items hold the GIL."""


class StopGilProbe(Value):
    """Stop watching and tell what was seen."""


class MeasurePickling(Value):
    """Pickle one item and its result, and tell what that took."""


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

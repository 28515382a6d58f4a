"""What the host offers a call."""

from __future__ import annotations

from amorsize.policy.value import Value


class Host(Value):
    """What this process may use, and what starting and sending costs here."""

    n_cores: int  # cores that may compute at once; at least 1
    fork_reason: str | None = None  # why workers cannot be forked now; None when they can
    process_start_s: float = 0.3e-3  # of the caller's time, per worker process
    process_ready_s: float = 0.6e-3  # from then until it can take work
    thread_start_s: float = 80e-6
    dispatch_s: float = 40e-6  # of the caller's time, per chunk to a process and back
    thread_dispatch_s: float = 25e-6
    latency_s: float = 30e-6  # one way through a pipe
    load_s: float = 0.0  # importing what runs workers, still to be paid in this process
    has_gil: bool = True
    #: Of a chunk there and back, with workers of another's; None: they are ours.
    executor_lag_s: float | None = None
    executor_overlaps: bool = True  # a chunk may wait there behind another: its way costs no time

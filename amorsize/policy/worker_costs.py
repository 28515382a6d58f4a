"""What workers cost on a host, in seconds, which tells how many the work left pays for."""

from __future__ import annotations

from amorsize.policy import chunk_sizing
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Items(Protocol):
        """What the cost of sending an item is compared with."""

        @property
        def item_s(self) -> float | None:
            """Mean wall seconds of one."""

        @property
        def work_s(self) -> float:
            """Mean CPU seconds of one."""

        @property
        def waits(self) -> bool:
            """Whether they spend most of their time waiting."""


#: If the caller could keep fewer workers than this busy, sending costs more than it brings.
WORTH = 1.5

#: Workers are started for this many times what the caller could serve, since sending varies as
#: well.
SPARE = 1.25

#: Sending that has paid once goes on down to this number of workers. The gap to `WORTH` avoids
#: going back and forth.
KEEP_WORTH = 1.2

#: One more worker is started while the others stay busy for this many times its start.
IN_TIME = 1.5

#: Workers must save 15 % of what is left, or none is started.
PAYBACK = 0.85

#: What a call with workers costs beside them: deciding, and remembering what they did.
TOGETHER_S = 0.3e-3

#: What starting workers may cost if it never pays: 3 % of the call and 4 ms. This is the promise.
BET_SHARE, BET_S = 0.03, 4e-3

#: Above this process CPU / wall, items are parallel in themselves.
SEVERAL_CORES = 1.3


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


class WorkerCost(Value):
    """What one kind of worker costs on this host, in seconds."""

    start_s: float  # of the caller, per worker
    ready_s: float  # from then until it can take work
    load_s: float  # importing what runs it, once
    dispatch_s: float  # of the caller, per chunk
    overhead_s: float  # per chunk in all, the way there and back included

    @property
    def first_s(self) -> float:
        """From the decision to the first worker at work."""
        return self.start_s + self.ready_s + self.load_s

    def max_dispatchable(self, costs: Items, pickle_s: float) -> float:
        """How many workers the caller can keep busy: the cost of an item over that of sending it.

        CPU time counts, not wall time, which a crowded core inflates.
        """
        item_s = costs.item_s or 0.0
        n_bulk = max(1.0, self.overhead_s / chunk_sizing.BULK_LOSS_SHARE / max(item_s, 1e-9))
        sending_s = pickle_s + self.dispatch_s / n_bulk
        return (item_s if costs.waits else costs.work_s) / max(sending_s, 1e-12)

    def n_affordable(self, left_s: float, warmup_s: float = 0.0) -> int:
        """More workers would not be ready in time, with one start after the other.

        By the square-root law, for all of them together; where so many are at work already that
        they share what is left, another one is worth its own start.
        """
        ready_s = self.start_s + self.ready_s + warmup_s
        n_late = left_s / (IN_TIME * ready_s)
        return max(1, int((2 * left_s / self.start_s) ** 0.5), int(min(1e6, n_late)))

    def pays(self, left_s: float, n_workers: int, warmup_s: float) -> bool:
        """Whether so many workers, and the caller, are through clearly sooner than the loop.

        The caller starts one after the other, and does nothing else meanwhile.
        """
        starting_s = n_workers * self.start_s * (0.5 + 1 / (n_workers + 1))
        spent_s = self.load_s + self.ready_s + warmup_s + starting_s + TOGETHER_S
        return left_s / (n_workers + 1) + spent_s <= PAYBACK * left_s


class HostWorkerCosts(Value):
    """What workers of either kind cost on one host."""

    threads: WorkerCost
    #: The first process pays for loading what runs workers.
    first_process: WorkerCost
    processes: WorkerCost

    @classmethod
    def of(cls, host: Host) -> HostWorkerCosts:
        """From what was measured of the host."""
        first = of_processes(host)
        return cls(
            threads=of_threads(host), first_process=first, processes=first.replace(load_s=0.0)
        )


def of_threads(host: Host) -> WorkerCost:
    """Worker threads: quick to start, and nothing has to travel."""
    return WorkerCost(
        start_s=host.thread_start_s,
        ready_s=0.0,
        load_s=0.0,
        dispatch_s=host.thread_dispatch_s,
        overhead_s=host.thread_dispatch_s,
    )


def of_processes(host: Host) -> WorkerCost:
    """Worker processes behind pipes."""
    return WorkerCost(
        start_s=host.process_start_s,
        ready_s=host.process_ready_s,
        load_s=host.load_s,
        dispatch_s=host.dispatch_s,
        overhead_s=host.dispatch_s + 2 * host.latency_s,
    )


def bet_s(spent_s: float, left_s: float) -> float:
    """What may be lost on workers that turn out not to help, by what the whole call takes."""
    return BET_SHARE * (spent_s + left_s) + BET_S

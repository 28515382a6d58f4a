"""Predicts from a few items how long fixed plans would take.

`optimize` answers with this, and tuning begins with it. A fixed plan is that of a plain pool: a
number of workers and one chunksize. The tuner of a call decides step by step instead.
"""

from __future__ import annotations

from amorsize.policy import best_backend, chunk_sizing, worker_costs
from amorsize.policy.actions import Plan
from amorsize.policy.evidence import io_concurrency
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.policy.events import PicklingMeasured
    from amorsize.policy.evidence.item_costs import ItemCosts
    from amorsize.policy.request import Request
    from amorsize.policy.worker_costs import Host

#: CPU time of an item while all cores compute, by that of an item alone. Measured: 1.04 to 1.08.
TOGETHER = 1.06

#: Time of the one GIL that a thread needs to wake and to report. Measured: 300 waits took 34 ms of
#: CPU time.
WAKE_S = 0.1e-3

#: A plan with more workers has to be quicker by this factor.
SAME = 0.99

#: Chunksizes to compare, as multiples of the bulk chunksize. The optimum is flat.
CHUNK_STEPS = (0.25, 0.5, 1.0, 2.0)


class Basis(Value):
    """The figures that a prediction is made from."""

    host: Host
    n_items: int
    item_s: float  # mean wall seconds of one
    work_s: float  # mean CPU seconds of one
    longest_s: float  # the longest that was seen
    pickle_s: float  # to send one and its result, both ways; 0 where nothing travels
    waits: bool = False
    together: float = TOGETHER

    @property
    def serial_s(self) -> float:
        """Seconds that the loop takes."""
        return self.n_items * self.item_s


class Prediction(Value):
    """A plan and what it would take."""

    plan: Plan
    makespan_s: float
    serial_s: float
    why: str

    @property
    def speedup(self) -> float:
        """Loop / makespan."""
        return self.serial_s / self.makespan_s if self.makespan_s > 0 else 1.0


def basis_of(
    host: Host,
    costs: ItemCosts,
    pickling: PicklingMeasured | None,
    *,
    n_items: int,
    longest_s: float,
) -> Basis:
    """The basis for all items, from a few of them and what pickling them takes."""
    return Basis(
        host=host,
        n_items=n_items,
        item_s=costs.mean_s or 0.0,
        work_s=costs.work_s,
        longest_s=longest_s,
        pickle_s=0.0 if pickling is None else pickling.pickle_s or 0.0,
        waits=costs.waits,
    )


def predict(
    basis: Basis,
    request: Request,
    chosen: best_backend.BackendChoice,
    *,
    cores_per_item: float = 1.0,
    chunk_s: float | None = None,
) -> Prediction:
    """The fixed plan that would end soonest, or the loop if none is clearly quicker.

    Args:
        basis: What is known of items and host.
        request: What is asked for; an `n_jobs` or `chunksize` in it is obeyed.
        chosen: Where the items are to run.
        cores_per_item: CPU / wall of an item alone: above 1 it uses several cores itself.
        chunk_s: How long a chunk is to last; None: what sending it costs decides.
    """
    if chosen.backend in (None, "serial"):
        return _loop(basis, chosen.why)
    assert chosen.backend is not None
    plans = list(_plans(basis, request, chosen.backend, cores_per_item, chunk_s))
    if not plans:
        return _loop(basis, "workers would not pay: sending an item costs more than it brings")
    best = _soonest(basis, plans)
    took_s, serial_s = makespan_s(best, basis), basis.serial_s
    if request.backend == "auto" and took_s > worker_costs.PAYBACK * serial_s:
        return _loop(basis, "workers would not pay: starting and sending takes what they save")
    return Prediction(plan=best, makespan_s=took_s, serial_s=serial_s, why=chosen.why)


def makespan_s(plan: Plan, basis: Basis) -> float:
    """Seconds that all items would take under a fixed plan.

    Workers start one after the other and share chunks evenly; the last round may be a part of one;
    the caller, who sends and collects, and the cores may each be what everybody waits for.

    Source:
        List scheduling, Graham (1969), with chunks as jobs.
    """
    if plan.backend == "serial":
        return basis.serial_s
    worker_cost = worker_cost_of(plan.backend, basis.host)
    pickle_s = basis.pickle_s / 2 if plan.backend == "process" else 0.0
    n_chunks = -(-basis.n_items // plan.chunksize)
    n_last = basis.n_items - (n_chunks - 1) * plan.chunksize
    n_working = min(plan.n_jobs, n_chunks)
    n_at_once = n_working if basis.waits else min(n_working, basis.host.n_cores)
    item_s = basis.item_s + pickle_s
    caller_s = n_chunks * worker_cost.dispatch_s + basis.n_items * pickle_s
    beside_s = 0.0  # what the caller takes of cores that workers want
    if n_at_once == basis.host.n_cores and not basis.waits:
        item_s *= basis.together
        beside_s = caller_s / basis.host.n_cores
    chunk_s = plan.chunksize * item_s
    # Short chunks are sent ahead, so that nobody waits for the next one: `rules/dispatch.py`.
    is_deep = chunk_s <= chunk_sizing.DEEP_OVERHEADS * worker_cost.overhead_s
    gap_s = 0.0 if is_deep else worker_cost.overhead_s
    up_s = worker_cost.load_s + worker_cost.ready_s + (n_working + 1) / 2 * worker_cost.start_s
    n_rounds, n_over = divmod(n_chunks - 1, n_at_once)
    last_s = n_last * item_s if n_over == 0 else chunk_s
    uneven_s = (1 - 1 / n_at_once) * (basis.longest_s - basis.item_s) / 2
    share_s = (n_chunks * gap_s + basis.n_items * item_s) / n_at_once + beside_s
    rounds_s = n_rounds * (chunk_s + gap_s) + last_s
    in_turn_s = worker_cost.load_s + n_working * worker_cost.start_s + caller_s
    if plan.backend == "thread" and basis.waits:  # what items compute, one of them does at a time
        in_turn_s += basis.n_items * (basis.work_s + WAKE_S)
    return max(up_s + rounds_s, up_s + share_s + uneven_s, in_turn_s)


def worker_cost_of(backend: str, host: Host) -> worker_costs.WorkerCost:
    """The cost of a backend's workers."""
    return worker_costs.of_threads(host) if backend == "thread" else worker_costs.of_processes(host)


def chunksizes(basis: Basis, backend: str, n_jobs: int) -> list[int]:
    """Sizes worth a look: around the one whose sending costs a hundredth, some for each worker."""
    bulk = chunk_sizing.bulk_chunksize(basis.item_s, worker_cost_of(backend, basis.host).overhead_s)
    n_most = max(1, -(-basis.n_items // n_jobs))
    return sorted({min(n_most, max(1, round(step * bulk))) for step in CHUNK_STEPS})


def _loop(basis: Basis, why: str) -> Prediction:
    serial_s = basis.serial_s
    plan = Plan(backend="serial", n_jobs=1, chunksize=max(1, basis.n_items), source="learned")
    return Prediction(plan=plan, makespan_s=serial_s, serial_s=serial_s, why=why)


def _plans(
    basis: Basis, request: Request, backend: str, cores_per_item: float, chunk_s: float | None
) -> Iterable[Plan]:
    for n_jobs in _numbers_of_jobs(basis, request, backend, cores_per_item):
        if request.chunksize is not None:
            sizes = [request.chunksize]
        elif chunk_s is not None:
            n_most = max(1, -(-basis.n_items // n_jobs))
            sizes = [min(n_most, max(1, round(chunk_s / max(basis.item_s, 1e-9))))]
        else:
            sizes = chunksizes(basis, backend, n_jobs)
        for chunksize in sizes:
            yield Plan(backend=backend, n_jobs=n_jobs, chunksize=chunksize)


def _numbers_of_jobs(
    basis: Basis, request: Request, backend: str, cores_per_item: float
) -> Iterable[int]:
    """Numbers of workers that could be worth it: powers of two up to the most, and that."""
    if request.n_jobs is not None and (
        request.backend != "auto" or request.n_jobs <= basis.host.n_cores
    ):
        return [request.n_jobs]
    n_most = _n_most(basis, backend, cores_per_item)
    if request.n_jobs is not None:
        n_most = min(n_most, request.n_jobs)
    # One worker is the loop, and the way there and back.
    least = 2 if request.backend == "auto" else 1
    powers = {1 << bit for bit in range(n_most.bit_length())}
    return sorted(n for n in powers | {n_most} if n >= least)


def _n_most(basis: Basis, backend: str, cores_per_item: float) -> int:
    worker_cost, n_cores = worker_cost_of(backend, basis.host), basis.host.n_cores
    if basis.waits:
        n_most = io_concurrency.MOST
        if backend == "process":
            n_most = best_backend.waiting_processes(basis.host, basis.item_s, basis.work_s)
        return max(1, min(n_most, basis.n_items))
    is_parallel = cores_per_item > worker_costs.SEVERAL_CORES
    n_most = max(1, int(n_cores / cores_per_item)) if is_parallel else n_cores
    max_dispatchable = worker_cost.max_dispatchable(
        basis, basis.pickle_s if backend == "process" else 0.0
    )
    if max_dispatchable < worker_costs.WORTH:
        return 1
    return max(1, min(n_most, basis.n_items, worker_cost.n_affordable(basis.serial_s)))


def _soonest(basis: Basis, plans: list[Plan]) -> Plan:
    """The plan that ends first; one with more workers only if it is clearly quicker."""
    best, best_s = plans[0], makespan_s(plans[0], basis)
    for plan in plans[1:]:
        took_s = makespan_s(plan, basis)
        if took_s < best_s * (SAME if plan.n_jobs > best.n_jobs else 1.0):
            best, best_s = plan, took_s
    return best

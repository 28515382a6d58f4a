"""Tells which backend is best by measurements, without a search: `choose_backend` asks it."""

from __future__ import annotations

from amorsize.policy.evidence import io_concurrency
from amorsize.policy.frozen_record import Value, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import PicklingMeasured
    from amorsize.policy.evidence.item_costs import ItemCosts
    from amorsize.policy.request import Request
    from amorsize.policy.worker_costs import Host

#: The most processes per core for items that wait.
WAITING_PROCESSES = 8

#: Processes for waiting items, relative to the number that keeps all cores computing.
WAITING_ROOM = 1.5

#: Above this CPU / wall, items may only seem to wait: on a busy host they wait for a core.
DOUBTFUL_SHARE = 0.2

#: Processes run waiting items if they do this many times what threads do.
WORTH_PROCESSES = 1.5

#: Threads that take turns at the GIL are started if a core can have so many items under way.
WORTH_TURNS = 1.5

#: What explain() calls the choice of no workers.
THE_LOOP = "the loop"


class BackendChoice(Value):
    """Where items are to run, or what must be measured before that can be decided."""

    backend: str | None = None  # "serial", "thread" or "process"; None: not decided yet
    need: str | None = None  # "pickling" or "gil": what is to be measured first
    why: str = ""


def serial(why: str) -> BackendChoice:
    """The choice of the loop, with its reason."""
    return BackendChoice(backend="serial", why=why)


def choose(
    host: Host,
    request: Request,
    costs: ItemCosts,
    *,
    pickling: PicklingMeasured | None,
    holds_gil: bool | None,
    left_s: float,
) -> BackendChoice:
    """Choose where the items of a call with `backend="auto"` run.

    Args:
        host: The cores, and what workers cost.
        request: What is asked for.
        costs: What items have cost.
        pickling: The cost of pickling items and results; None: not measured.
        holds_gil: Whether items hold the GIL; None: not measured.
        left_s: Seconds that the loop would take for the work left.
    """
    if costs.waits:
        return _for_waiting(host, request, costs, pickling, left_s)
    if host.n_cores == 1:
        return serial("one usable core, and the items compute")
    if request.thread_reason is None and not host.has_gil:
        return BackendChoice(backend="thread", why="this Python has no GIL")
    if request.thread_reason is None and holds_gil is None:
        return BackendChoice(need="gil")
    if request.thread_reason is None and holds_gil is False:
        return BackendChoice(backend="thread", why="the items release the GIL")
    if request.process_reason is None and pickling is None:
        return BackendChoice(need="pickling")
    no_process = request.process_reason or (pickling.reason if pickling is not None else None)
    if no_process is not None:
        if may_take_turns(request, costs):
            return BackendChoice(backend="thread", why="the items wait for a part of their time")
        return serial(no_process)
    return BackendChoice(backend="process", why=request.thread_reason or "the items hold the GIL")


def _for_waiting(
    host: Host, request: Request, costs: ItemCosts, pickling: PicklingMeasured | None, left_s: float
) -> BackendChoice:
    reason = request.thread_reason
    # Real waits take longer than handing an item over; shorter ones are those of a busy host.
    is_trivial = (costs.item_s or 0.0) < host.thread_dispatch_s
    gain = inf if is_trivial else _gain_of_processes(host, costs, left_s)
    if reason is None and gain < WORTH_PROCESSES:
        return BackendChoice(backend="thread", why="the items wait")
    if request.process_reason is None and pickling is None:
        return BackendChoice(need="pickling")
    no_process = request.process_reason or (pickling.reason if pickling is not None else None)
    if no_process is None:
        why = reason or "the items wait, and compute more than one GIL lets them"
        return BackendChoice(backend="process", why=why)
    if reason is None:
        return BackendChoice(backend="thread", why="the items wait")
    return serial(reason if reason == no_process else f"{reason}; {no_process}")


def _gain_of_processes(host: Host, costs: ItemCosts, left_s: float) -> float:
    """The time that threads would take, of which one computes at a time, by that of processes.

    Many processes would do more at once, but each is started first: by the square-root law there
    are no more of them than the work left pays for.
    """
    item_s, work_s = costs.item_s, costs.work_s
    if not host.has_gil or not work_s or not item_s or not left_s:
        return 0.0
    n_most = waiting_processes(host, item_s, work_s)
    at_once = min(host.n_cores, n_most * work_s / item_s)  # that compute
    if work_s > DOUBTFUL_SHARE * item_s:
        return at_once
    computing_s, start_s = left_s * work_s / item_s, host.process_start_s
    n: float = max(1.0, min(n_most, (left_s / start_s) ** 0.5))
    in_processes_s = n * start_s + max(left_s / n, computing_s / host.n_cores)
    return min(at_once, max(computing_s, left_s / io_concurrency.MOST) / in_processes_s)


def may_take_turns(request: Request, costs: ItemCosts) -> bool:
    """Whether threads are faster than the loop although items hold the GIL while they compute."""
    return request.thread_reason is None and costs.n_at_once >= WORTH_TURNS


def most_processes(host: Host) -> int:
    """The most processes that a call can come to have, whatever its items do."""
    return WAITING_PROCESSES * host.n_cores


def part_waiting(host: Host, n_at_once: float) -> int:
    """The number of workers that keep all cores busy if items wait for a part of their time."""
    return max(1, round(host.n_cores * min(WAITING_PROCESSES, n_at_once)))


def waiting_processes(host: Host, item_s: float, work_s: float) -> int:
    """The number of processes that keep all cores busy though each of them mostly waits.

    Args:
        host: What there is to work with.
        item_s: Mean wall seconds of an item.
        work_s: Mean CPU seconds of an item.
    """
    per_core = min(WAITING_PROCESSES, WAITING_ROOM * item_s / max(work_s, 1e-9))
    return max(1, round(host.n_cores * per_core))

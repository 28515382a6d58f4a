"""Estimates what workers cost a call, above all those in new interpreters."""

from __future__ import annotations

import sys

from amorsize._host import resources
from amorsize.policy.worker_costs import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._workers.tasks.payload import Payload

#: Seconds of the caller to start an interpreter, or to hand a task to a warm one.
CLEAN_START_S = 0.8e-3
#: Seconds until a warm worker can take work of another call.
WARM_READY_S = 1e-3
#: Seconds of the caller to wake a waiting fork, and seconds until that takes work.
WAKE_S, WAKE_READY_S = 60e-6, 0.15e-3
#: Seconds to import the process pool and the C half of pickle, once in a process.
LOAD_S = 6e-3
#: Seconds per byte to copy an array once into memory that workers map; 2 cores of an AMD EPYC.
LEND_S = 1 / 1e9
#: Seconds per byte to pickle other data and rebuild it in each worker. Dicts take all of this,
#: lists a fifth; 2 cores of an AMD EPYC.
PICKLE_S = 1 / 100e6
#: Below this many bytes, sending takes less time than finding out whether it pays.
MUCH_BYTES = 8 << 20
#: Seconds to load the modules that pickle a task and start interpreters, such as cloudpickle.
FIRST_CLEAN_S = 30e-3
#: How many modules any program has loaded during a call.
BARE_MODULES = 300
#: Seconds that a new interpreter takes to import each module beyond `BARE_MODULES`. pandas has
#: 1200 and takes 0.5 s.
IMPORTING_S = 0.4e-3
#: The largest share of what workers would save that may go into starting them.
STARTING_SHARE = 0.5
#: A CPU share measured on one or two items counts as at least this.
LEAST_CORE_SHARE = 0.1
#: The largest share of what workers would save that may go into sending.
SENDING_SHARE = 0.5
#: The largest share of the free memory that may be used.
ROOM_SHARE = 0.7


#: No libraries.
NO_NAMES: frozenset[str] = frozenset()


def host(fork_reason: str | None) -> Host:
    """The host: its cores, and the costs of starting workers and sending items."""
    costs = resources.costs()
    forks = fork_reason is None
    return Host(
        n_cores=resources.usable_cpus().n_cores,
        fork_reason=fork_reason,
        process_start_s=costs.start_s if forks else CLEAN_START_S,
        process_ready_s=(costs.ready_s if forks else ready_s()),
        thread_start_s=costs.thread_start_s,
        dispatch_s=costs.dispatch_s,
        thread_dispatch_s=costs.thread_dispatch_s,
        latency_s=costs.latency_s,
        load_s=0.0 if "amorsize._workers.processes.process_pool" in sys.modules else LOAD_S,
        has_gil=getattr(sys, "_is_gil_enabled", _yes)(),
    )


def ready_s(names: frozenset[str] = NO_NAMES) -> float:
    """Seconds until a new interpreter can take work, or a warm one with these libraries."""
    return WARM_READY_S if n_warm_interpreters(names) else resources.costs().clean_start_s


def interpreter_s() -> float:
    """CPU seconds of a new interpreter until it can take work.

    It imports some of the modules that are loaded here. How many, only the import would show.
    """
    n_modules = max(0, len(sys.modules) - BARE_MODULES)
    return resources.costs().clean_start_s + IMPORTING_S * n_modules


def interpreters_worth(left_s: float, n_most: int, names: frozenset[str] = NO_NAMES) -> int:
    """How many new interpreters are worth starting for items that wait, besides the warm ones.

    n of them are ready after n * start / cores, and then the work takes left / n. The sum is
    smallest for n = sqrt(left * cores / start).

    Args:
        left_s: Seconds that one core would take for the items that are left.
        n_most: The most workers that there may be.
        names: The libraries that the function needs.
    """
    n_cores, n_warm = resources.usable_cpus().n_cores, n_warm_interpreters(names)
    n_worth = int((max(0.0, left_s) * n_cores / interpreter_s()) ** 0.5)
    n_new = max(0, max(n_cores, n_worth) - n_warm)
    # One alone would save nothing where items wait.
    if n_warm > 1 and starting_s(n_new) > STARTING_SHARE * left_s * (
        1 / n_warm - 1 / (n_warm + n_new)
    ):
        n_new = 0
    return max(1, min(n_most, n_warm + n_new))


def n_warm_interpreters(names: frozenset[str] = NO_NAMES) -> int:
    """How many new interpreters wait for another call, and have imported these libraries."""
    # The module may be there and still empty, while another thread is importing it.
    pool = getattr(sys.modules.get("amorsize._workers.processes.warm_pool"), "pool", None)
    return 0 if pool is None else pool.n_warm(names)


def saved_s(left_s: float, n_workers: int) -> float:
    """Seconds that this many workers would save if they cost nothing."""
    return left_s * (1 - 1 / max(1, n_workers))


def why_not_start(
    left_s: float,
    n_workers: int,
    core_share: float = 1.0,
    names: frozenset[str] = NO_NAMES,
    n_least: int = 1,
) -> str | None:
    """Why new interpreters are not worth starting for this call; None: they are.

    Args:
        left_s: Seconds that one undisturbed core would take for the items that are left.
        n_workers: How many workers there would be.
        core_share: The share of a core that other programs leave. With less of it, a start takes
            longer, and what is started slows the caller down.
        names: The libraries that the function needs.
        n_least: How many workers it takes to be faster than the caller.
    """
    if n_warm_interpreters(names) >= n_least:
        return None
    needed_s = starting_s(n_workers) / max(core_share, LEAST_CORE_SHARE)
    to_save_s = saved_s(left_s, n_workers)
    if needed_s <= STARTING_SHARE * to_save_s:
        return None
    return (
        f"new worker processes need about {needed_s * 1e3:.0f} ms to begin, to save "
        f"{to_save_s * 1e3:.0f} ms at best"
    )


def starting_s(n_workers: int) -> float:
    """Seconds that undisturbed cores need to start so many new interpreters."""
    needed_s = interpreter_s() * max(1.0, n_workers / resources.usable_cpus().n_cores)
    is_loaded = "amorsize._workers.processes.spawn_pool" in sys.modules
    return needed_s if is_loaded else needed_s + FIRST_CLEAN_S


def sending_s(payload: Payload) -> float:
    """Seconds to send the data that a function reaches to workers that are not forked."""
    return payload.array_bytes * LEND_S + payload.other_bytes * PICKLE_S


def is_much(payload: Payload) -> bool:
    """Whether there is so much to send that its cost matters."""
    return payload.array_bytes + payload.other_bytes >= MUCH_BYTES


def why_not_send(
    payload: Payload, left_s: float, n_workers: int, stretch: float = 1.0
) -> str | None:
    """Why this much data is not worth sending for the work left; None: it is.

    Args:
        payload: The task that would be sent.
        left_s: Seconds that one core would take for the items that are left.
        n_workers: How many workers there would be.
        stretch: How many times longer computing takes here now than with a core of its own.
    """
    n_bytes = payload.array_bytes + payload.other_bytes
    what = f"what it reaches ({n_bytes / 1e6:.0f} MB) would have to be sent to workers"
    needed_s, to_save_s = stretch * sending_s(payload), saved_s(left_s, n_workers)
    if needed_s > SENDING_SHARE * to_save_s:
        return f"{what}, in about {needed_s:.2g} s, to save {to_save_s:.2g} s at best"
    room_bytes = ROOM_SHARE * resources.memory().available_bytes
    if payload.array_bytes + n_workers * payload.other_bytes > room_bytes:
        return f"{what}, for which there is no room in memory"
    return None


def _yes() -> bool:
    return True

"""Starts interpreters ahead of the calls that will use them."""

from __future__ import annotations

from amorsize._host.signals import no_interrupts, reraise_from_handler
from amorsize._workers.processes.library_threads import thread_variables
from amorsize._workers.processes.place import place
from amorsize._workers.processes.warm_pool import WarmWorker, pool


def start_ahead(n_workers: int, n_most: int = 64, names: frozenset[str] = frozenset()) -> int:
    """Have so many interpreters wait for the next call, as far as the system has room.

    Args:
        n_workers: How many; those that wait already count.
        n_most: The most that begin now.
        names: The libraries that the next call needs.

    Returns:
        How many it has started.
    """
    here = place()
    environ: dict[str, str] = here["environ"]
    environ |= dict.fromkeys(thread_variables(environ), "1")
    with no_interrupts():  # else Ctrl-C could leave a worker that nobody ends
        n_new = max(0, min(n_most, n_workers - pool.load_ahead(names, here)))
        for n_started in range(n_new):
            try:
                worker = WarmWorker(environ, 1)
            except OSError as error:
                reraise_from_handler(error)
                return n_started
            try:
                worker.load_ahead(names, here)
            except BrokenPipeError:
                worker.end()  # it has ended at once: the next one would, too
                return n_started
            pool.put(worker)
    return n_new

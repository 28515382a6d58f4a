"""Starts interpreters ahead of the calls that will use them."""

from __future__ import annotations

import os

from amorsize._host.signals import no_interrupts, reraise_from_handler
from amorsize._workers.processes.library_threads import thread_variables
from amorsize._workers.processes.warm_pool import WarmWorker, pool


def start_ahead(n_workers: int) -> int:
    """Start so many interpreters that wait for the next call, as far as the system has room.

    Returns:
        How many it has started.
    """
    environ = dict(os.environ)
    environ |= dict.fromkeys(thread_variables(environ), "1")
    with no_interrupts():  # else Ctrl-C could leave a worker that nobody ends
        for n_started in range(n_workers):
            try:
                pool.put(WarmWorker(environ, 1))
            except OSError as error:
                reraise_from_handler(error)
                return n_started
    return n_workers

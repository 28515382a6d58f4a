"""Chooses the pool of worker processes for this platform."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._workers.processes.fork_pool import ForkPool
    from amorsize._workers.protocol import Task, WorkerPool
    from amorsize._workers.tasks.payload import Payload


def new_process_pool(
    task: Task,
    payload: Callable[[], Payload],
    *,
    forks: bool,
    n_most: int,
    keep: Callable[[ForkPool], None] | None,
    n_jobs: int,
    library_threads: int,
) -> WorkerPool:
    """The pool of worker processes for a call.

    Args:
        task: What is done to each item.
        payload: Makes the task picklable; called unless workers are forked.
        forks: Whether this process may be forked now.
        n_most: The largest number of workers at once.
        keep: Takes a pool of forks after the call; None: they end with it.
        n_jobs: The likely number of workers.
        library_threads: Threads that numerical libraries may use in each worker.
    """
    if forks:
        from amorsize._workers.processes.fork_pool import ForkPool

        return ForkPool(task, n_workers=n_most, keep=keep)
    if uses_loky():
        from amorsize._clusters.plain import PlainAdapter
        from amorsize._workers.executors.pool import ExecutorPool

        adapter = PlainAdapter(_loky(n_jobs), renew=lambda: _loky(n_jobs))
        return ExecutorPool(adapter, task, payload)
    from amorsize._workers.processes.spawn_pool import SpawnPool

    return SpawnPool(task, payload(), library_threads=library_threads)


def why_no_processes() -> str | None:
    """Why no worker process can be started without a fork; None: it can."""
    if not sys.executable:
        return "the path of the Python interpreter is not known (sys.executable is empty)"
    if getattr(sys, "frozen", False):
        return "this program is frozen: its executable is no Python interpreter"
    return None


def uses_loky() -> bool:
    """Whether loky runs the workers: Windows cannot poll pipes or pass descriptors on."""
    return sys.platform == "win32" or os.environ.get("AMORSIZE_START") == "loky"


def _loky(n_jobs: int) -> Any:
    from loky import get_reusable_executor

    return get_reusable_executor(max_workers=n_jobs, timeout=30)

"""Tells an adaptive Dask cluster of work that its scheduler has not been sent.

Such a cluster starts workers for the tasks that its scheduler knows of. It knows only of the few
chunks that are under way, and of none while there is no worker. So tasks that no worker may run
stand there for the rest.
"""

from __future__ import annotations

import sys
from math import ceil, isfinite
from uuid import uuid4

from amorsize._host.unpatched import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds of work for each worker thread that Dask leaves to it before it starts another
#: (the default of `distributed.adaptive.target-duration`): for less, nothing has to be told.
TARGET_S = 5.0
#: What Dask takes a task for that has never run
#: (the default of `distributed.scheduler.unknown-task-duration`).
TASK_S = 0.5
#: The most tasks that stand for work: enough for 100 threads. Each takes some 0.1 ms here.
MOST = 1000
#: Seconds between two changes of their number, and how large a change is worth it.
CHANGE_S, CHANGE_SHARE = 1.0, 0.2
#: A resource that no worker has.
NOWHERE = {"amorsize: nowhere": 1}


class Demand:
    """Tasks that stand for work, which are never run.

    Args:
        client: Of the scheduler that is told.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._name = f"amorsize_demand-{uuid4().hex}"
        self._futures: list[Any] = []  # touched by the client's loop only
        self._n_asked = self._n_made = 0
        self._asked_s = -CHANGE_S

    def tell(self, work_s: float, n_threads: int) -> None:
        """Say how much work is left; does nothing if that would change nothing.

        Args:
            work_s: In seconds of one worker thread; infinite where nobody knows.
            n_threads: How many threads do it now.
        """
        if not self._may_grow():
            return
        n_tasks = min(MOST, ceil(work_s / TASK_S)) if isfinite(work_s) else MOST
        if work_s <= TARGET_S * n_threads:
            n_tasks = 0
        if not n_threads:
            n_tasks = max(1, n_tasks)
        now_s = perf_counter()
        is_over = not n_tasks and self._n_asked
        is_other = abs(n_tasks - self._n_asked) > CHANGE_SHARE * self._n_asked
        if is_over or (is_other and now_s - self._asked_s >= CHANGE_S):
            self._n_asked, self._asked_s = n_tasks, now_s
            self._client.loop.add_callback(self._have, n_tasks)

    def end(self) -> None:
        """Ask for nothing any more."""
        if self._n_asked:
            self._n_asked = 0
            self._client.loop.add_callback(self._have, 0)

    def _may_grow(self) -> bool:
        """Whether the cluster is adaptive: only of one that this process runs is it known."""
        cluster = self._client.cluster
        is_run_here = isinstance(cluster, sys.modules["distributed"].SpecCluster)
        return not is_run_here or getattr(cluster, "_adaptive", cluster) is not None

    def _have(self, n_tasks: int) -> None:
        if self._client.status != "running":
            return
        n_more = n_tasks - len(self._futures)
        if n_more > 0:
            first, self._n_made = self._n_made, self._n_made + n_more
            self._futures += self._client.map(
                abs,
                range(n_more),
                key=[f"{self._name}-{first + k}" for k in range(n_more)],
                resources=NOWHERE,
                retries=0,
                pure=False,
            )
        while len(self._futures) > n_tasks:
            self._futures.pop().release()

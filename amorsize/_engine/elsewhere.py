"""Has the items of a call run by workers that are not ours: those of an executor or a cluster."""

from __future__ import annotations

from amorsize._clusters import finding
from amorsize._engine import placement
from amorsize._workers import executor_pool
from amorsize.errors import InvalidOptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import ClusterAdapter
    from amorsize._engine.call_options import Options
    from amorsize._workers.executor_pool import ExecutorPool
    from amorsize._workers.protocol import Payload, Task


class Elsewhere:
    """The workers that a call was given, with what its items may do there.

    Args:
        function: What is done to each item.
        options: What was asked for.

    Raises:
        AmorsizeError: Options that no executor can keep, or a cluster that cannot be used.
    """

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        has_timeout, has_teardown = options.timeout is not None, options.teardown is not None
        where = f"with {'executor=' if options.executor is not None else options.engine}"
        has_limit = options.max_worker_memory is not None  # where the environment asks for it
        executor_pool.refuse(
            where, has_timeout=has_timeout, has_teardown=has_teardown, has_memory_limit=has_limit
        )
        self.adapter: ClusterAdapter = finding.adapter_for(options.engine)
        self.backend = "thread" if self.adapter.shares_memory else "process"
        #: Why no two items may run at once in one process; None: they may.
        self.why_in_turn: str | None = None
        if self.adapter.shares_memory:
            return
        self.why_in_turn = placement.why_in_turn(function, options)
        if self.goes_alone(options) and options.chunksize not in (None, 1):
            self.adapter.close()
            raise InvalidOptionError(
                f"retries=0 and chunksize={options.chunksize} cannot both be kept {where}: "
                "who can tell which items of a lost chunk have run? Leave chunksize out: each "
                "item then goes alone."
            )

    def goes_alone(self, options: Options) -> bool:
        """Whether each item is a chunk, so that what a dead process has run can be told."""
        return options.retries == 0 and not self.adapter.shares_memory

    @property
    def n_workers(self) -> int | None:
        """How many chunks it runs at once; None where that is unknown."""
        return self.adapter.n_workers(one_per_process=self.why_in_turn is not None)

    def new_pool(
        self, task: Task, payload: Callable[[], Payload], note: Callable[[str, str], None]
    ) -> ExecutorPool:
        """The pool over these workers; `note` is told what explain() is to say of them."""
        task.in_turn = self.why_in_turn is not None
        if self.why_in_turn is not None:
            note("one item at a time in each process", self.why_in_turn)
        return executor_pool.ExecutorPool(self.adapter, task, payload)

    def close(self) -> None:
        """Let go of it, where no pool has."""
        self.adapter.close()

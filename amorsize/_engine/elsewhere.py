"""Has the items of a call run by workers that are not ours: those of an executor."""

from __future__ import annotations

from amorsize._engine import placement
from amorsize._workers import executor_pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._engine.call import Call
    from amorsize._workers.executor_pool import ExecutorPool
    from amorsize._workers.protocol import Payload


def new_pool(call: Call, payload: Callable[[], Payload]) -> ExecutorPool:
    """The pool over the executor that was asked for.

    Raises:
        InvalidOptionError: An option was set that no executor can keep.
    """
    options = call.options
    has_timeout, has_teardown = options.timeout is not None, options.teardown is not None
    executor_pool.refuse("with executor=", has_timeout=has_timeout, has_teardown=has_teardown)
    if not executor_pool.runs_in_threads(options.executor):
        why = placement.why_in_turn(call.task.function, options)
        call.task.in_turn = why is not None
        if why is not None:
            call.tuner.note("one item at a time in each process", why)
    return executor_pool.ExecutorPool(options.executor, call.task, payload)


def backend_of(executor: object) -> str:
    """Where its items run: in threads of this process, or in other processes."""
    return "thread" if executor_pool.runs_in_threads(executor) else "process"

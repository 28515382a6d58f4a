"""Decides whether the forked workers of a call wait for the next one."""

from __future__ import annotations

from amorsize._engine.data.source import Sliced
from amorsize._function import sizeof
from amorsize._function.purity.pure_code import most_to_ask
from amorsize._profiles import memory_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._engine.state.call import Call
    from amorsize._workers.processes.fork_pool import ForkPool
    from amorsize._workers.processes.kept_forks import StateAtFork

#: The most items of unknown cost whose types are read, which takes 0.3 ms.
MOST_ITEMS = 10_000
#: From this size of an item on, sending it may take longer than a fork.
MOST_BYTES = 4096
#: This many workers are kept from the first call on. Fewer are kept only from the second call on,
#: which shows that there may be more: the modules that compare states take 4 ms to load, as long
#: as two forks.
MANY = 8


class ForkRetention:
    """Finds out for one call whether its forked workers may serve the next."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.is_first = memory_store.last_trace(call.func) is None
        self._reach: tuple[Any, ...] | str | None = None  # None: not read yet
        self._state_at_fork: StateAtFork | str | None = None  # None: not noted yet

    def why_not(self) -> str | None:
        """Why workers have to end with the call, by what the function does; None: they need not."""
        if self._call.fork_reason is not None:
            return self._call.fork_reason
        if self.is_first and self._call.tuner.n_most_jobs < MANY:
            return "few workers are kept from a second call on"
        if self._reach is None:
            self._reach = _why_not(self._call) or _reach_of(self._call)
        return self._reach if isinstance(self._reach, str) else None

    def state_at_fork(self) -> StateAtFork | str:
        """The state of workers forked now, noted once; or why they end with the call."""
        if (why := self.why_not()) is not None:
            return why
        if self._state_at_fork is None:
            from amorsize._workers.processes import kept_forks

            assert isinstance(self._reach, tuple)
            task, kwargs = self._call.task, self._call.item_kwargs
            told = task.star, task.keep_errors, *kwargs
            self._state_at_fork = kept_forks.state_at_fork((*self._reach, *kwargs.values()), told)
        return self._state_at_fork

    def note_start(self, n_started: int) -> None:
        """Note the state of this process once, after a worker was forked.

        What the function reaches is compared after each fork: a signal handler may have changed it.
        """
        if not isinstance(self._reach, tuple):
            return
        from amorsize._function.purity.pure_reach import is_same, reach_of

        if not is_same(self._reach, reach_of(self._call.func, ()) or ()):
            self._reach = self._state_at_fork = f"{self._call.name} was changed during the call"
        elif self._state_at_fork is None and (n_started >= MANY or not self.is_first):
            self.state_at_fork()

    def keep(self, pool: ForkPool) -> None:
        """Have the workers wait for the next call, as this one is over."""
        if self._state_at_fork is None or isinstance(self._state_at_fork, str):
            pool.end_resting()
        else:
            from amorsize._workers.processes.kept_forks import kept

            kept.keep(pool, self._state_at_fork)


def _why_not(call: Call) -> str | None:
    options, task = call.options, call.task
    if options.setup is not None or options.teardown is not None:
        return "setup= and teardown= are for one call"
    if task.seed is not None:
        return "each call draws random numbers of its own"
    if options.most_worker_bytes is not None:
        return "max_worker_memory= counts from the beginning of a call"
    if call.is_stream or callable(options.progress) or not isinstance(call.source, Sliced):
        return "other code of the program runs beside the items"
    if call.work.n_left and sizeof.of(call.work.item(call.work.results.n_in_order)) > MOST_BYTES:
        return "forks have large items for nothing"
    if task.watch is not None and (task.watch.handles or task.watch.mutables):
        return f"{call.name} reaches what may change"
    return None


def _reach_of(call: Call) -> tuple[Any, ...] | str:
    """What the function reaches; or why that cannot be compared, in words."""
    most_items: float = MOST_ITEMS
    if call.tuner.costs.item_s is not None:
        left_s = call.tuner.left_s(call.status(caller_busy=False))
        most_items = max(most_items, most_to_ask(left_s))
    assert isinstance(call.source, Sliced)
    data = (*call.source.sequences, [*call.item_kwargs.values()])
    from amorsize._function.purity.pure_reach import reach_of  # most first calls keep nobody

    reach = reach_of(call.func, data, most_items)
    return reach or f"{call.name} does more than compute with plain values"

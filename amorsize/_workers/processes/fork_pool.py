"""Forked workers, which inherit the task with its data."""

from __future__ import annotations

from amorsize._host.signals import no_interrupts, reraise_from_handler
from amorsize._host.unpatched import kernel, perf_counter
from amorsize._workers import stream_calls
from amorsize._workers.messages import framing, serialization
from amorsize._workers.messages.shared_memory import SharedBlock
from amorsize._workers.processes import warm_blocks
from amorsize._workers.processes.forking import Forks
from amorsize._workers.processes.process_pool import RETRY_S, ProcessPoolBase
from amorsize._workers.processes.worker_handle import (
    GRACE_S,
    WorkerHandle,
    collect_flushing,
    flushing,
    let_flush,
    readable,
)
from amorsize._workers.processes.worker_main import FLUSHING
from amorsize._workers.protocol import NO_TASK, Task, Text, WorkerReady

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._workers.protocol import Event

#: Seconds to wait for a worker that writes what its items have put into a queue.
FLUSH_S = 0.1


class ForkPool(ProcessPoolBase):
    """Workers that are forked for a call, and may wait for the next one.

    Args:
        task: What is done to each item.
        n_workers: The largest number of workers at once.
        keep: Takes the pool after the call, with the workers that wait; None: all end with it.
    """

    inherits_items = forks_more = True

    def __init__(
        self, task: Task, *, n_workers: int, keep: Callable[[ForkPool], None] | None = None
    ) -> None:
        self.n_most, self._keep = n_workers, keep
        self.resting: list[WorkerHandle] = []  # they wait for a call
        serialization.pickle()  # loaded once here, instead of in every fork
        self._shared = SharedBlock(n_workers)
        #: What makes its workers.
        self.forks = Forks(self._shared, n_workers)
        self._forked: list[int] = []  # not yet reported as ready
        super().__init__(task)

    # -- starting ---------------------------------------------------------------------------

    def is_next_there(self) -> bool:
        """Whether the next worker waits, or was forked ahead.

        In the place of one that has ended, another would be forked, which is not always safe.
        """
        while self.resting and not _still_waits(self.resting[-1]):
            handle = self.resting.pop()
            self._kill_or_hang_up(handle)
            self._let_go(handle)
        return bool(self.resting or self.forks.ahead)

    def expect(self, n_workers: int) -> None:
        """Fork so many in a row."""
        self.forks.n_expected = n_workers

    def start(self, number: int) -> None:
        """Wake a worker that waits, or fork one, with this number."""
        # Ctrl-C between the fork and its registration would leave a worker that nobody ends.
        with no_interrupts():
            if self._wake(number):
                return
            handle = self.forks.take(self._task, is_kept=self._keep is not None)
            handle.number, self.paid_before_s = number, self.forks.paid_before_s
            self._register(handle)
        if self._task.setup is None:  # it reads its pipe within a millisecond: no message needed
            self._forked.append(number)

    def _adopt_ahead(self) -> None:
        """Register the workers that were forked and never asked for, to end them as others."""
        while self.forks.ahead:
            handle = self.forks.ahead.pop()
            handle.number = -1 - len(self.forks.ahead)
            self._register(handle)

    def wait(self, timeout_s: float) -> list[Event]:
        """Events of all workers; a fork without setup is ready at once."""
        if not self._forked:
            return super().wait(timeout_s)
        forked, self._forked = self._forked, []
        return [*(WorkerReady(worker=number) for number in forked), *super().wait(0.0)]

    # -- ending -----------------------------------------------------------------------------

    def stop_at(self, index: int) -> None:
        """No item at or above `index` is begun any more."""
        stop = self._shared.counters[SharedBlock.STOP]
        self._shared.counters[SharedBlock.STOP] = min(stop, float(index))

    def _remove(self, handle: WorkerHandle) -> None:
        super()._remove(handle)
        self._shared.vacate(handle.slot)  # the next worker in this slot has begun nothing
        self.forks.free_slots.append(handle.slot)

    def close(self, *, at_once: bool) -> list[str]:
        """Keep idle workers or ask them to quit, and kill the rest, within about `GRACE_S`."""
        self._adopt_ahead()
        if self._release_in_fork():
            self.forget_resting()
            return []
        keep, self._keep = None if at_once else self._keep, None
        if keep is not None:
            self._lay_to_rest()
        self._end(list(self._handles.values()), at_once=at_once)
        if keep is not None and self.resting:
            self._task = NO_TASK
            keep(self)
        else:
            self.end_resting()
        return []

    def _end(self, left: list[WorkerHandle], *, at_once: bool) -> None:
        for handle in left:
            if at_once or handle.in_flight:
                self._kill_or_hang_up(handle)
            else:
                handle.writer.put(framing.QUIT)
                self._flush(handle)
        deadline = perf_counter() + GRACE_S
        for handle in left:
            has_ended = _has_ended_or_flushes(handle, self._shared, deadline)
            if not has_ended and self._shared.counters[handle.slot] == FLUSHING:
                let_flush(handle)
            elif not has_ended:
                self._kill_or_hang_up(handle)
            self._drain_text(handle)
            if handle.process not in flushing:
                handle.process.collect()
            self._remove(handle)
        collect_flushing()

    def _drain_text(self, handle: WorkerHandle) -> None:
        """Print the last output of a worker; its other messages are dropped."""
        more = True
        while more and readable(handle.read_fd):
            try:
                more = handle.reader.feed(handle.read_fd)
            except OSError as error:
                reraise_from_handler(error)
                return
            for kind, payload in handle.reader.frames():
                if kind == framing.TEXT:
                    text = self._event_of(handle, kind, payload)
                    assert isinstance(text, Text)
                    stream_calls.repeat(text.calls)

    def _kill_or_hang_up(self, handle: WorkerHandle) -> None:
        try:
            handle.process.kill()
        except PermissionError:  # the program has dropped the rights it had at the fork
            self.forks.close_death_pipe()  # then the kernel kills the workers that hold it

    # -- between calls ----------------------------------------------------------------------

    def __del__(self) -> None:
        """End the workers that still wait, too."""
        if self._owner >= 0:
            self._adopt_ahead()
        super().__del__()
        if self._owner == kernel.getpid():
            self.end_resting()

    def reopen(self, task: Task, keep: Callable[[ForkPool], None]) -> None:
        """Serve another call, whose items have to be sent."""
        self._keep = keep
        self._task, self.inherits_items, self.was_kept = task, False, True
        counters = self._shared.counters
        counters[SharedBlock.STOP] = counters[SharedBlock.WAITING_SINCE] = float("inf")

    def has_waiting(self) -> bool:
        """Whether any worker still waits; those that have ended are reaped."""
        for handle in [one for one in self.resting if one.process.ended_by(0.0)]:
            self.resting.remove(handle)
            self._let_go(handle)
        return bool(self.resting)

    def _lay_to_rest(self) -> None:
        """Let the workers that have finished all their chunks wait for the next call.

        What each has to do for that it is told once. After later calls the counter alone tells that
        they wait: a message would wake them, which takes as long as a chunk.
        """
        counters = self._shared.counters
        since_s = float("inf") if warm_blocks.are_entered() else perf_counter()
        counters[SharedBlock.WAITING_SINCE] = since_s
        for handle in tuple(self._handles.values()):
            if handle.in_flight or handle.is_leaving or handle in self._disconnected:
                continue
            counters[handle.slot + 1] = 0.0  # it runs no item
            if not handle.has_rested:
                handle.has_rested = True
                handle.writer.put(framing.END)
                self._flush(handle)
            if handle.write_fd not in self._by_descriptor and handle not in self._disconnected:
                self._unregister(handle)
                self.resting.append(handle)
        self._shared.empty()

    def _wake(self, number: int) -> bool:
        """Give a worker that waits this number; False: there is none."""
        if not self.is_next_there() or not self.resting:
            return False
        handle = self.resting.pop()
        handle.number, handle.is_new_call, self.paid_before_s = number, True, 0.0
        self._register(handle)
        self._forked.append(number)
        return True

    def end_resting(self) -> None:
        """End the workers that wait, and free what the pool has."""
        for handle in self.resting:
            self._kill_or_hang_up(handle)
        for handle in self.resting:
            self._let_go(handle)
        self.resting.clear()
        self._shared.close()
        self.forks.close_death_pipe()

    def _let_go(self, handle: WorkerHandle) -> None:
        """Reap a worker that has ended or is about to."""
        handle.process.reap()
        handle.ended = True
        handle.close()
        self.forks.free_slots.append(handle.slot)
        self._shared.vacate(handle.slot)

    def forget_resting(self) -> None:
        """In a fork of the caller, close its copies of the pipes."""
        for handle in self.resting:
            handle.ended = True
            handle.close()
        self.resting.clear()
        self.forks.close_death_pipe()


def _still_waits(handle: WorkerHandle) -> bool:
    return not handle.process.ended_by(0.0) and handle.is_connected


def _has_ended_or_flushes(handle: WorkerHandle, shared: SharedBlock, deadline: float) -> bool:
    """Wait for a worker's end, unless it waits for the reader of a queue."""
    flushing_until_s = perf_counter() + FLUSH_S
    while not handle.process.ended_by(min(deadline, perf_counter() + RETRY_S)):
        now_s = perf_counter()
        flushes = shared.counters[handle.slot] == FLUSHING and now_s > flushing_until_s
        if flushes or now_s >= deadline:
            return False
    return True

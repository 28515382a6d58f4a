"""Forked workers of one call, which inherit the function and the data."""

from __future__ import annotations

import os
import sys

from amorsize._host.clocks import perf_counter
from amorsize._host.signals import no_interrupts
from amorsize._workers import child_setup, framing, inherited_pipes, parent_death, serialization
from amorsize._workers.child_process import Child
from amorsize._workers.pipe_ends import End
from amorsize._workers.process_pool import CUT_S, ProcessPoolBase
from amorsize._workers.protocol import Text, WorkerReady
from amorsize._workers.shared_memory import SharedBlock
from amorsize._workers.worker_handle import (
    GRACE_S,
    WorkerHandle,
    collect_left_alone,
    leave_alone,
    left_alone,
    open_ends,
    readable,
    two_pipes,
    widen,
)
from amorsize._workers.worker_main import FLUSHING, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.protocol import Event, Task

FLUSH_S = 0.1  # how long a worker is waited for that is writing what items put into a queue


class ForkPool(ProcessPoolBase):
    """Forked workers of one call; they inherit function and data, and end with the call."""

    inherits_items = True

    def __init__(self, task: Task, *, n_workers: int) -> None:
        super().__init__(task)
        serialization.pickle()  # forks inherit it: each would load it itself, in its first report
        self._shared = SharedBlock(n_workers)
        self._lifeline: parent_death.Lifeline | None = None
        self._free_slots = [self._shared.slot(place) for place in reversed(range(n_workers))]
        self._forked: list[int] = []  # since anybody asked

    # -- starting ---------------------------------------------------------------------------

    def start(self, number: int) -> None:
        """Fork one worker, to be known by this number."""
        # Ctrl-C between the fork and its entry in our books would leave a worker nobody knows of.
        with no_interrupts():
            slot = self._free_slots[-1]
            pid, read_fd, write_fd = self._launch(slot)
            try:
                process = Child(pid)
            except OSError:
                os.close(read_fd)
                os.close(write_fd)
                raise
            remote = WorkerHandle(number, process, read_fd, write_fd, self._shared, slot)
            self._free_slots.pop()
            self._attend(remote)
        if self._task.setup is None:  # it reads its pipe within a millisecond, and need not say so
            self._forked.append(number)

    def _launch(self, slot: int) -> tuple[int, int, int]:
        """Fork; process id and the caller's two ends."""
        if self._lifeline is None:
            self._lifeline = parent_death.Lifeline()
            open_ends.update(self._lifeline.ends)
        (orders_out, orders_in), (reports_out, reports_in) = two_pipes()
        widen(reports_in)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # what is buffered now would be printed twice
                stream.flush()
        parent_pid = os.getpid()
        try:
            pid = _fork()
        except OSError:
            for descriptor in (orders_out, orders_in, reports_out, reports_in):
                os.close(descriptor)
            raise
        if pid:
            os.close(orders_out)
            os.close(reports_in)
            return pid, reports_out, orders_in
        self._live_as_child(slot, orders_out, reports_in, parent_pid, (orders_in, reports_out))
        raise AssertionError("a worker does not return")

    def _live_as_child(
        self, slot: int, read_fd: int, write_fd: int, parent_pid: int, ends: tuple[int, int]
    ) -> None:
        """All a forked worker does; never returns."""
        code = 0
        try:
            assert self._lifeline is not None
            parent_death.hold_on(self._lifeline.reading)
            if self._task.kept_pipes is not None:
                own = (read_fd, write_fd, self._lifeline.reading)
                inherited_pipes.let_go(self._task.kept_pipes, own)
            for descriptor in (*ends, *open_ends):
                os.close(descriptor)
            if os.getppid() != parent_pid:
                os._exit(1)  # it has ended before the line was held
            reading = End(read_fd, os.O_RDONLY, parent_pid, ends[0])
            writing = End(write_fd, os.O_WRONLY, parent_pid, ends[1])
            child_setup.settle(writing)
            worker = Worker(self._task, reading, writing, parent_pid, self._shared, slot)
            worker.live()
            if child_setup.has_to_flush():
                worker.is_flushing()
                parent_death.let_go()  # without a reader it is told that the queue's pipe is broken
            child_setup.leave()
        except BrokenPipeError:
            code = 1  # the caller is gone or has hung up: nobody is left to tell
        except BaseException:
            code = 70
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def wait(self, timeout_s: float) -> list[Event]:
        """What has happened on any worker; a fork without setup is ready for work at once."""
        forked, self._forked = self._forked, []
        ready: list[Event] = [WorkerReady(worker=number) for number in forked]
        return ready + super().wait(0.0 if ready else timeout_s)

    # -- ending -----------------------------------------------------------------------------

    def stop_at(self, index: int) -> None:
        """No item at or above `index` is begun any more."""
        self._shared.view[0] = min(self._shared.view[0], float(index))

    def _forget(self, remote: WorkerHandle) -> None:
        super()._forget(remote)
        self._shared.vacate(remote.slot)  # its next worker has begun nothing
        self._free_slots.append(remote.slot)

    def close(self, *, at_once: bool) -> list[str]:
        """End all workers: idle ones on request, the rest by signal; within about `GRACE_S`."""
        if self._leave_to_owner():
            self._let_line_go()
            return []
        left = list(self._remotes.values())
        for remote in left:
            if at_once or remote.orders:
                self._kill_at_end(remote)
            else:
                remote.writer.put(framing.QUIT)
                self._flush(remote)
        deadline = perf_counter() + GRACE_S
        for remote in left:
            has_ended = self._has_ended_or_flushes(remote, deadline)
            if not has_ended and self._shared.view[remote.slot] == FLUSHING:
                leave_alone(remote)
            elif not has_ended:
                self._kill_at_end(remote)
            self._drain_text(remote)
            if remote.process not in left_alone:
                remote.process.collect()
            self._forget(remote)
        collect_left_alone()
        self._shared.close()
        self._let_line_go()
        return []

    def _has_ended_or_flushes(self, remote: WorkerHandle, deadline: float) -> bool:
        """Wait for a worker's end, but not for the reader of what it is writing."""
        flushing_until_s = perf_counter() + FLUSH_S
        while not remote.process.ended_by(min(deadline, perf_counter() + CUT_S)):
            now_s = perf_counter()
            flushes = self._shared.view[remote.slot] == FLUSHING and now_s > flushing_until_s
            if flushes or now_s >= deadline:
                return False
        return True

    def _drain_text(self, remote: WorkerHandle) -> None:
        """Pass on what a worker printed on its way out; nothing else it says is wanted any more."""
        more = True
        while more and readable(remote.read_fd):
            try:
                more = remote.reader.feed(remote.read_fd)
            except OSError:
                return
            for kind, payload in remote.reader.frames():
                if kind == framing.TEXT:
                    text = self._understand(remote, kind, payload)
                    assert isinstance(text, Text)
                    print(text.text, end="", file=getattr(sys, text.stream), flush=True)

    def _kill_at_end(self, remote: WorkerHandle) -> None:
        try:
            remote.process.kill()
        except PermissionError:  # it runs as the user that the program was when the call began
            self._let_line_go()  # the kernel, which may, kills all that hold on to it

    def _let_line_go(self) -> None:
        if self._lifeline is not None:
            open_ends.difference_update(self._lifeline.ends)
            self._lifeline.close()
            self._lifeline = None


_NO_DEPRECATION: Any = ("ignore", None, DeprecationWarning, None, 0)


def _fork() -> int:
    """`os.fork`, without Python 3.12's warning: the caller has made sure that it is safe."""
    import warnings

    # Not by catch_warnings: with it the program would forget which warnings it has shown.
    warnings.filters.insert(0, _NO_DEPRECATION)  # type: ignore[attr-defined]
    try:
        return os.fork()
    finally:
        warnings.filters.remove(_NO_DEPRECATION)  # type: ignore[attr-defined]

"""Forks workers, several in a row where more are about to be asked for.

After a fork, the caller copies each page of memory that it writes to. From one start to the next,
with all that is decided and sent in between, these are some 500 pages, which take a millisecond.
Between forks in a row there are some 110; a bare fork takes 30.
"""

from __future__ import annotations

import os
import sys

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel, perf_counter
from amorsize._workers import diverted_output, inherited_descriptors
from amorsize._workers.messages.pipe_ends import End
from amorsize._workers.processes import child_setup, parent_death
from amorsize._workers.processes.child_process import Child
from amorsize._workers.processes.forked_worker import KeptWorker, hold_nothing
from amorsize._workers.processes.worker_handle import WorkerHandle, open_ends, two_pipes, widen
from amorsize._workers.processes.worker_main import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.messages.shared_memory import SharedBlock
    from amorsize._workers.protocol import Task

#: The most forks in a row, while nobody serves the workers that are there. With 8, most of the
#: copying is saved, and they take 3 ms.
MOST_IN_A_ROW = 8


class Forks:
    """Makes the workers of one pool.

    Args:
        shared: The memory that the pool shares with them.
        n_workers: The largest number of workers at once.
    """

    def __init__(self, shared: SharedBlock, n_workers: int) -> None:
        self._shared = shared
        #: The places in the shared memory that no worker has.
        self.free_slots = [shared.slot(place) for place in reversed(range(n_workers))]
        #: How many workers are about to be asked for, the next one included.
        self.n_expected = 1
        #: Workers that nobody has asked for yet, the first one last.
        self.ahead: list[WorkerHandle] = []
        #: Seconds of the last start that were spent before it; negative: it paid for later ones.
        self.paid_before_s = 0.0
        self._fork_s = 0.0  # of the last forks, each
        self._n_descriptors = 0  # none is larger that the next forks inherit; 0: nobody knows
        self._n_forked = 0
        self._death_pipe: parent_death.ParentDeathPipe | None = None

    def take(self, task: Task, *, is_kept: bool) -> WorkerHandle:
        """The next worker, forked now if none was forked ahead. It has no number yet.

        Args:
            task: What it does to each item.
            is_kept: Whether it may wait for another call.
        """
        if self.ahead:
            self.paid_before_s = self._fork_s
        else:
            self._fork_several(task, is_kept)
            self.paid_before_s = -self._fork_s * (len(self.ahead) - 1)
        return self.ahead.pop()

    def _fork_several(self, task: Task, is_kept: bool) -> None:
        n = min(self.n_expected, max(1, self._n_forked), MOST_IN_A_ROW, len(self.free_slots))
        if task.setup is not None:  # it may ask for the number of its worker
            n = 1
        began = perf_counter()
        if is_kept:  # the table doubles at most, for the pipes to these workers
            self._n_descriptors = 2 * inherited_descriptors.n_places()
        forked, failure = self._launched(self.free_slots[: -max(n, 1) - 1 : -1], task, is_kept)
        for slot, pid, read_fd, write_fd in forked:
            try:
                process = Child(pid)
            except OSError as error:
                failure = error
                _end(pid, read_fd, write_fd)
                continue
            self.free_slots.remove(slot)
            self.ahead.insert(0, WorkerHandle(-1, process, read_fd, write_fd, self._shared, slot))
        if failure is not None:
            reraise_from_handler(failure)  # now that every worker is noted, or gone
            if not self.ahead:
                raise failure
        self._n_forked += len(self.ahead)
        self._fork_s = (perf_counter() - began) / len(self.ahead)

    def _launched(
        self, slots: list[int], task: Task, is_kept: bool
    ) -> tuple[list[tuple[int, int, int, int]], OSError | None]:
        """Fork for these slots, as far as that goes, and say what was in the way."""
        forked: list[tuple[int, int, int, int]] = []
        for slot in slots:
            try:
                forked.append((slot, *self._launch(slot, task, is_kept)))
            except OSError as error:
                return forked, error
        return forked, None

    def _launch(self, slot: int, task: Task, is_kept: bool) -> tuple[int, int, int]:
        """Fork; gives the process id and the caller's two ends."""
        if self._death_pipe is None:
            self._death_pipe = parent_death.ParentDeathPipe()
            open_ends.update(self._death_pipe.ends)
        self._shared.make_room(slot)
        (requests_read, requests_write), (reports_read, reports_write) = two_pipes()
        widen(reports_write)
        diverted_output.flush_files()  # buffered text would be printed twice
        parent_pid = kernel.getpid()
        try:
            pid = _fork()
        except OSError:
            for descriptor in (requests_read, requests_write, reports_read, reports_write):
                kernel.close(descriptor)
            raise
        ends = requests_write, reports_read
        if pid:
            kernel.close(requests_read)
            kernel.close(reports_write)
            open_ends.update(ends)
            return pid, reports_read, requests_write
        reading = requests_read, ends[0]
        writing = reports_write, ends[1]
        self._run_child(slot, task, is_kept, reading, writing, parent_pid)
        raise AssertionError("a worker does not return")

    def _run_child(
        self,
        slot: int,
        task: Task,
        is_kept: bool,
        reading_ends: tuple[int, int],
        writing_ends: tuple[int, int],
        parent_pid: int,
    ) -> None:
        """The life of a forked worker; never returns.

        Args:
            slot: Its place in the shared memory.
            task: What it does to each item.
            is_kept: Whether it may wait for another call.
            reading_ends, writing_ends: Its end of each pipe, then the caller's.
            parent_pid: The caller's process id.
        """
        code = 0
        try:
            assert self._death_pipe is not None
            parent_death.die_with_parent(self._death_pipe.reading)
            (read_fd, theirs_of_reading), (write_fd, theirs_of_writing) = reading_ends, writing_ends
            if task.kept_pipes is not None:
                own = (read_fd, write_fd, self._death_pipe.reading)
                inherited_descriptors.redirect_strangers(task.kept_pipes, own)
            if is_kept:
                hold_nothing((read_fd, write_fd, parent_death.held()), self._n_descriptors)
            else:
                for descriptor in (theirs_of_reading, theirs_of_writing, *open_ends):
                    kernel.close(descriptor)
            if kernel.getppid() != parent_pid:
                kernel._exit(1)  # the caller ended before this worker could watch it
            reading = End(read_fd, kernel.O_RDONLY, parent_pid, theirs_of_reading)
            writing = End(write_fd, kernel.O_WRONLY, parent_pid, theirs_of_writing)
            child_setup.settle(writing)
            kind = KeptWorker if is_kept else Worker
            worker = kind(task, reading, writing, parent_pid, self._shared, slot)
            worker.live()
            if child_setup.has_to_flush():
                worker.is_flushing()
                parent_death.outlive_parent()  # a queue without a reader ends it with a broken pipe
            child_setup.leave()
        except BrokenPipeError:
            code = 1  # the caller has ended or closed the pipe
        except BaseException:
            code = 70
            sys.excepthook(*sys.exc_info())
        finally:
            kernel._exit(code)

    def close_death_pipe(self) -> None:
        """Have the kernel kill the workers that are left."""
        if self._death_pipe is not None:
            open_ends.difference_update(self._death_pipe.ends)
            self._death_pipe.close()
            self._death_pipe = None


def _end(pid: int, read_fd: int, write_fd: int) -> None:
    """End a worker that cannot be watched, as no descriptor is left for that."""
    open_ends.difference_update((read_fd, write_fd))
    kernel.close(read_fd)
    kernel.close(write_fd)
    try:
        kernel.kill(pid, 9)
        kernel.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):  # SIGCHLD is ignored: the kernel reaps it
        return


#: Whether a fork warns of other threads.
_WARNS = sys.hexversion >= 0x30C0000
_NO_DEPRECATION: Any = ("ignore", None, DeprecationWarning, None, 0)


def _fork() -> int:
    """`os.fork` without the warning of Python 3.12 about other threads.

    The engine has checked before that this process may fork.
    """
    # Once gevent has taken its place, that makes its event loop anew in the worker.
    monkey = sys.modules.get("gevent.monkey")
    fork = kernel.fork if monkey is None or not monkey.is_module_patched("os") else os.fork
    if not _WARNS:
        return fork()
    import warnings

    # Not by catch_warnings: it would reset which warnings the program has already shown.
    warnings.filters.insert(0, _NO_DEPRECATION)  # type: ignore[attr-defined]
    try:
        return fork()
    finally:
        warnings.filters.remove(_NO_DEPRECATION)  # type: ignore[attr-defined]

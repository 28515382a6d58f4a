"""Chooses the process of an executor for each chunk."""

from __future__ import annotations

from _heapq import heapify, heapreplace

from amorsize._host.unpatched import perf_counter
from amorsize.errors import WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import ClusterAdapter, Process
    from amorsize._workers.executors.submissions import Submission, Submissions

#: Seconds without any process after which the user is told what the call waits for.
WARN_S = 10.0
#: With this many chunks per thread of the process that has an item's value, the value is sent to
#: another: one chunk that runs, one that waits behind it, one more.
CROWD = 3


class Processes:
    """Lets each worker of a call stand for one process of an executor.

    A chunk whose process has no room waits here.

    Args:
        adapter: The adapter of the executor.
        in_flight: The chunks that the executor has.
        one_per_process: Whether threads of one process run one chunk at a time.
        is_single: Whether no chunk may wait behind another in a process.
        start_timeout_s: Seconds for which there may be no process at all.
        warn: Told when there has been none for a while.
    """

    def __init__(
        self,
        adapter: ClusterAdapter,
        in_flight: Submissions,
        *,
        one_per_process: bool,
        is_single: bool,
        start_timeout_s: float,
        warn: Callable[[str], None],
    ) -> None:
        self._adapter, self._in_flight = adapter, in_flight
        self._start_timeout_s, self._warn = start_timeout_s, warn
        self._one_per_process, self._is_single = one_per_process, is_single
        self._process_of: dict[int, Process] = {}
        #: A heap of processes: workers per thread, its place among all, the process itself.
        self._by_load: list[tuple[float, int, Process]] = []
        #: The waiting chunks by the identity of their process; None: they have none yet.
        self._waiting: dict[str | None, list[Submission]] = {}
        #: From the first death on, chunks do not share a process, which hides the one to blame.
        self.is_apart = False
        self._none_since_s: float | None = None
        self._has_warned = False
        self._named: tuple[Process, ...] = ()
        self._there: dict[str, Process] = {}
        self._look()
        self._has_changed = False

    def enter(self, submission: Submission) -> bool:
        """Give a chunk its process; False: it waits, as there is no process or no room in it."""
        self._look()
        process = self._process_of.get(submission.worker) or self._assign(submission.worker)
        if submission.references:
            process = self._near(submission.references) or process
        if process is not None and self._has_room(process):
            submission.process = process
            return True
        identity = None if process is None else process.identity
        self._waiting.setdefault(identity, []).append(submission)
        return False

    def ready(self) -> list[Submission]:
        """The chunks that have waited, which may now `enter` or wait again."""
        self._look()
        found = self._waiting.pop(None, []) if self._there else []
        for identity in self._in_flight.freed():
            found += self._waiting.pop(identity, [])
        return found

    @property
    def has_waiting(self) -> bool:
        """Whether any chunk waits here."""
        return bool(self._waiting)

    def withdraw(self, worker: int) -> list[Submission]:
        """Remove and return the chunks of a worker that wait here."""
        waiting, self._waiting = self._waiting, {}
        found = []
        for identity, submissions in waiting.items():
            found += [submission for submission in submissions if submission.worker == worker]
            if others := [submission for submission in submissions if submission.worker != worker]:
                self._waiting[identity] = others
        return found

    def forget(self, worker: int) -> None:
        """Forget a worker of the call."""
        forgotten = self._process_of.pop(worker, None)
        if forgotten is not None:
            load = 1 / self._width(forgotten)
            self._by_load = [
                (old - load if process == forgotten else old, place, process)
                for old, place, process in self._by_load
            ]
            heapify(self._by_load)

    def clear(self) -> None:
        """Drop all waiting chunks."""
        self._waiting.clear()

    def have_changed(self) -> bool:
        """Whether processes have come or gone since this was last asked."""
        self._look()
        changed, self._has_changed = self._has_changed, False
        return changed

    def gone(self) -> list[Submission]:
        """The chunks whose process is gone, in the order of their items."""
        gone = [one for one in self._in_flight if one.process and not self._is_there(one.process)]
        return sorted(gone, key=lambda one: one.chunk.start)

    def expect_any(self) -> None:
        """Check for how long chunks have waited without any process.

        Raises:
            WorkersUnavailable: There was none for too long.
        """
        self._look()
        now_s = perf_counter()
        if self._there or self._none_since_s is None:
            self._none_since_s = None if self._there else now_s
            return
        self._adapter.expect(0.0)
        none_s = now_s - self._none_since_s
        if none_s > self._start_timeout_s:
            raise WorkersUnavailable(
                f"{self._adapter.described} has had no worker that may be used for "
                f"{self._start_timeout_s:g} s. Start one, or pass a longer start_timeout=."
            )
        if none_s > WARN_S and not self._has_warned:
            self._has_warned = True
            self._warn(
                f"{self._adapter.described} has no worker that may be used. The call waits for one "
                f"for {self._start_timeout_s:g} s (start_timeout=)."
            )

    def _look(self) -> None:
        """Find out which processes there are; new ones get their share of the workers."""
        named = self._adapter.processes()
        if named is self._named:
            return
        if named != self._named:
            self._there = {one.identity: one for one in named}
            self._process_of.clear()
            self._by_load = [(0.0, place, process) for place, process in enumerate(named)]
            waiting = [
                submission for submissions in self._waiting.values() for submission in submissions
            ]
            self._waiting = {None: waiting} if waiting else {}
            self._has_changed = True
        self._named = named

    def _is_there(self, process: Process) -> bool:
        return process.identity in self._there

    def _assign(self, worker: int) -> Process | None:
        """Assign a worker to the process with the fewest workers per thread."""
        if not self._by_load:
            return None
        load, place, process = self._by_load[0]
        heapreplace(self._by_load, (load + 1 / self._width(process), place, process))
        self._process_of[worker] = process
        return process

    def _width(self, process: Process) -> int:
        """How many items run in a process at once."""
        return 1 if self._one_per_process else max(1, process.n_threads)

    def _near(self, references: list[Any]) -> Process | None:
        """The process that has what a chunk takes, unless too many others wait there already."""
        holder = self._adapter.holder(references)
        if holder is None or self._in_flight.n_in(holder.identity) >= CROWD * self._width(holder):
            return None
        return holder

    def _has_room(self, process: Process) -> bool:
        """Whether a process may have one more chunk."""
        if self.is_apart:
            n_most = 1
        elif self._is_single:
            n_most = self._width(process)
        else:
            return True
        return self._in_flight.n_in(process.identity) < n_most

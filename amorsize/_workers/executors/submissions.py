"""The chunks of a call that an executor has."""

from __future__ import annotations

from amorsize.policy.frozen_record import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize._clusters.buffers import Buffer
    from amorsize._clusters.protocol import Process
    from amorsize._workers.protocol import Chunk


class Submission:
    """A chunk that was submitted, or waits for a process that can take it."""

    __slots__ = (
        *("chunk", "handle", "is_called_back", "items", "key", "parts", "process", "time_budget_s"),
        *("back_s", "is_first", "references", "sent_s", "stop", "unsure_since_s", "worker"),
    )

    def __init__(
        self,
        worker: int,
        chunk: Chunk,
        time_budget_s: float,
        items: bytes,
        parts: list[Buffer],
        references: list[Any],
        *,
        stop: int | None = None,
    ) -> None:
        self.worker, self.chunk = worker, chunk
        self.time_budget_s, self.items, self.parts = time_budget_s, items, parts
        self.references = references  # items that are values of the executor's
        self.stop = chunk.stop if stop is None else stop  # items up to there come back with it
        self.handle: Any = None
        self.process: Process | None = None
        self.key = b""  # the key of the task it was last sent with
        self.is_called_back = False
        #: On the clock of `perf_counter`, and whether its worker had nothing else to do.
        self.sent_s = self.back_s = 0.0
        self.is_first = False
        #: When other code has cancelled it, on the same clock.
        self.unsure_since_s = inf

    @property
    def range(self) -> tuple[int, int]:
        """The indices of its items, and of those that come back with it."""
        return self.chunk.start, self.stop

    def first_alone(self, pack: Callable[[Any], tuple[Any, ...]]) -> Submission:
        """Its first item; the others come back with what that gives."""
        items = tuple(column[:1] for column in self.chunk.items)
        chunk = self.chunk.replace(stop=self.chunk.start + 1, items=items)
        return Submission(self.worker, chunk, self.time_budget_s, *pack(items), stop=self.stop)


class Lost:
    """The chunks that a worker of the call has lost with a process of the executor."""

    __slots__ = ("begun", "how", "unstarted")

    def __init__(self, how: str) -> None:
        self.how = how
        self.begun: list[tuple[int, int]] = []  # any item of which may have been running
        self.unstarted: list[tuple[int, int]] = []


class Submissions:
    """Counts the submitted chunks by worker and by process."""

    def __init__(self) -> None:
        #: The identity of the process for which each chunk counts.
        self._counted: dict[Submission, str | None] = {}
        self._n_of: dict[int, int] = {}
        self._n_in: dict[str | None, int] = {}
        #: Processes that a chunk has left since `freed` was last asked.
        self._freed: set[str | None] = set()

    def __contains__(self, submission: Submission) -> bool:
        return submission in self._counted

    def __iter__(self) -> Iterator[Submission]:
        return iter(tuple(self._counted))

    def __len__(self) -> int:
        return len(self._counted)

    def add(self, submission: Submission) -> None:
        """Count a chunk, which may already be counted."""
        if submission in self._counted:
            return
        identity = None if submission.process is None else submission.process.identity
        self._counted[submission] = identity
        self._n_of[submission.worker] = self.n_of(submission.worker) + 1
        self._n_in[identity] = self.n_in(identity) + 1

    def discard(self, submission: Submission) -> None:
        """Stop counting a chunk."""
        if submission in self._counted:
            identity = self._counted.pop(submission)
            self._n_in[identity] -= 1
            self._n_of[submission.worker] -= 1
            self._freed.add(identity)

    def clear(self) -> None:
        """Stop counting all chunks."""
        for submission in self:
            self.discard(submission)

    def n_of(self, worker: int) -> int:
        """How many chunks a worker of the call has."""
        return self._n_of.get(worker, 0)

    def n_in(self, identity: str | None) -> int:
        """How many chunks are in a process."""
        return self._n_in.get(identity, 0)

    def freed(self) -> set[str | None]:
        """The processes that a chunk has left since this was last asked."""
        freed, self._freed = self._freed, set()
        return freed

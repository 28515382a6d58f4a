"""Prepares the calls that run chunks on the workers of an executor."""

from __future__ import annotations

import os
from _contextvars import copy_context

from amorsize._clusters import references
from amorsize._clusters.buffers import Buffer, apart
from amorsize._workers import worker_numbers
from amorsize._workers.executors import worker as executor_worker
from amorsize._workers.executors.worker import NOT_SET_UP, RAN, LoadedTask, run_pickled
from amorsize._workers.messages import exception_pickling, serialization
from amorsize._workers.protocol import SetupFailed
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._clusters.protocol import ClusterAdapter
    from amorsize._workers.executors.submissions import Submission
    from amorsize._workers.protocol import Chunk, Task
    from amorsize._workers.tasks.payload import Payload

    Call = tuple[Callable[..., Any], tuple[Any, ...]]

#: A task up to this size is sent with every chunk; a larger one only to workers that lack it.
SMALL_BYTES = 1 << 16


class SharedChunks:
    """Chunks for threads of this process, which share its memory."""

    def __init__(self, task: Task) -> None:
        self._task, self._loaded = task, LoadedTask(task, tuple(copy_context().items()))
        self.stop = float("inf")

    def packed(self, items: Any) -> bytes:  # noqa: ARG002 - they are not sent
        """A placeholder, as items are not sent."""
        return serialization.dumps(None)

    def pack(self, items: Any) -> tuple[bytes, list[Buffer], list[Any]]:  # noqa: ARG002
        """A placeholder, as items are not sent."""
        return b"", [], []

    def name(self) -> str:
        """An empty name, as no other process sees it."""
        return ""

    def call(self, submission: Submission, *, with_task: bool = False) -> Call:  # noqa: ARG002 - it is here
        """The call that runs a chunk in this process."""
        return self._run_here, (submission.chunk, submission.time_budget_s)

    def _run_here(self, chunk: Chunk, time_budget_s: float) -> tuple[Any, ...]:
        """Run a chunk in a thread of this process, in a context of its own."""
        ran: tuple[Any, ...] = copy_context().run(self._run, chunk, time_budget_s)
        return ran

    def _run(self, chunk: Chunk, time_budget_s: float) -> tuple[Any, ...]:
        """Run a chunk."""
        with worker_numbers.Numbered(chunk.worker_number):
            failed = self._loaded.set_up_thread()
            if failed is not None:
                return NOT_SET_UP, failed
            items = self._task.source if chunk.items is None else chunk.items
            assert items is not None
            first = 0 if chunk.items is None else chunk.start
            return RAN, *self._loaded.run(
                items, first, chunk.start, chunk.stop, time_budget_s, self._may_begin
            )

    def _may_begin(self, index: int) -> bool:
        return index < self.stop

    def with_code(self, submission: Submission, error: bytes) -> SetupFailed | None:  # noqa: ARG002
        """Never called, as nothing has to be imported."""
        raise AssertionError

    def end(self) -> None:
        """Do nothing: all threads see `stop`."""

    def release(self) -> None:
        """Do nothing: nothing was sent."""


class SentChunks:
    """Chunks for other processes, each with its items as bytes."""

    def __init__(self, adapter: ClusterAdapter, payload: Payload) -> None:
        self._adapter, self._payload = adapter, payload
        self._data = payload.data
        self._key = os.urandom(16)
        self._by_value, self._n_sent = False, 0
        self._put: Any = None
        self.stop = float("inf")

    def packed(self, items: Any) -> bytes:
        """Items as bytes."""
        return self._payload.pack(items)

    def pack(self, items: Any) -> tuple[bytes, list[Buffer], list[Any]]:
        """Items as bytes, with large pieces of memory apart, uncopied, and with references."""
        here, found = references.taken_out(items, self._adapter.reference_types)
        data, parts = self._payload.pack_apart(apart(here))
        return data, [Buffer(part, is_writable=not part.readonly) for part in parts], found

    def name(self) -> str:
        """A unique name for the executor's own page, which begins with that of the function."""
        self._n_sent += 1
        return f"{self._payload.name}-{self._key.hex()}-{self._n_sent}"

    def call(self, submission: Submission, *, with_task: bool = False) -> Call:
        """The call that runs a chunk, with the task if that is small or asked for."""
        chunk, submission.key = submission.chunk, self._key
        is_small = len(self._data) <= SMALL_BYTES
        if self._put is None and not is_small:
            self._put = self._adapter.put_once(self._data)
        data = self._data if with_task or is_small else None
        return run_pickled, (
            *(self._key, data if self._put is None else self._put, submission.items),
            *(chunk.start, chunk.stop, submission.time_budget_s, chunk.worker_number),
            *(len(submission.parts), *submission.parts, *submission.references),
        )

    def with_code(self, submission: Submission, error: bytes) -> SetupFailed | None:
        """Send the function's code from now on, as a worker cannot import it or imports another.

        Gives the failure if the code was already sent.
        """
        if self._by_value and submission.key == self._key:
            met, text = exception_pickling.unpack_error(error)
            failure = SerializationError(
                f"{self._payload.name} cannot be rebuilt in a worker of {self._adapter.described}: "
                f"{type(met).__name__}: {met}. {self._adapter.way_out}"
            )
            failure.add_note(text)
            return SetupFailed(worker=submission.worker, error=failure)
        if not self._by_value:
            self._by_value, self._put = True, None
            self._key, self._data = os.urandom(16), self._payload.by_value()
        return None

    def end(self) -> None:
        """Have workers begin no further item."""
        self._adapter.tell_all(executor_worker.end, self._key)

    def release(self) -> None:
        """Release what was sent once."""
        self._put = None

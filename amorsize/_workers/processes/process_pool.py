"""Worker processes behind pipes that are never blocked on, whichever way they were started."""

from __future__ import annotations

import select
from marshal import loads

from amorsize._host.unpatched import kernel, perf_counter
from amorsize._workers.messages import exception_pickling, framing, serialization
from amorsize._workers.messages.packing import Packing
from amorsize._workers.processes.child_process import SIGCONT, SIGKILL, how_it_ended
from amorsize._workers.processes.worker_handle import WorkerHandle, end, readable
from amorsize._workers.processes.worker_main import (
    ITEMS_ELSEWHERE,
    NEW_CALL,
    REQUEST,
    SINGLE,
)
from amorsize._workers.protocol import (
    Chunk,
    Logged,
    Noticed,
    PoolDefaults,
    SetupFailed,
    Task,
    Text,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.messages.framing import Piece
    from amorsize._workers.protocol import Event

#: Seconds between two checks for workers that somebody has stopped.
STOPPED_CHECK_S = 1.0
#: Seconds between two checks for workers that have reopened their pipes.
RETRY_S = 20e-3


class ProcessPoolBase(PoolDefaults):
    """Sends chunks to worker processes and reads what they report.

    A subclass starts the workers and ends them.
    """

    backend = "process"
    #: The process that owns the workers; negative while the constructor has not finished.
    _owner = -1

    def __init__(self, task: Task) -> None:
        self._task = task
        self._packing = Packing()
        self._handles: dict[int, WorkerHandle] = {}
        self._owner = kernel.getpid()
        self._by_descriptor: dict[int, WorkerHandle] = {}
        self._poll = select.poll()
        self._checked_s = perf_counter()
        self._disconnected: list[
            WorkerHandle
        ] = []  # whose pipes have no other end, though they have not ended

    def _register(self, handle: WorkerHandle) -> None:
        """Poll a worker's pipe and its process from now on."""
        self._handles[handle.number] = handle
        for descriptor in (handle.read_fd, handle.process.pidfd):
            if descriptor is not None:
                self._by_descriptor[descriptor] = handle
                self._poll.register(descriptor, select.POLLIN)

    def __del__(self) -> None:
        """End the workers of a call that was interrupted before it could close the pool."""
        if self._owner < 0 or self._release_in_fork():
            return
        for handle in tuple(self._handles.values()):
            end(handle)
            self._remove(handle)

    def _release_in_fork(self) -> bool:
        """In a fork of the caller, close its copies of the pipes; whether this is such a fork.

        The workers belong to the parent.
        """
        if kernel.getpid() == self._owner:
            return False
        for handle in tuple(self._handles.values()):
            self._unregister(handle)
            handle.ended = True
            handle.close()
        return True

    # -- working ----------------------------------------------------------------------------

    def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:
        """Queue a chunk for a worker, then write as much as the pipe takes."""
        handle = self._handles[worker]
        # To report each result at once, the worker has to stop after every item.
        flags = SINGLE if self._task.single or not flush_s else 0
        if handle.is_new_call:
            handle.is_new_call, flags = False, flags | NEW_CALL
        told = b""
        if chunk.items is not None:
            ahead, told, is_elsewhere = handle.transport.packed(*self._packed_apart(chunk.items))
            flags |= ITEMS_ELSEWHERE if is_elsewhere else 0
            for kind, part in ahead:
                handle.writer.put(kind, part)
        header = REQUEST.pack(
            chunk.start, chunk.stop, time_budget_s, flush_s, flags, chunk.worker_number
        )
        handle.writer.put(framing.SPAN if chunk.items is None else framing.ITEMS, header, told)
        handle.in_flight.append(chunk)
        self._flush(handle)

    def packed(self, items: Any) -> bytes:
        """Items as bytes, in one piece."""
        return self._packing.dumps(items)

    def _packed_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
        return self._packing.dumps_apart(items)

    def _flush(self, handle: WorkerHandle) -> None:
        try:
            done = handle.writer.flush(handle.write_fd)
        except BrokenPipeError:  # if the worker has ended, its pidfd says so
            if handle not in self._disconnected:
                self._disconnected.append(handle)
            return
        if done:
            if handle.write_fd in self._by_descriptor:
                del self._by_descriptor[handle.write_fd]
                self._poll.unregister(handle.write_fd)
        elif handle.write_fd not in self._by_descriptor:
            self._by_descriptor[handle.write_fd] = handle
            self._poll.register(handle.write_fd, select.POLLOUT)

    def wait(self, timeout_s: float) -> list[Event]:
        """Events of all workers; waits at most `timeout_s` for the first."""
        events: list[Event] = []
        ended: list[WorkerHandle] = []
        if self._disconnected:
            timeout_s = min(timeout_s, RETRY_S)
            self._retry_disconnected(events)
        for descriptor, _ in self._poll.poll(max(0.0, timeout_s) * 1000):
            handle = self._by_descriptor.get(descriptor)
            if handle is None or handle.ended:
                continue
            if descriptor == handle.write_fd:
                self._flush(handle)
                continue
            has_ended = descriptor == handle.process.pidfd
            if not has_ended:
                at_end = not self._read(handle, events)
                has_ended = at_end and handle.process.pidfd is None
            if has_ended:
                ended.append(handle)
        for handle in ended:
            if not handle.ended:
                self._on_exit(handle, events)
        if perf_counter() - self._checked_s > STOPPED_CHECK_S:
            self._resume_stopped()
        return events

    def _retry_disconnected(self, events: list[Event]) -> None:
        """Read from workers whose item has closed their pipes.

        A worker reopens them when it needs them.
        """
        disconnected, self._disconnected = self._disconnected, []
        for handle in disconnected:
            if handle.ended or handle.number not in self._handles:
                continue
            self._flush(handle)
            if self._read(handle, events):
                self._by_descriptor[handle.read_fd] = handle
                self._poll.register(handle.read_fd, select.POLLIN)
            elif handle not in self._disconnected:
                self._disconnected.append(handle)

    def _resume_stopped(self) -> None:
        """Resume workers that somebody has stopped; kill those that stay stopped."""
        self._checked_s = perf_counter()
        for handle in self._handles.values():
            if not handle.process.is_stopped:
                handle.n_stops = 0
                continue
            handle.n_stops += 1
            handle.process.send(SIGCONT if handle.n_stops == 1 else SIGKILL)

    def _read(self, handle: WorkerHandle, events: list[Event]) -> bool:
        """Add the events that a worker has written; False at the end of its pipe."""
        try:
            more = handle.reader.feed(handle.read_fd)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            more = False
        for kind, payload in handle.reader.frames():
            event = self._event_of(handle, kind, payload)
            if event is not None:
                events.append(event)
                if kind == framing.DONE and handle.is_leaving:
                    events.append(_retired(handle, self._task.most_bytes or 0))
        if not more and handle.read_fd in self._by_descriptor:
            # At its end a pipe is always readable: stop polling it. The pidfd tells of the exit.
            del self._by_descriptor[handle.read_fd]
            self._poll.unregister(handle.read_fd)
            if handle not in self._disconnected:
                self._disconnected.append(handle)
        return more

    def _event_of(self, handle: WorkerHandle, kind: bytes, payload: Piece | None) -> Event | None:
        if kind == framing.DONE and payload is not None:  # as nearly all are
            return handle.chunk_done(payload)
        if handle.transport.receive(kind, payload):
            return None
        if payload is None:
            raise MemoryError("a worker's message does not fit into the memory that is left")
        if kind == framing.READY:
            return WorkerReady(worker=handle.number)
        if kind == framing.TEXT:
            start = handle.in_flight[0].start if handle.in_flight else 0
            return Text(calls=loads(payload), start=start)
        if kind == framing.RECORD:
            start = handle.in_flight[0].start if handle.in_flight else 0
            return Logged(record=serialization.loads(payload), start=start)
        if kind == framing.NOTICED:
            return Noticed(worker=handle.number, why=bytes(payload).decode("utf-8", "replace"))
        error, text = exception_pickling.unpack_error(payload)
        serialization.add_note(error, f"raised by setup= in a worker process\n{text}")
        return SetupFailed(worker=handle.number, error=error)

    def retire(self, worker: int) -> None:
        """Ask an idle worker to quit, without waiting for its end."""
        handle = self._handles[worker]
        handle.is_leaving = True
        handle.writer.put(framing.QUIT)
        self._flush(handle)

    def begun(self, worker: int) -> tuple[int, float] | None:
        """The index of the item that a worker is running, with its start time; None while idle."""
        handle = self._handles.get(worker)  # None after its end
        if handle is None or not handle.in_flight or handle.counters is None:
            return None
        began = handle.counters[handle.slot + 1]
        return (int(handle.counters[handle.slot]), began) if began else None

    def native_id(self, worker: int) -> int | None:
        """The number of a worker's process, whose main thread runs items; None after its end."""
        handle = self._handles.get(worker)
        return None if handle is None else handle.pid

    # -- ending -----------------------------------------------------------------------------

    def kill(self, worker: int) -> None:
        """Kill a worker; `WorkerLost` returns its items."""
        self._handles[worker].process.kill()

    def _on_exit(self, handle: WorkerHandle, events: list[Event]) -> None:
        """A worker has ended: read the rest of its pipe, then report what is lost."""
        while handle.read_fd in self._by_descriptor and readable(handle.read_fd):
            if not self._read(handle, events):
                break
        code = handle.process.collect()
        if handle.is_leaving:
            self._remove(handle)
            return
        # Only the chunk that it was running is suspect; the shared counters name the item.
        suspect_item, n_suspects, was_reading = None, 1, False
        if handle.in_flight and (begun := self.begun(handle.number)) is not None:
            chunk = handle.in_flight[0]
            if chunk.start <= begun[0] < chunk.stop:
                assert handle.counters is not None
                n_noted = int(handle.counters[handle.slot + 2])
                suspect_item, n_suspects = begun[0], n_noted or chunk.n_items
                was_reading = not n_noted
        ranges = tuple((chunk.start, chunk.stop) for chunk in handle.in_flight)
        self._remove(handle)
        events.append(
            WorkerLost(
                worker=handle.number,
                how=how_it_ended(code),
                ranges=ranges,
                suspect_item=suspect_item,
                n_suspects=n_suspects,
                was_reading=was_reading,
                code=code,
            )
        )

    def _remove(self, handle: WorkerHandle) -> None:
        self._unregister(handle)
        handle.ended = True
        handle.close()

    def _unregister(self, handle: WorkerHandle) -> None:
        """The opposite of `_register`."""
        for descriptor in (handle.read_fd, handle.write_fd, handle.process.pidfd):
            if descriptor is not None and self._by_descriptor.pop(descriptor, None) is not None:
                self._poll.unregister(descriptor)
        self._handles.pop(handle.number)


def _retired(handle: WorkerHandle, most_bytes: int) -> WorkerRetired:
    """A worker is ending because it has grown too large; its unstarted chunks come back."""
    ranges = tuple((chunk.start, chunk.stop) for chunk in handle.in_flight)
    handle.in_flight.clear()
    why = f"one had grown by more than max_worker_memory={most_bytes / 1e6:g} MB"
    return WorkerRetired(worker=handle.number, ranges=ranges, why=why)

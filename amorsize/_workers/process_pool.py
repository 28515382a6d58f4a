"""Worker processes: one process and two pipes each, never blocked on; forked, for one call."""

from __future__ import annotations

import os
import select

from amorsize._host.clocks import perf_counter
from amorsize._workers import (
    exception_pickling,
    framing,
    serialization,
)
from amorsize._workers.child_process import SIGCONT, SIGKILL
from amorsize._workers.protocol import (
    Chunk,
    Logged,
    Noticed,
    SetupFailed,
    Task,
    Text,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
)
from amorsize._workers.worker_handle import WorkerHandle, end, readable
from amorsize._workers.worker_main import (
    ITEMS_ELSEWHERE,
    ORDER,
    SINGLE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.framing import Piece
    from amorsize._workers.protocol import Event

STOPPED_S = 1.0  # how often it is looked whether somebody has stopped a worker
CUT_S = 20e-3  # how often it is looked whether a worker has opened its pipes again


class ProcessPoolBase:
    """Worker processes at the other ends of pipes, however they were started."""

    backend = "process"
    inherits_items = False
    _owner = -1  # until there are workers

    def __init__(self, task: Task) -> None:
        self._task = task
        self._packing = serialization.Packing()
        self._remotes: dict[int, WorkerHandle] = {}
        self._owner = os.getpid()
        self._by_descriptor: dict[int, WorkerHandle] = {}
        self._poll = select.poll()
        self._looked_s = perf_counter()
        self._cut: list[
            WorkerHandle
        ] = []  # whose pipes have no other end, though they have not ended

    def _attend(self, remote: WorkerHandle) -> None:
        """Look out from now on for what a worker says, and for its end."""
        self._remotes[remote.number] = remote
        for descriptor in (remote.read_fd, remote.process.pidfd):
            if descriptor is not None:
                self._by_descriptor[descriptor] = remote
                self._poll.register(descriptor, select.POLLIN)

    def __del__(self) -> None:
        """The last net, for a call that was cut short before it could end its workers."""
        if self._owner < 0 or self._leave_to_owner():
            return
        for remote in tuple(self._remotes.values()):
            end(remote)
            self._forget(remote)

    def _leave_to_owner(self) -> bool:
        """In a fork of the caller the workers are not ours to end: let go of the ends we have."""
        if os.getpid() == self._owner:
            return False
        for remote in tuple(self._remotes.values()):
            self._overlook(remote)
            remote.ended = True
            remote.close()
        return True

    # -- working ----------------------------------------------------------------------------

    def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:
        """Queue a chunk for a worker and write what the pipe takes."""
        remote = self._remotes[worker]
        # Every result at once: so every item watched.
        flags = SINGLE if self._task.single or not flush_s else 0
        told = b""
        if chunk.items is not None:
            ahead, told, is_elsewhere = remote.line.packed(*self._packed_apart(chunk.items))
            flags |= ITEMS_ELSEWHERE if is_elsewhere else 0
            for kind, part in ahead:
                remote.writer.put(kind, part)
        order = ORDER.pack(chunk.start, chunk.stop, time_budget_s, flush_s, flags, chunk.place)
        remote.writer.put(framing.SPAN if chunk.items is None else framing.ITEMS, order, told)
        remote.orders.append(chunk)
        self._flush(remote)

    def packed(self, items: Any) -> bytes:
        """Items as they are sent, in one piece."""
        return self._packing.dumps(items)

    def _packed_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
        return self._packing.dumps_apart(items)

    def _flush(self, remote: WorkerHandle) -> None:
        try:
            done = remote.writer.flush(remote.write_fd)
        except BrokenPipeError:  # its end is seen on the pidfd, with all that belongs to it
            if remote not in self._cut:
                self._cut.append(remote)
            return
        if done:
            if remote.write_fd in self._by_descriptor:
                del self._by_descriptor[remote.write_fd]
                self._poll.unregister(remote.write_fd)
        elif remote.write_fd not in self._by_descriptor:
            self._by_descriptor[remote.write_fd] = remote
            self._poll.register(remote.write_fd, select.POLLOUT)

    def wait(self, timeout_s: float) -> list[Event]:
        """What has happened on any worker; waits at most `timeout_s` for the first thing."""
        happenings: list[Event] = []
        ended: list[WorkerHandle] = []
        if self._cut:
            timeout_s = min(timeout_s, CUT_S)
            self._look_at_cut_ones(happenings)
        for descriptor, _ in self._poll.poll(max(0.0, timeout_s) * 1000):
            remote = self._by_descriptor.get(descriptor)
            if remote is None or remote.ended:
                continue
            if descriptor == remote.write_fd:
                self._flush(remote)
                continue
            has_ended = descriptor == remote.process.pidfd
            if not has_ended:
                at_end = not self._read(remote, happenings)
                has_ended = at_end and remote.process.pidfd is None
            if has_ended:
                ended.append(remote)
        for remote in ended:
            if not remote.ended:
                self._bury(remote, happenings)
        if perf_counter() - self._looked_s > STOPPED_S:
            self._wake_the_stopped()
        return happenings

    def _look_at_cut_ones(self, happenings: list[Event]) -> None:
        """An item has closed its worker's pipes; the worker opens them again when it needs them."""
        cut, self._cut = self._cut, []
        for remote in cut:
            if remote.ended or remote.number not in self._remotes:
                continue
            self._flush(remote)
            if self._read(remote, happenings):
                self._by_descriptor[remote.read_fd] = remote
                self._poll.register(remote.read_fd, select.POLLIN)
            elif remote not in self._cut:
                self._cut.append(remote)

    def _wake_the_stopped(self) -> None:
        """Let workers go on that somebody has stopped; those that are stopped again are killed."""
        self._looked_s = perf_counter()
        for remote in self._remotes.values():
            if not remote.process.is_stopped:
                remote.n_stops = 0
                continue
            remote.n_stops += 1
            remote.process.send(SIGCONT if remote.n_stops == 1 else SIGKILL)

    def _read(self, remote: WorkerHandle, happenings: list[Event]) -> bool:
        """Take in what a worker wrote; False at the end of its pipe."""
        try:
            more = remote.reader.feed(remote.read_fd)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            more = False
        for kind, payload in remote.reader.frames():
            happening = self._understand(remote, kind, payload)
            if happening is not None:
                happenings.append(happening)
                if kind == framing.DONE and remote.is_leaving:
                    happenings.append(self._let_go(remote))
        if not more and remote.read_fd in self._by_descriptor:
            # At its end the pipe would be ready for ever; the pidfd tells the rest.
            del self._by_descriptor[remote.read_fd]
            self._poll.unregister(remote.read_fd)
            if remote not in self._cut:
                self._cut.append(remote)
        return more

    def _understand(self, remote: WorkerHandle, kind: bytes, payload: Piece | None) -> Event | None:
        if remote.line.receive(kind, payload):
            return None
        if payload is None:
            raise MemoryError("what a worker tells does not fit into the memory that is left")
        if kind == framing.DONE:
            return remote.chunk_done(payload)
        if kind == framing.READY:
            return WorkerReady(worker=remote.number)
        if kind == framing.TEXT:
            return Text(
                stream="stderr" if payload[:1] == b"2" else "stdout",
                text=bytes(payload[1:]).decode("utf-8", "surrogateescape"),
                start=remote.orders[0].start if remote.orders else 0,
            )
        if kind == framing.RECORD:
            start = remote.orders[0].start if remote.orders else 0
            return Logged(record=serialization.loads(payload), start=start)
        if kind == framing.NOTICED:
            return Noticed(worker=remote.number, why=bytes(payload).decode("utf-8", "replace"))
        error, text = exception_pickling.unpack_error(payload)
        serialization.add_note(error, f"raised by setup= in a worker process\n{text}")
        return SetupFailed(worker=remote.number, error=error)

    def _let_go(self, remote: WorkerHandle) -> WorkerRetired:
        """A worker has grown too large and ends now: what it was sent since comes back."""
        ranges = tuple((order.start, order.stop) for order in remote.orders)
        remote.orders.clear()
        allowed = self._task.most_bytes or 0
        why = f"one had grown by more than max_worker_memory={allowed / 1e6:g} MB"
        return WorkerRetired(worker=remote.number, ranges=ranges, why=why)

    def retire(self, worker: int) -> None:
        """End a worker that has nothing to do, without waiting for that."""
        remote = self._remotes[worker]
        remote.is_leaving = True
        remote.writer.put(framing.QUIT)
        self._flush(remote)

    def begun(self, worker: int) -> tuple[int, float] | None:
        """The item a worker is in and when it began; None while it has none."""
        remote = self._remotes.get(worker)  # None: it has ended
        if remote is None or not remote.orders or remote.cells is None:
            return None
        began = remote.cells[remote.slot + 1]
        return (int(remote.cells[remote.slot]), began) if began else None

    # -- ending -----------------------------------------------------------------------------

    def kill(self, worker: int) -> None:
        """End a worker at once; what it had comes back as `WorkerLost`."""
        self._remotes[worker].process.kill()

    def _bury(self, remote: WorkerHandle, happenings: list[Event]) -> None:
        """A worker has ended: read what it still said, then tell what is lost."""
        while remote.read_fd in self._by_descriptor and readable(remote.read_fd):
            if not self._read(remote, happenings):
                break
        how = remote.process.collect()
        if remote.is_leaving:
            self._forget(remote)
            return
        # Orders it never began are no suspects; the one it was in names the item.
        suspect_item, n_suspects, was_reading = None, 1, False
        if remote.orders and (begun := self.begun(remote.number)) is not None:
            order = remote.orders[0]
            if order.start <= begun[0] < order.stop:
                assert remote.cells is not None
                n_noted = int(remote.cells[remote.slot + 2])
                suspect_item, n_suspects = begun[0], n_noted or order.n_items
                was_reading = not n_noted
        ranges = tuple((order.start, order.stop) for order in remote.orders)
        self._forget(remote)
        happenings.append(
            WorkerLost(
                worker=remote.number,
                how=how,
                ranges=ranges,
                suspect_item=suspect_item,
                n_suspects=n_suspects,
                was_reading=was_reading,
            )
        )

    def _forget(self, remote: WorkerHandle) -> None:
        self._overlook(remote)
        remote.ended = True
        remote.close()

    def _overlook(self, remote: WorkerHandle) -> None:
        """The opposite of `_attend`."""
        for descriptor in (remote.read_fd, remote.write_fd, remote.process.pidfd):
            if descriptor is not None and self._by_descriptor.pop(descriptor, None) is not None:
                self._poll.unregister(descriptor)
        self._remotes.pop(remote.number)

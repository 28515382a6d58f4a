"""The caller's side of one worker process: its pipes, and its end."""

from __future__ import annotations

import os
import select

from amorsize._host.clocks import perf_counter
from amorsize._host.signals import raised_by_handler
from amorsize._workers import exception_pickling, framing, serialization, transport
from amorsize._workers.child_process import Child
from amorsize._workers.protocol import ChunkDone
from amorsize._workers.shared_memory import SharedBlock
from amorsize._workers.worker_main import (
    CANNOT_TRAVEL,
    ELSEWHERE,
    LAST,
    LEAVES,
    REPORT,
    TELLS_GROWTH,
    UNREAD,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._workers.framing import Piece
    from amorsize._workers.protocol import Chunk

GRACE_S = 1.0  # how long a worker may take to end itself before it is killed
PIPE_BYTES = 1 << 20  # a larger pipe takes a large result in fewer turns
open_ends: set[int] = set()  # the caller's ends of all workers' pipes: a fork must not keep them
left_alone: list[Child] = []  # workers that end by themselves, when a queue has been read


def leave_alone(remote: WorkerHandle) -> None:
    """Do not end a worker that only waits for the reader of a queue."""
    left_alone.append(remote.process)


def collect_left_alone(*, wait: bool = False) -> None:
    """Collect those that have ended by now, or do within `GRACE_S`."""
    deadline = perf_counter() + (GRACE_S if wait else 0.0)
    for child in tuple(left_alone):
        if child.ended_by(deadline):
            child.collect()
            left_alone.remove(child)
            child.close()


class WorkerHandle:
    """The caller's side of one worker process."""

    __slots__ = (
        "cells",
        "ended",
        "is_leaving",
        "line",
        "n_stops",
        "number",
        "orders",
        "process",
        "read_fd",
        "reader",
        "slot",
        "write_fd",
        "writer",
    )

    def __init__(
        self,
        number: int,
        process: Child,
        read_fd: int,
        write_fd: int,
        shared: SharedBlock | None,
        slot: int,
    ) -> None:
        self.number = number
        # The end of the pipe proves nothing: an item's own child may hold it open.
        self.process = process
        # What it shares, and where its own part begins.
        self.cells, self.slot = None if shared is None else shared.view, slot
        self.line = transport.Transport(shared, slot, SharedBlock.RECEIVED, SharedBlock.SENT)
        self.read_fd, self.write_fd = read_fd, write_fd
        self.reader, self.writer = framing.Reader(), framing.Writer()
        self.orders: list[Chunk] = []  # sent and not through, in order
        self.ended = False
        self.is_leaving = False  # it ends by itself, and gets nothing more to do
        self.n_stops = 0  # looks in a row that found it stopped
        for descriptor in (read_fd, write_fd):
            os.set_blocking(descriptor, False)
        open_ends.update((read_fd, write_fd))

    @property
    def pid(self) -> int:
        """The number of the worker's process, for those who look."""
        return self.process.pid

    def chunk_done(self, payload: Piece) -> ChunkDone:
        """What a worker reports of its first chunk, which it has left behind or goes on with."""
        (
            start, n_done, _, wall_s, cpu_s, run_delay_s, pickle_s, flags, size, n_bytes, *grown,
        ) = REPORT.unpack_from(payload)  # fmt: skip
        data = memoryview(payload)[REPORT.size :]
        error: BaseException | None = None
        text = ""
        some_stayed = bool(flags & CANNOT_TRAVEL)
        try:
            results = self.line.unpacked(data[:size], is_elsewhere=bool(flags & ELSEWHERE))
        except Exception as failure:
            if raised_by_handler(failure):
                raise
            results, some_stayed = serialization.cannot_read_back(start, n_done, failure), True
        if len(data) > size:
            error, text = exception_pickling.unpack_error(bytes(data[size:]))
        self.is_leaving = bool(flags & LEAVES)
        last = bool(flags & LAST)
        n_sent, back = self._advance(start + n_done, has_failed=error is not None, last=last)
        return ChunkDone(
            worker=self.number,
            start=start,
            results=results,
            n_sent=n_sent,
            wall_s=wall_s,
            cpu_s=cpu_s,
            run_delay_s=run_delay_s,
            pickle_s=pickle_s,
            last=last,
            back=back,
            error=error,
            error_text=text,
            some_stayed=some_stayed,
            n_bytes=n_bytes,
            is_unread=bool(flags & UNREAD),
            grown_bytes=(grown[0], grown[1]) if flags & TELLS_GROWTH else None,
        )

    def _advance(
        self, index: int, *, has_failed: bool, last: bool
    ) -> tuple[int, tuple[int, int] | None]:
        """Note that a worker is at an item of its chunk: how many it had, which it hands back."""
        chunk = self.orders[0]
        if not last:
            self.orders[0] = chunk.but(start=index)
            return chunk.n_items, None
        del self.orders[0]
        unstarted = index + has_failed
        return chunk.n_items, (unstarted, chunk.stop) if unstarted < chunk.stop else None

    def close(self) -> None:
        """Close the caller's ends."""
        for descriptor in (self.read_fd, self.write_fd):
            open_ends.discard(descriptor)
            os.close(descriptor)
        if self.process not in left_alone:
            self.process.close()


def end(remote: WorkerHandle) -> None:
    """Kill a worker and collect it.

    One that began with rights that the program has given up since (as root) cannot be killed: it is
    told to go, has `GRACE_S` for that, and ends with the program at the latest, by its lifeline.
    """
    try:
        remote.process.kill()
    except PermissionError:
        _tell_to_go(remote)
        if not remote.process.ended_by(perf_counter() + GRACE_S):
            return
    remote.process.collect()


def _tell_to_go(remote: WorkerHandle) -> None:
    remote.writer.put(framing.QUIT)
    try:
        remote.writer.flush(remote.write_fd)
    except BrokenPipeError:
        return  # it is going already


def two_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Reading and writing ends of two pipes, or of none."""
    first = os.pipe()
    try:
        return first, os.pipe()
    except OSError:
        os.close(first[0])
        os.close(first[1])
        raise


def widen(descriptor: int) -> None:
    """Ask for a larger pipe, where the system knows how."""
    try:
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (ImportError, AttributeError, OSError):
        return  # the default of 64 KiB works as well, in more turns


def readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))

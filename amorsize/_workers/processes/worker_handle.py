"""The caller's side of one worker process."""

from __future__ import annotations

import select

from amorsize._host.signals import raised_by_handler, reraise_from_handler
from amorsize._host.unpatched import kernel, perf_counter
from amorsize._workers.messages import framing, serialization, transport
from amorsize._workers.messages.pipe_ends import close_if, pipe, what_is
from amorsize._workers.messages.report_head import (
    ELSEWHERE,
    LAST,
    LEAVES,
    REPORT,
    SOME_UNPICKLABLE,
    TELLS_GROWTH,
    UNREAD,
)
from amorsize._workers.messages.shared_memory import SharedBlock
from amorsize._workers.processes.child_process import Child
from amorsize._workers.protocol import ChunkDone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._workers.messages.framing import Piece
    from amorsize._workers.protocol import Chunk

#: Seconds that a worker may take to quit before it is killed.
GRACE_S = 1.0
#: Size of a pipe from a worker: a large result needs fewer reads than with the default of 64 KiB.
PIPE_BYTES = 1 << 20
#: The caller's ends of all workers' pipes, which a new fork has to close.
open_ends: set[int] = set()
#: Workers that still write into a queue of the program, and end once somebody has read it.
flushing: list[Child] = []


def let_flush(handle: WorkerHandle) -> None:
    """Leave a worker alive that waits for the reader of a queue."""
    flushing.append(handle.process)


def collect_flushing(*, wait: bool = False) -> None:
    """Reap the flushing workers that have ended; with `wait`, allow them `GRACE_S` for it."""
    deadline = perf_counter() + (GRACE_S if wait else 0.0)
    for child in tuple(flushing):
        if child.ended_by(deadline):
            child.collect()
            flushing.remove(child)
            child.close()


class WorkerHandle:
    """The caller's side of one worker process."""

    __slots__ = (
        "_is",
        "counters",
        "ended",
        "has_rested",
        "in_flight",
        "is_leaving",
        "is_new_call",
        "n_stops",
        "number",
        "process",
        "read_fd",
        "reader",
        "slot",
        "transport",
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
        # The process, not the pipe, tells of the end: an item's own child may hold the pipe open.
        self.process = process
        # The shared counters, and the index of the first one of this worker.
        self.counters, self.slot = None if shared is None else shared.counters, slot
        self.transport = transport.Transport(shared, slot, SharedBlock.RECEIVED, SharedBlock.SENT)
        self.read_fd, self.write_fd = read_fd, write_fd
        self.reader, self.writer = framing.Reader(), framing.Writer()
        self.in_flight: list[Chunk] = []  # sent and not through, in chunk
        self.ended = False
        self.is_leaving = False  # it quits by itself and gets no more chunks
        self.has_rested = False  # it has served an earlier call, and holds nothing of this process
        self.is_new_call = False  # its next chunk is the first one of another call
        self.n_stops = 0  # checks in a row that found it stopped
        for descriptor in (read_fd, write_fd):
            kernel.set_blocking(descriptor, False)
        self._is = what_is(read_fd), what_is(write_fd)
        open_ends.update((read_fd, write_fd))

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self.process.pid

    def chunk_done(self, payload: Piece) -> ChunkDone:
        """The event for a report on the worker's current chunk."""
        (
            start, n_done, _, wall_s, cpu_s, run_delay_s, pickle_s, flags, size, n_bytes, *grown,
        ) = REPORT.unpack_from(payload)  # fmt: skip
        data = memoryview(payload)[REPORT.size :]
        error: BaseException | None = None
        text = ""
        some_stayed = bool(flags & SOME_UNPICKLABLE)
        try:
            results = self.transport.unpacked(data[:size], is_elsewhere=bool(flags & ELSEWHERE))
        except Exception as failure:
            if raised_by_handler(failure):
                raise
            results, some_stayed = serialization.cannot_read_back(start, n_done, failure), True
        if len(data) > size:
            from amorsize._workers.messages import exception_pickling  # every pool has loaded it

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
        """Move on to an item of the chunk; the items that it had, and the range that comes back."""
        chunk = self.in_flight[0]
        if not last:
            self.in_flight[0] = chunk.replace(start=index)
            return chunk.n_items, None
        del self.in_flight[0]
        unstarted = index + has_failed
        return chunk.n_items, (unstarted, chunk.stop) if unstarted < chunk.stop else None

    @property
    def is_connected(self) -> bool:
        """Whether its descriptors are still its own: between calls a program may close them all."""
        now = what_is(self.read_fd), what_is(self.write_fd)
        return now == self._is and self.process.is_known

    def close(self) -> None:
        """Close the caller's ends of the pipes, unless somebody has closed them already."""
        for descriptor, was in zip((self.read_fd, self.write_fd), self._is, strict=True):
            open_ends.discard(descriptor)
            close_if(descriptor, was)
        if self.process not in flushing:
            self.process.close()


def end(handle: WorkerHandle) -> None:
    """Kill a worker, then reap it.

    A worker that was started with rights which the program has dropped since (root) cannot be
    killed. It is asked to quit within `GRACE_S`; the kernel ends it with the program at the
    latest.
    """
    try:
        handle.process.kill()
    except PermissionError:
        _ask_to_quit(handle)
        if not handle.process.ended_by(perf_counter() + GRACE_S):
            return
    handle.process.collect()


def _ask_to_quit(handle: WorkerHandle) -> None:
    handle.writer.put(framing.QUIT)
    try:
        handle.writer.flush(handle.write_fd)
    except BrokenPipeError:
        return  # it is ending already


def two_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Two pipes, each as its reading end then its writing end; if one fails, none stays open."""
    first = pipe()
    try:
        return first, pipe()
    except OSError:
        kernel.close(first[0])
        kernel.close(first[1])
        raise


def widen(descriptor: int) -> None:
    """Enlarge a pipe, where the system can."""
    try:
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (ImportError, AttributeError, OSError) as error:
        reraise_from_handler(error)
        return  # the default of 64 KiB works as well, in more turns


def readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))

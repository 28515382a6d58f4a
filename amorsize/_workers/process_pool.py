"""Worker processes: one process and two pipes each, never blocked on; forked, for one call."""

from __future__ import annotations

import os
import select
import sys

from amorsize._host.clocks import perf_counter
from amorsize._host.signals import no_interrupts, raised_by_handler
from amorsize._workers import (
    child_setup,
    framing,
    inherited_pipes,
    parent_death,
    serialization,
    transport,
)
from amorsize._workers.child_process import SIGCONT, SIGKILL, Child
from amorsize._workers.pipe_ends import End
from amorsize._workers.protocol import (
    Chunk,
    ChunkDone,
    Logged,
    Noticed,
    SetupFailed,
    Task,
    Text,
    WorkerLost,
    WorkerReady,
    WorkerRetired,
)
from amorsize._workers.shared_memory import SharedBlock
from amorsize._workers.worker_main import (
    CANNOT_TRAVEL,
    ELSEWHERE,
    FLUSHING,
    ITEMS_ELSEWHERE,
    LAST,
    LEAVES,
    ORDER,
    REPORT,
    SINGLE,
    TELLS_GROWTH,
    UNREAD,
    Worker,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.framing import Piece
    from amorsize._workers.protocol import Event

GRACE_S = 1.0  # how long a worker may take to end itself before it is killed
STOPPED_S = 1.0  # how often it is looked whether somebody has stopped a worker
FLUSH_S = 0.1  # how long a worker is waited for that is writing what items put into a queue
CUT_S = 20e-3  # how often it is looked whether a worker has opened its pipes again
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

    def close(self) -> None:
        """Close the caller's ends."""
        for descriptor in (self.read_fd, self.write_fd):
            open_ends.discard(descriptor)
            os.close(descriptor)
        if self.process not in left_alone:
            self.process.close()


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
            return self._done(remote, payload)
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
        error, text = serialization.unpack_error(payload)
        serialization.add_note(error, f"raised by setup= in a worker process\n{text}")
        return SetupFailed(worker=remote.number, error=error)

    def _done(self, remote: WorkerHandle, payload: Piece) -> ChunkDone:
        (
            start, n_done, _, wall_s, cpu_s, run_delay_s, pickle_s, flags, size, n_bytes, *grown,
        ) = REPORT.unpack_from(payload)  # fmt: skip
        data = memoryview(payload)[REPORT.size :]
        error: BaseException | None = None
        text = ""
        some_stayed = bool(flags & CANNOT_TRAVEL)
        try:
            results = remote.line.unpacked(data[:size], is_elsewhere=bool(flags & ELSEWHERE))
        except Exception as failure:
            if raised_by_handler(failure):
                raise
            results, some_stayed = serialization.cannot_read_back(start, n_done, failure), True
        if len(data) > size:
            error, text = serialization.unpack_error(bytes(data[size:]))
        remote.is_leaving = bool(flags & LEAVES)
        last = bool(flags & LAST)
        order = remote.orders[0]
        n_sent = order.n_items
        back = None
        if last:
            del remote.orders[0]
            unstarted = start + n_done + (error is not None)
            if unstarted < order.stop:
                back = (unstarted, order.stop)
        else:
            remote.orders[0] = order.but(start=start + n_done)
        return ChunkDone(
            worker=remote.number,
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


def two_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Reading and writing ends of two pipes, or of none."""
    first = os.pipe()
    try:
        return first, os.pipe()
    except OSError:
        os.close(first[0])
        os.close(first[1])
        raise


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

"""Worker threads of one call: daemons that share the caller's memory, so nothing is pickled.

What the caller has in its context (decimal's precision, context variables) items in threads see.
"""

from __future__ import annotations

from _contextvars import copy_context
from _queue import Empty, SimpleQueue
from _thread import allocate_lock
from time import thread_time

from amorsize._host.clocks import perf_counter
from amorsize._workers import nesting, serialization, subprocess_time, worker_numbers
from amorsize._workers.chunk import run_chunk
from amorsize._workers.first_items import ThreadsFirstItems
from amorsize._workers.protocol import (
    Chunk,
    ChunkDone,
    Event,
    Noticed,
    SetupFailed,
    Task,
    WorkerLost,
    WorkerReady,
)
from amorsize._workers.run_delay import StarvedClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Lock, Thread
    from typing import Any

    from amorsize._workers.first_items import FirstItems

GRACE_S = 1.0  # how long a thread may still be inside an item when the call ends early


class _Seat:
    """The caller's side of one worker thread."""

    __slots__ = (
        "began_at",
        "first_items",
        "index",
        "is_given_up",
        "orders",
        "out",
        "place",
        "telling",
        "thread",
        "work",
        "work_began_at",
    )

    def __init__(self, first_items: FirstItems | None = None) -> None:
        self.first_items = first_items  # what looks at them
        self.place = worker_numbers.prepared()
        self.thread: Thread | None = None
        self.orders: SimpleQueue[tuple[Chunk, float] | None] = SimpleQueue()
        self.index, self.began_at = -1, 0.0  # the item it is in, and since when
        self.work: Chunk | None = None  # the chunk it is in,
        self.out: list[Any] = []  # its results so far
        self.work_began_at = 0.0  # and since when
        self.telling = allocate_lock()  # either it tells what became of its chunk, or `kill` does
        self.is_given_up = False


class ThreadPool:
    """Threads that run chunks; each ends with the call."""

    backend = "thread"
    inherits_items = False  # slicing is cheap, and leaves the caller's sequence alone

    def __init__(self, task: Task) -> None:
        self._task = task
        self._function = task.function_of_one()
        self._seats: dict[int, _Seat] = {}
        self._happened: SimpleQueue[Event] = SimpleQueue()
        self._stop_at = float("inf")
        self._first_items = ThreadsFirstItems(task.watch)
        self._one_at_a_time: Lock | None = None
        if task.seed is not None:  # threads share the global generators: items must take turns
            from threading import Lock

            self._one_at_a_time = Lock()

    def start(self, number: int) -> None:
        """Start one thread, to be known by this number.

        It has a copy of the context of whoever starts it: two threads cannot be in one at once.
        """
        from threading import Thread

        seat = self._seats[number] = _Seat(self._first_items.of_thread())
        thread = Thread(
            target=copy_context().run,
            args=(self._live, number, seat),
            name=f"amorsize-{number}",
            daemon=True,
        )
        thread.start()
        seat.thread = thread

    def send(self, worker: int, chunk: Chunk, *, time_budget_s: float, flush_s: float) -> None:  # noqa: ARG002 - results are in the caller's memory anyway
        """Queue a chunk for a thread."""
        self._seats[worker].orders.put((chunk, time_budget_s))

    def packed(self, items: Any) -> bytes:  # noqa: ARG002
        """Nothing of the items is sent: they may be what cannot be pickled."""
        return serialization.dumps(None)

    def wait(self, timeout_s: float) -> list[Event]:
        """What has happened on any thread; waits at most `timeout_s` for the first thing."""
        happenings: list[Event] = []
        try:
            happenings.append(self._happened.get(timeout=max(0.0, timeout_s)))
            while True:
                happenings.append(self._happened.get_nowait())
        except Empty:
            return happenings

    def begun(self, worker: int) -> tuple[int, float] | None:
        """The item a thread is in and when it began it; None while it has none."""
        seat = self._seats[worker]
        return (seat.index, seat.began_at) if seat.index >= 0 and not seat.is_given_up else None

    def retire(self, worker: int) -> None:
        """End a worker that has nothing to do, without waiting for that."""
        self._seats[worker].orders.put(None)

    def stop_at(self, index: int) -> None:
        """No item at or above `index` is begun any more."""
        self._stop_at = min(self._stop_at, index)

    def kill(self, worker: int) -> None:
        """A thread cannot be ended: it is given up, and what it had is told as lost."""
        seat = self._seats[worker]
        with seat.telling:
            if seat.is_given_up or seat.work is None or seat.index < 0:
                return  # it has just come through
            seat.is_given_up = True
            chunk, results = seat.work, list(seat.out)
        suspect_item = chunk.start + len(results)
        ranges = [(suspect_item, chunk.stop)]
        try:
            while (order := seat.orders.get_nowait()) is not None:
                ranges.append((order[0].start, order[0].stop))
        except Empty:
            seat.orders.put(None)
        self._happened.put(
            ChunkDone(
                worker=worker,
                start=chunk.start,
                results=results,
                n_sent=chunk.n_items,
                wall_s=max(0.0, seat.began_at - seat.work_began_at),
                cpu_s=0.0,
                pickle_s=0.0,
                last=False,
            )
        )
        self._happened.put(
            WorkerLost(
                worker=worker, how="being given up", ranges=tuple(ranges), suspect_item=suspect_item
            )
        )

    def close(self, *, at_once: bool) -> list[str]:
        """End all threads that are not inside an item; names of those that are, after `GRACE_S`."""
        if at_once:
            self._stop_at = 0
        for seat in self._seats.values():
            seat.orders.put(None)
        deadline = perf_counter() + GRACE_S
        stuck = []
        for seat in self._seats.values():
            if seat.thread is None:  # Ctrl-C came before it was there
                continue
            seat.thread.join(max(0.0, deadline - perf_counter()))
            if seat.thread.is_alive():
                stuck.append(seat.thread.name)
        return stuck

    # -- inside a thread --------------------------------------------------------------------

    def _live(self, number: int, seat: _Seat) -> None:
        task = self._task
        nesting.enter()
        worker_numbers.take_in_thread(seat.place)
        try:
            if task.setup is not None:
                task.setup()
        except BaseException as error:
            serialization.add_note(error, "raised by setup= in a worker thread")
            self._happened.put(SetupFailed(worker=number, error=error))
            worker_numbers.leave_thread()
            nesting.leave()
            return
        self._happened.put(WorkerReady(worker=number))
        starved_clock = StarvedClock()
        try:
            while (order := seat.orders.get()) is not None:
                done = self._run(number, seat, *order, starved_clock)
                with seat.telling:
                    if seat.is_given_up:
                        break
                    seat.work = None
                    if seat.first_items is not None and (news := seat.first_items.news()):
                        self._happened.put(Noticed(worker=number, why=news))
                    self._happened.put(done)
                del done  # which the frames of its error's traceback would keep
        finally:
            starved_clock.close()
            if task.teardown is not None:
                task.teardown()
            worker_numbers.leave_thread()
            nesting.leave()

    def _run(
        self,
        number: int,
        seat: _Seat,
        chunk: Chunk,
        time_budget_s: float,
        starved_clock: StarvedClock,
    ) -> ChunkDone:
        task, out = self._task, []  # type: tuple[Task, list[Any]]
        watched = seat.first_items
        seat.work, seat.out, seat.work_began_at = chunk, out, perf_counter()

        def progress(n_done: int, _: int, now_s: float) -> bool:
            index = chunk.start + n_done
            if index >= self._stop_at or seat.is_given_up:
                return False
            if watched is not None and watched.has_news:
                return False  # the rest may be the caller's
            seat.index, seat.began_at = index, now_s
            return True

        function = self._function
        if self._one_at_a_time is not None:
            function = _taking_turns(function, self._one_at_a_time)
        programs_s = subprocess_time.cpu_s()
        spent_s, spent_cpu_s = 0.0, 0.0  # on watching items, which is none of their cost
        if watched is not None:
            function = watched.watched(function)
            spent_s, spent_cpu_s = watched.spent_s, watched.spent_cpu_s
        if chunk.items is None:
            assert task.source is not None
            items = task.each(task.source, 0, chunk.start)
        else:
            items = task.each(chunk.items, chunk.start, chunk.start)
        ran = run_chunk(
            function,
            items,
            chunk.n_items,
            out,
            time_budget_s=time_budget_s,
            cpu_clock=thread_time,
            starved_clock=starved_clock,
            keep_errors=task.keep_errors,
            single=task.single,
            progress=progress,
        )
        if watched is not None:
            spent_s, spent_cpu_s = watched.spent_s - spent_s, watched.spent_cpu_s - spent_cpu_s
        # What programs computed is told for all threads together.
        n_running = sum(one.work is not None for one in tuple(self._seats.values()))
        programs_s = (subprocess_time.cpu_s() - programs_s) / max(1, n_running)
        cpu_s = min(ran.wall_s, max(0.0, ran.cpu_s - spent_cpu_s) + programs_s)
        run_delay_s = subprocess_time.run_delay_s(ran.wall_s, cpu_s, programs_s, ran.run_delay_s)
        seat.index = -1
        end = chunk.start + ran.n_done
        try:
            return ChunkDone(
                worker=number,
                start=chunk.start,
                results=out,
                n_sent=chunk.n_items,
                wall_s=ran.wall_s - spent_s,
                cpu_s=cpu_s,
                run_delay_s=run_delay_s,
                pickle_s=0.0,
                last=True,
                back=(end, chunk.stop) if ran.error is None and end < chunk.stop else None,
                error=ran.error,
            )
        finally:
            del ran  # its error's traceback leads to this frame


def _taking_turns(function: Any, turn: Lock) -> Any:
    """The function under a lock: one item of all threads at a time."""

    def in_turn(item: Any) -> Any:
        with turn:
            return function(item)

    return in_turn

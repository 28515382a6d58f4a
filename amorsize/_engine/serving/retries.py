"""Decides what happens to the items of a worker that has ended."""

from __future__ import annotations

from amorsize._engine.serving.standstill import Standstill
from amorsize._engine.serving.starvation import MOST_SPARED_S, Starvation
from amorsize._host.unpatched import perf_counter
from amorsize.errors import ItemTimeout, WorkerDied, WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from amorsize._engine.data.work_queue import WorkQueue
    from amorsize._workers.protocol import WorkerLost, WorkerPool

#: The most workers that may end in a row outside of items, for which no item is to blame. On a busy
#: host, several may be killed before their first item. This many starts take 2 s at most.
MOST_DEATHS = 30
#: The same of workers that end by themselves, where none was ever ready: what is started for them
#: is no Python, or not one that can be used.
MOST_ENDS = 2
#: If less than this share of usable memory is free, it was likely the kernel that killed.
SHORT_SHARE = 0.03
#: The code of a worker that was killed: minus SIGKILL.
KILLED = -9


class WorkerDeaths:
    """Notes which workers of a call have died with which items, and has items tried again.

    Args:
        name: The name of the function, for messages.
        work: Gets unstarted items back.
        retries: How often an item may be tried again after its worker has died.
        timeout_s: Seconds that an item may take; None: any number.
        fail: Called with an index and an error for an item that is not tried again.
    """

    #: How many kills for lack of memory the kernel had counted when a call last asked.
    n_oom_kills: int | None = None

    def __init__(
        self,
        name: str,
        work: WorkQueue,
        *,
        retries: int,
        timeout_s: float | None,
        fail: Callable[[int, BaseException], None],
    ) -> None:
        self._name, self._work, self._fail = name, work, fail
        self._retries, self._timeout_s = retries, timeout_s
        self._tries: dict[int, int] = {}
        self._suspected: list[tuple[int, int]] = []  # in each range, one item has ended a worker
        self._again: list[tuple[int, int]] = []  # ran once, without results yet
        self._timed_out: set[int] = set()
        #: When the program itself did not run.
        self.standstill = Standstill()
        self._starvation = Starvation()
        self._n_in_a_row = 0
        #: Whether any worker has begun to serve.
        self.was_ready = False

    @classmethod
    def note_kills(cls) -> None:
        """Read the kernel's count once, to compare with a later one. Takes 0.2 ms."""
        if cls.n_oom_kills is None:
            from amorsize._host import resources

            cls.n_oom_kills = resources.n_oom_kills()

    def why_less(self, lost: WorkerLost) -> str | None:
        """Why fewer workers should go on after a death; None: memory was likely not short."""
        if lost.code != KILLED or lost.suspect_item in self._timed_out:
            return None
        from amorsize._host import resources

        memory, n_before = resources.memory(), WorkerDeaths.n_oom_kills
        WorkerDeaths.n_oom_kills = resources.n_oom_kills()
        if n_before is not None and WorkerDeaths.n_oom_kills > n_before:
            return "a worker was killed and the kernel reports a lack of memory"
        if memory.available_bytes < SHORT_SHARE * memory.usable_bytes:
            return f"a worker was killed with {memory.available_bytes >> 20} MiB of memory left"
        return None

    def delivered(self) -> None:
        """Note that a worker has brought results, so that workers can run at all."""
        self._n_in_a_row = 0

    def lost(self, lost: WorkerLost) -> None:
        """Handle the loss of a worker: return its unstarted items, try its current one alone."""
        in_an_item = lost.suspect_item is not None and any(
            start <= lost.suspect_item < stop for start, stop in lost.ranges
        )
        self._n_in_a_row = 0 if in_an_item or lost.each_alone else self._n_in_a_row + 1
        work = self._work
        for start, stop in lost.ranges:
            suspect_item = lost.suspect_item
            if (start, stop) in lost.each_alone:
                self._suspect_each(start, stop, lost.how)
                continue
            if suspect_item is None or not start <= suspect_item < stop:
                work.give_back(start, stop)
                continue
            work.n_repeated += suspect_item - start
            self._note_again(start, suspect_item)
            beyond = min(stop, suspect_item + lost.n_suspects)
            work.give_back(start, suspect_item)
            work.give_back(beyond, stop)
            if lost.was_reading and beyond > suspect_item + 1:
                self._timed_out.discard(suspect_item)  # another item may have been to blame
                self.read_apart(suspect_item, beyond)
            else:
                self._suspect(suspect_item, beyond, lost.how)
        ends_by_itself = not self.was_ready and lost.code is not None and lost.code >= 0
        if self._n_in_a_row > (MOST_ENDS if ends_by_itself else MOST_DEATHS):
            raise WorkersUnavailable(
                f"{self._n_in_a_row} worker processes of {self._name} ended one after the "
                f"other without a result, the last by {lost.how}. Run backend='serial' to see "
                "what happens to them."
            )

    def _suspect_each(self, start: int, stop: int, how: str) -> None:
        """Try each of these items alone, as it is unknown which of them was running."""
        if stop - start == 1 or not self._retries:
            for index in range(start, stop):
                self._suspect(index, index + 1, how)
            return
        self._suspected.append((start, stop))
        self._work.n_repeated += stop - start
        self._note_again(start, stop)
        self.read_apart(start, stop)

    def read_apart(self, start: int, stop: int) -> None:
        """Send each item alone, as one of them cannot be rebuilt in a worker, or ends it."""
        for index in reversed(range(start, stop)):
            self._work.try_alone(index, index + 1)

    def _suspect(self, index: int, beyond: int, how: str) -> None:
        """Suspect an item, or one of those up to `beyond`: it was running as its worker ended."""
        if beyond > index + 1 and self._retries:
            self._suspected.append((index, beyond))
            self._work.n_repeated += beyond - index
            self._note_again(index, beyond)
            self._work.try_alone(index, beyond)
            return
        if index in self._timed_out:
            limit_s = self._timeout_s
            self._fail(index, ItemTimeout(f"item {index} took longer than timeout={limit_s} s"))
            return
        self._tries[index] = self._tries.get(index, 0) + 1 + self._was_suspected(index)
        if self._tries[index] <= self._retries:
            self._work.n_repeated += 1
            self._note_again(index, index + 1)
            self._work.try_alone(index, index + 1)
            return
        self._fail(index, self._death_of(index, how))

    def _death_of(self, index: int, how: str) -> WorkerDied:
        n_tries = self._tries[index]
        ended = f"the worker process that ran item {index} ended by {how}; the item "
        if n_tries == 1:
            return WorkerDied(f"{ended}is not tried again because retries=0")
        return WorkerDied(
            f"{ended}was tried {n_tries} times and no other item was in that process's hands the "
            "last time"
        )

    def _was_suspected(self, index: int) -> int:
        """1: this item alone can have ended an earlier worker; else 0."""
        for start, beyond in self._suspected:
            if start <= index < beyond:
                self._suspected.remove((start, beyond))
                self._work.n_repeated -= beyond - index - 1  # the items after it had not begun
                return 1
        return 0

    def _note_again(self, start: int, stop: int) -> None:
        if start < stop:
            self._again.append((start, stop))

    def n_again(self, start: int, stop: int) -> int:
        """How many of these items with results had already run in a lost worker."""
        if not self._again:
            return 0
        n_found, still = 0, []
        for begin, end in self._again:
            first, last = max(begin, start), min(end, stop)
            if first >= last:
                still.append((begin, end))
                continue
            n_found += last - first
            still += [one for one in ((begin, first), (last, end)) if one[0] < one[1]]
        self._again = still
        return n_found

    def watch_time(self, pool_of: Mapping[int, WorkerPool]) -> None:
        """End workers whose item takes too long, without time in which the program was stopped."""
        if self._timeout_s is None:
            return
        now = perf_counter()
        is_due = self._starvation.is_due(now)
        for number, pool in pool_of.items():
            begun = pool.begun(number)
            if begun is not None and begun[0] in self._timed_out:
                continue
            began_s = None if begun is None else begun[1]
            if is_due or (began_s is not None and now - began_s > self._timeout_s):
                thread = pool.native_id(number)
                waited_s = self._starvation.waited_s(number, thread, began_s, now)
                if begun is not None and self._is_over(begun[1], now, waited_s):
                    self._timed_out.add(begun[0])
                    pool.kill(number)

    def _is_over(self, began_s: float, now: float, waited_s: float) -> bool:
        """Whether an item has had its time, without time in which it could not run.

        If the caller waits for a core, it sees late that a worker does so too.
        """
        assert self._timeout_s is not None
        had_s = now - began_s - self.standstill.still_since_s(began_s)
        if had_s <= self._timeout_s:
            return False
        waited_s = max(waited_s, self.standstill.delayed_since_s(began_s))
        return had_s - min(waited_s, max(self._timeout_s, MOST_SPARED_S)) > self._timeout_s

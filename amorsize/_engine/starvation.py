"""How long the item of a worker has waited for a core, as far as Linux tells.

On a busy host an item of a millisecond may get its core after 0.1 s. To end its worker for that
would lose a result that the plain loop gives.
"""

from __future__ import annotations

from amorsize._host import procfs

#: Seconds between two looks at all workers. A look takes 10 us each, or 20 if nothing has changed.
EVERY_S = 5e-3
#: Seconds of waiting that may always be left out, also where an item may take less.
MOST_SPARED_S = 1.0


class Starvation:
    """What the workers of one call have waited for cores."""

    __slots__ = ("_checked_s", "_of_worker")

    def __init__(self) -> None:
        self._checked_s = 0.0
        self._of_worker: dict[int, RunDelay] = {}

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to look at all workers."""
        if now_s - self._checked_s < EVERY_S:
            return False
        self._checked_s = now_s
        return True

    def waited_s(
        self, worker: int, thread: int | None, began_s: float | None, now_s: float
    ) -> float:
        """Seconds for which a worker's item has waited for a core, after a look at the worker.

        Args:
            worker: Its number.
            thread: The kernel's number of the thread that runs its items; None: nobody knows.
            began_s: When its item began; None: it is in none.
            now_s: The time of this look.
        """
        if thread is None:
            return 0.0
        delay = self._of_worker.get(worker)
        if delay is None:
            delay = self._of_worker[worker] = RunDelay()
        counted = procfs.read(f"/proc/{thread}/schedstat", at_most_bytes=96)
        wants_to_run = counted == delay.counted and _wants_to_run(thread)
        return delay.after(counted, began_s, now_s, wants_to_run=wants_to_run)


class RunDelay:
    """The run delay of one thread, look after look.

    Linux adds a wait when it is over. Of one that is not, it tells that the thread wants to run,
    and counts nothing.
    """

    __slots__ = ("_before_s", "_began_s", "_stands_since_s", "_sum_s", "counted")

    def __init__(self) -> None:
        self.counted = ""  # what the kernel said at the last look
        self._sum_s = 0.0  # of all waits that were over then
        self._began_s: float | None = None  # the item it was in then
        self._before_s = 0.0  # the sum at the last look before that item
        self._stands_since_s: float | None = None  # the first look that found it as it is now

    def after(
        self, counted: str, began_s: float | None, now_s: float, *, wants_to_run: bool
    ) -> float:
        """Seconds of waiting in an item, after one look more.

        Args:
            counted: What the kernel says: nanoseconds on a core, nanoseconds of waiting, turns.
            began_s: When the item began; None: there is none.
            now_s: The time of the look.
            wants_to_run: Asked only where nothing was counted since the last look.
        """
        if began_s != self._began_s:
            self._began_s, self._before_s = began_s, self._sum_s
        if counted != self.counted:
            self.counted, self._stands_since_s = counted, now_s
            fields = counted.split()
            self._sum_s = int(fields[1]) * 1e-9 if len(fields) > 1 else self._sum_s
        elif not wants_to_run:
            self._stands_since_s = None
        elif self._stands_since_s is None:
            self._stands_since_s = now_s
        if began_s is None or not counted:
            return 0.0
        since_s = now_s if self._stands_since_s is None else self._stands_since_s
        return self._sum_s - self._before_s + now_s - max(began_s, since_s)


def _wants_to_run(thread: int) -> bool:
    stat = procfs.read(f"/proc/{thread}/stat", at_most_bytes=256)
    return stat.rpartition(")")[2].startswith(" R")

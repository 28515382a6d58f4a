"""Measures how long the item of a worker has waited for a core, on Linux.

On a busy host, an item of a millisecond may get its core after 0.1 s. If its worker were ended for
that, a result would be lost that the plain loop gives.
"""

from __future__ import annotations

from amorsize._host import procfs

#: Seconds between two readings of all workers. Each takes 10 us, or 20 us if nothing has changed.
EVERY_S = 5e-3
#: Seconds of waiting that never count, even if an item may take less.
MOST_SPARED_S = 1.0


class Starvation:
    """The time that the workers of one call have waited for cores."""

    __slots__ = ("_checked_s", "_of_worker")

    def __init__(self) -> None:
        self._checked_s = 0.0
        self._of_worker: dict[int, RunDelay] = {}

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to read all workers."""
        if now_s - self._checked_s < EVERY_S:
            return False
        self._checked_s = now_s
        return True

    def waited_s(
        self, worker: int, thread: int | None, began_s: float | None, now_s: float
    ) -> float:
        """Read a worker; gives the seconds for which its item has waited for a core.

        Args:
            worker: Its number.
            thread: The kernel's number of the thread that runs its items; None: unknown.
            began_s: When its item began; None: it runs none.
            now_s: The time now.
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
    """The run delay of one thread over several readings.

    Linux counts a wait once it is over. During one it tells only that the thread wants to run.
    """

    __slots__ = ("_before_s", "_began_s", "_stands_since_s", "_sum_s", "counted")

    def __init__(self) -> None:
        self.counted = ""  # the kernel's text at the last reading
        self._sum_s = 0.0  # of all waits that had ended then
        self._began_s: float | None = None  # the start of its item then
        self._before_s = 0.0  # the sum at the last reading before that item
        self._stands_since_s: float | None = None  # the first reading with the present text

    def after(
        self, counted: str, began_s: float | None, now_s: float, *, wants_to_run: bool
    ) -> float:
        """Seconds of waiting in an item, with one more reading.

        Args:
            counted: The kernel's text: nanoseconds on a core, nanoseconds of waiting, turns.
            began_s: When the item began; None: there is none.
            now_s: The time of the reading.
            wants_to_run: Called only if nothing was counted since the last reading.
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

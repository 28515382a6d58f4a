"""Find how many waiting items to have in flight: half as many again while none feels it.

What they wait for is often somebody else's, and takes so many at a time: a pool of connections, a
service that refuses the next. So a call begins with few, and goes on to more only after a full
window of items in which none took longer and none failed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report

#: Waiting items in flight: at first, which small services take, and at most.
FIRST, MOST = 16, 256

#: The most where items open connections: services take 40 or 100 and refuse the next.
MOST_CONNECTING = 32

#: Waiting items in flight at first where they compute a good part of their time.
LEAST = 4

#: Waiting items by those that keep one core computing. More take turns at the GIL, in convoys.
ROOM = 1.5

#: Items that take at most this many times what they took with fewer do not feel the others.
UNFELT = 1.15

#: Windows that pass before one is looked at.
SKIPPED = 1.0

#: From this many standard errors on, it is no chance that items take longer.
SURE = 3.0

#: Windows that may stay below `SURE`. After these, items do not take longer.
MOST_WINDOWS = 4

#: Waiting items at the end, by those that the throughput reached keeps busy.
SPARE = 1.25


class Waiters:
    """The number of waiting items in flight, and the evidence for it.

    Args:
        n_most: However many may be brought in.
        n_asked: As many as the user wants, of workers that the user has chosen: nothing is to be
            found out. None: that is left open.
    """

    def __init__(self, n_most: int = MOST, n_asked: int | None = None) -> None:
        self.n_asked = n_asked
        self.n_most = n_most if n_asked is None else n_asked
        self.n_wanted = min(FIRST, n_most) if n_asked is None else n_asked
        self.settled = False
        self._known: list[float] = []  # logarithms of costs with as many as are not felt,
        self._logs: list[float] = []  # and with those that are there now
        self._n_skipped = 0  # items since there are as many
        self._growth = 1.0  # of the last step

    def start_with(self, n_known: int, n_best: int | None = None) -> None:
        """Begin where an earlier call has ended, and do not try less, unless that was better."""
        if self.n_asked is None:
            self.n_wanted = self.n_known(n_known, n_best)

    def n_known(self, n_known: int, n_best: int | None = None) -> int:
        """How many to begin with where an earlier call has ended with so many."""
        return min(self.n_most, max(FIRST, n_known) if n_best is None else max(LEAST, n_best))

    def limit(self, n_most: int) -> None:
        """There may be no more than so many from now on."""
        if self.n_asked is None:
            self.n_most = min(self.n_most, n_most)
            self.n_wanted = min(self.n_wanted, self.n_most)

    def expect(self, item_s: float, work_s: float) -> None:
        """Begin with fewer where items compute as well: in threads one of them does at a time."""
        is_open = self.n_asked is None and not (self._known or self._logs or self.settled)
        if is_open and work_s > 0:
            self.n_wanted = min(self.n_wanted, n_beside(item_s, work_s))

    def is_looking(self, n_alive: int) -> bool:
        """Whether more of them may be wanted, by what those that are there take now."""
        return not self.settled and self.n_wanted < self.n_most and n_alive >= self.n_wanted

    def count(self, event: Report, *, n_alive: int) -> None:
        """Take in an item: at the end of a window in which nothing was felt, more are wanted."""
        if not self.is_looking(n_alive):
            return
        if event.n_failed:  # perhaps for the others beside it
            self._logs.clear()
            return
        if self._n_skipped < self.n_wanted * SKIPPED:  # those that end first are the short ones
            self._n_skipped += 1
            return
        from math import exp, log

        self._logs.append(log(max(event.item_s, 1e-9)))
        if len(self._logs) % self.n_wanted:
            return
        rise = mean(self._logs) - mean(self._known) if self._known else 0.0
        if rise > log(UNFELT):
            if rise > SURE * standard_error(self._known, self._logs):
                self._settle(exp(rise))
                return
            if len(self._logs) < MOST_WINDOWS * self.n_wanted:
                return
        self._known += self._logs
        self._logs.clear()
        self._n_skipped = 0
        n_before, self.n_wanted = self.n_wanted, min(self.n_most, _more(self.n_wanted))
        self._growth = self.n_wanted / n_before

    def _settle(self, rise: float) -> None:
        """The others stand in a queue: as many as were served at once, and a few to spare."""
        self.settled = True
        n_before = round(self.n_wanted / self._growth)
        self.n_wanted = max(1, min(n_before, round(SPARE * self.n_wanted / rise)))


def n_beside(item_s: float, work_s: float) -> int:
    """Items in flight at first, by how much of their time they compute."""
    return max(LEAST, round(ROOM * item_s / work_s)) if work_s > 0 else MOST


def mean(values: list[float]) -> float:
    """Of at least one."""
    return sum(values) / len(values)


def standard_error(first: list[float], second: list[float]) -> float:
    """Of the difference of their means, taking both for equally spread."""
    squares = sum(_squares(values) for values in (first, second))
    n, m = len(first), len(second)
    return (squares / max(1, n + m - 2) * (1 / n + 1 / m)) ** 0.5  # type: ignore[no-any-return]


def _more(n: int) -> int:
    """By half as many again."""
    return n + (n + 1) // 2


def _squares(values: list[float]) -> float:
    middle = mean(values)
    return sum((one - middle) ** 2 for one in values)

"""How many waiting items to have in flight: by half as many again while none of them feels it.

What they wait for is often somebody else's, and takes so many at a time: a pool of connections, a
service that refuses the next. So a call begins with few, and goes on to more only after a full
window of items in which none took longer and none failed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.facts import Report

FIRST, MOST = 16, 256  # at first, what small services take; and at most
MOST_CONNECTING = 32  # where items open connections: services take 40 or 100 and refuse the next
LEAST = 4  # at first, where items compute a good part of their time
ROOM = 1.5  # waiters by those that keep one core computing: more take turns at the GIL, in convoys
UNFELT = 1.15  # no more while items take at most this many times what they took with the first
SPARE = 1.25  # waiters by those that the throughput reached keeps busy, at the end


class Waiters:
    """The number of waiting items in flight, and the evidence for it.

    Args:
        n_most: However many may be brought in.
    """

    def __init__(self, n_most: int = MOST) -> None:
        self.n_most = n_most
        self.n_wanted = min(FIRST, n_most)
        self.settled = False
        self._costs_s: list[float] = []
        self._first_s: float | None = None  # median cost with the first number of them
        self._growth = 1.0  # of the last step

    def start_with(self, n_known: int, n_best: int | None = None) -> None:
        """Begin where an earlier call has ended, and do not try less, unless that was better."""
        n_wanted = max(FIRST, n_known) if n_best is None else max(LEAST, n_best)
        self.n_wanted = min(self.n_most, n_wanted)

    def limit(self, n_most: int) -> None:
        """There may be no more than so many from now on."""
        self.n_most = min(self.n_most, n_most)
        self.n_wanted = min(self.n_wanted, self.n_most)

    def expect(self, item_s: float, work_s: float) -> None:
        """Begin with fewer where items compute as well: in threads one of them does at a time."""
        if self._first_s is None and not self._costs_s and not self.settled and work_s > 0:
            self.n_wanted = min(self.n_wanted, max(LEAST, round(ROOM * item_s / work_s)))

    def count(self, event: Report, *, n_alive: int) -> None:
        """Take in an item: at the end of a window in which nothing was felt, more are wanted."""
        if self.settled or self.n_wanted == self.n_most or n_alive < self.n_wanted:
            return
        if event.n_failed:  # perhaps for the others beside it
            self._costs_s.clear()
            return
        self._costs_s.append(event.item_s)
        if len(self._costs_s) < self.n_wanted:
            return
        costs_s, self._costs_s = sorted(self._costs_s), []
        median_s = costs_s[len(costs_s) // 2]
        if self._first_s is None:
            self._first_s = median_s
        elif median_s > UNFELT * self._first_s:
            self._settle(median_s, self._first_s)
            return
        n_before, self.n_wanted = self.n_wanted, min(self.n_most, _more(self.n_wanted))
        self._growth = self.n_wanted / n_before

    def _settle(self, median_s: float, first_s: float) -> None:
        """The others stand in a queue: as many as were served at once, and a few to spare."""
        self.settled = True
        n_served = self.n_wanted * first_s / median_s
        n_before = round(self.n_wanted / self._growth)
        self.n_wanted = max(1, min(n_before, round(SPARE * n_served)))


def _more(n: int) -> int:
    """By half as many again."""
    return n + (n + 1) // 2

"""How many waiting items to have in flight: multiplied while that brings more throughput."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.facts import Report

FIRST, MOST = 32, 256  # at first: what careful people choose for a service; and at most
LEAST_KNOWN = 16  # at first, where an earlier call has found so few to be better
LEAST = 4  # at first, where items compute a good part of their time
ROOM = 1.5  # waiters by those that keep one core computing: more take turns at the GIL, in convoys
TWOFOLD, FOURFOLD = 2, 4  # so many times more are tried next,
UNFELT = 1.15  # fourfold while items take at most this many times what they took with the first
GAIN = 1.25  # more must bring this much more throughput, or it was enough before
SPARE = 1.25  # waiters by those that the throughput reached keeps busy, at the end
REPORTS = 24  # that each number of waiters is judged by, at least


class Waiters:
    """The number of waiting items in flight, and the evidence for it."""

    def __init__(self) -> None:
        self.n_wanted = FIRST
        self.settled = False
        self._costs_s: list[float] = []
        self._first_s: float | None = None  # median cost with the first number of them
        self._last_s = 0.0  # and with the last one
        self._growth = float(TWOFOLD)  # of the last step; 1: there is none left

    def start_with(self, n_known: int, n_best: int | None = None) -> None:
        """Begin where an earlier call has ended, and do not try less, unless that was better."""
        if n_best is None:
            self.n_wanted = min(MOST, max(FIRST, n_known))
        else:
            self.n_wanted = min(MOST, max(LEAST_KNOWN, n_best))

    def expect(self, item_s: float, work_s: float) -> None:
        """Begin with fewer where items compute as well: in threads one of them does at a time."""
        if self._first_s is None and not self._costs_s and not self.settled and work_s > 0:
            self.n_wanted = min(self.n_wanted, max(LEAST, round(ROOM * item_s / work_s)))

    def count(self, event: Report, *, n_alive: int) -> None:
        """Little's law: as long as the cost of an item stays, more of them bring more."""
        if self.settled or self._growth == 1 or n_alive < self.n_wanted:
            return
        self._costs_s.append(event.item_s)
        if len(self._costs_s) < max(REPORTS, self.n_wanted):
            return
        costs_s, self._costs_s = sorted(self._costs_s), []
        median_s = costs_s[len(costs_s) // 2]
        if self._first_s is None:
            self._first_s = median_s
        elif self._growth * self._last_s / median_s < GAIN:
            self._settle(median_s)
            return
        self._last_s = median_s
        growth = FOURFOLD if median_s <= UNFELT * self._first_s else TWOFOLD
        n_before, self.n_wanted = self.n_wanted, min(MOST, growth * self.n_wanted)
        self._growth = self.n_wanted / n_before

    def _settle(self, median_s: float) -> None:
        """The others stand in a queue: as many as were served at once, and a few to spare."""
        assert self._first_s is not None
        self.settled = True
        n_served = self.n_wanted * self._first_s / median_s
        n_before = round(self.n_wanted / self._growth)
        self.n_wanted = max(1, min(n_before, round(SPARE * n_served)))

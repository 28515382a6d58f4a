"""How many waiting items to have in flight: doubled while that brings more throughput."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.facts import Report

FIRST, MOST = 16, 256  # at first, and at most
LEAST = 4  # at first, where items compute a good part of their time
ROOM = 1.5  # waiters by those that keep one core computing: more take turns at the GIL, in convoys
GAIN = 1.25  # twice as many must bring this much more throughput to be doubled again
REPORTS = 24  # that each number of waiters is judged by, at least


class Waiters:
    """The number of waiting items in flight, and the evidence for it."""

    def __init__(self) -> None:
        self.n_wanted = FIRST
        self.settled = False
        self._costs_s: list[float] = []
        self._last_s: float | None = None  # median cost with half as many

    def start_with(self, n_known: int) -> None:
        """Begin where an earlier call has ended, and do not try less."""
        self.n_wanted = min(MOST, max(FIRST, n_known))
        self._last_s = None

    def expect(self, item_s: float, work_s: float) -> None:
        """Begin with fewer where items compute as well: in threads one of them does at a time."""
        if self._last_s is None and not self._costs_s and not self.settled and work_s > 0:
            self.n_wanted = min(self.n_wanted, max(LEAST, round(ROOM * item_s / work_s)))

    def count(self, event: Report, *, n_alive: int) -> None:
        """Little's law: as long as the cost of an item stays, more of them bring more."""
        if self.settled or self.n_wanted >= MOST or n_alive < self.n_wanted:
            return
        self._costs_s.append(event.item_s)
        if len(self._costs_s) < max(REPORTS, self.n_wanted):
            return
        costs_s, self._costs_s = sorted(self._costs_s), []
        median_s = costs_s[len(costs_s) // 2]
        if self._last_s is not None and 2 * self._last_s / median_s < GAIN:
            self.settled = True
            self.n_wanted //= 2
            return
        self._last_s = median_s
        self.n_wanted = min(MOST, 2 * self.n_wanted)

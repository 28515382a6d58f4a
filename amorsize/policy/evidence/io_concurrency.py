"""Find how many waiting items to have in flight: half as many again while none is slowed down.

What they wait for is often somebody else's, and takes so many at a time: a pool of connections, a
service that refuses the next. So a call begins with few, and goes on to more only after a full
window of items in which none took longer and none failed.
"""

from __future__ import annotations

from amorsize.policy.evidence.exploration_cost import Explored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report
    from amorsize.policy.profile import Profile

#: Waiting items in flight: at first, which small services take, and at most.
FIRST, MOST = 16, 256

#: The most where items open connections: services take 40 or 100 and refuse the next.
MOST_CONNECTING = 32

#: Waiting items in flight at first where they compute a good part of their time.
LEAST = 4

#: Waiting items in flight over those that keep one core computing. More of them wait for the GIL.
ROOM = 1.5

#: Items are not slowed down by others if they take at most this many times as long as with fewer.
UNFELT = 1.15

#: All items of a call begin at once if these are at most this many times those that were not felt.
MOST_TRIED = 2

#: Windows that pass before one is looked at.
SKIPPED = 1.0

#: From this many standard errors on, items that take longer do not do so by chance.
SURE = 3.0

#: Windows that may stay below `SURE`. After these, items do not take longer.
MOST_WINDOWS = 4

#: How many waiting items to keep in the end, as a multiple of those that keep up the throughput.
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
        self._logs: list[float] = []  # and with those that are there now,
        self._skipped: list[float] = []  # of which the first ones are these
        self._has_failed = False  # one of them
        self._before: list[float] = []  # with fewer, in an earlier call
        self._growth = 1.0  # of the last step
        self._earlier: Profile | None = None  # what an earlier call has left

    def start_with(self, earlier: Profile) -> None:
        """Begin with as many as an earlier call has shown to be right.

        Where it has had fewer, what its items took tells if these feel each other.
        """
        if self.n_asked is not None or self._earlier is earlier:
            return
        self._earlier, self.n_wanted, self._known = earlier, self.n_known(earlier), []
        self._begin()
        n_had, level = earlier.plan.n_jobs, earlier.level
        if max(FIRST, n_had) < self.n_wanted and level.typical_s is not None:
            n = min(level.n_chunks, self.n_wanted)
            self._before = _logs_of(level.typical_s, level.spread_log or 0.0, n)
            self._growth = self.n_wanted / max(n_had, FIRST)

    def n_known(self, earlier: Profile) -> int:
        """How many to begin with after an earlier call."""
        explored = Explored.of(earlier)
        if explored.n_waiters is not None:
            return min(self.n_most, max(LEAST, explored.n_waiters))
        return min(self.n_most, max(FIRST, explored.n_begin or earlier.plan.n_jobs))

    def n_next(self, alone_s: float | None, n_items: int | None = None) -> int:
        """How many the next call may begin with: more where those of this one were not felt.

        That takes as many as were at once, all of which are over by now.

        Args:
            alone_s: What an item took with no other beside it. None: none was alone.
            n_items: How many items the next call may have. None: that is open.
        """
        logs, known = self._skipped + self._logs, self._known or self._before
        if not known and alone_s is not None:
            known = _logs_of(alone_s)
        is_open = self.n_asked is None and not self.settled and not self._has_failed
        if not is_open or not known or len(logs) < self.n_wanted:
            return self.n_wanted
        rise = mean(logs) - mean(known)
        if not _is_felt(rise):
            n = _more(self.n_wanted)
            if n_items is not None and n < n_items <= MOST_TRIED * self.n_wanted:
                n = n_items  # fewer would take two rounds, as they have now
            return min(self.n_most, n)
        is_sure = self._before and rise > SURE * standard_error(known, logs)
        return self._n_served(rise) if is_sure else self.n_wanted

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
        """Whether more or fewer may be wanted, by what those that are there take now."""
        is_open = self.n_wanted < self.n_most or bool(self._before)
        return is_open and not self.settled and n_alive >= self.n_wanted

    def count(self, event: Report, *, n_alive: int) -> None:
        """Take in an item: at the end of a window in which nothing was felt, more are wanted."""
        if not self.is_looking(n_alive):
            return
        if event.n_failed:  # perhaps for the others beside it
            self._has_failed = True
            self._logs.clear()
            return
        from math import log

        own_s = event.undelayed_s / max(1, event.n_items)  # other programs are not the others here
        cost_log = log(max(own_s, 1e-9))
        if len(self._skipped) < self.n_wanted * SKIPPED:  # who ends first is a short one
            self._skipped.append(cost_log)
            return
        self._logs.append(cost_log)
        if len(self._logs) % self.n_wanted:
            return
        known = self._known or self._before
        rise = mean(self._logs) - mean(known) if known else 0.0
        if _is_felt(rise):
            if rise > SURE * standard_error(known, self._logs):
                self._settle(rise)
                return
            if len(self._logs) < MOST_WINDOWS * self.n_wanted:
                return
        self._known += self._logs
        self._begin()
        n_before, self.n_wanted = self.n_wanted, min(self.n_most, _more(self.n_wanted))
        self._growth = self.n_wanted / n_before

    def _begin(self) -> None:
        """From now on there are others at once than before."""
        self._before, self._logs, self._skipped, self._has_failed = [], [], [], False

    def _settle(self, rise: float) -> None:
        self.settled = True
        self.n_wanted = self._n_served(rise)

    def _n_served(self, rise: float) -> int:
        """How many items were served at once, with a few to spare: the others stood in a queue."""
        from math import exp

        n_before = round(self.n_wanted / self._growth)
        if not self._known:  # an earlier call had those: since then all may take longer
            return n_before
        return max(1, min(n_before, round(SPARE * self.n_wanted / exp(rise))))


def _is_felt(rise: float) -> bool:
    """Whether items take clearly longer, by the difference of the logarithms."""
    from math import log

    return rise > log(UNFELT)


def _logs_of(middle_s: float, spread_log: float = 0.0, n: int = 1) -> list[float]:
    """Logarithms of what so many items took that had this mean and spread."""
    from math import log

    middle = log(max(middle_s, 1e-9))
    return [middle - spread_log, middle + spread_log] * ((n + 1) // 2)


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

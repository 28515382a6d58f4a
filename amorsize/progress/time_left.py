"""How long the items still to come will take."""

from __future__ import annotations

from math import exp, inf, isfinite, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Observed chunks that are kept; beyond, every other one is dropped.
MOST_KEPT = 400
#: Chunks, at least, that show whether sizes tell what items cost.
LEAST_CHUNKS = 6
#: The least share of the variance of costs, or of their logarithms, that sizes must explain.
LEAST_EXPLAINED = 0.7
#: Sizes that are nearer to each other than this share of them explain nothing.
LEAST_SPREAD = 0.1
#: Beyond the third power of their size, items of two sizes differ in something else as well.
MOST_EXPONENT = 3.0
#: Beyond, no power of `e` is a float.
MOST_LOG = 600.0
#: The pace is that of the last third of the call, within these seconds.
LEAST_WINDOW_S, MOST_WINDOW_S = 1.0, 10.0
#: Seconds between two marks of how far the call was.
MARK_S = 0.1


class CostBySize:
    """What items cost, by their size as far as that tells.

    Args:
        sizes_are_costs: Sizes are what items took in earlier calls: they tell from the beginning.
    """

    def __init__(self, *, sizes_are_costs: bool = False) -> None:
        self._sizes_are_costs = sizes_are_costs
        #: The size, the cost and the number of items of each chunk.
        self._seen: list[tuple[float, float, int]] = []
        #: Seconds of work that are done.
        self.wall_s = 0.0
        self._n = 0
        self._stride, self._n_skipped = 1, 0

    @property
    def mean_s(self) -> float | None:
        """Mean seconds of an item so far."""
        return self.wall_s / self._n if self._n else None

    def add(self, n_items: int, wall_s: float, size: float | None) -> None:
        """A chunk was done, whose items have this size on average; None: they have none."""
        self.wall_s += wall_s
        self._n += n_items
        self._n_skipped += 1
        if not size or wall_s <= 0 or self._n_skipped < self._stride:
            return
        self._n_skipped = 0
        self._seen.append((size, wall_s / n_items, n_items))
        if len(self._seen) > MOST_KEPT:
            self._seen = self._seen[::2]
            self._stride *= 2

    def left_s(self, n_left: int, sizes: Sequence[float]) -> float | None:
        """Seconds of work in items of which some have these sizes; None: nothing is known."""
        if (mean_s := self.mean_s) is None:
            return None
        by_size = self.by_size() if sizes else None
        if by_size is None:
            return n_left * mean_s
        return n_left * sum(map(by_size, sizes)) / len(sizes)

    def by_size(self) -> Callable[[float], float] | None:
        """What an item of a size costs; None: sizes tell nothing.

        A fixed part and one that grows with the size, or a power of the size: whichever fits best.
        """
        if len(self._seen) < LEAST_CHUNKS:
            found = [_power(1.0)] if self._sizes_are_costs and self._seen else []
        else:
            found = [model for model in (self._line(), self._by_power()) if model is not None]
        scaled = [self._scaled(model) for model in found]
        return min(scaled, key=self._error, default=None)

    def _line(self) -> Callable[[float], float] | None:
        line = _line_through([(size, item_s, n) for size, item_s, n in self._seen])
        if line is None:
            return None
        fixed, each = line
        return lambda size: max(0.0, fixed + each * size)

    def _by_power(self) -> Callable[[float], float] | None:
        line = _line_through([(log(size), log(item_s), 1) for size, item_s, _ in self._seen])
        return None if line is None else _power(min(MOST_EXPONENT, line[1]))

    def _scaled(self, model: Callable[[float], float]) -> Callable[[float], float]:
        """The same, so that all chunks together cost what they did."""
        told_s = sum(n * model(size) for size, _, n in self._seen)
        seen_s = sum(n * item_s for _, item_s, n in self._seen)
        factor = seen_s / told_s if told_s else 0.0
        return lambda size: factor * model(size)

    def _error(self, model: Callable[[float], float]) -> float:
        """How far it is from what was seen, from 0 on."""
        off = [n * abs(model(size) - item_s) for size, item_s, n in self._seen]
        return sum(off)


def _power(exponent: float) -> Callable[[float], float]:
    """A power of the size, which is large rather than an error."""
    return lambda size: exp(min(MOST_LOG, exponent * log(size))) if size > 0 else 0.0


def _line_through(points: Sequence[tuple[float, float, int]]) -> tuple[float, float] | None:
    """The rising line that explains weighted points, as what it is at 0 and its slope.

    None: the points are too near each other, or it explains too little of them.
    """
    whole = sum(n for _, _, n in points)
    mean_x = sum(n * x for x, _, n in points) / whole
    mean_y = sum(n * y for _, y, n in points) / whole
    spread_x = sum(n * (x - mean_x) * (x - mean_x) for x, _, n in points)
    spread_y = sum(n * (y - mean_y) * (y - mean_y) for _, y, n in points)
    both = sum(n * (x - mean_x) * (y - mean_y) for x, y, n in points)
    lowest, highest = min(points)[0], max(points)[0]
    if highest - lowest <= LEAST_SPREAD * abs(mean_x) or not 0 < both < inf:
        return None
    if not both / spread_x * both >= LEAST_EXPLAINED * spread_y:
        return None
    each = both / spread_x
    return mean_y - each * mean_x, each


class Pace:
    """How fast a call goes lately: items, and seconds of their work, in a second of the clock."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, float, int]] = [(0.0, 0.0, 0)]
        self._now_s = self._work_s = 0.0
        self._n = 0

    def add(self, now_s: float, n_items: int, wall_s: float) -> None:
        """Items were done."""
        self._now_s, self._work_s, self._n = now_s, self._work_s + wall_s, self._n + n_items
        if now_s - self._marks[-1][0] >= MARK_S:
            self._marks.append((now_s, self._work_s, self._n))
            first_s = now_s - 2 * MOST_WINDOW_S
            while len(self._marks) > 2 and self._marks[1][0] < first_s:
                del self._marks[0]

    @property
    def last_s(self) -> float:
        """When the latest item was done."""
        return self._now_s

    def lately(self, now_s: float) -> tuple[float, float] | None:
        """Items, and seconds of work, in a second; None: nothing is done yet."""
        window_s = min(MOST_WINDOW_S, max(LEAST_WINDOW_S, now_s / 3))
        then = self._marks[0]
        for mark in reversed(self._marks):
            if mark[0] <= self._now_s - window_s:
                then = mark
                break
        if self._now_s <= then[0]:
            return None
        passed_s = self._now_s - then[0]
        return (self._n - then[2]) / passed_s, (self._work_s - then[1]) / passed_s


class TimeLeft:
    """Foretells when a call is over, from what its items have cost.

    Args:
        expected_s: What an item took in earlier calls, if that is known.
        sizes_are_costs: Sizes are what items took in earlier calls.
    """

    def __init__(self, expected_s: float | None = None, *, sizes_are_costs: bool = False) -> None:
        self.costs, self.pace = CostBySize(sizes_are_costs=sizes_are_costs), Pace()
        self._expected_s = expected_s

    def done(self, now_s: float, n_items: int, wall_s: float, size: float | None) -> None:
        """Items were done, on whatever worker."""
        self.costs.add(n_items, wall_s, size)
        self.pace.add(now_s, n_items, wall_s)

    def work_left_s(self, n_left: int, sizes: Sequence[float]) -> float | None:
        """Seconds of work in the items to come."""
        left_s = self.costs.left_s(n_left, sizes)
        if left_s is None and self._expected_s is not None:
            left_s = n_left * self._expected_s
        return left_s if left_s is not None and isfinite(left_s) else None

    def left_s(
        self, now_s: float, work_left_s: float, n_workers: int, *, is_new: bool
    ) -> float | None:
        """Seconds of the clock until so much work is done.

        Args:
            now_s: Seconds since the call began.
            work_left_s: Seconds of work that are left.
            n_workers: Workers that there are.
            is_new: They have become more or fewer lately: a pace before that tells little. Each
                does about one second of work in a second of the clock.
        """
        lately = self.pace.lately(now_s)
        pace = 0.0 if lately is None else lately[1]
        if is_new or lately is None:
            pace = max(pace, n_workers, 1)
        since_s = now_s - self.pace.last_s  # in which items that are under way came nearer
        left_s = work_left_s / pace if pace > 0 else inf
        return max(0.0, left_s - since_s) if isfinite(left_s) else None

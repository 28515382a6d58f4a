"""The test whether half of the workers deliver as much: all of them, half, all again."""

from __future__ import annotations

from amorsize.policy.evidence.plan_window import CostWindow, median, standard_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Report

#: Windows of a test that stays open. The first and the last have all workers.
MOST_WINDOWS = 7

#: Half of the workers are kept if they deliver this share of the full throughput.
ENOUGH_SHARE = 0.97

#: They must also deliver at least this share with some certainty.
SURE_SHARE = 0.8

#: Standard errors that make an outcome certain enough.
SURE_ERRORS = 1.5

#: From this share of the full throughput on, no second look at all workers is needed.
CLEAR_SHARE = 1.25

#: Below this share, no second look is needed either: half of the workers deliver clearly less.
HOPELESS_SHARE = 0.9


class ContentionTest:
    """Windows with all workers and with half of them, in turn.

    Args:
        n_full: All workers.
        window: The first window, with all of them.
    """

    def __init__(self, n_full: int, window: CostWindow) -> None:
        self.n_full, self.n_part = n_full, n_full // 2
        self.windows = [window]

    @classmethod
    def after(cls, part: CostWindow, n_part: int) -> ContentionTest:
        """A test of half as many again, where the last window already has these workers."""
        test = cls(n_part, part)
        test.windows.append(CostWindow(test.n_part, None))
        return test

    @property
    def is_part(self) -> bool:
        """Half of the workers have their window now."""
        return len(self.windows) % 2 == 0

    @property
    def full(self) -> list[float]:
        """The first window of all workers."""
        return self.windows[0].logs

    @property
    def part(self) -> CostWindow:
        """The first window of half of them."""
        return self.windows[1]

    def add(self, report: Report, cost_log: float, rank: int, *, n_still: int) -> bool | None:
        """Take in a report; whether half of the workers are enough, once that is clear.

        Args:
            report: Of a worker, with at least one item.
            cost_log: What an item of it cost.
            rank: Of that worker in its pool.
            n_still: Parked workers that still have a chunk.
        """
        window = self.windows[-1]
        if window.since_s is None:
            window.since_s = None if n_still else report.now_s
            return None
        if not window.add(report, cost_log, rank) or not window.is_full:
            return None
        if len(self.windows) > 1 and (verdict := self._verdict()) is not None:
            return verdict
        if self.is_part:
            self.windows.append(CostWindow(self.n_full, report.now_s))
        else:
            self.windows.append(CostWindow(self.n_part, None))
        return None

    def _verdict(self) -> bool | None:
        gain_log, error = self._gain_log()
        is_clear = gain_log - SURE_ERRORS * error > self._even_log(CLEAR_SHARE)
        if is_clear or (not self.is_part and self._is_enough(gain_log, error)):
            return True
        is_hopeless = gain_log + SURE_ERRORS * error < self._even_log(HOPELESS_SHARE)
        return False if is_hopeless or len(self.windows) == MOST_WINDOWS else None

    def _gain_log(self) -> tuple[float, float]:
        """Log of how much cheaper items are with half of the workers, and its standard error."""
        full = [cost for window in self.windows[::2] for cost in window.logs]
        part = [cost for window in self.windows[1::2] for cost in window.logs]
        error = (standard_error(full) ** 2 + standard_error(part) ** 2) ** 0.5
        return median(full) - median(part), error

    def _even_log(self, share: float) -> float:
        """Gain at which half of the workers deliver that share of what all of them do."""
        from math import log

        return log(share * self.n_full / self.n_part)

    def _is_enough(self, gain_log: float, error: float) -> bool:
        is_sure = gain_log - SURE_ERRORS * error > self._even_log(SURE_SHARE)
        return is_sure and gain_log > self._even_log(ENOUGH_SHARE)

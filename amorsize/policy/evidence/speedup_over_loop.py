"""Whether running in parallel gets more done than the loop would.

The cost of sending is measured on one item beforehand, and that may be off. Reports show in the end
whether workers and caller together get more done than the loop would.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.policy.events import Report

#: CPU seconds of items over those of the loop in the same time. Below this, there is no gain.
LEAST_GAIN = 1.05

#: Reports and seconds that a judgement needs at least.
GAIN_REPORTS, GAIN_S = 16, 30e-3

#: How long the caller goes on alone at first, and how many times longer with each pause.
REST_S, REST_GROWTH = 0.2, 4


class Gain:
    """CPU seconds of items in a window of reports, and whether the caller is better alone."""

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._cpu_s = self._workers_cpu_s = self._run_delay_s = 0.0
        self._n = 0
        self._reported_s: dict[int, float] = {}  # of each worker, when it reported last
        self._rest_s, self._until_s = REST_S, 0.0

    def add(self, cpu_s: float) -> None:
        """The caller has run items itself."""
        self._cpu_s += cpu_s

    def is_paused(self, now_s: float) -> bool:
        """Whether the caller is to go on alone for now."""
        return now_s < self._until_s

    def is_lost(self, report: Report, alone_share: float, busy: Iterable[int]) -> bool:
        """Whether the window that this report ends shows less than the loop would have done.

        Args:
            report: Of a worker.
            alone_share: CPU / wall of the caller's own items before there were workers.
            busy: Workers that are at a chunk, of which nothing is told before it is done.
        """
        self._reported_s[report.worker] = report.now_s
        if self._began_s is None or self.is_paused(report.now_s):
            self._begin(report.now_s)
            return False
        self._cpu_s += report.cpu_s
        self._workers_cpu_s += report.cpu_s
        self._run_delay_s += report.run_delay_s
        self._n += 1
        span_s = report.now_s - self._began_s
        if self._n < GAIN_REPORTS or span_s < GAIN_S:
            return False
        missing_s = LEAST_GAIN * alone_share * self._core_share * span_s - self._cpu_s
        is_lost = missing_s > 0
        if is_lost and missing_s <= self._core_share * self._silent_s(report.now_s, busy):
            return False  # a worker at a long chunk may have done all of it
        self._begin(report.now_s)
        if is_lost:
            self._until_s = report.now_s + self._rest_s
            self._rest_s *= REST_GROWTH
        return is_lost

    def _silent_s(self, now_s: float, busy: Iterable[int]) -> float:
        """Seconds of this window for which they have been at work since they reported last."""
        began_s = now_s if self._began_s is None else self._began_s
        return sum(now_s - max(began_s, self._reported_s.get(one, began_s)) for one in busy)

    @property
    def _core_share(self) -> float:
        """Share of a core that whoever wants one has got: other programs may have come since."""
        wanted_s = self._workers_cpu_s + self._run_delay_s
        return self._workers_cpu_s / wanted_s if wanted_s > 0 else 1.0

    def _begin(self, now_s: float) -> None:
        self._began_s, self._n = now_s, 0
        self._cpu_s = self._workers_cpu_s = self._run_delay_s = 0.0

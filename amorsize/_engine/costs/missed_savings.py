"""Adds up what new interpreters would have saved the latest calls without them."""

from __future__ import annotations

from collections import deque

from amorsize._host.unpatched import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds for which a loss counts: about as long as an interpreter waits for its next call.
RECENT_S = 5.0
#: The most calls that are counted.
MOST_CALLS = 64


class MissedSavings:
    """Seconds that the latest calls would have saved.

    Many short calls together may be worth an interpreter, as in a web server, even if no single one
    is. It is started once they have lost as much as its start takes. That costs at most twice what
    the best choice would have cost (the rule of the ski rental problem).

    Args:
        now_s: The clock.
    """

    def __init__(self, now_s: Callable[[], float] = perf_counter) -> None:
        self._now_s = now_s
        self._calls: deque[tuple[float, float]] = deque(maxlen=MOST_CALLS)

    def add(self, saved_s: float) -> None:
        """Count a call that ran without them, and would have ended this much earlier with them."""
        self._calls.append((self._now_s(), saved_s))

    @property
    def recent_s(self) -> float:
        """Seconds that the calls of the last `RECENT_S` have lost."""
        since_s = self._now_s() - RECENT_S
        return sum(saved_s for at_s, saved_s in tuple(self._calls) if at_s >= since_s)


#: For the whole process, like the interpreters.
missed_savings = MissedSavings()

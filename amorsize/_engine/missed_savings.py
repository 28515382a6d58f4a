"""What new interpreters would have saved the latest calls of this process that went without."""

from __future__ import annotations

from collections import deque

from amorsize._host.clocks import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds for which that counts: about as long as an interpreter waits for a next call.
RECENT_S = 5.0
#: Calls that are looked back on.
MOST_CALLS = 64


class Forgone:
    """The sum over the latest calls.

    None of them may be worth a start, and all together be worth it: those of a web server, say. Who
    starts when as much was lost as a start takes loses twice at most what was avoidable.

    Args:
        now_s: The clock.
    """

    def __init__(self, now_s: Callable[[], float] = perf_counter) -> None:
        self._now_s = now_s
        self._calls: deque[tuple[float, float]] = deque(maxlen=MOST_CALLS)

    def add(self, saved_s: float) -> None:
        """A call has gone without, which would have been over so much earlier."""
        self._calls.append((self._now_s(), saved_s))

    @property
    def recent_s(self) -> float:
        """What calls lost lately."""
        since_s = self._now_s() - RECENT_S
        return sum(saved_s for at_s, saved_s in tuple(self._calls) if at_s >= since_s)


#: Of this process, as the interpreters are.
forgone = Forgone()

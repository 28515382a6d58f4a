"""Notes when the program itself did not run, as its items may not have run then either."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Span = tuple[float, float]

#: A program that is late by more than this, in seconds, was stopped or got no core.
LATE_S = 0.1
#: One that is late by more than this may have waited for a core.
SLIGHTLY_LATE_S = 2e-3
#: The most short delays that are kept: of 0.4 s at least, and far more on a busy host.
MOST_DELAYS = 200


class Standstill:
    """The times in which one call was late to look at its workers."""

    __slots__ = ("_delays", "_seen_s", "_still")

    def __init__(self) -> None:
        self._seen_s: float | None = None  # when the program was last seen to run
        self._still: list[Span] = []  # when it was stopped, and until when
        self._delays: list[Span] = []  # the same for short delays, the last ones

    def seen(self, now_s: float, *, at_most_s: float = 0.0) -> None:
        """Note that the program runs now. After a far longer gap than planned, it was stopped.

        A signal had stopped it, or it was paused with its container or machine, and so were items.
        """
        if self._seen_s is not None:
            late_s = now_s - self._seen_s - at_most_s
            if late_s > LATE_S:
                self._still.append((self._seen_s, now_s))
            elif late_s > SLIGHTLY_LATE_S:
                self._delays.append((now_s - late_s, now_s))
                del self._delays[:-MOST_DELAYS]
        self._seen_s = now_s

    def stop_clock(self) -> None:
        """Stop watching the time while the user's own code runs, for as long as it likes."""
        self._seen_s = None

    def still_since_s(self, began_s: float) -> float:
        """Seconds since then in which the program was stopped."""
        return _since_s(self._still, began_s)

    def delayed_since_s(self, began_s: float) -> float:
        """Seconds since then by which it came late, at a busy core perhaps, without a stop."""
        return _since_s(self._delays, began_s)


def _since_s(spans: Iterable[Span], began_s: float) -> float:
    return sum(max(0.0, end - max(begin, began_s)) for begin, end in spans)

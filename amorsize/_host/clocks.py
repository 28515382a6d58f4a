"""Clocks that run on in tests that freeze time.

Such a test (freezegun, a mock) replaces the functions of `time` wherever it finds them: in that
module and in all that have imported them. Waits would then never end, and items would cost nothing.
So each name here holds a wrapper, which no tool recognises as a function of `time`.
"""

from __future__ import annotations

import time
from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BUILTIN: type = type(len)


def _unstoppable(clock: Callable[[], float]) -> Callable[[], float]:
    found: Callable[[], float] = partial(clock)
    if type(clock) is not _BUILTIN and hasattr(time, "CLOCK_MONOTONIC"):  # it is frozen already
        found = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return found


perf_counter = _unstoppable(time.perf_counter)
monotonic = _unstoppable(time.monotonic)

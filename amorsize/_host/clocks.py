"""The clocks that cannot be stopped: a test that freezes time does not freeze what is measured.

Such a test (freezegun, a mock) puts its own functions where it finds those of `time`: in that
module, and wherever else they were imported. Waits would never be over, and items would cost
nothing. So these are not the functions themselves.
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
    if type(clock) is not _BUILTIN and hasattr(time, "CLOCK_MONOTONIC"):  # it is stopped already
        found = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return found


perf_counter = _unstoppable(time.perf_counter)
monotonic = _unstoppable(time.monotonic)

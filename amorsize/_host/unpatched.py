"""What is asked of the system, where no test replaces it.

A mock of `os.getpid`, `os.fork` or `os._exit` is meant for the code that is mapped. Workers would
take their caller for another one, or run on into its code. `os` has these functions from `posix`,
where nobody replaces them.

A test that freezes time (freezegun, a mock) replaces the functions of `time` wherever it finds
them: in that module and in all that have imported them. Waits would then never end, and items would
cost nothing. So each clock here is a wrapper, which no tool recognises as a function of `time`.
"""

from __future__ import annotations

import time
from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os as kernel
    from collections.abc import Callable
    from typing import Any
else:
    try:
        import posix as kernel
    except ImportError:  # Windows
        import os as kernel

__all__ = ["kernel", "monotonic", "perf_counter", "sleep", "wall_clock"]

_BUILTIN: type = type(len)


def _unstoppable(clock: Callable[[], float], name: str = "CLOCK_MONOTONIC") -> Callable[[], float]:
    found: Callable[[], float] = partial(clock)
    if type(clock) is not _BUILTIN and hasattr(time, name):  # it is frozen already
        found = partial(time.clock_gettime, getattr(time, name))
    return found


def _unwatched() -> Callable[[float], object]:
    """What sleeps. Under gevent it is gevent's, so that other greenlets run meanwhile."""
    found: Any = time.sleep
    if type(found) is _BUILTIN or str(found.__module__).startswith(("gevent.", "eventlet.")):
        return partial(found)  # type: ignore[no-any-return]
    return _wait  # a test has replaced it already


def _wait(seconds: float) -> None:
    lock = allocate_lock()
    with lock:
        lock.acquire(timeout=seconds)


sleep = _unwatched()
perf_counter = _unstoppable(time.perf_counter)
monotonic = _unstoppable(time.monotonic)
wall_clock = _unstoppable(time.time, "CLOCK_REALTIME")

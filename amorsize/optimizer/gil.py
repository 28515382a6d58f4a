"""Whether items hold the GIL, seen by running some of them again."""

from __future__ import annotations

from itertools import cycle
from time import process_time
from typing import TYPE_CHECKING, Any

from amorsize._host.signals import start_thread
from amorsize._host.unpatched import perf_counter
from amorsize._workers.gil_probe import GilProbe
from amorsize.policy.evidence.core_availability import ONE_CORE
from amorsize.policy.evidence.gil import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.policy.events import GilProbed

#: Seconds that two threads run items: two turns of the GIL, or one item of each if that is longer.
BESIDE_S = 10e-3
#: Times that the sample is run again beside a probe, at most.
WATCHED_AGAIN = 200


def watched(run: Callable[[Any], bool], items: Sequence[Any]) -> GilProbed | None:
    """What a probe saw while the items ran again; None where one failed before it saw anything.

    `run` runs one item and tells whether it came through.
    """
    seen, probe = None, GilProbe()
    try:
        for _ in range(WATCHED_AGAIN):
            for item in items:
                if not run(item):
                    return seen
                seen = probe.read()
                if verdict(seen) is not None:
                    return seen
    finally:
        probe.stop()
    return seen


def take_turns(run: Callable[[Any], bool], items: Sequence[Any]) -> bool:
    """Whether two threads with these items use one core between them, whatever a probe saw.

    On a host that is busy with others a probe is late for a core as often as for the GIL.
    """
    from threading import Thread

    def run_until() -> None:
        for item in cycle(items):
            if not run(item) or perf_counter() >= until_s:
                return

    until_s = perf_counter() + BESIDE_S
    threads = [Thread(target=run_until, daemon=True) for _ in range(2)]
    began, began_cpu_s = perf_counter(), process_time()
    for thread in threads:
        start_thread(thread)
    for thread in threads:
        thread.join()
    return process_time() - began_cpu_s < ONE_CORE * (perf_counter() - began)

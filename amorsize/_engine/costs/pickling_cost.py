"""Measures how long it takes to pickle results, which workers have to send."""

from __future__ import annotations

from time import thread_time

from amorsize._host.signals import in_words, raised_by_handler
from amorsize._host.unpatched import perf_counter
from amorsize.policy.events import PicklingMeasured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._workers.messages.packing import Packing

#: A cost below this, in seconds of CPU time, is measured three times. Other programs may interrupt
#: one of them, for longer than most results take.
SHORT_S = 5e-3
#: Nothing is measured again after so many seconds: pickling it may wait for something.
MOST_S = 50e-3
#: A result that takes less than this, in seconds, is pickled together with others.
CHEAP_RESULT_S = 20e-6


def measure(
    results: list[Any], items: list[Any], func: Callable[..., Any] | None = None
) -> PicklingMeasured:
    """Measure how long results, and items that are sent, take to be pickled and unpickled.

    Args:
        results: Some results; more than the first are used only if the first is very quick.
        items: At most one item; empty if forked workers have the data.
        func: The mapped function.
    """
    from amorsize._workers.messages import serialization
    from amorsize._workers.messages.packing import Packing

    serialization.dumps(None)  # loads the modules of pickling
    packing, values = Packing(func), results[:1]
    cost_s, reason = _cost(values, packing)
    if (reason is not None or packing.with_code) and func is not None:
        from amorsize._workers.messages import code_pickle

        code_pickle.announce(func, [*values, *items])  # as before a fork: no class has to travel
        packing = Packing(func)
        cost_s, reason = _cost(values, packing)
    if reason is None and cost_s < CHEAP_RESULT_S and len(results) > 1:
        cost_s, reason = _cost(results, packing)
        values = results
    if reason is not None:
        return PicklingMeasured(pickle_s=None, reason=f"results cannot be pickled: {reason}")
    if items:
        item_s, reason = _cost(items, Packing())
        if reason is not None:
            return PicklingMeasured(pickle_s=None, reason=f"items cannot be pickled: {reason}")
        cost_s += item_s * len(values)
    return PicklingMeasured(pickle_s=cost_s / len(values))


def _cost(values: list[Any], packing: Packing) -> tuple[float, str | None]:
    """Seconds to pickle and unpickle, or why that is impossible."""
    from amorsize._workers.messages import serialization

    took_s, first_s = float("inf"), perf_counter()
    for _ in range(4):
        began, began_cpu_s, was_with_code = perf_counter(), thread_time(), packing.with_code
        try:
            data, parts = packing.dumps_apart(values)
            serialization.loads_copies(data, [bytearray(part) for part in parts])
        except Exception as error:
            if raised_by_handler(error):
                raise
            return 0.0, in_words(error)
        if packing.with_code != was_with_code:
            continue  # the first attempt has loaded modules
        took_s = min(took_s, perf_counter() - began)
        is_long = thread_time() - began_cpu_s > SHORT_S
        if is_long or perf_counter() - first_s > MOST_S:
            break
    return took_s, None

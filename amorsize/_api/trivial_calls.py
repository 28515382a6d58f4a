"""Runs calls of trivial functions before what runs all others is loaded, which takes 10 ms."""

from __future__ import annotations

import os
from _weakref import ref
from time import thread_time, time

from amorsize._engine.options.call_checks import SURELY_DATA
from amorsize._function.trivial import is_trivial
from amorsize._host import shortage
from amorsize._host.unpatched import perf_counter
from amorsize._workers.chunk import run_items
from amorsize.policy.frozen_record import Value
from amorsize.policy.trivial_items import LoopRun, stay_in_plain_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Seconds of items before the first look at what they cost, and between two later ones.
FIRST_S, SLICE_S = 0.3e-3, 10e-3
#: Seconds of such calls after which the rest is loaded: what they teach is to be kept on disk.
MOST_S = 0.4
#: Functions whose last such call is kept, the latest ones.
MOST_FUNCTIONS = 64


class Begun(Value):
    """A call that has been begun as the plain loop."""

    results: list[Any]
    began: float
    is_done: bool = False
    error: BaseException | None = None  # of the item after the last result


class Ran(Value):
    """A call that was over before there was anything to remember it."""

    func: ref[Callable[..., Any]]
    name: str | None
    item: Any
    run: LoopRun


#: The last such call of each function; they are remembered as soon as something can.
_latest: dict[int, Ran] = {}
_spent_s = 0.0


def begin(func: Callable[..., Any], data: Any, name: str | None) -> Begun | None:
    """Run the items of a trivial function as long as they are; None: none was run."""
    is_known = type(data) in SURELY_DATA and data
    if not is_known or _spent_s >= MOST_S or os.environ.get("AMORSIZE_BACKEND"):
        return None
    if not is_trivial(func, first := data[0]):
        return None
    results: list[Any] = []
    each, began, began_cpu_s, slice_s = iter(data), perf_counter(), thread_time(), FIRST_S
    while n_left := len(data) - len(results):
        _, error, is_end, _ = run_items(func, each, n_left, results, time_budget_s=slice_s)
        if error is not None:
            try:
                return Begun(results=results, began=began, error=error)
            finally:
                del error  # whose traceback has this frame
        n_left = len(data) - len(results)
        if is_end or n_left <= 0:
            break
        cpu_s = thread_time() - began_cpu_s  # on a busy host, trivial items look long on the clock
        if not stay_in_plain_loop(cpu_s / len(results), n_left):
            return Begun(results=results, began=began)
        slice_s = SLICE_S
    wall_s = perf_counter() - began
    cpu_s = min(thread_time() - began_cpu_s, wall_s)
    run = LoopRun(n_items=len(results), wall_s=wall_s, cpu_s=cpu_s, ended_at_s=time())
    _note(func, Ran(func=ref(func), name=name, item=first, run=run))
    return Begun(results=results, began=began, is_done=True)


def _note(func: Callable[..., Any], ran: Ran) -> None:
    global _spent_s
    _spent_s += ran.run.wall_s
    _latest.pop(id(func), None)
    if len(_latest) >= MOST_FUNCTIONS:
        del _latest[next(iter(_latest))]
    _latest[id(func)] = ran


def remember() -> None:
    """Hand on what is known of such calls, since there is something now that remembers it."""
    if not _latest or (loop_memory := shortage.loaded("_engine.loop_memory")) is None:
        return
    while _latest:
        _, ran = _latest.popitem()
        if (func := ran.func()) is not None:
            loop_memory.remember(func, ran.name, ran.item, ran.run)

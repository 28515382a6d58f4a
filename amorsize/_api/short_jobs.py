"""Runs short jobs beside other threads before what runs all others is loaded.

Beside another thread no worker is forked, and to load what starts new interpreters takes 50 ms.
"""

from __future__ import annotations

import os
from _weakref import ref
from time import thread_time

from amorsize._api import trivial_calls
from amorsize._api.trivial_calls import Begun, Ran
from amorsize._engine.options.call_checks import SURELY_DATA
from amorsize._function.item_kind import kind_of
from amorsize._function.library.drawn_libraries import may_draw
from amorsize._host.unpatched import perf_counter
from amorsize._workers import call_site
from amorsize._workers.chunk import run_items
from amorsize._workers.run_delay import RunQueue
from amorsize.policy.trivial_items import stay_beside_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WHY_ALONE = (
    "beside another thread workers are new interpreters, which take longer to start than they "
    "could save"
)


def begin(func: Callable[..., Any], iterables: tuple[Any, ...], name: str | None) -> Begun | None:
    """Run items as long as the job is a short one that computes; None: none was run, or read.

    Items that draw random numbers have streams of their own in every call, so that they may be
    repeated whatever runs them. They are left alone.
    """
    if not trivial_calls.may_begin() or may_draw(func):
        return None
    if not all(type(data) in SURELY_DATA and data for data in iterables):
        return None
    queue = RunQueue()
    queue.open()
    try:
        return _begin(func, iterables, name, queue)
    finally:
        queue.close()


def _begin(
    func: Callable[..., Any], iterables: tuple[Any, ...], name: str | None, queue: RunQueue
) -> Begun | None:
    found = trivial_calls.function_and_items(func, iterables, {})
    assert found is not None, "only keywords may not fit"
    function, each = found
    firsts = tuple([data[0] for data in iterables])
    kind = kind_of(firsts if len(firsts) > 1 else firsts[0])
    del firsts  # an item may be meant to be gone when the loop is done with it
    site, n_cores = call_site.here(), _n_cores()
    results: list[Any] = []
    began, began_cpu_s, waited_s = perf_counter(), thread_time(), queue.waited_s()
    while n_left := min(map(len, iterables)) - len(results):
        _, error, is_end, _ = run_items(
            function, each, n_left, results, time_budget_s=trivial_calls.SLICE_S, site=site
        )
        if error is not None:
            try:
                return Begun(results=results, began=began, error=error)
            finally:
                del error  # whose traceback has this frame
        n_left = min(map(len, iterables)) - len(results)
        if is_end or n_left <= 0:
            break
        run = trivial_calls.loop_run(len(results), began, began_cpu_s)
        if not stay_beside_threads(run, queue.waited_s() - waited_s, n_left, n_cores):
            return Begun(results=results, began=began)
    run = trivial_calls.loop_run(len(results), began, began_cpu_s)
    ran = Ran(func=ref(func), name=name, kind=kind, item_kwargs={}, run=run, why_alone=WHY_ALONE)
    trivial_calls.note(ran)
    return Begun(results=results, began=began, is_done=True)


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""Runs calls of trivial functions before what runs all others is loaded, which takes 10 ms."""

from __future__ import annotations

import os
from _weakref import ref
from time import thread_time

from amorsize._engine.options.call_checks import SURELY_DATA
from amorsize._function.trivial import is_trivial
from amorsize._host import shortage
from amorsize._host.unpatched import perf_counter, wall_clock
from amorsize._workers.chunk import Starred, run_items
from amorsize.policy.frozen_record import Value
from amorsize.policy.trivial_items import LoopRun, stay_in_plain_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
    item_kwargs: dict[str, Any]
    run: LoopRun


#: The last such call of each function; they are remembered as soon as something can.
_latest: dict[int, Ran] = {}
_spent_s = 0.0


def begin(
    func: Callable[..., Any],
    iterables: tuple[Any, ...],
    item_kwargs: dict[str, Any],
    name: str | None,
) -> Begun | None:
    """Run the items of a trivial function as long as they are; None: none was run."""
    are_known = all(type(data) in SURELY_DATA and data for data in iterables)
    if not are_known or _spent_s >= MOST_S or os.environ.get("AMORSIZE_BACKEND"):
        return None
    firsts = tuple([data[0] for data in iterables])
    if not all(is_trivial(func, value) for value in (*firsts, *item_kwargs.values())):
        return None
    if (begun := _function_and_items(func, iterables, item_kwargs)) is None:
        return None
    function, each = begun
    results: list[Any] = []
    began, began_cpu_s, slice_s = perf_counter(), thread_time(), FIRST_S
    while n_left := min(map(len, iterables)) - len(results):
        _, error, is_end, _ = run_items(function, each, n_left, results, time_budget_s=slice_s)
        if error is not None:
            try:
                return Begun(results=results, began=began, error=error)
            finally:
                del error  # whose traceback has this frame
        n_left = min(map(len, iterables)) - len(results)
        if is_end or n_left <= 0:
            break
        cpu_s = thread_time() - began_cpu_s  # on a busy host, trivial items look long on the clock
        if not stay_in_plain_loop(cpu_s / len(results), n_left):
            return Begun(results=results, began=began)
        slice_s = SLICE_S
    wall_s = perf_counter() - began
    cpu_s = min(thread_time() - began_cpu_s, wall_s)
    run = LoopRun(n_items=len(results), wall_s=wall_s, cpu_s=cpu_s, ended_at_s=wall_clock())
    item = firsts if len(firsts) > 1 else firsts[0]
    _note(func, Ran(func=ref(func), name=name, item=item, item_kwargs=item_kwargs, run=run))
    return Begun(results=results, began=began, is_done=True)


def _function_and_items(
    func: Callable[..., Any], iterables: tuple[Any, ...], item_kwargs: dict[str, Any]
) -> tuple[Callable[[Any], Any], Iterator[Any]] | None:
    """The function of one item, and the items; None: others call it in more ways than here."""
    if len(iterables) > 1:
        return None if item_kwargs else (Starred(func), zip(*iterables, strict=False))
    if not item_kwargs:
        return func, iter(iterables[0])
    from amorsize._workers.bound_keywords import with_defaults  # few calls have some

    bound = with_defaults(func, item_kwargs)
    return None if bound is None else (bound, iter(iterables[0]))


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
            loop_memory.remember(func, ran.name, ran.item, ran.item_kwargs, ran.run)

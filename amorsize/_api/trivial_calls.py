"""Runs calls of trivial functions before what runs all others is loaded, which takes 10 ms."""

from __future__ import annotations

import os
from _weakref import ref
from time import thread_time

from amorsize._engine.options.call_checks import SURELY_DATA
from amorsize._function.item_kind import kind_of
from amorsize._function.trivial import is_trivial
from amorsize._host import shortage
from amorsize._host.unpatched import perf_counter, wall_clock
from amorsize._workers.chunk import Starred, run_items
from amorsize.policy.frozen_record import Value
from amorsize.policy.trivial_items import (
    LoopRun,
    stay_in_plain_loop,
    stay_without_end_in_sight,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize._engine.data.source import Reading
    from amorsize._function.item_kind import Kind

#: Seconds of items before the first look at what they cost, and between two later ones.
FIRST_S, SLICE_S = 0.3e-3, 10e-3
#: Seconds of such calls after which the rest is loaded: what they teach is to be kept on disk.
MOST_S = 0.4
#: Functions whose last such call is kept, the latest ones.
MOST_FUNCTIONS = 64
#: Items of which a generator gives most. A function that is trivial for none is left alone.
SAMPLES = (0, 0.0, "")
#: The most items of one slice.
MANY = 1 << 20
GENERATOR: type = type(one for one in "")


class Begun(Value):
    """A call that has been begun as the plain loop."""

    results: list[Any]
    began: float
    is_done: bool = False
    error: BaseException | None = None  # of the item after the last result, or of reading it
    source: Reading | None = None  # the data, if it is read as it is needed


class Ran(Value):
    """A call that was over before there was anything to remember it."""

    func: ref[Callable[..., Any]]
    name: str | None
    kind: Kind  # of the first item
    item_kwargs: dict[str, Any]
    run: LoopRun
    why_alone: str | None = None  # why no worker was asked for; None: the items are trivial


#: The last such call of each function; they are remembered as soon as something can.
_latest: dict[int, Ran] = {}
_spent_s = 0.0


def may_begin() -> bool:
    """Whether calls may still do without what is kept on disk."""
    return _spent_s < MOST_S and not os.environ.get("AMORSIZE_BACKEND")


def begin(
    func: Callable[..., Any],
    iterables: tuple[Any, ...],
    item_kwargs: dict[str, Any],
    name: str | None,
) -> Begun | None:
    """Run the items of a trivial function as long as they are; None: none was run, or read."""
    if not may_begin():
        return None
    if type(iterables[0]) is GENERATOR and len(iterables) == 1 and not item_kwargs:
        return _begin_generator(func, iterables[0], name)
    if not all(type(data) in SURELY_DATA and data for data in iterables):
        return None
    firsts = tuple([data[0] for data in iterables])
    if not all(is_trivial(func, value) for value in (*firsts, *item_kwargs.values())):
        return None
    if (begun := function_and_items(func, iterables, item_kwargs)) is None:
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
    run = loop_run(len(results), began, began_cpu_s)
    kind = kind_of(firsts if len(firsts) > 1 else firsts[0])
    note(Ran(func=ref(func), name=name, kind=kind, item_kwargs=item_kwargs, run=run))
    return Begun(results=results, began=began, is_done=True)


def _begin_generator(func: Callable[..., Any], data: Any, name: str | None) -> Begun | None:
    """The same for items that are read one by one, as in a loop; None: none was read."""
    is_open = data.gi_frame is not None and not data.gi_running
    if not is_open or not any(is_trivial(func, one) for one in SAMPLES):
        return None
    from amorsize._engine.data.source import Reading  # lists do without

    source = Reading(data, (data,))
    results: list[Any] = []
    began, began_cpu_s, slice_s = perf_counter(), thread_time(), FIRST_S
    source.read(1, 0.0)
    first = source.cut(0, 1)[0][0] if source.n_read else None
    if not source.n_read or not is_trivial(func, first):
        return Begun(results=results, began=began, error=source.error, source=source)
    while True:
        turn, n_before = source.turn(len(results), MANY, is_numbered=False), len(results)
        _, error, is_end, is_of_data = run_items(
            func, iter(turn), MANY, results, time_budget_s=slice_s, turn=turn
        )
        of_data = error if is_of_data and isinstance(error, Exception) else None
        source.took(turn, len(results) - n_before, is_end=is_end, error=of_data)
        if error is not None:
            try:
                return Begun(results=results, began=began, error=error, source=source)
            finally:
                del error, of_data  # whose traceback has this frame
        if is_end:
            break
        cpu_s = thread_time() - began_cpu_s
        if not stay_without_end_in_sight(cpu_s / len(results), cpu_s):
            return Begun(results=results, began=began, source=source)
        slice_s = SLICE_S
    run = loop_run(len(results), began, began_cpu_s)
    note(Ran(func=ref(func), name=name, kind=kind_of(first), item_kwargs={}, run=run))
    return Begun(results=results, began=began, is_done=True)


def loop_run(n_items: int, began: float, began_cpu_s: float) -> LoopRun:
    """What a call has taken that ends now."""
    wall_s = perf_counter() - began
    cpu_s = min(thread_time() - began_cpu_s, wall_s)
    return LoopRun(n_items=n_items, wall_s=wall_s, cpu_s=cpu_s, ended_at_s=wall_clock())


def function_and_items(
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


def note(ran: Ran) -> None:
    """Keep what a call has done until something can remember it."""
    global _spent_s
    _spent_s += ran.run.wall_s
    place = id(ran.func())
    _latest.pop(place, None)
    if len(_latest) >= MOST_FUNCTIONS:
        _latest.pop(next(iter(_latest)), None)  # another thread may have removed it
    _latest[place] = ran


def remember() -> None:
    """Hand on what is known of such calls, since there is something now that remembers it."""
    if not _latest or (loop_memory := shortage.loaded("_engine.loop_memory")) is None:
        return
    while _latest:
        _, ran = _latest.popitem()
        if (func := ran.func()) is not None:
            loop_memory.remember(func, ran.name, ran.kind, ran.item_kwargs, ran.run, ran.why_alone)

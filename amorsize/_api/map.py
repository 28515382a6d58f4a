"""Begins a map: a call known to be short is the plain loop, all others go to the engine."""

from __future__ import annotations

import os
import sys
from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more

from amorsize._engine.caller.item_seeding import is_known_to_draw
from amorsize._engine.engine import Engine
from amorsize._engine.options import call_checks, call_options, option_checks
from amorsize._engine.options.call_checks import SURELY_DATA
from amorsize._engine.state.call import Invocation
from amorsize._host.shortage import has_stack_room, loop
from amorsize._host.unpatched import perf_counter
from amorsize._profiles import memory_store
from amorsize._profiles.memory_store import drifts_of as drifts_of
from amorsize._profiles.memory_store import forget as forget
from amorsize._profiles.memory_store import plan_of as plan_of
from amorsize._workers import call_site
from amorsize._workers.chunk import Starred, run_items
from amorsize.errors import InvalidOptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize._engine.data.source import Reading
    from amorsize._engine.options.call_options import Options
    from amorsize.explanation import Explanation

#: A call known to take less than this, in seconds, is the plain loop; the policy is not asked.
SHORT_S = 1e-3


def run(
    func: Callable[..., Any],
    iterables: tuple[Any, ...],
    item_kwargs: dict[str, Any],
    options: Options,
    name: str | None,
) -> list[Any]:
    """Map a function over data, with options that have been checked."""
    iterables = checked_data(func, iterables, name)
    if options is call_options.DEFAULTS:
        short = _run_short(func, iterables, item_kwargs)
        if short is not None:
            return short
        if not has_stack_room():
            return list(loop(func, iterables, item_kwargs, strict=options.strict))
    made = Invocation(
        func=func, iterables=iterables, item_kwargs=item_kwargs, options=options, name=name
    )
    return Engine(made).run()


def stream(
    func: Callable[..., Any],
    iterables: tuple[Any, ...],
    item_kwargs: dict[str, Any],
    options: Options,
    ordered: bool,
    buffer: int | None,
    name: str | None = None,
    *,
    indexed: bool = False,
    read_ahead: int | None = None,
) -> Iterator[Any]:
    """Map lazily: yield results as they are asked for."""
    option_checks.flag("ordered", ordered)
    option_checks.flag("indexed", indexed)
    if not _is_count(buffer):
        raise InvalidOptionError(
            f"buffer={buffer!r}: the number of items that may be in work must be a whole number "
            "from 1 on, or None to have it tuned."
        )
    if not _is_count(read_ahead):
        raise InvalidOptionError(
            f"read_ahead={read_ahead!r}: the number of items that a thread may have read must be a "
            "whole number from 1 on, or None to have the data read in the calling thread."
        )
    iterables = checked_data(func, iterables, name)
    made = Invocation(
        func=func, iterables=iterables, item_kwargs=item_kwargs, options=options, name=name
    )
    call = Engine(made, streams=True, read_ahead=read_ahead)
    return call.stream(ordered, buffer, indexed)


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 1)


def checked_data(
    func: Callable[..., Any], iterables: tuple[Any, ...], name: str | None
) -> tuple[Any, ...]:
    """The data; an error where it surely is a mistake."""
    for data in iterables:
        if type(data) not in SURELY_DATA:
            call_checks.check_data(
                iterables, name or call_checks.name_of(func), decorated=name is not None
            )
            return iterables
    if not iterables:
        call_checks.check_data(
            iterables, name or call_checks.name_of(func), decorated=name is not None
        )
    return iterables


def _run_short(
    func: Callable[..., Any], iterables: tuple[Any, ...], item_kwargs: dict[str, Any]
) -> list[Any] | None:
    """The plain loop for a function that is known to be quick on such data; None: it is not."""
    for data in iterables:
        if type(data) not in SURELY_DATA or not data:
            return None
    n_items = min(map(len, iterables))
    if not _is_known_short(func, iterables, item_kwargs, n_items):
        return None
    function, items = func, iterables[0]
    if item_kwargs:
        function = _with_keywords(func, item_kwargs, is_star=len(iterables) > 1)
    if len(iterables) > 1:
        function, items = Starred(function), zip(*iterables, strict=False)
    began = perf_counter()
    results: list[Any] = []
    _, error, is_end, _ = run_items(
        function, items, n_items, results, time_budget_s=4 * SHORT_S, site=call_site.here()
    )
    if error is None and (is_end or len(results) == min(map(len, iterables))):
        return results
    try:
        made = Invocation(func=func, iterables=iterables, item_kwargs=item_kwargs)
        return _finish(made, results, error, began)
    finally:
        del error  # whose traceback has this frame


def _is_known_short(
    func: Callable[..., Any], iterables: tuple[Any, ...], item_kwargs: dict[str, Any], n_items: int
) -> bool:
    """Whether such a call was short before, and would draw no random numbers."""
    first = iterables[0][0]
    if len(iterables) > 1:
        first = tuple([data[0] for data in iterables])
    if item_kwargs:
        from amorsize._function.plain_values import is_plain  # others may be generators

        if not all(map(is_plain, item_kwargs.values())):
            return False
    key = memory_store.key_of(func, first, item_kwargs)
    profile = memory_store.memory().profile(key)
    return (
        profile is not None
        and not is_known_to_draw(key[0])  # then each item has streams of its own
        and profile.traits.item_s * n_items <= SHORT_S
        and not os.environ.get("AMORSIZE_BACKEND")
    )


def _with_keywords(
    func: Callable[..., Any], keywords: dict[str, Any], *, is_star: bool
) -> Callable[..., Any]:
    """The function with keywords of the call."""
    from amorsize._workers.bound_keywords import with_defaults

    # Of several arguments, one may be given by place that a keyword names: an error.
    bound = None if is_star else with_defaults(func, keywords)
    return partial(func, **keywords) if bound is None else bound


def go_on(
    func: Callable[..., Any],
    iterables: tuple[Any, ...],
    item_kwargs: dict[str, Any],
    name: str | None,
    results: list[Any],
    error: BaseException | None,
    began: float,
    source: Reading | None = None,
) -> list[Any]:
    """Finish a call whose first items were run as the plain loop.

    Args:
        func: Its function.
        iterables: Its data.
        item_kwargs: Its keywords.
        name: What its user calls the function.
        results: Of the first items.
        error: What the item after them raised.
        began: When the call began, as `perf_counter` counts.
        source: The data, if it is read as it is needed.
    """
    try:
        made = Invocation(
            func=func, iterables=iterables, item_kwargs=item_kwargs, name=name, source=source
        )
        return _finish(made, results, error, began)
    finally:
        del error  # whose traceback has this frame


def _finish(
    made: Invocation, results: list[Any], error: BaseException | None, began: float
) -> list[Any]:
    engine = Engine(made)
    try:
        return engine.go_on(results, error, began)
    finally:
        del error  # whose traceback has this frame


def explain(func: Callable[..., Any]) -> Explanation:
    """What the last call of a function measured, chose and achieved."""
    from amorsize.explanation import Explanation

    return Explanation(call_checks.name_of(func), memory_store.last_trace(func))


def shutdown() -> None:
    """End warm workers, and write what was learned to disk. The next call starts what it needs.

    Example:
        >>> shutdown()
    """
    memory_store.write()
    for name in ("warm_pool", "kept_forks"):
        end_warm = getattr(sys.modules.get(f"amorsize._workers.processes.{name}"), "shutdown", None)
        if end_warm is not None:
            end_warm()
    handles = sys.modules.get("amorsize._workers.processes.worker_handle")
    collect = getattr(handles, "collect_flushing", None)
    if collect is not None:
        collect(wait=True)


class workers:  # noqa: N801 - reads as a function where it is used: `with amorsize.workers():`
    """Keep warm workers for a block of calls, and end them at its end.

    Example:
        >>> with workers():
        ...     [tuned_map(len, [word]) for word in ("a", "bb")]
        [[1], [2]]
    """

    def __enter__(self) -> None:
        """Nothing is started before the first call needs it."""
        from amorsize._workers.processes import warm_blocks

        warm_blocks.enter(self)

    def __exit__(self, *_: object) -> None:
        from amorsize._workers.processes import warm_blocks

        warm_blocks.leave(self)
        shutdown()


def failed_index(error: BaseException) -> int | None:
    """The index of the item that raised this error, from 0; None if no item of a map did.

    Example:
        >>> try:
        ...     tuned_map(float, ["1", "2", "x"])
        ... except ValueError as error:
        ...     failed_index(error)
        2
    """
    return getattr(error, "_amorsize_index", None)


def partial_results(error: BaseException) -> dict[int, Any]:
    """The results that a failed call had computed, by the index of their item.

    Args:
        error: What the call raised.

    Returns:
        A new dict; empty for an exception of another origin.

    Example:
        >>> try:
        ...     tuned_map(float, ["1", "2", "x"])
        ... except ValueError as error:
        ...     partial_results(error)
        {0: 1.0, 1: 2.0}
    """
    return dict(getattr(error, "_amorsize_partial", {}))

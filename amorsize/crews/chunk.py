"""Runs the items of one chunk wherever the worker is, timed and boxed."""

from __future__ import annotations

from time import perf_counter

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    Cut = Callable[[int, int], Iterable[Any]]  # items from one index up to another

    class Progress(Protocol):
        """Told before each stride; says whether to go on."""

        def __call__(self, n_done: int, now_s: float) -> bool: ...


# A clock read and a progress note cost 0.3 us together: once per stride of about 0.1 ms that is
# 0.3 %, while a box or a stop is still obeyed within a fraction of a millisecond.
STRIDE_S = 100e-6
MAX_STRIDE = 65_536


class Ran(Value):
    """What became of a chunk."""

    n_done: int  # items whose result (or, where errors are kept, exception) was appended
    wall_s: float
    cpu_s: float
    error: BaseException | None = None  # raised by the item after the last one done


def run_chunk(
    function: Callable[[Any], Any],
    cut: Cut,
    start: int,
    stop: int,
    out: list[Any],
    *,
    box_s: float,
    cpu_clock: Callable[[], float],
    keep_errors: bool = False,
    single: bool = False,
    progress: Progress | None = None,
) -> Ran:
    """Append `function(item)` to `out` for each item until the box is over or an item fails.

    Args:
        function: Takes one item.
        cut: Gives the items between two indices; asked for a stride at a time.
        start: Index of the first item.
        stop: Index behind the last.
        out: Gets the results; what it held before stays.
        box_s: After this many seconds the run ends at the next boundary; at least one item runs.
        cpu_clock: CPU seconds of whatever runs the items (`time.thread_time`, ...).
        keep_errors: Append an item's exception as its result and go on.
        single: Look at the clock and call `progress` before every single item.
        progress: Called before each stride; the run ends when it answers False.

    Returns:
        How many items were done, what they cost, and the exception that ended the run, if any.
    """
    before = len(out)
    offset = start - before  # index of an item = its place in `out` + offset
    cpu_before = cpu_clock()
    began = perf_counter()
    error: BaseException | None = None
    while True:
        try:
            _stride_through(
                function, cut, offset, stop, out, began + box_s, single, progress, start
            )
        except Exception as failure:
            if keep_errors:
                out.append(failure)
                if len(out) + offset < stop and perf_counter() < began + box_s:
                    continue
            else:
                error = failure
        except BaseException as failure:
            error = failure
        break
    wall_s = perf_counter() - began
    return Ran(
        n_done=len(out) - before,
        wall_s=wall_s,
        cpu_s=cpu_clock() - cpu_before,
        error=error,
    )


def _stride_through(
    function: Callable[[Any], Any],
    cut: Cut,
    offset: int,
    stop: int,
    out: list[Any],
    deadline: float,
    single: bool,
    progress: Progress | None,
    start: int,
) -> None:
    """Run strides of items, each about `STRIDE_S` long, so that the clock is read seldom."""
    append, extend = out.append, out.extend
    stride = 1
    stride_began = perf_counter()
    while (index := len(out) + offset) < stop:
        if progress is not None and not progress(index - start, stride_began):
            return
        if stride == 1:
            for item in cut(index, index + 1):
                append(function(item))
        else:
            end = min(stop, index + stride)
            # extend() keeps what map() has delivered when an item fails: its length is the index.
            extend(map(function, cut(index, end)))
            if len(out) + offset < end:  # to map(), an item's StopIteration looks like the end
                raise StopIteration
        now = perf_counter()
        if now >= deadline:
            return
        took = now - stride_began
        stride_began = now
        if single:
            continue
        if took < STRIDE_S / 2:
            stride = min(stride * 2, MAX_STRIDE)
        elif took > STRIDE_S * 2 and stride > 1:
            stride = max(1, int(stride * STRIDE_S / took))

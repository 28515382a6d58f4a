"""Runs the items of one chunk wherever the worker is, timed and boxed."""

from __future__ import annotations

from itertools import islice

from amorsize._host.clocks import perf_counter
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol

    class Progress(Protocol):
        """Told before each stride; says whether to go on."""

        def __call__(self, n_done: int, n_next: int, now_s: float, /) -> bool: ...

    class Turn(Protocol):
        """Counts the items that go from an iterator straight into the function."""

        @property
        def n_taken(self) -> int: ...

        def failed(self, item: Any) -> None: ...


# A turn of the loop costs about 2 us: once per stride of 0.5 ms that is 0.4 %, while a box or a
# stop is still obeyed within a millisecond.
STRIDE_S = 500e-6
MAX_STRIDE = 65_536
INDEX = "_amorsize_index"  # in the __dict__ of what an item raised: which item that was
KEPT = "_amorsize_kept"  # as `travel.KEPT`, which is not loaded on the way to a first call
PYTHON_FUNCTION: type = type(lambda: None)
LIST_ITERATOR: type = type(iter([]))
WITH_PLACE = 3  # of what a list's iterator is made again: how, of which list, from which place on


class Ran(Value):
    """What became of a chunk."""

    n_done: int  # items whose result (or, where errors are kept, exception) was appended
    wall_s: float
    cpu_s: float
    run_delay_s: float = 0.0  # it could have run, but others had the core
    n_failed: int = 0  # of them, where errors are kept
    error: BaseException | None = None  # raised by the item after the last one done
    is_end: bool = False  # the data had fewer items than were to be run
    is_of_data: bool = False  # the exception came instead of an item


def run_chunk(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    n_items: int,
    out: list[Any],
    *,
    time_budget_s: float,
    cpu_clock: Callable[[], float],
    starved_clock: Callable[[], float] | None = None,
    keep_errors: bool = False,
    single: bool = False,
    progress: Progress | None = None,
    turn: Turn | None = None,
) -> Ran:
    """Append `function(item)` to `out` for each item until the box is over or an item fails.

    Args:
        function: Takes one item.
        items: No more of them are taken than are run, each only after the one before was run.
        n_items: How many to run.
        out: Gets the results; what it held before stays.
        time_budget_s: Seconds after which the run ends at the next boundary; one item runs anyway.
        cpu_clock: CPU seconds of whatever runs the items (`time.thread_time`, ...).
        starved_clock: Seconds for which this thread could have run and others had its core.
        keep_errors: Append an item's exception as its result and go on.
        single: Look at the clock and call `progress` before every single item.
        progress: Called before each stride with the items done, those of the stride and the time;
            the run ends when it answers False.
        turn: Counts the items as they are taken, where that runs code of the user's.

    Returns:
        How many items were done, what they cost, and the exception that ended the run, if any.
        The data may have ended before: a list gets shorter while an item removes from it.
    """
    before = len(out)
    end = before + n_items
    items = iter(items)  # one for all strides: it stops and goes on anywhere
    # What is written in Python is called quicker from Python (by a fifth for trifles), all else by
    # map().
    is_quicker = isinstance(function, PYTHON_FUNCTION) or turn is not None  # or knows each item
    results = None if is_quicker else map(function, items)
    cpu_before = cpu_clock()
    starved_before = 0.0 if starved_clock is None else starved_clock()
    began = perf_counter()
    error: BaseException | None = None
    n_failed, is_end, is_of_data = 0, False, False
    while True:
        try:
            is_end = _stride_through(
                function,
                items,
                results,
                out,
                before,
                end,
                began + time_budget_s,
                single,
                progress,
                turn,
            )
        except Exception as failure:
            is_of_data = turn is not None and turn.n_taken == len(out) - before
            if keep_errors and not is_of_data:
                failure.__dict__[KEPT] = True  # it was raised, and no exception that was returned
                out.append(failure)
                n_failed += 1
                if len(out) < end and perf_counter() < began + time_budget_s:
                    continue
            else:
                error = failure
        except BaseException as failure:
            error = failure
        break
    wall_s = perf_counter() - began
    try:
        return Ran(
            n_done=len(out) - before,
            wall_s=wall_s,
            cpu_s=min(wall_s, cpu_clock() - cpu_before),  # of programs, several at once
            run_delay_s=0.0 if starved_clock is None else starved_clock() - starved_before,
            n_failed=n_failed,
            error=error,
            is_end=is_end,
            is_of_data=is_of_data,
        )
    finally:
        del error  # whose traceback has this frame


def _stride_through(
    function: Callable[[Any], Any],
    items: Iterator[Any],
    results: Iterator[Any] | None,
    out: list[Any],
    before: int,
    end: int,
    deadline: float,
    single: bool,
    progress: Progress | None,
    turn: Turn | None,
) -> bool:
    """Run strides of items, each about `STRIDE_S` long, so that the clock is read seldom.

    Returns:
        Whether the items have ended before their number was reached.
    """
    extend = out.extend
    stride = 1
    stride_began = perf_counter()
    while (left := end - len(out)) > 0:
        n_next = min(stride, left)
        if progress is not None and not progress(end - left - before, n_next, stride_began):
            return False
        expected = end - left + n_next
        if results is None:
            try:
                for item in islice(items, n_next):
                    out.append(function(item))  # quicker than a bound append, which is not known
            except BaseException:
                if turn is not None and turn.n_taken > len(out) - before:  # else none was read
                    turn.failed(item)
                raise
        else:
            # extend() keeps what was delivered when an item fails: its length tells which one.
            extend(islice(results, n_next))
        if len(out) < expected:
            if results is None or _has_ended(items):
                return True
            raise StopIteration  # an item's own: to extend(), that looks like the end
        now = perf_counter()
        if now >= deadline:
            return False
        took = now - stride_began
        stride_began = now
        if single:
            continue
        if took < STRIDE_S / 2:
            stride = min(stride * 2, MAX_STRIDE)
        elif took > STRIDE_S * 2 and stride > 1:
            stride = max(1, int(stride * STRIDE_S / took))
    return False


def _has_ended(items: Iterator[Any]) -> bool:
    """Whether map() has come to the end of a list; other sequences do not get shorter.

    An iterator that has been through its list has forgotten it, and tells no place in it.
    """
    return isinstance(items, LIST_ITERATOR) and len(items.__reduce__()) < WITH_PLACE

"""Runs the items of one chunk within a time budget."""

from __future__ import annotations

from itertools import islice, starmap

from amorsize._host.unpatched import perf_counter
from amorsize._workers import call_site
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol

    from amorsize._workers.call_site import CallSite, Loop

    class Progress(Protocol):
        """Called before each stride; answers whether to continue."""

        def __call__(self, n_done: int, n_next: int, now_s: float, /) -> bool: ...

    class Turn(Protocol):
        """Tells whether an item failed that the function took straight from an iterator."""

        fails: bool

        def failed(self, item: Any) -> None: ...


#: Seconds of items between two readings of the clock. A reading costs about 2 us, 0.4 % of a
#: stride, and a time budget is kept within a millisecond.
STRIDE_S = 500e-6
MAX_STRIDE = 65_536
#: The key in an exception's __dict__ for the index of the item that raised it.
INDEX = "_amorsize_index"
#: The key in an exception's __dict__ which tells that it was raised, not returned as a result.
KEPT = "_amorsize_kept"
PYTHON_FUNCTION: type = type(lambda: None)
LIST_ITERATOR: type = type(iter([]))
#: Length of `__reduce__` of a list iterator before its end: function, list, position.
WITH_PLACE = 3


class Starred:
    """A function of several arguments that takes them as one tuple."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, arguments: tuple[Any, ...]) -> Any:
        return self.function(*arguments)


BOUND_METHOD: type = type(Starred(abs).__call__)


class Ran(Value):
    """The outcome of a chunk."""

    n_done: int  # items whose result (or, where errors are kept, exception) was appended
    wall_s: float
    cpu_s: float
    run_delay_s: float = 0.0  # part of wall_s spent waiting for a core
    n_failed: int = 0  # items that raised, where errors are kept
    error: BaseException | None = None  # raised by the item after the last one done
    is_end: bool = False  # the data ended early
    is_of_data: bool = False  # reading the data raised, not an item


def run_chunk(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    n_items: int,
    out: list[Any],
    *,
    time_budget_s: float,
    cpu_clock: Callable[[], float],
    run_delay_clock: Callable[[], float] | None = None,
    keep_errors: bool = False,
    single: bool = False,
    progress: Progress | None = None,
    turn: Turn | None = None,
    site: CallSite | None = None,
) -> Ran:
    """Append `function(item)` to `out` for each item, until the budget is spent or an item fails.

    Args:
        function: Takes one item.
        items: Taken one by one, each only after the item before it was run.
        n_items: How many to run.
        out: Results are appended to it.
        time_budget_s: Seconds after which no further item begins; one item runs in any case.
        cpu_clock: Gives CPU seconds of the thread or process that runs the items.
        run_delay_clock: Gives seconds that this thread has waited for a core.
        keep_errors: Append an item's exception as its result and go on.
        single: Read the clock and call `progress` before every item.
        progress: Called before each stride with the number of items done, the number in the stride
            and the time; False ends the run.
        turn: Is told which item failed, where reading the next one may fail as well.
        site: The line of the program that is to appear as the caller of the function.

    Returns:
        How many items were done, what they cost, and the exception that ended the run, if any.
        Data may end early: an item may remove elements from a list.
    """
    before, clocks = len(out), _Clocks(cpu_clock, run_delay_clock)
    outcome = run_items(
        function,
        items,
        n_items,
        out,
        time_budget_s=time_budget_s,
        keep_errors=keep_errors,
        single=single,
        progress=progress,
        turn=turn,
        site=site,
    )
    try:
        return clocks.ran(len(out) - before, *outcome)
    finally:
        del outcome  # the traceback of its error has this frame


def run_items(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    n_items: int,
    out: list[Any],
    *,
    time_budget_s: float,
    keep_errors: bool = False,
    single: bool = False,
    progress: Progress | None = None,
    turn: Turn | None = None,
    site: CallSite | None = None,
) -> tuple[int, BaseException | None, bool, bool]:
    """Do what `run_chunk` does, without measuring it: the last four fields of `Ran`."""
    before = len(out)
    end, items = before + n_items, iter(items)  # one iterator: it stops and goes on anywhere
    # map() calls C functions faster, but does not know which item it is at.
    is_star, called = False, function
    if isinstance(function, Starred):  # without its own call, which takes as long as a trivial item
        is_star, called = True, function.function
    results: Iterator[Any] | None = None
    if turn is None and is_star:  # unpacking tuples takes Python longer than map() takes to call
        results = starmap(called, items)
    elif turn is None and not _is_quicker_from_python(called):
        results = map(called, items)
    loop = _loop(turn, is_star=is_star, is_mapped=results is not None)
    if site is not None:
        loop = site.loop(loop)
    deadline = perf_counter() + time_budget_s
    run = called, items, results, loop, out, before, end, deadline, single, progress, turn
    error: BaseException | None = None
    n_failed, is_end, is_of_data = 0, False, False
    while True:
        try:
            is_end = _stride_through(*run)
        except Exception as failure:
            call_site.without_copies(failure)
            is_of_data = turn is not None and not turn.fails
            if keep_errors and not is_of_data:
                if turn is not None:
                    turn.fails = False
                failure.__dict__[KEPT] = True  # it was raised, not returned
                out.append(failure)
                n_failed += 1
                if len(out) < end and perf_counter() < deadline:
                    continue
            else:
                error = failure
        except BaseException as failure:
            call_site.without_copies(failure)
            error = failure
        break
    try:
        return n_failed, error, is_end, is_of_data
    finally:
        del error  # whose traceback has this frame


class _Clocks:
    """Measures what a chunk takes, from when it is made."""

    __slots__ = ("_cpu_before", "_cpu_clock", "_delay_before", "_delay_clock", "began")

    def __init__(
        self, cpu_clock: Callable[[], float], delay_clock: Callable[[], float] | None
    ) -> None:
        self._cpu_clock, self._delay_clock = cpu_clock, delay_clock
        self._cpu_before = cpu_clock()
        self._delay_before = 0.0 if delay_clock is None else delay_clock()
        self.began = perf_counter()

    def ran(
        self,
        n_done: int,
        n_failed: int,
        error: BaseException | None,
        is_end: bool,
        is_of_data: bool,
    ) -> Ran:
        """The outcome of the chunk, with its times until now."""
        wall_s = perf_counter() - self.began
        # Several programs at once may compute for longer than the wall time.
        cpu_s = min(wall_s, self._cpu_clock() - self._cpu_before)
        delay_clock = self._delay_clock
        return Ran(
            n_done=n_done,
            wall_s=wall_s,
            cpu_s=cpu_s,
            run_delay_s=0.0 if delay_clock is None else delay_clock() - self._delay_before,
            n_failed=n_failed,
            error=error,
            is_end=is_end,
            is_of_data=is_of_data,
        )


def _loop(turn: Turn | None, *, is_star: bool, is_mapped: bool) -> Loop:
    """What runs the items of a stride."""
    if is_mapped:
        return call_site.each_mapped
    if turn is None:
        return call_site.each
    return call_site.each_starred_in_turn if is_star else call_site.each_in_turn


def _stride_through(
    function: Callable[..., Any],
    items: Iterator[Any],
    results: Iterator[Any] | None,
    loop: Loop,
    out: list[Any],
    before: int,
    end: int,
    deadline: float,
    single: bool,
    progress: Progress | None,
    turn: Turn | None,
) -> bool:
    """Run strides of items, each about `STRIDE_S` long, to read the clock rarely.

    Returns:
        Whether the data ended early.
    """
    source, failed = items if results is None else results, None if turn is None else turn.failed
    stride, stride_began = 1, perf_counter()
    while (left := end - len(out)) > 0:
        n_next = min(stride, left)
        if progress is not None and not progress(end - left - before, n_next, stride_began):
            return False
        expected = end - left + n_next
        loop(function, islice(source, n_next), out, failed)
        if len(out) < expected:
            if results is None or _has_ended(items):
                return True
            raise StopIteration  # an item raised it: extend() took it for the end
        now = perf_counter()
        if now >= deadline:
            return False
        took, stride_began = now - stride_began, now
        if single:
            continue
        if took < STRIDE_S / 2:
            stride = min(stride * 2, MAX_STRIDE)
        elif took > STRIDE_S * 2 and stride > 1:
            stride = max(1, int(stride * STRIDE_S / took))
    return False


def _is_quicker_from_python(function: Callable[..., Any]) -> bool:
    """Whether Python calls it faster than map() does, by a fifth where it is trivial.

    `str` has an instruction of its own.
    """
    return isinstance(function, (PYTHON_FUNCTION, BOUND_METHOD)) or function is str


def _has_ended(items: Iterator[Any]) -> bool:
    """Whether map() has come to the end of a list; other sequences do not get shorter.

    A list iterator at its end has dropped the list, and its `__reduce__` gives no position.
    """
    if isinstance(items, zip):
        return any(map(_has_ended, items.__reduce__()[1]))
    return isinstance(items, LIST_ITERATOR) and len(items.__reduce__()) < WITH_PLACE


def taking_turns(function: Callable[[Any], Any], turn: LockType) -> Callable[[Any], Any]:
    """The function under a lock, so that one thread at a time runs an item."""

    def in_turn(item: Any) -> Any:
        with turn:
            return function(item)

    return in_turn

"""Reports the progress of a call while it runs."""

from __future__ import annotations

from amorsize._engine.caller.handing_over import Consumer
from amorsize._host.signals import reraise_from_handler
from amorsize._profiles import memory_store
from amorsize._workers import nesting
from amorsize.progress import Progress, display
from amorsize.progress.time_left import TimeLeft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize._engine.caller.item_seeding import ItemSeeding
    from amorsize._engine.serving.workers import Workers
    from amorsize._engine.state.call import Call, Recorder
    from amorsize.progress.display import Display

#: How many items of a chunk are measured for their size, and how many of those to come.
LOOKED_AT, LOOKED_AT_AHEAD = 4, 200
#: How many items of the data are examined for kinds whose cost earlier calls have learned.
LOOKED_AT_FIRST = 32
#: A forecast is renewed after this many seconds, or once this many times as much is done. It is
#: counted down meanwhile.
FORECAST_S, GROWN = 0.5, 1.2
#: Seconds after which the pace of new workers can be measured.
NEW_S = 1.0
#: Seconds between two measurements of the sizes of items.
SIZED_S = 5e-3


def new(call: Call, recorder: Recorder, workers: Workers, seeding: ItemSeeding) -> Meter | None:
    """The meter for a call; None: nothing would show it."""
    consumer = Consumer(workers, seeding)
    asked = call.options.progress
    if asked is not True:
        assert callable(asked)
        return Meter(call, recorder, consumer, display.Callback(asked, recorder.warn, call.name))
    shown = None if nesting.is_inside() else display.chosen()
    return None if shown is None else Meter(call, recorder, consumer, shown)


def report_nothing(call: Call, recorder: Recorder) -> None:
    """Report a call without items, which is over before it begins, to a progress function."""
    if callable(asked := call.options.progress):
        nothing = Progress(
            name=call.name, n_done=0, n_items=0, left_s=0.0, done_share=1.0, is_over=True
        )
        display.Callback(asked, recorder.warn, call.name).end(nothing)


class Meter:
    """Reports how far a call is, on the terminal or to a function."""

    def __init__(self, call: Call, recorder: Recorder, consumer: Consumer, shown: Display) -> None:
        self._call, self._recorder, self._consumer = call, recorder, consumer
        self._display: Display | None = shown
        self._next_s, self._every_s = shown.first_s, shown.every_s
        self.n_failed = 0
        self._sized_s = self._forecast_s = -1.0
        self._n_then = 0  # items that were done at the last forecast
        self._left_s: float | None = None
        self._whole_s: float | None = None  # the work of all items
        self._n_workers, self._changed_s = 0, 0.0
        self._known = _known_costs(call)
        expected_s = None if call.known is None else call.known.traits.item_s
        self._time_left = TimeLeft(expected_s, sizes_are_costs=self._known is not None)

    # -- what happens -----------------------------------------------------------------------

    def done(self, start: int, n_items: int, wall_s: float, n_failed: int = 0) -> None:
        """Note that items from `start` on are done."""
        if not n_items:
            return
        now_s = self._call.now_s
        self.n_failed += n_failed
        size = None
        if now_s >= self._sized_s + SIZED_S:
            self._sized_s = now_s
            sizes = self._sizes(start, start + n_items, LOOKED_AT)
            size = sum(sizes) / len(sizes) if sizes else None
        self._time_left.done(now_s, n_items, wall_s, size)

    def update(self, *, is_beside: bool = False) -> None:
        """Show how far the call is, if that is due.

        Args:
            is_beside: Whether another thread than the calling one asks.
        """
        if self._display is None or (now_s := self._call.now_s) < self._next_s:
            return
        if is_beside and self._display.is_users:
            return
        self._next_s = now_s + self._every_s
        self._show(self._progress(now_s))

    def end(self) -> None:
        """Show how the call has ended."""
        if self._display is None:
            return
        progress = self._progress(self._call.now_s)
        if progress.n_items is not None and progress.n_done >= progress.n_items:
            progress = progress.replace(left_s=0.0, done_share=1.0)
        self._show(progress.replace(is_over=True), is_last=True)
        self._display = None

    def _show(self, progress: Progress, *, is_last: bool = False) -> None:
        assert self._display is not None
        show = self._display.end if is_last else self._display.show
        if self._display.is_users and not is_last:
            with self._consumer:
                show(progress)
            return
        try:
            show(progress)
        except (OSError, ValueError) as error:  # a closed terminal must not cost the results
            reraise_from_handler(error)
            self._display = None

    # -- how far it is ----------------------------------------------------------------------

    def _progress(self, now_s: float) -> Progress:
        call, results = self._call, self._call.work.results
        source = call.source
        n_items = source.n_read if source.all_read else None
        n_done = results.n_done
        is_old = now_s >= self._forecast_s + FORECAST_S or n_done > GROWN * self._n_then
        if n_items is not None and is_old:
            self._n_then = n_done
            self._foretell(now_s, max(0, n_items - n_done))
        items_per_s = self._time_left.pace.lately(now_s)
        backend, n_workers = self._workers()
        left_s = self._left_s
        if left_s is not None:
            left_s = max(0.0, left_s - (now_s - self._forecast_s))
        return Progress(
            name=call.name,
            n_done=n_done,
            n_items=n_items,
            n_failed=self.n_failed,
            n_retried=call.work.n_repeated,
            n_workers=n_workers,
            backend=backend,
            elapsed_s=now_s,
            items_per_s=None if items_per_s is None else items_per_s[0],
            left_s=left_s,
            done_share=self._done_share(n_items, n_done),
        )

    def _foretell(self, now_s: float, n_left: int) -> None:
        self._forecast_s, self._left_s, self._whole_s = now_s, None, None
        source = self._call.source
        first = max(self._call.work.results.n_in_order, 0)
        sizes = self._sizes(first, source.n_read, LOOKED_AT_AHEAD)
        work_left_s = self._time_left.work_left_s(n_left, sizes)
        if work_left_s is None:
            return
        self._whole_s = self._time_left.costs.wall_s + work_left_s
        if (n_workers := self._workers()[1]) != self._n_workers:
            self._n_workers, self._changed_s = n_workers, now_s
        is_new = now_s < self._changed_s + NEW_S
        self._left_s = self._time_left.left_s(now_s, work_left_s, n_workers, is_new=is_new)

    def _done_share(self, n_items: int | None, n_done: int) -> float | None:
        if n_items is None:
            return None
        if not n_items:
            return 1.0
        if not self._whole_s:
            return n_done / n_items
        return min(1.0, self._time_left.costs.wall_s / self._whole_s)

    def _workers(self) -> tuple[str, int]:
        """The kind of workers, and their number."""
        if not (pools := self._call.pools):
            return "serial", 0
        table = self._call.tuner.workers
        n_alive, backend = max((table.of(backend).n_alive, backend) for backend in pools)
        return (backend, n_alive) if n_alive else ("serial", 0)

    # -- sizes ------------------------------------------------------------------------------

    def _sizes(self, start: int, stop: int, n_most: int) -> list[float]:
        """The sizes of some items between `start` and `stop`, evenly spread, if they have one."""
        call = self._call
        stride = max(1, (stop - start + n_most - 1) // n_most)
        found = []
        for index in range(start + (stride - 1) // 2, stop, stride):
            size = self._size(index) if call.source.holds(index) else None
            if size is not None:
                found.append(size)
        return found

    def _size(self, index: int) -> float | None:
        cut = self._call.source.cut(index, index + 1)
        if not all(len(one) for one in cut):  # an item has shortened the list
            return None
        if self._known is not None:
            return self._known.size(cut)
        total = 0.0
        for one in cut:
            if (size := magnitude(one[0])) is None:
                return None
            total += size
        return total


class _KnownCosts:
    """The costs of each kind of item in earlier calls, for data with several kinds."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def size(self, cut: Sequence[Any]) -> float | None:
        """Nanoseconds that such an item took; None: unknown."""
        call, item = self._call, cut[0][0] if len(cut) == 1 else tuple(one[0] for one in cut)
        key = memory_store.key_of(call.func, item, call.item_kwargs)
        profile = memory_store.memory().profile(key)
        return None if profile is None else 1e9 * profile.traits.item_s


def _known_costs(call: Call) -> _KnownCosts | None:
    """The costs that earlier calls have learned, if they tell more than the sizes of items."""
    source = call.source
    if call.key is None or not source.all_read or call.options.retune:
        return None
    known, n = _KnownCosts(call), source.n_read
    looked_at = range(0, n, max(1, n // LOOKED_AT_FIRST))
    found = {known.size(source.cut(index, index + 1)) for index in looked_at}
    return known if len(found) > 1 and None not in found else None


def magnitude(item: Any) -> float | None:
    """The size of an item: the value of a number, else how much it holds; None: unknown."""
    kind = type(item)
    if kind.__module__ == "numpy" and hasattr(item, "dtype"):
        if item.shape or item.dtype.kind not in "iuf":
            return float(item.size)
        kind, item = float, float(item)
    if kind in (int, float):
        return abs(float(item)) if abs(item) < MOST else None  # None for NaN as well
    return float(len(item)) if kind in _HOLDING else None


#: Larger numbers do not measure the cost of an item.
MOST = 1e300
_HOLDING = (str, bytes, bytearray, list, tuple, dict, set, frozenset)

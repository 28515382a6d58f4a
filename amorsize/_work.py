"""The items of one call: handed out once each, taken back unstarted, results kept in order."""

from __future__ import annotations

from itertools import islice
from time import perf_counter

from amorsize.crews import weight
from amorsize.crews.base import Chunk, slice_of
from amorsize.errors import InvalidOptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

READ_AHEAD = 4096  # items read from an iterator before they are needed: beyond, the end is far off
READ_S = 2e-3  # and the longest that reading ahead may keep the caller from its workers
READ_BYTES = 64 << 20  # what items that were read ahead may take, about
KEPT_ITEMS = 8192  # items read and done are dropped in blocks of this size,
KEPT_BYTES = 16 << 20  # or of this many bytes


class Sliced:
    """Data that can be cut without touching its items: lists, tuples, ranges, arrays, Series."""

    def __init__(self, sequences: tuple[Sequence[Any], ...], n_items: int) -> None:
        self.sequences = sequences
        self.n_read = n_items
        self.item_bytes = 0  # of those that were read for this call
        self.all_read = self.is_quick = True

    def read(self, n_more: int, longest_s: float) -> None:
        """Nothing to do: all of it is there."""

    def would_wait(self) -> bool:
        """Whether the next item is known not to be there yet."""
        return False

    def window(self, start: int, stop: int) -> tuple[Sequence[Any], int]:  # noqa: ARG002
        """Sequences that hold the items `start` to `stop`, and the index of their first item."""
        return self.sequences, 0

    def cut(self, start: int, stop: int) -> tuple[Any, ...]:
        """Items `start` to `stop`, one sequence an iterable."""
        return slice_of(self.sequences, start, stop)

    def drop(self, before: int) -> None:
        """Nothing to drop: the data is the caller's."""


class Reading:
    """Data that comes out of an iterator; what was read is kept until its results are there."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        self._items: list[Any] = []
        self._first = 0  # index of _items[0]
        self.n_read = 0
        self.all_read = False
        self.is_quick = True  # its items come at once: reading ahead keeps nobody waiting
        self.item_bytes = 1  # what one takes, by those that were looked at lately
        self.error: Exception | None = None  # raised by the iterator instead of an item
        # Iterators of ours tell whether their next item would have to be waited for.
        self._would_wait: Callable[[], bool] | None = getattr(iterator, "would_wait", None)

    def would_wait(self) -> bool:
        """Whether the next item is known not to be there yet."""
        return self._would_wait is not None and self._would_wait()

    def read(self, n_more: int, longest_s: float) -> None:
        """Read up to `n_more` items, for about `longest_s`; at least one."""
        deadline = perf_counter() + longest_s
        block, read_bytes = 1, 0
        while n_more > 0 and not self.all_read:
            began = perf_counter()
            before = len(self._items)
            try:
                self._items.extend(islice(self._iterator, min(block, n_more)))
            except Exception as error:  # Ctrl-C, an exit: these do not wait for their turn
                self.error, self.all_read = error, True
            n_got = len(self._items) - before
            self.n_read += n_got
            n_more -= n_got
            if n_got < block and n_more > 0:
                self.all_read = True
            now = perf_counter()
            self.is_quick = now - began < READ_S
            if n_got:
                self.item_bytes = max(weight.of(self._items[-1]), self.item_bytes // 2)
                read_bytes += n_got * self.item_bytes
            if now >= deadline or read_bytes >= READ_BYTES:
                return
            if self._would_wait is not None:
                if self._would_wait():
                    return
            elif now - began >= longest_s / 8:
                continue
            if 2 * block * self.item_bytes <= READ_BYTES:
                block *= 2

    def window(self, start: int, stop: int) -> tuple[Sequence[Any], int]:
        """The items `start` to `stop`, and the index of the first."""
        return self.cut(start, stop), start

    def cut(self, start: int, stop: int) -> tuple[Any, ...]:
        """Items `start` to `stop`, as the one sequence they were read into."""
        return (self._items[start - self._first : stop - self._first],)

    def drop(self, before: int) -> None:
        """Forget items below an index: their results are there."""
        n_behind = before - self._first
        if n_behind >= KEPT_ITEMS or n_behind * self.item_bytes >= KEPT_BYTES:
            del self._items[:n_behind]
            self._first = before


def source_of(iterables: tuple[Any, ...], *, strict: bool) -> Sliced | Reading:
    """The data of a call, zipped to the shortest iterable as `map` does."""
    lengths = [_length_if_sliceable(one) for one in iterables]
    if None not in lengths:
        known = [length for length in lengths if length is not None]
        if strict and len(set(known)) > 1:
            raise InvalidOptionError(
                f"strict=True, and the iterables have {', '.join(map(str, known))} items. "
                "Pass iterables of one length, or leave out strict=True."
            )
        return Sliced(iterables, min(known))
    if len(iterables) == 1:
        return Reading(iter(iterables[0]))
    return Reading(zip(*iterables, strict=strict))


def _length_if_sliceable(data: Any) -> int | None:
    """The length of data whose slices hold what iterating it would give, else None."""
    kind = type(data)
    if kind in (list, tuple, range):
        return len(data)
    if (kind.__module__, kind.__name__) == ("numpy", "ndarray"):
        return len(data) if data.ndim else None
    if kind.__name__ == "Series" and kind.__module__.startswith("pandas."):
        return len(data)
    return None


class Work:
    """What is left of a call and what is done.

    Results that follow one another from the start are in `results`; what finished ahead of its
    turn waits beside them.
    """

    def __init__(self, source: Sliced | Reading, *, keeps_all: bool = True) -> None:
        self.source = source
        self.results: list[Any] = []
        self.n_given = 0  # results that a stream has passed on already
        self.n_done = 0
        self.n_repeated = 0  # items run once more, because their results were lost
        self.stop = None if not source.all_read else source.n_read  # no item from here on is run
        self.failure: tuple[int, BaseException] | None = None
        self.limit: int | None = None  # a stream's: no item from here on is handed out yet
        self._keeps_all = keeps_all
        self._next = 0
        self._back: list[tuple[int, int]] = []  # handed back, the lowest last
        self._alone: list[tuple[int, int]] = []  # to be tried again apart, item by item
        self._early: dict[int, list[Any]] = {}
        self._given_early: dict[int, int] = {}  # passed on ahead of their turn: start, how many

    # -- what is left -----------------------------------------------------------------------

    @property
    def n_left(self) -> int:
        """Items read and not handed out."""
        return self._end - self._next + sum(b - a for a, b in (*self._back, *self._alone))

    @property
    def _end(self) -> int:
        end = self.source.n_read if self.stop is None else min(self.stop, self.source.n_read)
        if self.limit is not None:
            end = min(end, self.limit)
        return max(end, self._next)

    @property
    def all_read(self) -> bool:
        """No more items will come."""
        return self.source.all_read or self.failure is not None

    @property
    def is_finished(self) -> bool:
        """Every item that is to be run has its result."""
        if not self.all_read:
            return False
        end = self.source.n_read if self.stop is None else min(self.stop, self.source.n_read)
        return self.n_given + len(self.results) >= end

    def read_ahead(self, longest_s: float = READ_S) -> None:
        """Read more of the data, as far as it is needed soon."""
        ahead = self.source.n_read - self._next
        room = READ_AHEAD - ahead
        if ahead and self.source.item_bytes * READ_AHEAD > READ_BYTES:
            room = READ_BYTES // self.source.item_bytes - ahead
        if self.limit is not None:
            room = min(room, self.limit - self.source.n_read)
        if room > 0 and not self.source.all_read:
            self.source.read(room, longest_s)

    # -- handing out ------------------------------------------------------------------------

    @property
    def has_suspect(self) -> bool:
        """An item whose worker died waits to be tried again."""
        return bool(self._alone)

    def take(self, n_items: int) -> Chunk:
        """Hand out up to `n_items` that follow one another."""
        if self._alone:
            start, stop = self._alone.pop()
            return Chunk(start=start, stop=stop)
        if self._back:
            start, stop = self._back.pop()
            end = min(stop, start + n_items)
            if end < stop:
                self._back.append((end, stop))
            return Chunk(start=start, stop=end)
        start = self._next
        self._next = min(self._end, start + n_items)
        return Chunk(start=start, stop=self._next)

    def items(self, chunk: Chunk) -> tuple[Any, ...]:
        """The items of a chunk, one sequence an iterable."""
        return self.source.cut(chunk.start, chunk.stop)

    def item(self, index: int) -> Any:
        """One item, for a message; a tuple where iterables are zipped."""
        cut = self.source.cut(index, index + 1)
        return cut[0][0] if len(cut) == 1 else tuple(one[0] for one in cut)

    def give_back(self, start: int, stop: int) -> None:
        """Take items back that were handed out and not started."""
        if self.stop is not None:
            stop = min(stop, self.stop)
        if start < stop:
            self._back.append((start, stop))
            self._back.sort(reverse=True)

    def try_alone(self, start: int, stop: int) -> None:
        """Have items run again in a chunk of their own, by a worker that is watched closely."""
        self._alone.append((start, stop))

    # -- results ----------------------------------------------------------------------------

    @property
    def n_in_order(self) -> int:
        """Items from the start whose results are there."""
        return self.n_given + len(self.results)

    def store(self, start: int, results: list[Any]) -> None:
        """Keep the results of items from `start` on."""
        if not results:
            return
        self.n_done += len(results)
        if start != self.n_in_order:
            self._early[start] = results
            return
        self.results.extend(results)
        self.catch_up()

    def catch_up(self) -> None:
        """Append what had finished ahead of its turn."""
        early, given = self._early, self._given_early
        while early or given:
            if (results := early.pop(self.n_in_order, None)) is not None:
                self.results.extend(results)
            elif not self.results and (n_items := given.pop(self.n_given, None)) is not None:
                self.n_given += n_items
            else:
                break
        self.source.drop(self.n_in_order)

    def fail(self, index: int, error: BaseException) -> None:
        """An item has failed: nothing above it is handed out any more; the lowest counts."""
        if self.failure is not None and self.failure[0] <= index:
            return
        self.failure = (index, error)
        self.stop = index if self.stop is None else min(self.stop, index)
        self._back = [(a, min(b, index)) for a, b in self._back if a < index]
        self._alone = [(a, min(b, index)) for a, b in self._alone if a < index]

    def computed(self) -> dict[int, Any]:
        """All results there are, by index."""
        found = dict(enumerate(self.results, self.n_given))
        for start, results in self._early.items():
            found.update(enumerate(results, start))
        return dict(sorted(found.items()))

    def take_any_results(self) -> list[Any]:
        """All results there are, whatever their place, which are then forgotten here."""
        found = self.take_results()
        while self._early:
            start, results = self._early.popitem()
            found.extend(results)
            self._given_early[start] = len(results)
        return found

    def take_results(self) -> list[Any]:
        """The results that are next in order, which are then forgotten here."""
        results, self.results = self.results, []
        self.n_given += len(results)
        self.catch_up()
        return results

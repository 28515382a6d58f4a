"""The items of one call, each handed out once."""

from __future__ import annotations

from amorsize._engine.data.ordered_results import OrderedResults
from amorsize._engine.data.source import READ_AHEAD, READ_BYTES, READ_S, Reading
from amorsize._workers.protocol import Chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._engine.data.file_names import FileNames
    from amorsize._engine.data.late_kinds import LateKinds
    from amorsize._engine.data.source import Sliced, Turn


class WorkQueue:
    """The items of a call that are left, and the results of those that are done."""

    def __init__(self, source: Sliced | Reading) -> None:
        self.source = source
        self.results = OrderedResults(source.drop)
        #: How many items ran once more because their results were lost.
        self.n_repeated = 0
        #: No item from here on is run.
        self.stop: int | None = None
        #: The lowest item that failed, with its exception.
        self.failure: tuple[int, BaseException] | None = None
        #: In a stream, no item from here on is handed out yet.
        self.limit: int | None = None
        #: The names of the files that items change, if it is not known that all differ.
        self.names: FileNames | None = None
        #: The kinds of items that may be in workers, if items of others may still be read.
        self.kinds: LateKinds | None = None
        #: No item from here on is handed out before all others are done, and why.
        self.waits: tuple[int, str] | None = None
        self._next = 0
        #: Ranges that were handed back, the lowest last.
        self._back: list[tuple[int, int]] = []
        #: Ranges to be tried again apart.
        self._alone: list[tuple[int, int]] = []

    # -- what is left -----------------------------------------------------------------------

    @property
    def n_left(self) -> int:
        """How many items were read and not handed out."""
        n_next = self._end - self._next
        if not self._back and not self._alone:  # as nearly always
            return n_next
        return n_next + sum(b - a for a, b in (*self._back, *self._alone))

    @property
    def _end(self) -> int:
        end = self.source.n_read if self.stop is None else min(self.stop, self.source.n_read)
        if self.limit is not None:
            end = min(end, self.limit)
        if self.waits is not None and self.results.n_in_order < self.waits[0]:
            end = min(end, self.waits[0])
        return end if end > self._next else self._next

    @property
    def all_read(self) -> bool:
        """Whether no more items will come."""
        return self.source.all_read or self.failure is not None

    @property
    def is_finished(self) -> bool:
        """Whether every item that is to be run has its result."""
        source = self.source
        if not source.all_read and self.failure is None:
            return False
        end = source.n_read if self.stop is None else min(self.stop, source.n_read)
        return self.results.n_in_order >= end

    def read_ahead(self, longest_s: float = READ_S) -> None:
        """Read more of the data if it is needed soon."""
        ahead = self.source.n_read - self._next
        room = READ_AHEAD - ahead
        if ahead and self.source.item_bytes * READ_AHEAD > READ_BYTES:
            room = READ_BYTES // self.source.item_bytes - ahead
        if self.limit is not None:
            room = min(room, self.limit - self.source.n_read)
        if room > 0 and not self.source.all_read:
            n_read = self.source.n_read
            self.source.read(room, longest_s)
            self.look_at(n_read)

    def look_at(self, start: int) -> None:
        """Have the first item from here on wait that may be in no worker before it is its turn.

        It changes a file of one before it, or is of a kind that belongs in the caller.
        """
        if self.waits is not None or (self.names is None and self.kinds is None):
            return
        items = rows_of(self.source.cut(start, self.source.n_read))
        if self.kinds is not None and (found := self.kinds.look(items)) is not None:
            self.waits = start + found[0], found[1]
        if self.names is not None:
            index, shared = self.names.look(items, start)
            self.names.drop(self.results.n_in_order)
            if shared and (self.waits is None or index < self.waits[0]):
                why = f"items change files whose names several of them share ({shared})"
                self.waits = index, why

    # -- handing out ------------------------------------------------------------------------

    @property
    def has_suspect(self) -> bool:
        """Whether an item whose worker has died waits to be tried again."""
        return bool(self._alone)

    def take(self, n_items: int, worker_number: int = 0) -> Chunk:
        """Hand out up to `n_items` consecutive items, to the worker with a number."""
        if self._alone:
            start, stop = self._alone.pop()
            return Chunk(start=start, stop=stop, worker_number=worker_number)
        if self._back:
            start, stop = self._back.pop()
            end = min(stop, start + n_items)
            if end < stop:
                self._back.append((end, stop))
            return Chunk(start=start, stop=end, worker_number=worker_number)
        start = self._next
        self._next = min(self._end, start + n_items)
        return Chunk(start=start, stop=self._next, worker_number=worker_number)

    def end_turn(
        self, turn: Turn, start: int, n_done: int, *, is_end: bool, error: Exception | None
    ) -> Chunk:
        """Note that items from `start` on were taken straight from the data."""
        assert isinstance(self.source, Reading)
        self.source.took(turn, n_done, is_end=is_end, error=error)
        self._next = self.source.n_read
        return Chunk(start=start, stop=self._next)

    def gave(self, n_items: int) -> None:
        """Note that the next items in order were taken, run and passed on elsewhere."""
        self.results.passed_by(n_items)
        n_given = self.results.n_given
        self._next = max(self._next, n_given)
        if isinstance(self.source, Reading):
            self.source.passed(n_given)

    def items(self, start: int, stop: int) -> tuple[Any, ...]:
        """Items `start` to `stop`, as one sequence per iterable."""
        return self.source.cut(start, stop)

    def item(self, index: int) -> Any:
        """One item, for a message; a tuple if iterables are zipped."""
        return first_of(self.source.cut(index, index + 1))

    def give_back(self, start: int, stop: int) -> None:
        """Take items back that were handed out and not started."""
        stop = min(stop, self.source.n_read)
        if self.stop is not None:
            stop = min(stop, self.stop)
        if start < stop:
            self._back.append((start, stop))
            self._back.sort(reverse=True)

    def try_alone(self, start: int, stop: int) -> None:
        """Have items run again in a chunk of their own, by a worker that is watched closely."""
        self._alone.append((start, stop))

    # -- ending ----------------------------------------------------------------------------

    def fail(self, index: int, error: BaseException) -> None:
        """Note the failure of an item. Later items are not handed out; the lowest one counts."""
        if self.failure is not None and self.failure[0] <= index:
            return
        self.failure = (index, error)
        self.end_at(index)

    def begin_again_at(self, index: int) -> None:
        """Forget the results of items from here on, and hand them out again."""
        self.failure = self.stop = None
        self.results.forget_from(index)
        self._cut(0)
        self._next = index

    def end_at(self, index: int) -> None:
        """Hand out no item from here on."""
        self.stop = index if self.stop is None else min(self.stop, index)
        self._cut(index)

    def follow(self) -> None:
        """Follow a change in the length of the data: missing items are not handed out."""
        self._cut(self.source.n_read)

    def _cut(self, index: int) -> None:
        self._back = [(a, min(b, index)) for a, b in self._back if a < index]
        self._alone = [(a, min(b, index)) for a, b in self._alone if a < index]


def first_of(items: tuple[Any, ...]) -> Any:
    """The first item of one sequence per iterable; a tuple if iterables are zipped."""
    return items[0][0] if len(items) == 1 else tuple(one[0] for one in items)


def rows_of(items: tuple[Any, ...]) -> Any:
    """The items themselves of one sequence per iterable; tuples if iterables are zipped."""
    return items[0] if len(items) == 1 else list(zip(*items, strict=False))

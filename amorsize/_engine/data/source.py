"""The data of one call."""

from __future__ import annotations

from itertools import chain, compress, islice, repeat

from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import perf_counter
from amorsize._workers.protocol import slice_of
from amorsize.errors import InvalidOptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from amorsize._engine.data.read_ahead import ReadAhead

#: The most items that are read from an iterator before they are needed.
READ_AHEAD = 4096
#: The most seconds that reading ahead may keep the caller from its workers.
READ_S = 2e-3
#: About the most bytes of items that are read ahead.
READ_BYTES = 64 << 20
GENERATOR: type = type(one for one in "")
#: Items that are done are dropped in blocks of this many.
KEPT_ITEMS = 8192
#: Items that are done are dropped once they take this many bytes.
KEPT_BYTES = 16 << 20


class Sliced:
    """Data that can be cut without touching its items: lists, tuples, ranges, arrays."""

    #: The index of the first item that is there.
    first = 0

    def __init__(self, sequences: tuple[Sequence[Any], ...], n_items: int) -> None:
        self.sequences = sequences
        self.n_read = n_items
        self.item_bytes = 0  # of those that were read for this call
        self.all_read = self.is_quick = True
        self.in_lockstep = self.tells = False
        self.read_s = 0.0
        self.ahead: ReadAhead | None = None  # nothing has to be read
        self.has_changed = False  # in length, since the call began
        self._may_change = any(type(one) is list for one in sequences)

    def changes(self) -> bool:
        """Whether its length has changed since this was last asked: items may change it."""
        if not self._may_change or (n_items := min(map(len, self.sequences))) == self.n_read:
            return False
        self.n_read, self.has_changed = n_items, True
        return True

    def read(self, n_more: int, longest_s: float) -> None:
        """Do nothing, as all of it is there."""

    def would_wait(self) -> bool:
        """Whether the next item is known not to be there yet."""
        return False

    def window(self, start: int, stop: int) -> tuple[Sequence[Any], int]:  # noqa: ARG002
        """Sequences that hold the items `start` to `stop`, and the index of their first item."""
        return self.sequences, 0

    def cut(self, start: int, stop: int) -> tuple[Any, ...]:
        """Items `start` to `stop`, as one sequence per iterable."""
        return slice_of(self.sequences, start, stop)

    def holds(self, index: int) -> bool:
        """Whether an item is available for a message."""
        return 0 <= index < self.n_read

    def drop(self, before: int) -> None:
        """Do nothing, as the data is the caller's."""


class Reading:
    """Data that comes from an iterator; items are kept until their results are there.

    Args:
        iterator: Of items, or of tuples of them.
        parts: The iterators that these come from, whether they run code when they go on or not.
    """

    in_lockstep: bool  # an item is read after the one before was run, as in a loop

    def __init__(self, iterator: Iterator[Any], parts: tuple[Any, ...] = ()) -> None:
        self.iterator = iterator
        self.ahead: ReadAhead | None = None  # a thread that reads, if the user has asked for that
        self.parts = parts
        self.in_lockstep = any(map(goes_in_lockstep, parts))
        self._items: list[Any] = []
        self.first = 0  # index of the first item that is kept
        self.n_read = 0
        self.all_read = False
        self.is_quick = True  # its items come at once, so reading ahead delays nothing
        self.item_bytes = 1  # the size of one, from recent samples
        self.error: Exception | None = None  # raised by the iterator instead of an item
        self.has_changed = False  # items that were read stay as they are
        # Iterators of ours tell whether their next item would have to be waited for.
        self._would_wait: Callable[[], bool] | None = getattr(iterator, "would_wait", None)
        self.is_one_by_one = False  # only of the next item it is known whether it is there
        self.read_s = 0.0  # seconds that reading one took recently

    def changes(self) -> bool:
        """Always False: items that were read stay, and the length is not known."""
        return False

    def would_wait(self) -> bool:
        """Whether the next item is known not to be there yet."""
        return self._would_wait is not None and self._would_wait()

    @property
    def tells(self) -> bool:
        """Whether the iterator can tell if its next item is there."""
        return self._would_wait is not None

    def ask(self, would_wait: Callable[[], bool]) -> None:
        """From now on, ask before each item, and read none that is not there yet."""
        self._would_wait, self.is_one_by_one = would_wait, True

    def read(self, n_more: int, longest_s: float) -> None:
        """Read up to `n_more` items, for about `longest_s`; at least one."""
        from amorsize._function import sizeof

        deadline = perf_counter() + longest_s
        block, read_bytes = 1, 0
        while n_more > 0 and not self.all_read:
            began = perf_counter()
            before = len(self._items)
            try:
                self._items.extend(islice(self.iterator, min(block, n_more)))
            except Exception as error:  # Ctrl-C and exits are raised at once
                reraise_from_handler(error)
                self.error, self.all_read = error, True
            n_got = len(self._items) - before
            self.n_read += n_got
            n_more -= n_got
            if n_got < block and n_more > 0:
                self.all_read = True
            now = perf_counter()
            self.is_quick = now - began < READ_S
            if n_got:
                self.read_s = (now - began) / n_got
                self.item_bytes = max(sizeof.of(self._items[-1]), self.item_bytes // 2)
                read_bytes += n_got * self.item_bytes
            if now >= deadline or read_bytes >= READ_BYTES:
                return
            if self._would_wait is not None:
                if self._would_wait():
                    return
            elif now - began >= longest_s / 8:
                continue
            if 2 * block * self.item_bytes <= READ_BYTES and not self.is_one_by_one:
                block *= 2

    def turn(self, start: int, n_items: int, *, is_numbered: bool) -> Turn:
        """Items from `start` on, each read after the one before was run.

        An item that was already read comes first, and counts as unread until the turn is over.
        """
        iterator, held = self.iterator, self._items[start - self.first :]
        if held:
            iterator = chain(held, iterator)
        self._items, self.first, self.n_read = [], start, start
        return Turn(iterator, self.parts, n_items, start if is_numbered else None)

    def took(self, turn: Turn, n_done: int, *, is_end: bool, error: Exception | None) -> None:
        """Note what a turn has read and run; keeps the item that has failed for its message."""
        self.n_read += n_done + turn.fails
        self.first = self.n_read
        if turn.has_failed:
            self._items, self.first = [turn.item], self.n_read - 1
        if is_end or error is not None:
            self.ended(error)

    def passed(self, index: int) -> None:
        """Note that items up to this one were read elsewhere and are done."""
        if index > self.n_read:
            self.n_read = index
        self._items, self.first = self._items[index - self.first :], index

    def hold(self, index: int, item: Any) -> None:
        """Keep an item that was read elsewhere, for a message."""
        self._items, self.first, self.n_read = [item], index, index + 1

    def ended(self, error: Exception | None) -> None:
        """Note that the iterator, read elsewhere, has ended or has raised."""
        self.error, self.all_read = error, True

    def window(self, start: int, stop: int) -> tuple[Sequence[Any], int]:
        """The items `start` to `stop`, and the index of the first."""
        return self.cut(start, stop), start

    def cut(self, start: int, stop: int) -> tuple[Any, ...]:
        """Items `start` to `stop`, as the one sequence they were read into."""
        return (self._items[start - self.first : stop - self.first],)

    def rest(self) -> Iterator[Any]:
        """What is left, for a plain loop."""
        yield from self._items
        yield from self.iterator

    def holds(self, index: int) -> bool:
        """Whether an item is available for a message."""
        return self.first <= index < self.first + len(self._items)

    def drop(self, before: int) -> None:
        """Forget items below an index: their results are there."""
        n_behind = before - self.first
        if n_behind >= KEPT_ITEMS or n_behind * self.item_bytes >= KEPT_BYTES:
            del self._items[:n_behind]
            self.first = before


class Turn:
    """Items that go from an iterator into a function one by one.

    Args:
        iterator: The source of the items.
        parts: The iterators behind it.
        n_items: The most items to take.
        start: The index of the first, if items go with their indices; None: they go alone.
    """

    def __init__(
        self, iterator: Iterator[Any], parts: tuple[Any, ...], n_items: int, start: int | None
    ) -> None:
        self._start = start
        self.item: Any = None  # the latest one that has failed
        self.has_failed = False
        self.fails = False  # whether an item has raised, and errors are not results
        loud = [one for one in parts if goes_in_lockstep(one)]
        # A generator tells whether it runs. For other iterators, the items read are counted.
        self._generators = loud if all(type(one) is GENERATOR for one in loud) else None
        self._ticks, self._n_ticks = repeat(True, n_items + 1), n_items + 1
        if self._generators is None:
            iterator = compress(iterator, self._ticks)  # reads an item, then takes a tick
        self._items = iterator

    def __iter__(self) -> Iterator[Any]:
        return self._items if self._start is None else enumerate(self._items, self._start)

    def failed(self, item: Any) -> None:
        """Note that this item was read and has failed."""
        self.item, self.has_failed = item if self._start is None else item[1], True
        self.fails = True

    def is_in_item(self, n_done: int) -> bool:
        """Whether the item after this many is being run rather than read."""
        if self._generators is None:
            return self._n_ticks - self._ticks.__length_hint__() > n_done
        return not any(one.gi_running for one in self._generators)


#: Iterators that run no code when they go on, and give items that existed before.
QUIET = frozenset(
    {f"builtins.{name}_iterator" for name in ("list", "tuple", "range", "longrange", "set")}
    | {f"builtins.{name}_iterator" for name in ("str", "str_ascii", "bytes", "bytearray", "memory")}
    | {f"builtins.dict_{name}iterator" for name in ("key", "value", "item")}
    | {f"builtins.dict_reverse{name}iterator" for name in ("key", "value", "item")}
    | {"builtins.list_reverseiterator", "builtins.odict_iterator", "array.arrayiterator"}
    | {"_collections._deque_iterator", "_collections._deque_reverse_iterator"}
    | {"itertools.count", "itertools.repeat"}
)


#: Those of them that raise if what they go through has changed its length.
_NOTICING = frozenset(
    {f"builtins.dict_{name}iterator" for name in ("key", "value", "item")}
    | {f"builtins.dict_reverse{name}iterator" for name in ("key", "value", "item")}
    | {"builtins.set_iterator", "builtins.odict_iterator"}
    | {"_collections._deque_iterator", "_collections._deque_reverse_iterator"}
)


def goes_in_lockstep(iterator: Any) -> bool:
    """Whether an iterator has to wait for items, which may change what it gives, or end it."""
    return not is_quiet(iterator) or _name_of_type(iterator) in _NOTICING


def is_quiet(iterator: Any) -> bool:
    """Whether an iterator runs no code when it goes on, and gives items that existed before."""
    return _name_of_type(iterator) in QUIET or hasattr(iterator, "would_wait")


def _name_of_type(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}"


def source_of(
    iterables: tuple[Any, ...], *, strict: bool, read_ahead: int | None = None
) -> Sliced | Reading:
    """The data of a call, zipped to the shortest iterable as `map` does.

    `read_ahead` is the number of items that a thread of its own may read before they are needed.
    """
    lengths = [_length_if_sliceable(one) for one in iterables]
    if None not in lengths:
        known = [length for length in lengths if length is not None]
        if strict and len(set(known)) > 1:
            raise InvalidOptionError(
                f"strict=True, and the iterables have {', '.join(map(str, known))} items. "
                "Pass iterables of one length, or leave out strict=True."
            )
        return Sliced(iterables, min(known))
    parts = tuple(map(iter, iterables))
    iterator = parts[0] if len(parts) == 1 else zip(*parts, strict=strict)
    if read_ahead is None:
        return Reading(iterator, parts)
    from amorsize._engine.data.read_ahead import ReadAhead

    ahead = ReadAhead(iterator, read_ahead)
    source = Reading(ahead, (ahead,))
    source.ahead = ahead
    return source


def _length_if_sliceable(data: Any) -> int | None:
    """The length of data whose slices hold the same items as iterating; None: it is other data."""
    kind = type(data)
    if kind in (list, tuple, range):
        return len(data)
    if (kind.__module__, kind.__name__) == ("numpy", "ndarray"):
        return len(data) if data.ndim else None
    return None

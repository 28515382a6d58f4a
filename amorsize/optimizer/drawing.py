"""Which items of the data make up a sample."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from amorsize._engine.data.source import READ_AHEAD, READ_S, Reading, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Drawn:
    """A few items of the data.

    Of an iterator some items are read ahead; `data` gives all of them nevertheless.
    """

    def __init__(self, data: Any, size: int) -> None:
        self.data = data
        source = source_of((data,), strict=False)
        if isinstance(source, Reading) and hasattr(type(data), "__len__"):
            source = source_of((list(data),), strict=False)  # a set, a deque, a view of a dict
        has_failed = isinstance(source, Reading) and self._read(source, size)
        is_whole = source.all_read and not has_failed
        #: How many items there are; None where the data does not tell before it ends.
        self.n_items: int | None = source.n_read if is_whole else None
        self.indices = _spread(source.n_read, min(size, source.n_read), is_whole)
        self.items = [source.cut(i, i + 1)[0][0] for i in self.indices]
        #: Where workers find the items by themselves; None where the items have to be sent.
        self.sequences: tuple[Sequence[Any], ...] | None = (
            None if isinstance(source, Reading) else source.sequences
        )

    def _read(self, source: Reading, size: int) -> bool:
        """Read at least a sample; whether the data failed on the way."""
        source.read(READ_AHEAD, READ_S)
        if source.n_read < size and not source.all_read:
            source.read(size - source.n_read, float("inf"))
        if iter(self.data) is self.data:  # an iterator: what was read is gone from it
            self.data = _all_of(source, self.data)
        return source.error is not None


def _spread(n_items: int, n_sampled: int, is_whole: bool) -> list[int]:
    """Indices of the sample: evenly over all of the data, or its first where there may be more."""
    if not is_whole:
        return list(range(n_sampled))
    return [(2 * i + 1) * n_items // (2 * n_sampled) for i in range(n_sampled)]


def _all_of(source: Reading, rest: Iterator[Any]) -> Iterator[Any]:
    """What was read, and what an iterator has left; an error in its place."""
    read = source.cut(0, source.n_read)[0]
    if source.error is not None:
        return chain(read, _raising(source.error))
    return chain(read, rest)


def _raising(error: Exception) -> Iterator[Any]:
    raise error
    yield  # pragma: no cover - makes this a generator

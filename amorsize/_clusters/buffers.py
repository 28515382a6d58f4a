"""Large pieces of memory that travel beside a pickle, uncopied where the executor can do that."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Items and results from this size on go straight to a worker or from it, where that is possible.
LARGE_BYTES = 1 << 20


class Buffer:
    """Memory that an executor sends.

    Args:
        data: Bytes, or a view on them.
        is_writable: Whether who receives it may write into it.
    """

    def __init__(self, data: Any, is_writable: bool = False) -> None:
        self.data, self.is_writable = data, is_writable

    def __len__(self) -> int:
        return len(self.data)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if protocol < 5:  # as multiprocessing asks for
            return Buffer, (bytes(self.data), self.is_writable)
        import pickle

        return Buffer, (pickle.PickleBuffer(self.data), self.is_writable)

    def received(self) -> Any:
        """The memory that was sent: a copy if it may be written into."""
        return bytearray(self.data) if self.is_writable else self.data


class LargeBytes:
    """An item that is nothing but bytes, which pickle would copy."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __reduce_ex__(self, protocol: Any) -> Any:
        import pickle

        return bytes, (pickle.PickleBuffer(self._data),)


def apart(columns: tuple[Any, ...]) -> tuple[Any, ...]:
    """Items with each large one of bytes in a form that leaves them beside a pickle.

    Args:
        columns: A sequence of items for each iterable.
    """
    return tuple(map(_apart, columns))


def _apart(items: Any) -> Any:
    if type(items) not in (list, tuple) or not any(map(_is_large, items)):
        return items
    return [LargeBytes(one) if _is_large(one) else one for one in items]


def _is_large(item: Any) -> bool:
    return type(item) is bytes and len(item) >= LARGE_BYTES

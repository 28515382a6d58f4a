"""Random streams by item: what an item draws depends on its index, not on where it runs."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_GOLDEN, _MIX, _MASK = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, (1 << 64) - 1


def seeded(function: Callable[[Any], Any], seed: int) -> Callable[[tuple[int, Any]], Any]:
    """The function of (index, item) that seeds the global generators before each item."""
    import random

    def with_stream(indexed: tuple[int, Any]) -> Any:
        index, item = indexed
        mixed = _mixed(seed, index)
        random.seed(mixed)
        if (numpy_random := _of_numpy()) is not None:
            numpy_random.seed([mixed & 0xFFFFFFFF, mixed >> 32])
        return function(item)

    return with_stream


def _of_numpy() -> Any:
    """numpy's generators, once numpy is loaded: it loads these itself when they are first named."""
    return getattr(sys.modules.get("numpy"), "random", None)


def _mixed(seed: int, index: int) -> int:
    """One 64-bit number for a seed and an index (the finaliser of splitmix64)."""
    value = (seed * _GOLDEN + (index + 1) * _MIX) & _MASK
    value = ((value ^ (value >> 30)) * _MIX) & _MASK
    return value ^ (value >> 31)


class KeptStreams:
    """Puts the caller's own random state back after a call that seeded it."""

    def __init__(self) -> None:
        import random

        self._state = random.getstate()
        numpy_random = _of_numpy()
        self._numpy_state = None if numpy_random is None else numpy_random.get_state()

    def put_back(self) -> None:
        """Restore what was saved."""
        import random

        random.setstate(self._state)
        if self._numpy_state is not None:
            sys.modules["numpy.random"].set_state(self._numpy_state)

"""Notes what the garbage collector closes while an item runs, which no item has closed.

Unreferenced files and connections that are part of a cycle stay open until the collector runs. It
runs after a number of new objects, whoever has made them.
"""

from __future__ import annotations

import gc
from _weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


class ClosedByCollector:
    """Compares open descriptors before and after each pass of the collector.

    Args:
        looked_at: Which file is open at each descriptor.
        identity: Which file is open at one; None if it is closed.

    Attributes:
        closed: The descriptors that were closed in a pass.
    """

    def __init__(self, looked_at: Mapping[int, Any], identity: Callable[[int], Any | None]) -> None:
        self.closed: set[int] = set()
        self._looked_at, self._identity = looked_at, identity
        self._open: Iterable[int] = ()
        me = ref(self)  # weak, as an interrupted item never calls `end`

        def note(phase: str, _: dict[str, int]) -> None:
            if (watcher := me()) is not None:
                watcher._note(phase)

        self._told = note
        gc.callbacks.append(note)

    def end(self) -> None:
        """Stop comparing."""
        if self._told in gc.callbacks:
            gc.callbacks.remove(self._told)

    __del__ = end

    def _note(self, phase: str) -> None:
        if phase == "start":
            self._open = [one for one, known in self._looked_at.items() if self._is(one, known)]
        else:
            looked_at = self._looked_at
            self.closed.update(one for one in self._open if not self._is(one, looked_at[one]))
            self._open = ()

    def _is(self, descriptor: int, known: Any) -> bool:
        return bool(self._identity(descriptor) == known)

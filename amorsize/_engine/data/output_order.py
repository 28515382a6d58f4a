"""Shows the output of items in the order of the items, whoever ran them.

The output of a chunk is held until all items before it are done. A log record also waits while the
caller runs an item, as handlers that the item has added would get it.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock

from amorsize._workers import diverted_output, stream_calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._workers.stream_calls import Call


class Printed:
    """The output of the items of one call that is not shown yet."""

    def __init__(self) -> None:
        self._held: dict[int, list[_Said]] = {}  # by the first item of the chunk
        self._lock = allocate_lock()  # an item in the caller adds to it while others are served
        self.has_held = False  # whether any output was ever held
        self._shown = 0  # all output of items below this index was shown
        self._is_inside = False  # whether the caller runs items
        self._holding: _Holding | None = None  # takes the output of the caller's items

    def take(self, start: int, calls: list[Call]) -> None:
        """Take what a chunk beginning at `start` has written."""
        self._add(start, _Said(lambda: stream_calls.repeat(calls), is_record=False))

    def take_record(self, start: int, fields: dict[str, Any]) -> None:
        """Take a log record or a warning of a chunk beginning at `start`, from a worker process."""
        from amorsize._workers.processes.child_setup import handle_record

        self.take_shown(start, lambda: handle_record(fields))

    def take_shown(self, start: int, show: Callable[[], None]) -> None:
        """Take a log record or a warning of a chunk beginning at `start`, with what shows it."""
        self._add(start, _Said(show, is_record=True))

    def enter(self) -> None:
        """Note that the caller begins to run items."""
        self._is_inside = True

    def leave(self) -> None:
        """Note that the caller has stopped running items, and show what has waited for that."""
        self._is_inside = False
        self.release(self._shown)

    def release(self, n_in_order: int) -> None:
        """Show the output of each chunk before which all items are done."""
        self._shown = n_in_order
        if not self._held:
            return
        with diverted_output.Undiverted():
            while (due := self._next_due()) is not None:
                start, said = due
                while said and not (self._is_inside and said[0].is_record):
                    said.pop(0).show()
                if said:
                    with self._lock:
                        self._held[start] = said + self._held.get(start, [])
                    return

    def _next_due(self) -> tuple[int, list[_Said]] | None:
        with self._lock:
            start = min(self._held, default=sys.maxsize)
            return (start, self._held.pop(start)) if start <= self._shown else None

    def release_all(self) -> None:
        """Show all that is left, as the call is over."""
        self.leave()
        self.release(sys.maxsize - 1)

    def hold(self, start: int) -> None:
        """Hold the output of items in the caller from now on, as that of a chunk at `start`."""
        if "logging" in sys.modules:
            from amorsize._workers.processes.child_setup import note_handlers

            note_handlers()
        self._holding = _Holding(self, start)
        diverted_output.begin()
        diverted_output.divert(self._holding)

    def let_go(self) -> None:
        """Let items in the caller write to the program's streams again."""
        holding, self._holding = self._holding, None
        if holding is not None:
            diverted_output.restore()
            diverted_output.end()
            holding.pieces.hand_on()

    def add_here(self, start: int, show: Callable[[], None], *, is_record: bool) -> None:
        """Hold what an item in the caller writes, until that is shown from outside of it."""
        with self._lock:
            self._held.setdefault(start, []).append(_Said(show, is_record=is_record))
        self.has_held = True

    def _add(self, start: int, said: _Said) -> None:
        with self._lock:
            self._held.setdefault(start, []).append(said)
        self.has_held = True
        self.release(self._shown)


class _Said:
    """Calls of a stream, a warning or a log record."""

    __slots__ = ("is_record", "show")

    def __init__(self, show: Callable[[], None], *, is_record: bool) -> None:
        self.show, self.is_record = show, is_record


class _Holding:
    """Holds the output of items in the caller that run ahead of their turn."""

    def __init__(self, printed: Printed, start: int) -> None:
        self._printed, self._start = printed, start
        self.pieces = stream_calls.Pieces(self._take)
        self.call = self.pieces.call

    def _take(self, calls: list[Call]) -> None:
        self._add(lambda: stream_calls.repeat(calls), is_record=False)

    def record(self, logger: Any, record: Any) -> None:
        """Pass a record at once to handlers that an item has added, and to all others in order."""
        from amorsize._workers.processes.child_setup import handle_here

        if not handle_here(logger, record) or logger.hasHandlers():
            self.pieces.hand_on()
            self._add(lambda: logger.callHandlers(record), is_record=True)

    def warning(self, warning: Any) -> None:
        """Hold a warning."""
        from amorsize._workers import worker_warnings

        self.pieces.hand_on()
        show = worker_warnings.held(warning)
        self._add(show, is_record=True)

    def _add(self, show: Callable[[], None], *, is_record: bool) -> None:
        self._printed.add_here(self._start, show, is_record=is_record)

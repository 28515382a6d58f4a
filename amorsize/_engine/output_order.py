"""Shows the output of items in the order of the items, whoever ran them.

The output of a chunk is held until all items before it are done. A log record also waits while the
caller runs an item, as handlers that the item has added would get it.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from amorsize._host.replacement import Replacement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

STREAMS = ("stdout", "stderr")


class Printed:
    """The output of the items of one call that is not shown yet."""

    def __init__(self) -> None:
        self._held: dict[int, list[_Said]] = {}  # by the first item of the chunk
        self.has_held = False  # whether any output was ever held
        self._shown = 0  # all output of items below this index was shown
        self._is_inside = False  # whether the caller runs items
        self._real: dict[str, Any] = {}  # the program's streams, while they are replaced
        self._call_handlers: Callable[..., None] | None = None  # logging's own, in the same way

    def take(self, start: int, stream: str, text: str) -> None:
        """Take text that a chunk beginning at `start` has printed."""
        self._add(start, _Said(lambda: self._write(stream, text), is_record=False))

    def take_record(self, start: int, fields: dict[str, Any]) -> None:
        """Take a log record of a chunk beginning at `start`, from a worker."""
        from amorsize._workers.child_setup import handle_record

        self._add(start, _Said(lambda: handle_record(fields), is_record=True))

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
        for start in sorted(start for start in self._held if start <= n_in_order):
            said = self._held.pop(start)
            while said and not (self._is_inside and said[0].is_record):
                said.pop(0).show()
            if said:
                self._held[start] = said
                return

    def release_all(self) -> None:
        """Show all that is left, as the call is over."""
        self.leave()
        self.release(sys.maxsize)

    def hold(self, start: int) -> None:
        """Hold the output of items in the caller from now on, as that of a chunk at `start`."""
        for name in STREAMS:
            stream = getattr(sys, name)
            if stream is not None and name not in self._real:
                self._real[name] = stream
                setattr(sys, name, _Held(self, start, name, stream))
        if hasattr(logging := sys.modules.get("logging"), "Logger"):
            self._hold_records(logging, start)

    def let_go(self) -> None:
        """Restore the program's streams, unless an item has replaced them."""
        for name, stream in self._real.items():
            if type(getattr(sys, name)) is _Held:
                setattr(sys, name, stream)
        self._real.clear()
        if self._call_handlers is not None:
            sys.modules["logging"].Logger.callHandlers = self._call_handlers
            self._call_handlers = None

    def _hold_records(self, logging: Any, start: int) -> None:
        """Pass records at once to handlers that an item has added, and to all others in order."""
        from amorsize._workers.child_setup import handle_here, note_handlers

        call_handlers, thread = logging.Logger.callHandlers, get_ident()
        note_handlers()

        def held(logger: Any, record: Any) -> None:
            if get_ident() != thread:
                call_handlers(logger, record)
            elif not handle_here(logger, record) or logger.hasHandlers():
                said = _Said(lambda: call_handlers(logger, record), is_record=True)
                self._add(start, said)

        self._call_handlers = call_handlers
        logging.Logger.callHandlers = held

    def _add(self, start: int, said: _Said) -> None:
        self._held.setdefault(start, []).append(said)
        self.has_held = True
        self.release(self._shown)

    def _write(self, stream: str, text: str) -> None:
        shown = self._real.get(stream) or getattr(sys, stream)
        if shown is None:
            return
        data = text.encode("utf-8", "surrogateescape")
        if text.isascii() or data.decode("utf-8", "replace") == text or not _has_bytes(shown):
            shown.write(text)
        else:  # bytes that an item has written to the binary stream below
            shown.flush()
            shown.buffer.write(data)
            shown.buffer.flush()


def _has_bytes(stream: Any) -> bool:
    return hasattr(stream, "buffer")


class _Said:
    """One text or log record."""

    __slots__ = ("is_record", "show")

    def __init__(self, show: Callable[[], None], *, is_record: bool) -> None:
        self.show, self.is_record = show, is_record


class _Held(Replacement):
    """A stream that holds its text and passes everything else to the program's stream."""

    def __init__(self, printed: Printed, start: int, name: str, stream: Any) -> None:
        self._printed, self._start, self._name, self.replaces = printed, start, name, stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.replaces, name)

    def write(self, text: str) -> int:
        """Hold a text until its turn comes."""
        self._printed.take(self._start, self._name, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Hold several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: text is shown when its turn comes."""

"""Holds what items print until all before them are done, and their log beside an item here."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

STREAMS = ("stdout", "stderr")


class Printed:
    """The text that the items of one call have printed and that is not shown yet."""

    def __init__(self) -> None:
        self._held: dict[int, list[tuple[str, str]]] = {}  # by the first item of the chunk
        self._records: list[dict[str, Any]] = []  # of the log, that wait for the caller's item
        self._shown = 0  # items whose text was let go
        self._real: dict[str, Any] = {}  # the program's streams, while ours stand in their place

    def take(self, start: int, stream: str, text: str) -> None:
        """Take what a chunk that begins at `start` has printed."""
        self._held.setdefault(start, []).append((stream, text))
        self.release(self._shown)

    def release(self, n_in_order: int) -> None:
        """Show the text of chunks before which all items are done."""
        self._shown = n_in_order
        if not self._held:
            return
        for start in sorted(start for start in self._held if start <= n_in_order):
            for stream, text in self._held.pop(start):
                shown = self._real.get(stream) or getattr(sys, stream)
                if shown is not None:
                    shown.write(text)

    def release_all(self) -> None:
        """Show what is left: the call is over."""
        self.release(sys.maxsize)
        self.release_records()

    def take_record(self, record: dict[str, Any], *, is_inside: bool) -> None:
        """Take a log record; inside an item of the caller's it waits.

        A handler that this item has added for itself would get it otherwise.
        """
        self._records.append(record)
        if not is_inside:
            self.release_records()

    def release_records(self) -> None:
        """Give log records to the caller's handlers."""
        if not self._records:
            return
        from amorsize.crews.after_fork import handle_record

        records, self._records = self._records, []
        for record in records:
            handle_record(record)

    def hold(self, start: int) -> None:
        """Hold what the caller's own items print from here on, of a chunk beginning at `start`."""
        for name in STREAMS:
            stream = getattr(sys, name)
            if stream is not None and name not in self._real:
                self._real[name] = stream
                setattr(sys, name, _Held(self, start, name, stream))

    def let_go(self) -> None:
        """Put the program's streams back, unless an item has put others there."""
        for name, stream in self._real.items():
            if type(getattr(sys, name)) is _Held:
                setattr(sys, name, stream)
        self._real.clear()


class _Held:
    """A stream that keeps its text; in all else it is the program's."""

    def __init__(self, printed: Printed, start: int, name: str, stream: Any) -> None:
        self._printed, self._start, self._name, self._stream = printed, start, name, stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Hold the text until its turn comes."""
        self._printed.take(self._start, self._name, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Hold several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is to be done: text is shown when its turn comes."""

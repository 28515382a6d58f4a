"""Sends what a worker thread writes, logs or warns of to the caller, who shows it in order."""

from __future__ import annotations

import sys
from _contextvars import copy_context

from amorsize._workers import diverted_output, stream_calls
from amorsize._workers.protocol import Held, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._workers.protocol import Event
    from amorsize._workers.stream_calls import Call

#: Types of values that do not change until the record is formatted.
_PLAIN = (str, int, float, bool, bytes, type(None))


class ThreadOutput:
    """The output of one chunk.

    Args:
        send: Takes the events.
        start: The first item of the chunk.
        caller: The thread that a loop would run in.
    """

    def __init__(self, send: Callable[[Event], None], start: int, caller: int) -> None:
        self._send, self._start, self._caller = send, start, caller
        self.pieces = stream_calls.Pieces(self._send_calls)
        self.call = self.pieces.call

    def __enter__(self) -> None:
        """Take what this thread writes."""
        diverted_output.divert(self)

    def __exit__(self, *_: object) -> None:
        """Send what is left."""
        diverted_output.restore()
        self.pieces.hand_on()

    def _send_calls(self, calls: list[Call]) -> None:
        self._send(Text(calls=calls, start=self._start))

    def record(self, logger: Any, record: Any) -> None:
        """Send a log record, as if the caller's thread had made it.

        Filters and formatters see the context variables of the item, and its arguments as they are.
        """
        args = record.args
        if args and not (type(args) is tuple and all(type(one) in _PLAIN for one in args)):
            record.msg, record.args = record.getMessage(), None
        if (thread := sys.modules["threading"]._active.get(self._caller)) is not None:
            record.thread, record.threadName = self._caller, thread.name
        context = copy_context()
        self._hold(lambda: context.run(logger.callHandlers, record))

    def warning(self, warning: Any) -> None:
        """Send a warning."""
        from amorsize._workers import worker_warnings

        self._hold(worker_warnings.held(warning))

    def _hold(self, show: Callable[[], None]) -> None:
        self.pieces.hand_on()
        self._send(Held(show=show, start=self._start))

"""Forwards the output of a new worker process to its caller."""

from __future__ import annotations

import gc
import io
import sys
from marshal import dumps

from amorsize._host import signals
from amorsize._host.unpatched import kernel
from amorsize._workers import (
    diverted_output,
    nesting,
    stream_calls,
    worker_numbers,
    worker_warnings,
)
from amorsize._workers.carried_state.stream_encoding import encoding_of
from amorsize._workers.messages import framing, serialization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._workers.messages.pipe_ends import End
    from amorsize._workers.stream_calls import Call, Pieces


def settle(writing: End) -> None:
    """Set up a fork as a worker whose output goes through its pipe."""
    gc.freeze()  # collecting inherited objects would copy their pages
    nesting.enter_process()
    worker_numbers.set_for_process(worker_numbers.next_number())
    signals.leave_to_caller()
    _begin_multiprocessing()
    if (numpy_random := serialization.loaded("numpy.random")) is not None:
        numpy_random.seed()  # unlike `random`, numpy does not reseed itself after a fork
    diverted_output.divert_process(stream_calls.Pieces(_sender(writing)))
    _forward_others(writing)


def leave() -> None:
    """Flush what is buffered, as the process ends without the clean-up of Python."""
    from amorsize._workers.processes.worker_main import flush_streams

    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util._run_finalizers()  # threads still write what items have put into queues
    flush_streams()


def has_to_flush() -> bool:
    """Whether a thread may still write what items have put into a queue of multiprocessing."""
    util = sys.modules.get("multiprocessing.util")
    return util is not None and bool(util._finalizer_registry)


def _begin_multiprocessing() -> None:
    """Reset multiprocessing as in one of its own processes.

    The threads of its queues and its list of children belong to the caller.
    """
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util._finalizer_registry.clear()
        sys.modules["multiprocessing.process"]._children = set()  # type: ignore[attr-defined]
        util._run_after_forkers()


def forward_output(writing: End) -> None:
    """In a new interpreter: forward output, log records and warnings to the caller."""
    pieces = stream_calls.Pieces(_sender(writing))
    for slot in stream_calls.SLOTS:
        setattr(sys, slot, Forwarder(pieces, slot, getattr(sys, slot)))
    diverted_output.forward_process(pieces)
    _forward_others(writing)


def _forward_others(writing: End) -> None:
    if "logging" in sys.modules:
        forward_records(writing)
    worker_warnings.forward(writing)


def _sender(writing: End) -> Callable[[list[Call]], None]:
    """What sends calls of streams to the caller."""
    return lambda calls: framing.write(writing.number(), framing.TEXT, dumps(calls))


class Forwarder(io.TextIOBase):
    """A text stream that is forwarded to the caller's."""

    encoding: Any = None  # these two of the base class cannot be set
    errors: Any = None
    mode = "w"
    line_buffering, write_through = True, False

    def __init__(self, pieces: Pieces, slot: str, callers: Any) -> None:
        self._pieces, self._slot = pieces, slot
        self.follow(*encoding_of(callers))
        self._pid = kernel.getpid()
        self._number = 1 if "out" in slot else 2
        self.name = "<stdout>" if "out" in slot else "<stderr>"
        self.buffer = ForwardedBytes(self)

    def follow(self, encoding: str | None, errors: str | None) -> None:
        """Take over the encoding of the caller's stream, which does the encoding."""
        self.encoding, self.errors = encoding, errors

    def writable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """The caller's descriptor, for programs that an item starts."""
        self._pieces.hand_on()
        return self._number

    def isatty(self) -> bool:
        """The answer of the caller's stream."""
        return kernel.isatty(self._number)

    def detach(self) -> Any:
        """The binary stream below, for another text stream."""
        return self.buffer

    def reconfigure(
        self, *, encoding: str | None = None, errors: str | None = None, **_: object
    ) -> None:
        """Change which text can be written; the caller's stream encodes it as before."""
        self.follow(encoding or self.encoding, errors or ("strict" if encoding else self.errors))

    def write(self, text: str) -> int:
        """Send text; in a process forked by an item, which must not send, write it.

        Raises:
            UnicodeEncodeError: The caller's stream could not write it.
        """
        if self.encoding is not None and self.errors is not None and not text.isascii():
            text.encode(self.encoding, self.errors)
        if kernel.getpid() != self._pid:
            kernel.write(self._number, text.encode("utf-8", "surrogateescape"))
        else:
            self._pieces.call(self._slot, "write", str(text))
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Send bytes."""
        if kernel.getpid() != self._pid:
            kernel.write(self._number, data)
        else:
            self._pieces.call(self._slot, "buffer.write", data)

    def flush(self) -> None:
        """Have the caller flush its stream."""
        if kernel.getpid() == self._pid:
            self._pieces.call(self._slot, "flush", None)

    def close(self) -> None:
        """The stream stays open. Its end is no reason for the caller to flush its own."""


class ForwardedBytes(io.BufferedIOBase):
    """The binary stream below a `Forwarder`."""

    def __init__(self, stream: Forwarder) -> None:
        self._stream, self.name, self.mode = stream, stream.name, "wb"
        self.raw = self

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Send bytes."""
        with memoryview(data) as view:
            self._stream.write_bytes(view.tobytes())
            return view.nbytes

    def flush(self) -> None:
        """Have the caller flush its stream."""
        self._stream.flush()

    def close(self) -> None:
        """The stream stays open."""

    def fileno(self) -> int:
        """The caller's descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """As the caller's."""
        return self._stream.isatty()


#: Handlers of the caller, which get the records of items there.
_callers_handlers: set[Any] = set()
#: The key in a forwarded record which tells that a handler of the worker has had it.
HANDLED = "_amorsize_handled"


def forward_records(writing: End) -> None:
    """Forward log records to the caller, whose handlers may exist only in its memory."""
    import logging

    pid = kernel.getpid()
    note_handlers()

    def send(logger: logging.Logger, record: logging.LogRecord) -> None:
        was_handled = handle_here(logger, record)
        if kernel.getpid() != pid:  # a process forked by an item
            return
        fields = plain_record(record)
        diverted_output.hand_on()  # keep the order of output
        if was_handled:
            fields[HANDLED] = True
        framing.write(writing.number(), framing.RECORD, serialization.dumps(fields))

    logging.Logger.callHandlers = send  # type: ignore[method-assign,assignment]


def note_handlers() -> None:
    """Note all handlers that exist now as the caller's. Items add the later ones."""
    import logging

    loggers = (logging.root, *logging.root.manager.loggerDict.values())
    _callers_handlers.clear()
    _callers_handlers.update(one for logger in loggers for one in getattr(logger, "handlers", ()))


def handle_here(logger: Any, record: Any) -> bool:
    """Give a record to handlers that setup= or items have added; whether there is one."""
    was_handled = False
    while logger is not None:
        for handler in logger.handlers:
            if handler not in _callers_handlers and record.levelno >= handler.level:
                handler.handle(record)
                was_handled = True
        logger = logger.parent if logger.propagate else None
    return was_handled


def plain_record(record: Any) -> dict[str, Any]:
    """A log record that the caller can show; as it is, where filters there are to see it."""
    fields = dict(record.__dict__)
    is_filtered = framing.UNFILTERED not in fields
    if is_filtered or serialization.why_not((record.msg, record.args)) is not None:
        fields["msg"] = record.getMessage()
        fields["args"] = None
    if record.exc_info:
        import logging

        fields["exc_text"] = logging.Formatter().formatException(record.exc_info)
        fields["exc_info"] = None
    return {name: value for name, value in fields.items() if serialization.why_not(value) is None}


def handle_record(fields: dict[str, Any]) -> None:
    """In the caller: show a warning, or give a log record to its logger."""
    if worker_warnings.IS_WARNING in fields:
        worker_warnings.show(fields)
        return
    was_handled = fields.pop(HANDLED, False)
    is_unfiltered = fields.pop(framing.UNFILTERED, False)
    import logging

    record = logging.makeLogRecord(fields)
    logger = logging.getLogger(record.name)
    if is_unfiltered:
        passed = logger.filter(record)
        if not passed:
            return
        record = record if passed is True else passed  # from Python 3.12 on, perhaps another
    if not was_handled or logger.hasHandlers():  # else the last-resort handler would print it again
        logger.callHandlers(record)

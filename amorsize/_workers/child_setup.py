"""Forwards the output of a new worker process to its caller."""

from __future__ import annotations

import io
import os
import sys

from amorsize._host import signals
from amorsize._host.signals import let_through
from amorsize._workers import framing, nesting, serialization, worker_numbers, worker_warnings
from amorsize._workers.stream_encoding import encoding_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.pipe_ends import End


def settle(writing: End) -> None:
    """Set up a fork as a worker whose output goes through its pipe."""
    import gc

    gc.freeze()  # collecting inherited objects would copy their pages
    nesting.enter_process()
    worker_numbers.set_for_process(worker_numbers.next_number())
    signals.leave_to_caller()
    _begin_multiprocessing()
    if (numpy_random := serialization.loaded("numpy.random")) is not None:
        numpy_random.seed()  # unlike `random`, numpy does not reseed itself after a fork
    forward_output(writing, always=True)  # the caller shows text in the order of items


def leave() -> None:
    """Flush what is buffered, as the process ends without the clean-up of Python."""
    from amorsize._workers.worker_main import flush_streams

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


def forward_output(writing: End, *, always: bool = False) -> None:
    """Forward output, log records and warnings to the caller."""
    if always or not _is_descriptor(sys.stdout, 1):
        sys.stdout = Forwarder(writing, b"1", sys.stdout)
    if always or not _is_descriptor(sys.stderr, 2):
        sys.stderr = Forwarder(writing, b"2", sys.stderr)
    if "logging" in sys.modules:
        forward_records(writing)
    worker_warnings.forward(writing)


def _is_descriptor(stream: Any, number: int) -> bool:
    """Whether a stream writes to this descriptor, which a fork shares with the caller."""
    try:
        return stream is None or stream.fileno() == number
    except (AttributeError, OSError, ValueError) as error:
        let_through(error)
        return False


class Forwarder(io.TextIOBase):
    """A text stream that is forwarded to the caller's."""

    encoding: Any = None  # these two of the base class cannot be set
    errors: Any = None
    mode = "w"
    line_buffering, write_through = True, False

    def __init__(self, writing: End, name: bytes, callers: Any) -> None:
        self._writing, self._name, self._held = writing, name, ""
        self.follow(*encoding_of(callers))
        self._pid = os.getpid()
        self.name = {b"1": "<stdout>", b"2": "<stderr>"}[name]
        self.buffer = ForwardedBytes(self)

    def follow(self, encoding: str | None, errors: str | None) -> None:
        """Encode as the caller's stream does, which is the one that does it."""
        self.encoding, self.errors = encoding, errors

    def writable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """The caller's descriptor, for programs that an item starts."""
        self.flush()
        return int(self._name)

    def isatty(self) -> bool:
        """The answer of the caller's stream."""
        return os.isatty(int(self._name))

    def detach(self) -> Any:
        """The binary stream below, for another text stream."""
        return self.buffer

    def reconfigure(
        self, *, encoding: str | None = None, errors: str | None = None, **_: object
    ) -> None:
        """Change which text can be written; the caller's stream encodes it as before."""
        self.flush()
        self.follow(encoding or self.encoding, errors or ("strict" if encoding else self.errors))

    def write(self, text: str) -> int:
        """Hold text until a line is complete.

        Raises:
            UnicodeEncodeError: The caller's stream could not write it, which so fails here.
        """
        if self.encoding is not None and self.errors is not None and not text.isascii():
            text.encode(self.encoding, self.errors)
        return self.hold(text)

    def hold(self, text: str) -> int:
        """Hold text, whatever it can be encoded in."""
        self._held += text
        if "\n" in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held = self._held, ""
            data = held.encode("utf-8", "surrogateescape")
            if os.getpid() != self._pid:  # a process forked by an item must not write frames
                os.write(int(self._name), data)
                return
            framing.write(self._writing.number(), framing.TEXT, self._name, data)


class ForwardedBytes(io.BufferedIOBase):
    """The binary stream below a `Forwarder`; its bytes are forwarded as text."""

    def __init__(self, stream: Forwarder) -> None:
        self._stream, self.name, self.mode = stream, stream.name, "wb"
        self.raw = self

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Send bytes after all text that was written before."""
        self._stream.flush()
        with memoryview(data) as view:
            self._stream.hold(view.tobytes().decode("utf-8", "surrogateescape"))
            return view.nbytes

    def flush(self) -> None:
        """Send what is held."""
        self._stream.flush()

    def close(self) -> None:
        """Send what is held; the stream stays open."""
        self.flush()

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

    pid = os.getpid()
    note_handlers()

    def send(logger: logging.Logger, record: logging.LogRecord) -> None:
        was_handled = handle_here(logger, record)
        if os.getpid() != pid:  # a process forked by an item
            return
        fields = plain_record(record)
        if was_handled:
            fields[HANDLED] = True
        framing.write(writing.number(), framing.RECORD, serialization.dumps(fields))

    logging.Logger.callHandlers = send  # type: ignore[method-assign,assignment]


def note_handlers() -> None:
    """Note the handlers of the caller: all that exist now. Items add the later ones."""
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
    """A log record with its message formatted, so that the caller can show it."""
    fields = dict(record.__dict__)
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
    import logging

    record = logging.makeLogRecord(fields)
    logger = logging.getLogger(record.name)
    if not was_handled or logger.hasHandlers():  # else the last-resort handler would print it again
        logger.callHandlers(record)

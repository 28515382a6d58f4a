"""Settles a freshly forked worker: signals, random streams, what it prints and logs."""

from __future__ import annotations

import io
import os
import sys

from amorsize._host import signals
from amorsize._workers import framing, nesting, serialization, worker_numbers, worker_warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.pipe_ends import End


def settle(writing: End) -> None:
    """Turn a fork into a quiet worker that speaks through its end of a pipe."""
    import gc

    gc.freeze()  # what was inherited is not collected here: that would only copy its pages
    nesting.enter_process()
    worker_numbers.take_in_process(worker_numbers.prepared())
    signals.leave_to_caller()
    _begin_multiprocessing()
    if (numpy_random := serialization.loaded("numpy.random")) is not None:
        numpy_random.seed()  # unlike `random`, numpy does not reseed itself after a fork
    forward_output(writing, always=True)  # the caller shows text in the order of items


def leave() -> None:
    """Push out what is still buffered; the process ends without Python's own clean-up."""
    from amorsize._workers.worker_main import flush_streams

    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util._run_finalizers()  # what items put into a queue is on its way in a thread
    flush_streams()


def has_to_flush() -> bool:
    """Whether items have put something into a queue of multiprocessing, which a thread writes."""
    util = sys.modules.get("multiprocessing.util")
    return util is not None and bool(util._finalizer_registry)


def _begin_multiprocessing() -> None:
    """Do what a process of multiprocessing does as it begins.

    Its queues have a thread that writes, and its list of children is the caller's: neither is here.
    """
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util._finalizer_registry.clear()
        sys.modules["multiprocessing.process"]._children = set()  # type: ignore[attr-defined]
        util._run_after_forkers()


def forward_output(writing: End, *, always: bool = False) -> None:
    """Send prints and log records to the caller, where they would not arrive by themselves."""
    if always or not _is_descriptor(sys.stdout, 1):
        sys.stdout = Forwarder(writing, b"1")
    if always or not _is_descriptor(sys.stderr, 2):
        sys.stderr = Forwarder(writing, b"2")
    if "logging" in sys.modules:
        forward_records(writing)
    worker_warnings.forward(writing)


def _is_descriptor(stream: Any, number: int) -> bool:
    """A stream writes straight to the descriptor that a fork shares with the caller."""
    try:
        return stream is None or stream.fileno() == number
    except (AttributeError, OSError, ValueError):
        return False


class Forwarder(io.TextIOBase):
    """A text stream that ends up in the caller's."""

    encoding, mode = "utf-8", "w"
    errors: str | None = "strict"
    line_buffering, write_through = True, False

    def __init__(self, writing: End, name: bytes) -> None:
        self._writing, self._name, self._held = writing, name, ""
        self._pid = os.getpid()
        self.name = {b"1": "<stdout>", b"2": "<stderr>"}[name]
        self.buffer = ForwardedBytes(self)

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def fileno(self) -> int:
        """The descriptor that a program started by an item may write to: the caller's."""
        self.flush()
        return int(self._name)

    def isatty(self) -> bool:
        """As the caller's."""
        return os.isatty(int(self._name))

    def detach(self) -> Any:
        """What takes bytes, for another stream around it."""
        return self.buffer

    def reconfigure(self, *, errors: str | None = None, **_: object) -> None:
        """Nothing else changes: text leaves the process as it is, to be encoded by the caller."""
        self.flush()
        self.errors = errors or self.errors

    def write(self, text: str) -> int:
        """Hold text until a line is complete."""
        self._held += text
        if "\n" in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held = self._held, ""
            data = held.encode("utf-8", "surrogateescape")
            if os.getpid() != self._pid:  # a child of an item's own may write no frames
                os.write(int(self._name), data)
                return
            framing.write(self._writing.number(), framing.TEXT, self._name, data)


class ForwardedBytes(io.BufferedIOBase):
    """What a text stream of a worker has beneath it: bytes end up in the caller's, as text."""

    def __init__(self, stream: Forwarder) -> None:
        self._stream, self.name, self.mode = stream, stream.name, "wb"
        self.raw = self

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Send them, behind the text that was written before."""
        self._stream.flush()
        with memoryview(data) as view:
            self._stream.write(view.tobytes().decode("utf-8", "surrogateescape"))
            return view.nbytes

    def flush(self) -> None:
        """Send what is held."""
        self._stream.flush()

    def close(self) -> None:
        """Send what is held; whoever writes next finds it open."""
        self.flush()

    def fileno(self) -> int:
        """The caller's descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """As the caller's."""
        return self._stream.isatty()


_callers_handlers: set[Any] = set()  # which run in the caller, for what items log as well
HANDLED = "_amorsize_handled"  # of a record that is sent: a handler of the worker's own had it


def forward_records(writing: End) -> None:
    """Let the caller's handlers see what items log: handlers may live in its memory only."""
    import logging

    pid = os.getpid()
    note_handlers()

    def send(logger: logging.Logger, record: logging.LogRecord) -> None:
        was_handled = handle_here(logger, record)
        if os.getpid() != pid:  # a child of the item's own: not ours to speak for
            return
        fields = plain_record(record)
        if was_handled:
            fields[HANDLED] = True
        framing.write(writing.number(), framing.RECORD, serialization.dumps(fields))

    logging.Logger.callHandlers = send  # type: ignore[method-assign,assignment]


def note_handlers() -> None:
    """Those that are there now are the caller's, or copies of them; later ones are the items'."""
    import logging

    loggers = (logging.root, *logging.root.manager.loggerDict.values())
    _callers_handlers.clear()
    _callers_handlers.update(one for logger in loggers for one in getattr(logger, "handlers", ()))


def handle_here(logger: Any, record: Any) -> bool:
    """Give a record to the handlers that setup= or an item has added; whether there was one."""
    was_handled = False
    while logger is not None:
        for handler in logger.handlers:
            if handler not in _callers_handlers and record.levelno >= handler.level:
                handler.handle(record)
                was_handled = True
        logger = logger.parent if logger.propagate else None
    return was_handled


def plain_record(record: Any) -> dict[str, Any]:
    """A log record with its message made, so that nothing in it needs the worker."""
    fields = dict(record.__dict__)
    fields["msg"] = record.getMessage()
    fields["args"] = None
    if record.exc_info:
        import logging

        fields["exc_text"] = logging.Formatter().formatException(record.exc_info)
        fields["exc_info"] = None
    return {name: value for name, value in fields.items() if serialization.why_not(value) is None}


def handle_record(fields: dict[str, Any]) -> None:
    """The caller's side: give a worker's record to the logger it was meant for; show a warning."""
    if worker_warnings.IS_WARNING in fields:
        worker_warnings.show(fields)
        return
    was_handled = fields.pop(HANDLED, False)
    import logging

    record = logging.makeLogRecord(fields)
    logger = logging.getLogger(record.name)
    if not was_handled or logger.hasHandlers():  # else it would be printed as nobody's
        logger.callHandlers(record)

"""Finds what items that run at the same time share through a logger."""

from __future__ import annotations

from amorsize._function.callables import own, type_name
from amorsize._function.object_contents import parts
from amorsize._function.ownership import is_own_module
from amorsize._function.plain_values import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from amorsize._function.ownership import Owns
    from amorsize._function.sharing.findings import Findings

    class Values(Protocol):
        """Judges the handlers and filters of loggers."""

        findings: Findings
        owns: Owns

        def judge_class(self, cls: type) -> None:
            """Judge a class, once."""

        def look_at_part(self, part: Any, kind: type, label: str, depth: int, is_own: bool) -> None:
            """Judge what an object holds."""


#: Completes "an item calls NAME, which ...".
MAKES_RECORDS = "makes its records by code of the program"


def judge_logger(values: Values, value: Any, label: str) -> None:
    """Judge where a logger's records go; nothing happens for other values."""
    note_rolling_files(values.findings, value)
    if is_logger(value) and makes_records_itself():
        what = f"{label or 'a logger'}, which {MAKES_RECORDS}"
        values.findings.calls[what] = values.findings.bound[what] = None
    for part, is_lost in ends_of_records(value):
        named = f"{label} ({type(part).__name__})"
        if is_lost:
            values.findings.copies[named] = None
        elif values.owns.class_(type(part)):
            _judge_handler(values, part, named)


def is_logger(value: Any) -> bool:
    return type_name(value).startswith("logging.") and hasattr(value, "makeRecord")


def makes_records_itself() -> bool:
    """Whether records of logging are made by code of the program, which may keep something."""
    import logging

    made_by = logging.getLogRecordFactory()
    return made_by is not logging.LogRecord and is_own_module(
        getattr(made_by, "__module__", type(made_by).__module__)
    )


def _judge_handler(values: Values, value: Any, label: str) -> None:
    """Judge a handler or filter of the project's, without its lock, which is the library's."""
    values.judge_class(type(value))
    values.findings.shared[label] = None
    values.findings.keep("mutables", value, label)
    for name, part in parts(value):
        if name != ".lock" and type(part) not in PLAIN:
            values.look_at_part(part, type(part), f"{label}{name}", 0, is_own=True)


def ends_of_records(logger: Any) -> Iterator[tuple[Any, bool]]:
    """The handlers and filters that a logger's records reach, and whether these keep records."""
    logger = own(logger, "logger", logger)  # of an adapter
    while type_name(logger).startswith("logging.") and hasattr(logger, "handlers"):
        yield from ((one, False) for one in logger.filters)
        for handler in logger.handlers:
            stream, buffer = own(handler, "stream"), own(handler, "buffer")
            keeps = type_name(stream) in ("_io.StringIO", "_io.BytesIO") or type(buffer) is list
            yield handler, keeps
            yield from ((one, False) for one in handler.filters)
        logger = logger.parent if logger.propagate else None


def note_rolling_files(findings: Findings, value: Any) -> None:
    """Note a log file that begins anew at some size: its lines depend on their order."""
    while type_name(value).startswith("logging.") and hasattr(value, "handlers"):
        for handler in value.handlers:
            if own(handler, "maxBytes", 0):
                findings.shared[f"the order of lines ({type(handler).__name__})"] = None
        value = value.parent if value.propagate else None

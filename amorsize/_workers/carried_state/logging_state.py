"""The state of logging that workers take over from their caller."""

from __future__ import annotations

from amorsize._host.signals import reraise_from_handler
from amorsize._workers.carried_state.pickled_state import dumped
from amorsize._workers.carried_state.state_entry import by, entry, fill, of
from amorsize._workers.messages import framing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def _read_logging(logging: Any) -> Any:
    """The global threshold, the level names, then what those loggers have that have something."""
    found = {}
    for name, one in _loggers(logging):
        if one.level or one.handlers or one.filters or one.disabled or not one.propagate:
            level, disabled, propagate, filters, levels = _of_logger(one)
            found[name] = level, disabled, propagate, _sent(filters), levels
    names = dict(logging._levelToName), dict(logging._nameToLevel)
    return logging.root.manager.disable, names, found


def _loggers(logging: Any) -> Iterator[tuple[str, Any]]:
    yield "root", logging.root
    for name, one in tuple(logging.root.manager.loggerDict.items()):
        if isinstance(one, logging.Logger):  # else a placeholder
            yield name, one


def _of_logger(logger: Any) -> Any:
    levels = [one.level for one in logger.handlers]
    return logger.level, logger.disabled, logger.propagate, list(logger.filters), levels


class CallersFilters:
    """Stands for the filters of a logger that cannot be sent: the caller asks them."""

    def filter(self, record: Any) -> bool:
        """Let a record pass, with a mark."""
        setattr(record, framing.UNFILTERED, True)
        return True


def _sent(filters: list[Any]) -> list[Any]:
    """The filters that a worker's logger gets."""
    try:
        dumped(filters)
    except Exception as error:  # a lambda, say, or one with a lock
        reraise_from_handler(error)
        return [CallersFilters()]
    return filters


#: What most loggers have.
_NOTHING: Any = (0, False, True, [], [])


def _set_logging(logging: Any, value: Any) -> None:
    threshold, names, wanted = value
    logging.disable(threshold)
    for own, each in zip((logging._levelToName, logging._nameToLevel), names, strict=True):
        fill(own, each)
    while _stand_ins:
        logger, handler = _stand_ins.pop()
        logger.removeHandler(handler)
    for name in {name for name, _ in _loggers(logging)} | wanted.keys():
        logger = logging.root if name == "root" else logging.getLogger(name)
        its = wanted.get(name, _NOTHING)
        if _of_logger(logger) != its:
            level, disabled, propagate, filters, handlers = its
            logger.setLevel(level)
            logger.disabled, logger.propagate, logger.filters[:] = disabled, propagate, filters
            _stand_for_handlers(logging, logger, handlers)


#: Handlers that do nothing, with their loggers: the caller has others there.
_stand_ins: list[tuple[Any, Any]] = []


def _stand_for_handlers(logging: Any, logger: Any, levels: list[int]) -> None:
    """Give a logger as many handlers as it has in the caller, which gets the records.

    Code that finds none adds some, as `logging.info` does, and a record would be written twice.
    """
    for level in levels[len(logger.handlers) :]:
        _stand_ins.append((logger, logging.NullHandler(level)))
        logger.addHandler(_stand_ins[-1][1])


#: What is carried, in the order in which a worker takes it.
ENTRIES = (
    entry("class of new loggers", "logging", by("getLoggerClass", "setLoggerClass")),
    entry("log records", "logging", of("_logRecordFactory")),
    entry("loggers", "logging", (_read_logging, _set_logging)),
)

"""Proves from code that items leave the pipes alone that the program has open."""

from __future__ import annotations

import sys

from amorsize._function.callables import own
from amorsize._function.plain_values import PLAIN, kinds_of
from amorsize._function.thread_safety import examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

#: Items of a sequence that are looked at before a stream at most, which takes 0.5 ms.
MOST_PLAIN = 10_000


def leaves_pipes_alone(
    functions: Sequence[Callable[..., Any]], sequences: Sequence[Sequence[Any]] = ()
) -> bool:
    """Whether reading shows that no item uses a pipe or a socket that the program has open.

    Args:
        functions: What workers call: they must reach nothing that may hold one, and nothing that
            takes the number of one.
        sequences: What workers have the items from, as these are there.
    """
    return (
        not _logs_elsewhere()
        and all(kinds_of(items, MOST_PLAIN) <= PLAIN for items in sequences)
        and all(map(_reaches_no_pipe, functions))
    )


def _reaches_no_pipe(func: Callable[..., Any]) -> bool:
    reach, objects = examine(func)
    held = objects.handles or reach.shared or reach.copies
    used = reach.bound or reach.at_descriptors or reach.touches or reach.unread
    return not held and not used


def _logs_elsewhere() -> bool:
    """Whether a handler of loggers may use a pipe: what it is told of need not be seen in code."""
    logging = sys.modules.get("logging")
    handlers = [] if logging is None else [one() for one in vars(logging).get("_handlerList", ())]
    return not all(one is None or _is_plain_handler(one) for one in handlers)


def _is_plain_handler(handler: Any) -> bool:
    """Whether it writes to a file, a standard stream or nowhere."""
    kind = type(handler)
    if kind.__module__ != "logging":
        return False
    stream = own(handler, "stream")
    standard = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__, None
    return kind.__name__ == "FileHandler" or any(stream is one for one in standard)

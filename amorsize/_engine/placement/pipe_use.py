"""Proves from code that items do not use the open pipes of the program."""

from __future__ import annotations

import sys

from amorsize._function.callables import own
from amorsize._function.plain_values import PLAIN, kinds_of
from amorsize._function.sharing.thread_safety import examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

#: The most items of a sequence that are examined before a stream, which takes 0.5 ms.
MOST_PLAIN = 10_000


def leaves_pipes_alone(
    functions: Sequence[Callable[..., Any]], sequences: Sequence[Sequence[Any]]
) -> bool:
    """Whether reading shows that no item uses an open pipe or socket of the program.

    Args:
        functions: The functions that workers call. They must reach no object that may hold a pipe,
            and none that takes a descriptor.
        sequences: The data from which workers take their items.
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
    """Whether a log handler may use a pipe: libraries log without the code showing it."""
    logging = sys.modules.get("logging")
    handlers = [] if logging is None else [one() for one in vars(logging).get("_handlerList", ())]
    return not all(one is None or _is_plain_handler(one) for one in handlers)


def _is_plain_handler(handler: Any) -> bool:
    """Whether a log handler writes to a file, a standard stream or nowhere."""
    kind = type(handler)
    if kind.__module__ != "logging":
        return False
    stream = own(handler, "stream")
    standard = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__, None
    return kind.__name__ == "FileHandler" or any(stream is one for one in standard)

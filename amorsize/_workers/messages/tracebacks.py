"""Tracebacks as values, for exceptions from another process.

The frames are gone with their process. Stand-ins have the same file, line and name, but no
variables. They can be printed and walked.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

    Place = tuple[str, int, str, int]  # file, line, name of the function, where that begins

#: Frames kept at each end of a traceback: an endless recursion repeats one a thousand times.
MOST_PLACES = 64


def places_of(traceback: TracebackType | None) -> list[Place]:
    """The location of each frame of a traceback, the outermost first."""
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        begins = code.co_firstlineno
        places.append((code.co_filename, traceback.tb_lineno or begins, code.co_name, begins))
        traceback = traceback.tb_next
    if len(places) > 2 * MOST_PLACES:
        places[MOST_PLACES:-MOST_PLACES] = []
    return places


def made_of(places: list[Place]) -> TracebackType | None:
    """A traceback through these locations."""
    from types import FunctionType
    from types import TracebackType as Made

    made: TracebackType | None = None
    n_units = len(_frame.__code__.co_code) // 2
    for filename, line, name, begins in reversed(places):
        code = _frame.__code__.replace(
            co_filename=filename,
            co_name=name,
            co_qualname=name,
            co_firstlineno=begins,
            co_linetable=_all_in_line(line - begins, n_units),
        )
        never_run = FunctionType(code, {"__name__": name, "__file__": filename})()
        made = Made(made, never_run.gi_frame, 0, line)
    return made


def _all_in_line(offset: int, n_units: int) -> bytes:
    """A table of places that are all so many lines after the first one, without columns.

    A traceback then shows the whole line; IPython asks the frame itself for it, and its code for
    the first. Entries of kind 13, each for up to eight units of code, followed by its step from
    the entry before in chunks of six bits (CPython, Objects/locations.md).
    """
    table, step = bytearray(), -offset << 1 | 1 if offset < 0 else offset << 1
    for at in range(0, n_units, 8):
        table.append(0xE8 | min(8, n_units - at) - 1)
        while step > 0x3F:
            table.append(0x40 | step & 0x3F)
            step >>= 6
        table.append(step)
        step = 0
    return bytes(table)


def give(error: BaseException, **values: Any) -> None:
    """Set attributes that every exception has, even where its class refuses to set any."""
    for name, value in values.items():
        getattr(BaseException, name).__set__(error, value)


def leave_variables(error: BaseException) -> None:
    """Drop the variables that an exception and all that it came from keep alive."""
    for one in family_of(error):
        give(one, __traceback__=made_of(places_of(one.__traceback__)))


def family_of(error: BaseException, n_most: int | None = None) -> list[BaseException]:
    """An exception with its causes, contexts and members of groups, each once."""
    family, met = [error], {id(error)}
    for one in family:  # which grows meanwhile
        for other in (one.__cause__, one.__context__, *members_of(one)):
            if other is not None and id(other) not in met and len(family) != n_most:
                met.add(id(other))
                family.append(other)
    return family


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """The exceptions that a group holds, whatever its class says of them."""
    if not isinstance(error, BaseExceptionGroup):
        return ()
    members: tuple[BaseException, ...] = BaseExceptionGroup.exceptions.__get__(error)
    return members


def _frame() -> Iterator[None]:
    """A generator that is never started: a frame that has run keeps its callers alive.

    In Python 3.12 that holds even for one that was closed at its first `yield`.
    """
    yield

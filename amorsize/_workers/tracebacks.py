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

    Place = tuple[str, int, str]  # file, line, name of the function

#: Frames kept at each end of a traceback: an endless recursion repeats one a thousand times.
MOST_PLACES = 64


def places_of(traceback: TracebackType | None) -> list[Place]:
    """The location of each frame of a traceback, the outermost first."""
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append((code.co_filename, traceback.tb_lineno or code.co_firstlineno, code.co_name))
        traceback = traceback.tb_next
    if len(places) > 2 * MOST_PLACES:
        places[MOST_PLACES:-MOST_PLACES] = []
    return places


def made_of(places: list[Place]) -> TracebackType | None:
    """A traceback through these locations."""
    from types import FunctionType
    from types import TracebackType as Made

    made: TracebackType | None = None
    nowhere = _without_places(len(_frame.__code__.co_code) // 2)
    for filename, line, name in reversed(places):
        code = _frame.__code__.replace(
            co_filename=filename,
            co_name=name,
            co_qualname=name,
            co_firstlineno=line,
            co_linetable=nowhere,
        )
        never_run = FunctionType(code, {"__name__": name, "__file__": filename})()
        made = Made(made, never_run.gi_frame, 0, line)
    return made


def _without_places(n_units: int) -> bytes:
    """An empty table of columns: a traceback then shows the whole line.

    Entries of kind 15, each for up to eight units of code (CPython, Objects/locations.md).
    """
    return bytes(0xF8 | min(8, n_units - at) - 1 for at in range(0, n_units, 8))


def give(error: BaseException, **values: Any) -> None:
    """Set attributes that every exception has, even where its class refuses to set any."""
    for name, value in values.items():
        getattr(BaseException, name).__set__(error, value)


def leave_variables(error: BaseException, n_most: int = 16) -> None:
    """Drop the variables that an exception and its causes keep alive."""
    left: list[BaseException | None] = [error]
    for _ in range(n_most):
        one = left.pop() if left else None
        if one is None:
            continue
        give(one, __traceback__=made_of(places_of(one.__traceback__)))
        left += [one.__cause__, one.__context__]


def _frame() -> Iterator[None]:
    """A generator that is never started: a frame that has run keeps its callers alive.

    In Python 3.12 that holds even for one that was closed at its first `yield`.
    """
    yield

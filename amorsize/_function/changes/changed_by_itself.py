"""Finds what a function's code changes without the project's other functions."""

from __future__ import annotations

from amorsize._function.changes.library_targets import changed_by_library, changed_by_use
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.library.changes import is_changing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.changes.change import Target


def changed_by_itself(func: FunctionType, bound: Bound) -> Iterator[Target]:
    """What it changes itself, or by the libraries that it calls."""
    flow = flow_of(func)
    for space, name, steps in flow.stores:
        yield (space, name, steps[:-1]), (steps[-1] if steps else "")
    for call in flow.calls:
        (space, name, steps), passed, _ = call
        if is_changing(steps):
            yield (space, name, steps[:-1]), f"{steps[-1]}()"
        for (space, name, steps), _ in flow.known((one, ()) for one in passed):
            if is_changing(steps):  # handed on, to be called there
                yield (space, name, steps[:-1]), f"{steps[-1]}()"
        yield from changed_by_library(func, bound, call)
    yield from changed_by_use(func, bound)

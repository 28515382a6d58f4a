"""What a call of a library's function changes of what it is handed."""

from __future__ import annotations

from amorsize._function.bytecode import GLOBAL
from amorsize._function.callables import MISSING, type_name
from amorsize._function.change import BY, SET_BY
from amorsize._function.flow_reader import flow_of
from amorsize._function.library_changes import (
    CHANGING_SOME,
    IN_PLACE_OPTION,
    INTO,
    ONLY_LOOKS,
    PERHAPS_CHANGING,
    SETTERS,
    TO,
    changes_first,
    changes_holder,
    is_verb,
    own_name,
)
from amorsize._function.name_lookup import callees_of, ends_of, root_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.value_flow import Call, Store, Symbol

    Target = tuple[Store, str]


def changed_by_library(func: FunctionType, bound: Bound, call: Call) -> Iterator[Target]:
    """What a library's function changes of what it is handed."""
    callee, passed, named = call
    flow, step = flow_of(func), callee[2][-1:]
    by_name = dict(zip(named, passed[len(passed) - len(named) :], strict=True))
    yield from _into_buffers(func, bound, call, by_name.get("file"))
    name = (step[0] if step else callee[1]).lstrip(".")
    changed = [by_name[TO]] if TO in by_name else []
    if IN_PLACE_OPTION in by_name and step:
        changed.append((callee[0], callee[1], callee[2][:-1]))
    is_by_other_name = callee[0] != GLOBAL or step
    if passed and (name in PERHAPS_CHANGING or is_by_other_name):
        for called in callees_of(func, bound, callee) or [MISSING]:
            if type_name(called) == "numpy.ufunc":  # what comes after its operands is written to
                changed += passed[called.nin : len(passed) - len(named)]
            if changes_first(called, known := own_name(called, name)):
                changed.append(passed[0])
                name = known
    if name in INTO:
        changed += passed
    for origin, _ in flow.known((one, ()) for one in changed):
        yield origin, f"{SET_BY if name in SETTERS else BY} {name}()"


def _into_buffers(func: FunctionType, bound: Bound, call: Call, file: Symbol) -> Iterator[Target]:
    """What methods change that change only objects of some types."""
    callee = call[0]
    name = callee[2][-1].lstrip(".") if callee[2] else ""
    targets = [(callee[0], callee[1], callee[2][:-1])]
    if name not in CHANGING_SOME and not is_verb(name):
        handed = [file] if name in ONLY_LOOKS or callee[1] in ONLY_LOOKS else call[1]
        targets = [origin for origin, _ in flow_of(func).known((one, ()) for one in handed)]
    for space, root, steps in targets:
        ends = ends_of(root_of(func, bound, space, root)[1], steps)
        if any(changes_holder(end, name, func.__code__.co_names) for end, _ in ends):
            yield (space, root, steps), f", by {name or callee[1]}()"

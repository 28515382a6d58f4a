"""What the names in code stand for now."""

from __future__ import annotations

from amorsize._function import value_flow
from amorsize._function.bytecode import IMPORT
from amorsize._function.callable_walk import attribute, end_of, imported, resolved
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    MODULE,
    cells,
    is_partial,
    member,
    raw,
)
from amorsize._function.object_contents import CONTAINERS, is_container, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from amorsize._function.value_flow import Store


def callee_of(func: FunctionType, owner: Any, callee: Store) -> Any:
    """What is called, as the names stand now; MISSING if that cannot be told."""
    space, name, steps = callee
    if callee == value_flow.UNKNOWN:
        return MISSING
    value = root_of(func, owner, space, name)[1]
    for step in steps:
        if value is MISSING:
            return MISSING
        if step[0] != ".":
            value = _one_step(value, step)
        elif type(value) is MODULE or isinstance(value, type):
            found, taken = end_of(value, (step[1:],), lambda _: True)
            value = found if taken else attribute(value, (step[1:],))
        else:
            found = _method(value, step[1:])
            value = _one_step(value, step) if found is MISSING else found
    return MISSING if value is MISSING else raw(value)


def root_of(func: FunctionType, owner: Any, space: str, name: str) -> tuple[str, Any]:
    """What a way begins with: in words, and itself."""
    if space == value_flow.ARGUMENT:
        if name not in func.__code__.co_varnames[:1]:
            return "argument", MISSING
        return ("class" if isinstance(owner, type) else "self"), owner
    if space == value_flow.CLASS:
        return "class", type
    if space == IMPORT:
        return name or "module", imported(func, name)
    return space, resolved(func, cells(func), space, name)


def along(value: Any, steps: tuple[str, ...]) -> tuple[Any, Any]:
    """What lies at the end of these steps, and the last that is known on the way there.

    Nobody's code runs; MISSING where it would have to.
    """
    for step in steps:
        found = _one_step(value, step)
        if found is MISSING:
            is_known = step != value_flow.GIVEN or is_container(value)
            return MISSING, value if is_known else MISSING
        value = found
    return value, value


def first_argument(func: FunctionType) -> str:
    """Its name: `self` of a method."""
    return "".join(func.__code__.co_varnames[: min(1, func.__code__.co_argcount)])


def with_arguments(func: Any) -> tuple[FunctionType | None, dict[str, Any]]:
    """The function behind a callable, and its arguments that are set before any item comes."""
    first: list[Any] = []
    named: dict[str, Any] = {}
    while True:
        func = raw(func)
        if is_partial(func):
            first, named, func = [*func.args, *first], {**func.keywords, **named}, func.func
        elif type(func) is METHOD:
            first, func = [func.__self__, *first], func.__func__
        elif type(func) is FUNCTION:
            break
        elif type(called := raw(member(type(func), "__call__"))) is FUNCTION:
            first, func = [func, *first], called
        else:
            return None, {}
    return func, {**dict(zip(value_flow.arguments(func.__code__), first, strict=False)), **named}


def _one_step(value: Any, step: str) -> Any:
    if step in (value_flow.ELEMENT, value_flow.GIVEN):
        held = dict.values(value) if isinstance(value, dict) else value
        is_open = isinstance(value, (*CONTAINERS, tuple))
        return next(iter(held), MISSING) if is_open else MISSING
    if step[0] != ".":
        return MISSING
    if type(value) is MODULE or isinstance(value, type):
        return member(value, step[1:])
    return state(value).get(step[1:], MISSING)


def _method(value: Any, name: str) -> Any:
    """An object's method of that name, where its class has a plain one."""
    found = raw(member(type(value), name))
    if type(found) is FUNCTION:
        return found.__get__(value)
    return MISSING

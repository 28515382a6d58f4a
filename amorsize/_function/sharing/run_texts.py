"""Finds what texts may change that code runs by `eval` or `exec`."""

from __future__ import annotations

from amorsize._function import bytecode
from amorsize._function.bound_arguments import NOTHING
from amorsize._function.bytecode import GLOBAL
from amorsize._function.callables import MISSING, is_a, is_class
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import ends_of, root_of
from amorsize._function.flow.value_flow import CALLED, all_inside
from amorsize._function.object_contents import is_container
from amorsize._function.ownership import is_own_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.flow.value_flow import Symbol

_EVAL, _EXEC = (GLOBAL, "eval", ()), (GLOBAL, "exec", ())
_GLOBALS = GLOBAL, "globals", (CALLED,)


def changed_by_texts(func: FunctionType) -> Iterator[str]:
    """What the texts may change, in words.

    An expression changes nothing but what it names, and of that only what can change. Statements
    may do anything, unless they have a dict of their own for the names that they set.
    """
    for (callee, passed, named), times in flow_of(func).calls.items():
        if callee in (_EVAL, _EXEC):
            what = f"what {callee[1]}() changes"
            n_by_place = len(passed) - len(named)
            spaces = (*passed[1:n_by_place], *passed[n_by_place:])
            if not spaces and callee == _EXEC:
                yield what
            elif not spaces:
                for literals in times:
                    names = _names_in(_texts(func, passed[0], literals))
                    yield from _changing(func.__globals__, what, names)
            for space in spaces:
                yield from _changing_in(func, space, what, is_expression=callee == _EVAL)
        elif _EXEC in passed or _EVAL in passed:  # as `map(eval, texts)` does
            yield from _changing(func.__globals__, "what eval() changes", None)


def _texts(func: FunctionType, symbol: Symbol, literals: tuple[object, ...]) -> list[Any]:
    """The texts that an argument may be; something else stands for one that is not known."""
    if literals[:1] != (None,) and literals:
        return [literals[0]]
    flow = flow_of(func)
    ways = [flow.by_call(one) for one in flow.origins(symbol)]
    return [end for way in ways for end, _ in ends_of(root_of(func, NOTHING, *way[:2])[1], way[2])]


def _names_in(texts: list[Any]) -> set[str] | None:
    """The names in these texts; None: any."""
    found: set[str] = set()
    for text in texts or [MISSING]:
        code = _compiled(text) if isinstance(text, str) else text
        if type(code) is not bytecode.CODE:
            return None
        found |= bytecode.names(code).keys()
    return found


def _compiled(text: str) -> CodeType | None:
    try:
        return compile(text, "<text>", "eval")
    except (SyntaxError, ValueError):
        return None


def _changing_in(
    func: FunctionType, space: Symbol, what: str, *, is_expression: bool
) -> Iterator[str]:
    """What a text may change that gets its names from this."""
    flow = flow_of(func)
    for origin in map(flow.by_call, all_inside(flow, space)):
        if origin == _GLOBALS:
            yield from _changing(func.__globals__, what, None) if is_expression else [what]
            continue
        for value, _ in ends_of(root_of(func, NOTHING, *origin[:2])[1], origin[2]):
            if not is_expression or not is_a(value, dict):
                yield from _changing({origin[1]: value}, what, None)
            else:
                yield from _changing(value, what, None)


def _changing(scope: dict[str, Any], what: str, names: Iterable[str] | None) -> Iterator[str]:
    """Of the values in a scope, those that can change."""
    for name in tuple(scope) if names is None else names:
        value = scope.get(name, MISSING)
        is_object = not is_class(value) and is_own_class(type(value))
        if str(name)[:2] != "__" and (is_container(value) or is_object):
            yield f"{what} ({name})"

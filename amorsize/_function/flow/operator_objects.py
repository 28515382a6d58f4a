"""Finds what objects of `operator` read from their argument, or call of it."""

from __future__ import annotations

from _operator import (  # as `operator` gives them
    attrgetter,
    itemgetter,
    methodcaller,
)

from amorsize._function.callables import type_name
from amorsize._function.flow.flow_reader import calls_of, flow_of
from amorsize._function.flow.name_lookup import callees_of
from amorsize._function.flow.value_flow import ANY, CALLED, Key, leads_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.flow.value_flow import Flow, Store

_MAKERS: Any = (attrgetter, itemgetter, methodcaller)
_CALLING, _GETTING = "operator.methodcaller", "operator.attrgetter"
#: The last step to the class of these, where code makes one.
_ITEM_GETTERS = (("itemgetter",), (".itemgetter",))
#: The most of them that are kept.
_MOST_MADE = 1000
_made: dict[tuple[Any, tuple[object, ...]], Any] = {}


def made_there(func: FunctionType, bound: Bound, callee: Store) -> Iterator[Any]:
    """The objects of `operator` that code makes with texts and numbers, made here as well."""
    maker = (*callee[:2], callee[2][:-1])
    found = callees_of(func, bound, maker)
    makers = [made for made in _MAKERS if any(one is made for one in found)]
    flow = flow_of(func)
    for call in calls_of(flow, maker) if makers else ():
        for literals in flow.calls[call] if not call[2] else ():
            for one in makers:
                spelled = literals[:1] if one is methodcaller else literals
                if spelled and all(type(literal) in (str, int) for literal in spelled):
                    yield _once_made(one, spelled)


def _once_made(maker: Any, spelled: tuple[object, ...]) -> Any:
    """The object that is made so: the same each time, so that it is known where it comes again."""
    if len(_made) >= _MOST_MADE:
        _made.clear()
    key = maker, spelled
    if key not in _made:
        _made[key] = maker(*spelled)
    return _made[key]


def method_called_by(callee: Any, steps: tuple[str, ...]) -> str | None:
    """The step to the method that such an object calls; None: it calls none.

    Where the code makes the object itself, the way there ends with the class and a call.
    """
    if type_name(callee) == _CALLING:
        return f".{_made_with(callee)[0]}"
    last = steps[-2:] if steps[-1:] == (CALLED,) else ()
    return ANY if last[:1] == (".methodcaller",) else None


def is_item_getter(called: Any, callee: Store) -> bool:
    """Whether it reads elements of its argument, whether the code itself has made it or not."""
    _, name, steps = callee
    made_by = (name, *steps)[-2:-1] if steps[-1:] == (CALLED,) else ()
    return type_name(called) == "operator.itemgetter" or made_by in _ITEM_GETTERS


def got_by(maker: Any, flow: Flow, target: Store, place: int) -> Iterator[Store]:
    """What a target is in truth that something is called for, at this place of the way there."""
    space, name, steps = target
    ways, on = _ways_got_by(maker), steps[place + 1 :]
    if len(ways) > 1 and on and leads_inside(on[0]):
        on = on[1:]  # it gives all of them in a tuple
    for _, passed, _ in calls_of(flow, (space, name, steps[:place])) if ways else ():
        if passed:
            for origin, rest in flow.known((passed[0], way) for way in ways):
                yield (*origin[:2], (*origin[2], *rest, *on))


def _ways_got_by(maker: Any) -> list[tuple[str, ...]]:
    """The ways that it follows from its argument."""
    if type_name(maker) == "operator.itemgetter":
        return [(Key.of(key),) for key in _made_with(maker)]
    if type_name(maker) == _GETTING:
        return [tuple(f".{part}" for part in name.split(".")) for name in _made_with(maker)]
    return []


def names_asked_by(getter: Any) -> set[str]:
    """The names of attributes that an object of `operator` reads when it is called."""
    kind = type_name(getter)
    if kind == _CALLING:
        return {_made_with(getter)[0]}
    if kind != _GETTING:
        return set()
    return {part for name in _made_with(getter) for part in name.split(".")}


def _made_with(made: Any) -> tuple[Any, ...]:
    """The arguments that it was made with, from its pickle."""
    maker, given = made.__reduce__()[:2]
    return tuple(given if maker is type(made) else maker.args)

"""Finds what runs, or can be seen, when the iterators that items come from go on.

An iterator may stand before others, which hold generators, functions and objects with methods. None
of them is run to find the next one, and none is looked at twice.
"""

from __future__ import annotations

import gc

from amorsize._engine.data.source import GENERATOR, is_quiet
from amorsize._engine.reading.item_snapshot import is_iterator
from amorsize._function.callables import CELL, FUNCTION, METHOD, member, own, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType
    from typing import Any

#: The most iterators behind one another that are examined.
MOST_BEHIND = 32
#: The most objects within reach of iterators that are examined.
MOST_REACHED = 256
#: The most objects in one container or object that are examined.
MOST_HELD = 16
#: How many objects deep, from what iterators can see, more are examined.
DEPTH = 2


def _behind(parts: Iterable[Any], held_by: Callable[[Any], Iterable[Any]]) -> Iterator[Any]:
    """Objects behind one another, each once, as far as the bound allows."""
    ahead, seen = list(parts), set[int]()
    while ahead and len(seen) < MOST_BEHIND:
        one = ahead.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            ahead += held_by(one)


# -- what runs ------------------------------------------------------------------------------------


def generators_behind(part: Any) -> list[Any]:
    """The generators that run when an iterator goes on, as far as it shows what it holds."""
    return [one for one in _behind([part], _iterators_in) if type(one) is GENERATOR]


def _iterators_in(one: Any) -> list[Any]:
    return [inner for inner in _held(one) if is_iterator(inner) or type(inner) is tuple]


def functions_behind(parts: Iterable[Any]) -> Iterator[Any]:
    """The Python functions that run when iterators go on; of a generator, one to be read only."""
    for one in _behind([part for part in parts if not is_quiet(part)], _runnable_in):
        kind = type(one)
        if kind is FUNCTION or kind is METHOD:
            yield one
        elif kind is GENERATOR:
            if one.gi_frame is not None:
                yield _function_of(one)
        elif type(step := plain(member(kind, "__next__"))) is FUNCTION:
            yield METHOD(step, one)


def _runnable_in(one: Any) -> list[Any]:
    kind, held = type(one), gc.get_referents(one)
    if kind is FUNCTION or kind is METHOD:
        return []
    if kind is GENERATOR:
        if one.gi_frame is None:
            return []
        held += one.gi_frame.f_locals.values()
    elif type(plain(member(kind, "__next__"))) is FUNCTION:
        held += (own(one, "__dict__") or {}).values()
    return [inner for inner in held if _may_run(inner)]


def _may_run(one: Any) -> bool:
    kind = type(one)
    if kind is tuple:
        return any(is_iterator(inner) or type(inner) is FUNCTION for inner in one)
    return kind is FUNCTION or kind is METHOD or (is_iterator(one) and not is_quiet(one))


def _function_of(generator: Any) -> Any:
    """A function with the code and the names of a generator, to be read and never run."""
    frame, code = generator.gi_frame, generator.gi_code
    cells = tuple(
        CELL(frame.f_locals[name]) if name in frame.f_locals else CELL()
        for name in code.co_freevars
    )
    function = FUNCTION(code, frame.f_globals, generator.__name__, None, cells)
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    made = plain(member(type(first), code.co_name)) if first is not None else None
    return METHOD(function, first) if own(made, "__code__") is code else function


def codes_of(values: Iterable[Any]) -> Iterator[Any]:
    """The code of the functions and generators among some objects."""
    for one in values:
        code = own(one, "gi_code") or own(one, "__code__")
        if hasattr(code, "co_names"):
            yield code


# -- what can be seen -----------------------------------------------------------------------------


def in_sight_of(parts: Iterable[Any]) -> list[Any]:
    """What iterators can see of the world: what they hold, and what their code names."""
    found: list[Any] = []
    for part in parts:
        for generator in generators_behind(part):
            if generator.gi_frame is not None:
                found += in_sight(generator.gi_frame)
        for one in _behind([part], _callable_in):
            found += _all_held(one)
    return found


def in_sight(frame: FrameType) -> Iterator[Any]:
    """What a generator's code can name: its variables, and the globals that it uses."""
    yield from frame.f_locals.values()
    spaces = frame.f_globals
    for name in frame.f_code.co_names:
        if name in spaces:
            yield spaces[name]


def _callable_in(one: Any) -> list[Any]:
    return [inner for inner in _all_held(one) if is_iterator(inner) or callable(inner)]


def _all_held(one: Any) -> list[Any]:
    return [*_held(one), *gc.get_referents(one)]


def _held(one: Any) -> Iterable[Any]:
    attributes = getattr(one, "__dict__", None)
    if type(attributes) is dict:
        return list(attributes.values())
    return gc.get_referents(one)


def within_reach_of(parts: Iterable[Any], is_end: Callable[[Any], bool]) -> Iterator[Any]:
    """What iterators can see, then what that holds or names; nothing is behind an end."""
    parts = list(parts)
    seen: set[int] = set()
    ahead = [(one, DEPTH) for one in (*parts, *in_sight_of(parts))]
    for one, depth in ahead:  # which grows meanwhile
        if id(one) in seen or len(seen) >= MOST_REACHED:
            continue
        seen.add(id(one))
        yield one
        if depth and not is_end(one):
            ahead += [(inner, depth - 1) for inner in _inside(one)]


def _inside(one: Any) -> list[Any]:
    kind = type(one)
    if kind is METHOD:
        return [one.__self__, one.__func__]
    if kind is FUNCTION:
        cells = [cell.cell_contents for cell in one.__closure__ or () if _is_filled(cell)]
        names = one.__code__.co_names
        return cells + [one.__globals__[name] for name in names if name in one.__globals__]
    if kind in (list, tuple, set, frozenset):
        return list(one)[:MOST_HELD]
    if kind is dict:
        return list(one.values())[:MOST_HELD]
    fields = own(one, "__dict__")
    if isinstance(one, type) or type(fields) is not dict:
        return []
    found = [*list(fields.values())[:MOST_HELD]]
    read = vars(kind).get("__next__")
    return [*found, read] if type(read) is FUNCTION else found


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False

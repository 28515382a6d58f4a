"""Which of what a library's function is handed may lie in what it gives."""

from __future__ import annotations

from _weakref import ref

from amorsize._function.bytecode import CLOSURE, GLOBAL
from amorsize._function.callable_walk import function_behind
from amorsize._function.callables import public_name_of
from amorsize._function.flow import value_flow
from amorsize._function.flow.flow_reader import calls_of, flow_of, given_by
from amorsize._function.flow.passed_arguments import Passed
from amorsize._function.flow.value_flow import ENTERED, INSIDE, OBJECTS, leads_inside, one_step
from amorsize._function.library.effect_table import rules
from amorsize._function.library.gives import GIVES
from amorsize._function.library.network_packages import NETWORK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.flow.value_flow import Flow, Store, Symbol

    Further = Callable[[Store], Iterable[Store]]
    # What it gives by the table, its code if that is read, and whether it is a weak reference.
    Kind = tuple[str, FunctionType | None, bool]

_NEW, _SAME, _KEEPS, _ONE, _NUMBERS = "new", "same", "keeps", "one", "numbers"
#: Packages whose functions give new tables of numbers, and objects only where they got some.
_OF_NUMBERS = {"numpy", "scipy", "pandas", "polars", "torch", "cv2", "skimage", "sklearn", "numba"}
#: Methods that give one of the elements of what they are handed.
_GIVING_ONE = {".choice", ".heappop", ".nlargest", ".nsmallest"}
#: Attributes by which a table or an array gives its own values.
_OF_ITSELF = {
    *(".loc", ".iloc", ".at", ".iat", ".flat", ".T", ".real", ".imag", ".data", ".values"),
    *(".array", ".index", ".columns", ".attrs", ENTERED),
}

_known: dict[str, str] = {}


def kind_of(maker: Any, callee: Store) -> Kind:
    """All that matters of a function of a library: what the table says, or else its code."""
    what = _told_of(maker, callee[2][-1] if callee[2] else "")
    return what, None if what else function_behind(maker), maker is ref


def from_library(kind: Kind, flow: Flow, target: Store, place: int) -> Iterator[Store]:
    """What a target is in truth that a library's function has given, at this place of the way."""
    space, name, steps = target
    callee, rest = (space, name, steps[:place]), steps[place + 1 :]
    what, function, is_reference = kind
    if what == _NEW:
        return
    if function is not None:
        yield from by_code(function, flow, target, place, 0, lambda _: ())
    for _, passed, _ in calls_of(flow, callee):
        if is_reference and rest[:1] == (value_flow.CALLED,):
            yield from _told(flow, passed[:1], rest[1:])
        elif what == _SAME:
            yield from _told(flow, passed, rest)
        if what == _ONE or _leads_on(rest):
            yield from _anywhere(flow, passed, what)
    if any(map(leads_inside, rest)) and space in (GLOBAL, CLOSURE) and place:
        yield space, name, (*steps[: place - 1], INSIDE)


def by_code(
    function: FunctionType, flow: Flow, target: Store, place: int, n_bound: int, further: Further
) -> Iterator[Store]:
    """What a target is in truth that a function gives back of its arguments, as its code tells.

    What it gives may be what it has got from others, of which `further` tells what that is.
    """
    given, rest = flow_of(function), target[2][place + 1 :]
    given_on = [
        *given_by(given, rest),
        *((one_step(one, value_flow.CALLED), rest) for one in given.returned_calls),
    ]
    for (space, name, way), last in tuple(given_on):
        if value_flow.CALLED in way:
            given_on += [(one, ()) for one in further((space, name, (*way, *last)))]
    back = [one for one in given_on if one[0][0] == value_flow.ARGUMENT]
    for _, passed, named in calls_of(flow, (*target[:2], target[2][:place])) if back else ():
        arguments = Passed(function.__code__, passed, named, n_bound)
        for (_, argument, way), last in back:
            for origin, more in flow.known(arguments.at(argument, way)):
                yield (*origin[:2], (*origin[2], *more, *last))


def _leads_on(rest: tuple[str, ...]) -> bool:
    """Whether it leads on to something that what was given holds, and does not just consist of."""
    at = 0 if value_flow.CALLED not in rest else len(rest)
    while at < len(rest) and rest[at] in _OF_ITSELF:  # nor does `with` lead on
        at += 1
        if at < len(rest) and leads_inside(rest[at]):
            at += 1
    return at < len(rest)


def _told_of(maker: Any, last: str) -> str:
    """What the table says of a function; of one that is not known, its name alone."""
    if not _known:
        _known.update({name: what for what, _, _, name in rules(GIVES)})
    if not callable(maker):
        return _ONE if last in _GIVING_ONE else ""
    name = public_name_of(maker)
    top = name.partition(".")[0]
    if top in NETWORK:
        return _NEW
    return _known.get(name, _NUMBERS if top in _OF_NUMBERS else "")


def _anywhere(flow: Flow, passed: Iterable[Symbol], what: str) -> Iterator[Store]:
    """Whatever lies in what is handed, and that itself if it is kept as it is."""
    for one in passed:
        yield from _told(flow, [one], (OBJECTS if what == _NUMBERS else INSIDE,))
        if what == _KEEPS:
            yield from _told(flow, [one], ())


def _told(flow: Flow, symbols: Iterable[Symbol], rest: tuple[str, ...]) -> Iterator[Store]:
    for origin, way in flow.known((one, rest) for one in symbols):
        yield (*origin[:2], (*origin[2], *way))

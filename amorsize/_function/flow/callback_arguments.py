"""Finds the arguments with which functions like `map`, `sorted`, `reduce` call a function."""

from __future__ import annotations

from amorsize._function.bytecode import IMPORT
from amorsize._function.flow.value_flow import DOUBLE_STAR, STAR, UNKNOWN, element

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from amorsize._function.flow.value_flow import Call, Flow, Symbol

    Passing = tuple[tuple[Symbol, ...], tuple[str, ...]]  # values, and the names of the last ones

#: Functions that call their argument with one element of each of their other arguments.
_WITH_ELEMENTS = {"map", "filter", "filterfalse", "takewhile", "dropwhile", "imap"}
#: Methods that call their argument with their object, or with one of its elements.
_WITH_OBJECT = {"pipe"}
_WITH_ITS_ELEMENTS = {"apply", "transform", "agg", "aggregate", "applymap"}
#: Functions that call their argument with parts of another one, and the place of that.
_WITH_PARTS = {"apply_along_axis": 2, "apply_over_axes": 1}
#: Functions that return what their argument returns, or several of these.
GIVING_RESULTS = {"map", "starmap", "imap", "iter", "accumulate"}
#: Functions that call their argument with its last result and an element.
_FOLDING = {"reduce", "accumulate"}


def callback_arguments(call: Call, at: int, flow: Flow) -> list[Passing]:
    """The arguments with which the argument at this place may be called, if it is a function."""
    passing = _handed_on(call, at, flow)
    if call[0] != UNKNOWN:
        return [passing]
    return [passing, (tuple(map(flow.element, passing[0])), passing[1])]  # the `map` of a pool


def _handed_on(call: Call, at: int, flow: Flow) -> Passing:
    (space, name, steps), passed, named = call
    whose = space, name, steps[:-1]
    name = steps[-1].lstrip(".") if steps else name
    n_by_place = len(passed) - len(named)
    by_name = dict(zip(named, passed[n_by_place:], strict=True))
    after = passed[at + 1 : max(n_by_place, at + 1)]
    if name in _WITH_ELEMENTS:
        return tuple(map(flow.element, after)), ()
    if name == "starmap":
        return tuple(element(flow.element(one), STAR) for one in after), ()
    if name in _WITH_OBJECT:
        return (whose, *after), ()
    if name in _WITH_ITS_ELEMENTS and steps and space != IMPORT:
        return (element(whose), *after), ()
    if name in _WITH_PARTS and at == 0:
        return tuple(map(flow.element, passed[_WITH_PARTS[name] :][:1])), ()
    if name in _FOLDING:
        return _folding(passed[:n_by_place], at, by_name, flow), ()
    keyword = named[at - n_by_place] if at >= n_by_place else ""
    if keyword == "key":
        return (flow.element(passed[0] if n_by_place else whose),), ()
    if "args" in by_name or "kwargs" in by_name:  # of a thread or process
        return _of_thread(by_name, flow)
    ahead = tuple(one for one in named if one != keyword)
    return (*after, *(by_name[one] for one in ahead)), ahead


def _folding(
    by_place: tuple[Symbol, ...], at: int, by_name: dict[str, Symbol], flow: Flow
) -> tuple[Symbol, ...]:
    """`reduce(function, values, begin)`, and `accumulate(values, function, initial=begin)`."""
    others = [one for place, one in enumerate(by_place) if place != at]
    if not others:
        return ()
    one = flow.element(others[0])
    begin = by_name.get("initial", others[1] if len(others) > 1 else None)
    return (one if begin is None else begin), one


def _of_thread(by_name: dict[str, Symbol], flow: Flow) -> Passing:
    args = by_name.get("args")
    held = flow.held(args)
    if held is None:
        held = () if args is None else (element(args, STAR),)
    others = by_name.get("kwargs")
    return (*held, *(() if others is None else (element(others, DOUBLE_STAR),))), ()


def prepared(call: Call, making: Iterable[Call], flow: Flow) -> Iterator[Call]:
    """The calls that a `partial` makes which the code has made by one of these calls."""
    _, passed, named = call
    n_named = len(named)
    for _, first, first_named in making:
        for origin in flow.origins(first[0]) if first else ():
            by_place = first[1 : len(first) - len(first_named)], passed[: len(passed) - n_named]
            by_name = first[len(first) - len(first_named) :], passed[len(passed) - n_named :]
            whole = (*by_place[0], *by_place[1], *by_name[0], *by_name[1])
            yield origin, whole, (*first_named, *named)

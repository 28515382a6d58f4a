"""Finds the arguments with which functions like `map`, `sorted`, `reduce` call a function."""

from __future__ import annotations

from amorsize._function.value_flow import DOUBLE_STAR, STAR, UNKNOWN, element

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._function.value_flow import Call, Flow, Symbol

    Passing = tuple[tuple[Symbol, ...], tuple[str, ...]]  # values, and the names of the last ones

#: Functions that call their argument with one element of each of their other arguments.
_WITH_ELEMENTS = {"map", "filter", "filterfalse", "takewhile", "dropwhile", "imap"}
#: Functions that call their argument with its last result and an element.
_FOLDING = {"reduce", "accumulate"}


def handed_on(call: Call, at: int, flow: Flow) -> list[Passing]:
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

"""What a call gives of what it is handed, as far as its name tells."""

from __future__ import annotations

from amorsize._function.bytecode import CLOSURE, GLOBAL
from amorsize._function.flow.value_flow import (
    AS_TEXT,
    CALLED,
    GIVEN,
    GROUP,
    INNER,
    MEMORY,
    NAMES,
    OF_CLASS,
    RESULT,
    SUBCLASSED,
    element,
    one_step,
)
from amorsize._function.object_contents import GIVE_VIEW, GIVE_VIEWS, VIEW_OF, VIEW_WITHOUT_COPY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._function.flow.value_flow import Flow, Store, Symbol

    Giving = Callable[[Flow, tuple[Symbol, ...], tuple[str, ...]], Symbol]

#: Methods that give one of an object's elements, all of them, and all of them with their keys.
_GIVE_ONE = {".get", ".setdefault", ".__getitem__"}
_GIVE_ALL = {".values", ".copy"}
_GIVE_PAIRS = {".items"}
#: Functions of modules that give a new object of the same parts as their first argument.
_COPY_FIRST = {".copy", ".replace"}
#: Methods that give a new object of the same parts.
_GIVE_COPY = {"._replace", ".__copy__", ".__add__", ".__or__"}
#: Functions of modules that give the elements of what they are handed.
_CHAINING = {".chain", ".islice", ".cycle", ".deque"}
#: The method of an image that gives its pixels, without an argument.
_PIXELS = ".load"
#: Methods of trees that give one of its nodes, and several.
_GIVE_NODE, _GIVE_NODES = {".find"}, {".iter", ".findall", ".iterfind", ".find_all", ".select"}
#: The special methods that builtins run of their first argument.
_BY_BUILTIN: dict[str, tuple[str, ...]] = {
    name: (f"__{name}__",)
    for name in ("len", "next", "bool", "int", "float", "abs", "round", "hash", "repr", "reversed")
}
_BY_BUILTIN |= dict.fromkeys(("str", "print", "format"), AS_TEXT)
_BY_BUILTIN |= dict.fromkeys(
    ("iter", "list", "tuple", "set", "sum", "any", "all", "enumerate", "zip", "dict"), ("__iter__",)
)
_BY_BUILTIN |= dict.fromkeys(("sorted", "min", "max"), ("__iter__", "__lt__", "__gt__"))
#: Builtins that give something of their only argument.
_STEPS_OF = {"vars": NAMES, "type": OF_CLASS}
#: Calls that are followed of what calls give.
_MOST_CALLS = 2
#: Functions that give what they are handed, or a view of it, called by their names alone.
_VIEWS = VIEW_OF | GIVE_VIEW
#: Functions that make a class of its name, its base classes and more.
_MAKING_CLASSES = {"type", "new_class"}
_EXTENDING = (".extend", ".update")
_ADDING = (".append", ".add", ".appendleft", *_EXTENDING)


def note_call(
    flow: Flow,
    callee: Symbol,
    passed: tuple[Symbol, ...],
    named: tuple[str, ...],
    literals: tuple[object, ...],
) -> Symbol:
    """Something is called that the code does not define; what that gives."""
    symbol: Symbol = None
    for one in passed:
        if one is not None and (one[0] in (GLOBAL, CLOSURE) or one[2]):
            flow.note_operation(one, "__next__")  # whoever is handed it may go through it
    for origin in flow.origins(callee):
        flow.calls.setdefault((flow.by_call(origin), passed, named), []).append(literals)
        flow.note_operation(origin, "__call__")
        if len(passed) > 1 and (origin[2] or origin[1:2])[-1].lstrip(".") in _MAKING_CLASSES:
            flow.note_operation(flow.element(passed[1]), SUBCLASSED)
        symbol = _part(flow, origin, passed, named)
        if origin[2][-1:] and origin[2][-1] in VIEW_WITHOUT_COPY and "copy" in named:
            symbol = flow.one_of(passed[0], (*origin[:2], origin[2][:-1]))
        told = flow.by_call(origin)
        is_of_method = origin[2][-1:] and origin[2][-1] in _GIVE_ONE | _GIVE_NODE
        if (symbol is None or is_of_method) and told[2].count(CALLED) < _MOST_CALLS:
            name = "".join((*origin[:2], *origin[2]))
            flow.called[name] = told
            given = RESULT, name, ()
            symbol = given if symbol is None else flow.one_of(symbol, given)  # of its own class
    return symbol


def given_by_group(flow: Flow, group: Store, method: str, passed: tuple[Symbol, ...]) -> Symbol:
    """What a method gives of what has just been put together, or adds to it."""
    if method == ".setdefault":
        flow.add(group, *passed[1:])
    if method in (".get", ".pop", ".popleft", ".setdefault", ".__next__", ".send"):
        return flow.element(group)
    if method == ".popitem":
        return flow.group(None, flow.element(group))
    if method == ".insert":
        flow.add(group, *passed[1:])
    if method in _GIVE_ALL:
        return flow.group(flow.element(group))
    if method in _ADDING and passed:
        added = passed[0] if method not in _EXTENDING else flow.element(passed[0])
        if added is not None and added[0] not in (GROUP, INNER):
            flow.add(group, added)
    return None


def _part(flow: Flow, callee: Store, passed: tuple[Symbol, ...], named: tuple[str, ...]) -> Symbol:
    """What a call gives that is a part of something else."""
    space, name, steps = callee
    if steps:
        return _part_by_method(flow, callee, passed)
    if space != GLOBAL or not any(passed):
        return None
    first = passed[0]
    if first is not None and name in _BY_BUILTIN:
        flow.note_operation(first, *_BY_BUILTIN[name])
    if name in _GIVING:
        return _GIVING[name](flow, passed, named)
    if first is None:
        return None
    if name == "memoryview":
        return element(first, MEMORY)
    if f".{name}" in _VIEWS:
        return first
    step = _STEPS_OF.get(name) if len(passed) == 1 else None
    return one_step(first, step) if step is not None else None


def _part_by_method(flow: Flow, callee: Store, passed: tuple[Symbol, ...]) -> Symbol:
    """What a method gives, or a function of a module, of its object or of what it is handed."""
    space, name, steps = callee
    last, whole = steps[-1], (space, name, steps[:-1])
    held = one_step(whole, GIVEN)
    if last in VIEW_OF:
        return passed[0] if passed else None
    if last in GIVE_VIEW:
        return whole if not passed or passed[0] is None else flow.one_of(whole, passed[0])
    if last in GIVE_VIEWS:
        return flow.group(flow.one_of(whole, *passed[:1]))
    if last in _GIVE_ONE or last in _GIVE_NODE:
        return held if len(passed) < 2 or passed[1] is None else flow.one_of(held, passed[1])
    if last == _PIXELS and not passed:
        return whole
    if last in _COPY_FIRST and passed[:1] and passed[0] is not None:
        return flow.copy(passed[0])
    if last in _GIVE_COPY:
        return flow.copy(whole)
    if last in _GIVE_ALL or last in _GIVE_NODES:
        return flow.group(held)
    if last in _CHAINING:
        return flow.group(*map(flow.element, passed))
    return flow.group(flow.group(None, held)) if last in _GIVE_PAIRS else None


def _one_of_all(flow: Flow, passed: tuple[Symbol, ...], named: tuple[str, ...]) -> Symbol:
    """`next`, `min` and `max`: an element, what stands in for one, or one of several."""
    by_place = passed[: len(passed) - len(named)]
    by_name = zip(named, passed[len(by_place) :], strict=True)
    others = [*by_place[1:], *(one for name, one in by_name if name == "default")]
    others = [one for one in others if one is not None]
    if not others:
        return flow.element(by_place[0]) if by_place else None
    return flow.one_of(flow.element(passed[0]), *others)


def _all(flow: Flow, passed: tuple[Symbol, ...], _named: tuple[str, ...]) -> Symbol:
    return flow.group(flow.element(passed[0])) if passed[0] is not None else None


def _filtered(flow: Flow, passed: tuple[Symbol, ...], _named: tuple[str, ...]) -> Symbol:
    return flow.group(flow.element(passed[-1]))


def _numbered(flow: Flow, passed: tuple[Symbol, ...], _named: tuple[str, ...]) -> Symbol:
    return flow.group(flow.group(None, flow.element(passed[0])))


def _side_by_side(flow: Flow, passed: tuple[Symbol, ...], named: tuple[str, ...]) -> Symbol:
    return flow.group(flow.group(*map(flow.element, passed[: len(passed) - len(named)])))


def _table(flow: Flow, passed: tuple[Symbol, ...], named: tuple[str, ...]) -> Symbol:
    """A new dict: of another, of pairs, or of names."""
    n_by_place = len(passed) - len(named)
    values = [*passed[n_by_place:]]
    for whole in passed[:n_by_place]:
        one = flow.element(whole)
        pair = flow.held(one)
        values += [pair[-1]] if pair else [one, flow.element(one)]
    return flow.group(*values)


_GIVING: dict[str, Giving] = {
    **dict.fromkeys(("next", "min", "max"), _one_of_all),
    **dict.fromkeys(("list", "tuple", "set", "sorted", "reversed", "iter", "deque"), _all),
    "filter": _filtered,
    "enumerate": _numbered,
    "zip": _side_by_side,
    "dict": _table,
}

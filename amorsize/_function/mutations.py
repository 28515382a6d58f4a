"""What a function's code changes that outlives a call: by a name, an alias, a method or a helper.

Read from where the values in its bytecode go. What cannot be followed is not told; what is told is
plainly there, if in a branch that few items take.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more

from amorsize._function import value_flow
from amorsize._function.bound_arguments import (
    NOTHING,
    Bound,
    callables_in,
    first_argument,
    implementations,
    is_code,
    rest_arguments,
    with_arguments,
)
from amorsize._function.bytecode import CLOSURE, GLOBAL
from amorsize._function.callables import FUNCTION, METHOD, MISSING, own, public_name_of, raw
from amorsize._function.change import BY, SET_BY, Change, sets_attribute
from amorsize._function.flow_reader import flow_of
from amorsize._function.handed_on import handed_on
from amorsize._function.library_changes import (
    CHANGING_SOME,
    IN_PLACE_OPTION,
    PERHAPS_CHANGING,
    SETTERS,
    TO,
    changes_first,
    changes_holder,
    is_changing,
    own_name,
)
from amorsize._function.name_lookup import callees_of, ends_of, root_of
from amorsize._function.object_contents import MAX_ELEMENTS
from amorsize._function.passed_arguments import Passed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.name_lookup import End
    from amorsize._function.value_flow import Call, Flow, Store, Symbol

    Owns = Callable[[object], bool]
    Target = tuple[Store, str]  # where the way to a changed thing begins, and its last step

#: Helpers that are read, each called by the one before it.
MOST_HELPERS = 4
_OF_THREAD: Any = ["what a call gives to all of a thread"]
#: Functions of libraries that give what others hold as well, and may change through it.
GIVES_SHARED = {
    *("decimal.getcontext", "logging.getLogger", "matplotlib.pyplot.gca", "matplotlib.pyplot.gcf"),
    *("threading.current_thread", "asyncio.get_event_loop"),
    "multiprocessing.process.current_process",
}


class Reader:
    """Reads functions, for one look at what they lead to: what a name stands for is asked once.

    Args:
        owns: Whether a function is the project's own: only these are read as helpers.
    """

    def __init__(self, owns: Owns) -> None:
        self._owns = owns
        # By function, what is bound to it and the depth; with these, so that no id comes twice.
        self._known: dict[tuple[int, object, int], tuple[Any, Bound, list[Target]]] = {}

    def changes(self, func: FunctionType, bound: Bound = NOTHING) -> Iterator[Change]:
        """What a function changes, with these arguments bound to it."""
        for target, step in self._targets(func, bound, MOST_HELPERS):
            yield self._change(func, bound, target, step)

    def changed_arguments(self, func: FunctionType, bound: Bound = NOTHING) -> set[str]:
        """The names of those of its arguments that a function changes."""
        changed = self._changed(func, bound, MOST_HELPERS)
        return {name for name, way, _ in changed if value_flow.GIVEN not in way}

    def changed_elements(self, func: FunctionType, bound: Bound = NOTHING) -> set[str]:
        """The names of arguments of which it changes an element, if they are plain containers."""
        changed = self._changed(func, bound, MOST_HELPERS)
        return {name for name, way, _ in changed if value_flow.GIVEN in way}

    def _changed(
        self, func: FunctionType, bound: Bound, depth: int
    ) -> set[tuple[str, tuple[str, ...], bool]]:
        """The arguments that a function changes, the ways to what is changed, and if it is set."""
        return {
            (name, way, sets_attribute(step))
            for (space, name, way), step in self._targets(func, bound, depth)
            if space == value_flow.ARGUMENT
        }

    def _targets(self, func: FunctionType, bound: Bound, depth: int) -> list[Target]:
        """Where the ways to changed things begin, and the last step of each."""
        key = id(func), bound.key, depth
        known = self._known.get(key)
        if known is None:
            rest = rest_arguments(func.__code__)  # themselves made for each call
            found = [
                one
                for one in dict.fromkeys(self._found(func, bound, depth))
                if one[0][0] != value_flow.ARGUMENT or one[0][2] or one[0][1] not in rest
            ]
            known = self._known[key] = func, bound, found
        return known[2]

    def _found(self, func: FunctionType, bound: Bound, depth: int) -> Iterator[Target]:
        for target, step in self._seen(func, bound, depth):
            yield target, step
            if value_flow.CALLED in target[2]:
                for origin in self._handed_back(func, bound, target):
                    yield origin, step

    def _handed_back(self, func: FunctionType, bound: Bound, target: Store) -> Iterator[Store]:
        """What was handed to a function of the project that gives it, or a part of it, back."""
        space, name, steps = target
        place = steps.index(value_flow.CALLED)
        callee, flow = (space, name, steps[:place]), flow_of(func)
        for maker in callees_of(func, bound, callee):
            function, set_before = self._opened(maker)
            if function is None:
                continue
            back = [one for one in flow_of(function).returned if one[0] == value_flow.ARGUMENT]
            for called, passed, named in flow.calls if back else ():
                if called != callee:
                    continue
                given = Passed(function.__code__, passed, named, set_before.n_first)
                for _, argument, way in back:
                    for origin, rest in _origins(flow, given.at(argument, way)):
                        yield origin[0], origin[1], (*origin[2], *rest, *steps[place + 1 :])

    def _seen(self, func: FunctionType, bound: Bound, depth: int) -> Iterator[Target]:
        flow = flow_of(func)
        for space, name, steps in flow.stores:
            yield (space, name, steps[:-1]), (steps[-1] if steps else "")
        for call in flow.calls:
            (space, name, steps), passed, _ = call
            if is_changing(steps):
                yield (space, name, steps[:-1]), f"{steps[-1]}()"
            for (space, name, steps), _ in _origins(flow, ((one, ()) for one in passed)):
                if is_changing(steps):  # handed on, to be called there
                    yield (space, name, steps[:-1]), f"{steps[-1]}()"
            yield from self._by_library(func, bound, call)
            if depth and (call[0][2] or any(one is not None for one in passed)):
                yield from self._by_helper(func, bound, call, depth)

        for target, method in flow.operations:
            yield from self._by_operation(func, bound, target, method, depth)

    def _by_operation(
        self, func: FunctionType, bound: Bound, target: Store, method: str, depth: int
    ) -> Iterator[Target]:
        """What an object's own special method changes of it."""
        space, name, steps = target
        for found in (
            callees_of(func, bound, (space, name, (*steps, f".{method}"))) if depth else ()
        ):
            if type(found) is METHOD and self._owns(function := raw(found.__func__)):
                changed = self._changed(function, Bound.to(function, found.__self__), depth - 1)
                if any(argument == first_argument(function) for argument, _, _ in changed):
                    yield target, f", by {method}()"

    def _by_library(self, func: FunctionType, bound: Bound, call: Call) -> Iterator[Target]:
        """What a library's function changes of what it is handed."""
        callee, passed, named = call
        flow, step = flow_of(func), callee[2][-1:]
        by_name = dict(zip(named, passed[len(passed) - len(named) :], strict=True))
        yield from self._into_buffers(func, bound, call, by_name.get("file"))
        name = (step[0] if step else callee[1]).lstrip(".")
        changed = [by_name[TO]] if TO in by_name else []
        if IN_PLACE_OPTION in by_name and step:
            changed.append((callee[0], callee[1], callee[2][:-1]))
        is_by_other_name = callee[0] != GLOBAL or step
        if passed and (name in PERHAPS_CHANGING or is_by_other_name):
            for called in callees_of(func, bound, callee) or [MISSING]:
                if changes_first(called, known := own_name(called, name)):
                    changed.append(passed[0])
                    name = known
        for origin, _ in _origins(flow, ((one, ()) for one in changed)):
            yield origin, f"{SET_BY if name in SETTERS else BY} {name}()"

    def _into_buffers(
        self, func: FunctionType, bound: Bound, call: Call, file: Symbol
    ) -> Iterator[Target]:
        """What methods change that change only objects of some types."""
        callee = call[0]
        name = callee[2][-1].lstrip(".") if callee[2] else ""
        targets = [(callee[0], callee[1], callee[2][:-1])]
        if name not in CHANGING_SOME:
            targets = [origin for origin, _ in _origins(flow_of(func), ((file, ()),))]
        for space, root, steps in targets:
            ends = ends_of(root_of(func, bound, space, root)[1], steps)
            if any(changes_holder(end, name, func.__code__.co_names) for end, _ in ends):
                yield (space, root, steps), f", by {name or callee[1]}()"

    def _by_helper(
        self, func: FunctionType, bound: Bound, call: Call, depth: int
    ) -> Iterator[Target]:
        flow = flow_of(func)
        for helper in self._callees(func, bound, call[0]):
            yield from self._by_called(func, bound, helper, call, depth)
        if call[0][2][-1:] == (value_flow.CALLED,):
            yield from self._by_prepared(func, bound, call, depth)
        for at, handed in enumerate(call[1]):  # to `map`, `partial` or `submit`
            for origin in flow.origins(handed):
                for helper in self._callees(func, bound, origin):
                    if not is_code(helper) or raw(helper) is func:
                        continue
                    for passing in handed_on(call, at, flow):
                        yield from self._by_called(func, bound, helper, (origin, *passing), depth)

    def _by_prepared(
        self, func: FunctionType, bound: Bound, call: Call, depth: int
    ) -> Iterator[Target]:
        """What is called by a `partial` that the code itself makes."""
        (space, name, steps), passed, named = call
        maker = space, name, steps[:-1]
        if partial not in self._callees(func, bound, maker):
            return
        n_named = len(named)
        for one, first, first_named in flow_of(func).calls:
            for origin in flow_of(func).origins(first[0]) if one == maker and first else ():
                by_place = first[1 : len(first) - len(first_named)], passed[: len(passed) - n_named]
                by_name = first[len(first) - len(first_named) :], passed[len(passed) - n_named :]
                whole = (*by_place[0], *by_place[1], *by_name[0], *by_name[1])
                for helper in self._callees(func, bound, origin):
                    made = origin, whole, (*first_named, *named)
                    yield from self._by_called(func, bound, helper, made, depth)

    def _by_called(
        self, func: FunctionType, bound: Bound, helper: Any, call: Call, depth: int
    ) -> Iterator[Target]:
        callee, passed, named = call
        function, known = self._opened(helper)
        if function is None or function is func:
            return
        given, flow = Passed(function.__code__, passed, named, known.n_first), flow_of(func)
        known = known.and_these(self._callables(func, bound, given))
        for name, way, is_set in sorted(self._changed(function, known, depth - 1)):
            step = f"{SET_BY if is_set else BY} {function.__name__}()"
            if known.owner is not MISSING and name == first_argument(function):
                if type(helper) is METHOD and callee[2]:
                    yield (*callee[:2], (*callee[2][:-1], *way)), step
                continue
            for origin, rest in _origins(flow, given.at(name, way)):
                yield (*origin[:2], (*origin[2], *rest)), step

    def _callees(self, func: FunctionType, bound: Bound, callee: Store) -> list[Any]:
        """What may be called, the functions that other functions give included."""
        if value_flow.CALLED not in callee[2]:
            found = callees_of(func, bound, callee)
        else:
            found = [raw(end) for end, _ in self._given(func, bound, callee) if end is not MISSING]
        return [one for helper in found for one in implementations(helper)]

    def _opened(self, helper: Any) -> tuple[FunctionType | None, Bound]:
        """The project's function behind a callable, and what is bound to it."""
        function, bound = with_arguments(helper)
        if type(function) is FUNCTION and not self._owns(function):
            function = raw(own(function, "__wrapped__"))  # as that of a `contextmanager`
        is_read = type(function) is FUNCTION and self._owns(function)
        return (function, bound) if is_read else (None, NOTHING)

    def _callables(self, func: FunctionType, bound: Bound, given: Passed) -> dict[str, Any]:
        """What a helper is passed to call."""
        found: dict[str, Any] = {}
        for name, symbols in given.one_by_one.items():
            for (space, root, steps), _ in _origins(flow_of(func), ((s, ()) for s in symbols)):
                for value in self._callees(func, bound, (space, root, steps)):
                    if callables_in(value, MAX_ELEMENTS):
                        found[name] = value
        return found

    def _change(self, func: FunctionType, bound: Bound, target: Store, step: str) -> Change:
        space, name, steps = target
        label, root = root_of(func, bound, space, name)
        is_given = value_flow.CALLED in steps
        ends = self._given(func, bound, target) if is_given else ends_of(root, steps)
        if steps[-1:] == (value_flow.OF_CLASS,) and sets_attribute(step):
            ends = [(type, type)]  # whatever class it is, others have it as well
        return Change(
            label=label,
            name=name if space in (GLOBAL, CLOSURE) else "",
            steps=(*steps, step) if step else steps,
            ends=ends,
            is_of_thread=is_given and any(nearest is _OF_THREAD for _, nearest in ends),
        )

    def _given(self, func: FunctionType, bound: Bound, target: Store) -> list[End]:
        """What a call has given, where it gives the same to others; nothing for a new thing."""
        space, name, steps = target
        place = steps.index(value_flow.CALLED)
        ends: list[End] = []
        for maker in callees_of(func, bound, (space, name, steps[:place])):
            function, set_before = self._opened(maker)
            if function is not None:
                for given_space, given_name, given_steps in flow_of(function).returned:
                    root = root_of(function, set_before, given_space, given_name)[1]
                    ends += ends_of(root, (*given_steps, *steps[place + 1 :]))
            elif callable(maker) and public_name_of(maker) in GIVES_SHARED:
                ends.append((MISSING, _OF_THREAD))
        return ends


def _origins(
    flow: Flow, symbols: Iterable[tuple[Symbol, tuple[str, ...]]]
) -> Iterator[tuple[Store, tuple[str, ...]]]:
    """What these may be, and the rest of the way from there."""
    for symbol, way in symbols:
        if symbol is None or symbol[0] == value_flow.INNER:
            continue
        if symbol[0] == value_flow.GROUP:
            symbol, way = (symbol[0], symbol[1], (*symbol[2], *way)), ()
        for one in flow.origins(symbol):
            told = flow.told(one)
            if one[0] != value_flow.RESULT or told[0] in (GLOBAL, CLOSURE):
                yield told, way

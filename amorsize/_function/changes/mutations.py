"""Finds what a function's code changes that outlives the call.

It follows the values in the bytecode: through names, aliases, methods and helpers. A change that is
reported is plainly in the code, perhaps in a branch that few items take. Others are left out.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more
from _weakref import ref

from amorsize._function.bound_arguments import (
    NOTHING,
    Bound,
    callables_in,
    first_argument,
    is_code,
    opened_helper,
    run_by,
)
from amorsize._function.bytecode import CLOSURE, GLOBAL
from amorsize._function.callables import METHOD, MISSING, raw
from amorsize._function.changes.change import (
    OF_A_WAY_BACK,
    Change,
    KnownTargets,
    Work,
    is_kept_by_thread,
    sets_attribute,
)
from amorsize._function.changes.library_targets import changed_by_itself, changed_by_library
from amorsize._function.changes.possible_callees import (
    changed_by_unknown,
    fields_given,
    names_in_spaces,
    through_attributes,
)
from amorsize._function.flow import value_flow
from amorsize._function.flow.flow_reader import flow_of, given_by
from amorsize._function.flow.name_lookup import callees_of, ends_in_globals, ends_of, root_of
from amorsize._function.flow.passed_arguments import Passed
from amorsize._function.flow.value_flow import By
from amorsize._function.library.changes import gives_shared, is_changing
from amorsize._function.object_contents import MAX_ELEMENTS, grows_when_read
from amorsize._function.ownership import is_own_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.changes.change import Target
    from amorsize._function.changes.possible_callees import Callees
    from amorsize._function.flow.name_lookup import End
    from amorsize._function.flow.value_flow import Call, Store

    Owns = Callable[[object], bool]

#: How deep calls of helpers are followed that are not known yet, as where they call one another,
#: then how deep what helpers return is followed. One more level of calls takes three times as
#: long in the standard library's `email`.
MOST_HELPERS, _MOST_BACK = 4, 4
_OF_THREAD: Any = ["what a call gives to all of a thread"]


class Reader:
    """Reads functions for one examination: each name is looked up once.

    Args:
        owns: Whether a function is the project's; only those are read as helpers.

    Attributes:
        callees: Functions that a call may run which cannot be followed; None: it changes nothing.
    """

    def __init__(self, owns: Owns) -> None:
        self._owns = owns
        self.work = Work()
        self.callees: Callees | None = None
        self._known = KnownTargets(MOST_HELPERS)
        # With functions and what is bound to them, so that no id comes twice.
        self._by_itself: dict[tuple[int, object], tuple[Any, Bound, list[Target]]] = {}
        self._back: dict[tuple[int, object, Store, int], tuple[Any, Bound, dict[Store, None]]] = {}

    def changes(self, func: FunctionType, bound: Bound = NOTHING) -> Iterator[Change]:
        """The changes that a function makes, with these arguments bound to it."""
        for target, step in self._targets(func, bound, MOST_HELPERS):
            yield self._change(func, bound, target, step)

    def changed_arguments(self, func: FunctionType, bound: Bound) -> set[str]:
        """The names of the arguments that a function changes."""
        changed = self._changed(func, bound, MOST_HELPERS)
        return {name for name, way, _ in changed if value_flow.GIVEN not in way}

    def changed_elements(self, func: FunctionType, bound: Bound) -> set[str]:
        """The names of the arguments whose elements it changes, if they are plain containers."""
        changed = self._changed(func, bound, MOST_HELPERS)
        return {name for name, way, _ in changed if value_flow.GIVEN in way}

    def _changed(
        self, func: FunctionType, bound: Bound, depth: int
    ) -> list[tuple[str, tuple[str, ...], bool]]:
        """The arguments that a function changes, the way to each change, and whether it sets it."""
        return self._known.arguments_in(self._targets(func, bound, depth))

    def _targets(self, func: FunctionType, bound: Bound, depth: int) -> list[Target]:
        """Where the ways to changed things begin, and the last step of each."""
        self.work.spend(1)
        return self._known.of(func, bound, depth, self._found)

    def _found(self, func: FunctionType, bound: Bound, depth: int) -> Iterator[Target]:
        met: set[Target] = set()  # many calls may change the same
        for target, step in self._seen(func, bound, depth):
            if (target, step) in met:
                continue
            met.add((target, step))
            yield target, step
            if value_flow.CALLED in target[2]:
                for origin in self._handed_back(func, bound, target):
                    yield origin, step
            if self.callees is not None and self.callees.has_getters:
                for origin in self.callees.behind_getters(target):
                    yield origin, step

    def _handed_back(
        self, func: FunctionType, bound: Bound, target: Store, most: int = _MOST_BACK
    ) -> Iterable[Store]:
        """The arguments that a function returns whole or in part."""
        key = id(func), bound.key, target, most
        if (known := self._back.get(key)) is not None:
            return known[2]
        found: dict[Store, None] = {}
        ahead: Iterable[Store] = (target,)
        for further in range(most, 0, -1):
            below = {
                origin: None
                for one in ahead
                for at, step in enumerate(one[2])
                if step == value_flow.CALLED
                for origin in self._back_from(func, bound, one, at, further)
            }
            ahead = [one for one in below if one not in found]
            found |= below
        self._back[key] = func, bound, found
        return found

    def _back_from(
        self, func: FunctionType, bound: Bound, target: Store, place: int, most: int
    ) -> Iterator[Store]:
        from amorsize._function.changes.result_aliases import by_code, from_library
        from amorsize._function.flow.operator_objects import got_by

        self.work.spend(OF_A_WAY_BACK)
        callee, flow = (*target[:2], target[2][:place]), flow_of(func)
        for maker in run_by(self._callees(func, bound, callee)) or [None]:
            yield from got_by(maker, flow, target, place)
            function, set_before = opened_helper(maker, self._owns)
            if function is not None:
                on = partial(self._handed_back, function, set_before, most=most - 1)
                yield from by_code(function, flow, target, place, set_before.n_first, on)
            elif not (isinstance(maker, type) and is_own_class(maker)):
                yield from from_library(maker, flow, target, place)

    def _seen(self, func: FunctionType, bound: Bound, depth: int) -> Iterator[Target]:
        flow = flow_of(func)
        key = id(func), bound.key
        if (known := self._by_itself.get(key)) is None:
            found = list(dict.fromkeys(changed_by_itself(func, bound)))
            known = self._by_itself[key] = func, bound, found
        yield from known[2]
        for call in flow.calls:
            if call[0][2] or any(one is not None for one in call[1]):
                yield from self._by_helper(func, bound, call, depth)
        yield from through_attributes(self.callees, flow, flow.kept)
        for target, method in flow.operations:
            yield from self._by_operation(func, bound, target, method, depth)

    def learn_ways(self, read: list[tuple[FunctionType, Bound]]) -> None:
        """Learn what code changes of the objects that it takes from attributes."""
        if self.callees is None:
            return
        names = {name for func, _ in read for name, _ in flow_of(func).kept} | self.callees.fields
        names |= {name for func, _ in read for name in names_in_spaces(flow_of(func))}
        found = self._known.of_all(read, self._found)
        for targets in reversed(found) if names else ():
            self.callees.learn(targets, names)
        if self.callees.ways_on:
            self._known.clear()
            self._known.of_all(read, self._found)

    def _by_operation(
        self, func: FunctionType, bound: Bound, target: Store, method: str, depth: int
    ) -> Iterator[Target]:
        """The changes that an object's own special method makes to it."""
        callee = (*target[:2], (*target[2], f".{method}"))
        if not depth:
            return self._known.leave_out()
        for found in callees_of(func, bound, callee):
            if type(found) is METHOD and self._owns(function := raw(found.__func__)):
                changed = self._changed(function, Bound.to(function, found.__self__), depth - 1)
                if any(argument == first_argument(function) for argument, _, _ in changed):
                    yield target, f", by {method}()"

    def _by_helper(
        self, func: FunctionType, bound: Bound, call: Call, depth: int
    ) -> Iterator[Target]:
        if not depth:
            return self._known.leave_out()
        flow = flow_of(func)
        helpers = run_by(self._callees(func, bound, call[0]))
        for helper in helpers or [None]:
            yield from self._by_method_of_first(func, bound, helper, call, depth)
        for helper in helpers:
            yield from self._by_called(func, bound, helper, call, depth)
        if not helpers and self.callees is not None:
            changed = partial(self._changed, bound=NOTHING, depth=depth - 1)
            yield from changed_by_unknown(self.callees, changed, func, bound, call)
        if call[0][2][-1:] == (value_flow.CALLED,):
            yield from self._by_prepared(func, bound, call, depth)
        for at, handed in enumerate(call[1]):  # to `map`, `partial` or `submit`
            for origin in map(flow.by_call, flow.origins(handed)):
                for helper in run_by(self._callees(func, bound, origin)):
                    if not is_code(helper) or raw(helper) is func:
                        continue
                    from amorsize._function.flow.callback_arguments import callback_arguments

                    for passing in callback_arguments(call, at, flow):
                        made = (origin, *passing)
                        yield from self._by_method_of_first(func, bound, helper, made, depth)
                        yield from changed_by_library(func, bound, made)
                        yield from self._by_called(func, bound, helper, made, depth)

    def _by_method_of_first(
        self, func: FunctionType, bound: Bound, helper: Any, call: Call, depth: int
    ) -> Iterator[Target]:
        """The changes that a `methodcaller` makes, by the method that it calls of its argument."""
        if not any(call[1][:1]):
            return
        from amorsize._function.flow.operator_objects import method_called_by

        method = method_called_by(helper, call[0][2])
        for origin, _ in flow_of(func).known((one, ()) for one in call[1][:1] if method):
            callee = (*origin[:2], (*origin[2], method or ""))
            if is_changing(callee[2]):
                yield origin, f"{method}()"
            yield from self._by_helper(func, bound, (callee, call[1][1:], ()), depth)

    def _by_prepared(
        self, func: FunctionType, bound: Bound, call: Call, depth: int
    ) -> Iterator[Target]:
        """The callable and arguments of a `partial` that the code itself makes."""
        maker = (*call[0][:2], call[0][2][:-1])
        if partial not in self._callees(func, bound, maker):
            return
        from amorsize._function.flow.callback_arguments import prepared

        for made in prepared(call, maker, flow_of(func)):
            for helper in run_by(self._callees(func, bound, made[0])):
                yield from changed_by_library(func, bound, made)
                yield from self._by_called(func, bound, helper, made, depth)

    def _by_called(
        self, func: FunctionType, bound: Bound, helper: Any, call: Call, depth: int
    ) -> Iterator[Target]:
        callee, passed, named = call
        function, known = opened_helper(helper, self._owns)
        if function is None or function is func:
            fields = fields_given(helper, call)
            yield from through_attributes(self.callees, flow_of(func), fields)
            return
        given, flow = Passed(function.__code__, passed, named, known.n_first), flow_of(func)
        known = known.and_these(self._callables(func, bound, given))
        for name, way, is_set in self._changed(function, known, depth - 1):
            step = By.call_of(function.__name__, is_set=is_set)
            if known.owner is not MISSING and name == first_argument(function):
                if type(helper) is METHOD and callee[2]:
                    yield (*callee[:2], (*callee[2][:-1], *way)), step
                elif known.owner is helper:  # an object that is called
                    yield (*callee[:2], (*callee[2], *way)), step
                continue
            for origin, rest in flow.known(given.at(name, way)):
                yield (*origin[:2], (*origin[2], *rest)), step

    def _callees(self, func: FunctionType, bound: Bound, callee: Store) -> list[Any]:
        """What may be called, what other functions return included."""
        if value_flow.CALLED not in callee[2]:
            return callees_of(func, bound, callee)
        from amorsize._function.flow.operator_objects import made_there

        given = (end for end, _ in self._given(func, bound, callee))
        return [*(raw(o) for o in given if o is not MISSING), *made_there(func, bound, callee)]

    def _callables(self, func: FunctionType, bound: Bound, given: Passed) -> dict[str, Any]:
        """The arguments that a helper may call, and those that grow when it looks something up."""
        found: dict[str, Any] = {}
        for name, symbols in given.one_by_one.items():
            for (space, root, steps), _ in flow_of(func).known((s, ()) for s in symbols):
                for value in self._callees(func, bound, (space, root, steps)):
                    if callables_in(value, MAX_ELEMENTS) or grows_when_read(value):
                        found[name] = value
        return found

    def _change(self, func: FunctionType, bound: Bound, target: Store, step: str) -> Change:
        space, name, steps = target
        if space == value_flow.FOUND and self.callees is not None:
            label, root = name, self.callees.found(name)
        else:
            label, root = root_of(func, bound, space, name)
        is_given = value_flow.CALLED in steps
        ends = self._given(func, bound, target) if is_given else ends_of(root, steps)
        if step == value_flow.IN_PLACE and steps[-1:] != (value_flow.CALLED,):
            ends = [end for end in ends if end[1] is not _OF_THREAD]  # most likely a number
        if steps[-1:] == (value_flow.OF_CLASS,) and sets_attribute(step):
            ends = [(type, type)]  # whatever class it is, others have it as well
        return Change(
            label=label,
            name=name if space in (GLOBAL, CLOSURE) else "",
            steps=(*steps, step) if step else steps,
            ends=ends,
            is_of_thread=(is_given and any(nearest is _OF_THREAD for _, nearest in ends))
            or is_kept_by_thread(root, steps),
        )

    def _given(self, func: FunctionType, bound: Bound, target: Store) -> list[End]:
        """The results of a call that gives the same object to others; none for a new object."""
        space, name, steps = target
        place = steps.index(value_flow.CALLED)
        makers = callees_of(func, bound, (space, name, steps[:place]))
        ends = ends_in_globals(func, makers, steps)
        for maker in makers:
            if type(maker) is ref:
                ends += ends_of(ref.__call__(maker), steps[place + 1 :])
            function, set_before = opened_helper(maker, self._owns)
            if function is not None:
                flow = flow_of(function)
                for (one_space, one_name, one_steps), rest in given_by(flow, steps[place + 1 :]):
                    root = root_of(function, set_before, one_space, one_name)[1]
                    ends += ends_of(root, (*one_steps, *rest))
                for callee in flow.returned_calls:
                    for given in callees_of(function, set_before, callee):
                        if gives_shared(given):
                            ends.append((MISSING, _OF_THREAD))
            if gives_shared(maker) and ends_of(_OF_THREAD, steps[place + 1 :]):  # no copy
                ends.append((MISSING, _OF_THREAD))
        return ends

"""Finds by which calls a function changes what others change of their arguments."""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more

from amorsize._function.bound_arguments import (
    NOTHING,
    Bound,
    callables_in,
    first_argument,
    is_code,
    opened_helper,
    run_by,
)
from amorsize._function.callables import METHOD, MISSING, raw
from amorsize._function.changes.call_graph import Edge, Group, Node
from amorsize._function.changes.library_targets import changed_by_itself, changed_by_library
from amorsize._function.changes.possible_callees import (
    changed_by_unknown,
    fields_given,
    may_run_any,
    of_member,
    shape_of,
)
from amorsize._function.flow.flow_reader import calls_of, flow_of
from amorsize._function.flow.name_lookup import callees_of, makes_new
from amorsize._function.flow.passed_arguments import SENDING, Passed
from amorsize._function.flow.value_flow import CALLED, By, leads_inside
from amorsize._function.library.changes import is_changing
from amorsize._function.object_contents import MAX_ELEMENTS, grows_when_read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.changes.call_graph import Graph
    from amorsize._function.changes.change import Target
    from amorsize._function.changes.given_by_calls import GivenByCalls
    from amorsize._function.changes.possible_callees import Callees, Given
    from amorsize._function.flow.value_flow import Call, Store

    Owns = Callable[[object], bool]
    Found = Iterator[Target | Edge]


class CallEdges:
    """Finds what functions change by themselves, and the calls by which they may change more.

    Args:
        owns: Whether a function is the project's; only those are read as helpers.
        graph: Has the functions that are called.
        given: Tells what calls give.

    Attributes:
        callees: Functions that a call may run which cannot be followed; None: it changes nothing.
    """

    def __init__(self, owns: Owns, graph: Graph, given: GivenByCalls) -> None:
        self._owns, self._graph, self._given = owns, graph, given
        self.callees: Callees | None = None

    def of_group(self, group: Group) -> Iterator[Edge]:
        """To each of the functions of which a call may run any."""
        for member in group.members if self.callees is not None else ():
            node = self._graph.node(member[0], NOTHING)
            yield Edge(node, partial(of_member, self.callees, member, group.shape))

    def of(self, node: Node) -> Found:
        """What a function changes by itself, and its calls."""
        flow = flow_of(node.func)
        yield from dict.fromkeys(changed_by_itself(node.func, node.bound))
        node.kept |= flow.kept
        for call in flow.calls:
            if call[0][2] or any(one is not None for one in call[1]):
                yield from self._by_helper(node, call)
        for target, method in flow.operations:
            yield from self._by_operation(node, target, method)

    def _by_operation(self, node: Node, target: Store, method: str) -> Iterator[Edge]:
        """The changes that an object's own special method makes to it."""
        callee = (*target[:2], (*target[2], f".{method}"))
        for found in callees_of(node.func, node.bound, callee):
            if type(found) is METHOD and self._owns(function := raw(found.__func__)):
                run = self._graph.node(function, Bound.to(function, found.__self__))
                changed = target, f", by {method}()"
                yield Edge(run, partial(_of_owner, first_argument(function), changed))

    def _by_helper(self, node: Node, call: Call) -> Found:
        func, bound = node.func, node.bound
        flow = flow_of(func)
        helpers = run_by(self._given.callees(func, bound, call[0]))
        for helper in helpers or [None]:
            yield from self._by_method_of_first(node, helper, call)
        for helper in helpers:
            yield from self._by_called(node, helper, call)
        if not helpers and self.callees is not None and may_run_any(call):
            members = self.callees.fitting(call)
            is_new = CALLED in call[0][2] and makes_new(func, bound, call[0])
            if members:
                carry = partial(changed_by_unknown, func, is_new, call)
                yield Edge(self._graph.group(members, shape_of(call)), carry)
        if call[0][2][-1:] == (CALLED,):
            yield from self._by_prepared(node, call)
        if CALLED in call[0][2] and (call[0][2][-1] == CALLED or leads_inside(call[0][2][-1])):
            yield from self._by_got(node, call)
        for at, handed in enumerate(call[1]):  # to `map`, `partial` or `submit`
            for origin in map(flow.by_call, flow.origins(handed)):
                if origin[2][-1:] and origin[2][-1] in SENDING:
                    yield from self._by_sending(node, call, at, origin)
                for helper in run_by(self._given.callees(func, bound, origin)):
                    if not is_code(helper) or raw(helper) is func:
                        continue
                    from amorsize._function.flow.callback_arguments import callback_arguments

                    for passing in callback_arguments(call, at, flow):
                        made = (origin, *passing)
                        yield from self._by_method_of_first(node, helper, made)
                        yield from changed_by_library(func, bound, made)
                        yield from self._by_called(node, helper, made)

    def _by_sending(self, node: Node, call: Call, at: int, sending: Store) -> Found:
        """The changes by generators to which a function sends that is handed how to do it."""
        from amorsize._function.flow.callback_arguments import callback_arguments

        for passing in callback_arguments(call, at, flow_of(node.func)):
            yield from self._by_helper(node, (sending, *passing))

    def _by_method_of_first(self, node: Node, helper: Any, call: Call) -> Found:
        """The changes that a `methodcaller` makes, by the method that it calls of its argument."""
        if not any(call[1][:1]):
            return
        from amorsize._function.flow.operator_objects import method_called_by

        method = method_called_by(helper, call[0][2])
        for origin, _ in flow_of(node.func).known((one, ()) for one in call[1][:1] if method):
            callee = (*origin[:2], (*origin[2], method or ""))
            if is_changing(callee[2]):
                yield origin, f"{method}()"
            yield from self._by_helper(node, (callee, call[1][1:], ()))

    def _by_prepared(self, node: Node, call: Call) -> Found:
        """The callable and arguments of a `partial` that the code itself makes."""
        maker = (*call[0][:2], call[0][2][:-1])
        makers = self._given.callees(node.func, node.bound, maker)
        if not any(one is partial for one in makers):
            return
        from amorsize._function.flow.callback_arguments import prepared

        flow = flow_of(node.func)
        for made in prepared(call, calls_of(flow, maker), flow):
            for helper in run_by(self._given.callees(node.func, node.bound, made[0])):
                yield from changed_by_library(node.func, node.bound, made)
                yield from self._by_called(node, helper, made)

    def _by_got(self, node: Node, call: Call) -> Found:
        """The changes by a method that a call has given, such as one of an `attrgetter`."""
        callee, passed, named = call
        for origin in self._given.handed_back(node.func, node.bound, callee):
            if is_changing(origin[2]):
                yield (*origin[:2], origin[2][:-1]), f"{origin[2][-1]}()"
            for helper in run_by(self._given.callees(node.func, node.bound, origin)):
                yield from self._by_called(node, helper, (origin, passed, named))

    def _by_called(self, node: Node, helper: Any, call: Call) -> Iterator[Edge]:
        function, known = opened_helper(helper, self._owns)
        if function is None or function is node.func:
            node.kept |= dict.fromkeys(fields_given(helper, call))
            return
        given = Passed(function.__code__, call[1], call[2], known.n_first)
        known = known.and_these(self._callables(node, given))
        carry = partial(_of_helper, node.func, function, known, helper, call[0], given)
        yield Edge(self._graph.node(function, known), carry)

    def _callables(self, node: Node, given: Passed) -> dict[str, Any]:
        """The arguments that a helper may call, and those that grow when it looks something up."""
        found: dict[str, Any] = {}
        for name, symbols in given.one_by_one.items():
            for callee, _ in flow_of(node.func).known((s, ()) for s in symbols):
                for value in self._given.callees(node.func, node.bound, callee):
                    if callables_in(value, MAX_ELEMENTS) or grows_when_read(value):
                        found[name] = value
        return found


def _of_owner(first: str, changed: Target, change: Given) -> Iterator[Target]:
    """The change of the object of which an operator runs a method, if the method changes it."""
    if change[0] == first:
        yield changed


def _of_helper(
    func: FunctionType,
    function: FunctionType,
    known: Bound,
    helper: Any,
    callee: Store,
    given: Passed,
    change: Given,
) -> Iterator[Target]:
    """What a change that a helper makes is, in the code that calls it."""
    name, way, is_set = change
    step = By.call_of(function.__name__, is_set=is_set)
    if known.owner is not MISSING and name == first_argument(function):
        if type(helper) is METHOD and callee[2]:
            yield (*callee[:2], (*callee[2][:-1], *way)), step
        elif known.owner is helper:  # an object that is called
            yield (*callee[:2], (*callee[2], *way)), step
        return
    for origin, rest in flow_of(func).known(given.at(name, way)):
        yield (*origin[:2], (*origin[2], *rest)), step

"""Finds what a function's code changes that outlives the call.

It follows the values in the bytecode: through names, aliases, methods and helpers. A change that is
reported is plainly in the code, perhaps in a branch that few items take. Others are left out.
"""

from __future__ import annotations

from amorsize._function.bound_arguments import NOTHING
from amorsize._function.bytecode import CLOSURE, GLOBAL
from amorsize._function.changes.call_edges import CallEdges
from amorsize._function.changes.call_graph import Edge, Graph, Group, Node, carry_on, farthest_first
from amorsize._function.changes.change import Change, Work, is_kept_by_thread, sets_attribute
from amorsize._function.changes.given_by_calls import OF_THREAD, GivenByCalls
from amorsize._function.changes.possible_callees import names_in_spaces, through_attributes
from amorsize._function.flow import value_flow
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import ends_of, root_of
from amorsize._function.flow.value_flow import all_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.changes.call_graph import Source
    from amorsize._function.changes.change import Target
    from amorsize._function.changes.possible_callees import Callees
    from amorsize._function.flow.value_flow import Store

    Owns = Callable[[object], bool]


class Reader:
    """Reads functions for one examination: each once with the same things bound to it.

    Args:
        owns: Whether a function is the project's; only those are read as helpers.
    """

    def __init__(self, owns: Owns) -> None:
        self.work = Work()
        self._graph = Graph()
        self._given = GivenByCalls(owns, self.work)
        self._edges = CallEdges(owns, self._graph, self._given)

    def know(self, callees: Callees) -> None:
        """Take these for the functions that a call may run which cannot be followed."""
        self._edges.callees = callees

    def changes(self, func: FunctionType, bound: Bound = NOTHING) -> Iterator[Change]:
        """The changes that a function makes, with these arguments bound to it."""
        for target, step in self._known(func, bound).targets:
            yield self._change(func, bound, target, step)

    def changed_arguments(self, func: FunctionType, bound: Bound) -> set[str]:
        """The names of the arguments that a function changes."""
        changed = self._known(func, bound).given
        return {name for name, way, _ in changed if value_flow.GIVEN not in way}

    def changed_elements(self, func: FunctionType, bound: Bound) -> set[str]:
        """The names of the arguments whose elements it changes, if they are plain containers."""
        changed = self._known(func, bound).given
        return {name for name, way, _ in changed if value_flow.GIVEN in way}

    def learn_ways(self, read: list[tuple[FunctionType, Bound]]) -> None:
        """Learn what code changes of the objects that it takes from attributes."""
        callees = self._edges.callees
        if callees is None:
            return
        names = {name for func, _ in read for name, _ in flow_of(func).kept} | callees.fields
        names |= {name for func, _ in read for name in names_in_spaces(flow_of(func))}
        nodes = [self._graph.node(*one) for one in read]
        try:
            order = farthest_first(reversed(nodes), self._open)
            carry_on(order, self._add)
            for node in nodes if names else ():
                callees.learn(node.targets, names)
            if callees.ways_on:
                for one in order:
                    self._add_kept(one)
                carry_on(order, self._add)
        finally:
            self._graph.close()

    def _known(self, func: FunctionType, bound: Bound) -> Node:
        """A function, with all that it changes."""
        node = self._graph.node(func, bound)
        if not node.is_open:
            try:
                carry_on(farthest_first([node], self._open), self._add)
            finally:
                self._graph.close()
        return node

    def _open(self, source: Source) -> None:
        """Find what a function changes by itself, and its calls."""
        found = self._edges.of(source) if isinstance(source, Node) else ()
        if isinstance(source, Group):
            found = self._edges.of_group(source)
        for one in found:
            if isinstance(one, Edge):
                self.work.spend(1)
                source.edges.append(one)
            else:
                self._add(source, one)
        self._add_kept(source)

    def _add_kept(self, source: Source) -> None:
        """Note what is put into attributes, and changed by code that takes it from them."""
        if isinstance(source, Node):
            for one in through_attributes(self._edges.callees, flow_of(source.func), source.kept):
                self._add(source, one)

    def _add(self, source: Source, found: Target) -> None:
        """Note a change, and what it is in truth if calls or properties have given the object."""
        self.work.spend(1)
        if not isinstance(source, Node):
            source.give(found)
        elif source.sees(found):
            source.keep(*found)
            for origin in self._behind(source, found[0]):
                source.keep(origin, found[1])

    def _behind(self, node: Node, target: Store) -> Iterator[Store]:
        if value_flow.CALLED in target[2]:
            yield from self._given.handed_back(node.func, node.bound, target)
        if self._edges.callees is not None and self._edges.callees.has_getters:
            yield from self._edges.callees.behind_getters(target)

    def _change(self, func: FunctionType, bound: Bound, target: Store, step: str) -> Change:
        space, name, steps = target
        if space == value_flow.FOUND and self._edges.callees is not None:
            label, root = name, self._edges.callees.found(name)
        else:
            label, root = root_of(func, bound, space, name)
        is_given = value_flow.CALLED in steps
        ends = self._given.ends(func, bound, target) if is_given else ends_of(root, steps)
        if step == value_flow.IN_PLACE and steps[-1:] != (value_flow.CALLED,):
            ends = [end for end in ends if end[1] is not OF_THREAD]  # most likely a number
        if steps[-1:] == (value_flow.OF_CLASS,) and sets_attribute(step):
            ends = [(type, type)]  # whatever class it is, others have it as well
        return Change(
            label=label,
            name=name if space in (GLOBAL, CLOSURE) else "",
            steps=(*steps, step) if step else steps,
            ends=ends,
            is_of_thread=(is_given and any(nearest is OF_THREAD for _, nearest in ends))
            or is_kept_by_thread(root, steps)
            or (is_kept_by_thread(root, (*steps, step)) and _keeps_an_item(func, bound, step)),
        )


def _keeps_an_item(func: FunctionType, bound: Bound, step: str) -> bool:
    """Whether a function may put an item, or a part of one, into an attribute."""
    flow = flow_of(func)
    kept = (value for attribute, value in flow.kept if attribute == step)
    origins = (one for value in kept for one in all_inside(flow, value))
    return any(
        space == value_flow.ARGUMENT and name not in bound.values for space, name, _ in origins
    )

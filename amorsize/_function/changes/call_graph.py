"""Carries what functions change on to what calls them, until nothing new is found."""

from __future__ import annotations

from amorsize._function.bound_arguments import rest_arguments
from amorsize._function.changes.change import sets_attribute
from amorsize._function.flow import value_flow
from amorsize._function.flow.value_flow import (
    CALLED,
    COPY,
    ENTERED,
    GIVEN,
    INSIDE,
    MEMORY,
    SLICE,
    SUPER,
    leads_inside,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.changes.change import Target
    from amorsize._function.changes.possible_callees import Member, Shape
    from amorsize._function.flow.value_flow import Store, Symbol

    Add = Callable[["Source", Any], None]

#: How often changes are carried on. A row of helpers takes one round, as the farthest come first.
#: Each further one goes around circles of functions, which may lead to ever more ways.
MOST_ROUNDS = 5
#: The most ways to what a function changes of one argument; after these it may be anything in it.
MOST_WAYS = 16

#: The most calls on one way: what the result of the result of a result gives is not followed.
MOST_CALLS = 3
#: The most elements of elements that are told apart; further ones are just inside.
MOST_ELEMENTS = 2
#: How often the same attribute may follow itself, as in a list of nodes that know the next one.
MOST_ALIKE = 2
#: Steps that look like those to elements and lead to the same thing, or to a copy of it.
_STAYS = frozenset((SLICE, COPY, MEMORY, ENTERED))


class Source:
    """One function, or several, of which each call learns what it changes.

    Attributes:
        given: The changes that concern whoever calls it; they only become more.
        edges: The calls that it makes.
        is_open: Whether these were found.
    """

    def __init__(self) -> None:
        self.given: list[Any] = []
        self.edges: list[Edge] = []
        self.is_open = False
        self._met: set[object] = set()

    def give(self, change: Any, alike: object = None) -> None:
        """Note a change for the callers, unless there is one alike."""
        key = change if alike is None else alike
        if key not in self._met:
            self._met.add(key)
            self.given.append(change)

    def take(self, add: Add) -> bool:
        """Take over what is new from all that is called; gives whether callers learn more by it."""
        n_before = len(self.given)
        for edge in self.edges:
            new, edge.n_carried = edge.of.given[edge.n_carried :], len(edge.of.given)
            for change in new:
                for found in edge.carry(change):
                    add(self, found)
        return len(self.given) > n_before


class Edge:
    """A call, by which what is called changes something of the caller's.

    Attributes:
        of: What is called.
        carry: Tells what a change that it gives is from the caller's point of view.
        n_carried: How many of these the caller knows.
    """

    __slots__ = ("carry", "n_carried", "of")

    def __init__(self, of: Source, carry: Callable[[Any], Iterable[Any]]) -> None:
        self.of, self.carry, self.n_carried = of, carry, 0


class Node(Source):
    """A function, with what is bound to it.

    Attributes:
        targets: What it changes that outlives the call.
        kept: The values that it puts into attributes, by their names.
    """

    def __init__(self, func: FunctionType, bound: Bound) -> None:
        super().__init__()
        self.func, self.bound = func, bound
        self.targets: dict[Target, None] = {}
        self.kept: dict[tuple[str, Symbol], None] = {}
        self._seen: set[object] = set()
        self._n_ways: dict[str, int] = {}  # to what is changed of an argument
        self._rest = rest_arguments(func.__code__)

    def sees(self, found: Target) -> bool:
        """Whether this is the first such change: it matters little which helper makes it."""
        target, step = found
        key = (target, step.is_set) if target[2] and isinstance(step, value_flow.By) else found
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def keep(self, target: Store, step: str) -> None:
        """Note a change, unless it is one of what is made for each call."""
        space, name, whole = target
        is_argument, way = space == value_flow.ARGUMENT, shortened(whole)
        if way is None or way[-1:] == (COPY,):
            return
        if is_argument and not way and name in self._rest:
            return
        if is_argument:
            self._n_ways[name] = self._n_ways.get(name, 0) + 1
            if self._n_ways[name] > MOST_WAYS:
                way = (INSIDE,)
            self.give((name, way, sets_attribute(step)))
        self.targets[(space, name, way), step] = None


class Group(Source):
    """The functions of which a call may run any.

    Attributes:
        members: Each with how many of its arguments are bound already, and whether it is a method
            of the object from which the call takes it.
        shape: How the call passes its arguments.
    """

    def __init__(self, members: list[Member], shape: Shape) -> None:
        super().__init__()
        self.members, self.shape = members, shape


class Graph:
    """All functions of an examination, each once with the same things bound to it."""

    def __init__(self) -> None:
        # With functions and what is bound to them, so that no id comes twice.
        self._nodes: dict[tuple[int, object], Node] = {}
        self._groups: dict[int, Group] = {}

    def node(self, func: FunctionType, bound: Bound) -> Node:
        """A function with what is bound to it."""
        key = id(func), bound.key
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = Node(func, bound)
        return found

    def group(self, members: list[Member], shape: Shape) -> Group:
        """The functions in a list, which must be the same list each time: so is the shape then."""
        found = self._groups.get(id(members))
        if found is None:
            found = self._groups[id(members)] = Group(members, shape)
        return found

    def close(self) -> None:
        """Forget the calls: what calls itself would keep the user's objects alive."""
        for source in (*self._nodes.values(), *self._groups.values()):
            source.edges.clear()


def farthest_first(starts: Iterable[Source], open_: Callable[[Source], None]) -> list[Source]:
    """All that is led to and was not yet, with what is called before its callers."""
    order: list[Source] = []
    for start in starts:
        ahead = [(start, _opened(start, open_))] if not start.is_open else []
        while ahead:
            source, calls = ahead[-1]
            below = next((edge.of for edge in calls if not edge.of.is_open), None)
            if below is None:
                order.append(source)
                ahead.pop()
            else:
                ahead.append((below, _opened(below, open_)))
    return order


def _opened(source: Source, open_: Callable[[Source], None]) -> Any:
    source.is_open = True
    open_(source)
    return iter(source.edges)


def carry_on(order: list[Source], add: Add) -> None:
    """Carry changes from what is called to what calls it."""
    for _ in range(MOST_ROUNDS):
        if not [one for one in order if one.take(add)]:
            break


def shortened(way: tuple[str, ...]) -> tuple[str, ...] | None:
    """The same way, or one to more than that; None: it leads through too many calls."""
    if len(way) <= MOST_ELEMENTS and SUPER not in way:
        return way
    if way.count(CALLED) > MOST_CALLS:
        return None
    found: list[str] = []
    row: list[str] = []  # the steps to elements of elements
    for at, step in enumerate(way):
        if leads_inside(step) and step not in _STAYS:
            row.append(step)
            continue
        found += _within(row)
        row.clear()
        if step == SUPER and CALLED not in way[at + 1 : at + 3]:
            continue  # it is the object itself, but for the method that is called of it
        if step == CALLED or found[-MOST_ALIKE:] != [step] * MOST_ALIKE:
            found.append(step)
    return (*found, *_within(row))


def _within(row: list[str]) -> list[str]:
    """The steps to elements of elements; of a row of many, whatever lies within the first."""
    if len(row) <= MOST_ELEMENTS:
        return row
    return [GIVEN if GIVEN in row else row[0], INSIDE]

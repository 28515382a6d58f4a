"""Judges the changes that a function makes, for items that run at the same time."""

from __future__ import annotations

from amorsize._function.bound_arguments import Bound, first_argument, methods_in, with_arguments
from amorsize._function.callable_walk import layers, opened
from amorsize._function.callables import FUNCTION, METHOD, has, is_a, member, own, type_name
from amorsize._function.changes.mutations import Reader
from amorsize._function.changes.possible_callees import Callees
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import ends_of, root_of
from amorsize._function.flow.value_flow import ARGUMENT, MISSING_KEY, NAMES
from amorsize._function.library.changes import CHANGING_SOME, changes_holder, is_verb
from amorsize._function.object_contents import (
    brought,
    gives_nodes,
    grows_when_read,
    is_container,
)
from amorsize._function.plain_values import PLAIN
from amorsize._function.shareable_values import is_shareable
from amorsize._function.sharing.findings import OF_ITEMS
from amorsize._function.sharing.unnamed_methods import MATCHED, OF_CALLS, methods_run_by, unnamed_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FunctionType
    from typing import Any

    from amorsize._function.changes.change import Change
    from amorsize._function.ownership import Owns
    from amorsize._function.sharing.findings import Findings

#: Beginnings of the names of methods that libraries find by what they visit or parse.
_PREFIXES = ("visit_", "handle_", "do_")
_CACHED_PROPERTY = "functools.cached_property"


class Changes:
    """Judges changes to arguments, shared objects, classes and the items themselves.

    Attributes:
        of_types: The attributes that are assigned by code which uses the name `type`.
    """

    def __init__(self, findings: Findings, owns: Owns) -> None:
        self.findings, self.owns = findings, owns
        self.reader = Reader(owns)
        self.of_types: set[str] = set()
        self._changes_items = self._changes_elements = self._asks_for_keys = False
        self._called: set[str] = set()  # methods of arguments that change objects of some types

    def know(self, read: Iterable[FunctionType], classes: Iterable[type]) -> None:
        """Note all functions and classes that were met."""
        read = list(read)
        asked = (method for one in read for _, method in flow_of(one).operations)
        self._asks_for_keys = MISSING_KEY in asked
        self._called = {name for one in read for name in _perhaps_changing(one)}
        self.reader.know(Callees(read, classes, self.owns, self.findings.mutables))

    def see(self, change: Change, method: str, text: str = "") -> None:
        """Note a change: as lost in a worker if that is certain, else as one that may be."""
        text = text or change.text
        if not change.steps or change.is_lost:
            self.findings.stores[method, text] = None
        elif change.is_of_thread:
            self.findings.shared[text] = self.findings.changed[text] = None
        elif change.is_open:
            self.findings.changed[text] = None

    def judge_arguments(self, func: Any) -> None:
        """Note changes to the arguments that are not bound: these are the items."""
        for layer in layers(func):
            function, bound = with_arguments(layer)
            if function is None or not self.owns.function(function):
                continue
            changed = self.reader.changed_arguments(function, bound)
            self._changes_items |= not all(bound.is_set(function, name) for name in changed)
            inside = self.reader.changed_elements(function, bound)
            self._changes_elements |= not all(bound.is_set(function, name) for name in inside)

    @property
    def of_arguments(self) -> bool:
        """Whether code changes the arguments that are not bound, if they can be changed."""
        return self._changes_items or self._changes_elements

    def judge_objects(self, named: set[str], classes: Iterable[type]) -> None:
        """Note what shared objects change about themselves when they are used.

        A class is such an object if its metaclass is the project's.
        """
        made = [(f"class {one.__name__}", one) for one in classes if type(one) is not type]
        for label, value in (*self.findings.mutables, *made):
            for method, bound, argument in self._used_methods(value, named):
                for change in self.reader.changes(method, bound):
                    if change.label == bound.value_of(method, argument)[0]:
                        self.see(change, "", f"{label}{change.way}")

    def judge_items(self, items: Sequence[object], named: set[str]) -> None:
        """Note what is stored in items: a worker process has copies of them, and would lose it."""
        held = [part for item in items for part in (item, *brought(item).values())]
        called = (own(one, "__func__") for one in items if type(one) is METHOD)
        named = named | {one.__name__ for one in called if type(one) is FUNCTION}
        if all(is_shareable(part) for part in held):
            return
        if self._changes_elements:
            self._changes_items |= any(is_container(part) or gives_nodes(part) for part in held)
        self._changes_items |= self._asks_for_keys and any(map(grows_when_read, held))
        if self._changes_items or any(self._has_changing_method(one, named) for one in held):
            self.findings.changed[OF_ITEMS] = None

    def judge_classes(self, classes: Iterable[type]) -> None:
        """Note attributes that code assigns, if a class of the project has one of that name."""
        for cls in classes:
            for name in self.of_types & vars(cls).keys():
                if not has(type(vars(cls)[name]), "__get__"):
                    self.findings.stores["", f"class {cls.__name__}.{name}"] = None

    def _has_changing_method(self, value: Any, named: set[str]) -> bool:
        """Whether a method that the code names changes the object it is called on."""
        if any(has(type(value), one) and changes_holder(value, one, ()) for one in self._called):
            return True
        if any(type_name(member(type(value), name)) == _CACHED_PROPERTY for name in named):
            return self.owns.class_(type(value))
        return any(
            argument in self.reader.changed_arguments(method, bound)
            for method, bound, argument in self._used_methods(value, named | OF_CALLS)
        )

    def _used_methods(
        self, value: Any, named: set[str]
    ) -> Iterator[tuple[FunctionType, Bound, str]]:
        """The methods of an object that code names, and those that run for any attribute.

        Each with the object bound to it, and the name of the argument that this is.
        """
        kind = type(value)
        if kind in PLAIN or not self.owns.class_(kind):
            return
        used, bases = named | unnamed_of(kind), library_bases(kind, self.owns)
        if MATCHED in named and type(matched := member(kind, MATCHED)) is tuple:
            used |= set(matched)
        for base in kind.__mro__:
            if self.owns.class_(base):
                for name, found in tuple(vars(base).items()):
                    if name in used or is_called_by_library(bases, name):
                        of_all = is_a(found, staticmethod | classmethod)
                        for method in () if of_all else methods_in(found):
                            if type(method) is FUNCTION and self.owns.function(method):
                                yield method, Bound.to(method, value), first_argument(method)
                        if self.owns.class_(type(found)):
                            yield from _getting(found, value)


def _getting(held: Any, owner: Any) -> Iterator[tuple[FunctionType, Bound, str]]:
    """The method by which an object in a class gives an attribute of an instance.

    Not that by which it sets one: where that is done, the code names it as a change.
    """
    method = opened(member(type(held), "__get__"))
    if type(method) is FUNCTION and method.__code__.co_argcount > 1:
        argument = method.__code__.co_varnames[1]
        bound = Bound({first_argument(method): held, argument: owner}, owner, 2)
        yield method, bound, argument


def _perhaps_changing(func: FunctionType) -> Iterator[str]:
    """The methods that code calls of arguments, or their parts, and that change some objects."""
    for (space, _, steps), _, _ in flow_of(func).calls:
        name = steps[-1][1:] if steps and space == ARGUMENT else ""
        if name in CHANGING_SOME or is_verb(name):
            yield name


def library_bases(cls: type, owns: Owns) -> list[type]:
    """The classes of libraries that a class extends, directly or not."""
    return [one for one in cls.__mro__[:-1] if not owns.class_(one)]


def is_called_by_library(bases: list[type], name: str) -> bool:
    """Whether one of the libraries' base classes of a class calls the method of this name."""
    if name[:2] == "__" and name not in ("__call__", "__missing__"):
        return False
    return any(name in vars(one) for one in bases) or bool(bases and name.startswith(_PREFIXES))


def shared_attributes(read: Iterable[tuple[FunctionType, Bound, str]]) -> Iterator[str]:
    """Where code gives objects a dict for their attributes that is not theirs alone."""
    for func, bound, _ in read:
        flow = flow_of(func)
        given = [(one, ()) for name, one in flow.kept if name == NAMES]
        for (space, name, steps), _ in flow.known(given):
            ends = ends_of(root_of(func, bound, space, name)[1], steps)
            if any(is_a(end, dict) for end, _ in ends):
                yield f"attributes that objects share ({func.__qualname__})"


def named_from(
    func: Any, read_as: Iterable[tuple[str, FunctionType]], asked: set[str], owns: Owns
) -> set[str]:
    """The names in the code that the mapped function leads to, and those that libraries ask for.

    Methods of other names may change the objects too, but only while these are set up.
    """
    functions = [with_arguments(layer)[0] for layer in layers(func)]
    named = {name for one in functions if one for name in methods_run_by(one, owns)} | asked
    ahead = dict.fromkeys(one for one in read_as if one[1] not in functions)
    is_growing = True
    while is_growing:
        met = [
            (name, one)
            for name, one in ahead
            if not name or name in named or one.__name__ in {*named, "<lambda>"}
        ]
        for key in met:
            named |= methods_run_by(key[1], owns)
            del ahead[key]
        is_growing = bool(met)
    return named

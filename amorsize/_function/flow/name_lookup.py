"""Looks up what the names in code stand for now."""

from __future__ import annotations

import sys
from _collections import _tuplegetter  # type: ignore[import-not-found]
from itertools import islice

from amorsize._function.bound_arguments import NOTHING
from amorsize._function.bytecode import IMPORT
from amorsize._function.callable_walk import attribute, end_of, imported, resolved
from amorsize._function.callables import (
    CACHE,
    FUNCTION,
    MISSING,
    READ_ONLY_DICT,
    SLOT,
    cells,
    has,
    is_a,
    is_class,
    is_enum,
    is_enum_member,
    is_module,
    member,
    own,
    raw,
    type_name,
)
from amorsize._function.container_elements import elements, table_of
from amorsize._function.flow import value_flow
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.made_instances import Copied, Made, Memory, Super, class_of
from amorsize._function.object_contents import (
    CONTAINERS,
    CONTEXT_VARIABLE,
    MAX_ELEMENTS,
    inside,
    is_container,
    is_opaque,
    is_rows,
    state,
)
from amorsize._function.ownership import is_own_class, is_own_module, own_modules
from amorsize._function.plain_values import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.flow.value_flow import Store

    End = tuple[Any, Any]  # the value at the end of a way, and the last known value on it

#: Types of nodes of trees, which refer to one another.
_NODES = {
    *("xml.etree.ElementTree.Element", "xml.etree.ElementTree.ElementTree", "xml.dom.minidom.Node"),
    *("bs4.element.PageElement", "lxml.etree._Element", "lxml.etree._ElementTree"),
}
#: Steps to new objects that code makes of another one.
_DEEP = {value_flow.INSIDE, value_flow.OBJECTS}
_NEW = {value_flow.SLICE, value_flow.COPY, value_flow.MEMORY, *_DEEP}
#: Types of arrays: those whose slices are copies, and those whose slices are views.
_COPYING = {"builtins.bytearray", "array.array", "mmap.mmap"}
_GIVING_VIEWS = {"numpy.ndarray", "builtins.memoryview", "torch.Tensor", "numpy.memmap"}
#: The most keys of a table that are looked at, in 1 ms.
_MOST_KEYS = 30_000
#: Descriptors of slots and of named tuples' fields: reading them runs no code of the program.
_FIELDS: Any = (SLOT, _tuplegetter)


def callees_of(func: FunctionType, bound: Bound, callee: Store) -> list[Any]:
    """The functions that may be called, as the names stand now; none if that cannot be found."""
    space, name, steps = callee
    if callee == value_flow.UNKNOWN:
        return []
    root = root_of(func, bound, space, name)[1]
    if root is MISSING:
        return []
    found = [root]
    for step in steps:
        if step == value_flow.SUPER:  # the code of a method knows its class
            found = [Super(one, cells(func).get("__class__")) for one in found]
        else:
            found = _once([one for value in found for one in _called_parts(value, step)])
    return [raw(value) for value in found if value is not MISSING]


def makes_new(func: FunctionType, bound: Bound, callee: Store) -> bool:
    """Whether a method is called of an object that a class of the project has just made."""
    space, name, steps = callee
    makers = callees_of(func, bound, (space, name, steps[: steps.index(value_flow.CALLED)]))
    new: Any = object.__new__
    return any(is_class(one) and one.__new__ is new for one in makers)


def called_by(func: FunctionType) -> Iterator[Any]:
    """The functions that a function calls by names that can be followed."""
    for callee, _, _ in flow_of(func).calls:
        yield from callees_of(func, NOTHING, callee)


def given_numbers(func: FunctionType, bound: Bound) -> Iterator[Any]:
    """The functions whose first argument is an integer that exists before any item."""
    flow = flow_of(func)
    for callee, passed, _ in flow.calls:
        for space, name, steps in flow.origins(passed[0]) if passed else ():
            ends = ends_of(root_of(func, bound, space, name)[1], steps)
            if any(type(end) is int for end, _ in ends):
                yield from callees_of(func, bound, callee)


def _called_parts(value: Any, step: str) -> Iterable[Any]:
    """The values that may stand at the end of a step, methods included."""
    if value is MISSING:
        return ()
    if type(value) is Super:
        return value.methods(step[1:])
    if step == value_flow.ANY:
        return _callables_of(value)
    if step[0] != ".":
        return _parts(value, step)
    if type(value) in (Copied, Memory):
        return _called_parts(value.value, step)
    if is_module(value) or is_class(value):
        held = member(value, step[1:])
        if type(held) is classmethod and type_name(held.__func__) == CACHE:
            return (held.__func__,)
        found, taken = end_of(value, (step[1:],), lambda _: True)
        return (found if taken else attribute(value, (step[1:],)),)
    method = raw(member(class_of(value), step[1:]))
    is_method = type(method) is FUNCTION or type_name(method) == CACHE
    return (method.__get__(value),) if is_method else _parts(value, step)


def _callables_of(value: Any) -> list[Any]:
    """The functions that an attribute may be, if only the object is known."""
    if is_module(value):  # of a library it may be any, and most change nothing
        held = tuple(vars(value).values()) if is_own_module(value.__name__) else ()
        return [one for one in held if type(one) is FUNCTION]
    classes = value.__mro__ if is_class(value) else class_of(value).__mro__
    found = [one for cls in classes if is_own_class(cls) for one in tuple(vars(cls).items())]
    methods = [held for name, held in found if type(held) is FUNCTION and name[:2] != "__"]
    if is_class(value):
        return methods
    return [*(one.__get__(value) for one in methods), *state(value).values()]


def root_of(func: FunctionType, bound: Bound, space: str, name: str) -> tuple[str, Any]:
    """The value that a way begins with, and its description."""
    if space == value_flow.ARGUMENT:
        return bound.value_of(func, name)
    if space == value_flow.CLASS:
        return "class", type
    if space == IMPORT:
        return name or "module", imported(func, name)
    return space, resolved(func, cells(func), space, name)


def ends_of(value: Any, steps: tuple[str, ...]) -> list[End]:
    """The values that may lie at the end of these steps, each with the last known value before.

    No code of the program runs; MISSING where it would have to.
    """
    if value is MISSING and steps and steps[0] not in _NEW and steps[0] != value_flow.SUPER:
        return [(MISSING, MISSING)]
    ends: list[End] = []
    ahead = [value]
    for step in steps:
        reached: list[Any] = []
        for one in ahead:
            parts = list(_parts(one, step))
            # A tuple gets no more elements: what is not there will never be.
            is_new = step in _NEW or step == value_flow.RAISED
            is_new |= is_a(one, tuple) and value_flow.leads_inside(step)
            if not parts and (not is_new or (step in _DEEP and is_opaque(one))):
                is_known = step != value_flow.GIVEN or is_container(one)
                ends.append((MISSING, one if is_known else MISSING))
            reached += parts
        ahead = _once(reached)
    ahead = [one.value if type(one) is Memory else one for one in ahead]
    return ends + [(one, one) for one in ahead if type(one) is not Copied]


def ends_in_globals(func: FunctionType, makers: list[Any], steps: tuple[str, ...]) -> list[End]:
    """The value at the end of a way through the names of a frame, or of `globals()`."""
    are_given = any(one is globals for one in makers)
    gates = [value_flow.OF_FRAME, *([value_flow.CALLED] if are_given else [])]
    ways = (steps[steps.index(gate) + 1 :] for gate in gates if gate in steps)
    return [end for way in ways for end in ends_of(func.__globals__, way)]


def _parts(value: Any, step: str) -> Iterable[Any]:
    if step in _NEW or type(value) in (Copied, Memory):
        return _parts_in_copy(value, step)
    if step == value_flow.OF_CLASS:
        return () if value is MISSING else (class_of(value),)
    if step == value_flow.SUPER:
        return (value,)
    if step == value_flow.RAISED:
        return () if is_class(value) else (value,)
    if step == value_flow.ANY and not is_module(value):
        return list(islice(state(value).values(), MAX_ELEMENTS))
    if value_flow.leads_inside(step) and is_class(value) and is_enum(value):
        value = member(value, "_member_map_")
    if isinstance(step, value_flow.Key):
        return _part_at(value, step.key)
    if value_flow.leads_inside(step):
        if value is sys.modules:
            return own_modules(MAX_ELEMENTS)
        if type_name(value) == CONTEXT_VARIABLE:
            return _current_of(value)
        if is_a(value, dict | READ_ONLY_DICT):
            return list(islice(elements(value), MAX_ELEMENTS))
        names = (f"{base.__module__}.{base.__qualname__}" for base in class_of(value).__mro__)
        if not _NODES.isdisjoint(names):
            return (value,)  # whatever of a tree is changed, the tree is
        is_open = is_a(value, (*CONTAINERS, tuple)) or is_container(value)
        return list(islice(elements(value), MAX_ELEMENTS)) if is_open else ()
    if step[0] != ".":
        return ()
    if step == value_flow.NAMES:
        return () if value is MISSING or type(value) is Made else (_names_of(value),)
    if is_module(value) or is_class(value):
        found = member(value, step[1:])
    else:
        found = _attribute_of(value, step[1:])
    return () if found is MISSING else (found,)


def _parts_in_copy(value: Any, step: str) -> Iterable[Any]:
    """What is behind a step that makes something new, or behind what was made so."""
    if step in _DEEP:
        value = value.value if type(value) in (Copied, Memory) else value
        if step == value_flow.INSIDE:
            return inside(value)
        return [one for one in (value, *inside(value)) if not is_rows(one)]
    if step == value_flow.MEMORY:
        return (Memory(value) if type_name(value) in _COPYING else value,)
    if step not in _NEW:
        return _parts(value.value, step)
    if type(value) in (Copied, Memory):
        return (value,)
    if step == value_flow.SLICE and type_name(value) in _GIVING_VIEWS:
        return (value,)
    is_numbers = type_name(value) in _COPYING or type_name(value) in _GIVING_VIEWS
    return () if type(value) in PLAIN or is_numbers else (Copied(value),)


def _current_of(variable: Any) -> Iterable[Any]:
    """The value of a context variable here, if it has one."""
    try:
        return (variable.get(),)
    except LookupError:
        return ()


def _names_of(value: Any) -> Any:
    """The attributes of a module, class or object, as the dict that code gets."""
    return vars(value) if is_module(value) or is_class(value) else state(value)


def _attribute_of(value: Any, name: str) -> Any:
    """The attribute of an instance: from its dict, a slot, a named tuple's field or its class."""
    if type(value) is Made:
        return value.attribute(name)
    if name in ("name", "value") and is_enum_member(value):
        return own(value, f"_{name}_", MISSING)
    found = state(value).get(name, MISSING)
    if found is not MISSING:
        return found
    held = member(type(value), name)
    if type(held) in _FIELDS:
        try:
            return held.__get__(value)
        except AttributeError:  # not set
            return MISSING
    return MISSING if has(type(held), "__get__") else held


def _part_at(value: Any, key: Any) -> Iterable[Any]:
    if (held := table_of(value)) is not None:
        if dict.__len__(held) > _MOST_KEYS or not PLAIN.issuperset(map(type, dict.keys(held))):
            return _parts(value, value_flow.ELEMENT)  # to compare keys may run code of the program
        found = dict.get(held, key, MISSING)
        return () if found is MISSING else (found,)
    if is_a(value, list | tuple) and type(key) is int:
        kind: Any = list if is_a(value, list) else tuple
        is_there = -kind.__len__(value) <= key < kind.__len__(value)
        return (kind.__getitem__(value, key),) if is_there else ()
    return _parts(value, value_flow.ELEMENT) if type_name(value) == "collections.deque" else ()


def _once(values: list[Any]) -> list[Any]:
    """Each of these once, up to a limit."""
    if len(values) < 2:
        return values
    return list(islice({id(one): one for one in values}.values(), MAX_ELEMENTS))

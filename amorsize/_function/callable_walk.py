"""Walks from callables to everything that they lead to, one step at a time.

Three modules walk: `thread_safety` finds what items share, `dependencies` what a worker must have,
`fingerprints` what identifies a function. Each chooses which ways to follow and what to note. Which
ways there are, and where each ends, is defined here alone.
"""

from __future__ import annotations

import sys

from amorsize._function import callables
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    MODULE,
    cells,
    defaults,
    has,
    is_a,
    is_class,
    is_module,
    member,
)
from amorsize._function.container_elements import elements
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.ownership import is_own_class, is_own_module, runs_code_when_read
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType, FunctionType
    from typing import Any

    Link = tuple[str, str, Any]  # the way, the name on it, and where it leads
    Read = tuple[
        str, str, Any, tuple[str, ...]
    ]  # the same, and the attributes taken off it at once

#: Most of what code names; a subclass may have attributes.
_WITHOUT_ATTRIBUTES = frozenset(
    {type(len), type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset}
)
#: Types of builtin containers.
CONTAINERS = (dict, list, tuple, set, frozenset)
#: Layers of wrappers that are opened: where attributes are made up on the fly, `__wrapped__` may
#: lead on for ever.
MAX_WRAPPINGS = 16

# The ways from one thing to the next that it holds,
WRAPPED, FUNC, SELF, ARGUMENT, DEFAULT = "wrapped", "function", "self", "argument", "default"
ATTRIBUTE, BASE, MEMBER, ELEMENT, TYPE = "attribute", "base", "member", "element", "type"
# and to what its code names; the spaces of `bytecode`, which is loaded when code is read.
GLOBAL, CLOSURE, IMPORT, BUILTIN = "global", "closure", "import", "builtin"


class Walk:
    """Visits one thing after another, nearest first, each once.

    Args:
        most: The most things to visit; later ones are left out.
        depth: The most steps from the start; None: there is no limit.
    """

    def __init__(self, most: int, depth: int | None = None) -> None:
        self.is_cut = False  # whether something was left out for its number
        self._most, self._depth = most, depth
        self._met: dict[object, Any] = {}  # kept alive with their notes: no id is given twice
        self._level: list[tuple[Any, Any, object]] = []
        self._below: list[tuple[Any, Any, object]] = []

    def beside(self, target: Any, note: Any = None, per: object = None) -> None:
        """Visit a thing as well, at the same distance; once for each `per`."""
        self._level.append((target, note, per))

    def below(self, target: Any, note: Any = None) -> None:
        """Visit a thing as well, one step further away."""
        self._below.append((target, note, None))

    def meets(self, target: Any, per: object = None) -> bool:
        """Whether this is the first time that a thing is met."""
        key = id(target), per
        if key in self._met:
            return False
        self._met[key] = target, None
        return True

    @property
    def met(self) -> list[Any]:
        """Everything that has been visited."""
        return [target for target, _ in self._met.values()]

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Each thing with its note; a static method, property or tuned function is unwrapped."""
        n_steps = 0
        while self._level and (self._depth is None or n_steps <= self._depth):
            for target, note, per in self._level:  # grows on the way
                target = opened(target)
                if (id(target), per) in self._met:
                    continue
                if len(self._met) >= self._most:
                    self.is_cut = True
                    return
                self._met[id(target), per] = target, note
                yield target, note
            self._level, self._below = self._below, []
            n_steps += 1


def opened(target: Any) -> Any:
    """The functions inside a static or class method, a property or a tuned function."""
    return callables.raw(callables.plain(target))


def layers(func: Any) -> list[Any]:
    """A callable and what it wraps, layer by layer; the function itself comes last."""
    found = [opened(func)]
    while len(found) < MAX_WRAPPINGS:
        outer = found[-1]
        inner = outer.__func__ if type(outer) is METHOD else wrapped_by(outer)
        if inner is None:
            break
        found.append(callables.raw(inner))
    return found


def wrapped_by(outer: Any) -> Any:
    """The callable that a decorator has wrapped, by its `__wrapped__`; None: it names none."""
    function = outer.__func__ if type(outer) is METHOD else outer
    if type(function) is FUNCTION:
        return function.__dict__.get("__wrapped__")
    if type(outer) in _WITHOUT_ATTRIBUTES:
        return None
    found = callables.own(outer, "__dict__", {})
    return found.get("dispatcher" if _is_dispatching(outer) else "__wrapped__")


def _is_dispatching(outer: Any) -> bool:
    return callables.type_name(outer) == "functools.singledispatchmethod"


def function_behind(outer: Any) -> FunctionType | None:
    """The function in Python that a callable is or wraps; None: it is none."""
    wrapped = wrapped_by(outer)
    found = callables.raw(outer if wrapped is None else wrapped)
    return found if type(found) is FUNCTION else None


def held(target: Any) -> Iterator[Link]:
    """The things that a thing holds with the ways to them, always in the same order."""
    if type(target) is FUNCTION:
        yield from _held_by_function(target)
    elif type(target) is METHOD:
        yield FUNC, "", target.__func__
        yield SELF, "", target.__self__
    elif is_class(target):
        for base in target.__mro__[1:-1]:
            yield BASE, base.__name__, base
        for name, value in tuple(vars(target).items()):
            yield MEMBER, name, value
    elif callables.is_partial(target):
        yield FUNC, "", target.func
        for position, value in enumerate(target.args):
            yield ARGUMENT, str(position), value
        for name, value in target.keywords.items():
            yield ARGUMENT, name, value
    elif is_container(target):
        yield from ((ELEMENT, "", value) for value in elements(target))
    else:
        yield TYPE, "", type(target)
        attributes = callables.own(target, "__dict__")
        if is_a(attributes, dict):
            for name, value in tuple(attributes.items()):
                yield (WRAPPED if name == "__wrapped__" else ATTRIBUTE), name, value


def is_container(target: Any) -> bool:
    """Whether a thing holds others as its elements."""
    return is_a(target, CONTAINERS)


def _held_by_function(func: FunctionType) -> Iterator[Link]:
    attributes = func.__dict__
    if "__wrapped__" in attributes:
        yield WRAPPED, "", attributes["__wrapped__"]
    for name, value in defaults(func):
        yield DEFAULT, name, value
    for name, value in tuple(attributes.items()):
        if name != "__wrapped__":
            yield ATTRIBUTE, name, value
    for name, value in cells(func).items():
        yield CLOSURE, name, value


# -- what code names ------------------------------------------------------------------------


def reads(func: FunctionType) -> Iterator[Read]:
    """The outside names that a function's code reads, with their present values.

    A value is MISSING where a name is not bound, or a module not loaded yet.
    """
    closure, scope = cells(func), func.__globals__
    for space, name, attributes in loads(func.__code__):
        if space == GLOBAL and name not in scope:
            yield BUILTIN, name, _builtin(name), attributes
        else:
            yield space, name, resolved(func, closure, space, name), attributes


def resolved(func: FunctionType, closure: dict[str, Any], space: str, name: str) -> Any:
    """The present value of a name in a function's code; MISSING: it is not bound yet."""
    if space == CLOSURE:
        return closure.get(name, MISSING)
    if space == IMPORT:
        return imported(func, name)
    value = func.__globals__.get(name, MISSING)
    return _builtin(name) if value is MISSING else value


def _builtin(name: str) -> Any:
    return vars(sys.modules["builtins"]).get(name, MISSING)


@kept_by_code
def loads(code: CodeType) -> list[Any]:
    """The names that the code reads. Kept, because many functions lead to the same library code."""
    from amorsize._function import bytecode

    return bytecode.loads(code)


def imported(func: FunctionType, name: str) -> Any:
    """The module that an import in a function's code gives; MISSING where it is not loaded yet."""
    module = sys.modules.get(full_name(func, name))
    return module if is_module(module) else MISSING


def full_name(func: FunctionType, name: str) -> str:
    """The whole name of a module that code imports; dots ahead stand for packages to go up."""
    inner = name.lstrip(".")
    if inner == name:
        return name
    scope = func.__globals__
    package = scope.get("__package__")
    if not isinstance(package, str):
        home = str(scope.get("__name__"))
        package = home if "__path__" in scope else home.rpartition(".")[0]
    above = package.rsplit(".", len(name) - len(inner) - 1)[0]
    return f"{above}.{inner}".strip(".")


def members_named(module: Any, names: Iterable[str]) -> Iterator[tuple[Any, str, Any]]:
    """The members of an imported module and of its submodules: the owner, the name and the value.

    `from package import module` names the one, and code goes on to what is in the other.
    """
    for name in names:
        found = member(module, name)
        yield module, name, found
        if is_module(found):
            for inner in names:
                yield found, inner, member(found, inner)


def through_modules(value: Any, attributes: tuple[str, ...]) -> Iterator[tuple[Any, str, Any]]:
    """Follow attributes while they are those of modules: yields module, name and value."""
    for name in attributes:
        if not is_module(value):
            return
        found = member(value, name)
        yield value, name, found
        value = found


def end_of(
    value: Any, attributes: tuple[str, ...], owns_module: Callable[[object], bool]
) -> tuple[Any, int]:
    """Follow attributes through modules and classes; returns where that ends, and after how many.

    The value is MISSING where a name is not bound yet.
    """
    for taken, step in enumerate(attributes):
        if is_module(value):
            found = member(value, step)
            if found is MISSING and type(value) is not MODULE:  # its class may make it
                return value, taken
            if found is MISSING and not owns_module(value.__name__):
                found = attribute(value, (step,))  # made on demand, by the module's own hook
        elif runs_code_when_read(value):
            return value, taken
        elif is_class(value):
            found = member(value, step)
            if found is MISSING or has(type(found), "__get__"):  # judged with its class
                return value, taken
        else:
            return value, taken
        if found is MISSING:
            return MISSING, taken
        value = found
    return value, len(attributes)


def attribute(value: Any, attributes: tuple[str, ...]) -> Any:
    """The value of one attribute of a module or class; the thing itself without an attribute.

    MISSING where code of the project would have to run for that.
    """
    if attributes and runs_code_when_read(value):
        return MISSING
    if not attributes or not (is_module(value) or is_class(value)):
        return value
    if _runs_own_code(value, attributes[0]):
        return MISSING
    try:
        return getattr(value, attributes[0], MISSING)
    except Exception as error:  # a module's own hook may raise anything
        reraise_from_handler(error)
        return MISSING


def _runs_own_code(value: Any, name: str) -> bool:
    """Whether reading an attribute of a module or class would run code of the project."""
    held = member(value, name)
    if is_module(value):
        is_made = held is MISSING or member(type(value), name) is not member(MODULE, name)
        return is_made and (is_own_module(value.__name__) or is_own_class(type(value)))
    kind = type(held)
    if held is not MISSING and kind is not FUNCTION and has(kind, "__get__"):
        inside = held.__func__ if kind is classmethod else held
        if is_own_class(type(inside)) or (kind is classmethod and type(inside) is not FUNCTION):
            return True
    return type(value) is not type and _is_asked_by_metaclass(type(value), name, held)


def _is_asked_by_metaclass(kind: type, name: str, held: Any) -> bool:
    if not is_own_class(kind):
        return False
    hooks = ["__getattribute__"] if held is not MISSING else ["__getattribute__", "__getattr__"]
    if any(type(member(kind, hook)) is FUNCTION for hook in hooks):
        return True
    found = member(kind, name)
    if type(found) is FUNCTION or member(type, name) is found:
        return False
    return has(type(found), "__set__" if held is not MISSING else "__get__")

"""The arguments of a function that are bound before any item is passed."""

from __future__ import annotations

from amorsize._function.callable_walk import opened
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    READ_ONLY_DICT,
    defaults,
    is_a,
    is_class,
    is_partial,
    member,
    own,
    plain,
    raw,
    type_name,
)
from amorsize._function.container_elements import elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FunctionType
    from typing import Any

#: How an argument is labelled whose value is not known, and the object that a method is bound to.
PASSED, OWNER = "argument", "self"
#: Flags of code that takes any number of arguments, by their place and by their name.
_TAKES_REST, _TAKES_OTHERS = 0x4, 0x8
#: Types of members of a class that have a function inside.
_AROUND = {"functools.partialmethod", "functools.cached_property"}


class Bound:
    """The values that are bound to a function, by the names of its arguments.

    Attributes:
        values: The arguments that are set. What goes to `*args` is a tuple, to `**kwargs` a dict.
        owner: The object that a method is bound to; MISSING if there is none.
        n_first: How many of them are bound by position.
        key: Identifies these bindings while their values are alive. A method that was bound anew
            to the same object is the same.
    """

    def __init__(self, values: dict[str, Any], owner: Any = MISSING, n_first: int = 0) -> None:
        self.values, self.owner, self.n_first = values, owner, n_first
        self.key = tuple([(name, _identity(one)) for name, one in values.items()])

    @classmethod
    def to(cls, func: FunctionType, owner: Any) -> Bound:
        """The object that a method is bound to; MISSING: it is not known."""
        name = first_argument(func)
        return NOTHING if owner is MISSING or not name else cls({name: owner}, owner, 1)

    def and_these(self, values: dict[str, Any]) -> Bound:
        """These bindings with further arguments, which calling code passes."""
        return Bound({**values, **self.values}, self.owner, self.n_first) if values else self

    def is_set(self, func: FunctionType, name: str) -> bool:
        """Whether an argument can neither be an item nor hold one."""
        return name in self.values and name not in rest_arguments(func.__code__)

    def value_of(self, func: FunctionType, name: str) -> tuple[str, Any]:
        """An argument's description and value; its default if nothing is bound to it."""
        if name in self.values:
            value = self.values[name]
            if value is self.owner:
                return ("class" if is_class(value) else OWNER), value
            return f"argument {name}", value
        for one, value in defaults(func):
            if one == name:
                return f"default {name}", value
        return PASSED, MISSING


def _identity(value: Any) -> object:
    return (id(value.__func__), id(value.__self__)) if type(value) is METHOD else id(value)


NOTHING = Bound({})


def first_argument(func: FunctionType) -> str:
    """Its name: `self` of a method."""
    return "".join(func.__code__.co_varnames[: min(1, func.__code__.co_argcount)])


def all_arguments(code: CodeType) -> tuple[str, ...]:
    """The names of its arguments, in the order of its variables."""
    n_named = code.co_argcount + code.co_kwonlyargcount
    return code.co_varnames[: n_named + len(rest_arguments(code))]


def rest_arguments(code: CodeType) -> tuple[str, ...]:
    """The names of `*args` and `**kwargs`, or whatever they are called."""
    n_named = code.co_argcount + code.co_kwonlyargcount
    n_rest = takes_rest(code) + bool(code.co_flags & _TAKES_OTHERS)
    return code.co_varnames[n_named : n_named + n_rest]


def takes_rest(code: CodeType) -> bool:
    """Whether a function has an argument like `*args`."""
    return bool(code.co_flags & _TAKES_REST)


def with_arguments(func: Any) -> tuple[FunctionType | None, Bound]:
    """The function behind a callable, and its arguments that are bound before any item."""
    first: list[Any] = []
    named: dict[str, Any] = {}
    owner: Any = MISSING
    while True:
        func = raw(func)
        if is_partial(func):
            first, named, func = [*func.args, *first], {**func.keywords, **named}, func.func
        elif type(func) is METHOD:
            owner = func.__self__
            first, func = [owner, *first], func.__func__
        elif type(func) is FUNCTION:
            break
        elif type(called := raw(member(type(func), "__call__"))) is FUNCTION:
            owner = func
            first, func = [func, *first], called
        else:
            return None, NOTHING
    if not first and not named:
        return func, NOTHING
    return func, Bound(_by_name(func.__code__, first, named), owner, len(first))


def _by_name(code: CodeType, first: list[Any], named: dict[str, Any]) -> dict[str, Any]:
    n_named = code.co_argcount + code.co_kwonlyargcount
    known = code.co_varnames[:n_named]
    found = dict(zip(known[: code.co_argcount], first, strict=False))
    found |= {name: value for name, value in named.items() if name in known}
    rest = iter(rest_arguments(code))
    if takes_rest(code) and (more := tuple(first[code.co_argcount :])):
        found[next(rest)] = more
    if code.co_flags & _TAKES_OTHERS:
        others = {name: value for name, value in named.items() if name not in known}
        found |= {name: others for name in tuple(rest)[-1:] if others}
    return found


def implementations(func: Any) -> list[Any]:
    """The functions that a `singledispatch` chooses from; any other value as it is."""
    registry: Any = func.__dict__.get("registry") if type(func) is FUNCTION else None
    return [raw(one) for one in registry.values()] if type(registry) is READ_ONLY_DICT else [func]


def methods_in(held: Any) -> list[Any]:
    """The functions that run where code uses a member of a class."""
    if type_name(held) == "functools.singledispatchmethod":
        return implementations(held.dispatcher)
    if is_a(held, property):
        return [raw(held.fget)]
    return [raw(held.func) if type_name(held) in _AROUND else raw(plain(held))]


def setters_in(held: Any) -> list[Any]:
    """The functions that run where code sets or deletes an attribute that is a property."""
    return [raw(held.fset), raw(held.fdel)] if is_a(held, property) else []


def callables_in(value: Any, most: int) -> bool:
    """Whether a value is code to be called, or a plain container that holds such."""
    if is_a(value, list | tuple | dict):
        return any(is_code(one) for one, _ in zip(elements(value), range(most), strict=False))
    return is_code(value)


def is_code(value: Any) -> bool:
    """Whether a value is there to be called and is no class."""
    kind = type(value)
    return kind is FUNCTION or (callable(value) and not is_class(value))


def run_by(called: list[Any]) -> list[Any]:
    """The functions that run where one of these is called."""
    return [one for helper in called for one in implementations(helper)]


def opened_helper(helper: Any, owns: Callable[[object], bool]) -> tuple[FunctionType | None, Bound]:
    """The project's function behind a callable, and what is bound to it."""
    if is_class(helper):
        helper = opened(member(helper, "__init__"))
        is_read = type(helper) is FUNCTION and owns(helper)
        return (helper, Bound({}, n_first=1)) if is_read else (None, NOTHING)
    function, bound = with_arguments(helper)
    if type(function) is FUNCTION and not owns(function):
        function = raw(own(function, "__wrapped__"))  # as that of a `contextmanager`
    is_read = type(function) is FUNCTION and owns(function)
    return (function, bound) if is_read else (None, NOTHING)

"""What the table of effects says of a function or of a type.

Answered from a table, kept as data with its sources in `stdlib_effects` (the standard library),
`third_party_effects` and, for types, `stdlib_types` and `third_party_types`. An *effect* is what
a call does beside computing. Whether several items may share an object is asked of its type, a
*holding*.
So `list.append` is "safe", and a list is "mutable".

A name is found under every module that publishes the very object: `pandas.set_option`, wherever
pandas defines it. Types and functions are named by what the interpreter itself keeps of them:
nothing is imported, and no code of the objects asked about runs.
"""

from __future__ import annotations

import sys

from amorsize._function.callables import BUILTINS, C_METHODS, FUNCTION, METHOD, MODULE, is_class
from amorsize._function.library.effect_table import (
    Effect,
    Holding,
    best_rule,
    known_effects,
    known_holdings,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: Partials and static methods around one another that are opened.
_MAX_LAYERS = 20

_UNBOUND_C: Any = (*C_METHODS, type(dict.__dict__["fromkeys"]))
_C_ATTRIBUTE: Any = (type(FUNCTION.__code__), type(FUNCTION.__closure__))
_NOT_FOUND: Any = object()

# What the interpreter keeps of every type and module, read past whatever a metaclass defines.
_mro: Any = type.__dict__["__mro__"].__get__
_members: Any = type.__dict__["__dict__"].__get__
_qualname: Any = type.__dict__["__qualname__"].__get__
_basicsize: Any = type.__dict__["__basicsize__"].__get__
_dictoffset: Any = type.__dict__["__dictoffset__"].__get__
_flags: Any = type.__dict__["__flags__"].__get__
_module_members: Any = MODULE.__dict__["__dict__"].__get__

#: Py_TPFLAGS_IMMUTABLETYPE, a flag of types that no class statement has made.
_CANNOT_BE_EXTENDED = 1 << 8
_TRANSFERS = ("read", "write", "send", "recv", "execute", "cursor")


def effect_of(func: object) -> Effect | None:
    """What calling this does; None where the table does not know.

    Known are functions, builtins, classes (to call one is to make an instance), methods, bound or
    not, and what wraps these: `functools.partial`, static and class methods, `lru_cache`. A method
    of the generator that a module draws from is that module's function: `random.random`. What a
    function is *given* is not judged: `map` is safe, whatever it maps. Never raises.
    """
    for _ in range(_MAX_LAYERS):
        inner = _inner(func)
        if inner is _NOT_FOUND:
            break
        func = inner
    kind = type(func)
    if kind is FUNCTION:
        return _effect(_names_of_function(func))
    if kind is METHOD or issubclass(kind, BUILTINS):
        return _effect_of_bound(func)
    if issubclass(kind, _UNBOUND_C):
        return _effect_of_member(func.__objclass__, func.__name__)  # type: ignore[attr-defined]
    if is_class(func):
        return _effect_of_class(func)
    return _effect_of_instance(func)


def holding_of(kind: type) -> Holding | None:
    """What a value of this type is; None where the table does not know.

    Subclasses are what their bases are, but a subclass with fields of its own is not "safe". What
    is written in C and has a descriptor, or is closed after having been read from or written to,
    is a "handle" by its shape; one with `__next__` is an "iterator". Functions, modules, classes,
    tuples and frozensets are not judged: what they lead to is what matters. Never raises.
    """
    if not is_class(kind):
        return None
    if _mro(kind) is None:  # a type in C that nobody has used yet: this makes it ready
        type.__getattribute__(kind, "__mro__")
    for base in _mro(kind):
        rule = best_rule(known_holdings(), list(_names_of_class(base)))
        if rule is not None:
            what, why, source, name = rule
            if what == "safe threads" and _adds_fields(kind, base):
                return None
            word, _, threads = what.partition(" ")
            return Holding(what=word, threads=bool(threads), why=why, source=source, name=name)
    return _handle_by_shape(kind) or _iterator_by_shape(kind)


def _iterator_by_shape(kind: type) -> Holding | None:
    if not _is_c_method(kind, "__next__"):
        return None
    return _by_shape(kind, "iterator", "moves on each time an item takes from it")


def _handle_by_shape(kind: type) -> Holding | None:
    closes = _is_c_method(kind, "fileno")
    closes |= _is_c_method(kind, "close") and any(_is_c_method(kind, one) for one in _TRANSFERS)
    if not closes or _is_c_method(kind, "throw"):  # a compiled generator can be sent to and closed
        return None
    return _by_shape(kind, "handle", "is open and can be closed")


def _by_shape(kind: type, what: str, why: str) -> Holding:
    """What the methods of a type show, of which the table knows nothing."""
    return Holding(
        what=what,
        threads=False,
        why=f"{why}, as its methods show",
        source="the methods of the type",
        name=".".join(next(_names_of_class(kind))),
    )


def _is_c_method(kind: type, name: str) -> bool:
    found = _member(kind, name)
    if found is _NOT_FOUND or issubclass(
        type(found), (FUNCTION, staticmethod, classmethod, property)
    ):
        return False
    return _member(type(found), "__get__") is not _NOT_FOUND and not _has_own_code(type(found))


def _has_own_code(kind: type) -> bool:
    """Is it a descriptor whose class was made by a class statement?"""
    return type(_member(kind, "__get__")) is FUNCTION


def _adds_fields(kind: type, base: type) -> bool:
    """Does a class made by a class statement keep more than its base?"""
    if kind is base or _flags(kind) & _CANNOT_BE_EXTENDED:
        return False
    more = _basicsize(kind) != _basicsize(base) or _dictoffset(kind) != _dictoffset(base)
    return bool(more)


# --- effects of one kind of callable -------------------------------------------------------------


def _inner(func: Any) -> Any:
    """What a wrapper of the standard library calls; _NOT_FOUND if it is none."""
    kind = type(func)
    if issubclass(kind, staticmethod | classmethod):
        owner = staticmethod if issubclass(kind, staticmethod) else classmethod
        return owner.__dict__["__func__"].__get__(func)
    functools = sys.modules.get("functools")
    if type(functools) is not MODULE:
        return _NOT_FOUND
    partial = _module_members(functools).get("partial")
    if is_class(partial) and issubclass(kind, partial):
        return partial.__dict__["func"].__get__(func)
    wrapper = _module_members(functools).get("_lru_cache_wrapper")
    if kind is wrapper and not any(_places_of(func)):
        return _static(func, "__wrapped__")
    return _NOT_FOUND


def _effect_of_bound(func: Any) -> Effect | None:
    from amorsize._function.library.stdlib_effects import NAMELESS

    owner = func.__self__
    inner = func.__func__ if type(func) is METHOD else func
    name = _static(inner, "__name__")
    if type(name) is not str:
        return effect_of(inner) if inner is not func else None
    if owner is None or issubclass(type(owner), MODULE):
        home = None if owner is None else _module_members(owner).get("__name__")
        modules = [one for one in (func.__module__, home) if type(one) is str]
        if not modules:
            modules = [one for one in NAMELESS if _resolve(one, name) is func]
        return _effect([(one, name) for one in modules])
    if is_class(owner):
        return _effect_of_member(owner, name)
    shared = _shared_instance(owner)
    if shared is not None:
        return _effect([(shared, name)])
    return _effect_of_member(type(owner), name)


def _shared_instance(owner: Any) -> str | None:
    """The module that publishes the methods of this very object as its functions."""
    from amorsize._function.library.stdlib_effects import INSTANCES

    for place, module in INSTANCES.items():
        where, _, name = place.rpartition(".")
        if _resolve(where, name) is owner:
            return module
    return None


def _effect_of_member(kind: type, name: str) -> Effect | None:
    """Judge a method by the class that defines it, unless a subclass has its own entry."""
    effects = known_effects()
    for base in _mro(kind):
        names = [(module, f"{inside}.{name}") for module, inside in _names_of_class(base)]
        for module, inside in names:
            if f"{module}.{inside}" in effects:
                return _effect(names)
        if name in _members(base):
            return _effect(names)
    return None


def _effect_of_class(kind: Any) -> Effect | None:
    """Calling a class: what is told of it, or of a base of it that does more than compute."""
    for base in _mro(kind):
        effect = _effect(list(_names_of_class(base)))
        if effect is not None and (base is kind or effect.what != "safe"):
            return effect
    return None


def _effect_of_instance(func: Any) -> Effect | None:
    """An object that a library publishes as its function, or one whose type can be called."""
    published = list(_places_of(func))
    if best_rule(known_effects(), published) is not None:
        return _effect(published)
    if _member(type(func), "__call__") is _NOT_FOUND:
        return None
    return _effect_of_member(type(func), "__call__")


# --- names ---------------------------------------------------------------------------------------


def _names_of_function(func: Any) -> list[tuple[str, str]]:
    """The places where the function is published, else where its code says that it was written."""
    found = list(_places(func.__module__, func.__qualname__, func))
    if found:
        return found
    module, qualname = func.__globals__.get("__name__"), func.__code__.co_qualname
    return [(module, qualname)] if type(module) is str else []


def _names_of_class(kind: type) -> Iterator[tuple[str, str]]:
    """Where the class says that it is, and the packages above that publish it."""
    module, qualname = _members(kind).get("__module__"), _qualname(kind)
    if type(module) is not str:
        module = _static_module(kind)
    if type(module) is str and type(qualname) is str:
        yield module, qualname
        for place in _places(module, qualname, kind):
            if place[0] != module:
                yield place


def _static_module(kind: type) -> str | None:
    """What a type written in C says of its module: it has no entry for it among its members."""
    if not _flags(kind) & _CANNOT_BE_EXTENDED:
        return None
    named = type.__dict__["__module__"].__get__(kind)
    return named if type(named) is str else None


def _places(module: Any, qualname: Any, thing: Any) -> Iterator[tuple[str, str]]:
    """The module named and the packages above it that hold this very thing under its name."""
    if type(module) is not str or type(qualname) is not str:
        return
    while module:
        if _resolve(module, qualname) is thing:
            yield module, qualname
        module = module.rpartition(".")[0]


def _resolve(module: str, qualname: str) -> Any:
    """What a loaded module holds under a name, no descriptor asked; _NOT_FOUND if nothing."""
    found = sys.modules.get(module)
    if not issubclass(type(found), MODULE):
        return _NOT_FOUND
    first, _, rest = qualname.partition(".")
    found = _module_members(found).get(first, _NOT_FOUND)
    while rest:
        if not is_class(found):
            return _NOT_FOUND
        first, _, rest = rest.partition(".")
        found = _members(found).get(first, _NOT_FOUND)
        if issubclass(type(found), staticmethod | classmethod):
            found = _inner(found)
    return found


def _places_of(func: Any) -> Iterator[tuple[str, str]]:
    """Where a library publishes an object that is neither a function nor a class."""
    from amorsize._function.library.stdlib_effects import NAMELESS

    name, module = _own_name(func), _static(func, "__module__")
    if type(module) is str:
        yield from _places(module, name, func)
    elif type(name) is str:
        yield from ((one, name) for one in NAMELESS if _resolve(one, name) is func)


def _own_name(func: Any) -> Any:
    qualname = _static(func, "__qualname__")
    return qualname if type(qualname) is str else _static(func, "__name__")


def _static(value: Any, name: str) -> Any:
    """An attribute as C code or the instance's own dict keeps it; _NOT_FOUND if neither does."""
    kind = type(value)
    found = _member(kind, name)
    if issubclass(type(found), _C_ATTRIBUTE) and _member(object, name) is not found:
        return _asked(found, value)
    held = _asked(_member(kind, "__dict__"), value)
    return held.get(name, _NOT_FOUND) if type(held) is dict else _NOT_FOUND


def _asked(attribute: Any, value: Any) -> Any:
    if not issubclass(type(attribute), _C_ATTRIBUTE):
        return _NOT_FOUND
    try:
        return attribute.__get__(value)
    except AttributeError:  # a slot that nothing was put into
        return _NOT_FOUND


def _member(kind: type, name: str) -> Any:
    for base in _mro(kind):
        found = _members(base).get(name, _NOT_FOUND)
        if found is not _NOT_FOUND:
            return found
    return _NOT_FOUND


def _effect(names: list[tuple[str, str]]) -> Effect | None:
    rule = best_rule(known_effects(), names)
    if rule is None or not rule[0]:
        return None
    what, why, source, name = rule
    return Effect(what=what, why=why, source=source, name=name)

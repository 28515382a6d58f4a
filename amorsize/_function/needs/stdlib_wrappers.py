"""Wrappers of the standard library that neither pickle nor cloudpickle can send, taken apart.

Functions of scripts and notebooks travel with their code, and so does what they are wrapped in: an
`lru_cache` has what it has kept by now, a `singledispatch` what was registered.
"""

from __future__ import annotations

import functools
import types
from contextvars import Context, ContextVar, copy_context
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Kept = tuple[tuple[Any, ...], dict[str, Any], Any]

#: Stands for a value that is not set, as the same text in every process.
_NOTHING = "amorsize: nothing"
_vars: dict[tuple[str, str], ContextVar[Any]] = {}


def reduced(obj: Any) -> tuple[Any, ...] | None:
    """What pickle needs to make such a wrapper anew; None for any other object."""
    reducer = _REDUCERS.get(type(obj))
    if reducer is not None:
        return reducer(obj)
    if type(obj) is types.FunctionType and is_dispatcher(obj):
        return _reduced_dispatcher(obj)
    return None


def is_dispatcher(func: Any) -> bool:
    """Is it what `functools.singledispatch` makes of a function?"""
    found = func.__dict__
    return type(found.get("registry")) is types.MappingProxyType and "dispatch" in found


def is_cache(obj: Any) -> bool:
    """Is it what `functools.lru_cache` makes of a function?"""
    return type(obj) is _CACHE


def kept(cache: Any) -> list[Kept]:
    """What an `lru_cache` has kept: arguments, keywords and result, the next to be forgotten first.

    It has no way to ask for that but what the garbage collector sees of it: links, each as a key, a
    result and a type; the table; the function; the mark between arguments and keywords; the rest.
    """
    import gc

    found = gc.get_referents(cache)
    at = len(found) - _BEHIND_LINKS
    if at < 0 or type(found[at]) is not dict or not callable(found[at + 1]):
        return []
    parameters = cache.cache_parameters()
    pairs = list(found[at].items())
    if parameters["maxsize"] is not None:  # there the table leads to links
        pairs = list(zip(found[1:at:3], found[2:at:3], strict=False))
    mark, is_typed = found[at + 2], parameters["typed"]
    return [(*_arguments(key, mark, is_typed=is_typed), result) for key, result in pairs]


#: What comes after the links: the table, the function, the mark, two types, the attributes.
_BEHIND_LINKS = 6


def _arguments(key: Any, mark: Any, *, is_typed: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that the key of a cache stands for."""
    if not isinstance(key, tuple):  # a single number or text
        return (key,), {}
    at = next((n for n, one in enumerate(key) if one is mark), None)
    if at is None:
        return key[: len(key) // 2] if is_typed else key, {}
    named = key[at + 1 :]
    if is_typed:  # behind all that, the types of arguments and values
        named = named[: 2 * ((len(named) - at) // 3)]
    return key[:at], dict(zip(named[::2], named[1::2], strict=True))


class _First:
    """Calls a function, but gives what a cache is to be filled with as long as there is any."""

    __slots__ = ("func", "results")

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        self.results: list[Any] = []

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.results.pop() if self.results else self.func(*args, **keywords)


def _reduced_cache(cache: Any) -> tuple[Any, ...]:
    return cached, (cache.__wrapped__, cache.cache_parameters()), _extra(cache)


def reduced_with(cache: Any, entries: list[Kept]) -> tuple[Any, ...]:
    """What pickle needs to make an `lru_cache` anew that has kept something."""
    first = _First(cache.__wrapped__)
    arguments = first, cache.cache_parameters(), cache.__wrapped__
    return cached, arguments, (first, entries, _extra(cache)), None, None, _fill


def cached(
    func: Callable[..., Any], parameters: dict[str, Any], wrapped: Callable[..., Any] | None = None
) -> Any:
    """An empty cache around a function; `wrapped` is what it shows as that."""
    made = functools.lru_cache(**parameters)(func)
    return made if wrapped is None else functools.update_wrapper(made, wrapped)


def _fill(cache: Any, state: tuple[_First, list[Kept], dict[str, Any]]) -> None:
    first, entries, extra = state
    vars(cache).update(extra)
    for arguments, keywords, result in entries:
        first.results.append(result)
        cache(*arguments, **keywords)


def filled(cache: Any, entries: list[Kept]) -> Any:
    """A cache like this one, around the same function, that has kept something else."""
    make, arguments, state, _, _, fill = reduced_with(cache, entries)
    made = make(*arguments)
    fill(made, state)
    return made


def _reduced_dispatcher(dispatcher: Any) -> tuple[Any, ...]:
    registry = dict(dispatcher.registry)
    base = registry.pop(object)
    state = list(registry.items()), _extra(dispatcher)
    return functools.singledispatch, (base,), state, None, None, register


def register(dispatcher: Any, state: tuple[list[tuple[type, Any]], dict[str, Any]]) -> None:
    """Give a dispatcher its functions, and the attributes that were set on it."""
    for cls, func in state[0]:
        dispatcher.register(cls, func)
    vars(dispatcher).update(state[1])


_OWN_ATTRIBUTES = {"__wrapped__", "register", "dispatch", "registry", "_clear_cache"}
_OWN_ATTRIBUTES |= {"cache_info", "cache_clear", "cache_parameters"}


def _extra(wrapper: Any) -> dict[str, Any]:
    return {name: one for name, one in vars(wrapper).items() if name not in _OWN_ATTRIBUTES}


def _reduced_property(found: Any) -> tuple[Any, ...]:
    return cached_property, (type(found), found.func, found.attrname)


def cached_property(kind: type[Any], func: Callable[..., Any], name: str | None) -> Any:
    """A cached property with a lock of its own, where it has one."""
    made = kind(func)
    if name is not None:
        made.__set_name__(None, name)
    return made


def _reduced_method(method: Any) -> tuple[Any, ...]:
    """A dispatching method without what it has bound, which Python 3.13 keeps by weak reference."""
    state = {name: one for name, one in vars(method).items() if name != "_method_cache"}
    return dispatching_method, (type(method),), state, None, None, _fill_method


def dispatching_method(kind: type[Any]) -> Any:
    """One that dispatches nothing as yet: the class that it is in may be a part of what it does."""
    made: Any = object.__new__(kind)
    functools.singledispatchmethod.__init__(made, len)
    return made


def _fill_method(method: Any, state: dict[str, Any]) -> None:
    vars(method).update(state)


def _reduced_view(view: Mapping[Any, Any]) -> tuple[Any, ...]:
    return types.MappingProxyType, (dict(view),)


def _reduced_var(var: ContextVar[Any]) -> tuple[Any, ...]:
    default = Context().run(_default_of, var)
    value = copy_context().get(var, _NOTHING)
    return context_var, (f"{id(var):x}", var.name, default, value)


def _default_of(var: ContextVar[Any]) -> Any:
    """Called where nothing is set."""
    try:
        return var.get()
    except LookupError:
        return _NOTHING


def context_var(key: str, name: str, default: Any, value: Any) -> ContextVar[Any]:
    """A context variable, the same one each time, with the value that it has in the caller."""
    var = _vars.get((key, name))
    if var is None:
        given = {} if default == _NOTHING and type(default) is str else {"default": default}
        var = _vars[key, name] = ContextVar(name, **given)
    if not (type(value) is str and value == _NOTHING):
        var.set(value)
    return var


_CACHE: type = type(functools.lru_cache(_extra))
_REDUCERS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    _CACHE: _reduced_cache,
    functools.cached_property: _reduced_property,
    functools.singledispatchmethod: _reduced_method,
    types.MappingProxyType: _reduced_view,
    ContextVar: _reduced_var,
    Struct: lambda layout: (Struct, (layout.format,)),
}

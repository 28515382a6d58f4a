"""Wrappers of the standard library that neither pickle nor cloudpickle can send, taken apart.

Functions of scripts and notebooks travel with their code, and so does what they are wrapped in: an
`lru_cache` starts empty in each worker, a `singledispatch` has what was registered by now.
"""

from __future__ import annotations

import functools
import types
from contextvars import Context, ContextVar, copy_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_NOTHING = "amorsize: nothing"  # stands for a value that is not set: the same text in every process
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


def _reduced_cache(cache: Any) -> tuple[Any, ...]:
    return cached, (cache.__wrapped__, cache.cache_parameters()), _extra(cache)


def cached(func: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """An empty cache around a function."""
    return functools.lru_cache(**parameters)(func)


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


_REDUCERS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    type(functools.lru_cache(_extra)): _reduced_cache,
    functools.cached_property: _reduced_property,
    types.MappingProxyType: _reduced_view,
    ContextVar: _reduced_var,
}

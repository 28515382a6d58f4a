"""Digests of code, by which two processes compare the code that they have under one name."""

from __future__ import annotations

from amorsize._function import callable_walk, callables, code_body, fingerprints
from amorsize._function.callables import FUNCTION, READ_ONLY_DICT, is_a, is_class, is_module
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.library.reads import is_followed
from amorsize._function.library.table_digest import bound_to
from amorsize._function.needs import shape
from amorsize._function.needs.shape import is_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType
    from typing import Any

DIGEST_BYTES = 16


def digest_of(func: Any) -> bytes:
    """The digest of a function's code, of all that it wraps, and of what is registered with it.

    Of the members of an enum, those of their names.
    """
    if type(func) is READ_ONLY_DICT:
        return _hashed(list(func))
    parts: list[bytes] = []
    registered: list[Any] = []
    for layer in callable_walk.layers(func):
        if type(layer) is FUNCTION:
            parts.append(_of_function(layer))
            registered += _registered(layer)
        elif callables.type_name(layer) == callables.CACHE:
            registered += sorted(layer.cache_parameters().items())
    if len(parts) == 1 and not registered:
        return parts[0]
    return _hashed([*parts, *registered])


def _of_function(func: FunctionType) -> bytes:
    """Of its code, and of what it has beside that, but for the values of its defaults."""
    code, beside = func.__code__, shape.of_function(func)
    return _hashed([_of_code_alone(code), *beside]) if beside else _of_code_alone(code)


@kept_by_code
def _of_code_alone(code: CodeType) -> bytes:
    return _hashed([code_body.body(code)])


def _hashed(content: list[Any]) -> bytes:
    return bytes.fromhex(fingerprints.hex_digest(content, DIGEST_BYTES))


def _registered(dispatcher: Any) -> list[Any]:
    """For which classes a `singledispatch` has a function, and which."""
    registry = vars(dispatcher).get("registry")
    if "dispatch" not in vars(dispatcher) or not hasattr(registry, "items"):
        return []
    return sorted((brief_name_of(cls), brief_name_of(func)) for cls, func in registry.items())


def name_of(value: Any) -> str | None:
    """The digest of the code at a place: the same in every process that has not replaced the code.

    For code of libraries, which is not compared more closely. None: there is data at the place.
    """
    if is_scalar(value):
        return None
    if is_class(value):
        return f"{brief_name_of(value)} {_class_digest(value)}"
    if (bound := bound_to(value)) is not None:
        method, owner = bound
        content = sorted(owner) if is_a(owner, frozenset) else owner
        return f"{method} {_hashed([content]).hex()}"
    return brief_name_of(value) if callable(value) or is_module(value) else None


def brief_name_of(value: Any) -> str:
    """What stands at a place: code by its name and line, of classes also of several."""
    if is_module(value):
        return f"module {value.__name__}"
    if type(value) is FUNCTION:
        code = value.__code__
        name = f"{value.__module__}.{value.__qualname__} ({code.co_name}, {code.co_firstlineno})"
        return f"{name} {shape.of_defaults(value)}"
    if is_class(value):
        return f"class {value.__module__}.{value.__qualname__}"
    if type(value) is tuple:  # the bases of a class
        return ", ".join(map(brief_name_of, value))
    name = callables.own(value, "__qualname__")
    own = f"{callables.own(value, '__module__')}.{name}" if isinstance(name, str) else "instance"
    return f"{own} of {callables.type_name(value)}"


def _class_digest(cls: type) -> str:
    """The digest of a library's class: its names, its numbers and texts, its functions."""
    content = []
    for base in cls.__mro__:
        if callables.is_made_at_run_time(base):  # nobody can change the others
            is_told = is_followed(base.__module__) or base.__module__ in _NOTING_USE
            for name, value in sorted(vars(base).items()):
                if name in _MADE_UP or (is_told and _is_state(name, value)):
                    continue
                if name == "__annotations__" and not value:  # made as somebody asked for them
                    continue
                what = repr(value) if is_scalar(value) else ""
                if name in shape.OF_CLASSES:
                    what = shape.plain(value)
                if type(value) is FUNCTION:
                    what = brief_name_of(value)
                content.append((name, what))
    return fingerprints.hex_digest(content, DIGEST_BYTES)


def _is_state(name: str, value: Any) -> bool:
    """Whether it is data that a library keeps in its class; `library_reads` looks after that."""
    if callable(value) or hasattr(type(value), "__get__"):
        return False
    return not is_scalar(value) or name.startswith("_")


# Their classes note that they were used, as `weakref.finalize` does at its first finalizer.
_NOTING_USE = {"weakref"}

# By the interpreter, or with the first copy of an instance.
_MADE_UP = {"__doc__", "__dict__", "__weakref__", "__slotnames__"}

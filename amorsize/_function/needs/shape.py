"""Tells what a function or class has beside its code, in texts that two processes compare.

A program may change it at run time: the name, the annotations, which arguments have a default,
which methods are abstract, the fields of a dataclass.
"""

from __future__ import annotations

import sys

from amorsize._function import callables
from amorsize._function.callables import is_class
from amorsize._function.plain_values import SCALARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType
    from typing import Any

#: What a class has for the interpreter and the standard library, which code may read.
OF_CLASSES = (
    *("__match_args__", "__abstractmethods__", "__dataclass_fields__", "__dataclass_params__"),
    *("__annotations__", "__required_keys__", "__optional_keys__", "__total__"),
)
_FLAGS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
#: Of a field of a dataclass.
_OF_FIELDS = ("default", "init", "repr", "hash", "compare", "kw_only")
#: Before this, annotations are there. Later they are made when they are read, which may fail.
_HAS_ANNOTATIONS = sys.version_info < (3, 14)


def is_scalar(value: Any) -> bool:
    return type(value) in SCALARS


def of_function(func: FunctionType) -> list[Any]:
    """What was changed of it since it was made, and which arguments have defaults, not which."""
    code = func.__code__
    found: list[Any] = []
    if func.__defaults__ or func.__kwdefaults__:
        found += len(func.__defaults__ or ()), *sorted(func.__kwdefaults__ or ())
    for now, made in ((func.__name__, code.co_name), (func.__qualname__, code.co_qualname)):
        if now != made:
            found.append(now)
    if is_scalar(func.__doc__) and func.__doc__ != _doc_of(code):
        found.append(func.__doc__)
    if _HAS_ANNOTATIONS and func.__annotations__:
        found.append(plain(func.__annotations__))
    return found


def of_defaults(func: FunctionType) -> str:
    """What its arguments are by default, if that cannot change inside."""
    pairs = [(name, one if is_scalar(one) else "...") for name, one in callables.defaults(func)]
    return repr(pairs) if pairs else ""


def _doc_of(code: CodeType) -> Any:
    first = code.co_consts[0] if code.co_consts else None
    return first if type(first) is str else None


def of_class(cls: type) -> str:
    """What a class is called, and what its members are by themselves."""
    members = vars(cls)
    found = [cls.__name__, plain(members.get("__doc__"))]
    found += [f"{name} {plain(members[name])}" for name in OF_CLASSES if members.get(name)]
    return "\n".join(found)


def plain(value: Any) -> str:
    """A text for numbers and texts, classes, and tables of these; of others, nothing is told."""
    kind = type(value)
    if kind in SCALARS:
        return repr(value)
    if kind is tuple or kind is list:
        return f"({', '.join(map(plain, value))})"
    if kind is dict or kind is callables.READ_ONLY_DICT:
        return f"{{{', '.join([f'{plain(key)}: {plain(one)}' for key, one in value.items()])}}}"
    if kind is set or kind is frozenset:
        return f"{{{', '.join(sorted(map(plain, value)))}}}"
    if is_class(value):
        return f"{value.__module__}.{value.__qualname__}"
    if kind.__module__ == "dataclasses":
        names = _OF_FIELDS if kind.__name__ == "Field" else _FLAGS
        return plain([getattr(value, name, None) for name in names])
    return "..."

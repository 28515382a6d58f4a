"""What the names in a function's code stand for."""

from __future__ import annotations

import sys

from amorsize._callables import MISSING, MODULE, is_partial, member, raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FunctionType
    from typing import Any

_MOST_CODES = 4096
_loads_by_code: dict[int, tuple[CodeType, list[Any]]] = {}


def loads(code: CodeType) -> list[Any]:
    """What the code reads; kept, because library code is reached from many functions."""
    from amorsize import _bytecode

    found = _loads_by_code.get(id(code))
    if found is None:
        if len(_loads_by_code) >= _MOST_CODES:
            _loads_by_code.clear()
        found = _loads_by_code[id(code)] = code, _bytecode.loads(code)
    return found[1]


def resolved(func: FunctionType, closure: dict[str, Any], space: str, name: str) -> Any:
    """What a name in a function's code stands for; MISSING where it is not bound yet."""
    if space == "closure":
        return closure.get(name, MISSING)
    if space == "import":
        return sys.modules.get(name, MISSING)
    value = func.__globals__.get(name, MISSING)
    if value is MISSING:
        builtins = sys.modules["builtins"]
        return vars(builtins).get(name, MISSING)
    return value


def imported(func: FunctionType, name: str) -> Any:
    """The module that an import in a function's code gives; MISSING where it is not loaded yet."""
    package = func.__globals__.get("__package__")
    for full_name in (name, f"{package}.{name}".rstrip(".")):
        module = sys.modules.get(full_name)
        if type(module) is MODULE:
            return module
    return MISSING


def walk(
    value: Any, attributes: tuple[str, ...], owns_module: Callable[[object], bool]
) -> tuple[Any, int]:
    """Go along attributes through modules and classes; where that ends, after how many of them.

    MISSING where nothing stands under a name yet.
    """
    for taken, step in enumerate(attributes):
        if type(value) is MODULE:
            found = member(value, step)
            if found is MISSING and not owns_module(value.__name__):
                found = attribute(value, (step,))  # made on demand, by the module's own hook
        elif isinstance(value, type):
            found = member(value, step)
            if found is MISSING or hasattr(type(found), "__get__"):  # judged with its class
                return value, taken
        else:
            return value, taken
        if found is MISSING:
            return MISSING, taken
        value = found
    return value, len(attributes)


def attribute(value: Any, attributes: tuple[str, ...]) -> Any:
    """What one attribute of a library's module or class gives; the thing itself without any."""
    if not attributes or not (type(value) is MODULE or isinstance(value, type)):
        return value
    try:
        return getattr(value, attributes[0], MISSING)
    except Exception:  # a module's own hook may raise anything
        return MISSING


def call_name(value: Any) -> str:
    """A callable's name for messages: "os.chdir"."""
    from amorsize._identity import name_of

    return name_of(value)


def top_package(func: Any) -> object:
    """The top package of the module that a mapped function was written in; MISSING for a library
    that the interpreter brings along.
    """
    func = raw(func)
    while is_partial(func):
        func = raw(func.func)
    func = getattr(func, "__func__", func)
    module = getattr(func, "__module__", None)
    if not isinstance(module, str):
        module = type(func).__module__
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in ("builtins", __package__):
        return MISSING
    return top

"""Looks inside callables of every kind."""

from __future__ import annotations

import sys
from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType
    from typing import Any, TypeGuard

#: Stands for a member that is not there.
MISSING: Any = type("MISSING", (), {"__repr__": lambda _: "MISSING"})()

FUNCTION: Any = type(lambda: None)
METHOD: Any = type(Value().as_dict)
CELL: Any = type((lambda one: lambda: one)(0).__closure__[0])  # type: ignore[index]
MODULE: Any = type(sys)
#: What a class has for each of its slots.
SLOT: Any = type(FUNCTION.__globals__)
#: What a class gives for its `__dict__`: it can be read, not changed.
READ_ONLY_DICT: Any = type(type.__dict__)
#: Functions in C, and methods in C that are bound to an object, but for special ones.
BUILTIN: Any = type(len)
#: The special ones, too.
BUILTINS: Any = (BUILTIN, type("".__add__))
#: Methods in C as their class has them.
C_METHODS: Any = (type(str.upper), type(str.__add__))
#: The type of what `lru_cache` makes of a function.
CACHE = "functools._lru_cache_wrapper"

_TUNED = "amorsize._api.decorator"

#: Py_TPFLAGS_HEAPTYPE, a flag of classes that were made at run time.
_HEAP_TYPE = 1 << 9
#: Modules that users know by another name.
_ALIASES = {"posix": "os", "nt": "os", "pathlib._local": "pathlib"}


def raw(func: Any) -> Any:
    """The function that a tuned function runs for each item; anything else as it is.

    Other wrappers stay on: an `lru_cache` or a retrying decorator is part of what runs.
    """
    while type(func).__module__ == _TUNED:
        func = func.__wrapped__
    return func


def is_a(value: object, kinds: Any) -> bool:
    """Whether a value is of one of these types.

    Told by its type alone: `isinstance` asks the value for its `__class__` as well, which may run
    code of the program, and may be another class than its own.
    """
    return issubclass(type(value), kinds)


def is_class(value: object) -> TypeGuard[type]:
    """Whether a value is a class, by its type alone."""
    return issubclass(type(value), type)


def member(owner: Any, name: str) -> Any:
    """A member of a module or class by its name, without running descriptors; MISSING: none."""
    if is_a(owner, MODULE):
        return vars(owner).get(name, MISSING)
    for cls in owner.__mro__:
        found = vars(cls).get(name, MISSING)
        if found is not MISSING:
            return found
    return MISSING


def has(cls: type, name: str) -> bool:
    """Whether a class has a member, without asking its metaclass."""
    return member(cls, name) is not MISSING


def own(value: Any, name: str, default: Any = None) -> Any:
    """An attribute that an object really has, not one that it makes up as proxies do."""
    if _is_computed(value, name):
        return default
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        kind = type(value)
    if kind is METHOD:  # it asks its function
        return own(value.__func__, name, default)
    if any(type(member(kind, hook)) is FUNCTION for hook in ("__getattr__", "__getattribute__")):
        return default
    return getattr(value, name, default)  # compiled wrappers ask what they wrap


def _is_computed(value: Any, name: str) -> bool:
    """Whether the class of a value has code in Python that gives the attribute."""
    kind = type(value)
    if kind is FUNCTION or kind is METHOD or not is_made_at_run_time(kind):
        return False
    held = member(kind, name)
    return type(held) is property or type(member(type(held), "__get__")) is FUNCTION


def plain(found: Any) -> Any:
    """The function inside a static method, class method or property; else the thing itself."""
    if type(found) in (staticmethod, classmethod):
        return found.__func__
    return found.fget if type(found) is property else found


def is_made_at_run_time(cls: type) -> bool:
    """Whether the class was made at run time; the others cannot be changed."""
    return bool(cls.__flags__ & _HEAP_TYPE)


def is_partial(func: object) -> bool:
    """Is this a `functools.partial`?"""
    return issubclass(type(func), partial)


def is_enum(kind: type) -> bool:
    """Whether a class is an enumeration. There is none where nothing has loaded `enum`."""
    enum = sys.modules.get("enum")
    return enum is not None and issubclass(kind, enum.Enum)


def is_enum_member(value: object) -> bool:
    """Whether it is a member of an enumeration."""
    return is_enum(type(value))


def is_module(value: object) -> bool:
    """Whether it is a module that can be looked into. Some give themselves a class of their own."""
    kind: Any = type(value)
    return kind is MODULE or (
        issubclass(kind, MODULE) and kind.__getattribute__ is MODULE.__getattribute__
    )


def type_name(value: object) -> str:
    """The full name of a value's type."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def public_name_of(function: Any) -> str:
    """A function's name as users write it: `os.chdir`, not `posix.chdir`."""
    name = own(function, "__qualname__") or type(function).__qualname__
    owner, module = own(function, "__self__"), own(function, "__module__")
    if module is None and owner is not None and not is_module(owner):
        module = type(owner).__module__
        last = name.rpartition(".")[2]
        if _holds(module, last, function):  # `random.random` is a method of a hidden object
            return f"{module}.{last}"
    if not isinstance(module, str) or module == "builtins":
        return str(name)
    public = _ALIASES.get(module, module.lstrip("_"))
    return f"{public if _holds(public, name, function) else module}.{name}"


def _holds(module: str, name: str, function: Any) -> bool:
    function = own(function, "__func__") or function  # what a bound method runs
    found = sys.modules.get(module)
    for part in name.split("."):
        found = member(found, part) if is_a(found, (MODULE, type)) else None
    return found is function or (type(found) is BUILTIN and found == function)


def defaults(func: FunctionType) -> Iterator[tuple[str, Any]]:
    """The arguments that have a default, with the defaults; keyword-only ones too."""
    code = func.__code__
    if values := func.__defaults__:
        yield from zip(code.co_varnames[code.co_argcount - len(values) :], values, strict=False)
    if named := func.__kwdefaults__:
        yield from sorted(named.items())


def set_default(func: FunctionType, name: str, value: Any) -> bool:
    """Give an argument another default; False: it has none."""
    by_name = func.__kwdefaults__ or {}
    if name in by_name:
        func.__kwdefaults__ = {**by_name, name: value}
        return True
    names = [one for one, _ in defaults(func)][: len(func.__defaults__ or ())]
    if name not in names:
        return False
    pairs = zip(names, func.__defaults__ or (), strict=True)
    func.__defaults__ = tuple(value if one == name else old for one, old in pairs)
    return True


def cells(func: FunctionType) -> dict[str, Any]:
    """The names and contents of a function's closure; cells not filled yet are left out."""
    contents = {}
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=False):
        try:
            contents[name] = cell.cell_contents
        except ValueError:
            continue
    return contents

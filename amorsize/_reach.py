"""What a function can reach, and so whether several threads may run it at once."""

from __future__ import annotations

import sys

from amorsize._callables import (
    FUNCTION,
    METHOD,
    MISSING,
    MODULE,
    cells,
    defaults,
    is_own_class,
    is_own_function,
    is_own_module,
    is_partial,
    is_published,
    member,
    plain,
    raw,
    type_name,
)
from amorsize._shareable import PLAIN, is_shareable
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FunctionType
    from typing import Any

MAX_EXAMINED = 300  # functions and classes; who leads to more is not examined to the end, 30 ms
MAX_ITEMS = 1000  # of a tuple of values that have to be judged one by one
MAX_PLAIN_ITEMS = 100_000  # of a tuple of numbers and texts, 3 ms

_BUILTINS: Any = (type(len), type("".__add__))
_SLOT: Any = type(FUNCTION.__closure__)
_READ_ONLY_VIEW: Any = type(type.__dict__)
_CONTAINERS = (list, dict, set, bytearray)
_CHANGING = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update"),
    *("add", "discard", "setdefault", "popitem", "appendleft", "extendleft", "popleft", "rotate"),
    *("difference_update", "intersection_update", "symmetric_difference_update"),
}
_BACK_DOORS = {"globals", "setattr", "delattr", "exec", "eval"}  # builtins that change what is told


class Reach(Value):
    """What the calls of a function have in common.

    `shared` names what it reads that can change, and its type: "global CACHE (dict)".
    `stores` names what it assigns that outlives the call, and that a worker process would lose:
    "global total", "global CACHE[...]", "closure seen.append()", "self.total".
    """

    shared: tuple[str, ...]
    stores: tuple[str, ...]

    @property
    def thread_safe(self) -> bool:
        """Nothing that changes is shared, so calls may run in several threads at once."""
        return not self.shared and not self.stores


def reach(func: Callable[..., object]) -> Reach:
    """Examine a function, and the project's own functions and classes that it leads to.

    `thread_safe` errs towards no: whatever is not known to be safe counts as shared, be it only
    read. Trusted are functions of libraries and of the standard library, and what the function
    makes itself. Not seen is what the items bring along and what is found by computed names.
    `stores` errs the other way, since it makes a warning: a store is listed where the bytecode
    shows it plainly and the target is known to live in this process alone. Never raises.
    """
    survey = _Survey()
    try:
        survey.examine(func)
    except Exception as error:  # whatever attributes of an odd object may raise
        survey.shared[f"what could not be examined ({type(error).__name__})"] = None
    stores = survey.stores()
    return Reach(shared=tuple(survey.shared), stores=stores)


class _Survey:
    """One look at everything a function leads to, each thing once."""

    def __init__(self) -> None:
        self.shared: dict[str, None] = {}
        self._stores: dict[tuple[str, str], None] = {}  # the method it is in, and what it says
        self._names: dict[str, None] = {}  # in all code examined
        self._seen: dict[object, Any] = {}  # by id; keeps them alive, so that no id comes twice
        # functions, what they are bound to, and their name where they were found in a class
        self._ahead: list[tuple[FunctionType, Any, str]] = []

    def examine(self, func: Any) -> None:
        """Follow everything from this function on."""
        self._judge(func, "")
        func = raw(func)
        called = plain(member(type(func), "__call__"))
        if type(called) is FUNCTION:  # an object that is called, and the call's `self`
            self._ahead.append((called, func, ""))
        while self._ahead:
            if len(self._seen) > MAX_EXAMINED:
                self.shared[f"more than {MAX_EXAMINED} functions and classes of the project"] = None
                return
            self._examine_function(*self._ahead.pop())

    def stores(self) -> tuple[str, ...]:
        """What was seen stored. By a method that nobody names it may never be: that is shared."""
        found: dict[str, None] = {}
        perhaps: dict[str, str] = {}
        for method, store in self._stores:
            if not method or method.startswith("__") or method in self._names:
                found[store] = None
            else:
                perhaps[store] = method
        for store in [store for store in perhaps if store not in found]:
            self.shared[f"{store} (stored to in {perhaps[store]})"] = None
        return tuple(found)

    def _judge(self, value: Any, label: str) -> bool:
        """Note all that is shared through a value; False if the value itself may not be."""
        if type(value) in PLAIN:
            return True
        value = raw(value)
        kind = type(value)
        if kind is FUNCTION:
            self._ahead.append((value, MISSING, ""))
        elif kind is MODULE:
            return True
        elif isinstance(value, type):
            self._judge_class(value)
        elif kind is METHOD or issubclass(kind, _BUILTINS):
            return self._judge_method(value, label)
        elif is_partial(value):
            return self._judge_partial(value, label)
        else:
            return self._judge_instance(value, kind, label)
        return True

    def _judge_instance(self, value: Any, kind: type, label: str) -> bool:
        if is_own_class(kind):
            self._judge_class(kind)
        if issubclass(kind, tuple | frozenset):
            return self._judge_items([*value, *_state(value).values()], label)
        if kind is _READ_ONLY_VIEW:
            return self._judge_items([*value, *value.values()], label)
        if is_shareable(value) or _is_trusted(value):
            return True
        if _is_frozen(kind):
            return self._judge_items([getattr(value, f) for f in kind.__dataclass_fields__], label)  # type: ignore[attr-defined]
        if type_name(value) in ("functools._lru_cache_wrapper", "builtins.staticmethod"):
            return self._judge(value.__wrapped__, label)  # the cache itself is thread-safe
        self.shared[f"{label or 'self'} ({kind.__name__})"] = None
        return False

    def _judge_items(self, items: list[Any], label: str) -> bool:
        if len(items) <= MAX_PLAIN_ITEMS and PLAIN.issuperset(map(type, items)):
            return True
        if len(items) > MAX_ITEMS:
            self.shared[f"{label or 'self'} (over {MAX_ITEMS} values)"] = None
            return False
        safe = True
        for item in items:
            safe &= self._judge(item, label if label.startswith("in ") else f"in {label or 'self'}")
        return safe

    def _judge_method(self, method: Any, label: str) -> bool:
        """A bound method: what it is bound to, and what it runs."""
        owner = method.__self__
        if owner is None or type(owner) is MODULE or _is_trusted(method):
            return True
        if type(method) is METHOD:
            self._judge_bound(raw(method.__func__), owner)
        of = f" of {method.__name__}" if type(method) is not METHOD else ""
        return self._judge(owner, f"self{of} in {label}" if label else f"self{of}")

    def _judge_bound(self, func: Any, owner: Any) -> None:
        if type(func) is FUNCTION:
            self._ahead.append((func, owner, ""))
        else:
            self._judge(func, "method")

    def _judge_partial(self, func: Any, label: str) -> bool:
        safe = self._judge(func.func, label)
        for name, value in (*enumerate(func.args), *func.keywords.items()):
            safe &= self._judge(value, f"partial argument {name}")
        return safe

    def _judge_class(self, cls: type) -> None:
        """What methods of an own class lead to, and the class's data that they name."""
        if id(cls) in self._seen:
            return
        self._seen[id(cls)] = cls
        names: dict[str, None] = {}
        for base in cls.__mro__:
            if is_own_class(base):
                for name, held in tuple(vars(base).items()):
                    names |= self._open_method(name, held, cls)
        self._judge_members(cls, names)

    def _open_method(self, name: str, held: Any, cls: type) -> dict[str, None]:
        """Set out to examine what a class holds, if it is a function; the names in its code."""
        from amorsize import _bytecode

        func = raw(plain(held))
        if type_name(func) == "functools.cached_property":
            func = func.func
        if type(func) is not FUNCTION or not is_own_function(func):
            return {}
        self._ahead.append((func, cls if type(held) is classmethod else MISSING, name))
        return _bytecode.names(func.__code__)

    def _judge_members(self, owner: Any, names: Iterable[str]) -> None:
        """Judge the data that a class or a module holds under these names."""
        kind = "class" if isinstance(owner, type) else "module"
        for name in names:
            held = member(owner, name)
            if held is MISSING or name.startswith("__"):
                continue
            if type(held) is MODULE:
                self._judge_module(held, names)
            elif kind == "module" or not hasattr(type(held), "__get__"):
                self._judge(held, f"{kind} {owner.__name__}.{name}")

    def _judge_module(self, module: Any, names: Iterable[str]) -> None:
        """A module whose attributes are taken off it where the bytecode does not show which."""
        seen = (id(module), id(names))
        if is_own_module(module.__name__) and seen not in self._seen:
            self._seen[seen] = names
            self._judge_members(module, names)

    def _examine_function(self, func: FunctionType, owner: Any, method: str) -> None:
        """Look into a function; `owner` is what it is bound to, MISSING if nothing is known."""
        from amorsize import _bytecode

        seen = id(func), id(owner), method
        if seen in self._seen:
            return
        self._seen[seen] = func, owner
        if "__wrapped__" in func.__dict__:
            self._judge(func.__dict__["__wrapped__"], "wrapped")
        if not is_own_function(func):
            self._examine_wrapper(func)
            return
        self._names |= _bytecode.names(func.__code__)
        for name, value in defaults(func):
            self._judge(value, f"default {name}")
        self._examine_loads(func)
        self._examine_stores(func, owner, method)

    def _examine_wrapper(self, func: FunctionType) -> None:
        """A library's function. If it wraps one of the project's, it shares what it keeps."""
        closure = cells(func)
        if any(_is_own(value) for value in closure.values()):
            for name, value in closure.items():
                self._judge(value, f"closure {name}")

    def _examine_loads(self, func: FunctionType) -> None:
        from amorsize import _bytecode

        closure = cells(func)
        for space, name, attributes in _bytecode.loads(func.__code__):
            if space == _bytecode.IMPORT:
                self._import(func, name)
                continue
            scope = closure if space == _bytecode.CLOSURE else func.__globals__
            value = scope.get(name, MISSING)
            if value is not MISSING:
                self._follow(value, f"{space} {name}", attributes, func.__code__)
            elif name in _BACK_DOORS:
                self.shared[f"what {name}() changes (builtin)"] = None

    def _import(self, func: FunctionType, name: str) -> None:
        """A module imported inside the function, if it has been loaded by now."""
        from amorsize import _bytecode

        package = func.__globals__.get("__package__")
        for full_name in (name, f"{package}.{name}".rstrip(".")):
            module = sys.modules.get(full_name)
            if type(module) is MODULE:
                self._judge_module(module, _bytecode.names(func.__code__))

    def _follow(self, value: Any, label: str, attributes: tuple[str, ...], code: CodeType) -> None:
        """Walk from what the code loads along the attributes it takes off it; judge the end."""
        from amorsize import _bytecode

        value, taken = _walk(value, attributes)
        label = ".".join((label, *attributes[:taken]))
        if value is MISSING:
            return
        if type(value) is MODULE:
            self._judge_module(value, _bytecode.names(code))
            return
        safe = self._judge(value, label)
        if isinstance(value, type):
            self._judge_members(value, _bytecode.names(code))
        called = attributes[taken : taken + 1]
        if not safe and called and called[0] in _CHANGING and _is_container(value):
            self._stores["", f"{label}.{called[0]}()"] = None

    def _examine_stores(self, func: FunctionType, owner: Any, method: str) -> None:
        from amorsize import _bytecode

        closure = cells(func)
        for space, name, steps in _bytecode.stores(func.__code__):
            if space == _bytecode.ARGUMENT:
                label, root = "class" if isinstance(owner, type) else "self", owner
            elif space == _bytecode.CLASS:
                label, root = "class", type
            else:
                scope = closure if space == _bytecode.CLOSURE else func.__globals__
                label, root = f"{space} {name}", scope.get(name, MISSING)
            if not steps or _is_lost(root, steps):
                self._stores[method, label + "".join(steps)] = None


def _walk(value: Any, attributes: tuple[str, ...]) -> tuple[Any, int]:
    """Go along attributes through modules and classes; where that ends, after how many of them.

    MISSING where it ends in what a library looks after: one of its functions, or nothing yet.
    """
    for taken, attribute in enumerate(attributes):
        if type(value) is MODULE:
            found = member(value, attribute)
            if callable(found) and not is_own_module(value.__name__) and not _is_own(found):
                return MISSING, taken
        elif isinstance(value, type):
            found = member(value, attribute)
            if found is MISSING or hasattr(type(found), "__get__"):  # judged with its class
                return value, taken
        else:
            return value, taken
        if found is MISSING:
            return MISSING, taken
        value = found
    return value, len(attributes)


def _is_lost(value: Any, steps: tuple[str, ...]) -> bool:
    """Is a store at the end of these steps from a value lost with the process it happens in?

    No where that is not sure: an array may lie in shared memory, an object may write to a disk.
    """
    for step in steps[:-1]:
        if step == "[...]":
            held = value.values() if isinstance(value, dict) else value
            value = (
                next(iter(held), MISSING) if isinstance(value, (*_CONTAINERS, tuple)) else MISSING
            )
        elif type(value) is MODULE or isinstance(value, type):
            value = member(value, step[1:])
        else:
            value = _state(value).get(step[1:], MISSING)
    if steps[-1] == "[...]":
        return _is_container(value) or _owns_its_memory(value)
    if type(value) in (MODULE, FUNCTION) or isinstance(value, type):
        return True
    setter = member(type(value), steps[-1][1:])
    plainly_set = type(setter) is _SLOT or not hasattr(type(setter), "__set__")
    plainly_set &= member(type(value), "__setattr__") is member(object, "__setattr__")
    return value is not MISSING and is_own_class(type(value)) and plainly_set


def _owns_its_memory(value: Any) -> bool:
    return type_name(value) == "numpy.ndarray" and value.flags.owndata and value.flags.writeable


def _is_container(value: Any) -> bool:
    return isinstance(value, _CONTAINERS) or type_name(value) == "collections.deque"


def _is_own(value: Any) -> bool:
    """Is it a function or class of the project's?"""
    value = raw(value)
    if type(value) is FUNCTION:
        return is_own_function(value)
    return isinstance(value, type) and is_own_class(value)


def _is_trusted(value: Any) -> bool:
    """Is it a callable that a library publishes, with whatever is behind it?"""
    if not callable(value):
        return False
    module = getattr(value, "__module__", None)
    return is_published(value, module or type(getattr(value, "__self__", None)).__module__)


def _is_frozen(kind: type) -> bool:
    """Is it a frozen dataclass? Its fields may still hold what changes."""
    parameters = getattr(kind, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def _state(value: Any) -> dict[str, Any]:
    """The attributes that an instance keeps."""
    return getattr(value, "__dict__", None) or {}

"""What a worker must have as the caller has it: the code and the state that a function reaches."""

from __future__ import annotations

import sys

from amorsize import _bytecode, _callables, _identity
from amorsize._callables import FUNCTION, METHOD, MISSING, MODULE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FunctionType
    from typing import Any

MANY = 1000  # callables that are looked into, and elements of a container
DIGEST_BYTES = 16

# What each process has of its own and no other should get: generators would all draw the same,
# and a bare object() is compared by identity alone.
_OWN_TO_EACH = frozenset(
    {"builtins.object", "random.Random", "random.SystemRandom", "logging.Logger"}
    | {"logging.RootLogger", "numpy.random._generator.Generator"}
    | {"numpy.random.mtrand.RandomState"}
)
_CODE_TYPES = (FUNCTION, METHOD, type(len), type)


def digest_of(func: Any) -> bytes:
    """Of the code of a function, and of all that it wraps."""
    bodies = [_bytecode.body(layer.__code__) for layer in layers(func) if type(layer) is FUNCTION]
    return bytes.fromhex(_identity._digest(bodies, DIGEST_BYTES))


def layers(func: Any) -> list[Any]:
    """What is inside a static method, property, method or wrapper, the function itself last."""
    layers = [_callables.raw(_callables.plain(func))]
    while len(layers) < _identity.MAX_WRAPPINGS:
        outer = layers[-1]
        inner = outer.__func__ if type(outer) is METHOD else _wrapped_by(outer)
        if inner is None:
            break
        layers.append(_callables.raw(inner))
    return layers


def _wrapped_by(outer: Any) -> Any:
    return getattr(outer, "__dict__", {}).get("__wrapped__")


class Reached:
    """Walks from functions to the project's own code and to the globals that it reads."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self.digests: dict[str, bytes] = {}  # by "module:qualname"
        self.settings: dict[str, Any] = {}
        self.stays: dict[str, Any] = {}  # globals that cannot be sent
        self._modules: set[str] = set()
        self._seen: dict[int, Any] = {}  # by id; keeps them alive, so that no id is given twice
        self._left = [one for one in roots if one is not None]
        while self._left and len(self._seen) < MANY:
            self._look_into(self._left.pop())

    @property
    def modules(self) -> frozenset[str]:
        """The modules whose code may run."""
        return frozenset(self._modules)

    def leave_what_cannot_travel(self, can_travel: Callable[[Any], bool]) -> None:
        """Move the globals that cannot be pickled to `stays`."""
        for place, value in tuple(self.settings.items()):
            if not can_travel(value):
                self.stays[place] = self.settings.pop(place)

    def _look_into(self, target: Any) -> None:
        target = _callables.raw(_callables.plain(target))
        if id(target) in self._seen or is_scalar(target):
            return
        self._seen[id(target)] = target
        kind = type(target)
        if kind is FUNCTION:
            self._function(target)
        elif kind is METHOD:
            self._left += [target.__func__, target.__self__]
        elif isinstance(target, type):
            self._class(target)
        elif _callables.is_partial(target):
            self._left += [target.func, *target.args, *target.keywords.values()]
        elif isinstance(target, dict):
            self._elements(target.values())
        elif isinstance(target, list | tuple | set | frozenset):
            self._elements(target)
        else:
            self._left += [type(target), _wrapped_by(target)]
            if is_own_class(type(target)):
                self._elements(getattr(target, "__dict__", {}).values())

    def _elements(self, elements: Iterable[Any]) -> None:
        from itertools import islice

        self._left += [one for one in islice(elements, MANY) if not is_scalar(one)]

    def _function(self, func: FunctionType) -> None:
        self._left += [_wrapped_by(func), *_callables.cells(func).values()]
        if not is_own_function(func):
            return
        self._left += [value for _, value in _callables.defaults(func)]
        home = _home(func)
        if home is not None:
            self._modules.add(home)
            found = _identity.reference(func)
            if found is not None:
                self.digests[":".join(found)] = digest_of(func)
        for space, name, attributes in _bytecode.loads(func.__code__):
            if space == _bytecode.GLOBAL:
                self._global(home, name, func.__globals__.get(name, MISSING), attributes)
            elif space == _bytecode.IMPORT:
                self._import(name, func)

    def _global(self, home: str | None, name: str, value: Any, attributes: tuple[str, ...]) -> None:
        """Walk from a global along the attributes that the code takes off it."""
        for attribute in attributes:
            if type(value) is not MODULE:
                break
            home, name = value.__name__, attribute
            if not is_own_module(home):
                return
            value = _callables.member(value, attribute)
        self._note(home, name, value)

    def _import(self, name: str, func: FunctionType) -> None:
        """What the function names of a module that it imports by itself."""
        module = sys.modules.get(name)
        if module is not None and is_own_module(name):
            for attribute in _bytecode.names(func.__code__):
                self._note(name, attribute, _callables.member(module, attribute))

    def _note(self, home: str | None, name: str, value: Any) -> None:
        if value is MISSING or type(value) is MODULE or name.startswith("__"):
            return
        if not is_scalar(value):
            self._left.append(value)
        if home is None or home == "__main__":
            return  # it goes with the code of the function
        inner = layers(value)[-1]
        if type(inner) is FUNCTION:
            if is_own_function(inner):
                self.digests[f"{home}:{name}"] = digest_of(value)
        elif _is_data(value) and _callables.type_name(value) not in _OWN_TO_EACH:
            self.settings[f"{home}:{name}"] = value

    def _class(self, cls: type) -> None:
        if not is_own_class(cls):
            return
        home = cls.__module__ if _is_at(cls) else None
        if home is not None:
            self._modules.add(home)
        self._left += cls.__mro__[1:-1]
        for name, value in tuple(vars(cls).items()):
            inner = layers(value)[-1]
            if type(inner) is FUNCTION:
                self._left.append(inner)
                if home is not None and is_own_function(inner):
                    self.digests[f"{home}:{cls.__qualname__}.{name}"] = digest_of(value)
            elif home is not None and not name.startswith("__") and _is_setting_of(cls, value):
                self.settings[f"{home}:{cls.__qualname__}.{name}"] = value


def is_own_function(func: FunctionType) -> bool:
    return _callables.is_own_function(func) and not is_ours(func.__module__)


def is_own_class(cls: type) -> bool:
    return _callables.is_own_class(cls) and not is_ours(cls.__module__)


def is_own_module(name: str) -> bool:
    return _callables.is_own_module(name) and not is_ours(name)


def is_ours(module: object) -> bool:
    """Is it part of this package, which a worker has as the caller does?"""
    return isinstance(module, str) and module.partition(".")[0] == __package__


def _home(func: FunctionType) -> str | None:
    """The module whose globals a function reads, if another process can import it."""
    name = func.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if name == "__main__" or module is None or vars(module) is not func.__globals__:
        return None
    return name if getattr(module, "__spec__", None) is not None else None


def _is_at(cls: type) -> bool:
    """Is this class found under its name, in a module that can be imported?"""
    module = sys.modules.get(cls.__module__)
    if cls.__module__ == "__main__" or getattr(module, "__spec__", None) is None:
        return False
    found: Any = module
    for step in cls.__qualname__.split("."):
        found = getattr(found, step, None)
    return found is cls


_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})


def is_scalar(value: Any) -> bool:
    return type(value) in _SCALARS


def _is_setting_of(cls: type, value: Any) -> bool:
    """Is this attribute of a class data of its own, such as a limit or a table?"""
    if type(cls).__name__ not in ("type", "ABCMeta"):
        return False  # an enum's tables, or a model's fields: made by its metaclass
    return type(value) in _SCALARS or type(value) in (list, tuple, dict, set, frozenset)


def _is_data(value: Any) -> bool:
    """Is it more than code: any value, an instance with `__call__` too?"""
    return not isinstance(value, _CODE_TYPES) and not _callables.is_partial(value)

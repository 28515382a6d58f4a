"""What a worker must have as the caller has it: the code and the state that a function reaches."""

from __future__ import annotations

import sys
from itertools import islice

from amorsize import _bytecode, _callables, _codecs, _identity, _text_order, _walk
from amorsize._callables import FUNCTION, METHOD, MISSING, MODULE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FunctionType
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
_CONTAINERS = (list, tuple, dict, set, frozenset, bytearray)
_WAYS_OF_LIBRARY = {_walk.WRAPPED, _walk.CLOSURE}  # of a function
_WAYS = _WAYS_OF_LIBRARY | {_walk.DEFAULT}  # what is set on it is noted where it can be imported
_BACK_DOORS = {"globals", "eval", "exec", "modules", "__dict__", "vars"}
MAPPING_VIEW: Any = type(type.__dict__)


def digest_of(func: Any) -> bytes:
    """Of the code of a function, of all that it wraps, and of what is registered with it."""
    bodies: list[Any] = []
    for layer in _walk.layers(func):
        if type(layer) is FUNCTION:
            bodies.append(_body_digest(layer.__code__))
            bodies += _registered(layer)
    return bytes.fromhex(_identity._digest(bodies, DIGEST_BYTES))


def _body_digest(code: CodeType) -> str:
    """By the code object, which never changes: a warm call has no time to read them all again."""
    known = _bodies.get(id(code))
    if known is None:
        if len(_bodies) >= MOST_BODIES:
            _bodies.clear()
        known = _bodies[id(code)] = code, _identity._digest([_bytecode.body(code)], DIGEST_BYTES)
    return known[1]


MOST_BODIES = 4096
_bodies: dict[int, tuple[CodeType, str]] = {}  # the code is kept, so that no id comes twice


def _registered(dispatcher: Any) -> list[Any]:
    """For which classes a `singledispatch` has a function, and which."""
    registry = vars(dispatcher).get("registry")
    if "dispatch" not in vars(dispatcher) or not hasattr(registry, "items"):
        return []
    return sorted((brief_name_of(cls), brief_name_of(func)) for cls, func in registry.items())


def name_of(value: Any) -> str | None:
    """What code stands at a place, the same wherever nobody has put other code there.

    For code of libraries, which is not compared closer. None: it is data.
    """
    if is_scalar(value):
        return None
    if isinstance(value, type):
        return f"{brief_name_of(value)} {_class_digest(value)}"
    return brief_name_of(value) if callable(value) or type(value) is MODULE else None


def brief_name_of(value: Any) -> str:
    if type(value) is MODULE:
        return f"module {value.__name__}"
    if type(value) is FUNCTION:
        code = value.__code__
        return f"{value.__module__}.{value.__qualname__} ({code.co_name}, {code.co_firstlineno})"
    if isinstance(value, type):
        return f"class {value.__module__}.{value.__qualname__}"
    name = _callables.own(value, "__qualname__")
    own = f"{_callables.own(value, '__module__')}.{name}" if isinstance(name, str) else "instance"
    return f"{own} of {_callables.type_name(value)}"


def _class_digest(cls: type) -> str:
    """Of the names in a library's class, of its numbers and texts, and of its functions."""
    content = []
    for base in cls.__mro__:
        if base.__flags__ & HEAP_TYPE:  # nobody can change the others
            for name, value in sorted(vars(base).items()):
                what = repr(value) if is_scalar(value) else ""
                if type(value) is FUNCTION:
                    what = brief_name_of(value)
                content.append((name, "" if name in _MADE_UP else what))
    return _identity._digest(content, DIGEST_BYTES)


_MADE_UP = {"__doc__", "__dict__", "__weakref__"}
CACHED = ".<cached>"
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the class was made at run time


class Reached:
    """Goes from functions to the project's own code and to the state that it reads.

    Places are written "module:name", "module:Class.name"; `<name>` is a variable of a closure.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self.digests: dict[str, bytes] = {}  # of own code, which can be sent instead
        self.names: dict[str, str] = {}  # of what the project has of others: code, modules
        self.library: dict[str, str] = {}  # of what libraries have in a place of their own
        self.settings: dict[str, Any] = {}
        self.stays: dict[str, Any] = {}  # globals that cannot be sent
        self.reasons: list[str] = []  # why it would not do in a worker what it does here
        self._modules: set[str] = set()
        roots = [one for one in roots if one is not None]
        # The project's packages are its own wherever they are installed.
        self._packages = {_package_of(one) for one in roots} - {None}
        self._walk = _walk.Walk(MANY)
        self._lead_to(roots)
        for target, _ in self._walk:
            self._look_into(target)

    @property
    def modules(self) -> frozenset[str]:
        """The modules whose code may run."""
        return frozenset(self._modules)

    def leave_what_cannot_travel(self, can_travel: Callable[[Any], bool]) -> None:
        """Move the globals that cannot be pickled to `stays`."""
        for place, value in tuple(self.settings.items()):
            if not can_travel(value):
                del self.settings[place]
                if not place.endswith(CACHED):  # else each worker makes its own
                    self.stays[place] = value

    def _is_own(self, module: object) -> bool:
        if not isinstance(module, str) or is_ours(module):
            return False
        return module.partition(".")[0] in self._packages or _callables.is_own_module(module)

    def _is_own_function(self, func: FunctionType) -> bool:
        return is_own_function(func) or self._is_of_package(func.__module__)

    def _is_of_package(self, module: object) -> bool:
        return isinstance(module, str) and module.partition(".")[0] in self._packages

    def _is_own_class(self, cls: type) -> bool:
        return is_own_class(cls) or self._is_of_package(cls.__module__)

    def _lead_to(self, things: Iterable[Any]) -> None:
        for thing in things:
            if not is_scalar(thing):
                self._walk.beside(thing)

    def _look_into(self, target: Any) -> None:
        if type(target) is FUNCTION:
            self._function(target)
        elif isinstance(target, type):
            self._class(target)
        else:
            is_own = self._is_own_class(type(target))
            held = islice(_walk.held(target), MANY)
            self._lead_to(value for way, _, value in held if is_own or way != _walk.ATTRIBUTE)

    def _function(self, func: FunctionType) -> None:
        is_own = self._is_own_function(func)
        ways = _WAYS if is_own else _WAYS_OF_LIBRARY
        self._lead_to(value for way, _, value in _walk.held(func) if way in ways)
        if not is_own:
            return
        self._judge(func)
        home = _home(func)
        if home is not None:
            self._modules.add(home)
            found = _identity.reference(func)
            if found is not None:
                self.digests[":".join(found)] = digest_of(func)
                self._state_of(func, ":".join(found))
        for space, name, value, attributes in _walk.reads(func):
            if space == _walk.GLOBAL:
                self._global(home, name, value, attributes)
            elif space == _walk.IMPORT:
                self._import(name, func)
        if home is not None and not _BACK_DOORS.isdisjoint(_bytecode.names(func.__code__)):
            self._all_plain(home)

    def _judge(self, func: FunctionType) -> None:
        if not _text_order.is_fixed() and (what := _text_order.why(func)) is not None:
            self.reasons.append(
                f"{func.__qualname__} {what}, and text has another hash in each interpreter "
                "(PYTHONHASHSEED=0 in the environment fixes it)"
            )
        if (what := _codecs.registered(func)) is not None:
            self.reasons.append(f"{func.__qualname__} uses {what}, registered in this process")

    def _state_of(self, func: FunctionType, place: str) -> None:
        """What a function that can be imported keeps: attributes, its closure, its defaults."""
        for name, value in vars(func).items():
            if not name.startswith("__"):
                self._setting(f"{place}.{name}", value)
        for name, value in _callables.cells(func).items():
            self._setting(f"{place}.<{name}>", value)
        for name in ("__defaults__", "__kwdefaults__"):
            given = getattr(func, name)
            values = given.values() if isinstance(given, dict) else given or ()
            if any(type(one) in _CONTAINERS or self._is_own_class(type(one)) for one in values):
                self.settings[f"{place}.{name}"] = given

    def _setting(self, place: str, value: Any) -> None:
        self._lead_to((value,))
        if type(_walk.layers(value)[-1]) is FUNCTION:
            return
        if _is_data(value) and _callables.type_name(value) not in _OWN_TO_EACH:
            self.settings[place] = value

    def _all_plain(self, home: str) -> None:
        """The code may name whatever its module has: what is sure to be data goes along."""
        for name, value in tuple(vars(sys.modules[home]).items()):
            if not name.startswith("__") and _is_plain(value, depth=2):
                self._note(home, name, value)

    def _global(self, home: str | None, name: str, value: Any, attributes: tuple[str, ...]) -> None:
        """Go from a global along the attributes that the code takes off it."""
        for module, attribute, found in _walk.through_modules(value, attributes):
            if home is not None and self._is_own(home):
                self.names[f"{home}:{name}"] = brief_name_of(module)
            home, name, value = module.__name__, attribute, found
            if not self._is_own(home):
                self._library(home, name, value)
                if type(value) is not MODULE:
                    return
        self._note(home, name, value)

    def _library(self, home: str, name: str, value: Any) -> None:
        """What the code takes off a module of a library, which somebody may have changed."""
        if value is MISSING or name.startswith("__") or type(value) is MODULE:
            return
        if (called := name_of(value)) is not None:
            self.library[f"{home}:{name}"] = called
        elif is_scalar(value) and is_importable(home):
            self.settings[f"{home}:{name}"] = value

    def _import(self, name: str, func: FunctionType) -> None:
        """What the function names of a module that it imports by itself."""
        package = func.__globals__.get("__package__")
        for full_name in (name, f"{package}.{name}"):
            module = sys.modules.get(full_name)
            if module is not None:
                for attribute in _bytecode.names(func.__code__):
                    value = _callables.member(module, attribute)
                    if self._is_own(full_name):
                        self._note(full_name, attribute, value)
                    else:
                        self._library(full_name, attribute, value)

    def _note(self, home: str | None, name: str, value: Any) -> None:
        if value is MISSING or name.startswith("__"):
            return
        if type(value) is not MODULE:
            self._lead_to((value,))
        if home is None or home == "__main__":
            return  # it goes with the code of the function
        inner = _walk.layers(value)[-1]
        if type(inner) is FUNCTION and self._is_own_function(inner):
            self.digests[f"{home}:{name}"] = digest_of(value)
            self._made_once(f"{home}:{name}", value, inner.__code__)
        elif isinstance(value, type) and self._is_own_class(value):
            self.names[f"{home}:{name}"] = brief_name_of(value)
        elif _is_data(value) and type(value) is not MODULE and type(inner) is not FUNCTION:
            if _callables.type_name(value) not in _OWN_TO_EACH:
                self.settings[f"{home}:{name}"] = value
        else:
            self.names[f"{home}:{name}"] = brief_name_of(value)

    def _made_once(self, place: str, cache: Any, code: CodeType) -> None:
        """What a cached function without arguments has made, which may have changed since."""
        if not hasattr(cache, "cache_info") or code.co_argcount or code.co_kwonlyargcount:
            return
        if cache.cache_info().currsize and cache.cache_parameters()["maxsize"] != 0:
            made = cache()
            if type(made) in _CONTAINERS or self._is_own_class(type(made)):
                self._setting(place + CACHED, made)

    def _class(self, cls: type) -> None:
        if not self._is_own_class(cls):
            return
        home = cls.__module__ if _is_at(cls) else None
        if home is not None:
            self._modules.add(home)
        for way, name, value in _walk.held(cls):
            inner = _walk.layers(value)[-1]
            if way == _walk.BASE:
                self._lead_to((value,))
            elif type(inner) is FUNCTION:
                self._lead_to((inner,))
                if home is not None and self._is_own_function(inner):
                    self.digests[f"{home}:{cls.__qualname__}.{name}"] = digest_of(value)
            elif home is not None and not name.startswith("__") and self._is_kept(cls, value):
                self.settings[f"{home}:{cls.__qualname__}.{name}"] = value
        if home is not None and isinstance(getattr(cls, "__members__", None), MAPPING_VIEW):
            self._members(cls, f"{home}:{cls.__qualname__}")

    def _is_kept(self, cls: type, value: Any) -> bool:
        """Is it data of a class: a limit, a table, its one instance?"""
        if type(cls).__name__ not in ("type", "ABCMeta"):
            return False  # an enum's tables, or a model's fields: made by its metaclass
        is_instance = self._is_own_class(type(value)) and not hasattr(type(value), "__get__")
        return is_scalar(value) or type(value) in _CONTAINERS or is_instance

    def _members(self, cls: Any, place: str) -> None:
        """What has been set on the members of an enum, or lies in a value that can change."""
        for name, member in cls.__members__.items():
            for attribute, value in vars(member).items():
                is_kept = attribute == "_value_" and type(value) in (list, dict, set)
                if is_kept or not attribute.startswith("_"):
                    self._setting(f"{place}.{name}.{attribute}", value)


def is_own_function(func: FunctionType) -> bool:
    return _callables.is_own_function(func) and not is_ours(func.__module__)


def is_own_class(cls: type) -> bool:
    return _callables.is_own_class(cls) and not is_ours(cls.__module__)


def is_ours(module: object) -> bool:
    """Is it part of this package, which a worker has as the caller does?"""
    return isinstance(module, str) and module.partition(".")[0] == __package__


def _package_of(target: Any) -> str | None:
    """The top-level package of a callable or an item; None where it is nobody's own for sure."""
    module = _callables.own(_callables.raw(target), "__module__")
    if isinstance(target, METHOD):
        module = getattr(target.__func__, "__module__", None)
    package = module.partition(".")[0] if isinstance(module, str) else "__main__"
    known = package in sys.stdlib_module_names or package in ("__main__", __package__)
    return None if known else package


def is_importable(module: str) -> bool:
    """Whether another process can import a module of this name."""
    return getattr(sys.modules.get(module), "__spec__", None) is not None


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


def _is_plain(value: Any, depth: int) -> bool:
    """Is it a scalar, or a container of such?"""
    if is_scalar(value) or type(value) is bytearray:
        return True
    if not depth or type(value) not in _CONTAINERS or len(value) > MANY:
        return False
    inside = [*value, *value.values()] if type(value) is dict else value
    return all(_is_plain(one, depth - 1) for one in inside)


_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})


def is_scalar(value: Any) -> bool:
    return type(value) in _SCALARS


def _is_data(value: Any) -> bool:
    """Is it more than code: any value, an instance with `__call__` too?"""
    return not isinstance(value, _CODE_TYPES) and not _callables.is_partial(value)

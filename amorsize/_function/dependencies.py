"""What a worker must have as the caller has it: the code and the state that a function reaches."""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import abc
import builtins
import sys
from itertools import islice

from amorsize._function import (
    bytecode,
    callable_walk,
    callables,
    code_body,
    codec_registry,
    fingerprints,
    hash_order,
    sizeof,
    stdlib_wrappers,
)
from amorsize._function.callables import FUNCTION, METHOD, MISSING, MODULE
from amorsize._function.library_reads import is_followed, leads_on, named_by, way_from
from amorsize._function.library_state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FunctionType
    from typing import Any

MANY = 1000  # callables that are looked into, and elements of a container
DIGEST_BYTES = 16
_ABC: type = abc.ABCMeta

# What each process has of its own and no other should get: generators would all draw the same,
# and a bare object() is compared by identity alone.
_OWN_TO_EACH = frozenset(
    {"builtins.object", "random.Random", "random.SystemRandom", "logging.Logger"}
    | {"logging.RootLogger", "numpy.random._generator.Generator"}
    | {"numpy.random.mtrand.RandomState"}
)
# Whose locks and queues a class makes when it is made; and what it knows of its subclasses.
_GUARDING = frozenset({"_thread", "threading", "_threading_local", "queue", "_queue", "_abc"})
_CODE_TYPES = (FUNCTION, METHOD, type(len), type)
_BOUND_IN_C = (type(len), type("".__len__))
_CONTAINERS = (list, tuple, dict, set, frozenset, bytearray)
_WAYS_OF_LIBRARY = {callable_walk.WRAPPED, callable_walk.CLOSURE}  # of a function
_WAYS = _WAYS_OF_LIBRARY | {
    callable_walk.DEFAULT
}  # what is set on it is noted where it can be imported
_BUILTIN_HOMES = {"builtins", "io", "_io"}
_CONSTANTS = {"Ellipsis", "NotImplemented", "None", "True", "False"}
_MAIN = ("__main__", "__mp_main__")  # the second in a child of multiprocessing
_BACK_DOORS = {"globals", "eval", "exec", "modules", "__dict__", "vars"}
MAPPING_VIEW: Any = type(type.__dict__)


def digest_of(func: Any) -> bytes:
    """Of the code of a function, of all that it wraps, and of what is registered with it."""
    bodies: list[Any] = []
    for layer in callable_walk.layers(func):
        if type(layer) is FUNCTION:
            bodies.append(_body_digest(layer.__code__))
            bodies += _registered(layer)
    return bytes.fromhex(fingerprints._digest(bodies, DIGEST_BYTES))


def _body_digest(code: CodeType) -> str:
    """By the code object, which never changes: a warm call has no time to read them all again."""
    known = _bodies.get(id(code))
    if known is None:
        if len(_bodies) >= MOST_BODIES:
            _bodies.clear()
        known = _bodies[id(code)] = code, fingerprints._digest([code_body.body(code)], DIGEST_BYTES)
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
    name = callables.own(value, "__qualname__")
    own = f"{callables.own(value, '__module__')}.{name}" if isinstance(name, str) else "instance"
    return f"{own} of {callables.type_name(value)}"


def _class_digest(cls: type) -> str:
    """Of the names in a library's class, of its numbers and texts, and of its functions."""
    content = []
    for base in cls.__mro__:
        if base.__flags__ & HEAP_TYPE:  # nobody can change the others
            is_told = is_followed(base.__module__)
            for name, value in sorted(vars(base).items()):
                if name in _MADE_UP or (is_told and _is_state(name, value)):
                    continue
                what = repr(value) if is_scalar(value) else ""
                if type(value) is FUNCTION:
                    what = brief_name_of(value)
                content.append((name, what))
    return fingerprints._digest(content, DIGEST_BYTES)


def _is_state(name: str, value: Any) -> bool:
    """Is it data that a library keeps in its class? It is told with what its code reads."""
    if callable(value) or hasattr(type(value), "__get__"):
        return False
    return not is_scalar(value) or name.startswith("_")


# By the interpreter, or with the first copy of an instance.
_MADE_UP = {"__doc__", "__dict__", "__weakref__", "__slotnames__"}
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the class was made at run time


class _Owns:
    """Whether something is the project's, or of a package that its functions come from.

    Not a method of what asks: that would be a cycle, with all that was reached in it.
    """

    def __init__(self, packages: set[str | None]) -> None:
        self._packages = packages

    def __call__(self, value: Any) -> bool:
        """Is it a function or class of the project's, in a file?"""
        value = callables.raw(value)
        if type(value) is FUNCTION:
            is_own = self.function(value)
            return is_own and (_is_in_a_file(value.__code__) or _has_file(value.__module__))
        if isinstance(value, type):
            return self.class_(value) and _has_file(value.__module__)
        return False

    def module(self, name: object) -> bool:
        if not isinstance(name, str) or is_ours(name):
            return False
        return self._is_of_package(name) or callables.is_own_module(name)

    def function(self, func: FunctionType) -> bool:
        return is_own_function(func) or self._is_of_package(func.__module__)

    def class_(self, cls: type) -> bool:
        return is_own_class(cls) or self._is_of_package(cls.__module__)

    def _is_of_package(self, module: object) -> bool:
        return isinstance(module, str) and module.partition(".")[0] in self._packages


class Reached:
    """Goes from functions to the project's own code and to the state that it reads.

    Places are written "module:name", "module:Class.name"; `<name>` is a variable of a closure.

    Args:
        roots: Functions, and what else goes along with them.
        sample: An item, which is looked into as well, for what its methods read.
    """

    def __init__(self, roots: Iterable[Any], sample: Any = None) -> None:
        # Bytes, roughly: of arrays and their like, and of all else that is data.
        self.array_bytes = self.other_bytes = 0
        self._weighed: dict[int, Any] = {id(sample): sample}  # which does not belong to the task
        self.digests: dict[str, bytes] = {}  # of own code, which can be sent instead
        self.names: dict[str, str] = {}  # of what the project has of others: code, modules
        self.library: dict[str, str] = {}  # of what libraries have in a place of their own
        self.settings: dict[str, Any] = {}
        self.caches: dict[
            int, tuple[Any, list[stdlib_wrappers.Kept]]
        ] = {}  # by id: what each has kept
        self.cache_places: dict[str, int] = {}
        self.members: list[tuple[Any, str, Any]] = []  # of enums sent with their code
        self.registered: list[tuple[Any, type]] = []  # abstract classes, and who counts as theirs
        self.families: list[tuple[type, list[type]]] = []  # classes, and their subclasses
        self._asks_families = False
        self.stays: dict[str, Any] = {}  # globals that cannot be sent
        self.reasons: list[str] = []  # why it would not do in a worker what it does here
        self._called: dict[int, Any] = {}  # of libraries, by id
        self._calling: list[CodeType] = []  # the project's code that does so
        self._modules: set[str] = set()
        given = [one for one in (*roots, sample) if one is not None]
        # The project's packages are its own wherever they are installed.
        self._owns = _Owns({_package_of(one) for one in given} - {None})
        self.state = State(self._owns)  # of libraries
        self._walk = callable_walk.Walk(MANY)
        self._lead_to(given)
        self._go()
        if self._asks_families:
            self._note_families()

    def _go(self) -> None:
        n_seen = -1
        while n_seen != len(self.state.own):
            n_seen = len(self.state.own)
            for target, _ in self._walk:
                self._look_into(target)
            way = way_from(tuple(self._called.values()), tuple(self._calling), self._owns)
            self.state.note(way.places, way.groups)
            self._lead_to(self.state.own)

    def _note_families(self) -> None:
        """The code asks classes for their subclasses, and may mean any of its own."""
        ahead = [one for one in self._walk.met if isinstance(one, type)]
        for cls in ahead:
            found: list[type] = type.__subclasses__(cls)
            if found and self._owns.class_(cls):
                self.families.append((cls, found))
                ahead += found
                self._lead_to(found)
        self._go()

    @property
    def modules(self) -> frozenset[str]:
        """The modules whose code may run."""
        return frozenset(self._modules)

    @property
    def homes(self) -> frozenset[str]:
        """These, and the project's modules in which state or names were found."""
        places = (*self.settings, *self.digests, *self.names, *self.cache_places)
        found = {place.partition(":")[0] for place in places}
        return self.modules | {
            one for one in found if self._owns.module(one) and is_importable(one)
        }

    def leave_what_cannot_travel(self, can_travel: Callable[[Any], bool]) -> None:
        """Move the globals that cannot be pickled to `stays`."""
        for place, value in tuple(self.settings.items()):
            if not can_travel(value):
                del self.settings[place]
                self.stays[place] = value
        for place, (_, value) in tuple(self.state.settings.items()):
            if not can_travel(value):
                del self.state.settings[place]
                self.stays[place] = value
        for _, entries in self.caches.values():  # a worker makes those others itself
            entries[:] = [one for one in entries if can_travel(one)]

    def _lead_to(self, things: Iterable[Any]) -> None:
        for thing in things:
            if not is_scalar(thing):
                self._walk.beside(thing)

    def _look_into(self, target: Any) -> None:
        self._cache(target, None)
        if type(target) is FUNCTION:
            self._function(target)
        elif isinstance(target, type):
            self._class(target)
        else:
            self._data(target)

    def _data(self, target: Any) -> None:
        is_own = self._owns.class_(type(target))
        found = [
            (way, value)
            for way, _, value in islice(callable_walk.held(target), MANY)
            if is_own or way != callable_walk.ATTRIBUTE
        ]
        if type(target) in _BOUND_IN_C:
            if type(target.__self__) is not MODULE:
                self._lead_to((target.__self__,))  # a table whose method is mapped
            return
        self._weigh(target)
        elements = [
            value for way, value in found if way == callable_walk.ELEMENT and not is_scalar(value)
        ]
        self._weighed.update((id(one), one) for one in elements)
        self._weigh_texts(value for way, value in found if way != callable_walk.ELEMENT)
        self._lead_to(value for _, value in found)

    # -- how much it is ---------------------------------------------------------------------

    def _weigh(self, target: Any) -> None:
        """Note the bytes of data, unless it was weighed with what it lies in."""
        if id(target) in self._weighed or callables.is_partial(target):
            return
        self._weighed[id(target)] = target
        one = target
        if isinstance(target, dict | list | tuple | set | frozenset):
            one = next(iter(target.values() if isinstance(target, dict) else target), None)
        elif self._owns.class_(type(target)):
            return  # its attributes are
        if sizeof.tells(one):
            self.array_bytes += sizeof.of(target)
        else:
            self.other_bytes += sizeof.of(target)

    def _weigh_texts(self, values: Iterable[Any]) -> None:
        """Those that are not looked into, and may be large all the same."""
        for one in values:
            if type(one) in (str, bytes) and len(one) > MANY:
                self._weigh(one)

    # -- code -------------------------------------------------------------------------------

    def _function(self, func: FunctionType) -> None:
        is_own = self._owns.function(func)
        ways = _WAYS if is_own else _WAYS_OF_LIBRARY
        held = [value for way, _, value in callable_walk.held(func) if way in ways]
        self._weigh_texts(held)
        self._lead_to(held)
        names = bytecode.names(func.__code__)
        self._asks_families = self._asks_families or "__subclasses__" in names
        if not is_own:
            return
        self._judge(func)
        home = _home(func)
        if home is not None:
            self._modules.add(home)
            found = fingerprints.reference(func)
            if found is not None:
                self.digests[":".join(found)] = digest_of(func)
                self._state_of(func, ":".join(found))
        for space, name, value, attributes in callable_walk.reads(func):
            if space == callable_walk.BUILTIN:
                self._builtin(name)
            elif value is builtins:
                self._builtins(func.__code__, attributes)
            elif space == callable_walk.GLOBAL:
                self._global(home, name, value, attributes)
            elif space == callable_walk.IMPORT:
                self._import(name, func)
        if home is not None and not _BACK_DOORS.isdisjoint(names):
            self._all_plain(home)
        self._state_of_libraries(func)

    def _state_of_libraries(self, func: FunctionType) -> None:
        """What a function of the project's names of libraries: state, and code to be followed."""
        self._calling.append(func.__code__)
        for home, name, value in named_by(func):
            if value is MISSING or type(value) is MODULE:
                continue
            if not self._owns.module(home) and is_followed(home) and not name.startswith("__"):
                self.state.note(((home, name),))
            if leads_on(value) and not self._owns(callable_walk.layers(value)[-1]):
                self._called[id(value)] = value

    def _judge(self, func: FunctionType) -> None:
        if not hash_order.is_fixed() and (what := hash_order.why(func)) is not None:
            self.reasons.append(
                f"{func.__qualname__} {what}, and text has another hash in each interpreter "
                "(PYTHONHASHSEED=0 in the environment fixes it)"
            )
        if (what := codec_registry.registered(func)) is not None:
            self.reasons.append(f"{func.__qualname__} uses {what}, registered in this process")

    def _state_of(self, func: FunctionType, place: str) -> None:
        """What a function that can be imported keeps: attributes, its closure, its defaults."""
        for name, value in vars(func).items():
            if not name.startswith("__"):
                self._setting(f"{place}.{name}", value)
        for name, value in callables.cells(func).items():
            self._setting(f"{place}.<{name}>", value)
        for name in ("__defaults__", "__kwdefaults__"):
            given = getattr(func, name)
            values = given.values() if isinstance(given, dict) else given or ()
            if any(type(one) in _CONTAINERS or self._owns.class_(type(one)) for one in values):
                self.settings[f"{place}.{name}"] = given

    def _setting(self, place: str, value: Any) -> None:
        self._lead_to((value,))
        if type(callable_walk.layers(value)[-1]) is FUNCTION:
            return
        if _is_data(value) and callables.type_name(value) not in _OWN_TO_EACH:
            self.settings[place] = value

    def _all_plain(self, home: str) -> None:
        """The code may name whatever its module has: what is sure to be data goes along."""
        for name, value in tuple(vars(sys.modules[home]).items()):
            if not name.startswith("__") and _is_plain(value, depth=2):
                self._note(home, name, value)

    def _builtins(self, code: CodeType, attributes: tuple[str, ...]) -> None:
        """What the code takes off the module of builtins, by its name or by a text."""
        for name in (*attributes[:1], *code.co_consts):
            if type(name) is str:
                self._builtin(name)

    def _builtin(self, name: str) -> None:
        """A name that no module has: one that somebody has added to the builtins, or replaced?"""
        value = vars(builtins).get(name, MISSING)
        kind = type(value)
        if value is MISSING or name.startswith("__") or kind.__module__ == "_sitebuiltins":
            return
        if getattr(value, "__module__", None) in _BUILTIN_HOMES and (
            kind is type(len) or (isinstance(value, type) and not value.__flags__ & HEAP_TYPE)
        ):
            return
        if (called := name_of(value)) is not None:
            self.library[f"builtins:{name}"] = called
        elif name not in _CONSTANTS:
            self.settings[f"builtins:{name}"] = value

    def _global(self, home: str | None, name: str, value: Any, attributes: tuple[str, ...]) -> None:
        """Go from a global along the attributes that the code takes off it."""
        for module, attribute, found in callable_walk.through_modules(value, attributes):
            if home is not None and self._owns.module(home):
                self.names[f"{home}:{name}"] = brief_name_of(module)
            home, name, value = module.__name__, attribute, found
            if not self._owns.module(home):
                self._library(home, name, value)
                if type(value) is not MODULE:
                    return
        self._note(home, name, value)

    def _library(self, home: str, name: str, value: Any) -> None:
        """What the code takes off a module of a library, which somebody may have changed."""
        if value is MISSING or name.startswith("__") or type(value) is MODULE:
            return
        if isinstance(value, type):
            self._note_registered(value)
        if (called := name_of(value)) is not None:
            self.library[f"{home}:{name}"] = called
        elif is_scalar(value) and is_importable(home) and not is_followed(home):
            self.settings[f"{home}:{name}"] = value

    def _import(self, name: str, func: FunctionType) -> None:
        """What the function names of a module that it imports by itself."""
        package = func.__globals__.get("__package__")
        for full_name in (name, f"{package}.{name}"):
            module = sys.modules.get(full_name)
            if module is not None:
                self._judge_alias(full_name, module)
                if type(module) is MODULE:
                    self._members_of(module, full_name, bytecode.names(func.__code__))

    def _members_of(self, module: Any, name: str, names: Iterable[str]) -> None:
        for owner, attribute, value in callable_walk.members_named(module, names):
            home = name if owner is module else owner.__name__
            if self._owns.module(home):
                self._note(home, attribute, value)
            else:
                self._library(home, attribute, value)

    def _judge_alias(self, name: str, module: Any) -> None:
        """Has somebody put another module under a name, which a worker would import?"""
        other = callables.own(module, "__name__")
        tops = {one.partition(".")[0] for one in (name, other) if isinstance(one, str)}
        if len(tops) == 2 and not tops <= sys.stdlib_module_names:
            self.reasons.append(f"{name} is the module {other} in this process, by sys.modules")

    def _note(self, home: str | None, name: str, value: Any) -> None:
        if value is MISSING or name.startswith("__"):
            return
        self._weigh_texts((value,))
        if type(value) is not MODULE:
            self._lead_to((value,))
        if home is None or home in _MAIN:
            return  # it goes with the code of the function
        inner = callable_walk.layers(value)[-1]
        if type(inner) is FUNCTION and self._owns.function(inner):
            self.digests[f"{home}:{name}"] = digest_of(value)
            self._cache(value, f"{home}:{name}")
        elif isinstance(value, type) and self._owns.class_(value):
            self.names[f"{home}:{name}"] = brief_name_of(value)
        elif _is_data(value) and type(value) is not MODULE and type(inner) is not FUNCTION:
            if callables.type_name(value) not in _OWN_TO_EACH:
                self.settings[f"{home}:{name}"] = value
        else:
            self.names[f"{home}:{name}"] = brief_name_of(value)

    def _cache(self, cache: Any, place: str | None) -> None:
        """What a cached function has kept: the loop would go on with it."""
        if not stdlib_wrappers.is_cache(cache):
            return
        if place is not None:
            self.cache_places[place] = id(cache)
        if id(cache) not in self.caches and 0 < cache.cache_info().currsize <= MANY:
            entries = stdlib_wrappers.kept(cache)
            self.caches[id(cache)] = cache, entries
            self._lead_to(result for _, _, result in entries)

    def _note_registered(self, cls: type) -> None:
        """The project's classes that count as of an abstract class without being its subclasses."""
        if not isinstance(cls, _ABC):
            return
        found = [reference() for reference in _abc._get_dump(cls)[0]]
        self.registered += [
            (cls, one) for one in found if one is not None and self._owns.class_(one)
        ]

    def _class(self, cls: type) -> None:
        if not self._owns.class_(cls):
            return
        home = cls.__module__ if _is_at(cls) else None
        if home is not None:
            self._modules.add(home)
        self._note_registered(cls)
        for way, name, value in callable_walk.held(cls):
            inner = callable_walk.layers(value)[-1]
            if way == callable_walk.BASE:
                self._lead_to((value,))
            elif type(inner) is FUNCTION:
                self._lead_to((inner,))
                self._cache(value, None if home is None else f"{home}:{cls.__qualname__}.{name}")
                if home is not None and self._owns.function(inner):
                    self.digests[f"{home}:{cls.__qualname__}.{name}"] = digest_of(value)
            elif home is not None and not name.startswith("__") and self._is_kept(cls, value):
                self.settings[f"{home}:{cls.__qualname__}.{name}"] = value
        if isinstance(getattr(cls, "__members__", None), MAPPING_VIEW):
            self._members(cls, None if home is None else f"{home}:{cls.__qualname__}")

    def _is_kept(self, cls: type, value: Any) -> bool:
        """Is it data of a class: a limit, a table, its one instance?"""
        if type(cls).__name__ not in ("type", "ABCMeta"):
            return False  # an enum's tables, or a model's fields: made by its metaclass
        if is_scalar(value) or type(value) in _CONTAINERS:
            return True
        kind = type(value)
        is_of_each = callables.type_name(value) in _OWN_TO_EACH or kind.__module__ in _GUARDING
        return _is_data(value) and not (
            is_of_each or kind is MODULE or hasattr(kind, "__get__")  # properties and fields
        )

    def _members(self, cls: Any, place: str | None) -> None:
        """What has been set on the members of an enum, or lies in a value that can change."""
        for name, member in cls.__members__.items():
            for attribute, value in vars(member).items():
                is_kept = attribute == "_value_" and type(value) in (list, dict, set)
                if place is None and not attribute.startswith("_"):
                    self.members.append((member, attribute, value))
                elif place is not None and (is_kept or not attribute.startswith("_")):
                    self._setting(f"{place}.{name}.{attribute}", value)


def _has_file(module: str) -> bool:
    """Not so for modules that a library makes up: they have no file to be judged by."""
    return module in _MAIN or getattr(sys.modules.get(module), "__file__", None) is not None


def _is_in_a_file(code: CodeType) -> bool:
    """Not so for code that was generated: methods of named tuples and data classes."""
    return not code.co_filename.startswith("<")


def is_own_function(func: FunctionType) -> bool:
    return callables.is_own_function(func) and not is_ours(func.__module__)


def is_own_class(cls: type) -> bool:
    return callables.is_own_class(cls) and not is_ours(cls.__module__)


def is_ours(module: object) -> bool:
    """Is it part of this package, which a worker has as the caller does?"""
    return isinstance(module, str) and module.partition(".")[0] == "amorsize"


def _package_of(target: Any) -> str | None:
    """The top-level package of a callable or an item; None where it is nobody's own for sure."""
    module = callables.own(callables.raw(target), "__module__")
    if isinstance(target, METHOD):
        module = getattr(target.__func__, "__module__", None)
    package = module.partition(".")[0] if isinstance(module, str) else "__main__"
    known = package in sys.stdlib_module_names or package in (*_MAIN, "amorsize")
    return None if known else package


def is_importable(module: str) -> bool:
    """Whether another process can import a module of this name."""
    return getattr(sys.modules.get(module), "__spec__", None) is not None


def _home(func: FunctionType) -> str | None:
    """The module whose globals a function reads, if another process can import it."""
    name = func.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if name in _MAIN or module is None or vars(module) is not func.__globals__:
        return None
    return name if getattr(module, "__spec__", None) is not None else None


def _is_at(cls: type) -> bool:
    """Is this class found under its name, in a module that can be imported?"""
    module = sys.modules.get(cls.__module__)
    if cls.__module__ in _MAIN or getattr(module, "__spec__", None) is None:
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
    return not isinstance(value, _CODE_TYPES) and not callables.is_partial(value)

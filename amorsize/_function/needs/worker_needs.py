"""Collects what a worker must have in the same state as the caller."""

from __future__ import annotations

import _abc  # type: ignore[import-not-found]
import abc
import builtins
import sys

from amorsize._function import callable_walk, callables
from amorsize._function.callables import FUNCTION, METHOD, MISSING, is_a, is_class, is_module
from amorsize._function.data_size import DataSize
from amorsize._function.library.state import State
from amorsize._function.needs import stdlib_wrappers
from amorsize._function.needs.code_digest import brief_name_of, digest_of
from amorsize._function.needs.shape import is_scalar
from amorsize._function.ownership import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.ownership import Owns

#: The most things that are examined, and the most elements of a container.
MANY = 1000
#: Types of values that hold others, or bytes that change.
CONTAINERS = (list, tuple, dict, set, frozenset, bytearray)
#: Types of values that each process has of its own. Generators that were sent would all draw the
#: same numbers, and a bare `object()` is compared by identity alone.
OWN_TO_EACH = frozenset(
    {"builtins.object", "random.Random", "random.SystemRandom", "logging.Logger"}
    | {"logging.RootLogger", "numpy.random._generator.Generator"}
    | {"numpy.random.mtrand.RandomState"}
)
_CODE_TYPES = (FUNCTION, METHOD, type(len), type)
#: What importing sets in a module.
_OF_IMPORT = frozenset(
    {"__name__", "__file__", "__spec__", "__loader__", "__path__", "__package__", "__cached__"}
    | {"__builtins__"}
)
_ABC: type = abc.ABCMeta


class Needs:
    """Everything that a worker must have, as far as it has been found.

    Places are written "module:name", "module:Class.name"; `<name>` is a variable of a closure,
    `<default name>` what an argument is by default.

    Args:
        owns: What is the project's own.
        sample: An item, whose size does not count.

    Attributes:
        walk: The things that are followed.
        size: How much data there is.
        modules: The project's modules whose code may run.
        digests: Of the project's code, which can be sent instead.
        names: Of what the project has of others: code, modules.
        shapes: Of the project's classes: what they have beside code and data, and all their names.
        gone: Globals that code reads and that are not there, by module and name.
        library: The names of what libraries have in a place of their own.
        versions: Of the packages that code of the project names, where they tell theirs.
        settings: The state that code reads.
        state: The state of libraries.
        stays: Globals that cannot be sent.
        caches: What each `lru_cache` has kept, by its id.
        cache_places: Where these are, by their ids.
        members: Attributes of members of enums that are sent with their code.
        registered: Abstract classes, and the classes that count as theirs.
        families: Classes, and their subclasses.
        reasons: Why it would not do in a worker what it does here.
    """

    def __init__(self, owns: Owns, sample: Any) -> None:
        self.owns = owns
        self.walk = callable_walk.Walk(MANY)
        self.size = DataSize(owns, sample)
        self.modules: set[str] = set()
        self.digests: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.shapes: dict[str, tuple[str, frozenset[str]]] = {}
        self.gone: set[tuple[str, str]] = set()
        self.library: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.settings: dict[str, Any] = {}
        self.state = State(owns)
        self.stays: dict[str, Any] = {}
        self.caches: dict[int, tuple[Any, list[stdlib_wrappers.Kept]]] = {}
        self.cache_places: dict[str, int] = {}
        #: Of enums: the module that has the class, the member, an attribute and its value.
        self.members: list[tuple[str, Any, str, Any]] = []
        self.registered: list[tuple[Any, type]] = []
        self.families: list[tuple[type, list[type]]] = []
        self.reasons: list[str] = []

    @property
    def homes(self) -> frozenset[str]:
        """The project's modules whose code may run, or in which state or names were found."""
        places = (*self.settings, *self.digests, *self.names, *self.cache_places)
        found = {place.partition(":")[0] for place in places}
        own = (one for one in found if self.owns.module(one) and is_importable(one))
        return frozenset(self.modules).union(own)

    @property
    def values(self) -> Iterator[Any]:
        """What is sent for the places of modules, and what caches have kept."""
        yield from self.settings.values()
        for _, entries in self.caches.values():
            yield from (result for _, _, result in entries)

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

    def lead_to(self, things: Iterable[Any]) -> None:
        """Follow these too."""
        for thing in things:
            if not is_scalar(thing):
                self.walk.beside(thing)

    def note(self, home: str | None, name: str, value: Any) -> None:
        """Note the value that code reads under a name of a module of the project."""
        if value is MISSING or name in _OF_IMPORT:
            return
        self.size.texts((value,))
        self.note_version(value)
        if not is_module(value):
            self.lead_to((value,))
        if home is None or home in MAIN:
            return  # it goes with the code of the function
        inner = callable_walk.layers(value)[-1]
        if self._is_bound_to_data(value):
            self.settings[f"{home}:{name}"] = value
        elif type(inner) is FUNCTION and self.owns.function(inner):
            self.digests[f"{home}:{name}"] = digest_of(value)
            self.note_cache(value, f"{home}:{name}")
            if inner is value and "<" in inner.__qualname__:
                self.keep_all_of(inner, f"{home}:{name}")
        elif is_class(value) and self.owns.class_(value):
            self.names[f"{home}:{name}"] = brief_name_of(value)
        elif is_data(value) and not is_module(value) and type(inner) is not FUNCTION:
            if callables.type_name(value) not in OWN_TO_EACH:
                self.settings[f"{home}:{name}"] = value
        else:
            self.names[f"{home}:{name}"] = brief_name_of(value)

    def _is_bound_to_data(self, value: Any) -> bool:
        """Whether it is a partial, or a method of a table or of an object of the project's."""
        if callables.is_partial(value):
            return True
        owner = value.__self__ if type(value) in (METHOD, type(len)) else None
        if owner is None or is_module(owner) or is_class(owner):
            return False
        is_plain = is_scalar(owner) or type(owner) in callable_walk.CONTAINERS
        return is_plain or self.owns.class_(type(owner))

    def note_version(self, value: Any) -> None:
        """Of the package that a value is or comes from, unless it is the project's own."""
        kind = type(value)
        if is_module(value):
            module = value.__name__
        else:
            module = (value if issubclass(kind, _CODE_TYPES) else kind).__module__
        package = module.partition(".")[0] if isinstance(module, str) else ""
        found = sys.modules.get(package)
        version = vars(found).get("__version__") if is_module(found) else None
        is_others = package not in sys.stdlib_module_names and not self.owns.module(package)
        if type(version) is str and is_others:
            self.versions[package] = version

    def keep(self, place: str, value: Any) -> None:
        """Note a value that a function, class or enum of the project keeps."""
        self.lead_to((value,))
        if type(callable_walk.layers(value)[-1]) is FUNCTION:
            return
        if is_data(value) and callables.type_name(value) not in OWN_TO_EACH:
            self.settings[place] = value

    def keep_all_of(self, func: FunctionType, place: str) -> None:
        """Note what a function at a place keeps: attributes, its closure, its defaults."""
        for name, value in vars(func).items():
            if not name.startswith("__"):
                self.keep(f"{place}.{name}", value)
        for name, value in callables.cells(func).items():
            self.keep(f"{place}.<{name}>", value)
        self.keep_defaults_of(func, place)

    def keep_defaults_of(self, func: FunctionType, place: str) -> None:
        """Note what the arguments of a function at a place are by default."""
        for name, value in callables.defaults(func):
            kind = type(value)  # others are found there: a copy of a mark would be another mark
            if is_scalar(value) or kind in CONTAINERS or self.owns.class_(kind):
                self.settings[f"{place}.<{callable_walk.DEFAULT} {name}>"] = value

    def note_cache(self, cache: Any, place: str | None) -> None:
        """Note the results that a cached function has kept: the loop would use them."""
        if not stdlib_wrappers.is_cache(cache):
            return
        if place is not None:
            self.cache_places[place] = id(cache)
        if id(cache) not in self.caches and 0 < cache.cache_info().currsize <= MANY:
            entries = stdlib_wrappers.kept(cache)
            self.caches[id(cache)] = cache, entries
            self.lead_to(result for _, _, result in entries)

    def note_registered(self, cls: type) -> None:
        """Note classes registered with an abstract class, where either is the project's."""
        if not is_a(cls, _ABC):
            return
        is_own = self.owns.class_(cls)
        found = [reference() for reference in _abc._get_dump(cls)[0]]
        self.registered += [
            (cls, one)
            for one in found
            if one is not None and (is_own or _is_builtin(one) or self.owns.class_(one))
        ]


def is_importable(module: str) -> bool:
    """Whether another process can import a module of this name."""
    return getattr(sys.modules.get(module), "__spec__", None) is not None


def _is_builtin(cls: type) -> bool:
    return getattr(builtins, cls.__name__, None) is cls


def is_data(value: Any) -> bool:
    """Whether it is more than code: any other value, or an instance with `__call__`."""
    return not is_a(value, _CODE_TYPES) and not callables.is_partial(value)

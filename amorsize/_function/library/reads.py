"""Finds what the code of libraries reads from its own modules.

A function of a library may read an option, or a table of its module that the program has filled. So
code of libraries is followed from the project's calls on, function by function, for the globals and
class attributes that it names. These places are remembered; their values are read in each call.
"""

from __future__ import annotations

import sys

from amorsize._function import bytecode, callable_walk, callables
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    has,
    is_class,
    is_made_at_run_time,
    is_module,
)
from amorsize._function.library.table_digest import bound_to
from amorsize._function.ownership import LARGE_LIBRARIES
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.callable_walk import Read

#: The most functions that are read for each one that is called, nearest first: 2 ms.
MOST_CALLABLES = 60
#: The most functions that are read in all.
MOST_IN_ALL = 240
#: The most results that are kept.
MOST_KEPT = 1024

# What has the state of this process, or is carried with `caller_state`: neither read nor followed.
_OF_THE_PROCESS = frozenset(
    (
        *("os", "sys", "io", "builtins", "posix", "posixpath", "ntpath", "signal", "atexit", "gc"),
        *("threading", "multiprocessing", "concurrent", "asyncio", "subprocess", "selectors"),
        *("queue", "socket", "ssl", "tempfile", "logging", "warnings", "importlib", "pkgutil"),
        *("zipimport", "runpy", "site", "encodings", "codecs", "locale", "decimal", "random"),
        *("functools", "types", "typing", "abc", "collections", "enum", "re", "weakref"),
        *("contextlib", "contextvars", "dataclasses", "inspect", "tokenize", "ast"),
        *("operator", "itertools", "heapq", "bisect", "keyword", "traceback", "unittest"),
        *("faulthandler", "tracemalloc", "pdb", "bdb", "cmd", "time", "datetime", "mimetypes"),
        *("amorsize", "cloudpickle", "pytest", "_pytest", "pluggy", "coverage", "debugpy"),
        *("IPython", "ipykernel", "xdist", "execnet", "gevent", "greenlet", "freezegun"),
        *("hypothesis",),
        *LARGE_LIBRARIES,
    )
)
# What is read in C, by the module of the builtin function or class.
_READ_IN_C = {
    "_pickle": (("copyreg", "dispatch_table"),),
    "_sqlite3": (("sqlite3.dbapi2", "adapters"), ("sqlite3.dbapi2", "converters")),
}
_READ_IN_C["sqlite3"] = _READ_IN_C["_sqlite3"]
# Methods that run without being named in the code.
_UNNAMED = {"__init__", "__new__", "__call__", "__enter__", "__exit__", "__getattr__"}
_UNNAMED |= {"__getitem__", "__iter__", "__str__", "__repr__", "__eq__", "__post_init__"}


class Way(Value):
    """The places that functions and classes of libraries read, and how these were found."""

    places: tuple[tuple[str, str], ...]  # module, and a name or "Class.name" in it
    groups: tuple[tuple[tuple[str, str], ...], ...]  # what one function of these sets at once
    links: tuple[tuple[Mapping[str, Any], str, Any], ...]  # namespace, name and what stood there

    def holds(self) -> bool:
        """Whether all code still stands where it was found."""
        return all(space.get(name, MISSING) is value for space, name, value in self.links)


_ways: dict[tuple[int, ...], tuple[Any, Way]] = {}


def way_from(values: Sequence[Any], codes: Sequence[CodeType], owns: Callable[[Any], bool]) -> Way:
    """The places that functions, classes and instances of libraries read.

    They are followed together, since one may call a method of another.

    Args:
        values: The functions, classes and instances that the project's code names.
        codes: The project's code, which names their methods as well.
        owns: Whether a function or class is the project's: it is examined elsewhere.
    """
    roots = tuple(map(code_of, values))  # what they are bound to is not kept alive
    key = *map(id, roots), *map(id, codes)
    known = _ways.get(key)
    if known is not None and known[1].holds():
        return known[1]
    reader = _Reader(roots, codes, owns)
    way = reader.way()
    if reader.met_own:  # which nobody should keep alive
        _ways.pop(key, None)
        return way
    if len(_ways) >= MOST_KEPT:
        _ways.clear()
    _ways[key] = (roots, codes), way
    return way


def code_of(value: Any) -> Any:
    """The function or class behind a method, a partial, a wrapper or an instance."""
    for _ in range(callable_walk.MAX_WRAPPINGS):
        if type(value) is METHOD:
            value = value.__func__
        elif callables.is_partial(value):
            value = value.func
        elif type(value) in (FUNCTION, type(len)) or is_class(value):
            break
        else:
            wrapped = callable_walk.wrapped_by(value)
            value = type(value) if wrapped is None else wrapped
    return value


def named_by(func: FunctionType, reads: Iterable[Read]) -> Iterator[tuple[str, str, Any]]:
    """What a function of the project names in modules: yields module, name and value."""
    for space, name, value, attributes in reads:
        if space == callable_walk.IMPORT:
            if is_module(value):
                for owner, attribute, found in callable_walk.members_named(
                    value, bytecode.names(func.__code__)
                ):
                    yield owner.__name__, attribute, found
            continue
        home = func.__globals__.get("__name__")
        for module, attribute, found in callable_walk.through_modules(value, attributes):
            home, name, value = module.__name__, attribute, found
        if space != callable_walk.BUILTIN and isinstance(home, str):
            yield home, name, value


def leads_on(value: Any) -> bool:
    """Whether a value is code in Python, or a builtin that reads tables of a module."""
    if type(value) is type(len):
        return value.__module__ in _READ_IN_C
    return callable(value) or is_made_at_run_time(type(value))


def is_followed(module: object) -> bool:
    """Whether the code and the state of a library's module are examined."""
    return isinstance(module, str) and module.partition(".")[0] not in _OF_THE_PROCESS


class _Reader:
    """Walks from functions and classes of libraries to everything that they may run."""

    def __init__(
        self, roots: Sequence[Any], codes: Sequence[CodeType], owns: Callable[[Any], bool]
    ) -> None:
        self.met_own = False
        self._owns = owns
        self._names = _UNNAMED.union(*map(bytecode.names, codes))
        self._places: dict[tuple[str, str], None] = {}
        self._groups: list[tuple[tuple[str, str], ...]] = []
        self._links: list[tuple[Mapping[str, Any], str, Any]] = []
        self._classes: list[type] = []
        self._seen: set[tuple[type, type, str]] = set()  # members of these, by base
        self._walk = callable_walk.Walk(min(MOST_CALLABLES * len(roots), MOST_IN_ALL))
        for root in roots:
            self._lead_to(root)
        n_seen = -1
        while n_seen != len(self._places) + len(self._links):
            n_seen = len(self._places) + len(self._links)
            for target, _ in self._walk:
                self._look_into(target)
            for cls in tuple(self._classes):
                self._members(cls)

    def way(self) -> Way:
        """The places that were found."""
        return Way(places=tuple(self._places), groups=tuple(self._groups), links=tuple(self._links))

    def _lead_to(self, value: Any) -> None:
        for layer in map(code_of, callable_walk.layers(value)):
            if type(layer) is not type(len):
                self._walk.beside(layer)
            elif layer.__module__ in _READ_IN_C:
                self._places.update(dict.fromkeys(_READ_IN_C[layer.__module__]))

    def _look_into(self, target: Any) -> None:
        if target.__module__ in _READ_IN_C:
            self._places.update(dict.fromkeys(_READ_IN_C[target.__module__]))
        if not is_followed(target.__module__):
            return
        if self._owns(target):
            self.met_own = True
        elif type(target) is FUNCTION:
            self._function(target)
        elif is_made_at_run_time(target):
            self._classes.append(target)

    def _function(self, func: FunctionType) -> None:
        home = func.__globals__.get("__name__")
        if not isinstance(home, str):
            return
        names = bytecode.names(func.__code__)
        self._names |= names.keys()
        given = [value for _, value in callables.defaults(func)]
        for value in (*callables.cells(func).values(), *given):
            if leads_on(value):
                self._lead_to(value)
        for space, name, value, attributes in callable_walk.reads(func):
            if space == callable_walk.GLOBAL:
                self._global(home, func.__globals__, name, value, attributes)
            elif space == callable_walk.IMPORT:
                home = callable_walk.full_name(func, name)
                self._links.append((sys.modules, home, sys.modules.get(home, MISSING)))
                if is_module(value):
                    for owner, attribute, found in callable_walk.members_named(value, names):
                        self._place(owner.__name__, vars(owner), attribute, found)
        stored = bytecode.stored_globals(func.__code__)
        if stored:
            self._groups.append(tuple((home, name) for name in sorted(stored)))

    def _global(
        self,
        home: str,
        scope: Mapping[str, Any],
        name: str,
        value: Any,
        attributes: tuple[str, ...],
    ) -> None:
        for module, attribute, found in callable_walk.through_modules(value, attributes):
            self._links.append((scope, name, value))
            home, scope, name, value = module.__name__, vars(module), attribute, found
        self._place(home, scope, name, value)

    def _place(self, home: str, scope: Mapping[str, Any], name: str, value: Any) -> None:
        if value is MISSING or is_module(value) or name.startswith("__"):
            return
        if not is_followed(home):
            return
        inner = callable_walk.layers(value)[-1]
        if type(inner) is FUNCTION or isinstance(value, (type, type(len))):
            self._links.append((scope, name, value))
            if self._owns(inner):  # somebody has put it in the place of the library's
                self.met_own = True
                self._places[home, name] = None
            else:
                self._lead_to(value)
                if bound_to(value) is not None:
                    self._places[home, name] = None
            return
        self._places[home, name] = None
        if is_made_at_run_time(type(value)):
            self._lead_to(value)

    def _members(self, cls: type) -> None:
        """Take the names that the code uses of a class: follow methods, note all else as state."""
        for base in cls.__mro__:
            if not (is_made_at_run_time(base) and is_followed(base.__module__)):
                continue
            for name in self._names & vars(base).keys():
                if (cls, base, name) in self._seen:
                    continue
                self._seen.add((cls, base, name))
                if name not in vars(cls):  # which may get one of its own
                    self._links.append((vars(cls), name, MISSING))
                value = vars(base)[name]
                inner = callable_walk.layers(value)[-1]
                if type(inner) is FUNCTION:
                    self._links.append((vars(base), name, value))
                    if self._owns(inner):
                        self.met_own = True
                        self._places[base.__module__, f"{base.__qualname__}.{name}"] = None
                    else:
                        self._lead_to(inner)
                elif is_class(value):
                    self._lead_to(value)
                elif not (name.startswith("__") or has(type(value), "__get__")):
                    self._places[base.__module__, f"{base.__qualname__}.{name}"] = None

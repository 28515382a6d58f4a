"""Rebuilds a task in a worker, unless the worker would run other code than the caller has."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar

from amorsize._function import callable_walk, callables, ownership, references
from amorsize._function.callables import MISSING, MODULE, is_module
from amorsize._function.library import puts as library_puts
from amorsize._function.needs import stdlib_wrappers
from amorsize._function.needs.code_digest import brief_name_of, digest_of, name_of
from amorsize._function.needs.shape import is_scalar
from amorsize._host.unpatched import kernel
from amorsize._workers.protocol import Task
from amorsize._workers.random_streams import as_reached_here
from amorsize._workers.tasks.becoming_alike import filled, has_shape
from amorsize.errors import SerializationError
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Identifies this interpreter; a fork of it differs in the process id.
TOKEN = os.urandom(8)


class Changed(Exception):  # noqa: N818 - says what has happened
    """A worker would not run the code that the caller has."""


#: What was replaced for the current call: owner, name, old value.
_replaced: list[tuple[Any, str, Any]] = []
#: Modules that hold nothing but classes of the current call.
_made_up: list[str] = []


def tidied() -> None:
    """Remove the classes and the library state of an earlier call."""
    library_puts.give_back()
    while _replaced:
        owner, name, old = _replaced.pop()
        if old is not MISSING:
            setattr(owner, name, old)
        elif name in vars(owner):
            delattr(owner, name)
    while _made_up:  # a later call may import them
        sys.modules.pop(_made_up.pop(), None)


class Same(Value):
    """What must be the same in a worker as in the caller, by place, for it to run the task.

    A place is as `found_at` takes it.
    """

    digests: dict[str, bytes]  # of functions
    names: dict[str, str]  # of what stands for something else there
    library: dict[str, str]  # names of what libraries have there
    shapes: dict[str, tuple[str, frozenset[str]]]  # of classes, with their names
    gone: set[tuple[str, str]]  # globals that the caller has not: module and name
    versions: dict[str, str]  # by package
    kinds: dict[str, str]  # types of what cannot be sent


class Taken(Value):
    """What a worker takes over from the caller, for one call."""

    settings: dict[str, Any]  # by place
    caches: dict[str, list[stdlib_wrappers.Kept]]  # entries, by place of the cached function
    members: list[list[Any]]  # of enums: the member, an attribute and its value
    registered: list[tuple[Any, type]]  # with abstract classes
    families: list[tuple[type, list[type]]]  # classes with their subclasses
    library_settings: dict[str, tuple[str, Any]]
    library_kinds: dict[str, str]


def rebuilt(
    _: None,
    origin: tuple[int, bytes],
    fields: dict[str, Any],
    same: Same,
    taken: Taken,
    code: list[tuple[type, bool]],
) -> Task:
    """Give this worker the state of the caller, then make the task.

    Raises:
        Changed: The worker would run other code than the caller has.
        SerializationError: A global that cannot be sent has another type here.
    """
    if origin != (kernel.getpid(), TOKEN):
        _install(code)
        for place, digest in same.digests.items():
            if digest_of(found_at(place)) != digest:
                raise Changed(f"{place} is not the code that the caller has")
        for place, value in taken.settings.items():
            _set(place, value)
        for place, name in same.names.items():
            _take_name(place, name)
        for place, (told, names) in same.shapes.items():
            if not has_shape(found_at(place), told, names, _remove):
                raise Changed(f"{place} was changed in the caller since it was made")
        for module, name in same.gone:
            _remove(_module(module), name)
        for place, name in same.library.items():
            if name_of(found_at(place)) != name:
                raise Changed(f"{place} is not what it is in the caller, where it was replaced")
        for place, kind in same.kinds.items():
            here(place, kind)
        for place, entries in taken.caches.items():
            _fill_cache(place, entries)
        for owner, name, old in _replaced:
            if old is fields["function"]:
                fields = {**fields, "function": getattr(owner, name)}
        _check_versions(same.versions)
        _become_alike(taken.members, taken.registered, taken.families)
        try:
            library_puts.take(taken.library_settings, taken.library_kinds)
        except library_puts.OtherKind as error:
            raise Changed(str(error)) from None
    if fields["generators"]:
        fields = {**fields, **as_reached_here(fields)}
    return Task(**fields)


def _check_versions(versions: dict[str, str]) -> None:
    """Raise for a package that this worker has in another version, which may compute otherwise.

    A package that is not loaded yet is not imported for this.
    """
    for package, version in versions.items():
        found = sys.modules.get(package)
        here_is = vars(found).get("__version__") if is_module(found) else None
        if here_is is not None and here_is != version:
            raise Changed(f"{package} is {here_is} in a worker, and {version} in the caller")


def unpacked(items: Any, code: list[tuple[type, bool]]) -> Any:
    """Install the classes that items need, then give the items."""
    _install(code)
    return items


def _remove(owner: Any, name: str) -> None:
    """Take away for one call what the caller has deleted."""
    if name in vars(owner):
        _replaced.append((owner, name, vars(owner)[name]))
        delattr(owner, name)


def imported(module: str, qualname: str, origin: str | None) -> Any:
    """A function by the name of its module, or else from the file that the caller knows."""
    try:
        _module(module)
    except ModuleNotFoundError as error:
        if origin is None or error.name != module:
            raise
        _import_from(module, origin)
    return references.resolve(module, qualname)


def _module(name: str) -> Any:
    if name not in sys.modules:
        import importlib

        importlib.invalidate_caches()  # the file may be newer than this worker
        importlib.import_module(name)
    return sys.modules[name]


def _import_from(module: str, origin: str) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(module, origin)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {module!r}, and none in {origin!r}")
    found = sys.modules[module] = module_from_spec(spec)
    try:
        spec.loader.exec_module(found)
    except BaseException:
        del sys.modules[module]
        raise


def _install(code: list[tuple[type, bool]]) -> None:
    """Put classes where pickle looks for them when instances are sent back."""
    for cls, is_at_home in code:
        if not is_at_home:  # the caller has it under no name either
            continue
        owner: Any = sys.modules.get(cls.__module__)
        if owner is None:
            owner = sys.modules[cls.__module__] = MODULE(cls.__module__)
            _made_up.append(cls.__module__)
        *path, name = cls.__qualname__.split(".")
        if "<locals>" in path:
            continue
        for step in path:
            if not hasattr(owner, step):
                setattr(owner, step, type(step, (), {}))
            owner = getattr(owner, step)
        old = vars(owner).get(name, MISSING)
        if old is not cls:
            _replaced.append((owner, name, old))
            setattr(owner, name, cls)


def found_at(place: str) -> Any:
    """The value at "module:name" or "module:Class.name"; MISSING: there is none."""
    module, _, path = place.partition(":")
    found = _module(module)
    for step in path.split("."):
        found = _step(found, step)
    return found


def var_at(place: str, key: str, name: str, default: Any, value: Any) -> Any:
    """The context variable at a place, or a new one like the caller's."""
    found = found_at(place)
    if type(found) is ContextVar and found.name == name:
        return found
    return stdlib_wrappers.context_var(key, name, default, value)


def _step(found: Any, step: str) -> Any:
    """An attribute; `<member name>` of a class; `<name>` in a closure, or `<default name>`."""
    if not step.startswith("<"):
        return getattr(found, step, MISSING)
    what, _, name = step[1:-1].rpartition(" ")
    if what == callable_walk.MEMBER:
        return callables.member(found, name)
    of_default = what == callable_walk.DEFAULT
    return (dict(callables.defaults(found)) if of_default else callables.cells(found)).get(
        name, MISSING
    )


def _set(place: str, value: Any) -> None:
    """Set a global, an attribute or a closure variable to its value in the caller."""
    module, _, path = place.partition(":")
    owner = _module(module)
    *steps, name = path.split(".")
    for step in steps:
        owner = _step(owner, step)
    if owner is MISSING:
        return
    old = _step(owner, name) if name.startswith("<") else vars(owner).get(name, MISSING)
    if old is value or (is_scalar(old) and type(old) is type(value) and old == value):
        return
    if filled(old, value):
        return
    if name.startswith("<"):
        _set_in_function(owner, name[1:-1], value)
    else:
        if old is MISSING:  # only for this call
            _replaced.append((owner, name, MISSING))
        setattr(owner, name, value)


def _set_in_function(func: Any, place: str, value: Any) -> None:
    what, _, name = place.rpartition(" ")
    if what != callable_walk.DEFAULT:
        func.__closure__[func.__code__.co_freevars.index(name)].cell_contents = value
    elif not callables.set_default(func, name, value):
        raise Changed(f"{func.__qualname__} has no default for {name} in a worker")


def _fill_cache(place: str, entries: list[stdlib_wrappers.Kept]) -> None:
    """Fill the cache of a function as in the caller, for one call."""
    module, _, path = place.partition(":")
    *steps, name = path.split(".")
    owner = _module(module)
    for step in steps:
        owner = _step(owner, step)
    old = vars(owner).get(name, MISSING)
    if not stdlib_wrappers.is_cache(old):
        raise Changed(f"{place} is no cached function here")
    if not entries and not old.cache_info().currsize:
        return
    new = stdlib_wrappers.filled(old, entries)
    for other in (owner, *_own_modules_with(old)):
        for alias, value in tuple(vars(other).items()):
            if value is old:
                _replaced.append((other, alias, old))
                setattr(other, alias, new)


def _own_modules_with(value: Any) -> list[Any]:
    """The project's modules with a global of this value."""
    found = tuple(sys.modules.items())
    own = [one for name, one in found if is_module(one) and ownership.is_own_module(name)]
    return [one for one in own if any(each is value for each in tuple(vars(one).values()))]


def _become_alike(
    members: list[list[Any]],
    registered: list[tuple[Any, type]],
    families: list[tuple[type, list[type]]],
) -> None:
    """Change classes as the program has changed them since they were made."""
    for member, name, value in members:
        setattr(member, name, value)
    for cls, one in registered:
        cls.register(one)
    for cls, subclasses in families:
        if type.__subclasses__(cls) != subclasses:
            raise Changed(f"{cls.__qualname__} has other subclasses, or in another order")


def _take_name(place: str, name: str) -> None:
    """Put the caller's module at a place; classes and functions there have to be the same."""
    found = found_at(place)
    if brief_name_of(found) == name:
        return
    module, _, attribute = place.partition(":")
    kind, _, path = name.partition(" ")
    if kind == "module":
        setattr(_module(module), attribute, _module(path))
        return
    raise Changed(f"{place} is not what it is in the caller, where it was replaced")


def here(place: str, kind: str) -> Any:
    """The object of this process in place of one that could not be sent.

    Raises:
        SerializationError: It has another type than in the caller.
    """
    found = found_at(place)
    found_kind = callables.type_name(found)
    if found_kind == kind:
        return found
    raise SerializationError(
        f"{place.replace(':', '.')} ({kind}) cannot be sent to a worker process, and what a "
        f"worker finds there is of another kind ({found_kind}). Create it when its module is "
        "imported or in setup=, or use backend='thread'."
    )

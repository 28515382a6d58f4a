"""Makes a task of what was sent to a worker, unless it would run other code than the caller has."""

from __future__ import annotations

import os
import sys

from amorsize import _callables, _identity
from amorsize._callables import MISSING, MODULE
from amorsize._drawing import as_reached_here
from amorsize._reached import (
    CACHED,
    HEAP_TYPE,
    brief_name_of,
    digest_of,
    is_scalar,
    name_of,
)
from amorsize.crews.base import Task
from amorsize.errors import CannotTravelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TOKEN = os.urandom(8)  # of this interpreter; a fork of it has another process id


class Changed(Exception):  # noqa: N818 - says what has happened
    """A worker would not run the code that the caller has."""


_replaced: list[tuple[Any, str, Any]] = []  # owner, name and what stood there


def tidied() -> None:
    """Take away the classes that came with their code for an earlier call."""
    while _replaced:
        owner, name, old = _replaced.pop()
        if old is not MISSING:
            setattr(owner, name, old)
        elif name in vars(owner):
            delattr(owner, name)


def rebuilt(
    _: None,
    origin: tuple[int, bytes],
    fields: dict[str, Any],
    digests: dict[str, bytes],
    names: dict[str, str],
    library: dict[str, str],
    settings: dict[str, Any],
    stays: dict[str, str],
    code: list[tuple[type, str, bool]],
) -> Task:
    """The task, where the worker has come to be what the caller was when it was packed.

    Raises:
        Changed: It would run other code than the caller has.
        CannotTravelError: A global that cannot be sent is something else here.
    """
    if origin != (os.getpid(), TOKEN):
        _install(code)
        for place, digest in digests.items():
            if digest_of(found_at(place)) != digest:
                raise Changed(f"{place} is not the code that the caller has")
        for place, value in settings.items():
            _set(place, value)
        for place, name in names.items():
            _take_name(place, name)
        for place, name in library.items():
            if name_of(found_at(place)) != name:
                raise Changed(f"{place} is not what it is in the caller, where it was replaced")
        for place, kind in stays.items():
            here(place, kind)
    if fields["generators"]:
        fields = {**fields, **as_reached_here(fields)}
    return Task(**fields)


def unpacked(items: Any, code: list[tuple[type, str, bool]]) -> Any:
    """Items that came with the classes they need."""
    _install(code)
    return items


def imported(module: str, qualname: str, origin: str | None) -> Any:
    """A function of a module that the caller had found by its name, or knew the file of."""
    try:
        _module(module)
    except ModuleNotFoundError as error:
        if origin is None or error.name != module:
            raise
        _import_from(module, origin)
    return _identity.resolve(module, qualname)


def _module(name: str) -> Any:
    if name not in sys.modules:
        import importlib

        importlib.invalidate_caches()  # the caller may have written it since this worker began
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


def _install(code: list[tuple[type, str, bool]]) -> None:
    """Put classes where pickle looks for them when their instances travel back."""
    for cls, qualname, is_at_home in code:
        cls.__qualname__ = qualname  # cloudpickle leaves it out
        if not is_at_home:  # nor is it found so in the caller
            continue
        owner: Any = sys.modules.get(cls.__module__)
        if owner is None:
            owner = sys.modules[cls.__module__] = MODULE(cls.__module__)
        *path, name = qualname.split(".")
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
    """What stands at "module:name" or "module:Class.name"; MISSING where nothing does."""
    module, _, path = place.partition(":")
    found = _module(module)
    for step in path.split("."):
        found = _step(found, step)
    return found


def _step(found: Any, step: str) -> Any:
    """An attribute, or `<name>` of a function: a variable of its closure, what it has cached."""
    if not step.startswith("<"):
        return getattr(found, step, MISSING)
    if step == "<cached>":
        return found()
    return _callables.cells(found).get(step[1:-1], MISSING)


def _set(place: str, value: Any) -> None:
    """Give a global, or what a class or a function keeps, the value that it has in the caller."""
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
    if _filled(old, value):
        return
    if name == "<cached>":
        raise Changed(f"what {place.removesuffix(CACHED)} has cached is another value here")
    if name.startswith("<"):
        owner.__closure__[owner.__code__.co_freevars.index(name[1:-1])].cell_contents = value
    else:
        setattr(owner, name, value)


def _take_name(place: str, name: str) -> None:
    """Put the module, class or builtin function at a place that the caller has there."""
    found = found_at(place)
    if brief_name_of(found) == name:
        return
    module, _, attribute = place.partition(":")
    kind, _, path = name.partition(" ")
    if kind == "module":
        setattr(_module(module), attribute, _module(path))
        return
    raise Changed(f"{place} is not what it is in the caller, where it was replaced")


def _filled(old: Any, new: Any) -> bool:
    """Change an object in place, so that whoever else refers to it sees it; False: cannot be."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict | set):
        old.clear()
        old.update(new)
    elif isinstance(old, list | bytearray):
        old[:] = new
    elif _is_of_a_class_statement(new) and hasattr(new, "__dict__"):
        vars(old).clear()
        vars(old).update(vars(new))
    else:  # a marker without any state is compared by identity
        return _is_of_a_class_statement(new) and not any(
            vars(cls).get("__slots__") for cls in type(new).__mro__
        )
    return True


def _is_of_a_class_statement(value: Any) -> bool:
    return all(cls.__flags__ & HEAP_TYPE for cls in type(value).__mro__[:-1])


def here(place: str, kind: str) -> Any:
    """What this process has in place of something that could not be sent."""
    found = found_at(place)
    found_kind = _callables.type_name(found)
    if found_kind == kind:
        return found
    raise CannotTravelError(
        f"{place.replace(':', '.')} ({kind}) cannot be sent to a worker process, and what a "
        f"worker finds there is of another kind ({found_kind}). Create it when its module is "
        "imported or in setup=, or use backend='thread'."
    )

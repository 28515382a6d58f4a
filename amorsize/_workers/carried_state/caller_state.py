"""Carries the state of the caller's process to workers in new interpreters.

`ENTRIES` lists it: how each entry is read in the caller, and how it is set in a worker. It is read
when a call is about to start workers, and set before a worker imports the function; in a library
that loads later, right after its import. Context variables are set for one call.
"""

from __future__ import annotations

import sys

from amorsize._host import import_hooks
from amorsize._host.signals import in_words, raised_by_handler, reraise_from_handler
from amorsize._workers.carried_state import interpreter_state, library_settings, logging_state
from amorsize._workers.carried_state.pickled_state import dumped
from amorsize._workers.messages import serialization
from amorsize.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from amorsize._workers.carried_state.state_entry import Entry


ENTRIES = (*interpreter_state.ENTRIES, *logging_state.ENTRIES, *library_settings.ENTRIES)
_BUILTIN = {one.module for one in ENTRIES}.intersection(sys.builtin_module_names)


def packed() -> bytes:
    """The state now, as the calling thread sees it.

    Raises:
        SerializationError: A setting cannot be pickled; the message names it.
    """
    return serialization.dumps((_read(ENTRIES), _context()))


def _read(entries: Iterable[Entry]) -> dict[str, bytes]:
    found = {}
    for entry in entries:
        if (module := _loaded(entry)) is not None:
            try:
                found[entry.name] = dumped(entry.read(module))
            except Exception as error:
                if raised_by_handler(error):
                    raise
                raise SerializationError(
                    f"what is set in this process cannot be set in a worker ({entry.name}): "
                    f"{in_words(error)}. Set it in setup=, or in the function itself."
                ) from error
    return found


def take(data: bytes) -> None:
    """Set the state of the caller, in the context of the current call."""
    found, context = serialization.loads(data)
    if any(b"cloudpickle" in one for one in (*found.values(), *context.values())):
        import cloudpickle  # noqa: F401 - which loads modules whose settings may need it
    for entry in ENTRIES:
        import_hooks.forget(entry.name)
        if (value := found.get(entry.name)) is not None:
            _loaded(entry)
            import_hooks.when_imported(entry.module, entry.name, _setting(entry, value))
    for key in _vars_awaited:
        import_hooks.forget(key)
    _vars_awaited.clear()
    for place, value in context.items():
        module, _, name = place.partition(":")
        _vars_awaited.append(f"context variable {place}")
        import_hooks.when_imported(module, _vars_awaited[-1], _setting_var(module, name, value))


#: Modules whose context variables belong to an engine.
OF_ENGINES = frozenset(("dask", "distributed", "ray"))


def packed_context(warn: Callable[[str], None]) -> bytes:
    """What the calling thread alone has, for workers that belong to others.

    What cannot be pickled is left out with a warning, as most functions need none of it.
    """
    found = {}
    for entry in library_settings.OF_CONTEXT:
        try:
            found.update(_read((entry,)))
        except SerializationError as error:
            warn(str(error))
    places = {
        place: value
        for place, value in _context().items()
        if place.partition(":")[0].partition(".")[0] not in OF_ENGINES
    }
    return serialization.dumps((found, places))


def enter_context(data: bytes) -> None:
    """Set it in the current context, as far as the modules that have it are loaded."""
    found, places = serialization.loads(data)
    for entry in library_settings.OF_CONTEXT:
        if entry.name in found and (module := _loaded(entry)) is not None:
            entry.take(module, serialization.loads(found[entry.name]))
    for place, value in places.items():
        module, _, name = place.partition(":")
        if import_hooks.is_loaded(module):
            _setting_var(module, name, value)()


def _loaded(entry: Entry) -> Any:
    """The module of an entry, or None: not loaded. A builtin module has state without an import."""
    if entry.module in _BUILTIN:
        return sys.modules.get(entry.module) or __import__(entry.module)
    return sys.modules[entry.module] if import_hooks.is_loaded(entry.module) else None


def _setting(entry: Entry, value: bytes) -> Callable[[], None]:
    def act() -> None:
        module = sys.modules[entry.module]
        try:
            found = serialization.loads(value)
        except AttributeError:
            if import_hooks.is_being_imported(module):
                return  # by the module whose class is missing; all is set again once that is there
            raise
        entry.take(module, found)

    return act


# -- context variables ----------------------------------------------------------------------


_vars_awaited: list[str] = []
#: Where context variables are found, by their id. An entry keeps its variable, so ids stay unique.
_places: dict[int, tuple[Any, str | None]] = {}


def _context() -> dict[str, Any]:
    """Pickled values of the context variables that are globals of a module, by "module:name".

    A value that cannot be pickled is left out: where the function reads it, pickling the task
    raises.
    """
    import _contextvars

    context = _contextvars.copy_context()
    _note_places([var for var in context if id(var) not in _places])
    found = {}
    for var, value in context.items():
        place = _places[id(var)][1]
        if place is not None and (data := _pickled(value)) is not None:
            found[place] = data
    return found


def place_of(var: Any) -> str | None:
    """Where every process has a context variable, as "module:name"; None: nowhere."""
    if id(var) not in _places:
        _note_places([var])
    return _places[id(var)][1]


def _pickled(value: Any) -> bytes | None:
    try:
        return dumped(value)
    except Exception as error:
        reraise_from_handler(error)
        return None


def _note_places(variables: list[Any]) -> None:
    """Find the modules of new context variables. Takes up to 10 ms."""
    if not variables:
        return
    for var in variables:
        _places[id(var)] = var, None
    kind = type(variables[0])
    for name, module in tuple(sys.modules.items()):
        if name == "__main__" or getattr(module, "__spec__", None) is None:
            continue
        for attribute, value in tuple(vars(module).items()):
            if type(value) is kind and id(value) in _places:
                _places[id(value)] = value, f"{name}:{attribute}"


def _setting_var(module: str, name: str, value: bytes) -> Callable[[], None]:
    def act() -> None:
        var: Any = getattr(sys.modules[module], name, None)
        if hasattr(var, "set"):
            var.set(serialization.loads(value))

    return act

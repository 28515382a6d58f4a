"""Picklers of tasks for workers that were not forked."""

from __future__ import annotations

import builtins
import sys
from contextvars import ContextVar

from amorsize._function import bytecode, callables, references
from amorsize._function.callables import FUNCTION, METHOD, MODULE, is_made_at_run_time
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.needs import stdlib_wrappers
from amorsize._function.ownership import MAIN, is_ours
from amorsize._host.signals import in_words, reraise_from_handler
from amorsize._workers.carried_state import caller_state
from amorsize._workers.carried_state.pickled_state import names_main
from amorsize._workers.messages import class_pickling, serialization
from amorsize._workers.messages.code_pickle import is_found
from amorsize._workers.tasks import marks, sent_classes, weakly_held
from amorsize._workers.tasks.task_unpickling import found_at, here, imported, unpacked, var_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FunctionType
    from typing import Any

#: What cloudpickle writes in place of a file name.
NO_FILE = "<dynamic-code>"
#: The generators behind the functions of a module. They are sent by name: a worker seeds its own,
#: and would not seed copies.
GENERATORS = ("random:_inst", "numpy.random.mtrand:_rand")
GENERATOR_TYPES = ("Random", "RandomState")
_BUILTIN_TYPES = frozenset(one for one in vars(builtins).values() if type(one) is type)
#: The functions of this module rebuild what cloudpickle has taken apart.
_REBUILDING = "cloudpickle.cloudpickle"


class CallOnLoad:
    """Pickles as a call of a function on arrival."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


def _place_of(generator: Any) -> str | None:
    """Where each process has its own generator of this kind; None: the user has made it."""
    for place in GENERATORS:
        module, _, name = place.partition(":")
        if getattr(sys.modules.get(module), name, None) is generator:
            return place
    return None


def _is_hidden(obj: Any) -> bool:
    """Whether a method's name on its object leads to something else, such as a tuned method."""
    if type(obj) is not METHOD:
        return False
    found = getattr(obj.__self__, obj.__func__.__name__, None)
    return type(found) is not METHOD or found != obj  # a tuned method claims to be equal


def bound(func: Any, owner: Any) -> Any:
    """Bind a method to its object, whatever the object has under that name."""
    return METHOD(func, owner)


def _reference(func: FunctionType) -> tuple[str, str, str | None] | None:
    """The arguments with which `imported` gives this function."""
    found = references.reference(func)
    if found is None:
        return None
    spec = sys.modules[found[0]].__spec__
    return *found, None if spec is None else spec.origin


def _wrapper(obj: Any, by_value: frozenset[str]) -> Any:
    """How to pickle a wrapper that no worker finds by its name; None: like any other object."""
    made = stdlib_wrappers.reduced(obj)
    if type(obj) is ContextVar and (place := caller_state.place_of(obj)) is not None:
        return var_at, (place, *made[1])  # type: ignore[index]
    is_elsewhere = made is not None and getattr(obj, "__module__", None) not in by_value
    return None if is_elsewhere and references.reference(obj) is not None else made


def _aside(parts: list[memoryview] | None) -> Callable[[Any], bool] | None:
    """The buffer callback that puts large buffers into `parts`."""
    if parts is None:
        return None
    parts.clear()  # an earlier attempt may have failed half-way
    return serialization.setting_apart(parts)


#: The pickler classes, made once the modules of their bases are loaded.
_picklers: dict[str, Any] = {}


def dumped_by_name(
    load: Callable[..., Any], content: tuple[Any, ...], parts: list[memoryview] | None
) -> bytes | None:
    """Pickle without cloudpickle, which takes 17 to 40 ms to import; None: it is needed."""
    import io

    by_name = _picklers.get("by name") or _picklers.setdefault("by name", _by_name())
    buffer = io.BytesIO()
    try:
        pickler = by_name(buffer, serialization.PROTOCOL, buffer_callback=_aside(parts))
        pickler.dump(CallOnLoad(load, (*content, [])))
    except Exception as error:  # cloudpickle can do more
        reraise_from_handler(error)
        return None
    data = buffer.getvalue()
    return None if names_main(data) else data  # other processes have another module of that name


def _by_name() -> Any:
    """A pickler that sends no code."""

    class ByName(serialization.pickle().Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if (there := _found_there(obj, frozenset())) is not None:
                return there
            if type(obj) is not FUNCTION or is_ours(obj.__module__):
                return NotImplemented
            if (found := _reference(obj)) is None:
                raise TypeError("it has to be sent with its code")
            return imported, found

    return ByName


def _found_there(obj: Any, by_value: frozenset[str]) -> Any:
    """How to send what a worker finds in its place; None: it is no such thing."""
    weakly_held.refuse(obj)
    if (folder := weakly_held.reduced_folder(obj, CallOnLoad)) is not None:
        return folder
    if _is_hidden(obj):
        return bound, (obj.__func__, obj.__self__)
    if type(obj).__name__ in GENERATOR_TYPES and (place := _place_of(obj)) is not None:
        return found_at, (place,)
    place = marks.place_of(obj, by_value)
    return None if place is None else (marks.mark_at, (place, type(obj)))


def dumped_with_code(
    load: Callable[..., Any],
    content: tuple[Any, ...],
    by_value: frozenset[str],
    left: dict[int, str] | None = None,
    kept: dict[int, list[stdlib_wrappers.Kept]] | None = None,
    parts: list[memoryview] | None = None,
) -> bytes:
    """Pickle by cloudpickle, with the code of what others cannot import.

    Args:
        load: Called with the content on arrival.
        content: The arguments.
        by_value: Importable modules whose code is sent nevertheless.
        left: Where a worker finds its own in place of an object that cannot be sent, by id.
        kept: The entries of caches, by the id of the cache.
        parts: Gets large buffers; None: they stay in the pickle.
    """
    import io

    import cloudpickle

    with_code = _picklers.get("with code") or _picklers.setdefault("with code", _with_code())
    buffer = io.BytesIO()
    registered = cloudpickle.list_registry_pickle_by_value()
    by_value |= {"__mp_main__"}
    modules = [sys.modules[name] for name in by_value - registered if name in sys.modules]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        pickler = with_code(buffer, by_value, left or {}, kept or {}, _aside(parts))
        serialization.tamed(lambda: pickler.dump(CallOnLoad(load, (*content, _Last(pickler)))))
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    return buffer.getvalue()


class _Last:
    """Pickles the list of classes that were sent with their code, last, when it is complete.

    The entries of caches come before. They may be instances of a class that has the cache, and a
    class that is being sent has neither its methods nor its hash yet.
    """

    def __init__(self, pickler: Any) -> None:
        self._pickler = pickler

    def __reduce__(self) -> Any:
        pickler, self._pickler = self._pickler, None  # whose memo has this object
        fills, pickler.fills = pickler.fills, None
        return _after_filling, (fills, pickler.classes)


def _after_filling(_: list[None], classes: list[Any]) -> list[Any]:
    return classes


def _with_code() -> Any:
    """A pickler that sends the code of what other processes cannot import."""
    import cloudpickle

    class WithCode(cloudpickle.Pickler):  # type: ignore[misc]
        def __init__(
            self,
            buffer: Any,
            by_value: frozenset[str],
            left: dict[int, str],
            kept: dict[int, list[stdlib_wrappers.Kept]],
            aside: Callable[[Any], bool] | None,
        ) -> None:
            super().__init__(buffer, serialization.PROTOCOL, buffer_callback=aside)
            self.by_value, self.left, self.kept = by_value, left, kept
            self.classes: list[tuple[type, bool]] = []  # that were sent with their code
            self.fills: list[CallOnLoad] | None = []  # of caches, while there is a last

        def reducer_override(self, obj: Any) -> Any:
            if type(obj) is bytecode.CODE:
                return _reduced_code(obj)
            if _has_a_name(obj):
                return NotImplemented
            by_value = self.by_value
            if (there := _found_there(obj, by_value)) is not None:
                return there
            if id(obj) in self.left:
                return here, (self.left[id(obj)], callables.type_name(obj))
            if type(obj) is FUNCTION and obj.__module__ not in by_value:
                found = _reference(obj)
                if found is not None:
                    return imported, found
            if issubclass(type(obj), MODULE):  # also one that has a class of its own
                return self.dispatch_table[MODULE](obj)
            if (made := _wrapper(obj, by_value)) is not None:
                entries = self.kept.get(id(obj))
                return _with_entries(self, obj, entries) if entries else made
            made_here = isinstance(obj, type) and is_made_at_run_time(obj)
            if made_here and _is_sent_whole(obj, by_value):
                sent_classes.note(obj)
            made = super().reducer_override(obj)
            if made is NotImplemented or not (made_here or type(obj) is FUNCTION):
                return made
            if not made_here:
                return _with_globals_of_classes(obj, made)
            self.classes.append((obj, is_found(obj)))
            return class_pickling.reduced(obj, made, lambda one: _is_sent_whole(one, by_value))

    return WithCode


def _is_sent_whole(cls: type, by_value: frozenset[str]) -> bool:
    is_elsewhere = cls.__module__ not in by_value and cls.__module__ not in MAIN
    return is_made_at_run_time(cls) and not (is_elsewhere and is_found(cls))


def _with_entries(pickler: Any, cache: Any, entries: list[stdlib_wrappers.Kept]) -> Any:
    make, arguments, state, _, _, fill = stdlib_wrappers.reduced_with(cache, entries)
    if pickler.fills is not None:
        first, _, extra = state
        pickler.fills.append(CallOnLoad(fill, (cache, (first, entries, {}))))
        state = first, [], extra
    return make, arguments, state, None, None, fill


def _with_globals_of_classes(func: FunctionType, made: Any) -> Any:
    """Add what classes in the function read while they are made, which cloudpickle leaves out."""
    space, (_, state) = func.__globals__, made[2]
    for name in bytecode.globals_of_class_bodies(func.__code__):
        if name in space:
            state["__globals__"].setdefault(name, space[name])
    return made


@kept_by_code
def _reduced_code(code: CodeType) -> Any:
    """As cloudpickle does, with the file name, which it drops and tracebacks show."""
    import cloudpickle

    maker, arguments = cloudpickle.Pickler.dispatch_table[bytecode.CODE](code)
    return maker, tuple(code.co_filename if one == NO_FILE else one for one in arguments)


def _has_a_name(obj: Any) -> bool:
    """Whether every process finds it by its name: a builtin type, or what rebuilds others."""
    kind = type(obj)
    if kind is type:
        return obj in _BUILTIN_TYPES
    return kind is FUNCTION and (is_ours(obj.__module__) or obj.__module__ == _REBUILDING)


def why_not_pickled(value: Any, by_value: frozenset[str]) -> str | None:
    try:
        dumped_with_code(unpacked, (value,), by_value)
    except Exception as error:
        reraise_from_handler(error)
        return in_words(error)
    return None


def unpicklable_part(
    parts: Iterable[tuple[str, Any]], by_value: frozenset[str], depth: int = 4
) -> str:
    """Names the innermost part that cannot be pickled, with the reason; "": each can."""
    for label, value in parts:
        reason = None if value is None else why_not_pickled(value, by_value)
        if reason is not None:
            inner = unpicklable_part(_parts_of(value), by_value, depth - 1) if depth else ""
            return inner or f"{label} ({callables.type_name(value)}): {reason}"
    return ""


def _parts_of(value: Any) -> Iterable[tuple[str, Any]]:
    """The parts of a function or an object, each with a name for messages."""
    kind = type(value)
    if kind is FUNCTION:
        for name, content in callables.cells(value).items():
            yield f"the variable {name} of its closure", content
        for _, name, _ in bytecode.loads(value.__code__):
            if name in value.__globals__:
                yield f"the global {name}", value.__globals__[name]
        for name, content in callables.defaults(value):
            yield f"the default of {name}", content
    elif kind is METHOD:
        yield "self", value.__self__
    elif callables.is_partial(value):
        yield "the function", value.func
        yield from ((f"argument {place}", one) for place, one in enumerate(value.args))
        yield from ((f"argument {name}", one) for name, one in value.keywords.items())
    elif not isinstance(value, type):
        for name, content in getattr(value, "__dict__", {}).items():
            yield f"the attribute {name} of a {kind.__name__}", content

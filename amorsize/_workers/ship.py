"""Packs a task for workers that were not forked: code by its name, and what it reads as it is now.

What a worker imports need not be what the caller has: the caller may have changed a constant, put
something into a dict, replaced a function, edited the file since. So along with a name go the
globals that the code reads, and a digest of each function of the project that it may call. A worker
that would run other code asks for the code itself.
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar

from amorsize._function import bytecode, callables, fingerprints, import_effects, stdlib_wrappers
from amorsize._function.callables import FUNCTION, METHOD
from amorsize._function.dependencies import HEAP_TYPE, Reached, is_ours
from amorsize._function.shareable_values import is_shareable
from amorsize._host.signals import let_through
from amorsize._workers import caller_state, serialization
from amorsize._workers.code_pickle import is_found
from amorsize._workers.protocol import Task
from amorsize._workers.random_streams import as_sent
from amorsize._workers.rebuild import (
    TOKEN,
    found_at,
    here,
    imported,
    rebuilt,
    tidied,
    unpacked,
    var_at,
)
from amorsize.errors import AmorsizeWarning, SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FunctionType
    from typing import Any

LARGE_BYTES = 1_000_000  # sent to each worker in each call: 1 ms there, and as much here
# With so much, code is sent rather than its module: each worker would make all of it once more.
MUCH_BYTES = 8 << 20

# Behind the functions of a module: those of a worker are seeded there, and copies would not be.
CODE = type((lambda: None).__code__)
NO_FILE = "<dynamic-code>"  # what cloudpickle says in the place of a file's name
GENERATORS = ("random:_inst", "numpy.random.mtrand:_rand")
GENERATOR_TYPES = ("Random", "RandomState")
_warned: set[str] = set()


class Payload:
    """A task as bytes; made when it is first needed.

    Args:
        task: What is done to each item.
        func: The function as the user knows it, for messages.
        sample: An item: its methods may be called, so what they read goes along.
    """

    def __init__(self, task: Task, func: Callable[..., Any], sample: Any = None) -> None:
        self._task = task
        self.name = fingerprints.name_of(func)
        self._reached = Reached((task.function, task.setup, task.teardown), sample)
        self._apart: tuple[bytes, list[memoryview]] | None = None
        self._again: str | None = None  # what workers will do by importing, and cannot be avoided
        self._by_value: frozenset[str] = frozenset()
        self._carried: bytes | None = None

    @property
    def array_bytes(self) -> int:
        """Of arrays and tables that the function reaches, roughly: they are sent as they lie."""
        return self._reached.array_bytes

    @property
    def other_bytes(self) -> int:
        """Of all other data that it reaches, which is pickled and made anew in each worker."""
        return self._reached.other_bytes

    @property
    def data(self) -> bytes:
        """What unpickles to the task, in a process that can import its code.

        Raises:
            SerializationError: Something in it cannot be pickled; the text names it.
        """
        data, parts = self.apart()
        return self._packed(self._by_value) if parts else data

    def apart(self) -> tuple[bytes, list[memoryview]]:
        """The same, with the large buffers in it beside that."""
        if self._apart is None:
            parts: list[memoryview] = []
            self._apart = self._first_packed(parts), parts
            self._warn_if_large(len(self._apart[0]))
        return self._apart

    def _first_packed(self, parts: list[memoryview]) -> bytes:
        """By the names of what workers can import, unless that would do more than to import."""
        again = next(
            filter(None, map(import_effects.what_it_does, sorted(self._reached.homes))), None
        )
        if again is None and self.array_bytes + self.other_bytes < MUCH_BYTES:
            return self._packed(frozenset(), parts)
        self._by_value = self._reached.homes
        try:
            return self._packed(self._by_value, parts)
        except SerializationError:
            self._by_value, self._again = frozenset(), again
        return self._packed(self._by_value, parts)

    def by_value(self) -> bytes:
        """The same with the code of the project's own functions, whatever a worker would import."""
        self._by_value = self._reached.homes
        return self._packed(self._by_value)

    def carried(self) -> bytes:
        """The state of the process that goes along, as it was when this was first asked for.

        Raises:
            SerializationError: Some setting cannot be sent; the text names it.
        """
        if self._carried is None:
            self._carried = caller_state.packed()
        return self._carried

    def why_not(self) -> str | None:
        """Why it cannot be sent, or would not arrive as it is; None when it can."""
        if self._reached.reasons:
            return self._reached.reasons[0]
        try:
            self.carried()
            self.apart()
        except SerializationError as error:
            return str(error)
        if self._again is not None:
            return self._again
        for place, value in self._reached.stays.items():
            if not is_shareable(value):  # a lock or a logger of its own suits each worker
                kind = callables.type_name(value)
                return f"{place.replace(':', '.')} ({kind}) cannot be sent to a worker process"
        return None

    def pack(self, items: Any) -> bytes:
        """Items as bytes; those that pickle alone cannot send by cloudpickle."""
        data, parts = self.pack_apart(items)
        return serialization.dumps(items) if parts else data

    def pack_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
        """Items as bytes, the large buffers in them beside that."""
        if not self._by_value:
            try:
                data, parts = serialization.dumps_apart(items)
            except Exception as error:
                let_through(error)
                data, parts = b"__main__", []
            if not _names_main(data):  # what has that name here, no other process would find
                return data, parts
        return _dumped_with_code(unpacked, (items,), self._by_value), []

    def _packed(self, by_value: frozenset[str], parts: list[memoryview] | None = None) -> bytes:
        """The task as bytes; where `parts` is given, the large buffers in it are put there."""
        try:
            return self._dumped(by_value, parts)
        except Exception as error:
            let_through(error)
            self._reached.leave_what_cannot_travel(lambda one: _why_not(one, by_value) is None)
            self._refuse_what_is_shared()
        try:
            return self._dumped(by_value, parts)
        except Exception as error:
            let_through(error)
            culprit = _culprit(self._parts(), by_value) or f"{type(error).__name__}: {error}"
            raise SerializationError(
                f"{self.name} cannot be sent to a worker process: {culprit}. Create it inside the "
                "function or in setup=, or use backend='thread'."
            ) from error

    def _refuse_what_is_shared(self) -> None:
        """A queue of multiprocessing is there to be shared: one of the worker's own is another."""
        for place, value in self._reached.stays.items():
            kind = callables.type_name(value)
            if kind.startswith("multiprocessing."):
                raise SerializationError(
                    f"{place.replace(':', '.')} ({kind}) cannot be sent to a worker process that "
                    "is no fork: one that it makes itself would be another. Return what you would "
                    "put into it, or call where no other thread runs."
                )

    def _dumped(self, by_value: frozenset[str], parts: list[memoryview] | None) -> bytes:
        task, reached = self._task, self._reached
        fields = {
            "function": task.function,
            "star": task.star,
            "seed": task.seed,
            "generators": task.generators and tuple(map(as_sent, task.generators)),
            "keep_errors": task.keep_errors,
            "single": task.single,
            "setup": task.setup,
            "teardown": task.teardown,
            "most_bytes": task.most_bytes,
            "watch": None if task.watch is None else task.watch.elsewhere(),
        }
        settings, stays, digests, names = (
            # what is sent with its code has its globals with it
            {place: one for place, one in found.items() if place.partition(":")[0] not in by_value}
            for found in (reached.settings, reached.stays, reached.digests, reached.names)
        )
        kinds = {place: callables.type_name(value) for place, value in stays.items()}
        origin = os.getpid(), TOKEN
        # The first is called first: names are looked up while the rest is being read.
        checked = digests, names, reached.library
        caches = {
            place: reached.caches[key][1] if key in reached.caches else []
            for place, key in reached.cache_places.items()
            if place.partition(":")[0] not in by_value
        }
        others = reached.members, reached.registered, reached.families
        of_libraries = reached.state.settings, reached.state.kinds
        content = (
            *(_Call(tidied, ()), origin, fields, *checked, settings, kinds),
            *(caches, others, of_libraries),
        )
        left = {id(value): place for place, value in reached.stays.items()}
        data = None if by_value else _dumped_by_name(rebuilt, content, parts)
        if data is not None:
            return data
        kept = {key: entries for key, (_, entries) in reached.caches.items()}
        return _dumped_with_code(rebuilt, content, by_value, left, kept, parts)

    def _parts(self) -> Iterable[tuple[str, Any]]:
        task = self._task
        yield "", task.function
        yield "setup", task.setup
        yield "teardown", task.teardown

    def _warn_if_large(self, n_bytes: int) -> None:
        if n_bytes <= LARGE_BYTES or self.name in _warned:
            return
        import warnings

        _warned.add(self.name)
        warnings.warn(
            f"{self.name} takes {n_bytes / 1e6:.1f} MB with all it refers to, sent to every worker "
            "in every call. Load large data in setup=, or keep it in a file that items read.",
            AmorsizeWarning,
            stacklevel=2,
        )


# -- pickling -------------------------------------------------------------------------------


class _Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


def _place_of(generator: Any) -> str | None:
    """Where every process has this generator of its own; None for one that the user has made."""
    for place in GENERATORS:
        module, _, name = place.partition(":")
        if getattr(sys.modules.get(module), name, None) is generator:
            return place
    return None


def _is_hidden(obj: Any) -> bool:
    """Is it a method whose name on its object stands for something else: for the tuned one?"""
    if type(obj) is not METHOD:
        return False
    found = getattr(obj.__self__, obj.__func__.__name__, None)
    return type(found) is not METHOD or found != obj  # a tuned one says that it is equal


def bound(func: Any, owner: Any) -> Any:
    """A method bound to its object, whatever the object has under that name."""
    return METHOD(func, owner)


def _reference(func: FunctionType) -> tuple[str, str, str | None] | None:
    """The arguments with which `imported` gives this function."""
    found = fingerprints.reference(func)
    if found is None:
        return None
    spec = sys.modules[found[0]].__spec__
    return *found, None if spec is None else spec.origin


def _wrapper(obj: Any, by_value: frozenset[str]) -> Any:
    """How a wrapper is sent that no worker finds under its name; None: as any other object."""
    made = stdlib_wrappers.reduced(obj)
    if type(obj) is ContextVar and (place := caller_state.place_of(obj)) is not None:
        return var_at, (place, *made[1])  # type: ignore[index]
    is_elsewhere = made is not None and getattr(obj, "__module__", None) not in by_value
    return None if is_elsewhere and fingerprints.reference(obj) is not None else made


def _aside(parts: list[memoryview] | None) -> Callable[[Any], bool] | None:
    """What pickle asks about each buffer, for a pickle of which parts go beside it."""
    if parts is None:
        return None
    parts.clear()  # an earlier try has failed half-way
    return serialization.setting_apart(parts)


_picklers: dict[str, Any] = {}  # their classes, made once what they are made from is loaded


def _dumped_by_name(
    load: Callable[..., Any], content: tuple[Any, ...], parts: list[memoryview] | None = None
) -> bytes | None:
    """Without cloudpickle, which takes 17-40 ms to import on either side; None: it takes that."""
    import io

    by_name = _picklers.get("by name") or _picklers.setdefault("by name", _by_name())
    buffer = io.BytesIO()
    try:
        pickler = by_name(buffer, serialization.PROTOCOL, buffer_callback=_aside(parts))
        pickler.dump(_Call(load, (*content, [])))
    except Exception as error:  # whatever pickle refuses: cloudpickle knows more
        let_through(error)
        return None
    data = buffer.getvalue()
    return None if _names_main(data) else data  # by that name others would find nothing


def _by_name() -> Any:
    """A pickler that sends nothing's code."""

    class ByName(serialization.pickle().Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if _is_hidden(obj):
                return bound, (obj.__func__, obj.__self__)
            if type(obj).__name__ in GENERATOR_TYPES and (place := _place_of(obj)) is not None:
                return found_at, (place,)
            if type(obj) is not FUNCTION or is_ours(obj.__module__):
                return NotImplemented
            if (found := _reference(obj)) is None:
                raise TypeError("it has to be sent with its code")
            return imported, found

    return ByName


def _names_main(data: bytes) -> bool:
    """The program's own file, which a child of multiprocessing knows by the second name."""
    return b"__main__" in data or b"__mp_main__" in data


def _dumped_with_code(
    load: Callable[..., Any],
    content: tuple[Any, ...],
    by_value: frozenset[str] = frozenset(),
    left: dict[int, str] | None = None,
    kept: dict[int, list[stdlib_wrappers.Kept]] | None = None,
    parts: list[memoryview] | None = None,
) -> bytes:
    """By cloudpickle, which sends the code of what cannot be imported elsewhere.

    Args:
        load: Called with the content on arrival.
        content: What is sent.
        by_value: Modules whose code is sent although they can be imported.
        left: Objects that cannot be sent, by id, and where a worker finds its own.
        kept: What caches have kept, by their id.
        parts: Where to put large buffers, so that they are not in the bytes; None: they are.
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
        # The classes come last: by then all those sent with their code are among them.
        pickler.dump(_Call(load, (*content, pickler.classes)))
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    return buffer.getvalue()


def _with_code() -> Any:
    """A pickler that sends the code of what others would not find."""
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
            self.classes: list[tuple[type, str, bool]] = []  # that were sent with their code

        def reducer_override(self, obj: Any) -> Any:
            if _is_hidden(obj):
                return bound, (obj.__func__, obj.__self__)
            if type(obj).__name__ in GENERATOR_TYPES and (place := _place_of(obj)) is not None:
                return found_at, (place,)
            if id(obj) in self.left:
                return here, (self.left[id(obj)], callables.type_name(obj))
            if type(obj) is FUNCTION and is_ours(obj.__module__):
                return NotImplemented
            if type(obj) is FUNCTION and obj.__module__ not in self.by_value:
                found = _reference(obj)
                if found is not None:
                    return imported, found
            if type(obj) is CODE:
                return _with_its_file(obj, self.dispatch_table[CODE](obj))
            if (made := _wrapper(obj, self.by_value)) is not None:
                entries = self.kept.get(id(obj))
                return stdlib_wrappers.reduced_with(obj, entries) if entries else made
            reduced = super().reducer_override(obj)
            made_here = isinstance(obj, type) and bool(obj.__flags__ & HEAP_TYPE)
            if made_here and reduced is not NotImplemented:
                self.classes.append((obj, obj.__qualname__, is_found(obj)))
            return reduced

    return WithCode


def _with_its_file(code: Any, reduced: tuple[Any, tuple[Any, ...]]) -> Any:
    """cloudpickle takes a file's name out, and warnings and tracebacks name it."""
    maker, arguments = reduced
    return maker, tuple(code.co_filename if one == NO_FILE else one for one in arguments)


# -- what cannot be pickled -----------------------------------------------------------------


def _why_not(value: Any, by_value: frozenset[str]) -> str | None:
    try:
        _dumped_with_code(unpacked, (value,), by_value)
    except Exception as error:
        let_through(error)
        return f"{type(error).__name__}: {error}"
    return None


def _culprit(parts: Iterable[tuple[str, Any]], by_value: frozenset[str], depth: int = 4) -> str:
    """The innermost part that cannot be pickled, and why; "" if each of them can."""
    for label, value in parts:
        reason = None if value is None else _why_not(value, by_value)
        if reason is not None:
            inner = _culprit(_parts_of(value), by_value, depth - 1) if depth else ""
            return inner or f"{label} ({callables.type_name(value)}): {reason}"
    return ""


def _parts_of(value: Any) -> Iterable[tuple[str, Any]]:
    """What a function or an object is sent with, each with a name for messages."""
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

"""Packs a task for workers that were not forked: code by its name, and what it reads as it is now.

What a worker imports need not be what the caller has: the caller may have changed a constant, put
something into a dict, replaced a function, edited the file since. So along with a name go the
globals that the code reads, and a digest of each function of the project that it may call. A worker
that would run other code asks for the code itself.
"""

from __future__ import annotations

import os
import sys

from amorsize import _bytecode, _callables, _identity
from amorsize._callables import FUNCTION, METHOD, MISSING, MODULE
from amorsize._shareable import is_shareable
from amorsize.crews import carried, travel
from amorsize.crews.base import Task
from amorsize.errors import AmorsizeWarning, CannotTravelError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FunctionType
    from typing import Any

LARGE_BYTES = 1_000_000  # sent to each worker in each call: 1 ms there, and as much here
MANY = 1000  # callables that are looked into, and elements of a container
DIGEST_BYTES = 16
_TOKEN = os.urandom(8)  # of this interpreter; a fork of it has another process id

# What each process has of its own and no other should get: generators would all draw the same,
# and a bare object() is compared by identity alone.
_OWN_TO_EACH = frozenset(
    {"builtins.object", "random.Random", "random.SystemRandom", "logging.Logger"}
    | {"logging.RootLogger", "numpy.random._generator.Generator"}
    | {"numpy.random.mtrand.RandomState"}
)
# Behind the functions of a module: those of a worker are seeded there, and copies would not be.
GENERATORS = ("random:_inst", "numpy.random.mtrand:_rand")
GENERATOR_TYPES = ("Random", "RandomState")
_CODE_TYPES = (FUNCTION, METHOD, type(len), type)
_warned: set[str] = set()


class Changed(Exception):  # noqa: N818 - says what has happened
    """A worker would not run the code that the caller has."""


class Payload:
    """A task as bytes; made when it is first needed.

    Args:
        task: What is done to each item.
        func: The function as the user knows it, for messages.
        sample: An item: its methods may be called, so what they read goes along.
    """

    def __init__(self, task: Task, func: Callable[..., Any], sample: Any = None) -> None:
        self._task = task
        self.name = _identity.name_of(func)
        self._reached = _Reached((task.function, task.setup, task.teardown, sample))
        self._data: bytes | None = None
        self._by_value: frozenset[str] = frozenset()

    @property
    def data(self) -> bytes:
        """What unpickles to the task, in a process that can import its code.

        Raises:
            CannotTravelError: Something in it cannot be pickled; the text names it.
        """
        if self._data is None:
            self._data = self._packed(frozenset())
            self._warn_if_large(len(self._data))
        return self._data

    def by_value(self) -> bytes:
        """The same with the code of the project's own functions, whatever a worker would import."""
        self._by_value = self._reached.modules
        return self._packed(self._by_value)

    def why_not(self) -> str | None:
        """Why it cannot be sent, or would not arrive as it is; None when it can."""
        try:
            carried.packed()
            _ = self.data
        except CannotTravelError as error:
            return str(error)
        for place, value in self._reached.stays.items():
            if not is_shareable(value):  # a lock or a logger of its own suits each worker
                kind = _callables.type_name(value)
                return f"{place.replace(':', '.')} ({kind}) cannot be sent to a worker process"
        return None

    def pack(self, items: Any) -> bytes:
        """Items as bytes; those that pickle alone cannot send by cloudpickle."""
        data, parts = self.pack_apart(items)
        return travel.dumps(items) if parts else data

    def pack_apart(self, items: Any) -> tuple[bytes, list[memoryview]]:
        """Items as bytes, the large buffers in them beside that."""
        if not self._by_value:
            try:
                data, parts = travel.dumps_apart(items)
            except Exception:
                data, parts = b"__main__", []
            if b"__main__" not in data:  # what has that name here, no other process would find
                return data, parts
        return _dumped_with_code(unpacked, (items,), self._by_value), []

    def _packed(self, by_value: frozenset[str]) -> bytes:
        try:
            return self._dumped(by_value)
        except Exception:
            self._reached.leave_what_cannot_travel(by_value)
        try:
            return self._dumped(by_value)
        except Exception as error:
            culprit = _culprit(self._parts(), by_value) or f"{type(error).__name__}: {error}"
            raise CannotTravelError(
                f"{self.name} cannot be sent to a worker process: {culprit}. Create it inside the "
                "function or in setup=, or use backend='thread'."
            ) from error

    def _dumped(self, by_value: frozenset[str]) -> bytes:
        task, reached = self._task, self._reached
        fields = {
            "function": task.function,
            "star": task.star,
            "seed": task.seed,
            "keep_errors": task.keep_errors,
            "single": task.single,
            "setup": task.setup,
            "teardown": task.teardown,
            "most_bytes": task.most_bytes,
        }
        settings, stays = (
            # what is sent with its code has its globals with it
            {place: one for place, one in found.items() if place.partition(":")[0] not in by_value}
            for found in (reached.settings, reached.stays)
        )
        kinds = {place: _callables.type_name(value) for place, value in stays.items()}
        digests = {} if by_value else reached.digests
        origin = os.getpid(), _TOKEN
        # The first is called first: names are looked up while the rest is being read.
        content = (_Call(tidied, ()), origin, fields, digests, settings, kinds)
        left = {id(value): place for place, value in reached.stays.items()}
        data = None if by_value else _dumped_by_name(rebuilt, content)
        return data or _dumped_with_code(rebuilt, content, by_value, left)

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


# -- in a worker ----------------------------------------------------------------------------


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
    settings: dict[str, Any],
    stays: dict[str, str],
    code: list[tuple[type, str]],
) -> Task:
    """The task, where the worker has come to be what the caller was when it was packed.

    Raises:
        Changed: It would run other code than the caller has.
        CannotTravelError: A global that cannot be sent is something else here.
    """
    if origin != (os.getpid(), _TOKEN):
        _install(code)
        for place, digest in digests.items():
            if _digest_of(_found(place)) != digest:
                raise Changed(f"{place} is not the code that the caller has")
        for place, value in settings.items():
            _set(place, value)
        for place, kind in stays.items():
            here(place, kind)
    return Task(**fields)


def unpacked(items: Any, code: list[tuple[type, str]]) -> Any:
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


def _install(code: list[tuple[type, str]]) -> None:
    """Put classes where pickle looks for them when their instances travel back."""
    for cls, qualname in code:
        cls.__qualname__ = qualname  # cloudpickle leaves it out
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


def _found(place: str) -> Any:
    """What stands at "module:name" or "module:Class.name"; MISSING where nothing does."""
    module, _, path = place.partition(":")
    found = _module(module)
    for step in path.split("."):
        found = getattr(found, step, MISSING)
    return found


def _set(place: str, value: Any) -> None:
    """Give a global, or an attribute of a class, the value that it has in the caller."""
    module, _, path = place.partition(":")
    owner = _module(module)
    *steps, name = path.split(".")
    for step in steps:
        owner = getattr(owner, step, MISSING)
    if owner is MISSING:
        return
    old = vars(owner).get(name, MISSING)
    if old is not value and not _filled(old, value):
        setattr(owner, name, value)


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
    return all(cls.__flags__ & _HEAP_TYPE for cls in type(value).__mro__[:-1])


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: the class was made at run time


def here(place: str, kind: str) -> Any:
    """What this process has in place of something that could not be sent."""
    found = _found(place)
    found_kind = _callables.type_name(found)
    if found_kind == kind:
        return found
    raise CannotTravelError(
        f"{place.replace(':', '.')} ({kind}) cannot be sent to a worker process, and what a "
        f"worker finds there is of another kind ({found_kind}). Create it when its module is "
        "imported or in setup=, or use backend='thread'."
    )


# -- what a function reaches ----------------------------------------------------------------


def _digest_of(func: Any) -> bytes:
    """Of the code of a function, and of all that it wraps."""
    bodies = [_bytecode.body(layer.__code__) for layer in _layers(func) if type(layer) is FUNCTION]
    return bytes.fromhex(_identity._digest(bodies, DIGEST_BYTES))


def _layers(func: Any) -> list[Any]:
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


class _Reached:
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

    def leave_what_cannot_travel(self, by_value: frozenset[str]) -> None:
        """Move the globals that cannot be pickled to `stays`."""
        for place, value in tuple(self.settings.items()):
            if _why_not(value, by_value) is not None:
                self.stays[place] = self.settings.pop(place)

    def _look_into(self, target: Any) -> None:
        target = _callables.raw(_callables.plain(target))
        if id(target) in self._seen or _is_scalar(target):
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
            if _is_own_class(type(target)):
                self._elements(getattr(target, "__dict__", {}).values())

    def _elements(self, elements: Iterable[Any]) -> None:
        from itertools import islice

        self._left += [one for one in islice(elements, MANY) if not _is_scalar(one)]

    def _function(self, func: FunctionType) -> None:
        self._left += [_wrapped_by(func), *_callables.cells(func).values()]
        if not _is_own_function(func):
            return
        self._left += [value for _, value in _callables.defaults(func)]
        home = _home(func)
        if home is not None:
            self._modules.add(home)
            found = _identity.reference(func)
            if found is not None:
                self.digests[":".join(found)] = _digest_of(func)
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
            if not _is_own_module(home):
                return
            value = _callables.member(value, attribute)
        self._note(home, name, value)

    def _import(self, name: str, func: FunctionType) -> None:
        """What the function names of a module that it imports by itself."""
        module = sys.modules.get(name)
        if module is not None and _is_own_module(name):
            for attribute in _bytecode.names(func.__code__):
                self._note(name, attribute, _callables.member(module, attribute))

    def _note(self, home: str | None, name: str, value: Any) -> None:
        if value is MISSING or type(value) is MODULE or name.startswith("__"):
            return
        if not _is_scalar(value):
            self._left.append(value)
        if home is None or home == "__main__":
            return  # it goes with the code of the function
        inner = _layers(value)[-1]
        if type(inner) is FUNCTION:
            if _is_own_function(inner):
                self.digests[f"{home}:{name}"] = _digest_of(value)
        elif _is_data(value) and _callables.type_name(value) not in _OWN_TO_EACH:
            self.settings[f"{home}:{name}"] = value

    def _class(self, cls: type) -> None:
        if not _is_own_class(cls):
            return
        home = cls.__module__ if _is_at(cls) else None
        if home is not None:
            self._modules.add(home)
        self._left += cls.__mro__[1:-1]
        for name, value in tuple(vars(cls).items()):
            inner = _layers(value)[-1]
            if type(inner) is FUNCTION:
                self._left.append(inner)
                if home is not None and _is_own_function(inner):
                    self.digests[f"{home}:{cls.__qualname__}.{name}"] = _digest_of(value)
            elif home is not None and not name.startswith("__") and _is_setting_of(cls, value):
                self.settings[f"{home}:{cls.__qualname__}.{name}"] = value


def _is_own_function(func: FunctionType) -> bool:
    return _callables.is_own_function(func) and not _is_ours(func.__module__)


def _is_own_class(cls: type) -> bool:
    return _callables.is_own_class(cls) and not _is_ours(cls.__module__)


def _is_own_module(name: str) -> bool:
    return _callables.is_own_module(name) and not _is_ours(name)


def _is_ours(module: object) -> bool:
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


def _is_scalar(value: Any) -> bool:
    return type(value) in _SCALARS


def _is_setting_of(cls: type, value: Any) -> bool:
    """Is this attribute of a class data of its own, such as a limit or a table?"""
    if type(cls).__name__ not in ("type", "ABCMeta"):
        return False  # an enum's tables, or a model's fields: made by its metaclass
    return type(value) in _SCALARS or type(value) in (list, tuple, dict, set, frozenset)


def _is_data(value: Any) -> bool:
    """Is it more than code: any value, an instance with `__call__` too?"""
    return not isinstance(value, _CODE_TYPES) and not _callables.is_partial(value)


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
    found = _identity.reference(func)
    if found is None:
        return None
    spec = sys.modules[found[0]].__spec__
    return *found, None if spec is None else spec.origin


def _dumped_by_name(load: Callable[..., Any], content: tuple[Any, ...]) -> bytes | None:
    """Without cloudpickle, which takes 17-40 ms to import on either side; None: it takes that."""
    import io

    class ByName(travel.pickle().Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if _is_hidden(obj):
                return bound, (obj.__func__, obj.__self__)
            if type(obj).__name__ in GENERATOR_TYPES and (place := _place_of(obj)) is not None:
                return _found, (place,)
            if type(obj) is not FUNCTION or _is_ours(obj.__module__):
                return NotImplemented
            if (found := _reference(obj)) is None:
                raise TypeError("it has to be sent with its code")
            return imported, found

    buffer = io.BytesIO()
    try:
        ByName(buffer, travel.PROTOCOL).dump(_Call(load, (*content, [])))
    except Exception:  # whatever pickle refuses: cloudpickle knows more
        return None
    data = buffer.getvalue()
    return None if b"__main__" in data else data  # by that name others would find nothing


def _dumped_with_code(
    load: Callable[..., Any],
    content: tuple[Any, ...],
    by_value: frozenset[str] = frozenset(),
    left: dict[int, str] | None = None,
) -> bytes:
    """By cloudpickle, which sends the code of what cannot be imported elsewhere.

    Args:
        load: Called with the content on arrival.
        content: What is sent.
        by_value: Modules whose code is sent although they can be imported.
        left: Objects that cannot be sent, by id, and where a worker finds its own.
    """
    import io

    import cloudpickle

    classes: list[tuple[type, str]] = []

    class WithCode(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if _is_hidden(obj):
                return bound, (obj.__func__, obj.__self__)
            if type(obj).__name__ in GENERATOR_TYPES and (place := _place_of(obj)) is not None:
                return _found, (place,)
            if left and id(obj) in left:
                return here, (left[id(obj)], _callables.type_name(obj))
            if type(obj) is FUNCTION and _is_ours(obj.__module__):
                return NotImplemented
            if type(obj) is FUNCTION and obj.__module__ not in by_value:
                found = _reference(obj)
                if found is not None:
                    return imported, found
            reduced = super().reducer_override(obj)
            made_here = isinstance(obj, type) and bool(obj.__flags__ & _HEAP_TYPE)
            if made_here and reduced is not NotImplemented:
                classes.append((obj, obj.__qualname__))
            return reduced

    buffer = io.BytesIO()
    registered = cloudpickle.list_registry_pickle_by_value()
    modules = [sys.modules[name] for name in by_value - registered if name in sys.modules]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        # The classes come last: by then all those sent with their code are among them.
        WithCode(buffer, travel.PROTOCOL).dump(_Call(load, (*content, classes)))
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
    return buffer.getvalue()


# -- what cannot be pickled -----------------------------------------------------------------


def _why_not(value: Any, by_value: frozenset[str]) -> str | None:
    try:
        _dumped_with_code(unpacked, (value,), by_value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _culprit(parts: Iterable[tuple[str, Any]], by_value: frozenset[str], depth: int = 4) -> str:
    """The innermost part that cannot be pickled, and why; "" if each of them can."""
    for label, value in parts:
        reason = None if value is None else _why_not(value, by_value)
        if reason is not None:
            inner = _culprit(_parts_of(value), by_value, depth - 1) if depth else ""
            return inner or f"{label} ({_callables.type_name(value)}): {reason}"
    return ""


def _parts_of(value: Any) -> Iterable[tuple[str, Any]]:
    """What a function or an object is sent with, each with a name for messages."""
    kind = type(value)
    if kind is FUNCTION:
        for name, content in _callables.cells(value).items():
            yield f"the variable {name} of its closure", content
        for _, name, _ in _bytecode.loads(value.__code__):
            if name in value.__globals__:
                yield f"the global {name}", value.__globals__[name]
        for name, content in _callables.defaults(value):
            yield f"the default of {name}", content
    elif kind is METHOD:
        yield "self", value.__self__
    elif _callables.is_partial(value):
        yield "the function", value.func
        yield from ((f"argument {place}", one) for place, one in enumerate(value.args))
        yield from ((f"argument {name}", one) for name, one in value.keywords.items())
    elif not isinstance(value, type):
        for name, content in getattr(value, "__dict__", {}).items():
            yield f"the attribute {name} of a {kind.__name__}", content

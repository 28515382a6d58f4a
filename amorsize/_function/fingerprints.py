"""Identifies functions on disk, the same way in every process."""

from __future__ import annotations

from amorsize._function import callable_walk, callables, ownership
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    is_a,
    is_class,
    is_module,
    own,
    raw,
    type_name,
)
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.plain_values import SCALARS
from amorsize._function.references import name_of
from amorsize._host.signals import reraise_from_handler
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FunctionType, MethodType
    from typing import Any

#: The most calls from the function to a body that is part of its key.
DEPTH = 3
KEY_BYTES = 16
VARIANT_BYTES = 8
#: The most callables in one key, in 60 ms.
MAX_PARTS = 1000
#: Of a longer text, both ends and the length count: a variant need not be exact.
LONG = 4096

#: Methods that run without being named in the code.
_MAKERS = ("__new__", "__init__", "__post_init__", "__call__")


class Fingerprint(Value):
    """The identity of a function in the cache.

    `key` changes with what the function does: its code, names and constants, and the bodies of the
    project's functions that it calls. `variant` changes with the values that it is set up with:
    scalars in its defaults, closure, partial arguments and globals, and the types of all others.
    """

    key: str
    variant: str
    name: str


def fingerprint(func: Callable[..., object]) -> Fingerprint:
    """The identity of a function, which is the same in every process and under any hash seed.

    Comments, docstrings, line numbers, names of locals and the file make no difference. Minor
    versions of Python do, since their bytecode differs. Never raises: a callable that cannot be
    read is identified by its type. Functions are found through globals, closures, defaults, partial
    arguments and methods of known classes. Those reached in another way do not count: through an
    import inside the function, a registry, an item's own method.

    Returns:
        Hex digits of 128 bits for the key, of 64 for the variant, and a readable name.
    """
    func = raw(func)
    name = name_of(func)
    try:
        content = _Content(func)
        return Fingerprint(
            key=hex_digest([name, content.key], KEY_BYTES),
            variant=hex_digest(content.variant, VARIANT_BYTES),
            name=name,
        )
    except Exception as error:  # whatever attributes of an odd callable may raise
        reraise_from_handler(error)
        key = hex_digest([name, type_name(func)], KEY_BYTES)
        return Fingerprint(key=key, variant=hex_digest([], VARIANT_BYTES), name=name)


def digest(text: str) -> str:
    """16 hex digits for any text, the same in every process."""
    return hex_digest([text], VARIANT_BYTES)


def hex_digest(content: list[Any], n_bytes: int) -> str:
    import marshal

    try:
        from _blake2 import blake2b  # hashlib hands out this very function, for 3 ms more
    except ImportError:
        from hashlib import blake2b

    # version 2 knows no back references, which depend on who else holds an object; sets are sorted
    return blake2b(marshal.dumps(content, 2), digest_size=n_bytes).hexdigest()


@kept_by_code
def _read(code: CodeType) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The body of a code object and the names in it; kept, since code never changes."""
    from amorsize._function import bytecode, code_body

    return code_body.body(code), tuple(bytecode.names(code))


class _Content:
    """The parts of a function, gathered breadth first, so that depths do not depend on the order.

    The walk's notes are the classes whose methods a function's code may name.
    """

    def __init__(self, func: Any) -> None:
        self.key: list[Any] = []
        self.variant: list[Any] = []
        self._walk = walk = callable_walk.Walk(MAX_PARTS, DEPTH)
        walk.beside(func)
        for target, owner in walk:
            self._add(target, owner)

    def _add(self, target: Any, owner: type | None) -> None:
        if type(target) is FUNCTION:
            self._add_function(target, owner)
        elif type(target) is METHOD:
            self._add_method(target)
        elif is_class(target):
            self._add_class(target, _MAKERS)
        elif callables.is_partial(target):
            self._add_partial(target)
        else:
            self._add_other(target)

    def _add_function(self, func: FunctionType, owner: type | None) -> None:
        is_own = ownership.is_own_function(func)
        body, names = _read(func.__code__) if is_own else (None, ())
        self.key.append((func.__qualname__, body) if is_own else name_of(func))
        for way, name, value in callable_walk.held(func):
            if way == callable_walk.WRAPPED:
                self._walk.beside(value, owner)
            elif is_own and way in (callable_walk.DEFAULT, callable_walk.CLOSURE):
                self._setting(name, value)
                self._add_class_of(value, names)
            elif way == callable_walk.CLOSURE and self._is_own(value):
                self._walk.beside(value)
        if not is_own:
            return
        for space, name, value, attributes in callable_walk.reads(func):
            if space == callable_walk.GLOBAL or (space == callable_walk.CLOSURE and attributes):
                self._add_path(name, value, attributes, names)
        if owner is not None:
            self._add_members(owner, names)

    def _add_path(
        self, label: str, value: Any, attributes: tuple[str, ...], names: tuple[str, ...]
    ) -> None:
        """Go from a global along the attributes that the code takes off it."""
        for module, attribute, found in callable_walk.through_modules(value, attributes):
            if not ownership.is_own_module(module.__name__):
                return
            label, value = f"{label}.{attribute}", found
        if value is not MISSING and not is_module(value):
            self._setting(label, value)
            self._add_class_of(value, names)

    def _add_class_of(self, value: Any, names: tuple[str, ...]) -> None:
        """The methods of a class, or of an instance's class, that the code names."""
        if type(value) not in SCALARS and type(value) is not FUNCTION:
            cls = value if is_class(value) else type(value)
            if ownership.is_own_class(cls):
                self._add_members(cls, names)

    def _add_method(self, method: MethodType) -> None:
        bound_to = method.__self__
        cls = bound_to if is_class(bound_to) else type(bound_to)
        self.key.append(cls.__qualname__)
        self.variant.append(("self", type_name(bound_to)))
        self._walk.beside(method.__func__, cls if ownership.is_own_class(cls) else None)

    def _add_class(self, cls: type, members: tuple[str, ...]) -> None:
        self.key.append(f"{cls.__module__}.{cls.__qualname__}")
        if ownership.is_own_class(cls):
            self._add_members(cls, members, beside=True)

    def _add_members(self, cls: type, members: tuple[str, ...], *, beside: bool = False) -> None:
        """Visit the functions of these names in a class, at its depth or one call deeper."""
        go = self._walk.beside if beside else self._walk.below
        for name in members:
            found = callables.plain(callables.member(cls, name))
            if self._is_own(found):
                go(found, cls)

    def _add_partial(self, func: Any) -> None:
        self.key.append("partial")
        for way, name, value in callable_walk.held(func):
            if way == callable_walk.FUNC:
                self._walk.beside(value)
            else:
                self._setting(f"argument {name}", value)

    def _add_other(self, target: Any) -> None:
        """A builtin, a wrapper made elsewhere, or an object with `__call__`."""
        self.key.append((type_name(target), name_of(target)))
        bound_to = own(target, "__self__")
        if bound_to is not None and not is_module(bound_to):
            self._setting("self", bound_to)
        wrapped = own(target, "__wrapped__")
        if wrapped is not None:
            self._walk.beside(wrapped)
        if ownership.is_own_class(type(target)):
            self._add_members(type(target), ("__call__",), beside=True)

    def _setting(self, label: str, value: Any) -> None:
        """Add a value that the function is set up with to the variant; to the key, if it runs."""
        if type(value) not in SCALARS:
            self.variant.append((label, type_name(value)))
            if self._is_own(value):
                self._walk.below(value)
        elif is_a(value, str | bytes) and len(value) > LONG:
            self.variant.append((label, len(value), value[: LONG // 2], value[-LONG // 2 :]))
        else:
            self.variant.append((label, value))

    def _is_own(self, value: Any) -> bool:
        """Whether code of the project may be found in this callable."""
        kind = type(value)
        if kind is FUNCTION:
            return ownership.is_own_function(value) or value.__closure__ is not None
        if is_class(value):
            return ownership.is_own_class(value)
        if kind is METHOD or callables.is_partial(value):
            return True
        return callable(value) and "__wrapped__" in own(value, "__dict__", ())

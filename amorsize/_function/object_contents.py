"""Lists what objects hold."""

from __future__ import annotations

import sys
from _collections import defaultdict  # type: ignore[import-not-found]  # `collections` is large

from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    is_a,
    is_class,
    is_module,
    member,
    own,
    type_name,
)
from amorsize._function.container_elements import elements
from amorsize._function.ownership import is_published
from amorsize._function.plain_values import PLAIN
from amorsize._function.shareable_values import is_shareable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

#: How deep objects inside one another are examined.
MAX_DEPTH = 5
#: The most elements of one container that are examined.
MAX_ELEMENTS = 50
#: The most entries of a table that are searched for functions.
MAX_FUNCTIONS = 1000
CONTAINERS = (list, dict, set, bytearray)
#: The type of variables that most code sets for a while and then resets.
CONTEXT_VARIABLE = "_contextvars.ContextVar"
#: Methods, and functions of one argument, that return another view of the same memory.
GIVE_VIEW = {
    *(".reshape", ".ravel", ".view", ".squeeze", ".transpose", ".swapaxes", ".diagonal", ".cast"),
    *(
        ".getbuffer",
        ".data_as",
        ".expand_dims",
        ".moveaxis",
        ".permute_dims",
        ".flip",
        ".rot90",
        ".to_numpy",
        ".numpy",
        ".unsqueeze",
    ),
}
VIEW_OF = {
    *(".asarray", ".asanyarray", ".ascontiguousarray", ".atleast_1d", ".atleast_2d", ".as_tensor"),
    *(
        ".frombuffer",
        ".from_buffer",
        ".from_numpy",
        ".as_strided",
        ".sliding_window_view",
        ".nditer",
    ),
    *(".nullcontext", ".closing"),  # which give it to `with`
}
#: Functions that do so if they are told not to copy.
VIEW_WITHOUT_COPY = {".array", ".astype"}
#: Functions that return several views.
GIVE_VIEWS = {".split", ".array_split", ".hsplit", ".vsplit", ".dsplit", ".unstack", ".chunk"}


#: Types of objects that hold nothing but numbers, and of tables that keep their cells in C.
_NUMBERS = {"numpy.ndarray", "array.array", "builtins.memoryview", "torch.Tensor", "mmap.mmap"}
#: What `cmp_to_key` gives, which shows its function to nobody but the garbage collector.
_BY_COMPARING = "functools.KeyWrapper"
_TABLES = {"pandas.DataFrame", "pandas.Series"}


def is_container(value: Any) -> bool:
    return is_a(value, CONTAINERS) or type_name(value) == "collections.deque"


def gives_nodes(value: Any) -> bool:
    """Whether it may be a tree, whose methods give nodes that are a part of it."""
    if is_shareable(value) or type_name(value) in _NUMBERS | _TABLES:
        return False
    return any(callable(member(type(value), name)) for name in ("find", "get"))


def grows_when_read(value: Any) -> bool:
    """Whether reading a missing key adds that key, as in a `defaultdict`."""
    if not is_a(value, defaultdict) or value.default_factory is None:
        return False
    return member(type(value), "__missing__") is member(defaultdict, "__missing__")


def is_trusted(value: Any) -> bool:
    """Whether a library publishes this callable, with whatever is behind it."""
    if not callable(value):
        return False
    module = own(value, "__module__")
    return is_published(value, module or type(own(value, "__self__")).__module__)


def is_frozen(kind: type) -> bool:
    """Whether it is a frozen dataclass; its fields may still hold objects that change."""
    parameters = member(kind, "__dataclass_params__")
    return type_name(parameters) == "dataclasses._DataclassParams" and bool(parameters.frozen)


def is_simple(cls: type) -> bool:
    """Whether it is an exception, or of a class that adds nothing to `object`."""
    return issubclass(cls, BaseException) or cls.__init__ is object.__init__


def is_standard_stream(value: Any) -> bool:
    return any(value is one for one in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__))


def state(value: Any) -> dict[str, Any]:
    """The attributes that an instance keeps."""
    return own(value, "__dict__") or {}


def parts(value: Any) -> Iterable[tuple[str, Any]]:
    """The values that an object holds, each with the way to it."""
    from itertools import islice

    if is_a(value, dict):
        for at, (key, one) in enumerate(islice(dict.items(value), MAX_FUNCTIONS)):
            if at < MAX_ELEMENTS or type(one) is FUNCTION:
                yield f"[{key!r:.40}]" if type(key) in PLAIN else "[...]", one
            if type(key) not in PLAIN:
                yield "[...]", key
    elif is_a(value, list | tuple | set | frozenset) or is_container(value):
        yield from (("[...]", one) for one in islice(elements(value), MAX_ELEMENTS))
    for name, one in tuple(islice(state(value).items(), MAX_ELEMENTS)):
        yield f".{name}", one
    if type_name(value) == _BY_COMPARING:
        yield from (("()", one) for one in _comparing(value))
    for cls in type(value).__mro__:
        for name, slot in tuple(vars(cls).items()):
            if type(slot) is _SLOT_MEMBER:
                try:
                    yield f".{name}", slot.__get__(value)
                except AttributeError:  # not set
                    continue


def _comparing(key: Any) -> Iterator[Any]:
    """What compares for a key that `cmp_to_key` has made, as a function or a bound method."""
    from gc import get_referents

    for one in get_referents(key):
        called = member(type(one), "__call__")
        if one is not type(key):
            yield METHOD(called, one) if type(called) is FUNCTION else one


class _Slotted:
    __slots__ = ("one",)


_SLOT_MEMBER: Any = type(vars(_Slotted)["one"])


def results_kept_by(cache: Any) -> list[Any]:
    """The values in an `lru_cache`, from the garbage collector: no code of the program runs."""
    import gc

    own = (cache.__wrapped__, cache.__dict__)
    parts = [one for one in gc.get_referents(cache) if all(one is not part for part in own)]
    found = [one for part in parts for one in (part.values() if type(part) is dict else [part])]
    return [value for value in found if type(value).__name__ != "_lru_list_elem"]


def inside(value: Any) -> list[Any]:
    """What lies in a value, however deep, and could change."""
    if type_name(value) in _TABLES:
        return []
    return [one for one in brought(value).values() if one is not value]


def is_rows(value: Any) -> bool:
    """Whether it is what tables of numbers are made of."""
    return is_a(value, list | tuple) or type_name(value) in _NUMBERS | _TABLES


def is_opaque(value: Any) -> bool:
    """Whether it may hold what nobody can see: made in C, by a library, and more than numbers."""
    if is_shareable(value) or is_a(value, (*CONTAINERS, tuple)) or is_container(value):
        return False
    if is_module(value) or is_class(value) or type_name(value) in _NUMBERS:
        return False
    if type_name(value) in _TABLES:
        dtypes = value.dtypes if type_name(value).endswith("Frame") else [value.dtype]
        return any(one.kind == "O" for one in dtypes)
    return not state(value)


def brought(item: Any) -> dict[int, Any]:
    """The objects that an item holds and that could change, by id."""
    found: dict[int, Any] = {}
    ahead = [(item, 0)]
    while ahead and len(found) < MAX_ELEMENTS:
        value, depth = ahead.pop()
        kind = type(value)
        if kind in PLAIN or is_module(value) or kind is FUNCTION or is_class(value):
            continue
        if kind is METHOD:
            ahead.append((value.__self__, depth + 1))
            continue
        if id(value) in found:
            continue
        if not is_shareable(value) and not issubclass(kind, tuple):
            found[id(value)] = value
        if depth < MAX_DEPTH:
            ahead += [(part, depth + 1) for _, part in parts(value)]
    return found

"""Records cheaply what an object holds at one moment, so that a change can be seen.

Snapshots are there to be compared and have no other use. They cover containers, buffers, files and
the attributes of objects, in a few microseconds. Of the user's code, only an attribute `closed` may
run for that. A text that names a file counts together with the file.
"""

from __future__ import annotations

import io
import os
import stat
from _collections import deque  # type: ignore[import-not-found]  # all of `collections` takes 5 ms
from itertools import islice

from amorsize._host.signals import reraise_from_handler
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: The most parts of one trace; later ones are not recorded.
MOST_PARTS = 256
#: The most elements of one container that are recorded.
MOST_ELEMENTS = 64
#: The most files that are examined, at 2 us each.
MOST_FILES = 4
#: The most characters of a text that may be the path of a file.
MOST_PATH_CHARS = 1024
#: How deep containers inside one another are recorded.
DEEPEST = 4
#: How many bytes at both ends of a buffer are recorded.
BUFFER_BYTES = 1 << 16

_ATOMS: Any = frozenset(
    {int, float, complex, bool, str, bytes, type(None), range, slice, type(...), type, type(os)}
    | {type(len), type(lambda: None), type(NotImplemented)}
)
_ATOMIC_MODULES = ("datetime", "decimal", "_decimal", "_pydecimal", "fractions", "uuid", "re")
_CONTAINERS: Any = (list, tuple, set, frozenset, dict, deque)
_BUFFERS: Any = (bytearray, memoryview)
_MEMBER: Any = type(type("", (), {"__slots__": ("a",)}).a)  # type: ignore[attr-defined]
_ELEMENTS = (("xml.etree.ElementTree", "Element"), ("lxml.etree", "_Element"))
#: Types whose values never change.
_ROWS = (("sqlite3", "Row"),)


class Trace(Value):
    """The state of an object at one moment."""

    parts: tuple  # type: ignore[type-arg]
    is_plain: bool  # made of text, numbers and containers of these
    names_file: bool  # that exists


def trace(value: Any) -> Trace:
    """The present state of an object and its contents."""
    tracer = _Tracer()
    try:
        tracer.add(value, 0)
    except RuntimeError:  # another thread is changing it
        tracer.parts.append(object())
    return Trace(parts=tuple(tracer.parts), is_plain=tracer.is_plain, names_file=tracer.names_file)


def sights(values: Iterable[Any], item: Any) -> list[Any]:
    """The parts of some values that other code may change, without an item and its container."""
    return [_sight(value) for value in values if value is not item]


def is_atom(value: Any) -> bool:
    """Whether a value cannot change."""
    return type(value) in _ATOMS or type(value).__module__ in _ATOMIC_MODULES


def is_iterator(value: Any) -> bool:
    """Whether reading it changes it; a file counts as the file on disk."""
    return hasattr(type(value), "__next__") and not isinstance(value, io.IOBase)


class _Tracer:
    """Records the state of one object."""

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.is_plain, self.names_file = True, False
        self._n_files = 0

    def add(self, value: Any, depth: int) -> None:
        """Record one value and its contents."""
        if isinstance(value, str | os.PathLike):
            self._add_path(value)
        elif is_atom(value) or depth > DEEPEST or len(self.parts) > MOST_PARTS:
            return
        elif isinstance(value, _CONTAINERS):
            self._add_container(value, depth)
        elif isinstance(value, _BUFFERS) or type(value).__module__ in ("array", "mmap"):
            self.parts.append(_of_buffer(value))
        elif isinstance(value, io.IOBase):
            self.is_plain = False
            self.parts.append(value.closed)
        else:
            self._add_other(value, depth)

    def _add_path(self, value: Any) -> None:
        if type(value) is not str:
            if type(value).__module__.partition(".")[0] not in ("pathlib", "posix", "nt"):
                self.is_plain = False
                return
            value = os.fspath(value)
        if not 0 < len(value) <= MOST_PATH_CHARS or "\n" in value or self._n_files >= MOST_FILES:
            return
        self._n_files += 1
        try:
            found = os.stat(value)
        except (OSError, ValueError) as error:
            reraise_from_handler(error)
            self.parts.append(None)
            return
        self.names_file = True
        told: tuple[int, ...] = (found.st_dev, found.st_ino)
        if stat.S_ISREG(found.st_mode):
            told = (*told, found.st_size, found.st_mtime_ns)
        self.parts.append(told)

    def _add_container(self, value: Any, depth: int) -> None:
        values = dict.values(value) if isinstance(value, dict) else value
        elements = list(islice(values, MOST_ELEMENTS))
        self.parts.append((len(value), *map(id, elements)))
        for element in elements:
            self.add(element, depth + 1)

    def _add_other(self, value: Any, depth: int) -> None:
        kind = type(value)
        place = kind.__module__, kind.__name__
        if place == ("numpy", "ndarray"):
            self.is_plain &= value.base is None
            self.parts.append(_of_array(value))
        elif place in _ELEMENTS:
            self.is_plain = False
            self.parts.append((value.tag, value.text, value.tail, len(value), len(value.attrib)))
        elif place not in _ROWS:
            self._add_attributes(value, depth)

    def _add_attributes(self, value: Any, depth: int) -> None:
        held = _attributes(value)
        if not held:
            self.is_plain = False  # an object without readable state
        self.parts.append(tuple(map(id, held)))
        for one in held:
            self.add(one, depth + 1)
        try:
            self.parts.append(getattr(value, "closed", None) is True)
        except Exception as error:  # an attribute of the user's class may raise anything
            reraise_from_handler(error)
            self.parts.append(None)


def _attributes(value: Any) -> list[Any]:
    """The values in an object's `__dict__` and slots, read without running its code."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        held = {}
    found = list(islice(held.values(), MOST_ELEMENTS)) if type(held) is dict else []
    for base in type(value).__mro__:
        for slot in vars(base).values() if "__slots__" in vars(base) else ():
            if type(slot) is _MEMBER:
                try:
                    found.append(slot.__get__(value))
                except AttributeError:  # it was never set
                    found.append(None)
    return found


def _of_buffer(value: Any) -> Any:
    try:
        with memoryview(value) as view:
            if not view.c_contiguous:
                return hash(view.tobytes()) if view.nbytes <= BUFFER_BYTES else None
            with view.cast("B") as raw:
                return raw.nbytes, hash(bytes(raw[:BUFFER_BYTES])), hash(bytes(raw[-BUFFER_BYTES:]))
    except (TypeError, ValueError, BufferError):  # closed, released or without bytes
        return None


def _of_array(value: Any) -> Any:
    ends = value.flat[:BUFFER_ELEMENTS], value.flat[-BUFFER_ELEMENTS:]
    return value.shape, *(hash(end.tobytes()) for end in ends)


BUFFER_ELEMENTS = 8192


def _sight(value: Any, depth: int = 0) -> Any:
    if isinstance(value, _CONTAINERS):
        return _seen_in(value)
    if depth > SEEN_DEEP or is_atom(value) or is_iterator(value):
        return id(value)
    held = _attributes(value)
    return id(value), [_sight(one, depth + 1) for one in held] if len(held) <= MOST_SEEN else None


#: How deep is searched: an object's attributes, their attributes, and the containers in these. The
#: deque of a queue is at that depth.
SEEN_DEEP = 2
#: Objects with more attributes than this are skipped, as they rarely carry messages.
MOST_SEEN = 32


def _seen_in(container: Any) -> Any:
    """The elements of a container without their content, which may belong to an item."""
    values = dict.values(container) if isinstance(container, dict) else container
    try:
        return id(container), len(container), list(map(id, islice(values, MOST_ELEMENTS)))
    except RuntimeError:  # another thread is changing it
        return object()

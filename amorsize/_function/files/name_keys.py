"""Tells what is the same for values that make the same name of a file."""

from __future__ import annotations

import os
import posixpath

from amorsize._function.callables import MISSING, member, own
from amorsize._function.files.item_values import UnknownPartError, is_trusted
from amorsize._function.plain_values import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def key_of(value: Any) -> Any:
    """What is the same for values that make the same name."""
    kind = type(value)
    if kind is str:
        return normal_name(value)
    if kind is list or kind is tuple:
        return tuple(map(key_of, value))
    if kind in PLAIN or is_trusted(value):
        return normal_name(str(value))
    name = (own(value, "__dict__") or {}).get("_name_")  # of a member of an enumeration
    if type(name) is str:
        return name
    raise UnknownPartError


def as_name(value: Any) -> str:
    if type(value) is str or type(value) is bytes or is_trusted(value):
        return normal_name(os.fsdecode(value))
    if member(type(value), "__fspath__") is MISSING:
        raise TypeError  # a number of an open file, or no name at all
    raise UnknownPartError


def within(value: Any) -> Any:
    """A value that is behind a folder or more; `out/../out/a` is not told from `out/a` by it."""
    text = value if type(value) is str else str(value) if is_trusted(value) else ""
    if ".." in text or text[:1] == "/":
        raise UnknownPartError
    return "" if text == "." else value


def normal_name(name: str) -> str:
    """One of the names of a file, so that others of it are the same."""
    if "/" not in name:
        return name
    path = posixpath.normpath(name)
    return path[1:] if path[:2] == "//" else path

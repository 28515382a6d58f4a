"""Tells what an attribute of a part of a name is."""

from __future__ import annotations

from amorsize._function.callable_walk import attribute
from amorsize._function.callables import MISSING, is_class, is_module
from amorsize._function.files.item_paths import ATTRIBUTE
from amorsize._function.files.name_parts import (
    PATH,
    TEXT,
    UNKNOWN,
    Part,
    constant,
    is_path,
    merged,
    part_of,
)
from amorsize._function.flow.made_instances import Made
from amorsize._function.object_contents import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Attributes and methods of paths that are paths, and those that are texts.
_PATHS = {"parent", "with_suffix", "with_name", "with_stem", "joinpath", "resolve", "absolute"}
_PATHS |= {"expanduser", "relative_to"}
_TEXTS = {"stem", "name", "suffix"}


def attribute_of(part: Part, name: str, *, is_method: bool = False) -> Part:
    """An attribute of a value, or a method."""
    known = part.known
    found: Any = MISSING
    if is_module(known) or is_class(known):
        found = attribute(known, (name,))
    elif type(known) is Made:
        found = known.attribute(name)
    elif known is not MISSING:
        found = state(known).get(name, MISSING)
    kind = PATH if name in _PATHS and part.kind == PATH else TEXT if name in _TEXTS else ""
    if found is not MISSING:
        kind = constant(found).kind
    if part.way is not None and not is_method:
        taken = part_of(part, ATTRIBUTE, name)
        return taken.replace(kind=kind, label=f".{name}", owner=part)
    tags = part.tags
    is_open = known is not MISSING and found is MISSING and not tags and not _is_plain(known)
    if is_open and (not kind or type(known) is Made):
        tags = UNKNOWN.tags
    if not is_method:
        tags = merged(Part(tags), "", "", f"{part.label}.{name}").tags
    return Part(tags, found, kind).replace(label=f".{name}", owner=part)


def _is_plain(known: Any) -> bool:
    """Whether what its methods give is told by the value alone."""
    return type(known) in (str, bytes, int, dict, list, tuple) or is_path(type(known))

"""Digests of large tables, by which two processes compare what they have."""

from __future__ import annotations

from amorsize._function import callables, fingerprints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Larger tables are not read: the largest takes 5 ms.
MOST_ENTRIES = 20_000
DIGEST_BYTES = 16
_METHOD: Any = type(len)  # methods of patterns are of a subtype


def digest(table: Any) -> str | None:
    """The digest of a table of numbers and texts, whatever the order of a dict or a set.

    None: it is another table, or too large.
    """
    kind = type(table)
    if kind not in (dict, set, frozenset, list, tuple) or len(table) > MOST_ENTRIES:
        return None
    try:
        content = sorted(table.items()) if kind is dict else table
        content = content if kind in (dict, list, tuple) else sorted(table)
        return fingerprints.hex_digest([kind.__name__, content], DIGEST_BYTES)
    except (TypeError, ValueError):  # keys that have no order; objects
        return None


def bound_to(value: Any) -> tuple[str, Any] | None:
    """Of a method of a constant (a frozen set, a text, a pattern): its name, and the constant."""
    owner: Any = value.__self__ if isinstance(value, _METHOD) else None
    if type(owner) in (str, bytes):
        return value.__name__, owner
    if type(owner) is frozenset and {str, int, bytes}.issuperset(map(type, owner)):
        return value.__name__, owner
    if callables.type_name(owner) == "re.Pattern":
        return value.__name__, (owner.pattern, owner.flags)
    return None

"""Digests of large tables, by which two processes compare what they have."""

from __future__ import annotations

from amorsize._function import fingerprints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Larger tables are not read: the largest takes 5 ms.
MOST_ENTRIES = 20_000
DIGEST_BYTES = 16


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

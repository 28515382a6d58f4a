"""Records of one family: keys that differ after their last colon alone."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Records that a family keeps; they are variants of one function.
SIZE = 8


def family_of(key: str) -> str:
    """What the keys of one family begin with."""
    return key.rpartition(":")[0]


def newest(records: dict[str, dict[str, Any]], prefix: str) -> dict[str, dict[str, Any]]:
    """The records, the newest last, without the older ones of families that begin so.

    These go when what was noted is put into the database.
    """
    n_of: dict[str, int] = {}
    kept = []
    for key in reversed(records):
        family = family_of(key)
        n_of[family] = n_of.get(family, 0) + 1
        if n_of[family] <= SIZE or not family.startswith(prefix):
            kept.append(key)
    return {key: records[key] for key in reversed(kept)}

"""Paths as Linux writes them in its lists of mounts."""

from __future__ import annotations


def unescaped(field: str) -> str:
    r"""The path that a field stands for. The field has \040 for a space."""
    if "\\" not in field:
        return field
    for code in ("\\040", "\\011", "\\012", "\\134"):
        field = field.replace(code, chr(int(code[1:], 8)))
    return field

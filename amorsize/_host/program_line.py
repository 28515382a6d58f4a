"""Warns with the line of the program that called amorsize."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_ours(names: dict[str, Any]) -> bool:
    """Whether the code of a frame with these globals is amorsize's own."""
    name = names.get("__name__")
    return type(name) is str and (name.startswith("amorsize.") or name == "amorsize")


def warn(text: str) -> None:
    """Warn of something; where warnings are errors, log it, as results come first."""
    import warnings

    from amorsize.errors import AmorsizeWarning

    level, frame = 1, sys._getframe()
    while frame.f_back and is_ours(frame.f_globals):
        level, frame = level + 1, frame.f_back
    try:
        warnings.warn(text, AmorsizeWarning, stacklevel=level)
    except AmorsizeWarning:
        import logging

        logging.getLogger("amorsize").warning(text)

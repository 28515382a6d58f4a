"""Replaces an object of the program while items run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Replacement:
    """Base class of our replacements; `replaces` is the program's own object."""

    replaces: Any

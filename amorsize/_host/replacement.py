"""What stands in the place of an object of the program while items run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StandIn:
    """Base class of our stand-ins; `stands_for` is the program's own object."""

    stands_for: Any

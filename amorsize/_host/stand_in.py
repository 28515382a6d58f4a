"""What stands in the place of an object of the program while items run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StandIn:
    """The base of ours: whoever asks what the program has there is told of `stands_for`."""

    stands_for: Any

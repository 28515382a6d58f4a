"""Gives workers in new interpreters what surrounds the caller: folder, environment, arguments.

Forked workers that wait for the next call are used again only if it has the same.
"""

from __future__ import annotations

import sys

from amorsize._workers.carried_state import caller_state
from amorsize._workers.processes.place import enter_place, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def surroundings(state: bytes) -> dict[str, Any]:
    """The state that a worker takes over from its caller, with `state` from `caller_state`."""
    return {**place(), "numpy": "numpy" in sys.modules, "carried": state}


def enter_surroundings(found: dict[str, Any]) -> None:
    """Take over the state of the caller."""
    enter_place(found)
    caller_state.take(found["carried"])

"""Looks up what earlier processes have learned, once workers are considered."""

from __future__ import annotations

from amorsize.policy.actions import LookUpProfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.events import Status
    from amorsize.policy.state import State

#: Seconds of work left from which on the disk is read, which takes 2 ms to 11 ms.
WORTH_READING_S = 0.1


def look_up(state: State, status: Status) -> LookUpProfile | None:
    """Look it up once, as soon as the cost of an item shows how much work is left.

    A process that has learned something from short calls may still know less than the disk.
    """
    if not state.request.may_look_up or state.costs.item_s is None:
        return None
    return LookUpProfile() if state.left_s(status) >= WORTH_READING_S else None

"""Sends what the calling thread has in a `threading.local`, which cannot be pickled itself."""

from __future__ import annotations

from _thread import _local

from amorsize._workers.tasks.task_pickling import CallOnLoad
from amorsize._workers.tasks.task_unpickling import found_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def sent(stays: Mapping[str, Any], can_travel: Callable[[Any], bool]) -> dict[str, Any]:
    """What fills a worker's own ones, by place, with those values that can be pickled."""
    found = {place: one for place, one in stays.items() if isinstance(one, _local)}
    return {
        place: CallOnLoad(filled, (place, _held(one, can_travel))) for place, one in found.items()
    }


def _held(local: Any, can_travel: Callable[[Any], bool]) -> dict[str, Any]:
    return {name: value for name, value in vars(local).items() if can_travel(value)}


def filled(place: str, held: dict[str, Any]) -> Any:
    """Fill the one at a place of this worker; what items of earlier calls have left there goes."""
    found = found_at(place)
    if isinstance(found, _local):
        vars(found).clear()
        vars(found).update(held)
    return found

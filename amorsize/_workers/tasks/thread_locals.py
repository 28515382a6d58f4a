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
    found = {place: vars(one) for place, one in stays.items() if isinstance(one, _local)}
    return {
        place: CallOnLoad(filled, (place, *_parts(has, can_travel))) for place, has in found.items()
    }


def _parts(
    has: Mapping[str, Any], can_travel: Callable[[Any], bool]
) -> tuple[dict[str, Any], frozenset[str]]:
    """The attributes that can be pickled, and the names of the others."""
    held = {name: value for name, value in has.items() if can_travel(value)}
    return held, frozenset(has.keys() - held.keys())


def filled(place: str, held: dict[str, Any], others: frozenset[str]) -> Any:
    """Fill the one at a place of this worker; what items of earlier calls have left there goes.

    Of `others`, a worker keeps those of its own: what the `__init__` of a subclass gives each
    thread, as a lock or a connection.
    """
    found = found_at(place)
    if isinstance(found, _local):
        own = {name: value for name, value in vars(found).items() if name in others}
        vars(found).clear()
        vars(found).update({**own, **held})
    return found

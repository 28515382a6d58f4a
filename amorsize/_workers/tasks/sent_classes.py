"""Has a class that was sent with its code sent as a new one, once it has lost something since.

A worker keeps the classes that it was sent. When such a class arrives again, its members are set,
but what it has lost stays there, and so do its bases.
"""

from __future__ import annotations

import sys
from _weakref import ref

from amorsize._function.callables import is_made_at_run_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Each class that was sent, by its id; and those in which its members are looked up, with the
#: names that each had.
_sent: dict[int, tuple[ref[type], list[tuple[ref[type], frozenset[str]]]]] = {}


def note(cls: type) -> None:
    """Before a class is sent: forget under which number workers have it if they have more."""
    metaclass: Any = type(cls)
    asked = (*cls.__mro__, *metaclass.__mro__)
    now = [(ref(one), frozenset(vars(one))) for one in asked if is_made_at_run_time(one)]
    key = id(cls)  # some have no hash
    _, before = _sent.get(key, (None, now))
    _sent[key] = ref(cls, lambda _: _sent.pop(key, None)), now
    is_as_before = len(before) == len(now) and all(
        one() is other() and names <= more
        for (one, names), (other, more) in zip(before, now, strict=True)
    )
    if not is_as_before:
        inside: Any = sys.modules["cloudpickle.cloudpickle"]  # which is about to send it
        inside._DYNAMIC_CLASS_TRACKER_BY_CLASS.pop(cls, None)

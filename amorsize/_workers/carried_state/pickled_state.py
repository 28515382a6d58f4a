"""Pickles state for workers, with its code where that is in the program's own file."""

from __future__ import annotations

import marshal

from amorsize._function.ownership import MAIN
from amorsize._workers.messages import serialization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAMES = tuple(one.encode() for one in MAIN)


def dumped(value: Any) -> bytes:
    """Pickle a value; with its code where that is in the program's file, which workers have not."""
    data = serialization.dumps(value)
    if not any(one in data for one in _NAMES) or _is_data(value):
        return data
    import cloudpickle

    with_code: bytes = cloudpickle.dumps(value, serialization.PROTOCOL)
    return with_code


def _is_data(value: Any) -> bool:
    """Whether it is texts, numbers and tables of these alone, as Python's warning filters are."""
    try:
        marshal.dumps(value)  # takes nothing else
    except ValueError:
        return False
    return True

"""Pickles state for workers, with its code where that is in the program's own file."""

from __future__ import annotations

import marshal

from amorsize._workers.messages import class_pickling, serialization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dumped(value: Any) -> bytes:
    """Pickle a value; with its code where that is in the program's file, which workers have not."""
    data = serialization.dumps(value)
    if not names_main(data) or _is_data(value):
        return data
    return class_pickling.dumps(value, serialization.PROTOCOL)


def names_main(data: bytes) -> bool:
    """Whether a pickle refers to the program's own file, under either of its module names."""
    return b"__main__" in data or b"__mp_main__" in data


def _is_data(value: Any) -> bool:
    """Whether it is texts, numbers and tables of these alone, as Python's warning filters are."""
    try:
        marshal.dumps(value)  # takes nothing else
    except ValueError:
        return False
    return True

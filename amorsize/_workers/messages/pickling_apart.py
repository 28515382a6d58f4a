"""Pickles a value without some of the objects that it refers to."""

from __future__ import annotations

from amorsize._workers.messages.serialization import PROTOCOL, bounded, dumps, loads, pickle, tamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def dumps_without(value: Any, apart: Mapping[int, Any]) -> bytes:
    """Pickle a value; in place of the objects in `apart` it has their numbers."""
    if not apart:
        return dumps(value)
    import io

    numbers = {id(one): number for number, one in apart.items()}

    class Without(pickle().Pickler):  # type: ignore[misc]
        def persistent_id(self, one: Any) -> int | None:
            return numbers.get(id(one))

    buffer = io.BytesIO()
    bounded(lambda: Without(buffer, PROTOCOL).dump(value))
    return buffer.getvalue()


def loads_with(data: bytes, apart: Mapping[int, Any]) -> Any:
    """Unpickle what `dumps_without` has pickled, with the objects that have these numbers."""
    if not apart:
        return loads(data)
    import io

    class With(pickle().Unpickler):  # type: ignore[misc]
        def persistent_load(self, number: int) -> Any:
            return apart[number]

    return tamed(With(io.BytesIO(data)).load)

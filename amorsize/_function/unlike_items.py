"""Finds one item of each kind, as items of another kind may run other code."""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more
from itertools import islice

from amorsize._function.callables import FUNCTION, METHOD, is_partial
from amorsize._function.plain_values import PLAIN
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: The most items whose types are looked at, in about 2 ms.
MOST_ITEMS = 100_000
#: The most kinds that are examined: a list of data has fewer.
MOST_KINDS = 30


def one_of_each(sequence: Sequence[Any]) -> list[Any]:
    """An item of each kind in a list or tuple, as far as items are no plain values.

    Functions are of one kind if their code is the same, methods if their function is.
    """
    if type(sequence) not in (list, tuple):
        return []
    try:
        kinds = set(map(type, islice(sequence, MOST_ITEMS)))
    except Exception as error:  # a class whose metaclass has no hash
        reraise_from_handler(error)
        return list({id(type(item)): item for item in islice(sequence, MOST_ITEMS)}.values())
    have_code = any(kind in (FUNCTION, METHOD, partial) for kind in kinds)
    if kinds <= PLAIN or (len(kinds) == 1 and not have_code):
        return []
    found: dict[Any, Any] = {}
    for item in islice(sequence, MOST_ITEMS):
        found.setdefault(_kind_of(item), item)
    return [item for kind, item in found.items() if kind not in PLAIN]


def _kind_of(item: Any) -> Any:
    kind = type(item)
    if kind is FUNCTION:
        return item.__code__
    if kind is METHOD:
        return item.__func__, type(item.__self__)
    return (kind, _kind_of(item.func)) if is_partial(item) else kind

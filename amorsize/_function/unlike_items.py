"""Finds one item of each kind, as items of another kind may run other code."""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more
from itertools import islice

from amorsize._function.callables import FUNCTION, METHOD, is_class, is_partial, own
from amorsize._function.plain_values import PLAIN, PLAIN_IDS
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: The most items whose types are looked at, in about 2 ms.
MOST_ITEMS = 100_000
#: The most items of which it is looked what they hold, and how much of one: in about 5 ms.
MOST_LOOKED_INTO, MOST_PARTS = 10_000, 50
#: The most of these that are instances: asked for its attributes, one gets a dict, in 7 us.
_MOST_INSTANCES = 1000
_HOLDING = (list, tuple, dict)
#: The most kinds that are examined, at 0.5 to 1 ms each: the nodes of programs are of 107.
MOST_KINDS = 120


def one_of_each(sequence: Sequence[Any]) -> list[Any]:
    """An item of each kind in a list or tuple, as far as items are no plain values.

    And one with each kind of what items hold. Functions are of one kind if their code is the same,
    methods if their function is.
    """
    found = {id(item): item for item in (*_of_each_kind(sequence), *_of_each_content(sequence))}
    return list(found.values())


def are_plain(sequence: Sequence[Any]) -> bool:
    """Whether a sequence is known to hold plain values only, as far as it is looked at."""
    if type(sequence) not in (list, tuple):
        return type(sequence) in (range, str, bytes)
    try:
        return set(map(type, islice(sequence, MOST_ITEMS))) <= PLAIN
    except Exception as error:  # a class whose metaclass has no hash
        reraise_from_handler(error)
        return False


def _of_each_content(sequence: Sequence[Any]) -> list[Any]:
    """Items of which each holds something of a kind that those before it do not hold."""
    found: list[Any] = []
    met: set[Any] = set()
    looked_at = islice(sequence, MOST_LOOKED_INTO) if type(sequence) in (list, tuple) else ()
    for at, item in enumerate(looked_at):
        if at >= _MOST_INSTANCES and type(item) not in _HOLDING:
            continue
        held = parts_of(item)
        if held and not PLAIN_IDS.issuperset(map(id, map(type, held))):
            kinds = {_content_kind(one) for one in held if id(type(one)) not in PLAIN_IDS}
            if not kinds <= met:
                found.append(item)
                met |= kinds
        if len(found) > MOST_KINDS:
            break
    return found


def _content_kind(part: Any) -> int:
    """The id of a class, or of the code of a function: no code of a metaclass runs to compare."""
    func = own(part, "__func__") if type(part) is METHOD else part
    return id(func.__code__ if type(func) is FUNCTION else _class_of(part))


def _class_of(part: Any) -> Any:
    return part if is_class(part) else type(part)


def parts_of(item: Any) -> list[Any]:
    """What a list, tuple, dict or instance holds."""
    kind = type(item)
    if id(kind) in PLAIN_IDS:
        return []
    if kind is list or kind is tuple:
        return list(islice(item, MOST_PARTS))
    try:
        held = item if kind is dict else own(item, "__dict__")
    except Exception as error:  # a class with a `__dict__` of its own
        reraise_from_handler(error)
        return []
    return list(islice(held.values(), MOST_PARTS)) if type(held) is dict else []


def _of_each_kind(sequence: Sequence[Any]) -> list[Any]:
    """An item of each kind in a list or tuple, as far as items are no plain values."""
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

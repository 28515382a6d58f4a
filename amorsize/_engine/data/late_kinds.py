"""Finds items of an iterator that are of another kind than those by which it was judged."""

from __future__ import annotations

from amorsize._function.callables import FUNCTION, METHOD, is_partial, own
from amorsize._function.plain_values import PLAIN_IDS
from amorsize._function.unlike_items import MOST_KINDS, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

#: Types whose instances are of another kind if they hold something else.
_HOLDING_IDS = frozenset(map(id, (list, tuple, dict)))
WHY_TOO_MANY = f"items are of more than {MOST_KINDS} kinds"


class LateKinds:
    """The kinds of items that may be in workers, as far as items were read.

    Args:
        judged: Items of these kinds.
        why_not: Why an item of a new kind, and all after it, belong in the caller; None: it may be
            in a worker, too.
    """

    def __init__(self, judged: Iterable[Any], why_not: Callable[[Any], str | None]) -> None:
        self._why_not, self._n_met = why_not, 0
        self._known = set(PLAIN_IDS)
        self._kinds: list[Any] = []  # kept, as another could have the id of one that is gone
        for item in judged:
            self._learn(item)

    def look(self, items: Iterable[Any]) -> tuple[int, str] | None:
        """The place of the first item that belongs in the caller, and why; None: none does."""
        known = self._known
        for at, item in enumerate(items):
            kind = id(type(item))
            if kind in known and kind not in _HOLDING_IDS:
                continue
            if known.issuperset(map(id, _kinds_of(item))):
                continue
            self._learn(item)
            self._n_met += 1
            why = WHY_TOO_MANY if self._n_met > MOST_KINDS else self._why_not(item)
            if why is not None:
                return at, why
        return None

    def _learn(self, item: Any) -> None:
        kinds = _kinds_of(item)
        self._kinds += kinds
        self._known.update(map(id, kinds))


def _kinds_of(item: Any) -> list[Any]:
    """The type of an item, and of what it holds; of functions their code."""
    kind = type(item)
    if id(kind) in _HOLDING_IDS:
        return [kind, *map(type, parts_of(item))]
    while is_partial(item):
        item = item.func
    func = own(item, "__func__") if type(item) is METHOD else item
    return [func.__code__ if type(func) is FUNCTION else type(item)]

"""Puts the results of one call into the order of its items."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class OrderedResults:
    """The results that have arrived and that a stream has not passed on yet.

    Args:
        drop: Called with the index below which no item is needed any more.
    """

    def __init__(self, drop: Callable[[int], None]) -> None:
        self._drop = drop
        #: Results of consecutive items, from item `n_given` on.
        self.in_order: list[Any] = []
        #: Results that a stream has passed on, from the first item on.
        self.n_given = 0
        self.n_done = 0
        #: Results that arrived ahead of their turn, by the index of the first item.
        self._early: dict[int, list[Any]] = {}
        #: How many results were passed on ahead of their turn, by the index of the first.
        self._given_early: dict[int, int] = {}

    @property
    def n_in_order(self) -> int:
        """How many items from the start have their results."""
        return self.n_given + len(self.in_order)

    # -- coming in --------------------------------------------------------------------------

    def store(self, start: int, results: list[Any]) -> None:
        """Keep the results of items from `start` on."""
        if not results:
            return
        if start != self.n_given + len(self.in_order):
            self.n_done += len(results)
            self._early[start] = results
            return
        self.in_order += results
        self.appended(len(results))

    def appended(self, n_results: int) -> None:
        """Note that so many results were appended to `in_order`."""
        self.n_done += n_results
        self._catch_up()

    def _catch_up(self) -> None:
        """Append results that had arrived ahead of their turn."""
        early, given = self._early, self._given_early
        while early or given:
            if (results := early.pop(self.n_in_order, None)) is not None:
                self.in_order.extend(results)
            elif not self.in_order and (n_items := given.pop(self.n_given, None)) is not None:
                self.n_given += n_items
            else:
                break
        self._drop(self.n_in_order)

    def passed_by(self, n_items: int) -> None:
        """Note that the next items were run, and their results passed on elsewhere."""
        self.n_given += n_items
        self.n_done += n_items

    def forget_from(self, index: int) -> None:
        """Forget the results of all items from here on."""
        assert not self.n_given
        del self.in_order[index:]
        self._early.clear()
        self.n_done = index

    # -- going out --------------------------------------------------------------------------

    def by_index(self) -> dict[int, Any]:
        """All results, in order."""
        found = dict(enumerate(self.in_order, self.n_given))
        for start, results in self._early.items():
            found.update(enumerate(results, start))
        return dict(sorted(found.items()))

    def has_some(self, *, ordered: bool) -> bool:
        """Whether a stream has a result to hand over."""
        return bool(self.in_order) or (not ordered and bool(self._early))

    def take_in_order(self) -> list[Any]:
        """Take the results that are next in order."""
        results, self.in_order = self.in_order, []
        self.n_given += len(results)
        self._catch_up()
        return results

    def take_all(self) -> list[tuple[int, list[Any]]]:
        """Take all results that have arrived, in order or not.

        Each list has the results of consecutive items, with the index of the first.
        """
        found = [(self.n_given, self.take_in_order())] if self.in_order else []
        while self._early:
            start, results = self._early.popitem()
            found.append((start, results))
            self._given_early[start] = len(results)
        return found

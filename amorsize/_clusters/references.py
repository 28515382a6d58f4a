"""Items that stand for values which stay with an executor."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Place:
    """Marks where among the items a value belongs that came beside them."""

    def __init__(self, index: int) -> None:
        self.index = index


def taken_out(
    columns: tuple[Any, ...], types: frozenset[type]
) -> tuple[tuple[Any, ...], list[Any]]:
    """Items with a `Place` for each reference, and the references."""
    found: list[Any] = []

    def placed(item: Any) -> Any:
        if type(item) not in types:
            return item
        found.append(item)
        return Place(len(found) - 1)

    if not types or not any(has_any(column, types) for column in columns):
        return columns, found
    return tuple([placed(item) for item in column] for column in columns), found


def has_any(column: Any, types: frozenset[type]) -> bool:
    """Whether any item is of one of these types; 20 ns an item."""
    return not types.isdisjoint(map(type, column))


def put_back(columns: tuple[Any, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The items, with the values that the references stood for."""
    if not values:
        return columns
    return tuple(
        [values[item.index] if type(item) is Place else item for item in column]
        for column in columns
    )

"""Finds items that share a file, by the parts of them that its name is made of."""

from __future__ import annotations

from amorsize._function.files import own_members
from amorsize._function.files.item_paths import (
    ARGUMENT,
    EITHER,
    MADE,
    PERHAPS,
    keys_of,
    texts_at,
)
from amorsize._function.files.item_spelling import spelled
from amorsize._function.files.item_values import UnknownPartError
from amorsize._function.files.name_parts import from_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from amorsize._function.files.item_paths import Path

#: So many names are kept at least, before those of items that are done are dropped.
MOST_KEPT = 1 << 16


class FileNames:
    """The names of files that the items of one call change, as far as items were looked at.

    Args:
        named_by: For each name, the parts of the item that it is made of.
        star: Whether an item is a tuple of arguments.
    """

    def __init__(self, named_by: Iterable[tuple[Path, ...]], *, star: bool) -> None:
        own_members.forget()
        self._star = star
        self._names: list[tuple[tuple[Path, ...], dict[Any, int]]] = [
            (ways, {}) for ways in named_by if star or not any(map(_is_of_others, ways))
        ]

    def look(self, items: Sequence[Any], start: int = 0) -> tuple[int, str]:
        """The first item that shares a file with one before it, and by which parts; "": none does.

        Args:
            items: Those that follow the last ones.
            start: The index of the first of them.
        """
        found = start + len(items), ""
        for ways, names in self._names:
            index, shared = self._first(items, start, ways, names)
            if shared and index < found[0]:
                found = index, shared
        return found

    def _first(
        self, items: Sequence[Any], start: int, ways: tuple[Path, ...], names: dict[Any, int]
    ) -> tuple[int, str]:
        """The same for one name."""
        if _is_whole(ways) and type(items) is range:
            return start, ""
        if len(ways) == 1 and (texts := self._texts(items, ways[0])) is not None:
            fresh = {text: start + at % len(items) for at, text in enumerate(texts)}
            if len(fresh) == len(texts) and names.keys().isdisjoint(fresh):
                names.update(fresh)
                return start, ""
        for index, item in enumerate(items, start):
            try:
                keys = list(keys_of(item, [self._way(way) for way in ways]))
            except UnknownPartError:
                if ways[0][0][0] == PERHAPS:
                    continue
                return index, f"{_spelled(ways)}, as far as it can be told"
            for key in keys:
                if names.setdefault(key if len(key) > 1 else key[0], index) != index:
                    return index, _spelled(ways)
        return start, ""

    def _texts(self, items: Sequence[Any], way: Path) -> list[str] | None:
        """Their names, or all their first ones, all their second ones; None: they are no texts."""
        (kind, *others), *rest = way
        found = []
        for one in [(*other, *rest) for other in others] if kind == EITHER else [way]:
            texts = texts_at(items, self._way(one))
            if texts is None or (kind == EITHER and not {"", "None"}.isdisjoint(texts)):
                return None  # some name no file
            found += texts
        return found

    def _way(self, way: Path) -> Path:
        """The way from an item on."""
        return from_items(way, are_arguments=self._star)

    def drop(self, before: int) -> None:
        """Forget items that are done, as far as there are many."""
        for place, (ways, names) in enumerate(self._names):
            if len(names) > MOST_KEPT:
                left = {key: index for key, index in names.items() if index >= before}
                self._names[place] = ways, left


def _is_whole(ways: tuple[Path, ...]) -> bool:
    """Whether a name is made of whole arguments."""
    return all(len(way) == 1 and way[0][0] == ARGUMENT for way in ways)


def _is_of_others(way: Path) -> bool:
    """Whether a name is made of arguments that only tuples of arguments have."""
    kind, *rest = way[0]
    if kind in (MADE, EITHER):
        return any(map(_is_of_others, rest[kind == MADE :]))
    return kind in (ARGUMENT, PERHAPS) and bool(rest[0])


def _spelled(ways: tuple[Path, ...]) -> str:
    return ", ".join(spelled(way) for way in ways)

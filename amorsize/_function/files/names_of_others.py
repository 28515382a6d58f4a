"""Finds names by which an item reads what others write: of the item before, or all in a folder."""

from __future__ import annotations

from amorsize._function.files.item_paths import EITHER, GIVEN, MADE
from amorsize._function.files.item_values import TEXT_OF
from amorsize._function.files.name_parts import LISTED, PATH, SPELLED, is_path
from amorsize._function.files.name_sharing import shared_by
from amorsize._function.files.name_uses import NOT_PASSED
from amorsize._function.library.sql_uses import ADDS, CHANGES, LOOKS
from amorsize._function.ownership import is_own_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from amorsize._function.files.item_paths import Path
    from amorsize._function.files.name_parts import Part

    Use = tuple[str, Part]

#: The uses of a folder: its names are listed, or those of all folders below it; of a pattern.
LISTS, LISTS_ALL, MATCHES = "lists", "lists all", "matches"
#: Functions that list what there is, and methods of paths that do.
LISTING = {
    **dict.fromkeys(("os.listdir", "os.scandir"), LISTS),
    **dict.fromkeys(("os.walk", "os.fwalk"), LISTS_ALL),
    **dict.fromkeys(("glob.glob", "glob.iglob"), MATCHES),
}
LISTING_PATHS = {".glob": LISTS, ".iterdir": LISTS, ".rglob": LISTS_ALL, ".walk": LISTS_ALL}
#: What is reckoned of a number, so that one item has what another one has by itself.
_RECKONING = {"+", "-", "*", "//"}


def listings(called: Part, name: str, folder: Part) -> list[Use]:
    """The folder that a call lists, if it does."""
    if name in LISTING:
        return [(LISTING[name], folder)]
    owner = called.owner
    is_path = owner is not None and owner.kind == PATH and called.label in LISTING_PATHS
    return [(LISTING_PATHS[called.label], owner)] if is_path and owner is not None else []


def read_of_others(uses: Iterable[Use]) -> set[Path]:
    """The names of files that are read and those that are written, if the former are reckoned."""
    found: set[Path] = set()
    ways = [(use, part, part.way) for use, part in uses]
    written = [(part, way) for use, part, way in ways if use in (CHANGES, ADDS) and way]
    for use, part, way in ways:
        for other, its_way in written if use == LOOKS and way else ():
            is_reckoned = not _reckoned(way) <= _reckoned(its_way)
            if way and is_reckoned and _may_meet(start_of(part), start_of(other)):
                found |= {way, its_way}
    return found


def as_changes(uses: list[Use]) -> list[Use]:
    """The same uses; to add to what the code looks at as well, by some way, is to change it."""
    looked = {way for use, part in uses if use == LOOKS for way in _alternatives(part)}
    return [
        (CHANGES if use == ADDS and not looked.isdisjoint(_alternatives(part)) else use, part)
        for use, part in uses
    ]


def _alternatives(part: Part) -> Iterable[Path]:
    """The ways to what a part may be, each for itself."""
    if part.way is None:
        return ()
    return (part.way, *part.way[0][1:]) if part.way[0][0] == EITHER else (part.way,)


def shared_folders(uses: list[Use]) -> Iterator[str | tuple[Path, ...]]:
    """What items have in common that list a folder into which files are written."""
    starts = [start_of(part) for use, part in uses if use in (CHANGES, ADDS)]
    for use, part in uses:
        if use not in (LISTS, LISTS_ALL, MATCHES):
            continue
        folder = "." if part is NOT_PASSED else _text_of(part)
        if folder is None:
            ways = shared_by(part, is_text=False) if _is_beside(part, starts) else ""
            yield from (ways,) if type(ways) is tuple else ()
            continue
        if use == MATCHES:
            start = _plain(folder.partition("*")[0].partition("?")[0].partition("[")[0])
        else:
            start = _plain(f"{folder}/")
        is_deep = use == LISTS_ALL or "**" in folder
        if any(_is_in(start, one, is_deep=is_deep) for one in starts):
            yield LISTED[-1]


def _is_beside(folder: Part, written: list[str | None]) -> bool:
    """Whether a folder that an item names may be one where files are written."""
    start = start_of(folder) or ""
    return any(_may_meet(start, one or "") and bool(start) == bool(one) for one in written)


def start_of(part: Part) -> str | None:
    """The text with which a name begins for all items; None: that is not known."""
    if (text := _text_of(part)) is not None:
        return _plain(text)
    start = None if part.way is None else _start_of(part.way)
    if start is None and part.pieces:
        start = _text_of(part.pieces[0]) or ""
    return None if start is None else _plain(start)


def _text_of(part: Part) -> str | None:
    return None if part.tags else _spelled(part.known)


def _spelled(value: Any) -> str | None:
    """The text of a name or a path; None for others, which would have to run code for that."""
    kind = type(value)
    is_told = kind in SPELLED or (is_path(kind) and not is_own_class(kind))
    return str(value) if is_told else None


def _start_of(way: Path) -> str | None:
    """The text with which what lies at the end of a way begins."""
    kind, *rest = way[0]
    if kind == GIVEN:
        return _spelled(rest[0].value)
    if kind != MADE:
        return None
    first = _start_of(rest[1])
    if rest[0] == TEXT_OF:
        return first or ""
    is_joined = rest[0].name in ("/", "posixpath.join") and first is not None
    return f"{first}/{_start_of(rest[2]) or ''}" if is_joined else None


def _plain(path: str) -> str:
    return path.removeprefix("./")


def _may_meet(one: str | None, other: str | None) -> bool:
    """Whether two names may be the same that begin so."""
    if one is None or other is None:
        return False
    return one.startswith(other) or other.startswith(one)


def _is_in(start: str, written: str | None, *, is_deep: bool) -> bool:
    """Whether a written file may be among those whose names begin so."""
    if written is None:  # its folder is unknown: perhaps the current one
        return not start
    if not _may_meet(start, written):
        return False
    is_beside = written.startswith("/") and not start.startswith("/")  # of the current folder
    return not is_beside and (is_deep or "/" not in written[len(start) :])


def _reckoned(step: Any) -> set[Any]:
    """What is reckoned on a way."""
    if type(step) is not tuple:
        return set()
    found = {one for inner in step for one in _reckoned(inner)}
    if len(step) > 1 and step[0] == MADE and step[1].name in _RECKONING:
        found.add(step)
    return found

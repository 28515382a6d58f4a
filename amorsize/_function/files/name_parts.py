"""What the parts of a name say of the item that it is made for.

A part may be the item itself, or what many items have in common: `x % 7`, `name[:2]`.
"""

from __future__ import annotations

from amorsize._function.callables import MISSING
from amorsize._function.files.item_paths import (
    ALL,
    ARGUMENT,
    EACH,
    EITHER,
    ELEMENT,
    FORMATTED,
    GIVEN,
    MADE,
    PERHAPS,
    WITHIN,
)
from amorsize._function.files.item_spelling import spelled
from amorsize._function.files.item_values import FIRST_TRUE, TEXT_OF, Given, called
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from amorsize._function.files.item_paths import Path, Step
    from amorsize._function.files.item_values import Known

    Tag = tuple[Any, ...]

#: Tags of what differs between items: a digest of something that differs, and a unique name.
DIGEST, UNIQUE = ("digest",), ("unique",)
#: The first word of the tag of an argument, or of a part of one; the way to it follows.
OF = "of"
#: What is not followed, so that it may be the same for several items.
UNTOLD = ("", "", "a name that cannot be followed")
#: What is in a folder: its names, and what is told of how many these are.
LISTED, COUNTED = ("", "", "what a folder lists"), ("", "", "how many files a folder has")
#: What is counted up, or chosen from a few, the same for every item.
TRIED, CHOSEN = ("", "", "what is tried one after another"), ("", "", "one of a few names")
#: The tags of numbers begin with the sign of an operation, or with this one.
NUMBER = "#"
COUNTED_UP = (NUMBER, "", TRIED[2])
#: Kinds of values that matter.
TEXT, PATH, FLOAT, FILE, TREE = "text", "path", "float", "file", "tree"
#: A list, set or table that is still empty.
EMPTY = "empty"
#: What `enumerate` gives: its parts are those of one round of the loop.
NUMBERED = "numbered"
#: Letters of formats that make different texts of different values: of any values, of numbers.
_IN_FORMATS = {False: frozenset("s"), True: frozenset("0123456789d")}
#: Types of constants that a reason spells out.
SPELLED = (str, int, float)


class Part:
    """A value that may become part of a name.

    Attributes:
        tags: What it says of the item; empty for what is the same for all items.
        known: The object that it is, if that is known.
        kind: What it plainly is.
        label: How the code spells it, in short.
        owner: What a method was taken off.
        decides: Whether it is taken where it is true, and something else where it is not.
        parts: The values of a tuple.
        pieces: What a text is put together from.
        way: How it is taken off the item, if it is just a part of it.
        closure: The variables of a function that the code makes, by their names.
    """

    __slots__ = (
        *("closure", "decides", "kind", "known", "label", "owner", "parts", "pieces", "tags"),
        "way",
    )

    def __init__(
        self, tags: frozenset[Tag] = frozenset(), known: Any = MISSING, kind: str = ""
    ) -> None:
        self.tags, self.known, self.kind = tags, known, kind
        self.label = "..."
        self.owner: Part | None = None
        self.parts: tuple[Part, ...] = ()
        self.pieces: tuple[Part, ...] = ()
        self.way: Path | None = None
        self.closure: dict[str, Part] | None = None
        self.decides = False

    def replace(self, **changes: Any) -> Part:
        """The same with some attributes changed."""
        new = Part(self.tags, self.known, self.kind)
        new.label, new.owner, new.parts = self.label, self.owner, self.parts
        new.way, new.closure, new.pieces = self.way, self.closure, self.pieces
        for name, value in changes.items():
            setattr(new, name, value)
        return new

    def take_in(self, value: Part) -> None:
        """Hold another value; until the first one comes, an empty list may hold any."""
        if self.kind == EMPTY:
            self.tags, self.kind = frozenset(), ""
        self.tags |= all_of(value).tags

    def lose_parts(self) -> None:
        """Be changed, perhaps by some ways through the code alone."""
        if self.parts:
            self.tags, self.parts = self.tags | UNKNOWN.tags, ()


#: What is not followed.
UNKNOWN = Part(frozenset((UNTOLD,)))


def constant(value: Any) -> Part:
    """What is the same for all items."""
    is_plain = type(value) in SPELLED
    return Part(frozenset(), value, _kind_of(value)).replace(
        label=str(value)[:20] if is_plain else "..."
    )


def is_argument(part: Part) -> bool:
    """Whether it is an argument as the caller passes it."""
    way = part.way
    return way is not None and len(way) == 1 and way[0][0] == ARGUMENT and not part.kind


def argument(place: int, name: str) -> Part:
    """An argument that the caller passes: the item, or one of several."""
    return _at((ARGUMENT, place, name))


def from_items(way: Path, *, are_arguments: bool) -> Path:
    """A way from a function's arguments as one from an item.

    Args:
        way: The way.
        are_arguments: Whether an item is a tuple of all arguments; else it is the only one.
    """
    head, *rest = way
    if head[0] in (MADE, EITHER):
        n_before = 2 if head[0] == MADE else 1
        inner = (from_items(one, are_arguments=are_arguments) for one in head[n_before:])
        return ((*head[:n_before], *inner), *rest)
    if head[0] not in (ARGUMENT, PERHAPS):
        return way
    return ((ELEMENT, head[1]), *rest) if are_arguments else tuple(rest)


def part_of(part: Part, *step: Any) -> Part:
    """What is taken off a value by one step; of what is not just a part of the item, all of it."""
    if part.way is not None:
        return _at(*part.way, step)
    if part.kind == NUMBERED and step[0] == EACH:
        return part.replace(kind="")
    if step[0] == EACH:
        return _as_steps(EACH, ALL, part)
    is_number = bool(part.tags) and all(one[0] == NUMBER for one in part.tags)
    if step[0] == FORMATTED and _IN_FORMATS[is_number].issuperset(step[1]):
        return Part(part.tags)
    return merged(part, "", "", f"part of {part.label}")


def made(known: Known, *parts: Part, kind: str = "") -> Part | None:
    """What a known function gives; None: it is not told what it is given."""
    ways = [exact_way(one) for one in parts]
    if None in ways:
        return None
    if not any(one.way is not None for one in parts):
        return _of_constants(known, [one.known for one in parts], kind)
    return _at((MADE, known, *ways)).replace(kind=kind)


def _of_constants(known: Known, values: list[Any], kind: str) -> Part | None:
    """What a known function makes of values that are the same for all items."""
    try:
        given = constant(called(known, values))
    except Exception as error:  # the program will meet it as well
        reraise_from_handler(error)
        return None
    return given.replace(kind=given.kind or kind)


def exact_way(part: Part) -> Path | None:
    """How a value can be found for each item; None: it is not told."""
    if part.way is not None or part.tags or part.known is MISSING:
        return part.way
    return ((GIVEN, Given(value=part.known, label=part.label)),)


def _at(*way: Step) -> Part:
    return Part(frozenset(((OF, way),))).replace(way=way, label=spelled(way))


def as_steps(new: str, old: str, tags: frozenset[Tag]) -> frozenset[Tag]:
    """These tags, with another kind of step in their ways."""
    return frozenset(
        (OF, tuple((new,) if step[0] == old else step for step in one[1])) if one[0] == OF else one
        for one in tags
    )


def as_texts(tags: frozenset[Tag]) -> frozenset[Tag]:
    """The tags of numbers as those of the texts that are made of them."""
    return frozenset(("", *one[1:]) if one[0] == NUMBER else one for one in tags)


def all_of(value: Part) -> Part:
    """All the values that one of them stands for, however many there are."""
    if not value.tags:
        return Part(frozenset((TRIED,)))
    return _as_steps(ALL, EACH, value)


def _as_steps(new: str, old: str, value: Part) -> Part:
    """A value, with what it is put together from, with another kind of step in their ways."""
    pieces = tuple(_as_steps(new, old, one) if one.tags else one for one in value.pieces)
    return Part(as_steps(new, old, value.tags)).replace(pieces=pieces)


def is_of_item(tags: Iterable[Tag]) -> bool:
    """Whether a value says of the item all that a part of it is."""
    return any(one[0] == OF for one in tags)


def merged(part: Part, sign: str, by: str, text: str) -> Part:
    """What a step makes of a value that may make the same of others."""
    if not part.tags or UNIQUE in part.tags or part.tags & {LISTED, COUNTED}:
        return Part(part.tags)
    return Part(frozenset(((sign, f"{part.label} {by}", text),)))


def together(*parts: Part, kind: str = "") -> Part:
    """What is put together from all of these."""
    return Part(frozenset().union(*(one.tags for one in parts)), MISSING, kind)


def pieces_of(text: Part) -> tuple[Part, ...]:
    """What a text is put together from; of what is no text of several pieces, itself."""
    return text.pieces or (text,)


def joined(*parts: Part) -> Part:
    """A text that is put together from all of these."""
    pieces = tuple(piece for one in parts for piece in pieces_of(one))
    tagged = [one for one in pieces if one.tags]
    if not tagged and all(type(one.known) in SPELLED for one in pieces):
        return constant("".join(str(one.known) for one in pieces)).replace(pieces=pieces)
    text = together(*pieces, kind=TEXT).replace(pieces=pieces)
    if (exact := made(TEXT_OF, *pieces)) is None:
        return text
    leads_back = any(type(one.known) is str and ".." in one.known for one in pieces)
    if len(tagged) > 1 or leads_back:
        return text.replace(way=exact.way, tags=exact.tags)
    (only,) = tagged
    place = next(at for at, one in enumerate(pieces) if one is only)
    is_behind = any(type(one.known) is not str or one.known for one in pieces[:place])
    tags = {(OF, (*only.way, (WITHIN,)))} if is_behind and only.way else only.tags
    return text.replace(way=exact.way, tags=frozenset(tags))


def in_folder(folder: Part, name: Part, kind: str = PATH) -> Part:
    """A path that is put together from the two."""
    pieces = (*pieces_of(folder), constant("/"), *pieces_of(name))
    return together(folder, name, kind=kind).replace(pieces=pieces)


def one_of(one: Part, other: Part) -> Part:
    """What is one of two."""
    if is_same(one, other):
        return one
    kind = one.kind if one.kind == other.kind else ""
    both = together(one, other, kind=kind).replace(label=one.label)
    if not both.tags:
        if one.known is MISSING or other.known is MISSING or one.known is other.known:
            return both
        are_names = type(one.known) is str and type(other.known) is str
        either = _at((EITHER, exact_way(one), exact_way(other)))
        return either.replace(tags=frozenset((CHOSEN,)), kind=TEXT) if are_names else both
    for nothing, held in ((one, other), (other, one)):
        if nothing.known is None and not nothing.tags:
            return held.replace(decides=False)  # as long as a name is not set, there is no file
    if other.decides and (exact := made(FIRST_TRUE, other, one)) is not None:
        return exact.replace(kind=kind, label=one.label)
    ways = exact_way(one), exact_way(other)
    if None not in ways:
        return _at((EITHER, *ways)).replace(kind=kind, label=one.label)
    if one.tags == other.tags or UNIQUE in one.tags & other.tags:
        return both
    tags = {tag for tag in both.tags if tag[0] not in (OF, *UNIQUE, *DIGEST)}
    return both.replace(tags=frozenset(tags or {CHOSEN}))


def is_same(one: Part, other: Part) -> bool:
    """Whether two values say the same; objects of the program are not asked if they are equal."""
    if one is other:
        return True
    are_plain = type(one.known) is type(other.known) and type(one.known) in SPELLED
    is_known = one.known == other.known if are_plain else one.known is other.known
    is_known = is_known and one.way == other.way
    return is_known and one.tags == other.tags and one.kind == other.kind and not other.parts


def _kind_of(value: Any) -> str:
    if issubclass(type(value), str):
        return TEXT
    if type(value) is float:
        return FLOAT
    return PATH if is_path(type(value)) else ""


def is_path(kind: type) -> bool:
    """Whether it is a class of `pathlib`, found without importing that."""
    bases = (one for one in kind.__mro__ if one.__name__ == "PurePath")
    return any(one.__module__.partition(".")[0] == "pathlib" for one in bases)

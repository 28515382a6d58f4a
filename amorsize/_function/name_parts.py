"""What the parts of a name say of the item that it is made for.

A part may be the item itself, or what many items have in common: `x % 7`, `name[:2]`.
"""

from __future__ import annotations

from amorsize._function.bytecode import DIVIDES, FIRST_IN_PLACE
from amorsize._function.callables import MISSING
from amorsize._function.item_paths import (
    ALL,
    ARGUMENT,
    CUT,
    EACH,
    ELEMENT,
    METHOD,
    SPLITTING,
    spelled,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from amorsize._function.item_paths import Path, Step

    Tag = tuple[Any, ...]

#: What keeps items apart: the item, a digest of it, and what nothing else has.
ITEM, DIGEST, UNIQUE = ("item",), ("digest",), ("unique",)
#: The first word of the tag of an argument of the item's, or of a part of one; the way follows.
_OF = "of"
#: What is in a folder: its names, and what is told of how many these are.
LISTED, COUNTED = ("", "", "what a folder lists"), ("", "", "how many files a folder has")
#: What is counted up, or chosen from a few, the same for every item.
TRIED, CHOSEN = ("", "", "what is tried one after another"), ("", "", "one of a few names")
#: Kinds of values that matter.
TEXT, PATH, FLOAT = "text", "path", "float"
#: A list, set or table into which nothing has been put by now.
EMPTY = "empty"
#: So many letters of a digest are taken for all of it.
ENOUGH_LETTERS = 8
#: What stands for a value in a template.
_IN_PERCENT, IN_BRACES = r"%[-+ #0-9.]*[a-z]", r"\{(?:![rs])?(?::[^{}]*)?\}"
#: Types of constants that a reason spells out.
_SPELLED = (str, int, float)
#: The numbers of `+` and `%`.
_ADDS, _REMAINS = 0, 6
#: Binary operations by the number that is their argument, as far as they bring items together.
_MERGING = {1: "&", 2: "//", _REMAINS: "%", 9: ">>"}


class Part:
    """A value that may become part of a name.

    Attributes:
        tags: What it says of the item; empty for what is the same for all items.
        known: The object that it is, if that is known.
        kind: What it plainly is.
        label: How the code spells it, in short.
        owner: What a method was taken off.
        parts: The values of a tuple.
        pieces: What a text is put together from.
        way: How it is taken off the item, if it is just a part of it.
        closure: The variables of a function that the code makes, by their names.
    """

    __slots__ = ("closure", "kind", "known", "label", "owner", "parts", "pieces", "tags", "way")

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
        self.tags |= _as(ALL, EACH, value.tags)


OF_ITEM = Part(frozenset((ITEM,)))


def constant(value: Any) -> Part:
    """What is the same for all items."""
    is_plain = type(value) in _SPELLED
    return Part(frozenset(), value, _kind_of(value)).replace(
        label=str(value)[:20] if is_plain else "..."
    )


def is_argument(part: Part) -> bool:
    """Whether it is an argument as the caller passes it."""
    return part.way is not None and len(part.way) == 1 and not part.kind


def argument(place: int, name: str) -> Part:
    """An argument that the caller passes: the item, or one of several."""
    return _at((ARGUMENT, place, name))


def part_of(part: Part, *step: Any) -> Part:
    """What is taken off a value by one step; of what is not just a part of the item, all of it."""
    if part.way is None:
        return Part(_as(EACH, ALL, part.tags) if step[0] == EACH else part.tags)
    return _at(*part.way, step)


def _at(*way: Step) -> Part:
    return Part(frozenset(((_OF, way),))).replace(way=way, label=spelled(way))


def _as(new: str, old: str, tags: frozenset[Tag]) -> frozenset[Tag]:
    """These tags, with another kind of step in their ways."""
    return frozenset(
        (_OF, tuple((new,) if step[0] == old else step for step in one[1]))
        if one[0] == _OF
        else one
        for one in tags
    )


def is_of_item(tags: Iterable[Tag]) -> bool:
    """Whether a value says of the item all that it is, or all that a part of it is."""
    return any(one[0] in (ITEM[0], _OF) for one in tags)


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
    return together(*parts, kind=TEXT).replace(pieces=pieces)


def one_of(one: Part, other: Part) -> Part:
    """What is one of two."""
    if is_same(one, other):
        return one
    both = together(one, other, kind=one.kind if one.kind == other.kind else "")
    if both.tags or one.known is MISSING or other.known is MISSING or one.known is other.known:
        return both.replace(label=one.label)
    are_names = type(one.known) is str and type(other.known) is str
    return both.replace(tags=frozenset((CHOSEN,))) if are_names else both


def is_same(one: Part, other: Part) -> bool:
    """Whether two values say the same; objects of the program are not asked if they are equal."""
    if one is other:
        return True
    are_plain = type(one.known) is type(other.known) and type(one.known) in _SPELLED
    is_known = one.known == other.known if are_plain else one.known is other.known
    is_known = is_known and one.way == other.way
    return is_known and one.tags == other.tags and one.kind == other.kind and not other.parts


def operated(left: Part, right: Part, number: int) -> Part:
    """What a binary operation gives."""
    in_place = number >= FIRST_IN_PLACE
    number -= FIRST_IN_PLACE * in_place
    sign = _MERGING.get(number)
    if sign and left.tags and left.kind != TEXT:
        return merged(left, sign, right.label, f"{left.label} {sign} {right.label}")
    if in_place and not left.tags and not right.tags and type(right.known) is int:
        return Part(frozenset((TRIED,)))
    if number == DIVIDES:
        is_path = not {PATH, TEXT}.isdisjoint((left.kind, right.kind))
        return together(left, right, kind=PATH if is_path else FLOAT)
    if number == _ADDS and TEXT in (left.kind, right.kind):
        return joined(left, right)
    is_text = TEXT in (left.kind, right.kind) and number == _REMAINS
    if is_text and type(left.known) is str:
        return formatted(left.known, right.parts or (right,), _IN_PERCENT)
    is_float = FLOAT in (left.kind, right.kind)
    return together(left, right, kind=TEXT if is_text else FLOAT if is_float else "")


def formatted(template: str, values: Sequence[Part], field: str) -> Part:
    """What formatting puts together, with what stands for a value in the template."""
    import re

    texts = re.split(field, template)
    if len(texts) != len(values) + 1:
        return together(*values, kind=TEXT)
    between = [(one, constant(text)) for one, text in zip(values, texts[1:], strict=True)]
    return joined(constant(texts[0]), *(part for pair in between for part in pair))


def divided(left: Part, right: Part) -> Part:
    """What `divmod` gives."""
    return Part().replace(parts=(operated(left, right, 2), operated(left, right, 6)))


def looked_up(table: Part, key: Part) -> Part:
    """What a table has for a key, or a text at a number."""
    if table.parts and type(key.known) is int and key.known in range(len(table.parts)):
        return table.parts[key.known]
    if type(table.known) is dict and type(key.known) in _SPELLED and key.known in table.known:
        return constant(table.known[key.known])
    if table.way is not None and type(key.known) in _SPELLED:
        return part_of(table, ELEMENT, key.known)
    if type(key.known) is int and table.kind == TEXT and is_of_item(table.tags):
        return merged(table, "", "", f"{table.label}[{key.label}]")
    if table.tags or not key.tags:
        return together(table, key) if table.tags else OF_ITEM if _is_open(table) else Part()
    text = f"{table.label}[{key.label}]"
    return merged(key, "", "", text) if is_of_item(key.tags) and _has_twice(table.known) else key


def sliced(part: Part, start: Any, stop: Any) -> Part:
    """What a slice with these bounds takes; MISSING: a bound is not known."""
    is_head = type(stop) is int and stop >= 0
    is_tail = type(start) is int and start < 0 and stop is None
    if not is_head and not is_tail:
        if part.way is not None and start is not MISSING and stop is not MISSING:
            return part_of(part, CUT, start, stop)
        return part.replace(parts=(), pieces=(), known=MISSING, way=None)
    n_letters = stop if is_head else -start
    if DIGEST in part.tags and n_letters >= ENOUGH_LETTERS:
        return part
    text = f"[{'' if start is None else start}:{'' if stop is None else stop}]"
    return merged(part, "", "", f"{part.label}{text}")


def shared_by(part: Part, *, is_text: bool) -> str | tuple[Path, ...]:
    """What several items have in common that have this name; "" if items are kept apart.

    Ways, if they are apart as far as what lies there differs.
    """
    tags = part.tags
    if COUNTED in tags:
        return COUNTED[2]
    ways = sorted((one[1] for one in tags if one[0] == _OF), key=repr)
    if not tags or tags & {ITEM, UNIQUE} or (DIGEST in tags and not ways):
        return ""
    steps = [one for one in tags if len(one) > 2]
    if ways and not (is_text and all(map(_is_letter, ways))):
        return tuple(ways)
    if _are_all_digits(steps):
        return ""
    return min((one[2] for one in steps), default="one letter of the item")


def _is_letter(way: Path) -> bool:
    *before, last = way[1:] or ((),)
    is_text = all(one[0] == METHOD and one[1] not in SPLITTING for one in before)
    return is_text and last[:1] == (ELEMENT,) and type(last[1]) is int


def _are_all_digits(steps: list[Tag]) -> bool:
    """Whether the quotient by a number is there, with the remainder."""
    by = {sign: {one[1] for one in steps if one[0] == sign} for sign in ("%", "//", ">>", "&")}
    if by["%"] & by["//"]:
        return True
    return any(_low_bits(one) in by["&"] for one in by[">>"])


def _low_bits(shifted: str) -> str:
    label, _, number = shifted.rpartition(" ")
    return f"{label} {(1 << int(number)) - 1}" if number.isdigit() and len(number) < 3 else ""


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


def _is_open(table: Part) -> bool:
    return type(table.known) not in (str, tuple, list, dict)


def _has_twice(table: Any) -> bool:
    """Whether a table has the same value under several keys."""
    values = list(table.values()) if type(table) is dict else table
    if type(values) not in (list, tuple) or any(type(one) not in _SPELLED for one in values):
        return type(table) is str
    return len(set(values)) < len(values)

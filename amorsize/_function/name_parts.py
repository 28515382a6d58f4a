"""What the parts of a name say of the item that it is made for.

A part may be the item itself, or what many items have in common: `x % 7`, `name[:2]`.
"""

from __future__ import annotations

from amorsize._function.bytecode import DIVIDES, FIRST_IN_PLACE
from amorsize._function.callables import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Tag = tuple[str, ...]

#: What keeps items apart: the item, a digest of it, and what nothing else has.
ITEM, DIGEST, UNIQUE = ("item",), ("digest",), ("unique",)
#: The element of the item at a constant number: a field of a row, or a letter of a text.
FIELD = ("field",)
#: What is in a folder: its names, and what is told of how many these are.
LISTED, COUNTED = ("", "", "what a folder lists"), ("", "", "how many files a folder has")
#: What is counted up, or chosen from a few, the same for every item.
TRIED, CHOSEN = ("", "", "what is tried one after another"), ("", "", "one of a few names")
#: Kinds of values that matter.
TEXT, PATH, FLOAT = "text", "path", "float"
#: So many letters of a digest are taken for all of it.
ENOUGH_LETTERS = 8
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
    """

    __slots__ = ("kind", "known", "label", "owner", "parts", "tags")

    def __init__(
        self, tags: frozenset[Tag] = frozenset(), known: Any = MISSING, kind: str = ""
    ) -> None:
        self.tags, self.known, self.kind = tags, known, kind
        self.label = "..."
        self.owner: Part | None = None
        self.parts: tuple[Part, ...] = ()

    def replace(self, **changes: Any) -> Part:
        """The same with some attributes changed."""
        new = Part(self.tags, self.known, self.kind)
        new.label, new.owner, new.parts = self.label, self.owner, self.parts
        for name, value in changes.items():
            setattr(new, name, value)
        return new


OF_ITEM = Part(frozenset((ITEM,)))


def constant(value: Any) -> Part:
    """What is the same for all items."""
    is_plain = type(value) in _SPELLED
    return Part(frozenset(), value, _kind_of(value)).replace(
        label=str(value)[:20] if is_plain else "..."
    )


def is_argument(part: Part) -> bool:
    """Whether it is an argument as the caller passes it."""
    return part.tags == OF_ITEM.tags and not part.kind and part.label.isidentifier()


def merged(part: Part, sign: str, by: str, text: str) -> Part:
    """What a step makes of a value that may make the same of others."""
    if not part.tags or UNIQUE in part.tags or part.tags & {LISTED, COUNTED}:
        return Part(part.tags)
    return Part(frozenset(((sign, f"{part.label} {by}", text),)))


def together(*parts: Part, kind: str = "") -> Part:
    """What is put together from all of these."""
    return Part(frozenset().union(*(one.tags for one in parts)), MISSING, kind)


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
        is_path = PATH in (left.kind, right.kind)
        return together(left, right, kind=PATH if is_path else FLOAT)
    is_text = TEXT in (left.kind, right.kind) and number in (_ADDS, _REMAINS)
    is_float = FLOAT in (left.kind, right.kind)
    return together(left, right, kind=TEXT if is_text else FLOAT if is_float else "")


def divided(left: Part, right: Part) -> Part:
    """What `divmod` gives."""
    return Part().replace(parts=(operated(left, right, 2), operated(left, right, 6)))


def looked_up(table: Part, key: Part) -> Part:
    """What a table has for a key, or a text at a number."""
    if table.parts and type(key.known) is int and key.known in range(len(table.parts)):
        return table.parts[key.known]
    if type(table.known) is dict and type(key.known) in _SPELLED and key.known in table.known:
        return constant(table.known[key.known])
    if table.tags and type(key.known) is int and ITEM in table.tags:
        if table.kind == TEXT:
            return merged(table, "", "", f"{table.label}[{key.label}]")
        return table.replace(tags=table.tags - {ITEM} | {FIELD}) if table.label[0] != "." else table
    if table.tags or not key.tags:
        return together(table, key) if table.tags else OF_ITEM if _is_open(table) else Part()
    text = f"{table.label}[{key.label}]"
    return merged(key, "", "", text) if ITEM in key.tags and _has_twice(table.known) else key


def sliced(part: Part, start: Any, stop: Any) -> Part:
    """What a slice with these bounds takes; MISSING: a bound is not known."""
    is_head = type(stop) is int and stop >= 0
    is_tail = type(start) is int and start < 0 and stop is None
    if not is_head and not is_tail:
        return part.replace(parts=(), known=MISSING)
    n_letters = stop if is_head else -start
    if DIGEST in part.tags and n_letters >= ENOUGH_LETTERS:
        return part
    text = f"[{'' if start is None else start}:{'' if stop is None else stop}]"
    return merged(part, "", "", f"{part.label}{text}")


def shared_by(part: Part, *, is_text: bool) -> str:
    """What several items have in common that have this name; "" if items are kept apart."""
    tags = part.tags
    if COUNTED in tags:
        return COUNTED[2]
    apart = {ITEM, DIGEST, UNIQUE} | (set() if is_text else {FIELD})
    if not tags or tags & apart or _are_all_digits([one for one in tags if len(one) > 2]):
        return ""
    return min(one[2] if len(one) > 2 else "one letter of the item" for one in tags)


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

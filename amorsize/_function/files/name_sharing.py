"""Tells what items have in common that may have a file of the same name."""

from __future__ import annotations

from amorsize._function.files.beside_unknown import told_apart_by
from amorsize._function.files.item_paths import ALL, AS_NAME, ELEMENT, METHOD, SPLITTING, WITHIN
from amorsize._function.files.name_parts import COUNTED, DIGEST, OF, PATH, TEXT, UNIQUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._function.files.item_paths import Path
    from amorsize._function.files.name_parts import Part, Tag

_NOT_TOLD = "several parts of the item that are put together in ways that are not followed"


def shared_by(part: Part, *, is_text: bool) -> str | tuple[Path, ...]:
    """What several items have in common that have this name; "" if items are kept apart.

    Ways, if they are apart as far as what lies there differs.
    """
    tags = part.tags
    if COUNTED in tags:
        return COUNTED[2]
    ways = sorted((one[1] for one in tags if one[0] == OF), key=repr)
    if part.way is not None and ways == [part.way] and part.kind not in (TEXT, PATH):
        ways = [(*part.way, (AS_NAME,))]
    if not tags or UNIQUE in tags or (DIGEST in tags and not ways):
        return ""
    if part.way is None and (len(ways) > 1 or any(step[0] == ALL for way in ways for step in way)):
        return _NOT_TOLD
    steps = [one for one in tags if len(one) > 2]
    if part.way is None and ways and steps:
        return told_apart_by(part.pieces, ways) or _NOT_TOLD
    if ways and not (is_text and all(map(_is_letter, ways))):
        return tuple(ways)
    if _are_all_digits(steps):
        return ""
    return min((one[2] for one in steps), default="one letter of the item")


def _is_letter(way: Path) -> bool:
    steps = [one for one in way[1:] if one[0] not in (AS_NAME, WITHIN)]
    is_text = all(one[0] == METHOD and one[1] not in SPLITTING for one in steps[:-1])
    return is_text and steps[-1:] != [] and steps[-1][0] == ELEMENT and type(steps[-1][1]) is int


def _are_all_digits(steps: list[Tag]) -> bool:
    """Whether the quotient by a number is there, with the remainder."""
    by = {sign: {one[1] for one in steps if one[0] == sign} for sign in ("%", "//", ">>", "&")}
    if by["%"] & by["//"]:
        return True
    return any(_low_bits(one) in by["&"] for one in by[">>"])


def _low_bits(shifted: str) -> str:
    label, _, number = shifted.rpartition(" ")
    return f"{label} {(1 << int(number)) - 1}" if number.isdigit() and len(number) < 3 else ""

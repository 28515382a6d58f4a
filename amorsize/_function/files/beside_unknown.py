"""Finds what keeps names apart of which a piece is unknown: `f"{folder}/{row['id']}.txt"`.

The unknown piece may be another one for each item: `row["id"] + rest()` is "ab" by "a" and "b" as
well as by "ab" and "". Where a fixed text lies between, equal names have the same on its other
side, up to where that text comes again.
"""

from __future__ import annotations

from itertools import takewhile

from amorsize._function.callables import MISSING
from amorsize._function.files.item_values import TEXT_OF, Known, UnknownPartError
from amorsize._function.files.name_keys import normal_name
from amorsize._function.files.name_parts import constant, is_of_item, made

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize._function.files.item_paths import Path
    from amorsize._function.files.name_parts import Part

#: Stands for what is not fixed.
_MARK = "\0"
#: What leads to another folder, or to none.
_ELSEWHERE = {"", ".", ".."}
_DIGITS = "0123456789"


def told_apart_by(pieces: Sequence[Part], ways: Sequence[Path]) -> tuple[Path, ...]:
    """The ways to what keeps names of these pieces apart; none if nothing is known to."""
    head = list(takewhile(_is_known, pieces))
    tail = list(takewhile(_is_known, reversed(pieces)))[::-1]
    for side, cut in ((tail, _LAST), (head, _FIRST)):
        fixed = "".join(_MARK if one.tags else _text(one) for one in side)
        sign = fixed.split(_MARK)[0 if side is tail else -1]
        if not sign or sign == fixed:
            continue
        text = made(TEXT_OF, *side)
        is_told = bool(sign.strip(_DIGITS)) and all(map(_is_known_or_number, pieces))
        if text is None or is_told:
            return tuple(ways)  # what cannot be looked at is taken not to hold the fixed text
        kept = made(cut, text, constant(sign), constant(fixed.count(sign)))
        return () if kept is None or kept.way is None else (kept.way,)
    return ()


def _text(piece: Part) -> str:
    return "" if piece.known is MISSING else str(piece.known)


def _is_known(piece: Part) -> bool:
    return not piece.tags or is_of_item(piece.tags)


def _is_known_or_number(piece: Part) -> bool:
    return _is_known(piece) or all(one[0] for one in piece.tags)


def _last(text: str, sign: str, n_signs: int) -> str:
    """What lies behind the first of the last signs."""
    return _cut(normal_name(text).rsplit(sign, n_signs), sign, slice(1, None), n_signs)


def _first(text: str, sign: str, n_signs: int) -> str:
    """What lies before the last of the first signs."""
    return _cut(normal_name(text + _MARK).split(sign, n_signs), sign, slice(-1), n_signs)


def _cut(found: list[str], sign: str, kept: slice, n_signs: int) -> str:
    if len(found) <= n_signs or ("/" in sign and not _ELSEWHERE.isdisjoint(found[kept])):
        raise UnknownPartError
    return sign.join(found[kept])


_LAST = Known(name="last", call=_last)
_FIRST = Known(name="first", call=_first)

"""Finds what keeps names apart of which a piece is unknown: `f"{folder}/{row['id']}.txt"`.

The unknown piece may be another one for each item: `row["id"] + rest()` is "ab" by "a" and "b" as
well as by "ab" and "". Where a fixed text lies between, equal names have the same on its other
side, up to where that text comes again.
"""

from __future__ import annotations

from itertools import takewhile

from amorsize._function.files.item_values import TEXT_OF, Known, UnknownPartError
from amorsize._function.files.name_keys import normal_name
from amorsize._function.files.name_parts import DIGEST, OF, SPELLED, constant, made

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize._function.files.item_paths import Path
    from amorsize._function.files.name_parts import Part

#: Stands for what is not fixed.
_MARK = "\0"
#: What leads to another folder, or to none.
_ELSEWHERE = {"", ".", ".."}


def told_apart_by(pieces: Sequence[Part], ways: Sequence[Path]) -> tuple[Path, ...]:
    """The ways to what keeps names of these pieces apart; none if nothing is known to."""
    pieces = _without_numbers(pieces)
    if pieces and all(map(_is_known, pieces)):
        return tuple(ways)
    head = list(takewhile(_is_known, pieces))
    tail = list(takewhile(_is_known, reversed(pieces)))[::-1]
    for side, cut in ((tail, _LAST), (head, _FIRST)):
        fixed = "".join(_MARK if one.tags else _text(one) for one in side)
        sign = fixed.split(_MARK)[0 if side is tail else -1]
        if not sign or sign == fixed:
            continue
        text = made(TEXT_OF, *side)
        if text is None:
            return tuple(ways)  # what cannot be looked at is taken not to hold the fixed text
        kept = made(cut, text, constant(sign), constant(fixed.count(sign)))
        return () if kept is None or kept.way is None else (kept.way,)
    return ()


def _text(piece: Part) -> str:
    return str(piece.known) if type(piece.known) in SPELLED else ""


def _is_known(piece: Part) -> bool:
    return not piece.tags or all(one == DIGEST or one[0] == OF for one in piece.tags)


def _without_numbers(pieces: Sequence[Part]) -> list[Part]:
    """The pieces without numbers at both ends, beside which no digit is, and what is further out.

    Equal names have the same of these.
    """
    line = [one for one in pieces if one.tags or type(one.known) is not str or one.known]
    for facing in (0, -1):
        while (number := next((one for one in line if one.tags), None)) is not None:
            rest = line[line.index(number) + 1 :]
            if not _is_number(number) or not rest or rest[0].tags or not _ends_it(rest[0], facing):
                break
            line = rest
        line.reverse()
    return line


def _is_number(piece: Part) -> bool:
    return not _is_known(piece) and all(one[0] for one in piece.tags)


def _ends_it(fixed: Part, facing: int) -> bool:
    """Whether the letter of a fixed text that faces a number is no digit."""
    text = _text(fixed)
    return bool(text) and not text[facing].isdigit()


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

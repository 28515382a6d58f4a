"""Computes with the parts of names: `x % 7`, `name[:2]`, `TABLE[x]`."""

from __future__ import annotations

from amorsize._function.bytecode import DIVIDES, FIRST_IN_PLACE
from amorsize._function.callables import MISSING
from amorsize._function.files.item_paths import CUT, ELEMENT, FORMATTED
from amorsize._function.files.item_spelling import spelled_bounds
from amorsize._function.files.item_values import FILLED, LOOKED_UP, OPERATORS, PERCENT
from amorsize._function.files.name_keys import normal_name
from amorsize._function.files.name_parts import (
    COUNTED_UP,
    DIGEST,
    FLOAT,
    PATH,
    SPELLED,
    TEXT,
    UNKNOWN,
    Part,
    as_texts,
    constant,
    in_folder,
    is_of_item,
    joined,
    made,
    merged,
    part_of,
    together,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize._function.files.item_values import Known

#: So many letters of a digest are taken for all of it.
ENOUGH_LETTERS = 8
#: What stands for a value in a template; of these, those that stand for its text as it is.
_IN_PERCENT, IN_BRACES = r"%[-+ #0-9.]*[a-zA-Z]", r"\{(?:![rs])?(?::[^{}]*)?\}"
_PLAIN_FIELDS = {"%s", "{}", "{!s}"}
#: The numbers of `+` and `%`.
_ADDS, _REMAINS = 0, 6
#: Binary operations by the number that is their argument, as far as they bring items together.
_MERGING = {1: "&", 2: "//", _REMAINS: "%", 9: ">>"}
#: How a reason writes the others.
_SIGNS = {0: "+", 3: "<<", 4: "@", 5: "*", 7: "|", 8: "**", 10: "-", 11: "/", 12: "^", **_MERGING}
#: Operations with a number that keep values apart, and those that do unless it is 0.
_SHIFTING, _STRETCHING = {0, 10}, {5, 11}


def operated(left: Part, right: Part, number: int) -> Part:
    """What a binary operation gives."""
    in_place = number >= FIRST_IN_PLACE
    number -= FIRST_IN_PLACE * in_place
    sign = _MERGING.get(number)
    if sign and left.tags and left.kind != TEXT:
        return merged(left, sign, right.label, f"{left.label} {sign} {right.label}")
    if in_place and not left.tags and not right.tags and type(right.known) is int:
        return Part(frozenset((COUNTED_UP,)))
    kinds = left.kind, right.kind
    if number == DIVIDES and not {PATH, TEXT}.isdisjoint(kinds):
        return made(OPERATORS[number], left, right, kind=PATH) or in_folder(left, right)
    if number == _ADDS and TEXT in kinds:
        return joined(left, right)
    if number == _REMAINS and TEXT in kinds and type(left.known) is str:
        return formatted(left, right.parts or (right,), _IN_PERCENT)
    is_float = FLOAT in kinds or number == DIVIDES
    kind = TEXT if number == _REMAINS and TEXT in kinds else FLOAT if is_float else ""
    is_known = number in OPERATORS and not _keeps_apart(left, right, number)
    exact = made(OPERATORS[number], left, right, kind=kind) if is_known else None
    if exact is not None:
        return exact
    both = together(left, right, kind=kind)
    if number == DIVIDES and is_of_item(right.tags) and not is_of_item(left.tags):
        return in_folder(left, right, kind)  # the folder may be unknown
    if both.tags and _keeps_apart(left, right, number):
        exact = made(OPERATORS[number], left, right)
        return both if exact is None else both.replace(way=exact.way)
    if not both.tags:
        return both
    both.label = left.label
    return merged(both, "", "", f"{left.label} {_SIGNS[number]} {right.label}").replace(kind=kind)


def _keeps_apart(left: Part, right: Part, number: int) -> bool:
    """Whether what is computed with a number differs if the values do."""
    known = left.known if right.tags else right.known
    if type(known) not in (int, float) or (left.tags and right.tags):
        return False
    return number in _SHIFTING or (number in _STRETCHING and bool(known))


def formatted(template: Part, values: Sequence[Part], field: str) -> Part:
    """What formatting puts together, with what stands for a value in the template."""
    import re

    texts = re.split(field, template.known)
    fields = re.findall(field, template.known)
    if len(texts) != len(values) + 1:
        return merged(together(*values), "", "", template.label).replace(kind=TEXT)
    known = PERCENT if field == _IN_PERCENT else FILLED
    filled = [_filled(known, *one) for one in zip(fields, values, strict=True)]
    between = [(one, constant(text)) for one, text in zip(filled, texts[1:], strict=True)]
    return joined(constant(texts[0]), *(part for pair in between for part in pair))


def _filled(known: Known, field: str, value: Part) -> Part:
    """What stands where a template has a field for a value: `%03d` makes "001" of 1.5 as well."""
    if field in _PLAIN_FIELDS:
        return value
    exact = made(known, constant(field), value, kind=TEXT)
    return exact or part_of(value.replace(way=None), FORMATTED, field.strip("%{:}"))


def divided(left: Part, right: Part) -> Part:
    """What `divmod` gives."""
    return Part().replace(parts=(operated(left, right, 2), operated(left, right, 6)))


def looked_up(table: Part, key: Part) -> Part:
    """What a table has for a key, or a text at a number."""
    if table.parts and type(key.known) is int and key.known in range(len(table.parts)):
        return table.parts[key.known]
    if type(table.known) is dict and type(key.known) in SPELLED and key.known in table.known:
        return constant(table.known[key.known])
    if table.way is not None and type(key.known) in SPELLED:
        is_letter = table.kind == TEXT and type(key.known) is int
        if not is_letter:
            return part_of(table, ELEMENT, key.known)
    text = f"{table.label}[{key.label}]"
    if not table.tags and not key.tags:
        return UNKNOWN if _is_open(table) else Part()
    if not table.tags and not _is_open(table):
        are_spelled = _are_spelled(table.known)
        if are_spelled and _has_twice(table.known):
            return merged(key, "", "", text)
        if (exact := made(LOOKED_UP, table, key)) is not None:
            return exact
        return Part(as_texts(key.tags)) if are_spelled else merged(key, "", "", text)
    return merged(together(table, key), "", "", text)


def sliced(part: Part, bounds: slice) -> Part:
    """What a slice takes; of its bounds, MISSING is one that is not known."""
    start, stop, step = bounds.start, bounds.stop, bounds.step
    is_known = MISSING not in (start, stop, step)
    if part.way is not None and is_known:
        return part_of(part, CUT, start, stop, step)
    if type(part.known) is str and is_known:
        return constant(part.known[bounds])
    is_tail = type(start) is int and stop is None
    n_letters = stop if start in (None, 0) else -start if is_tail else 0
    is_enough = type(n_letters) is int and n_letters >= ENOUGH_LETTERS and step is None
    if is_enough and DIGEST in part.tags:
        return part.replace(way=None, pieces=(), known=MISSING)
    return merged(part, "", "", f"{part.label}[{spelled_bounds(start, stop, step)}]")


def _is_open(table: Part) -> bool:
    return type(table.known) not in (str, tuple, list, dict)


def _has_twice(table: Any) -> bool:
    """Whether a table has the same value under several keys."""
    values = _values_of(table)
    return type(table) is str or len({normal_name(str(one)) for one in values}) < len(values)


def _are_spelled(table: Any) -> bool:
    return all(type(one) in SPELLED for one in _values_of(table))


def _values_of(table: Any) -> Any:
    return list(table.values()) if type(table) is dict else table

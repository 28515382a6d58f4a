"""Operations that take many parts of names at once: `match`, `format(**row)`, `yield`."""

from __future__ import annotations

from amorsize._function.bound_arguments import all_arguments, rest_arguments
from amorsize._function.callables import FUNCTION, MISSING, defaults
from amorsize._function.files.item_paths import ASKED, ATTRIBUTE, ELEMENT, FORMATTED
from amorsize._function.files.name_frame import NULL, UNPACKED
from amorsize._function.files.name_parts import (
    EMPTY,
    SPELLED,
    TEXT,
    UNKNOWN,
    Part,
    constant,
    joined,
    one_of,
    part_of,
    together,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._function.files.name_frame import NameFrame


def _match_keys(frame: NameFrame, _arg: int) -> None:
    subject, keys = frame.taken(2)
    found = keys.known if type(keys.known) is tuple else ()
    parts = tuple(part_of(subject, ELEMENT, key) for key in found)
    frame.stack += [subject, keys, together(subject).replace(parts=parts)]


def _match_class(frame: NameFrame, n_by_place: int) -> None:
    subject, kind, named = frame.taken(3)
    by_place = getattr(kind.known, "__match_args__", ())[:n_by_place]
    names = (*by_place, *(named.known if type(named.known) is tuple else ()))
    parts = tuple(part_of(subject, ATTRIBUTE, name) for name in names)
    is_known = len(by_place) == n_by_place
    frame.stack.append(together(subject).replace(parts=parts if is_known else ()))


def _merge_tables(frame: NameFrame, _arg: int) -> None:
    into, more = frame.taken(2)
    frame.stack.append(more if into.kind == EMPTY else together(into, more))


def _call_with_unpacked(frame: NameFrame, arg: int) -> None:
    named = frame.take() if arg & 1 else NULL
    passed, called = frame.take(), frame.take()
    if frame.stack and frame.stack[-1] is NULL:
        frame.take()
    elif called is NULL:  # which Python 3.13 puts on top
        called = frame.take()
    template = called.owner.known if called.owner is not None else MISSING
    if called.label == ".format" and type(template) is str and named.way is not None:
        frame.stack.append(joined(*_pieces(template, named)))
    else:
        frame.stack.append(_called_with(frame, called, passed, named))


def _called_with(frame: NameFrame, called: Part, passed: Part, named: Part) -> Part:
    """What a call gives whose arguments are unpacked; they are not all known."""
    known = [constant(one) for one in passed.known] if type(passed.known) is tuple else None
    by_place = list(passed.parts) or known
    if by_place is None:
        return frame.hand_on(called, [UNPACKED], {})
    fields = _passed_by_name(called.known, named, len(by_place))
    if fields is None and named is not NULL and named.label not in rest_arguments(frame.code):
        by_place = [UNPACKED]
    return frame.hand_on(called, by_place, fields or {})


def _passed_by_name(function: Any, row: Part, n_by_place: int) -> dict[str, Part] | None:
    """What a row that is unpacked passes to a function; None: it is not told which arguments."""
    if type(function) is not FUNCTION or row.way is None or rest_arguments(function.__code__):
        return None
    usual = dict(defaults(function))
    if not all(type(one) in SPELLED for one in usual.values()):
        return None
    return {
        name: part_of(row, ASKED, name, usual[name])
        if name in usual
        else part_of(row, ELEMENT, name)
        for name in all_arguments(function.__code__)[n_by_place:]
    }


def _pieces(template: str, row: Part) -> list[Part]:
    """What a template puts together, with what it takes off a row by the names in it."""
    from _string import formatter_parser  # type: ignore[import-not-found]

    found = []
    try:
        for text, name, spec, conversion in formatter_parser(template):
            found.append(constant(text))
            if name is not None:
                is_told = name.isidentifier() and not conversion and "{" not in spec
                part = part_of(row, ELEMENT, name) if is_told else UNKNOWN
                found.append(part_of(part, FORMATTED, spec).replace(kind=TEXT))
    except ValueError:
        return [UNKNOWN]
    return found


def _yield_value(frame: NameFrame, _arg: int) -> None:
    given = frame.added()
    frame.yields = given if frame.yields is None else one_of(frame.yields, given)
    frame.stack.append(UNKNOWN)


#: What is done for operations of these names.
MATCHING: dict[str, Callable[[NameFrame, int], None]] = {
    "MATCH_KEYS": _match_keys,
    "MATCH_CLASS": _match_class,
    "DICT_MERGE": _merge_tables,
    "CALL_FUNCTION_EX": _call_with_unpacked,
    "YIELD_VALUE": _yield_value,
}

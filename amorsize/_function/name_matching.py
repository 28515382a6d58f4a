"""Operations that take the parts of names off a value by its keys: `match`, `format(**row)`."""

from __future__ import annotations

from amorsize._function.callables import MISSING
from amorsize._function.item_paths import ATTRIBUTE, ELEMENT
from amorsize._function.name_frame import NULL
from amorsize._function.name_parts import EMPTY, OF_ITEM, TEXT, Part, part_of, together

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._function.name_frame import NameFrame


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
        frame.stack.append(together(*_fields(template, named), passed, kind=TEXT))
    else:
        frame.stack.append(together(called, passed, named))


def _fields(template: str, row: Part) -> list[Part]:
    """What a template takes off a row, by the names in it."""
    from _string import formatter_parser  # type: ignore[import-not-found]

    try:
        names = [name for _, name, _, _ in formatter_parser(template) if name is not None]
    except ValueError:
        return [OF_ITEM]
    return [part_of(row, ELEMENT, one) if one.isidentifier() else OF_ITEM for one in names]


#: What is done for operations of these names.
MATCHING: dict[str, Callable[[NameFrame, int], None]] = {
    "MATCH_KEYS": _match_keys,
    "MATCH_CLASS": _match_class,
    "DICT_MERGE": _merge_tables,
    "CALL_FUNCTION_EX": _call_with_unpacked,
}

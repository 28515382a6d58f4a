"""Operations that change a part of the item, while the parts of names are followed."""

from __future__ import annotations

from amorsize._function.files.item_paths import ATTRIBUTE, ELEMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._function.files.name_frame import NameFrame


def _store_subscr(frame: NameFrame, _arg: int) -> None:
    _, holder, key = frame.taken(3)
    frame.changes(holder, ELEMENT, key.known, is_set=True)


def _delete_subscr(frame: NameFrame, _arg: int) -> None:
    holder, key = frame.taken(2)
    frame.changes(holder, ELEMENT, key.known)


def _store_slice(frame: NameFrame, _arg: int) -> None:
    frame.changes(frame.taken(4)[1], ELEMENT, None)


def _store_attr(frame: NameFrame, arg: int) -> None:
    holder = frame.take()
    frame.take()
    frame.changes(holder, ATTRIBUTE, frame.code.co_names[arg], is_set=True)


def _delete_attr(frame: NameFrame, arg: int) -> None:
    frame.changes(frame.take(), ATTRIBUTE, frame.code.co_names[arg])


#: What is done for operations of these names.
STORES: dict[str, Callable[[NameFrame, int], None]] = {
    "STORE_SUBSCR": _store_subscr,
    "DELETE_SUBSCR": _delete_subscr,
    "STORE_SLICE": _store_slice,
    "STORE_ATTR": _store_attr,
    "DELETE_ATTR": _delete_attr,
}

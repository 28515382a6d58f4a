"""What operations of the bytecode do to the parts of names on a stack."""

from __future__ import annotations

from amorsize._function.bytecode import GLOBAL, IMPORT, METHOD_BIT, effect_of_number
from amorsize._function.callable_walk import attribute
from amorsize._function.callables import MISSING, MODULE
from amorsize._function.name_frame import NULL
from amorsize._function.name_parts import (
    OF_ITEM,
    PATH,
    TEXT,
    TRIED,
    Part,
    constant,
    is_argument,
    is_path,
    looked_up,
    merged,
    one_of,
    operated,
    sliced,
    together,
)
from amorsize._function.object_contents import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._function.name_frame import NameFrame

#: Operations that leave the stack as it is.
_LEAVES = {
    *("NOP", "RESUME", "COPY_FREE_VARS", "MAKE_CELL", "PRECALL", "GET_ITER", "TO_BOOL"),
    *("CONVERT_VALUE", "LIST_TO_TUPLE"),
}
#: Beginnings of the names of those that only take something off it.
_ONLY_TAKES = ("POP_", "STORE_", "DELETE_", "END_", "RETURN_", "RERAISE", "RAISE")
#: Attributes and methods of paths that are paths, and those that are texts.
_PATHS = {"parent", "with_suffix", "with_name", "with_stem", "joinpath", "resolve", "absolute"}
_PATHS |= {"expanduser"}
_TEXTS = {"stem", "name", "suffix"}


def run(frame: NameFrame, name: str, op: int, arg: int) -> None:
    """Do to the stack what the operation of this name does."""
    operation = _OPERATIONS.get(name)
    if operation is not None:
        operation(frame, arg)
    elif name not in _LEAVES:
        _other(frame, name, effect_of_number(op, arg))


def _other(frame: NameFrame, name: str, effect: int) -> None:
    """Any operation that is not known: what it gives is of all that it takes."""
    if effect > 0:
        frame.stack += [OF_ITEM] * effect
    elif name.startswith(_ONLY_TAKES):
        frame.taken(-effect)
    else:
        frame.stack.append(together(*frame.taken(1 - effect)))


def _load(frame: NameFrame, arg: int) -> None:
    frame.stack.append(frame.variable(arg))


def _store(frame: NameFrame, arg: int) -> None:
    frame.variables[arg] = frame.take()


def _compare(frame: NameFrame, _arg: int) -> None:
    frame.stack.append(merged(together(*frame.taken(2)), "", "", "a comparison"))


def _not(frame: NameFrame, _arg: int) -> None:
    frame.stack.append(merged(frame.take(), "", "", "a comparison"))


def _build(frame: NameFrame, arg: int) -> None:
    parts = frame.taken(arg)
    frame.stack.append(together(*parts).replace(parts=tuple(parts)))


def _build_list(frame: NameFrame, arg: int) -> None:
    if arg:
        _build(frame, arg)
    else:
        frame.stack.append(OF_ITEM)  # whatever is put into it


def _build_container(frame: NameFrame, arg: int) -> None:
    frame.taken(arg)
    frame.stack.append(OF_ITEM)


def _build_map(frame: NameFrame, arg: int) -> None:
    parts = frame.taken(2 * arg)
    frame.stack.append(together(*parts) if arg else OF_ITEM)


def _build_string(frame: NameFrame, arg: int) -> None:
    frame.stack.append(together(*frame.taken(arg), kind=TEXT))


def _load_const(frame: NameFrame, arg: int) -> None:
    frame.stack.append(constant(frame.code.co_consts[arg]))


def _load_fast_load_fast(frame: NameFrame, arg: int) -> None:
    frame.stack += [frame.variable(arg >> 4), frame.variable(arg & 15)]


def _store_fast_load_fast(frame: NameFrame, arg: int) -> None:
    frame.variables[arg >> 4] = frame.take()
    frame.stack.append(frame.variable(arg & 15))


def _store_fast_store_fast(frame: NameFrame, arg: int) -> None:
    frame.variables[arg >> 4] = frame.take()
    frame.variables[arg & 15] = frame.take()


def _load_global(frame: NameFrame, arg: int) -> None:
    found = frame.outside(GLOBAL, frame.code.co_names[arg >> 1])
    frame.stack += [NULL, found] if arg & 1 else [found]


def _push_null(frame: NameFrame, _arg: int) -> None:
    frame.stack.append(NULL)


def _import_name(frame: NameFrame, arg: int) -> None:
    frame.taken(2)
    frame.stack.append(frame.outside(IMPORT, frame.code.co_names[arg]))


def _import_from(frame: NameFrame, arg: int) -> None:
    top = frame.stack[-1] if frame.stack else OF_ITEM
    frame.stack.append(_attribute(top, frame.code.co_names[arg]))


def _load_attr(frame: NameFrame, arg: int) -> None:
    found = _attribute(frame.take(), frame.code.co_names[arg >> METHOD_BIT])
    frame.stack += [found, NULL] if arg & METHOD_BIT else [found]


def _load_method(frame: NameFrame, arg: int) -> None:
    frame.stack += [_attribute(frame.take(), frame.code.co_names[arg]), NULL]


def _binary_op(frame: NameFrame, arg: int) -> None:
    right, left = frame.take(), frame.take()
    if TEXT in (left.kind, right.kind) and not arg:
        frame.is_text |= is_argument(left) or is_argument(right)
    frame.stack.append(operated(left, right, arg))


def _binary_subscr(frame: NameFrame, _arg: int) -> None:
    key, table = frame.take(), frame.take()
    if type(key.known) is slice:
        frame.stack.append(sliced(table, key.known.start, key.known.stop))
    else:
        frame.stack.append(looked_up(table, key))


def _binary_slice(frame: NameFrame, _arg: int) -> None:
    table, start, stop = frame.taken(3)
    frame.stack.append(sliced(table, start.known, stop.known))


def _build_slice(frame: NameFrame, arg: int) -> None:
    start, stop = frame.taken(arg)[:2]
    frame.stack.append(constant(slice(start.known, stop.known)))


def _format_value(frame: NameFrame, arg: int) -> None:
    frame.taken(int(arg & 4 == 4))
    _format_simple(frame, 0)


def _format_with_spec(frame: NameFrame, _arg: int) -> None:
    frame.take()
    _format_simple(frame, 0)


def _format_simple(frame: NameFrame, _arg: int) -> None:
    frame.stack.append(frame.take().replace(kind=TEXT))


def _for_iter(frame: NameFrame, _arg: int) -> None:
    gone_through = frame.stack[-1] if frame.stack else OF_ITEM
    tags = gone_through.tags or frozenset((TRIED,))
    frame.stack.append(Part(tags))


def _list_extend(frame: NameFrame, _arg: int) -> None:
    into, more = frame.taken(2)
    frame.stack.append(more if more.known is not MISSING else together(into, more))


def _unpack_sequence(frame: NameFrame, arg: int) -> None:
    part = frame.take()
    held = part.parts if len(part.parts) == arg else [Part(part.tags)] * arg
    frame.stack += reversed(held)


def _before_with(frame: NameFrame, _arg: int) -> None:
    frame.stack[-1:] = [NULL, frame.take()]


def _copy(frame: NameFrame, arg: int) -> None:
    frame.stack.append(frame.stack[-arg] if len(frame.stack) >= arg else OF_ITEM)


def _swap(frame: NameFrame, arg: int) -> None:
    stack = frame.stack
    stack[:0] = [OF_ITEM] * (arg - len(stack))
    stack[-1], stack[-arg] = stack[-arg], stack[-1]


def _return_value(frame: NameFrame, _arg: int) -> None:
    given = frame.take()
    frame.gives = given if frame.gives is None else one_of(frame.gives, given)


def _return_const(frame: NameFrame, arg: int) -> None:
    _load_const(frame, arg)
    _return_value(frame, 0)


def _kw_names(frame: NameFrame, arg: int) -> None:
    frame.names = frame.code.co_consts[arg]


def _call_kw(frame: NameFrame, arg: int) -> None:
    names = frame.take().known
    frame.names = names if type(names) is tuple else ()
    _call(frame, arg)


def _call(frame: NameFrame, arg: int) -> None:
    passed = frame.taken(arg)
    second, first = frame.take(), frame.take()
    called = first if second is NULL else second
    if second is not NULL and first is not NULL:
        called, passed = first, [second, *passed]  # a comprehension
    names, frame.names = frame.names, ()
    n_by_place = len(passed) - len(names)
    named = dict(zip(names, passed[n_by_place:], strict=True))
    frame.stack.append(frame.hand_on(called, passed[:n_by_place], named))


def _attribute(part: Part, name: str) -> Part:
    """An attribute of a value, or a method."""
    known = part.known
    found: Any = MISSING
    if type(known) is MODULE or issubclass(type(known), type):
        found = attribute(known, (name,))
    elif known is not MISSING:
        found = state(known).get(name, MISSING)
    kind = PATH if name in _PATHS and part.kind == PATH else TEXT if name in _TEXTS else ""
    if found is not MISSING:
        kind = constant(found).kind
    tags = part.tags
    if known is not MISSING and found is MISSING and not kind and not tags and not _is_plain(known):
        tags = OF_ITEM.tags
    return Part(tags, found, kind).replace(label=f".{name}", owner=part)


def _is_plain(known: Any) -> bool:
    """Whether what its methods give is told by the value alone."""
    return type(known) in (str, bytes, int, dict, list, tuple) or is_path(type(known))


#: What is done for operations of these names; a version of Python has some of them.
_OPERATIONS: dict[str, Callable[[NameFrame, int], None]] = {
    **dict.fromkeys(("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR"), _load),
    **dict.fromkeys(("LOAD_DEREF", "LOAD_CLOSURE"), _load),
    **dict.fromkeys(("STORE_FAST", "STORE_DEREF"), _store),
    **dict.fromkeys(("COMPARE_OP", "IS_OP", "CONTAINS_OP"), _compare),
    "UNARY_NOT": _not,
    "BUILD_TUPLE": _build,
    "BUILD_LIST": _build_list,
    "BUILD_SET": _build_container,
    "BUILD_MAP": _build_map,
    "BUILD_STRING": _build_string,
    "LOAD_CONST": _load_const,
    "LOAD_FAST_LOAD_FAST": _load_fast_load_fast,
    "STORE_FAST_LOAD_FAST": _store_fast_load_fast,
    "STORE_FAST_STORE_FAST": _store_fast_store_fast,
    "LOAD_GLOBAL": _load_global,
    "PUSH_NULL": _push_null,
    "IMPORT_NAME": _import_name,
    "IMPORT_FROM": _import_from,
    "LOAD_ATTR": _load_attr,
    "LOAD_METHOD": _load_method,
    "BINARY_OP": _binary_op,
    "BINARY_SUBSCR": _binary_subscr,
    "BINARY_SLICE": _binary_slice,
    "BUILD_SLICE": _build_slice,
    "FORMAT_VALUE": _format_value,
    "FORMAT_WITH_SPEC": _format_with_spec,
    "FORMAT_SIMPLE": _format_simple,
    "FOR_ITER": _for_iter,
    "LIST_EXTEND": _list_extend,
    "UNPACK_SEQUENCE": _unpack_sequence,
    "BEFORE_WITH": _before_with,
    "COPY": _copy,
    "SWAP": _swap,
    "RETURN_VALUE": _return_value,
    "RETURN_CONST": _return_const,
    "KW_NAMES": _kw_names,
    "CALL_KW": _call_kw,
    "CALL": _call,
}

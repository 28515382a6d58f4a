"""What operations of the bytecode do to the parts of names on a stack."""

from __future__ import annotations

from amorsize._function.bytecode import DEFAULTS_BELOW, GLOBAL, METHOD_BIT, effect_of_number
from amorsize._function.callables import FUNCTION, MISSING
from amorsize._function.files.item_paths import EACH, ELEMENT, FORMATTED
from amorsize._function.files.name_arithmetic import looked_up, operated, sliced
from amorsize._function.files.name_attributes import attribute_of
from amorsize._function.files.name_frame import NULL
from amorsize._function.files.name_matching import MATCHING
from amorsize._function.files.name_parts import (
    EMPTY,
    TEXT,
    TRIED,
    UNKNOWN,
    Part,
    constant,
    is_argument,
    joined,
    merged,
    one_of,
    part_of,
    together,
)
from amorsize._function.files.name_stores import STORES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._function.files.name_frame import NameFrame

#: Operations that leave the stack as it is.
_LEAVES = {
    *("NOP", "RESUME", "COPY_FREE_VARS", "MAKE_CELL", "PRECALL", "GET_ITER", "TO_BOOL"),
    "LIST_TO_TUPLE",
}
#: Beginnings of the names of operations that only take values off the stack.
_ONLY_TAKES = ("POP_", "STORE_", "DELETE_", "END_", "RETURN_", "RERAISE", "RAISE")
#: Bits of arguments: a function has a closure, a value is converted first (`!r`).
_HAS_CLOSURE, _CONVERTS = 8, 3
_NO_CLOSURE = Part()


def run(frame: NameFrame, name: str, op: int, arg: int) -> None:
    """Do to the stack what the operation of this name does."""
    operation = _OPERATIONS.get(name)
    if operation is not None:
        operation(frame, arg)
    elif name not in _LEAVES:
        _other(frame, name, effect_of_number(op, arg))


def _other(frame: NameFrame, name: str, effect: int) -> None:
    """An operation that is not in the table: its result depends on all values that it takes."""
    if effect > 0:
        frame.stack += [UNKNOWN] * effect
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
        frame.stack.append(Part(UNKNOWN.tags, kind=EMPTY))  # whatever is put into it


def _build_container(frame: NameFrame, arg: int) -> None:
    frame.taken(arg)
    frame.stack.append(UNKNOWN if arg else Part(UNKNOWN.tags, kind=EMPTY))


def _build_map(frame: NameFrame, arg: int) -> None:
    parts = frame.taken(2 * arg)
    frame.stack.append(together(*parts) if arg else Part(UNKNOWN.tags, kind=EMPTY))


def _build_string(frame: NameFrame, arg: int) -> None:
    frame.stack.append(joined(*frame.taken(arg)))


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


def _import_name(frame: NameFrame, arg: int) -> None:
    level, taken = frame.taken(2)
    frame.stack.append(frame.module(frame.code.co_names[arg], level.known, taken.known))


def _import_from(frame: NameFrame, arg: int) -> None:
    top = frame.stack[-1] if frame.stack else UNKNOWN
    frame.stack.append(attribute_of(top, frame.code.co_names[arg]))


def _load_attr(frame: NameFrame, arg: int) -> None:
    is_method = bool(arg & METHOD_BIT)
    found = attribute_of(frame.take(), frame.code.co_names[arg >> METHOD_BIT], is_method=is_method)
    frame.stack += [found, NULL] if is_method else [found]


def _load_method(frame: NameFrame, arg: int) -> None:
    frame.stack += [attribute_of(frame.take(), frame.code.co_names[arg], is_method=True), NULL]


def _binary_op(frame: NameFrame, arg: int) -> None:
    right, left = frame.take(), frame.take()
    if TEXT in (left.kind, right.kind) and not arg:
        frame.is_text |= is_argument(left) or is_argument(right)
    frame.stack.append(operated(left, right, arg))


def _binary_subscr(frame: NameFrame, _arg: int) -> None:
    key, table = frame.take(), frame.take()
    if type(key.known) is slice:
        frame.stack.append(sliced(table, key.known))
    else:
        frame.stack.append(looked_up(table, key))


def _binary_slice(frame: NameFrame, _arg: int) -> None:
    table, start, stop = frame.taken(3)
    frame.stack.append(sliced(table, slice(start.known, stop.known)))


def _build_slice(frame: NameFrame, arg: int) -> None:
    frame.stack.append(constant(slice(*(one.known for one in frame.taken(arg)))))


def _format_value(frame: NameFrame, arg: int) -> None:
    if arg & 4:
        _format_with_spec(frame, arg)
    else:
        _format_simple(frame, 0)


def _format_with_spec(frame: NameFrame, arg: int) -> None:
    spec, value = frame.take(), frame.take()
    if not value.tags:
        frame.stack.append(value.replace(kind=TEXT, known=MISSING))
    elif type(spec.known) is str and not arg & _CONVERTS:
        frame.stack.append(part_of(value, FORMATTED, spec.known).replace(kind=TEXT))
    else:
        frame.stack.append(merged(value, "", "", f"{value.label}:...").replace(kind=TEXT))


def _format_simple(frame: NameFrame, _arg: int) -> None:
    value = frame.take()
    if value.way is not None and value.kind != TEXT:
        value = value.replace(way=(*value.way, (FORMATTED, "")))
    frame.stack.append(value.replace(kind=TEXT))


def _for_iter(frame: NameFrame, _arg: int) -> None:
    gone_through = frame.stack[-1] if frame.stack else UNKNOWN
    one = part_of(gone_through, EACH)
    frame.stack.append(one if one.tags else Part(frozenset((TRIED,))))


def _list_extend(frame: NameFrame, _arg: int) -> None:
    into, more = frame.taken(2)
    frame.stack.append(more if more.known is not MISSING else together(into, more))


def _take(frame: NameFrame, _arg: int) -> None:
    frame.take()


def _unpack_sequence(frame: NameFrame, arg: int) -> None:
    part = frame.take()
    held = part.parts
    if len(held) != arg:
        held = tuple(part_of(part, ELEMENT, at) for at in range(arg))
    frame.stack += reversed(held)


def _unpack_ex(frame: NameFrame, arg: int) -> None:
    part, n_before, n_behind = frame.take(), arg & 0xFF, arg >> 8
    behind = [part_of(part, ELEMENT, -at) for at in range(n_behind, 0, -1)]
    held = [part_of(part, ELEMENT, at) for at in range(n_before)] + [UNKNOWN] + behind
    frame.stack += reversed(held)


def _make_function(frame: NameFrame, arg: int) -> None:
    code = frame.take().known
    taken = frame.taken((arg & 15).bit_count()) if DEFAULTS_BELOW else []
    closure = taken[-1] if taken and arg & _HAS_CLOSURE else _NO_CLOSURE
    frame.stack.append(frame.function_of(code, closure))


def _set_function_attribute(frame: NameFrame, arg: int) -> None:
    function, value = frame.take(), frame.take()
    if arg & _HAS_CLOSURE and type(function.known) is FUNCTION:
        function = frame.function_of(function.known.__code__, value)
    frame.stack.append(function)


def _append(frame: NameFrame, arg: int) -> None:
    """Put a value into the list, or set, of a comprehension."""
    value = frame.added()
    if len(frame.stack) >= arg:
        frame.stack[-arg].take_in(value)


def _map_add(frame: NameFrame, arg: int) -> None:
    value, key = frame.added(), frame.added()
    if len(frame.stack) >= arg:
        frame.stack[-arg].take_in(together(key, value))


def _before_with(frame: NameFrame, _arg: int) -> None:
    frame.stack[-1:] = [NULL, frame.take()]


def _copy(frame: NameFrame, arg: int) -> None:
    frame.stack.append(frame.stack[-arg] if len(frame.stack) >= arg else UNKNOWN)


def _swap(frame: NameFrame, arg: int) -> None:
    stack = frame.stack
    stack[:0] = [UNKNOWN] * (arg - len(stack))
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


#: What is done for each operation, by its name. No version of Python has all of them.
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
    "PUSH_NULL": lambda frame, _: frame.stack.append(NULL),
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
    "CONVERT_VALUE": lambda frame, _: frame.stack.append(frame.take().replace(way=None)),
    "FOR_ITER": _for_iter,
    "LIST_EXTEND": _list_extend,
    "UNPACK_SEQUENCE": _unpack_sequence,
    "UNPACK_EX": _unpack_ex,
    **dict.fromkeys(("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"), _take),
    "MAKE_FUNCTION": _make_function,
    "SET_FUNCTION_ATTRIBUTE": _set_function_attribute,
    **dict.fromkeys(("LIST_APPEND", "SET_ADD"), _append),
    "MAP_ADD": _map_add,
    **STORES,
    "BEFORE_WITH": _before_with,
    "COPY": _copy,
    "SWAP": _swap,
    "RETURN_VALUE": _return_value,
    "RETURN_CONST": _return_const,
    "KW_NAMES": _kw_names,
    "CALL_KW": _call_kw,
    **MATCHING,
    "CALL": _call,
}

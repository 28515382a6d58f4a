"""What each operation of the bytecode does to a stack of symbols."""

from __future__ import annotations

from amorsize._function.bytecode import (
    CODE,
    DEFAULTS_BELOW,
    FREE_LOADS,
    GLOBAL,
    IMPORT,
    METHOD_BIT,
    effect_of_number,
    module_given,
    op_number,
    op_numbers,
)
from amorsize._function.flow.part_operations import (
    build_slice,
    catch,
    enter,
    match_class,
    match_group,
    match_keys,
    next_element,
    operate,
    send,
    slice_between,
    subscript,
    unpack,
    unpack_with_rest,
)
from amorsize._function.flow.value_flow import (
    CLASS,
    DOUBLE_STAR,
    STAR,
    SUPER,
    element,
    one_step,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize._function.flow.symbol_stack import Frame
    from amorsize._function.flow.value_flow import Symbol

    Operation = Callable[[Frame, int, int], None]

_CALL_KW, _LIST_TO_TUPLE = op_number("CALL_KW"), op_number("LIST_TO_TUPLE")
_MAKE_FUNCTION, _STORE_DEREF = op_number("MAKE_FUNCTION"), op_number("STORE_DEREF")
#: The argument of CALL_INTRINSIC_1 with which it makes a tuple of a list.
_TO_TUPLE = 6
#: The flag for defaults of positional arguments; from Python 3.13 on, it is the whole argument.
_HAS_DEFAULTS = 1
#: Operations that put named values into a dict.
_MERGES = frozenset(op_numbers("DICT_MERGE", "DICT_UPDATE"))
#: Operations that change nothing; what GET_ITER gives stands for what it goes through.
_LEAVES_STACK = frozenset(
    (
        *op_numbers("NOP", "RESUME", "COPY_FREE_VARS", "MAKE_CELL", "PRECALL", "GET_ITER"),
        *op_numbers("GET_YIELD_FROM_ITER"),
    )
)


def run(frame: Frame, op: int, arg: int) -> None:
    """Do to the stack what the operation does."""
    operation = _OPERATIONS.get(op)
    if operation is not None:
        operation(frame, op, arg)
    elif op not in _LEAVES_STACK:
        frame.shift(op, effect_of_number(op, arg))
    else:
        return
    if operation is not _load_constant and operation is not build_slice:
        frame.constant = None
        frame.constants.clear()


# -- loads ----------------------------------------------------------------------------------


def _load_local(frame: Frame, _op: int, arg: int) -> None:
    frame.stack.append(frame.locals.get(arg))


def _load_two_locals(frame: Frame, _op: int, arg: int) -> None:
    frame.stack += [frame.locals.get(arg >> 4), frame.locals.get(arg & 15)]


def _load_global(frame: Frame, _op: int, arg: int) -> None:
    symbol = (GLOBAL, frame.code.co_names[arg >> 1], ())
    frame.stack += [None, symbol] if arg & 1 else [symbol]


def _load_attribute(frame: Frame, _op: int, arg: int) -> None:
    name = frame.code.co_names[arg >> METHOD_BIT]
    if arg & METHOD_BIT:
        _push_method(frame, name)
    elif (top := frame.top()) is None and name == "__class__":
        frame.replace(1, (CLASS, name, ()))
    else:
        frame.replace(1, None if top is None else one_step(top, f".{name}"))


def _load_of_super(frame: Frame, _op: int, arg: int) -> None:
    """What `super().name` gives, where that is one operation: from Python 3.12 on."""
    top, name = frame.top(), frame.code.co_names[arg >> 2]
    frame.replace(3, None if top is None else one_step(one_step(top, SUPER), f".{name}"))
    if arg & 1:
        frame.stack.append(None)


def _load_method(frame: Frame, _op: int, arg: int) -> None:
    _push_method(frame, frame.code.co_names[arg >> METHOD_BIT])


def _push_method(frame: Frame, name: str) -> None:
    """For a call: the method, and what it is of."""
    top = frame.top()
    frame.replace(1, None if top is None else one_step(top, f".{name}"))
    frame.stack.append(None)


def _load_constant(frame: Frame, _op: int, arg: int) -> None:
    constant = frame.constant = frame.code.co_consts[arg]
    frame.constants.append(constant)
    frame.stack.append(frame.flow.define(constant) if type(constant) is CODE else None)


def _make_function(frame: Frame, op: int, arg: int) -> None:
    """Take what a function is made of; its code, or the function itself, stays on the stack."""
    n_taken = 2 if op != _MAKE_FUNCTION else 1 + (arg & 15).bit_count() * DEFAULTS_BELOW
    if n_taken > 1 and arg & _HAS_DEFAULTS:
        frame.flow.note_defaults(frame.top(), frame.top(n_taken))
    frame.replace(n_taken, frame.top())


def _import_name(frame: Frame, _op: int, arg: int) -> None:
    level, taken = frame.literals_of(2)
    frame.replace(2, (IMPORT, module_given(frame.code.co_names[arg], level, taken), ()))


def _import_from(frame: Frame, _op: int, arg: int) -> None:
    top = frame.top()
    frame.stack.append(None if top is None else one_step(top, f".{frame.code.co_names[arg]}"))


# -- groups ---------------------------------------------------------------------------------


def _build(frame: Frame, _op: int, arg: int) -> None:
    frame.put_together(frame.stack[len(frame.stack) - arg :] if arg else [], arg)


def _build_with_keys(frame: Frame, _op: int, arg: int) -> None:
    names = frame.constant
    frame.put_together(frame.stack[-arg - 1 : -1], arg + 1)
    if isinstance(names, tuple):
        frame.flow.keys[frame.stack[-1]] = names


def _build_map(frame: Frame, _op: int, arg: int) -> None:
    frame.put_together(frame.stack[-2 * arg + 1 :: 2] if arg else [], 2 * arg)


def _add_one(frame: Frame, _op: int, arg: int) -> None:
    """Add an element to the group at this depth of the stack."""
    added = frame.take()
    frame.flow.add(frame.top(arg), added)


def _add_all(frame: Frame, op: int, arg: int) -> None:
    """Add all elements of a value to the group at this depth of the stack."""
    added = frame.take()
    held = frame.flow.held(added)
    step = DOUBLE_STAR if op in _MERGES else STAR
    frame.flow.add(frame.top(arg), *((_unpacked(frame, added, step),) if held is None else held))


def _add_to_map(frame: Frame, op: int, arg: int) -> None:
    value = frame.take()
    frame.replace(1, value)
    _add_one(frame, op, arg)


def _intrinsic(frame: Frame, op: int, arg: int) -> None:
    """Leave the stack as it is where a list becomes a tuple: both hold the same."""
    if op != _LIST_TO_TUPLE and arg != _TO_TUPLE:
        frame.shift(op, effect_of_number(op, arg))


# -- calls ----------------------------------------------------------------------------------


def _call(frame: Frame, op: int, arg: int) -> None:
    """The result of a call, by what is called, which lies below its arguments."""
    is_named = op == _CALL_KW
    if is_named and isinstance(frame.constant, tuple):
        frame.names = frame.constant
    depth = arg + 1 + is_named
    callee = frame.top(depth) or frame.top(depth + 1)
    n_values = arg + is_named
    passed: tuple[Symbol, ...] = ()
    if len(frame.stack) >= n_values:
        passed = tuple(frame.stack[len(frame.stack) - n_values :][:arg])
    if frame.top(depth + 1) is not None and frame.top(depth) is not None:
        callee, passed = frame.top(depth + 1), (frame.top(depth), *passed)  # a comprehension
    given = frame.call(callee, passed, frame.literals_of(n_values))
    # The callable, what it is bound to and the arguments go; 3.11 counts some in PRECALL.
    frame.shift(op, -depth)
    frame.leave(given)


def _call_unpacked(frame: Frame, op: int, arg: int) -> None:
    """A call with `*` or `**`."""
    groups = frame.stack[-2:] if arg & 1 else frame.stack[-1:]
    callee = frame.top(len(groups) + 1) or frame.top(len(groups) + 2)  # beside a null
    passed: tuple[Symbol, ...] = ()
    names: tuple[str, ...] = ()
    for at, group in enumerate(groups):
        held = frame.flow.held(group)
        if at and held is not None and len(frame.flow.keys.get(group, ())) == len(held):
            names = frame.flow.keys.get(group, ())
        elif at or held is None:
            held = (_unpacked(frame, group, DOUBLE_STAR if at else STAR),)
        passed += held
    frame.names = names
    given = frame.call(callee, passed)
    frame.shift(op, effect_of_number(op, arg))
    frame.leave(given)


def _unpacked(frame: Frame, symbol: Symbol, step: str) -> Symbol:
    """What `*` or `**` stands for: nothing is known of how many values these are."""
    return element(symbol, step) or one_step(frame.flow.group(), step)


def _name_arguments(frame: Frame, _op: int, arg: int) -> None:
    frame.names = frame.code.co_consts[arg]


# -- moves ----------------------------------------------------------------------------------


def _copy(frame: Frame, _op: int, arg: int) -> None:
    frame.stack.append(frame.top(arg))


def _swap(frame: Frame, _op: int, arg: int) -> None:
    stack = frame.stack
    stack[:0] = [None] * (arg - len(stack))
    stack[-1], stack[-arg] = stack[-arg], stack[-1]


def _store_local(frame: Frame, op: int, arg: int) -> None:
    if op == _STORE_DEREF and frame.cells[arg]:  # a variable of the function around it
        frame.flow.set_outside.setdefault(id(frame.code), {})[frame.cells[arg]] = frame.take()
    else:
        frame.locals[arg] = frame.take()


def _store_and_load(frame: Frame, _op: int, arg: int) -> None:
    frame.locals[arg >> 4] = frame.top()
    frame.replace(1, frame.locals.get(arg & 15))


def _store_two_locals(frame: Frame, _op: int, arg: int) -> None:
    frame.locals[arg >> 4] = frame.take()
    frame.locals[arg & 15] = frame.take()


#: What is done for each operation that this version of Python has.
_OPERATIONS_BY_NAMES: tuple[tuple[Operation, tuple[str, ...]], ...] = (
    (_load_local, ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR")),
    (_load_two_locals, ("LOAD_FAST_LOAD_FAST",)),
    (_load_global, ("LOAD_GLOBAL",)),
    (_load_attribute, ("LOAD_ATTR",)),
    (_load_method, ("LOAD_METHOD",)),
    (_load_of_super, ("LOAD_SUPER_ATTR",)),
    (_load_constant, ("LOAD_CONST",)),
    (_make_function, ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE")),
    (_import_name, ("IMPORT_NAME",)),
    (_import_from, ("IMPORT_FROM",)),
    (next_element, ("FOR_ITER",)),
    (subscript, ("BINARY_SUBSCR",)),
    (slice_between, ("BINARY_SLICE",)),
    (build_slice, ("BUILD_SLICE",)),
    (send, ("SEND",)),
    (unpack, ("UNPACK_SEQUENCE",)),
    (unpack_with_rest, ("UNPACK_EX",)),
    (enter, ("BEFORE_WITH",)),
    (catch, ("PUSH_EXC_INFO",)),
    (match_keys, ("MATCH_KEYS",)),
    (match_class, ("MATCH_CLASS",)),
    (match_group, ("CHECK_EG_MATCH",)),
    (_build, ("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET")),
    (_build_with_keys, ("BUILD_CONST_KEY_MAP",)),
    (_build_map, ("BUILD_MAP",)),
    (_add_one, ("LIST_APPEND", "SET_ADD")),
    (_add_all, ("LIST_EXTEND", "SET_UPDATE", "DICT_MERGE", "DICT_UPDATE")),
    (_add_to_map, ("MAP_ADD",)),
    (_intrinsic, ("LIST_TO_TUPLE", "CALL_INTRINSIC_1")),
    (operate, ("BINARY_OP",)),
    (_call, ("CALL", "CALL_KW")),
    (_call_unpacked, ("CALL_FUNCTION_EX",)),
    (_name_arguments, ("KW_NAMES",)),
    (_copy, ("COPY",)),
    (_swap, ("SWAP",)),
    (_store_local, ("STORE_FAST", "STORE_DEREF")),
    (_store_and_load, ("STORE_FAST_LOAD_FAST",)),
    (_store_two_locals, ("STORE_FAST_STORE_FAST",)),
)
_OPERATIONS: dict[int, Operation] = {
    op: operation for operation, names in _OPERATIONS_BY_NAMES for op in op_numbers(*names)
}
_OPERATIONS |= dict.fromkeys(FREE_LOADS, _load_local)

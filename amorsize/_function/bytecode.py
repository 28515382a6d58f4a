"""Reads the bytecode of code objects.

`dis` could do this, but importing it takes 27 ms, with `inspect`. `co_code` has no specialised
operations and empty inline caches, so it is the same after a million calls.
"""

from __future__ import annotations

import sys
from opcode import HAVE_ARGUMENT, cmp_op, hasname, opmap, stack_effect

from amorsize._function.kept_by_code import kept_by_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    Load = tuple[str, str, tuple[str, ...]]  # space, name, the attributes taken off it at once

#: The kinds of names that code reads.
GLOBAL, CLOSURE, IMPORT = "global", "closure", "import"

CODE: type[CodeType] = type((lambda: None).__code__)
#: A flag that code of functions has, and that of class bodies lacks.
_IS_OF_FUNCTION = 0x1
#: 1 if MAKE_FUNCTION takes the defaults off the stack, as it does until Python 3.12, else 0.
DEFAULTS_BELOW = int("SET_FUNCTION_ATTRIBUTE" not in opmap)
#: Stands for an operation that this version of Python does not have.
NO_OP = -1


def op_numbers(*names: str) -> tuple[int, ...]:
    """The numbers of those of these operations that this version of Python has."""
    return tuple(opmap[name] for name in names if opmap.get(name, 256) < 256)


def op_number(name: str) -> int:
    """The number of an operation; NO_OP where this version of Python lacks it."""
    return next(iter(op_numbers(name)), NO_OP)


_CACHE, _EXTENDED_ARG = op_number("CACHE"), op_number("EXTENDED_ARG")
_LOAD_GLOBAL, _LOAD_ATTR = op_number("LOAD_GLOBAL"), op_number("LOAD_ATTR")
_LOAD_METHOD = op_number("LOAD_METHOD")
_LOAD_CONST = op_number("LOAD_CONST")
_IMPORT_NAME, _IMPORT_FROM = op_number("IMPORT_NAME"), op_number("IMPORT_FROM")
_STORE_FAST = op_number("STORE_FAST")
_COMPARE_OP, _CONTAINS_OP = op_number("COMPARE_OP"), op_number("CONTAINS_OP")
#: From Python 3.12 on, the lowest bit of LOAD_ATTR's argument says that a method is loaded.
METHOD_BIT = 1 if _LOAD_METHOD == NO_OP else 0
#: How many bits to shift the argument of COMPARE_OP to get the number of the operator.
_COMPARE_SHIFT = 5 if sys.hexversion >= 0x30D0000 else 4 if sys.hexversion >= 0x30C0000 else 0
#: How many bits to shift the argument of an operation to get the number of its name.
NAME_SHIFTS = {op: 0 for op in hasname if op < 256} | {_LOAD_GLOBAL: 1, _LOAD_ATTR: METHOD_BIT}
_NAME_LOADS = op_numbers("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
FREE_LOADS = op_numbers("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
ATTR_LOADS = frozenset(op_numbers("LOAD_ATTR", "LOAD_METHOD"))
GLOBAL_STORES = frozenset(op_numbers("STORE_GLOBAL", "DELETE_GLOBAL"))
FREE_STORES = frozenset(op_numbers("STORE_DEREF", "DELETE_DEREF"))
ATTR_STORES = frozenset(op_numbers("STORE_ATTR", "DELETE_ATTR"))
#: How deep in the stack an operation that stores an item finds the container.
ITEM_STORES = dict.fromkeys(op_numbers("STORE_SUBSCR", "DELETE_SUBSCR"), 2)
ITEM_STORES |= dict.fromkeys(op_numbers("STORE_SLICE"), 3)
#: After these operations the next one is reached by jumps alone.
JUMPS_AWAY = frozenset(
    (
        *op_numbers("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"),
        *op_numbers("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"),
    )
)
#: Those that jump on and leave what lies on the stack; and all that jump on.
JUMPS_KEEPING = frozenset(op_numbers("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP", "JUMP_FORWARD"))
JUMPS_ON = JUMPS_KEEPING | {op_number("FOR_ITER")}
JUMPS_ON |= {
    op for name, op in opmap.items() if name.startswith(("POP_JUMP_FORWARD", "POP_JUMP_IF"))
}
#: Those that jump back.
JUMPS_BACK = frozenset(op for name, op in opmap.items() if "JUMP_BACKWARD" in name and op < 256)
#: How many places lie between FOR_ITER and the body of its loop.
FOR_ITER_CACHES = int(sys.hexversion >= 0x30C0000)
#: Up to Python 3.11, a loop that ends takes its iterator off the stack.
LOOP_LEAVES_NOTHING = op_number("LOAD_METHOD") != NO_OP
#: The numbers of `/`, and of the first binary operation that is done in place: `+=`.
DIVIDES, FIRST_IN_PLACE = 11, 13

_CHECKS = {"exists", "isdir", "is_dir", "lexists", "listdir"}
_MAKERS = {"mkdir", "makedirs"}

_effects: dict[tuple[int, int], int] = {}


@kept_by_code
def names(code: CodeType) -> dict[str, None]:
    """Every global, attribute and imported name in the code and its nested code, in order."""
    found = dict.fromkeys(code.co_names)
    for inner in nested(code):
        found |= names(inner)
    return found


def loads(code: CodeType) -> list[Load]:
    """The globals, closure cells and imported modules that the code and its nested code read.

    `("global", "helper", ("parse",))` is `helper.parse`; an import's attributes are what it takes.
    A cell counts if it is the outermost code's: those of nested functions live for one call.
    """
    found: dict[Load, None] = {}
    _collect_loads(code, frozenset(code.co_freevars), found)
    return list(found)


def may_store_to_globals(code: CodeType) -> bool:
    """Whether any operation could store a global, or an item of one."""
    operations = code.co_code[::2]
    return not (GLOBAL_STORES.isdisjoint(operations) and ITEM_STORES.keys().isdisjoint(operations))


def checks_before_making(code: CodeType) -> bool:
    """Whether the code asks if something exists and makes a folder, which fails if that exists."""
    used = set(code.co_names)
    return not (used.isdisjoint(_CHECKS) or used.isdisjoint(_MAKERS) or _names_keyword(code))


def _names_keyword(code: CodeType) -> bool:
    return any(isinstance(one, tuple) and "exist_ok" in one for one in code.co_consts)


def used_names(code: CodeType) -> list[str]:
    """The names that operations of the code itself use, in order."""
    steps = instructions(code.co_code)
    return [code.co_names[arg >> NAME_SHIFTS[op]] for op, arg in steps if op in NAME_SHIFTS]


def stored_attributes(code: CodeType) -> set[str]:
    """The names of all attributes that the code and its nested code assign, on any object."""
    found = {code.co_names[arg] for op, arg in instructions(code.co_code) if op in ATTR_STORES}
    return found.union(*map(stored_attributes, nested(code)))


@kept_by_code
def stored_globals(code: CodeType) -> set[str]:
    """The names of all globals that the code and its nested code assign."""
    found: set[str] = set()
    if not GLOBAL_STORES.isdisjoint(code.co_code[::2]):
        places = instructions(code.co_code)
        found = {code.co_names[arg] for op, arg in places if op in GLOBAL_STORES}
    return found.union(*map(stored_globals, nested(code)))


def compares_values(code: CodeType) -> bool:
    """Whether the code itself asks if two values are equal, or if one is in another."""
    for op, arg in instructions(code.co_code):
        if op == _CONTAINS_OP:
            return True
        if op == _COMPARE_OP and cmp_op[arg >> _COMPARE_SHIFT] in ("==", "!="):
            return True
    return False


def nested(code: CodeType) -> list[CodeType]:
    """The functions, classes and comprehensions that the code itself defines."""
    return [constant for constant in code.co_consts if type(constant) is CODE]


def is_class_body(code: CodeType) -> bool:
    """Whether it runs to make a class; code of functions, and of comprehensions, has a flag."""
    return not code.co_flags & _IS_OF_FUNCTION


@kept_by_code
def globals_of_class_bodies(code: CodeType) -> dict[str, None]:
    """The globals that classes inside the code read while they are made."""
    found: dict[str, None] = {}
    for inner in nested(code):
        if is_class_body(inner):
            found |= {name: None for kind, name, _ in loads(inner) if kind == GLOBAL}
        found |= globals_of_class_bodies(inner)
    return found


def texts(code: CodeType) -> Iterator[str]:
    """The string constants of the code and of its nested code."""
    yield from (one for one in code.co_consts if type(one) is str)
    for inner in nested(code):
        yield from texts(inner)


def argument_at(code: bytes | bytearray, ops: bytes, at: int) -> int:
    """The argument of the operation at a place, with its extension before it."""
    value = code[2 * at + 1]
    bits = 8
    while at and ops[at - 1] == _EXTENDED_ARG:
        at -= 1
        value |= code[2 * at + 1] << bits
        bits += 8
    return value


def instructions(code: bytes) -> Iterator[tuple[int, int]]:
    """Operations with their full arguments, without inline caches."""
    extension = 0
    for at in range(0, len(code), 2):
        op = code[at]
        if op == _CACHE:
            continue
        arg = code[at + 1] | extension
        if op == _EXTENDED_ARG:
            extension = arg << 8
            continue
        extension = 0
        yield op, arg


def placed(code: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Operations with their places: where they begin, and where the next one does."""
    begun: tuple[int, int, int] | None = None
    start, extension = -1, 0
    for at in range(0, len(code), 2):
        op = code[at]
        if op == _CACHE:
            continue
        if begun is not None:
            yield begun[0], at, begun[1], begun[2]
            begun = None
        start = at if start < 0 else start  # with the extensions of its argument
        arg = code[at + 1] | extension
        extension = arg << 8 if op == _EXTENDED_ARG else 0
        if op != _EXTENDED_ARG:
            begun, start = (start, op, arg), -1
    if begun is not None:
        yield begun[0], len(code), begun[1], begun[2]


@kept_by_code
def handlers(code: CodeType) -> list[tuple[int, int, int]]:
    """Where code goes on if an operation raises between two places: `(start, end, target)`."""
    found, numbers = [], _numbers(code.co_exceptiontable)
    for start in numbers:
        length, target, _ = next(numbers), next(numbers), next(numbers)
        found.append((2 * start, 2 * (start + length), 2 * target))
    return found


def _numbers(table: bytes) -> Iterator[int]:
    """The numbers of a table of exceptions, each in bytes of six bits."""
    number = 0
    for byte in table:
        number = number << 6 | byte & 0x3F
        if not byte & 0x40:
            yield number
            number = 0


def _collect_loads(code: CodeType, free: frozenset[str], found: dict[Load, None]) -> None:
    units = code.co_code
    ops = units[::2]
    for op in _NAME_LOADS:
        at = ops.find(op)
        while at >= 0:
            name = code.co_names[argument_at(units, ops, at) >> NAME_SHIFTS[op]]
            found[GLOBAL, name, _attributes_after(code, units, ops, at)] = None
            at = ops.find(op, at + 1)
    if free:
        cells = cells_of(code)
        for op in FREE_LOADS:
            at = ops.find(op)
            while at >= 0:
                name = cells[argument_at(units, ops, at)]
                if name in free:
                    found[CLOSURE, name, _attributes_after(code, units, ops, at)] = None
                at = ops.find(op, at + 1)
    at = ops.find(_IMPORT_NAME)
    while at >= 0:
        name = "." * _level_of_import(code, units, ops, at)
        name += code.co_names[argument_at(units, ops, at)]
        found[IMPORT, name, _imported_after(code, units, ops, at)] = None
        at = ops.find(_IMPORT_NAME, at + 1)
    for inner in nested(code):
        _collect_loads(inner, free.intersection(inner.co_freevars), found)


def cells_of(code: CodeType) -> dict[int, str]:
    """The names of free variables, by the number that operations use."""
    own = len(code.co_varnames) + sum(name not in code.co_varnames for name in code.co_cellvars)
    return dict(enumerate(code.co_freevars, own)) | dict.fromkeys(range(own), "")


def _attributes_after(code: CodeType, units: bytes, ops: bytes, at: int) -> tuple[str, ...]:
    """The chain of attributes read straight off what the operation at a place loads."""
    attributes: list[str] = []
    for after in range(at + 1, len(ops)):
        op = ops[after]
        if op in ATTR_LOADS:
            attributes.append(code.co_names[argument_at(units, ops, after) >> NAME_SHIFTS[op]])
        elif op not in (_CACHE, _EXTENDED_ARG):
            break
    return tuple(attributes)


def module_given(name: str, level: object, taken: object) -> str:
    """The module that an import gives: the topmost one, unless names are taken from it.

    It is named as in the code, with a dot for each package to go up.
    """
    return "." * level + name if taken and type(level) is int else name.partition(".")[0]


def _level_of_import(code: CodeType, units: bytes, ops: bytes, at: int) -> int:
    """How many packages an import at a place goes up: the last constant but one ahead of it."""
    n_left = 2
    while at > 0 and n_left:
        at -= 1
        n_left -= ops[at] == _LOAD_CONST
    level = code.co_consts[argument_at(units, ops, at)]
    return level if type(level) is int else 0


def _imported_after(code: CodeType, units: bytes, ops: bytes, at: int) -> tuple[str, ...]:
    """The names that a `from ... import` at a place takes from its module."""
    found: list[str] = []
    for after in range(at + 1, len(ops)):
        if ops[after] == _IMPORT_FROM:
            found.append(code.co_names[argument_at(units, ops, after)])
        elif ops[after] not in (_CACHE, _EXTENDED_ARG, _STORE_FAST, *GLOBAL_STORES, *FREE_STORES):
            break
    return tuple(found)


def effect_of(name: str, arg: int) -> int:
    """By how many values the operation of this name changes the height of the stack."""
    return effect_of_number(opmap[name], arg)


def effect_of_number(op: int, arg: int) -> int:
    """By how many values the operation of this number changes the height of the stack."""
    effect = _effects.get((op, arg))
    if effect is None:
        has_argument = op >= HAVE_ARGUMENT
        effect = stack_effect(op, arg if has_argument else None, jump=False)
        _effects[op, arg] = effect
    return effect

"""What a code object does, as plain data that two versions of it can be compared by."""

from __future__ import annotations

from opcode import hasconst

from amorsize._function.bytecode import CODE, NAME_SHIFTS, argument_at, instructions, op_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

#: The flag in `co_flags` of a function's code, which the code of a class body lacks.
_OPTIMIZED = 0x1
#: The flag in `co_flags` of a function with a docstring, from Python 3.13 on.
_HAS_DOCSTRING = 0x4000000
#: The names that a class body stores about its source text.
_ABOUT_SOURCE = {"__doc__", "__firstlineno__", "__static_attributes__"}

_CONST_OPS = tuple(op for op in hasconst if op < 256)
_EXTENDED_ARG, _STORE_NAME = op_number("EXTENDED_ARG"), op_number("STORE_NAME")
_LOAD_CONST = op_number("LOAD_CONST")


def body(code: CodeType) -> tuple[Any, ...]:
    """What the code does, as plain data that `marshal` can write.

    Two bodies are equal exactly when operations, names, constants, arguments and nested code are.
    Not part of it: comments, line numbers, file, docstrings, names of locals, unused constants.
    Constants stand in the order of their use, because a docstring would shift their numbers.
    """
    describe = _function_body if code.co_flags & _OPTIMIZED else _class_body
    operations, names, constants = describe(code)
    n_named = code.co_argcount + code.co_kwonlyargcount
    return (
        operations,
        names,
        tuple(map(_constant, constants)),
        code.co_varnames[:n_named],
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_flags & ~_HAS_DOCSTRING,
        code.co_exceptiontable,
        len(code.co_freevars),
    )


def _constant(value: object) -> object:
    if type(value) is CODE:
        return body(value)
    return repr(value) if type(value) is slice else value  # `marshal` refuses slices


def _function_body(code: CodeType) -> tuple[bytes, tuple[str, ...], list[object]]:
    """Operations with the numbers of constants blanked, and the constants in order of use."""
    operations = bytearray(code.co_code)
    ops = bytes(operations[::2])
    used = []
    for op in _CONST_OPS:
        at = ops.find(op)
        while at >= 0:
            used.append(code.co_consts[argument_at(operations, ops, at)])
            operations[2 * at + 1] = 0
            before = at - 1
            while before >= 0 and ops[before] == _EXTENDED_ARG:
                operations[2 * before + 1] = 0
                before -= 1
            at = ops.find(op, at + 1)
    return bytes(operations), code.co_names, used


def _class_body(code: CodeType) -> tuple[bytes, tuple[str, ...], list[object]]:
    """The same for a class body, less what it notes about its source text."""
    operations = bytearray()
    used_names: list[str] = []
    used: list[object] = []
    for op, arg in instructions(code.co_code):
        shift = NAME_SHIFTS.get(op)
        if shift is not None:
            name = code.co_names[arg >> shift]
            if op == _STORE_NAME and name in _ABOUT_SOURCE and operations[-5] == _LOAD_CONST:
                del operations[-5:], used[-1:]
                continue
            used_names.append(name)
            arg &= (1 << shift) - 1
        elif op in _CONST_OPS:
            used.append(code.co_consts[arg])
            arg = 0
        operations += bytes((op, *arg.to_bytes(4, "little")))
    return bytes(operations), tuple(used_names), used

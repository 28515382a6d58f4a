"""Leaves out of a module's top level what only a program runs: `if __name__ == "__main__":`."""

from __future__ import annotations

from amorsize._function.bytecode import op_number, op_numbers, placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_LOAD_NAME, _LOAD_CONST = op_number("LOAD_NAME"), op_number("LOAD_CONST")
_COMPARE_OP, _NOP = op_number("COMPARE_OP"), op_number("NOP")
_JUMPS_IF_FALSE = op_numbers("POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_IF_FALSE")


def without_program(code: CodeType) -> bytes:
    """The operations of a top level as an import runs them, with others in place of the rest."""
    units = bytearray(code.co_code)
    if "__main__" not in code.co_consts:
        return bytes(units)
    steps = list(placed(code.co_code))
    for at, (_, end, op, n_units) in enumerate(steps):
        if (
            op in _JUMPS_IF_FALSE
            and at > 2
            and _asks(code, [one[2:] for one in steps[at - 3 : at]])
        ):
            units[end : end + 2 * n_units] = bytes((_NOP, 0)) * n_units
    return bytes(units)


def _asks(code: CodeType, steps: list[tuple[int, int]]) -> bool:
    """Whether these three operations ask if the module is the program."""
    (load, name), (load_constant, constant), (compare, _) = steps
    if (load, load_constant, compare) != (_LOAD_NAME, _LOAD_CONST, _COMPARE_OP):
        return False
    return code.co_names[name] == "__name__" and code.co_consts[constant] == "__main__"

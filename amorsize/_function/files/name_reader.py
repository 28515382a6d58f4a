"""Follows the parts that names are put together from through the bytecode of a function."""

from __future__ import annotations

from opcode import opname

from amorsize._function.bytecode import (
    JUMPS_AWAY,
    JUMPS_BACK,
    JUMPS_KEEPING,
    JUMPS_ON,
    LOOP_LEAVES_NOTHING,
    handlers,
    placed,
)
from amorsize._function.files.inlined_comprehensions import inlined
from amorsize._function.files.name_comprehensions import gone_through
from amorsize._function.files.name_frame import NULL
from amorsize._function.files.name_operations import run
from amorsize._function.files.name_parts import UNKNOWN, Part, is_same, one_of
from amorsize._function.files.passed_over import passed_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._function.files.name_frame import NameFrame

    Landings = dict[int, tuple[list[Part], dict[int, Part]]]


#: Ends of the names of jumps that are made where a value is true.
_WHERE_TRUE = ("IF_TRUE", "IF_TRUE_OR_POP")


def read_names(frame: NameFrame) -> None:
    """Follow a function from top to bottom, with what two ways bring to a place put together.

    What a loop sets is not followed at its later turns: `while name: ...; name = name[:-1]`.
    """
    first = dict(frame.variables)
    set_again = _read(frame, {})
    if any(set_again.values()):
        frame.variables, frame.stack = first, []
        _read(frame, set_again)


def _read(frame: NameFrame, set_again: dict[int, set[int]]) -> dict[int, set[int]]:
    """Follow a function; gives the variables that loops set anew, by the places where these begin.

    Args:
        frame: The function's.
        set_again: The same, if they are known: they are taken for unknown from there on.
    """
    landings: Landings = {}
    left_out, steps = passed_over(frame.code), list(placed(frame.code.co_code))
    heads = {end - 2 * arg: dict(frame.variables) for _, end, op, arg in steps if op in JUMPS_BACK}
    caught = handlers(frame.code)
    begun = {first for first, _, _ in caught}
    found: dict[int, set[int]] = {}
    is_behind_jump = False
    for start, end, op, arg in steps:
        if start in landings:
            stack, variables = landings.pop(start)
            frame.variables = _any_of(frame.variables, variables)
            frame.stack = list(stack) if is_behind_jump else _either(frame.stack, stack)
        if start in heads:
            frame.variables |= dict.fromkeys(set_again.get(start, ()), UNKNOWN)
            heads[start] = dict(frame.variables)
        if caught and (opname[op].startswith("STORE_") or start in begun):
            for first, behind, target in caught:
                if first <= start < behind:  # what is set here may not be, where this raises
                    _jump(frame, landings, target, [])
        if op in JUMPS_BACK:
            head = heads[end - 2 * arg]
            found.setdefault(end - 2 * arg, set()).update(_set_anew(head, frame.variables))
        name = opname[op]
        before = list(frame.stack) if op in JUMPS_ON else []
        frame.at_times = start in left_out
        run(frame, name, op, arg)
        is_behind_jump = op in JUMPS_AWAY
        if op in JUMPS_ON:
            stack = before if op in JUMPS_KEEPING else list(frame.stack)
            if name.endswith(_WHERE_TRUE) and stack and stack[-1] is before[-1]:
                stack = [*stack[:-1], stack[-1].replace(decides=True)]
            if name == "FOR_ITER":
                stack = before[:-1] if LOOP_LEAVES_NOTHING else [*before, NULL]
                if (made := inlined(frame, start)) is not None:
                    stack[-3] = gone_through(made, "", [before[-1]]) or stack[-3]
            _jump(frame, landings, end + 2 * arg, stack)
        if is_behind_jump:
            frame.stack.clear()
    return found


def _set_anew(before: dict[int, Part], after: dict[int, Part]) -> set[int]:
    """The variables that are others than before."""
    return {at for at, one in before.items() if at in after and not is_same(one, after[at])}


def _jump(frame: NameFrame, landings: Landings, target: int, stack: list[Part]) -> None:
    variables = dict(frame.variables)
    if target in landings:
        known = landings[target]
        stack, variables = _either(known[0], stack), _any_of(known[1], variables)
    landings[target] = stack, variables


def _any_of(one: dict[int, Part], other: dict[int, Part]) -> dict[int, Part]:
    """The variables after two ways to the same place."""
    return {
        at: one_of(one[at], other[at]) if at in one and at in other else one.get(at) or other[at]
        for at in one.keys() | other.keys()
    }


def _either(one: list[Part], other: list[Part]) -> list[Part]:
    """The stack after two ways to the same place."""
    if len(one) != len(other):
        return one
    return [one_of(a, b) for a, b in zip(one, other, strict=True)]

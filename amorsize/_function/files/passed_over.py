"""Finds what a loop adds to a list, or a generator gives, at some of its turns only.

Names that are made of what was added may be the same for items that differ in what was not.
"""

from __future__ import annotations

from amorsize._function.bytecode import JUMPS_BACK, JUMPS_ON, op_number, op_numbers, placed
from amorsize._function.kept_by_code import kept_by_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_FOR_ITER, _YIELD = op_number("FOR_ITER"), op_number("YIELD_VALUE")
_ADDS = frozenset((_YIELD, *op_numbers("LIST_APPEND", "SET_ADD", "MAP_ADD")))
_RETURNS = frozenset(op_numbers("RETURN_VALUE", "RETURN_CONST"))


@kept_by_code
def passed_over(code: CodeType) -> frozenset[int]:
    """The places of operations that add or yield, and that some ways through the code leave out."""
    steps = list(placed(code.co_code))
    adding = [(start, op) for start, _, op, _ in steps if op in _ADDS]
    if not adding:
        return frozenset()
    loops = [(start, end + 2 * arg) for start, end, op, arg in steps if op == _FOR_ITER]
    returns = [start for start, _, op, _ in steps if op in _RETURNS]
    jumps = [
        (start, end + (-2 if op in JUMPS_BACK else 2) * arg)
        for start, end, op, arg in steps
        if op in JUMPS_BACK or (op in JUMPS_ON and op != _FOR_ITER)
    ]
    found = set()
    for place, op in adding:
        around = [(start, end) for start, end in loops if start < place < end]
        begin = -1 if op == _YIELD or not around else around[0][0]
        is_left_out = any(_leaves_out(place, begin, around, jump) for jump in jumps)
        is_ended = any(start < one < end for one in returns for start, end in around)
        if is_left_out or is_ended or (op == _YIELD and any(one < place for one in returns)):
            found.add(place)
    return frozenset(found)


def _leaves_out(
    place: int, begin: int, around: list[tuple[int, int]], jump: tuple[int, int]
) -> bool:
    """Whether a jump passes over a place, by going on to the next turn or out of a loop as well."""
    start, target = jump
    goes_over = begin < start < place < target
    goes_back = start < place and any(target == loop for loop, _ in around)
    return goes_over or goes_back or any(one < start < end <= target for one, end in around)

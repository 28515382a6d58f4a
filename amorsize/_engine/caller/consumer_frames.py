"""Finds the code that runs between two results of a stream: that of what takes the results."""

from __future__ import annotations

from opcode import opname

from amorsize._function.bytecode import (
    CODE,
    FOR_ITER_CACHES,
    JUMPS_BACK,
    NAME_SHIFTS,
    op_number,
    placed,
)
from amorsize._function.ownership import is_own_module
from amorsize._host.program_line import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType
    from typing import Any

    #: A frame, and where its code begins and ends that runs between two results.
    Consumer = tuple[FrameType, int, int]

_GENERATOR = 0x20
_FOR_ITER, _EXTENDED_ARG = op_number("FOR_ITER"), op_number("EXTENDED_ARG")
_CACHE = op_number("CACHE")
#: Names of what takes some results, and leaves the others for later.
_ADVANCING = frozenset({"next", "__next__", "send", "islice"})
#: Names of what may end before the results do, if it goes through them.
_ENDING = _ADVANCING | {"zip", "takewhile", "any", "all", "batched"}
#: Beginnings of the operations that end a statement, or the part of one that a loop is.
_ENDS_STATEMENT = (
    *("STORE_", "DELETE_", "POP_", "RESUME", "RETURN_", "JUMP_BACKWARD", "FOR_ITER"),
    *("PUSH_EXC_INFO", "RERAISE", "RAISE_"),
)


def consumers(frame: FrameType | None) -> Iterator[Consumer]:
    """The frames that run between two results, with where the code is that does."""
    while frame is not None and is_ours(frame.f_globals):
        frame = frame.f_back
    are_left = False  # a function takes some results, and leaves the others to what calls it
    while frame is not None and (not are_left or is_own_module(frame.f_globals.get("__name__"))):
        code = frame.f_code
        hands_on = code.co_flags & _GENERATOR or code.co_name == "__next__"
        is_own = is_own_module(frame.f_globals.get("__name__"))
        loop = _loop_taking(frame)
        takes_some = loop is None and not _ADVANCING.isdisjoint(code.co_names)
        if loop is not None:
            yield frame, *loop
        if not are_left:  # what takes the results may call something for each: `map`, say
            statement = _begin_of_statement(code, frame.f_lasti), frame.f_lasti
            yield frame, *statement
            takes_some = takes_some or _leaves_some(frame, loop, statement)
        if takes_some or (are_left and loop is None):
            yield frame, _begin(frame) if are_left else 0, len(code.co_code)
        are_left = not hands_on and ((are_left and loop is None) or takes_some)
        if is_own and not (hands_on or are_left):  # else code in C takes all results
            return
        frame = frame.f_back


def _loop_taking(frame: FrameType) -> tuple[int, int] | None:
    """Where the loop begins and ends that a frame waits in for a result; None: in no `for`."""
    data, last = frame.f_code.co_code, frame.f_lasti
    while last > 0 and data[last] == _CACHE:  # as Python 3.12 has it where a generator goes on
        last -= 2
    if last < 0 or data[last] != _FOR_ITER:
        return None
    high = data[last - 1] << 8 if last >= 2 and data[last - 2] == _EXTENDED_ARG else 0
    return last, last + 2 + 2 * (FOR_ITER_CACHES + (high | data[last + 1]))


def _begin_of_statement(code: CodeType, last: int) -> int:
    """Where the statement begins in which a function is."""
    begin = 0
    for start, end, op, _ in placed(code.co_code):
        if start >= last:
            break
        if opname[op].startswith(_ENDS_STATEMENT):
            begin = end
    return begin


def _leaves_some(
    frame: FrameType, loop: tuple[int, int] | None, statement: tuple[int, int]
) -> bool:
    """Whether a function may leave some results for later: in an iterator that has a name."""
    names = {name for op, name in body_of(frame.f_code, *statement) if op.startswith("LOAD_")}
    values = (frame.f_locals.get(name, frame.f_globals.get(name)) for name in names)
    if not any(hasattr(type(value), "__next__") for value in values):
        return False
    return not names.isdisjoint(_ENDING) or (loop is not None and _may_be_left(frame, *loop))


def _may_be_left(frame: FrameType, start: int, stop: int) -> bool:
    """Whether a loop may end before its data does, by `break` or `return`."""
    inside = [one for one in placed(frame.f_code.co_code) if start < one[0] < stop]
    returns = any(opname[op].startswith("RETURN_") for _, _, op, _ in inside)
    return returns or any(
        opname[op].startswith(("JUMP_FORWARD", "POP_JUMP")) and end + 2 * arg >= stop
        for _, end, op, arg in inside
        if "BACKWARD" not in opname[op]
    )


def _begin(frame: FrameType) -> int:
    """Where a function goes on behind what it calls: there, or where a loop around it begins."""
    last = frame.f_lasti
    loops = (
        (end - 2 * arg, end) for _, end, op, arg in placed(frame.f_code.co_code) if op in JUMPS_BACK
    )
    return min((start for start, end in loops if start <= last < end), default=last)


def body_of(code: CodeType, start: int, stop: int) -> Iterator[tuple[str, str]]:
    """The operations between two places, with the names that they are for."""
    data, high = code.co_code, 0
    for at in range(start, stop, 2):
        op, arg = data[at], high | data[at + 1]
        high = arg << 8 if op == _EXTENDED_ARG else 0
        names = _names(code, op, arg)
        yield from zip(_parts_of(opname[op]), names, strict=False)
        if opname[op] == "LOAD_CONST" and isinstance(inner := code.co_consts[arg], CODE):
            yield from body_of(inner, 0, len(inner.co_code))  # of a lambda, say


def _parts_of(op: str) -> tuple[str, ...]:
    """An operation on two variables as one on each: the second of STORE_FAST_LOAD_FAST loads."""
    first, _, second = op.partition("_FAST_")
    return (f"{first}_FAST", second) if second.endswith("_FAST") else (op,)


def _names(code: Any, op: int, arg: int) -> tuple[str, ...]:
    """The names that an operation is for; one empty name if it is for none."""
    kind = opname[op]
    if op in NAME_SHIFTS:
        return (code.co_names[arg >> NAME_SHIFTS[op]],)
    if kind.count("_FAST") == 2:
        return code.co_varnames[arg >> 4], code.co_varnames[arg & 15]
    if "_FAST" in kind:
        return (_local(code, arg),)
    if kind.endswith(("_DEREF", "_CLOSURE")):
        return (_local(code, arg),)
    return ("",)


def _local(code: Any, arg: int) -> str:
    """The name of a local variable or cell, in the order in which a frame has them."""
    cells_only = tuple(one for one in code.co_cellvars if one not in code.co_varnames)
    names = (*code.co_varnames, *cells_only, *code.co_freevars)
    return names[arg] if arg < len(names) else ""

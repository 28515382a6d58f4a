"""Tells from a function's code how it uses files that it opens or folders that it makes."""

from __future__ import annotations

from amorsize._function import bytecode
from amorsize._function.bytecode import NAME_SHIFTS, op_number, op_numbers
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.library.sql_uses import ADDS, CHANGES, LOOKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

#: What is done to a file that is opened by flags, and to a folder that must not exist yet.
BY_FLAGS, MAKES = "by flags", "makes"
#: Names by which code asks how long a file is by now.
_ASKING = {"tell", "fstat"}
#: The flag with which a lock is not waited for.
_AT_ONCE = "LOCK_NB"
#: Flags with which a file is changed.
_CHANGING = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_EXCL"}
#: Functions and methods that write.
_WRITING = {"write", "writelines"}
#: Modes of files that are added to without a buffer, if the code has a 0 as well.
_UNBUFFERED = {"ab", "ba", "ab+", "a+b"}
_CALLS = frozenset(op_numbers("CALL", "CALL_KW", "CALL_FUNCTION_EX"))
_POP_TOP, _POP_EXCEPT, _NOP = op_number("POP_TOP"), op_number("POP_EXCEPT"), op_number("NOP")
_JUMP_FORWARD = op_number("JUMP_FORWARD")
_JUMPS_BACK = frozenset(op_numbers("JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"))
_RETURN_CONST, _RETURN_VALUE = op_number("RETURN_CONST"), op_number("RETURN_VALUE")
_LOADS = frozenset(op_numbers("LOAD_CONST", "LOAD_FAST"))
_MAKING = {"mkdir", "makedirs"}


def as_used(use: str, code: CodeType) -> list[str]:
    """What some use of a file comes to in the function that has this code."""
    names = code.co_names
    if use == MAKES:
        return [] if _passes_over_errors(code) else [CHANGES]
    if use == BY_FLAGS:
        use = LOOKS if _CHANGING.isdisjoint(names) else ADDS if "O_APPEND" in names else CHANGES
    if use == ADDS and _writes_in_pieces(code):
        return [CHANGES]
    if use in (ADDS, LOOKS) and _AT_ONCE in names:
        return [CHANGES]
    return [ADDS, LOOKS] if use == ADDS and not _ASKING.isdisjoint(names) else [use]


@kept_by_code
def _writes_in_pieces(code: CodeType) -> bool:
    """Whether a function may write a line in several pieces that others can get between."""
    keywords = [one for one in code.co_consts if type(one) is tuple]
    n_writes, n_loops = 0, 0
    for op, arg in bytecode.instructions(code.co_code):
        name = code.co_names[arg >> NAME_SHIFTS[op]] if op in NAME_SHIFTS else ""
        n_writes += name in _WRITING or (name == "print" and any("file" in one for one in keywords))
        n_loops += op in _JUMPS_BACK
    if n_writes + n_loops < 2:
        return False
    numbers = [one for one in code.co_consts if type(one) is int]
    is_unbuffered = any("buffering" in one for one in keywords) and not {0, 1}.isdisjoint(numbers)
    is_flushed = "flush" in code.co_names or any({"flush", "file"} <= {*one} for one in keywords)
    by_place = 0 in numbers and not _UNBUFFERED.isdisjoint(bytecode.texts(code))
    return is_unbuffered or is_flushed or by_place or "O_APPEND" in code.co_names


@kept_by_code
def _passes_over_errors(code: CodeType) -> bool:
    """Whether the code goes on in the same way where a folder is there that it makes."""
    if "suppress" in code.co_names:
        return True
    placed = list(bytecode.placed(code.co_code))
    after_making: set[tuple[int, ...]] = set()
    after_errors: set[tuple[int, ...]] = set()
    is_making = False
    for at, (_, _, op, arg) in enumerate(placed):
        name = code.co_names[arg >> NAME_SHIFTS[op]] if op in NAME_SHIFTS else ""
        is_making |= name in _MAKING
        if is_making and op == _POP_TOP and placed[at - 1][2] in _CALLS:
            after_making.add(_goes_on(placed, at + 1))
            is_making = False
        if op == _POP_EXCEPT and placed[at - 1][2] == _POP_TOP:
            after_errors.add(_goes_on(placed, at + 1))
    return bool(after_making) and not is_making and after_making <= after_errors


def _goes_on(placed: list[tuple[int, int, int, int]], at: int) -> tuple[int, ...]:
    """The place where code really goes on, or what it returns there."""
    places = {start: index for index, (start, *_) in enumerate(placed)}
    for _ in placed:
        start, end, op, arg = placed[at]
        if op == _NOP:
            at += 1
        elif op == _JUMP_FORWARD or op in _JUMPS_BACK:
            target = end + 2 * arg * (1 if op == _JUMP_FORWARD else -1)
            if target not in places:
                break
            at = places[target]
        elif op == _RETURN_CONST or (op in _LOADS and placed[at + 1][2] == _RETURN_VALUE):
            return op, arg
        else:
            return (start,)
    return ()

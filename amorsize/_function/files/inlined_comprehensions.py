"""Finds the list comprehensions that are part of their function's code, as from Python 3.12 on.

Each becomes code of its own, as earlier versions have it: its loop as it stands, with an empty list
made before and given back behind. What it takes from the variables around it are its arguments.
"""

from __future__ import annotations

import sys
from opcode import opmap, opname

from amorsize._function.bytecode import (
    JUMPS_BACK,
    JUMPS_ON,
    cells_of,
    instructions,
    op_numbers,
    placed,
)
from amorsize._function.files.item_values import ITERATED
from amorsize._function.files.name_parts import constant
from amorsize._function.kept_by_code import kept_by_code
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from amorsize._function.files.name_frame import NameFrame
    from amorsize._function.files.name_parts import Part

    Steps = list[tuple[int, int, int, int]]

#: The name that the code of a list comprehension has.
LISTCOMP = "<listcomp>"
#: What puts its variables aside, which may be the function's too; there is none before Python 3.12.
_PUT_ASIDE = frozenset(op_numbers("LOAD_FAST_AND_CLEAR"))
#: What lies just before the loop, and what ends it, as this version of Python compiles it.
_AHEAD = ("SWAP", "BUILD_LIST", "SWAP")
_ENDS = ("END_FOR", "POP_TOP") if sys.hexversion >= 0x30D0000 else ("END_FOR",)
#: The flags of code that just runs: CO_OPTIMIZED, CO_NEWLOCALS.
_RUNS = 0x1 | 0x2
_READS_CELL = op_numbers("LOAD_DEREF")
#: Operations on two variables, with four bits of their argument for each.
_ON_TWO = {"LOAD_FAST_LOAD_FAST", "STORE_FAST_LOAD_FAST"}
#: The largest argument of an operation without an extension.
_MOST = 0xFF


class Inlined(Value):
    """A list comprehension as code of its own."""

    code: CodeType
    takes: frozenset[int]  # the variables of the function that it reads


def inlined(frame: NameFrame, start: int) -> Part | None:
    """The list comprehension whose loop begins at a place, as a function; None: it is none."""
    found = _all_inlined(frame.code).get(start)
    if found is None:
        return None
    names = frame.code.co_varnames
    held = {name: frame.variable(at) for at, name in cells_of(frame.code).items() if name}
    for at, name in enumerate(names):
        held[name] = frame.variable(at) if at in found.takes else constant(None)
    return frame.function_with(found.code, held)


@kept_by_code
def _all_inlined(code: CodeType) -> dict[int, Inlined]:
    """Those that can be taken out, by the places where their loops begin."""
    if _PUT_ASIDE.isdisjoint(code.co_code[::2]):
        return {}
    steps = list(placed(code.co_code))
    places = [start for start, _, _, _ in steps]
    found = {}
    for at, (start, end, op, arg) in enumerate(steps):
        if opname[op] == "FOR_ITER" and (own := _put_aside(steps[:at])):
            n_steps = places.index(end + 2 * arg) - at + len(_ENDS)
            loop = steps[at : at + n_steps]
            if _stands_alone(code, loop, own):
                found[start] = _taken_out(code, loop, own)
    return found


def _put_aside(ahead: Steps) -> list[int]:
    """The variables of a list comprehension before its loop; none, if another loop begins there."""
    if tuple(opname[op] for _, _, op, _ in ahead[-3:]) != _AHEAD:
        return []
    own = []
    for _, _, op, arg in reversed(ahead[:-3]):
        if op not in _PUT_ASIDE:
            break
        own.append(arg)
    return own


def _stands_alone(code: CodeType, loop: Steps, own: list[int]) -> bool:
    """Whether a loop ends as it should, stays in itself, and needs no cells of its function."""
    places, cells = {start for start, _, _, _ in loop}, cells_of(code)
    jumps = {end + 2 * arg for _, end, op, arg in loop if op in JUMPS_ON}
    jumps |= {end - 2 * arg for _, end, op, arg in loop if op in JUMPS_BACK}
    has_cells = all(cells.get(arg) for _, _, op, arg in loop if op in _READS_CELL)
    has_names = {ITERATED, *code.co_freevars}.isdisjoint(code.co_varnames)
    is_small = max(own) < len(code.co_varnames) and max(*own, len(code.co_freevars)) <= _MOST
    ends = tuple(opname[op] for _, _, op, _ in loop[-len(_ENDS) :])
    return is_small and has_cells and has_names and jumps <= places and ends == _ENDS


def _taken_out(code: CodeType, loop: Steps, own: list[int]) -> Inlined:
    """A loop as a function; it gets what it goes through in a variable that it sets at once."""
    names, n_cells = list(code.co_varnames), len(code.co_freevars)
    names[own[0]] = ITERATED
    ahead = [("COPY_FREE_VARS", n_cells)] if n_cells else []
    ahead += [("RESUME", 0), ("BUILD_LIST", 0), ("LOAD_FAST", own[0]), ("GET_ITER", 0)]
    body = code.co_code[loop[0][0] : loop[-1][1]]
    alone = code.replace(
        co_code=_assembled(*ahead) + body + _assembled(("RETURN_VALUE", 0)),
        co_argcount=len(names),
        co_posonlyargcount=0,
        co_kwonlyargcount=0,
        co_varnames=tuple(names),
        co_flags=_RUNS,
        co_name=LISTCOMP,
        co_linetable=b"",
        co_exceptiontable=b"",
    )
    return Inlined(code=alone, takes=frozenset(_read_by(body)).difference(own))


def _assembled(*steps: tuple[str, int]) -> bytes:
    return bytes(byte for name, arg in steps for byte in (opmap[name], arg))


def _read_by(body: bytes) -> Iterator[int]:
    """The variables that operations read, and perhaps some that they set."""
    for op, arg in instructions(body):
        if "LOAD_FAST" in opname[op]:
            yield from (arg >> 4, arg & 0xF) if opname[op] in _ON_TWO else (arg,)

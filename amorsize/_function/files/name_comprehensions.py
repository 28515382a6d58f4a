"""Tells what comprehensions, `map` or `filter` make of parts of the item, by making it.

`"".join(c for c in title if c.isalnum())` makes the same name of titles that differ. A
comprehension is run if its code only calls methods of its elements and a few functions, and these
elements are plain: then it can change nothing, and takes no longer than in the item.
"""

from __future__ import annotations

import builtins
from opcode import opname

from amorsize._function.bytecode import instructions, used_names
from amorsize._function.callables import FUNCTION, MISSING
from amorsize._function.files.inlined_comprehensions import LISTCOMP
from amorsize._function.files.item_values import (
    FILTERED,
    GONE_THROUGH,
    ITERATED,
    MAPPED,
    known_function,
)
from amorsize._function.files.name_parts import Part, made
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.plain_values import is_plain
from amorsize._function.purity.pure_code import HARMLESS, KINDS, NOT_COMPUTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

_ARE_FOLLOWED = {LISTCOMP, "<genexpr>"}
#: Functions that are quick, whatever they are given.
_QUICK = {"str", "int", "float", "ord", "chr", "len", "repr", "bool", "abs", "round"}
#: What may take long: `x * 10**9`.
_SLOW = {"BINARY_OP", "YIELD_FROM", "SEND", "MAKE_FUNCTION", "STORE_DEREF"}
_OF_FUNCTIONS = {"map": MAPPED, "filter": FILTERED}


def gone_through(called: Part, name: str, passed: list[Part]) -> Part | None:
    """What a comprehension, `map` or `filter` makes; None: it is none, or more is to be told."""
    first = called if name not in _OF_FUNCTIONS else passed[0] if passed else Part()
    function = first.known
    if name in _OF_FUNCTIONS:
        is_told = len(passed) == 2 and callable(function) and known_function(function) is not None
        return made(_OF_FUNCTIONS[name], *passed) if is_told else None
    if type(function) is not FUNCTION or len(passed) != 1:
        return None
    code = function.__code__
    names = (*code.co_freevars, *code.co_varnames[: code.co_argcount])
    held = [(called.closure or {}).get(one, Part()) for one in names if one != ITERATED]
    if code.co_name not in _ARE_FOLLOWED or not _only_looks(code) or not _knows(function):
        return None
    return made(GONE_THROUGH, first, *passed, *held)


def _knows(function: Any) -> bool:
    """Whether all names in the code are of methods, quick functions or plain values."""
    for name in used_names(function.__code__):
        value = function.__globals__.get(name, vars(builtins).get(name, MISSING))
        is_quick = name in _QUICK and value is getattr(builtins, name)
        is_value = value is not MISSING and (is_quick or is_plain(value))
        is_method = name not in NOT_COMPUTING and any(hasattr(kind, name) for kind in KINDS)
        if not is_value and (value is not MISSING or not is_method):
            return False
    return True


@kept_by_code
def _only_looks(code: CodeType) -> bool:
    """Whether code goes once through what it is given, and does nothing that takes long."""
    steps = [opname[op] for op, _ in instructions(code.co_code)]
    is_harmless = HARMLESS.issuperset(steps) and _SLOW.isdisjoint(steps)
    return is_harmless and steps.count("FOR_ITER") == 1

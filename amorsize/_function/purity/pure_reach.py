"""Names all values that a function reaches that does nothing but compute or sleep.

A worker that was forked for one call may run the items of another one if the function computes with
plain values alone, and reaches the same values as at the fork. All of them are constants, code or
functions, so the same objects are the same values: nothing needs to be looked into.
"""

from __future__ import annotations

import sys
from opcode import opname

from amorsize._function.bytecode import instructions
from amorsize._function.callables import BUILTIN, FUNCTION, MISSING, MODULE
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.plain_values import PLAIN, kinds_of
from amorsize._function.purity.pure_code import GENERATOR, Proof
from amorsize.policy.frozen_record import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType
    from typing import Any

#: Functions of `time` whose results do not depend on what the process has.
_OF_TIME = frozenset(
    (
        *("sleep", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
        *("process_time", "process_time_ns", "thread_time", "thread_time_ns", "time", "time_ns"),
    )
)
#: Constants of which each process has exactly one.
_SINGLE = (None, True, False, ...)
_INEXACT = frozenset((float, complex))
#: Types of values that a module written in C may have.
_AS_BUILT = PLAIN | {tuple}


def reach_of(
    func: Any, data: Sequence[Sequence[object]], most_items: float = inf
) -> tuple[Any, ...] | None:
    """All that the function reaches, for `is_same`; None: it does more than compute and sleep.

    Args:
        func: What runs for each item.
        data: One sequence of items for each argument that items give, and one of all keywords.
        most_items: With more to be asked for their types there is no answer.
    """
    if type(func) is not FUNCTION or func.__code__.co_flags & GENERATOR:
        return None
    proof = _Reaching()
    are_plain = all(proof.admits_items(items, most_items) for items in data)
    holds = are_plain and proof.holds(func) and proof.needs_no_encoding()
    return tuple(proof.reached) if holds else None


def is_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two reaches have the same objects in the same order."""
    return len(one) == len(other) and all(map(_is, one, other))


def _is(one: object, other: object) -> bool:
    return one is other


class _Reaching(Proof):
    """Notes what a proof meets. A sleeping function holds nothing that could change either."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: list[Any] = []

    def admits_items(self, items: Sequence[object], most_items: float) -> bool:
        """Whether items are plain values that no code can tell from their copies."""
        kinds = kinds_of(items, most_items)
        return self.admits(kinds) and not (kinds & _INEXACT and any(map(_has_nan, items)))

    def holds(self, func: Any) -> bool:
        """Whether nothing that it may run does more than compute or sleep."""
        by_name = func.__kwdefaults__ or {}
        # Its globals cannot be replaced, and to hold them would keep all that is in them.
        self.reached += (func, func.__code__, func.__defaults__)
        self.reached += (len(by_name), *by_name, *by_name.values())
        has_nan = _has_nan((func.__defaults__ or (), *by_name.values()))
        return not has_nan and super().holds(func)

    def only_computes(self, code: CodeType, func: Any) -> bool:
        """The same, without comparing objects by their identity: a worker would have copies."""
        is_clear = not compares_identity(code) and not _has_nan(code.co_consts)
        return is_clear and super().only_computes(code, func)

    def leads_nowhere(self, value: Any) -> bool:
        """Whether code that has this value can do no more with it than compute or sleep."""
        self.reached.append(value)
        if type(value) is MODULE:
            self.reached += (*vars(value), *vars(value).values())
            is_time = value is sys.modules.get("time")
            return _is_as_built(value) and (is_time or super().leads_nowhere(value))
        if type(value) is BUILTIN and value.__module__ == "time":
            return value.__name__ in _OF_TIME
        return not _has_nan(value) and super().leads_nowhere(value)

    def is_method(self, name: str) -> bool:
        """Whether it names a method of plain values, or a function of `math` or `time`."""
        self.reached.append(MISSING)  # a global of this name would be another reach
        if name == "nan":  # of which a worker's copy is not the one in an item
            return False
        return super().is_method(name) or (name in _OF_TIME and _is_of_time(name))


def _is_of_time(name: str) -> bool:
    found = getattr(sys.modules.get("time"), name, None)
    return type(found) is BUILTIN and found.__module__ == "time"


def _is_as_built(module: Any) -> bool:
    """Whether nobody has put an object of another kind into a module that is written in C."""
    return all(
        type(value) in _AS_BUILT or getattr(value, "__module__", "") == module.__name__
        for name, value in vars(module).items()
        if not name.startswith("__")
    )


def _has_nan(value: Any) -> bool:
    """Whether it is equal to itself by identity alone, or has such a value inside."""
    if type(value) is tuple:
        return any(map(_has_nan, value))
    return type(value) in _INEXACT and value != value


@kept_by_code
def compares_identity(code: CodeType) -> bool:
    """Whether it asks if something is another object than None, True, False or `...`."""
    before, last, is_single = "", "", False
    for op, argument in instructions(code.co_code):
        name = opname[op]
        if name == "NOP":
            continue
        if name == "IS_OP" and not (is_single and _gives_value(before)):
            return True
        before, last = last, name
        is_single = name == "LOAD_CONST" and any(code.co_consts[argument] is one for one in _SINGLE)
    return False


def _gives_value(step: str) -> bool:
    """Whether a constant loaded after it is an operand alone: not one of two, as in `x or None`."""
    return bool(step) and "JUMP" not in step and step != "POP_TOP"

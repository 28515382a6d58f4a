"""Finds code that depends on the hash of text: on `hash()`, or on the order of a set.

Each interpreter hashes text with a seed of its own, so both differ between the caller and a worker
that was not forked from it. The bytecode is read in one pass. A set does not matter as long as it
is only searched, counted or sorted. It matters when it is iterated, as far as that can be followed.
"""

from __future__ import annotations

import os
import sys
from opcode import opmap, opname

from amorsize._function import bytecode, callable_walk
from amorsize._function.kept_by_code import kept_by_code
from amorsize._host import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

#: What may be known of a value on the stack.
_SET, _COMPREHENSION = "a set", "a set comprehension"
_MAKERS = {"set", "frozenset"}
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference", "copy"}
_READERS = {"list", "tuple", "enumerate", "iter", "map", "filter", "zip", "dict", "str", "repr"}
_READERS |= {"print", "format", "join", "extend", "fromkeys", "writelines", "writerow", "deque"}
_READING_OPS = {"GET_ITER", "LIST_EXTEND", "UNPACK_SEQUENCE", "UNPACK_EX", "FORMAT_VALUE"}
_READING_OPS |= {"FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "GET_YIELD_FROM_ITER", "CONVERT_VALUE"}
_SILENT = {"RESUME", "PRECALL", "NOP", "KW_NAMES", "COPY_FREE_VARS", "MAKE_CELL"}
_BUILD_SET = opmap["BUILD_SET"]


def is_fixed() -> bool:
    """Whether every interpreter that this one starts hashes text in the same way."""
    seed = os.environ.get("PYTHONHASHSEED", "")
    if not seed.isdecimal() or sys.flags.ignore_environment:
        return False
    # It was read when this interpreter began: set since, it holds for those that are started alone.
    began_with = procfs.read("/proc/self/environ")
    return not began_with or f"PYTHONHASHSEED={seed}" in began_with.split("\0")


def why(func: Any) -> str | None:
    """What in a function depends on the hash of text, in words; None: nothing is found."""
    code, scope = func.__code__, func.__globals__
    if "hash" not in scope and (bytecode.GLOBAL, "hash", ()) in callable_walk.loads(code):
        return "uses hash()"
    for each in _whole(code):
        if "__hash__" in each.co_names:
            return "uses __hash__()"
        sets = _global_sets(each, scope)
        if _Pass(each, sets).reads_a_set() if sets else _reads_a_set_of_its_own(each):
            return "goes through a set"
    return None


def _global_sets(code: CodeType, scope: dict[str, Any]) -> dict[str, str | None]:
    """The globals that are sets now, by name; None for a set without texts."""
    return {
        name: _of_constant(scope[name])
        for name in code.co_names
        if type(scope.get(name)) in (set, frozenset)
    }


@kept_by_code
def _whole(code: CodeType) -> list[CodeType]:
    """The code with all code within it, outermost first."""
    return [code, *(one for inner in bytecode.nested(code) for one in _whole(inner))]


@kept_by_code
def _reads_a_set_of_its_own(code: CodeType) -> bool:
    return _has_sets_of_its_own(code) and _Pass(code, {}).reads_a_set()


def _has_sets_of_its_own(code: CodeType) -> bool:
    """Whether the code could get a set from anything but globals; most code cannot."""
    return (
        _BUILD_SET in code.co_code[::2]
        or not _MAKERS.isdisjoint(code.co_names)
        or any(map(_of_constant, code.co_consts))
    )


class _Pass:
    """One pass over the operations of a code object, with what is known of the stack's values."""

    def __init__(self, code: CodeType, sets: dict[str, str | None]) -> None:
        self.code, self.sets = code, sets
        self.stack: list[Any] = []
        self.locals: dict[int, Any] = {}

    def reads_a_set(self) -> bool:
        """Whether the order of a set may matter."""
        return any(self._reads(name, arg) for name, arg in self._operations())

    def _operations(self) -> Iterator[tuple[str, int]]:
        for op, arg in bytecode.instructions(self.code.co_code):
            if (name := opname[op]) not in _SILENT:
                yield name, arg

    def _reads(self, name: str, arg: int) -> bool:
        stack = self.stack
        if name in _READING_OPS and stack and stack[-1] == _SET:
            return True
        if name in ("CALL", "CALL_KW"):
            return self._call(arg + (name == "CALL_KW"))
        if not self._push(name, arg):
            self._shift(name, arg)
        return False

    def _push(self, name: str, arg: int) -> bool:
        """Push or store what is known; False for an operation that only shifts the stack."""
        stack, code = self.stack, self.code
        if name in ("LOAD_FAST", "LOAD_FAST_CHECK"):
            stack.append(self.locals.get(arg))
        elif name == "LOAD_FAST_LOAD_FAST":
            stack += [self.locals.get(arg >> 4), self.locals.get(arg & 15)]
        elif name == "STORE_FAST":
            self.locals[arg] = stack.pop() if stack else None
        elif name == "STORE_FAST_LOAD_FAST":
            self.locals[arg >> 4] = stack.pop() if stack else None
            stack.append(self.locals.get(arg & 15))
        elif name == "LOAD_GLOBAL":
            stack += [None] * (arg & 1)
            stack.append(self._of_global(code.co_names[arg >> 1]))
        elif name == "LOAD_CONST":
            stack.append(_of_constant(code.co_consts[arg]))
        elif name in ("LOAD_METHOD", "LOAD_ATTR"):
            self._attribute(name, arg)
        elif name == "BUILD_SET":
            del stack[len(stack) - arg :]
            stack.append(_SET)
        elif name == "SWAP" and len(stack) >= arg:
            stack[-1], stack[-arg] = stack[-arg], stack[-1]
        elif name == "END_FOR":  # read in one pass, a loop has nothing of its last item there
            del stack[len(stack) - (sys.version_info < (3, 13)) :]
        elif name in ("SET_ADD", "LIST_APPEND", "MAP_ADD"):
            del stack[len(stack) - 1 - (name == "MAP_ADD") :]
        elif name == "MAKE_FUNCTION":
            self._shift(name, arg, keeps=stack[-1] if stack else None)
        elif name == "BINARY_OP":
            found = _SET if _SET in stack[-2:] else None
            self._shift(name, arg, keeps=found)
        else:
            return False
        return True

    def _attribute(self, name: str, arg: int) -> None:
        of = self.stack.pop() if self.stack else None
        shift = 0 if name == "LOAD_METHOD" or sys.version_info < (3, 12) else 1
        self.stack.append((of, self.code.co_names[arg >> shift]))
        if name == "LOAD_METHOD" or (shift and arg & 1):
            self.stack.append(None)

    def _call(self, n_arguments: int) -> bool:
        stack = self.stack
        arguments = stack[len(stack) - n_arguments :]
        called = [one for one in stack[-n_arguments - 2 : len(stack) - n_arguments] if one]
        del stack[max(0, len(stack) - n_arguments - 2) :]
        what = called[-1] if called else None
        result = None
        if isinstance(what, tuple):
            of, name = what
            if of == _SET and name == "pop":
                return True
            if (of is None and name in _MAKERS) or (of == _SET and name in _SET_METHODS):
                result = _SET
            elif name in _READERS and _SET in arguments:
                return True
        elif what == _COMPREHENSION or _COMPREHENSION in called:
            result = _SET
        stack.append(result)
        return False

    def _of_global(self, name: str) -> Any:
        return self.sets.get(name, (None, name))

    def _shift(self, name: str, arg: int, keeps: Any = None) -> None:
        effect = bytecode.effect_of(name, arg)
        if effect > 0:
            self.stack += [None] * effect
        elif effect:
            del self.stack[effect:]
        if self.stack and not name.startswith(("POP_", "STORE_", "SET_", "JUMP", "RETURN")):
            self.stack[-1] = keeps


def _of_constant(value: Any) -> Any:
    if type(value) is bytecode.CODE:
        return _COMPREHENSION if value.co_name == "<setcomp>" else None
    holds_text = type(value) in (set, frozenset) and any(
        not isinstance(one, int | float | complex | None) for one in value
    )
    return _SET if holds_text else None

"""Proves that a function does nothing but compute with plain values.

Where the items are plain values, and the code has only locals, constants, builtins that compute and
other functions of this kind, then no value can come up that leads anywhere else. Nothing is shared,
nothing can be changed, and the GIL is held from beginning to end. All that is read off the code in
0.1 ms, without running an item: whatever is not known to be harmless ends the proof, and the
function is examined and watched as any other.

Bytes become text, and text bytes, by an encoding, which a program may have registered with code of
its own. So a proof holds where there may be text or where there may be bytes, never for both.
"""

from __future__ import annotations

import builtins
import sys
from opcode import opname

from amorsize._function.bytecode import ATTR_LOADS, CODE, NAME_SHIFTS, instructions
from amorsize._function.callables import BUILTIN, FUNCTION, MISSING, MODULE
from amorsize._function.kept_by_code import kept_by_code
from amorsize._function.plain_values import PLAIN, kinds_of
from amorsize.policy.frozen_record import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from types import CodeType
    from typing import Any

#: Functions that one proof may lead to.
MOST_FUNCTIONS = 32
#: Seconds to ask an item for its type; the mean of lists of 2 000 to 400 000 numbers.
ASKING_S = 25e-9
#: The largest share of the work left that reading the types of all items may take.
ASKING_SHARE = 0.02

#: Flags of code of which a call runs nothing yet: CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR.
GENERATOR, _ASYNC = 0x20, 0x80 | 0x200
#: The flag of code that gets the names of keywords, which are text: CO_VARKEYWORDS.
_TAKES_NAMES = 0x08

#: Builtins that compute, hold the GIL and give plain values, or containers and iterators of them.
_COMPUTING = frozenset(
    (
        *("abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "chr", "complex"),
        *("dict", "divmod", "enumerate", "filter", "float", "frozenset", "hash"),
        *("hex", "int", "isinstance", "issubclass", "iter", "len", "list", "map", "max", "min"),
        *("next", "oct", "ord", "pow", "range", "repr", "reversed", "round", "set", "slice"),
        *("sorted", "str", "sum", "tuple", "zip", "ArithmeticError", "AssertionError"),
        *("Exception", "IndexError", "KeyError", "LookupError", "OverflowError"),
        *("RuntimeError", "StopIteration", "TypeError", "ValueError", "ZeroDivisionError"),
    )
)
#: What code may do. Names are judged where they occur, so all ways to read one are here.
HARMLESS = frozenset(
    (
        *("BINARY_OP", "BINARY_SLICE", "BINARY_SUBSCR", "BUILD_CONST_KEY_MAP", "BUILD_LIST"),
        *("BUILD_MAP", "BUILD_SET", "BUILD_SLICE", "BUILD_STRING", "BUILD_TUPLE", "CACHE"),
        "CLEANUP_THROW",
        *("CALL", "CALL_FUNCTION_EX", "CALL_INTRINSIC_1", "CALL_KW", "CHECK_EXC_MATCH"),
        *("COMPARE_OP", "CONTAINS_OP", "CONVERT_VALUE", "COPY", "COPY_FREE_VARS"),
        *("DELETE_FAST", "DELETE_SUBSCR", "DICT_MERGE", "DICT_UPDATE", "END_FOR", "END_SEND"),
        *("EXTENDED_ARG", "FORMAT_SIMPLE", "FORMAT_VALUE", "FORMAT_WITH_SPEC", "FOR_ITER"),
        *("GET_ITER", "GET_LEN", "GET_YIELD_FROM_ITER", "IS_OP", "JUMP_BACKWARD"),
        *("JUMP_BACKWARD_NO_INTERRUPT", "JUMP_FORWARD", "JUMP_IF_FALSE_OR_POP"),
        *("JUMP_IF_TRUE_OR_POP", "KW_NAMES", "LIST_APPEND", "LIST_EXTEND", "LIST_TO_TUPLE"),
        *("LOAD_ASSERTION_ERROR", "LOAD_ATTR", "LOAD_CLOSURE", "LOAD_CONST", "LOAD_DEREF"),
        *("LOAD_FAST", "LOAD_FAST_AND_CLEAR", "LOAD_FAST_CHECK", "LOAD_FAST_LOAD_FAST"),
        *("LOAD_GLOBAL", "LOAD_METHOD", "MAKE_CELL", "MAKE_FUNCTION", "MAP_ADD", "MATCH_KEYS"),
        *("MATCH_MAPPING", "MATCH_SEQUENCE", "NOP", "POP_EXCEPT", "POP_JUMP_BACKWARD_IF_FALSE"),
        *("POP_JUMP_BACKWARD_IF_NONE", "POP_JUMP_BACKWARD_IF_NOT_NONE"),
        *("POP_JUMP_BACKWARD_IF_TRUE", "POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_FORWARD_IF_NONE"),
        *("POP_JUMP_FORWARD_IF_NOT_NONE", "POP_JUMP_FORWARD_IF_TRUE", "POP_JUMP_IF_FALSE"),
        *("POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE", "POP_JUMP_IF_TRUE", "POP_TOP", "PRECALL"),
        *("PUSH_EXC_INFO", "PUSH_NULL", "RAISE_VARARGS", "RERAISE", "RESUME", "RETURN_CONST"),
        *("RETURN_GENERATOR", "RETURN_VALUE", "SEND", "SET_ADD", "SET_FUNCTION_ATTRIBUTE"),
        *("SET_UPDATE", "STORE_DEREF", "STORE_FAST", "STORE_FAST_LOAD_FAST"),
        *("STORE_FAST_STORE_FAST", "STORE_SLICE", "STORE_SUBSCR", "SWAP", "TO_BOOL"),
        *("UNARY_INVERT", "UNARY_NEGATIVE", "UNARY_NOT", "UNARY_POSITIVE", "UNPACK_EX"),
        *("UNPACK_SEQUENCE", "YIELD_VALUE"),
    )
)
#: Steps that make text.
_STEPS_TO_TEXT = frozenset(
    ("BUILD_STRING", "CONVERT_VALUE", "FORMAT_SIMPLE", "FORMAT_VALUE", "FORMAT_WITH_SPEC")
)
#: Steps that take a constant by its place, of which they have the lowest byte.
_TAKES_CONSTANT = frozenset(("KW_NAMES", "LOAD_CONST", "RETURN_CONST"))
#: Names of what gives text where there was none; `hex` is a method as well. So is `join`, which
#: is for text or for bytes: it releases the GIL for a MiB of these.
_NAMES_OF_TEXT = frozenset(("ascii", "bin", "chr", "hex", "join", "oct", "repr", "str"))
#: Names of types whose instances are bytes.
_NAMES_OF_BYTES = frozenset(("bytearray", "bytes"))
#: Types whose attributes are methods that compute.
KINDS = (str, int, float, complex, list, tuple, dict, set, frozenset, range, bytes, bytearray)
#: Those of them that make text of bytes or bytes of others, or read attributes that a text names.
NOT_COMPUTING = frozenset(("decode", "encode", "from_bytes", "to_bytes", "format", "format_map"))


def is_pure(func: Any, data: Sequence[Sequence[object]], most_items: float = inf) -> bool:
    """Whether the function computes with plain values alone, given these for its arguments.

    Args:
        func: What runs for each item.
        data: One sequence of items for each argument that items give, and one of all keywords.
        most_items: With more to be asked for their types, which takes `ASKING_S` each, there is no
            proof.
    """
    if type(func) is not FUNCTION or func.__code__.co_flags & GENERATOR:
        return False
    proof = Proof()
    are_plain = all(proof.admits(kinds_of(items, most_items)) for items in data)
    return are_plain and proof.holds(func) and proof.needs_no_encoding()


class Proof:
    """Follows one function to all the code that it may run."""

    def __init__(self) -> None:
        self._met: set[Any] = set()  # functions that hold if all others do
        #: Whether text may come up anywhere.
        self.has_text = False
        #: Whether bytes may.
        self.has_bytes = False

    def needs_no_encoding(self) -> bool:
        """Whether bytes and text cannot meet; with -b, comparing bytes may warn."""
        return not (self.has_bytes and (self.has_text or sys.flags.bytes_warning))

    def admits(self, kinds: set[type]) -> bool:
        """Whether values of these kinds are plain; notes text and bytes among them."""
        self.has_text = self.has_text or str in kinds
        self.has_bytes = self.has_bytes or bytes in kinds
        return kinds <= PLAIN

    def holds(self, func: Any) -> bool:
        """Whether nothing that it may run does more than compute."""
        if func in self._met:
            return True
        self._met.add(func)
        if len(self._met) > MOST_FUNCTIONS or vars(func):
            return False
        if type(func.__globals__) is not dict or func.__builtins__ is not vars(builtins):
            return False
        return self._gets_plain_values(func) and self.only_computes(func.__code__, func)

    def _gets_plain_values(self, func: Any) -> bool:
        """Whether what it has besides its arguments cannot be changed, and leads nowhere."""
        try:
            inside = [cell.cell_contents for cell in func.__closure__ or ()]
        except ValueError:  # a name that has no value yet
            return False
        return all(map(self.leads_nowhere, inside)) and all(
            map(self._is_value, (func.__defaults__, tuple((func.__kwdefaults__ or {}).values())))
        )

    def only_computes(self, code: CodeType, func: Any) -> bool:
        """Whether the code, and all that is defined inside it, has nothing but harmless steps."""
        steps = _steps(code)
        if not steps <= HARMLESS or code.co_flags & _ASYNC:
            return False
        self.has_text |= bool(steps & _STEPS_TO_TEXT or code.co_flags & _TAKES_NAMES)
        if func.__closure__ and "STORE_DEREF" in steps:  # it may outlive the item
            return False
        if not self._knows(code.co_names, _attributes(code), func):
            return False
        return all(
            self.only_computes(one, func) if type(one) is CODE else self._is_constant(one)
            for one in _used_constants(code)
        )

    def _knows(self, names: Iterable[str], attributes: Collection[str], func: Any) -> bool:
        """Whether each name stands for something harmless, as a global and as an attribute."""
        for name in names:
            if name.startswith("__") or name in NOT_COMPUTING:
                return False
            self.has_text |= name in _NAMES_OF_TEXT
            value = _value_of(name, func)
            if value is not MISSING and not self.leads_nowhere(value):
                return False
            if (value is MISSING or name in attributes) and not self.is_method(name):
                return False
        return True

    def leads_nowhere(self, value: Any) -> bool:
        """Whether code that has this value can do no more with it than compute."""
        if type(value) is FUNCTION:
            return self.holds(value)
        if type(value) is MODULE:
            return value is sys.modules.get("math")
        if type(value) is BUILTIN:
            return value.__module__ == "math" or self._is_builtin(value)
        return self._is_value(value) or (type(value) is type and self._is_builtin(value))

    def is_method(self, name: str) -> bool:
        """Whether it names a method of plain values and their containers, or a name of `math`."""
        if any(hasattr(kind, name) for kind in KINDS):
            return True
        math = sys.modules.get("math")
        found = None if math is None else vars(math).get(name)
        return type(found) in (BUILTIN, float) and getattr(found, "__module__", "math") == "math"

    def _is_value(self, value: object) -> bool:
        return self.admits(kinds_of((value,)))

    def _is_constant(self, value: Any) -> bool:
        """The same of what stands in code, where sets to look things up in are frozen."""
        return self._is_value(tuple(value) if type(value) is frozenset else value)

    def _is_builtin(self, value: Any) -> bool:
        """Whether a value is one of the builtins that compute, under whatever name."""
        name = value.__name__
        self.has_text |= name in _NAMES_OF_TEXT
        self.has_bytes |= name in _NAMES_OF_BYTES
        is_own = value.__module__ == "builtins" and name in _COMPUTING
        return is_own and vars(builtins).get(name) is value


def most_to_ask(left_s: float) -> float:
    """How many items may be asked for their types where so many seconds of work are left."""
    return ASKING_SHARE * left_s / ASKING_S


def _value_of(name: str, func: Any) -> Any:
    """What a name stands for in the code of a function; `MISSING`: it can be an attribute only."""
    return func.__globals__.get(name, vars(builtins).get(name, MISSING))


@kept_by_code
def _steps(code: CodeType) -> frozenset[str]:
    return frozenset(opname[step] for step in code.co_code[::2])


@kept_by_code
def _attributes(code: CodeType) -> frozenset[str]:
    """The names that code takes as attributes: globals may have the same ones."""
    taken = [(op, arg) for op, arg in instructions(code.co_code) if op in ATTR_LOADS]
    return frozenset(code.co_names[arg >> NAME_SHIFTS[op]] for op, arg in taken)


def _used_constants(code: CodeType) -> tuple[Any, ...]:
    """The constants of code, without its docstring if no step may take that for a value."""
    if not code.co_consts or type(code.co_consts[0]) is not str:
        return code.co_consts
    steps = zip(code.co_code[::2], code.co_code[1::2], strict=True)
    is_used = any(not place and opname[step] in _TAKES_CONSTANT for step, place in steps)
    return code.co_consts if is_used else code.co_consts[1:]

"""Recognises functions that take almost no time, without running them.

A call with few items of an unknown function starts workers before the first item, because few
items are likely long ones. `lambda x: x * x` over ten numbers is an exception: merely loading the
modules for workers would take 15 ms.
"""

from __future__ import annotations

from amorsize._function.callables import FUNCTION, METHOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAST = frozenset(
    (
        *("abs", "bin", "bool", "chr", "complex", "divmod", "float", "format", "hash", "hex"),
        *("int", "isinstance", "len", "max", "min", "oct", "ord", "repr", "reversed", "round"),
        *("str", "type"),
    )
)
MOST_CHARS, MOST_INTEGER = 1000, 2**64
# Of a code's flags: CO_OPTIMIZED and CO_NEWLOCALS, which all functions have, and CO_NESTED. With
# any other it is a generator, or takes any number of arguments.
PLAIN, NESTED = 0x3, 0x10


def is_trivial(func: Any, item: Any) -> bool:
    """Whether it has no loop and calls only quick builtins and methods, and the item is small."""
    if not _is_small(item):
        return False
    if type(func) is type(len) or type(func) is type:
        return getattr(func, "__module__", "") == "builtins" and func.__name__ in FAST
    if type(func) not in (FUNCTION, METHOD):
        return False
    code = func.__code__
    if code.co_flags & ~NESTED != PLAIN or code.co_freevars:
        return False
    code_type = type(code)
    if any(isinstance(constant, code_type) for constant in code.co_consts):
        return False
    return all(_is_quick(name, func, item) for name in code.co_names) and not _loops(code.co_code)


def _is_small(item: Any) -> bool:
    if type(item) is str:
        return len(item) <= MOST_CHARS
    if type(item) is int:
        return -MOST_INTEGER < item < MOST_INTEGER
    return type(item) in (float, bool, type(None))


def _is_quick(name: str, func: Any, item: Any) -> bool:
    """A global value, a builtin as far as no global hides it, or a method of the item."""
    import builtins

    if name in func.__globals__:
        return _is_small(func.__globals__[name])
    return name in FAST if hasattr(builtins, name) else hasattr(type(item), name)


def _loops(code: bytes) -> bool:
    return not LOOPING.isdisjoint(code[::2])


def _with_loops(one: Any) -> Any:
    for _ in one:
        one()
    while True:
        while one:
            one()
        while not one:
            one()
        while one is None:
            print()
        while one is not None:
            one()


def _without_loops(one: Any) -> Any:
    while True:
        break
    if one:
        one()
    if not one:
        one()
    if one is None:
        print()
    if one is not None:
        _ = one()


#: The operations that only loops have. Loading `opcode`, which names them, takes 0.4 ms.
LOOPING = frozenset(_with_loops.__code__.co_code[::2]).difference(
    _without_loops.__code__.co_code[::2]
)

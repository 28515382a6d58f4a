"""Finds generators of the whole program that each item seeds before anything else draws from them.

Numbers of such items do not depend on the items before, and the generator is left as the last one
leaves it: `def simulate(seed): random.seed(seed); ...`.
"""

from __future__ import annotations

from opcode import opname

from amorsize._function.bound_arguments import with_arguments
from amorsize._function.bytecode import METHOD_BIT, handlers, op_number, placed
from amorsize._function.callable_walk import end_of, reads
from amorsize._function.callables import FUNCTION, MISSING
from amorsize._function.files.item_values import known_function
from amorsize._function.files.name_frame import NameFrame
from amorsize._function.files.name_operations import run
from amorsize._function.files.name_parts import UNKNOWN, Part
from amorsize._function.library.effects import effect_of
from amorsize._function.ownership import is_own_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.ownership import Owns
    from amorsize._function.sharing.findings import Findings

#: Functions that seed a generator of the program, and which.
_SEEDING = {
    "random.seed": "random",
    "numpy.random.seed": "numpy.random",
    "torch.manual_seed": "torch",
    "torch.random.manual_seed": "torch",
}
#: Special methods that run where the class, or the object, is called.
_CALLED = {"__init__", "__post_init__", "__new__", "__call__"}
#: How deep helpers are followed: `seed_everything(x)`.
_MOST_DEEP = 2
#: Operations after which another one may come than the next in the code, or code that is not read.
_LEAVING = ("JUMP", "FOR_ITER", "RETURN", "RAISE", "RERAISE", "SEND", "YIELD", "WITH", "ASYNC")
_LOAD_ATTR = op_number("LOAD_ATTR")


def judge_seeds(
    findings: Findings,
    read: list[tuple[FunctionType, Bound, str]],
    root: FunctionType | None,
    owns: Owns,
) -> None:
    """Note which generators each item seeds; to leave these seeded needs not be seen undone.

    Args:
        findings: Where it is noted.
        read: The functions of the project that were read, with their names as methods.
        root: The function that is mapped.
        owns: Whether a function is the project's.
    """
    prefix = _Prefix(owns, {method for _, _, method in read if method})
    for func, bound, _ in read:
        if func is root and not _may_draw_unasked(read):
            prefix.follow(func, bound, {}, _MOST_DEEP)
            break
    findings.reseeds = tuple(prefix.seeded)
    for name, generator in _SEEDING.items():
        if generator in prefix.seeded:
            findings.alters.pop(name, None)


class _Prefix:
    """Reads what code does up to the first operation that it may leave out.

    Attributes:
        seeded: The generators that are seeded by then.
        is_over: Whether nothing behind counts any more.
    """

    def __init__(self, owns: Owns, methods: set[str]) -> None:
        self.seeded: dict[str, None] = {}
        self.is_over = False
        self._owns, self._methods = owns, methods
        self._depth = 0

    def follow(self, func: FunctionType, bound: Bound, given: dict[str, Part], depth: int) -> None:
        """Read a function from its beginning."""
        before, self._depth = self._depth, depth
        frame = NameFrame(func, bound, given, self._called)
        caught = handlers(func.__code__)
        for start, _, op, arg in placed(func.__code__.co_code):
            name = opname[op]
            if any(first <= start < behind for first, behind, _ in caught):
                self.is_over = True  # where it raises, the code goes on elsewhere
            if name.startswith("RETURN_") and name != "RETURN_GENERATOR":
                break
            if any(one in name for one in _LEAVING) or (
                op == _LOAD_ATTR
                and not arg & METHOD_BIT
                and func.__code__.co_names[arg >> METHOD_BIT] in self._methods
            ):
                self.is_over = True  # perhaps a property
            if self.is_over:
                break
            run(frame, name, op, arg)
        self._depth = before

    def _called(self, called: Part, passed: list[Part], named: dict[str, Part]) -> Part:
        """Note a call; what it gives does not matter."""
        known: Any = called.known
        if self.is_over or known is MISSING or not callable(known):
            self.is_over = True
            return UNKNOWN
        effect = effect_of(known)
        place = None if effect is None else _SEEDING.get(effect.name)
        handed = [*passed, *named.values()]
        if place is not None:
            self.seeded[place] = None
        elif any(type(one.known) is FUNCTION for one in handed):
            self.is_over = True  # which may call it
        elif (effect is None or effect.what != "safe") and known_function(known) is None:
            self._follow_helper(known)
        return Part()

    def _follow_helper(self, known: Any) -> None:
        func, bound = with_arguments(known)
        if func is None or not self._depth or not self._owns(func):
            self.is_over = True
        else:
            self.follow(func, bound, {"": UNKNOWN}, self._depth - 1)


def _may_draw_unasked(read: list[tuple[FunctionType, Bound, str]]) -> bool:
    """Whether a special method may draw, which code runs without naming it: `__eq__`."""
    drawing = {name for func, _, method in read if _draws(func) for name in (func.__name__, method)}
    for _ in read:  # what calls one of these draws as well
        more = {
            name
            for func, _, method in read
            if not drawing.isdisjoint(func.__code__.co_names)
            for name in (func.__name__, method)
        }
        if more <= drawing:
            break
        drawing |= more
    return any(one.startswith("__") and one not in _CALLED for one in drawing)


def _draws(func: FunctionType) -> bool:
    """Whether a function itself names something that draws."""
    for _, _, value, attributes in reads(func):
        end, taken = end_of(value, attributes, is_own_module)
        effect = effect_of(end) if taken == len(attributes) and callable(end) else None
        if effect is not None and effect.what == "draws":
            return True
    return False

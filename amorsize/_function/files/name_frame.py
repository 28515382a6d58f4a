"""The stack of one function while the parts of names are followed through its bytecode."""

from __future__ import annotations

from amorsize._function.bound_arguments import all_arguments, rest_arguments
from amorsize._function.bytecode import (
    CLOSURE,
    CODE,
    FREE_STORES,
    IMPORT,
    cells_of,
    instructions,
    module_given,
    nested,
)
from amorsize._function.callable_walk import resolved
from amorsize._function.callables import CELL, FUNCTION, MISSING, cells, defaults
from amorsize._function.files.changed_parts import changed_at
from amorsize._function.files.name_parts import UNKNOWN, Part, argument, constant, merged
from amorsize._function.kept_by_code import kept_by_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.files.item_paths import Path

    # Gives what a call gives: of what is called, its arguments by place, and those by name.
    Call = Callable[[Part, list[Part], dict[str, Part]], Part]

#: The flag of functions with `*args`.
_TAKES_REST = 4
#: Stands for no value, in a place of the stack that calls leave.
NULL = Part()
#: Stands for arguments that are unpacked, and not known.
UNPACKED = UNKNOWN.replace(label="*")


class NameFrame:
    """The stack and the variables of one function, at one operation after another.

    Attributes:
        code: The function's.
        hand_on: What is asked what a call gives.
        stack: What is known of each value on it.
        variables: What is known of each variable, by its number.
        names: The names of the last arguments of the next call.
        gives: What the function returns, as far as it can be told.
        yields: What it gives one after another.
        is_text: Whether it adds a text to the item.
        changed: The ways to what it changes of the item.
        at_times: Whether the next operation is one that some ways through the code leave out.
    """

    def __init__(
        self,
        func: FunctionType,
        bound: Bound,
        given: dict[str, Part],
        call: Call,
        *,
        of_item: bool = False,
    ) -> None:
        code = func.__code__
        self.code, self.hand_on = code, call
        self._func, self._closure = func, cells(func)
        self.stack: list[Part] = []
        self.names: tuple[str, ...] = ()
        self.gives: Part | None = None
        self.yields: Part | None = None
        self.is_text = self.at_times = False
        self.changed: list[Path] = []
        self._set_inside: set[int] = set()  # the variables that functions inside it set
        self.variables: dict[int, Part] = {}
        self._of_item = of_item
        self._set_arguments(bound, given)
        for at, name in cells_of(code).items():
            if name:
                self.variables[at] = given.get(name) or self.outside(CLOSURE, name)

    def _set_arguments(self, bound: Bound, given: dict[str, Part]) -> None:
        """What is bound counts most, then what is passed; a default says nothing of the item."""
        usual = {name: constant(value) for name, value in defaults(self._func)}
        known = {name: constant(value) for name, value in bound.values.items()}
        for at, name in enumerate(all_arguments(self.code)):
            part = known.get(name) or given.get(name)
            if part is None and (at or given):
                part = usual.get(name)
            self.variables[at] = part or self._passed(at - bound.n_first, name)

    def _passed(self, place: int, name: str) -> Part:
        """An argument that neither the program nor the calling code sets."""
        if self._of_item and place >= 0:
            if name not in rest_arguments(self.code):
                return argument(place, name)
            if self.code.co_flags & _TAKES_REST and place == self.code.co_argcount:
                return UNKNOWN.replace(label=name, parts=(argument(place, name),))
        return UNKNOWN.replace(label=name)

    def function_of(self, code: Any, closure: Part) -> Part:
        """A function that the code makes; it is only looked at, and never called."""
        if type(code) is not CODE:
            return UNKNOWN
        set_inside = {one for one in code.co_freevars if one in _set_in(code)}
        names = (*_own_names(self.code), *self.code.co_freevars)
        self._set_inside |= {at for at, name in enumerate(names) if name in set_inside}
        return self.function_with(code, dict(zip(code.co_freevars, closure.parts, strict=False)))

    def function_with(self, code: CodeType, held: dict[str, Part]) -> Part:
        """A function of this code, and what its variables hold."""
        cells = tuple(CELL() for _ in code.co_freevars)
        made = FUNCTION(code, self._func.__globals__, closure=cells)
        return constant(made).replace(closure=held)

    def take(self) -> Part:
        """What lies on top, taken away."""
        return self.stack.pop() if self.stack else UNKNOWN

    def taken(self, n_parts: int) -> list[Part]:
        """So many of the topmost values, taken away."""
        return [self.take() for _ in range(n_parts)][::-1]

    def changes(self, holder: Part, step: str, key: Any, *, is_set: bool = False) -> None:
        """Note that an element or attribute is set, or taken away."""
        holder.lose_parts()
        if holder.way is not None:
            self.changed.append(changed_at(holder.way, step, key, is_set=is_set))

    def added(self) -> Part:
        """What is added to others, taken off the top."""
        value = self.take()
        return merged(value, "", "", f"some of {value.label}") if self.at_times else value

    def variable(self, at: int) -> Part:
        """What is known of a variable."""
        return UNKNOWN if at in self._set_inside else self.variables.get(at, UNKNOWN)

    def outside(self, space: str, name: str) -> Part:
        """What a name stands for that the function does not set."""
        value = resolved(self._func, self._closure, space, name)
        return UNKNOWN if value is MISSING else constant(value).replace(label=name)

    def module(self, name: str, level: object, taken: object) -> Part:
        """The module that the function imports."""
        return self.outside(IMPORT, module_given(name, level, taken))


def _own_names(code: CodeType) -> tuple[str, ...]:
    return (*code.co_varnames, *(one for one in code.co_cellvars if one not in code.co_varnames))


@kept_by_code
def _set_in(code: CodeType) -> frozenset[str]:
    """The variables of the function outside that a function sets, as `nonlocal` allows."""
    cells = cells_of(code)
    found = {cells[arg] for op, arg in instructions(code.co_code) if op in FREE_STORES}
    return frozenset(found.union(*map(_set_in, nested(code))))


def given_to(
    func: FunctionType, bound: Bound, passed: list[Part], named: dict[str, Part]
) -> dict[str, Part] | None:
    """The arguments of a helper by their names; None where that is not told."""
    code = func.__code__
    by_place = code.co_varnames[bound.n_first : code.co_argcount]
    if len(passed) > len(by_place):
        return None
    return {**dict(zip(by_place, passed, strict=False)), **named}

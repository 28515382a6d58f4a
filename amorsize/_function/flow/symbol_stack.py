"""The stack of one function while its bytecode is followed, in symbols."""

from __future__ import annotations

from opcode import opmap

from amorsize._function.bound_arguments import all_arguments
from amorsize._function.bytecode import CLOSURE, GLOBAL, IMPORT, cells_of
from amorsize._function.flow.call_results import given_by_group, note_call
from amorsize._function.flow.passed_arguments import SENDING
from amorsize._function.flow.value_flow import (
    ANY,
    ARGUMENT,
    ELEMENT,
    ENTERED,
    GROUP,
    INNER,
    RESULT,
    SUPER,
    UNKNOWN,
    Flow,
    leads_inside,
    one_step,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType
    from typing import Protocol

    from amorsize._function.flow.value_flow import Store, Symbol

    class Follow(Protocol):
        """Gives what a call of a function that the code defines gives."""

        sent: Store | None

        def __call__(
            self, flow: Flow, inner: CodeType, closure: Mapping[str, Symbol], /
        ) -> Symbol: ...


_POPS = frozenset(
    op for name, op in opmap.items() if name.startswith(("POP_", "STORE_", "DELETE_", "END_FOR"))
)


_LOAD_CONST, _SWAP = opmap["LOAD_CONST"], opmap["SWAP"]
#: Operations that put something on the stack, and those that leave it as it is.
_PUSHES = frozenset(
    op
    for name, op in opmap.items()
    if name.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE"))
    or name in ("LOAD_GLOBAL", "PUSH_NULL")
)
_LEAVES = frozenset(opmap[name] for name in ("NOP", "PRECALL", "KW_NAMES") if name in opmap)
#: Functions that import the module whose name they are handed.
_IMPORTING = ("import_module", "__import__")
#: Spaces of what is not made by the code itself.
_FROM_OUTSIDE = (GLOBAL, CLOSURE, ARGUMENT)


class Frame:
    """The stack and the variables of one function, at one operation after another.

    Attributes:
        code: The function's.
        flow: What is noted, of all functions together.
        stack: A symbol for each value on it.
        locals: A symbol for each variable, by its number. Cells have numbers after those of locals,
            or that of the argument which they hold.
        cells: The names of the cells that come from outside, by their numbers.
        names: The names of the last arguments of the next call.
        constant: The last constant that was loaded.
        constants: Those that were loaded right after one another, up to the last.
        literals: The constants on the stack, by their places.
    """

    def __init__(
        self,
        code: CodeType,
        closure: Mapping[str, Symbol],
        given: Mapping[str, Symbol],
        flow: Flow,
        follow: Follow,
    ) -> None:
        self.code, self.flow = code, flow
        self.stack: list[Symbol] = []
        self.locals = {at: given.get(name) for at, name in enumerate(all_arguments(code))}
        self.cells = cells_of(code)
        self.locals |= {at: closure.get(name) for at, name in self.cells.items() if name}
        self.names: tuple[str, ...] = ()
        self.constant: object = None
        self.constants: list[object] = []
        self.literals: dict[int, object] = {}
        self._follow = follow

    def sent(self, *more: Symbol) -> Store:
        """What generators that the code defines get by `send`: whatever it sends to any."""
        if self._follow.sent is None:
            self._follow.sent = self.flow.group()
        self.flow.add(self._follow.sent, *more)
        return one_step(self._follow.sent, ELEMENT)

    def top(self, depth: int = 1) -> Symbol:
        """What lies so deep."""
        return self.stack[-depth] if len(self.stack) >= depth else None

    def take(self) -> Symbol:
        """What lies on top, taken away."""
        return self.stack.pop() if self.stack else None

    def replace(self, n_symbols: int, symbol: Symbol) -> None:
        """Put one value in the place of the topmost ones."""
        del self.stack[-n_symbols:]
        self.stack.append(symbol)

    def shift(self, op: int, effect: int) -> None:
        """Any other operation: its result, if it leaves one, is of no known origin."""
        if effect > 0:
            self.stack += [None] * effect
            return
        if effect:
            del self.stack[effect:]
        if op not in _POPS and self.stack:
            self.stack[-1] = None

    def put_together(self, symbols: list[Symbol], n_taken: int) -> None:
        """Put a group in the place of the topmost values."""
        if n_taken:
            del self.stack[-n_taken:]
        self.stack.append(self.flow.group(*symbols))

    def cells_for(self, inner: CodeType) -> dict[str, Symbol]:
        """What is known of the variables that a nested function shares with this one."""
        known = {name: self.locals.get(at) for at, name in enumerate(self._names())}
        return {name: known.get(name) for name in inner.co_freevars}

    def _names(self) -> tuple[str, ...]:
        """The names of its variables, each at the place of its number."""
        code = self.code
        cells = (name for name in code.co_cellvars if name not in code.co_varnames)
        return (*code.co_varnames, *cells, *code.co_freevars)

    def leave(self, given: Symbol) -> None:
        """A call leaves what it gives."""
        self.names = ()
        if self.stack:
            self.stack[-1] = given

    def settle(self, op: int, n_before: int) -> None:
        """After an operation: what constants are on the stack, of which so much was there."""
        if op == _LOAD_CONST:
            self.literals[len(self.stack) - 1] = self.constant
        elif self.literals and op not in _LEAVES:
            first = n_before if op in _PUSHES else min(n_before, len(self.stack)) - 1
            for at in [one for one in self.literals if one >= first or op == _SWAP]:
                del self.literals[at]

    def literals_of(self, n_values: int) -> tuple[object, ...]:
        """What the topmost values are, where they are constants; None for others."""
        n_below = len(self.stack) - n_values
        return tuple(self.literals.get(n_below + at) for at in range(n_values))

    def call(
        self, callee: Symbol, passed: tuple[Symbol, ...], literals: tuple[object, ...] = ()
    ) -> Symbol:
        """Note a call, and tell what it gives."""
        flow, names = self.flow, self.names if len(self.names) <= len(passed) else ()
        if callee is None:
            flow.note_subclass(passed[: len(passed) - len(names)])
            if any(one is not None and one[0] in _FROM_OUTSIDE for one in passed):
                flow.calls.setdefault((UNKNOWN, passed, names), [])
            return None
        if callee[2][-1:] and callee[2][-1] in SENDING:
            self.sent(*passed)
        if callee[0] == GROUP and len(callee[2]) == 1 and not leads_inside(callee[2][0]):
            return given_by_group(flow, (GROUP, callee[1], ()), callee[2][0], passed)
        if callee[0] == INNER:
            return self._call_inner(callee, passed, names)
        if callee[0] == GLOBAL and not callee[2] and callee[1] in ("super", "getattr"):
            return self._attribute(callee[1], passed)
        if (module := self._imported(callee)) is not None:
            return module
        if callee[0] == RESULT and callee[2][:1] == (ENTERED,):  # a method of a pool, say
            flow.calls.setdefault((UNKNOWN, passed, names), [])
        for at, handed in enumerate(passed):
            if handed is not None and handed[2][-1:] and handed[2][-1] in SENDING:
                from amorsize._function.flow.callback_arguments import callback_arguments

                for sent, _ in callback_arguments((callee, passed, names), at, flow):
                    self.sent(*sent)
            if handed is not None and handed[0] == INNER:
                from amorsize._function.flow.callback_arguments import (
                    GIVING_RESULTS,
                    callback_arguments,
                )

                for passing in callback_arguments((callee, passed, names), at, flow):
                    given = self._call_inner(handed, *passing)
                    if (callee[2] or callee[1:2])[-1].lstrip(".") in GIVING_RESULTS:
                        note_call(flow, callee, passed, names, literals)
                        return flow.group(given)
        return note_call(flow, callee, passed, names, literals)

    def _imported(self, callee: Store) -> Symbol:
        """The module that a call imports by a name that the code spells out."""
        last = callee[2][-1][1:] if callee[2] else callee[1]
        if callee[0] not in (GLOBAL, IMPORT) or last not in _IMPORTING:
            return None
        names = [one for one in self.constants if type(one) is str]
        self.flow.imports[names[0] if names else ""] = None
        return (IMPORT, names[0], ()) if names else None

    def _attribute(self, builtin: str, passed: tuple[Symbol, ...]) -> Symbol:
        """What `super` or `getattr` gives of an object."""
        if builtin == "super":
            owner = passed[1] if len(passed) == 2 else self.locals.get(0)
            return None if owner is None else one_step(owner, SUPER)
        if not passed or passed[0] is None or passed[0][0] == INNER:
            return None
        n_others = len(passed) - 1  # the name, and what to give if there is nothing
        ahead = self.constants[-n_others:] if len(self.constants) >= n_others else [None]
        step = f".{ahead[0]}" if type(ahead[0]) is str else ANY
        found = one_step(passed[0], step)
        self.flow.looked_up[found] = None
        return found

    def _call_inner(
        self, callee: Store, passed: tuple[Symbol, ...], names: tuple[str, ...]
    ) -> Symbol:
        """Follow a function that the code defines, with what is passed to it here."""
        inner = self.flow.inner[int(callee[1])]
        self.flow.inner_calls[id(inner)] = passed, names
        given = self._follow(self.flow, inner, self.cells_for(inner))
        set_there = self.flow.set_outside.get(id(inner), {})
        for at, name in enumerate(self._names() if set_there else ()):
            if name in set_there:
                self.locals[at] = set_there[name]
        return given

"""Matches the values that a call passes with the arguments of the function."""

from __future__ import annotations

from amorsize._function.bound_arguments import rest_arguments, takes_rest
from amorsize._function.flow.value_flow import DOUBLE_STAR, ELEMENT, STAR, Key, one_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

    from amorsize._function.flow.value_flow import Flow, Symbol

#: The name of what a generator gets by `send`, as if it was an argument of its function.
SENT = "what is sent"
#: The methods that send it.
SENDING = (".send", ".asend")


class Passed:
    """The values that one call passes, by the arguments of the function.

    Args:
        code: Of the function that is called.
        passed: What is passed to it.
        named: The names of the last ones of these.
        n_bound: The first arguments, which are set already.

    Attributes:
        one_by_one: What may go to each argument that has a name.
        rest: What may go to `*args`.
        others: What goes to `**kwargs`, by its name.
    """

    def __init__(
        self,
        code: CodeType,
        passed: tuple[Symbol, ...],
        named: tuple[str, ...],
        n_bound: int = 0,
    ) -> None:
        n_by_place = len(passed) - len(named)
        self._code = code
        self._names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        self.one_by_one: dict[str, list[Symbol]] = {}
        self.rest: list[Symbol] = []
        self.others: dict[str, Symbol] = {}
        self._by_place(passed[:n_by_place], n_bound)
        for name, symbol in zip(named, passed[n_by_place:], strict=True):
            if name in self._names:
                self.one_by_one.setdefault(name, []).append(symbol)
            else:
                self.others[name] = symbol

    def _by_place(self, passed: tuple[Symbol, ...], place: int) -> None:
        is_open = False  # how many values `*` stands for is not known
        for symbol in passed:
            last = symbol[2][-1] if symbol is not None and symbol[2] else ""
            ahead = self._names[place : self._code.co_argcount]
            if symbol is not None and last == STAR:
                whole = symbol[0], symbol[1], symbol[2][:-1]
                for at, name in enumerate(ahead):
                    self.one_by_one.setdefault(name, []).append(one_step(whole, Key.of(at)))
                self.rest.append(symbol)
                is_open = True
            elif symbol is not None and last == DOUBLE_STAR:
                whole = symbol[0], symbol[1], symbol[2][:-1]
                for name in self._names[place:]:  # the others have values already
                    self.one_by_one.setdefault(name, []).append(one_step(whole, Key.of(name)))
                self.others[""] = one_step(whole, ELEMENT)
            elif is_open:
                for name in ahead:
                    self.one_by_one.setdefault(name, []).append(symbol)
                self.rest.append(symbol)
            elif ahead:
                self.one_by_one.setdefault(ahead[0], []).append(symbol)
                place += 1
            else:
                self.rest.append(symbol)

    def at(self, name: str, way: tuple[str, ...]) -> Iterator[tuple[Symbol, tuple[str, ...]]]:
        """The values that may lie at the end of a way from an argument, by the caller's names."""
        if name in self.one_by_one:
            yield from ((symbol, way) for symbol in self.one_by_one[name])
            return
        if name not in rest_arguments(self._code) or not way:
            return  # the tuple or dict itself is made for the call
        key: Any = way[0].key if isinstance(way[0], Key) else None
        held = self.rest
        if name == self._code.co_varnames[len(self._names)] and takes_rest(self._code):
            if type(key) is int and 0 <= key < len(held) and STAR not in _lasts(held):
                held = [held[key]]
        else:
            named = key in self.others
            held = [self.others[key]] if named else list(self.others.values())
        yield from ((symbol, way[1:]) for symbol in held)

    def symbols(self, flow: Flow) -> dict[str, Symbol]:
        """The values of each argument in the code of a function that the caller defines."""
        found = {
            name: held[0] if len(held) == 1 else flow.one_of(*held)
            for name, held in self.one_by_one.items()
        }
        rest = iter(rest_arguments(self._code))
        if takes_rest(self._code):
            found[next(rest)] = flow.group(*self.rest)
        return found | {name: flow.group(*self.others.values()) for name in rest}


def _lasts(symbols: list[Symbol]) -> set[str]:
    return {symbol[2][-1] for symbol in symbols if symbol is not None and symbol[2]}

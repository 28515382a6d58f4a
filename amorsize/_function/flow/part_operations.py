"""What operations of the bytecode that take values apart, or combine two, do to symbols."""

from __future__ import annotations

from amorsize._function.bytecode import DIVIDES, effect_of_number
from amorsize._function.flow.value_flow import (
    CAUGHT,
    ENTERED,
    INNER,
    RAISED,
    RESULT,
    SLICE,
    Key,
    element,
    one_step,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._function.flow.symbol_stack import Frame
    from amorsize._function.flow.value_flow import Symbol

#: The arguments for `+`, `*`, `|`, `&`, `-` and `^`, of which containers make new ones.
_COMBINES = frozenset((0, 5, 7, 1, 10, 12))
#: Those for `+=`, `*=`, `|=` and the like.
_IN_PLACE = frozenset(13 + arg for arg in _COMBINES)
#: Stands for a slice that the code makes.
_A_SLICE = slice(None)


def next_element(frame: Frame, _op: int, _arg: int) -> None:
    frame.stack.append(frame.flow.element(frame.top()))


def subscript(frame: Frame, _op: int, _arg: int) -> None:
    if type(frame.constant) is slice:
        frame.replace(2, _slice_of(frame, frame.top(2)))
    else:
        frame.replace(2, frame.flow.element(frame.top(2), Key.of(frame.constant)))


def slice_between(frame: Frame, _op: int, _arg: int) -> None:
    frame.replace(3, _slice_of(frame, frame.top(3)))


def _slice_of(frame: Frame, symbol: Symbol) -> Symbol:
    return symbol if frame.flow.held(symbol) is not None else element(symbol, SLICE)


def build_slice(frame: Frame, _op: int, arg: int) -> None:
    frame.replace(arg, None)
    frame.constant = _A_SLICE
    frame.constants.clear()


def send(frame: Frame, _op: int, _arg: int) -> None:
    """What `yield from` gets of what it goes through; of what is awaited nothing is known."""
    frame.replace(1, frame.flow.element(frame.top(2)))


def unpack(frame: Frame, _op: int, arg: int) -> None:
    """Each of several variables gets its own of a group, else any that the value holds."""
    symbol = frame.take()
    held = frame.flow.held(symbol)
    if held is None or len(held) != arg:
        held = tuple(frame.flow.element(symbol, Key.of(at)) for at in range(arg))
    frame.stack += reversed(held)


def unpack_with_rest(frame: Frame, _op: int, arg: int) -> None:
    """One of the variables gets a list of its own."""
    element = frame.flow.element(frame.top())
    before = frame.flow.group(element), *[element] * (arg & 255)
    frame.stack[-1:] = [*[element] * (arg >> 8), *before]


def enter(frame: Frame, _op: int, _arg: int) -> None:
    """Objects that are kept most often give themselves to `with`."""
    top = frame.top()
    frame.stack[-1:] = [None, element(top, ENTERED) if top and top[0] == RESULT else top]


def match_keys(frame: Frame, _op: int, _arg: int) -> None:
    """A tuple of what the subject holds."""
    frame.stack.append(frame.flow.group(frame.flow.element(frame.top(2))))


def match_class(frame: Frame, _op: int, _arg: int) -> None:
    frame.replace(3, frame.flow.group(frame.flow.element(frame.top(3))))


def match_group(frame: Frame, _op: int, _arg: int) -> None:
    """`except*` takes a group apart: both parts hold what the whole does."""
    frame.stack[-2:] = [frame.top(2), frame.top(2)]


def operate(frame: Frame, op: int, arg: int) -> None:
    """`/` with a text after it puts a path together, by a method of what is before it."""
    left, right = frame.top(2), frame.top()
    if arg == DIVIDES and type(frame.constant) is str and left is not None:
        frame.replace(2, frame.call(one_step(left, ".__truediv__"), (None,), (frame.constant,)))
    elif arg in _IN_PLACE and frame.flow.held(left) is not None:
        frame.flow.add(left, frame.flow.element(right))
        frame.replace(2, left)
    elif arg in _COMBINES and (left is not None or right is not None):
        frame.replace(2, _either(frame, frame.flow.copy(left), frame.flow.copy(right)))
    else:
        frame.shift(op, effect_of_number(op, arg))


def _either(frame: Frame, one: Symbol, other: Symbol) -> Symbol:
    return (one or other) if one is None or other is None else frame.flow.either(one, other)


def catch(frame: Frame, _op: int, _arg: int) -> None:
    """An exception may hold whatever is at hand, like what a call gives that was handed it all.

    Whoever has raised it: the code itself with an item, or what was called with one.
    """
    flow = frame.flow
    handed = (one for _, passed, _ in flow.calls for one in passed)
    held = dict.fromkeys((*frame.locals.values(), *handed))
    passed = tuple(one for one in held if one is not None and one[0] != INNER)
    raised = (CAUGHT[0], CAUGHT[1], (RAISED,))  # by this code or other, as it is
    if not passed:
        frame.stack += [None, raised]
        return
    flow.calls.setdefault((CAUGHT, passed, ()), [])
    name = "".join(CAUGHT[:2])
    flow.called[name] = CAUGHT[0], CAUGHT[1], ()
    frame.stack += [None, flow.one_of((RESULT, name, ()), raised)]

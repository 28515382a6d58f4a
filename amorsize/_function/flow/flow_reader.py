"""Follows the values of a code object from where they are loaded to where they are used."""

from __future__ import annotations

from opcode import opmap

from amorsize._function.bound_arguments import all_arguments
from amorsize._function.bytecode import (
    ATTR_STORES,
    CLOSURE,
    FIRST_IN_PLACE,
    FREE_STORES,
    GLOBAL,
    GLOBAL_STORES,
    IMPORT,
    ITEM_STORES,
    JUMPS_AWAY,
    JUMPS_KEEPING,
    JUMPS_ON,
    LOOP_LEAVES_NOTHING,
    nested,
    op_number,
    op_numbers,
    placed,
)
from amorsize._function.flow.passed_arguments import SENT, Passed
from amorsize._function.flow.stack_operations import run
from amorsize._function.flow.symbol_stack import Frame
from amorsize._function.flow.value_flow import (
    ARGUMENT,
    AS_TEXT,
    IN_PLACE,
    MISSING_KEY,
    RAISED,
    Flow,
    leads_inside,
    one_step,
)
from amorsize._function.kept_by_code import kept_by_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import CodeType, FunctionType

    from amorsize._function.flow.value_flow import Call, Store, Symbol

#: The special methods that run when a value is asked for one of its elements.
_AT_KEY = ("__getitem__", MISSING_KEY)
#: Operations, how deep in the stack their object lies, and the special methods that they run.
_SPECIAL: dict[int, tuple[int, tuple[str, ...]]] = {
    **dict.fromkeys(op_numbers("BINARY_SUBSCR"), (2, _AT_KEY)),
    **dict.fromkeys(op_numbers("BINARY_SLICE"), (3, _AT_KEY)),
    **dict.fromkeys(op_numbers("CONTAINS_OP"), (1, ("__contains__",))),
    **dict.fromkeys(op_numbers("GET_ITER"), (1, ("__iter__", "__next__"))),
    **dict.fromkeys(op_numbers("BEFORE_WITH"), (1, ("__enter__", "__exit__"))),
    **dict.fromkeys(op_numbers("BEFORE_ASYNC_WITH"), (1, ("__aenter__", "__aexit__"))),
    **dict.fromkeys(op_numbers("GET_AWAITABLE"), (1, ("__await__",))),
    **dict.fromkeys(op_numbers("MATCH_CLASS"), (3, ("__match_args__",))),
    **dict.fromkeys(op_numbers("GET_AITER"), (1, ("__aiter__",))),
    **dict.fromkeys(op_numbers("UNPACK_SEQUENCE", "UNPACK_EX"), (1, ("__iter__",))),
    **dict.fromkeys(op_numbers("LIST_EXTEND", "SET_UPDATE"), (1, ("__iter__",))),
    **dict.fromkeys(op_numbers("UNARY_NEGATIVE"), (1, ("__neg__",))),
    **dict.fromkeys(op_numbers("UNARY_INVERT"), (1, ("__invert__",))),
    **dict.fromkeys(op_numbers("UNARY_POSITIVE"), (1, ("__pos__",))),
    **dict.fromkeys(op_numbers("FORMAT_VALUE", "FORMAT_SIMPLE"), (1, ("__format__", "__str__"))),
    **dict.fromkeys(
        (op for name, op in opmap.items() if name in ("UNARY_NOT", "TO_BOOL") or "_IF_" in name),
        (1, ("__bool__", "__len__")),
    ),
}
#: The special methods of the binary operations, by the number that is their argument.
_BINARY = (
    *("__add__", "__and__", "__floordiv__", "__lshift__", "__matmul__", "__mul__", "__mod__"),
    *("__or__", "__pow__", "__rshift__", "__sub__", "__truediv__", "__xor__"),
)
_BINARY_OP, _YIELD_VALUE, _FOR_ITER = map(op_number, ("BINARY_OP", "YIELD_VALUE", "FOR_ITER"))
_RAISE = op_number("RAISE_VARARGS")
_INTRINSIC = op_number("CALL_INTRINSIC_1")
#: Where an exception may be from that others have as well.
_MAY_BE_SHARED = (GLOBAL, CLOSURE, IMPORT, ARGUMENT)
#: The argument of CALL_INTRINSIC_1 that stands for `+x`.
_POSITIVE = 5
_COMPARE_OP, _CONTAINS_OP = map(op_number, ("COMPARE_OP", "CONTAINS_OP"))
#: The special methods that run when two values are compared.
_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
#: The special methods that run when a value is searched for, or is used as a key.
_AS_KEY = ("__hash__", "__eq__")
_STORE_ATTR, _STORE_ITEM = op_number("STORE_ATTR"), op_number("STORE_SUBSCR")
_STORE_SLICE = op_number("STORE_SLICE")
_STORES = GLOBAL_STORES | FREE_STORES | ATTR_STORES | frozenset(ITEM_STORES)
#: A value that stays on the stack across a jump is mostly a branch of `a if b else c`, returned.
_GIVES_ON = frozenset(op_numbers("RETURN_VALUE", "JUMP_FORWARD"))


def flow_of(func: FunctionType) -> Flow:
    """Where the values of a function's code go."""
    return follow(func.__code__)


@kept_by_code
def follow(code: CodeType) -> Flow:
    """Where the values of a code object and its nested code go."""
    flow = Flow()
    closure: dict[str, Symbol] = {name: (CLOSURE, name, ()) for name in code.co_freevars}
    given: dict[str, Symbol] = {name: (ARGUMENT, name, ()) for name in all_arguments(code)}
    _follow_all(code, closure, given, flow, _Follower(), is_outermost=True)
    flow.is_whole = True
    return flow


def calls_of(flow: Flow, callee: Store) -> Sequence[Call]:
    """The calls of one callee, in the order in which the code makes them."""
    if not flow.is_whole:
        return [one for one in flow.calls if one[0] == callee]
    if flow.calls and not flow.calls_by_callee:
        found: dict[Store, list[Call]] = {}
        for one in flow.calls:
            found.setdefault(one[0], []).append(one)
        flow.calls_by_callee = found
    return flow.calls_by_callee.get(callee, ())


def given_by(flow: Flow, way: tuple[str, ...]) -> Iterator[tuple[Store, tuple[str, ...]]]:
    """The values that a way may lead to which begins with the result of the outermost code."""
    yield from ((one, way) for one in flow.returned)
    at = next((at for at, step in enumerate(way) if not leads_inside(step)), len(way))
    for n_inside in range(1, at + 1):  # however deep it lies
        yield from ((one, way[n_inside:]) for one in flow.returned_inside)


def _follow_all(
    code: CodeType,
    closure: Mapping[str, Symbol],
    given: Mapping[str, Symbol],
    flow: Flow,
    follow: _Follower,
    *,
    is_outermost: bool,
) -> None:
    trail = _Trail(Frame(code, closure, given, flow, follow), is_outermost=is_outermost)
    trail.follow()
    for inner in nested(code):
        passed, named = flow.inner_calls.get(id(inner), ((), ()))
        given = flow.given_to(inner, Passed(inner, passed, named).symbols(flow))
        _follow_all(inner, trail.frame.cells_for(inner), given, flow, follow, is_outermost=False)


def _reflected(method: str) -> str:
    """The method of the right one of two values."""
    return f"__r{method[2:]}"


class _Follower:
    """Follows calls of functions that the code itself defines, without recursion.

    Attributes:
        sent: A group of all that the code sends to generators; None: it defines no function.
    """

    def __init__(self) -> None:
        self._following: list[CodeType] = []
        self.sent: Store | None = None

    def __call__(self, flow: Flow, inner: CodeType, closure: Mapping[str, Symbol]) -> Symbol:
        """The result of calling a function that the code defines."""
        if inner in self._following:
            return None
        self._following.append(inner)
        passed, named = flow.inner_calls.get(id(inner), ((), ()))
        given = flow.given_to(inner, Passed(inner, passed, named).symbols(flow))
        frame = Frame(inner, closure, given, flow, self)
        trail = _Trail(frame, is_outermost=False)
        trail.follow()
        self._following.remove(inner)
        return trail.gives


class _Trail:
    """Follows values from where they are loaded to where something is stored into them.

    A single pass from top to bottom with symbols for the stack and the variables, which jumps ahead
    take along. What two ways bring to a place is one of both. A variable may be what it was last
    set to in the code as well: exceptions and the next round of a loop come from anywhere.

    Attributes:
        frame: The stack and the variables.
        gives: What is returned, or all that is yielded, by code that is not the outermost.
    """

    def __init__(self, frame: Frame, *, is_outermost: bool) -> None:
        self.frame = frame
        self.gives: Symbol = None
        self._flow, self._is_outermost = frame.flow, is_outermost
        # Where jumps lead to: the stack, and the variables.
        self._landings: dict[int, tuple[list[Symbol], dict[int, Symbol]]] = {}
        self._is_behind_jump = False

    def follow(self) -> None:
        """Note what is seen in the flow."""
        frame = self.frame
        for start, end, op, arg in placed(frame.code.co_code):
            if start in self._landings:
                self._land(*self._landings.pop(start))
            before = frame.stack[:] if op in JUMPS_ON else []
            self._note(op, arg)
            n_before = len(frame.stack)
            run(frame, op, arg)
            frame.settle(op, n_before)
            self._is_behind_jump = op in JUMPS_AWAY
            if op == _YIELD_VALUE and frame.stack:
                frame.stack[-1] = (ARGUMENT, SENT, ()) if self._is_outermost else frame.sent()
            if self._is_behind_jump:
                frame.stack.clear()
                frame.literals.clear()
            if op in JUMPS_ON:
                self._jump(op, end + 2 * arg, before)

    def _note(self, op: int, arg: int) -> None:
        """Note what an operation does with what lies on the stack before it."""
        frame, flow = self.frame, self._flow
        if op in _SPECIAL:
            depth, methods = _SPECIAL[op]
            flow.note_operation(frame.top(depth), *methods)
        if op == _CONTAINS_OP:
            flow.note_operation(frame.top(2), *_AS_KEY)
        if op in _STORES:
            self._store(op, arg)
        elif op == _BINARY_OP and arg >= FIRST_IN_PLACE:
            method = _BINARY[arg - FIRST_IN_PLACE]
            flow.note_store(frame.top(2), IN_PLACE)
            flow.note_operation(frame.top(2), method, f"__i{method[2:]}")
            flow.note_operation(frame.top(), _reflected(method))
        elif op == _INTRINSIC and arg == _POSITIVE:
            flow.note_operation(frame.top(), "__pos__")
        elif op == _BINARY_OP:
            flow.note_operation(frame.top(2), _BINARY[arg])
            flow.note_operation(frame.top(), _reflected(_BINARY[arg]))
            if _BINARY[arg] == "__mod__":  # a text with its values
                flow.note_operation(frame.top(), *AS_TEXT, *_AT_KEY)
        elif op == _RAISE and (raised := frame.top(arg or 1)) is not None:
            if arg and raised[0] in _MAY_BE_SHARED:
                flow.kept[RAISED, one_step(raised, RAISED)] = None
            if arg > 1 and (cause := frame.top()) is not None and cause[0] in _MAY_BE_SHARED:
                flow.kept[RAISED, one_step(cause, RAISED)] = None
        elif op == _COMPARE_OP:
            flow.note_operation(frame.top(2), *_COMPARISONS)
            flow.note_operation(frame.top(), *_COMPARISONS)
        elif op in _GIVES_ON and (top := frame.top()) is not None:
            if self._is_outermost:
                flow.note_return(top)
            else:
                self.gives = self._one(self.gives, top)
        elif op == _YIELD_VALUE and self._is_outermost:
            flow.note_return(flow.group(frame.top()))
        elif op == _YIELD_VALUE and flow.held(self.gives) is None:
            self.gives = flow.group(frame.top())
        elif op == _YIELD_VALUE:
            flow.add(self.gives, frame.top())

    def _store(self, op: int, arg: int) -> None:
        frame, flow = self.frame, self._flow
        if op in GLOBAL_STORES:
            flow.stores[GLOBAL, frame.code.co_names[arg], ()] = None
        elif op in FREE_STORES:
            symbol = (CLOSURE, frame.cells[arg], ())
            if symbol[1] and frame.locals.get(arg) == symbol:
                flow.stores[symbol] = None
        elif op in ATTR_STORES:
            step = f".{frame.code.co_names[arg]}"
            flow.note_store(frame.top(), step)
            if op == _STORE_ATTR and (value := frame.top(2)) is not None:
                flow.kept[step, value] = None
        else:
            flow.note_store(frame.top(ITEM_STORES[op]), "[...]")
            if op == _STORE_SLICE or (op == _STORE_ITEM and type(frame.constant) is slice):
                flow.add(frame.top(ITEM_STORES[op]), flow.element(frame.top(ITEM_STORES[op] + 1)))
            elif op == _STORE_ITEM and frame.top(3) is not None:
                flow.add(frame.top(2), frame.top(3))

    def _jump(self, op: int, target: int, before: list[Symbol]) -> None:
        """Note the stack for the place that the operation may jump to, merged with earlier ones."""
        stack = before if op in JUMPS_KEEPING else self.frame.stack[:]
        if op == _FOR_ITER:  # later versions pop what it went through, and one more, at the target
            stack = before[:-1] if LOOP_LEAVES_NOTHING else [*before, None]
        known = self._landings.get(target)
        variables = self.frame.locals
        if known is not None:
            stack, variables = self._either(known[0], stack), self._any_of(known[1], variables)
        self._landings[target] = stack, dict(variables)

    def _land(self, stack: list[Symbol], variables: dict[int, Symbol]) -> None:
        frame = self.frame
        frame.constant = None
        frame.literals.clear()
        # What was set last in the code comes along, whatever jumps: the body of a loop runs before
        # what is behind it.
        frame.locals = self._any_of(frame.locals, variables)
        frame.stack = stack if self._is_behind_jump else self._either(frame.stack, stack)

    def _any_of(self, one: dict[int, Symbol], other: dict[int, Symbol]) -> dict[int, Symbol]:
        """The variables after two ways to the same place."""
        if one == other:
            return one
        return {at: self._one(one.get(at), other.get(at)) for at in one.keys() | other.keys()}

    def _one(self, a: Symbol, b: Symbol) -> Symbol:
        return (a or b) if a == b or a is None or b is None else self._flow.either(a, b)

    def _either(self, one: list[Symbol], other: list[Symbol]) -> list[Symbol]:
        """The stack after two ways to the same place."""
        if len(one) != len(other):
            return one
        return [self._one(a, b) for a, b in zip(one, other, strict=True)]

"""What a code object says, read from its bytecode: its body, what it loads, what it stores to.

Does what `dis` would, without `dis` (27 ms to import, with `inspect`). `co_code` comes without the
interpreter's specialisations and with empty inline caches, so it is the same after a million calls.
"""

from __future__ import annotations

from opcode import HAVE_ARGUMENT, hasconst, hasname, opmap, stack_effect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

    Load = tuple[str, str, tuple[str, ...]]  # space, name, the attributes taken off it at once
    Store = tuple[str, str, tuple[str, ...]]  # space, name, the way from there: ".total", "[...]"
    Symbol = Store | None  # None: a value whose origin does not matter
    Call = tuple[Store, tuple[Symbol, ...]]  # what is called, and where its arguments come from

# The spaces that names live in. CLASS is what `.__class__` gives, of any object.
# RESULT is what a call gives, by the name of what is called.
GLOBAL, CLOSURE, ARGUMENT, IMPORT, CLASS = "global", "closure", "argument", "import", "class"
RESULT = "result"
# Steps of a store beside ".name" and "[...]": what is changed by `+=`, and what a call has given.
IN_PLACE, CALLED = " += ...", "()"

_CODE: type[CodeType] = type((lambda: None).__code__)
_NO_OP = -1  # an operation that this Python does not have


def _ops(*names: str) -> tuple[int, ...]:
    return tuple(opmap[name] for name in names if opmap.get(name, 256) < 256)


def _op(name: str) -> int:
    return next(iter(_ops(name)), _NO_OP)


_CACHE, _EXTENDED_ARG, _LOAD_GLOBAL = _op("CACHE"), _op("EXTENDED_ARG"), _op("LOAD_GLOBAL")
_LOAD_ATTR, _LOAD_METHOD, _IMPORT_NAME = _op("LOAD_ATTR"), _op("LOAD_METHOD"), _op("IMPORT_NAME")
_IMPORT_FROM = _op("IMPORT_FROM")
_STORE_NAME, _LOAD_CONST, _PUSH_NULL = _op("STORE_NAME"), _op("LOAD_CONST"), _op("PUSH_NULL")
_CALLS = frozenset(_ops("CALL", "CALL_KW"))
_CALL_KW = _op("CALL_KW")
# What is left on the stack across a jump is one branch of `a if b else c`, most often returned.
_GIVES_ON = frozenset(_ops("RETURN_VALUE", "JUMP_FORWARD"))
_COPY, _SWAP, _STORE_FAST = _op("COPY"), _op("SWAP"), _op("STORE_FAST")
_LOAD_TWO, _STORE_LOAD, _STORE_TWO = (
    _op("LOAD_FAST_LOAD_FAST"),
    _op("STORE_FAST_LOAD_FAST"),
    _op("STORE_FAST_STORE_FAST"),
)
_METHOD_BIT = 1 if _LOAD_METHOD == _NO_OP else 0  # from 3.12 LOAD_ATTR's lowest bit: for a call
_NAME_SHIFTS = {op: 0 for op in hasname if op < 256} | {_LOAD_GLOBAL: 1, _LOAD_ATTR: _METHOD_BIT}
_NAME_LOADS = _ops("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_FREE_LOADS = _ops("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
_FAST_LOADS = frozenset(_ops("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR"))
_ATTR_LOADS = frozenset(_ops("LOAD_ATTR", "LOAD_METHOD"))
_GET_ITER, _FOR_ITER = _op("GET_ITER"), _op("FOR_ITER")
_SUBSCR, _BINARY_OP = _op("BINARY_SUBSCR"), _op("BINARY_OP")
_FIRST_IN_PLACE = 13  # of the binary operations: `+=`
_GLOBAL_STORES = frozenset(_ops("STORE_GLOBAL", "DELETE_GLOBAL"))
_FREE_STORES = frozenset(_ops("STORE_DEREF", "DELETE_DEREF"))
_ATTR_STORES = frozenset(_ops("STORE_ATTR", "DELETE_ATTR"))
_ITEM_STORES = dict.fromkeys(_ops("STORE_SUBSCR", "DELETE_SUBSCR"), 2)  # how deep in the stack
_ITEM_STORES |= dict.fromkeys(_ops("STORE_SLICE"), 3)  # the container lies
_STORES = _GLOBAL_STORES | _FREE_STORES | _ATTR_STORES | frozenset(_ITEM_STORES)
_CONST_OPS = tuple(op for op in hasconst if op < 256)
_JUMPS_AWAY = frozenset(
    _ops(
        "RETURN_VALUE",
        "RETURN_CONST",
        "RAISE_VARARGS",
        "RERAISE",
        "JUMP_FORWARD",
        "JUMP_BACKWARD",
        "JUMP_BACKWARD_NO_INTERRUPT",
    )
)
_POPS = frozenset(op for name, op in opmap.items() if name.startswith(("POP_", "STORE_")))
_LEAVES_STACK = frozenset(
    _ops("NOP", "RESUME", "KW_NAMES", "COPY_FREE_VARS", "MAKE_CELL", "PRECALL")
)

_OPTIMIZED = 0x1  # co_flags of a function's code; a class body lacks it
_HAS_DOCSTRING = 0x4000000  # co_flags from 3.13 on
_ABOUT_SOURCE = {"__doc__", "__firstlineno__", "__static_attributes__"}  # a class body stores these

_effects: dict[tuple[int, int], int] = {}


def body(code: CodeType) -> tuple[Any, ...]:
    """What the code does, as plain data that `marshal` can write.

    Two bodies are equal exactly when operations, names, constants, arguments and nested code are.
    Not part of it: comments, line numbers, file, docstrings, names of locals, unused constants.
    Constants stand in the order of their use, because a docstring would shift their numbers.
    """
    describe = _function_body if code.co_flags & _OPTIMIZED else _class_body
    operations, names, constants = describe(code)
    n_named = code.co_argcount + code.co_kwonlyargcount
    return (
        operations,
        names,
        tuple(map(_constant, constants)),
        code.co_varnames[:n_named],
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_flags & ~_HAS_DOCSTRING,
        code.co_exceptiontable,
        len(code.co_freevars),
    )


def names(code: CodeType) -> dict[str, None]:
    """Every global, attribute and imported name in the code and its nested code, in order."""
    found = dict.fromkeys(code.co_names)
    for inner in _nested(code):
        found |= names(inner)
    return found


def loads(code: CodeType) -> list[Load]:
    """The globals, closure cells and imported modules that the code and its nested code read.

    `("global", "helper", ("parse",))` is `helper.parse`; an import's attributes are what it takes.
    A cell counts if it is the outermost code's: those of nested functions live for one call.
    """
    found: dict[Load, None] = {}
    _collect_loads(code, frozenset(code.co_freevars), found)
    return list(found)


class Flow:
    """Where values go in a code object and its nested code, as far as the bytecode plainly shows.

    Attributes:
        stores: What outlives a call and is stored into; see `stores`. Arguments are told by name.
        calls: What is called, and where its arguments come from.
        returned_calls: What is called to make what the outermost code returns.
        returned: What else it returns.
    """

    def __init__(self, code: CodeType) -> None:
        self.stores: dict[Store, None] = {}
        self.calls: dict[Call, None] = {}
        self.returned_calls: dict[Store, None] = {}
        self.returned: dict[Store, None] = {}
        self._follow(code, frozenset(code.co_freevars), is_outermost=True)

    def _follow(self, code: CodeType, free: frozenset[str], *, is_outermost: bool) -> None:
        _Trail(code, free, self, is_outermost).follow()
        for inner in _nested(code):
            self._follow(inner, free.intersection(inner.co_freevars), is_outermost=False)


def arguments(code: CodeType) -> tuple[str, ...]:
    """The names of the arguments that are passed one by one."""
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def stores(code: CodeType) -> list[Store]:
    """The stores of the code to what outlives a call of it.

    `("global", "total", ())` is an assignment, `("import", "ledger", (".total",))` one to an
    attribute of a module that the code imports, `("global", "CACHE", ("[...]",))` one to an item,
    `("argument", "self", (".total",))` one to an attribute of the first argument. A store is listed
    only where the bytecode plainly shows what its target was loaded from.
    """
    first = code.co_varnames[: min(1, code.co_argcount)]
    found = Flow(code).stores
    return [one for one in found if one[0] != ARGUMENT or one[1] in first]


def returned_calls(code: CodeType) -> list[tuple[str, str, tuple[str, ...]]]:
    """What is called to make what code returns: for `return open(path)`, `("global", "open", ())`.

    Only where the bytecode plainly shows it.
    """
    return list(Flow(code).returned_calls)


def stored_attributes(code: CodeType) -> set[str]:
    """The names of all attributes that the code and its nested code assign, of whatever object."""
    found = {code.co_names[arg] for op, arg in instructions(code.co_code) if op in _ATTR_STORES}
    return found.union(*map(stored_attributes, _nested(code)))


def _nested(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if type(constant) is _CODE]


def _constant(value: object) -> object:
    if type(value) is _CODE:
        return body(value)
    return repr(value) if type(value) is slice else value  # `marshal` refuses slices


def _function_body(code: CodeType) -> tuple[bytes, tuple[str, ...], list[object]]:
    """Operations with the numbers of constants blanked, and the constants in order of use."""
    operations = bytearray(code.co_code)
    ops = bytes(operations[::2])
    used = []
    for op in _CONST_OPS:
        at = ops.find(op)
        while at >= 0:
            used.append(code.co_consts[_argument(operations, ops, at)])
            operations[2 * at + 1] = 0
            before = at - 1
            while before >= 0 and ops[before] == _EXTENDED_ARG:
                operations[2 * before + 1] = 0
                before -= 1
            at = ops.find(op, at + 1)
    return bytes(operations), code.co_names, used


def _class_body(code: CodeType) -> tuple[bytes, tuple[str, ...], list[object]]:
    """The same for a class body, less what it notes about its source text."""
    operations = bytearray()
    used_names: list[str] = []
    used: list[object] = []
    for op, arg in instructions(code.co_code):
        shift = _NAME_SHIFTS.get(op)
        if shift is not None:
            name = code.co_names[arg >> shift]
            if op == _STORE_NAME and name in _ABOUT_SOURCE and operations[-5] == _LOAD_CONST:
                del operations[-5:], used[-1:]
                continue
            used_names.append(name)
            arg &= (1 << shift) - 1
        elif op in _CONST_OPS:
            used.append(code.co_consts[arg])
            arg = 0
        operations += bytes((op, *arg.to_bytes(4, "little")))
    return bytes(operations), tuple(used_names), used


def _argument(code: bytes | bytearray, ops: bytes, at: int) -> int:
    """The argument of the operation at a place, with its extension before it."""
    value = code[2 * at + 1]
    bits = 8
    while at and ops[at - 1] == _EXTENDED_ARG:
        at -= 1
        value |= code[2 * at + 1] << bits
        bits += 8
    return value


def instructions(code: bytes) -> Iterator[tuple[int, int]]:
    """Operations with whole arguments, caches left out."""
    extension = 0
    for at in range(0, len(code), 2):
        op = code[at]
        if op == _CACHE:
            continue
        arg = code[at + 1] | extension
        if op == _EXTENDED_ARG:
            extension = arg << 8
            continue
        extension = 0
        yield op, arg


def _collect_loads(code: CodeType, free: frozenset[str], found: dict[Load, None]) -> None:
    units = code.co_code
    ops = units[::2]
    for op in _NAME_LOADS:
        at = ops.find(op)
        while at >= 0:
            name = code.co_names[_argument(units, ops, at) >> _NAME_SHIFTS[op]]
            found[GLOBAL, name, _attributes_after(code, units, ops, at)] = None
            at = ops.find(op, at + 1)
    if free:
        cells = _cells(code)
        for op in _FREE_LOADS:
            at = ops.find(op)
            while at >= 0:
                name = cells[_argument(units, ops, at)]
                if name in free:
                    found[CLOSURE, name, _attributes_after(code, units, ops, at)] = None
                at = ops.find(op, at + 1)
    at = ops.find(_IMPORT_NAME)
    while at >= 0:
        name = code.co_names[_argument(units, ops, at)]
        found[IMPORT, name, _imported_after(code, units, ops, at)] = None
        at = ops.find(_IMPORT_NAME, at + 1)
    for inner in _nested(code):
        _collect_loads(inner, free.intersection(inner.co_freevars), found)


def _cells(code: CodeType) -> dict[int, str]:
    """The names of cells that come from outside, by the number that operations use."""
    own = len(code.co_varnames) + sum(name not in code.co_varnames for name in code.co_cellvars)
    return dict(enumerate(code.co_freevars, own)) | dict.fromkeys(range(own), "")


def _attributes_after(code: CodeType, units: bytes, ops: bytes, at: int) -> tuple[str, ...]:
    """The chain of attributes read straight off what the operation at a place loads."""
    attributes: list[str] = []
    for after in range(at + 1, len(ops)):
        op = ops[after]
        if op in _ATTR_LOADS:
            attributes.append(code.co_names[_argument(units, ops, after) >> _NAME_SHIFTS[op]])
        elif op not in (_CACHE, _EXTENDED_ARG):
            break
    return tuple(attributes)


def _imported_after(code: CodeType, units: bytes, ops: bytes, at: int) -> tuple[str, ...]:
    """What a `from ... import` at a place takes off its module."""
    found: list[str] = []
    for after in range(at + 1, len(ops)):
        if ops[after] == _IMPORT_FROM:
            found.append(code.co_names[_argument(units, ops, after)])
        elif ops[after] not in (_CACHE, _EXTENDED_ARG, _STORE_FAST, *_GLOBAL_STORES, *_FREE_STORES):
            break
    return tuple(found)


class _Trail:
    """Follows values from where they are loaded to where something is stored into them.

    A single pass from top to bottom with a stack of symbols. Behind a jump nothing is known of the
    stack, so a store there may be missed, but none is invented.
    """

    def __init__(
        self, code: CodeType, free: frozenset[str], flow: Flow, is_outermost: bool
    ) -> None:
        self.code, self.flow, self.is_outermost = code, flow, is_outermost
        self.cells = {at: name if name in free else "" for at, name in _cells(code).items()}
        self.stack: list[Symbol] = []
        self.locals: dict[int, Symbol] = {}
        self.called: dict[str, Store] = {}  # by the name that stands for a call's result
        if is_outermost:
            for at, name in enumerate(arguments(code)):
                self.locals[at] = (ARGUMENT, name, ())

    def follow(self) -> None:
        """Note what is seen in the flow."""
        for op, arg in instructions(self.code.co_code):
            if op in _STORES:
                self._store(op, arg)
            elif op == _BINARY_OP and arg >= _FIRST_IN_PLACE:
                self._note(self._top(2), IN_PLACE)
            elif op in _GIVES_ON and self.is_outermost and (top := self._top()) is not None:
                self._give(top)
            if not self._load(op, arg):
                self._move(op, arg)

    def _give(self, symbol: Store) -> None:
        if symbol[0] == RESULT:
            self.flow.returned_calls[self.called[symbol[1]]] = None
        else:
            self.flow.returned[symbol] = None

    def _top(self, depth: int = 1) -> Symbol:
        return self.stack[-depth] if len(self.stack) >= depth else None

    def _store(self, op: int, arg: int) -> None:
        if op in _GLOBAL_STORES:
            self.flow.stores[GLOBAL, self.code.co_names[arg], ()] = None
        elif op in _FREE_STORES:
            if name := self.cells[arg]:
                self.flow.stores[CLOSURE, name, ()] = None
        elif op in _ATTR_STORES:
            self._note(self._top(), f".{self.code.co_names[arg]}")
        else:
            self._note(self._top(_ITEM_STORES[op]), "[...]")

    def _note(self, target: Symbol, step: str) -> None:
        if target is None:
            return
        if target[0] == RESULT:  # told by what was called
            space, name, steps = self.called[target[1]]
            target = space, name, (*steps, CALLED, *target[2])
        self.flow.stores[_step(target, step)] = None

    def _load(self, op: int, arg: int) -> bool:
        """Push what an operation loads; False if it is not a load whose origin matters."""
        push = self.stack.append
        if op in _FAST_LOADS:
            push(self.locals.get(arg))
        elif op == _LOAD_TWO:
            push(self.locals.get(arg >> 4))
            push(self.locals.get(arg & 15))
        elif op == _LOAD_GLOBAL:
            symbol = (GLOBAL, self.code.co_names[arg >> 1], ())
            self.stack += [None, symbol] if arg & 1 else [symbol]
        elif op in _FREE_LOADS:
            name = self.cells[arg]
            push((CLOSURE, name, ()) if name else None)
        elif op == _LOAD_ATTR and not arg & _METHOD_BIT:
            name = self.code.co_names[arg >> _METHOD_BIT]
            if name == "__class__":
                self._replace(1, (CLASS, name, ()))
            else:
                self._replace(1, None if (top := self._top()) is None else _step(top, f".{name}"))
        elif op in (_LOAD_METHOD, _LOAD_ATTR):  # for a call: the method, and what it is of
            name = self.code.co_names[arg >> _METHOD_BIT]
            self._replace(1, None if (top := self._top()) is None else _step(top, f".{name}"))
            push(None)
        elif op in _CALLS:
            self._call(op, arg)
        elif op == _IMPORT_NAME:
            self._replace(2, (IMPORT, self.code.co_names[arg], ()))
        elif op == _IMPORT_FROM:
            top = self._top()
            push(None if top is None else _step(top, f".{self.code.co_names[arg]}"))
        elif op == _FOR_ITER:
            push(None if (top := self._top()) is None else _step(top, "[...]"))
        elif op == _SUBSCR:
            self._replace(2, None if (top := self._top(2)) is None else _step(top, "[...]"))
        else:
            return False
        return True

    def _call(self, op: int, n_arguments: int) -> None:
        """The result of a call, by what is called, which lies below its arguments."""
        depth = n_arguments + 1 + (op == _CALL_KW)
        callee = self._top(depth) or self._top(depth + 1)
        n_values = n_arguments + (op == _CALL_KW)
        if callee is not None and callee[0] != RESULT and len(self.stack) >= n_values:
            passed = tuple(self.stack[len(self.stack) - n_values :][:n_arguments])
            self.flow.calls[callee, passed] = None
        # The callable, what it is bound to and the arguments go; 3.11 counts some in PRECALL.
        self._shift(op, -(n_arguments + 1 + (op == _CALL_KW)))
        if callee is not None and callee[0] != RESULT and self.stack:
            name = "".join((*callee[:2], *callee[2]))
            self.called[name] = callee
            self.stack[-1] = RESULT, name, ()

    def _move(self, op: int, arg: int) -> None:
        stack = self.stack
        if op == _COPY:
            stack.append(self._top(arg))
        elif op == _SWAP:
            stack[:0] = [None] * (arg - len(stack))
            stack[-1], stack[-arg] = stack[-arg], stack[-1]
        elif op == _STORE_FAST:
            self.locals[arg] = stack.pop() if stack else None
        elif op == _STORE_LOAD:
            self.locals[arg >> 4] = self._top()
            self._replace(1, self.locals.get(arg & 15))
        elif op == _STORE_TWO:
            self.locals[arg >> 4] = stack.pop() if stack else None
            self.locals[arg & 15] = stack.pop() if stack else None
        elif op in _JUMPS_AWAY:
            stack.clear()
        elif op not in _LEAVES_STACK and op != _GET_ITER:  # which stands for what it goes through
            self._shift(op, _effect(op, arg))

    def _replace(self, n_symbols: int, symbol: Symbol) -> None:
        del self.stack[-n_symbols:]
        self.stack.append(symbol)

    def _shift(self, op: int, effect: int) -> None:
        """Any other operation: its result, if it leaves one, is of no known origin."""
        if effect > 0:
            self.stack += [None] * effect
            return
        if effect:
            del self.stack[effect:]
        if op not in _POPS and self.stack:
            self.stack[-1] = None


def _step(symbol: Store, step: str) -> Store:
    space, name, steps = symbol
    return space, name, (*steps, step)


def effect_of(name: str, arg: int) -> int:
    """How many values the operation of this name leaves on the stack, less those it takes."""
    return _effect(opmap[name], arg)


def _effect(op: int, arg: int) -> int:
    effect = _effects.get((op, arg))
    if effect is None:
        has_argument = op >= HAVE_ARGUMENT
        effect = stack_effect(op, arg if has_argument else None, jump=False)
        _effects[op, arg] = effect
    return effect

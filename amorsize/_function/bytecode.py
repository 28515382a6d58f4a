"""What a code object says, read from its bytecode: its body, what it loads, what it stores to.

Does what `dis` would, without `dis` (27 ms to import, with `inspect`). `co_code` comes without the
interpreter's specialisations and with empty inline caches, so it is the same after a million calls.
"""

from __future__ import annotations

from opcode import HAVE_ARGUMENT, hasconst, hasname, opmap, stack_effect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType
    from typing import Any

    Load = tuple[str, str, tuple[str, ...]]  # space, name, the attributes taken off it at once
    Store = tuple[str, str, tuple[str, ...]]  # space, name, the way from there: ".total", "[...]"
    Symbol = Store | None  # None: a value whose origin does not matter
    # What is called, where its arguments come from, and the names of the last ones of these.
    Call = tuple[Store, tuple[Symbol, ...], tuple[str, ...]]

# The spaces that names live in. CLASS is what `.__class__` gives, of any object.
# RESULT is what a call gives, by the name of what is called.
GLOBAL, CLOSURE, ARGUMENT, IMPORT, CLASS = "global", "closure", "argument", "import", "class"
# GROUP is what has just been made of others, by number: its elements are theirs.
# INNER is a function that the code defines, by number.
# UNKNOWN is called where nothing is known of it but what it is handed.
RESULT, GROUP, INNER = "result", "group", "inner"
UNKNOWN: Store = RESULT, "", ()
# Steps of a store beside ".name" and "[...]": what is changed by `+=`, and what a call has given.
# GIVEN is what a method like `get` gives: an element only if the object is a plain container.
IN_PLACE, CALLED, ELEMENT, GIVEN = " += ...", "()", "[...]", "[....]"
# Methods that give one of an object's elements, all of them, and all of them with their keys.
_GIVE_ONE, _GIVE_ALL, _GIVE_PAIRS = (
    {".get", ".setdefault", ".__getitem__"},
    {".values", ".copy"},
    {".items"},
)
# Builtins that do so with their first argument; `enumerate` and `zip` make pairs.
_TAKE_ONE = {"next", "min", "max"}
_TAKE_ALL = {"list", "tuple", "set", "dict", "sorted", "reversed", "iter", "deque"}

_CODE: type[CodeType] = type((lambda: None).__code__)
_NO_OP = -1  # an operation that this Python does not have


def _ops(*names: str) -> tuple[int, ...]:
    return tuple(opmap[name] for name in names if opmap.get(name, 256) < 256)


def _op(name: str) -> int:
    return next(iter(_ops(name)), _NO_OP)


# Operations, how deep in the stack their object lies, and its special methods that they run.
_SPECIAL: dict[int, tuple[int, tuple[str, ...]]] = {
    **dict.fromkeys(_ops("BINARY_SUBSCR"), (2, ("__getitem__", "__missing__"))),
    **dict.fromkeys(_ops("CONTAINS_OP"), (1, ("__contains__",))),
    **dict.fromkeys(_ops("GET_ITER"), (1, ("__iter__",))),
    **dict.fromkeys(_ops("BEFORE_WITH"), (1, ("__enter__", "__exit__"))),
    **dict.fromkeys(_ops("FORMAT_VALUE", "FORMAT_SIMPLE"), (1, ("__format__", "__str__"))),
    **dict.fromkeys(
        (op for name, op in opmap.items() if name in ("UNARY_NOT", "TO_BOOL") or "_IF_" in name),
        (1, ("__bool__", "__len__")),
    ),
}
_BINARY = (
    *("__add__", "__and__", "__floordiv__", "__lshift__", "__matmul__", "__mul__", "__mod__"),
    *("__or__", "__pow__", "__rshift__", "__sub__", "__truediv__", "__xor__"),
)
_BY_BUILTIN = {"len": "__len__", "next": "__next__", "str": "__str__", "bool": "__bool__"}
_BY_BUILTIN |= dict.fromkeys(
    ("iter", "list", "tuple", "set", "sorted", "sum", "min", "max", "any", "all"), "__iter__"
)

_CACHE, _EXTENDED_ARG, _LOAD_GLOBAL = _op("CACHE"), _op("EXTENDED_ARG"), _op("LOAD_GLOBAL")
_LOAD_ATTR, _LOAD_METHOD, _IMPORT_NAME = _op("LOAD_ATTR"), _op("LOAD_METHOD"), _op("IMPORT_NAME")
_IMPORT_FROM = _op("IMPORT_FROM")
_STORE_NAME, _LOAD_CONST, _PUSH_NULL = _op("STORE_NAME"), _op("LOAD_CONST"), _op("PUSH_NULL")
_CALLS = frozenset(_ops("CALL", "CALL_KW"))
_CALL_KW, _KW_NAMES, _CALL_EX = _op("CALL_KW"), _op("KW_NAMES"), _op("CALL_FUNCTION_EX")
_BUILDS = frozenset(_ops("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET"))
_BUILD_MAP, _BUILD_KEYED = _op("BUILD_MAP"), _op("BUILD_CONST_KEY_MAP")
_ADDS_ONE, _ADDS_ALL = (
    frozenset(_ops("LIST_APPEND", "SET_ADD")),
    frozenset(_ops("LIST_EXTEND", "SET_UPDATE", "DICT_MERGE", "DICT_UPDATE")),
)
_YIELD_VALUE = _op("YIELD_VALUE")
_UNPACK, _MAKE_FUNCTION = _op("UNPACK_SEQUENCE"), _op("MAKE_FUNCTION")
_MAP_ADD, _BEFORE_WITH = _op("MAP_ADD"), _op("BEFORE_WITH")
_MATCH_KEYS, _MATCH_CLASS = _op("MATCH_KEYS"), _op("MATCH_CLASS")
_MAKES_FUNCTION = frozenset(_ops("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"))
_DEFAULTS_BELOW = int("SET_FUNCTION_ATTRIBUTE" not in opmap)  # until 3.12 it takes them at once
_UNPACK_EX, _STORE_DEREF = _op("UNPACK_EX"), _op("STORE_DEREF")
_LIST_TO_TUPLE = {(_op("LIST_TO_TUPLE"), 0), (_op("CALL_INTRINSIC_1"), 6)}
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
_KEEPS_STACK = frozenset(_ops("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP", "JUMP_FORWARD"))
_JUMPS_ON = _KEEPS_STACK | {_FOR_ITER}
_JUMPS_ON |= {
    op for name, op in opmap.items() if name.startswith(("POP_JUMP_FORWARD", "POP_JUMP_IF"))
}
_POPS = frozenset(
    op for name, op in opmap.items() if name.startswith(("POP_", "STORE_", "END_FOR"))
)
_LEAVES_STACK = frozenset(
    _ops("NOP", "RESUME", "KW_NAMES", "COPY_FREE_VARS", "MAKE_CELL", "PRECALL")
)

_CHECKS = {"exists", "isdir", "is_dir", "lexists", "listdir"}
_MAKERS = {"mkdir", "makedirs"}
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
        stores: What is stored into, and may outlive a call. `("global", "total", ())` is an
            assignment, `("import", "ledger", (".total",))` one to an attribute of a module that the
            code imports, `("global", "CACHE", ("[...]",))` one to an item, and
            `("argument", "self", (".total",))` one to an attribute of an argument.
        calls: What is called, and where its arguments come from.
        returned_calls: What is called to make what the outermost code returns.
        returned: What else it returns.
        operations: What operators and `with` are used on, and the special methods they run.
    """

    def __init__(self, code: CodeType) -> None:
        self.stores: dict[Store, None] = {}
        self.calls: dict[Call, None] = {}
        self.returned_calls: dict[Store, None] = {}
        self.returned: dict[Store, None] = {}
        self.operations: dict[tuple[Store, str], None] = {}
        self.called: dict[str, Store] = {}  # by the name that stands for a call's result
        self.groups: list[tuple[Symbol, ...]] = []  # what was put together
        self.inner: list[CodeType] = []  # functions that the code defines
        self.inner_calls: dict[int, tuple[tuple[Symbol, ...], tuple[str, ...]]] = {}
        self.following: list[CodeType] = []
        closure: dict[str, Symbol] = {name: (CLOSURE, name, ()) for name in code.co_freevars}
        given = {name: (ARGUMENT, name, ()) for name in arguments(code)}
        self._follow(code, closure, given, is_outermost=True)

    def _follow(
        self,
        code: CodeType,
        closure: Mapping[str, Symbol],
        given: Mapping[str, Symbol],
        *,
        is_outermost: bool,
    ) -> None:
        trail = _Trail(code, closure, given, self, is_outermost)
        trail.follow()
        for inner in _nested(code):
            passed, named = self.inner_calls.get(id(inner), ((), ()))
            given = by_name(inner, passed, named)
            self._follow(inner, trail.cells_of(inner), given, is_outermost=False)

    def given_by(self, inner: CodeType, closure: Mapping[str, Symbol]) -> Symbol:
        """What a call of a function that the code defines gives."""
        if inner in self.following:
            return None
        self.following.append(inner)
        passed, named = self.inner_calls.get(id(inner), ((), ()))
        trail = _Trail(inner, closure, by_name(inner, passed, named), self, False)
        trail.follow()
        self.following.remove(inner)
        return trail.gives

    def held(self, symbol: Symbol) -> tuple[Symbol, ...]:
        """What a group holds."""
        if symbol is None or symbol[0] != GROUP or symbol[2]:
            return ()
        return self.groups[int(symbol[1])]

    def origins(self, symbol: Symbol) -> Iterator[Store]:
        """What a value may be; nothing for one that was just made."""
        if symbol is None or symbol[0] == INNER:
            return
        space, name, steps = symbol
        if space != GROUP:
            yield symbol
        elif steps and steps[0] == ELEMENT:
            for one in self.groups[int(name)]:
                if one is not None:
                    yield from self.origins((one[0], one[1], (*one[2], *steps[1:])))


def may_store_to_globals(code: CodeType) -> bool:
    """Whether there is an operation by which a global, or an item of one, could be stored."""
    operations = code.co_code[::2]
    return not (
        _GLOBAL_STORES.isdisjoint(operations) and _ITEM_STORES.keys().isdisjoint(operations)
    )


def checks_before_making(code: CodeType) -> bool:
    """Whether it asks if something is there, and makes a folder that must not be there yet."""
    used = set(code.co_names)
    return not (used.isdisjoint(_CHECKS) or used.isdisjoint(_MAKERS) or _names_keyword(code))


def _names_keyword(code: CodeType) -> bool:
    return any(isinstance(one, tuple) and "exist_ok" in one for one in code.co_consts)


def arguments(code: CodeType) -> tuple[str, ...]:
    """The names of the arguments that are passed one by one."""
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def by_name(
    code: CodeType, passed: tuple[Symbol, ...], named: tuple[str, ...]
) -> dict[str, Symbol]:
    """What is passed to a function for each of its arguments; the last ones are passed by name."""
    n_first = len(passed) - len(named)
    found = dict(zip(arguments(code)[: code.co_argcount], passed[:n_first], strict=False))
    return found | dict(zip(named, passed[n_first:], strict=True))


def stored_attributes(code: CodeType) -> set[str]:
    """The names of all attributes that the code and its nested code assign, of whatever object."""
    found = {code.co_names[arg] for op, arg in instructions(code.co_code) if op in _ATTR_STORES}
    return found.union(*map(stored_attributes, _nested(code)))


def stored_globals(code: CodeType) -> set[str]:
    """The names of all globals that the code and its nested code assign."""
    found: set[str] = set()
    if not _GLOBAL_STORES.isdisjoint(code.co_code[::2]):
        places = instructions(code.co_code)
        found = {code.co_names[arg] for op, arg in places if op in _GLOBAL_STORES}
    return found.union(*map(stored_globals, _nested(code)))


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


def _placed(code: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Operations with their places: where they begin, and where the next one does."""
    begun: tuple[int, int, int] | None = None
    start, extension = -1, 0
    for at in range(0, len(code), 2):
        op = code[at]
        if op == _CACHE:
            continue
        if begun is not None:
            yield begun[0], at, begun[1], begun[2]
            begun = None
        start = at if start < 0 else start  # with the extensions of its argument
        arg = code[at + 1] | extension
        extension = arg << 8 if op == _EXTENDED_ARG else 0
        if op != _EXTENDED_ARG:
            begun, start = (start, op, arg), -1
    if begun is not None:
        yield begun[0], len(code), begun[1], begun[2]


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

    A single pass from top to bottom with a stack of symbols, which jumps ahead take along. What two
    ways bring to a place is one of both; variables are what they were last set to in the code.
    """

    def __init__(
        self,
        code: CodeType,
        closure: Mapping[str, Symbol],
        given: Mapping[str, Symbol],
        flow: Flow,
        is_outermost: bool,
    ) -> None:
        self.code, self.flow, self.is_outermost = code, flow, is_outermost
        self.called = flow.called
        self.stack: list[Symbol] = []
        names = enumerate(arguments(code))
        # Cells have numbers after those of locals, or that of the argument which they hold.
        self.locals: dict[int, Symbol] = {at: given.get(name) for at, name in names}
        self.cells = _cells(code)
        self.locals |= {at: closure.get(name) for at, name in self.cells.items() if name}
        self.landings: dict[int, list[Symbol]] = {}  # the stack where jumps lead to
        self.is_behind_jump = False
        self.gives: Symbol = None  # what is returned, or all that is yielded
        self.names: tuple[str, ...] = ()  # of the arguments of the next call
        self.constant: object = None  # the last one loaded

    def follow(self) -> None:
        """Note what is seen in the flow."""
        for start, end, op, arg in _placed(self.code.co_code):
            if start in self.landings:
                self._land(self.landings.pop(start))
            before = self.stack[:] if op in _JUMPS_ON else []
            if op in _SPECIAL:
                depth, methods = _SPECIAL[op]
                self._operate(self._top(depth), *methods)
            if op in _STORES:
                self._store(op, arg)
            elif op == _BINARY_OP and arg >= _FIRST_IN_PLACE:
                self._note(self._top(2), IN_PLACE)
            elif op == _BINARY_OP:
                self._operate(self._top(2), _BINARY[arg])
            elif op in _GIVES_ON and (top := self._top()) is not None:
                self._give(top)
            elif op == _YIELD_VALUE and not self.is_outermost:
                self.gives = self._group(self._top())
            if not self._load(op, arg):
                self._move(op, arg)
            self.is_behind_jump = op in _JUMPS_AWAY
            if op in _JUMPS_ON:
                self._jump(op, end + 2 * arg, before)

    def _jump(self, op: int, target: int, before: list[Symbol]) -> None:
        """Keep the stack for where the operation may go on; the first to come there tells it."""
        stack = before if op in _KEEPS_STACK else self.stack[:]
        if op == _FOR_ITER:  # until 3.11 without what it went through; later that and one more are
            stack = before[:-1] if _LOAD_METHOD != _NO_OP else [*before, None]  # popped there
        known = self.landings.get(target)
        self.landings[target] = stack if known is None else self._either(known, stack)

    def _land(self, stack: list[Symbol]) -> None:
        self.stack = stack if self.is_behind_jump else self._either(self.stack, stack)

    def _either(self, one: list[Symbol], other: list[Symbol]) -> list[Symbol]:
        """The stack after two ways to the same place."""
        if len(one) != len(other):
            return one
        return [
            (a or b) if a == b or a is None or b is None else self._one_of(a, b)
            for a, b in zip(one, other, strict=True)
        ]

    def _operate(self, symbol: Symbol, *methods: str) -> None:
        for origin in self.flow.origins(symbol):
            if origin[0] != RESULT:
                self.flow.operations |= {(origin, method): None for method in methods}

    def _give(self, symbol: Store) -> None:
        if not self.is_outermost:
            self.gives = symbol
            return
        for origin in self.flow.origins(symbol):
            if origin[0] == RESULT:
                self.flow.returned_calls[self.called[origin[1]]] = None
            else:
                self.flow.returned[origin] = None

    def _top(self, depth: int = 1) -> Symbol:
        return self.stack[-depth] if len(self.stack) >= depth else None

    def _store(self, op: int, arg: int) -> None:
        if op in _GLOBAL_STORES:
            self.flow.stores[GLOBAL, self.code.co_names[arg], ()] = None
        elif op in _FREE_STORES:
            symbol = (CLOSURE, self.cells[arg], ())
            if symbol[1] and self.locals.get(arg) == symbol:
                self.flow.stores[symbol] = None
        elif op in _ATTR_STORES:
            self._note(self._top(), f".{self.code.co_names[arg]}")
        else:
            self._note(self._top(_ITEM_STORES[op]), "[...]")

    def _note(self, target: Symbol, step: str) -> None:
        for origin in self.flow.origins(target):
            self.flow.stores[_step(self._told(origin), step)] = None

    def _told(self, symbol: Store) -> Store:
        """The result of a call is told by what was called."""
        if symbol[0] != RESULT:
            return symbol
        space, name, steps = self.called[symbol[1]]
        return space, name, (*steps, CALLED, *symbol[2])

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
            push(self.locals.get(arg))
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
        elif op == _CALL_EX:
            self._call_unpacked(op, arg)
        elif op == _LOAD_CONST:
            self.constant = self.code.co_consts[arg]
            push(self._inner(self.constant) if type(self.constant) is _CODE else None)
        elif op in _MAKES_FUNCTION:  # of code that lies on top, or by now a function
            n_taken = 2 if op != _MAKE_FUNCTION else 1 + (arg & 15).bit_count() * _DEFAULTS_BELOW
            self._replace(n_taken, self._top())
        elif op == _IMPORT_NAME:
            self._replace(2, (IMPORT, self.code.co_names[arg], ()))
        elif op == _IMPORT_FROM:
            top = self._top()
            push(None if top is None else _step(top, f".{self.code.co_names[arg]}"))
        elif op == _FOR_ITER:
            push(self._element(self._top()))
        elif op == _SUBSCR:
            self._replace(2, self._element(self._top(2)))
        elif op == _UNPACK:
            self._unpack(arg)
        elif op == _UNPACK_EX:  # one of the variables gets a list of its own
            element = self._element(self._top())
            before = self._group(element), *[element] * (arg & 255)
            self.stack[-1:] = [*[element] * (arg >> 8), *before]
        elif op == _MAP_ADD:
            value = self.stack.pop() if self.stack else None
            self._replace(1, value)
            self._add(arg, is_one=True)
        elif op == _BEFORE_WITH:  # objects that are kept most often give themselves
            top = self._top()
            self.stack[-1:] = [None, None if top is None or top[0] == RESULT else top]
        elif op == _MATCH_KEYS:  # a tuple of what the subject holds
            push(self._group(self._element(self._top(2))))
        elif op == _MATCH_CLASS:
            self._replace(3, self._group(self._element(self._top(3))))
        elif op in _BUILDS:
            self._put_together(self.stack[len(self.stack) - arg :] if arg else [], arg)
        elif op == _BUILD_KEYED:
            self._put_together(self.stack[-arg - 1 : -1], arg + 1)
            if isinstance(self.constant, tuple):
                self.names = self.constant
        elif op == _BUILD_MAP:
            self._put_together(self.stack[-2 * arg + 1 :: 2] if arg else [], 2 * arg)
        elif op in _ADDS_ONE or op in _ADDS_ALL:
            self._add(arg, is_one=op in _ADDS_ONE)
        elif (op, 0) in _LIST_TO_TUPLE or (op, arg) in _LIST_TO_TUPLE:
            pass
        else:
            return False
        return True

    def _element(self, symbol: Symbol) -> Symbol:
        """One of what a value holds; of a group, the one that it holds if it holds but one."""
        if symbol is None or symbol[0] == INNER:
            return None
        held = self._held(symbol)
        return held[0] if held is not None and len(held) == 1 else _step(symbol, ELEMENT)

    def _held(self, symbol: Symbol) -> tuple[Symbol, ...] | None:
        """What a group holds; None: it is none."""
        if symbol is None or symbol[0] != GROUP or symbol[2]:
            return None
        return self.flow.groups[int(symbol[1])]

    def _inner(self, code: CodeType) -> Symbol:
        self.flow.inner.append(code)
        return INNER, str(len(self.flow.inner) - 1), ()

    def cells_of(self, inner: CodeType) -> dict[str, Symbol]:
        """What is known of the variables that a nested function shares with this one."""
        code = self.code
        own = (*code.co_varnames, *(n for n in code.co_cellvars if n not in code.co_varnames))
        names = (*own, *code.co_freevars)
        known = {name: self.locals.get(at) for at, name in enumerate(names)}
        return {name: known.get(name) for name in inner.co_freevars}

    def _group(self, *symbols: Symbol) -> Symbol:
        self.flow.groups.append(symbols)
        return GROUP, str(len(self.flow.groups) - 1), ()

    def _one_of(self, *symbols: Symbol) -> Store:
        self.flow.groups.append(symbols)
        return GROUP, str(len(self.flow.groups) - 1), (ELEMENT,)

    def _put_together(self, symbols: list[Symbol], n_taken: int) -> None:
        if n_taken:
            del self.stack[-n_taken:]
        self.stack.append(self._group(*symbols))

    def _add(self, depth: int, *, is_one: bool) -> None:
        """An element, or all that a value holds, to the group that lies so deep."""
        added = self.stack.pop() if self.stack else None
        target = self._top(depth)
        if target is None or target[0] != GROUP or target[2]:
            return
        more: tuple[Symbol, ...] = (added,)
        if not is_one:
            held = self._held(added)
            more = (self._element(added),) if held is None else held
        self.flow.groups[int(target[1])] += more

    def _unpack(self, n_symbols: int) -> None:
        """Each of several variables gets its own of a group, else any that the value holds."""
        symbol = self.stack.pop() if self.stack else None
        held = self._held(symbol)
        if held is None or len(held) != n_symbols:
            held = (self._element(symbol),) * n_symbols
        self.stack += reversed(held)

    def _call(self, op: int, n_arguments: int) -> None:
        """The result of a call, by what is called, which lies below its arguments."""
        is_named = op == _CALL_KW
        if is_named and isinstance(self.constant, tuple):
            self.names = self.constant
        depth = n_arguments + 1 + is_named
        callee = self._top(depth) or self._top(depth + 1)
        n_values = n_arguments + is_named
        passed: tuple[Symbol, ...] = ()
        if len(self.stack) >= n_values:
            passed = tuple(self.stack[len(self.stack) - n_values :][:n_arguments])
        if self._top(depth + 1) is not None and self._top(depth) is not None:
            callee, passed = self._top(depth + 1), (self._top(depth), *passed)  # a comprehension
        given = self._given(callee, passed)
        # The callable, what it is bound to and the arguments go; 3.11 counts some in PRECALL.
        self._shift(op, -depth)
        self._leave(given)

    def _call_unpacked(self, op: int, arg: int) -> None:
        """A call with `*` or `**`."""
        groups = self.stack[-2:] if arg & 1 else self.stack[-1:]
        callee = self._top(len(groups) + 1)
        passed: tuple[Symbol, ...] = ()
        names: tuple[str, ...] = ()
        for at, group in enumerate(groups):
            held = self._held(group)
            if at and held is not None and len(self.names) == len(held):
                names = self.names
            passed += (self._element(group),) if held is None else held
        self.names = names
        given = self._given(callee, passed)
        self._shift(op, _effect(op, arg))
        self._leave(given)

    def _leave(self, given: Symbol) -> None:
        self.names = ()
        if self.stack:
            self.stack[-1] = given

    def _given(self, callee: Symbol, passed: tuple[Symbol, ...]) -> Symbol:
        """Note a call, and tell what it gives."""
        names = self.names if len(self.names) <= len(passed) else ()
        if callee is None:
            if any(one is not None and one[0] in (GLOBAL, CLOSURE) for one in passed):
                self.flow.calls[UNKNOWN, passed, names] = None
            return None
        if callee[0] == GROUP and len(callee[2]) == 1:
            return self._of_group((GROUP, callee[1], ()), callee[2][0], passed)
        if callee in ((GLOBAL, "map", ()), (GLOBAL, "filter", ())) and len(passed) > 1:
            self._apply(passed[0], tuple(map(self._element, passed[1:])))
        if callee[0] == INNER:
            inner = self.flow.inner[int(callee[1])]
            self.flow.inner_calls[id(inner)] = passed, names
            return self.flow.given_by(inner, self.cells_of(inner))
        symbol: Symbol = None
        for origin in self.flow.origins(callee):
            self.flow.calls[self._told(origin), passed, names] = None
            self._operate(origin, "__call__")
            symbol = self._part(origin, passed)
            if symbol is None and origin[0] != RESULT:
                name = "".join((*origin[:2], *origin[2]))
                self.called[name] = origin
                symbol = RESULT, name, ()
        return symbol

    def _of_group(self, group: Store, method: str, passed: tuple[Symbol, ...]) -> Symbol:
        """What a method gives of what has just been put together, or adds to it."""
        if method in (".get", ".pop", ".popleft"):
            return self._element(group)
        if method in _GIVE_ALL:
            return self._group(self._element(group))
        if method in (".append", ".add", ".appendleft", ".extend", ".update") and passed:
            added = passed[0] if method not in (".extend", ".update") else self._element(passed[0])
            if added is not None and added[0] not in (GROUP, INNER):
                self.flow.groups[int(group[1])] += (added,)
        return None

    def _apply(self, function: Symbol, passed: tuple[Symbol, ...]) -> None:
        if function is not None and function[0] == INNER:
            self.flow.inner_calls[id(self.flow.inner[int(function[1])])] = passed, ()

    def _part(self, callee: Store, passed: tuple[Symbol, ...]) -> Symbol:
        """What a call gives that is a part of something else."""
        space, name, steps = callee
        first = passed[0] if passed else None
        if steps:
            held = _step((space, name, steps[:-1]), GIVEN)
            if steps[-1] in _GIVE_ONE:
                return held
            if steps[-1] in _GIVE_ALL:
                return self._group(held)
            return self._group(self._group(None, held)) if steps[-1] in _GIVE_PAIRS else None
        if space != GLOBAL or (first is None and name != "filter"):
            return None
        if name in _BY_BUILTIN:
            self._operate(first, _BY_BUILTIN[name])
        if name in _TAKE_ONE:
            return self._element(first)
        if name == "filter":
            return self._group(self._element(passed[-1]))
        if name in _TAKE_ALL:
            return self._group(self._element(first))
        if name == "enumerate":
            return self._group(self._group(None, self._element(first)))
        if name == "zip":
            return self._group(self._group(*map(self._element, passed)))
        return _step(first, ".__dict__") if first is not None and name == "vars" else None

    def _move(self, op: int, arg: int) -> None:
        stack = self.stack
        if op == _COPY:
            stack.append(self._top(arg))
        elif op == _SWAP:
            stack[:0] = [None] * (arg - len(stack))
            stack[-1], stack[-arg] = stack[-arg], stack[-1]
        elif op == _STORE_FAST or (op == _STORE_DEREF and not self.cells[arg]):
            self.locals[arg] = stack.pop() if stack else None
        elif op == _KW_NAMES:
            self.names = self.code.co_consts[arg]
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


def element(symbol: Symbol) -> Symbol:
    """One of what a value holds."""
    if symbol is None or symbol[0] == INNER:
        return None
    return _step(symbol, ELEMENT)


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

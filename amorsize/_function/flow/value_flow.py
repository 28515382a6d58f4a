"""Records what a code object does with values that come from outside."""

from __future__ import annotations

from amorsize._function.bytecode import CLOSURE, GLOBAL, IMPORT, is_class_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

    Store = tuple[str, str, tuple[str, ...]]  # space, name, the way from there: ".total", "[...]"
    Symbol = Store | None  # None: a value whose origin does not matter
    # What is called, where its arguments come from, and the names of the last ones of these.
    Call = tuple[Store, tuple[Symbol, ...], tuple[str, ...]]

#: Spaces beside those of `bytecode`: an argument, and what `.__class__` gives of any object.
ARGUMENT, CLASS = "argument", "class"
#: The steps to an object's class, to any of its attributes, and to what its base classes define.
OF_CLASS, ANY, SUPER = ".__class__", ".*", "super"
#: The step to the dict of what a module, a class or an object has.
NAMES = ".__dict__"
#: The step from a frame to the globals of its code.
OF_FRAME = ".f_globals"
#: The space of objects that items share, by their names in messages.
FOUND = "found"
#: The space of what a call gives, by the name of what is called.
RESULT = "result"
#: The spaces of groups that the code has put together, and of functions that it defines: numbers.
GROUP, INNER = "group", "inner"
#: What is called, in place of a `raise` anywhere, to make the exceptions that code catches.
CAUGHT: Store = GLOBAL, "BaseException", ()
#: What is called where nothing is known of it but its arguments.
UNKNOWN: Store = RESULT, "", ()
#: The step of what `+=` changes.
IN_PLACE = " += ..."
#: The step of what a call has given.
CALLED = "()"
#: The step of an element.
ELEMENT = "[...]"
#: The step of what a method like `get` gives: an element if the object is a plain container.
GIVEN = "[....]"
#: The steps of a slice, of a new container with the same elements, and of whatever lies in a value.
SLICE, COPY, INSIDE = "[:]", "[: ]", "[.....]"
#: The step to a value and to whatever lies in it, except for lists and arrays.
OBJECTS = "[......]"
#: The step to the memory of a value, which others may write to as well.
MEMORY = "[=]"
#: The step of what an object gives to `with`.
ENTERED = "[with]"
#: The step from what is raised to the exception: to itself, or from a class to a new object.
RAISED = ".raise"
#: Steps that do not lead out of a group.
_STAYS = (SLICE, COPY, MEMORY)
#: The steps of what `*` and `**` unpack: where it is passed on, by place and by name.
STAR, DOUBLE_STAR = "*", "**"


class Key(str):
    """The step of the element whose key or number the code spells: "['name']"."""

    key: object

    @classmethod
    def of(cls, key: object) -> str:
        """The step of a constant key; that of any element for keys other than texts and numbers."""
        if type(key) is not str and type(key) is not int:
            return ELEMENT
        step = cls(f"[{key!r}]")
        step.key = key
        return step


class By(str):
    """The last step on the way to what other code changes: ", by clean()", ", set by clean()".

    Attributes:
        called: The name of the function that changes it; None: no function that is known.
        is_set: Whether an attribute of it is set.
    """

    called: str | None
    is_set: bool

    @classmethod
    def call_of(cls, called: str, *, is_set: bool = False) -> By:
        """The step of what a function changes."""
        step = cls.told(f"{called}()", is_set=is_set)
        step.called = called
        return step

    @classmethod
    def told(cls, what: str, *, is_set: bool = False) -> By:
        """The step of what something else changes, in words."""
        step = cls(f", set by {what}" if is_set else f", by {what}")
        step.called, step.is_set = None, is_set
        return step


#: Groups within one another that are looked through.
MOST_DEEP = 3
#: The most steps of a way: it would grow without end where something is put into itself.
MOST_STEPS = 16
#: The most values of one code object of which it is kept what they may be.
MOST_KEPT = 1000
#: The methods that make the text of a value.
AS_TEXT = ("__str__", "__format__", "__repr__")
#: The method of a class that runs when a subclass of it is made.
SUBCLASSED = "__init_subclass__"
#: The method of a dict that runs when it lacks a key.
MISSING_KEY = "__missing__"


class Flow:
    """Where values go in a code object and its nested code, as far as the bytecode plainly shows.

    Attributes:
        stores: What is stored into, and may outlive a call. `("global", "total", ())` is an
            assignment, `("import", "shop", (".total",))` one to an attribute of a module that the
            code imports, `("global", "CACHE", ("[...]",))` one to an item, and
            `("argument", "self", (".total",))` one to an attribute of an argument.
        calls: What is called, and where its arguments come from; for each time in the code, which
            constants they are.
        calls_by_callee: The same by what is called, once it was asked for.
        returned_calls: What is called to make what the outermost code returns; whether as a whole.
        returned: What else it returns.
        returned_inside: What lies in what it returns or is yielded, if that is made there.
        operations: What operators and `with` are used on, and the special methods they run.
        run: The special methods that they run, each with what it is of; None: nobody knows.
        called: What was called, by the name that stands for the result.
        groups: What was put together, by the number of the group.
        keys: The names that the elements of a group have, where it is a dict.
        inner: The functions that the code defines.
        inner_calls: The arguments of calls of these, by the id of their code.
        defaults: What their last arguments stand for if nothing is passed, by the id of their code.
        looked_up: What `getattr` gives.
        kept: What is put into attributes, by their names, of whatever object.
        set_outside: What functions that the code defines set variables around them to, by the id of
            their code.
        imports: The modules that it imports by calls; "" for one whose name is not spelled out.
        is_whole: Whether all of the code was followed.
        kept_told: What values may be, told by names, once it was.
    """

    def __init__(self) -> None:
        self.stores: dict[Store, None] = {}
        self.calls: dict[Call, list[tuple[object, ...]]] = {}
        self.calls_by_callee: dict[Store, list[Call]] = {}
        self.returned_calls: dict[Store, bool] = {}
        self.returned: dict[Store, None] = {}
        self.returned_inside: dict[Store, None] = {}
        self.operations: dict[tuple[Store, str], None] = {}
        self.run: dict[tuple[Symbol, str], None] = {}
        self.called: dict[str, Store] = {}
        self.groups: list[tuple[Symbol, ...]] = []
        self.keys: dict[Symbol, tuple[str, ...]] = {}
        self.inner: list[CodeType] = []
        self.defaults: dict[int, tuple[Symbol, ...]] = {}
        self.looked_up: dict[Store, None] = {}
        self.kept: dict[tuple[str, Symbol], None] = {}
        self.imports: dict[str, None] = {}
        self.set_outside: dict[int, dict[str, Symbol]] = {}
        self.inner_calls: dict[int, tuple[tuple[Symbol, ...], tuple[str, ...]]] = {}
        self.is_whole = False
        self.kept_told: dict[Store, list[Store]] = {}

    def origins(self, symbol: Symbol) -> Iterator[Store]:
        """What a value may be; nothing for one that was just made."""
        if symbol is not None and symbol[0] not in (GROUP, INNER):
            yield symbol
            return
        met: set[Symbol] = {None}
        ahead = [symbol]
        while ahead:  # a group may hold what it is a part of
            one = ahead.pop()
            if one is None or one in met or one[0] == INNER or len(one[2]) > MOST_STEPS:
                continue
            met.add(one)
            if one[0] != GROUP:
                yield one
            else:
                ahead += reversed(self._in_group(*one[1:]))

    def _in_group(self, name: str, steps: tuple[str, ...]) -> list[Symbol]:
        """What may be at the end of the way from a group, told by what the group holds."""
        if not steps or not leads_inside(steps[0]):
            return []
        if steps[0] in _STAYS:
            return [(GROUP, name, steps[1:])]
        held = [one for one in self.groups[int(name)] if one is not None]
        found: list[Symbol] = []
        if steps[0] != OBJECTS:
            found += [(one[0], one[1], (*one[2], *steps[1:])) for one in held]
        if steps[0] in (INSIDE, OBJECTS):
            found += [(one[0], one[1], (*one[2], *steps)) for one in held]
        return found

    def held(self, symbol: Symbol) -> tuple[Symbol, ...] | None:
        """What a group holds; None for anything else."""
        if symbol is None or symbol[0] != GROUP or symbol[2]:
            return None
        return self.groups[int(symbol[1])]

    def element(self, symbol: Symbol, step: str = ELEMENT) -> Symbol:
        """An element of a value; of a group that holds a single value, that one."""
        held = self.held(symbol)
        return held[0] if held is not None and len(held) == 1 else element(symbol, step)

    def group(self, *symbols: Symbol) -> Store:
        """A new group that holds these."""
        self.groups.append(symbols)
        return GROUP, str(len(self.groups) - 1), ()

    def one_of(self, *symbols: Symbol) -> Store:
        """A value that is one of these."""
        space, number, _ = self.group(*symbols)
        return space, number, (ELEMENT,)

    def either(self, one: Store, other: Store) -> Store:
        """A value that is one of two: an existing one where that may be either of them already."""
        if self._may_be(one, other):
            return one
        return other if self._may_be(other, one) else self.one_of(one, other)

    def _may_be(self, value: Store, one: Store) -> bool:
        space, number, steps = value
        return space == GROUP and steps == (ELEMENT,) and one in self.groups[int(number)]

    def add(self, target: Symbol, *more: Symbol) -> None:
        """Let a group hold more; nothing happens if the target is no group."""
        if target is not None and target[0] == GROUP and not target[2]:
            self.groups[int(target[1])] += more

    def copy(self, symbol: Symbol) -> Symbol:
        """A new container that holds what a value holds."""
        if symbol is None or symbol[0] == INNER or symbol[2][-1:] == (COPY,):
            return symbol
        return symbol if self.held(symbol) is not None else one_step(symbol, COPY)

    def define(self, code: CodeType) -> Store:
        """A function that the code defines."""
        self.inner.append(code)
        return INNER, str(len(self.inner) - 1), ()

    def note_store(self, target: Symbol, step: str) -> None:
        """Something is stored into a value."""
        for origin in self.origins(target):
            self.stores[one_step(self.by_call(origin), step)] = None

    def note_operation(self, symbol: Symbol, *methods: str) -> None:
        """Special methods of a value are run."""
        origins = list(self.origins(symbol))
        told: list[Symbol] = [self.by_call(one) for one in origins] or [None]
        self.run |= {(one, method): None for one in told for method in methods}
        for origin in origins:
            if origin[0] != RESULT and origin[2][-1:] != (COPY,):
                self.operations |= {(origin, method): None for method in methods}

    def note_subclass(self, passed: tuple[Symbol, ...]) -> None:
        """A class may be made: what runs its body, its name, and its base classes are passed."""
        body = passed[0] if passed else None
        if body is not None and body[0] == INNER and is_class_body(self.inner[int(body[1])]):
            for base in passed[2:]:
                self.note_operation(base, SUBCLASSED)

    def note_defaults(self, function: Symbol, defaults: Symbol) -> None:
        """Note the defaults of the last arguments of a function that the code defines."""
        if function is not None and function[0] == INNER and (held := self.held(defaults)):
            self.defaults[id(self.inner[int(function[1])])] = held

    def given_to(self, inner: CodeType, passed: dict[str, Symbol]) -> dict[str, Symbol]:
        """What the arguments of a function stand for, if these are passed."""
        held = self.defaults.get(id(inner), ())
        names = inner.co_varnames[inner.co_argcount - len(held) : inner.co_argcount]
        return {**dict(zip(names, held, strict=True)), **passed}

    def note_return(self, symbol: Symbol) -> None:
        """The outermost code returns a value."""
        for held in self.held(symbol) or ():
            for origin in all_inside(self, held):
                self.returned_inside[self.by_call(origin)] = None
        for origin in self.origins(symbol):
            if origin[0] != RESULT:
                self.returned[origin] = None
            elif ENTERED not in origin[2]:  # else it is closed by then
                callee, part = self.called[origin[1]], "".join(origin[2][:1])
                self.returned_calls[callee] = self.returned_calls.get(callee) or part[:1] != "."

    def by_call(self, symbol: Store) -> Store:
        """The result of a call is named by what was called."""
        if symbol[0] != RESULT:
            return symbol
        space, name, steps = self.called[symbol[1]]
        return space, name, (*steps, CALLED, *symbol[2])

    def known(
        self, symbols: Iterable[tuple[Symbol, tuple[str, ...]]]
    ) -> Iterator[tuple[Store, tuple[str, ...]]]:
        """What these may be, told by names, and the rest of the way from there."""
        for symbol, way in symbols:
            if symbol is None or symbol[0] == INNER:
                continue
            if symbol[0] == GROUP:
                symbol, way = (symbol[0], symbol[1], (*symbol[2], *way)), ()
            for told in _told(self, symbol):
                yield told, way


def _told(flow: Flow, symbol: Store) -> Iterable[Store]:
    """What a value may be, told by names; kept once the code was followed to its end."""
    if (kept := flow.kept_told.get(symbol)) is not None:
        return kept
    found = [
        told
        for one in flow.origins(symbol)
        for told in (flow.by_call(one),)
        if one[0] != RESULT or told[0] in (GLOBAL, CLOSURE, IMPORT)
    ]
    if flow.is_whole:
        if len(flow.kept_told) >= MOST_KEPT:
            flow.kept_told.clear()
        flow.kept_told[symbol] = found
    return found


def element(symbol: Symbol, step: str = ELEMENT) -> Symbol:
    """One of what a value holds."""
    if symbol is None or symbol[0] == INNER:
        return None
    return one_step(symbol, step)


def leads_inside(step: str) -> bool:
    """Whether it is the step from something to an element of it."""
    return step[0] in "[*"


def one_step(symbol: Store, step: str) -> Store:
    """A value's part at the end of one more step."""
    space, name, steps = symbol
    return space, name, (*steps, step)


def all_inside(flow: Flow, symbol: Symbol, depth: int = MOST_DEEP) -> Iterator[Store]:
    """What lies in a value, as deep as it is put together by the code."""
    yield from flow.origins(symbol)
    if depth and symbol is not None and symbol[0] == GROUP:
        for one in flow.groups[int(symbol[1])]:
            yield from all_inside(flow, one, depth - 1)

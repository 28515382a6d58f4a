"""Finds the functions of the project that a call may run, where it cannot be followed."""

from __future__ import annotations

from amorsize._function.bound_arguments import (
    NOTHING,
    first_argument,
    rest_arguments,
    takes_rest,
)
from amorsize._function.bytecode import CLOSURE, GLOBAL, is_class_body, nested, stored_attributes
from amorsize._function.callable_walk import opened
from amorsize._function.callables import CELL, FUNCTION, MISSING, has, is_class, member
from amorsize._function.changes.change import sets_attribute
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import root_of
from amorsize._function.flow.passed_arguments import SENDING, SENT, Passed
from amorsize._function.flow.value_flow import (
    ANY,
    ARGUMENT,
    DOUBLE_STAR,
    FOUND,
    RAISED,
    STAR,
    By,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.flow.value_flow import Call, Flow, Store, Symbol
    from amorsize._function.ownership import Owns

    # A function, how many of its arguments are bound, and whether it is a method of the object
    # from which a call takes it.
    Member = tuple[FunctionType, int, bool]
    # What stands for each that a call passes, and the names of the last ones.
    Shape = tuple[tuple[Store, ...], tuple[str, ...]]
    # An argument that a function changes, the way to what is changed, and whether it is set.
    Given = tuple[str, tuple[str, ...], bool]
    # Which of what is passed is changed, None for the object from which a call takes the function;
    # the way, the step, the shared objects that this may be, and whether it is that object.
    OfAny = tuple[Symbol, tuple[str, ...], By, tuple[str, ...], bool]

#: The space of what a call passes, by its place.
PLACE = "place"
#: In place of the number of bound arguments: the call sends something to the function's `yield`.
TO_YIELD = -1
#: The flags of code that makes generators.
_GENERATES = 0x20 | 0x200
#: The most functions that a call is taken for.
MOST_TRIED = 50
_METHODS = (staticmethod, classmethod)


class Callees:
    """The project's functions that were met, with those that they define.

    Args:
        read: The functions whose code was read.
        classes: The classes that were met.
        owns: Whether a function or class is the project's.
        shared: The objects that items share, by the names used in messages.

    Attributes:
        ways_on: The ways from an attribute to what is changed, and whether it is set, by its name.
        fields: The names of the fields of named tuples.
    """

    def __init__(
        self,
        read: Iterable[FunctionType],
        classes: Iterable[type],
        owns: Owns,
        shared: list[tuple[str, Any]],
    ) -> None:
        self._read, self._classes, self._owns = list(read), list(classes), owns
        self.shared = shared
        self.ways_on: dict[str, dict[tuple[tuple[str, ...], bool], None]] = {}
        self.fields = {f".{name}" for cls in self._classes for name in _fields_of(cls)}
        self._by_name: dict[str, dict[FunctionType, None]] = {}
        self._methods: dict[FunctionType, None] = {}
        self._functions: dict[FunctionType, None] = {}
        self._attributes: set[str] = set()  # what code assigns, or a property gives
        self._getters: dict[str, list[FunctionType]] = {}
        self._found: dict[str, Any] = {}
        self._is_sorted = False
        # By the last step to what is called, and the number and names of what is passed.
        self._fitting: dict[
            tuple[str, tuple[str, ...], int | None], list[tuple[FunctionType, int, bool]]
        ] = {}

    def fitting(self, call: Call) -> list[tuple[FunctionType, int, bool]]:
        """The functions that a call may run, with how many of their arguments are bound already.

        The last says whether it is a method of the object from which the call takes it.
        """
        self._sort()
        last = call[0][2][-1] if call[0][2] else ""
        n_by_place = len(call[1]) - len(call[2])
        key = last, call[2], None if _passes_any(call) else n_by_place
        if (known := self._fitting.get(key)) is None:
            known = self._fitting[key] = list(self._that_fit(call, last))
        return known

    def _that_fit(self, call: Call, last: str) -> Iterator[tuple[FunctionType, int, bool]]:
        name = last[1:] if last[:1] == "." and last != ANY else None
        found = [(one, 1, True) for one in self._by_name.get(name or "", {})]
        if name is None or name in self._attributes:  # whatever was put there
            others = [one for one in self._functions if one.__name__[:2] != "__"]
            of_any = last == ANY
            found += [(o, int(o in self._methods), of_any and o in self._methods) for o in others]
        if last in SENDING:
            found += [(one, TO_YIELD, False) for one in self._functions if is_generator(one)]
        fitting = (one for one in found if _fits(one[0], call, one[1]))
        yield from (one for _, one in zip(range(MOST_TRIED), fitting, strict=False))

    def sharing(self, method: FunctionType) -> Iterator[tuple[str, Any]]:
        """The shared objects that have a method."""
        name = method.__name__
        for label, value in self.shared:
            if self._owns.class_(type(value)) and opened(member(type(value), name)) is method:
                yield label, value

    @property
    def has_getters(self) -> bool:
        """Whether reading some attribute runs code of the project."""
        self._sort()
        return bool(self._getters)

    def behind_getters(self, target: Store) -> Iterator[Store]:
        """The shared objects that properties and the like return."""
        self._sort()
        for at, one in enumerate(target[2]):
            for getter in self._getters.get(one[1:], ()) if one[0] == "." else ():
                for space, name, steps in flow_of(getter).returned:
                    if space in (GLOBAL, CLOSURE):
                        label, value = root_of(getter, NOTHING, space, name)
                        self._found[f"{label} {name}"] = value
                        yield FOUND, f"{label} {name}", (*steps, *target[2][at + 1 :])

    def found(self, label: str) -> Any:
        """The object that has a name in messages."""
        return self._found[label] if label in self._found else dict(self.shared).get(label, MISSING)

    def learn(self, targets: Iterable[tuple[Store, str]], names: set[str]) -> None:
        """Note the ways from attributes of these names to what is changed."""
        for (_, _, steps), step in targets:
            for at, one in enumerate(steps):
                if one in names:
                    way = steps[at + 1 :], sets_attribute(step)
                    self.ways_on.setdefault(one, {})[way] = None

    def _sort(self) -> None:
        """Index everything that was met, when it is first asked for."""
        if self._is_sorted:
            return
        self._is_sorted = True
        for cls in filter(self._owns.class_, self._classes):
            for name, held in tuple(vars(cls).items()):
                self._sort_member(name, held)
        self._functions = dict.fromkeys(self._read)
        self._attributes.update(*(stored_attributes(one.__code__) for one in self._read))
        for func in self._read:
            for code, is_method in _defined_by(func.__code__):
                made = _standing_for(code, func)
                self._functions[made] = None
                if is_method:
                    self._methods[made] = None
                    self._by_name.setdefault(code.co_name, {})[made] = None

    def _sort_member(self, name: str, held: Any) -> None:
        """Index a member of a class: as what reading an attribute runs, or as a method."""
        func = opened(held)
        is_property = func is not held and type(held) not in _METHODS
        is_descriptor = self._owns.class_(type(held)) and has(type(held), "__get__")
        if is_property or is_descriptor:
            self._attributes.add(name)
            getter = func if is_property else opened(member(type(held), "__get__"))
            if type(getter) is FUNCTION:
                self._getters.setdefault(name, []).append(getter)
        elif type(func) is FUNCTION and self._owns.function(func):
            self._by_name.setdefault(name, {})[func] = None
            if type(held) is not staticmethod:
                self._methods[func] = None


def _fields_of(cls: type) -> tuple[str, ...]:
    """The names of a named tuple's fields; none for other classes."""
    fields = member(cls, "_fields") if issubclass(cls, tuple) else ()
    return fields if type(fields) is tuple else ()


def fields_given(made: Any, call: Call) -> Iterator[tuple[str, Symbol]]:
    """The values that a call puts into a named tuple or a namespace, by the names of fields."""
    _, passed, named = call
    n_by_place = len(passed) - len(named)
    if is_class(made) and issubclass(made, tuple):
        for field, symbol in zip(_fields_of(made), passed[:n_by_place], strict=False):
            yield f".{field}", symbol
    if is_class(made):
        yield from ((f".{name}", one) for name, one in zip(named, passed[n_by_place:], strict=True))


def names_in_spaces(flow: Flow) -> Iterator[str]:
    """The attributes with which namespaces are made."""
    for (_, name, steps), _, named in flow.calls:
        if named and (steps[-1] if steps else name).endswith("Namespace"):
            yield from (f".{one}" for one in named)


def through_attributes(
    callees: Callees | None, flow: Flow, kept: Iterable[tuple[str, Symbol]]
) -> Iterator[tuple[Store, str]]:
    """The values that are put into an attribute, and changed by code that takes them from it."""
    ways_on = {} if callees is None else callees.ways_on
    for attribute, value in kept if ways_on else ():
        for way, is_set in ways_on.get(attribute, ()):
            for origin, rest in flow.known(((value, way),)):
                keeps = f"keeps it as {attribute[1:]}" if attribute != RAISED else "catches it"
                step = By.told(f"what {keeps}", is_set=is_set)
                yield (*origin[:2], (*origin[2], *rest)), step


def may_run_any(call: Call) -> bool:
    """Whether a call that cannot be followed may run a function that changes what it is handed."""
    (space, _, steps), passed, _ = call
    is_named = bool(steps) and steps[-1][0] == "."
    return bool(steps or space in (ARGUMENT, CLOSURE)) and (is_named or any(passed))


def shape_of(call: Call) -> Shape:
    """How a call passes its arguments: each by its place among all that it passes, and the names.

    Calls that may run the same functions have the same.
    """
    _, passed, named = call
    stars = (one[2][-1:] if one is not None else () for one in passed)
    ways = ((one if one in ((STAR,), (DOUBLE_STAR,)) else ()) for one in stars)
    return tuple((PLACE, str(at), way) for at, way in enumerate(ways)), named


def of_member(callees: Callees, member: Member, shape: Shape, change: Given) -> Iterator[OfAny]:
    """What a function changes, told for all calls of which it is one that they may run."""
    function, n_bound, is_own = member
    argument, way, is_set = change
    step = By.call_of(function.__name__, is_set=is_set)
    if n_bound == TO_YIELD:
        if argument == SENT:
            yield (PLACE, "0", ()), way, step, (), False
        return
    if not (n_bound and argument == first_argument(function)):
        for symbol, rest in Passed(function.__code__, *shape, n_bound).at(argument, way):
            if symbol is not None:
                yield symbol, rest, step, (), False
        return
    labels = tuple(label for label, _ in callees.sharing(function))
    if labels or is_own:
        yield None, way, step, labels, is_own


def changed_by_unknown(
    func: FunctionType, is_new: bool, call: Call, change: OfAny
) -> Iterator[tuple[Store, str]]:
    """What such a change is for a call in a function; `is_new`: its object has just been made."""
    (space, name, steps), passed, _ = call
    handed, way, step, labels, is_own = change
    if handed is not None:
        symbol = passed[int(handed[1])]
        if symbol is not None and handed[2]:  # of what `*` or `**` stands for
            symbol = symbol[0], symbol[1], (*symbol[2][:-1], *handed[2])
        for origin, rest in flow_of(func).known(((symbol, way),)):
            yield (*origin[:2], (*origin[2], *rest)), step
        return
    if is_own:
        yield (space, name, (*steps[:-1], *way)), step
    if not is_new and space in (GLOBAL, CLOSURE):
        for label in labels:
            yield (FOUND, label, way), step


def _defined_by(code: CodeType) -> Iterator[tuple[CodeType, bool]]:
    """The functions that code defines, and whether they are methods."""
    is_class = is_class_body(code)
    for inner in nested(code):
        if not is_class_body(inner) and (inner.co_name[0] != "<" or inner.co_name == "<lambda>"):
            yield inner, is_class
        yield from _defined_by(inner)


def _standing_for(code: CodeType, func: FunctionType) -> FunctionType:
    """A function that another one defines when it runs, as far as the code shows it."""
    cells = tuple(CELL() for _ in code.co_freevars)
    made: FunctionType = FUNCTION(code, func.__globals__, code.co_name, None, cells)
    return made


def is_generator(func: FunctionType) -> bool:
    """Whether calling it makes a generator, to which something may be sent."""
    return bool(func.__code__.co_flags & _GENERATES)


def _passes_any(call: Call) -> bool:
    """Whether nobody knows how many arguments it passes."""
    return any(one[2][-1] in (STAR, DOUBLE_STAR) for one in call[1] if one is not None and one[2])


def _fits(func: FunctionType, call: Call, n_bound: int) -> bool:
    """Whether a function takes as many arguments as a call passes, and those that it names."""
    _, passed, named = call
    if _passes_any(call) or n_bound == TO_YIELD:
        return True
    code = func.__code__
    n_by_place = len(passed) - len(named)
    if n_by_place > code.co_argcount - n_bound and not takes_rest(code):
        return False
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    takes_others = len(rest_arguments(code)) > takes_rest(code)
    return takes_others or set(named).issubset(known)

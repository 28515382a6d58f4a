"""What a function's code changes that outlives a call: by a name, an alias, a method or a helper.

Read from where the values in its bytecode go. What cannot be followed is not told; what is told is
plainly there, if in a branch that few items take.
"""

from __future__ import annotations

from amorsize._function import value_flow
from amorsize._function.bytecode import CLOSURE, GLOBAL
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    own,
    public_name_of,
    raw,
    type_name,
)
from amorsize._function.change import CONTEXT_VARIABLE, Change
from amorsize._function.flow_reader import flow_of
from amorsize._function.name_lookup import along, callee_of, first_argument, root_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.value_flow import Call, Flow, Store, Symbol

    Owns = Callable[[object], bool]

CHANGING = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update"),
    *("add", "discard", "setdefault", "popitem", "appendleft", "extendleft", "popleft", "rotate"),
    *("difference_update", "intersection_update", "symmetric_difference_update"),
    *("subtract", "move_to_end", "fill", "put", "partition", "byteswap", "setflags", "__setitem__"),
    *("__delitem__", "__iadd__", "__ior__", "__setattr__", "__delattr__"),
}
# Functions of libraries that change their first argument, by their name.
_CHANGES_FIRST = {
    *("setattr", "delattr", "heappush", "heappop", "heapify", "heapreplace", "heappushpop"),
    *("insort", "insort_left", "insort_right", "shuffle", "setitem", "delitem", "iadd", "ior"),
    *("isub", "imul", "iand", "ixor", "iconcat", "copyto", "put", "place", "putmask"),
    *("fill_diagonal", "put_along_axis", "SubElement"),
}
_CHANGES_FIRST_OF = {
    "builtins",
    "heapq",
    "bisect",
    "random",
    "operator",
    "numpy",
    "xml",
    "elementtree",
}
# Methods of objects that are made in place, which change what they are handed.
_CHANGES_HANDED = {"shuffle", "readinto", "at"}
# Methods that change objects of these types.
_BUFFERS = {"_io.StringIO", "_io.BytesIO"}
_CHANGING_SOME = {
    **dict.fromkeys(("write", "writelines", "truncate"), _BUFFERS),
    "set": {"xml.etree.ElementTree.Element", "configparser.ConfigParser", CONTEXT_VARIABLE},
    "add_section": {"configparser.ConfigParser"},
    "add_header": {"email.message.Message"},
}
_TO = "out"  # the argument that NumPy's functions write to
_IN_PLACE_OPTION = "inplace"  # of pandas' methods
MOST_HELPERS = 4  # one calling the other
_DESCRIPTORS: Any = (type(str.upper), type(str.__add__))
_OF_THREAD: Any = ["what a call gives to all of a thread"]
# Library functions that give what others hold as well, and may change through it.
GIVES_SHARED = {
    *("decimal.getcontext", "logging.getLogger", "matplotlib.pyplot.gca", "matplotlib.pyplot.gcf"),
    *(
        "threading.current_thread",
        "asyncio.get_event_loop",
        "multiprocessing.process.current_process",
    ),
}


MAX_FLOWS = 1024  # codes whose flow is kept
_flows: dict[int, tuple[CodeType, Flow]] = {}  # with the code, so that no id comes twice


class Reader:
    """Reads functions, for one look at what they lead to: what a name stands for is asked once.

    Args:
        owns: Whether a function is the project's own: only these are read as helpers.
    """

    def __init__(self, owns: Owns) -> None:
        self._owns = owns
        # By function, what it is bound to and the depth; with these, so that no id comes twice.
        self._known: dict[tuple[int, int, int], tuple[Any, Any, list[tuple[Store, str]]]] = {}

    def flow(self, func: FunctionType) -> Flow:
        """Where its values go: followed once, since code never changes."""
        code = func.__code__
        found = _flows.get(id(code))
        if found is None:
            if len(_flows) >= MAX_FLOWS:
                _flows.clear()
            found = _flows[id(code)] = code, flow_of(code)
        return found[1]

    def changes(self, func: FunctionType, owner: Any) -> Iterator[Change]:
        """What a function changes; `owner` is what its first argument is bound to, if anything."""
        for target, step in self._targets(func, owner, MOST_HELPERS):
            yield self._change(func, owner, target, step)

    def changed_arguments(
        self, func: FunctionType, owner: Any = MISSING, depth: int = MOST_HELPERS
    ) -> set[str]:
        """The names of those of its arguments that a function changes."""
        return {name for name, is_given in self._changed(func, owner, depth) if not is_given}

    def changed_elements(self, func: FunctionType, owner: Any = MISSING) -> set[str]:
        """The names of arguments of which it changes an element, if they are plain containers."""
        return {name for name, is_given in self._changed(func, owner, MOST_HELPERS) if is_given}

    def _changed(self, func: FunctionType, owner: Any, depth: int) -> set[tuple[str, bool]]:
        found = self._targets(func, owner, depth)
        return {
            (name, value_flow.GIVEN in steps)
            for (space, name, steps), _ in found
            if space == value_flow.ARGUMENT
        }

    def called(self, func: FunctionType) -> Iterator[Any]:
        """What it calls by a name that can be followed."""
        for callee, _, _ in self.flow(func).calls:
            yield callee_of(func, MISSING, callee)

    def given_numbers(self, func: FunctionType, owner: Any = MISSING) -> Iterator[Any]:
        """What it calls with a whole number first that is there before any item comes."""
        flow = self.flow(func)
        for callee, passed, _ in flow.calls:
            for space, name, steps in flow.origins(passed[0]) if passed else ():
                if space == value_flow.ARGUMENT and name != first_argument(func):
                    continue
                if type(along(root_of(func, owner, space, name)[1], steps)[0]) is int:
                    yield callee_of(func, owner, callee)

    def _targets(self, func: FunctionType, owner: Any, depth: int) -> list[tuple[Store, str]]:
        """Where the ways to changed things begin, and the last step of each."""
        key = id(func), id(owner), depth
        known = self._known.get(key)
        if known is None:
            found = list(self._found(func, owner, depth))
            known = self._known[key] = func, owner, found
        return known[2]

    def _found(self, func: FunctionType, owner: Any, depth: int) -> Iterator[tuple[Store, str]]:
        for target, step in self._seen(func, owner, depth):
            yield target, step
            if value_flow.CALLED in target[2]:
                for origin in self._handed_back(func, owner, target):
                    yield origin, step

    def _handed_back(self, func: FunctionType, owner: Any, target: Store) -> Iterator[Store]:
        """What was handed to a function of the project that gives it, or a part of it, back."""
        space, name, steps = target
        place = steps.index(value_flow.CALLED)
        callee = space, name, steps[:place]
        maker, flow = callee_of(func, owner, callee), self.flow(func)
        if type(maker) is not FUNCTION or not self._owns(maker):
            return
        back = [one for one in self.flow(maker).returned if one[0] == value_flow.ARGUMENT]
        for called, passed, named in flow.calls if back else ():
            if called != callee:
                continue
            symbols = value_flow.by_name(maker.__code__, passed, named)
            for _, argument, way in back:
                for origin in _origins(flow, (symbols.get(argument),)):
                    yield origin[0], origin[1], (*origin[2], *way, *steps[place + 1 :])

    def _seen(self, func: FunctionType, owner: Any, depth: int) -> Iterator[tuple[Store, str]]:
        flow = self.flow(func)
        for space, name, steps in flow.stores:
            yield (space, name, steps[:-1]), (steps[-1] if steps else "")
        for call in flow.calls:
            (space, name, steps), passed, _ = call
            if _is_changing(steps):
                yield (space, name, steps[:-1]), f"{steps[-1]}()"
            for space, name, steps in _origins(flow, passed):
                if _is_changing(steps):  # handed on, to be called there
                    yield (space, name, steps[:-1]), f"{steps[-1]}()"
            yield from self._by_library(func, owner, call)
            if depth and (call[0][2] or any(one is not None for one in passed)):
                yield from self._by_helper(func, owner, call, depth)

        for (space, name, steps), method in flow.operations:
            yield from self._by_operation(func, owner, (space, name, steps), method, depth)

    def _by_operation(
        self, func: FunctionType, owner: Any, target: Store, method: str, depth: int
    ) -> Iterator[tuple[Store, str]]:
        """What an object's own special method changes of it."""
        space, name, steps = target
        if space == value_flow.ARGUMENT and (owner is MISSING or name != first_argument(func)):
            return
        if not depth:
            return
        found = callee_of(func, owner, (space, name, (*steps, f".{method}")))
        if type(found) is METHOD and self._owns(function := raw(found.__func__)):
            changed = self.changed_arguments(function, found.__self__, depth - 1)
            if first_argument(function) in changed:
                yield target, f", by {method}()"

    def _by_library(
        self, func: FunctionType, owner: Any, call: Call
    ) -> Iterator[tuple[Store, str]]:
        """What a library's function changes of what it is handed."""
        callee, passed, named = call
        flow, step = self.flow(func), callee[2][-1:]
        name = (step[0] if step else callee[1]).lstrip(".")
        by_name = dict(zip(named, passed[len(passed) - len(named) :], strict=True))
        yield from self._into_buffers(func, owner, call, by_name.get("file"))
        changed = [by_name[_TO]] if _TO in by_name else []
        if _IN_PLACE_OPTION in by_name and step:
            changed.append((callee[0], callee[1], callee[2][:-1]))
        if passed and name in _CHANGES_FIRST | CHANGING | _CHANGES_HANDED:
            called = callee_of(func, owner, callee)
            is_of_type = name in CHANGING and type(called) in _DESCRIPTORS
            is_known = name in _CHANGES_FIRST and _is_of_library(called)
            if is_of_type or is_known or (name in _CHANGES_HANDED and called is MISSING):
                changed.append(passed[0])
        for origin in _origins(flow, tuple(changed)):
            yield origin, f", by {name}()"

    def _into_buffers(
        self, func: FunctionType, owner: Any, call: Call, file: Symbol
    ) -> Iterator[tuple[Store, str]]:
        """What methods change that change only objects of some types."""
        callee, flow = call[0], self.flow(func)
        name = callee[2][-1].lstrip(".") if callee[2] else ""
        if name in _CHANGING_SOME:
            targets, types = [(callee[0], callee[1], callee[2][:-1])], _CHANGING_SOME[name]
        else:
            targets, types = list(_origins(flow, (file,))), _CHANGING_SOME["write"]
        for space, root, steps in targets:
            holder = along(root_of(func, owner, space, root)[1], steps)[0]
            is_undone = type_name(holder) == CONTEXT_VARIABLE and "reset" in func.__code__.co_names
            if type_name(holder) in types and not is_undone:
                yield (space, root, steps), f", by {name or callee[1]}()"

    def _by_helper(
        self, func: FunctionType, owner: Any, call: Call, depth: int
    ) -> Iterator[tuple[Store, str]]:
        yield from self._by_handed_on(func, owner, call, depth)
        yield from self._by_called(func, callee_of(func, owner, call[0]), call, depth)

    def _by_handed_on(
        self, func: FunctionType, owner: Any, call: Call, depth: int
    ) -> Iterator[tuple[Store, str]]:
        """A helper that is handed on with its arguments, as to `map`, `partial` or `submit`."""
        callee, passed, named = call
        flow = self.flow(func)
        for at, handed in enumerate(passed):
            for origin in flow.origins(handed):
                if origin[0] not in (GLOBAL, CLOSURE):
                    continue
                helper = callee_of(func, owner, origin)
                if type(helper) not in (FUNCTION, METHOD) or raw(helper) is func:
                    continue
                after = passed[at + 1 :]
                if callee == (GLOBAL, "map", ()):
                    after = tuple(value_flow.element(one) for one in after)
                elif "args" in named:  # of a thread or process
                    group = passed[len(passed) - len(named) + named.index("args")]
                    after = flow.held(group) or ()
                yield from self._by_called(func, helper, (origin, after, ()), depth)

    def _by_called(
        self, func: FunctionType, helper: Any, call: Call, depth: int
    ) -> Iterator[tuple[Store, str]]:
        callee, passed, named = call
        bound_to = MISSING
        if type(helper) is METHOD:
            bound_to, helper = helper.__self__, raw(helper.__func__)
            passed = ((callee[0], callee[1], callee[2][:-1]), *passed)
        if type(helper) is FUNCTION and not self._owns(helper):
            helper = raw(own(helper, "__wrapped__"))  # as that of a `contextmanager`
        if type(helper) is not FUNCTION or not self._owns(helper) or helper is func:
            return
        changed = self._changed(helper, bound_to, depth - 1)
        symbols = value_flow.by_name(helper.__code__, passed, named)
        for name, is_given in sorted(changed):
            for space, root, steps in _origins(self.flow(func), (symbols.get(name),)):
                way = (*steps, value_flow.GIVEN) if is_given else steps
                yield (space, root, way), f", by {helper.__name__}()"

    def _change(self, func: FunctionType, owner: Any, target: Store, step: str) -> Change:
        space, name, steps = target
        label, root = root_of(func, owner, space, name)
        is_given = value_flow.CALLED in steps
        holder, nearest = self._given(func, owner, target) if is_given else along(root, steps)
        return Change(
            label=label,
            name=name if space in (GLOBAL, CLOSURE) else "",
            steps=(*steps, step) if step else steps,
            holder=holder,
            nearest=nearest,
            is_of_thread=is_given and nearest is _OF_THREAD,
        )

    def _given(self, func: FunctionType, owner: Any, target: Store) -> tuple[Any, Any]:
        """What a call has given, where it gives the same to others; MISSING: a thing of its own."""
        space, name, steps = target
        place = steps.index(value_flow.CALLED)
        maker = callee_of(func, owner, (space, name, steps[:place]))
        if type(maker) is FUNCTION and self._owns(maker):
            for given_space, given_name, given_steps in self.flow(maker).returned:
                if given_space in (GLOBAL, CLOSURE):
                    root = root_of(maker, MISSING, given_space, given_name)[1]
                    return along(root, (*given_steps, *steps[place + 1 :]))
        elif callable(maker) and public_name_of(maker) in GIVES_SHARED:
            return MISSING, _OF_THREAD
        return MISSING, MISSING


def _is_changing(steps: tuple[str, ...]) -> bool:
    """Whether a way ends with a method that changes its object."""
    return bool(steps) and steps[-1][0] == "." and steps[-1][1:] in CHANGING


def _is_of_library(called: Any) -> bool:
    module = own(called, "__module__")
    if not isinstance(module, str):  # a method of a generator or a type, say
        module = type(own(called, "__self__")).__module__
    return module.partition(".")[0].lstrip("_") in _CHANGES_FIRST_OF


def _origins(flow: Flow, passed: tuple[Symbol, ...]) -> Iterator[Store]:
    for symbol in passed:
        yield from (one for one in flow.origins(symbol) if one[0] != value_flow.RESULT)

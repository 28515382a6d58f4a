"""What a function's code changes that outlives a call: by a name, an alias, a method or a helper.

Read from where the values in its bytecode go. What cannot be followed is not told; what is told is
plainly there, if in a branch that few items take.
"""

from __future__ import annotations

from amorsize import _bytecode
from amorsize._callables import FUNCTION, METHOD, MISSING, MODULE, cells, is_partial, member, raw
from amorsize._objects import CONTAINERS, is_container, is_lost, owns_its_memory, state
from amorsize._shareable import PLAIN, is_shareable
from amorsize._walk import attribute, end_of, imported, resolved
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._bytecode import Store, Symbol

    Owns = Callable[[object], bool]

CHANGING = {
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update"),
    *("add", "discard", "setdefault", "popitem", "appendleft", "extendleft", "popleft", "rotate"),
    *("difference_update", "intersection_update", "symmetric_difference_update"),
}
_IN_PLACE_METHODS = ("__iadd__", "__ior__", "__isub__", "__imul__", "__iand__", "__ixor__")
MOST_HELPERS = 4  # one calling the other
_OF_THREAD: Any = ["what a call gives to all of a thread"]
# Library functions that give what others hold as well, and may change through it.
GIVES_SHARED = {
    *("decimal.getcontext", "logging.getLogger", "matplotlib.pyplot.gca", "matplotlib.pyplot.gcf"),
    *("threading.current_thread", "asyncio.get_event_loop", "multiprocessing.current_process"),
}


class Change(Value):
    """Something that is changed, and by what."""

    label: str  # in words for messages: "global", "closure", "self", "item"
    name: str
    steps: tuple[str, ...]  # from there: ".total", "[...]", ".append()"
    holder: Any  # the object at the end of the way, which is changed; MISSING: not known
    nearest: Any  # the last object on the way there that is known; MISSING: none
    is_of_thread: bool = False  # what a call gives to all who ask for it in this thread, or process

    @property
    def _is_by_call(self) -> bool:
        return self.steps[-1].endswith(("()", _bytecode.IN_PLACE))

    @property
    def is_lost(self) -> bool:
        """Whether it is lost with the process that it happens in, for sure."""
        if self._is_by_call:
            return is_container(self.holder) or owns_its_memory(self.holder)
        return is_lost(self.holder, self.steps[-1:])

    @property
    def is_open(self) -> bool:
        """Whether it may be: what is known of the object does not exclude it."""
        kind, changed = type(self.nearest), self.nearest
        if changed is MISSING or kind in PLAIN or kind is MODULE or is_shareable(changed):
            return False
        if self.steps[-1] == _bytecode.IN_PLACE:
            return any(hasattr(kind, name) for name in _IN_PLACE_METHODS)
        return not (self._is_by_call and callable(changed))

    @property
    def told(self) -> str:
        """For messages: "global CACHE[...]"."""
        return f"{self.label} {self.name}".strip() + "".join(self.steps)


class Reader:
    """Reads functions; each flow is followed once.

    Args:
        owns: Whether a function is the project's own: only these are read as helpers.
    """

    def __init__(self, owns: Owns) -> None:
        self._owns = owns
        self._flows: dict[int, _bytecode.Flow] = {}

    def flow(self, func: FunctionType) -> _bytecode.Flow:
        """Where its values go."""
        code = func.__code__
        found = self._flows.get(id(code))
        if found is None:
            found = self._flows[id(code)] = _bytecode.Flow(code)
        return found

    def changes(self, func: FunctionType, owner: Any) -> Iterator[Change]:
        """What a function changes; `owner` is what its first argument is bound to, if anything."""
        for target, step in self._targets(func, owner, MOST_HELPERS):
            yield self._change(func, owner, target, step)

    def changed_arguments(
        self, func: FunctionType, owner: Any = MISSING, depth: int = MOST_HELPERS
    ) -> set[str]:
        """The names of those of its arguments that a function changes."""
        found = self._targets(func, owner, depth)
        return {name for (space, name, _), _ in found if space == _bytecode.ARGUMENT}

    def called(self, func: FunctionType) -> Iterator[Any]:
        """What it calls by a name that can be followed."""
        for callee, _ in self.flow(func).calls:
            yield self._callee(func, MISSING, callee)

    def _targets(self, func: FunctionType, owner: Any, depth: int) -> Iterator[tuple[Store, str]]:
        """Where the ways to changed things begin, and the last step of each."""
        flow = self.flow(func)
        for space, name, steps in flow.stores:
            yield (space, name, steps[:-1]), (steps[-1] if steps else "")
        for callee, passed in flow.calls:
            space, name, steps = callee
            if steps and steps[-1][1:] in CHANGING and steps[-1][0] == ".":
                yield (space, name, steps[:-1]), f"{steps[-1]}()"
            elif depth and any(one is not None for one in passed):
                yield from self._by_helper(func, owner, callee, passed, depth)

    def _by_helper(
        self,
        func: FunctionType,
        owner: Any,
        callee: Store,
        passed: tuple[Symbol, ...],
        depth: int,
    ) -> Iterator[tuple[Store, str]]:
        helper, bound_to = self._callee(func, owner, callee), MISSING
        if type(helper) is METHOD:
            bound_to, helper = helper.__self__, raw(helper.__func__)
            passed = ((callee[0], callee[1], callee[2][:-1]), *passed)
        if type(helper) is not FUNCTION or not self._owns(helper) or helper is func:
            return
        changed = self.changed_arguments(helper, bound_to, depth - 1)
        names = _bytecode.arguments(helper.__code__)
        for name, symbol in zip(names, passed, strict=False):
            if symbol is not None and symbol[0] != _bytecode.RESULT and name in changed:
                yield symbol, f", by {helper.__name__}()"

    def _callee(self, func: FunctionType, owner: Any, callee: Store) -> Any:
        space, name, steps = callee
        value = self._root(func, owner, space, name)[1]
        for step in steps:
            if value is MISSING:
                return MISSING
            if step[0] != ".":
                value = _one_step(value, step)
            elif type(value) is MODULE or isinstance(value, type):
                found, taken = end_of(value, (step[1:],), lambda _: True)
                value = found if taken else attribute(value, (step[1:],))
            else:
                value = _method(value, step[1:])
        return MISSING if value is MISSING else raw(value)

    def _root(self, func: FunctionType, owner: Any, space: str, name: str) -> tuple[str, Any]:
        """What a way begins with: in words, and itself."""
        if space == _bytecode.ARGUMENT:
            if name not in func.__code__.co_varnames[:1]:
                return "argument", MISSING
            return ("class" if isinstance(owner, type) else "self"), owner
        if space == _bytecode.CLASS:
            return "class", type
        if space == _bytecode.IMPORT:
            return name or "module", imported(func, name)
        return space, resolved(func, cells(func), space, name)

    def _change(self, func: FunctionType, owner: Any, target: Store, step: str) -> Change:
        space, name, steps = target
        label, root = self._root(func, owner, space, name)
        is_given = _bytecode.CALLED in steps
        holder, nearest = self._given(func, owner, target) if is_given else along(root, steps)
        return Change(
            label=label,
            name=name if space in (_bytecode.GLOBAL, _bytecode.CLOSURE) else "",
            steps=(*steps, step) if step else steps,
            holder=holder,
            nearest=nearest,
            is_of_thread=is_given and nearest is _OF_THREAD,
        )

    def _given(self, func: FunctionType, owner: Any, target: Store) -> tuple[Any, Any]:
        """What a call has given, where it gives the same to others; MISSING: a thing of its own."""
        space, name, steps = target
        place = steps.index(_bytecode.CALLED)
        maker = self._callee(func, owner, (space, name, steps[:place]))
        if type(maker) is FUNCTION and self._owns(maker):
            for given_space, given_name, given_steps in self.flow(maker).returned:
                if given_space in (_bytecode.GLOBAL, _bytecode.CLOSURE):
                    root = self._root(maker, MISSING, given_space, given_name)[1]
                    return along(root, (*given_steps, *steps[place + 1 :]))
        elif callable(maker) and _name(maker) in GIVES_SHARED:
            return MISSING, _OF_THREAD
        return MISSING, MISSING


def along(value: Any, steps: tuple[str, ...]) -> tuple[Any, Any]:
    """What lies at the end of these steps, and the last that is known on the way there.

    Nobody's code runs; MISSING where it would have to.
    """
    for step in steps:
        found = _one_step(value, step)
        if found is MISSING:
            return MISSING, value
        value = found
    return value, value


def _one_step(value: Any, step: str) -> Any:
    if step == "[...]":
        held = dict.values(value) if isinstance(value, dict) else value
        is_open = isinstance(value, (*CONTAINERS, tuple))
        return next(iter(held), MISSING) if is_open else MISSING
    if step[0] != ".":
        return MISSING
    if type(value) is MODULE or isinstance(value, type):
        return member(value, step[1:])
    return state(value).get(step[1:], MISSING)


def _method(value: Any, name: str) -> Any:
    """An object's method of that name, where its class has a plain one."""
    found = raw(member(type(value), name))
    if type(found) is FUNCTION:
        return found.__get__(value)
    return MISSING


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}".lstrip("_")


def with_arguments(func: Any) -> tuple[FunctionType | None, dict[str, Any]]:
    """The function behind a callable, and its arguments that are set before any item comes."""
    first: list[Any] = []
    named: dict[str, Any] = {}
    while True:
        func = raw(func)
        if is_partial(func):
            first, named, func = [*func.args, *first], {**func.keywords, **named}, func.func
        elif type(func) is METHOD:
            first, func = [func.__self__, *first], func.__func__
        elif type(func) is FUNCTION:
            break
        elif type(called := raw(member(type(func), "__call__"))) is FUNCTION:
            first, func = [func, *first], called
        else:
            return None, {}
    return func, {**dict(zip(_bytecode.arguments(func.__code__), first, strict=False)), **named}

"""Says why the consumer of a stream may change what the items to come read.

A lazy loop runs an item once the consumer has taken the result before it. What runs in between is
the body of the loop that takes results, so its code is read like that of the function.
"""

from __future__ import annotations

import sys
from gc import get_referents
from itertools import accumulate, dropwhile, starmap, takewhile

from amorsize._engine.caller.consumer_frames import body_of, consumers
from amorsize._function.callable_walk import CLOSURE, GLOBAL, reads
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    MODULE,
    cells,
    is_partial,
    member,
    own,
    raw,
)
from amorsize._function.library.changes import CHANGING
from amorsize._function.ownership import is_own_class, is_own_function
from amorsize._function.sharing.thread_safety import examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from amorsize._engine.caller.lockstep import Lockstep
    from amorsize._engine.state.call import Call
    from amorsize._engine.state.caller_only import CallerOnly

#: Iterators that call something for each value, and how many of them are looked through.
_CALLING: Any = (map, filter, zip, enumerate, accumulate, dropwhile, starmap, takewhile)
_MOST_LAYERS = 4
#: The most functions of the project that are asked for the names that they read.
MOST_ASKED = 100
_OPTIMIZED = 0x01
#: Of the frame, of the variable here, and of the argument of the question.
_REFERENCES = 3
_PUTS_INSIDE = frozenset(
    {"STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE", "STORE_ATTR", "DELETE_ATTR"}
)
_REBINDS = frozenset({"STORE_GLOBAL", "STORE_NAME", "STORE_DEREF", "DELETE_GLOBAL"})


def wait_for_consumer(call: Call, caller_only: CallerOnly, lockstep: Lockstep) -> None:
    """Have each item wait until the result before it was taken, if that may change it.

    Called in a stream when its first result is asked for.
    """
    if lockstep.is_lazy or not call.caller_may_run_items:
        return
    if (why := _why(call.task.function)) is not None:
        caller_only.enforce(why)
        lockstep.waits_for_consumer = True


def _why(func: Callable[..., Any]) -> str | None:
    """Why items have to wait for the consumer, in words; None: they need not."""
    found = [*consumers(sys._getframe(1))]
    if not found:
        return None
    reading = _Reading(func)
    try:
        return next(filter(None, (reading.why_by(*one) for one in found)), None)
    finally:
        for frame, _, _ in found:
            _let_go(frame)


def _let_go(frame: FrameType) -> None:
    """Empty the dict of a function's variables, which would keep their objects alive.

    Up to 3.12, CPython makes one when it is first asked for, and leaves it with the frame. Others
    may use it if the function has called `locals()`; then they refer to it as well.
    """
    variables = frame.f_locals
    is_copy = frame.f_code.co_flags & _OPTIMIZED and type(variables) is dict
    if is_copy and sys.getrefcount(variables) <= _REFERENCES:
        variables.clear()


class _Reading:
    """What a function reads that others may change."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self._reach, objects = examine(func)
        self._objects = {id(one): name for name, one in objects.mutables.items()}
        self._globals: set[tuple[int, str]] = set()
        self._cells: dict[str, Any] = {}
        self._ask(raw(func))

    def _ask(self, func: Any) -> None:
        """Note the names that the function and its helpers read."""
        ahead = [own(func, "__func__", func)]
        seen: set[int] = set()
        while ahead and len(seen) < MOST_ASKED:
            one = ahead.pop()
            if type(one) is not FUNCTION or id(one) in seen or not is_own_function(one):
                continue
            seen.add(id(one))
            self._cells |= cells(one)
            for space, name, value, _ in reads(one):
                if space == GLOBAL:
                    self._globals.add((id(one.__globals__), name))
                if isinstance(value, (MODULE, type)) and space != CLOSURE:
                    self._objects.setdefault(id(value), name)
                ahead.append(raw(value))

    def why_by(self, frame: FrameType, start: int, stop: int) -> str | None:
        """Why, by the code of a frame between two places."""
        body = [*body_of(frame.f_code, start, stop)]
        puts_inside = any(op in _PUTS_INSIDE for op, _ in body)
        calls_own = False
        found: str | None = None
        for at, (op, name) in enumerate(body):
            if op in _REBINDS:
                if self._is_read(frame, op, name):
                    return f"the consumer of the stream sets {name}, which items read"
                continue
            if not op.startswith("LOAD_") or (value := _value(frame, op, name)) is MISSING:
                continue
            chain = _attributes(body, at)
            value, chain = _end(value, chain)
            if any(map(self._changes, _functions_in(value, body))):
                return f"the consumer of the stream calls {name}, which changes what items read"
            calls_own |= type(raw(value)) is FUNCTION and is_own_function(raw(value))
            if (what := self._known(value)) is not None:
                if CHANGING.intersection(chain):
                    return f"the consumer of the stream changes {what}, which items read"
                found = found or f"the consumer of the stream may change {what}, which items read"
        return found if puts_inside or calls_own else None

    def _is_read(self, frame: FrameType, op: str, name: str) -> bool:
        if op == "STORE_DEREF":
            return name in self._cells and self._cells[name] is frame.f_locals.get(name)
        is_of_module = op != "STORE_NAME" or frame.f_locals is frame.f_globals
        return is_of_module and (id(frame.f_globals), name) in self._globals

    def _known(self, value: Any) -> str | None:
        """The name of an object that items read, or that lies in this one; None: there is none."""
        if id(value) in self._objects:
            return self._objects[id(value)]
        if not is_own_class(type(value)) or type(value) is FUNCTION:
            return None
        level = [value]
        for _ in range(2):  # its attributes, and what lies in them
            level = get_referents(*level)
            for one in level:
                if id(one) in self._objects and not isinstance(one, (MODULE, type)):
                    return self._objects[id(one)]
        return None

    def _changes(self, value: Any) -> bool:
        """Whether calling it changes what items read."""
        code = raw(own(value, "__func__", value))
        if type(code) is not FUNCTION or not is_own_function(code):
            return False
        reach, objects = examine(value)
        stores = (*reach.stores, *reach.changed)
        names = {one.split()[1].split(".")[0].split("[")[0] for one in stores if " " in one}
        if any((id(code.__globals__), one) in self._globals for one in names):
            return True
        shared = any(id(one) in self._objects for one in objects.mutables.values())
        return bool(stores) and shared


def _functions_in(value: Any, body: list[tuple[str, str]]) -> list[Any]:
    """A value, and what it calls if it is a `partial` or, as `map` is, an iterator made in C.

    Of a class, the methods that are named beside it: the code may make an object and hand one on.
    """
    if isinstance(value, type):
        named = dict.fromkeys(name for _, name in body)
        return [value, *(held for name in named if (held := member(value, name)) is not MISSING)]
    found, ahead = [], [(value, 0)]
    while ahead:
        one, depth = ahead.pop()
        found.append(one)
        if depth < _MOST_LAYERS and (is_partial(one) or isinstance(one, _CALLING)):
            ahead += [(part, depth + 1) for part in get_referents(one)]
    return found


def _value(frame: FrameType, op: str, name: str) -> Any:
    """The present value of what an operation loads."""
    if not name or op in ("LOAD_ATTR", "LOAD_METHOD"):
        return MISSING
    if op != "LOAD_GLOBAL" and name in frame.f_locals:
        return frame.f_locals[name]
    return frame.f_globals.get(name, MISSING)


def _attributes(body: list[tuple[str, str]], at: int) -> list[str]:
    """The attributes that are taken at once off what an operation loads."""
    found = []
    for op, name in body[at + 1 :]:
        if op not in ("LOAD_ATTR", "LOAD_METHOD"):
            if op == "CACHE":
                continue
            break
        found.append(name)
    return found


def _end(value: Any, chain: list[str]) -> tuple[Any, list[str]]:
    """Follow the first attributes to a function of a module, or to a method."""
    for taken, name in enumerate(chain):
        if isinstance(value, MODULE):
            found = vars(value).get(name, MISSING)
        elif is_own_class(type(value)) and type(getattr(type(value), name, None)) is FUNCTION:
            found = METHOD(getattr(type(value), name), value)
        else:
            break
        if found is MISSING:
            break
        value, chain = found, chain[taken + 1 :]
    return value, chain

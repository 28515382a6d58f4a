"""Says why the consumer of a stream may change what the items to come read.

A lazy loop runs an item once the consumer has taken the result before it. What runs in between is
the body of the loop that takes results, so its code is read like that of the function.
"""

from __future__ import annotations

import sys
from gc import get_referents
from opcode import opname

from amorsize._function.bytecode import FOR_ITER_CACHES, JUMPS_BACK, NAME_SHIFTS, op_number, placed
from amorsize._function.callable_walk import CLOSURE, GLOBAL, reads
from amorsize._function.callables import FUNCTION, METHOD, MISSING, MODULE, cells, own, raw
from amorsize._function.library.changes import CHANGING
from amorsize._function.ownership import is_own_class, is_own_function, is_own_module
from amorsize._function.sharing.thread_safety import examine
from amorsize._host.program_line import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType
    from typing import Any

    from amorsize._engine.caller.lockstep import Lockstep
    from amorsize._engine.state.call import Call
    from amorsize._engine.state.caller_only import CallerOnly

    #: A frame, and where its code begins and ends that runs between two results.
    Consumer = tuple[FrameType, int, int]

#: The most functions of the project that are asked for the names that they read.
MOST_ASKED = 100
_OPTIMIZED, _GENERATOR = 0x01, 0x20
#: Of the frame, of the variable here, and of the argument of the question.
_REFERENCES = 3
_FOR_ITER, _EXTENDED_ARG = op_number("FOR_ITER"), op_number("EXTENDED_ARG")
_CACHE = op_number("CACHE")
#: Names of what takes some results, and leaves the others for later.
_ADVANCING = frozenset({"next", "__next__", "send", "islice"})
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
    consumers = [*_consumers(sys._getframe(1))]
    if not consumers:
        return None
    reading = _Reading(func)
    try:
        return next(filter(None, (reading.why_by(*one) for one in consumers)), None)
    finally:
        for frame, _, _ in consumers:
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


def _consumers(frame: FrameType | None) -> Iterator[Consumer]:
    """The frames that run between two results, with where the code is that does."""
    while frame is not None and is_ours(frame.f_globals):
        frame = frame.f_back
    are_left = False  # a function takes some results, and leaves the others to what calls it
    while frame is not None and (not are_left or is_own_module(frame.f_globals.get("__name__"))):
        code = frame.f_code
        hands_on = code.co_flags & _GENERATOR or code.co_name == "__next__"
        loop = _loop_taking(frame)
        takes_some = loop is None and not _ADVANCING.isdisjoint(code.co_names)
        if loop is not None:
            yield frame, *loop
        elif takes_some or are_left:
            yield frame, _begin(frame) if are_left else 0, len(code.co_code)
        are_left = not hands_on and loop is None and (are_left or takes_some)
        if not (hands_on or are_left):  # else code in C takes all results
            return
        frame = frame.f_back


def _loop_taking(frame: FrameType) -> tuple[int, int] | None:
    """Where the loop begins and ends that a frame waits in for a result; None: in no `for`."""
    data, last = frame.f_code.co_code, frame.f_lasti
    while last > 0 and data[last] == _CACHE:  # as Python 3.12 has it where a generator goes on
        last -= 2
    if last < 0 or data[last] != _FOR_ITER:
        return None
    high = data[last - 1] << 8 if last >= 2 and data[last - 2] == _EXTENDED_ARG else 0
    return last, last + 2 + 2 * (FOR_ITER_CACHES + (high | data[last + 1]))


def _begin(frame: FrameType) -> int:
    """Where a function goes on behind what it calls: there, or where a loop around it begins."""
    last = frame.f_lasti
    loops = (
        (end - 2 * arg, end) for _, end, op, arg in placed(frame.f_code.co_code) if op in JUMPS_BACK
    )
    return min((start for start, end in loops if start <= last < end), default=last)


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
        body = [*_body(frame.f_code, start, stop)]
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
            if self._changes(value):
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


def _body(code: CodeType, start: int, stop: int) -> Iterator[tuple[str, str]]:
    """The operations between two places, with the names that they are for."""
    data, high = code.co_code, 0
    for at in range(start, stop, 2):
        op, arg = data[at], high | data[at + 1]
        high = arg << 8 if op == _EXTENDED_ARG else 0
        names = _names(code, op, arg)
        yield from zip(_parts_of(opname[op]), names, strict=False)


def _parts_of(op: str) -> tuple[str, ...]:
    """An operation on two variables as one on each: the second of STORE_FAST_LOAD_FAST loads."""
    first, _, second = op.partition("_FAST_")
    return (f"{first}_FAST", second) if second.endswith("_FAST") else (op,)


def _names(code: Any, op: int, arg: int) -> tuple[str, ...]:
    """The names that an operation is for; one empty name if it is for none."""
    kind = opname[op]
    if op in NAME_SHIFTS:
        return (code.co_names[arg >> NAME_SHIFTS[op]],)
    if kind.count("_FAST") == 2:
        return code.co_varnames[arg >> 4], code.co_varnames[arg & 15]
    if "_FAST" in kind:
        return (_local(code, arg),)
    if kind.endswith(("_DEREF", "_CLOSURE")):
        return (_local(code, arg),)
    return ("",)


def _local(code: Any, arg: int) -> str:
    """The name of a local variable or cell, in the order in which a frame has them."""
    cells_only = tuple(one for one in code.co_cellvars if one not in code.co_varnames)
    names = (*code.co_varnames, *cells_only, *code.co_freevars)
    return names[arg] if arg < len(names) else ""


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

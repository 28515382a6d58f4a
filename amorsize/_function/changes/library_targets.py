"""Finds what a function's code changes without the project's other functions."""

from __future__ import annotations

from amorsize._function.bytecode import GLOBAL
from amorsize._function.callables import (
    BUILTIN,
    FUNCTION,
    METHOD,
    MISSING,
    is_class,
    is_made_at_run_time,
    raw,
    type_name,
)
from amorsize._function.changes.change import SUBCLASS
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import callees_of, ends_of, root_of
from amorsize._function.flow.value_flow import ANY, ELEMENT, MISSING_KEY, SUBCLASSED, By
from amorsize._function.library.changes import (
    CHANGING_SOME,
    FLAGGING,
    IN_PLACE_OPTION,
    INTO,
    ONLY_LOOKS,
    PERHAPS_CHANGING,
    SETTERS,
    TO,
    WRITING,
    changed_by_options,
    changes_first,
    changes_holder,
    is_changing,
    is_verb,
    own_name,
)
from amorsize._function.object_contents import grows_when_read, is_container
from amorsize._function.ownership import is_own_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.flow.value_flow import Call, Store, Symbol

    Target = tuple[Store, str]


#: Methods that ask their object for a key, and functions that ask their first argument.
_ASKING = (".__getitem__", ".__missing__")
_ASKING_FIRST = (".format_map", ".getitem", "getitem", ".substitute", ".safe_substitute")


def changed_by_itself(func: FunctionType, bound: Bound) -> Iterator[Target]:
    """What it changes itself, or by the libraries that it calls."""
    flow = flow_of(func)
    for space, name, steps in flow.stores:
        yield (space, name, steps[:-1]), (steps[-1] if steps else "")
    for call in flow.calls:
        (space, name, steps), passed, _ = call
        if is_changing(steps) or (steps[-1:] == (ANY,) and _may_be_any(func, bound, call[0])):
            yield (space, name, steps[:-1]), f"{steps[-1]}()"
        for (space, name, steps), _ in flow.known((one, ()) for one in passed):
            if is_changing(steps):  # handed on, to be called there
                yield (space, name, steps[:-1]), f"{steps[-1]}()"
            elif steps:
                yield from _into_buffers(func, bound, ((space, name, steps), (), ()), None)
        yield from changed_by_library(func, bound, call)
    yield from changed_by_use(func, bound)


def changed_by_library(func: FunctionType, bound: Bound, call: Call) -> Iterator[Target]:
    """The arguments that a library's function changes."""
    callee, passed, named = call
    flow, step = flow_of(func), callee[2][-1:]
    by_name = dict(zip(named, passed[len(passed) - len(named) :], strict=True))
    yield from _into_buffers(func, bound, call, by_name.get("file"))
    yield from _registered(func, bound, call)
    yield from _changed_by_itself(func, bound, callee)
    name = (step[0] if step else callee[1]).lstrip(".")
    written = [by_name[one] for one in TO if one in by_name]
    changed = [*written, *(part for one in written for part in flow.held(one) or ())]
    if IN_PLACE_OPTION in by_name and step:
        changed.append((callee[0], callee[1], callee[2][:-1]))
    is_by_other_name = callee[0] != GLOBAL or step or _has_other_name(func, callee[1])
    if any(passed) and (name in PERHAPS_CHANGING or is_by_other_name or named):
        from amorsize._function.changes.written_arguments import (
            foreign,
            is_foreign,
            written_by_place,
        )

        for called in callees_of(func, bound, callee) or [foreign(func, bound, callee)]:
            changed += passed[: changed_by_options(called, own_name(called, name), named)]
            changed += written_by_place(called, passed[: len(passed) - len(named)])
            if is_foreign(called):  # C code may write to whatever it is handed
                changed += passed
            if type_name(called) == "numpy.ufunc":  # what comes after its operands is written to
                changed += passed[called.nin : len(passed) - len(named)]
            if changes_first(called, known := own_name(called, name)):
                changed.append(passed[0])
                name = known
    if name in INTO:
        changed += passed
    for origin, _ in flow.known((one, ()) for one in changed):
        yield origin, By.call_of(name, is_set=name in SETTERS)


def _may_be_any(func: FunctionType, bound: Bound, callee: Store) -> bool:
    """Whether a method whose name is not spelled out is one of a list, a dict or the like."""
    space, name, steps = callee
    ends = ends_of(root_of(func, bound, space, name)[1], steps[:-1])
    return any(is_container(end) for end, _ in ends)


def _has_other_name(func: FunctionType, name: str) -> bool:
    """Whether a global is a function in C of another name."""
    value: Any = func.__globals__.get(name)
    return type(value) is BUILTIN and value.__name__ != name


def _into_buffers(func: FunctionType, bound: Bound, call: Call, file: Symbol) -> Iterator[Target]:
    """The objects that methods change which do so only for some types."""
    callee = call[0]
    name = callee[2][-1].lstrip(".") if callee[2] else ""
    targets = [(callee[0], callee[1], callee[2][:-1])]
    is_of_object = name in CHANGING_SOME or is_verb(name)
    if not is_of_object or name in WRITING or name in FLAGGING:  # may change what it is handed
        handed = [file] if name in ONLY_LOOKS or callee[1] in ONLY_LOOKS else call[1]
        targets = targets if is_of_object else []
        targets += [origin for origin, _ in flow_of(func).known((one, ()) for one in handed)]
    for space, root, steps in targets:
        ends = ends_of(root_of(func, bound, space, root)[1], steps)
        if any(changes_holder(end, name, func.__code__.co_names) for end, _ in ends):
            yield (space, root, steps), By.call_of(name or callee[1])


def _changed_by_itself(func: FunctionType, bound: Bound, callee: Store) -> Iterator[Target]:
    """The object of the standard library that is called, or whose method is."""
    space, root, steps = callee
    method = steps[-1] if steps else ".__call__"
    ends = ends_of(root_of(func, bound, space, root)[1], steps[:-1]) if method[0] == "." else []
    kinds = {type(end) for end, _ in ends if end is not MISSING}
    for kind in filter(is_made_at_run_time, kinds):
        from amorsize._function.changes.library_objects import changes_itself

        if changes_itself(kind, method[1:]):
            yield (space, root, steps[:-1]), By.call_of(method[1:])


def _registered(func: FunctionType, bound: Bound, call: Call) -> Iterator[Target]:
    """The functions and classes at which something is registered, by a method of the library's.

    It may have another name by now, or be handed on, to be called there.
    """
    handed = [one for one, _ in flow_of(func).known((symbol, ()) for symbol in call[1])]
    for origin in (call[0], *handed):
        space, name, steps = origin
        if steps and not is_verb(steps[-1][1:]):
            continue
        for called in callees_of(func, bound, origin):
            if _registers(called):
                yield (space, name, steps[:-1]), By.call_of(called.__name__, is_set=True)


def _registers(called: Any) -> bool:
    """Whether it belongs to a class, or to a function that a library has made of another."""
    if type(called) is METHOD:
        is_of_code, called = is_class(called.__self__), raw(called.__func__)
    else:
        is_of_code = type(called) is FUNCTION and bool(called.__closure__)
    is_librarys = type(called) is FUNCTION and not is_own_function(called)
    return is_of_code and is_librarys and is_verb(called.__name__)


def changed_by_use(func: FunctionType, bound: Bound) -> Iterator[Target]:
    """Tables that grow when they are asked for a key, and classes that get a subclass."""
    flow = flow_of(func)
    yield from ((base, SUBCLASS) for base, method in flow.operations if method == SUBCLASSED)
    asked = [target for target, method in flow.operations if method == MISSING_KEY]
    for call in flow.calls:
        asked += _asked_by(func, bound, call)
    yield from ((one, ELEMENT) for one in dict.fromkeys(asked) if _grows(func, bound, one))


def _asked_by(func: FunctionType, bound: Bound, call: Call) -> Iterator[Store]:
    """What a call asks for a key."""
    callee, passed, _ = call
    yield from ((one[0], one[1], one[2][:-1]) for one in _asking(func, call))
    last = callee[2][-1] if callee[2] else callee[1]
    if not any(passed[:1]):
        return
    from amorsize._function.flow.operator_objects import is_item_getter

    called = callees_of(func, bound, callee) or [None]
    if last in _ASKING_FIRST or any(is_item_getter(one, callee) for one in called):
        yield from (origin for origin, _ in flow_of(func).known([(passed[0], ())]))


def _asking(func: FunctionType, call: Call) -> Iterator[Store]:
    """The methods that ask for a key, called or handed on to be called."""
    callee, passed, _ = call
    handed = (one for one, _ in flow_of(func).known((symbol, ()) for symbol in passed))
    yield from (one for one in (callee, *handed) if one[2][-1:] and one[2][-1] in _ASKING)


def _grows(func: FunctionType, bound: Bound, target: Store) -> bool:
    """Whether a value may be a table that grows when it is asked for a key."""
    space, name, steps = target
    ends = ends_of(root_of(func, bound, space, name)[1], steps)
    return any(grows_when_read(end) for end, _ in ends)

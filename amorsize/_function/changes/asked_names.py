"""Finds the attributes of the project's objects that libraries ask for by name."""

from __future__ import annotations

import sys

from amorsize._function import bytecode
from amorsize._function.bytecode import GLOBAL
from amorsize._function.callable_walk import reads
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    has,
    is_a,
    is_class,
    is_module,
    own,
)
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.made_instances import Made
from amorsize._function.flow.name_lookup import callees_of, ends_of, root_of
from amorsize._function.flow.operator_objects import names_asked_by
from amorsize._function.flow.value_flow import ANY, CALLED, RESULT, UNKNOWN, all_inside
from amorsize._function.library.changes import SAVING, is_changing
from amorsize._function.object_contents import MAX_DEPTH, brought, is_container, parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.flow.value_flow import Call, Store
    from amorsize._function.ownership import Owns

#: Methods of strings that read attributes of their arguments.
_FORMATTING = {"format", "format_map", "vformat"}
#: Functions that read or set an attribute, or call a method, by its name, or give what does.
_GETTERS = {"attrgetter", "methodcaller", "setattr", "delattr", "hasattr"}
#: Modules of the standard library that may read any attribute of their arguments.
_ASKING = {"string", "inspect", "pydoc"}
#: Packages whose templates call methods of what they render.
_TEMPLATES = {"jinja2", "mako", "django", "chameleon", "genshi", "tornado", "bottle", "liquid"}
#: The names of their rendering methods, where nothing else is known of them.
_RENDERING = (".render", ".generate", ".stream")
#: Methods that run of what is unpacked, and of what tells the time zone.
_ASKED_OF_ANY = {"keys", "utcoffset", "dst", "tzname", "fromutc"}
#: Methods of what is written to, and of what is read, as files are.
_WRITES, _READS = {"write", "writelines", "flush"}, {"read", "readline", "readinto", "seek"}
#: Names of functions that call such methods of what they are handed, and names of arguments.
_ASKED_BY = {
    **dict.fromkeys(
        ("writer", "DictWriter", "dump", "redirect_stdout", "redirect_stderr"), _WRITES
    ),
    **dict.fromkeys(("StreamHandler", "pprint", "pp", "write"), _WRITES),
    **dict.fromkeys((one.lstrip(".") for one in SAVING), _WRITES),
    **{"copyfileobj": _WRITES | _READS, "load": _READS, "closing": {"close"}},
}
_NAMES_OF_FILES = {"file", "stream", "fp", "fileobj", "buf", "stdout", "stderr"}
#: Builtins that return all variables of a function.
_ALL_NAMES = {"locals", "vars"}
_MATCH_CLASS = bytecode.op_number("MATCH_CLASS")
#: How deep objects inside one another are examined.
_MOST_HANDED = 200


def asked_names(
    read: Iterable[tuple[FunctionType, Bound]],
    classes: Iterable[type],
    items: Sequence[object],
    owns: Owns,
) -> set[str]:
    """Names of properties and methods that may run although the project's code does not name them.

    Nobody can read which ones a library asks for. So these are all properties of objects that it
    gets, and all methods where it renders templates.

    Args:
        read: The project's functions, with what is bound to them.
        classes: The project's classes that were met.
        items: The first items.
        owns: Whether a function or class is the project's.
    """
    held = [type(part) for item in items for part in (item, *brought(item).values())]
    ours = {one for one in (*classes, *held) if owns.class_(one)}
    if not ours:
        return set()
    found = set(_ASKED_OF_ANY)
    handed = _Handed(ours, held, owns)
    for func, bound in read:
        found |= _in_texts(func) | _asked_as_a_file(func)
        handed.look(func, bound)
        if _asks_for_any(func):
            handed.classes |= ours
    for cls in handed.classes:
        found |= _names_of(cls, owns, with_methods=False)
    for cls in handed.in_templates:
        found |= _names_of(cls, owns, with_methods=True)
    return found


def _in_texts(func: FunctionType) -> set[str]:
    """The names that the code spells out in strings."""
    names = bytecode.names(func.__code__).keys()
    found: set[str] = set()
    if not names.isdisjoint(_GETTERS):
        found.update(*(text.split(".") for text in bytecode.texts(func.__code__)))
    if not names.isdisjoint(_FORMATTING):
        for text in bytecode.texts(func.__code__):
            for field in text.split("{")[1:]:
                found.update(field.partition("}")[0].replace("[", ".").split(".")[1:])
    if "getattr" in names:
        found.update(one[2][-1].lstrip(".") for one in flow_of(func).looked_up)
    for _, _, value, _ in reads(func):
        found |= names_asked_by(value)
    found.update(_in_patterns(func.__code__))
    return {one.partition("!")[0].partition(":")[0] for one in found}


def _in_patterns(code: CodeType) -> Iterator[str]:
    """The attributes that patterns ask for, as `case Point(x=1)` does."""
    if _MATCH_CLASS in code.co_code[::2]:
        groups = [one for one in code.co_consts if type(one) is tuple]
        yield from (name for group in groups for name in group if type(name) is str)
    for inner in bytecode.nested(code):
        yield from _in_patterns(inner)


def _asked_as_a_file(func: FunctionType) -> set[str]:
    """The methods of files that functions call which the code names, or hands a `file=`."""
    found: set[str] = set()
    found.update(*(_ASKED_BY[one] for one in _ASKED_BY.keys() & bytecode.names(func.__code__)))
    if any(not _NAMES_OF_FILES.isdisjoint(named) for _, _, named in flow_of(func).calls):
        found |= _WRITES | _READS
    return found


def _asks_for_any(func: FunctionType) -> bool:
    """Whether the code asks for attributes whose names it does not spell, or hands `getattr` on."""
    if "getattr" not in bytecode.names(func.__code__):
        return False
    flow = flow_of(func)
    handed = (one for _, passed, _ in flow.calls for one in passed)
    return any(one[2][-1] == ANY for one in flow.looked_up) or (GLOBAL, "getattr", ()) in handed


def _names_of(cls: type, owns: Owns, *, with_methods: bool) -> set[str]:
    """The names of attributes that run code when they are read."""
    found = set()
    for base in cls.__mro__:
        for name, held in tuple(vars(base).items()) if owns.class_(base) else ():
            is_asked = has(type(held), "__get__") and type(held) is not FUNCTION
            if is_asked or (with_methods and type(held) is FUNCTION and name[:1] != "_"):
                found.add(name)
    return found


class _Handed:
    """The classes of the objects that libraries get.

    Attributes:
        classes: Those whose attributes a library may ask for.
        in_templates: Those whose methods it may call.
    """

    def __init__(self, ours: set[type], of_items: list[type], owns: Owns) -> None:
        self.classes: set[type] = set()
        self.in_templates: set[type] = set()
        self._ours, self._owns = ours, owns
        self._of_items = ours.intersection(of_items)

    def look(self, func: FunctionType, bound: Bound) -> None:
        """Note what a function's code hands to libraries."""
        for call in flow_of(func).calls:
            if not any(call[1]) or self.in_templates >= self._ours:
                continue
            if (calls_methods := self._asks(func, bound, call[0])) is not None:
                handed = self._handed(func, bound, call)
                (self.in_templates if calls_methods else self.classes).update(handed)

    def _asks(self, func: FunctionType, bound: Bound, callee: Store) -> bool | None:
        """Whether a callable may call methods of its arguments; None: it reads no attribute."""
        steps = callee[2]
        takers = callees_of(func, bound, callee)
        if not takers and CALLED in steps:
            takers = callees_of(func, bound, (*callee[:2], steps[: steps.index(CALLED)]))
        if not takers:
            if is_changing(steps):  # as `append` does, it most often only keeps it
                return None
            if not steps:
                return False if callee == UNKNOWN else None
            return steps[-1].startswith(_RENDERING)
        tops = {_top_of(one) for one in takers if not self._owns(_code_of(one))}
        tops = {one for one in tops if one not in sys.stdlib_module_names or one in _ASKING}
        return bool(tops & _TEMPLATES) if tops else None

    def _handed(self, func: FunctionType, bound: Bound, call: Call) -> set[type]:
        """The project's classes whose objects are arguments, or lie inside arguments."""
        flow, found = flow_of(func), set()
        for origin in (one for symbol in call[1] for one in all_inside(flow, symbol)):
            if origin[0] == RESULT:
                found |= self._made_by(func, bound, flow.by_call(origin))
                continue
            for end, _ in ends_of(root_of(func, bound, *origin[:2])[1], origin[2]):
                found |= self._of_items if end is MISSING else self._inside(end)
        return found

    def _made_by(self, func: FunctionType, bound: Bound, made: Store) -> set[type]:
        """Whether a value is the result of a call, so that nobody knows what is inside."""
        makers = callees_of(func, bound, (*made[:2], made[2][: made[2].index(CALLED)]))
        is_open = not makers or any(
            self._owns(_code_of(one)) or own(one, "__name__", "") in _ALL_NAMES for one in makers
        )
        return self._ours if is_open else set()

    def _inside(self, value: Any) -> set[type]:
        found: set[type] = set()
        seen: dict[int, Any] = {}
        ahead = [(value, 0)]
        while ahead and len(seen) < _MOST_HANDED:
            one, depth = ahead.pop()
            kind = one.cls if type(one) is Made else type(one)
            if id(one) in seen or is_module(one) or is_class(one):
                continue
            seen[id(one)] = one
            if kind in self._ours:
                found.add(kind)
            if depth < MAX_DEPTH and (kind in self._ours or _holds(one)):
                ahead += [(part, depth + 1) for _, part in parts(one)]
        return found


def _holds(value: Any) -> bool:
    return is_a(value, tuple) or is_container(value)


def _code_of(taker: Any) -> Any:
    return taker.__func__ if type(taker) is METHOD else taker


def _top_of(taker: Any) -> str:
    """The package of what is called."""
    code = _code_of(taker)
    module = code.__module__ if type(code) is FUNCTION or is_class(code) else None
    module = module or own(code, "__module__") or type(code).__module__
    return module.partition(".")[0].lstrip("_") if isinstance(module, str) else ""

"""Finds what items that run at the same time share through a class."""

from __future__ import annotations

import sys

from amorsize._function import bytecode
from amorsize._function.bound_arguments import Bound, methods_in, setters_in
from amorsize._function.callable_walk import MEMBER, held, opened
from amorsize._function.callables import FUNCTION, MISSING, has, member
from amorsize._function.flow.made_instances import Made
from amorsize._function.object_contents import is_container, is_simple, parts
from amorsize._function.sharing.calls import note_unreadable
from amorsize._function.sharing.changes import is_called_by_library, library_bases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FunctionType
    from typing import Any, Protocol

    from amorsize._function.ownership import Owns
    from amorsize._function.sharing.findings import Findings

    class Values(Protocol):
        """Judges what a class leads to."""

        findings: Findings
        owns: Owns

        def judge(self, value: Any, label: str) -> bool:
            """Judge a value."""

        def lead_to(self, func: FunctionType, bound: Bound = ..., method: str = "") -> None:
            """Examine this function too."""

        def judge_class(self, cls: type) -> None:
            """Judge a class, once."""

        def judge_members(self, owner: Any, names: Iterable[str]) -> None:
            """Judge the data that a class has under these names."""


#: The methods by which an object in a class runs code where that attribute is read or set.
_ACCESSING = ("__get__", "__set__", "__delete__")


class Classes:
    """Judges classes for `reach_values`."""

    def __init__(self, values: Values) -> None:
        self._values, self._owns = values, values.owns
        self._made: dict[type, Made] = {}

    def judge(self, cls: type) -> None:
        """Follow the methods of a class of the project, and judge the data that they name."""
        values = self._values
        names: dict[str, None] = {}
        if self._owns.class_(type(cls)):
            values.judge_class(type(cls))
        bases = library_bases(cls, self._owns)
        for base in cls.__mro__:
            if self._owns.class_(base):
                for way, name, value in held(base):
                    if way == MEMBER:
                        names |= self._open_method(name, value, cls, bases)
                        self._open_table(name, value, cls)
        values.judge_members(cls, names)
        if not self._owns.class_(cls):
            self._judge_library(cls)

    def _open_table(self, name: str, value: Any, cls: type) -> None:
        """Follow the project's functions in tables of a class, where a library may find them."""
        if is_container(value):
            for way, part in parts(value):
                if self._owns(part):
                    self._values.judge(part, f"class {cls.__name__}.{name}{way}")

    def _judge_library(self, cls: type) -> None:
        """Follow what making an instance of a library's class runs, if that can be read."""
        made = [opened(member(cls, name)) for name in ("__new__", "__init__")]
        for func in made:
            if type(func) is FUNCTION:
                self._values.lead_to(func)
        if cls.__module__.partition(".")[0] in sys.stdlib_module_names:
            return
        if not any(type(func) is FUNCTION for func in made) and not is_simple(cls):
            note_unreadable(self._values.findings, f"{cls.__module__}.{cls.__qualname__}")

    def _open_getter(self, name: str, found: Any, cls: type) -> None:
        """Follow what gives an attribute of the class, which is handed the class as well."""
        getter = opened(member(type(found), "__get__"))
        if type(getter) is FUNCTION and self._owns.function(getter):
            names = getter.__code__.co_varnames[: min(3, getter.__code__.co_argcount)]
            of = (found, self._made.setdefault(cls, Made(cls)), cls)
            if len(names) == len(of):
                self._values.lead_to(getter, Bound(dict(zip(names, of, strict=True)), cls, 3), name)

    def _open_method(self, name: str, found: Any, cls: type, bases: list[type]) -> dict[str, None]:
        """Follow a member of a class if it is a function; returns the names in its code."""
        kind = type(found)
        if self._owns.class_(kind) and any(has(kind, one) for one in _ACCESSING):
            self._values.judge(found, f"class {cls.__name__}.{name}")
            self._open_getter(name, found, cls)
        takes_class = type(found) is classmethod or name in ("__new__", "__init_subclass__")
        owner: Any = cls
        if not takes_class:
            is_free = type(found) is staticmethod
            owner = MISSING if is_free else self._made.setdefault(cls, Made(cls))
        is_called = is_called_by_library(bases, name)
        names: dict[str, None] = {}
        for func in (*methods_in(found), *setters_in(found)):
            if type(func) is FUNCTION and self._owns.function(func):
                self._values.lead_to(func, Bound.to(func, owner), "" if is_called else name)
                names |= bytecode.names(func.__code__)
        return names

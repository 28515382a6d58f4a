"""Finds what the code of a function leads to, for items that run at the same time."""

from __future__ import annotations

import os

from amorsize._function import bytecode, callables
from amorsize._function.bound_arguments import NOTHING
from amorsize._function.callable_walk import (
    ATTRIBUTE,
    BUILTIN,
    CLOSURE,
    DEFAULT,
    GLOBAL,
    IMPORT,
    WRAPPED,
    attribute,
    end_of,
    held,
    imported,
    reads,
    resolved,
)
from amorsize._function.callables import (
    FUNCTION,
    MISSING,
    cells,
    is_class,
    is_module,
    member,
    raw,
    type_name,
)
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import called_by, ends_of, given_numbers, root_of
from amorsize._function.flow.value_flow import ANY, ELEMENT
from amorsize._function.library.changes import CHANGING, NAMES_FOR_FILES, NAMES_FOR_PROGRAMS
from amorsize._function.object_contents import is_container
from amorsize._function.ownership import own_modules
from amorsize._function.sharing.calls import (
    OPENING_FUNCTIONS,
    TAKES_DESCRIPTORS,
    call_name,
    is_known_call,
    judge_builtin,
)
from amorsize._function.sharing.changes import shared_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.sharing.values import Values

#: The most functions of libraries that are read; most are in the table instead.
MAX_LIBRARY = 60
#: The most modules that are examined where code puts their names together, at 2 ms each.
MOST_FOUND = 5
#: Methods of a `threading.Event` that set what a later item of the loop may read.
_SWITCHING = frozenset(("set", "clear"))
#: Functions that replace something until it is set again.
_SETS = {"signal.signal", "signal.pthread_sigmask", "decimal.setcontext"}
#: Folders that list open files by the numbers of their descriptors.
_PATHS_BY_NUMBER = ("/proc/self/fd", "/dev/fd")
#: Caches of libraries that hold the same whoever fills them: which function handles a type.
_FILLED_ALIKE = {"functools.dispatch_cache"}
#: Builtins by which code finds any function of its module.
_FINDS_ANY = {"globals", "exec", "eval"}
#: The method of classes that gives those which extend it.
_SUBCLASSES = "__subclasses__"
#: Attributes by which a frame leads to everything that its code names.
_OF_FRAMES = {"f_globals", "f_locals"}
#: Builtins that can change what any name stands for.
_BACK_DOORS = {"globals", "setattr", "delattr", "exec", "eval"}


class Code:
    """Examines functions, each once.

    Attributes:
        read: The functions whose code was read.
        read_as: Those of the project, with the names that classes have for them.
        read_with: The same, with their bound arguments and the names of methods.

    Args:
        values: What judges the values that code leads to.
        root: The function that items are passed to.
    """

    def __init__(self, values: Values, root: FunctionType | None) -> None:
        self.read: list[FunctionType] = []
        self.read_as: dict[tuple[str, FunctionType], None] = {}
        self.read_with: list[tuple[FunctionType, Bound, str]] = []
        self._values, self._findings, self._owns = values, values.findings, values.owns
        self._changes = values.changes
        self._root = root
        self._met: set[FunctionType] = set()
        self._n_library = 0

    def examine(self, func: FunctionType, bound: Bound, method: str) -> None:
        """Examine a function, with what is known of its arguments."""
        is_own = self._owns.function(func)
        if is_own:
            self.read_as[method, func] = None
        if func not in self._met:  # else it was read, with something else bound to it
            self._met.add(func)
            self.read.append(func)
            self._examine_once(func, is_own)
        if is_own:
            self.read_with.append((func, bound, method))
            self._examine_numbers(func, bound)

    def _examine_once(self, func: FunctionType, is_own: bool) -> None:
        """Examine what does not depend on the arguments."""
        for way, name, value in held(func):
            if way == WRAPPED:
                self._values.judge(value, "wrapped")
            elif is_own and way == DEFAULT:
                self._values.judge(value, f"default {name}")
            elif is_own and way == ATTRIBUTE:
                self._values.judge(value, f"attribute {func.__name__}.{name}")
        if not is_own:
            self._examine_library(func)
            return
        self._findings.names |= bytecode.names(func.__code__)
        self._examine_loads(func)
        self._judge_found(func)
        self._examine_calls(func)
        self._examine_returns(func)

    def _examine_library(self, func: FunctionType) -> None:
        """Examine a library's function: its calls, and what it keeps in globals."""
        closure = [(name, value) for way, name, value in held(func) if way == CLOSURE]
        if any(self._owns(value) for _, value in closure):
            for name, value in closure:
                self._values.judge(value, f"closure {name}")
        if self._n_library >= MAX_LIBRARY:
            what = f"more than {MAX_LIBRARY} functions of libraries"
            self._findings.calls[what] = self._findings.unread[what] = None
            return
        self._n_library += 1
        if bytecode.may_store_to_globals(func.__code__):
            for space, name, steps in flow_of(func).stores:
                holder = func.__globals__.get(name, MISSING)
                if space == GLOBAL and (
                    not steps or (steps == (ELEMENT,) and is_container(holder))
                ):
                    self._see_library_state(func, name)
        for _, name, value, attributes in reads(func):
            value, taken = end_of(value, attributes, self._owns.module)
            if value is MISSING or is_module(value):
                continue
            rest = attributes[taken:]
            if rest and rest[0] in CHANGING and is_container(value):
                self._see_library_state(func, name)
            if callable(value):
                self._judge_library_call(value, rest)
            elif (label := f"{func.__module__}.{name}") not in _FILLED_ALIKE:
                self._values.look_at_part(value, type(value), label, 0, False)

    def _see_library_state(self, func: FunctionType, name: str) -> None:
        """Note globals of a library that one item may set and another read."""
        what = f"{func.__module__}.{name}, which {func.__name__}() changes"
        self._findings.doubt(what)

    def _judge_library_call(self, value: Any, attributes: tuple[str, ...]) -> None:
        """Judge the calls of a library's function: by the table, by reading, or as unknown."""
        findings = self._findings
        if is_known_call(findings, attribute(value, attributes)) or is_known_call(findings, value):
            return
        value = raw(value)
        if type(value) is FUNCTION:
            self._values.lead_to(value)
        elif is_class(value):
            self._values.judge_class(value)
        elif issubclass(type(value), callables.BUILTINS):
            judge_builtin(findings, value)

    def _examine_loads(self, func: FunctionType) -> None:
        for space, name, value, attributes in reads(func):
            if space == IMPORT:
                self._import(func, name, attributes)
            elif value is print and type(value) is callables.BUILTIN:  # else the program's own
                self._findings.calls["print, whose lines would come in another order"] = None
            elif value is getattr and type(value) is callables.BUILTIN:
                self._findings.unread["what getattr() finds"] = None
                self._judge_looked_up(func)
            elif space == BUILTIN and name in _BACK_DOORS:
                what = f"what {name}() changes (builtin)"
                self._findings.doubt(what)
                self._findings.keep("mutables", func.__globals__, "the module's globals")
                if name in _FINDS_ANY:
                    self._judge_all_of(func.__globals__)
                    self._judge_texts(func)
            elif value is not MISSING:
                where = GLOBAL if space == BUILTIN else space
                self._follow(value, f"{where} {name}", attributes, func.__code__)

    def _judge_texts(self, func: FunctionType) -> None:
        from amorsize._function.sharing.run_texts import changed_by_texts

        self._findings.changed |= dict.fromkeys(changed_by_texts(func))

    def _judge_found(self, func: FunctionType) -> None:
        """Follow what code finds through the name of a module, or through a frame."""
        if _SUBCLASSES in func.__code__.co_names:
            self._judge_subclasses()
        if _OF_FRAMES.intersection(func.__code__.co_names):
            self._findings.doubt("what is found by a frame")
            self._findings.keep("mutables", func.__globals__, "the module's globals")
        for name in flow_of(func).imports:
            from amorsize._function.sharing.imports_inside import see_import_by_call

            see_import_by_call(self._findings, self._owns, func, name)
            for one in [imported(func, name)] if name else own_modules(MOST_FOUND):
                if is_module(one):
                    self._values.judge_all_of(one)

    def _judge_subclasses(self) -> None:
        """Follow the classes that code finds by one that they extend."""
        met = [one for one in self._values.walk.met if is_class(one)]
        ahead = [one for one in met if self._owns.class_(one)]
        while ahead:
            below: list[type] = type.__subclasses__(ahead.pop())
            ours = [one for one in below if self._owns.class_(one)]
            for one in ours:
                self._values.judge_class(one)
            ahead += ours

    def _judge_all_of(self, scope: dict[str, Any]) -> None:
        """Follow the project's functions and classes in a module: code finds one by a string."""
        for name, value in tuple(scope.items()):
            if self._owns(value):
                self._values.judge(value, f"global {name}")

    def _judge_looked_up(self, func: FunctionType) -> None:
        """Judge what `getattr` finds in modules."""
        for space, name, steps in flow_of(func).looked_up:
            ends = ends_of(root_of(func, NOTHING, space, name)[1], steps[:-1])
            for module in [one for one, _ in ends if is_module(one)][:MOST_FOUND]:
                if self._owns.module(module.__name__):
                    name = steps[-1][1:]
                    is_known = steps[-1] != ANY
                    self._judge_all_of({name: member(module, name)} if is_known else vars(module))

    def _import(self, func: FunctionType, name: str, taken: tuple[str, ...]) -> None:
        from amorsize._function.sharing.imports_inside import see_import

        see_import(self._findings, self._owns, func, name, taken)
        if (module := imported(func, name)) is not MISSING:
            self._values.judge_module(module, bytecode.names(func.__code__))

    def _follow(self, value: Any, label: str, attributes: tuple[str, ...], code: CodeType) -> None:
        """Follow the attributes that the code takes from a name, and judge the last value."""
        value, taken = end_of(value, attributes, self._owns.module)
        label = ".".join((label, *attributes[:taken]))
        if value is MISSING:
            return
        if is_module(value):
            self._values.judge_module(value, bytecode.names(code))
            if taken == len(attributes):  # it is handed on, or kept by another name
                self._values.judge_all_of(value)
            return
        rest = attributes[taken:]
        if rest and is_class(value) and is_known_call(self._findings, attribute(value, rest)):
            return
        safe = self._values.judge(value, label)
        if is_class(value):
            self._values.judge_members(value, bytecode.names(code))
        changes = CHANGING if not safe and is_container(value) else frozenset()
        if type_name(value) == "threading.Event":  # later items may ask for it, in the loop's order
            changes = _SWITCHING
        if rest and rest[0] in changes:
            self._findings.stores["", f"{label}.{rest[0]}()"] = None

    def _examine_returns(self, func: FunctionType) -> None:
        """Note a file or connection as a result: no worker process can send one."""
        from amorsize._function.library.effects import holding_of

        closure = cells(func)
        for (space, name, steps), is_whole in flow_of(func).returned_calls.items():
            if not is_whole:  # an attribute of it
                continue
            value = resolved(func, closure, space, name)
            value, taken = end_of(value, tuple(step[1:] for step in steps), self._owns.module)
            if taken < len(steps) or value is MISSING:
                continue
            holding = holding_of(value) if is_class(value) else None
            if call_name(value) in OPENING_FUNCTIONS or (
                holding is not None and holding.what == "handle"
            ):
                what = f"what {call_name(value)} opens and the function returns"
                self._findings.copies[what] = None

    def judge_changes(self) -> None:
        """Judge the changes that all functions make, once all functions are known."""
        self._changes.reader.learn_ways([one[:2] for one in self.read_with])
        for func, bound, method in self.read_with:
            for change in self._changes.reader.changes(func, bound):
                self._changes.see(change, method)
        for label in shared_attributes(self.read_with):
            self._findings.changed[label] = None
        self._judge_files()
        if self._findings.reseeds is not None:
            from amorsize._function.sharing.seeded_first import judge_seeds

            judge_seeds(self._findings, self.read_with, self._root, self._owns)

    def _judge_files(self) -> None:
        """Note files with one name for all items, and programs that print."""
        if (NAMES_FOR_FILES | NAMES_FOR_PROGRAMS).isdisjoint(self._findings.names):
            return
        from amorsize._function.sharing.files_of_all import judge_files, judge_programs

        changes = self._changes.reader.changes
        judge_files(self._findings, self.read_with, self._owns, changes, self._root)
        if not NAMES_FOR_PROGRAMS.isdisjoint(self._findings.names):
            judge_programs(self._findings, self.read_with)

    def _examine_calls(self, func: FunctionType) -> None:
        from amorsize._function.library.effects import effect_of

        if "type" in func.__code__.co_names:  # `type(self).n += 1` is a store to the class
            self._changes.of_types |= bytecode.stored_attributes(func.__code__)
        if bytecode.checks_before_making(func.__code__):
            what = "mkdir for a folder that it looked for, which another may make in between"
            self._findings.calls[what] = None
            self._findings.bound[f"{what} (exist_ok=True would be safe)"] = None
        named = (end_of(value, way, self._owns.module)[0] for _, _, value, way in reads(func))
        for called in (*called_by(func), *named):
            effect = effect_of(called) if callable(called) else None
            is_of_process = effect is not None and (
                effect.what in ("process", "caller") or effect.name in _SETS
            )
            if is_of_process or called is os.kill:
                from amorsize._function.sharing.process_changes import note_change

                note_change(self._findings, func, called, effect)

    def _examine_numbers(self, func: FunctionType, bound: Bound) -> None:
        """Note descriptors that the caller has opened, by number or by a path with the number."""
        for called in given_numbers(func, bound):
            name = call_name(called).replace("posix.", "os.") if callable(called) else ""
            if name in TAKES_DESCRIPTORS:
                self._findings.at_numbers[name] = None
        for text in func.__code__.co_consts:
            if type(text) is str and text.startswith(_PATHS_BY_NUMBER):
                self._findings.at_numbers[text] = None

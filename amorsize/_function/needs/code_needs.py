"""Finds what the code of a function needs in a worker."""

from __future__ import annotations

import builtins
import sys

from amorsize._function import bytecode, callable_walk, callables, references
from amorsize._function.callables import MISSING, is_class, is_module
from amorsize._function.library.reads import code_of, is_followed, leads_on, named_by
from amorsize._function.needs import codec_registry, hash_order
from amorsize._function.needs.code_digest import brief_name_of, digest_of, name_of
from amorsize._function.needs.shape import is_scalar
from amorsize._function.needs.worker_needs import CONTAINERS, MANY, is_importable
from amorsize._function.ownership import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.callable_walk import Read
    from amorsize._function.needs.worker_needs import Needs

_WAYS_OF_LIBRARY = {callable_walk.WRAPPED, callable_walk.CLOSURE}
#: Attributes that the project sets on a function are noted if the function can be imported.
_WAYS = _WAYS_OF_LIBRARY | {callable_walk.DEFAULT}
_BUILTIN_HOMES = {"builtins", "io", "_io"}
#: Ray puts its own `print` in place of the builtin, which it calls, between two bars of progress.
_PRINTS_OF_RAY = "ray.experimental.tqdm_ray"
_CONSTANTS = {"Ellipsis", "NotImplemented", "None", "True", "False"}
#: Names by which code can reach everything in its module.
_BACK_DOORS = {"globals", "eval", "exec", "modules", "__dict__", "vars"}
_ASKING = {"getattr", "hasattr", "vars", "__dict__", "attrgetter"}


class CodeNeeds:
    """Reads functions to find what a worker must have.

    Attributes:
        called: The functions of libraries that the code calls, by id.
        calling: The project's code that does so.
        asks_families: Whether some code asks a class for its subclasses.
        handed: The modules that values hold: a list, an object, a default.
        taken: What has been noted of these, by module and name.
        names: All that the code names.
    """

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self.called: dict[int, Any] = {}
        self.calling: list[CodeType] = []
        self.asks_families = False
        self.handed: list[Any] = []
        self.taken: set[tuple[str, str]] = set()
        self.names: set[str] = set()
        self._hashes_alike = hash_order.is_fixed()

    def read(self, func: FunctionType) -> None:
        """Note everything that the function leads to."""
        is_own = self._needs.owns.function(func)
        ways = _WAYS if is_own else _WAYS_OF_LIBRARY
        held = [value for way, _, value in callable_walk.held(func) if way in ways]
        self._needs.size.texts(held)
        self._needs.lead_to(held)
        names = bytecode.names(func.__code__)
        self.names.update(names)
        self.asks_families = self.asks_families or "__subclasses__" in names
        if not is_own:
            return
        self._judge(func)
        for value in held:
            self._needs.note_version(value)
        home = _home(func)
        if home is not None:
            self._needs.modules.add(home)
            found = references.reference(func)
            if found is not None:
                self._needs.digests[":".join(found)] = digest_of(func)
                self._needs.keep_all_of(func, ":".join(found))
        reads = list(callable_walk.reads(func))
        for space, name, value, attributes in reads:
            if space == callable_walk.BUILTIN:
                self._builtin(name)
                if value is MISSING and home is not None:
                    self._needs.gone.add((home, name))
            elif value is builtins:
                self._builtins(func.__code__, attributes)
            elif space == callable_walk.GLOBAL:
                self._global(home, name, value, attributes)
                if _is_renamed(func, name, value):
                    self._needs.reasons.append(f"{name} was changed, which an import sets anew")
            elif space == callable_walk.IMPORT:
                self._import(name, func)
        if home is not None and not _BACK_DOORS.isdisjoint(names):
            self._all_plain(home)
        if not _ASKING.isdisjoint(names):
            self._by_text(func.__code__, reads)
        self._state_of_libraries(func, reads)

    def take_from_handed(self) -> None:
        """Note what some code may take from the modules that values hold."""
        for module in self.handed:
            new = [name for name in self.names if (module.__name__, name) not in self.taken]
            self.taken.update((module.__name__, name) for name in new)
            self._members_of(module, module.__name__, new)

    def _by_text(self, code: CodeType, reads: Iterable[Read]) -> None:
        """Note what the code may take from a module by a text: `getattr(settings, "RATE")`."""
        texts = [one for one in code.co_consts if type(one) is str]
        self.names.update(texts)
        for _, _, value, attributes in reads:
            for _, _, found in callable_walk.through_modules(value, attributes):
                value = found
            if not is_module(value):
                continue
            home = value.__name__
            if self._needs.owns.module(home):
                self._all_plain(home)
                self._makes_up(value)
                continue
            for text in texts:
                self._library(home, text, callables.member(value, text))
            if is_followed(home):
                self._needs.state.note((home, text) for text in texts if not text.startswith("__"))

    def _state_of_libraries(self, func: FunctionType, reads: Iterable[Read]) -> None:
        """Note what a function of the project takes from libraries: state, and code to follow."""
        self.calling.append(func.__code__)
        places = []
        for home, name, value in named_by(func, reads):
            if value is MISSING or is_module(value):
                continue
            is_librarys = not self._needs.owns.module(home) and is_followed(home)
            if is_librarys and not name.startswith("__"):
                places.append((home, name))
            if leads_on(value) and not self._needs.owns(code_of(callable_walk.layers(value)[-1])):
                self.called[id(value)] = value
        self._needs.state.note(places)

    def _judge(self, func: FunctionType) -> None:
        if not self._hashes_alike and (what := hash_order.why(func)) is not None:
            self._needs.reasons.append(
                f"{func.__qualname__} {what}, and text has another hash in each interpreter "
                "(PYTHONHASHSEED=0 in the environment fixes it)"
            )
        if (what := codec_registry.registered(func)) is not None:
            self._needs.reasons.append(
                f"{func.__qualname__} uses {what}, registered in this process"
            )
        self._needs.state.add_entries("encodings.aliases:aliases", codec_registry.aliases(func))

    def _all_plain(self, home: str) -> None:
        """The code may name anything in its module, so everything that is surely data is sent."""
        module: Any = sys.modules.get(home)  # None: it stands under another name
        for name, value in () if module is None else tuple(vars(module).items()):
            if not name.startswith("__") and _is_plain(value, depth=2):
                self._needs.note(home, name, value)

    def _builtins(self, code: CodeType, attributes: tuple[str, ...]) -> None:
        """The names that the code takes from the module of builtins, spelled out or in a string."""
        for name in (*attributes[:1], *code.co_consts):
            if type(name) is str:
                self._builtin(name)

    def _builtin(self, name: str) -> None:
        """Note a builtin that the program has added or replaced."""
        value = vars(builtins).get(name, MISSING)
        kind = type(value)
        if value is MISSING or name.startswith("__") or kind.__module__ == "_sitebuiltins":
            return
        home = getattr(value, "__module__", None)
        if home == _PRINTS_OF_RAY:
            return
        is_itself = callables.own(value, "__name__") == name
        if (home in _BUILTIN_HOMES and is_itself) and (
            kind is type(len) or (is_class(value) and not callables.is_made_at_run_time(value))
        ):
            return
        if (called := name_of(value)) is not None:
            self._needs.library[f"builtins:{name}"] = called
        elif name not in _CONSTANTS:
            self._needs.settings[f"builtins:{name}"] = value

    def _global(self, home: str | None, name: str, value: Any, attributes: tuple[str, ...]) -> None:
        """Follow the attributes that the code takes from a global."""
        for module, attribute, found in callable_walk.through_modules(value, attributes):
            if home is not None and self._needs.owns.module(home):
                self._needs.names[f"{home}:{name}"] = brief_name_of(module)
            home, name, value = module.__name__, attribute, found
            if value is MISSING:
                self._makes_up(module)
            if not self._needs.owns.module(home):
                self._needs.note_version(module)
                self._library(home, name, value)
                if not is_module(value):
                    return
        self._needs.note(home, name, value)

    def _library(self, home: str, name: str, value: Any) -> None:
        """Note what the code takes from a library's module that the program may have changed."""
        if value is MISSING or name.startswith("__") or is_module(value):
            return
        if is_class(value):
            self._needs.note_registered(value)
        if (called := name_of(value)) is not None:
            self._needs.library[f"{home}:{name}"] = called
        elif is_scalar(value) and is_importable(home) and not is_followed(home):
            self._needs.settings[f"{home}:{name}"] = value

    def _import(self, name: str, func: FunctionType) -> None:
        """Note what the function takes from a module that it imports itself."""
        if name in MAIN:
            self._needs.reasons.append(
                f"{func.__qualname__} imports {name}, which is another module in a worker"
            )
            return
        name = callable_walk.full_name(func, name)
        module = sys.modules.get(name, MISSING)
        if self._is_only_here(module):
            self._needs.reasons.append(
                f"{func.__qualname__} imports {name}, which the program blocks or makes up"
            )
        elif module is not MISSING:
            self._judge_alias(name, module)
            if is_module(module):
                self._needs.note_version(module)
                self._members_of(module, name, bytecode.names(func.__code__))

    def _is_only_here(self, module: Any) -> bool:
        """Whether an import is kept from finding a module, or the program's own loader made it."""
        loader = type(getattr(getattr(module, "__spec__", None), "loader", None))
        home = loader.__module__
        return module is None or home in MAIN or self._needs.owns.module(home)

    def _makes_up(self, module: Any) -> None:
        """Note what gives attributes that a module of the project lacks: its function or class."""
        home = module.__name__
        if not self._needs.owns.module(home):
            return
        found: list[tuple[str, Any]] = []
        if (hook := vars(module).get("__getattr__")) is not None:
            self._needs.lead_to((hook,))
            found.append(("__getattr__", hook))
        if type(module) is not callables.MODULE:
            found.append(("__class__", type(module)))
        for name, value in found:
            if is_importable(home) and (called := name_of(value)) is not None:
                self._needs.library[f"{home}:{name}"] = called

    def _members_of(self, module: Any, name: str, names: Iterable[str]) -> None:
        self._makes_up(module)
        for owner, attribute, value in callable_walk.members_named(module, names):
            home = name if owner is module else owner.__name__
            if self._needs.owns.module(home):
                self._needs.note(home, attribute, value)
            else:
                self._library(home, attribute, value)

    def _judge_alias(self, name: str, module: Any) -> None:
        """Whether the module under a name is another one than a worker would import."""
        other = callables.own(module, "__name__")
        tops = {one.partition(".")[0] for one in (name, other) if isinstance(one, str)}
        if len(tops) == 2 and not tops <= sys.stdlib_module_names:
            self._needs.reasons.append(
                f"{name} is the module {other} in this process, by sys.modules"
            )


def _home(func: FunctionType) -> str | None:
    """The module whose globals a function reads, if another process can import it."""
    name = func.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if name in MAIN or module is None or vars(module) is not func.__globals__:
        return None
    return name if getattr(module, "__spec__", None) is not None else None


def _is_renamed(func: FunctionType, name: str, value: Any) -> bool:
    """Whether a module has another name, package or file than it was imported with."""
    spec, main = func.__globals__.get("__spec__"), sys.modules.get("__main__")
    if spec is None or getattr(main, "__dict__", None) is func.__globals__:
        return False
    told = {"__name__": "name", "__package__": "parent", "__file__": "origin"}.get(name)
    return told is not None and getattr(spec, told, None) not in (None, value)


def _is_plain(value: Any, depth: int) -> bool:
    """Is it a scalar, or a container of such?"""
    if is_scalar(value) or type(value) is bytearray:
        return True
    if not depth or type(value) not in CONTAINERS or len(value) > MANY:
        return False
    inside = [*value, *value.values()] if type(value) is dict else value
    return all(_is_plain(one, depth - 1) for one in inside)

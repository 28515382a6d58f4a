"""Tells what the first import of a module of the project would do to the rest of the program.

The module is not loaded, so its source is read. Definitions, constants and further imports do
nothing. All else counts as an effect: a worker that runs it would keep it for itself.
"""

from __future__ import annotations

import builtins
import sys
from importlib import import_module

from amorsize._function.callables import is_module
from amorsize._function.ownership import is_own_file, is_own_module
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Iterator
    from typing import Any

    from amorsize._function.ownership import Owns

#: The most modules that are read for one import.
MOST_READ = 50
#: Builtins that do more than compute with what they are handed.
_DOING = frozenset(
    {"print", "open", "input", "exec", "eval", "compile", "setattr", "delattr", "breakpoint"}
    | {"globals", "vars", "exit", "quit", "__import__", "__build_class__", "next", "iter"}
)
#: Modules with functions and classes that do nothing to others when a module is made.
_HARMLESS = frozenset(
    {"typing", "typing_extensions", "dataclasses", "functools", "collections", "enum", "abc"}
    | {"re", "math", "cmath", "itertools", "operator", "string", "datetime", "decimal", "time"}
    | {"fractions", "pathlib", "contextlib", "types", "json", "statistics", "struct", "uuid"}
    | {"__future__"}
)
#: Modules of the standard library whose import does something.
_DOING_AT_ONCE = frozenset({"this", "antigravity"})
#: Names in the folder of a package that are no modules.
_NO_MODULES = frozenset({"__init__", "__pycache__"})
#: Functions of libraries that do nothing to others either.
_HARMLESS_CALLS = frozenset({"logging.getLogger", "os.path.join", "os.path.dirname", "os.getenv"})


def effect_of_import(name: str, owns: Owns | None = None) -> str | None:
    """What the first import of a module would do, in words; None: nothing that lasts."""
    return _first_effect(_Reader(owns), name)


def _first_effect(reader: _Reader, name: str) -> str | None:
    try:
        return reader.first_effect(name)
    except Exception as error:  # a source that cannot be read, or is none
        reraise_from_handler(error)
        return f"{name}, which cannot be read"


def load_ahead(name: str, owns: Owns | None = None) -> str | None:
    """Load a module that items would be the first to import, so that what it does can be read.

    Only one of the standard library, or one of the project that is shown to do nothing else and
    loads no other library, which may take long.

    Returns:
        What keeps one of the project from it, in words.
    """
    reader = _Reader(owns)
    if (effect := _first_effect(reader, name)) is not None:
        return effect
    if reader.others:
        return f"{name}, which imports {reader.others[0]}" if reader.n_read else None
    try:
        import_module(name)
    except Exception as error:  # as it would be for the item
        reraise_from_handler(error)
        return f"{name}, which cannot be imported" if reader.n_read else None
    return None


def unloaded_in(texts: Iterable[str]) -> list[str]:
    """The modules not loaded yet of the packages that some texts name."""
    found = []
    for text in texts:
        package = sys.modules.get(text.strip("."))
        path = vars(package).get("__path__") if is_module(package) else None
        if path is not None and is_own_module(text.strip(".")):
            found += [f"{text.strip('.')}.{one}" for one in _names_in(path)]
    return [one for one in found if one not in sys.modules]


def _names_in(path: Any) -> Iterator[str]:
    import os

    for folder in path:
        for entry in os.listdir(folder):
            name, _, ending = entry.partition(".")
            if ending in ("", "py") and name.isidentifier() and name not in _NO_MODULES:
                yield name


class _Reader:
    """Reads modules that are not loaded, with those that they import.

    Attributes:
        others: The modules of other libraries among these, which are not read.
    """

    def __init__(self, owns: Owns | None) -> None:
        self._owns = owns
        self.others: list[str] = []
        self._read: set[str] = set()

    @property
    def n_read(self) -> int:
        """How many modules of the project were read."""
        return len(self._read)

    def first_effect(self, name: str) -> str | None:
        """What the import of a module would do, in words; None: nothing, or it is no project's."""
        path: Any = None
        above = ""
        for part in name.split("."):
            above = f"{above}.{part}".lstrip(".")
            module = sys.modules.get(above)
            if module is not None:
                path = vars(module).get("__path__", ()) if is_module(module) else ()
                continue
            spec = _spec_of(above, path)
            if spec is None or not self._is_own(above, spec.origin):
                if not _loads_at_once(above):
                    self.others.append(above)
                return None
            path = spec.submodule_search_locations or ()
            if (what := self._effect_of(above, spec)) is not None:
                return what
        return None

    def _is_own(self, name: str, file: object) -> bool:
        if not isinstance(file, str):
            return False
        return is_own_file(file) or (self._owns is not None and self._owns.is_of_package(name))

    def _effect_of(self, name: str, spec: Any) -> str | None:
        if name in self._read:
            return None
        if len(self._read) >= MOST_READ:
            return f"{name}, which imports very many modules"
        self._read.add(name)
        if not hasattr(spec.loader, "get_source"):
            return f"{name}, which cannot be read"
        import ast

        tree = ast.parse(spec.loader.get_source(name))
        is_package = spec.submodule_search_locations is not None
        package = name if is_package else name.rpartition(".")[0]
        body = _Body(package)
        line = body.first_effect(tree.body)
        if line is not None:
            return f"{name}, whose line {line} may do something that lasts"
        return next(filter(None, map(self.first_effect, body.imported)), None)


def _loads_at_once(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names and top not in _DOING_AT_ONCE


def _spec_of(name: str, path: Any) -> Any:
    from importlib.machinery import PathFinder

    return PathFinder.find_spec(name, path)


class _Body:
    """Reads the statements of a module that run when it is imported.

    Attributes:
        imported: The modules that it imports.
    """

    def __init__(self, package: str) -> None:
        self.imported: list[str] = []
        self._package = package
        self._from: dict[str, str] = {}  # by the names that it gives them
        self._own: set[str] = set()  # the names of plain values that it makes
        self._classes: set[str] = set()

    def first_effect(self, body: list[Any]) -> int | None:
        """The line of the first statement that does something; None: there is none."""
        for one in body:
            line = getattr(self, f"_{type(one).__name__}", self._other)(one)
            if line is not None:
                return int(line)
        return None

    def _other(self, one: ast.stmt) -> int:
        return one.lineno

    def _Pass(self, _: ast.Pass) -> None:  # noqa: N802 - named for what `ast` gives
        return None

    def _Import(self, one: ast.Import) -> None:  # noqa: N802
        for name in one.names:
            self.imported.append(name.name)
            bound = name.asname or name.name.partition(".")[0]
            self._from[bound] = name.name if name.asname else bound

    def _ImportFrom(self, one: ast.ImportFrom) -> None:  # noqa: N802
        above = self._package.split(".")[: 1 - one.level or None] if one.level else []
        home = ".".join((*above, *filter(None, (one.module,))))
        self.imported.append(home)
        for name in one.names:
            self.imported.append(f"{home}.{name.name}")
            self._from[name.asname or name.name] = f"{home}.{name.name}"

    def _FunctionDef(self, one: Any) -> int | None:  # noqa: N802
        ahead = (*one.decorator_list, *one.args.defaults, *filter(None, one.args.kw_defaults))
        return self._first(*ahead, called=one.decorator_list)

    _AsyncFunctionDef = _FunctionDef

    def _ClassDef(self, one: ast.ClassDef) -> int | None:  # noqa: N802
        """A base, a metaclass or a decorator that is not the module's own may note the class."""
        if one.keywords or not all(map(self._is_harmless_base, one.bases)):
            return one.lineno
        line = self._first(*one.decorator_list, called=one.decorator_list)
        line = self.first_effect(one.body) if line is None else line
        if not any(getattr(part, "name", "") == "__init_subclass__" for part in one.body):
            self._classes.add(one.name)
        return line

    def _Assign(self, one: Any) -> int | None:  # noqa: N802
        targets = one.targets if hasattr(one, "targets") else [one.target]
        if not all(map(self._is_own_target, targets)):
            return int(one.lineno)
        return self._first(*filter(None, (one.value,)))

    _AnnAssign = _AugAssign = _Assign

    def _Expr(self, one: ast.Expr) -> int | None:  # noqa: N802
        return self._first(one.value)

    def _Assert(self, one: ast.Assert) -> int | None:  # noqa: N802
        return self._first(one.test)

    def _If(self, one: ast.If) -> int | None:  # noqa: N802
        import ast

        if "__main__" in ast.unparse(one.test):
            return self.first_effect(one.orelse)
        return self._several(self._first(one.test), one.body, one.orelse)

    def _For(self, one: ast.For) -> int | None:  # noqa: N802
        line = None if self._is_own_target(one.target) else one.lineno
        return self._several(self._first(one.iter) if line is None else line, one.body, one.orelse)

    def _Try(self, one: ast.Try) -> int | None:  # noqa: N802
        handlers = [part.body for part in one.handlers]
        return self._several(None, one.body, *handlers, one.orelse, one.finalbody)

    def _several(self, line: int | None, *bodies: list[ast.stmt]) -> int | None:
        for body in bodies:
            line = self.first_effect(body) if line is None else line
        return line

    def _is_own_target(self, target: Any) -> bool:
        """Whether a name of the module is assigned, or something in a value that it has made."""
        import ast

        if isinstance(target, ast.Name):
            self._own.add(target.id)
            return True
        if isinstance(target, ast.Tuple | ast.List):
            return all(map(self._is_own_target, target.elts))
        return isinstance(target, ast.Subscript) and self._is_own_value(target.value)

    def _is_own_value(self, value: Any) -> bool:
        import ast

        if isinstance(value, ast.Name):
            return value.id in self._own
        return isinstance(value, ast.Constant | ast.JoinedStr | ast.List | ast.Dict | ast.Set)

    def _first(self, *values: Any, called: Any = ()) -> int | None:
        """The line of the first call among some expressions that may do something."""
        import ast

        for value in values:
            if value in called and not isinstance(value, ast.Call):
                if not self._is_harmless_callee(value):
                    return int(value.lineno)
                continue
            for part in _outside_functions(value):
                if isinstance(part, ast.Call) and not self._is_harmless_callee(part.func):
                    return part.lineno
                if isinstance(part, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
                    return part.lineno
        return None

    def _is_harmless_base(self, base: Any) -> bool:
        import ast

        is_own = isinstance(base, ast.Name) and base.id in self._classes
        return is_own or self._is_harmless_callee(base)

    def _is_harmless_callee(self, callee: Any) -> bool:
        import ast

        if isinstance(callee, ast.Subscript):  # Generic[T]
            callee = callee.value
        if isinstance(callee, ast.Attribute) and (
            self._is_own_value(callee.value)
            or (isinstance(callee.value, ast.Call) and self._is_harmless_callee(callee.value.func))
        ):
            return True
        name = ast.unparse(callee)
        first, dot, rest = name.partition(".")
        if first not in self._from:
            return not dot and hasattr(builtins, name) and name not in _DOING
        full = f"{self._from[first]}{dot}{rest}"
        return full in _HARMLESS_CALLS or full.partition(".")[0] in _HARMLESS


def _outside_functions(value: Any) -> Iterator[Any]:
    """The parts of an expression that run at once."""
    import ast

    ahead = [value]
    while ahead:
        one = ahead.pop()
        yield one
        if not isinstance(one, ast.Lambda):
            ahead += ast.iter_child_nodes(one)

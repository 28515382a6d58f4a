"""Reads what the statements of a module do to others when it is imported, without running them."""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator
    from typing import Any

#: Builtins that do more than compute with what they are handed.
_DOING = frozenset(
    {"print", "open", "input", "exec", "eval", "compile", "setattr", "delattr", "breakpoint"}
    | {"globals", "vars", "exit", "quit", "__import__", "__build_class__", "next", "iter"}
)
#: Builtins that call what they are handed first, and what many calls take such a function as.
_CALLING, _CALLED_AS = frozenset({"map", "filter"}), "key"
#: Functions and methods of harmless modules that wait, note, write or call all the same.
_DOING_CALLS = frozenset(
    {"sleep", "tzset", "setcontext", "purge", "reduce", "dump", "register", "mkdir", "touch"}
    | {"write_text", "write_bytes", "unlink", "rmdir", "rename", "chmod", "symlink_to", "open"}
    | {"hardlink_to", "enter_context", "push", "callback", "clear_flags", "clear_traps"}
    | {"setLevel", "addHandler", "addFilter", "debug", "info", "warning", "error", "exception"}
    | {"critical"}
)
#: The longest `range` that a module may go through in a moment.
_LONGEST = 10_000
#: Modules with functions and classes that do nothing to others when a module is made.
_HARMLESS = frozenset(
    {"typing", "typing_extensions", "dataclasses", "functools", "collections", "enum", "abc"}
    | {"re", "math", "cmath", "itertools", "operator", "string", "datetime", "decimal", "time"}
    | {"fractions", "pathlib", "contextlib", "types", "json", "statistics", "struct", "uuid"}
    | {"__future__"}
)
#: Functions of libraries that do nothing to others either.
_HARMLESS_CALLS = frozenset({"logging.getLogger", "os.path.join", "os.path.dirname", "os.getenv"})


class Body:
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
        others = [base for base in one.bases if getattr(base, "id", "") not in self._classes]
        if one.keywords or not all(map(self._is_harmless_callee, others)):
            return one.lineno
        line = self._first(*one.decorator_list, called=one.decorator_list)
        line = self.first_effect(one.body) if line is None else line
        if not any(getattr(part, "name", "") == "__init_subclass__" for part in one.body):
            self._classes.add(one.name)
        return line

    def _Assign(self, one: Any) -> int | None:  # noqa: N802
        targets = one.targets if hasattr(one, "targets") else [one.target]
        is_made = one.value is not None and _is_made(one.value, self._own)
        if not all(self._is_own_target(target, is_made) for target in targets):
            return int(one.lineno)
        return self._first(*filter(None, (one.value,)))

    _AnnAssign = _Assign

    def _AugAssign(self, one: ast.AugAssign) -> int | None:  # noqa: N802
        import ast

        target = one.target.value if isinstance(one.target, ast.Subscript) else one.target
        return self._first(one.value) if _is_own_value(target, self._own) else one.lineno

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
        line = None if self._is_own_target(one.target, is_made=False) else one.lineno
        return self._several(self._first(one.iter) if line is None else line, one.body, one.orelse)

    def _Try(self, one: ast.Try) -> int | None:  # noqa: N802
        handlers = [part.body for part in one.handlers]
        return self._several(None, one.body, *handlers, one.orelse, one.finalbody)

    def _several(self, line: int | None, *bodies: list[ast.stmt]) -> int | None:
        for body in bodies:
            line = self.first_effect(body) if line is None else line
        return line

    def _is_own_target(self, target: Any, is_made: bool) -> bool:
        """Whether a name of the module is assigned, or something in a value that it has made."""
        import ast

        if isinstance(target, ast.Name):
            (self._own.add if is_made else self._own.discard)(target.id)
            return True
        if isinstance(target, ast.Tuple | ast.List):
            return all(self._is_own_target(one, is_made=False) for one in target.elts)
        return isinstance(target, ast.Subscript) and _is_own_value(target.value, self._own)

    def _first(self, *values: Any, called: Any = ()) -> int | None:
        """The line of the first call among some expressions that may do something."""
        import ast

        for value in values:
            if value in called and not isinstance(value, ast.Call):
                if not self._is_harmless_callee(value):
                    return int(value.lineno)
                continue
            for part in _outside_functions(value):
                if isinstance(part, ast.Call) and not self._is_harmless_call(part):
                    return part.lineno
                if isinstance(part, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
                    return part.lineno
        return None

    def _is_harmless_call(self, call: ast.Call) -> bool:
        """Whether a call does nothing to others, nor what it is handed to call, and ends soon."""
        import ast

        name = ast.unparse(call.func)
        called = [one.value for one in call.keywords if one.arg == _CALLED_AS]
        called += call.args[:1] if name in _CALLING else ()
        if not all(map(self._is_harmless_callee, (call.func, *called))):
            return False
        if name == "range":
            return all(_is_small(one) for one in call.args)
        return name != "type" or len(call.args) == 1

    def _is_harmless_callee(self, callee: Any) -> bool:
        import ast

        if isinstance(callee, ast.Subscript):  # Generic[T]
            callee = callee.value
        if isinstance(callee, ast.Attribute) and callee.attr in _DOING_CALLS:
            return False
        if isinstance(callee, ast.Attribute) and (
            _is_own_value(callee.value, self._own)
            or (isinstance(callee.value, ast.Call) and self._is_harmless_callee(callee.value.func))
        ):
            return True
        name = ast.unparse(callee)
        first, dot, rest = name.partition(".")
        if first not in self._from:
            return not dot and hasattr(builtins, name) and name not in _DOING
        full = f"{self._from[first]}{dot}{rest}"
        if full.rpartition(".")[2] in _DOING_CALLS:
            return False
        return full in _HARMLESS_CALLS or full.partition(".")[0] in _HARMLESS


def _is_made(value: Any, own: set[str]) -> bool:
    """Whether a value is made where the module assigns it: nobody else has it."""
    import ast

    if isinstance(value, ast.Name):
        return value.id in own
    return not isinstance(value, ast.Attribute | ast.Subscript | ast.IfExp | ast.BoolOp)


def _is_own_value(value: Any, own: set[str]) -> bool:
    import ast

    if isinstance(value, ast.Name):
        return value.id in own
    return isinstance(value, ast.Constant | ast.JoinedStr | ast.List | ast.Dict | ast.Set)


def _is_small(value: Any) -> bool:
    import ast

    number = value.operand if isinstance(value, ast.UnaryOp) else value
    if not isinstance(number, ast.Constant):
        return isinstance(number, ast.Call) and ast.unparse(number.func) == "len"
    return type(number.value) is int and number.value <= _LONGEST


def _outside_functions(value: Any) -> Iterator[Any]:
    """The parts of an expression that run at once."""
    import ast

    ahead = [value]
    while ahead:
        one = ahead.pop()
        yield one
        if not isinstance(one, ast.Lambda):
            ahead += ast.iter_child_nodes(one)

"""Imports point one way, the policy cannot act, and the hot path starts without heavy modules."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "amorsize"

# A part may import what stands in the groups before its own; parts of one group never each other.
CHAIN = (
    {"errors"},
    {"policy"},
    {"report", "_host"},
    {"_plots"},
    {"_page"},
    {"explanation"},
    {"_function", "cache", "progress"},
    {"_watching", "_profiles", "_clusters"},
    {"_workers"},
    {"_engine"},
    {"optimizer"},
    {"tuning", "history", "simulate"},
    {"_api"},
    {"cli"},
    {"__init__", "__main__"},
)
# The folders of a large part, in the same order: a folder imports only from those before it. "" is
# the part itself.
INSIDE = {
    "_function": (*("", "library", "purity", "flow", "files", "changes", "sharing", "needs"),),
    "_workers": ("messages", "", "carried_state", "tasks", "executors", "processes"),
    "_engine": (
        *("options", "data", "placement", "reading", "state", "costs"),
        *("serving", "starting", "caller", "reporting", ""),
    ),
}
GROUP_OF = {part: index for index, group in enumerate(CHAIN) for part in group}

ALLOWED_IN_POLICY = {"__future__", "_collections", "math", "operator", "amorsize.policy"}
FORBIDDEN_IN_POLICY = (
    *("time", "datetime", "random", "secrets", "os", "io", "pathlib", "sys", "logging"),
    *("multiprocessing", "threading", "_thread", "concurrent", "subprocess", "socket", "asyncio"),
)

# What runs before the first call has an answer, with what it loads only when it is asked to.
HOT = {
    "__init__",
    "_api",
    "_clusters",
    "_engine",
    "_function",
    "_host",
    "_profiles",
    "_workers",
}
HOT |= {"cache", "errors", "policy"}
COLD = {
    *("_host.diagnostics", "_host.cost_probe"),  # for the command line
    "_api.help_text",  # for help()
    "_api.signature",  # for inspection
    "cache.diskcache_adapter",  # opens the disk, once that can pay
    "_workers.messages.serialization",  # worker processes need the C half of pickle
}
HEAVY = {  # over 2 ms each on a bare interpreter, most of them far more
    *("typing", "dataclasses", "inspect", "re", "enum", "json", "pickle", "_pickle", "logging"),
    *("subprocess", "socket", "multiprocessing", "traceback", "signal", "hashlib", "contextlib"),
    *("threading", "pathlib", "concurrent", "asyncio", "tempfile"),
    *("psutil", "wrapt", "cloudpickle", "diskcache", "loky", "platformdirs", "tqdm", "rich"),
    *("threadpoolctl", "numpy"),
}


@functools.cache
def modules() -> list[str]:
    """Every module of the package, without its prefix: `errors`, `policy.actions`, `policy`."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names.append(".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts))
    return names


def part_of(module: str) -> str:
    """The part of the package a module belongs to: `policy` for `policy.actions`."""
    return module.split(".")[0]


@functools.cache
def tree_of(module: str) -> ast.Module:
    path = PACKAGE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_bytes(), filename=str(path))


def package_of(module: str) -> list[str]:
    """The package that a relative import in this module starts from."""
    is_package = PACKAGE.joinpath(*module.split(".")).is_dir()
    inside = [] if module in {"__init__", "__main__"} else module.split(".")
    return ["amorsize", *(inside if is_package else inside[:-1])]


def imported(module: str, statements: Iterator[ast.AST]) -> Iterator[str]:
    """Full names of what the statements of a module import: `amorsize.cache`, `os`, `os.path`."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            start = package_of(module)[: len(package_of(module)) + 1 - statement.level]
            base = ".".join(
                [*(start if statement.level else []), *filter(None, [statement.module])]
            )
            if (PACKAGE.parent / base.replace(".", "/")).is_dir():
                yield from (f"{base}.{alias.name}" for alias in statement.names)
            else:
                yield base


def run_at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The statements that importing a module runs: not inside functions, nor for type checkers."""
    for statement in body:
        if for_types_only(statement):
            yield from run_at_import(getattr(statement, "orelse", []))
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement
            for block in ("body", "orelse", "finalbody"):
                yield from run_at_import(getattr(statement, block, []))
            for handler in getattr(statement, "handlers", []):
                yield from run_at_import(handler.body)


def for_types_only(statement: ast.stmt) -> bool:
    """Whether this is an `if TYPE_CHECKING:`."""
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)


STOPPABLE = {"perf_counter", "monotonic", "perf_counter_ns", "monotonic_ns"}


def stoppable_clocks(module):
    """Clocks of `time` that a module asks."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from STOPPABLE & {name.name for name in node.names}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from STOPPABLE & {node.attr} if node.value.id == "time" else ()


def test_clocks_are_those_that_cannot_be_stopped():
    """What measures or waits asks `unpatched`: a program's tests may freeze those of `time`."""
    may = ("_host.unpatched", "_host.diagnostics")
    found = [
        f"{module}: import {name} from unpatched"
        for module in modules()
        if module not in may and not module.startswith("cli")
        for name in stoppable_clocks(module)
    ]
    assert not found


def imports_from_below(module):
    """What a module imports of parts that are not before its own."""
    own = part_of(module)
    for name in imported(module, ast.walk(tree_of(module))):
        if name.startswith("amorsize."):
            other = part_of(name.removeprefix("amorsize."))
            other = other if other in GROUP_OF else "__init__"  # a name of the face
            if other != own and GROUP_OF[other] >= GROUP_OF[own]:
                yield name


def test_each_part_has_its_place_in_the_chain():
    """Give a new one its place here and in docs/dev/design.md."""
    assert len(modules()) > 100
    assert not {part_of(module) for module in modules()} - GROUP_OF.keys()


def test_imports_point_one_way():
    """A module imports its own part and the parts before it, inside functions as well."""
    found = [f"{module}: {name}" for module in modules() for name in imports_from_below(module)]
    assert not found


def folder_of(module: str) -> str:
    """The folder of its part that a module lies in: "flow" for `_function.flow.value_flow`."""
    inside = module.split(".")[1:-1]
    is_package = PACKAGE.joinpath(*module.split(".")).is_dir()
    return ".".join(module.split(".")[1:] if is_package else inside)


def test_folders_of_a_part_import_one_way():
    """A module imports its own folder and the folders before it, inside functions as well."""
    found = [
        f"{module}: {other}"
        for module in modules()
        if (order := INSIDE.get(part_of(module)))
        for other in imported_modules(module)
        if part_of(other) == part_of(module) and other != part_of(module)
        if order.index(folder_of(other)) > order.index(folder_of(module))
    ]
    assert not found


def imported_modules(module: str) -> set[str]:
    """The modules of the package that a module imports anywhere: in functions, for types too."""
    known, found = set(modules()), set()
    for name in imported(module, ast.walk(tree_of(module))):
        if name == "amorsize":
            continue
        parts = name.removeprefix("amorsize.").split(".")
        while parts and ".".join(parts) not in known:
            parts.pop()  # a name of the module
        if name.startswith("amorsize.") and parts:
            found.add(".".join(parts))
    return found - {module}


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """The largest sets of names from each of which the arrows lead to all the others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for name in arrows[ahead.pop()] - seen:
                seen.add(name)
                ahead.append(name)
        return seen

    reach = {name: reached(name) for name in arrows}
    found = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in arrows
        if name in reach[name]
    }
    return [set(circle) for circle in found]


def test_a_circle_is_found():
    """Names that lead back to themselves are told apart from those that only lead there."""
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}

    assert circles(arrows) == [{"b", "c"}]


def test_no_module_leads_back_to_itself():
    """Whoever reads a module and what it imports, for types as well, never comes back to it."""
    found = circles({module: imported_modules(module) for module in modules()})

    assert found == []


def test_policy_imports_nothing_that_acts():
    """The policy decides and does nothing else: arithmetic is all it may import."""
    found = [
        f"{module}: {name}"
        for module in modules()
        if part_of(module) == "policy"
        for name in imported(module, ast.walk(without_types(tree_of(module))))
        if not any(f"{name}.".startswith(f"{allowed}.") for allowed in ALLOWED_IN_POLICY)
    ]
    assert not found


def without_types(tree: ast.Module) -> ast.Module:
    """The module without what only type checkers read."""
    return ast.Module([s for s in tree.body if not for_types_only(s)], tree.type_ignores)


def test_policy_can_be_imported_without_a_clock_a_file_or_a_worker():
    """Where nothing that acts can be imported, the whole policy still can."""
    names = [f"amorsize.{name}" for name in modules() if part_of(name) == "policy"]
    script = f"""
import sys, types
package = types.ModuleType("amorsize")  # without running the face
package.__path__ = [{str(PACKAGE)!r}]
sys.modules["amorsize"] = package
for name in {FORBIDDEN_IN_POLICY!r}:
    sys.modules[name] = None
for name in {names!r}:
    __import__(name)
    print(name)
"""
    assert isolated(script).split() == names


def test_the_hot_path_imports_nothing_heavy():
    """Importing a module of the hot path imports nothing that takes over 2 ms."""
    found = [
        f"{module}: {name}"
        for module in modules()
        if part_of(module) in HOT and module not in COLD
        for name in imported(module, run_at_import(tree_of(module).body))
        if name.split(".")[0] in HEAVY
    ]
    assert not found


def test_decorating_imports_nothing_heavy():
    """`from amorsize import autotune` and decorating leave the heavy modules unloaded."""
    script = f"""
import sys
sys.path[:] = {[str(ROOT), *sys.path]!r}
already = set(sys.modules)
from amorsize import autotune

@autotune
def double(x):
    return 2 * x

print(*sorted((set(sys.modules) - already) & {HEAVY!r}))
"""
    assert isolated(script).split() == []


def isolated(script: str) -> str:
    """What a script prints in an interpreter that has loaded next to nothing."""
    command = [sys.executable, "-I", "-S", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

"""Files, classes and functions of the package stay small, and each module states one idea."""

import ast
import functools
import re
from collections.abc import Iterator

from conftest import ROOT

PACKAGE = ROOT / "amorsize"
TEXTS = {
    path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}

#: The limits of shape, by what is counted.
LIMITS = {"lines": 350, "methods": 20, "attributes": 20, "lines of code": 45}

#: What is over a limit today: where, what is counted, how many it may have. Entries only go away,
#: and their numbers only go down.
TOO_LARGE: dict[tuple[str, str], int] = {}

#: Modules whose first sentence still has an "and". Entries only go away.
TWO_IDEAS: set[str] = set()


def sizes(where: str, source: str) -> Iterator[tuple[tuple[str, str], int]]:
    """What can be too large in a file: where, what is counted, and how many there are."""
    lines = source.splitlines()
    yield (where, "lines"), len(lines)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            yield (f"{where}: {node.name}", "methods"), sum(map(is_function, node.body))
            yield (f"{where}: {node.name}", "attributes"), len(attributes(node))
        elif is_function(node):
            yield (f"{where}: {node.name}", "lines of code"), lines_of_code(node, lines)


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def attributes(node: ast.ClassDef) -> set[str]:
    """The names that a class assigns in its body, or to `self` in its methods."""
    found = set()
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign | ast.Assign):
            targets = getattr(statement, "targets", None) or [statement.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                found.add(name)
    return found - {"__slots__"}


def lines_of_code(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """The lines of a function's body without its docstring, comments and empty lines."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    texts = [line.strip() for line in lines[body[0].lineno - 1 : node.end_lineno]]
    return sum(1 for text in texts if text and not text.startswith("#"))


def first_sentence(source: str) -> str:
    """The first sentence of a module's docstring, in one line."""
    paragraph = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0]
    return re.split(r"(?<=[.?!])\s", " ".join(paragraph.split()))[0]


def test_everything_is_counted():
    """Lines, methods, attributes and lines of code, each as a reader would count it."""
    source = '''
class Pair:
    __slots__ = ("a", "b")
    kind: str = "pair"

    def __init__(self, a, b):
        """Take both."""
        # a comment

        self.a = a
        self.b, self.kind = b, (
            "two"
        )
'''
    assert dict(sizes("pair.py", source)) == {
        ("pair.py", "lines"): 13,
        ("pair.py: Pair", "methods"): 1,
        ("pair.py: Pair", "attributes"): 3,
        ("pair.py: __init__", "lines of code"): 4,
    }


@functools.cache
def found_sizes() -> dict[tuple[str, str], int]:
    """Everything that is counted in the package; of functions that share a name, the longest."""
    found: dict[tuple[str, str], int] = {}
    for where, text in TEXTS.items():
        for what, n in sizes(where, text):
            found[what] = max(n, found.get(what, 0))
    return found


def has_and(where: str) -> bool:
    """Whether a module that states its idea needs an "and" for it."""
    return re.search(r"\band\b", first_sentence(TEXTS.get(where, "")), re.IGNORECASE) is not None


def test_nothing_grows_over_its_limit():
    """What is small stays small; what is too large today may only shrink."""
    allowed = {what: TOO_LARGE.get(what, LIMITS[what[1]]) for what in found_sizes()}
    over = {what: (n, allowed[what]) for what, n in found_sizes().items() if n > allowed[what]}

    assert over == {}, "how many there are, and how many there may be"


def test_every_module_has_one_idea():
    """Its first sentence needs no "and": a module of which it does may be two."""
    assert {where for where in TEXTS if not first_sentence(TEXTS[where])} == set()
    assert {where for where in TEXTS if has_and(where)} - TWO_IDEAS == set()


#: A constant of a module with a comment behind it that is no instruction to a tool.
FRAGMENT = re.compile(
    r"^(?!TYPE_CHECKING)[A-Z_]{2,}[A-Z_, ]* = .*?  # (?!noqa|type:|fmt:)", re.MULTILINE
)


def test_a_constant_is_explained_above_it():
    """A comment behind it is a fragment, which tends to run on over the next constants."""
    assert FRAGMENT.search("LIMIT = 3  # of these at most\n")
    assert {where for where in TEXTS if FRAGMENT.search(TEXTS[where])} == set()


def test_no_exception_stays_when_nothing_needs_it():
    """An entry goes away with the change that makes it needless."""
    found = found_sizes()
    needless = {what for what in TOO_LARGE if found.get(what, 0) <= LIMITS[what[1]]}

    assert needless == set(), "delete these from TOO_LARGE, they are within the limits now"
    assert {where for where in TWO_IDEAS if not has_and(where)} == set(), "delete from TWO_IDEAS"
